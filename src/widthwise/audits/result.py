"""What an audit found: frozen plain data, the same in Python, JSON and the page.

Every field is a number, a text or a tuple of them, so the JSON (`widthwise/audit/1`) holds all that the page shows, and
a page can be made again from the JSON. Numbers that can be infinite are None there, with the reason in the text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from widthwise.audits.calibration import Recorded
from widthwise.audits.doubts import Labels
from widthwise.audits.report import Report
from widthwise.audits.table import Finding, GroupCheck, HoldOut, Recommended, Score, TimeCheck

if TYPE_CHECKING:
    from widthwise.pages import Page

SCHEMA: Literal["widthwise/audit/1"] = "widthwise/audit/1"


@dataclass(frozen=True, kw_only=True)
class DataSummary:
    """What was audited, and what was done to it.

    Attributes:
        source: what the user named.
        digest: SHA-256 of the features and targets that were audited.
        n_source: rows in the source.
        n: rows audited.
        d: feature columns before scaling.
        subsample: how the rows were chosen, empty where all were taken.
        kind: table or image.
        image_shape: shape of one image.
        task: classification or regression.
        task_reason: why.
        target: name of the target.
        classes: names of the classes.
        class_counts: rows of each class.
        coding: how the targets were coded.
        steps: what was done to the features, in order.
        tau: size of the appended constant coordinate; 0 where there is none.
        notes: what reading did.
        alerts: what to look at.
    """

    source: str
    digest: str
    n_source: int
    n: int
    d: int
    subsample: str
    kind: Literal["table", "image"]
    image_shape: tuple[int, ...] | None
    task: Literal["classification", "regression"]
    task_reason: str
    target: str
    classes: tuple[str, ...]
    class_counts: tuple[int, ...]
    coding: str
    steps: tuple[str, ...]
    tau: float
    notes: tuple[str, ...]
    alerts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number that was estimated, where no square matrix is factorised.

    Attributes:
        quantity: what it is.
        value: the estimate.
        error: how far it may be off: about two standard errors, or what the last third of the work still moved.
        how: where the number and its error come from.
    """

    quantity: str
    value: float
    error: float
    how: str


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Relative residual |y - f| / |y| against gradient-descent steps."""

    steps: tuple[int, ...]
    relative: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast a wide network fits these labels: the spectrum of H-infinity and the curve that follows from it.

    Attributes:
        learning_rate: recommended rate on the summed loss, 1 / lambda_max.
        largest_rate: 2 / lambda_max.
        largest_eigenvalue: of the kernel matrix.
        smallest_eigenvalue: of the kernel matrix; at rounding where the matrix is singular.
        condition: ratio of the two; None where the matrix is singular to working precision.
        rank: eigenvalues above rounding.
        unreachable: share of the labels' squared norm that no network can fit.
        fractions: of the starting residual.
        steps: steps to each fraction at the recommended rate; None where it is never reached.
        shuffled_steps: the same for shuffled labels, by the root mean square over all permutations.
        true: predicted curve.
        shuffled: the same for shuffled labels.
        index: numbers of leading eigenvectors.
        eigenvalues: eigenvalue at each index.
        half_lives: steps in which the direction of each index loses half of its residual; None where it does not move.
        captured: share of the labels' squared norm in that many leading eigenvectors.
        captured_shuffled: the same, mean over all permutations.
        estimates: numbers above that were estimated, with their errors; empty where a whole spectrum was computed.
        recorded: steps to one half and one tenth beside the record of such predictions, with the predicted movement.
    """

    learning_rate: float
    largest_rate: float
    largest_eigenvalue: float
    smallest_eigenvalue: float
    condition: float | None
    rank: int
    unreachable: float
    fractions: tuple[float, ...]
    steps: tuple[int | None, ...]
    shuffled_steps: tuple[int | None, ...]
    true: Curve
    shuffled: Curve
    index: tuple[int, ...]
    eigenvalues: tuple[float, ...]
    captured: tuple[float, ...]
    captured_shuffled: tuple[float, ...]
    half_lives: tuple[float | None, ...] = ()
    estimates: tuple[Estimate, ...] = ()
    recorded: tuple[Recorded, ...] = ()

    @property
    def ratios(self) -> tuple[float | None, ...]:
        """Steps for shuffled labels over steps for the given ones."""
        return tuple(b / a if a and b else None for a, b in zip(self.steps, self.shuffled_steps, strict=True))


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A model on the same folds.

    Attributes:
        name: of the model.
        score: its error.
        difference: error of the network's kernel minus this model's, paired by row (mean square for regression).
        difference_error: its standard error.
        balanced: mean of the error rates of the classes, where they are imbalanced.
    """

    name: str
    score: Score
    difference: float
    difference_error: float
    balanced: Score | None = None


@dataclass(frozen=True, kw_only=True)
class LabelComplexity:
    """sqrt(2 y'H^-1 y / n) of the labels, against shuffles of them.

    Attributes:
        value: root mean square over classes.
        by_class: one value for each coded column.
        shuffled: closed-form root mean square over all permutations.
        percentile: rank of the labels among sampled shuffles, in (0, 100]; low is simple.
        shuffles: how many were sampled; 0 where the law of many shuffles, a normal one, stands in for them.
        unreachable: share of the labels' squared norm left out because no function of the kernel fits it.
        residual: relative residual of the solve.
        condition: of the kernel matrix; None where it is singular to working precision.
        estimates: numbers above that were estimated, with their errors.
    """

    value: float
    by_class: tuple[float, ...]
    shuffled: float
    percentile: float
    shuffles: int
    unreachable: float
    residual: float
    condition: float | None
    estimates: tuple[Estimate, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Would more data help: mean square error on new rows, predicted from these rows alone (`theory.learning_curve`).

    Attributes:
        rows: rows whose kernel matrix the prediction is made from.
        sizes: numbers of training rows.
        error: predicted mean square error at each, noise included, summed over coded columns.
        low: lower end of its 95 % band, the scatter of the rows alone.
        high: upper end.
        extrapolated: whether a size is beyond what these rows show, so that the last decade was continued.
        now: place of the number of rows audited among the sizes.
        noise_floor: error that no number of rows goes below, an upper estimate.
        effective_dimension: directions that the chosen ridge fits on those rows.
        leave_one_out: mean square leave-one-out error on those rows at the chosen ridge.
        generalised: generalised cross-validation beside it: the same number where all rows have the same leverage.
        measured: mean square error of the nested predictions, the number that the curve should pass through.
        measured_rows: training rows behind it.
        recorded: errors at twice and four times the rows beside the record of such predictions.
    """

    rows: int
    sizes: tuple[int, ...]
    error: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    extrapolated: tuple[bool, ...]
    now: int
    noise_floor: float
    effective_dimension: float
    leave_one_out: float
    generalised: float
    measured: float
    measured_rows: int
    recorded: tuple[Recorded, ...] = ()

    def gain(self, factor: int) -> tuple[float, float, float]:
        """Predicted error at `factor` times the rows over that at these rows, with the ends of its band."""
        place = self.sizes.index(factor * self.sizes[self.now])
        here = self.error[self.now]
        return self.error[place] / here, self.low[place] / here, self.high[place] / here


@dataclass(frozen=True, kw_only=True)
class Generalisation:
    """How well a wide network predicts rows it has not seen.

    Attributes:
        metric: what the errors are.
        kernel: the kernel, as Python.
        ridge: chosen ridge over the mean of the kernel's diagonal.
        ridge_range: smallest and largest that were offered.
        folds: number of folds of the nested cross-validation.
        nested: its error.
        fold_errors: error of each fold.
        loo: leave-one-out error at the chosen ridge, optimistic by the choice.
        r2: nested coefficient of determination (regression).
        confusion: rows of true class, columns of predicted class (classification).
        baselines: other models on the same folds; empty until they are done.
        standing: how the kernel compares with the best baseline, at two standard errors.
        complexity: of the labels.
        residual: relative residual of the solve behind the predictions.
        condition: condition estimate of the kernel matrix with its ridge.
        compared_rows: rows on which the kernel is compared with the other models, all with the same folds; None for all.
        compared: the kernel's nested error on those rows, trained on as many; None where it is `nested`.
        growth: whether more data would help; None where too few rows, or a singular kernel, tell nothing.
        estimates: numbers above and leave-one-out predictions that were estimated, with their errors.
        balanced: nested error as the mean of the error rates of the classes, where they are imbalanced.
        loo_balanced: leave-one-out error in the same way.
        groups: leave-group-out beside leave-one-out, where groups are named or rows repeat.
        time: the future predicted from the past, where a time is named.
        recorded: the nested error beside the record of errors predicted from training rows alone; classes only.
    """

    metric: Literal["error rate", "RMSE"]
    kernel: str
    ridge: float
    ridge_range: tuple[float, float]
    folds: int
    nested: Score
    fold_errors: tuple[float, ...]
    loo: float
    r2: float | None
    confusion: tuple[tuple[int, ...], ...] | None
    baselines: tuple[Baseline, ...]
    standing: Literal["better", "as good", "worse", "no better than guessing"]
    complexity: LabelComplexity
    residual: float
    condition: float
    compared_rows: int | None = None
    compared: Score | None = None
    growth: Growth | None = None
    estimates: tuple[Estimate, ...] = ()
    balanced: Score | None = None
    loo_balanced: float | None = None
    groups: GroupCheck | None = None
    time: TimeCheck | None = None
    recorded: tuple[Recorded, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Run:
    """One real training.

    Attributes:
        width: hidden neurons.
        seed: of the start.
        labels: true or shuffled.
        curve: measured relative residual, thinned.
        gap: largest distance of the measured curve from the predicted one, over all steps; None where it diverged.
        errors: held-out error at the watched steps; None where there are no held-out rows or it diverged.
        diverged: step at which it stopped being finite.
        balanced: held-out error at the last step over classes, where they are imbalanced.
    """

    width: int
    seed: int
    labels: Literal["true", "shuffled"]
    curve: Curve
    gap: float | None
    errors: tuple[float, ...] | None
    diverged: int | None
    balanced: float | None = None


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Real networks against their own prediction.

    Attributes:
        n: training rows.
        held_out: held-out rows.
        learning_rate: recommended rate of these rows' kernel.
        steps: trained for, the same for all runs.
        true: predicted curve, true labels.
        shuffled: predicted curve, the very permutation that is trained on.
        watched: steps at which held-out rows are evaluated.
        predicted_errors: predicted held-out error at those steps; empty where there are no held-out rows.
        runs: the trainings.
        band: largest gap that is called agreement.
        predicted_balanced: predicted held-out error at the last step over classes, where they are imbalanced.
        recorded: the predicted held-out error beside the record of such predictions; classes only.
    """

    n: int
    held_out: int
    learning_rate: float
    steps: int
    true: Curve
    shuffled: Curve
    watched: tuple[int, ...]
    predicted_errors: tuple[float, ...]
    runs: tuple[Run, ...]
    band: float
    predicted_balanced: float | None = None
    recorded: tuple[Recorded, ...] = ()

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths that were trained, increasing."""
        return tuple(sorted({run.width for run in self.runs}))

    def gap(self, width: int, labels: Literal["true", "shuffled"] = "true") -> float | None:
        """Largest gap over the seeds of a width; None where one of them diverged."""
        gaps = [run.gap for run in self.runs if run.width == width and run.labels == labels]
        known = [gap for gap in gaps if gap is not None]
        return max(known) if known and len(known) == len(gaps) else None

    @property
    def agreeing_width(self) -> int | None:
        """Smallest width from which every trained width agrees with the prediction, true labels; None if none does."""
        found = None
        for width in reversed(self.widths):
            gap = self.gap(width)
            if gap is None or gap > self.band:
                break
            found = width
        return found

    def final_error(self, width: int) -> float | None:
        """Mean held-out error over the seeds of a width at the last step."""
        last = [run.errors[-1] for run in self.runs if run.width == width and run.labels == "true" and run.errors]
        return sum(last) / len(last) if last else None

    def final_balanced(self, width: int) -> float | None:
        """The same over classes; None where they are not imbalanced."""
        last = [r.balanced for r in self.runs if r.width == width and r.labels == "true" and r.balanced is not None]
        return sum(last) / len(last) if last else None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Arguments that make the same audit again."""

    target: str | None = None
    task: str = "auto"
    scale: str = "auto"
    pad: float | None = None
    coding: str = "centred"
    groups: str | None = None
    time: str | None = None
    test: str | None = None
    max_n: int = 5000
    subsample: str = "stratified"
    verify: str = "quick"
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class AuditResult(Report):
    """An audit of a labelled data set.

    Attributes:
        schema: name and version of this layout.
        data: what was audited.
        speed: answer 1.
        generalisation: answer 2.
        labels: answer 3.
        verification: answers 4 and 5; None where no network was trained.
        verdict: a sentence for each answer; the last goes on with the test file where there is one.
        settings: arguments.
        versions: of widthwise and what it computes with.
        how: what was done where no square matrix is factorised, in sentences; empty where all was dense linear algebra.
        findings: what about the columns or rows may make the errors wrong, with evidence and what to do.
        recommended: settings in three forms, each checked by one run; None where no network was trained.
        holdout: the test file; None without one.
    """

    schema: Literal["widthwise/audit/1"] = SCHEMA
    data: DataSummary
    speed: Speed
    generalisation: Generalisation
    labels: Labels
    verification: Verification | None
    verdict: tuple[str, ...]
    settings: Settings
    versions: dict[str, str] = field(default_factory=dict)
    how: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    recommended: Recommended | None = None
    holdout: HoldOut | None = None

    def _page(self) -> Page:
        from widthwise.audits.page import page  # noqa: PLC0415

        return page(self)

    def suspects_csv(self) -> str:
        """Suspect rows as CSV with the rows that speak against them; see `audits.suspects`."""
        from widthwise.audits.suspects import suspects_csv  # noqa: PLC0415

        return suspects_csv(self.labels)

    def write(self, folder: str | Path) -> tuple[Path, Path, Path]:
        """Write `report.html`, `audit.json` and `suspects.csv`; each file appears whole or not at all."""
        from widthwise.pages.files import write_atomically  # noqa: PLC0415

        place = Path(folder)
        html, json = self.to_html(), self.to_json()
        place.mkdir(parents=True, exist_ok=True)
        contents = {"report.html": html, "audit.json": json, "suspects.csv": self.suspects_csv()}
        for name, text in contents.items():
            write_atomically(place / name, text)
        return place / "report.html", place / "audit.json", place / "suspects.csv"
