"""What a job runs: data from its settings, a network, a training, and the numbers that are kept of it.

The result depends on the job's content alone: rows, label noise, start and batches are drawn from its own seeds.
"""

from __future__ import annotations

import functools
import importlib.metadata
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from widthwise._jax import float64, full_products
from widthwise.datasets import Dataset, decode, encode, load, prepare, resolve_scale, synthetic
from widthwise.errors import DataError, UsageError
from widthwise.networks import MLP, presets
from widthwise.networks.network import Network
from widthwise.sweeps.plan import Source
from widthwise.sweeps.settings import Settings
from widthwise.training import probes, train
from widthwise.training.blocked import block_size, is_first_layer
from widthwise.training.plan import Plan
from widthwise.training.run import TrainingRun
from widthwise.training.snapshot import Probe

MEASURES: Final = (
    "rows",
    "d",
    "outputs",
    "parameters",
    "steps_done",
    "diverged",
    "train_loss",
    "relative_residual",
    "train_error",
    "test_error",
    "movement",
)
"""What every job measures, probes aside."""


_LEAST: Final = 4_000_000  # multiplications of a step from which blocks are faster, about
_DATA: Final = (
    "data", "target", "n", "n_test", "d", "sigma", "scale", "tau", "label_noise", "data_seed", "loss",
)  # fmt: skip
_NETWORK: Final = (
    "depth", "parametrisation", "trained", "antisymmetric", "kappa", "activation", "readout", "weight_variance",
    "bias_variance", "input_scale", "last_variance", "alpha",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """Rows to train and to test on.

    Attributes:
        X: training rows, scaled.
        targets: as the loss takes them.
        outputs: of the network.
        held: rows held out, scaled; none where none are asked for.
        classes: number of classes, 0 for regression.
        codes: class of each training row with its noise, then of each held-out row; targets for regression.
        offset: what was subtracted from each column of the coded targets.
    """

    X: Float[np.ndarray, "n d"]
    targets: np.ndarray
    outputs: int
    held: Float[np.ndarray, "m d"]
    classes: int
    codes: np.ndarray
    offset: Float[np.ndarray, " k"]


def source(settings: Settings) -> Source:
    """Digest and size of the data set that settings name."""
    ds = _source(settings)
    two = settings.loss == "cross_entropy"
    outputs = len(ds.classes) if len(ds.classes) > 2 or two else 1
    n = ds.n if _is_read(settings) else settings.n or ds.n
    return Source(digest=ds.digest, n=n, d=ds.d, outputs=max(outputs, 1))


def network(settings: Settings, *, outputs: int) -> Network:
    """The network of a job.

    Raises:
        UsageError: if its settings do not go together.
    """
    if settings.network != "mlp":
        return _preset(settings, outputs)
    pairs = settings.antisymmetric
    if pairs is None:
        pairs = settings.depth == 1 and settings.readout == "signs" and settings.parametrisation != "chen2019"
    return MLP(
        widths=(settings.width,) * settings.depth,
        parametrisation=settings.parametrisation,
        trained=settings.trained,
        antisymmetric=pairs,
        kappa=settings.kappa,
        outputs=outputs,
        activation=settings.activation,
        readout=settings.readout,
        weight_variance=settings.weight_variance,
        bias_variance=settings.bias_variance,
        input_scale=settings.input_scale,
        last_variance=settings.last_variance,
        alpha=settings.alpha,
    )


def probes_of(settings: Settings) -> tuple[Probe, ...]:
    """The probes of a job.

    Raises:
        UsageError: if a name is unknown.
    """
    return probes.chosen(tuple(settings.probes))


def training_plan(settings: Settings, net: Network, n: int, d: int) -> Plan:
    """How a job is trained: a rule of its settings alone, so that it is the same whichever worker runs it.

    Blocks of neurons where a step is enough work for them, else the compiled loop, which jobs of one shape share; one lane,
    since a worker has one core.
    """
    large = n * d * settings.width >= _LEAST
    plain = settings.optimizer in ("gd", "sgd") and settings.batch_size is None
    if large and plain and is_first_layer(net):
        return Plan(path="blocked", dtype=settings.dtype, lanes=1, block=block_size(n))
    return Plan(dtype=settings.dtype)


def run(job: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Train as a job says.

    Args:
        job: its `settings`, the digest of its `data`.

    Returns:
        Measures, numbers that are None where they are not finite or do not apply; and arrays along training.

    Raises:
        DataError: if the data are not those of the plan, or too few.
        UsageError: if settings do not go together.
    """
    settings = Settings(**job["settings"])
    found = _source(settings)
    if found.digest != job["data"]:
        raise DataError(
            f"{settings.data} has changed since the sweep was planned (digest {found.digest[:12]}, planned "
            f"{str(job['data'])[:12]}): bring the old data back, or start another sweep"
        )
    material = material_of(settings)
    net = network(settings, outputs=material.outputs)
    done = train(
        net,
        material.X,
        material.targets,
        learning_rate=settings.learning_rate,
        steps=settings.steps,
        loss=settings.loss,
        optimizer=settings.optimizer,
        batch_size=settings.batch_size,
        sampling=settings.sampling,
        probes=probes_of(settings),
        every=settings.every,
        seed=settings.seed,
        plan=training_plan(settings, net, *material.X.shape),
    )
    return _measures(settings, material, net, done), _arrays(done)


def _measures(settings: Settings, material: Material, net: Network, done: TrainingRun) -> dict[str, Any]:
    errors = _errors(settings, material, net, done)
    start = {name: np.asarray(done.start[name], np.float64) for name in done.update}
    update = {name: np.asarray(done.update[name], np.float64) for name in done.update}
    history = done.history
    found: dict[str, Any] = {
        "rows": len(material.X),
        "d": material.X.shape[1],
        "outputs": material.outputs,
        "parameters": int(sum(value.size for value in update.values())),
        "steps_done": done.steps,
        "diverged": done.diverged,
        "train_loss": history.loss[-1],
        "relative_residual": history.relative[-1],
        "train_error": errors[0],
        "test_error": errors[1],
        "movement": _norm(update) / _norm(start) if _norm(start) else None,
    }
    for probe, values in history.probes.items():
        name = probe.replace(".", "_")  # a name that formulas can hold
        if values.ndim == 1 and len(values):
            found[f"probe_{name}" if name in Settings.model_fields or name in found else name] = values[-1]
    return {name: _plain(value) for name, value in found.items()} | {"versions": _versions()}


def _errors(
    settings: Settings, material: Material, net: Network, done: TrainingRun
) -> tuple[float | None, float | None]:
    """Error at the end on training and held-out rows: share of rows put wrong, or mean squared error for regression."""
    if done.diverged is not None:
        return None, None
    rows = np.concatenate((material.X, material.held)) if len(material.held) else material.X
    if settings.dtype == "float64":
        with float64():
            outputs = np.asarray(net.apply(done.params, jnp.asarray(rows)))
    else:
        with full_products():
            outputs = np.asarray(net.apply(done.params, jnp.asarray(rows, jnp.float32)), np.float64)
    if material.classes:
        wrong = decode(outputs + material.offset, material.classes) != material.codes
    else:
        wrong = ((outputs[:, 0] + material.offset[0]) - material.codes) ** 2
    n = len(material.X)
    return float(np.mean(wrong[:n])), float(np.mean(wrong[n:])) if len(material.held) else None


def _arrays(done: TrainingRun) -> dict[str, np.ndarray]:
    history = done.history
    found = {"steps": history.steps, "loss": history.loss, "residual": history.residual}
    found |= {"probe_steps": history.probe_steps, "error": history.error}
    return {**found, **{f"probe.{name}": np.asarray(values) for name, values in history.probes.items()}}


def _is_read(settings: Settings) -> bool:
    """Whether the data are read, not generated."""
    return not settings.data.startswith("synthetic:")


def _source(settings: Settings) -> Dataset:
    """The data that a job's rows are chosen from; of what is generated, a few rows that tell whether it is still the same."""
    if _is_read(settings):
        return _loaded(settings.data, settings.target)
    return _generated(settings.data, settings.d, settings.sigma, 8, 0, 0)[0]


@functools.lru_cache(maxsize=8)
def _loaded(data: str, target: str | None) -> Dataset:
    return load(data, target=target)


@functools.lru_cache(maxsize=8)
def _generated(  # noqa: PLR0917 - a cache has no use for names
    data: str, d: int | None, sigma: float | None, n: int, n_test: int, seed: int
) -> tuple[Dataset, Dataset | None]:
    """Training and test rows of a generated set."""
    kind = data.partition(":")[2]
    generator = np.random.default_rng([seed, 2])
    if kind == "clusters":
        options = {name: value for name, value in (("d", d), ("sigma", sigma)) if value is not None}
        found: Any = synthetic.clusters(n, n_test, seed=generator, **options)  # type: ignore[arg-type]
        classes = tuple(str(code) for code in range(10))
    elif kind in ("sine", "tanh"):
        if d is not None or sigma is not None:
            raise UsageError(f"d and sigma belong to synthetic:clusters; {data} has four columns")
        found, classes = synthetic.composed(kind, n, n_test, seed=generator), ()
    else:
        raise UsageError(f"generated sets are synthetic:clusters, synthetic:sine and synthetic:tanh; {data!r} came")

    def dataset(X: np.ndarray, y: np.ndarray) -> Dataset:
        return Dataset(
            X=X, y=y, task="classification" if classes else "regression", task_reason="generated", classes=classes,
            feature_names=tuple(f"x{j}" for j in range(X.shape[1])), target_name="class" if classes else "y", source=data,
            kind="table", image_shape=None, notes=(), alerts=(), rows=np.arange(len(X)),
        )  # fmt: skip

    return dataset(found.X, found.y), dataset(found.X_test, found.y_test) if n_test else None


def _preset(settings: Settings, outputs: int) -> Network:
    """The network of a paper.

    Raises:
        UsageError: if a setting of other networks is given with it.
    """
    free = {name: Settings.model_fields[name].default for name in _NETWORK}
    if settings.network == "arora2019":
        del free["kappa"], free["antisymmetric"]
    given = [name for name, default in free.items() if getattr(settings, name) != default]
    if given:
        raise UsageError(f"network {settings.network!r} fixes {given[0]}: leave it out, or take network 'mlp'")
    match settings.network:
        case "liliang2018":
            return presets.liliang2018(settings.width, outputs=outputs).net
        case "allenzhu2018":
            return presets.allenzhu2018_two_layer(settings.width, outputs=outputs).net
        case "allenzhu2018-three-layer":
            return presets.allenzhu2018_three_layer(settings.width, outputs=outputs).net
        case _:
            return presets.arora2019(
                settings.width, kappa=settings.kappa, antisymmetric=bool(settings.antisymmetric), outputs=outputs
            ).net


def material_of(settings: Settings) -> Material:
    """The rows of a job; jobs of equal data settings share them."""
    return _chosen(settings.model_dump_json(include=set(_DATA)))


@functools.lru_cache(maxsize=8)
def _chosen(text: str) -> Material:
    settings = Settings.model_validate_json(text)
    n, n_test, seed = settings.n, settings.n_test, settings.data_seed
    if _is_read(settings):
        ds = _loaded(settings.data, settings.target)
        size = ds.n - n_test if n is None else n
        if size < 1 or size + n_test > ds.n:
            raise DataError(f"{settings.data} has {ds.n} rows: n = {size} and n_test = {n_test} need {size + n_test}")
        # One order of the rows for every n, so that a larger training set holds the smaller ones.
        order = np.random.default_rng([seed, 0]).permutation(ds.n)
        part = ds.take(np.concatenate((order[n_test : n_test + size], order[:n_test])))
        rows, codes = part.X, np.array(part.y)
    else:
        if n is None:
            raise UsageError(f"{settings.data} is generated: say how many rows with n")
        size = n
        ds, held = _generated(settings.data, settings.d, settings.sigma, n, n_test, seed)
        rows = ds.X if held is None else np.concatenate((ds.X, held.X))
        codes = np.array(ds.y) if held is None else np.concatenate((ds.y, held.y))
    scale = resolve_scale(settings.scale, ds.kind)
    if settings.scale == "auto" and not _is_read(settings):
        scale = "none"  # generated rows come as their paper has them
    features = prepare(rows, scale=scale, tau=settings.tau).X
    if settings.label_noise:
        codes[:size] = _noisy(ds, codes[:size], settings.label_noise, np.random.default_rng([seed, 1]))
    targets, offset = _targets(ds, codes[:size], settings.loss)
    return Material(
        X=features[:size],
        targets=targets,
        outputs=targets.shape[1] if targets.ndim == 2 else len(ds.classes) if settings.loss == "cross_entropy" else 1,
        held=features[size:],
        classes=len(ds.classes),
        codes=codes,
        offset=offset,
    )


def _noisy(ds: Dataset, codes: np.ndarray, noise: float, rng: np.random.Generator) -> Int[np.ndarray, " n"]:
    """Class codes of which exactly the share `noise`, rounded to rows, is moved to another class at random."""
    k = len(ds.classes)
    if k < 2:
        raise UsageError(f"label_noise moves rows to other classes; {ds.source} is a regression")
    found = codes.copy()
    rows = rng.permutation(len(codes))[: round(noise * len(codes))]
    found[rows] = (found[rows] + rng.integers(1, k, size=len(rows))) % k
    return found


def _targets(ds: Dataset, codes: np.ndarray, loss: str) -> tuple[np.ndarray, Float[np.ndarray, " k"]]:
    """Targets as a loss takes them, and what a prediction needs added."""
    k = len(ds.classes)
    if loss == "cross_entropy":
        if k < 2:
            raise UsageError(f"cross_entropy needs classes; {ds.source} is a regression")
        return codes.astype(np.int64), np.zeros(k)
    if loss == "logistic":
        if k != 2:
            raise UsageError(f"logistic needs two classes; {ds.source} has {k}")
        return 2.0 * codes - 1.0, np.zeros(1)
    training = Dataset(**{**vars(ds), "y": codes, "X": np.zeros((len(codes), 1)), "rows": np.arange(len(codes))})
    coded = encode(training, coding="centred")
    return coded.Y, coded.offset


@functools.cache
def _versions() -> str:
    """What the last bits of a result depend on beside its job."""
    found = {name: importlib.metadata.version(name) for name in ("widthwise", "jax", "jaxlib", "numpy", "scipy")}
    return ", ".join(f"{name} {version}" for name, version in found.items())


def _norm(values: Mapping[str, np.ndarray]) -> float:
    return math.sqrt(sum(float((value**2).sum()) for value in values.values()))


def _plain(value: Any) -> Any:
    """A number that JSON can hold; None where it is not finite."""
    if value is None or isinstance(value, (str, bool)):
        return value
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(value) if isinstance(value, (int, np.integer)) else number
