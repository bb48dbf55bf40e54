"""Claims of Arora et al. 2019 on complexity: the measure against label noise, and against the test error. Nothing is trained."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from widthwise.atlas.arora2019_labels import ROWS, kernel, labels, relabelled, sign_labels, wide_enough
from widthwise.atlas.claim import Axes, Claim
from widthwise.atlas.criteria import Equality, Ordering, UpperBound
from widthwise.atlas.trial import Curve, Evidence, Settings, Trial
from widthwise.kernels import HInf
from widthwise.solvers import solve
from widthwise.theory import label_noise_curve

FRACTIONS = np.linspace(0.0, 1.0, 11)


# Read off the vector paths of figure 2 of the paper.

MNIST_MEASURE = (0.380, 2.889, 3.972, 4.708, 5.271, 5.703, 6.037, 6.284, 6.454, 6.556, 6.587)

CIFAR_MEASURE = (3.868, 4.703, 5.336, 5.836, 6.239, 6.565, 6.814, 7.009, 7.142, 7.218, 7.246)

MNIST_L1 = (0.017, 0.358, 0.515, 0.677, 0.769, 0.868, 0.926, 0.997, 1.027, 1.033, 1.042)

CIFAR_L1 = (0.453, 0.586, 0.685, 0.787, 0.859, 0.911, 0.966, 1.002, 1.025, 1.040, 1.064)


# --- the measure against label noise -----------------------------------------------------------------------------------


def predict_noise(trial: Trial) -> Evidence:
    """The whole curve from two numbers."""
    found = label_noise_curve(kernel(trial), labels(trial), fractions=FRACTIONS)
    return Evidence(
        Curve("complexity", FRACTIONS, found.measure), clean=found.clean, trace_over_n=found.trace / trial.rows.n
    )


def measure_noise(trial: Trial) -> Evidence:
    """Labels redrawn, and the measure of each draw; root of the mean square."""
    H, y, draws = kernel(trial), labels(trial), trial.more("draws")
    Y = np.concatenate([relabelled(y, p, draws, trial.rng) for p in FRACTIONS], axis=1)
    squares = 2.0 / len(y) * np.sum(Y * solve(H, Y, solver="cholesky").coefficients, axis=0)
    return Evidence(Curve("complexity", FRACTIONS, np.sqrt(squares.reshape(len(FRACTIONS), draws).mean(axis=1))))


def half_of_the_noise(trial: Trial) -> Evidence:
    """The measure at p/2, put where the prediction is at p."""
    curve = predict_noise(trial).curves[0]
    return Evidence(Curve(curve.label, curve.x, np.interp(curve.x / 2, curve.x, curve.y)))


# --- complexity against test error -------------------------------------------------------------------------------------


def noisy_errors(trial: Trial, *, shrink: float = 1.0, signal: bool = True) -> Float[np.ndarray, " p"]:
    """Mean |f - y| on held-out rows of the kernel's interpolant, |f - y| cut at 1 as the theorem's losses are."""
    H, draws, rng = kernel(trial), trial.more("draws"), trial.rng
    K = np.asarray(HInf()(trial.rows.X_test, trial.rows.X))
    y, y_test = labels(trial), np.asarray(trial.rows.y_test, dtype=np.float64)
    found = []
    for p in FRACTIONS if signal else np.ones_like(FRACTIONS):
        Y = relabelled(y, p, draws, rng) * shrink
        outputs = K @ solve(H, Y, solver="cholesky").coefficients
        found.append(np.minimum(np.abs(outputs - relabelled(y_test, p, draws, rng)), 1.0).mean())
    return np.array(found)


def predict_errors(trial: Trial) -> Evidence:
    """The leading term of the bound."""
    curve = predict_noise(trial).curves[0]
    return Evidence(Curve("test error", curve.x, curve.y))


def measure_errors(trial: Trial) -> Evidence:
    """The error of the kernel's interpolant."""
    return Evidence(Curve("test error", FRACTIONS, noisy_errors(trial)))


def errors_of_shrunk_labels(trial: Trial) -> Evidence:
    """Training labels a hundredth of the test labels, against the leading term of the training labels."""
    grown = noisy_errors(trial, shrink=0.01) * 100.0
    return Evidence(Curve("test error", FRACTIONS, grown))


def errors_without_signal(trial: Trial) -> Evidence:
    """Every label a fair coin, whatever p says."""
    return Evidence(Curve("test error", FRACTIONS, noisy_errors(trial, signal=False)))


# --- the claims --------------------------------------------------------------------------------------------------------


def _of_the_paper(data: str, draws: int) -> Settings:
    """The first 10000 rows of the training part, the first 2000 of the test part."""
    return Settings(data=data, n=10000, n_test=2000, first=True, test_part=True, more={"draws": draws})


def _noise(name: str, title: str, data: str, measured: tuple[float, ...]) -> Claim:
    return Claim(
        key=f"arora2019-label-noise-{name}",
        type="E",
        source="arora2019",
        locator="figure 2",
        title=f"Two numbers give the whole curve of complexity against label noise: {title}",
        statement="The complexity measure of labels of which a portion is redrawn at random follows from that of the clean "
        "labels and the trace of the inverse kernel.",
        formula=r"C(p)^2 = \tfrac2n [(1-p)^2 y^\top (H^\infty)^{-1} y + (1 - (1-p)^2)\,\mathrm{tr}\,(H^\infty)^{-1}]",
        quantity="complexity",
        hypotheses=(*ROWS, sign_labels),
        predict=predict_noise,
        measure=measure_noise,
        criterion=Equality(tolerance=0.05),
        control=half_of_the_noise,
        control_text="the measure at half the noise, against the prediction at the whole",
        axes=Axes(x="portion p of random labels", y="sqrt(2 y'H^-1 y / n)"),
        settings={
            "smoke": Settings(data="digits", n=60, more={"draws": 40}),
            "quick": Settings(data=data, n=1000, more={"draws": 40}),
            "paper": _of_the_paper(data, 40),
        },
        method=(
            "Labels are redrawn and the measure is computed anew, 40 times at each p; nothing is trained.",
            "The paper's numbers are for 10000 rows and read off its figure: compare them at the scale `paper`.",
        ),
        published=(Curve("complexity", FRACTIONS, measured),),
        cost=0.5,
    )


def _errors(name: str, title: str, data: str, errors: tuple[float, ...]) -> Claim:
    return Claim(
        key=f"arora2019-bound-{name}",
        type="U",
        source="arora2019",
        locator="theorem 5.1, figure 2",
        title=f"The leading term of the bound stays above the test error: {title}",
        statement="For a loss between 0 and 1 that is 1-Lipschitz the leading term of the generalisation bound is above the test "
        "error of the wide network at every label noise.",
        formula=r"L_D \le \sqrt{2 y^\top (H^\infty)^{-1} y / n} + O\bigl(\sqrt{\log(n / (\lambda_0\delta)) / n}\bigr)",
        quantity="test error",
        hypotheses=(*ROWS, sign_labels, wide_enough),
        predict=predict_errors,
        measure=measure_errors,
        criterion=UpperBound(),
        control=errors_of_shrunk_labels,
        control_text="training labels a hundredth of the test labels: leading term of the ones, error of the others, both times "
        "a hundred",
        axes=Axes(x="portion p of random labels", y="leading term; mean of min(|y - f|, 1)"),
        settings={
            "smoke": Settings(data="digits", n=60, n_test=60, more={"draws": 5}),
            "quick": Settings(data=data, n=1000, n_test=500, more={"draws": 5}),
            "paper": _of_the_paper(data, 5),
        },
        method=(
            (
                "The test error is that of the kernel's interpolant, the limit of infinite width trained to the end; training and "
                "test labels are redrawn alike."
            ),
            "Only the leading term is compared: the constant of the rest is not in the paper. Above 1 it says nothing.",
            "The paper's numbers are the l1 errors, not cut at 1, of networks trained on 10000 rows.",
        ),
        published=(Curve("test error", FRACTIONS, errors),),
        cost=0.5,
    )


CLAIMS = (
    _noise("mnist", "MNIST", "mnist:0,1", MNIST_MEASURE),
    _noise("cifar", "CIFAR-10", "cifar10:airplane,automobile", CIFAR_MEASURE),
    _errors("mnist", "MNIST", "mnist:0,1", MNIST_L1),
    _errors("cifar", "CIFAR-10", "cifar10:airplane,automobile", CIFAR_L1),
    Claim(
        key="arora2019-complexity-ranks-errors",
        type="Q",
        source="arora2019",
        locator="section 5, figure 2",
        title="The measure ranks label noise as the test error does",
        statement="Over portions of random labels the complexity measure, which sees training rows alone, and the test error have "
        "one order.",
        formula=r"\tau\bigl(C(p), L_D(p)\bigr) = 1",
        quantity="test error",
        hypotheses=(*ROWS, sign_labels, wide_enough),
        predict=predict_errors,
        measure=measure_errors,
        criterion=Ordering(tau=0.9),
        control=errors_without_signal,
        control_text="every label a fair coin, whatever p says",
        axes=Axes(x="portion p of random labels", y="complexity; mean of min(|y - f|, 1)"),
        settings={
            "smoke": Settings(data="digits", n=60, n_test=60, more={"draws": 20}),
            "quick": Settings(data="mnist:0,1", n=1000, n_test=500, more={"draws": 20}),
            "paper": _of_the_paper("mnist:0,1", 20),
        },
        method=("As for the bound: the test error is that of the kernel's interpolant.",),
        cost=0.5,
    ),
)
