"""Activations of finite networks and their derivatives, in JAX; their Gaussian integrals are in `kernels.activations`."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf
from jaxtyping import Array, Float

from widthwise.kernels.activations import Activation, piecewise_linear


def value(activation: Activation, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Activation of each pre-activation."""
    form = piecewise_linear(activation)
    if form is None:
        return erf(z)
    # Not a maximum, whose derivative at zero JAX splits between its arguments: here it is one, as in the papers.
    return jnp.where(z >= 0, z, form.slope * z if form.slope else jnp.zeros_like(z))


def derivative(activation: Activation, z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Derivative at each pre-activation; at zero that of the positive side."""
    form = piecewise_linear(activation)
    if form is None:
        return jnp.exp(-(z**2)) * (2.0 / float(np.sqrt(np.pi)))
    return jnp.where(z >= 0, jnp.ones_like(z), jnp.full_like(z, form.slope))
