"""Probes: what is measured of a network while it trains, each a frozen dataclass found by class or by name.

A probe is called with a `Snapshot`. Those that are not `on_host` are traced into the compiled step; the others run between
steps in float64. A probe may have a method `check(net, X, Y)` that refuses, before training starts, networks and
data of which it cannot speak.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from widthwise.errors import UsageError
from widthwise.networks.network import Network
from widthwise.training.probes.balance import Balancedness
from widthwise.training.probes.curvature import HessianEnds
from widthwise.training.probes.directions import Clusters, Quantisation
from widthwise.training.probes.distances import Distances, Radius, Spread
from widthwise.training.probes.fit import Error, Loss, Margin
from widthwise.training.probes.gates import CoupledFraction, Flips, GradientFraction, PredictedFlips
from widthwise.training.probes.kernel import KernelDrift
from widthwise.training.probes.kinks import KinkMap, Kinks, kink_map
from widthwise.training.probes.prediction import Laziness, LinearisedSolution, PredictedResidual
from widthwise.training.probes.spectrum import UpdateSpectrum
from widthwise.training.snapshot import Probe

__all__ = [
    "DEFAULT",
    "Balancedness",
    "Clusters",
    "CoupledFraction",
    "Distances",
    "Error",
    "Flips",
    "GradientFraction",
    "HessianEnds",
    "KernelDrift",
    "KinkMap",
    "Kinks",
    "Laziness",
    "LinearisedSolution",
    "Loss",
    "Margin",
    "PredictedFlips",
    "PredictedResidual",
    "Quantisation",
    "Radius",
    "Spread",
    "UpdateSpectrum",
    "check",
    "chosen",
    "kink_map",
    "named",
    "names",
    "suitable",
]

_CLASSES: tuple[Callable[[], Probe], ...] = (
    Loss,
    Error,
    Margin,
    Flips,
    PredictedFlips,
    CoupledFraction,
    GradientFraction,
    Distances,
    Radius,
    Spread,
    UpdateSpectrum,
    KernelDrift,
    PredictedResidual,
    LinearisedSolution,
    Laziness,
    Balancedness,
    HessianEnds,
    Clusters,
    Quantisation,
    Kinks,
)
_PROBES: dict[str, Probe] = {probe.name: probe for probe in (make() for make in _CLASSES)}

# Cheap and traced: from the outputs that a snapshot has, the update, and one pass over at most 256 rows.
DEFAULT: tuple[Probe, ...] = (Loss(), Error(), Margin(), Flips(rows=256), Distances())


def names() -> tuple[str, ...]:
    """Names of all probes, for `named` and for the argument `probes` of `train`."""
    return tuple(_PROBES)


def named(name: str) -> Probe:
    """The probe of a name, with its default options.

    Raises:
        UsageError: if there is none; names those there are.
    """
    if name not in _PROBES:
        raise UsageError(f"probes are called {', '.join(_PROBES)}; {name!r} came")
    return _PROBES[name]


def chosen(probes: Sequence[Probe | str]) -> tuple[Probe, ...]:
    """Probes from probes and names; `default` stands for those of `DEFAULT`.

    Raises:
        UsageError: if a name is unknown, or two probes would write under one name.
    """
    listed: list[Probe] = []
    for probe in probes:
        if isinstance(probe, str):
            listed.extend(DEFAULT if probe == "default" else (named(probe),))
        else:
            listed.append(probe)
    taken = [probe.name for probe in listed]
    twice = sorted({name for name in taken if taken.count(name) > 1})
    if twice:
        raise UsageError(
            f"every probe needs a name of its own in the history; twice came {', '.join(twice)}: give one of them name='...'"
        )
    return tuple(listed)


def check(probe: Probe, net: Network, X: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"]) -> None:
    """Let a probe refuse a network and data before training starts; nothing happens if it has no objection.

    Raises:
        UsageError: what the probe needs, and what came.
        DataError: if the data themselves make the measure impossible.
    """
    objection = getattr(probe, "check", None)
    if objection is not None:
        objection(net, X, Y)


def suitable(
    probes: Sequence[Probe], net: Network, X: Float[np.ndarray, "n d"], Y: Float[np.ndarray, "n k"]
) -> tuple[Probe, ...]:
    """Those of the probes that have no objection, in their order: no margins of a regression, no gates of a smooth network."""
    kept = []
    for probe in probes:
        try:
            check(probe, net, X, Y)
        except UsageError:
            continue
        kept.append(probe)
    return tuple(kept)
