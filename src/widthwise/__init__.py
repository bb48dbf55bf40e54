"""Know how a wide ReLU network will train and generalise before you train it, and check it after.

Names are imported on first use, so `import widthwise` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_NAMES = {
    "AuditResult": "widthwise.audits.result",
    "ConditionsResult": "widthwise.audits.conditions",
    "Dataset": "widthwise.datasets.dataset",
    "LabelNoiseDetector": "widthwise.estimators.label_noise",
    "NTKClassifier": "widthwise.estimators.kernel_ridge",
    "NTKClassifierCV": "widthwise.estimators.kernel_ridge_cv",
    "NTKFeatures": "widthwise.estimators.features",
    "NTKGaussianProcessRegressor": "widthwise.estimators.gaussian_process",
    "NTKRegressor": "widthwise.estimators.kernel_ridge",
    "NTKRegressorCV": "widthwise.estimators.kernel_ridge_cv",
    "ReLUNetworkClassifier": "widthwise.estimators.network",
    "ReLUNetworkRegressor": "widthwise.estimators.network",
    "audit": "widthwise.audits.workflow",
    "conditions": "widthwise.audits.conditions",
    "load": "widthwise.datasets.sources",
    "sweep": "widthwise.sweeps.sweep",
    "train": "widthwise.training.descent",
}
_SUBPACKAGES = (
    "atlas",
    "audits",
    "datasets",
    "errors",
    "estimators",
    "kernels",
    "networks",
    "pages",
    "solvers",
    "sweeps",
    "theory",
    "training",
)

if TYPE_CHECKING:
    from widthwise import (
        atlas,
        audits,
        datasets,
        errors,
        estimators,
        kernels,
        networks,
        pages,
        solvers,
        sweeps,
        theory,
        training,
    )
    from widthwise.audits.conditions import ConditionsResult, conditions
    from widthwise.audits.result import AuditResult
    from widthwise.audits.workflow import audit
    from widthwise.datasets.dataset import Dataset
    from widthwise.datasets.sources import load
    from widthwise.estimators.features import NTKFeatures
    from widthwise.estimators.gaussian_process import NTKGaussianProcessRegressor
    from widthwise.estimators.kernel_ridge import NTKClassifier, NTKRegressor
    from widthwise.estimators.kernel_ridge_cv import NTKClassifierCV, NTKRegressorCV
    from widthwise.estimators.label_noise import LabelNoiseDetector
    from widthwise.estimators.network import ReLUNetworkClassifier, ReLUNetworkRegressor
    from widthwise.sweeps.sweep import sweep
    from widthwise.training.descent import train

__all__ = [
    "AuditResult",
    "ConditionsResult",
    "Dataset",
    "LabelNoiseDetector",
    "NTKClassifier",
    "NTKClassifierCV",
    "NTKFeatures",
    "NTKGaussianProcessRegressor",
    "NTKRegressor",
    "NTKRegressorCV",
    "ReLUNetworkClassifier",
    "ReLUNetworkRegressor",
    "__version__",
    "atlas",
    "audit",
    "audits",
    "conditions",
    "datasets",
    "errors",
    "estimators",
    "kernels",
    "load",
    "networks",
    "pages",
    "solvers",
    "sweep",
    "sweeps",
    "theory",
    "train",
    "training",
]


def __getattr__(name: str) -> object:
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    if name in _SUBPACKAGES:
        return importlib.import_module(f"widthwise.{name}")
    raise AttributeError(f"module 'widthwise' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
