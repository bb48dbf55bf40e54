"""Progress of long work, on stderr: a bar with the time left on a terminal, sparse plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import IO, Final, cast

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as RichProgress

from widthwise.pages.markup import shorten, visible
from widthwise.pages.streams import Stream

INTERVAL: Final = 5.0  # seconds between plain lines
TICK: Final = 0.1  # seconds between looks at the bar


def duration(seconds: float | int) -> str:
    """A duration to read: `9 s`, `3 min 20 s`, `2 h 5 min`.

    Args:
        seconds: not negative.

    Returns:
        The text.
    """
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    hours, rest = divmod(whole, 3600)
    return f"{hours} h {rest // 60} min"


class Progress:
    """Shows how far a piece of work is; a context manager.

    A thread of its own writes, so that `advance` costs next to nothing and may be called from many threads,
    and the time goes on while a single long step is under way.

    Args:
        total: units of work in all.
        label: what is done, as in "verifying".
        stream: where to write; `sys.stderr` at the time of entry if absent.
        delay: seconds during which nothing is shown.
        enabled: False makes it silent.
    """

    def __init__(
        self,
        total: float | int,
        *,
        label: str,
        stream: Stream | None = None,
        delay: float = 2.0,
        enabled: bool = True,
    ) -> None:
        self.total = float(total)
        self._label = self._clean(label)
        self._stream = stream
        self._delay = delay
        self._enabled = enabled
        self._done = 0.0
        self._lock = threading.Lock()
        self._finished = threading.Event()
        self._thread: threading.Thread | None = None
        self._start = self._moved = 0.0

    @staticmethod
    def _clean(label: str) -> str:
        return shorten(visible(label), 60)

    @property
    def done(self) -> float:
        """Units of work done so far."""
        with self._lock:
            return self._done

    def advance(self, units: float | int, label: str | None = None) -> None:
        """Count work as done; safe from any thread.

        Args:
            units: how much.
            label: what is done next, if that changes.
        """
        with self._lock:
            self._done += float(units)
            self._moved = time.monotonic()
            if label is not None:
                self._label = self._clean(label)

    def __enter__(self) -> Progress:
        self._start = self._moved = time.monotonic()
        if self._enabled:
            stream = self._stream if self._stream is not None else sys.stderr
            self._thread = threading.Thread(target=self._run, args=(stream,), name="progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._finished.set()
        if self._thread is not None:
            self._thread.join()

    def _state(self) -> tuple[str, float, float | None]:
        """Label, fraction done, seconds left if that can be told."""
        with self._lock:
            label, done, moved = self._label, self._done, self._moved
        fraction = min(max(done / self.total, 0.0), 1.0) if self.total > 0 else 0.0
        if fraction == 0:
            return label, fraction, None
        # By the pace when work was last counted: within a long step the time left runs down, and is not told once it is used up.
        left = (moved - self._start) * (1 - fraction) / fraction - (time.monotonic() - moved)
        return label, fraction, left if left > 0 else None

    def _run(self, stream: Stream) -> None:
        if self._finished.wait(self._delay):
            return
        # A stream that is closed or full must not take the work down with it.
        try:
            if stream.isatty():
                self._show_bar(stream)
            else:
                self._write_lines(stream)
        except (OSError, ValueError):
            return

    def _write_lines(self, stream: Stream) -> None:
        while True:
            label, fraction, left = self._state()
            line = f"{label}: {100 * fraction:.0f} %"
            if left is not None and fraction < 1:
                line += f", about {duration(left)} left"
            encoding = getattr(stream, "encoding", None) or "utf-8"
            stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
            stream.flush()
            if self._finished.wait(INTERVAL):
                return

    def _show_bar(self, stream: Stream) -> None:
        console = Console(file=cast("IO[str]", stream), highlight=False, markup=False, emoji=False, force_jupyter=False)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %", markup=False),
            TextColumn("{task.fields[left]}", markup=False, style="dim"),
        )
        with RichProgress(*columns, console=console, transient=True, auto_refresh=False) as bar:
            task = bar.add_task("", total=1.0, left="")
            while True:
                label, fraction, left = self._state()
                text = f"about {duration(left)} left" if left is not None and fraction < 1 else ""
                bar.update(task, completed=fraction, description=label, left=text, refresh=True)
                if self._finished.wait(TICK):
                    return
