"""Loops that train finite networks and watch them while they do."""

from widthwise.training.checkpoint import Checkpoint
from widthwise.training.descent import train, train_many
from widthwise.training.gradient_flow import Flow, gradient_flow
from widthwise.training.measured_width import MeasuredWidth, measured_width
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
    "Flow",
    "GaussianSmoothing",
    "GradientDescent",
    "History",
    "Inverse",
    "Langevin",
    "MeasuredWidth",
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
    "gradient_flow",
    "measured_width",
    "train",
    "train_many",
]
