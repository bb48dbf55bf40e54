"""Claims of Arora et al. 2019 on what can be learnt: powers of a projection on the sphere, harmonics on the circle."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from widthwise.atlas.claim import Axes, Claim
from widthwise.atlas.criteria import Exponent, UpperBound
from widthwise.atlas.hypotheses import unit_norm_rows
from widthwise.atlas.trial import Curve, Evidence, Rows, Settings, Trial
from widthwise.kernels import HInf
from widthwise.theory import complexity, monomial_constant

POWERS = (1, 2, 4)


def sphere(settings: Settings, seed: int) -> Rows:
    """Rows spread over the sphere; on the circle at equal angles, an odd number of them. Labels are not used."""
    d = int(settings.more["d"])
    n = settings.n
    if d == 2:
        angles = 2.0 * np.pi * np.arange(n) / n
        X = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        X = X @ _rotation(seed)
    else:
        X = np.random.default_rng([seed, n]).standard_normal((n, d))
        X /= np.linalg.norm(X, axis=1, keepdims=True)
    what = f"{n} equal steps on the circle" if d == 2 else f"{n} rows on the sphere of {d} dimensions"
    return Rows(X=X, y=X[:, 0], X_test=X[:0], y_test=X[:0, 0], source=what)


def _rotation(seed: int) -> Float[np.ndarray, "2 2"]:
    a = float(np.random.default_rng(seed).uniform(0.0, 2.0 * np.pi))
    return np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])


def root_cost(trial: Trial, power: int, n: int) -> float:
    """sqrt(y'H^-1 y) of y = (b'x)^p, b the first axis, on n rows."""
    more = {**trial.settings.more}
    X = sphere(Settings(data="generated", n=n, more=more), trial.seed).X
    y = X[:, 0] ** power
    measure = complexity(np.asarray(HInf()(X)), y, off_range="drop").value
    return float(measure * np.sqrt(n / 2.0))


def sizes(trial: Trial) -> tuple[int, ...]:
    """Numbers of rows, the largest that of the settings."""
    return tuple(int(n) for n in trial.more("sizes"))


def predict_powers(trial: Trial) -> Evidence:
    """Theorem 6.1, whatever n."""
    n = sizes(trial)
    return Evidence(*(Curve(f"power {p}", n, [monomial_constant(p)] * len(n)) for p in POWERS))


def measure_powers(trial: Trial) -> Evidence:
    """Of the powers that the theorem has."""
    n = sizes(trial)
    return Evidence(*(Curve(f"power {p}", n, [root_cost(trial, p, k) for k in n]) for p in POWERS))


def odd_powers(trial: Trial) -> Evidence:
    """Powers 3, 5, 7 in the places of 1, 2, 4."""
    n = sizes(trial)
    return Evidence(
        *(Curve(f"power {p}", n, [root_cost(trial, q, k) for k in n]) for p, q in zip(POWERS, (3, 5, 7), strict=True))
    )


def predict_cubic(trial: Trial) -> Evidence:
    """In proportion to n, through the first point."""
    n = np.array(sizes(trial), dtype=np.float64)
    return Evidence(Curve("cos 3 theta", n, harmonic_cost(trial, 3, int(n[0])) * n / n[0]))


def measure_cubic(trial: Trial) -> Evidence:
    """Of the third harmonic."""
    n = sizes(trial)
    return Evidence(Curve("cos 3 theta", n, [harmonic_cost(trial, 3, k) for k in n]))


def second_harmonic(trial: Trial) -> Evidence:
    """Of the second."""
    n = sizes(trial)
    return Evidence(Curve("cos 3 theta", n, [harmonic_cost(trial, 2, k) for k in n]))


def harmonic_cost(trial: Trial, k: int, n: int) -> float:
    """sqrt(y'H^-1 y) of cos k theta at n equal steps on the circle."""
    more = {**trial.settings.more, "d": 2}
    X = sphere(Settings(data="generated", n=n, more=more), trial.seed).X
    y = np.cos(k * np.arctan2(X[:, 1], X[:, 0]))
    return float(complexity(np.asarray(HInf()(X)), y, off_range="drop").value * np.sqrt(n / 2.0))


CLAIMS = (
    *(
        Claim(
            key=f"arora2019-learnability-{place}",
            type="U",
            source="arora2019",
            locator="theorem 6.1",
            title=f"Powers of a projection are learnable on the {place}, whatever the number of rows",
            statement="Labels that are the first or an even power of a projection have a cost that no number of rows raises above "
            "three times the power. Odd powers from three on have no such bound.",
            formula=r"\sqrt{y^\top (H^\infty)^{-1} y} \le 3 p |\alpha| \|\beta\|^p,\quad y = \alpha (\beta^\top x)^p",
            quantity="learnability",
            hypotheses=(unit_norm_rows,),
            predict=predict_powers,
            measure=measure_powers,
            criterion=UpperBound(),
            control=odd_powers,
            control_text="powers 3, 5 and 7 against the bounds of 1, 2 and 4",
            axes=Axes(x="rows n", y="sqrt(y'H^-1 y)", log_x=True, log_y=True),
            settings={
                "smoke": Settings(data="generated", n=33, more={"d": d, "sizes": smoke}),
                "quick": Settings(data="generated", n=1025, more={"d": d, "sizes": quick}),
                "paper": Settings(data="generated", n=4097, more={"d": d, "sizes": (*quick, 2049, 4097)}),
            },
            sample=sphere,
            own_data="the labels are powers of a projection of rows drawn for the purpose",
            cost=0.3,
        )
        for place, d, smoke, quick in (
            ("circle", 2, (17, 65), (17, 65, 257, 1025)),
            ("sphere", 3, (33, 257), (65, 257, 513, 1025)),
        )
    ),
    Claim(
        key="arora2019-odd-harmonics",
        type="O",
        source="arora2019",
        locator="section 6, what it leaves out",
        title="The third harmonic on the circle costs in proportion to the number of rows",
        statement="H-infinity does not see odd powers from three on: the cost of cos 3 theta grows like n, so that the bound never "
        "says anything of it.",
        formula=r"\sqrt{y^\top (H^\infty)^{-1} y} \sim n,\quad y = \cos 3\theta",
        quantity="learnability",
        hypotheses=(unit_norm_rows,),
        predict=predict_cubic,
        measure=measure_cubic,
        criterion=Exponent(low=0.9, high=1.1),
        control=second_harmonic,
        control_text="cos 2 theta, which the kernel sees",
        axes=Axes(x="rows n", y="sqrt(y'H^-1 y)", log_x=True, log_y=True),
        settings={
            "smoke": Settings(data="generated", n=65, more={"d": 2, "sizes": (17, 65)}),
            "quick": Settings(data="generated", n=1025, more={"d": 2, "sizes": (17, 65, 257, 1025)}),
            "paper": Settings(data="generated", n=4097, more={"d": 2, "sizes": (17, 65, 257, 1025, 4097)}),
        },
        sample=sphere,
        own_data="the labels are a harmonic on the circle",
        cost=0.2,
    ),
)
