"""What the terminal renderers ask of a stream."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Stream(Protocol):
    """A text stream, such as `sys.stdout` or an `io.StringIO`."""

    def write(self, text: str, /) -> int:
        """Write text."""
        ...

    def flush(self) -> None:
        """Hand on what was written."""
        ...

    def isatty(self) -> bool:
        """Whether a person reads along."""
        ...
