"""What a job runs: its rows, its noise and its numbers follow from its settings alone."""

from __future__ import annotations

import json

import jax.numpy as jnp
import numpy as np
import pytest

import widthwise as ww
from widthwise.errors import DataError, UsageError
from widthwise.sweeps import training_job
from widthwise.sweeps.engine import Local
from widthwise.sweeps.settings import Settings
from widthwise.sweeps.spec import read_spec
from widthwise.sweeps.sweep import Sweep, prepare
from widthwise.sweeps.training_job import run, source

SMALL = {"data": "iris", "n": 40, "n_test": 30, "width": 8, "steps": 20, "learning_rate": 0.05}


def made(**changes):
    return Settings(**{**SMALL, **changes})


def job_of(settings):
    return {"settings": json.loads(settings.model_dump_json()), "data": source(settings).digest}


@pytest.fixture(scope="module")
def result():
    return run(job_of(made(probes=["flips", "distances"])))


def test_the_measures_are_those_of_the_training_itself(result):
    measures, arrays = result
    material = training_job.material_of(made())
    net = training_job.network(made(), outputs=3)
    plan = training_job.training_plan(made(), net, *material.X.shape)
    done = ww.train(net, material.X, material.targets, learning_rate=0.05, steps=20, plan=plan)
    np.testing.assert_array_equal(arrays["loss"], done.history.loss)
    assert measures["train_loss"] == done.history.loss[-1]
    assert measures["relative_residual"] == done.history.residual[-1] / done.history.residual[0]
    moved = np.linalg.norm(np.asarray(done.update["W"], np.float64))
    assert measures["movement"] == pytest.approx(
        moved / np.linalg.norm(np.asarray(done.start["W"], np.float64)), rel=1e-12
    )
    assert measures["distances_frobenius"] == pytest.approx(moved, rel=1e-5)
    assert 0 < measures["flips_mean"] < 1
    outputs = np.asarray(net.apply(done.params, jnp.asarray(material.X, jnp.float32)))
    guessed = (outputs + material.offset).argmax(axis=1)
    assert measures["train_error"] == np.mean(guessed != material.codes[:40])
    assert measures["rows"] == 40
    assert measures["d"] == 4
    assert measures["parameters"] == 8 * 4
    assert arrays["probe.flips.mean"].shape == arrays["probe_steps"].shape


def test_equal_jobs_have_equal_results_to_the_bit(result):
    again = run(job_of(made(probes=["flips", "distances"])))
    assert again[0] == result[0]
    for name, values in result[1].items():
        np.testing.assert_array_equal(again[1][name], values)


def test_a_training_that_diverges_is_a_result_with_its_step():
    measures, _ = run(job_of(made(learning_rate=1e6)))
    assert 0 < measures["diverged"] <= 20
    assert measures["train_error"] is None
    assert measures["train_loss"] is None
    json.dumps(measures, allow_nan=False)


def test_training_rows_grow_with_n_and_stay_clear_of_the_held_out_ones():
    ds = ww.load("iris")
    few, many = (training_job.material_of(made(n=n, scale="none")) for n in (20, 60))
    np.testing.assert_array_equal(many.X[:20], few.X)
    np.testing.assert_array_equal(many.held, few.held)
    seen = np.concatenate((many.X, many.held))
    order = np.random.default_rng([0, 0]).permutation(ds.n)
    np.testing.assert_array_equal(seen, ds.X[np.concatenate((order[30:90], order[:30]))])


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.5, 1.0])
def test_label_noise_moves_exactly_its_share_to_other_classes(noise):
    clean = training_job.material_of(made(n=60)).codes
    noisy = training_job.material_of(made(n=60, label_noise=noise)).codes
    changed = clean != noisy
    assert changed[:60].sum() == round(60 * noise)
    assert not changed[60:].any()
    assert set(noisy) <= {0, 1, 2}


def test_noise_of_one_share_is_the_start_of_that_of_a_larger_one():
    one, two = (training_job.material_of(made(n=60, label_noise=noise)).codes for noise in (0.1, 0.3))
    clean = training_job.material_of(made(n=60)).codes
    assert set(np.flatnonzero(one != clean)) < set(np.flatnonzero(two != clean))


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"n": 200}, DataError, "150 rows"),
        ({"data": "diabetes", "label_noise": 0.1}, UsageError, "regression"),
        ({"data": "diabetes", "loss": "cross_entropy"}, UsageError, "classes"),
        ({"loss": "logistic"}, UsageError, "two classes"),
        ({"data": "synthetic:spirals"}, UsageError, "clusters"),
        ({"data": "synthetic:sine", "sigma": 1.0}, UsageError, "clusters"),
        ({"network": "liliang2018", "depth": 2}, UsageError, "fixes depth"),
    ],
)
def test_what_does_not_go_together_is_told(changes, kind, words):
    settings = made(**changes)
    with pytest.raises(kind, match=words):
        run(job_of(settings))


def test_data_that_changed_since_the_plan_are_refused():
    with pytest.raises(DataError, match="has changed since the sweep was planned"):
        run({**job_of(made()), "data": "0" * 64})


def test_generated_rows_follow_from_the_seed_and_regression_is_measured_in_squares():
    settings = made(data="synthetic:sine", n=30, data_seed=3)
    measures, _ = run(job_of(settings))
    material = training_job.material_of(settings)
    np.testing.assert_array_equal(material.X, training_job.material_of(settings).X)
    assert (material.X != training_job.material_of(made(data="synthetic:sine", n=30)).X).any()
    mean = float(np.mean((material.codes[30:] - material.codes[:30].mean()) ** 2))
    assert 0 < measures["test_error"] < 10 * mean
    assert measures["d"] == 4


SPEC = {
    "name": "bits",
    "settings": {"data": "iris", "n": 30, "n_test": 20, "steps": 12, "probes": ["flips"]},
    "product": {"width": [8, 16], "seed": {"count": 3}},
}


def bits(sweep: Sweep) -> dict:
    return {
        job.id: (
            sweep.store.result(job.id)["measures"],
            (sweep.folder / "arrays" / f"{job.id}.npz").read_bytes(),
        )
        for job in sweep.jobs
    }


@pytest.mark.slow
def test_worker_order_and_shard_leave_every_bit_as_it_is(tmp_path):
    whole = ww.sweep(SPEC, out=tmp_path / "whole", workers=2, durable=False)
    parts = prepare(SPEC, out=tmp_path / "parts", durable=False)
    for i in (3, 1, 2):
        parts.resume(workers=1, part=(i, 3))
    reversed_ = prepare(SPEC, out=tmp_path / "reversed", durable=False)
    reversed_.__dict__["jobs"] = reversed_.jobs[::-1]
    reversed_.resume(engine=Local(workers=1, pin=False))
    assert bits(whole) == bits(parts) == bits(reversed_)
    assert len(bits(whole)) == 6


@pytest.mark.slow
@pytest.mark.parametrize("environment", [{"LC_ALL": "C"}, {"PYTHONHASHSEED": "7"}, {"PYTHONOPTIMIZE": "2"}])
def test_locale_hash_seed_and_optimisation_leave_every_bit_as_it_is(tmp_path, monkeypatch, environment):
    plain = ww.sweep(SPEC, out=tmp_path / "plain", durable=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert bits(ww.sweep(SPEC, out=tmp_path / "other", durable=False)) == bits(plain)


def test_the_spec_in_the_store_is_the_spec(tmp_path):
    made = prepare(SPEC, out=tmp_path / "s", durable=False)
    assert Sweep(tmp_path / "s").spec == read_spec(SPEC)[0] == made.spec
    assert made.axes == ("width", "seed")
