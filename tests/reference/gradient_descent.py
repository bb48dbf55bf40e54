"""Print the predicted curve of a small problem by the naive recursion of the paper, at 40 digits.

u(k + 1) = u(k) - eta H (u(k) - y) from u(0) = 0: equation (7) of Arora et al. 2019 without its error term.
"""

from __future__ import annotations

import mpmath as mp

mp.mp.dps = 40

if __name__ == "__main__":
    points = [[mp.mpf(1), mp.mpf(0)], [mp.mpf(3) / 5, mp.mpf(4) / 5], [mp.mpf(-5) / 13, mp.mpf(12) / 13]]
    H = mp.matrix(3)
    for i, x in enumerate(points):
        for j, z in enumerate(points):
            inner = mp.fdot(x, z)
            H[i, j] = inner * (mp.pi - mp.acos(inner)) / (2 * mp.pi)
    y = mp.matrix([1, -1, 1])
    u = mp.matrix(3, 1)
    for k in range(101):
        if k in (0, 1, 5, 20, 100):
            print(k, mp.nstr(mp.norm(y - u), 16))
        u = u - H * (u - y)
