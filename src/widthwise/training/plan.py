"""How a run is computed: fixed once, before it starts, and kept with its result.

The same plan on the same machine and versions gives the same bits; another plan may differ in the last digits.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from widthwise._checks import count
from widthwise.errors import UsageError

Path = Literal["compiled", "blocked"]
Mode = Literal["map", "vmap"]
Precision = Literal["float32", "float64"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How networks are trained.

    Attributes:
        path: `compiled`, the whole loop by JAX, any network and rule; `blocked`, blocks of neurons in cache by BLAS, for
            full-batch descent on the first layer of one hidden layer, on a CPU.
        mode: `map`, networks one after the other in one compiled loop; `vmap`, side by side.
        batch: networks of one compiled call; with `vmap` a smaller group is filled up to it, since the order of sums
            may depend on it.
        dtype: `float32` or `float64`.
        device: kind of device, as JAX calls it: `cpu`, `gpu`, ...
        lanes: parts into which a blocked path splits the neurons, one thread each; their sums are added in order.
        block: most neurons of a block.
    """

    path: Path = "compiled"
    mode: Mode = "map"
    batch: int = 1
    dtype: Precision = "float32"
    device: str = "cpu"
    lanes: int = 1
    block: int = 128

    def __post_init__(self) -> None:
        for name, known in (
            ("path", ("compiled", "blocked")),
            ("mode", ("map", "vmap")),
            ("dtype", ("float32", "float64")),
        ):
            if getattr(self, name) not in known:
                raise UsageError(f"{name} must be {known[0]!r} or {known[1]!r}; {getattr(self, name)!r} came")
        for name in ("batch", "lanes", "block"):
            count(getattr(self, name), name)

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain data, for a hash or a file."""
        return asdict(self)
