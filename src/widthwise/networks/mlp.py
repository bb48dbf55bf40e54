"""Finite fully connected networks: one grid that holds the parametrisations of the papers; start, outputs, parameters.

JAX in, JAX out; parameters are a dictionary of arrays. Laws of single weights are in `networks.laws`, points of the grid by
paper in `networks.presets`, gradients' kernels in `networks.empirical`, training in `training`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from widthwise._checks import count, positive
from widthwise._jax import full_products
from widthwise.errors import UsageError
from widthwise.kernels.activations import Activation, piecewise_linear
from widthwise.networks import activation as activations
from widthwise.networks.laws import Balanced, Law, Normal, Signs

Params = dict[str, Float[Array, "..."]]
Parametrisation = Literal["ntk", "standard", "mean_field", "plain", "chen2019"]
Trained = Literal["first", "hidden", "last", "weights", "all"]
Readout = Literal["signs", "gaussian"]
Biases = Literal["trained", "frozen"]


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
    - ``mean_field``: ``ntk`` but for the output's factor, :math:`s_{L+1} = \sqrt v / m_L`. Without an output bias m times the
      kernel of gradients tends to the limit of ``ntk``; weights move as far at any width if the rate grows like m.
    - ``plain``: no factors but the output's, :math:`s_{L+1} = m_L^\alpha` with alpha = 0 when not given; weights of unit
      variance unless `weight_laws`, `kappa` or `readout` say otherwise.
    - ``chen2019``: :math:`s_{L+1} = m^\alpha`, other factors one; weights of variance 2/m in every hidden layer, the first
      included, and 1/m in the last. The kernel of gradients over :math:`m^{2\alpha}` tends to `kernels.NTK.chen2019`.

    The parametrisation gives every weight its law; `weight_laws` and `bias_laws` overrule it, layer by layer, and leave its
    factors alone.

    The defaults are the two-layer network of :cite:t:`arora2019`: factor :math:`m^{-1/2}`, frozen signs, the first layer
    trained. Its outputs share that layer and their signs are independent, so that in the limit every output has the
    kernel `HInf` and no output moves another.

    Args:
        widths: numbers m_1 ... m_L of neurons of the hidden layers.
        parametrisation: `ntk`, `standard`, `mean_field`, `plain` or `chen2019`.
        trained: `all` parameters; `weights` but not biases; the `hidden` weights, neither the readout nor biases; only the
            `first` or the `last` layer, its biases included.
        antisymmetric: neurons of the one hidden layer come in pairs of equal weights and opposite readouts (each Gaussian
            vector is used twice), so that f = 0 at the start and the kernel at the start is unchanged in mean; the width
            must then be even. For deeper networks see `Doubled`.
        kappa: standard deviation of the first layer's weights, `ntk`, `mean_field` and `plain` only; one for any theory but
            that of two layers.
        outputs: number of outputs.
        activation: `relu`, `abs`, `linear`, `erf` or `LeakyReLU(slope)`; the derivative at zero is one.
        readout: law of the last weights before they are scaled, `signs` (-1 and +1) or `gaussian`.
        weight_variance: v, the variance of a weight that follows a hidden layer, factor included, times its fan-in.
        bias_variance: variance of every bias, the output's included; none at 0.
        input_scale: covariance of the first pre-activations over x.z.
        last_variance: v of the output layer; that of the others when not given.
        alpha: exponent of the output's factor: of `chen2019`, in [0, 1/2], one half when not given; of `plain`, any number.
        weight_laws: law of each weight matrix as drawn, without its factor, from the input on, L + 1 of them: `Normal`,
            `TruncatedNormal`, `Signs`, `Zeros`, or None for that of the parametrisation; the last may be `Balanced`.
        bias_laws: law of each layer's biases, from the input on, L + 1 of them, factor one; None for no biases in that layer.
        biases: whether biases move with the weights of their layer (`trained`) or never (`frozen`); when not given they move,
            unless `trained` is `weights` or `hidden`.

    Raises:
        UsageError: if an argument is outside its range, or two of them do not go together.

    References:
        :cite:t:`arora2019`; :cite:t:`jacot2018`; :cite:t:`arora2019b`, section 3; :cite:t:`chen2019`, section 3;
        :cite:t:`mei2018` on the mean-field factor; :cite:t:`munteanu2022` on paired starts.
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
    weight_laws: tuple[Law | Balanced | None, ...] = ()
    bias_laws: tuple[Law | None, ...] = ()
    biases: Biases | None = None

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
            ("parametrisation", ("ntk", "standard", "mean_field", "plain", "chen2019")),
            ("trained", ("first", "hidden", "last", "weights", "all")),
            ("readout", ("signs", "gaussian")),
            ("biases", ("trained", "frozen", None)),
        ):
            if getattr(self, name) not in known:
                listed = f"{', '.join(map(repr, known[:-1]))} or {known[-1]!r}"
                raise UsageError(f"{name} must be {listed}; {getattr(self, name)!r} came")
        self._check_laws()
        if self.antisymmetric:
            self._check_pairs()
        self._check_scales()

    def _check_laws(self) -> None:
        layers = len(self.widths) + 1
        for name in ("weight_laws", "bias_laws"):
            laws = getattr(self, name)
            if laws and len(laws) != layers:
                raise UsageError(f"{name} must hold one law for each of the {layers} layers, or none; {len(laws)} came")
            known = Law | Balanced if name == "weight_laws" else Law
            for layer, law in enumerate(laws):
                if law is not None and not isinstance(law, known):
                    raise UsageError(f"{name}[{layer}] must be a law of networks.laws or None; {law!r} came")
                if isinstance(law, Balanced) and layer < layers - 1:
                    raise UsageError(f"Balanced is a law of the readout, the last of weight_laws; it came at {layer}")
        if self.bias_laws and self.bias_variance:
            raise UsageError("biases have one law: give bias_laws or bias_variance, not both")
        if self.weight_laws and self.weight_laws[0] is not None and self.kappa != 1.0:
            raise UsageError("the first layer has one law: give weight_laws[0] or kappa, not both")
        if self.biases is not None and not any(self.layer_biases):
            raise UsageError(f"biases={self.biases!r} needs biases: give bias_laws or bias_variance")
        if self.biases == "trained" and self.trained == "weights":
            raise UsageError("trained='weights' leaves biases frozen: pass trained='all' to train both")

    def _check_pairs(self) -> None:
        if len(self.widths) > 1:
            raise UsageError(
                f"an antisymmetric start pairs the neurons of one hidden layer; {len(self.widths)} came: "
                "pass antisymmetric=False, and wrap the network in Doubled for f = 0 at the start"
            )
        if self.widths[0] % 2:
            raise UsageError(f"an antisymmetric start pairs the neurons: the width must be even; {self.widths[0]} came")
        if self.layer_biases[-1]:
            raise UsageError(
                "an antisymmetric start has no output bias: pass antisymmetric=False or bias_variance=0, or leave the last "
                "of bias_laws None"
            )

    def _check_scales(self) -> None:
        form = self.parametrisation
        if self.kappa != 1.0 and form not in ("ntk", "mean_field", "plain"):
            raise UsageError(
                "kappa belongs to the 'ntk' parametrisation, to 'mean_field' and to 'plain'; with "
                f"{form!r} give input_scale or weight_laws"
            )
        if form == "chen2019":
            self._check_chen2019()
        elif form == "plain":
            if (self.weight_variance, self.input_scale, self.last_variance) != (1.0, 1.0, None):
                raise UsageError(
                    "the 'plain' parametrisation has no factors but the output's: leave weight_variance, input_scale and "
                    "last_variance out and give weight_laws"
                )
            if self.alpha is not None and not np.isfinite(self.alpha):
                raise UsageError(f"alpha must be a finite number; {self.alpha!r} came")
        elif self.alpha is not None:
            raise UsageError(
                f"alpha belongs to the 'chen2019' parametrisation and to 'plain'; {self.parametrisation!r} has none"
            )

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
        if self.weight_laws or self.bias_laws:
            raise UsageError("the 'chen2019' parametrisation fixes its laws: for others pass parametrisation='plain'")

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
        """The network in one line of words, and whose setting it is where it is that of a paper."""
        from widthwise.networks import descriptions  # noqa: PLC0415 - it reads networks, so it imports this module

        return descriptions.line(self)

    @property
    def factors(self) -> tuple[float, ...]:
        """Factors s_1 ... s_{L+1} in front of the weight matrices."""
        depth = len(self.widths)
        if self.parametrisation == "chen2019":
            return (1.0,) * depth + (float(self.widths[0]) ** (0.5 if self.alpha is None else self.alpha),)
        if self.parametrisation == "plain":
            return (1.0,) * depth + (float(self.widths[-1]) ** (0.0 if self.alpha is None else self.alpha),)
        if self.parametrisation == "mean_field":
            *inner, last = self._deviations
            return (*inner, last * float(self.widths[-1]) ** -0.5)
        return self._deviations if self.parametrisation == "ntk" else (1.0,) * (depth + 1)

    @property
    def bias_factor(self) -> float:
        """Factor in front of every vector of biases; zero where there are none."""
        if self.bias_laws:
            return 1.0 if any(self.layer_biases) else 0.0
        if not self.bias_variance:
            return 0.0
        return float(self.bias_variance) ** 0.5 if self.parametrisation in ("ntk", "mean_field") else 1.0

    @property
    def readout_variance(self) -> float:
        """Variance of one of the last weights at the start, factor included.

        Raises:
            UsageError: if the readout is balanced: its law is that of the incoming weights.
        """
        law = self.laws[-1]
        if isinstance(law, Balanced):
            raise UsageError("a balanced readout has no variance of its own: it is as long as the incoming weights")
        return self.factors[-1] ** 2 * law.variance

    @property
    def output_bias_variance(self) -> float:
        """Variance of an output's bias at the start, factor included; zero where there is none."""
        if self.bias_laws:
            return 0.0 if self.bias_laws[-1] is None else self.bias_laws[-1].variance
        return float(self.bias_variance)

    @property
    def laws(self) -> tuple[Law | Balanced, ...]:
        """Law of each weight matrix as drawn, without its factor, from the input on."""
        in_weights = self.parametrisation in ("standard", "chen2019")
        scales = self._deviations if in_weights else (1.0,) * (len(self.widths) + 1)
        own: list[Law] = [Normal(self.kappa * scales[0]), *(Normal(scale) for scale in scales[1:-1])]
        own.append(Signs(scales[-1]) if self.readout == "signs" else Normal(scales[-1]))
        given = self.weight_laws or (None,) * len(own)
        return tuple(mine if law is None else law for law, mine in zip(given, own, strict=True))

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
    def layer_biases(self) -> tuple[str | None, ...]:
        """Key of the biases of each layer, `b`, `b2`, ..., `c`, None where a layer has none."""
        names = ("b", *(f"b{layer}" for layer in range(2, len(self.widths) + 1)), "c")
        if self.bias_laws:
            return tuple(None if law is None else name for name, law in zip(names, self.bias_laws, strict=True))
        return names if self.bias_variance else (None,) * len(names)

    @property
    def bias_names(self) -> tuple[str, ...]:
        """Keys of the biases that there are, from the input on."""
        return tuple(name for name in self.layer_biases if name is not None)

    @property
    def trained_layers(self) -> tuple[int, ...]:
        """Layers whose weights move, 0 the first and L the readout."""
        depth = len(self.widths)
        moving = {"first": range(1), "hidden": range(depth), "last": range(depth, depth + 1)}
        return tuple(moving.get(self.trained, range(depth + 1)))

    @property
    def trained_names(self) -> tuple[str, ...]:
        """Keys of the parameters that move."""
        weights = tuple(self.weight_names[layer] for layer in self.trained_layers)
        still = self.trained in ("weights", "hidden") if self.biases is None else self.biases == "frozen"
        moving = () if still else (self.layer_biases[layer] for layer in self.trained_layers)
        return weights + tuple(name for name in moving if name is not None)

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
        generator = generator_of(seed)
        half = 2 if self.antisymmetric else 1
        *hidden, last = self.laws
        drawn = (self.widths[0] // half, *self.widths[1:])
        weights: list[Any] = [
            law.draw(generator, (width, fan))
            for law, width, fan in zip(hidden, drawn, (d, *self.widths), strict=False)
            if not isinstance(law, Balanced)
        ]
        readout = None if isinstance(last, Balanced) else last.draw(generator, (drawn[-1], self.outputs))
        start: dict[str, Any] = dict(zip(self.weight_names, weights, strict=False))
        unit = self.parametrisation in ("ntk", "mean_field")
        own = Normal(1.0 if unit else float(self.bias_variance) ** 0.5) if self.bias_variance else None
        for name, law, width in zip(
            self.layer_biases, self.bias_laws or (own,) * (len(drawn) + 1), (*drawn, self.outputs), strict=True
        ):
            if name is not None and law is not None:
                start[name] = law.draw(generator, (width,))
        if isinstance(last, Balanced):
            bias = self.layer_biases[-2]
            squares = np.sum(weights[-1] ** 2, axis=1) + (0.0 if bias is None else start[bias] ** 2)
            readout = last.draw_for(generator, np.sqrt(squares), self.outputs)
        start["a"] = readout
        if self.antisymmetric:
            start = {name: np.concatenate([v, -v if name == "a" else v]) for name, v in start.items()}
        precision = jax.dtypes.canonicalize_dtype(np.float64)
        order = (*self.weight_names, *self.bias_names)
        return {name: jnp.asarray(start[name], precision) for name in order}

    def pre_activations(self, params: Params, X: Float[Array, "n d"]) -> tuple[Float[Array, "n _"], ...]:
        """Pre-activations z_1 ... z_L of the hidden layers on the rows of X, of shapes (n, m_l)."""
        signals: list[Float[Array, "n _"]] = []
        with full_products():
            for name, bias, factor in zip(self.weight_names, self.layer_biases, self.factors[:-1], strict=False):
                values = activations.value(self.activation, signals[-1]) if signals else X
                z = values @ params[name].T
                z = z if factor == 1.0 else factor * z
                signals.append(z if bias is None else z + self.bias_factor * params[bias])
        return tuple(signals)

    def apply(self, params: Params, X: Float[Array, "n d"]) -> Float[Array, "n k"]:
        """Outputs of the network on the rows of X."""
        return self.read_out(params, activations.value(self.activation, self.pre_activations(params, X)[-1]))

    def read_out(self, params: Params, hidden: Float[Array, "n m"]) -> Float[Array, "n k"]:
        """Outputs from the activations of the last hidden layer."""
        with full_products():
            outputs = hidden @ params["a"] * self.factors[-1]
        bias = self.layer_biases[-1]
        return outputs if bias is None else outputs + self.bias_factor * params[bias]


def generator_of(seed: int | np.random.Generator | Array) -> np.random.Generator:
    """NumPy's generator for a seed of any kind: JAX compiles a second for every shape that it draws on a CPU."""
    if isinstance(seed, jax.Array):
        return np.random.default_rng(np.asarray(jax.random.key_data(seed)).ravel().tolist())
    return np.random.default_rng(seed)
