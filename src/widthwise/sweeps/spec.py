"""What a sweep is: settings, axes over any of them, formulas, and what its report shows; from TOML, a dictionary or Python."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    create_model,
    model_validator,
)

from widthwise.datasets.names import did_you_mean
from widthwise.errors import SpecError
from widthwise.sweeps import formulas
from widthwise.sweeps.lines import key_lines, line_of
from widthwise.sweeps.settings import NUMBERS, Settings, Text, annotated, is_whole

Path_ = tuple[str | int, ...]
_RESERVED: Final = {"con", "prn", "aux", "nul", *(f"{p}{i}" for p in ("com", "lpt") for i in range(1, 10))}
_TAGS: Final = frozenset({"value", "formula", "list", "range"})


def _name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) or name.endswith("."):
        raise ValueError(
            "must be 1 to 100 letters, digits, dots, dashes and underscores, begin with a letter or digit and not end with "
            "a dot: it becomes a folder"
        )
    if name.split(".", maxsplit=1)[0].lower() in _RESERVED:
        raise ValueError("is reserved by Windows; choose another")
    return name


def _formula(text: str) -> str:
    unknown = sorted(formulas.names(text) - set(NUMBERS))
    if unknown:
        raise ValueError(
            f"the formula {text!r} names {unknown[0]!r}, which is no setting that is a number"
            f"{did_you_mean(unknown[0], NUMBERS) or '.'}"
        )
    return text


Formula = Annotated[str, AfterValidator(_formula), Field(description="Of other settings, as '10 / width'.")]


class Range(BaseModel):
    """Equally spaced numbers, both ends among them; whole ones are rounded, and equal ones taken once."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    start: float = Field(0, alias="from", allow_inf_nan=False)
    stop: float | None = Field(None, alias="to", allow_inf_nan=False)
    count: Annotated[int, Field(ge=1, le=1_000_000)]
    spacing: Literal["linear", "log"] = "linear"

    @model_validator(mode="after")
    def _positive_if_log(self) -> Range:
        if self.spacing == "log" and (self.start <= 0 or self.stop is None or self.stop <= 0):
            raise ValueError("a range with spacing 'log' needs positive ends, `from` and `to`")
        return self

    def values(self, *, whole: bool) -> list[float | int]:
        """The numbers; without `to` they are start, start + 1, ..."""
        stop = self.start + self.count - 1 if self.stop is None else self.stop
        spread = np.geomspace if self.spacing == "log" else np.linspace
        found = [float(v) for v in spread(self.start, stop, self.count)]
        return list(dict.fromkeys(round(v) for v in found)) if whole else list(found)


def _kind(value: object) -> str:
    return "formula" if isinstance(value, str) else "value"


def _fixed(name: str) -> Any:
    """A setting in a spec: its value, or a formula where it is a number."""
    if name not in NUMBERS:
        return annotated(name)
    return Annotated[
        Annotated[annotated(name), Tag("value")] | Annotated[Formula, Tag("formula")], Discriminator(_kind)
    ]


def _several(name: str) -> Any:
    """The values of an axis."""
    one = _fixed(name)
    many: Any = Annotated[list[one], Field(min_length=1)]  # type: ignore[valid-type]
    if name not in NUMBERS:
        return many
    kind = Discriminator(lambda value: "range" if isinstance(value, (Mapping, Range)) else "list")
    return Annotated[Annotated[many, Tag("list")] | Annotated[Range, Tag("range")], kind]


_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)
Fixed = create_model(
    "Fixed",
    __config__=_STRICT,
    **{
        name: (_fixed(name), Field(default=None, description=field.description))
        for name, field in Settings.model_fields.items()
    },  # type: ignore[call-overload]
)
Axes = create_model(
    "Axes",
    __config__=_STRICT,
    **{
        name: (_several(name), Field(default=None, description=field.description))
        for name, field in Settings.model_fields.items()
    },  # type: ignore[call-overload]
)


class FigureSpec(BaseModel):
    """One figure of the report: a measure against a setting."""

    model_config = _STRICT

    y: Text = Field(description="A column of the table, or a formula of columns.")
    x: Text | None = Field(
        default=None, description="A column or formula; the first axis that is a number when not given."
    )
    by: Text | None = Field(default=None, description="The column whose values are lines of their own.")
    log_x: bool | None = Field(default=None, description="Logarithmic axis; by the values when not given.")
    log_y: bool | None = Field(default=None, description="Logarithmic axis; by the values when not given.")
    fit: bool = Field(
        default=False, description="Fit a power law over all runs, with the 95 % interval of its exponent."
    )
    title: str = ""


class SweepSpec(BaseModel):
    """A sweep.

    Its jobs are every combination of the values of `product`, times every row of `zip`, whose lists go side by side. What
    is on no axis is taken from `settings`, and else has its default.
    """

    model_config = _STRICT

    name: Annotated[str, AfterValidator(_name)] = Field(description="Of the run; becomes a folder.")
    title: str = ""
    source: str = Field("", description="Citation key of the paper whose figure it is.")
    settings: Fixed = Field(default_factory=Fixed, description="What all jobs share.")  # type: ignore[valid-type]
    product: Axes = Field(default_factory=Axes, description="Axes that are combined.")  # type: ignore[valid-type]
    zip: Axes = Field(default_factory=Axes, description="Axes that go side by side.")  # type: ignore[valid-type]
    figures: list[FigureSpec] = Field(default_factory=list, description="Of the report.")

    def axes(self, which: Literal["product", "zip"]) -> dict[str, list[Any]]:
        """Values of each axis, in the order of the spec."""
        given = getattr(self, which)
        found = {}
        for name in Settings.model_fields:
            if name in given.model_fields_set:
                value = getattr(given, name)
                found[name] = value.values(whole=is_whole(name)) if isinstance(value, Range) else list(value)
        return found

    def fixed(self) -> dict[str, Any]:
        """Settings that all jobs share, formulas among them."""
        return {name: getattr(self.settings, name) for name in Settings.model_fields if name in self._given}

    @property
    def _given(self) -> set[str]:
        return set(self.settings.model_fields_set)  # type: ignore[attr-defined]

    def canonical(self) -> dict[str, Any]:
        """The spec as JSON holds it."""
        found: dict[str, Any] = json.loads(self.model_dump_json(exclude_unset=True, by_alias=True))
        return found

    def __len__(self) -> int:
        """Number of jobs, counted without making them."""
        total = 1
        for values in self.axes("product").values():
            total *= len(values)
        for values in self.axes("zip").values():
            return total * len(values)
        return total


def read_spec(
    spec: SweepSpec | Mapping[str, Any] | str | os.PathLike[str], changes: Sequence[str] = ()
) -> tuple[SweepSpec, dict[Path_, int], str]:
    """The model of a spec, whatever it came as.

    Args:
        spec: a model, a dictionary, or the path of a TOML file.
        changes: assignments `key=value` that replace what the spec says; a bare setting leaves the axes and gets the value.

    Returns:
        The model; the line of each key, none where it did not come from a file; what it came from, for messages.

    Raises:
        SpecError: all that is wrong with it, at once.
    """
    if isinstance(spec, SweepSpec) and not changes:
        return spec, {}, "the spec"
    lines: dict[Path_, int] = {}
    origin = "the spec"
    if isinstance(spec, (str, os.PathLike)):
        origin = os.fspath(spec)
        raw, lines = _read_toml(Path(spec))
    elif isinstance(spec, SweepSpec):
        raw = spec.canonical()
    elif isinstance(spec, Mapping):
        raw = {str(key): value for key, value in spec.items()}
    else:
        raise SpecError(f"a spec is a path, a dictionary or a SweepSpec; a {type(spec).__name__} came")
    for change in changes:
        raw = _changed(raw, change)
    try:
        model = SweepSpec.model_validate(raw)
    except ValidationError as failure:
        raise SpecError(problems([(_place(e["loc"]), _words(e)) for e in failure.errors()], lines, origin)) from None
    found = _inconsistent(model)
    if found:
        raise SpecError(problems(found, lines, origin))
    return model, lines, origin


def problems(found: Sequence[tuple[Path_, str]], lines: Mapping[Path_, int], origin: str) -> str:
    """All that is wrong, one line each: file, line, key path, what."""
    told = []
    for path, text in found:
        line = line_of(path, dict(lines))
        where = f"{origin}:{line}" if line else origin
        told.append(f"{where}: {dotted(path) or 'the spec'}: {text}")
    head = "the spec cannot be run" if len(told) == 1 else f"the spec cannot be run, for {len(told)} reasons"
    return "\n  ".join([f"{head}:", *told])


def dotted(path: Path_) -> str:
    """A key path to read, as `product.width[2]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _read_toml(path: Path) -> tuple[dict[str, Any], dict[Path_, int]]:
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as failure:
        raise SpecError(f"{path} must be UTF-8 text; byte {failure.start} is not") from None
    except OSError as failure:
        raise SpecError(f"{path} cannot be read: {failure.strerror}") from None
    try:
        return tomllib.loads(text), key_lines(text)
    except tomllib.TOMLDecodeError as failure:
        raise SpecError(f"{path} is not TOML: {failure}") from None


def _changed(raw: dict[str, Any], change: str) -> dict[str, Any]:
    key, equals, text = change.partition("=")
    if not equals or not key.strip():
        raise SpecError(f"--set takes key=value, as steps=100 or product.width=[64,128]; {change!r} came")
    try:
        value = tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        value = text
    path = key.strip().split(".")
    if len(path) == 1 and path[0] not in SweepSpec.model_fields:
        for axes in ("product", "zip"):
            given = raw.get(axes)
            if isinstance(given, Mapping) and path[0] in given:
                raw = {**raw, axes: {name: v for name, v in given.items() if name != path[0]}}
        path = ["settings", *path]
    table = raw = dict(raw)
    for part in path[:-1]:
        inner = table.get(part, {})
        table[part] = dict(inner) if isinstance(inner, Mapping) else {}
        table = table[part]
    table[path[-1]] = value
    return raw


def _place(loc: tuple[str | int, ...]) -> Path_:
    """A location of pydantic's without the names of alternatives."""
    return tuple(part for i, part in enumerate(loc) if not (i >= 2 and part in _TAGS))


def _words(error: Any) -> str:
    kind, came = error["type"], error["input"]
    loc = _place(error["loc"])
    if kind == "extra_forbidden":
        known = {
            1: SweepSpec.model_fields,
            2: Settings.model_fields if loc[0] in ("settings", "product", "zip") else FigureSpec.model_fields,
        }.get(len(loc), FigureSpec.model_fields if loc[0] == "figures" else ("from", "to", "count", "spacing"))
        name = str(loc[-1])
        where = ""
        if len(loc) == 1 and name in Settings.model_fields:
            where = "; it is a setting: put it under [settings], [product] or [zip]"
        return f"is not known{where or did_you_mean(name, known) or '; known: ' + ', '.join(known)}"
    if kind == "missing":
        return "is missing"
    if kind == "too_short":
        return "an axis needs at least one value; none came"
    text = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    shown = "" if isinstance(came, (Mapping, list)) or text.startswith("the formula") else f"; {came!r:.80} came"
    return f"{text}{shown}"


def _inconsistent(model: SweepSpec) -> list[tuple[Path_, str]]:
    """What the axes say together."""
    found: list[tuple[Path_, str]] = []
    product, beside = model.axes("product"), model.axes("zip")
    found.extend((("zip", name), "is on an axis of product too; leave one out") for name in beside if name in product)
    lengths = {name: len(values) for name, values in beside.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        found.append((("zip",), f"all lists must be equally long, as they go side by side; {told}"))
    return found


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a spec, `widthwise/sweep-spec/1`."""
    schema = SweepSpec.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "widthwise/sweep-spec/1", **schema}
