"""Finite ReLU networks whose infinite-width limits the kernels describe: start, outputs, parameters.

JAX in, JAX out; parameters are a dictionary of arrays. Training lives in `training`.
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

Params = dict[str, Float[Array, "..."]]


@dataclass(frozen=True)
class MLP:
    r"""Two-layer ReLU network of :cite:t:`arora2019`, with one or several outputs.

    .. math:: f_c(x) = m^{-1/2} \sum_{r=1}^m a_{rc}\,\sigma(w_r^\top x), \qquad
              w_r \sim N(0, \kappa^2 I),\ a_{rc} \in \{-1, +1\}

    Only the first layer is trained. Outputs share it; their signs are independent, so that in the limit of infinite
    width every output has the kernel `HInf` and no output moves another.

    Args:
        widths: number m of hidden neurons, as a tuple with one entry.
        parametrisation: `ntk`, the factor m^{-1/2} above.
        trained: `first`, the only layer that moves.
        antisymmetric: neurons come in pairs of equal weights and opposite signs, so that f = 0 at the start and the
            kernel at the start is unchanged; m must then be even.
        kappa: standard deviation of the first layer's weights.
        outputs: number of outputs.
    """

    widths: tuple[int, ...] = (1024,)
    parametrisation: Literal["ntk"] = "ntk"
    trained: Literal["first"] = "first"
    antisymmetric: bool = True
    kappa: float = 1.0
    outputs: int = 1

    def __post_init__(self) -> None:
        if len(self.widths) != 1:
            raise UsageError(f"widths must hold one hidden layer; {self.widths!r} came")
        count(self.widths[0], "widths[0]")
        count(self.outputs, "outputs")
        positive(self.kappa, "kappa")
        if self.parametrisation != "ntk":
            raise UsageError(f"parametrisation must be 'ntk'; {self.parametrisation!r} came")
        if self.trained != "first":
            raise UsageError(f"trained must be 'first'; {self.trained!r} came")
        if self.antisymmetric and self.widths[0] % 2:
            raise UsageError(f"an antisymmetric start pairs the neurons: the width must be even; {self.widths[0]} came")

    def init(self, seed: int | np.random.Generator | Array, *, d: int) -> Params:
        """Random start for inputs of d columns.

        Args:
            seed: an integer, a NumPy generator or a JAX key; the same integer gives the same start. Numbers are drawn
                by NumPy, so a key must be concrete: not inside `jit` or `vmap`.
            d: number of input columns.

        Returns:
            `W` of shape (m, d) and `a` of shape (m, outputs), in JAX's current default precision.
        """
        count(d, "d")
        generator = _generator(seed)
        drawn = self.widths[0] // 2 if self.antisymmetric else self.widths[0]
        W = self.kappa * generator.standard_normal((drawn, d))
        a = generator.choice([-1.0, 1.0], (drawn, self.outputs))
        if self.antisymmetric:
            W, a = np.concatenate([W, W]), np.concatenate([a, -a])
        precision = jax.dtypes.canonicalize_dtype(np.float64)
        return {"W": jnp.asarray(W, precision), "a": jnp.asarray(a, precision)}

    def apply(self, params: Params, X: Float[Array, "n d"]) -> Float[Array, "n k"]:
        """Outputs of the network on the rows of X."""
        with full_products():
            hidden = jnp.maximum(X @ params["W"].T, 0.0)
            return hidden @ params["a"] / jnp.sqrt(float(self.widths[0]))


def _generator(seed: int | np.random.Generator | Array) -> np.random.Generator:
    """NumPy's generator for a seed of any kind: JAX compiles a second for every shape that it draws on a CPU."""
    if isinstance(seed, jax.Array):
        return np.random.default_rng(np.asarray(jax.random.key_data(seed)).ravel().tolist())
    return np.random.default_rng(seed)
