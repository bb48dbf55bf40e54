"""Precision and device: the only place that talks to JAX's configuration, and only ever inside a context."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def float64() -> Iterator[None]:
    """Double precision with exact matrix products, for this thread and this block only.

    Convert results to NumPy before leaving: a float64 JAX array that leaves the block is cut to float32.
    """
    import jax  # noqa: PLC0415 - a second of import time, paid by those who compute

    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        yield


@contextmanager
def full_products() -> Iterator[None]:
    """Matrix products in the full precision of their type: a GPU's default would flip gates and part paired neurons."""
    import jax  # noqa: PLC0415

    with jax.default_matmul_precision("highest"):
        yield


def device_line() -> str:
    """Name the device that JAX computes on, and its version, e.g. `cpu (JAX 0.10.2)`."""
    import jax  # noqa: PLC0415

    device = jax.devices()[0]
    kind = device.device_kind if device.platform != "cpu" else "cpu"
    return f"{kind} (JAX {jax.__version__})"
