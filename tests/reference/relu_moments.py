"""Print Monte-Carlo values of the Gaussian integrals behind the kernels, with their standard errors."""

from __future__ import annotations

import numpy as np

DRAWS = 4_000_000

if __name__ == "__main__":
    generator = np.random.default_rng(0)
    u, fresh = generator.standard_normal((2, DRAWS))
    for rho in (-0.5, 0.0, 0.6, 0.9):
        v = rho * u + np.sqrt(1 - rho**2) * fresh
        for name, product in (("gates", (u > 0) & (v > 0)), ("relus", np.maximum(u, 0) * np.maximum(v, 0))):
            print(f"rho {rho}: {name} {np.mean(product):.5f} +- {np.std(product) / np.sqrt(DRAWS):.5f}")
