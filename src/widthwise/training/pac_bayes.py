r"""A PAC-Bayes bound on the error of a trained network with noise on its parameters, every constant evaluated.

It bounds the error of the randomised network (the Gibbs classifier: fresh noise for every row), not that of the network
without noise; and holds for rows that are independent draws of one law and a start that was chosen without seeing them.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from widthwise._checks import count
from widthwise._jax import float64
from widthwise.errors import DataError, UsageError
from widthwise.networks.network import Network
from widthwise.theory.bernoulli import kl_inverse
from widthwise.training.measures import Parameters, disturbed, measure_of, problem, split

# Deviations tried are these multiples of the root mean square of each parameter's start: chosen before any data came.
GRID = tuple(4.0 * 2.0 ** (-step / 2) for step in range(29))
# Rounds of coordinate descent over layers at most.
ROUNDS = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class PacBayes:
    """The bound and all that went into it.

    Attributes:
        bound: with probability at least 1 - delta over the rows and the draws, the error of the randomised network on new rows
            is at most this.
        gibbs: error of the randomised network on the training rows, mean over the draws.
        gibbs_upper: its upper confidence limit over the draws.
        kl: relative entropy of posterior and prior, in nats.
        sigmas: deviation of the noise by parameter.
        complexity: (kl + ln(2 sqrt(n) candidates / delta_1)) / n, in nats.
        candidates: number of priors over which the choice was made, all paid for by a union bound.
        delta: total error probability, half of it for the rows and half for the draws.
        n: number of rows.
        draws: number of draws of the noise.
    """

    bound: float
    gibbs: float
    gibbs_upper: float
    kl: float
    sigmas: dict[str, float]
    complexity: float
    candidates: float
    delta: float
    n: int
    draws: int

    @property
    def vacuous(self) -> bool:
        """Whether it promises no more than a guess between two equally frequent classes: a bound of one half or more."""
        return self.bound >= 0.5


def pac_bayes(
    net: Network,
    start: Parameters,
    params: Parameters,
    X: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"] | Float[np.ndarray, "n k"],
    *,
    loss: str = "cross_entropy",
    delta: float = 0.05,
    per_layer: bool = False,
    draws: int = 500,
    trial_draws: int = 20,
    seed: int = 0,
) -> PacBayes:
    r"""PAC-Bayes bound with the prior at the start, the deviation of the noise optimised over a grid.

    Prior :math:`P = N(w_0, \Sigma)`, posterior :math:`Q = N(w, \Sigma)` over the trained parameters, with one deviation for each of
    them, so that :math:`\mathrm{KL}(Q\|P) = \sum_l \|w_l - w_{0,l}\|^2/(2\sigma_l^2)`. Then

    .. math:: e(Q) \le \mathrm{kl}^{-1}\Bigl(\hat e_N^+,\ \frac{\mathrm{KL}(Q\|P) + \ln(2\sqrt n\,J/\delta_1)}{n}\Bigr),
              \qquad \hat e_N^+ = \mathrm{kl}^{-1}\Bigl(\hat e_N,\ \frac{\ln(1/\delta_2)}{N}\Bigr)

    with :math:`\delta_1 = \delta_2 = \delta/2`, J candidates in the grid, and :math:`\hat e_N` the training error averaged over N
    independent draws that were not used to choose the candidate. The first step is Maurer's form of the theorem, for
    n of at least 8; the second Chernoff's bound.

    Args:
        net: the network.
        start: its parameters at step zero, which must not depend on the rows.
        params: its parameters after training.
        X: training rows.
        y: targets as the loss takes them.
        loss: says what a margin is; an error is a margin of at most zero, as in the probe `error`.
        delta: error probability of the bound, in (0, 1).
        per_layer: whether each trained parameter has a deviation of its own, by coordinate descent; J grows to the power of
            their number.
        draws: N.
        trial_draws: draws for each candidate while choosing.
        seed: of the draws.

    Raises:
        UsageError: if an argument is outside its range.
        DataError: if the data are not finite or do not fit, or there are fewer than 8 rows.

    References:
        :cite:t:`maurer2004`; :cite:t:`dziugaite2017`, whose posterior has a variance for each parameter, trained.
    """
    count(draws, "draws")
    count(trial_draws, "trial_draws")
    if not 0.0 < delta < 1.0:
        raise UsageError(f"delta must lie between 0 and 1; {delta!r} came")
    rows, targets = problem(net, X, y, loss)
    n = len(rows)
    if n < 8:
        raise DataError(f"the bound needs at least 8 rows; {n} came")
    names = net.trained_names
    with float64():
        held, _ = split(net, params)
        before, _ = split(net, start)
        sizes = {name: float(np.sqrt(np.mean(np.asarray(before[name]) ** 2))) or 1.0 for name in names}
        moved = {name: float(np.sum(np.asarray(held[name] - before[name]) ** 2)) for name in names}
        candidates = float(len(GRID)) ** (len(names) if per_layer else 1)
        trial, final = jax.random.split(jax.random.key(seed))
        trial_keys, final_keys = jax.random.split(trial, trial_draws), jax.random.split(final, draws)

        def kl(choice: tuple[int, ...]) -> float:
            parts = (moved[name] / (GRID[j] * sizes[name]) ** 2 for name, j in zip(names, choice, strict=True))
            return math.fsum(parts) / 2.0

        def complexity(choice: tuple[int, ...]) -> float:
            return (kl(choice) + math.log(2.0 * math.sqrt(n) * candidates / (delta / 2.0))) / n

        def errors(choice: tuple[int, ...], keys: Array) -> Float[np.ndarray, " draws"]:
            noise = {
                name: jnp.full_like(held[name], GRID[j] * sizes[name]) for name, j in zip(names, choice, strict=True)
            }
            return np.asarray(_errors(held, noise, rows, targets, keys, net=net, loss=loss))

        @functools.cache
        def score(choice: tuple[int, ...]) -> float:
            cost = complexity(choice)
            # Where the complexity alone makes the bound worthless no draw is needed to see it.
            return kl_inverse(float(errors(choice, trial_keys).mean()), cost) if cost < 5.0 else 1.0 + cost

        best = min(((j,) * len(names) for j in range(len(GRID))), key=score)
        if per_layer:
            best = _descend(best, score)
        gibbs = float(errors(best, final_keys).mean())
    upper = kl_inverse(gibbs, math.log(2.0 / delta) / draws)
    return PacBayes(
        bound=kl_inverse(upper, complexity(best)),
        gibbs=gibbs,
        gibbs_upper=upper,
        kl=kl(best),
        sigmas={name: GRID[j] * sizes[name] for name, j in zip(names, best, strict=True)},
        complexity=complexity(best),
        candidates=candidates,
        delta=float(delta),
        n=n,
        draws=draws,
    )


def _descend(start: tuple[int, ...], score: functools._lru_cache_wrapper[float]) -> tuple[int, ...]:
    """Coordinate descent on the grid, one or two notches at a time, until nothing is better."""
    best = start
    for _ in range(ROUNDS):
        before = best
        for place, step in itertools.product(range(len(start)), (-2, -1, 1, 2)):
            best = min((best, *_neighbours(best, place, step)), key=score)
        if best == before:
            break
    return best


def _neighbours(choice: tuple[int, ...], place: int, step: int) -> Iterable[tuple[int, ...]]:
    moved = choice[place] + step
    return [(*choice[:place], moved, *choice[place + 1 :])] if 0 <= moved < len(GRID) else []


@functools.partial(jax.jit, static_argnames=("net", "loss"))
def _errors(
    params: dict[str, Array],
    noise: dict[str, Array],
    X: Array,
    Y: Array,
    keys: Array,
    *,
    net: Network,
    loss: str,
) -> Float[Array, " draws"]:
    """Share of wrong rows at each draw of the noise."""

    def one(key: Array) -> Array:
        return measure_of(net, disturbed(params, noise, key), X, Y, loss=loss, measure="error")

    shares: Array = jax.lax.map(one, keys)
    return shares
