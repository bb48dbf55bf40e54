"""A run stopped and resumed equals one never stopped, to the bit; a file that is not its own is refused."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest

from widthwise.errors import DataError
from widthwise.networks import MLP
from widthwise.training import Checkpoint, Plan, Stop, train

# Run in a process of its own that is killed in the middle, and here in one go.
SETTING = """
from dataclasses import dataclass
from typing import ClassVar
import jax.numpy as jnp
import numpy as np
from widthwise.networks import MLP
from widthwise.training import Checkpoint, Momentum, train

@dataclass(frozen=True)
class Moved:
    name: ClassVar[str] = "moved"
    on_host: ClassVar[bool] = False
    def __call__(self, snapshot):
        return jnp.linalg.norm(snapshot.update["W"])

def trained(checkpoint=None, between=None):
    generator = np.random.default_rng(0)
    X, y = generator.standard_normal((12, 3)), generator.standard_normal(12)
    return train(
        MLP(widths=(8,)), X, y, learning_rate=0.001, steps=300, batch_size=5, optimizer=Momentum(), probes=(Moved(),),
        every=25, watch=X[:2], watch_at=np.array([10, 290]), test=(X[:4], y[:4]), seed=3, checkpoint=checkpoint,
        between=between,
    )
"""
KILLED = """
import os, signal, sys
def between(done):
    if done >= 150:
        os.kill(os.getpid(), signal.SIGKILL)
trained(Checkpoint(sys.argv[1], every=40), between)
"""


def same(one, other):
    for name in ("steps", "residual", "loss", "watched", "outputs", "probe_steps", "error", "test_loss", "test_error"):
        assert np.array_equal(getattr(one.history, name), getattr(other.history, name)), name
    assert one.history.probes.keys() == other.history.probes.keys()
    for name, values in one.history.probes.items():
        assert np.array_equal(values, other.history.probes[name])
    for name, values in one.params.items():
        assert np.array_equal(values, other.params[name])
    assert (one.steps, one.stopped) == (other.steps, other.stopped)


def test_a_run_killed_and_resumed_equals_one_never_stopped(tmp_path):
    path = tmp_path / "run.npz"
    done = subprocess.run([sys.executable, "-c", SETTING + KILLED, str(path)], timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    names: dict = {}
    # The same text as in the process that was killed, without this module's future annotations.
    exec(compile(SETTING, "setting", "exec", dont_inherit=True), names)  # noqa: S102
    seen = []
    resumed = names["trained"](names["Checkpoint"](path, every=40), seen.append)
    # The last state on disk is that of step 120.
    assert seen[0] > 120
    same(resumed, names["trained"]())
    # The file of a run that has ended gives its result again, without a step.
    seen.clear()
    same(names["trained"](path, seen.append), resumed)
    assert seen == []


def problem():
    generator = np.random.default_rng(1)
    return generator.standard_normal((10, 4)), generator.standard_normal(10)


class InterruptedRunError(Exception):
    pass


def interrupt_at(step):
    def between(done):
        if done == step:
            raise InterruptedRunError

    return between


def test_a_blocked_run_resumes_to_the_bit(tmp_path):
    X, y = problem()
    plan = Plan(path="blocked", block=16, lanes=2)

    def trained(**more):
        return train(
            MLP(widths=(64,)),
            X,
            y,
            learning_rate=0.01,
            steps=60,
            watch=X,
            watch_at=np.array([20, 40]),
            plan=plan,
            **more,
        )

    kept = Checkpoint(tmp_path / "run.npz", every=7)
    with pytest.raises(InterruptedRunError):
        trained(checkpoint=kept, between=interrupt_at(40))
    same(trained(checkpoint=kept), trained())


def test_a_run_that_stopped_early_stays_where_it_stopped(tmp_path):
    X, y = problem()
    given = {"learning_rate": 0.01, "steps": 500, "stop": Stop(loss=2.0), "checkpoint": tmp_path / "run.npz"}
    plan = Plan(path="blocked", block=16)
    first = train(MLP(widths=(64,)), X, y, plan=plan, **given)
    assert first.stopped == "loss"
    same(train(MLP(widths=(64,)), X, y, plan=plan, **given), first)


def test_a_file_of_another_run_or_a_damaged_one_is_refused(tmp_path):
    X, y = problem()
    path = tmp_path / "run.npz"
    given = {"steps": 5, "plan": Plan(path="blocked"), "checkpoint": path}
    train(MLP(widths=(8,)), X, y, learning_rate=0.1, **given)
    for net, rate, rows in ((MLP(widths=(8,)), 0.2, X), (MLP(widths=(10,)), 0.1, X), (MLP(widths=(8,)), 0.1, 2 * X)):
        with pytest.raises(DataError, match="belongs to another run"):
            train(net, rows, y, learning_rate=rate, **given)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:200] + bytes([whole[200] ^ 255]) + whole[201:], b"not a file"):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="is not a whole checkpoint of widthwise"):
            train(MLP(widths=(8,)), X, y, learning_rate=0.1, **given)
