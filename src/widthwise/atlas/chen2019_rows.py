"""What all claims of Chen et al. 2019 share: labels, nested samples, the network and its rate, the theorem's radius and width."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from widthwise.atlas.claim import Finding, Hypothesis
from widthwise.atlas.criteria import Exponent
from widthwise.atlas.hypotheses import at_most, width_at_least
from widthwise.atlas.trial import Evidence, Trial
from widthwise.kernels import NTK
from widthwise.networks import MLP
from widthwise.theory import class_separation, margin

FAILURE = 0.1
"""Delta, the probability with which the theorems may fail."""
PARALLEL = 1e-7
"""Distance below which two rows of norm one are the same to rounding."""
HALF = 0.5
"""Alpha, the exponent of the width in front of the network."""


def labels(trial: Trial) -> Float[np.ndarray, " n"]:
    """The two classes as -1.0 and +1.0; numbers by their sign."""
    return np.where(np.asarray(trial.rows.y) >= 0, 1.0, -1.0)


def test_labels(trial: Trial) -> Float[np.ndarray, " m"]:
    """The same of the rows held out."""
    return np.where(np.asarray(trial.rows.y_test) >= 0, 1.0, -1.0)


def shuffled(trial: Trial) -> Float[np.ndarray, " n"]:
    """The same labels on other rows."""
    return trial.rng.permutation(labels(trial))


def order(trial: Trial) -> Int[np.ndarray, " n"]:
    """The order in which rows enter growing samples: the source may have them class by class."""
    return np.random.default_rng([trial.seed, 4]).permutation(trial.rows.n)


def in_own_span(X: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n r"]:
    """Rows in an orthonormal basis of their span: descent of all layers from an isotropic start sees no difference."""
    if X.shape[0] >= X.shape[1]:
        return X
    Q, _ = np.linalg.qr(X.T)
    return np.asarray(X @ Q)


def network(trial: Trial, width: int | None = None) -> MLP:
    """The paper's network of the widest, or of a given, width."""
    return MLP.chen2019(int(trial.more("matrices")), max(trial.settings.widths) if width is None else width)


def rate(trial: Trial, width: int | None = None) -> float:
    """A rate in proportion to 1/m, as the theorem has it at alpha = 1/2."""
    return float(trial.more("rate")) / (max(trial.settings.widths) if width is None else width) / trial.slowdown


def radius(gamma: float, n: int, epsilon: Float[np.ndarray, " e"]) -> Float[np.ndarray, " e"]:
    r"""Corollary 4.4 at constant 1: :math:`[\sqrt{\log(n/\delta)} + \log(1/\varepsilon)] / \gamma`; infinite at margin 0."""
    asked = math.sqrt(math.log(n / FAILURE)) + np.log(1.0 / np.asarray(epsilon, dtype=np.float64))
    return np.asarray(asked / gamma if gamma > 0 else np.full_like(asked, np.inf))


def log10_width(gamma: float, n: int, matrices: int, epsilon: float) -> float:
    r"""Theorem 3.3 at constant 1 and alpha = 1/2: log10 of :math:`(R^4 L^{11})^{1/\alpha} \log^{2/(2-\alpha)}(n/\delta)`."""
    R = float(radius(gamma, n, np.array([epsilon]))[0])
    return (4.0 * math.log10(R) + 11.0 * math.log10(matrices)) / HALF + 2.0 / (2.0 - HALF) * math.log10(
        math.log(n / FAILURE)
    )


def gram(trial: Trial, matrices: int | None = None) -> Float[np.ndarray, "n n"]:
    """Kernel of the gradients of all layers at infinite width, over m^(2 alpha)."""
    return np.asarray(NTK.chen2019(int(trial.more("matrices")) if matrices is None else matrices)(trial.rows.X))


@dataclass(frozen=True)
class Growth(Exponent):
    """O: an exponent, infinite where a point was never reached."""

    def statistic(self, predicted: Evidence, measured: Evidence) -> float:
        """Mean over the curves of the slope of log y against log x."""
        if not all(np.all(np.isfinite(curve.y)) for curve in measured.curves):
            return math.inf
        return super().statistic(predicted, measured)

    def says(self) -> str:
        """The threshold in words."""
        if math.isinf(self.high):
            return f"exponent at least {self.low:.4g}"
        return f"exponent at most {self.high:.4g}" if math.isinf(self.low) else super().says()


def _separation(trial: Trial) -> Finding:
    apart = class_separation(trial.rows.X, (labels(trial) > 0).astype(np.int64)).distance
    return Finding(
        "met" if apart > PARALLEL else "unmet", f"the closest two of different classes are {apart:.3g} apart"
    )


def _asked(trial: Trial) -> float:
    rows = slice(0, 1000)
    y = labels(trial)[rows]
    K = NTK.chen2019(int(trial.more("matrices")))(trial.rows.X[rows])
    return log10_width(margin(K, y).value, len(y), int(trial.more("matrices")), 0.1)


classes_apart = Hypothesis("inputs of different classes are apart", _separation)
theorem_width = width_at_least(
    "the width is at least (R^4 L^11)^2 log^(4/3)(n/delta), R of the margin of at most 1000 rows at a loss of 0.1",
    _asked,
)
small_rate = at_most(
    "the rate times the width is of the order 1/L",
    lambda trial: 1.0 / trial.more("matrices"),
    lambda trial: float(trial.more("rate")),
)
