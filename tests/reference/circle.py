"""Print the spectrum of H-infinity on the circle, by mpmath at 40 digits: quadrature, and the circulant's exact sums."""

from __future__ import annotations

import mpmath as mp

mp.mp.dps = 40


def profile(theta: mp.mpf) -> mp.mpf:
    return mp.cos(theta) * (mp.pi - abs(theta)) / (2 * mp.pi)


def coefficient(k: int) -> mp.mpf:
    return mp.quad(lambda t: profile(t) * mp.cos(k * t), mp.linspace(0, mp.pi, k + 2)) / mp.pi


def eigenvalue(n: int, k: int) -> mp.mpf:
    """Eigenvalue of frequency k of the circulant matrix of n equispaced points."""
    angles = [2 * mp.pi * j / n for j in range(n)]
    folded = [min(a, 2 * mp.pi - a) for a in angles]
    return mp.fsum(profile(f) * mp.cos(k * a) for f, a in zip(folded, angles, strict=True))


if __name__ == "__main__":
    print("c_k:", *(mp.nstr(coefficient(k), 12) for k in range(8)))
    for n in (16, 17):
        values = sorted(eigenvalue(n, k) for k in range(n))
        print(n, "eigenvalues:", *(mp.nstr(mp.chop(v, mp.mpf(10) ** -30), 12) for v in values))
    # cos(k theta) is an eigenvector of squared norm n / 2.
    for n in (17, 65, 257):
        print(n, "roots of y'H^-1 y:", *(mp.nstr(mp.sqrt(n / (2 * eigenvalue(n, k))), 10) for k in (1, 2, 3, 4)))
