"""Errors of widthwise: each says what must hold, what came and what to do next.

Every class carries the exit code of the command line, so that `cli` needs no table of its own.
"""

from __future__ import annotations

from typing import ClassVar


class WidthwiseError(Exception):
    """Base of all errors that widthwise raises on purpose."""

    exit_code: ClassVar[int] = 70


class UsageError(WidthwiseError, ValueError):
    """An argument or a name is not one that widthwise knows."""

    exit_code: ClassVar[int] = 2


class DataError(WidthwiseError, ValueError):
    """The data cannot be used as they are; the message names the place."""

    exit_code: ClassVar[int] = 3


class SingularKernelError(DataError):
    """A kernel matrix is singular to working precision and the labels leave its range."""


class ResourceError(WidthwiseError, MemoryError):
    """The work needs more memory or disk than there is; the message gives the numbers."""

    exit_code: ClassVar[int] = 5


class DownloadError(WidthwiseError, OSError):
    """A data set could not be fetched, or what came is not what was asked for."""

    exit_code: ClassVar[int] = 7


class SpecError(WidthwiseError, ValueError):
    """A sweep's spec cannot be run as it is; the message names each key and the line where it stands."""

    exit_code: ClassVar[int] = 4


class StoreError(WidthwiseError, OSError):
    """A store or file of results is damaged, locked by another run, or written by a newer version."""

    exit_code: ClassVar[int] = 6


class JobsFailedError(WidthwiseError, RuntimeError):
    """Some jobs of a sweep failed for good; the others are done and stored."""

    exit_code: ClassVar[int] = 8
