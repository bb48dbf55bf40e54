"""Do the Gaussian process's intervals hold what they promise? Coverage, likelihood and error on five regression sets.

    .venv/bin/python benchmarks/gaussian_process.py
    .venv/bin/python benchmarks/gaussian_process.py likelihood

Five splits of each set: 400 rows (at most four fifths) to fit, up to 1000 others to predict; columns are standardised by the rows
that are fitted. Prints, in Markdown, the share of held-out targets in central intervals of 10 to 90 %, the mean log density and the
root mean square error over the spread of the targets, for the NTK and the NNGP of one hidden layer and for scikit-learn's
regressor with an RBF kernel with a length for each column, and noise; two restarts each. Draws docs/images/gaussian-process.png

`likelihood`: 200 rows of each set; our log marginal likelihood at its starting parameters beside that of scikit-learn's regressor
with the same kernel, and our gradient beside differences of scikit-learn's likelihood.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats
from sklearn.datasets import load_diabetes, make_friedman1, make_friedman2, make_friedman3
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Kernel, WhiteKernel

from widthwise.estimators.gaussian_process import NTKGaussianProcessRegressor
from widthwise.kernels import NTK

ROOT = Path(__file__).resolve().parents[1]
LEVELS = np.arange(1, 10) / 10
SPLITS, FITTED, PREDICTED = 5, 400, 1000


def tables() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The five sets: one that ships with scikit-learn, three by Friedman, and one with heavy-tailed noise."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1400, 5))
    heavy = np.abs(X[:, 0]) + np.sin(3 * X[:, 1]) + 0.3 * rng.standard_t(3, 1400)
    return {
        "diabetes": load_diabetes(return_X_y=True),
        "Friedman 1": make_friedman1(1400, noise=1.0, random_state=0),
        "Friedman 2": make_friedman2(1400, noise=125.0, random_state=0),
        "Friedman 3": make_friedman3(1400, noise=0.1, random_state=0),
        "kinks, t(3) noise": (X, heavy),
    }


def sides(d: int, seed: int) -> dict[str, Callable[[], Any]]:
    """What is compared, each with two restarts."""
    given = {"n_restarts_optimizer": 2, "random_state": seed, "normalize_y": True}
    rbf = ConstantKernel() * RBF(np.ones(d)) + WhiteKernel(0.1)
    return {
        "NTK": lambda: NTKGaussianProcessRegressor(**given),
        "NNGP": lambda: NTKGaussianProcessRegressor(kernel="nngp", **given),
        "RBF by column (scikit-learn)": lambda: GaussianProcessRegressor(rbf, alpha=1e-10, **given),
    }


def measured(
    make: Callable[[], Any], X: np.ndarray, y: np.ndarray, seed: int
) -> tuple[np.ndarray, float, float, float]:
    """Coverage at each level, mean log density (spread one), error over the spread, seconds to fit."""
    order = np.random.default_rng(seed).permutation(len(X))
    size = min(FITTED, 4 * len(X) // 5)
    fit, held = order[:size], order[size : size + PREDICTED]
    mean, spread = X[fit].mean(axis=0), X[fit].std(axis=0)
    Z = (X - mean) / spread
    start = time.perf_counter()
    with warnings.catch_warnings():
        # Parameters of scikit-learn's kernel end at their bounds where a column says nothing.
        warnings.simplefilter("ignore")
        model = make().fit(Z[fit], y[fit])
    seconds = time.perf_counter() - start
    centre, deviation = model.predict(Z[held], return_std=True)
    z = (y[held] - centre) / deviation
    covered = np.mean(np.abs(z)[:, None] <= scipy.stats.norm.ppf(0.5 + LEVELS / 2), axis=0)
    density = float(np.mean(scipy.stats.norm.logpdf(y[held], centre, deviation)) + np.log(y.std()))
    return covered, density, float(np.sqrt(np.mean((y[held] - centre) ** 2)) / y.std()), seconds


class Same(Kernel):
    """Our covariance as a kernel of scikit-learn without parameters of its own."""

    def __init__(self, values: dict[str, float]) -> None:
        self.values = values

    def __call__(self, X: np.ndarray, Y: np.ndarray | None = None, eval_gradient: bool = False) -> np.ndarray:
        """The covariance, noise included where Y is not given."""
        assert not eval_gradient
        own = self.values
        kernel = NTK(
            depth=2,
            weight_variance=own["weight_variance"],
            bias_variance=own["bias_variance"],
            input_scale=1.0 / X.shape[1],
        )
        K = own["signal_variance"] * kernel(X, X if Y is None else Y)
        return K + own["noise_variance"] * np.eye(len(X)) if Y is None else K

    def diag(self, X: np.ndarray) -> np.ndarray:
        """The diagonal."""
        return np.diag(self(X))

    def is_stationary(self) -> bool:
        """Whether it depends on differences alone."""
        return False


def likelihood() -> None:
    """Our likelihood and gradient beside scikit-learn's, and differences of it."""
    print(
        "| data | log marginal likelihood | scikit-learn's | largest entry of the gradient | off differences by at most |"
    )
    print("|---|---|---|---|---|")
    for name, (X, y) in tables().items():
        rows, targets = X[:200], y[:200]
        rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
        ours = NTKGaussianProcessRegressor(depth=2, optimizer=None).fit(rows, targets)
        value, gradient = ours.log_marginal_likelihood(ours.theta_, eval_gradient=True)

        def theirs(
            theta: np.ndarray, rows: np.ndarray = rows, targets: np.ndarray = targets, ours: Any = ours
        ) -> float:
            values = dict(zip(ours.theta_names_, np.exp(theta), strict=True))
            model = GaussianProcessRegressor(Same(values), alpha=1e-300, optimizer=None, normalize_y=True)
            return float(model.fit(rows, targets).log_marginal_likelihood_value_)

        step, off = 1e-3, []
        for place in range(len(gradient)):
            move = step * np.eye(len(gradient))[place]
            near = theirs(ours.theta_ + move) - theirs(ours.theta_ - move)
            far = theirs(ours.theta_ + 2 * move) - theirs(ours.theta_ - 2 * move)
            off.append(abs(gradient[place] - (8 * near - far) / (12 * step)))
        print(
            f"| {name} | {value:.8f} | {theirs(ours.theta_):.8f} | {np.abs(gradient).max():.4g} | {max(off):.1e} |",
            flush=True,
        )


def main() -> None:
    """Measure, print, draw."""
    if sys.argv[1:] == ["likelihood"]:
        likelihood()
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    print(
        "| data | model | "
        + " | ".join(f"{level:.0%}" for level in LEVELS)
        + " | worst gap | log density | error | fit, s |"
    )
    print("|---" * (len(LEVELS) + 6) + "|")
    curves: dict[str, dict[str, np.ndarray]] = {}
    for name, (X, y) in tables().items():
        for side in sides(X.shape[1], 0):
            found = [measured(sides(X.shape[1], seed)[side], X, y, seed) for seed in range(SPLITS)]
            covered = np.mean([one[0] for one in found], axis=0)
            density, error, seconds = (float(np.mean([one[place] for one in found])) for place in (1, 2, 3))
            curves.setdefault(side, {})[name] = covered
            gap = covered - LEVELS
            print(
                f"| {name} | {side} | {' | '.join(f'{c:.1%}' for c in covered)} | {100 * gap[np.argmax(np.abs(gap))]:+.1f} | "
                f"{density:.3f} | {error:.3f} | {seconds:.1f} |",
                flush=True,
            )
    for side, by_set in curves.items():
        gaps = np.abs(np.array(list(by_set.values())) - LEVELS)
        print(f"\n{side}: mean gap {100 * gaps.mean():.1f} points, largest {100 * gaps.max():.1f}.")
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (side, by_set) in zip(figure.subplots(1, len(curves), sharey=True), curves.items(), strict=True):
        axes.plot([0, 1], [0, 1], color="#999999", linewidth=1)
        for name, covered in by_set.items():
            axes.plot(LEVELS, covered, "o-", markersize=3, linewidth=1.2, label=name)
        axes.set(title=side, xlabel="central interval", xlim=(0, 1), ylim=(0, 1))
    figure.axes[0].set_ylabel("held-out targets inside")
    figure.axes[0].legend(fontsize=7)
    figure.savefig(ROOT / "docs" / "images" / "gaussian-process.png", dpi=110)
    print("\nwrote docs/images/gaussian-process.png")


if __name__ == "__main__":
    main()
