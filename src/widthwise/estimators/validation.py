"""What every estimator asks of its arguments: rows, targets, classes, weights and groups, by the conventions of scikit-learn.

Refusals that scikit-learn words are left to it, so that its tools recognise them; what only this library asks for is refused
in its own words. Nothing is repaired: no row is dropped, no value imputed.
"""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_array, check_is_fitted, validate_data

from widthwise.errors import DataError, UsageError


def training_rows(estimator: BaseEstimator, X: Any, *, least: int = 2) -> Float[np.ndarray, "n d"]:
    """Rows to fit, float64, finite and dense; sets `n_features_in_`, and `feature_names_in_` where X has names.

    Args:
        estimator: what is being fitted.
        X: an array, nested lists, a pandas or polars DataFrame.
        least: fewest rows.
    """
    rows: np.ndarray = validate_data(estimator, X, dtype=np.float64, order="C", ensure_min_samples=least)
    return rows


def training_data(
    estimator: BaseEstimator,
    X: Any,
    y: Any,
    *,
    multi_output: bool = False,
    numeric: bool = True,
    least: int = 2,
    reset: bool = True,
) -> tuple[Float[np.ndarray, "n d"], Any]:
    """Rows and targets to fit, of equal number; sets what `training_rows` sets.

    Args:
        estimator: what is being fitted.
        X: rows.
        y: targets: of shape (n,), or (n, k) where `multi_output` allows it; a column is taken as a vector with a warning.
        multi_output: whether there may be several outputs.
        numeric: whether targets are numbers, returned as float64.
        least: fewest rows.
        reset: whether these rows say what columns there are, or must have those of the first call.
    """
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y is None."
        )
    rows, targets = validate_data(
        estimator,
        X,
        y,
        dtype=np.float64,
        order="C",
        ensure_min_samples=least,
        multi_output=multi_output,
        y_numeric=numeric,
        reset=reset,
    )
    if numeric:
        targets = np.asarray(targets, dtype=np.float64)
    if multi_output and not np.all(np.isfinite(targets)):
        raise DataError("y must be finite; NaN or infinity came")
    return rows, targets


def new_rows(estimator: BaseEstimator, X: Any) -> Float[np.ndarray, "m d"]:
    """Rows to predict: the estimator must be fitted, and X have the columns that it was fitted on.

    Args:
        estimator: fitted.
        X: rows.
    """
    check_is_fitted(estimator)
    rows: np.ndarray = validate_data(estimator, X, dtype=np.float64, order="C", reset=False)
    return rows


def class_codes(y: Any) -> tuple[np.ndarray, Int[np.ndarray, " n"]]:
    """Classes in sorted order, and the place of each label among them.

    Args:
        y: labels.

    Raises:
        DataError: if there is only one class.
        ValueError: if y holds numbers that are no classes.
    """
    check_classification_targets(y)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise DataError(f"a classifier needs at least two classes; y holds 1 class: {classes.tolist()}")
    return classes, codes.astype(np.int64)


def looks_like_classes(y: Any) -> bool:
    """Whether scikit-learn reads y as classes rather than numbers."""
    return type_of_target(y) in ("binary", "multiclass")


def row_weights(
    estimator: BaseEstimator, sample_weight: Any, X: Float[np.ndarray, "n d"]
) -> Float[np.ndarray, " n"] | None:
    """Weights of rows, None where all rows count once.

    Args:
        estimator: what is being fitted.
        sample_weight: numbers of at least zero, one for each row; a single number is that of every row.
        X: rows.

    Raises:
        DataError: if fewer than two weights are positive.
    """
    if sample_weight is None:
        return None
    checked: np.ndarray = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    if np.count_nonzero(checked) < 2:
        raise DataError(
            f"{type(estimator).__name__} needs at least two rows of positive sample_weight; "
            f"{np.count_nonzero(checked)} came"
        )
    return checked


def group_codes(groups: Any, n: int) -> Int[np.ndarray, " n"] | None:
    """Codes of the groups that are left out together, None where each row stands alone.

    Args:
        groups: one label for each row.
        n: number of rows.

    Raises:
        DataError: if the number of labels is not that of the rows.
        UsageError: if there is only one group.
    """
    if groups is None:
        return None
    labels = np.asarray(check_array(groups, ensure_2d=False, dtype=None, ensure_all_finite=False, input_name="groups"))
    if labels.shape != (n,):
        raise DataError(f"groups must be one label for each of the {n} rows; an array of shape {labels.shape} came")
    found, codes = np.unique(labels, return_inverse=True)
    if len(found) < 2:
        raise UsageError("groups must name at least two groups; one came")
    return codes.astype(np.int64)


def one_of(value: object, name: str, known: tuple[str, ...]) -> str:
    """Refuse a word that is not one of those known.

    Raises:
        UsageError: listing them.
    """
    if not isinstance(value, str) or value not in known:
        raise UsageError(f"{name} must be {', '.join(map(repr, known[:-1]))} or {known[-1]!r}; {value!r} came")
    return value


def number(value: object, name: str, *, least: float = 0.0) -> float:
    """Refuse what is not a finite number of at least `least`.

    Raises:
        UsageError: naming the argument and what came.
    """
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not np.isfinite(float(value)) or float(value) < least:  # type: ignore[arg-type]
        raise UsageError(f"{name} must be a finite number of at least {least:g}; {value!r} came")
    return float(value)  # type: ignore[arg-type]


def seed_of(random_state: Any) -> int:
    """A seed: a whole number is itself, whatever else scikit-learn takes gives one by a draw.

    Args:
        random_state: an integer, a `numpy.random.RandomState`, or None.

    Raises:
        ValueError: in scikit-learn's words, if it is none of these.
    """
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
