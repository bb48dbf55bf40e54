r"""Probabilities from scores: softmax at a temperature that held-out scores choose.

One number, so the order of classes never changes and `predict` is the class of the largest probability.
"""

from __future__ import annotations

import numpy as np
import scipy.optimize
import scipy.special
from jaxtyping import Float, Int

# Natural logarithms of the temperature, over the spread of the scores, between which it is sought.
RANGE = (-7.0, 7.0)


def temperature(
    scores: Float[np.ndarray, "n k"], codes: Int[np.ndarray, " n"], weights: Float[np.ndarray, " n"]
) -> float:
    r"""Temperature T with the largest likelihood of the labels under softmax(scores / T).

    Labels count as :math:`(N_c + 1)/(N_c + 2)` of themselves, the rest going to the other classes in equal parts
    (:cite:t:`platt1999`), so that rows that are all right do not ask for certainty.

    Args:
        scores: held out, one column for each class.
        codes: classes of the rows.
        weights: of the rows.
    """
    k = scores.shape[1]
    masses = np.bincount(codes, weights, k)[codes]
    own = (masses + 1.0) / (masses + 2.0)
    targets = np.repeat(((1.0 - own) / (k - 1))[:, None], k, axis=1)
    targets[np.arange(len(codes)), codes] = own
    spread = float(np.sqrt(np.mean((scores - scores.mean(axis=1, keepdims=True)) ** 2)))
    if not spread > 0.0:
        return 1.0

    def loss(log_temperature: float) -> float:
        scaled = scores / (spread * np.exp(log_temperature))
        logs = scaled - scipy.special.logsumexp(scaled, axis=1, keepdims=True)
        return -float(weights @ np.sum(targets * logs, axis=1))

    found = scipy.optimize.minimize_scalar(loss, bounds=RANGE, method="bounded", options={"xatol": 1e-10})
    return spread * float(np.exp(found.x))


def probabilities(scores: Float[np.ndarray, "n k"], temperature: float) -> Float[np.ndarray, "n k"]:
    """Softmax of the scores over the temperature."""
    return np.asarray(scipy.special.softmax(scores / temperature, axis=1))


def by_class(scores: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n k"]:
    """One column for each class; the one column of two classes, minus it and itself over two."""
    return np.hstack([-scores / 2.0, scores / 2.0]) if scores.shape[1] == 1 else scores
