r"""Where small ReLU neurons turn before they grow: the critical directions of the alignment phase, in the plane.

While a two-layer network is close to zero, a neuron of weights w and output sign s moves by
:math:`\hat w' = s\,(I - \hat w \hat w^\top) D(\hat w)` and grows at the rate :math:`s\,G(\hat w)`, with

.. math:: D(w) = \sum_{i:\, w^\top x_i > 0} r_i x_i, \qquad G(w) = \sum_i r_i\,\sigma(w^\top x_i) = w^\top D(w)

and r the negative derivative of the loss in the outputs, taken at zero outputs (the targets themselves for half the sum
of squares). D is constant on the sectors that the rows cut the plane into. A positive neuron climbs G, a negative one
descends it, so the directions where neurons gather are the extrema of G on the circle: finitely many, given by the data
alone. This module enumerates them for inputs of two columns: two features, or one feature and a column of ones.

The setting is that of :cite:t:`maennel2018`; the formulas are worked out here, not transcribed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from widthwise._checks import count, finite_matrix
from widthwise.errors import DataError, UsageError

Kind = Literal["maximum", "minimum", "flat edge"]

FIRST_STEP, SLOWER = 0.3, 10.0
"""Of `attractors`: the first step in radians, and the number of steps after which it has halved."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ExtremalDirections:
    """Critical directions of G on the circle, by increasing angle.

    Attributes:
        angles: in degrees, counter-clockwise from the first axis, in [0, 360).
        directions: the same as unit vectors.
        G: the potential there: growth rate of a positive neuron of that direction per unit of its readout over its norm.
        kinds: `maximum`, `minimum`, or `flat edge`, the border of a sector where D = 0 and nothing moves.
        interior: whether the direction lies inside its sector, as D or -D itself; the others lie on a sector's border.
        sectors: number of sectors of the plane.
    """

    angles: Float[np.ndarray, " e"]
    directions: Float[np.ndarray, "e 2"]
    G: Float[np.ndarray, " e"]
    kinds: tuple[Kind, ...]
    interior: Bool[np.ndarray, " e"]
    sectors: int

    def stable(self, sign: int) -> Bool[np.ndarray, " e"]:
        """Whether neurons of this output sign are drawn there: maxima attract positive ones, minima negative ones.

        Raises:
            UsageError: if the sign is neither 1 nor -1.
        """
        return np.array([kind == ("maximum" if _sign(sign) > 0 else "minimum") for kind in self.kinds], dtype=bool)

    def growing(self, sign: int) -> Bool[np.ndarray, " e"]:
        """Whether neurons of this output sign grow there; where not, they shrink, stable or not.

        Raises:
            UsageError: if the sign is neither 1 nor -1.
        """
        return np.asarray(_sign(sign) * self.G > 0)

    def distance(self, vectors: Float[np.ndarray, "m 2"], *, sign: int | None = None) -> Float[np.ndarray, " m"]:
        """Angle in degrees from each vector to the nearest extremum, or to the nearest that is stable for a sign.

        Infinite where there is none; not a number for a vector of zeros.
        """
        kept = np.array([kind != "flat edge" for kind in self.kinds]) if sign is None else self.stable(sign)
        if not kept.any():
            return np.full(len(vectors), np.inf)
        targets = self.directions[kept]
        cross = np.abs(vectors[:, :1] * targets[:, 1] - vectors[:, 1:] * targets[:, 0])
        apart = np.degrees(np.arctan2(cross, vectors @ targets.T)).min(axis=1)
        return np.where(np.any(vectors != 0, axis=1), apart, np.nan)


def potential(
    X: Float[np.ndarray, "n d"], residual: Float[np.ndarray, " n"], W: Float[np.ndarray, "m d"]
) -> Float[np.ndarray, " m"]:
    r"""The potential :math:`G(w) = \sum_i r_i \max(w^\top x_i, 0)` at each row of W; any number of columns.

    Args:
        X: inputs, a column of ones among them where the neurons have biases.
        residual: r, the negative derivative of the loss in the outputs, at zero outputs.
        W: weights.
    """
    return np.asarray(np.maximum(W @ X.T, 0.0) @ residual)


def extremal_directions(X: Float[np.ndarray, "n 2"], residual: Float[np.ndarray, " n"]) -> ExtremalDirections:
    r"""All critical directions of the potential G on the circle, exactly.

    Sector by sector: inside, :math:`G = \|D\|\cos(\theta - \theta_D)` has its maximum at D and its minimum at -D, where
    these lie inside; on a border the one-sided derivatives decide. At most 2n sectors, n^2 products.

    Args:
        X: inputs of two columns; for one feature with a bias append a column of ones.
        residual: r, the negative derivative of the loss in the outputs at zero outputs: y for half the sum of squares,
            y/2 for the logistic loss.

    Returns:
        The directions, with G, their kind and whom they attract. Rows of zeros cut nothing.

    Raises:
        DataError: if X has not two columns, the lengths differ, or no row is other than zero.

    References:
        :cite:t:`maennel2018`.
    """
    rows = finite_matrix(X)
    r = np.asarray(residual, dtype=np.float64)
    if rows.shape[1] != 2:
        raise DataError(f"X must have two columns, a column of ones for the bias among them; {rows.shape[1]} came")
    if r.shape != (len(rows),) or not np.all(np.isfinite(r)):
        raise DataError(f"residual must be {len(rows)} finite numbers, one for each row; its shape is {r.shape}")
    cutting = rows[np.any(rows != 0, axis=1)]
    if not len(cutting):
        raise DataError("X must have a row other than zero: rows of zeros move no neuron")

    borders = _borders(cutting)
    widths = np.diff(np.append(borders, borders[0] + 2 * np.pi))
    middles = borders + widths / 2
    active = _unit(middles) @ rows.T > 0
    D = (active * r) @ rows
    # A sum of n products, each rounded: what is below is nothing.
    rounding = 4 * len(rows) * np.finfo(np.float64).eps * float(np.abs(r) @ np.linalg.norm(rows, axis=1))
    norms = np.linalg.norm(D, axis=1)
    flat = norms <= rounding

    found: list[tuple[float, Kind, bool]] = []
    aim = np.arctan2(D[:, 1], D[:, 0])
    ends: tuple[tuple[float, Kind], ...] = ((0.0, "maximum"), (np.pi, "minimum"))
    for sector in np.nonzero(~flat)[0]:
        for turn, kind in ends:
            angle = float(aim[sector] + turn)
            # Away from both borders by more than the rounding of the aim; on a border, the derivatives below decide.
            if np.abs(_wrapped(angle - middles[sector])) < widths[sector] / 2 - rounding / norms[sector]:
                found.append((angle, kind, True))
    for place, border in enumerate(borders):
        before, after = place - 1, place
        kind_here = _kind(
            _rise(D[before], border, rounding, flat=bool(flat[before]), sign=1),
            _rise(D[after], border, rounding, flat=bool(flat[after]), sign=-1),
        )
        if kind_here is not None:
            found.append((float(border), kind_here, False))

    degrees = np.array([np.degrees(angle) % 360.0 for angle, _, _ in found])
    degrees[degrees >= 360.0] = 0.0
    order = np.argsort(degrees, kind="stable")
    directions = _unit(np.radians(degrees[order]))
    kinds = tuple(found[i][1] for i in order)
    # Beside a sector where D = 0 the potential is zero, and its computed value rounding.
    edges = np.array([kind == "flat edge" for kind in kinds], dtype=bool)
    return ExtremalDirections(
        angles=degrees[order],
        directions=directions,
        G=np.where(edges, 0.0, potential(rows, r, directions)),
        kinds=kinds,
        interior=np.array([found[i][2] for i in order], dtype=bool),
        sectors=len(borders),
    )


def _borders(rows: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " b"]:
    """Angles at which some row's product with a direction is zero, increasing in [0, 2 pi), each once."""
    normal = np.arctan2(rows[:, 1], rows[:, 0])
    angles = np.sort(np.concatenate([normal + np.pi / 2, normal - np.pi / 2]) % (2 * np.pi))
    # Parallel rows share a border up to the rounding of their angles.
    apart = 8 * np.finfo(np.float64).eps * 2 * np.pi
    kept = angles[np.append(True, np.diff(angles) > apart)]
    return np.asarray(kept[:-1] if len(kept) > 1 and kept[0] + 2 * np.pi - kept[-1] <= apart else kept)


def _rise(D: Float[np.ndarray, " 2"], angle: float, rounding: float, *, flat: bool, sign: int) -> int:
    """Sign of the derivative of G beside a border, on the side that comes before (sign 1) or after (-1).

    Zero in a flat sector only: where the border is D itself G has its maximum there and rises before and falls after.
    """
    if flat:
        return 0
    slope = float(D[1] * np.cos(angle) - D[0] * np.sin(angle))
    # The border's own angle is rounded too.
    if abs(slope) > rounding + 4 * np.pi * np.finfo(np.float64).eps * float(np.linalg.norm(D)):
        return 1 if slope > 0 else -1
    toward = float(D[0] * np.cos(angle) + D[1] * np.sin(angle))
    return sign if toward > 0 else -sign


def _kind(before: int, after: int) -> Kind | None:
    if before == 0 and after == 0:
        return None
    if before == 0 or after == 0:
        return "flat edge"
    if before > 0 > after:
        return "maximum"
    return "minimum" if before < 0 < after else None


def _unit(angles: Float[np.ndarray, " s"]) -> Float[np.ndarray, "s 2"]:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _wrapped(angle: float) -> float:
    """The angle in (-pi, pi]."""
    return float(np.pi - (np.pi - angle) % (2 * np.pi))


def _sign(sign: int) -> int:
    if sign not in (1, -1):
        raise UsageError(f"sign must be 1 or -1, the sign of a neuron's readout; {sign!r} came")
    return sign


@dataclass(frozen=True, kw_only=True, eq=False)
class Attractors:
    """Directions at which neurons of one output sign gather, found by following them; any number of columns.

    Attributes:
        directions: unit vectors, those of the largest growth first.
        growth: s G there, the growth rate of a neuron of that direction; neurons shrink where it is negative.
        share: of the starts that ended there; those that ended where no row is active are missing.
    """

    directions: Float[np.ndarray, "e d"]
    growth: Float[np.ndarray, " e"]
    share: Float[np.ndarray, " e"]

    def distance(self, vectors: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " m"]:
        """Angle in degrees from each vector to the nearest of them; infinite where there is none, nan for zeros."""
        if not len(self.directions):
            return np.full(len(vectors), np.inf)
        with np.errstate(invalid="ignore", divide="ignore"):
            unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        apart = np.linalg.norm(unit[:, None] - self.directions[None], axis=2).min(axis=1)
        return np.asarray(np.degrees(2.0 * np.arcsin(np.minimum(apart / 2.0, 1.0))))


def attractors(
    X: Float[np.ndarray, "n d"],
    residual: Float[np.ndarray, " n"],
    *,
    sign: int = 1,
    starts: int = 64,
    steps: int = 3000,
    seed: int | np.random.Generator = 0,
) -> Attractors:
    r"""Limits of the alignment flow :math:`\hat w' = s\,(I - \hat w \hat w^\top) D(\hat w)` from random directions.

    In the plane `extremal_directions` enumerates them exactly; in more dimensions the sectors are too many, and the flow is
    followed by steps :math:`h_k = h_0 / (1 + k/k_0)` along :math:`D / \|D\|`, which end at extrema on the borders of sectors
    too, to about :math:`h_k`. An extremum that no start finds is missing: more starts find more.

    Args:
        X: inputs, a column of ones among them where the neurons have biases.
        residual: r, the negative derivative of the loss in the outputs at zero outputs.
        sign: of the neurons' output weights.
        starts: directions drawn uniformly from the sphere.
        steps: of the flow.
        seed: of the starts.

    Returns:
        The limits, those within a degree of each other as one.

    Raises:
        UsageError: if the sign is neither 1 nor -1, or a number is below one.
        DataError: if X or the residual is not finite, or their lengths differ.

    References:
        :cite:t:`maennel2018`.
    """
    rows = finite_matrix(X)
    pull = _sign(sign) * np.asarray(residual, dtype=np.float64)
    if pull.shape != (len(rows),) or not np.all(np.isfinite(pull)):
        raise DataError(f"residual must be {len(rows)} finite numbers, one for each row; its shape is {pull.shape}")
    count(starts, "starts")
    count(steps, "steps")
    w = np.random.default_rng(seed).standard_normal((starts, rows.shape[1]))
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    length = np.zeros(starts)
    for step in range(steps):
        D = ((w @ rows.T > 0) * pull) @ rows
        length = np.linalg.norm(D, axis=1)
        h = FIRST_STEP / (1.0 + step / SLOWER)
        w = w + h * D / np.where(length > 0, length, 1.0)[:, None]
        w /= np.linalg.norm(w, axis=1, keepdims=True)
    w = w[length > 0]
    directions, members = _merged(w)
    growth = potential(rows, pull, directions)
    order = np.argsort(-growth, kind="stable")
    return Attractors(directions=directions[order], growth=growth[order], share=members[order] / starts)


def _merged(w: Float[np.ndarray, "s d"]) -> tuple[Float[np.ndarray, "e d"], Float[np.ndarray, " e"]]:
    """One direction for all within a degree of it, and how many they are."""
    kept: list[np.ndarray] = []
    members: list[int] = []
    free = np.ones(len(w), dtype=bool)
    while free.any():
        first = int(np.argmax(free))
        near = free & (np.linalg.norm(w - w[first], axis=1) < np.radians(1.0))
        mean = w[near].mean(axis=0)
        kept.append(mean / np.linalg.norm(mean))
        members.append(int(near.sum()))
        free &= ~near
    return np.array(kept).reshape(-1, w.shape[1]), np.array(members, dtype=np.float64)
