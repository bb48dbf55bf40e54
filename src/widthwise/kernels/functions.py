"""The kernels as pure JAX functions of two vectors: `jit`, `grad` and `vmap` them; JAX in, JAX out.

Derivatives are finite everywhere. Where a kernel has a kink, at x = z and x = -z, they are those of its smooth part, the
mean of the one-sided ones. Precision is that of the inputs; nothing here changes JAX's configuration.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from widthwise.kernels.fully_connected import NNGP, NTK, HInf
from widthwise.kernels.kernel import Kernel
from widthwise.kernels.recursion import angle, run

# NumPy's arrays are taken as JAX takes them: in its current precision.
Vector = Float[Array, " d"] | Float[np.ndarray, " d"]


def ntk(x: Vector, z: Vector, **network: Any) -> Float[Array, ""]:
    """Tangent kernel of two vectors; keyword arguments and meaning as `NTK`."""
    return evaluate(NTK(**network), x, z)


def nngp(x: Vector, z: Vector, **network: Any) -> Float[Array, ""]:
    """Output covariance of two vectors; keyword arguments and meaning as `NNGP`."""
    return evaluate(NNGP(**network), x, z)


def hinf(x: Vector, z: Vector) -> Float[Array, ""]:
    """First-layer tangent kernel of two vectors, as `HInf`."""
    return evaluate(HInf(), x, z)


def evaluate(kernel: Kernel, x: Vector, z: Vector) -> Float[Array, ""]:
    """Value of a kernel for two vectors."""
    layers = kernel.layers
    rows = [_lengthened(v, kernel.scale, layers.bias_variance) for v in (jnp.asarray(x), jnp.asarray(z))]
    (unit_x, a), (unit_z, b) = ((v / jnp.where(n > 0, n, 1.0), n) for v in rows for n in (_norm(v),))
    near, far = (jnp.sum((unit_x + sign * unit_z) ** 2) / 4.0 for sign in (-1.0, 1.0))
    # The smaller chord is the accurate one; the angle is taken from it.
    acute = near <= far
    half = angle(jnp.where(acute, near, far), jnp)
    theta = jnp.where(acute, half, jnp.pi - half)
    nngp_value, ntk_value = run(layers, theta, a, b, jnp, sine=jnp.sin(half))
    value: Float[Array, ""] = nngp_value if kernel.output == "nngp" else ntk_value
    return value


def _lengthened(x: Float[Array, " d"], scale: float, bias: float) -> Float[Array, " p"]:
    """First pre-activations' standard deviation is the norm of this vector: the bias is one more coordinate."""
    scaled = x * scale**0.5
    return jnp.append(scaled, jnp.asarray(bias**0.5, scaled.dtype)) if bias else scaled


def _norm(x: Float[Array, " d"]) -> Float[Array, ""]:
    """Euclidean norm that neither overflows nor has an infinite derivative at zero."""
    # Only a scale: the norm does not depend on it, and neither must its derivative.
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(x)))
    safe = jnp.where(largest > 0, largest, 1.0)
    square = jnp.sum((x / safe) ** 2)
    return jnp.where(largest > 0, safe * jnp.sqrt(jnp.where(largest > 0, square, 1.0)), 0.0)
