"""Print reference values of the kernels, by mpmath at 50 digits: naive recursions in the cosine, never in the angle.

Every hard-coded number in tests/kernels/test_fully_connected.py that is not in a published table comes from here.
"""

from __future__ import annotations

import mpmath as mp

mp.mp.dps = 50


def kappa0(rho: mp.mpf) -> mp.mpf:
    return (mp.pi - mp.acos(rho)) / mp.pi


def kappa1(rho: mp.mpf) -> mp.mpf:
    return (rho * (mp.pi - mp.acos(rho)) + mp.sqrt(1 - rho**2)) / mp.pi


def kernels(rho: mp.mpf, depth: int) -> tuple[mp.mpf, mp.mpf, mp.mpf]:
    """Last-layer, full tangent and first-layer kernel of unit vectors of cosine rho."""
    covariance, tangent, first = rho, rho, rho
    for _ in range(depth):
        slope = kappa0(covariance)
        covariance = kappa1(covariance)
        tangent = tangent * slope + covariance
        first *= slope
    return covariance, tangent, first


def by_moments(rho: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    """2 E[1 1] and 2 E[relu relu] by quadrature over the angle of an isotropic Gaussian, without the closed form."""
    theta = mp.acos(rho)
    # u = r cos a, v = r cos(a - theta): both positive for a in (theta - pi/2, pi/2); E r^2 = 2.
    both = [theta - mp.pi / 2, mp.pi / 2]
    gates = mp.quad(lambda _: 1, both) / (2 * mp.pi)
    relus = mp.quad(lambda a: 2 * mp.cos(a) * mp.cos(a - theta), both) / (2 * mp.pi)
    return 2 * gates, 2 * relus


def h_infinity(x: list[mp.mpf], z: list[mp.mpf]) -> mp.mpf:
    inner = mp.fdot(x, z)
    return inner * kappa0(inner / mp.sqrt(mp.fdot(x, x) * mp.fdot(z, z))) / 2


if __name__ == "__main__":
    print("arc-cosine functions: rho, kappa0, kappa1, and both by quadrature")
    for text in ("-1", "-.5", "0", ".5", ".6", ".9", "1"):
        rho = mp.mpf(text)
        values = [kappa0(rho), kappa1(rho), *by_moments(rho)]
        print(text, *(mp.nstr(v, 16) for v in values))
    print("depth, rho, last layer, all layers, first layer")
    for depth in (1, 2, 3, 4, 5, 10):
        for text in (".6", "0", "-1"):
            print(depth, text, *(mp.nstr(v, 16) for v in kernels(mp.mpf(text), depth)))
    points = [[mp.mpf(1), mp.mpf(0)], [mp.mpf(3) / 5, mp.mpf(4) / 5], [mp.mpf(-5) / 13, mp.mpf(12) / 13]]
    H = mp.matrix(3)
    for i in range(3):
        for j in range(3):
            H[i, j] = h_infinity(points[i], points[j])
    y = mp.matrix([1, -1, 1])
    quadratic = (y.T * mp.lu_solve(H, y))[0]
    print("H-infinity of three points:", mp.nstr(H, 16))
    print("eigenvalues", mp.nstr(mp.eigsy(H, eigvals_only=True), 16))
    print("y'H^-1 y", mp.nstr(quadratic, 16), "root", mp.nstr(mp.sqrt(quadratic), 16))
    print("measure", mp.nstr(mp.sqrt(2 * quadratic / 3), 16))
    print("(1, 2) and (3, -1):", mp.nstr(h_infinity([mp.mpf(1), mp.mpf(2)], [mp.mpf(3), mp.mpf(-1)]), 16))
