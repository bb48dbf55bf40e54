"""Settings in three forms: rates against what diverges, predictions against runs, and code that does what it says."""

from __future__ import annotations

import ast

import jax.numpy as jnp
import numpy as np
import pytest

import widthwise as ww
from widthwise import theory
from widthwise.audits import recommended, snippets
from widthwise.datasets import encode, prepare
from widthwise.kernels import NNGP, NTK, HInf
from widthwise.networks import MLP, empirical_ntk
from widthwise.networks.laws import Normal


def rows(n=60, classes=3, scale="standardise", tau=1.0, seed=0):
    """A data set, its scaled rows, its coded targets and how both were made."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)) + 2.0
    y = np.digitize(X[:, 0], np.quantile(X[:, 0], np.arange(1, classes) / classes)) if classes else X[:, 0] * X[:, 1]
    ds = ww.load(X, y, task="classification" if classes else "regression")
    features = prepare(ds.X, scale=scale, tau=tau)
    coded = encode(ds).Y
    return (
        ds,
        features,
        coded / (1.0 if classes else coded.std()),
        snippets.Preparation.of(ds, features, coding="centred"),
    )


def test_the_standard_form_has_the_full_tangent_kernel_times_the_root_of_the_width():
    _, features, _, _ = rows(12)
    width = 2**15
    law = Normal(width**-0.25)
    net = MLP(widths=(width,), parametrisation="plain", trained="weights", weight_laws=(law, law))
    rows_in = jnp.asarray(features.X, dtype=jnp.float32)
    K = np.asarray(empirical_ntk(net, net.init(0, d=features.X.shape[1]), rows_in)) / np.sqrt(width)
    limit = HInf()(features.X) + NNGP(depth=1, weight_variance=1.0)(features.X)
    assert np.allclose(limit, NTK(depth=1, weight_variance=1.0)(features.X), rtol=0, atol=1e-12)
    # Entries are means over half as many independent pairs of products of fourth moment 3 and less.
    assert np.abs(K - limit).max() <= 6 * np.sqrt(3 / (width / 2))


@pytest.mark.parametrize("form", ["standard", "sgd"])
def test_what_every_form_does_comes_nearer_to_the_prediction_with_the_width(form):
    _, features, Y, code = rows(classes=0)
    make = recommended.standard if form == "standard" else recommended.mini_batches
    narrow, wide = (np.mean([make(features.X, Y, code, width=w, seed=seed).gap for seed in (0, 1)]) for w in (64, 4096))
    found = make(features.X, Y, code, width=64, seed=0)
    assert found.start == pytest.approx(np.mean(Y**2))
    assert found.predicted < found.start / 2
    assert wide < narrow
    # The band of the audit.
    assert wide <= 0.05


def test_rates_are_half_of_what_diverges():
    _, features, Y, code = rows()
    found = recommended.standard(features.X, Y, code, width=1024, seed=0)
    net = MLP(
        widths=(1024,),
        parametrisation="plain",
        trained="weights",
        outputs=3,
        weight_laws=(Normal(1024**-0.25), Normal(1024**-0.25)),
    )
    runs = [
        ww.train(net, features.X, Y, loss="mean_squared", learning_rate=factor * found.learning_rate, steps=200)
        for factor in (1.0, 3.0)
    ]
    assert runs[0].history.loss[-1] < 0.5 * found.start
    # Beyond twice 1 / lambda_max the lazy regime cannot hold: it leaves it or diverges.
    assert runs[1].diverged is not None or max(runs[1].history.loss) > 2 * found.start


def test_the_rate_of_batches_is_at_most_half_of_what_feeds_their_noise():
    _, features, Y, code = rows(200)
    found = recommended.mini_batches(features.X, Y, code, seed=0)
    spectrum = theory.spectrum(HInf()(features.X))
    assert found.batch == 64
    rate = found.learning_rate * 2 / Y.size
    assert rate <= theory.largest_stable_sgd_rate(spectrum, batch=64) / 2 * (1 + 1e-12)
    assert rate <= theory.recommended_rate(spectrum) * (1 + 1e-12)


def run(snippet, ds, names):
    """Execute a snippet on raw rows; the labels are class names, as a user has them."""
    place = {"X": ds.X, "y": ds.y if not ds.classes else np.array(ds.classes)[ds.y.astype(int)]}
    exec(compile(snippet.code, snippet.name, "exec"), place)  # noqa: S102 - that is the point
    return [place[name] for name in names]


@pytest.mark.parametrize("name", ["scikit-learn", "PyTorch"])
@pytest.mark.parametrize(
    ("classes", "scale", "tau"), [(0, "standardise", 0.5), (2, "unit", 0.0), (3, "unit", 1.0), (3, "none", 1.0)]
)
def test_the_code_to_paste_prepares_trains_and_arrives_where_predicted(classes, scale, tau, name):
    if name == "PyTorch":
        pytest.importorskip("torch", reason="PyTorch is no part of the tests' environment")
    ds, features, Y, code = rows(40, classes, scale, tau)
    several = [recommended.standard(features.X, Y, code, width=512, seed=seed) for seed in range(4)]
    text = next(s for s in several[0].snippets if s.name == name)
    Z, targets, loss = run(text, ds, ("Z", "Y", "loss"))
    # PyTorch's arrays are of single precision.
    close = {"rtol": 1e-6, "atol": 1e-6} if name == "PyTorch" else {"rtol": 1e-12, "atol": 1e-12}
    assert np.allclose(np.asarray(Z), features.X, **close)
    assert np.allclose(np.asarray(targets), Y, **close)
    # Another draw of the same start: within four of its standard deviations from the mean of four of ours.
    ends = np.sqrt([s.measured / s.start for s in several])
    assert abs(np.sqrt(loss / several[0].start) - ends.mean()) <= 4 * ends.std(ddof=1) * np.sqrt(1 + 1 / 4)
    assert ends.std(ddof=1) < 0.03


def test_the_code_scales_constant_columns_and_columns_of_any_size_as_the_audit_does():
    X = np.column_stack(
        [np.full(30, 0.1), np.random.default_rng(0).normal(size=(30, 2)) * [1e-9, 1e9], np.arange(30.0)]
    )
    features = prepare(X, scale="standardise", tau=0.5)
    code = snippets.Preparation(scale="standardise", tau=0.5, classes=0, centred=True).code()
    place = {"X": X, "y": np.arange(30.0)}
    exec(compile(code, "code", "exec"), place)  # noqa: S102 - that is the point
    np.testing.assert_allclose(place["Z"], features.X, rtol=1e-12, atol=1e-12)


def test_the_code_for_widthwise_arrives_where_measured():
    ds, features, Y, code = rows(100)
    found = recommended.mini_batches(features.X, Y, code, seed=0, width=512)
    (loss,) = run(found.snippets[0], ds, ("loss",))
    # Rates are written to six digits.
    assert loss == pytest.approx(found.measured, rel=1e-3)


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_the_code_for_pytorch_is_python_and_sets_its_start(classes):
    _, features, Y, code = rows(classes=classes)
    found = recommended.standard(features.X, Y, code, width=64, seed=0)
    text = next(s for s in found.snippets if s.name == "PyTorch").code
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    assert {"torch", "net", "optimiser", "loss"} <= names
    assert f"lr={found.learning_rate:.6g}" in text
    assert f"range({found.steps})" in text


def test_the_report_holds_three_forms_their_code_and_what_does_not_translate(two_classes):
    found = two_classes.recommended
    assert [s.form for s in found.settings] == ["theory", "standard", "sgd"]
    assert all(s.measured is not None for s in found.settings)
    theory_run = two_classes.verification
    first = found.settings[0]
    assert first.gap <= theory_run.gap(first.width) + 1e-12
    html = two_classes.to_html()
    for word in ("Settings in three forms", "torch.optim.SGD", "MLPRegressor", "Adam", "Feature learning"):
        assert word in html


def test_nothing_is_recommended_unchecked(many_classes):
    assert many_classes.recommended is None
