"""Jobs that need no library: what a worker process runs in tests of the store and the engine."""

from __future__ import annotations

import os
import time
from pathlib import Path


def run(job):
    """Log that it ran, do what the job says, and give a result that depends on the job alone."""
    told = job["settings"]
    log = Path(told["log"])
    with log.open("ab", buffering=0) as stream:
        stream.write(f"{job['id']} {os.getpid()}\n".encode())
    if "sleep" in told:
        time.sleep(told["sleep"])
    if told.get("do") == "raise":
        raise ValueError("this job cannot be done")
    if told.get("do") == "die":
        os.kill(os.getpid(), 9)
    if told.get("do") == "leave":
        os._exit(3)
    if told.get("do") == "once" and log.read_text().count(job["id"]) == 1:
        raise ValueError("the first time it fails")
    if told.get("do") == "print":
        print("a library that prints")
    arrays = {}
    if told.get("arrays"):
        import numpy as np

        arrays = {"values": np.arange(told["arrays"], dtype=np.float64) * told["x"]}
    return {"square": told["x"] ** 2}, arrays
