r"""Settings to train with, in three forms, each checked by one run: rates, starts and steps that follow from the kernels.

The theory's network is :math:`f = m^{-1/2} \sum_r a_r \sigma(w_r^\top x)`. A network without the factor,
:math:`f = \sum_r v_r \sigma(u_r^\top x)`, is the same function at :math:`u = c\,w`, :math:`v = a / (c \sqrt m)`; its kernel of
gradients is :math:`\Theta_1 / c^2 + c^2 m\,\Theta_2`, with the parts of the first and the last layer. At :math:`c = m^{-1/4}` both
weigh the same and the kernel is :math:`\sqrt m\,(\Theta_1 + \Theta_2)`: all weights of both layers drawn from
:math:`N(0, m^{-1/2})`, one rate for both, :math:`\sqrt m` times smaller, is gradient descent on the full tangent kernel.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from widthwise import theory
from widthwise.audits import snippets
from widthwise.audits.result import Verification
from widthwise.audits.table import Recommended, Setting
from widthwise.audits.verification import MOST_STEPS, Trial
from widthwise.datasets import Features, stratified_rows
from widthwise.kernels import NTK, HInf
from widthwise.networks import MLP
from widthwise.networks.laws import Normal
from widthwise.training import train

# Of the runs that check the standard and the mini-batch form.
WIDTH = 1024
QUICK_ROWS = 256
BATCH = 64
FRACTION = 0.1

UNTRANSLATED = (
    (
        "**Adam and its kin**: each weight moves by its gradient over a running size of it, so steps are no longer linear in the "
        "residual and no kernel and no rate describes them. These rates are for plain gradient descent and SGD without momentum."
    ),
    (
        "**Feature learning** (mean-field factor 1/m, muP, small starts, rates far above these): weights move as far as they are "
        "long, the kernel changes while training, and its value at the start predicts nothing."
    ),
    (
        "**PyTorch's and scikit-learn's own starts**: there the last layer's part of the kernel is of the order of m times that of "
        "the first, so no one rate moves both as here. The code sets the start, and f = 0 by pairs of neurons."
    ),
    (
        "**Log loss** (CrossEntropyLoss, MLPClassifier): not linear in the residual. The code fits coded labels by squares with "
        "MLPRegressor; `theory.logistic_curve` integrates the kernel's dynamics for two classes."
    ),
    (
        "**Biases, weight decay, dropout, normalisation layers**: each has a kernel of its own. A constant coordinate of the rows "
        "stands for the bias where the report used one."
    ),
)


def recommended(
    trial: Trial,
    features: Features,
    verified: Verification,
    *,
    verify: str,
    seed: int,
    pause: Callable[[], None],
) -> Recommended:
    """The three forms, each with its prediction and one run.

    Args:
        trial: the rows that networks were trained on, and the theory's settings for them.
        features: how rows are scaled, for the code.
        verified: the runs in the theory's parametrisation.
        verify: `quick` checks the other two on at most 256 of the rows, `thorough` on all.
        seed: of these rows.
        pause: called every few steps; may raise to stop.
    """
    rows = np.arange(trial.ds.n)
    if verify == "quick":
        rows = stratified_rows(trial.ds.y, min(QUICK_ROWS, trial.ds.n), task=trial.ds.task, seed=seed)
    X, Y = trial.X[rows], trial.Y[rows]
    code = snippets.Preparation.of(trial.ds, features, coding=trial.coding)
    return Recommended(
        settings=(
            _theory(trial, verified, code),
            standard(X, Y, code, seed=seed, pause=pause),
            mini_batches(X, Y, code, seed=seed, pause=pause),
        ),
        untranslated=UNTRANSLATED,
    )


def _theory(trial: Trial, verified: Verification, code: snippets.Preparation) -> Setting:
    """The form that the audit has trained already."""
    width = verified.agreeing_width or verified.widths[-1]
    run = next(r for r in verified.runs if r.width == width and r.labels == "true")
    rate = _on_mean(trial.learning_rate, trial.Y)
    size = float(np.mean(trial.Y**2))
    return Setting(
        form="theory",
        network="two layers, factor 1/√m on the output, first layer trained",
        initialisation="first layer standard normal, last layer ±1, in pairs of opposite sign so that f = 0",
        width=width,
        learning_rate=rate,
        batch=None,
        steps=trial.steps,
        rows=trial.ds.n,
        start=size,
        predicted=size * float(trial.true_curve.relative[-1]) ** 2,
        measured=None if run.diverged is not None else size * run.curve.relative[-1] ** 2,
        snippets=(snippets.ours(code, width=width, learning_rate=rate, steps=trial.steps),),
    )


def standard(
    X: Float[np.ndarray, "n p"],
    Y: Float[np.ndarray, "n k"],
    code: snippets.Preparation,
    *,
    seed: int,
    width: int = WIDTH,
    pause: Callable[[], None] = lambda: None,
) -> Setting:
    """No factor in the network and all weights trained, by gradient descent on the mean of squares.

    Args:
        X: scaled rows.
        Y: coded targets.
        code: how rows and targets were made, for the code.
        seed: of the start.
        width: hidden neurons, even.
        pause: called every few steps; may raise to stop.
    """
    spectrum = theory.spectrum(np.sqrt(width) * NTK(depth=1, weight_variance=1.0)(X))
    rate = theory.recommended_rate(spectrum)
    energies = spectrum.project(Y) ** 2
    steps = min(MOST_STEPS, theory.steps_to(spectrum, energies, learning_rate=rate, fraction=FRACTION) or MOST_STEPS)
    relative = theory.training_curve(spectrum, Y, learning_rate=rate, steps=np.array([steps])).relative[-1]
    law = Normal(width**-0.25)
    net = MLP(
        widths=(width,),
        parametrisation="plain",
        trained="weights",
        outputs=Y.shape[1],
        weight_laws=(law, law),
    )
    on_mean = _on_mean(rate, Y)
    done = train(
        net, X, Y, learning_rate=on_mean, steps=steps, loss="mean_squared", seed=seed, between=lambda _: pause()
    )
    return Setting(
        form="standard",
        network="two layers, no factor, no biases, all weights trained",
        initialisation=f"all weights normal of deviation m^(-1/4) = {width**-0.25:.4g}, in pairs of opposite output so that f = 0",
        width=width,
        learning_rate=on_mean,
        batch=None,
        steps=steps,
        rows=len(X),
        start=float(np.mean(Y**2)),
        predicted=float(np.mean(Y**2) * relative**2),
        measured=None if done.diverged is not None else float(done.history.loss[-1]),
        snippets=(
            snippets.torch(code, width=width, learning_rate=on_mean, steps=steps),
            snippets.scikit_learn(code, width=width, learning_rate=on_mean, steps=steps),
        ),
    )


def mini_batches(
    X: Float[np.ndarray, "n p"],
    Y: Float[np.ndarray, "n k"],
    code: snippets.Preparation,
    *,
    seed: int,
    width: int = WIDTH,
    pause: Callable[[], None] = lambda: None,
) -> Setting:
    """The theory's parametrisation by batches of 64 rows drawn with replacement.

    The rate is half of that at which the noise of the batches feeds itself (`theory.largest_stable_sgd_rate`), and at most
    that of full batches.

    Args:
        X: scaled rows.
        Y: coded targets.
        code: how rows and targets were made, for the code.
        seed: of the start and the batches.
        width: hidden neurons, even.
        pause: called every few steps; may raise to stop.
    """
    n = len(X)
    batch = BATCH if n > BATCH else max(1, n // 2)
    spectrum = theory.spectrum(HInf()(X))
    rate = min(theory.recommended_rate(spectrum), theory.largest_stable_sgd_rate(spectrum, batch=batch) / 2.0)
    curve = theory.sgd_training_curve(spectrum, Y, learning_rate=rate, batch=batch, steps=MOST_STEPS).relative
    reached = np.flatnonzero(curve <= FRACTION)
    steps = int(reached[0]) if reached.size else MOST_STEPS
    on_mean = _on_mean(rate, Y)
    done = train(
        MLP(widths=(width,), outputs=Y.shape[1]),
        X,
        Y,
        learning_rate=on_mean,
        steps=steps,
        loss="mean_squared",
        optimizer="sgd",
        batch_size=batch,
        sampling="replacement",
        every=steps,
        seed=seed,
        between=lambda _: pause(),
    )
    return Setting(
        form="sgd",
        network="two layers, factor 1/√m on the output, first layer trained",
        initialisation="first layer standard normal, last layer ±1, in pairs of opposite sign so that f = 0",
        width=width,
        learning_rate=on_mean,
        batch=batch,
        steps=steps,
        rows=n,
        start=float(np.mean(Y**2)),
        predicted=float(np.mean(Y**2) * curve[steps] ** 2),
        measured=None if done.diverged is not None else float(done.history.loss[-1]),
        snippets=(snippets.ours(code, width=width, learning_rate=on_mean, steps=steps, batch=batch),),
    )


def _on_mean(rate: float, Y: Float[np.ndarray, "n k"]) -> float:
    """A rate on half the sum of squares as one on their mean over rows and outputs."""
    return rate * Y.size / 2.0
