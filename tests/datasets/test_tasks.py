"""The guess of the task states its numbers."""

from __future__ import annotations

import numpy as np
import pytest

from widthwise.datasets import guess_task


@pytest.mark.parametrize(
    ("values", "task", "reason"),
    [
        (np.array(["a", "b", "a"]), "classification", "text, 2 distinct in 3 rows"),
        (np.array([True, False, True]), "classification", "booleans, 2 distinct in 3 rows"),
        (np.arange(20).repeat(5), "classification", "20 distinct whole numbers in 100 rows"),
        (np.arange(21).repeat(5), "regression", "21 distinct numbers in 105 rows"),
        (np.arange(20).repeat(5)[1:], "regression", "20 distinct numbers in 99 rows"),
        (np.arange(3.0).repeat(5), "classification", "3 distinct whole numbers in 15 rows"),
        (np.array([-1, 1, 1]), "classification", "2 distinct whole numbers in 3 rows"),
        (np.array([0.5, 1.0, 1.5] * 40), "regression", "3 distinct numbers with fractions in 120 rows"),
        (np.linspace(0, 1, 812), "regression", "812 distinct numbers with fractions in 812 rows"),
    ],
)
def test_the_guess_and_its_numbers(values, task, reason):
    got, why = guess_task(values, name="price")
    assert got == task
    assert why == f"target 'price' holds {reason}: {task}"
