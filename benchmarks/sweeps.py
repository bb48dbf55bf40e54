"""A sweep of many small trainings: how busy it keeps the cores, what a job costs beside its training, PyTorch beside it.

    python benchmarks/sweeps.py [JOBS] [TORCH_JOBS]

Two-layer networks on digits by mini-batches: 64 rows a step, widths 128 and 256, about half a second a job. PyTorch (eager, one
thread a process, as many processes as cores) trains the same networks by the same rule on as many jobs as are asked for.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

JOBS = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdigit() else 500
TORCH_JOBS = int(sys.argv[2]) if len(sys.argv) > 2 else 40
STEPS, BATCH, ROWS, WIDTHS, RATE = 6000, 64, 1024, (128, 256), 0.002

TORCH = """
import json, os, sys, time
told = json.loads(sys.argv[1])
os.environ["OMP_NUM_THREADS"] = "1"

def work(jobs):
    import numpy as np, torch
    torch.set_num_threads(1)
    data = np.load(told["data"])
    X, Y = torch.tensor(data["X"]), torch.tensor(data["Y"])
    n, batch = len(X), told["batch"]
    times = []
    for width, seed in jobs:
        began = time.perf_counter()
        rng = torch.Generator().manual_seed(seed)
        W = torch.randn(width, X.shape[1], generator=rng).requires_grad_()
        a = torch.sign(torch.randn(width, Y.shape[1], generator=rng)) * width ** -0.5
        optimizer = torch.optim.SGD([W], lr=told["rate"])
        order, at = torch.randperm(n, generator=rng), 0
        for _ in range(told["steps"]):
            if at + batch > n:
                order, at = torch.randperm(n, generator=rng), 0
            rows = order[at : at + batch]
            at += batch
            optimizer.zero_grad()
            loss = 0.5 * ((torch.relu(X[rows] @ W.T) @ a - Y[rows]) ** 2).sum()
            loss.backward()
            optimizer.step()
        times.append(time.perf_counter() - began)
    return times

if __name__ == "__main__":
    import subprocess
    if told.get("part") is not None:
        print(json.dumps(work(told["jobs"][told["part"] :: told["parts"]])))
    else:
        began = time.perf_counter()
        parts = told["parts"]
        running = [
            subprocess.Popen([sys.executable, "-W", "ignore", told["script"], json.dumps({**told, "part": i})],
                             stdout=subprocess.PIPE, text=True)
            for i in range(parts)
        ]
        times = [t for p in running for t in json.loads(p.communicate()[0])]
        print(json.dumps({"wall": time.perf_counter() - began, "times": times}))
"""


def nothing(job):
    """A job that does nothing."""
    return {"number": job["settings"]["number"]}, {"curve": np.zeros(200)}


def spent() -> float:
    """CPU seconds of all processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def empty_jobs(folder: Path, *, durable: bool) -> float:
    """Seconds of a worker for a job that does nothing, 500 of them, start of the workers left out."""
    from widthwise.sweeps.engine import Job, Local, run
    from widthwise.sweeps.store import Store

    store = Store(folder, durable=durable)
    store.create({"benchmark": "empty"})
    jobs = [Job(id=f"{i:032x}", content={"settings": {"number": i}}) for i in range(500)]
    engine = Local(runner="sweeps:nothing")
    began: list[float] = []
    run(store, jobs, engine, observe=lambda _: began.append(time.perf_counter()))
    return (began[-1] - began[9]) / (len(began) - 10) * len(engine.cores())


def main() -> None:
    import widthwise as ww
    from widthwise.datasets import encode, prepare

    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as root:
        place = Path(root)
        for durable in (False, True):
            seconds = empty_jobs(place / f"empty-{durable}", durable=durable)
            print(f"an empty job costs {1e3 * seconds:.1f} ms of a worker, {'with' if durable else 'without'} fsync")
        spec = {
            "name": "benchmark",
            "settings": {
                "data": "digits", "n": ROWS, "steps": STEPS, "batch_size": BATCH, "optimizer": "sgd",
                "learning_rate": RATE, "scale": "unit",
            },
            "product": {"width": list(WIDTHS), "seed": {"count": JOBS // len(WIDTHS)}},
        }  # fmt: skip
        before, began = spent(), time.perf_counter()
        sweep = ww.sweep(spec, out=place / "store", durable=False)
        wall, used = time.perf_counter() - began, spent() - before
        rows = sweep.table
        seconds = [row["seconds"] for row in rows]
        assert {row["status"] for row in rows} == {"done"}
        print(f"{len(rows)} jobs on {cores} cores: {wall:.1f} s, median of a job {statistics.median(seconds):.3f} s")
        print(f"cores busy: {100 * used / wall / cores:.1f} % (CPU seconds of the workers over wall time)")
        beside = (wall * cores - sum(seconds)) / len(rows)
        print(f"time of a worker outside its jobs, start and imports included: {1e3 * beside:.1f} ms a job")
        if not TORCH_JOBS:
            return
        from peers import TORCH as NEEDS
        from peers import environment

        ds = ww.load("digits")
        part = ds.take(np.random.default_rng([0, 0]).permutation(ds.n)[:ROWS])
        X = prepare(part.X, scale="unit", tau=0.0).X.astype(np.float32)
        np.savez(place / "data.npz", X=X, Y=encode(part).Y.astype(np.float32))
        script = place / "torch_sweep.py"
        script.write_text(TORCH)
        jobs = [[WIDTHS[i % len(WIDTHS)], i] for i in range(TORCH_JOBS)]
        told = {
            "data": str(place / "data.npz"), "batch": BATCH, "steps": STEPS, "rate": RATE, "jobs": jobs, "parts": cores,
            "script": str(script),
        }  # fmt: skip
        import subprocess

        done = subprocess.run(
            [str(environment("torch", NEEDS)), "-W", "ignore", str(script), json.dumps(told)],
            check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        found = json.loads(done.stdout)
        theirs = statistics.median(found["times"])
        print(f"PyTorch eager: {len(found['times'])} jobs in {found['wall']:.1f} s, median of a job {theirs:.3f} s")
        rate, peer = len(rows) / wall, len(found["times"]) / found["wall"]
        print(f"jobs a second: {rate:.2f} against {peer:.2f}, ratio {rate / peer:.2f}, starts included")


if __name__ == "__main__":
    main()
