"""Where claims are found: every module of this package that is named by a citation key has a tuple `CLAIMS`."""

from __future__ import annotations

import functools
import importlib
import pkgutil
import re
from pathlib import Path

from widthwise.atlas.claim import Claim
from widthwise.datasets.names import did_you_mean
from widthwise.errors import UsageError


@functools.cache
def claims() -> tuple[Claim, ...]:
    """All claims, by paper and then in the order of the paper."""
    return tuple(claim for paper in papers() for claim in importlib.import_module(f"widthwise.atlas.{paper}").CLAIMS)


def papers() -> tuple[str, ...]:
    """Citation keys of the papers that have claims."""
    names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return tuple(sorted(name for name in names if re.fullmatch(r"[a-z]+\d{4}[a-z]?", name)))


def find(key: str) -> Claim:
    """The claim of a key.

    Raises:
        UsageError: if there is none; names the closest.
    """
    for claim in claims():
        if claim.key == key:
            return claim
    raise UsageError(
        f"no claim is called {key!r}{did_you_mean(key, [c.key for c in claims()]) or ''} `widthwise atlas list` has them all"
    )


def chosen(name: str) -> tuple[Claim, ...]:
    """The claims that a key, a paper or "all" stands for.

    Raises:
        UsageError: if the name is neither.
    """
    if name == "all":
        return claims()
    of_paper = tuple(claim for claim in claims() if claim.source == name)
    if of_paper:
        return of_paper
    known = [*(claim.key for claim in claims()), *papers(), "all"]
    if name not in known:
        raise UsageError(
            f"no claim or paper is called {name!r}{did_you_mean(name, known) or '.'} `widthwise atlas list` has them all"
        )
    return (find(name),)
