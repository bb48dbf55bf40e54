"""Forward-block errors and generalised cross-validation against refits."""

from __future__ import annotations

import numpy as np
import pytest

from widthwise import theory
from widthwise.errors import SingularKernelError, UsageError
from widthwise.kernels import NTK


def data(n=40):
    generator = np.random.default_rng(0)
    return NTK(depth=1)(generator.standard_normal((n, 4))), generator.standard_normal((n, 2)) + 3.0


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("starts", [[1], [10, 11, 30], list(range(1, 40))])
@pytest.mark.parametrize("size", [1.0, 1e-9])
def test_every_block_is_predicted_as_by_a_refit_on_what_came_before(starts, center, size):
    K, y = data()
    # Rows of very different sizes make the factor scale itself.
    D = np.where(np.arange(40) % 3 == 0, size, 1.0)
    K = K * D[:, None] * D
    found = theory.forward_blocks(K, y, ridge=0.2, starts=starts, center=center)
    assert np.array_equal(found.rows, np.arange(starts[0], 40))
    for number, (start, stop) in enumerate(zip(starts, [*starts[1:], 40], strict=True)):
        mean = y[:start].mean(axis=0) if center else 0.0
        weights = np.linalg.solve(K[:start, :start] + 0.2 * np.eye(start), y[:start] - mean)
        expected = K[start:stop, :start] @ weights + mean
        # n eps condition, below 1e3.
        np.testing.assert_allclose(
            found.predictions[start - starts[0] : stop - starts[0]], expected, rtol=0, atol=1e-10
        )
        assert found.block_errors[number] == pytest.approx(np.mean(np.sum((y[start:stop] - expected) ** 2, axis=1)))
    assert found.mean_square == pytest.approx(np.mean(np.sum(found.residuals**2, axis=1)))


@pytest.mark.parametrize("starts", [[], [0], [40], [5, 5], [9, 3]])
def test_starts_that_do_not_increase_within_the_rows_are_refused(starts):
    K, y = data()
    with pytest.raises(UsageError, match="starts must increase"):
        theory.forward_blocks(K, y, ridge=0.1, starts=starts)


def test_a_singular_kernel_without_a_ridge_is_refused():
    with pytest.raises(SingularKernelError):
        theory.forward_blocks(np.ones((4, 4)), np.ones(4), ridge=0.0, starts=[2])


def test_generalised_cross_validation_is_leave_one_out_where_all_rows_are_alike():
    """For a circulant kernel every A_ii is the same, and the two agree; rotations of the rows change nothing."""
    distance = np.abs(np.subtract.outer(np.arange(24), np.arange(24)))
    K = np.exp(-np.minimum(distance, 24 - distance) / 3.0)
    y = np.random.default_rng(0).standard_normal(24)
    found = theory.generalised_cross_validation(K, y, ridge=0.3)
    assert found == pytest.approx(theory.leave_one_out(K, y, ridge=0.3).mean_square, rel=1e-10)
    Q = np.linalg.qr(np.random.default_rng(1).standard_normal((24, 24)))[0]
    turned = Q @ K @ Q.T
    assert theory.generalised_cross_validation((turned + turned.T) / 2, Q @ y, ridge=0.3) == pytest.approx(
        found, rel=1e-9
    )
