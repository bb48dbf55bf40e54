"""The settings of papers: a network at its point of the grid, and how the paper trains it where it says so.

    setting = presets.liliang2018(4000)
    widthwise.train(setting.net, X, y, **setting.training)

What a paper leaves open is not in `training`: give it yourself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from widthwise._checks import count, positive
from widthwise.errors import UsageError
from widthwise.networks.laws import Balanced, Normal, TruncatedNormal
from widthwise.networks.mlp import MLP
from widthwise.networks.network import Network

Loss = Literal["squared", "mean_squared", "logistic", "cross_entropy"]
Optimizer = Literal["gd", "sgd", "momentum", "adam"]
Sampling = Literal["reshuffle", "replacement", "one_pass"]
Mode = Literal["paper_text", "paper_figure"]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A paper's network and its training.

    Attributes:
        net: the network.
        inputs: what the paper does to the rows of X before they enter, in words; nothing here does it.
        loss: as `train` takes it.
        optimizer: as `train` takes it.
        learning_rate: None where the paper leaves it open or tunes it.
        steps: None where the paper trains to convergence.
        batch_size: None for full batches.
        sampling: how batches are drawn; None for full batches.
        remarks: what of the training these fields do not hold, one sentence each.
    """

    net: Network
    inputs: str
    loss: Loss
    optimizer: Optimizer
    learning_rate: float | None = None
    steps: int | None = None
    batch_size: int | None = None
    sampling: Sampling | None = None
    remarks: tuple[str, ...] = ()

    @property
    def training(self) -> Mapping[str, object]:
        """Keyword arguments of `train` that the paper fixes."""
        names = ("loss", "optimizer", "learning_rate", "steps", "batch_size", "sampling")
        return MappingProxyType({name: getattr(self, name) for name in names if getattr(self, name) is not None})


def liliang2018(width: int, *, mode: Mode = "paper_figure", outputs: int = 10) -> Setting:
    r"""Network and training of the synthetic experiment (figure 1) of :cite:t:`liliang2018`.

    .. math:: f_i(x) = \sum_{r=1}^m a_{i,r}\,\sigma(w_r^\top x)

    without factor or biases; W is trained, a frozen. ``paper_text`` is what the paper says: w of variance 1/m, a standard
    normal. It does not give the published curves. ``paper_figure`` does (inferred by simulation, not stated by the authors):
    w a truncated normal of deviation :math:`m^{-1/2}` before the cut, a of deviation .045.

    Args:
        width: number m of neurons; the paper has 500 to 32000.
        mode: `paper_text` or `paper_figure`.
        outputs: number k of classes.

    Raises:
        UsageError: if an argument is outside its range.
    """
    if mode not in ("paper_text", "paper_figure"):
        raise UsageError(f"mode must be 'paper_text' or 'paper_figure'; {mode!r} came")
    deviation = count(width, "width") ** -0.5
    laws = (Normal(deviation), Normal(1.0)) if mode == "paper_text" else (TruncatedNormal(deviation), Normal(0.045))
    net = MLP(
        widths=(width,),
        parametrisation="plain",
        trained="hidden",
        antisymmetric=False,
        outputs=outputs,
        weight_laws=laws,
    )
    return Setting(
        net=net,
        inputs="rows of unit norm",
        loss="cross_entropy",
        optimizer="sgd",
        learning_rate=10.0 / width,
        steps=400,
        batch_size=16,
        sampling="reshuffle",
        remarks=("The loss is the mean over the batch.", "1000 rows: 400 steps are 6.4 passes."),
    )


def allenzhu2018_two_layer(width: int, *, outputs: int = 1, readout_std: float = 1.0, rows: int = 1000) -> Setting:
    r"""Two-layer learner of :cite:t:`allenzhu2018`, as in its experiments.

    .. math:: f_r(x) = a_r^\top \sigma(W x + b), \qquad W, b \sim N(0, 1/m), \quad a \sim N(0, \varepsilon_a^2)

    W is trained; b and a are frozen.

    Args:
        width: number m of neurons.
        outputs: number of outputs.
        readout_std: :math:`\varepsilon_a`; one in the experiments, small in the theorem.
        rows: number n of training rows, which sets the number of steps of the 800 passes.
    """
    deviation = count(width, "width") ** -0.5
    net = MLP(
        widths=(width,),
        parametrisation="plain",
        trained="hidden",
        antisymmetric=False,
        outputs=outputs,
        weight_laws=(Normal(deviation), Normal(readout_std)),
        bias_laws=(Normal(deviation), None),
        biases="frozen",
    )
    return _allenzhu2018(net, rows)


def allenzhu2018_three_layer(width: int, second: int | None = None, *, outputs: int = 1, rows: int = 1000) -> Setting:
    r"""Three-layer learner of :cite:t:`allenzhu2018`, as in its experiments.

    .. math:: f_r(x) = a_r^\top \sigma\bigl(V \sigma(W x + b_1) + b_2\bigr), \qquad
              W, b_1 \sim N(0, 1/m_1), \quad V, b_2 \sim N(0, 1/m_2), \quad a \sim N(0, 1)

    W and V are trained; biases and a are frozen. `PseudoNetwork` of it is the paper's quadratic pseudo-network.

    Args:
        width: number m_1 of neurons of the first hidden layer.
        second: number m_2 of neurons of the second; m_1 when not given, as in the experiments.
        outputs: number of outputs.
        rows: number n of training rows, which sets the number of steps of the 800 passes.
    """
    widths = (count(width, "width"), count(width if second is None else second, "second"))
    laws = tuple(Normal(m**-0.5) for m in widths)
    net = MLP(
        widths=widths,
        parametrisation="plain",
        trained="hidden",
        antisymmetric=False,
        outputs=outputs,
        weight_laws=(*laws, Normal(1.0)),
        bias_laws=(*laws, None),
        biases="frozen",
    )
    return _allenzhu2018(net, rows)


def _allenzhu2018(net: MLP, rows: int) -> Setting:
    return Setting(
        net=net,
        inputs="rows of unit norm (the theory pads them with a last coordinate 1/2)",
        loss="mean_squared",
        optimizer="momentum",
        steps=800 * -(-count(rows, "rows") // 50),
        batch_size=50,
        sampling="reshuffle",
        remarks=(
            "Momentum 0.9; the rate is divided by 10 after half of the passes.",
            "Rate and weight decay are tuned over {1, 2, 5} 10^-k on the test set.",
        ),
    )


def arora2019(width: int = 10000, *, kappa: float = 0.01, antisymmetric: bool = False, outputs: int = 1) -> Setting:
    r"""Network and training of the experiments of :cite:t:`arora2019`.

    .. math:: f(x) = m^{-1/2} \sum_r a_r\,\sigma(w_r^\top x), \qquad w_r \sim N(0, \kappa^2 I), \quad a_r = \pm 1

    W is trained by full-batch gradient descent on half the sum of squares. At the paper's kappa = 0.01 and m = 10000 neurons
    move by many times their start, far outside its theorems; kappa = 1 with an antisymmetric start is where they hold.

    Args:
        width: number m of neurons.
        kappa: deviation of the weights at the start.
        antisymmetric: pairs of neurons, so that f = 0 at the start; not in the paper.
        outputs: number of outputs.
    """
    return Setting(
        net=MLP(widths=(width,), kappa=kappa, antisymmetric=antisymmetric, outputs=outputs),
        inputs="rows of unit norm",
        loss="squared",
        optimizer="gd",
        learning_rate=1e-3,
        remarks=(
            "Trained until the loss has converged, up to a million steps.",
            "The plotted steps do not fit this rate on the summed loss.",
        ),
    )


def chen2019(
    width: int,
    *,
    matrices: int = 5,
    alpha: float = 0.5,
    algorithm: Literal["gd", "sgd"] = "gd",
) -> Setting:
    r"""Network of :cite:t:`chen2019` with its logistic loss.

    .. math:: f(x) = m^\alpha W_L\,\sigma(W_{L-1} \cdots \sigma(W_1 x) \cdots)

    with all layers trained and no biases; see `MLP.chen2019`. The rate is the theorem's scale :math:`L^{-1} m^{-2\alpha}` at
    constant one, which is no rate of an experiment: the paper states none.

    Args:
        width: number m of neurons of every hidden layer.
        matrices: number L of weight matrices; five in the experiment.
        alpha: exponent in (0, 1/2].
        algorithm: `gd`, full batches; or `sgd`, one pass, one row a step.
    """
    if algorithm not in ("gd", "sgd"):
        raise UsageError(f"algorithm must be 'gd' or 'sgd'; {algorithm!r} came")
    positive(alpha, "alpha")
    once = algorithm == "sgd"
    return Setting(
        net=MLP.chen2019(matrices, width, alpha=alpha),
        inputs="rows of unit norm",
        loss="logistic",
        optimizer=algorithm,
        learning_rate=width ** (-2.0 * alpha) / matrices,
        batch_size=1 if once else None,
        sampling="one_pass" if once else None,
        remarks=("The loss is the mean over rows; labels are -1 and +1.",),
    )


def maennel2018(width: int, *, scale: float = 1e-6, learning_rate: float = 0.005) -> Setting:
    r"""Balanced small start of two layers that both train, after :cite:t:`maennel2018`.

    .. math:: f(x) = \sum_j a_j\,\sigma(w_j^\top x + b_j), \qquad w_j, b_j \sim N(0, \varepsilon^2 / m), \quad
              |a_j| = \sqrt{\|w_j\|^2 + b_j^2}

    The paper's text was not at hand: the start is that of the experiment that reproduces its claims in this library, whose
    rate is for half the sum of squares of five rows.

    Args:
        width: number m of neurons.
        scale: :math:`\varepsilon`; small for alignment before growth, of order one for the lazy regime.
        learning_rate: a step of gradient descent as an approximation of gradient flow.
    """
    law = Normal(positive(scale, "scale") * count(width, "width") ** -0.5)
    net = MLP(
        widths=(width,),
        parametrisation="plain",
        trained="all",
        antisymmetric=False,
        weight_laws=(law, Balanced()),
        bias_laws=(law, None),
    )
    return Setting(
        net=net,
        inputs="as they are; the bias is the coordinate one of the extended row",
        loss="squared",
        optimizer="gd",
        learning_rate=positive(learning_rate, "learning_rate"),
        remarks=("Use float64: weights start near 1e-8.", "A plateau of the loss looks like convergence."),
    )
