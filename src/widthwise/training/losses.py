r"""Losses of a network's outputs f against targets y: their values, their derivatives and the targets that they take.

============== ================================================================ ======================
name           value                                                            targets
============== ================================================================ ======================
squared        :math:`\tfrac12 \sum_{ic} (f_{ic} - y_{ic})^2`                    numbers
mean_squared   :math:`\tfrac1{nk} \sum_{ic} (f_{ic} - y_{ic})^2`, without a half numbers
logistic       :math:`\tfrac1n \sum_{ic} \log(1 + e^{-y_{ic} f_{ic}})`            -1 and +1
cross_entropy  :math:`-\tfrac1n \sum_{ic} y_{ic} \log \mathrm{softmax}(f_i)_c`    classes, or one-hot rows
============== ================================================================ ======================

The sum of `squared` is the loss of :cite:t:`arora2019`: a rate there is n times smaller than the same rate on a mean.
Every function takes NumPy arrays or JAX arrays and answers in kind.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from widthwise._checks import columns
from widthwise.errors import DataError, UsageError

Loss = Literal["squared", "mean_squared", "logistic", "cross_entropy"]
LOSSES: tuple[Loss, ...] = ("squared", "mean_squared", "logistic", "cross_entropy")

Outputs = Float[Array, "n k"] | Float[np.ndarray, "n k"]


def known(loss: str) -> Loss:
    """Refuse a name that is not one of a loss.

    Raises:
        UsageError: listing the names.
    """
    if loss not in LOSSES:
        listed = f"{', '.join(map(repr, LOSSES[:-1]))} or {LOSSES[-1]!r}"
        raise UsageError(f"loss must be {listed}; {loss!r} came")
    return loss


def targets(
    loss: Loss, y: Num[np.ndarray, " rows"] | Num[np.ndarray, "rows columns"], n: int, outputs: int
) -> Float[np.ndarray, "rows k"]:
    """Targets as a loss takes them: one column for each output.

    Args:
        loss: its name.
        y: numbers; -1 and +1; classes 0 ... k-1 or one-hot rows, as the loss wants.
        n: number of rows of X.
        outputs: number k of outputs of the network.

    Raises:
        DataError: if the shape or the values do not fit; says which values the loss takes.
    """
    Y = columns(np.asarray(y, dtype=np.float64), n)
    if loss == "cross_entropy" and np.ndim(y) == 1:
        classes = Y[:, 0]
        if np.any(classes != np.round(classes)) or classes.min() < 0 or classes.max() >= outputs:
            raise DataError(
                f"the cross entropy of {outputs} outputs takes classes 0 ... {outputs - 1}, or one-hot rows; "
                f"{classes.min():g} to {classes.max():g} came"
            )
        return np.eye(outputs)[classes.astype(np.int64)]
    if Y.shape[1] != outputs:
        raise DataError(f"the network has {outputs} outputs, y {Y.shape[1]} columns: they must agree")
    if loss == "logistic" and not np.all(np.abs(Y) == 1.0):
        raise DataError(
            f"the logistic loss takes targets -1 and +1; {Y[np.abs(Y) != 1.0][0]:g} came: for 0 and 1 pass 2 * y - 1"
        )
    if loss == "cross_entropy" and not (np.all((Y == 0) | (Y == 1)) and np.all(Y.sum(axis=1) == 1)):
        raise DataError("the cross entropy takes one-hot rows: every row zeros and one 1; other rows came")
    return Y


def by_row(loss: str, outputs: Outputs, Y: Outputs) -> Any:
    """Loss of each row by itself; their sum is `squared`, their mean the other losses."""
    xp = _arrays(outputs)
    name = known(loss)
    if name == "squared":
        return xp.sum((outputs - Y) ** 2, axis=1) / 2
    if name == "mean_squared":
        return xp.sum((outputs - Y) ** 2, axis=1) / outputs.shape[1]
    if name == "logistic":
        return xp.sum(xp.logaddexp(xp.zeros_like(outputs), -Y * outputs), axis=1)
    top = outputs.max(axis=1, keepdims=True)
    logs = outputs - top - xp.log(xp.sum(xp.exp(outputs - top), axis=1, keepdims=True))
    return -xp.sum(Y * logs, axis=1)


def value(loss: str, outputs: Outputs, Y: Outputs) -> Any:
    """The loss, in the units of the table above."""
    xp = _arrays(outputs)
    if loss == "squared":
        # Halved last, so that the loss overflows with the residual's norm and not a step later.
        return xp.sum((outputs - Y) ** 2) / 2
    return xp.sum(by_row(loss, outputs, Y)) / len(outputs)


def residual(loss: str, outputs: Outputs, Y: Outputs) -> Any:
    """What a row's loss leaves to be fitted: f - y, -y sigmoid(-y f), or softmax(f) - y."""
    xp = _arrays(outputs)
    if loss in ("squared", "mean_squared"):
        return outputs - Y
    if loss == "logistic":
        # One over one plus e^z, without overflow at either end.
        z = -xp.abs(outputs)
        small = xp.exp(z) / (1 + xp.exp(z))
        return -Y * xp.where(Y * outputs > 0, small, 1 - small)
    top = outputs.max(axis=1, keepdims=True)
    weights = xp.exp(outputs - top)
    return weights / xp.sum(weights, axis=1, keepdims=True) - Y


def slope(loss: str, outputs: Outputs, Y: Outputs) -> Any:
    """Derivative of the loss in the outputs: the residual times `share`."""
    return residual(loss, outputs, Y) * share(loss, *outputs.shape)


def slope_by_row(loss: str, outputs: Outputs, Y: Outputs) -> Any:
    """Derivative of each row's own loss in its outputs: f - y for `squared`."""
    factor = 2.0 / outputs.shape[1] if known(loss) == "mean_squared" else 1.0
    return residual(loss, outputs, Y) * factor


def share(loss: str, n: int, k: int) -> float:
    """Factor between the residual and the derivative of the loss: 1, 2/(n k) or 1/n."""
    return {"squared": 1.0, "mean_squared": 2.0 / (n * k)}.get(loss, 1.0 / n)


def error(outputs: Outputs, Y: Outputs) -> Any:
    """Share of rows put wrong: by the sign where there is one output, by the largest output where there are several."""
    xp = _arrays(outputs)
    if outputs.shape[1] == 1:
        return xp.mean(xp.asarray(outputs * Y <= 0, outputs.dtype))
    return xp.mean(xp.asarray(outputs.argmax(axis=1) != Y.argmax(axis=1), outputs.dtype))


def _arrays(values: Outputs) -> ModuleType:
    return jnp if isinstance(values, jax.Array) else np
