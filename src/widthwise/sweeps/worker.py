"""A worker process: reads jobs from its standard input, runs each under a claim, stores the result, answers with a receipt.

Started by `sweeps.engine` as a program of its own, so that nothing is forked or pickled, and with the number of threads in
its environment before any library is imported.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from widthwise.errors import ResourceError, StoreError
from widthwise.sweeps.claims import heartbeat
from widthwise.sweeps.store import Claim, Store

# What a runner takes, the job's settings and what else its id was made of, and gives: measures and arrays.
Runner = Callable[[Mapping[str, Any]], tuple[Mapping[str, Any], Mapping[str, Any]]]
Receipt = dict[str, Any]


def attempt(store: Store, job: Mapping[str, Any], run: Runner, *, beat: float, driver: int | None = None) -> Receipt:
    """Make one attempt at a job.

    Args:
        store: where its result goes.
        job: its `id`, `attempt`, and what the runner needs.
        run: the runner.
        beat: seconds between heartbeats of the claim.
        driver: the process that gave the job; this one ends if that one has ended.

    Returns:
        What became of it, in `state`: `done`; `busy`, somebody else has it; `lost`, another attempt was first; `failed`,
        with the `reason`; `disk` or `store`, where the store and not the job is at fault, with the `reason`.
    """
    number = Claim(job=job["id"], attempt=job["attempt"])
    receipt: Receipt = {"id": number.job, "attempt": number.attempt}
    started = time.perf_counter()
    try:
        claim = store.claim(number.job, number.attempt)
        if claim is None:
            return receipt | {"state": "done" if store.has(number.job) else "busy", "seconds": 0.0}
        with heartbeat(store.claim_path(claim), beat, parent=driver):
            try:
                measures, arrays = run(job)
            except (Exception, SystemExit) as failure:  # whatever a job raises is its result
                return receipt | {"state": "failed", "reason": f"{type(failure).__name__}: {failure}"}
            seconds = time.perf_counter() - started
            result = {**{key: job[key] for key in job if key not in receipt}, "measures": measures, "seconds": seconds}
            with _finishing():
                first = store.commit(claim, result, arrays)
    except ResourceError as failure:
        return receipt | {"state": "disk", "reason": str(failure)}
    except StoreError as failure:
        return receipt | {"state": "store", "reason": str(failure)}
    return receipt | {"state": "done" if first else "lost", "seconds": seconds}


def find(runner: str) -> Runner:
    """The function named `module:function`."""
    module, _, name = runner.partition(":")
    found: Runner = getattr(importlib.import_module(module), name)
    return found


def main(arguments: str) -> None:
    """Serve jobs until the standard input ends."""
    options = json.loads(arguments)
    # A terminal's Ctrl-C goes to the driver, which says what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if options["core"] is not None and hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, {options["core"]})
    # What a library prints must not get among the receipts.
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    store = Store(Path(options["store"]), durable=options["durable"])
    run = find(options["runner"])
    print(json.dumps({"state": "ready"}), file=answers, flush=True)
    for line in sys.stdin:
        receipt = attempt(store, json.loads(line), run, beat=options["lease"] / 5, driver=options["driver"])
        print(json.dumps(receipt, allow_nan=False), file=answers, flush=True)


@contextlib.contextmanager
def _finishing() -> Iterator[None]:
    """Let a SIGTERM wait until what is being written is whole."""
    heard: list[int] = []

    def hear(number: int, _frame: FrameType | None) -> None:
        heard.append(number)

    before = signal.signal(signal.SIGTERM, hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if heard:
            os._exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1])
