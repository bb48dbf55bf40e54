"""Values of the kernels: tables K1-K4 and K8, whose numbers tests/reference/fully_connected.py and circle.py print."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from widthwise.errors import UsageError
from widthwise.kernels import NNGP, NTK, HInf, LeakyReLU
from widthwise.kernels.series import profile

EPS = np.finfo(np.float64).eps
THREE = np.array([[1.0, 0.0], [3 / 5, 4 / 5], [-5 / 13, 12 / 13]])


def of_angle(kernel, theta):
    """The kernel of unit rows, by the recursion."""
    return profile(kernel.layers, kernel.output, theta)


PAIRS = {0.6: [[0.6, 0.8]], 0.0: [[0.0, 1.0]], -1.0: [[-1.0, 0.0]]}

# depth, rho, last layer, all layers, first layer: table K4, sixteen digits by tests/reference/fully_connected.py.
DEPTHS = [
    (1, 0.6, 0.6775475677665126, 1.100447226585993, 0.4228996588194801),
    (1, 0.0, 0.3183098861837907, 0.3183098861837907, 0.0),
    (1, -1.0, 0.0, 0.0, 0.0),
    (2, 0.6, 0.7334337858255622, 1.54441630067721, 0.3116589515185856),
    (2, 0.0, 0.4937310902003715, 0.6857086362829425, 0.0),
    (2, -1.0, 0.3183098861837907, 0.3183098861837907, 0.0),
    (3, 0.6, 0.7753124348440679, 1.952286685184652, 0.2375101587989427),
    (3, 0.0, 0.6048257201129445, 1.060388106802583, 0.0),
    (3, -1.0, 0.4937310902003715, 0.6857086362829425, 0.0),
    (4, 0.6, 0.8076478251963517, 2.335131760564936, 0.1858297527742001),
    (4, 0.0, 0.6809535333557363, 1.430390497210367, 0.0),
    (4, -1.0, 0.6048257201129445, 1.060388106802583, 0.0),
    (5, 0.6, 0.8332166239669314, 2.699593387438731, 0.1485262366760702),
    (5, 0.0, 0.7359463506276367, 1.792195966844593, 0.0),
    (5, -1.0, 0.6809535333557363, 1.430390497210367, 0.0),
    (10, 0.6, 0.9066113295172901, 4.35824109182186, 0.06026036243676855),
    (10, 0.0, 0.8715355160215176, 3.479376712021002, 0.0),
    (10, -1.0, 0.8548092375489058, 3.155947448921699, 0.0),
]


@pytest.mark.parametrize(("depth", "rho", "last", "full", "first"), DEPTHS)
def test_values_at_every_depth_are_those_of_the_table(depth, rho, last, full, first):
    x, z = [[1.0, 0.0]], PAIRS[rho]
    # A few units of rounding for each layer, of values up to depth + 1.
    tolerance = 40 * (depth + 1) * EPS
    assert abs(NNGP(depth=depth)(x, z)[0, 0] - last) <= tolerance
    assert abs(NTK(depth=depth, trained="last")(x, z)[0, 0] - last) <= tolerance
    assert abs(NTK(depth=depth)(x, z)[0, 0] - full) <= tolerance
    # The first-layer kernel is not linear in the angle but its depth-th power at pi: 1e-16 each.
    assert abs(NTK(depth=depth, trained="first")(x, z)[0, 0] - first) <= tolerance


@pytest.mark.parametrize("depth", [1, 2, 3, 10])
def test_diagonals_of_unit_rows_count_the_trained_layers(depth):
    assert NTK(depth=depth).diag(THREE) == pytest.approx(depth + 1, rel=4 * EPS)
    assert NTK(depth=depth, trained="first").diag(THREE) == pytest.approx(1.0, rel=4 * EPS)
    assert NTK(depth=depth, trained="last").diag(THREE) == pytest.approx(1.0, rel=4 * EPS)
    assert NNGP(depth=depth).diag(THREE) == pytest.approx(1.0, rel=4 * EPS)


def test_h_infinity_of_three_points_is_that_of_table_k2():
    H = HInf()(THREE)
    expected = [0.21144982940974, -0.07198732377346108, 0.1699503348034963]
    # The angle from a rounded cosine is off by some eps, the rest is rounding of numbers below one.
    np.testing.assert_allclose(H[np.triu_indices(3, 1)], expected, rtol=0, atol=8 * EPS)
    np.testing.assert_allclose(np.diag(H), 0.5, rtol=4 * EPS)
    # Eigenvalues of a symmetric matrix move by no more than the matrix does.
    expected = [0.1909416387722276, 0.5700394270475716, 0.7390189341802008]
    np.testing.assert_allclose(np.linalg.eigvalsh(H), expected, rtol=0, atol=40 * EPS)


def test_h_infinity_of_rows_of_any_norm_is_that_of_table_k2():
    # sqrt(5), sqrt(10): two norms, a cosine, an angle and three products of numbers below eight.
    assert HInf()([[1.0, 2.0]], [[3.0, -1.0]])[0, 0] == pytest.approx(0.2725836176504333, abs=64 * EPS)


def test_a_two_layer_network_with_both_layers_trained_is_that_of_table_k3():
    """K3 has variance one for the weights: half of the default's two."""
    x, z = [[1.0, 0.0]], [[0.6, 0.8]]
    one = {"depth": 1, "weight_variance": 1.0}
    assert NNGP(**one)(x, z)[0, 0] == pytest.approx(0.3387737839, abs=1e-10)
    assert NTK(trained="first", **one)(x, z)[0, 0] == pytest.approx(0.2114498294, abs=1e-10)
    assert NTK(**one)(x, z)[0, 0] == pytest.approx(0.5502236133, abs=1e-10)
    assert HInf()(x, z)[0, 0] == pytest.approx(0.2114498294, abs=1e-10)


def test_h_infinity_lies_in_its_range_and_comes_near_both_ends():
    theta = np.linspace(0, np.pi, 5001)
    values = of_angle(HInf(), theta)
    # -0.0893013 at cosine -0.652185: section C2 of the specification, to the digits given.
    assert values.min() == pytest.approx(-0.0893013, abs=1e-7)
    assert np.cos(theta[values.argmin()]) == pytest.approx(-0.652185, abs=1e-3)
    assert values.max() == 0.5


def test_layers_add_up_to_the_whole():
    """With one hidden layer there are two weight matrices, the first and the last."""
    theta = np.linspace(0, np.pi, 101)
    parts = of_angle(NTK(depth=1, trained="first"), theta) + of_angle(NTK(depth=1, trained="last"), theta)
    np.testing.assert_allclose(of_angle(NTK(depth=1), theta), parts, rtol=0, atol=8 * EPS)


@pytest.mark.parametrize("make", [NNGP, NTK])
def test_variances_only_scale_the_kernel(make):
    X = np.random.default_rng(0).standard_normal((6, 3))
    plain, scaled = make(depth=3), make(depth=3, weight_variance=1.5, input_scale=0.7)
    np.testing.assert_allclose(scaled(X), 0.7 * 0.75**3 * plain(X), rtol=8 * EPS)


def test_a_network_of_finite_width_has_the_covariance_and_the_tangent_kernel_of_its_limit():
    """Depth two, by its own backward pass in NumPy; the tolerance is four standard errors plus the 1/m bias."""
    x, z = np.array([1.0, 0.0]), np.array([0.6, 0.8])
    m, draws = 400, 300
    generator = np.random.default_rng(0)
    last, full, first = np.empty(draws), np.empty(draws), np.empty(draws)
    for draw in range(draws):
        W1 = generator.standard_normal((m, 2))
        W2 = generator.standard_normal((m, m))
        a = generator.standard_normal(m)
        seen = []
        for point in (x, z):
            h1 = np.sqrt(2 / m) * np.maximum(W1 @ point, 0)
            h2 = np.sqrt(2 / m) * np.maximum(W2 @ h1, 0)
            back2 = np.sqrt(2 / m) * a * (W2 @ h1 > 0)
            back1 = np.sqrt(2 / m) * (W2.T @ back2) * (W1 @ point > 0)
            seen.append((h1, h2, back1, back2))
        (g1, g2, b1, b2), (h1, h2, c1, c2) = seen
        last[draw] = g2 @ h2
        first[draw] = (x @ z) * (b1 @ c1)
        full[draw] = first[draw] + (g1 @ h1) * (b2 @ c2) + last[draw]
    for values, kernel in (
        (last, NNGP(depth=2)),
        (first, NTK(depth=2, trained="first")),
        (full, NTK(depth=2)),
    ):
        expected = kernel(x[None], z[None])[0, 0]
        error = values.std(ddof=1) / np.sqrt(draws)
        assert abs(values.mean() - expected) < 4 * error + 5 / m


def _fifty_digits(x, z, depth):
    """Full, first-layer and last-layer kernels over the norms, by the naive recursion at 60 digits."""
    x, z = ([mp.mpf(float(v)) for v in row] for row in (x, z))
    rho = mp.fdot(x, z) / mp.sqrt(mp.fdot(x, x) * mp.fdot(z, z))
    full = first = covariance = rho
    for _ in range(depth):
        theta = mp.acos(covariance)
        covariance = (mp.sin(theta) + (mp.pi - theta) * covariance) / mp.pi
        full = full * (1 - theta / mp.pi) + covariance
        first *= 1 - theta / mp.pi
    return full, first, covariance


def _near(theta):
    """Two rows at this angle, as floats hold them: the smallest angles come from the sine alone."""
    return [np.cos(theta), np.sin(theta)] if theta < 3 else [-np.cos(np.pi - theta), np.sin(np.pi - theta)]


@pytest.mark.parametrize("depth", [1, 3, 10, 50])
def test_near_duplicates_and_near_opposites_keep_twelve_digits(depth):
    """1 - |cos| from 1e-32 to one; the rows themselves are exact, their angle is taken at 60 digits."""
    gaps = 10.0 ** np.array([-16.0, -12, -8, -6, -4, -3, -2.0001, -1.9999, -1.85, -1.8, -1])
    rows = [[1.0, gap] for gap in gaps] + [[-1.0, gap] for gap in gaps] + [_near(t) for t in (0.7, 1.5707, 1.5709, 2.4)]
    X = np.array([[3.0, 0.0]])
    Z = np.array(rows)
    found = {kernel: kernel(X, Z)[0] for kernel in (NTK(depth=depth), NTK(depth=depth, trained="first"))}
    found[NNGP(depth=depth)] = NNGP(depth=depth)(X, Z)[0]
    with mp.workdps(60):
        for j, row in enumerate(Z):
            for exact, (kernel, values) in zip(_fifty_digits(X[0], row, depth), found.items(), strict=True):
                size = float(np.sqrt(kernel.diag(X)[0] * kernel.diag(Z)[j]))
                norms = mp.mpf(3) * mp.sqrt(mp.fdot([mp.mpf(float(v)) for v in row], [mp.mpf(float(v)) for v in row]))
                assert abs(mp.mpf(float(values[j])) - exact * norms) <= mp.mpf(1e-12) * size, (kernel, row)


def _circle(n):
    theta = 2 * np.pi * np.arange(n) / n
    return theta, HInf()(np.column_stack([np.cos(theta), np.sin(theta)]))


def test_the_spectrum_on_the_circle_is_that_of_table_k8():
    """c_k of tests/reference/circle.py, by quadrature; on n points frequencies fold, c_k sums over k + n Z."""
    theta = np.linspace(0, np.pi, 20001)
    known = {0: 0.101321183642, 1: 0.125, 2: 0.056289546468, 4: 0.00765537831964, 6: 0.00306031330185, 3: 0.0, 5: 0.0}
    values = of_angle(HInf(), theta)
    for k, c in known.items():
        # Simpson's rule: h^4 / 180 * pi times the fourth derivative, below (k + 1)^4.
        step = theta[1]
        weights = np.where(np.arange(20001) % 2, 4.0, 2.0)
        weights[[0, -1]] = 1.0
        integral = step / 3 * np.sum(weights * values * np.cos(k * theta)) / np.pi
        assert integral == pytest.approx(c, abs=5e-13 + step**4 / 180 * (k + 1) ** 4)


def test_sixteen_points_of_the_circle_have_six_zero_eigenvalues():
    _, H = _circle(16)
    values = np.linalg.eigvalsh(H)
    # A symmetric matrix of entries off by a few eps: eigenvalues off by n times that.
    assert np.abs(values[:6]).max() <= 16 * 8 * EPS
    assert values[6] == pytest.approx(0.0649728831185, abs=1e-12)
    assert values[-1] == pytest.approx(2.0, abs=16 * 8 * EPS)


def test_seventeen_points_of_the_circle_have_none():
    _, H = _circle(17)
    values = np.linalg.eigvalsh(H)
    # Twelve digits of tests/reference/circle.py.
    assert values[0] == pytest.approx(0.0160663535308, abs=1e-12)
    assert values[-1] == pytest.approx(2.13996282148, abs=1e-11)


@pytest.mark.parametrize(
    ("n", "roots"),
    [
        (17, (1.992995641, 2.972706597, 23.00121637, 7.929348228)),
        (65, (1.999526242, 2.97985415, 91.65521765, 8.07126876)),
        (257, (1.999969718, 2.980343078, 363.3849938, 8.081014451)),
    ],
)
def test_the_third_harmonic_alone_grows_with_the_grid(n, roots):
    """Square roots of y'H^-1 y for y = cos k theta, k = 1 ... 4: tests/reference/circle.py, ten digits."""
    theta, H = _circle(n)
    for k, root in enumerate(roots, start=1):
        y = np.cos(k * theta)
        # Half a unit of the tenth digit, and the condition number, n times 700 at most, times n eps.
        assert np.sqrt(y @ np.linalg.solve(H, y)) == pytest.approx(root, rel=1e-9)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NTK(depth=0), "depth must be an integer of at least 1"),
        (lambda: NNGP(weight_variance=0.0), "weight_variance must be a positive number"),
        (lambda: NTK(input_scale=float("nan")), "input_scale must be a positive number"),
        (lambda: NTK(bias_variance=-1.0), "bias_variance must be a finite number of at least 0"),
        (lambda: NTK(last_variance=0.0), "last_variance must be a positive number"),
        (lambda: NTK(last_rate=0.0), "last_rate must be a positive number"),
        (lambda: NTK.chen2019(1), "matrices must be an integer of at least 2"),
        (lambda: LeakyReLU(float("inf")), "slope must be a number of magnitude up to 1e100"),
    ],
)
def test_arguments_outside_their_range_are_named(make, message):
    with pytest.raises(UsageError, match=message):
        make()


def off(kernel):
    return kernel([[1.0, 0.0]], [[0.6, 0.8]])[0, 0]


# depth, covariance and tangent kernel off and on the diagonal: table K5.
BIASED = [
    (1, 0.8737884362, 1.2, 1.3774819776, 2.3),
    (2, 1.0255571289, 1.3, 2.0719239152, 3.6),
    (3, 1.1638133583, 1.4, 2.7992739562, 5.0),
]


@pytest.mark.parametrize(("depth", "covariance", "variance", "tangent", "norm"), BIASED)
def test_values_with_biases_are_those_of_table_k5(depth, covariance, variance, tangent, norm):
    network = {"depth": depth, "bias_variance": 0.1}
    for kernel, apart, same in ((NNGP(**network), covariance, variance), (NTK(**network), tangent, norm)):
        # Ten decimals of the table.
        assert off(kernel) == pytest.approx(apart, abs=1e-9)
        assert kernel.diag([[0.6, 0.8]])[0] == pytest.approx(same, rel=1e-12)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_without_trained_biases_their_terms_leave_the_tangent_kernel_but_not_the_covariance(depth):
    """K5, transcribed: the cosines come from the biased covariance."""
    covariance, variance, tangent = 0.6 * 1.0 + 0.1, 1.1, 0.6
    for _ in range(depth):
        rho = covariance / variance
        k0 = (np.pi - np.arccos(rho)) / np.pi
        k1 = (rho * (np.pi - np.arccos(rho)) + np.sqrt(1 - rho**2)) / np.pi
        covariance, tangent = variance * k1 + 0.1, variance * k1 + tangent * k0
        variance += 0.1
    # A dozen operations a layer on numbers up to four.
    assert off(NTK(depth=depth, bias_variance=0.1, trained="weights")) == pytest.approx(tangent, abs=200 * EPS)


CHEN = [
    (2, 1.5, 0.8889973972, 0.3183098862, 0.0),
    (3, 2.0, 1.1389250433, 0.5897198632, 0.3183098862),
    (5, 3.0, 1.5713897929, 1.0556720153, 0.8326069135),
]


@pytest.mark.parametrize(("matrices", "one", "acute", "right", "opposite"), CHEN)
def test_the_parametrisation_of_chen_is_that_of_table_k6(matrices, one, acute, right, opposite):
    kernel = NTK.chen2019(matrices)
    found = kernel([[1.0, 0.0]], [[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [-1.0, 0.0]])[0]
    np.testing.assert_allclose(found, [one, acute, right, opposite], rtol=0, atol=1e-9)
    assert kernel.diag([[1.0, 0.0]])[0] == pytest.approx(one, rel=4 * EPS)


def test_three_trained_matrices_of_table_k4_add_up():
    """First, the two in between, last: .2375101588, .3805262716 + .5589378200, .7753124348."""
    parts = off(NTK(trained="first")) + 0.3805262716 + 0.5589378200 + off(NTK(trained="last"))
    assert off(NTK()) == pytest.approx(parts, abs=1e-9)


def test_the_output_layer_has_its_own_variance_and_rate():
    usual, last = off(NTK(depth=2)), off(NTK(depth=2, trained="last"))
    # Half the variance halves everything; three times the rate adds twice the last layer's share.
    assert off(NTK(depth=2, last_variance=1.0)) == pytest.approx(usual / 2, rel=16 * EPS)
    assert off(NTK(depth=2, last_rate=3.0)) == pytest.approx(usual + 2 * last, rel=16 * EPS)


def test_a_linear_network_has_the_linear_covariance():
    X = np.random.default_rng(0).standard_normal((7, 4))
    K = NNGP(depth=5, activation="linear", weight_variance=1.0)(X)
    # Dot products, a series of degree two and products of norms of about two.
    np.testing.assert_allclose(K, X @ X.T, rtol=0, atol=64 * EPS * np.diag(K).max())


def test_the_absolute_value_has_even_degrees_only():
    X = np.random.default_rng(0).standard_normal((7, 4))
    kernel = NNGP(depth=2, activation="abs")
    np.testing.assert_allclose(kernel(X, -X), kernel(X, X), rtol=0, atol=64 * EPS * kernel.diag(X).max())


ACTIVATIONS = {
    "relu": lambda u: np.maximum(u, 0),
    "abs": np.abs,
    "linear": lambda u: u,
    LeakyReLU(0.3): lambda u: np.where(u > 0, u, 0.3 * u),
    LeakyReLU(-0.5): lambda u: np.where(u > 0, u, -0.5 * u),
}


@pytest.mark.parametrize("activation", [*ACTIVATIONS, "erf"], ids=repr)
def test_a_layer_is_the_gaussian_mean_of_the_activation(activation):
    """Unequal variances, and a bias; four standard errors of 4e5 draws."""
    import scipy.special

    x, z = np.array([1.0, 0.5]), np.array([-0.3, 2.0])
    sigma = ACTIVATIONS.get(activation, scipy.special.erf)
    generator = np.random.default_rng(0)
    W, b = generator.standard_normal((400_000, 2)), np.sqrt(0.2) * generator.standard_normal(400_000)
    drawn = 1.5 * sigma(W @ x + b) * sigma(W @ z + b) + 0.2
    kernel = NNGP(depth=1, weight_variance=1.5, bias_variance=0.2, activation=activation)
    assert abs(drawn.mean() - kernel(x[None], z[None])[0, 0]) < 4 * drawn.std() / np.sqrt(len(drawn))


def test_the_tangent_kernel_of_erf_is_the_mean_product_of_slopes():
    x, z = np.array([1.0, 0.5]), np.array([-0.3, 2.0])
    W = np.random.default_rng(0).standard_normal((400_000, 2))
    slopes = (2 / np.sqrt(np.pi)) ** 2 * np.exp(-((W @ x) ** 2) - (W @ z) ** 2) * (x @ z)
    kernel = NTK(depth=1, weight_variance=1.0, activation="erf", trained="first")
    assert abs(slopes.mean() - kernel(x[None], z[None])[0, 0]) < 4 * slopes.std() / np.sqrt(len(slopes))
