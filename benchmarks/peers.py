"""Environments of peers: each library with the versions it needs, made once in a folder of its own.

Never dependencies of widthwise. The folder is `WIDTHWISE_PEERS`, or one in the system's temporary folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

NEURAL_TANGENTS = (
    ("jax==0.4.23", "jaxlib==0.4.23", "numpy<2", "scipy<1.13", "ml_dtypes<0.4", "frozendict"),
    ("neural-tangents==0.6.5",),
)
TORCH = (("torch==2.13.0", "numpy"),)
SCIKIT_NTK = (("scikit-ntk",),)
XRFM = (("torch==2.13.0", "numpy", "scikit-learn", "tqdm"), ("xrfm==0.4.5",))

# neural-tangents wants TensorFlow for a part that kernels do not use: a stub stands in.
STUB = "import sys, types; sys.modules['neural_tangents.experimental'] = types.ModuleType('experimental')\n"


def environment(name: str, steps: tuple[tuple[str, ...], ...]) -> Path:
    """The Python of an environment, made if it is not there; the last of several steps is installed without its needs."""
    root = Path(os.environ.get("WIDTHWISE_PEERS", Path(tempfile.gettempdir()) / "widthwise-peers")) / name
    python = root / "bin" / "python"
    if not (root / "complete").exists():
        venv.create(root, with_pip=True, clear=True)
        for number, step in enumerate(steps):
            alone = ["--no-deps"] if number == len(steps) - 1 and number else []
            subprocess.run(
                [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", *alone, *step], check=True
            )
        (root / "complete").touch()
    return python


def measure(python: Path | str, script: str, arguments: object) -> dict[str, Any]:
    """Run a script that reads its arguments and prints its figures as JSON, in a fresh process."""
    done = subprocess.run(
        [str(python), "-W", "ignore", "-c", script, json.dumps(arguments)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.strip().split("\n")[-1])
    return found


OURS = sys.executable
