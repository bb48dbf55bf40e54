"""Kernels estimated by sampling networks: the answer where there is no closed form, and the check where there is one."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from widthwise._checks import count, finite_matrix
from widthwise._jax import float64
from widthwise.errors import DataError, UsageError
from widthwise.networks import activation as activations
from widthwise.networks.empirical import empirical_ntk
from widthwise.networks.mlp import MLP, Params
from widthwise.networks.network import Network


@dataclass(frozen=True, kw_only=True, eq=False)
class KernelEstimate:
    """Mean over sampled networks of a kernel, and how well it is known.

    Attributes:
        mean: mean over the samples, entry by entry; unbiased for the mean at this width, which is not the limit.
        standard_error: standard deviation of `mean`, from the scatter of the samples; entries share the networks, so
            their errors are correlated.
        samples: number of networks.
    """

    mean: Float[np.ndarray, "n m"]
    standard_error: Float[np.ndarray, "n m"]
    samples: int


def monte_carlo_kernel(
    net: Network,
    X: object,
    Z: object | None = None,
    *,
    samples: int,
    seed: int | np.random.Generator,
    kind: Literal["ntk", "nngp"] = "ntk",
) -> KernelEstimate:
    r"""Mean kernel of networks at their random start, with its standard error, in float64.

    ``ntk`` is the kernel of the gradients of one output in the trained parameters, the mean over outputs where there are
    several. ``nngp`` is the covariance of an output given the hidden layers,

    .. math:: E[f(x) f(z) \mid W] = s_{L+1}^2\,\mathrm{Var}(a)\; h_L(x)^\top h_L(z) + \mathrm{Var}(c)

    whose mean is the covariance of the output, and which scatters like the width to the power -1/2 where the product of
    two outputs scatters at any width.

    Args:
        net: the networks' law.
        X: n rows.
        Z: m rows; X itself when not given.
        samples: number of networks, at least two; the standard error falls like its root.
        seed: an integer or a NumPy generator.
        kind: `ntk` or `nngp`.

    Raises:
        UsageError: if an argument is not one that is known, or the covariance of an antisymmetric start, which is zero,
            is asked.
        DataError: if a matrix is not finite or the numbers of columns differ.

    References:
        :cite:t:`jacot2018`; :cite:t:`arora2019b`, section 3.
    """
    count(samples, "samples", 2)
    if kind not in ("ntk", "nngp"):
        raise UsageError(f"kind must be 'ntk' or 'nngp'; {kind!r} came")
    if kind == "nngp" and not isinstance(net, MLP):
        raise UsageError(
            f"kind 'nngp' is the covariance of an MLP's output given its hidden layers; for a {type(net).__name__} average "
            "products of outputs"
        )
    if kind == "nngp" and isinstance(net, MLP) and net.antisymmetric:
        raise UsageError("outputs of an antisymmetric start are zero: for their covariance pass antisymmetric=False")
    rows = finite_matrix(X, "X")
    others = None if Z is None else finite_matrix(Z, "Z")
    if others is not None and others.shape[1] != rows.shape[1]:
        raise DataError(f"X and Z must have as many columns: {rows.shape[1]} and {others.shape[1]} came")
    generator = np.random.default_rng(seed)
    shape = (len(rows), len(rows) if others is None else len(others))
    mean, scatter = np.zeros(shape), np.zeros(shape)
    with float64():
        inputs, targets = jnp.asarray(rows), None if others is None else jnp.asarray(others)
        for drawn in range(1, samples + 1):
            params = net.init(generator, d=rows.shape[1])
            if kind == "nngp" and isinstance(net, MLP):
                found = np.asarray(_covariance(net, params, inputs, targets))
            elif net.outputs == 1:
                found = np.asarray(empirical_ntk(net, params, inputs, targets))
            else:
                found = np.asarray(empirical_ntk(net, params, inputs, targets, outputs="trace")) / net.outputs
            # Welford's update: no cancellation, whatever the number of samples.
            gap = found - mean
            mean = mean + gap / drawn
            scatter = scatter + gap * (found - mean)
    return KernelEstimate(mean=mean, standard_error=np.sqrt(scatter / (samples * (samples - 1.0))), samples=samples)


@functools.partial(jax.jit, static_argnames="net")
def _covariance(net: MLP, params: Params, X: Array, Z: Array | None) -> Array:
    """Covariance of an output over its own weights and bias, given the hidden layers."""
    left = activations.value(net.activation, net.pre_activations(params, X)[-1])
    right = left if Z is None else activations.value(net.activation, net.pre_activations(params, Z)[-1])
    return net.readout_variance * (left @ right.T) + net.output_bias_variance
