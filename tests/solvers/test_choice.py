"""Solutions by LAPACK's normalised residual over classes of matrices, and what each says of itself."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import scipy.linalg

from widthwise.errors import DataError, ResourceError, UsageError
from widthwise.kernels import NTK
from widthwise.solvers import PackedTiles, as_operator, choice, coincident_rows, refine, ridge_path, solve
from widthwise.solvers.preconditioners import Scaling

EPS = np.finfo(np.float64).eps
DIRECT = ("cholesky", "mixed", "eigen")


def spectrum_of(values, seed=0):
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values), len(values))))[0]
    K = (Q * values) @ Q.T
    return (K + K.T) / 2


def graded(n, decades, seed=0):
    """D G D with G well conditioned and D falling over many decades."""
    D = np.logspace(decades / 2, -decades / 2, n)
    return spectrum_of(np.linspace(1.0, 2.0, n), seed) * D[:, None] * D


def normalised(K, X, Y):
    """LAPACK's ratio |Y - K X| / (|K| |X| n eps), in the 1-norm: below 30 for a backward stable solve."""
    residual = np.abs(Y - K @ X).sum(axis=0)
    size = np.abs(K).sum(axis=0).max() * np.abs(X).sum(axis=0)
    return float((residual / np.where(size > 0, size, 1.0)).max() / (len(K) * EPS))


REGULAR = {
    "random": spectrum_of(np.geomspace(1, 1e-3, 150)),
    "cond 1e10": spectrum_of(np.geomspace(1, 1e-10, 90)),
    "clustered": spectrum_of(np.r_[1.0, np.full(79, 1e-8)]),
    "hilbert 8": scipy.linalg.hilbert(8),
    "n = 1": np.array([[3.0]]),
    "n = 2": np.array([[2.0, 1.0], [1.0, 2.0]]),
    "large": 1e150 * spectrum_of(np.geomspace(1, 1e-3, 40)),
    "small": 1e-150 * spectrum_of(np.geomspace(1, 1e-3, 40)),
}


@pytest.mark.parametrize("solver", DIRECT)
@pytest.mark.parametrize("name", REGULAR)
def test_direct_solutions_are_backward_stable(name, solver):
    K = REGULAR[name]
    Y = np.random.default_rng(1).standard_normal((len(K), 3))
    found = solve(K, Y, solver=solver, tol=1e-13 if solver == "mixed" else 1e-6)
    assert normalised(K, found.coefficients, Y) < 30
    assert found.rank == len(K)
    assert found.outside == 0.0
    true = np.linalg.norm(Y - K @ found.coefficients, axis=0) / np.linalg.norm(Y, axis=0)
    # Two sums of n terms in different order differ by rounding of the products.
    slack = 4 * len(K) * EPS * np.abs(K).sum(axis=0).max() * np.abs(found.coefficients).sum(axis=0).max()
    np.testing.assert_allclose(found.by_column, true, rtol=1e-6, atol=slack / np.linalg.norm(Y, axis=0).min())


@pytest.mark.parametrize("solver", ["cholesky", "mixed"])
def test_a_matrix_graded_over_three_hundred_decades_is_solved_as_its_scaled_self(solver):
    K = graded(30, 300)
    D = np.sqrt(np.diag(K))
    exact = np.random.default_rng(0).standard_normal(30) / D
    # The right-hand side in long double, so that the exact solution is known to working precision.
    Y = (K.astype(np.longdouble) @ exact.astype(np.longdouble)).astype(np.float64)
    found = solve(K, Y, solver=solver)
    # Componentwise in the scaled system of condition below 10: error n eps condition, and that of rounding Y.
    np.testing.assert_allclose(found.coefficients * D, exact * D, rtol=0, atol=100 * 30 * EPS * np.abs(exact * D).max())
    assert found.condition < 1e3


@pytest.mark.parametrize("solver", [*DIRECT, "cg", "auto"])
def test_rows_that_coincide_are_named_and_the_rest_is_solved(solver):
    rows = np.random.default_rng(0).standard_normal((60, 5))
    rows[17], rows[40], rows[9] = rows[3], rows[3], rows[8]
    K = NTK(depth=1)(rows)
    Y = np.random.default_rng(1).standard_normal((60, 2))
    found = solve(K, Y, solver=solver, tol=1e-8)
    assert found.coincident == ((3, 17, 40), (8, 9))
    agreed = Y.copy()
    for group in found.coincident:
        agreed[list(group)] = Y[list(group)].mean(axis=0)
    assert found.outside == pytest.approx(np.sum((Y - agreed) ** 2) / np.sum(Y**2), rel=1e-6)
    assert found.converged
    assert np.linalg.norm(agreed - K @ found.coefficients) <= 1e-7 * np.linalg.norm(Y)
    assert "3, 17, 40" in str(found)
    if solver != "cg":
        assert found.rank == 57


def test_a_row_of_zeros_is_named_and_its_target_is_out_of_reach():
    rows = np.random.default_rng(0).standard_normal((20, 5))
    rows[4] = 0.0
    K = NTK(depth=1)(rows)
    found = solve(K, np.eye(20)[4] + np.eye(20)[7])
    assert found.coincident == ((4,),)
    assert found.outside == pytest.approx(0.5)


@pytest.mark.parametrize("n", [12, 20])
def test_a_matrix_singular_by_rounding_alone_is_solved_in_its_range(n):
    K = scipy.linalg.hilbert(n)
    found = solve(K, K.sum(axis=1))
    assert found.rank < n
    assert found.coincident == ()
    assert found.condition == np.inf
    # The solution of ones lies in the range but for what the tolerance cuts: n eps of the norm.
    assert np.linalg.norm(K @ found.coefficients - K.sum(axis=1)) <= 10 * n * EPS * np.linalg.norm(K, 2) * n**0.5
    assert "singular" in str(found)


def test_a_low_rank_matrix_has_the_least_norm_solution():
    B = np.random.default_rng(0).standard_normal((40, 6))
    K, Y = B @ B.T, np.random.default_rng(1).standard_normal(40)
    found = solve(K, Y)
    assert found.rank == 6
    np.testing.assert_allclose(found.coefficients, np.linalg.pinv(K, rcond=1e-10, hermitian=True) @ Y, atol=1e-11)


@pytest.mark.parametrize("solver", [*DIRECT, "cg"])
def test_the_worst_right_hand_side_is_solved_too(solver):
    """The eigenvector of the smallest eigenvalue is where conjugate gradients arrive last."""
    values = np.geomspace(1, 1e-6, 80)
    K = spectrum_of(values)
    worst = np.linalg.eigh(K)[1][:, :1]
    Y = np.column_stack([worst, 1e-9 * worst + 1e3 * np.ones((80, 1)), np.zeros(80)])
    found = solve(K, Y, solver=solver, tol=1e-9, rank=8)
    assert found.converged
    assert np.array_equal(found.coefficients[:, 2], np.zeros(80))
    true = np.linalg.norm(Y - K @ found.coefficients, axis=0)[:2] / np.linalg.norm(Y, axis=0)[:2]
    assert true.max() <= 1e-9


@pytest.mark.parametrize("precondition", ["pivoted-cholesky", "nystroem", "none"])
@pytest.mark.parametrize("store", ["float64", "float32", "none"])
def test_conjugate_gradients_over_a_kernel_agree_with_the_factor(store, precondition):
    rows = np.random.default_rng(0).standard_normal((300, 8))
    kernel = NTK(depth=2)
    Y = np.random.default_rng(1).standard_normal((300, 3))
    exact = solve(kernel(rows), Y, ridge=0.3, solver="cholesky")
    found = solve(
        kernel.operator(rows), Y, ridge=0.3, solver="cg", store=store, precondition=precondition, tol=1e-9, rank=40
    )
    assert found.converged
    assert found.iterations > 0
    # |error| <= |residual| / ridge.
    np.testing.assert_allclose(found.coefficients, exact.coefficients, rtol=0, atol=2e-9 * np.linalg.norm(Y) / 0.3)
    assert found.condition == pytest.approx(np.linalg.cond(kernel(rows) + 0.3 * np.eye(300)), rel=30)
    assert found.condition >= 0.5 * np.linalg.cond(kernel(rows) + 0.3 * np.eye(300))


def test_float32_that_cannot_converge_is_not_called_converged():
    """Condition 1e12: a float32 product cannot see the small eigenvalues that these targets need."""
    K = spectrum_of(np.geomspace(1, 1e-12, 200))
    Y = np.linalg.eigh(K)[1][:, :2]

    class Single:
        shape = (200, 200)

        def __init__(self):
            self.tiles = PackedTiles.of(as_operator(K), "float32")

        def matmul(self, V):
            return K @ V

        def diagonal(self):
            return np.diag(K).copy()

        def columns(self, indices):
            return self.tiles.columns(indices)

        def each_tile(self, store, dtype):
            self.tiles.each_tile(store, dtype)

    found = solve(Single(), Y, solver="cg", store="float32", tol=1e-6, rank=20)
    true = np.linalg.norm(Y - K @ found.coefficients, axis=0).max()
    assert true > 1e-6
    assert not found.converged
    assert found.stagnated
    assert found.residual == pytest.approx(true, rel=1e-6)
    assert "NOT CONVERGED" in str(found)


def test_mixed_precision_hands_over_where_float32_holds_nothing():
    K = spectrum_of(np.geomspace(1, 1e-11, 120))
    Y = np.random.default_rng(1).standard_normal((120, 2))
    found = solve(K, Y, solver="mixed", tol=1e-4)
    assert normalised(K, found.coefficients, Y) < 1e12
    assert found.converged
    assert found.residual == pytest.approx(
        np.max(np.linalg.norm(Y - K @ found.coefficients, axis=0) / np.linalg.norm(Y, axis=0)), rel=0.5
    )


def test_inducing_points_that_are_all_rows_are_exact_and_fewer_are_said_to_approximate():
    rows = np.random.default_rng(0).standard_normal((120, 6))
    K, Y = NTK(depth=1)(rows), np.random.default_rng(1).standard_normal(120)
    whole = solve(K, Y, ridge=0.5, solver="nystroem", rank=120)
    np.testing.assert_allclose(
        K @ whole.coefficients, K @ solve(K, Y, ridge=0.5).coefficients, atol=1e-9 * np.linalg.norm(Y)
    )
    few = solve(K, Y, ridge=0.5, solver="nystroem", rank=30)
    points = np.nonzero(few.coefficients)[0]
    assert len(points) == 30
    assert few.approximate
    assert "approximated" in str(few)
    # Subset of regressors, by its definition.
    C = K[:, points]
    expected = np.linalg.lstsq(C.T @ C + 0.5 * K[np.ix_(points, points)], C.T @ Y, rcond=None)[0]
    np.testing.assert_allclose(C @ few.coefficients[points], C @ expected, atol=1e-8 * np.linalg.norm(Y))


@pytest.mark.parametrize("interval", [0.0, 1e9], ids=["written as it goes", "written when interrupted"])
def test_a_checkpoint_goes_on_where_it_stopped_and_is_refused_by_another_system(tmp_path, monkeypatch, interval):
    monkeypatch.setattr("widthwise.solvers.checkpoints.INTERVAL", interval)
    K = spectrum_of(np.geomspace(1, 1e-5, 150))
    Y = np.random.default_rng(1).standard_normal((150, 2))
    path = tmp_path / "state.npz"
    asked = {"solver": "cg", "tol": 1e-9, "rank": 30, "checkpoint": path}
    whole = solve(K, Y, solver="cg", tol=1e-9, rank=30)
    calls = []

    class Killed:
        shape = (150, 150)
        diagonal = staticmethod(lambda: np.diag(K).copy())
        columns = staticmethod(lambda indices: K[:, indices])

        def __init__(self, most):
            self.most = most

        def matmul(self, V):
            calls.append(V.shape[1])
            if len(calls) > self.most:
                raise KeyboardInterrupt
            return K @ V

    with pytest.raises(KeyboardInterrupt):
        solve(Killed(12), Y, store="none", **asked)
    assert path.exists()
    with pytest.raises(DataError, match="belongs to another system"):
        solve(K, 2 * Y, **asked)
    before = len(calls)
    found = solve(Killed(10**9), Y, store="none", **asked)
    assert found.converged
    assert len(calls) - before < whole.iterations
    assert found.iterations == pytest.approx(whole.iterations, abs=6)
    assert not path.exists()


def test_auto_says_what_it_chose_by_size_and_memory(monkeypatch):
    K = spectrum_of(np.geomspace(1, 1e-2, 30))
    monkeypatch.setattr(choice, "CHOLESKY_ROWS", 20)
    assert solve(K, np.ones(30)).solver == "mixed"
    monkeypatch.setattr(choice, "MIXED_ROWS", 20)
    found = solve(K, np.ones(30))
    assert (found.solver, found.converged) == ("cg", True)
    assert "30 rows" in found.reason
    monkeypatch.setattr(choice, "available_memory", lambda: 10)
    rows = np.random.default_rng(0).standard_normal((30, 4))
    found = solve(NTK(depth=1).operator(rows), np.ones(30), ridge=0.1, rank=10)
    assert found.solver == "nystroem"
    assert "are free" in found.reason


@pytest.mark.parametrize("gap", [0.02, 0.1, 0.2])
@pytest.mark.parametrize("tol", np.geomspace(1e-4, 1e-6, 4))
def test_a_round_that_just_misses_the_tolerance_is_followed_by_another(gap, tol):
    """Products that are off by up to a share of every eigenvalue gain a digit or so a round, and get there."""
    rng = np.random.default_rng(0)
    n, values = 120, np.geomspace(1, 1e-2, 120)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    A, E = (Q * values) @ Q.T, (Q * values * rng.uniform(-gap, gap, n)) @ Q.T
    found = refine(
        lambda V: A @ V,
        lambda V: (A + E) @ V,
        Scaling(np.ones(n)),
        rng.standard_normal((n, 1)),
        tol=float(tol),
        trusted=3e-4,
        max_iterations=2000,
        norm=1.0,
    )
    assert not found.stagnated
    assert found.relative.max() <= tol


def test_memory_is_checked_before_the_work(monkeypatch):
    monkeypatch.setattr("widthwise._checks.available_memory", lambda: 1000)
    with pytest.raises(ResourceError, match="half a kernel matrix"):
        PackedTiles(1000, "float32")
    with pytest.raises(ResourceError, match="Cholesky factor"):
        solve(np.eye(50), np.ones(50), solver="cholesky")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ridge": -1.0}, "ridge must be"),
        ({"solver": "qr"}, "solver must be one of"),
        ({"tol": 0.0}, "tol must be"),
        ({"rank": 0, "solver": "cg"}, "rank must be"),
        ({"precondition": "ilu", "solver": "cg"}, "precondition must be"),
        ({"checkpoint": "x.npz", "solver": "mixed"}, "only solver='cg'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    """As a user calls it, without the live check of types."""
    with pytest.raises(UsageError, match=message):
        inspect.unwrap(solve)(np.eye(3), np.ones(3), **arguments)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_matrix_that_is_not_finite_is_refused(bad):
    K = np.eye(4)
    K[2, 1] = bad
    with pytest.raises(DataError, match="K must be finite"):
        solve(K, np.ones(4))


@pytest.mark.parametrize("solver", [*DIRECT, "cg", "nystroem"])
def test_targets_of_zero_have_coefficients_of_zero(solver):
    found = solve(spectrum_of(np.geomspace(1, 1e-2, 20)), np.zeros((20, 2)), solver=solver, ridge=0.1)
    assert np.array_equal(found.coefficients, np.zeros((20, 2)))
    assert found.residual == 0.0


def test_what_is_no_matrix_is_refused():
    with pytest.raises(DataError, match="must be a square array"):
        as_operator("gram")


def test_equal_rows_far_apart_in_a_large_kernel_are_found():
    rows = np.random.default_rng(0).standard_normal((500, 3))
    rows[499], rows[250] = rows[0], 2 * rows[1]
    # Rows in one direction are different rows.
    assert coincident_rows(NTK(depth=2).operator(rows)) == ((0, 499),)


def test_equal_rows_are_one_group_however_many_they_are():
    rows = np.random.default_rng(0).standard_normal((1500, 3))
    rows[100:1400] = rows[7]
    found = coincident_rows(as_operator(rows @ rows.T))
    assert found == ((7, *range(100, 1400)),)


@pytest.mark.parametrize("ridge", [0.01, 1.0])
def test_a_ridge_path_is_the_solution_at_every_ridge(ridge):
    K = spectrum_of(np.geomspace(1, 1e-4, 40))
    Y = np.random.default_rng(1).standard_normal((40, 2))
    path = ridge_path(K, Y)
    A = np.linalg.inv(K + ridge * np.eye(40))
    # Forward errors: n eps condition, 1e4 at most.
    close = {"rtol": 1e-9, "atol": 1e-10}
    np.testing.assert_allclose(path.coefficients(ridge), A @ Y, **close)
    np.testing.assert_allclose(path.leave_one_out(ridge), A @ Y / np.diag(A)[:, None], **close)
    several = path.leave_one_out_path([2.0, ridge, 3.0])
    np.testing.assert_allclose(several[1], A @ Y / np.diag(A)[:, None], **close)
    np.testing.assert_allclose(several[2], path.leave_one_out(3.0), **close)
    assert path.generalised_cross_validation(ridge) == pytest.approx(40 * np.sum((A @ Y) ** 2) / np.trace(A) ** 2)
    assert path.degrees_of_freedom(ridge) == pytest.approx(np.trace(K @ A))
    assert path.log_determinant(ridge) == pytest.approx(np.linalg.slogdet(K + ridge * np.eye(40))[1])


def test_a_matrix_of_low_rank_is_solved_in_its_range_by_conjugate_gradients():
    B = np.random.default_rng(0).standard_normal((300, 6))
    K, Y = B @ B.T, np.random.default_rng(1).standard_normal((300, 2))
    found = solve(K, Y, solver="cg")
    assert found.converged
    assert found.rank == 6
    assert "dimension 6 of 300" in str(found)
    reachable = B @ np.linalg.lstsq(B, Y, rcond=None)[0]
    assert found.outside == pytest.approx(np.sum((Y - reachable) ** 2) / np.sum(Y**2), rel=1e-6)
    # The solution of least norm, as the pseudo-inverse has it.
    np.testing.assert_allclose(found.coefficients, np.linalg.pinv(K, rcond=1e-10) @ Y, atol=1e-5 * np.abs(Y).max())


def test_without_a_ridge_a_failure_says_that_the_matrix_may_be_singular():
    rng = np.random.default_rng(1)
    K = spectrum_of(np.r_[np.geomspace(1.0, 1e-2, 40), np.geomspace(1e-8, 1e-13, 260)])
    found = solve(K, rng.standard_normal(300), solver="cg", precondition="none", max_iterations=40)
    assert not found.converged
    assert "use a ridge, or solver='eigen'" in str(found)
    assert "use a ridge" not in str(solve(K, rng.standard_normal(300), solver="cg", ridge=0.1))
