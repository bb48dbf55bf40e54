"""Hypotheses that many papers share, as checks on the rows and settings of a trial."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from widthwise.atlas.claim import Finding, Hypothesis
from widthwise.atlas.trial import Trial
from widthwise.kernels import HInf


def _unit_norm(trial: Trial) -> Finding:
    norms = np.linalg.norm(trial.rows.X, axis=1)
    met = bool(np.all(np.abs(norms - 1.0) < 1e-6))
    return Finding("met" if met else "unmet", f"norms from {norms.min():.6g} to {norms.max():.6g}")


def _bounded(trial: Trial) -> Finding:
    largest = float(np.max(np.abs(trial.rows.y)))
    return Finding("met" if largest <= 1.0 + 1e-12 else "unmet", f"largest |y| is {largest:.4g}")


def smallest_eigenvalue(trial: Trial) -> float:
    """Of H-infinity on the training rows; zero or below at rounding where it is singular."""
    return float(np.linalg.eigvalsh(HInf()(trial.rows.X))[0])


def _no_parallel(trial: Trial) -> Finding:
    unit = trial.rows.X / np.maximum(np.linalg.norm(trial.rows.X, axis=1, keepdims=True), 1e-300)
    cosines = np.abs(unit @ unit.T)
    np.fill_diagonal(cosines, 0.0)
    i, j = np.unravel_index(int(np.argmax(cosines)), cosines.shape)
    # From differences: the cosine of nearly parallel rows has lost the digits.
    apart = min(float(np.linalg.norm(unit[i] - unit[j])), float(np.linalg.norm(unit[i] + unit[j])))
    return Finding(
        "met" if apart > 1e-7 else "unmet", f"closest rows {i} and {j}, {apart:.3g} apart up to sign and length"
    )


unit_norm_rows = Hypothesis("every row has norm 1", _unit_norm)
bounded_labels = Hypothesis("|y| is at most 1", _bounded)
no_parallel_rows = Hypothesis("no two rows are parallel", _no_parallel)


def width_at_least(text: str, required: Callable[[Trial], float]) -> Hypothesis:
    """The largest width of the settings reaches a width that a theorem asks for, at constant 1.

    Args:
        text: the condition in words.
        required: log10 of the width; infinite where a hypothesis of its own fails.
    """

    def check(trial: Trial) -> Finding:
        needed, used = required(trial), max(trial.settings.widths)
        met = np.log10(used) >= needed
        asked = f"10^{needed:.1f}" if np.isfinite(needed) else "an infinite width"
        return Finding("met" if met else "unmet", f"needs {asked} at constant 1, the widest has {used}")

    return Hypothesis(text, check)


def at_most(text: str, limit: Callable[[Trial], float], value: Callable[[Trial], float]) -> Hypothesis:
    """A number that the run uses, such as a rate, is at most a limit at constant 1."""

    def check(trial: Trial) -> Finding:
        allowed, used = limit(trial), value(trial)
        return Finding("met" if used <= allowed else "unmet", f"at most {allowed:.3g} at constant 1, used {used:.3g}")

    return Hypothesis(text, check)


def at_least(text: str, limit: Callable[[Trial], float], value: Callable[[Trial], float]) -> Hypothesis:
    """A number that the run uses is at least a limit at constant 1."""

    def check(trial: Trial) -> Finding:
        asked, used = limit(trial), value(trial)
        return Finding("met" if used >= asked else "unmet", f"at least {asked:.3g} at constant 1, used {used:.3g}")

    return Hypothesis(text, check)


def unknowable(text: str, why: str) -> Hypothesis:
    """What cannot be checked on data: a constant nobody wrote down, a property of a distribution."""
    return Hypothesis(text, lambda _trial: Finding("unknown", why))
