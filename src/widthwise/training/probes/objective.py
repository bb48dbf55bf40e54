"""Losses as probes need them: by row, and their derivatives in the outputs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from widthwise.errors import UsageError

# Whether the loss of a set of rows is the mean of the rows' losses; the other losses are their sum.
MEANS = {"squared": False, "mean_squared": True, "logistic": True, "cross_entropy": True}


def row_losses(loss: str, outputs: Float[Array, "n k"], Y: Float[Array, "n k"]) -> Float[Array, " n"]:
    r"""Loss of each row.

    - `squared`: half the squared distance of outputs and targets.
    - `mean_squared`: their mean square over the outputs, without a half.
    - `logistic`: :math:`\sum_c \log(1 + e^{-y_c f_c})`, labels -1 and +1.
    - `cross_entropy`: :math:`-\sum_c y_c \log \mathrm{softmax}(f)_c`, rows of Y that sum to one.

    Raises:
        UsageError: if the loss is not known.
    """
    known(loss)
    if loss == "squared":
        return 0.5 * jnp.sum((outputs - Y) ** 2, axis=1)
    if loss == "mean_squared":
        return jnp.mean((outputs - Y) ** 2, axis=1)
    if loss == "logistic":
        return jnp.sum(jax.nn.softplus(-Y * outputs), axis=1)
    return -jnp.sum(Y * jax.nn.log_softmax(outputs, axis=1), axis=1)


def total_loss(loss: str, outputs: Float[Array, "n k"], Y: Float[Array, "n k"]) -> Float[Array, ""]:
    """The loss that is trained on: the sum of the rows' losses for `squared`, their mean for the others."""
    losses = row_losses(loss, outputs, Y)
    return jnp.mean(losses) if MEANS[loss] else jnp.sum(losses)


def row_derivatives(loss: str, outputs: Float[Array, "n k"], Y: Float[Array, "n k"]) -> Float[Array, "n k"]:
    """Derivative of each row's own loss in its outputs: f - y for `squared`."""
    derivative: Float[Array, "n k"] = jax.grad(lambda F: jnp.sum(row_losses(loss, F, Y)))(outputs)
    return derivative


def known(loss: str) -> None:
    """Refuse a loss that is not known.

    Raises:
        UsageError: naming those that are.
    """
    if loss not in MEANS:
        raise UsageError(f"loss must be one of {', '.join(map(repr, MEANS))}; {loss!r} came")
