"""Claims of Arora et al. 2019 on the kernel of a finite network at its start, H(0), against its limit."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from widthwise.atlas.arora2019_labels import ROWS, kernel, labels
from widthwise.atlas.claim import Axes, Claim
from widthwise.atlas.criteria import Equality, Exponent
from widthwise.atlas.hypotheses import unit_norm_rows
from widthwise.atlas.trial import Curve, Evidence, Settings, Trial
from widthwise.kernels import NTK
from widthwise.networks import MLP, empirical_ntk
from widthwise.theory import complexity


def start_kernel(trial: Trial, width: int, draw: int = 0) -> Float[np.ndarray, "n n"]:
    """H(0) of a network of this width, in float64."""
    net = MLP(widths=(width,))
    with jax.enable_x64(True):
        X = jnp.asarray(trial.rows.X)
        params = net.init(1000 * draw + trial.seed, d=trial.rows.d)
        H = np.asarray(empirical_ntk(net, {k: jnp.asarray(v, dtype=float) for k, v in params.items()}, X))
    return np.asarray((H + H.T) / 2.0)


def distance_to(trial: Trial, H: Float[np.ndarray, "n n"]) -> Float[np.ndarray, " w"]:
    """Frobenius distance of H(0) to a matrix, relative to it, by width: root of the mean square over several starts."""

    def squares(m: int) -> list[float]:
        return [float(np.linalg.norm(start_kernel(trial, m, k) - H)) ** 2 for k in range(trial.more("starts"))]

    return np.asarray(np.sqrt([np.mean(squares(m)) for m in trial.settings.widths]) / np.linalg.norm(H))


def predict_start(trial: Trial) -> Evidence:
    """The rate, through the deviation of entries of the narrowest network."""
    H, m = kernel(trial), np.array(trial.settings.widths)
    cosines = trial.rows.X @ trial.rows.X.T
    share = np.divide(H, cosines, out=np.zeros_like(H), where=np.abs(cosines) > 1e-12)
    deviation = np.sqrt(np.sum(cosines**2 * share * (1.0 - share)))
    return Evidence(Curve("distance to the limit", m, deviation / np.linalg.norm(H) / np.sqrt(m)))


def measure_start(trial: Trial) -> Evidence:
    """To H-infinity."""
    m = np.array(trial.settings.widths)
    return Evidence(Curve("distance to the limit", m, distance_to(trial, kernel(trial))))


def distance_to_another(trial: Trial) -> Evidence:
    """To the kernel of both layers."""
    m = np.array(trial.settings.widths)
    other = np.asarray(NTK(depth=1, weight_variance=1.0)(trial.rows.X))
    return Evidence(Curve("distance to the limit", m, distance_to(trial, other)))


def predict_size(trial: Trial) -> Evidence:
    """The limit, at every width."""
    limit = complexity(kernel(trial), labels(trial)).value
    m = np.array(trial.settings.widths)
    return Evidence(Curve("complexity", m, np.full(len(m), limit)))


def measure_size(trial: Trial) -> Evidence:
    """Of H(0)."""
    return Evidence(size_curve(trial, labels(trial)))


def size_of_random_labels(trial: Trial) -> Evidence:
    """Of H(0) and random labels twice as large."""
    return Evidence(size_curve(trial, 2.0 * trial.rng.choice([-1.0, 1.0], trial.rows.n)))


def size_curve(trial: Trial, y: Float[np.ndarray, " n"]) -> Curve:
    """Complexity under H(0) by width."""
    m = trial.settings.widths
    return Curve("complexity", m, [complexity(start_kernel(trial, w), y, off_range="drop").value for w in m])


CLAIMS = (
    Claim(
        key="arora2019-start-kernel",
        type="O",
        source="arora2019",
        locator="lemma C.1 of its appendix",
        title="H(0) tends to H-infinity like one over the root of the width",
        statement="The kernel of a network at its start is that far from its limit, whatever the rows.",
        formula=r"\|H(0) - H^\infty\|_F = O(n \sqrt{\log(n/\delta)} / \sqrt m)",
        quantity="kernel at the start",
        hypotheses=(unit_norm_rows,),
        predict=predict_start,
        measure=measure_start,
        criterion=Exponent(low=-0.6, high=-0.4),
        control=distance_to_another,
        control_text="the limit of both layers in the place of H-infinity",
        axes=Axes(x="width m", y="|H(0) - H| / |H|", log_x=True, log_y=True),
        settings={
            "smoke": Settings(data="digits", n=40, widths=(64, 1024), more={"starts": 4}),
            "quick": Settings(
                data="mnist:0,1", n=100, widths=tuple(4**k for k in range(3, 8)), seeds=5, more={"starts": 10}
            ),
            "paper": Settings(
                data="mnist:0,1", n=1000, widths=tuple(4**k for k in range(3, 9)), seeds=10, more={"starts": 10}
            ),
        },
        method=(
            "The root of the mean square over starts is predicted in closed form, and measured over ten in each trial.",
        ),
        cost=0.5,
    ),
    Claim(
        key="arora2019-size-independence",
        type="E",
        source="arora2019",
        locator="theorem 5.1",
        title="The complexity does not grow with the network",
        statement="The measure from the kernel of a finite network tends to its limit: more neurons do not mean more complexity.",
        formula=r"\sqrt{2 y^\top H(0)^{-1} y / n} \to \sqrt{2 y^\top (H^\infty)^{-1} y / n}",
        quantity="complexity",
        hypotheses=ROWS,
        predict=predict_size,
        measure=measure_size,
        criterion=Equality(tolerance=0.1, since=4096.0),
        control=size_of_random_labels,
        control_text="random labels, twice as large",
        axes=Axes(x="width m", y="sqrt(2 y'H^-1 y / n)", log_x=True),
        settings={
            "smoke": Settings(data="digits", n=40, widths=(256, 4096)),
            "quick": Settings(data="mnist:0,1", n=200, widths=tuple(2**k for k in range(6, 15)), seeds=5),
            "paper": Settings(data="mnist:0,1", n=1000, widths=tuple(2**k for k in range(6, 17)), seeds=10),
        },
        method=(
            "Small networks are drawn and not judged: their kernels are nearly singular, which only raises the measure.",
        ),
        cost=0.5,
    ),
)
