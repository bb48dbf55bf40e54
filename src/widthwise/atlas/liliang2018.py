"""Claims of Li and Liang 2018: stochastic descent on clustered data stays close to where it starts, and generalises."""

from __future__ import annotations

from widthwise.atlas.liliang2018_course import COURSE
from widthwise.atlas.liliang2018_lemmas import LEMMAS
from widthwise.atlas.liliang2018_mnist import MNIST
from widthwise.atlas.liliang2018_movement import MOVEMENT
from widthwise.atlas.liliang2018_spectrum import SPECTRUM
from widthwise.atlas.liliang2018_structure import STRUCTURE

CLAIMS = (*MOVEMENT, *COURSE, *MNIST, *SPECTRUM, *STRUCTURE, *LEMMAS)
