"""The package: cheap to import, whole in its names, and without effect on anybody's settings."""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
import types
from pathlib import Path

import jax
import numpy as np
import pytest

import widthwise as ww

HEAVY = (
    "jax",
    "jaxlib",
    "sklearn",
    "pandas",
    "scipy",
    "numpy",
    "matplotlib",
    "jaxtyping",
    "pydantic",
    "jinja2",
    "rich",
)
FUNCTIONS = sorted(
    name
    for name in ww.__all__
    if callable(getattr(ww, name)) and not isinstance(getattr(ww, name), (type, types.ModuleType))
)


def heavy_modules_after(code: str) -> list[str]:
    """What a fresh interpreter has imported of the heavy libraries when it has run some code."""
    ask = f"import json, sys\n{code}\nprint()\nprint(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout.splitlines()[-1])


def submodules() -> list[str]:
    return [m.name for m in pkgutil.walk_packages(ww.__path__, "widthwise.")]


def test_importing_the_package_loads_no_library():
    assert heavy_modules_after("import widthwise") == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        *([*verb, "--help"] for verb in (["audit"], ["conditions"], ["doctor"], ["schema"], ["sweep", "run"])),
    ],
)
def test_asking_for_help_loads_no_library(arguments):
    code = f"from widthwise.cli import main\ntry:\n    main({arguments!r})\nexcept SystemExit as left:\n    assert not left.code"
    assert heavy_modules_after(code) == []


def test_the_check_for_heavy_modules_sees_them():
    assert "numpy" in heavy_modules_after("import numpy")


def test_every_public_name_resolves_and_is_listed_once():
    assert len(set(ww.__all__)) == len(ww.__all__)
    assert dir(ww) == sorted(ww.__all__)
    for name in ww.__all__:
        assert getattr(ww, name) is not None


def test_every_public_name_of_every_subpackage_resolves():
    for name in submodules():
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", ()):
            assert getattr(module, public) is not None, f"{name}.{public}"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'adit'"):
        _ = ww.adit


@pytest.mark.parametrize("function", FUNCTIONS)
def test_importing_any_module_leaves_the_public_functions_callable(function):
    for name in submodules():
        importlib.import_module(name)
    assert callable(getattr(ww, function))
    assert not isinstance(getattr(ww, function), types.ModuleType)


def test_no_module_at_the_root_carries_the_name_of_a_public_function():
    assert FUNCTIONS == ["audit", "conditions", "load", "sweep", "train"]
    modules = {path.stem for path in Path(ww.__file__).parent.iterdir()}
    assert modules.isdisjoint(FUNCTIONS)


def test_importing_everything_and_auditing_leave_the_precision_of_jax_alone():
    for name in submodules():
        importlib.import_module(name)
    assert not jax.config.jax_enable_x64
    X = np.random.default_rng(0).normal(size=(12, 2))
    ww.audit(X, X[:, 0] > 0, verify="quick", pad=1.0)
    assert not jax.config.jax_enable_x64


def test_the_schema_travels_with_the_package():
    assert (Path(ww.__file__).parent / "audits" / "audit-1.schema.json").is_file()
    assert (Path(ww.__file__).parent / "py.typed").is_file()
