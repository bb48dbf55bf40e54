"""What the papers prove, as functions of kernel matrices, spectra and arrays. Nothing here builds a network."""

from widthwise.theory.cross_validation import LeaveOneOut, NestedScores, leave_one_out, nested_scores
from widthwise.theory.dynamics import (
    Spectrum,
    TestCurve,
    TrainingCurve,
    largest_stable_rate,
    recommended_rate,
    shuffled_energies,
    shuffled_training_curve,
    spectrum,
    steps_to,
    test_curve,
    training_curve,
)
from widthwise.theory.label_complexity import (
    Complexity,
    complexity,
    random_label_complexity,
    shuffle_sample,
    shuffled_complexity,
)
from widthwise.theory.label_noise import (
    Conflicts,
    Margins,
    Proportion,
    Separation,
    conflicts,
    margins,
    separation,
    wilson,
)

__all__ = [
    "Complexity",
    "Conflicts",
    "LeaveOneOut",
    "Margins",
    "NestedScores",
    "Proportion",
    "Separation",
    "Spectrum",
    "TestCurve",
    "TrainingCurve",
    "complexity",
    "conflicts",
    "largest_stable_rate",
    "leave_one_out",
    "margins",
    "nested_scores",
    "random_label_complexity",
    "recommended_rate",
    "separation",
    "shuffle_sample",
    "shuffled_complexity",
    "shuffled_energies",
    "shuffled_training_curve",
    "spectrum",
    "steps_to",
    "test_curve",
    "training_curve",
    "wilson",
]
