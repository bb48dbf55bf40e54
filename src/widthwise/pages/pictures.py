"""Small images as PNG data URIs, written without an imaging library."""

from __future__ import annotations

import base64
import math
import struct
import zlib

from widthwise.pages.charts import Picture


def _byte(value: float) -> int:
    """A brightness in [0, 1] as a byte; what is out of range is clipped, what is not a number is black."""
    return 0 if math.isnan(value) else round(255 * min(max(value, 0.0), 1.0))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(picture: Picture) -> bytes:
    """The picture as a PNG file, one pixel per pixel.

    Args:
        picture: grey or colour.

    Returns:
        The bytes of the file.
    """
    rows = picture.pixels
    colour = isinstance(rows[0][0], tuple)
    lines = b"".join(b"\0" + bytes(_byte(v) for pixel in row for v in (pixel if colour else (pixel,))) for row in rows)
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 2 if colour else 0, 0, 0, 0)
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines, 9)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def data_uri(picture: Picture) -> str:
    """The picture as a `data:` address."""
    return "data:image/png;base64," + base64.b64encode(png(picture)).decode("ascii")
