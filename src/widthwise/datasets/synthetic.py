"""Data that papers generate: mixtures on the sphere, composed targets, points on a line, sequences of a linear teacher.

Everything follows from the seed: an integer or a NumPy generator. Training and test rows are drawn one after the other from
one stream, so they never coincide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from widthwise._checks import count, positive
from widthwise.errors import UsageError

Seed = int | np.random.Generator


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Generated rows for training and, independent of them, for testing.

    Attributes:
        X: training rows.
        y: their targets: class codes, or numbers.
        X_test: test rows; none were asked for where there are none.
        y_test: their targets.
    """

    X: Float[np.ndarray, "n d"]
    y: Int[np.ndarray, " n"] | Float[np.ndarray, " n"]
    X_test: Float[np.ndarray, "m d"]
    y_test: Int[np.ndarray, " m"] | Float[np.ndarray, " m"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Mixture(Sample):
    """Rows of a mixture of k classes of l components each.

    Attributes:
        components: component of each training row, class times l plus its place within the class.
        test_components: component of each test row.
        centres: means of the components, before rows are scaled to unit norm.
    """

    components: Int[np.ndarray, " n"]
    test_components: Int[np.ndarray, " m"]
    centres: Float[np.ndarray, "c d"]


def clusters(
    rows: int = 1000,
    test_rows: int = 1000,
    *,
    d: int = 1000,
    classes: int = 10,
    components: int = 2,
    sigma: float = 1.0,
    sigma0: float = 5.0,
    unit_rows: bool = True,
    seed: Seed = 0,
) -> Mixture:
    r"""Mixture of Gaussians of :cite:t:`liliang2018`, figure 1, with its defaults.

    .. math:: \mu_c \sim N(0, \tfrac{\sigma_0^2}{d} I), \qquad x \mid c \sim N(\mu_c, \tfrac{\sigma^2}{d} I)

    with c uniform over the k l components, l of each class. In many dimensions rows of different components are
    :math:`\sqrt{2(\sigma_0^2 + \sigma^2)}` apart and rows of one component :math:`\sqrt 2\, \sigma`, so the larger
    :math:`\sigma / \sigma_0`, the more the classes overlap.

    Args:
        rows: number n of training rows.
        test_rows: number of test rows.
        d: number of columns.
        classes: number k of classes.
        components: number l of components of a class.
        sigma: spread within a component: the norm of a deviation.
        sigma0: spread of the means: their norm.
        unit_rows: whether rows are scaled to unit norm, as the paper's theory has them.
        seed: an integer or a NumPy generator.

    Raises:
        UsageError: if a number is outside its range.
    """
    for value, name in ((rows, "rows"), (d, "d"), (classes, "classes"), (components, "components")):
        count(value, name)
    count(test_rows, "test_rows", 0)
    positive(sigma, "sigma")
    positive(sigma0, "sigma0")
    generator = np.random.default_rng(seed)
    centres = sigma0 * d**-0.5 * generator.standard_normal((classes * components, d))

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        own = generator.integers(len(centres), size=n)
        X = centres[own] + sigma * d**-0.5 * generator.standard_normal((n, d))
        return X / np.linalg.norm(X, axis=1, keepdims=True) if unit_rows else X, own

    (X, own), (X_test, test_own) = draw(rows), draw(test_rows)
    return Mixture(
        X=X,
        y=own // components,
        X_test=X_test,
        y_test=test_own // components,
        components=own,
        test_components=test_own,
        centres=centres,
    )


def sphere(rows: int, d: int, *, seed: Seed = 0) -> Float[np.ndarray, "n d"]:
    """Rows drawn uniformly from the unit sphere of d dimensions."""
    X = np.random.default_rng(seed).standard_normal((count(rows, "rows", 0), count(d, "d")))
    return np.asarray(X / np.linalg.norm(X, axis=1, keepdims=True))


def sine_target(X: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, " n"]:
    r"""Target F1 of :cite:t:`allenzhu2018`: :math:`(\sin 3x_1 + \sin 3x_2 + \sin 3x_3 - 2)^2 \cos 7x_4`.

    On the unit sphere its variance is 31.04.
    """
    return np.asarray((np.sin(3.0 * X[:, :3]).sum(axis=1) - 2.0) ** 2 * np.cos(7.0 * X[:, 3]))


def tanh_target(X: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, " n"]:
    r"""Target F2 of :cite:t:`allenzhu2018`: :math:`(\tanh 8x_1 + \tanh 8x_2 + \tanh 8x_3 - 2)^2 \tanh 8x_4`.

    On the unit sphere its mean is zero and its variance 76.75.
    """
    return np.asarray((np.tanh(8.0 * X[:, :3]).sum(axis=1) - 2.0) ** 2 * np.tanh(8.0 * X[:, 3]))


_COMPOSED: dict[str, Callable[[np.ndarray], np.ndarray]] = {"sine": sine_target, "tanh": tanh_target}


def composed(target: str = "sine", rows: int = 1000, test_rows: int = 1000, *, seed: Seed = 0) -> Sample:
    """Regression on a target of two layers of :cite:t:`allenzhu2018`, rows uniform on the unit sphere of R^4.

    Args:
        target: `sine` (F1) or `tanh` (F2).
        rows: number of training rows.
        test_rows: number of test rows.
        seed: an integer or a NumPy generator.

    Raises:
        UsageError: if the target is not one that is known.
    """
    if target not in _COMPOSED:
        raise UsageError(f"target must be 'sine' or 'tanh'; {target!r} came")
    generator = np.random.default_rng(seed)
    X, X_test = sphere(count(rows, "rows"), 4, seed=generator), sphere(test_rows, 4, seed=generator)
    return Sample(X=X, y=_COMPOSED[target](X), X_test=X_test, y_test=_COMPOSED[target](X_test))


Function = Literal["exp", "sin", "cos", "square"]

_FUNCTIONS: dict[Function, Callable[[np.ndarray], np.ndarray]] = {
    "sin": np.sin,
    "cos": np.cos,
    "exp": np.exp,
    "square": np.square,
}
"""Functions whose power series converges everywhere; `theory.series` has each under the same name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Concept:
    r"""A member of the concept class of two layers of :cite:t:`allenzhu2018`.

    .. math:: f(x) = c \sum_{i=1}^p a_i\, \phi(s\, w_{1,i}^\top x)\, w_{2,i}^\top x

    with unit vectors w and :math:`|a_i| = 1`. How hard it is to learn is what `theory.log_sample_complexity` says of the series
    of phi.

    Attributes:
        function: phi: `sin`, `cos`, `exp` or `square`.
        scale: s.
        first: vectors w_1, a row each.
        second: vectors w_2.
        signs: a.
        factor: c.
    """

    function: Function
    scale: float
    first: Float[np.ndarray, "p d"]
    second: Float[np.ndarray, "p d"]
    signs: Float[np.ndarray, " p"]
    factor: float = 1.0

    def __call__(self, X: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """Values at rows."""
        parts = _FUNCTIONS[self.function](self.scale * (X @ self.first.T)) * (X @ self.second.T)
        return np.asarray(self.factor * (parts @ self.signs))


def concept(function: Function = "sin", scale: float = 1.0, *, terms: int = 1, d: int = 4, seed: Seed = 0) -> Concept:
    """A random member of the concept class of two layers; the same vectors for every function and scale of a seed.

    Args:
        function: `sin`, `cos`, `exp` or `square`.
        scale: s, above zero.
        terms: number p of terms.
        d: number of columns.
        seed: an integer or a NumPy generator.

    Raises:
        UsageError: if the function is not one that is known, or a number outside its range.
    """
    _known(function, scale, "function", "scale")
    generator = np.random.default_rng(seed)
    first = sphere(count(terms, "terms"), count(d, "d"), seed=generator)
    second = sphere(terms, d, seed=generator)
    return Concept(
        function=function, scale=scale, first=first, second=second, signs=generator.choice([-1.0, 1.0], terms)
    )


def _known(function: str, scale: float, *names: str) -> None:
    """Refuse functions that are not known and scales that are not above zero, by the names of both arguments."""
    if function not in _FUNCTIONS:
        raise UsageError(f"{names[0]} must be one of {', '.join(map(repr, _FUNCTIONS))}; {function!r} came")
    positive(scale, names[1])


@dataclass(frozen=True, kw_only=True, eq=False)
class CompositeConcept:
    r"""A member of the concept class of three layers of :cite:t:`allenzhu2018`.

    .. math:: f(x) = c \sum_{i=1}^{p_1} a_i\,
              \Phi\Bigl(s_\Phi \sum_{j=1}^{p_2} v_{1,ij}\, \phi_1(s_1 w_{1,j}^\top x)\Bigr)
              \sum_{j=1}^{p_2} v_{2,ij}\, \phi_2(s_2 w_{2,j}^\top x)

    with unit vectors w, rows v of unit norm and :math:`|a_i| = 1`. How hard it is to learn is what
    `theory.composite_complexity` says of the series of the three functions.

    Attributes:
        outer: Phi: `sin`, `cos`, `exp` or `square`.
        inner: phi_1, likewise.
        gate: phi_2, likewise.
        outer_scale: s_Phi.
        inner_scale: s_1.
        gate_scale: s_2.
        first: vectors w_1, a row each.
        second: vectors w_2.
        first_weights: rows v_1, one for each term.
        second_weights: rows v_2.
        signs: a.
        factor: c.
    """

    outer: Function
    inner: Function
    gate: Function
    outer_scale: float
    inner_scale: float
    gate_scale: float
    first: Float[np.ndarray, "p2 d"]
    second: Float[np.ndarray, "p2 d"]
    first_weights: Float[np.ndarray, "p1 p2"]
    second_weights: Float[np.ndarray, "p1 p2"]
    signs: Float[np.ndarray, " p1"]
    factor: float = 1.0

    def __call__(self, X: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """Values at rows."""
        inner = _FUNCTIONS[self.inner](self.inner_scale * (X @ self.first.T)) @ self.first_weights.T
        gate = _FUNCTIONS[self.gate](self.gate_scale * (X @ self.second.T)) @ self.second_weights.T
        return np.asarray(self.factor * ((_FUNCTIONS[self.outer](self.outer_scale * inner) * gate) @ self.signs))


def composite_concept(
    outer: Function = "sin",
    inner: Function = "sin",
    gate: Function = "sin",
    *,
    outer_scale: float = 1.0,
    inner_scale: float = 1.0,
    gate_scale: float = 1.0,
    terms: int = 1,
    inner_terms: int = 1,
    d: int = 4,
    seed: Seed = 0,
) -> CompositeConcept:
    """A random member of the concept class of three layers; the same vectors for all functions and scales of a seed.

    Args:
        outer: function of the sums of inner functions: `sin`, `cos`, `exp` or `square`.
        inner: function of the first projections.
        gate: function of the second projections, whose sums multiply.
        outer_scale: factor within the outer function, above zero.
        inner_scale: factor within the inner function, above zero.
        gate_scale: factor within the gate, above zero.
        terms: number p_1 of products.
        inner_terms: number p_2 of functions in a sum.
        d: number of columns.
        seed: an integer or a NumPy generator.

    Raises:
        UsageError: if a function is not one that is known, or a number outside its range.
    """
    _known(outer, outer_scale, "outer", "outer_scale")
    _known(inner, inner_scale, "inner", "inner_scale")
    _known(gate, gate_scale, "gate", "gate_scale")
    count(terms, "terms")
    count(inner_terms, "inner_terms")
    count(d, "d")
    generator = np.random.default_rng(seed)
    return CompositeConcept(
        outer=outer,
        inner=inner,
        gate=gate,
        outer_scale=outer_scale,
        inner_scale=inner_scale,
        gate_scale=gate_scale,
        first=sphere(inner_terms, d, seed=generator),
        second=sphere(inner_terms, d, seed=generator),
        first_weights=sphere(terms, inner_terms, seed=generator),
        second_weights=sphere(terms, inner_terms, seed=generator),
        signs=generator.choice([-1.0, 1.0], terms),
    )


_POINTS = {
    "five": ((-1.0, -0.5, 0.0, 0.5, 1.0), (0.5, -0.3, 0.8, -0.6, 0.4)),
    "stalled": ((-0.75, -0.5, 0.125), (1.1, 0.1, 0.8)),
    "orthogonal": ((-0.5, 2.0), (-1.0, 1.0)),
    "scattered": ((-1.5, -1.0, 0.0, 0.25, 2.0), (0.7, -0.3, -0.3, 0.4, 0.2)),
}


def line_points(name: str = "five") -> Sample:
    """A few points on a line, for small starts that quantise directions; without test rows.

    - ``five``: five points whose extremal directions are known in closed form, for :cite:t:`maennel2018`.
    - ``stalled``: three points at which a balanced start of scale .001 ends at half a sum of squares of .2626, while one of
      scale one reaches zero: :cite:t:`boursier2024`.
    - ``orthogonal``: two points that are orthogonal once the coordinate one is appended; ``scattered``: five that are not;
      :cite:t:`boursier2022`.

    Args:
        name: `five`, `stalled`, `orthogonal` or `scattered`.

    Raises:
        UsageError: if the name is not one that is known.
    """
    if name not in _POINTS:
        raise UsageError(f"name must be one of {', '.join(map(repr, _POINTS))}; {name!r} came")
    x, y = _POINTS[name]
    return Sample(X=np.array(x)[:, None], y=np.array(y), X_test=np.zeros((0, 1)), y_test=np.zeros(0))


_KNOTS = ((-1.0, -0.7, -0.55, -0.4, 0.0, 0.5, 0.6, 0.7, 1.0), (0.0, 0.7, 0.5, 1.0, 0.0, 1.0, 0.6, 0.7, 0.0))


def broken_line(rows: int = 40, test_rows: int = 0, *, seed: Seed = 0) -> Sample:
    """Rows uniform in [-1, 1] of a piecewise linear function with seven inner knots: :cite:t:`boursier2024`."""
    generator = np.random.default_rng(seed)
    X = generator.uniform(-1.0, 1.0, count(rows, "rows"))
    X_test = generator.uniform(-1.0, 1.0, count(test_rows, "test_rows", 0))
    y, y_test = (np.interp(x, *_KNOTS) for x in (X, X_test))
    return Sample(X=X[:, None], y=y, X_test=X_test[:, None], y_test=y_test)


def teacher_sequences(
    response: Float[np.ndarray, " t"], rows: int = 1000, test_rows: int = 1000, *, seed: Seed = 0
) -> Sample:
    r"""Sequences of white noise and the answer of a linear teacher after the last entry.

    .. math:: y = \sum_{j=0}^{T-1} r_j\, u_{T-j}

    A row holds :math:`u_1 \dots u_T`, the earliest first, as `networks.LinearRNN` reads it. The teacher of
    :cite:t:`cohenkarlik2023` with a one-dimensional state has :math:`r_j = c\,\alpha^j`.

    Args:
        response: impulse response r of the teacher; its length T is that of the rows.
        rows: number of training rows.
        test_rows: number of test rows.
        seed: an integer or a NumPy generator.
    """
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((count(rows, "rows"), len(response)))
    X_test = generator.standard_normal((count(test_rows, "test_rows", 0), len(response)))
    backwards = np.asarray(response, dtype=np.float64)[::-1]
    return Sample(X=X, y=X @ backwards, X_test=X_test, y_test=X_test @ backwards)
