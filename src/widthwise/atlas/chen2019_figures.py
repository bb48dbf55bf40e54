"""What the figure of Chen et al. 2019 shows, read off its vector paths: the smallest width that fits CIFAR-10 pairs.

The text lists 500 and 5000 rows where the marks stand at 400 and 4000. Values are not whole numbers: means, over how many
networks is not said. Nor are rate, rule of descent, number of steps, start and search.
"""

from __future__ import annotations

import numpy as np

from widthwise.atlas.trial import Curve

WIDTH = "smallest width"
SIZES = (100, 200, 400, 1000, 2000, 4000, 10000)
CAT_DOG = Curve(WIDTH, SIZES, np.array((6.2, 9.2, 12.1, 14.6, 18.0, 22.0, 31.0)))
CAT_SHIP = Curve(WIDTH, SIZES, np.array((5.9, 7.1, 10.1, 13.3, 14.3, 17.0, 20.7)))
