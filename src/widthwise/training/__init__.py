"""Loops that train finite networks and watch them while they do."""

from widthwise.training.gradient_descent import History, TrainingRun, train

__all__ = ["History", "TrainingRun", "train"]
