"""What the experiments on Maennel et al. 2018 predict: kinks, the size of the family, times on the plateau."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.integrate

from widthwise.atlas.maennel2018 import CLAIMS
from widthwise.atlas.maennel2018_maps import predict_functions, predict_plateaus, prescribed
from widthwise.atlas.maennel2018_training import sample
from widthwise.atlas.trial import Settings, Trial


def trial(**changed: object) -> Trial:
    (claim,) = [one for one in CLAIMS if one.key == "maennel2018-functions-by-scale"]
    settings: Settings = replace(claim.settings["quick"], **changed)  # type: ignore[arg-type]
    return Trial(settings=settings, rows=sample(settings, 0), seed=0)


def test_kinks_are_those_of_extrema_found_on_a_fine_grid_of_directions() -> None:
    """Brute force: signs of differences of G at 400000 angles, cells where it is flat left out; kinks by -v/u."""
    x, y = np.array([-1, -0.5, 0, 0.5, 1]), np.array([0.5, -0.3, 0.8, -0.6, 0.4])
    angle = np.linspace(0, 2 * np.pi, 400_001)[:-1] + 1e-6
    G = np.maximum(np.outer(np.cos(angle), x) + np.sin(angle)[:, None], 0.0) @ y
    before, after = np.sign(G - np.roll(G, 1)), np.sign(np.roll(G, -1) - G)
    turns = angle[(before * after < 0)]
    kinks = np.sort(-np.sin(turns) / np.cos(turns))
    # A cell of the grid moves a kink by its width over the square of the cosine, here at most 11.
    assert np.allclose(prescribed(trial()), kinks, atol=12 * 2 * np.pi / 400_000)
    assert np.allclose(kinks, [0.0, 0.5, 8 / 13, 1.0, 3.2], atol=1e-3)


def test_three_directions_grow_among_ten_sectors() -> None:
    told = predict_functions(trial())
    assert told.numbers["sectors"] == 10
    assert all(np.all(curve.y == 2.0**3) for curve in told.curves)


def test_time_on_the_plateau_is_that_of_the_flow_of_one_neuron() -> None:
    """One balanced neuron at the fastest direction, integrated by an adaptive method of order eight."""
    one = trial(widths=(1,))
    X, y = one.rows.X, one.rows.y
    top = np.array([-0.25, 0.8]) / np.hypot(0.25, 0.8)

    def away(t: float, s: np.ndarray) -> np.ndarray:
        a, w = s[0], s[1:]
        open_rows = X @ w > 0
        r = y - a * np.maximum(X @ w, 0.0)
        return np.append(np.sum(r * np.maximum(X @ w, 0.0)), a * ((r * open_rows) @ X))

    def left(t: float, s: np.ndarray) -> float:
        return 0.5 * float(np.sum((y - s[0] * np.maximum(X @ s[1:], 0.0)) ** 2)) - 0.95 * 0.75

    left.terminal = True  # type: ignore[attr-defined]
    times = []
    for scale in one.more("starts"):
        run = scipy.integrate.solve_ivp(
            away, (0, 100), scale * np.append(1.0, top), method="DOP853", events=left, rtol=1e-10, atol=1e-14
        )
        times.append(run.t_events[0][0])
    predicted = predict_plateaus(one).curves[0]
    # The growth is exponential up to the square of the start, 1e-4, over the size at which it ends.
    assert np.allclose(np.array(times[1:]) - times[0], predicted.y, rtol=1e-3)
