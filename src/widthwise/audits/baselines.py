"""Models that a practitioner would try first, on the same folds as the kernel: scikit-learn, nothing tuned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from widthwise._threads import one_openmp_thread
from widthwise.datasets import Dataset


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """Predictions of a model for every row, made without the row's fold.

    Attributes:
        name: of the model.
        predictions: class codes or numbers.
    """

    name: str
    predictions: Int[np.ndarray, " n"] | Float[np.ndarray, " n"]


def held_out_baselines(
    ds: Dataset,
    folds: Sequence[Int[np.ndarray, " _"]],
    *,
    seed: int,
    advance: Callable[[float], None],
) -> tuple[HeldOut, ...]:
    """Guessing, a linear model and boosted trees; guessing comes first.

    Args:
        ds: features in their own units; the linear models standardise inside each training part.
        folds: held-out rows of each fold.
        seed: of the trees.
        advance: told the share of the work that is done.
    """
    models = _classifiers(seed) if ds.task == "classification" else _regressors(seed)
    found = []
    # The trees' OpenMP threads wait actively: beside a training that uses every core they cost ten times their work.
    with one_openmp_thread():
        for name, make in models:
            predictions = np.empty_like(ds.y)
            for fold in folds:
                kept = np.setdiff1d(np.arange(ds.n), fold)
                targets = ds.y[kept]
                if ds.task == "classification" and np.all(targets == targets[0]):
                    predictions[fold] = targets[0]
                else:
                    predictions[fold] = make().fit(ds.X[kept], targets).predict(ds.X[fold])
                advance(1.0 / (len(models) * len(folds)))
            found.append(HeldOut(name=name, predictions=predictions))
    return tuple(found)


def fitted_baselines(ds: Dataset, X: Float[np.ndarray, "m d"], *, seed: int) -> tuple[HeldOut, ...]:
    """The same models trained once on all rows, for rows that were not trained on.

    Args:
        ds: rows to train on.
        X: rows to predict, in the same units.
        seed: of the trees.
    """
    models = _classifiers(seed) if ds.task == "classification" else _regressors(seed)
    with one_openmp_thread():
        return tuple(HeldOut(name=name, predictions=make().fit(ds.X, ds.y).predict(X)) for name, make in models)


def _classifiers(seed: int) -> tuple[tuple[str, Callable[[], Any]], ...]:
    from sklearn.dummy import DummyClassifier  # noqa: PLC0415
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    return (
        ("majority class", lambda: DummyClassifier(strategy="most_frequent")),
        ("logistic regression", lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=10_000))),
        (
            "gradient boosting",
            # Early stopping would need a split of its own that rare classes do not survive.
            lambda: HistGradientBoostingClassifier(random_state=seed, early_stopping=False),
        ),
    )


def _regressors(seed: int) -> tuple[tuple[str, Callable[[], Any]], ...]:
    from sklearn.dummy import DummyRegressor  # noqa: PLC0415
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415
    from sklearn.linear_model import RidgeCV  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    return (
        ("mean", DummyRegressor),
        ("ridge regression", lambda: make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(-3, 4, 15)))),
        ("gradient boosting", lambda: HistGradientBoostingRegressor(random_state=seed, early_stopping=False)),
    )
