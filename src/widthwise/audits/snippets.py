"""Code to paste: the settings of a report in this library, in PyTorch and in scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from widthwise.audits.table import Snippet
from widthwise.datasets import Dataset, Features


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What happens to rows and targets before a network sees them.

    Attributes:
        scale: `standardise`, `unit` or `none`.
        tau: size of the constant coordinate.
        classes: number of classes; 0 for numbers.
        centred: whether the mean of each coded column is subtracted.
    """

    scale: Literal["standardise", "unit", "none"]
    tau: float
    classes: int
    centred: bool

    @classmethod
    def of(cls, ds: Dataset, features: Features, *, coding: str) -> Preparation:
        """That of a data set and its scaled rows."""
        return cls(scale=features.scale, tau=features.tau, classes=len(ds.classes), centred=coding == "centred")

    def code(self) -> str:
        """Lines that turn X, a matrix of numbers, and y into Z and Y."""
        lines = ["import numpy as np", "", "Z = np.array(X, dtype=float)  # rows of numbers, categories one-hot"]
        lines += {
            "standardise": [
                "varies = Z.max(axis=0) > Z.min(axis=0)  # a constant column becomes zeros",
                "Z = (Z - Z.mean(axis=0)) * varies / np.where(varies, Z.std(axis=0), 1)",
            ],
            "unit": [],
            "none": [],
        }[self.scale]
        if self.tau:
            size = {
                "standardise": f"{self.tau!r} * np.sqrt(Z.shape[1])",
                "unit": f"{self.tau!r} * np.linalg.norm(Z, axis=1).mean()",
                "none": f"{self.tau!r}",
            }[self.scale]
            lines.append(f"Z = np.column_stack([Z, np.full(len(Z), {size})])  # acts as a bias")
        if self.scale != "none":
            lines.append("Z = Z / np.linalg.norm(Z, axis=1, keepdims=True)")
        if self.classes == 0:
            lines += ["y = np.asarray(y, dtype=float)", "Y = ((y - y.mean()) / y.std())[:, None]"]
        elif self.classes == 2:
            lines.append("Y = np.where(np.asarray(y) == np.unique(y)[1], 1.0, -1.0)[:, None]")
        else:
            lines.append("Y = np.where(np.asarray(y)[:, None] == np.unique(y), 1.0, -1.0)")
        if self.classes and self.centred:
            lines.append("Y = Y - Y.mean(axis=0)")
        return "\n".join(lines)


def ours(code: Preparation, *, width: int, learning_rate: float, steps: int, batch: int | None = None) -> Snippet:
    """A call of `train`."""
    batches = "" if batch is None else f', optimizer="sgd", batch_size={batch}, sampling="replacement"'
    text = f"""{code.code()}

import widthwise as ww
from widthwise.networks import MLP

run = ww.train(
    MLP(widths=({width},), outputs=Y.shape[1]),
    Z, Y, loss="mean_squared", learning_rate={learning_rate:.6g}, steps={steps}{batches},
)
loss = float(run.history.loss[-1])
"""
    return Snippet(name="widthwise", code=text)


def torch(code: Preparation, *, width: int, learning_rate: float, steps: int) -> Snippet:
    """PyTorch: the start is set, the loop is plain."""
    text = f"""{code.code()}

import torch
from torch import nn

torch.manual_seed(0)
Z, Y = torch.tensor(Z, dtype=torch.float32), torch.tensor(Y, dtype=torch.float32)
width = {width}
net = nn.Sequential(
    nn.Linear(Z.shape[1], width, bias=False), nn.ReLU(), nn.Linear(width, Y.shape[1], bias=False)
)
with torch.no_grad():  # pairs of neurons with opposite outputs: f = 0 at the start
    first = torch.randn(width // 2, Z.shape[1]) * width**-0.25
    last = torch.randn(Y.shape[1], width // 2) * width**-0.25
    net[0].weight.copy_(torch.cat([first, first]))
    net[2].weight.copy_(torch.cat([last, -last], dim=1))
optimiser = torch.optim.SGD(net.parameters(), lr={learning_rate:.6g})  # on the mean of squares; scales as width**-0.5
for step in range({steps}):
    optimiser.zero_grad()
    nn.functional.mse_loss(net(Z), Y).backward()
    optimiser.step()
loss = nn.functional.mse_loss(net(Z), Y).item()
"""
    return Snippet(name="PyTorch", code=text)


def scikit_learn(code: Preparation, *, width: int, learning_rate: float, steps: int) -> Snippet:
    """MLPRegressor on coded targets: its start cannot be chosen and its biases cannot be left out, so both are set by hand."""
    outputs = 1 if code.classes in (0, 2) else code.classes
    # Its loss is half the sum over outputs of the mean over rows.
    rate = learning_rate * 2.0 / outputs
    text = f"""{code.code()}

from sklearn.neural_network import MLPRegressor

width, targets = {width}, Y.ravel() if Y.shape[1] == 1 else Y
net = MLPRegressor(
    hidden_layer_sizes=(width,), solver="sgd", momentum=0, nesterovs_momentum=False, alpha=0, batch_size=len(Z),
    learning_rate="constant", learning_rate_init={rate:.6g},  # scales as width**-0.5
)
net.partial_fit(Z, targets)  # makes the arrays; the start is set below
rng = np.random.default_rng(0)
first = rng.normal(size=(Z.shape[1], width // 2)) * width**-0.25
last = rng.normal(size=(width // 2, Y.shape[1])) * width**-0.25
net.coefs_[0][:] = np.hstack([first, first])
net.coefs_[1][:] = np.vstack([last, -last])  # pairs of neurons with opposite outputs: f = 0 at the start
for step in range({steps}):
    for bias in net.intercepts_:  # scikit-learn has no network without biases: they are put back to zero
        bias[:] = 0
    net.partial_fit(Z, targets)
for bias in net.intercepts_:
    bias[:] = 0
loss = np.mean((net.predict(Z).reshape(Y.shape) - Y) ** 2)
"""
    return Snippet(name="scikit-learn", code=text)
