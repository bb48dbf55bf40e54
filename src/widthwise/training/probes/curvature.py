"""Ends of the spectrum of the training loss's Hessian, by Lanczos: Hessian-vector products, never a Hessian."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from widthwise._checks import count
from widthwise._jax import float64
from widthwise.networks.network import Network
from widthwise.training.probes.host import doubles, measured, nothing
from widthwise.training.probes.objective import total_loss
from widthwise.training.snapshot import Snapshot


@dataclass(frozen=True)
class HessianEnds:
    r"""Smallest and largest eigenvalue of the Hessian of the training loss in the trained parameters.

    Lanczos with full reorthogonalisation in float64 from a random vector. A Ritz value :math:`\theta` of residual
    :math:`\rho = \|Hv - \theta v\|` has an eigenvalue within :math:`\rho`; and always :math:`\lambda_{\min} \le \theta_{\min}`,
    :math:`\theta_{\max} \le \lambda_{\max}`, so a negative smallest value is certain up to rounding. Where ReLU has a kink the
    Hessian is that of the piece on which the parameters lie. The loss is that of all training rows, without regularisers.

    Args:
        iterations: Hessian-vector products, each of about four gradients; at most the number of trained parameters is done.
        seed: of the first vector.
    """

    iterations: int = 40
    seed: int = 0
    name: str = "hessian"
    on_host: ClassVar[bool] = True

    def __post_init__(self) -> None:
        count(self.iterations, "iterations")

    def __call__(self, snapshot: Snapshot) -> dict[str, np.ndarray]:
        """`smallest` and `largest`, with `smallest_residual` and `largest_residual`; in units of the loss over weights squared."""
        state = doubles(snapshot)
        size = sum(state.params[name].size for name in snapshot.net.trained_names)
        steps = min(self.iterations, size)
        vector = np.random.default_rng(self.seed).standard_normal(size)
        with float64():
            held = {name: jnp.asarray(value) for name, value in state.params.items()}
            found = _lanczos(
                held,
                jnp.asarray(state.X),
                jnp.asarray(state.Y),
                jnp.asarray(vector / np.linalg.norm(vector)),
                net=snapshot.net,
                loss=snapshot.loss,
                steps=steps,
            )
            alpha, beta = (np.asarray(values) for values in found)
        if not (np.all(np.isfinite(alpha)) and np.all(np.isfinite(beta))):
            return nothing("smallest", "smallest_residual", "largest", "largest_residual")
        # After a breakdown, where the Krylov space is exhausted, what follows is noise.
        whole = np.abs(alpha).max() + 2 * beta.max()
        ended = np.nonzero(beta <= size * np.finfo(np.float64).eps * whole)[0]
        steps = int(ended[0]) + 1 if len(ended) else steps
        T = np.diag(alpha[:steps]) + np.diag(beta[: steps - 1], 1) + np.diag(beta[: steps - 1], -1)
        values, vectors = np.linalg.eigh(T)
        residuals = beta[steps - 1] * np.abs(vectors[-1])
        return measured(
            smallest=values[0], smallest_residual=residuals[0], largest=values[-1], largest_residual=residuals[-1]
        )


@functools.partial(jax.jit, static_argnames=("net", "loss", "steps"))
def _lanczos(
    params: dict[str, Array],
    X: Float[Array, "n d"],
    Y: Float[Array, "n k"],
    first: Float[Array, " p"],
    *,
    net: Network,
    loss: str,
    steps: int,
) -> tuple[Float[Array, " s"], Float[Array, " s"]]:
    """Diagonal and off-diagonal of the tridiagonal matrix; the last off-diagonal entry is the residual's factor."""
    moving = {name: params[name] for name in net.trained_names}
    flat, unravel = ravel_pytree(moving)

    def objective(theta: Array) -> Array:
        return total_loss(loss, net.apply({**params, **unravel(theta)}, X), Y)

    def product(v: Array) -> Array:
        tangent: Array = jax.jvp(jax.grad(objective), (flat,), (v,))[1]
        return tangent

    def step(j: Array, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        basis, alpha, beta = state
        v = basis[j]
        w = product(v)
        along = v @ w
        # Twice, or the copies of converged eigenvectors come back.
        for _ in range(2):
            w = w - basis.T @ (basis @ w)
        norm = jnp.linalg.norm(w)
        following = jnp.where(norm > 0, w / jnp.where(norm > 0, norm, 1.0), 0.0)
        return basis.at[j + 1].set(following), alpha.at[j].set(along), beta.at[j].set(norm)

    basis = jnp.zeros((steps + 1, first.size), first.dtype).at[0].set(first)
    empty = jnp.zeros(steps, first.dtype)
    _, alpha, beta = jax.lax.fori_loop(0, steps, step, (basis, empty, empty))
    return alpha, beta
