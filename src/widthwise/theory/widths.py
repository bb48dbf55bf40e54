r"""Published width conditions as data, evaluated on the user's rows.

Every condition is sufficient for its theorem and says nothing below it: a network far narrower may train as well, and the
distance in decades is what is reported. Constants that a paper does not give are set to one, and polylogarithms are left out
unless the formula shows them. All arithmetic is in base-ten logarithms. `confidence` says how a condition is known: `read`
in the paper or its abstract, `second-hand` in another paper that quotes it, `memory` where nobody has checked it against
the text; a form whose power is partly from memory is marked `memory`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from widthwise._checks import positive
from widthwise.theory.width_facts import WidthFacts

Confidence = Literal["read", "second-hand", "memory"]
Symbol = Literal["lambda_0", "phi", "gamma"]


@dataclass(frozen=True, kw_only=True)
class WidthCondition:
    """A sufficient width.

    Attributes:
        key: short name.
        source: authors and year.
        year: of the first version.
        eprint: arXiv number; empty where none is recorded.
        setting: network, loss and algorithm.
        formula: as text, for the width m unless it says parameters.
        confidence: how well it is known.
        needs: quantities of the data that must be positive.
        log10: the width's decimal logarithm on given facts; None where the paper gives no exponents.
        assumes: what it supposes beyond the setting of the others, and nobody has checked on the data.
    """

    key: str
    source: str
    year: int
    eprint: str
    setting: str
    formula: str
    confidence: Confidence
    needs: tuple[Symbol, ...]
    log10: Callable[[WidthFacts], float] | None
    assumes: str = ""


@dataclass(frozen=True, kw_only=True)
class WidthRow:
    """A condition on the user's data.

    Attributes:
        condition: which.
        log10_width: decimal logarithm of the width asked for at constant 1; None where a hypothesis fails, or there is no
            formula.
        note: `at constant 1`, which hypothesis fails and on which rows, or why there is no number.
        holds: whether the hypotheses on the data that can be checked hold; None where there is no formula to check.
        vacuity: decades above the observed width; None without one.
    """

    condition: WidthCondition
    log10_width: float | None
    note: str
    holds: bool | None
    vacuity: float | None


def _log(value: int | float) -> float:
    return float(np.log10(value))


def _n(f: WidthFacts, power: int | float) -> float:
    return power * _log(f.n)


def _lambda(f: WidthFacts, power: int | float) -> float:
    return power * _log(f.lambda_0)


def _phi(f: WidthFacts, power: int | float) -> float:
    return power * _log(f.phi)


def _gamma(f: WidthFacts, power: int | float) -> float:
    return power * _log(f.gamma or np.nan)


def _depth(f: WidthFacts, power: int | float) -> float:
    return power * _log(f.depth)


def _outputs(f: WidthFacts) -> float:
    """log10 of the number of outputs: one for two classes and for a number."""
    return _log(f.classes if f.classes > 2 else 1)


def _confidence(f: WidthFacts) -> float:
    """log10 of ln(n / delta)."""
    return _log(float(np.log(f.n / f.failure)))


def _ji_telgarsky(f: WidthFacts) -> float:
    return _gamma(f, -8) + _log(float(np.log(f.n / f.failure) + np.log(1.0 / f.accuracy) ** 2))


def _li_guo(f: WidthFacts) -> float:
    return _depth(f, 16) + _gamma(f, -8) + _confidence(f) + 8.0 * _log(max(float(np.log(f.n)), 1.0))


TWO_LAYER = "two-layer ReLU, first layer, squared loss, gradient descent"
LOGISTIC = "two-layer ReLU, first layer, logistic loss"
CONDITIONS: tuple[WidthCondition, ...] = (
    WidthCondition(
        key="du2018", source="Du, Zhai, Poczos, Singh 2018", year=2018, eprint="1810.02054", setting=TWO_LAYER,
        formula="n^6 / (lambda_0^4 delta^3)", confidence="read", needs=("lambda_0",),
        log10=lambda f: _n(f, 6) + _lambda(f, -4) - 3 * _log(f.failure),
    ),
    WidthCondition(
        key="li-liang2018", source="Li, Liang 2018", year=2018, eprint="1808.01204",
        setting="two-layer ReLU, cross-entropy, SGD, clustered data", formula="poly(k, l, 1/delta, 1/eps)",
        confidence="memory", needs=(), log10=None,
    ),
    WidthCondition(
        key="allen-zhu2018", source="Allen-Zhu, Li, Song 2018", year=2018, eprint="1811.03962",
        setting="L-layer ReLU, hidden layers, squared loss, gradient descent", formula="n^24 L^12 k / phi^8",
        confidence="memory", needs=("phi",), log10=lambda f: _n(f, 24) + _depth(f, 12) + _phi(f, -8) + _outputs(f),
    ),
    WidthCondition(
        key="du2018-deep", source="Du, Lee, Li, Wang, Zhai 2018", year=2018, eprint="1811.03804",
        setting="L-layer smooth activation, squared loss (lambda_min of its own kernel, 2^O(L))",
        formula="2^L n^4 / lambda_0^4",
        confidence="memory", needs=("lambda_0",), assumes="a smooth activation",
        log10=lambda f: f.depth * _log(2.0) + _n(f, 4) + _lambda(f, -4),
    ),
    WidthCondition(
        key="zou2018", source="Zou, Cao, Zhou, Gu 2018", year=2018, eprint="1811.08888",
        setting="L-layer ReLU, logistic-like losses, GD and SGD", formula="n^26 L^38 / phi^8", confidence="memory",
        needs=("phi",), log10=lambda f: _n(f, 26) + _depth(f, 38) + _phi(f, -8),
    ),
    WidthCondition(
        key="allen-zhu2018-targets", source="Allen-Zhu, Li, Liang 2018", year=2018, eprint="1811.04918",
        setting="two and three layers learning smooth targets", formula="poly(target complexity, 1/eps)",
        confidence="read", needs=(), log10=None,
    ),
    WidthCondition(
        key="arora2019-dynamics", source="Arora, Du, Hu, Li, Wang 2019, theorem 4.1", year=2019, eprint="1901.08584",
        setting=TWO_LAYER, formula="n^7 / (lambda_0^4 kappa^2 delta^4 eps^2)", confidence="second-hand",
        needs=("lambda_0",),
        log10=lambda f: (
            _n(f, 7) + _lambda(f, -4) - 2 * _log(f.start) - 4 * _log(f.failure) - 2 * _log(f.accuracy)
        ),
    ),
    WidthCondition(
        key="arora2019-generalisation", source="Arora, Du, Hu, Li, Wang 2019, theorem 5.1", year=2019,
        eprint="1901.08584", setting=TWO_LAYER, formula="kappa^-2 poly(n, 1/lambda_0, 1/delta)", confidence="memory",
        needs=("lambda_0",), log10=None,
    ),
    WidthCondition(
        key="oymak2019-smooth", source="Oymak, Soltanolkotabi 2019", year=2019, eprint="1902.04674",
        setting="two-layer smooth, first layer, squared loss", formula="n^2 / d (parameters n^2)",
        confidence="read", needs=(), assumes="a smooth activation", log10=lambda f: _n(f, 2) - _log(f.d),
    ),
    WidthCondition(
        key="oymak2019-relu", source="Oymak, Soltanolkotabi 2019", year=2019, eprint="1902.04674", setting=TWO_LAYER,
        formula="n |X|^6 / lambda_0^4", confidence="memory", needs=("lambda_0",),
        log10=lambda f: _n(f, 1) + 6 * _log(f.norm) + _lambda(f, -4),
    ),
    WidthCondition(
        key="oymak2019-sphere", source="Oymak, Soltanolkotabi 2019", year=2019, eprint="1902.04674",
        setting="two-layer ReLU, first layer, random rows on the sphere", formula="n^4 / d^3", confidence="memory",
        assumes="rows uniform on the sphere",
        needs=(), log10=lambda f: _n(f, 4) - 3 * _log(f.d),
    ),
    WidthCondition(
        key="nitanda2019", source="Nitanda, Chinot, Suzuki 2019", year=2019, eprint="1905.09870",
        setting="two-layer smooth, logistic loss, separable by the tangent kernel", formula="poly(1/eps), free of n",
        confidence="memory", needs=("gamma",), assumes="a smooth activation", log10=None,
    ),
    WidthCondition(
        key="su2019", source="Su, Yang 2019", year=2019, eprint="1905.10826",
        setting="two-layer ReLU, fixed d, target of low rank, risk 1/sqrt(n)", formula="n ln n", confidence="read",
        assumes="a target of low rank in few dimensions",
        needs=(), log10=lambda f: _n(f, 1) + _log(max(float(np.log(f.n)), 1.0)),
    ),
    WidthCondition(
        key="cao2019", source="Cao, Gu 2019", year=2019, eprint="1905.13210",
        setting="L-layer ReLU, logistic loss, one-pass SGD", formula="n^7 poly(R, L), poly at 1", confidence="read",
        needs=(), log10=lambda f: _n(f, 7),
    ),
    WidthCondition(
        key="song2019", source="Song, Yang 2019", year=2019, eprint="1906.03593", setting=TWO_LAYER,
        formula="n^4 / lambda_0^4", confidence="memory", needs=("lambda_0",),
        log10=lambda f: _n(f, 4) + _lambda(f, -4),
    ),
    WidthCondition(
        key="song2019-properties", source="Song, Yang 2019", year=2019, eprint="1906.03593", setting=TWO_LAYER,
        formula="n^2 (further properties of the rows)", confidence="read", needs=(), assumes="properties of the rows that are "
        "not evaluated here", log10=lambda f: _n(f, 2),
    ),
    WidthCondition(
        key="zou2019", source="Zou, Gu 2019", year=2019, eprint="1906.04688",
        setting="L-layer ReLU, squared loss, gradient descent", formula="n^8 L^12 / phi^4", confidence="memory",
        needs=("phi",), log10=lambda f: _n(f, 8) + _depth(f, 12) + _phi(f, -4),
    ),
    WidthCondition(
        key="zou2019-sgd", source="Zou, Gu 2019", year=2019, eprint="1906.04688",
        setting="L-layer ReLU, squared loss, SGD", formula="n^17 L^12 / phi^4", confidence="memory", needs=("phi",),
        log10=lambda f: _n(f, 17) + _depth(f, 12) + _phi(f, -4),
    ),
    WidthCondition(
        key="kawaguchi2019", source="Kawaguchi, Huang 2019", year=2019, eprint="1908.02419",
        setting="deep, last layer only, convex Lipschitz loss", formula="n / d (parameters n)", confidence="read",
        assumes="only the last layer is trained",
        needs=(), log10=lambda f: _n(f, 1) - _log(f.d),
    ),
    WidthCondition(
        key="ji2019", source="Ji, Telgarsky 2019", year=2019, eprint="1909.12292", setting=LOGISTIC,
        formula="gamma^-8 (ln(n/delta) + ln^2(1/eps))", confidence="read", needs=("gamma",), log10=_ji_telgarsky,
    ),
    WidthCondition(
        key="chen2019", source="Chen, Cao, Zou, Gu 2019", year=2019, eprint="1911.12360",
        setting="L-layer ReLU, logistic loss", formula="L^22 / gamma^8", confidence="second-hand", needs=("gamma",),
        log10=lambda f: _depth(f, 22) + _gamma(f, -8),
    ),
    WidthCondition(
        key="chen2019-separation", source="Chen, Cao, Zou, Gu 2019, proposition 4.10", year=2019, eprint="1911.12360",
        setting="L-layer ReLU, logistic loss, separated classes", formula="L^22 n^12 / phi^4", confidence="read",
        needs=("phi",), log10=lambda f: _depth(f, 22) + _n(f, 12) + _phi(f, -4),
    ),
    WidthCondition(
        key="gulcu2019", source="Gulcu 2019", year=2019, eprint="", setting="deep ResNet", formula="n",
        confidence="memory", assumes="residual connections",
        needs=(), log10=lambda f: _n(f, 1),
    ),
    WidthCondition(
        key="nguyen2020", source="Nguyen, Mondelli 2020", year=2020, eprint="2002.07867",
        setting="deep pyramidal, smooth, all layers", formula="n (first layer)",
        confidence="read", needs=(), assumes="a smooth activation", log10=lambda f: _n(f, 1),
    ),
    WidthCondition(
        key="montanari2020", source="Montanari, Zhong 2020", year=2020, eprint="2007.12826",
        setting="two-layer, tangent features, isotropic rows", formula="n / d (m d / n above 1)", confidence="read",
        assumes="isotropic rows; sharp up to logarithms",
        needs=(), log10=lambda f: _n(f, 1) - _log(f.d),
    ),
    WidthCondition(
        key="daniely2020", source="Daniely 2020", year=2020, eprint="",
        setting="two-layer ReLU, random rows, standard start", formula="n / d (m d above n polylog n)",
        confidence="second-hand", assumes="random rows",
        needs=(), log10=lambda f: _n(f, 1) - _log(f.d),
    ),
    WidthCondition(
        key="nguyen2021", source="Nguyen 2021", year=2021, eprint="2101.09612",
        setting="deep ReLU, squared loss, all layers, standard parametrisation",
        formula="n (one layer)", confidence="read", needs=(),
        log10=lambda f: _n(f, 1),
    ),
    WidthCondition(
        key="noy2021", source="Noy and others 2021", year=2021, eprint="", setting="deep ReLU, all layers",
        formula="n^2 L", confidence="memory", needs=(), log10=lambda f: _n(f, 2) + _depth(f, 1),
    ),
    WidthCondition(
        key="song2021", source="Song and others 2021", year=2021, eprint="", setting="two-layer smooth, both layers",
        formula="n^(3/2) / d (parameters n^(3/2))", confidence="read", needs=(), assumes="a smooth activation",
        log10=lambda f: _n(f, 1.5) - _log(f.d),
    ),
    WidthCondition(
        key="gao2021", source="Gao, Liu, Liu, Rajan, Gao 2021", year=2021, eprint="2110.05645",
        setting="implicit ReLU, all layers", formula="n^2", confidence="memory", assumes="an implicit network",
        needs=(), log10=lambda f: _n(f, 2),
    ),
    WidthCondition(
        key="gao2022", source="Gao, Gao 2022", year=2022, eprint="2205.07463", setting="implicit ReLU, infinite depth",
        formula="n", confidence="read", assumes="an implicit network",
        needs=(), log10=lambda f: _n(f, 1),
    ),
    WidthCondition(
        key="bombari2022", source="Bombari and others 2022", year=2022, eprint="2205.10217",
        setting="deep smooth, fewest parameters", formula="n^(1/2) (parameters n)", confidence="read",
        needs=(), assumes="a smooth activation", log10=lambda f: _n(f, 0.5),
    ),
    WidthCondition(
        key="munteanu2022-squared", source="Munteanu and others 2022", year=2022, eprint="2206.12802",
        setting="two-layer ReLU, paired start, squared loss", formula="n^2 / lambda_0^2", confidence="memory",
        needs=("lambda_0",), log10=lambda f: _n(f, 2) + _lambda(f, -2),
    ),
    WidthCondition(
        key="munteanu2022-logistic", source="Munteanu and others 2022", year=2022, eprint="2206.12802",
        setting="two-layer ReLU, paired start, logistic loss", formula="gamma^-2 ln(n/delta)", confidence="read",
        needs=("gamma",), log10=lambda f: _gamma(f, -2) + _confidence(f),
    ),
    WidthCondition(
        key="telgarsky2022", source="Telgarsky 2022", year=2022, eprint="2208.02789",
        setting="two-layer ReLU, logistic loss, both layers, large movement",
        formula="1 / gamma", confidence="read", needs=("gamma",),
        log10=lambda f: _gamma(f, -1),
    ),
    WidthCondition(
        key="razborov2022", source="Razborov 2022", year=2022, eprint="2212.02323",
        setting="two-layer ReLU, both layers, Gaussian rows, adversarial labels", formula="exponent not seen",
        confidence="read", needs=(), log10=None,
    ),
    WidthCondition(
        key="lei-cited2025", source="Lei and others, as cited by Li, Guo, Lei, Ying 2025", year=2025,
        eprint="2510.02779", setting=LOGISTIC, formula="gamma^-8", confidence="second-hand", needs=("gamma",),
        log10=lambda f: _gamma(f, -8),
    ),
    WidthCondition(
        key="taheri2025", source="Taheri and others 2025, as cited by Li, Guo, Lei, Ying 2025", year=2025,
        eprint="2510.02779", setting="L-layer smooth, logistic loss", formula="gamma^-(6L+4)",
        confidence="second-hand", needs=("gamma",), assumes="a smooth activation", log10=lambda f: _gamma(f, -(6 * f.depth + 4)),
    ),
    WidthCondition(
        key="li2025", source="Li, Guo, Lei, Ying 2025", year=2025, eprint="2510.02779",
        setting="L-layer ReLU, logistic loss", formula="L^16 ln(n/delta) (ln n)^8 / gamma^8", confidence="read",
        needs=("gamma",), log10=_li_guo,
    ),
)  # fmt: skip


def width_conditions(
    facts: WidthFacts, *, observed: float | None = None, conditions: Sequence[WidthCondition] = CONDITIONS
) -> tuple[WidthRow, ...]:
    """Evaluate published width conditions on measured facts.

    gamma is that of H-infinity, which is at least Ji and Telgarsky's margin: conditions in gamma are evaluated in their
    own favour. For classes of more than two it is that of the hardest class against the rest.

    Args:
        facts: from `width_facts`.
        observed: a width at which networks were seen to train; gives the vacuity.
        conditions: which; every known one when not given.

    Raises:
        UsageError: if the observed width is not positive.
    """
    if observed is not None:
        positive(observed, "observed")
    return tuple(_row(condition, facts, observed) for condition in conditions)


def interpolation_ratio(*, width: float, d: int, n: int) -> float:
    """Trained parameters over rows, m d / n: above 1, isotropic rows can be fitted by the linearised network.

    References:
        :cite:t:`montanari2022`: the threshold is sharp up to logarithms.
    """
    return positive(width, "width") * d / n


def _row(condition: WidthCondition, facts: WidthFacts, observed: float | None) -> WidthRow:
    failed = [text for symbol in condition.needs if (text := _failure(symbol, facts))]
    if failed:
        return WidthRow(condition=condition, log10_width=None, note="; ".join(failed), holds=False, vacuity=None)
    if condition.log10 is None:
        return WidthRow(
            condition=condition, log10_width=None, note="no exponents published or seen", holds=None, vacuity=None
        )
    width = condition.log10(facts)
    return WidthRow(
        condition=condition,
        log10_width=width,
        note="at constant 1" + (f"; assumes {condition.assumes}" if condition.assumes else ""),
        holds=True,
        vacuity=None if observed is None else width - _log(observed),
    )


def _failure(symbol: Symbol, facts: WidthFacts) -> str:
    if symbol == "gamma" and facts.gamma is None:
        return "hypothesis fails: needs classes, the target is a number"
    value, rows = {
        "lambda_0": (facts.lambda_0, facts.lambda_rows),
        "phi": (facts.phi, facts.phi_rows),
        "gamma": (facts.gamma, facts.gamma_rows),
    }[symbol]
    if value is not None and value > 0:
        return ""
    return f"hypothesis fails: rows {', '.join(str(i) for i in rows)} ({symbol} = 0)"
