"""How well the training rows are fitted: loss, error and margins, from the outputs that a snapshot has already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from widthwise.errors import UsageError
from widthwise.networks.network import Network
from widthwise.training.probes.objective import known, total_loss
from widthwise.training.snapshot import Snapshot


@dataclass(frozen=True)
class Loss:
    """The loss that is trained on, without regularisers: a sum over rows for `squared`, a mean for the other losses."""

    name: str = "loss"
    on_host: ClassVar[bool] = False

    def __call__(self, snapshot: Snapshot) -> Float[Array, ""]:
        """The loss, in the units of the targets squared or in nats."""
        return total_loss(snapshot.loss, snapshot.outputs, snapshot.Y)


@dataclass(frozen=True)
class Error:
    r"""Share of training rows that are classified wrongly; root mean square residual where the targets are no classes.

    By the sign for one output, by the largest output for several, as `margins` says; a tie is an error. Under a squared
    loss targets are classes where every column has two values and, with several columns, every row has the larger in one.

    Args:
        task: `classification`, `regression`, or `auto`: read off the targets.
    """

    task: Literal["auto", "classification", "regression"] = "auto"
    name: str = "error"
    on_host: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.task not in ("auto", "classification", "regression"):
            raise UsageError(f"task must be 'auto', 'classification' or 'regression'; {self.task!r} came")

    def check(self, net: Network, X: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"]) -> None:  # noqa: ARG002
        """Refuse targets that are no classes where classes were promised.

        Raises:
            UsageError: with what classes look like.
        """
        if self.task == "classification":
            _refuse_regression(Y, "the error of a classification")

    def __call__(self, snapshot: Snapshot) -> Float[Array, ""]:
        """The share, in [0, 1], or the root mean square in the units of the targets."""
        rms = jnp.sqrt(jnp.mean((snapshot.outputs - snapshot.Y) ** 2))
        if self.task == "regression":
            return rms
        # Not "below zero or equal": what is not a number is wrong too.
        wrong = jnp.mean(~(margins(snapshot.loss, snapshot.outputs, snapshot.Y) > 0), dtype=snapshot.outputs.dtype)
        if self.task == "classification" or snapshot.loss in ("logistic", "cross_entropy"):
            return wrong
        return jnp.where(are_classes(snapshot.Y), wrong, rms)


@dataclass(frozen=True)
class Margin:
    """Margins of the training rows: the smallest, and percentiles; `margins` defines them.

    Args:
        percentiles: those wanted beside the smallest, each between 0 and 100.
    """

    percentiles: tuple[float, ...] = (5.0, 10.0, 50.0)
    name: str = "margin"
    on_host: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.percentiles or not all(0.0 <= p <= 100.0 for p in self.percentiles):
            raise UsageError(f"percentiles must be numbers between 0 and 100, at least one; {self.percentiles!r} came")

    def check(self, net: Network, X: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"]) -> None:  # noqa: ARG002
        """Refuse targets that are no classes.

        Raises:
            UsageError: with what classes look like.
        """
        _refuse_regression(Y, "a margin")

    def __call__(self, snapshot: Snapshot) -> dict[str, Array]:
        """`smallest`, and `percentiles` in the order asked for; not numbers where the targets are no classes."""
        found = margins(snapshot.loss, snapshot.outputs, snapshot.Y)
        return {"smallest": jnp.min(found), "percentiles": jnp.percentile(found, jnp.asarray(self.percentiles))}


def margins(loss: str, outputs: Float[Array, "n k"], Y: Float[Array, "n k"]) -> Float[Array, " _"]:
    r"""By how much each row is on the right side; negative where it is on the wrong one.

    - `logistic`: :math:`y f`, one for each row and output.
    - `cross_entropy`: the output of the right class less the largest other one; the class is the largest target.
    - `squared`, `mean_squared`: the same after each column is brought from its two target values to 0 and 1 (several
      outputs) or -1 and +1 (one output, where it is :math:`y f` for labels -1, +1): a perfect fit has margin one, whatever the
      coding.

    Raises:
        UsageError: if the loss is not known.
    """
    known(loss)
    if loss == "logistic":
        return (Y * outputs).ravel()
    if loss != "cross_entropy":
        low, high = jnp.min(Y, axis=0), jnp.max(Y, axis=0)
        # A class of which no row came has a column of one value: it is taken to be coded as the others are.
        span = jnp.where(high > low, high - low, jnp.max(high - low))
        outputs, Y = (outputs - low) / span, (Y - low) / span
        if Y.shape[1] == 1:
            return ((2.0 * outputs - 1.0) * (2.0 * Y - 1.0)).ravel()
    if Y.shape[1] == 1:
        raise UsageError("cross_entropy needs an output for each class; one came. Use the logistic loss")
    right = jnp.argmax(Y, axis=1)[:, None]
    others = jnp.where(jnp.arange(Y.shape[1]) == right, -jnp.inf, outputs)
    return jnp.take_along_axis(outputs, right, axis=1).ravel() - jnp.max(others, axis=1)


def are_classes(Y: Float[Array, "n k"] | Float[np.ndarray, "n k"]) -> Bool[Array, ""]:
    """Whether targets code classes: two values in a column and, in each row of several columns, the larger one once."""
    targets = jnp.asarray(Y)
    low, high = jnp.min(targets, axis=0), jnp.max(targets, axis=0)
    upper = (targets == high) & (high > low)
    coded = jnp.all(upper | (targets == low))
    if targets.shape[1] == 1:
        return coded & (high > low)[0]
    return coded & jnp.all(jnp.sum(upper, axis=1) == 1)


def _refuse_regression(Y: Float[np.ndarray, "n k"], what: str) -> None:
    if not bool(are_classes(Y)):
        raise UsageError(
            f"{what} needs classes: two values in each column of y and, with several columns, the larger one once in each "
            "row; these targets are not so coded. Use the probe Error(task='regression')"
        )
