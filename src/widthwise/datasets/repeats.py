"""Rows of equal features: which row each one repeats."""

from __future__ import annotations

import hashlib

import numpy as np
from jaxtyping import Float, Int

# Different rows share a digest of so many bytes with a probability below 1e-28, a million million rows included.
DIGEST = 20


def first_rows(X: Float[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
    """The first row that equals each row, itself where none before it does; 0 and -0 are one number.

    Args:
        X: features.
    """
    seen: dict[bytes, int] = {}
    # Adding zero makes -0 and 0 one. Digests, since the bytes of all rows would be the matrix once more.
    digests = (hashlib.blake2b((row + 0.0).tobytes(), digest_size=DIGEST).digest() for row in X)
    return np.fromiter((seen.setdefault(digest, i) for i, digest in enumerate(digests)), dtype=np.intp, count=len(X))
