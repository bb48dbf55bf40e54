"""The measured width, where the width at which half succeed is known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from widthwise.errors import UsageError
from widthwise.training import measured_width


def test_two_orthogonal_rows_need_a_neuron_each():
    # Each neuron sees e1 and e2 independently and keeps its sign: a row is fitted if and only if some neuron of its sign is
    # active on it, so P(success) = 1 - 2 (3/4)^m + (1/2)^m, a half between widths 4 and 5.
    found = measured_width(np.eye(2), np.array([1.0, -1.0]), residual=0.05, seeds=32, steps=200, largest=8)
    widths = np.array(found.widths)
    chance = 1 - 2 * 0.75**widths + 0.5**widths
    deviation = np.sqrt(32 * chance * (1 - chance))
    assert np.all(np.abs(np.array(found.successes) - 32 * chance) <= 3.5 * deviation + 1e-9)
    assert found.low < 4.54 < found.high
    assert found.high / found.low < 4


def test_labels_of_both_signs_need_two_neurons():
    X = np.array([[1.0, 0.2], [0.9, -0.4]])
    found = measured_width(X, np.array([1.0, -1.0]), seeds=4, steps=50, largest=2)
    assert found.successes[0] == 0  # one neuron has one sign
    assert "every row is put right within 50 steps" in found.protocol


def test_numbers_need_a_residual():
    with pytest.raises(UsageError, match="residual"):
        measured_width(np.eye(2), np.array([1.0, 0.5]))
    with pytest.raises(UsageError, match="zero"):
        measured_width(np.zeros((2, 2)), np.array([1.0, -1.0]))
