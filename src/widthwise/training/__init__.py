"""Loops that train finite networks and watch them while they do."""

from widthwise.training.checkpoint import Checkpoint
from widthwise.training.descent import train, train_many
from widthwise.training.optimizers import Adam, GaussianSmoothing, GradientDescent, Langevin, Momentum, RandomSigns
from widthwise.training.plan import Plan
from widthwise.training.regularisers import PathNorm, RowQuartic, WeightDecay, balanced
from widthwise.training.run import History, TrainingRun
from widthwise.training.schedules import Constant, Cosine, Inverse, Milestones
from widthwise.training.stops import Stop

__all__ = [
    "Adam",
    "Checkpoint",
    "Constant",
    "Cosine",
    "GaussianSmoothing",
    "GradientDescent",
    "History",
    "Inverse",
    "Langevin",
    "Milestones",
    "Momentum",
    "PathNorm",
    "Plan",
    "RandomSigns",
    "RowQuartic",
    "Stop",
    "TrainingRun",
    "WeightDecay",
    "balanced",
    "train",
    "train_many",
]
