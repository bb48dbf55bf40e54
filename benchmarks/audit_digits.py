"""Time and peak memory of `widthwise audit digits` from a cold start: a fresh process each time, first answer and end.

    .venv/bin/python benchmarks/audit_digits.py [RUNS]

Prints the medians. With the rights to, the page cache is dropped before each run, so that imports come from disk.
"""

from __future__ import annotations

import contextlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMAND = [str(Path(sys.executable).with_name("widthwise")), "audit", "digits"]


def drop_page_cache() -> bool:
    """Ask the kernel to forget cached files; False where that is not allowed."""
    with contextlib.suppress(OSError):
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3\n", encoding="ascii")
        return True
    return False


def run_once() -> tuple[float, float, float, bool]:
    """Seconds to the first answer and to the end, peak memory in MB, and whether the start was cold."""
    cold = drop_page_cache()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with subprocess.Popen(
            [*COMMAND, "--out", folder], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            first = 0.0
            assert process.stdout is not None
            for line in process.stdout:
                if not first and line.startswith("1. "):
                    first = time.perf_counter() - start
        assert process.returncode == 0, process.returncode
        end = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return first, end, peak, cold


def main(runs: int) -> None:
    """Print the medians of several runs."""
    found = [run_once() for _ in range(runs)]
    first, end, peak = (statistics.median(r[i] for r in found) for i in range(3))
    kind = "page cache dropped" if all(r[3] for r in found) else "page cache warm"
    print(f"{runs} runs, {os.cpu_count()} cores, {kind}")
    print(f"first answer {first:.1f} s, end {end:.1f} s, peak memory {peak:.0f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
