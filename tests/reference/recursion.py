"""The recursion of every fully connected kernel, naively in the covariance, in as many digits as wanted.

Tests and `benchmarks/accuracy.py` compare with it; run alone it prints table K5.
"""

from __future__ import annotations

import mpmath as mp

from widthwise.kernels import NNGP, NTK
from widthwise.kernels.activations import piecewise_linear


def sixty_digits(kernel, x, z):
    """A kernel of two rows, in the precision of mpmath's context."""
    layers, slopes = kernel.layers, piecewise_linear(kernel.layers.activation)
    x, z = ([mp.mpf(float(v)) for v in row] for row in (x, z))
    scale, c = mp.mpf(kernel.scale), mp.mpf(layers.bias_variance)
    q, r, p = (scale * mp.fdot(u, v) + c for u, v in ((x, x), (z, z), (x, z)))
    tangent = {"last": mp.mpf(0), "weights": p - c}.get(layers.trained, p)
    for layer in range(1, layers.depth + 1):
        last = layer == layers.depth
        v = mp.mpf(layers.last_variance if last else layers.weight_variance)
        if slopes is None:
            root = mp.sqrt((1 + 2 * q) * (1 + 2 * r))
            mean, gate = 2 / mp.pi * mp.asin(2 * p / root), 4 / mp.pi / mp.sqrt(root**2 - 4 * p**2)
            q, r = (v * 2 / mp.pi * mp.asin(2 * s / (1 + 2 * s)) + c for s in (q, r))
        else:
            alpha, rho = mp.mpf(slopes.slope), p / mp.sqrt(q * r)
            theta = mp.acos(rho)
            k0, k1 = 1 - theta / mp.pi, (mp.sin(theta) + (mp.pi - theta) * rho) / mp.pi
            gate = ((1 + alpha**2) * k0 + 2 * alpha * (1 - k0)) / 2
            mean = mp.sqrt(q * r) * ((1 + alpha**2) * k1 + 2 * alpha * (rho - k1)) / 2
            q, r = (v * (1 + alpha**2) / 2 * s + c for s in (q, r))
        tangent, p = tangent * v * gate, v * mean + c
        if layers.trained not in ("first", "last") or (layers.trained == "last" and last):
            tangent += (
                layers.last_rate * (p - c if layers.trained == "weights" else p)
                if last
                else (p - c if layers.trained == "weights" else p)
            )
    return p if kernel.output == "nngp" else tangent


if __name__ == "__main__":
    with mp.workdps(60):
        for depth in (1, 2, 3):
            for make in (NNGP, NTK):
                print(
                    depth,
                    make.__name__,
                    mp.nstr(sixty_digits(make(depth=depth, bias_variance=0.1), [1, 0], [0.6, 0.8]), 10),
                )
