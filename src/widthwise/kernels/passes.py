"""The compiled passes over pairs: where an angle comes from, times what is made of it, fused into one loop by XLA.

A pass has a source (cosines of a tile, the rows themselves, a list of half chords) and a profile (polynomials, or the
recursion of a network). JAX functions have no useful static type, hence the bare signatures.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from widthwise.kernels.recursion import Layers, run
from widthwise.kernels.series import Output

Source = Literal["cosines", "rows", "pairs"]
Basis = Literal["powers", "chebyshev"]

# On a CPU a tile has one thread, since others work on other tiles, and the widest vectors that there are.
CPU_OPTIONS = {"xla_cpu_prefer_vector_width": 512, "xla_disable_hlo_passes": "cpu-parallel-task-assigner"}


@functools.lru_cache(maxsize=256)
def by_series(source: Source, basis: Basis) -> Callable[..., Any]:
    """Pass that takes (what the source needs, a, b, even, odd, poles)."""
    evaluate = {"powers": _horner, "chebyshev": _clenshaw}[basis]

    def values(*inputs: Any) -> Any:
        import jax.numpy as jnp  # noqa: PLC0415

        *of_source, a, b, even, odd, poles = inputs
        t, side = _SOURCES[source](*of_source)
        t = t.astype(even.dtype)
        argument = t * np.sqrt(8.0).astype(t.dtype) - 1.0
        odd_part = evaluate(argument, odd)
        found = evaluate(argument, even) + jnp.where(side, odd_part, -odd_part)
        # Tiles of cosines have their poles repaired; the others are exact at them here.
        if source != "cosines":
            found = jnp.where(t == 0.0, jnp.where(side, poles[0], poles[1]), found)
        return _sized(found, a, b)

    return compiled(values)


@functools.lru_cache(maxsize=256)
def by_recursion(source: Source, layers: Layers, output: Output) -> Callable[..., Any]:
    """Pass that takes (what the source needs, a, b)."""

    def values(*inputs: Any) -> Any:
        import jax.numpy as jnp  # noqa: PLC0415

        *of_source, a, b = inputs
        t, side = _SOURCES[source](*of_source)
        half = 2.0 * jnp.arcsin(jnp.minimum(t, 1.0))
        theta = jnp.where(side, half, jnp.pi - half)
        left, right = (a, b) if t.ndim == 1 else (a[:, None], b[None, :])
        nngp, ntk = run(layers, theta, left, right, jnp, sine=jnp.sin(half))
        return jnp.broadcast_to(nngp if output == "nngp" else ntk, t.shape)

    return compiled(values)


@functools.cache
def product() -> Callable[..., Any]:
    """Products of rows, for devices that multiply themselves."""
    return compiled(lambda x, z: x @ z.T)


def compiled(values: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a pass for the device that JAX computes on."""
    import jax  # noqa: PLC0415

    return jax.jit(values, compiler_options=CPU_OPTIONS if on_cpu() else None)


def on_cpu() -> bool:
    """Whether JAX computes on the CPU, where NumPy's BLAS multiplies."""
    import jax  # noqa: PLC0415

    return jax.default_backend() == "cpu"


def _from_cosines(cosine: Any) -> tuple[Any, Any]:
    import jax.numpy as jnp  # noqa: PLC0415

    return jnp.sqrt(jnp.maximum(0.5 - 0.5 * jnp.abs(cosine), 0.0)), cosine >= 0.0


def _from_rows(x: Any, z: Any) -> tuple[Any, Any]:
    """Half chord to the nearer pole, and which pole; the few columns are unrolled."""
    import jax.numpy as jnp  # noqa: PLC0415

    near = far = 0.0
    for j in range(x.shape[1]):
        left, right = x[:, j, None], z[None, :, j]
        near = near + (left - right) ** 2
        far = far + (left + right) ** 2
    return jnp.sqrt(jnp.minimum(near, far)) / 2.0, near <= far


_SOURCES: dict[Source, Callable[..., tuple[Any, Any]]] = {
    "cosines": _from_cosines,
    "rows": _from_rows,
    "pairs": lambda t, side: (t, side),
}


def _horner(argument: Any, coefficients: Any) -> Any:
    import jax.numpy as jnp  # noqa: PLC0415

    found = jnp.full_like(argument, coefficients[-1])
    for j in reversed(range(coefficients.shape[0] - 1)):
        found = found * argument + coefficients[j]
    return found


def _clenshaw(argument: Any, coefficients: Any) -> Any:
    """Stable at any degree, where Horner's rule in powers is not."""
    import jax.numpy as jnp  # noqa: PLC0415

    ahead = behind = jnp.zeros_like(argument)
    for j in reversed(range(1, coefficients.shape[0])):
        ahead, behind = coefficients[j] + 2.0 * argument * ahead - behind, ahead
    return coefficients[0] + argument * ahead - behind


def _sized(found: Any, a: Any, b: Any) -> Any:
    """Values of unit vectors times the sizes of their rows, of a list of pairs or of a tile."""
    return (found * a) * b if found.ndim == 1 else (found * a[:, None]) * b[None, :]
