"""How many digits are right? Every kernel value of pairs of rows against sixty digits, by kind of pair and depth.

    .venv/bin/python benchmarks/accuracy.py

Prints, in Markdown, the largest error over sqrt(K(x, x) K(z, z)) of NTK and NNGP in float64 and float32, and of the closed form
in NumPy with a rounded cosine, as it is usually written. Draws docs/images/accuracy.png.
"""

from __future__ import annotations

import sys
from pathlib import Path

import mpmath as mp
import numpy as np

from widthwise.kernels import NNGP, NTK

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "reference"))

from recursion import sixty_digits  # noqa: E402

DEPTHS = (1, 2, 3, 5, 10, 20, 50)
D, EACH = 30, 4
# 1 - |cos| = gap^2 / 2.
GAPS = 2.0**0.5 * 10.0 ** np.arange(-8.0, -0.4, 0.5)


def pairs(sign: int, gap: float, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows at angle about `gap`, or pi minus it."""
    x, y = generator.standard_normal((2, EACH, D))
    y -= np.sum(x * y, axis=1, keepdims=True) / np.sum(x * x, axis=1, keepdims=True) * x
    y *= np.linalg.norm(x, axis=1, keepdims=True) / np.linalg.norm(y, axis=1, keepdims=True)
    return x, sign * 1.7 * (x + gap * y)


def usual(x: np.ndarray, z: np.ndarray, depth: int) -> np.ndarray:
    """NTK over the norms, by arccos of a rounded cosine."""
    u = np.sum(x * z, axis=1) / np.sqrt(np.sum(x * x, axis=1) * np.sum(z * z, axis=1))
    tangent = u
    for _ in range(depth):
        theta = np.arccos(np.clip(u, -1, 1))
        u = (np.sin(theta) + (np.pi - theta) * u) / np.pi
        tangent = tangent * (1 - theta / np.pi) + u
    return tangent


def errors(x: np.ndarray, z: np.ndarray, depth: int) -> dict[str, float]:
    """Largest error of each side for some pairs."""
    found: dict[str, float] = {}
    with mp.workdps(60):
        for make in (NTK, NNGP):
            kernel = make(depth=depth)
            size = np.sqrt(kernel.diag(x) * kernel.diag(z))
            exact = [sixty_digits(kernel, left, right) for left, right in zip(x, z, strict=True)]
            sides = {dtype: np.diagonal(kernel(x, z, dtype=dtype)) for dtype in ("float64", "float32")}
            if make is NTK:
                sides["usual"] = usual(x, z, depth) * np.linalg.norm(x, axis=1) * np.linalg.norm(z, axis=1)
            for name, values in sides.items():
                worst = max(
                    float(abs(mp.mpf(float(v)) - e) / mp.mpf(float(s)))
                    for v, e, s in zip(values, exact, size, strict=True)
                )
                found[name] = max(found.get(name, 0.0), worst)
    return found


def main() -> None:
    """Measure, print, draw."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    generator = np.random.default_rng(0)
    kinds = {
        "random": [tuple(generator.standard_normal((2, EACH * 4, D)))],
        "near duplicates": [pairs(1, gap, generator) for gap in GAPS],
        "antipodes": [pairs(-1, gap, generator) for gap in GAPS],
    }
    sides = ("float64", "float32", "usual")
    print("| pairs | depth | float64 | float32 | arccos of a rounded cosine, float64 |\n|---|---|---|---|---|")
    curves: dict[str, list[float]] = {}
    for kind, groups in kinds.items():
        for depth in DEPTHS:
            found = [errors(x, z, depth) for x, z in groups]
            worst = {side: max(one[side] for one in found) for side in sides}
            print(
                f"| {kind} | {depth} | {worst['float64']:.1e} | {worst['float32']:.1e} | {worst['usual']:.1e} |",
                flush=True,
            )
            if kind == "near duplicates" and depth == 10:
                curves = {side: [one[side] for one in found] for side in sides}
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for side, colour, label in zip(
        sides, ("#0b5fa5", "#c2571a", "#666666"), ("float64", "float32", "rounded cosine, float64"), strict=True
    ):
        axes.loglog(GAPS**2 / 2, np.maximum(curves[side], 1e-17), "o-", color=colour, label=label, markersize=3)
    axes.set(xlabel="1 - cos of the two rows", ylabel="error over the size", title="NTK and NNGP, depth 10")
    axes.legend()
    figure.savefig(ROOT / "docs" / "images" / "accuracy.png", dpi=110)
    print("wrote docs/images/accuracy.png")


if __name__ == "__main__":
    main()
