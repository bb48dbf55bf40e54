"""Light jobs, stores and drivers in processes of their own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "src"

DRIVER = """
import json, sys
from pathlib import Path
from widthwise.errors import WidthwiseError
from widthwise.sweeps.engine import Job, Local, run
from widthwise.sweeps.store import Store

told = json.loads(sys.argv[1])
store = Store(Path(told["store"]), durable=told["durable"])
try:
    store.create({"sweep": "light"})
    store.clean()
    ready = set(store.check())
    jobs = [Job(**job) for job in told["jobs"] if job["id"] not in ready]
    engine = Local(workers=told["workers"], lease=told["lease"], runner="light_job:run", pin=False)
    print("begun", flush=True)
    run(store, jobs, engine)
except WidthwiseError as failure:
    print(failure, file=sys.stderr)
    sys.exit(failure.exit_code)
"""


class Lights:
    """Jobs of `light_job` in a store, and drivers for them."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "store"
        self.log = folder / "log"
        self.log.touch()

    def job(self, x: int, shape: str = "", **what: object) -> dict:
        content = {"settings": {"x": x, "log": str(self.log), **what}}
        name = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
        return {"id": name, "content": content, "shape": shape}

    def start(self, jobs: list[dict], *, workers: int = 1, lease: float = 60.0, durable: bool = False, **options):
        """A driver of its own."""
        told = {"store": str(self.store), "jobs": jobs, "workers": workers, "lease": lease, "durable": durable}
        path = os.pathsep.join([str(SOURCES), str(HERE)])
        return subprocess.Popen(
            [sys.executable, "-c", DRIVER, json.dumps(told)],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def run(self, jobs: list[dict], **options: object) -> tuple[int, str]:
        """Exit code and messages of a driver."""
        process = self.start(jobs, **options)
        _, err = process.communicate(timeout=120)
        return process.returncode, err

    def ran(self) -> list[str]:
        """Jobs that ran, as often as they did."""
        return [line.split()[0] for line in self.log.read_text().splitlines()]

    def processes(self) -> list[int]:
        """Processes that ran jobs."""
        return [int(line.split()[1]) for line in self.log.read_text().splitlines()]


@pytest.fixture
def lights(tmp_path):
    return Lights(tmp_path)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 300 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)
