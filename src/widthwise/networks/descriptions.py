"""Networks in one line of words, and whose setting they are: recognised from their fields, however they were made."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from widthwise.kernels.activations import Activation, LeakyReLU
from widthwise.networks.laws import Balanced, Law, Normal, Signs, TruncatedNormal
from widthwise.networks.mlp import MLP

_NAMES = {
    "ntk": "NTK parametrisation",
    "standard": "standard parametrisation",
    "mean_field": "mean-field parametrisation",
    "plain": "plain parametrisation",
}
_MOVING = {
    "first": "first layer trained",
    "hidden": "hidden weights trained",
    "last": "last layer trained",
    "weights": "weights trained",
    "all": "all trained",
}


def line(net: MLP) -> str:
    """The network in words, then the papers whose network it is, if any."""
    words = [f"{activation_name(net.activation)} network with {_layers(net.widths)}", output_count(net.outputs)]
    if net.parametrisation == "chen2019":
        words.append(f"parametrisation of Chen et al. 2019 with alpha {0.5 if net.alpha is None else net.alpha:g}")
    else:
        words.append(_NAMES[net.parametrisation])
        if net.parametrisation == "plain":
            words.append(f"output factor m^{net.alpha:g}" if net.alpha else "no factors")
        else:
            words.append(f"weight variance {net.weight_variance:g}")
            if net.last_variance is not None:
                words.append(f"last {net.last_variance:g}")
    words.extend(_biases(net))
    if net.parametrisation not in ("chen2019", "plain"):
        words.append(f"input scale {net.input_scale:g}")
    if net.kappa != 1.0:
        words.append(f"first weights of deviation {net.kappa:g}")
    for name, law in zip(net.weight_names, net.weight_laws, strict=False):
        if law is not None:
            words.append(f"{name} {law.describe()}")
    if not net.weight_laws or net.weight_laws[-1] is None:
        words.append("signs as readout" if net.readout == "signs" else "Gaussian readout")
    words.append("antisymmetric start" if net.antisymmetric else "plain start")
    words.append(_MOVING[net.trained])
    return with_setting(", ".join(words), settings_of(net))


def with_setting(words: str, papers: Iterable[str]) -> str:
    """Words with the papers appended, if there are any."""
    listed = "; ".join(papers)
    return f"{words}: the setting of {listed}" if listed else words


def activation_name(form: Activation) -> str:
    """Name of an activation as it is printed."""
    return f"leaky ReLU {form.slope:g}" if isinstance(form, LeakyReLU) else {"relu": "ReLU"}.get(form, form)


def output_count(outputs: int) -> str:
    """Number of outputs in words."""
    return f"{outputs} output{'s' if outputs > 1 else ''}"


def _layers(widths: tuple[int, ...]) -> str:
    return f"{len(widths)} hidden layer{'s' if len(widths) > 1 else ''} ({', '.join(map(str, widths))})"


def _biases(net: MLP) -> list[str]:
    if net.bias_laws and net.bias_names:
        laws = [
            f"{name} {law.describe()}"
            for name, law in zip(net.layer_biases, net.bias_laws, strict=True)
            if law is not None
        ]
        words = [f"biases {', '.join(laws)}"]
    elif net.bias_variance:
        words = [f"bias variance {net.bias_variance:g}"]
    else:
        return [] if net.parametrisation == "chen2019" else ["no biases"]
    if net.biases is not None:
        words.append(f"biases {net.biases}")
    return words


def settings_of(net: MLP) -> tuple[str, ...]:
    """Papers of whose network the grid point is one, by the network alone: data, rate and loss are not looked at."""
    return tuple(paper for paper, holds in _PAPERS if holds(net))


def _no_biases(net: MLP) -> bool:
    return not net.bias_names


def _shallow(net: MLP) -> bool:
    return len(net.widths) == 1


def _one_scale(net: MLP) -> bool:
    """Unit input scale and weight variance: what the two-layer papers have."""
    return net.input_scale == 1.0 and net.weight_variance == 1.0 and net.last_variance in (None, 1.0)


def _close(law: Law | Balanced | None, kind: type, size: float) -> bool:
    """Whether a law is of a kind and size, to rounding."""
    if not isinstance(law, kind):
        return False
    own = law.size if isinstance(law, Signs) else law.std if isinstance(law, Normal | TruncatedNormal) else math.nan
    return math.isclose(own, size, rel_tol=1e-9)


def _arora2019(net: MLP) -> bool:
    """The factor 1 / sqrt m may be a factor or the size of the signs: the function and what moves are the same."""
    if not (_shallow(net) and net.activation == "relu" and _no_biases(net) and net.trained in ("first", "hidden")):
        return False
    readout, size = net.laws[-1], net.widths[0] ** -0.5
    signs = isinstance(readout, Signs) and math.isclose(net.factors[-1] * readout.size, size, rel_tol=1e-9)
    return signs and net.factors[0] == 1.0 and isinstance(net.laws[0], Normal) and net.laws[0].std <= 1.0


def _du2019(net: MLP) -> bool:
    return _arora2019(net) and net.laws[0] == Normal(1.0)


def _liliang2018(net: MLP, kind: type, readout: float) -> bool:
    return (
        _shallow(net)
        and net.activation == "relu"
        and _no_biases(net)
        and net.trained in ("first", "hidden")
        and not net.antisymmetric
        and net.factors == (1.0, 1.0)
        and _close(net.laws[0], kind, net.widths[0] ** -0.5)
        and _close(net.laws[1], Normal, readout)
    )


def _allenzhu2018(net: MLP, depth: int) -> bool:
    """Hidden weights and frozen biases of variance 1/m, Gaussian readout of any deviation, no factors, no output bias."""
    if len(net.widths) != depth or net.activation != "relu" or net.trained != "hidden" or net.antisymmetric:
        return False
    hidden = all(_close(law, Normal, m**-0.5) for law, m in zip(net.laws, net.widths, strict=False))
    biases = len(net.bias_laws) == depth + 1 and net.bias_laws[-1] is None and net.biases in (None, "frozen")
    own = all(_close(law, Normal, m**-0.5) for law, m in zip(net.bias_laws, net.widths, strict=False))
    readout = isinstance(net.laws[-1], Normal) and (depth == 1 or _close(net.laws[-1], Normal, 1.0))
    return hidden and biases and own and readout and set(net.factors) == {1.0}


def _chen2019(net: MLP) -> bool:
    return net.parametrisation == "chen2019" and net.trained == "all" and net.alpha != 0.0


def _maennel2018(net: MLP) -> bool:
    """Balanced small start, both layers and the hidden biases trained, no output bias."""
    return (
        _shallow(net)
        and net.activation == "relu"
        and net.trained == "all"
        and net.biases != "frozen"
        and isinstance(net.laws[-1], Balanced)
        and net.layer_biases == ("b", None)
        and net.factors == (1.0, 1.0)
        and len(net.bias_laws) == 2
        and isinstance(net.laws[0], Normal)
        and net.laws[0] == net.bias_laws[0]
        and net.laws[0].std < 1.0
    )


def _mean_field(net: MLP) -> bool:
    alpha = net.parametrisation == "plain" and net.alpha == -1.0
    form = (net.parametrisation == "mean_field" and _one_scale(net)) or alpha
    return _shallow(net) and form and net.trained in ("all", "weights") and net.layer_biases[-1] is None


def _munteanu2022(net: MLP) -> bool:
    """Paired starts of the two-layer network with frozen signs."""
    return net.antisymmetric and _du2019(net)


def _frei2021(net: MLP) -> bool:
    leaky = isinstance(net.activation, LeakyReLU) and 0.0 < net.activation.slope < 1.0
    readout, size = net.laws[-1], net.widths[0] ** -0.5
    signs = isinstance(readout, Signs) and math.isclose(net.factors[-1] * readout.size, size, rel_tol=1e-9)
    return leaky and _shallow(net) and signs and _no_biases(net) and net.trained in ("first", "hidden")


_PAPERS: tuple[tuple[str, Callable[[MLP], bool]], ...] = (
    ("Arora et al. 2019", _arora2019),
    ("Du et al. 2019", _du2019),
    ("Munteanu et al. 2022, paired start", _munteanu2022),
    ("Li and Liang 2018, as printed", lambda net: _liliang2018(net, Normal, 1.0)),
    ("Li and Liang 2018, as its figure 1", lambda net: _liliang2018(net, TruncatedNormal, 0.045)),
    ("Allen-Zhu et al. 2018, two layers", lambda net: _allenzhu2018(net, 1)),
    ("Allen-Zhu et al. 2018, three layers", lambda net: _allenzhu2018(net, 2)),
    ("Chen et al. 2019", _chen2019),
    ("Maennel et al. 2018", _maennel2018),
    ("Mei et al. 2018, mean field", _mean_field),
    ("Frei et al. 2021", _frei2021),
)
