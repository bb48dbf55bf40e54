"""Data sets: reading them from anywhere, and scaling, coding and sampling them.

`load` reads, `prepare` scales features, `encode` codes targets, `stratified_rows` and `folds` choose rows; `synthetic`
generates the data of papers.
pandas, scikit-learn, pooch and pyarrow are imported only by what needs them.
"""

from __future__ import annotations

from widthwise.datasets import synthetic
from widthwise.datasets.coding import Coding, decode, encode
from widthwise.datasets.dataset import Dataset, Recipe, SourceColumn, Task
from widthwise.datasets.features import Features, Scale, prepare, resolve_scale
from widthwise.datasets.repeats import first_rows
from widthwise.datasets.sampling import folds, stratified_rows
from widthwise.datasets.sources import known_names, load
from widthwise.datasets.tasks import guess_task

__all__ = [
    "Coding",
    "Dataset",
    "Features",
    "Recipe",
    "Scale",
    "SourceColumn",
    "Task",
    "decode",
    "encode",
    "first_rows",
    "folds",
    "guess_task",
    "known_names",
    "load",
    "prepare",
    "resolve_scale",
    "stratified_rows",
    "synthetic",
]
