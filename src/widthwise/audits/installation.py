"""What an installation computes with: versions, device, threads, memory."""

from __future__ import annotations

import importlib.metadata
import os
import platform

from widthwise import __version__
from widthwise._checks import available_memory
from widthwise._jax import device_line

LIBRARIES = ("numpy", "scipy", "scikit-learn", "jax", "jaxlib", "pandas", "matplotlib", "pyarrow")


def versions() -> dict[str, str]:
    """Versions of widthwise, Python and the libraries that its numbers depend on; libraries that are absent say so."""
    found = {"widthwise": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def installation() -> dict[str, str]:
    """Versions, and the machine as the computations see it."""
    import numpy as np  # noqa: F401, PLC0415 - its BLAS must be loaded to be seen
    import scipy.linalg  # noqa: F401, PLC0415
    from threadpoolctl import threadpool_info  # noqa: PLC0415 - comes with scikit-learn

    found = versions()
    found["system"] = platform.platform()
    found["device"] = device_line()
    found["cores"] = str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    for pool in threadpool_info():
        found[f"threads of {pool['internal_api']} {pool.get('version') or ''}".strip()] = str(pool["num_threads"])
    memory = available_memory()
    found["memory available"] = "unknown" if memory is None else f"{memory / 1e9:.1f} GB"
    return found
