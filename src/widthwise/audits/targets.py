"""Targets as the networks see them: coded labels, or a number in units of its own standard deviation.

A network in the theory's parametrisation starts at f = 0 with weights of size one and stays near its start only for targets
of order one: a target of standard deviation 77 would be learned outside the regime that the prediction is made for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from widthwise.datasets import Dataset, decode, encode
from widthwise.errors import DataError

# Fourth powers, the variance of a squared error, stay finite and above zero between these.
SMALLEST, LARGEST = 1e-75, 1e75


@dataclass(frozen=True, kw_only=True, eq=False)
class Targets:
    """Coded targets and the way back.

    Attributes:
        Y: what networks are trained on.
        offset: subtracted before the division by the unit.
        unit: standard deviation of a number; 1 for classes.
        name: of the coding.
    """

    Y: Float[np.ndarray, "n k"]
    offset: Float[np.ndarray, " k"]
    unit: float
    name: str


def targets(ds: Dataset, coding: Literal["centred", "raw"]) -> Targets:
    """Code the targets of a data set for training; see `datasets.encode` for classes.

    Raises:
        DataError: if numbers do not vary, or their fourth powers leave the range of floating point.
    """
    coded = encode(ds, coding=coding)
    if ds.task == "classification":
        return Targets(Y=coded.Y, offset=coded.offset, unit=1.0, name=coded.name)
    with np.errstate(over="ignore"):
        unit = float(ds.y.std())
    if not SMALLEST <= unit <= LARGEST:
        raise DataError(
            f"targets must vary, neither too little nor too much for floating point; the standard deviation of {ds.n} rows "
            f"is {unit:.3g}, not within {SMALLEST:g} to {LARGEST:g}. Change their unit, or train on more rows"
        )
    return Targets(
        Y=coded.Y / unit, offset=coded.offset, unit=unit, name=f"{coded.name}, in units of its standard deviation"
    )


def predictions(ds: Dataset, scores: Float[np.ndarray, "n k"]) -> Int[np.ndarray, " n"] | Float[np.ndarray, " n"]:
    """Class codes, or numbers in the unit of the target, from scores with the offset added."""
    return decode(scores, len(ds.classes)) if ds.task == "classification" else scores[:, 0]
