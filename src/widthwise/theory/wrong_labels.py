r"""How many labels are wrong, which ones, and whether that can be told from classes that overlap.

Held-out scores F of the classes, in any unit, are taken as sufficient: the true class of a row is k with probability
:math:`p_k = \mathrm{softmax}(\beta F)_k`, and a true label k is recorded as j with probability :math:`T_{kj}`. Overlap is in p,
noise in T. Models are fitted by maximum likelihood and chosen by Akaike's criterion: one rate for every pair of classes, whose
only freedom against overlap is that some rows are certain; the same with an offset of each class, where some are rare; and a
rate for each pair. Noise that depends on the features
within a class is outside both, and counted too low: the upper end of the interval takes all that overlap could not be blamed for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.optimize
import scipy.special
from jaxtyping import Bool, Float, Int

from widthwise.errors import DataError, UsageError
from widthwise.theory.label_noise import MOST_AMBIGUOUS, MOST_OF_GUESSING, Proportion, margins, wilson

# Standard normal quantile of a two-sided 90 % interval.
NORMAL_90 = 1.6448536269514722
# What must hold for a rate to be told from overlap, chosen on tables whose labels were left alone
# (docs/decisions/0014-label-noise-beside-overlap.md).
CERTAIN = 0.95
MOSTLY_CERTAIN = {"one rate": 0.6, "offsets": 0.6, "by class": 0.7}
# Rates of pairs of classes are learned from rows that are certain, or not at all.
SOME_CERTAIN = 0.25
ROWS_OF_A_CLASS = 20
# Part of the disagreement laid on overlap by which the model may be wrong, as one standard deviation.
ALLOWANCE = 0.1
# Half the chi-square quantile of one degree of freedom at 95 %, and the rate below which the question is idle.
LIKELIHOOD_GAP = 1.92
SMALL_RATE = 0.05
# Largest sharpness times the median margin: beyond, all rows are certain and probabilities leave the range of floats.
SHARPEST = 15.0
# Where margins leave a gap at zero a row of the median margin is certain at least to 1 part in exp(6), if the labels allow.
SHARP = 6.0
# Pseudo-counts that pull the rates of classes to their common rate, and each pair of classes to its share of it.
COMMON, PAIR = 5.0, 1.0
# Standard deviation of the prior of an offset.
OFFSET = 3.0
STEPS = 300
SETTLED = 1e-5
# A target this many robust standard deviations from its prediction has a score of one half.
OUTLYING = 3.0
# Median absolute deviation of a standard normal variable.
NORMAL_MAD = 0.6744897501960817


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelQuality:
    """What held-out scores say about the labels.

    Attributes:
        scores: probability, in [0, 1], that the label is wrong, by the fitted model: larger is more suspect. Of numbers,
            z^2 / (z^2 + 9) for a residual of z robust standard deviations.
        suspect: where the score is above one half and wrong labels can be told from overlap; of numbers, beyond three
            robust standard deviations.
        suggested: most probable true class of each row, the given label taken into account; of numbers, the prediction.
        disagreement: share of rows whose label is not the class of the largest score (of numbers: the suspects), with its
            90 % Wilson interval.
        rate: share of wrong labels among these rows; None where it is not identifiable.
        low: lower end of a 90 % interval of that share; 0 where overlap alone may explain everything.
        high: upper end, which calls every disagreement noise.
        identifiable: whether the rate can be told from overlap.
        reason: why, or why not, in one sentence.
        matrix: probability that true class k (rows) is recorded as j (columns); the empty matrix for numbers.
        certain: share of rows whose true class the model holds for certain to 95 %.
    """

    scores: Float[np.ndarray, " n"]
    suspect: Bool[np.ndarray, " n"]
    suggested: Int[np.ndarray, " n"] | Float[np.ndarray, " n"]
    disagreement: Proportion
    rate: float | None
    low: float
    high: float
    identifiable: bool
    reason: str
    matrix: Float[np.ndarray, "c c"]
    certain: float


@dataclass(frozen=True, kw_only=True, eq=False)
class _Model:
    """A sharpness, offsets of classes within the scores, and a matrix, with what they say of each row."""

    scores: Float[np.ndarray, "n c"]
    sharpness: float
    matrix: Float[np.ndarray, "c c"]
    clean: Float[np.ndarray, "n c"]
    loss: float
    wrong: Float[np.ndarray, " n"]
    deviation: float

    @property
    def certain(self) -> float:
        """Share of rows whose true class is certain."""
        return float(np.mean(self.clean.max(axis=1) > CERTAIN))


def label_quality(scores: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"]) -> LabelQuality:
    r"""Wrong labels, their share with a 90 % interval, and whether it can be told from overlap.

    .. math:: P(\text{wrong} \mid i) = 1 - \frac{p_{i,y_i} T_{y_i y_i}}{\sum_k p_{ik} T_{k y_i}}, \qquad
              p_i = \mathrm{softmax}(\beta F_i)

    The share is the mean of these probabilities. Its deviation from the realised share has the variance of :math:`\hat r` by
    the outer product of the score in (beta, rate), less that of the realised share itself, and at least that of the
    independent rows; to it joins a tenth of the disagreement that the model lays on overlap, for what the model is not. It is
    identifiable if at least 60 % of the rows are certain (70 % where classes have rates of their own), there are twenty rows for
    each class, and either no model without noise is as likely or margins leave a gap at zero, as in `separation`: rows that are
    all alike and disagree alike are taken as wrong, not as doubtful.

    Args:
        scores: held out, one column for each class, larger for the more probable one; any unit, any offset of a row.
            Logarithms of probabilities are such scores.
        labels: given class of each row, 0 to c - 1.

    Raises:
        DataError: if there are fewer than two classes, or a score is not finite.
        UsageError: if a label is no column.

    References:
        The noise matrix: :cite:t:`northcutt2021`, who estimate it by counting. The likelihood here is that of a softmax
        regression with a noise layer, :cite:t:`sukhbaatar2014`, on one feature; maximised by EM.
    """
    F = np.asarray(scores, dtype=np.float64)
    n, c = F.shape
    if c < 2:
        raise DataError(f"scores must have a column for each of at least two classes; {c} came")
    if not np.isfinite(F).all():
        raise DataError("scores must be finite; infinity or NaN came (clip probabilities of zero before the logarithm)")
    if len(labels) != n or labels.min() < 0 or labels.max() >= c:
        raise UsageError(f"labels must be {n} codes between 0 and {c - 1}")
    seen = margins(F, labels)
    size = float(np.median(np.abs(seen.margin)))
    # Scores in units of their margin: nothing below depends on the unit.
    F = (F - F.max(axis=1, keepdims=True)) / (2.0 * size if size > 0 else 1.0)
    differing = int(np.count_nonzero(seen.margin < 0))
    disagreement = wilson(differing, n, quantile=NORMAL_90)
    # A gap in the margins at zero is what overlap does not leave, unless the scores only know which class is the commonest.
    guessing = 1.0 - float(np.bincount(labels, minlength=c).max()) / n
    ambiguous = float(np.mean(np.abs(seen.margin) <= size / 4.0))
    apart = ambiguous <= MOST_AMBIGUOUS and disagreement.value <= MOST_OF_GUESSING * guessing
    none, one = _one_rate(F, labels, apart=apart)
    # Of each model, and the parameters that it has more than one rate and a sharpness.
    models = {"one rate": (one, 0), "offsets": (_with_offsets(F, labels, one), c - 1)}
    by_class = _by_class(F, labels, one)
    if by_class.certain > SOME_CERTAIN:
        models["by class"] = (by_class, max(c * (c - 1) - 1, 1))
    chosen = min(models, key=lambda name: n * models[name][0].loss + models[name][1])
    model = models[chosen][0]
    certain = model.certain
    rate = float(model.wrong.mean())
    gap = np.inf if apart else n * (none.loss - (one if chosen == "offsets" else model).loss)
    identifiable, reason = _verdict(chosen, certain, rate, gap, (n, c))
    ranked = _ranking(labels, model, rate, chosen)
    spread = NORMAL_90 * float(np.hypot(model.deviation, ALLOWANCE * (disagreement.value - rate)))
    low = max(0.0, rate - spread) if identifiable else 0.0
    high = min(1.0, max(rate + spread, disagreement.value) if identifiable else disagreement.high)
    own = ranked[np.arange(n), labels]
    others = ranked.copy()
    others[np.arange(n), labels] = -np.inf
    score = np.asarray(scipy.special.expit(scipy.special.logsumexp(others, axis=1) - own))
    return LabelQuality(
        scores=score,
        suspect=(score > 0.5) & identifiable,
        suggested=np.asarray(ranked.argmax(axis=1), dtype=np.intp),
        disagreement=disagreement,
        rate=rate if identifiable else None,
        low=low,
        high=high,
        identifiable=identifiable,
        reason=reason,
        matrix=model.matrix,
        certain=certain,
    )


def target_quality(predictions: Float[np.ndarray, " n"], targets: Float[np.ndarray, " n"]) -> LabelQuality:
    """Numbers that lie far from their held-out predictions.

    A wrong number is only seen where it leaves the spread of the residuals, and heavy tails are not errors of anyone: the
    share of wrong numbers is not identifiable, and only gross ones are counted.

    Args:
        predictions: held out, in the units of the targets.
        targets: the given numbers.

    Raises:
        DataError: if a number is not finite.
    """
    z = robust_deviations(targets - predictions)
    gross = z > OUTLYING
    share = wilson(int(np.count_nonzero(gross)), len(targets), quantile=NORMAL_90)
    return LabelQuality(
        scores=1.0 - 1.0 / (1.0 + (z / OUTLYING) ** 2),
        suspect=gross,
        suggested=predictions,
        disagreement=share,
        rate=None,
        low=0.0,
        high=share.high,
        identifiable=False,
        reason=(
            "numbers that are wrong by less than the spread of the residuals cannot be seen, and heavy tails are not wrong: "
            "the upper limit is of gross errors alone, beyond three robust standard deviations"
        ),
        matrix=np.empty((0, 0)),
        certain=0.0,
    )


def robust_deviations(residuals: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Distances from the median in robust standard deviations, 1.4826 median absolute deviations each.

    Where more than half of the residuals are the same, so that their median deviation is zero, the unit is a third of the root
    mean square deviation: any other residual stands out.

    Args:
        residuals: numbers of any unit.

    Raises:
        DataError: if one is not finite.
    """
    if not np.isfinite(residuals).all():
        raise DataError("targets and predictions must be finite")
    centred = residuals - np.median(residuals)
    spread = float(np.median(np.abs(centred))) / NORMAL_MAD
    if spread == 0.0:
        spread = float(np.sqrt(np.mean(centred**2))) / OUTLYING
    return np.asarray(np.abs(centred) / (spread if spread > 0 else 1.0))


def _verdict(chosen: str, certain: float, rate: float, gap: float, shape: tuple[int, int]) -> tuple[bool, str]:
    n, c = shape
    needed = MOSTLY_CERTAIN[chosen]
    if n < ROWS_OF_A_CLASS * c:
        return (
            False,
            f"{n} rows are fewer than {ROWS_OF_A_CLASS} for each of {c} classes: the upper limit is all that they give",
        )
    if certain < needed:
        return False, (
            f"only {certain:.0%} of the rows have a class that is certain, and {needed:.0%} are needed: classes that overlap "
            "disagree with their labels as wrong labels do"
        )
    if rate > SMALL_RATE and gap < LIKELIHOOD_GAP:
        return False, "classes that overlap explain these labels as well as wrong labels would"
    how = "a rate of its own for each pair of classes" if chosen == "by class" else "the same rate for all classes"
    return (
        True,
        f"{certain:.0%} of the rows have a class that is certain, where overlap disagrees with no label; the noise fits {how}",
    )


def _softmax(scores: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n c"]:
    """Of each row; SciPy's takes half as long again, and is called hundreds of times."""
    found = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def _one_rate(F: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"], *, apart: bool) -> tuple[_Model, _Model]:
    """The most likely model without noise, and with one rate for all pairs of classes.

    Where the classes are apart, a sharp model that is not refuted by the labels is preferred to a blurred one.
    """
    n, c = F.shape
    rows = np.arange(n)

    def loss(parameters: Float[np.ndarray, " 2"]) -> tuple[float, Float[np.ndarray, " 2"]]:
        sharpness, rate = float(np.exp(parameters[0])), float(parameters[1])
        clean = _softmax(sharpness * F)
        own = clean[rows, labels]
        given = np.maximum(rate / (c - 1) + (1.0 - rate * c / (c - 1)) * own, np.finfo(np.float64).tiny)
        slope = own * (F[rows, labels] - np.sum(clean * F, axis=1)) * sharpness
        by_rate = (1.0 - own) / (c - 1) - own
        gradient = -np.array([np.mean((1.0 - rate * c / (c - 1)) * slope / given), np.mean(by_rate / given)])
        return float(-np.mean(np.log(given))), gradient

    def best(least: float, most: float, starts: tuple[float, ...]) -> _Model:
        bounds = [(np.log(least), np.log(SHARPEST)), (0.0, most)]
        tried = [
            scipy.optimize.minimize(loss, [np.log(max(sharp, least)), rate], jac=True, method="L-BFGS-B", bounds=bounds)
            for rate in starts
            for sharp in (1.5, SHARP)
        ]
        x = min(tried, key=lambda t: float(t.fun)).x
        return _model(F, labels, float(np.exp(x[0])), symmetric_noise(c, float(x[1])))

    none, one = best(1e-3, 0.0, (0.0,)), best(1e-3, 0.8, (0.03, 0.25))
    if apart and one.sharpness < SHARP:
        sharp = best(SHARP, 0.8, (0.03, 0.25))
        one = sharp if n * (sharp.loss - one.loss) < LIKELIHOOD_GAP else one
    return none, one


def symmetric_noise(classes: int, rate: float) -> Float[np.ndarray, "c c"]:
    """The noise matrix of labels that become any other class alike, with a probability of `rate` in all."""
    matrix = np.full((classes, classes), rate / (classes - 1))
    np.fill_diagonal(matrix, 1.0 - rate)
    return matrix


def _with_offsets(F: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"], start: _Model) -> _Model:
    """One rate for all pairs of classes, and an offset of each class, pulled to zero: scores of squares know no rare class."""
    n, c = F.shape
    rows = np.arange(n)
    indicator = np.zeros((n, c))
    indicator[rows, labels] = 1.0

    def loss(parameters: Float[np.ndarray, " p"]) -> tuple[float, Float[np.ndarray, " p"]]:
        sharpness, rate, offsets = float(np.exp(parameters[0])), float(parameters[1]), parameters[2:]
        clean = _softmax(sharpness * F + offsets)
        own = clean[rows, labels]
        kept = 1.0 - rate * c / (c - 1)
        given = np.maximum(rate / (c - 1) + kept * own, np.finfo(np.float64).tiny)
        share = kept * own / given
        slope = np.concatenate(
            [
                [np.mean(share * sharpness * (F[rows, labels] - np.sum(clean * F, axis=1)))],
                [np.mean(((1.0 - own) / (c - 1) - own) / given)],
                np.mean(share[:, None] * (indicator - clean), axis=0) - offsets / (n * OFFSET**2),
            ]
        )
        return float(-np.mean(np.log(given)) + offsets @ offsets / (2.0 * n * OFFSET**2)), -slope

    bounds = [(np.log(1e-3), np.log(SHARPEST)), (0.0, 0.8), *[(None, None)] * c]
    rate = 1.0 - float(start.matrix[0, 0])
    tried = [
        scipy.optimize.minimize(
            loss,
            np.concatenate([[np.log(start.sharpness), first], np.zeros(c)]),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
        )
        for first in {rate, max(rate, 0.1)}
    ]
    x = min(tried, key=lambda t: float(t.fun)).x
    sharpness = float(np.exp(x[0]))
    return _model(F + x[2:] / sharpness, labels, sharpness, symmetric_noise(c, float(x[1])))


def _by_class(F: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"], start: _Model) -> _Model:
    """Rates by pair of classes, pulled together by pseudo-counts, by EM from the model with one rate."""
    n, c = F.shape
    indicator = np.zeros((n, c))
    indicator[np.arange(n), labels] = 1.0
    sharpness = start.sharpness
    matrix = symmetric_noise(c, max(1.0 - float(start.matrix[0, 0]), 1e-3))
    for _ in range(STEPS):
        clean = _softmax(sharpness * F)
        true = clean * matrix[:, labels].T
        true /= np.maximum(true.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        counts = true.T @ indicator
        total, kept = counts.sum(axis=1), np.diag(counts)
        common = float((total - kept).sum() / n)
        rates = (total - kept + COMMON * common) / (total + COMMON)
        shares = counts + PAIR / (c - 1)
        np.fill_diagonal(shares, 0.0)
        new = rates[:, None] * shares / shares.sum(axis=1, keepdims=True)
        np.fill_diagonal(new, 1.0 - rates)
        mean = np.sum(clean * F, axis=1)
        slope = float(np.sum(np.sum(true * F, axis=1) - mean))
        curvature = float(np.sum(np.sum(clean * F**2, axis=1) - mean**2))
        # Newton's step in the logarithm of the sharpness.
        step = float(np.clip(slope / max(curvature * sharpness, 1e-12), -0.5, 0.5))
        moved = max(float(np.abs(new - matrix).max()), abs(step))
        matrix, sharpness = new, min(max(sharpness * float(np.exp(step)), 1e-3), SHARPEST)
        if moved < SETTLED:
            break
    return _model(F, labels, sharpness, matrix)


def _model(
    F: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"], sharpness: float, matrix: Float[np.ndarray, "c c"]
) -> _Model:
    """What a sharpness and a matrix say of each row, and how far their rate is from the realised share."""
    n = len(F)
    clean = _softmax(sharpness * F)
    joint = clean * matrix[:, labels].T
    given = np.maximum(joint.sum(axis=1), np.finfo(np.float64).tiny)
    wrong = 1.0 - joint[np.arange(n), labels] / given
    rate = float(wrong.mean())
    independent = float(np.sum(wrong * (1.0 - wrong))) / n**2
    variance = independent
    if rate > 0.0:
        # Scores of the likelihood in the logarithms of the rate (all of it together) and of the sharpness.
        by_rate = 1.0 - clean[np.arange(n), labels] / given
        by_sharpness = sharpness * (np.sum(joint * F, axis=1) / given - np.sum(clean * F, axis=1))
        information = np.array([[by_rate @ by_rate, by_rate @ by_sharpness], [0.0, by_sharpness @ by_sharpness]])
        information[1, 0] = information[0, 1]
        determinant = float(np.linalg.det(information))
        if determinant > 0.0:
            spread = rate**2 * float(information[1, 1]) / determinant
            variance = max(spread - rate * (1.0 - rate) / n, independent)
    return _Model(
        scores=F,
        sharpness=sharpness,
        matrix=matrix,
        clean=clean,
        loss=float(-np.mean(np.log(given))),
        wrong=wrong,
        deviation=float(np.sqrt(variance)),
    )


def _ranking(labels: Int[np.ndarray, " n"], model: _Model, rate: float, chosen: str) -> Float[np.ndarray, "n c"]:
    """Logarithms of the probabilities of true class and label together, by which rows are ranked.

    Rates by class are averaged with the common one: they help where noise has a direction and mislead where features make it.
    A rate of zero is taken as half a label, so that rows keep an order.
    """
    n, c = model.scores.shape
    least = symmetric_noise(c, max(rate, 0.5 / n))
    matrix = least if chosen != "by class" else (np.maximum(model.matrix, 0.5 / (n * (c - 1))) + least) / 2.0
    return np.asarray(scipy.special.log_softmax(model.sharpness * model.scores, axis=1) + np.log(matrix[:, labels].T))
