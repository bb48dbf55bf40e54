"""Do the conversions of `kernels.conventions` hold? Values beside those of the packages themselves, float64.

    .venv/bin/python benchmarks/conventions.py

Prints, in Markdown, the largest difference over sqrt(K(x, x) K(z, z)) for random rows, and fails where it is above 1e-12.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from peers import NEURAL_TANGENTS, SCIKIT_NTK, STUB, environment, measure

from widthwise.kernels import LeakyReLU, conventions

X, Z = np.random.default_rng(0).standard_normal((12, 8)), np.random.default_rng(1).standard_normal((9, 8))
ACTIVATIONS: dict[str, Any] = {
    "Relu()": "relu",
    "ABRelu(0.1, 1.)": LeakyReLU(0.1),
    "ABRelu(-0.7, 1.)": LeakyReLU(-0.7),
    "Abs()": "abs",
    "Erf()": "erf",
}
PARAMETERS = ((1.0, 0.0), (1.5, 0.3), (2**0.5, 0.1))

NEURAL_TANGENTS_PROGRAM = (
    STUB
    + """
import json, sys
import jax
jax.config.update("jax_enable_x64", True)
import numpy as np
from neural_tangents import stax
a = json.loads(sys.argv[1])
X, Z = (np.array(a[key]) for key in ("X", "Z"))
found = []
for name, depth, W, b in a["cases"]:
    layers = []
    for _ in range(depth):
        layers += [stax.Dense(1, W_std=W, b_std=b), eval("stax." + name)]
    _, _, kernel = stax.serial(*layers, stax.Dense(1, W_std=W, b_std=b))
    both = kernel(X, Z, ("nngp", "ntk"))
    found.append([np.asarray(both.nngp).tolist(), np.asarray(both.ntk).tolist()])
print(json.dumps({"found": found}))
"""
)
SCIKIT_NTK_PROGRAM = """
import json, sys
import numpy as np
from skntk import NeuralTangentKernel
a = json.loads(sys.argv[1])
X, Z = (np.array(a[key]) for key in ("X", "Z"))
print(json.dumps({"found": [NeuralTangentKernel(depth=depth, bias=0)(X, Z).tolist() for depth in a["depths"]]}))
"""


def difference(kernel: Any, theirs: Any) -> float:
    """Largest difference over the sizes of the rows."""
    sizes = np.outer(np.sqrt(kernel.diag(X)), np.sqrt(kernel.diag(Z)))
    return float(np.max(np.abs(kernel(X, Z) - np.array(theirs)) / sizes))


def main() -> None:
    """Compare and print."""
    table: list[tuple[str, float]] = []
    cases = [(name, depth, W, b) for name in ACTIVATIONS for depth in (1, 2, 4) for W, b in PARAMETERS]
    arguments = {"X": X.tolist(), "Z": Z.tolist(), "cases": cases}
    answers = measure(environment("neural-tangents", NEURAL_TANGENTS), NEURAL_TANGENTS_PROGRAM, arguments)["found"]
    worst: dict[str, float] = {}
    for (name, depth, W, b), (nngp, ntk) in zip(cases, answers, strict=True):
        for get, theirs in (("nngp", nngp), ("ntk", ntk)):
            kernel = conventions.neural_tangents(
                depth, columns=8, W_std=W, b_std=b, get=get, activation=ACTIVATIONS[name]
            )
            label = f"neural-tangents 0.6.5, {name}, {get}, depth 1, 2, 4, with and without biases"
            worst[label] = max(worst.get(label, 0.0), difference(kernel, theirs))
    table += worst.items()
    depths = (1, 2, 3, 10)
    answers = measure(environment("scikit-ntk", SCIKIT_NTK), SCIKIT_NTK_PROGRAM, arguments | {"depths": depths})[
        "found"
    ]
    table += [
        (f"scikit-ntk, bias=0, depth {depth}", difference(conventions.scikit_ntk(depth), theirs))
        for depth, theirs in zip(depths, answers, strict=True)
    ]
    print("| what | largest difference |\n|---|---|")
    for label, error in table:
        print(f"| {label} | {error:.1e} |")
    if max(error for _, error in table) > 1e-12:
        raise SystemExit("a conversion does not hold")


if __name__ == "__main__":
    main()
