r"""Block conjugate gradients for several right-hand sides at once, inside refinement by true residuals in float64.

All columns share one Krylov space, so that they need fewer products together than each alone. The block is
reorthogonalised in every step (:cite:t:`dubrulle2001`), which keeps the method alive where columns depend on one another
or converge at different speeds (:cite:t:`oleary1980`). The residual of the recursion is never reported: after each solve
the residual is evaluated from the matrix itself in float64, and where it stops falling, that is what is said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import scipy.linalg
from jaxtyping import Float

from widthwise._threads import one_blas_thread
from widthwise.solvers.checkpoints import Checkpoint
from widthwise.solvers.preconditioners import Preconditioner

# A recursion in a product of float32 is trusted down to this share of its right-hand side.
TRUSTED = {"float32": 3e-4, "float64": 1e-9}
# A refinement that gains less than this factor has met the precision of its parts.
LEAST_GAIN = 0.5
# Directions of the block below this share of its largest are rounding.
RANK = 1e-13
# Iterations without any gain after which a recursion is given up.
PATIENCE = 300
# A recursion is not followed further below its goal than this.
FLATTERED = 1e-4
# Rows of the matrix whose eigenvalues tell the condition.
MOST_RITZ = 3000
# The recursion's residual in the norm of the system is looked at every so many iterations.
LOOK = 2
# What the recursion calls this share of the tolerance is within it: in a later round the two residuals hardly differ.
REACHED = 0.9

Product = Callable[[Float[np.ndarray, "n k"]], Float[np.ndarray, "n k"]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Refined:
    """Where refinement ended.

    Attributes:
        X: solution.
        relative: true residual of each column over the column's norm; of the part in the range where there is one outside.
        iterations: products of the recursion, all rounds together.
        rounds: true residuals evaluated.
        history: worst column's true residual after each round.
        stagnated: whether it ended because residuals stopped falling.
        outside: share of the squared norm of the right-hand sides that no X can reach: the residual is in the null space.
        ritz: smallest and largest eigenvalue of the preconditioned matrix that the recursion saw.
    """

    X: Float[np.ndarray, "n k"]
    relative: Float[np.ndarray, " k"]
    iterations: int
    rounds: int
    history: tuple[float, ...]
    stagnated: bool
    outside: Float[np.ndarray, " k"]
    ritz: tuple[float, float]


def refine(
    exact: Product,
    quick: Product,
    P: Preconditioner,
    Y: Float[np.ndarray, "n k"],
    *,
    tol: float,
    trusted: float,
    max_iterations: int,
    norm: float,
    checkpoint: Checkpoint | None = None,
    advance: Callable[[int, float], None] = lambda *_: None,
) -> Refined:
    """Solve by rounds of block conjugate gradients with `quick`, each on the true residual left by `exact`.

    Args:
        exact: product with K + rI in float64.
        quick: the same, perhaps in lower precision.
        P: preconditioner.
        Y: right-hand sides.
        tol: of the true relative residual, for every column.
        trusted: how far a recursion is followed before the true residual is evaluated.
        max_iterations: of all rounds together.
        norm: of the matrix, roughly: what tells a residual outside its range.
        checkpoint: where the state is kept between runs.
        advance: told the iterations done and the residual of the recursion, all rounds taken together.
    """
    sizes = np.linalg.norm(Y, axis=0)
    alive = sizes > 0
    units = np.where(alive, sizes, 1.0)
    B = Y / units
    state = _State(n=len(Y), k=Y.shape[1]) if checkpoint is None else _State.restored(checkpoint, *Y.shape)
    system = _System(quick=quick, P=P, most=max_iterations, checkpoint=checkpoint, advance=advance)
    outside = np.zeros(Y.shape[1])
    stagnated = False
    R = B - exact(state.X) if state.X.any() else B.copy()
    relative = np.linalg.norm(R, axis=0)
    while relative.max(initial=0.0) > tol and state.iterations < max_iterations:
        before = relative.max()
        # A column that has arrived keeps its place in the block at its own scale.
        scales = np.where(relative > 0, relative, 1.0)
        # At least twice the gain that counts as one, so that missing the tolerance by a little is not taken for standing still.
        goal = max(trusted, min(LEAST_GAIN / 2, REACHED * tol / before))
        state.run(R / scales, system, goal=goal, level=float(scales.max()))
        candidate = state.X + state.inner * scales
        R_new = B - exact(candidate)
        new = np.linalg.norm(R_new, axis=0)
        state.finish()
        if not np.all(np.isfinite(new)) or new.max() >= before:
            # What the round added made things worse: it is not taken.
            stagnated = True
            break
        state.X, R, relative = candidate, R_new, new
        state.history.append(float(relative.max()))
        if checkpoint is not None:
            state.keep(checkpoint)
        if relative.max() > LEAST_GAIN * before:
            stagnated = relative.max() > tol
            break
    if relative.max(initial=0.0) > tol:
        # Least squares: where K r is as small as rounding makes it, r is outside the range, and nothing is left to do.
        reach = np.linalg.norm(exact(R), axis=0) / norm
        unreachable = (relative > tol) & (reach <= 10 * len(Y) * np.finfo(np.float64).eps * relative)
        outside = np.where(unreachable, relative**2, 0.0)
        relative = np.where(unreachable, reach, relative)
        stagnated = bool(stagnated and relative.max() > tol)
    return Refined(
        X=state.X * units,
        relative=np.where(alive, relative, 0.0),
        iterations=state.iterations,
        rounds=len(state.history),
        history=tuple(state.history),
        stagnated=stagnated,
        outside=outside,
        ritz=(state.smallest, state.largest),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _System:
    """What the recursion runs on."""

    quick: Product
    P: Preconditioner
    most: int
    checkpoint: Checkpoint | None
    advance: Callable[[int, float], None]


@dataclass(eq=False)
class _State:
    """Everything a killed run needs to go on: the solution so far and the recursion in the middle of a round."""

    n: int
    k: int
    iterations: int = 0
    history: list[float] = field(default_factory=list)
    smallest: float = np.inf
    largest: float = 0.0
    under_way: bool = False

    def __post_init__(self) -> None:
        self.X = np.zeros((self.n, self.k))
        self.inner = np.zeros((self.n, self.k))
        self.pending = np.zeros((self.n, self.k))
        self.Q = self.S = np.zeros((self.n, 0))
        self.C = np.zeros((0, self.k))

    @classmethod
    def restored(cls, checkpoint: Checkpoint, n: int, k: int) -> _State:
        state = cls(n=n, k=k)
        found = checkpoint.read()
        if found is not None:
            state.iterations, state.under_way = int(found["iterations"]), bool(found["under_way"])
            state.history = [float(h) for h in found["history"]]
            state.smallest, state.largest = (float(v) for v in found["ritz"])
            for name in ("X", "inner", "Q", "S", "C"):
                setattr(state, name, found[name])
        return state

    def keep(self, checkpoint: Checkpoint) -> None:
        checkpoint.write(
            iterations=np.int64(self.iterations),
            under_way=np.bool_(self.under_way),
            history=np.array(self.history, dtype=np.float64),
            ritz=np.array([self.smallest, self.largest]),
            X=self.X,
            inner=self.inner,
            Q=self.Q,
            S=self.S,
            C=self.C,
        )

    def finish(self) -> None:
        """Forget the recursion of a round that is over."""
        self.under_way = False
        self.inner = np.zeros((self.n, self.k))

    def run(self, B: Float[np.ndarray, "n k"], system: _System, *, goal: float, level: float) -> None:
        """One round: block conjugate gradients on C^-1 A C^-T, from zero or from where a killed run was."""
        P, checkpoint, unit = system.P, system.checkpoint, level
        if not self.under_way:
            self.inner = np.zeros_like(B)
            self.Q, self.C = _orthonormal(P.inverse(B))
            self.S = self.Q.copy()
            self.under_way = True
        # The recursion's residual is that of the preconditioned system; its start is its unit.
        starts = np.linalg.norm(P.inverse(B), axis=0)
        starts = np.where(starts > 0, starts, 1.0)
        best, waited = np.inf, 0
        lanczos = _Tridiagonal()
        # Steps since the solution was last brought up to date, in the preconditioned system.
        self.pending = np.zeros_like(B)
        sizes = np.linalg.norm(B, axis=0)
        try:
            while self.Q.shape[1] and self.iterations < system.most and waited <= PATIENCE:
                now = float((np.linalg.norm(self.C, axis=0) / starts).max())
                if now <= goal or (now <= 30 * goal and self.iterations % LOOK == 0):
                    left = np.linalg.norm(P.forward(self.Q @ self.C), axis=0)
                    # The preconditioned norm may flatter: what counts is that of the system itself.
                    if np.all(left <= goal * sizes) or now <= FLATTERED * goal:
                        break
                best, waited = (now, 0) if now < 0.99 * best else (best, waited + 1)
                self._step(system, lanczos)
                system.advance(self.iterations, now * unit)
                if checkpoint is not None and checkpoint.due():
                    self._settle(P)
                    self.keep(checkpoint)
        except KeyboardInterrupt:
            if checkpoint is not None:
                self._settle(P)
                self.keep(checkpoint)
            raise
        self._settle(P)
        if lanczos.steps:
            low, high = lanczos.ends()
            self.smallest, self.largest = min(self.smallest, low), max(self.largest, high)

    def _step(self, system: _System, lanczos: _Tridiagonal) -> None:
        P = system.P
        W = P.inverse(system.quick(P.inverse_transposed(self.S)))
        inverse = _inverse(self.S.T @ W)
        pending = self.pending + self.S @ (inverse @ self.C)
        Q, zeta = _orthonormal(self.Q - W @ inverse)
        S, C = Q + self.S @ zeta.T, zeta @ self.C
        lanczos.add(inverse, zeta)
        # All at once, so that an interrupted step leaves the state of the one before.
        self.pending, self.S, self.C, self.Q, self.iterations = pending, S, C, Q, self.iterations + 1

    def _settle(self, P: Preconditioner) -> None:
        """Bring the solution of the round up to date."""
        self.inner = self.inner + P.inverse_transposed(self.pending)
        self.pending = np.zeros_like(self.pending)


class _Tridiagonal:
    """The block tridiagonal matrix of the Lanczos process behind the recursion: its eigenvalues are Ritz values."""

    def __init__(self) -> None:
        self._diagonal: list[Float[np.ndarray, "s s"]] = []
        self._below: list[Float[np.ndarray, "t s"]] = []
        self._carry: Float[np.ndarray, "t t"] | None = None

    @property
    def steps(self) -> int:
        """Steps told so far."""
        return len(self._diagonal)

    def add(self, inverse: Float[np.ndarray, "s s"], zeta: Float[np.ndarray, "t s"]) -> None:
        delta = np.linalg.pinv(inverse, hermitian=True)
        self._diagonal.append(delta if self._carry is None else delta + self._carry)
        self._below.append(-zeta @ delta)
        self._carry = zeta @ delta @ zeta.T

    def ends(self) -> tuple[float, float]:
        """Smallest and largest Ritz value, of the last steps where there are very many."""
        sizes = [len(block) for block in self._diagonal]
        first = 0
        while sum(sizes[first:]) > MOST_RITZ:
            first += 1
        starts = np.concatenate([[0], np.cumsum(sizes[first:])]).astype(int)
        band = np.zeros((2 * max(sizes), starts[-1]))
        for number, start in enumerate(starts[:-1]):
            block = self._diagonal[first + number]
            if number + 2 < len(starts):
                block = np.vstack([block, self._below[first + number]])
            for j in range(block.shape[1]):
                band[: len(block) - j, start + j] = block[j:, j]
        values = scipy.linalg.eigvals_banded(band, lower=True, check_finite=False)
        return float(values[0]), float(values[-1])


def _orthonormal(V: Float[np.ndarray, "n k"]) -> tuple[Float[np.ndarray, "n s"], Float[np.ndarray, "s k"]]:
    """Q and C with V = Q C, Q orthonormal, without the directions that are rounding."""
    with one_blas_thread():
        Q, C = scipy.linalg.qr(V, mode="economic", check_finite=False)
        U, sizes, Vt = scipy.linalg.svd(C, full_matrices=False, check_finite=False)
        kept = sizes > RANK * max(float(sizes[0]), np.finfo(np.float64).tiny) if len(sizes) else np.zeros(0, bool)
        return Q @ U[:, kept], sizes[kept, None] * Vt[kept]


def _inverse(A: Float[np.ndarray, "s s"]) -> Float[np.ndarray, "s s"]:
    """Inverse of a small positive definite matrix; directions that rounding has made negative or null are left out."""
    values, vectors = scipy.linalg.eigh((A + A.T) / 2, check_finite=False)
    kept = values > 1e-15 * max(float(values[-1]), 0.0)
    return np.asarray((vectors[:, kept] / values[kept]) @ vectors[:, kept].T)
