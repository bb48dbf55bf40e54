"""What has been watched of one network so far, growing as it trains."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from widthwise.training.run import History
from widthwise.training.task import Task

# Kept of every record, whatever the probes.
_ALWAYS = ("loss", "residual", "error", "test_loss", "test_error")


class Log:
    """Losses of every step, records at the cadence of the probes, and outputs on the watched rows.

    Args:
        task: what is trained; it says which steps are which.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._losses: list[np.ndarray] = []
        self._norms: list[np.ndarray] = []
        self._records: dict[str, list[np.ndarray]] = {}
        self._at: list[int] = []
        self._watched: list[int] = []
        self._outputs: list[np.ndarray] = []
        self._last: tuple[float, float] | None = None
        self.closed = False

    def steps(self, losses: np.ndarray, norms: np.ndarray) -> None:
        """Keep losses and residuals that steps have evaluated."""
        if self._task.exact and len(losses):
            self._losses.append(losses)
            self._norms.append(norms)

    def record(self, done: int, values: Mapping[str, np.ndarray], *, probed: bool, watched: bool) -> None:
        """Keep measures taken after `done` steps."""
        self._last = (float(values["loss"]), float(values["residual"]))
        if probed:
            self._at.append(done)
            for name, value in values.items():
                if name in _ALWAYS or name.startswith("probe/"):
                    self._records.setdefault(name, []).append(np.asarray(value))
        if watched:
            self._watched.append(done)
            self._outputs.append(np.asarray(values["watched"], np.float64))

    def history(self, done: int) -> History:
        """The history of a run that ended after `done` steps."""
        kept = {name: np.stack(values) for name, values in self._records.items()}
        numbers = {name: kept.get(name, np.zeros(0)).astype(np.float64) for name in _ALWAYS}
        if self._task.exact:
            losses, norms = (np.concatenate([np.zeros(0), *parts]) for parts in (self._losses, self._norms))
            if len(losses) == done and self._last is not None:
                losses, norms = (np.append(v, last) for v, last in zip((losses, norms), self._last, strict=True))
            steps = np.arange(len(losses))
        else:
            losses, norms, steps = numbers["loss"], numbers["residual"], np.asarray(self._at, np.int64)
        shape = (0, len(self._task.watch), self._task.net.outputs)
        return History(
            steps=steps,
            residual=norms,
            loss=losses,
            watched=np.asarray(self._watched, np.int64),
            outputs=np.stack(self._outputs) if self._outputs else np.zeros(shape),
            probe_steps=np.asarray(self._at, np.int64),
            probes={name.removeprefix("probe/"): v for name, v in kept.items() if name.startswith("probe/")},
            error=numbers["error"],
            test_loss=numbers["test_loss"],
            test_error=numbers["test_error"],
        )

    def state(self) -> dict[str, np.ndarray]:
        """Everything kept, as arrays by name."""
        found = {
            "losses": np.concatenate([np.zeros(0), *self._losses]),
            "norms": np.concatenate([np.zeros(0), *self._norms]),
            "at": np.asarray(self._at, np.int64),
            "watched": np.asarray(self._watched, np.int64),
            "outputs": np.asarray(self._outputs, np.float64),
            "closed": np.asarray(self.closed),
            "last": np.asarray(self._last if self._last is not None else [], np.float64),
        }
        return found | {f"records/{name}": np.stack(values) for name, values in self._records.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from what `state` gave."""
        self._losses, self._norms = [state["losses"]], [state["norms"]]
        self._at, self._watched = ([int(k) for k in state[name]] for name in ("at", "watched"))
        self._outputs = list(state["outputs"])
        self.closed = bool(state["closed"])
        self._last = (float(state["last"][0]), float(state["last"][1])) if len(state["last"]) else None
        self._records = {
            name.removeprefix("records/"): list(values) for name, values in state.items() if name.startswith("records/")
        }
