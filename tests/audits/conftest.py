"""Audits that several files look at, each done once."""

from __future__ import annotations

import numpy as np
import pytest

import widthwise as ww


@pytest.fixture(scope="session")
def digits():
    """The default audit, trainings included."""
    return ww.audit("digits")


@pytest.fixture(scope="session")
def two_classes():
    """Two overlapping classes in three features, checked by training."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(80, 3))
    return ww.audit(X, np.where(X[:, 0] + 0.5 * rng.normal(size=80) > 0, "yes", "no"))


@pytest.fixture(scope="session")
def many_classes():
    """Seven classes on a line, one of them of a single row; not checked."""
    rng = np.random.default_rng(2)
    codes = np.concatenate([np.repeat(np.arange(6), 12), [6]])
    X = np.column_stack([codes + 0.2 * rng.normal(size=73), rng.normal(size=73)])
    return ww.audit(X, np.array(list("abcdefg"))[codes], verify="none", pad=1.0)


@pytest.fixture(scope="session")
def numbers():
    """A regression in units far from one, checked by training."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 2))
    return ww.audit(X, 500.0 + 77.0 * (X[:, 0] * X[:, 1] + 0.1 * rng.normal(size=60)), task="regression")


@pytest.fixture(scope="session")
def pictures():
    """Colour images of two kinds, one of them with a wrong label."""
    rng = np.random.default_rng(4)
    y = np.arange(40) % 2
    X = rng.uniform(0, 100, size=(40, 5, 4, 3))
    X[y == 1, :, :, 0] += 150
    y[6] = 1
    return ww.audit(X, y, verify="none")


@pytest.fixture(scope="session")
def conflicting():
    """Rows that coincide and differ in their labels, so the kernel is singular and some steps are never reached."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(60, 3))
    y = (X[:, 0] > 0).astype(int)
    X[10:14] = X[9]
    y[9:14] = [0, 1, 1, 0, 1]
    X[21] = X[20]
    y[20:22] = [0, 1]
    return ww.audit(X, y, verify="none")


@pytest.fixture(scope="session")
def audits(two_classes, many_classes, numbers, pictures, conflicting):
    """One of each kind."""
    return {
        "two classes": two_classes,
        "many classes": many_classes,
        "numbers": numbers,
        "pictures": pictures,
        "conflicting": conflicting,
    }
