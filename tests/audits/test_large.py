"""The path without square matrices against the dense one, within the errors that it states itself."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import widthwise as ww
from widthwise import theory
from widthwise.audits import capacity, quadrature, solves
from widthwise.audits import generalisation as dense
from widthwise.audits.page import page
from widthwise.audits.result import AuditResult
from widthwise.audits.speed import speed
from widthwise.audits.targets import targets
from widthwise.datasets import encode, folds, load, prepare
from widthwise.errors import ResourceError
from widthwise.kernels import HInf


def quiet(*_):
    return None


def regression():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(400, 4))
    return load(X, X[:, 0] * X[:, 1] + 0.3 * rng.normal(size=400), task="regression")


def conflicting():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(500, 6))
    X[400:] = X[:100]
    y = (X[:, 0] > 0).astype(int)
    y[400:420] = 1 - y[400:420]
    return load(X, y)


def digits():
    whole = load("digits")
    return whole.take(np.arange(600))


DATA = {"numbers": regression, "two classes, rows that coincide": conflicting, "ten classes": digits}


@pytest.fixture(scope="module", params=DATA)
def case(request):
    ds = DATA[request.param]()
    scale = "unit" if ds.kind == "image" else "standardise"
    return ds, prepare(ds.X, scale=scale, tau=0.0 if ds.kind == "image" else 1.0)


def test_speed_and_complexity_lie_within_their_errors_of_the_whole_spectrum(case, monkeypatch):
    # Few enough products that the space is not exhausted.
    monkeypatch.setattr(capacity, "STEPS", 12)
    ds, features = case
    Y = targets(ds, "centred").Y
    spectrum = theory.spectrum(HInf()(features.X))
    exact, exact_complexity = speed(spectrum, Y), dense.label_complexity(spectrum, Y, seed=0)
    found, complexity = quadrature.dynamics(features.X, Y, seed=0, advance=quiet)
    true = {f"steps to {p:g} %, {name}": steps for name, all_steps in
            (("given labels", exact.steps), ("shuffled labels", exact.shuffled_steps))
            for p, steps in zip((50, 10, 1), all_steps, strict=True)}  # fmt: skip
    true["largest eigenvalue"] = exact.largest_eigenvalue
    named = {e.quantity: e for e in found.estimates}
    for name, value in true.items():
        if value is None:
            assert name not in named
            continue
        estimate = named[name]
        # Two errors cover 95 % of seeds, and there are eighteen numbers: three are allowed.
        assert abs(estimate.value - value) <= 1.5 * estimate.error, (estimate, value)
        assert estimate.error <= 0.15 * value
    assert found.unreachable == pytest.approx(exact.unreachable, abs=1e-9)
    assert found.rank == exact.rank
    at = np.interp(np.log1p(found.true.steps), np.log1p(exact.true.steps), exact.true.relative)
    assert np.abs(at - found.true.relative).max() < 2e-3
    np.testing.assert_allclose(found.captured, exact.captured, atol=0.04)
    lower, shuffled = complexity.estimates
    assert -1e-9 <= exact_complexity.value - complexity.value <= lower.error + 1e-5 * exact_complexity.value
    assert abs(complexity.shuffled - exact_complexity.shuffled) <= 1.5 * shuffled.error
    assert complexity.percentile < 1.0
    assert complexity.unreachable == pytest.approx(exact_complexity.unreachable, abs=1e-9)


def test_predictions_lie_within_their_errors_of_the_closed_form(case):
    ds, features = case
    Y = np.asarray(encode(ds).Y + encode(ds).offset)
    parts = folds(ds.y, task=ds.task, k=5, seed=0)
    chosen, estimates, how = solves.predict(ds, features, Y, parts, start=4, seed=0, advance=quiet)
    K = dense.KERNEL(features.X)
    scores = {r: theory.nested_scores(K, Y, ridge=r * float(np.mean(np.diag(K))), folds=parts) for r in dense.RIDGES}
    exact = scores[chosen.ridge]
    # Ridges that predict alike are not told apart; what was chosen predicts as well as the best.
    assert exact.loo.mean_square <= 1.02 * min(score.loo.mean_square for score in scores.values())
    # Solved to a thousandth of the labels.
    assert chosen.residual < 1e-3
    assert np.abs(chosen.held_out - exact.held_out).max() < 0.02 * np.abs(Y).max()
    error = next(e for e in estimates if "median" not in e.quantity)
    losses = dense.row_losses(ds, dense.predictions(ds, exact.loo.predictions))
    true = losses.mean() if ds.task == "classification" else np.sqrt(losses.mean())
    assert abs(error.value - true) <= error.error + 1e-3
    # Two standard errors hold a row's prediction in 95 % of cases; a solve's thousandth comes on top.
    spread = next(e for e in estimates if "median" in e.quantity)
    assert np.median(np.abs(chosen.loo - exact.loo.predictions)) <= spread.error + 1e-3
    assert len(how) == 2


def test_the_audit_says_how_and_carries_its_errors_into_json_and_page(monkeypatch):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(150, 3))
    y = np.where(X[:, 0] + 0.5 * rng.normal(size=150) > 0, "yes", "no")
    monkeypatch.setattr(capacity, "ROWS", 100)
    monkeypatch.setattr(capacity, "COMPARED", 60)
    found = ww.audit(X, y, verify="none")
    assert found.data.n == 150
    assert found.generalisation.compared_rows == 60
    assert found.generalisation.compared != found.generalisation.nested
    assert len(found.labels.margins) == 150
    text = " ".join(found.how)
    assert "All 150 rows" in text
    assert "On 60 rows" in text
    again = AuditResult.from_json(found.to_json())
    assert again == found
    html = found.to_html()
    for estimate in (*found.speed.estimates, *found.generalisation.estimates):
        assert estimate.quantity in html
        assert json.dumps(estimate.error) != "Infinity"
    assert "How so many rows were audited" in html
    assert "60 rows" in page(found).verdict[1]
    # The same arguments, the same bits.
    assert ww.audit(X, y, verify="none").to_json() == found.to_json()


def test_with_groups_a_part_of_the_rows_chooses_by_leave_group_out_and_the_folds_keep_its_ridges(monkeypatch):
    rng = np.random.default_rng(2)
    who = np.repeat(np.arange(20), 6)
    X = rng.normal(size=(20, 3))[who] + 0.1 * rng.normal(size=(120, 3))
    y = np.where(rng.permutation(np.arange(20) % 2)[who] > 0, "yes", "no")
    monkeypatch.setattr(capacity, "ROWS", 100)
    monkeypatch.setattr(capacity, "COMPARED", 80)
    found = ww.audit(X, y, groups=who.tolist(), pad=1.0, verify="none")
    assert "closed-form leave-group-out chose the ridges" in " ".join(found.how)
    ds = load(X, y)
    features, Y = prepare(X, scale="standardise", tau=1.0), np.asarray(encode(ds).Y + encode(ds).offset)
    parts = folds(ds.y, task=ds.task, k=5, seed=0, groups=who)
    settled = [10.0**0.5, 0.1, 10.0**-0.25, 0.1, 10.0**0.5, 10.0**1.25]
    chosen, _, how = solves.predict(ds, features, Y, parts, start=0, settled=settled, seed=0, advance=quiet)
    assert chosen.ridge == settled[0] != chosen.row_ridge
    assert chosen.fold_ridges == tuple(settled[1:])
    K = dense.KERNEL(features.X)
    unit = float(np.mean(np.diag(K)))
    for fold, ridge in zip(parts, settled[1:], strict=True):
        exact = theory.nested_scores(K, Y, ridge=ridge * unit, folds=parts).held_out[fold]
        assert np.abs(chosen.held_out[fold] - exact).max() < 0.02
    assert "ridge of each fold" not in how[0]


def test_rows_that_do_not_fit_are_refused_with_a_number_that_does(monkeypatch):
    monkeypatch.setattr(capacity, "available_memory", lambda: int(4e9))
    with pytest.raises(ResourceError, match=r"60000 rows .* 4\.0 GB are free") as refused:
        capacity.check_memory(60_000, 785, 10, 5)
    fits = int(re.search(r"--max-n (\d+)", str(refused.value)).group(1))
    capacity.check_memory(fits, 785, 10, 5)
    with pytest.raises(ResourceError):
        capacity.check_memory(fits + 200, 785, 10, 5)


def test_sixty_thousand_images_fit_into_twenty_gibibytes():
    assert capacity.needed_memory(60_000, 785, 10, 5) < 20 * 2**30
