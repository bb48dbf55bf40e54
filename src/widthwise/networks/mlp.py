"""Finite fully connected networks whose infinite-width limits the kernels describe: start, outputs, parameters.

JAX in, JAX out; parameters are a dictionary of arrays. Training lives in `training`, gradients' kernels in
`networks.empirical`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from widthwise._checks import count, positive
from widthwise._jax import full_products
from widthwise.errors import UsageError
from widthwise.kernels.activations import Activation, LeakyReLU, piecewise_linear
from widthwise.networks import activation as activations

Params = dict[str, Float[Array, "..."]]
Parametrisation = Literal["ntk", "standard", "chen2019"]
Trained = Literal["first", "last", "weights", "all"]
Readout = Literal["signs", "gaussian"]

_NAMES = {"ntk": "NTK parametrisation", "standard": "standard parametrisation"}
_MOVING = {
    "first": "first layer trained",
    "last": "last layer trained",
    "weights": "weights trained",
    "all": "all trained",
}


@dataclass(frozen=True)
class MLP:
    r"""Fully connected network with L hidden layers, one or several outputs.

    .. math:: z_1 = s_1 W_1 x + b_1, \qquad z_{l+1} = s_{l+1} W_{l+1}\,\sigma(z_l) + b_{l+1}, \qquad
              f(x) = s_{L+1}\, a^\top \sigma(z_L) + c

    What is a factor s and what the deviation of a weight at the start is the parametrisation:

    - ``ntk``: unit-variance weights; :math:`s_1^2` is `input_scale`, :math:`s_{l+1}^2 = v / m_l`; biases of unit
      variance come with the factor :math:`\sqrt{c}`. The kernel of gradients tends to `kernels.NTK` of the same arguments.
    - ``standard``: the same outputs at the start with all of it in the weights, s = 1. Each layer's part of the kernel of
      gradients is that of ``ntk`` over its :math:`s^2`, so the parts of the later layers grow with the width.
    - ``chen2019``: :math:`s_{L+1} = m^\alpha`, other factors one; weights of variance 2/m in every hidden layer, the first
      included, and 1/m in the last. The kernel of gradients over :math:`m^{2\alpha}` tends to `kernels.NTK.chen2019`.

    The defaults are the two-layer network of :cite:t:`arora2019`: factor :math:`m^{-1/2}`, frozen signs, the first layer
    trained. Its outputs share that layer and their signs are independent, so that in the limit every output has the
    kernel `HInf` and no output moves another.

    Args:
        widths: numbers m_1 ... m_L of neurons of the hidden layers.
        parametrisation: `ntk`, `standard` or `chen2019`.
        trained: `all` parameters; `weights` but not biases; only the `first` or the `last` layer, its biases included.
        antisymmetric: neurons of the one hidden layer come in pairs of equal weights and opposite signs, so that f = 0 at
            the start and the kernel at the start is unchanged in mean; the width must then be even.
        kappa: standard deviation of the first layer's weights, `ntk` only; one for any theory but that of two layers.
        outputs: number of outputs.
        activation: `relu`, `abs`, `linear`, `erf` or `LeakyReLU(slope)`; the derivative at zero is one.
        readout: law of the last weights before they are scaled, `signs` (-1 and +1) or `gaussian`.
        weight_variance: v, the variance of a weight that follows a hidden layer, factor included, times its fan-in.
        bias_variance: variance of every bias, the output's included; none at 0.
        input_scale: covariance of the first pre-activations over x.z.
        last_variance: v of the output layer; that of the others when not given.
        alpha: exponent of the factor of `chen2019`, in [0, 1/2]; one half when not given.

    Raises:
        UsageError: if an argument is outside its range, or two of them do not go together.

    References:
        :cite:t:`arora2019`; :cite:t:`jacot2018`; :cite:t:`arora2019b`, section 3; :cite:t:`chen2019`, section 3.
    """

    widths: tuple[int, ...] = (1024,)
    parametrisation: Parametrisation = "ntk"
    trained: Trained = "first"
    antisymmetric: bool = True
    kappa: float = 1.0
    outputs: int = 1
    activation: Activation = "relu"
    readout: Readout = "signs"
    weight_variance: float = 1.0
    bias_variance: float = 0.0
    input_scale: float = 1.0
    last_variance: float | None = None
    alpha: float | None = None

    def __post_init__(self) -> None:
        if not self.widths:
            raise UsageError("widths must hold one number for each hidden layer, at least one; () came")
        for layer, width in enumerate(self.widths):
            count(width, f"widths[{layer}]")
        count(self.outputs, "outputs")
        for name in ("kappa", "weight_variance", "input_scale"):
            positive(getattr(self, name), name)
        if self.last_variance is not None:
            positive(self.last_variance, "last_variance")
        if not (np.isfinite(self.bias_variance) and self.bias_variance >= 0):
            raise UsageError(f"bias_variance must be a finite number of at least 0; {self.bias_variance!r} came")
        piecewise_linear(self.activation)
        for name, known in (
            ("parametrisation", ("ntk", "standard", "chen2019")),
            ("trained", ("first", "last", "weights", "all")),
            ("readout", ("signs", "gaussian")),
        ):
            if getattr(self, name) not in known:
                listed = f"{', '.join(map(repr, known[:-1]))} or {known[-1]!r}"
                raise UsageError(f"{name} must be {listed}; {getattr(self, name)!r} came")
        if self.antisymmetric:
            self._check_pairs()
        if self.kappa != 1.0 and self.parametrisation != "ntk":
            raise UsageError(
                f"kappa belongs to the 'ntk' parametrisation; with {self.parametrisation!r} give input_scale"
            )
        if self.parametrisation == "chen2019":
            self._check_chen2019()
        elif self.alpha is not None:
            raise UsageError(f"alpha belongs to the 'chen2019' parametrisation; {self.parametrisation!r} has none")

    def _check_pairs(self) -> None:
        if len(self.widths) > 1:
            raise UsageError(
                f"an antisymmetric start pairs the neurons of one hidden layer; {len(self.widths)} came: "
                "pass antisymmetric=False"
            )
        if self.widths[0] % 2:
            raise UsageError(f"an antisymmetric start pairs the neurons: the width must be even; {self.widths[0]} came")
        if self.bias_variance:
            raise UsageError("an antisymmetric start has no output bias: pass antisymmetric=False or bias_variance=0")

    def _check_chen2019(self) -> None:
        if len(set(self.widths)) > 1:
            raise UsageError(f"the 'chen2019' parametrisation has one width m for all layers; {self.widths!r} came")
        if self.alpha is not None and not 0.0 <= self.alpha <= 0.5:
            raise UsageError(f"alpha must lie in [0, 1/2]; {self.alpha!r} came")
        scales = (self.weight_variance, self.bias_variance, self.input_scale, self.last_variance)
        if scales != (1.0, 0.0, 1.0, None) or self.readout != "gaussian" or self.activation != "relu":
            raise UsageError(
                "the 'chen2019' parametrisation fixes its variances, has no biases, a Gaussian readout and ReLU: pass "
                "readout='gaussian' and leave weight_variance, bias_variance, input_scale, last_variance and activation out"
            )

    @classmethod
    def chen2019(cls, matrices: int, width: int, *, alpha: float = 0.5, outputs: int = 1) -> MLP:
        r"""Network of :cite:t:`chen2019`, all weights trained: the finite twin of `kernels.NTK.chen2019(matrices)`.

        Args:
            matrices: number of weight matrices, at least two.
            width: number m of neurons of every hidden layer.
            alpha: exponent of the factor :math:`m^\alpha`; at 0 the kernel of gradients itself has a limit.
            outputs: number of outputs.
        """
        return cls(
            widths=(width,) * (count(matrices, "matrices", 2) - 1),
            parametrisation="chen2019",
            trained="all",
            antisymmetric=False,
            outputs=outputs,
            readout="gaussian",
            alpha=alpha,
        )

    def describe(self) -> str:
        """The network in one line of words."""
        depth = len(self.widths)
        shape = f"{depth} hidden layer{'s' if depth > 1 else ''} ({', '.join(map(str, self.widths))})"
        form = self.activation
        name = f"leaky ReLU {form.slope:g}" if isinstance(form, LeakyReLU) else {"relu": "ReLU"}.get(form, form)
        words = [f"{name} network with {shape}", f"{self.outputs} output{'s' if self.outputs > 1 else ''}"]
        if self.parametrisation == "chen2019":
            words.append(
                f"parametrisation of Chen et al. 2019 with alpha {0.5 if self.alpha is None else self.alpha:g}"
            )
        else:
            words.append(_NAMES[self.parametrisation])
            words.append(f"weight variance {self.weight_variance:g}")
            if self.last_variance is not None:
                words.append(f"last {self.last_variance:g}")
            words.append(f"bias variance {self.bias_variance:g}" if self.bias_variance else "no biases")
            words.append(f"input scale {self.input_scale:g}")
        if self.kappa != 1.0:
            words.append(f"first weights of deviation {self.kappa:g}")
        words.append("signs as readout" if self.readout == "signs" else "Gaussian readout")
        words.append("antisymmetric start" if self.antisymmetric else "plain start")
        words.append(_MOVING[self.trained])
        return ", ".join(words)

    @property
    def factors(self) -> tuple[float, ...]:
        """Factors s_1 ... s_{L+1} in front of the weight matrices."""
        depth = len(self.widths)
        if self.parametrisation == "chen2019":
            return (1.0,) * depth + (float(self.widths[0]) ** (0.5 if self.alpha is None else self.alpha),)
        return self._deviations if self.parametrisation == "ntk" else (1.0,) * (depth + 1)

    @property
    def bias_factor(self) -> float:
        """Factor in front of every vector of biases; zero where there are none."""
        if not self.bias_variance:
            return 0.0
        return float(self.bias_variance) ** 0.5 if self.parametrisation == "ntk" else 1.0

    @property
    def readout_variance(self) -> float:
        """Variance of one of the last weights at the start, factor included."""
        return self._deviations[-1] ** 2 * (self.factors[-1] ** 2 if self.parametrisation == "chen2019" else 1.0)

    @property
    def _deviations(self) -> tuple[float, ...]:
        """Standard deviation of the entries of each weight matrix, factor included; kappa apart."""
        if self.parametrisation == "chen2019":
            return (*((2.0 / m) ** 0.5 for m in self.widths), self.widths[0] ** -0.5)
        last = self.weight_variance if self.last_variance is None else self.last_variance
        variances = (*(self.weight_variance for _ in self.widths[1:]), last)
        inner = (float(v / m) ** 0.5 for v, m in zip(variances, self.widths, strict=True))
        return (float(self.input_scale) ** 0.5, *inner)

    @property
    def weight_names(self) -> tuple[str, ...]:
        """Keys of the weight matrices among the parameters, from the input on: `W`, `W2`, ..., `a`."""
        return ("W", *(f"W{layer}" for layer in range(2, len(self.widths) + 1)), "a")

    @property
    def bias_names(self) -> tuple[str, ...]:
        """Keys of the biases in the same order: `b`, `b2`, ..., `c`; none without biases."""
        if not self.bias_variance:
            return ()
        return ("b", *(f"b{layer}" for layer in range(2, len(self.widths) + 1)), "c")

    @property
    def trained_names(self) -> tuple[str, ...]:
        """Keys of the parameters that move."""
        if self.trained == "all":
            return self.weight_names + self.bias_names
        if self.trained == "weights":
            return self.weight_names
        layer = 0 if self.trained == "first" else -1
        return (self.weight_names[layer], *(self.bias_names[layer:][:1]))

    def init(self, seed: int | np.random.Generator | Array, *, d: int) -> Params:
        """Random start for inputs of d columns.

        Args:
            seed: an integer, a NumPy generator or a JAX key; the same integer gives the same start. Numbers are drawn
                by NumPy, so a key must be concrete: not inside `jit` or `vmap`.
            d: number of input columns.

        Returns:
            `W` of shape (m_1, d), `W2` of shape (m_2, m_1), ..., `a` of shape (m_L, outputs); with biases `b` of shape
            (m_1,), `b2`, ... and `c` of shape (outputs,). In JAX's current default precision.
        """
        count(d, "d")
        generator = _generator(seed)
        scales = (1.0,) * len(self.factors) if self.parametrisation == "ntk" else self._deviations
        drawn = self.widths[0] // 2 if self.antisymmetric else self.widths[0]
        fans = (d, *self.widths)
        weights = [self.kappa * scales[0] * generator.standard_normal((drawn, d))]
        weights += [
            scales[layer] * generator.standard_normal((self.widths[layer], fans[layer]))
            for layer in range(1, len(self.widths))
        ]
        last = (self.widths[-1] if len(self.widths) > 1 else drawn, self.outputs)
        a = generator.choice([-1.0, 1.0], last) if self.readout == "signs" else generator.standard_normal(last)
        if self.antisymmetric:
            weights[0], a = np.concatenate([weights[0], weights[0]]), np.concatenate([a, -a])
        start = dict(zip(self.weight_names, [*weights, scales[-1] * a], strict=True))
        deviation = 1.0 if self.parametrisation == "ntk" else float(self.bias_variance) ** 0.5
        for name, width in zip(self.bias_names, (*self.widths, self.outputs), strict=False):
            start[name] = deviation * generator.standard_normal(width)
        precision = jax.dtypes.canonicalize_dtype(np.float64)
        return {name: jnp.asarray(values, precision) for name, values in start.items()}

    def pre_activations(self, params: Params, X: Float[Array, "n d"]) -> tuple[Float[Array, "n _"], ...]:
        """Pre-activations z_1 ... z_L of the hidden layers on the rows of X, of shapes (n, m_l)."""
        signals: list[Float[Array, "n _"]] = []
        with full_products():
            for layer, (name, factor) in enumerate(zip(self.weight_names[:-1], self.factors[:-1], strict=True)):
                values = activations.value(self.activation, signals[-1]) if signals else X
                z = values @ params[name].T
                z = z if factor == 1.0 else factor * z
                signals.append(z + self.bias_factor * params[self.bias_names[layer]] if self.bias_variance else z)
        return tuple(signals)

    def apply(self, params: Params, X: Float[Array, "n d"]) -> Float[Array, "n k"]:
        """Outputs of the network on the rows of X."""
        hidden = activations.value(self.activation, self.pre_activations(params, X)[-1])
        with full_products():
            outputs = hidden @ params["a"] * self.factors[-1]
        return outputs + self.bias_factor * params["c"] if self.bias_variance else outputs


def _generator(seed: int | np.random.Generator | Array) -> np.random.Generator:
    """NumPy's generator for a seed of any kind: JAX compiles a second for every shape that it draws on a CPU."""
    if isinstance(seed, jax.Array):
        return np.random.default_rng(np.asarray(jax.random.key_data(seed)).ravel().tolist())
    return np.random.default_rng(seed)
