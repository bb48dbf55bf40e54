"""The verdict: five sentences with numbers, one for each question. Inline markup of `pages`: **bold** and `code`."""

from __future__ import annotations

from widthwise.audits.calibration import record
from widthwise.audits.doubts import Labels
from widthwise.audits.result import DataSummary, Generalisation, Speed, Verification
from widthwise.audits.table import HoldOut, Score
from widthwise.audits.wording import between, count, percent, quantity, rate, span, steps

# Estimated shares of wrong labels below this are not worth a clause.
LEAST_NOISE = 0.001


def verdict(
    data: DataSummary,
    speed: Speed,
    found: Generalisation,
    labels: Labels,
    verified: Verification | None,
    *,
    tested: HoldOut | None = None,
) -> tuple[str, ...]:
    """One sentence for each of the five questions; that of the check goes on with the test file where there is one."""
    return (
        fitting(speed),
        generalising(found),
        doubting(data, labels),
        sizing(speed, verified),
        holding(verified) if tested is None else f"{holding(verified)} {testing(data, tested)}",
    )


def fitting(speed: Speed) -> str:
    """Answer 1 in a sentence."""
    place = 1 if speed.steps[1] is not None else 0
    fraction = percent(speed.fractions[place])
    reached, shuffled, ratio = speed.steps[place], speed.shuffled_steps[place], speed.ratios[place]
    if reached is None:
        return (
            f"**Speed.** A wide network never fits half of these labels: {percent(speed.unreachable)} of their squared "
            "norm lies outside the range of the kernel (rows that coincide with different labels are the usual cause)."
        )
    if shuffled is None:
        compare = "shuffled labels never get there: the kernel is singular on these rows, as where rows coincide"
    elif ratio is not None and ratio >= 1.15:
        compare = f"shuffled labels take **{quantity(ratio)} times** as long"
    else:
        compare = "shuffled labels take about as long, so the labels follow nothing that this kernel sees"
    far = next((r for r in speed.recorded if r.quantity == ("steps_50", "steps_10")[place] and r.lazy is False), None)
    slower = (
        ""
        if far is None
        else f" (at least, at width {count(record().width)}: it is predicted to leave the lazy regime on the way)"
    )
    return (
        f"**Speed.** A wide network brings the residual to {fraction} in **{count(reached)} steps**{slower}; {compare}."
    )


def generalising(found: Generalisation) -> str:
    """Answer 2 in a sentence."""
    rows = ""
    if found.compared is not None and found.compared_rows is not None:
        rows = f" (trained on {count(found.compared_rows)} rows as these are, it errs {value(found, found.compared)})"
    even = "" if found.balanced is None else f", balanced over classes **{rate(found.balanced.value)}**"
    return f"**Generalisation.** The nested error is **{score(found, found.nested)}**{even}: {standing(found)}{rows}."


def standing(found: Generalisation) -> str:
    """Whether a wide network is the right tool, in half a sentence."""
    best = min(found.baselines, key=lambda b: b.score.value)
    guess = found.baselines[0]
    if found.standing == "no better than guessing":
        return (
            "a wide network is **not the right tool** for this table, since it predicts no better than the "
            f"{guess.name} ({value(found, guess.score)})"
        )
    against = f"{best.name} ({value(found, best.score)})"
    if found.standing == "worse":
        return f"a wide network is **not the right tool** for this table, since {against} does better"
    if found.standing == "better":
        return f"a wide network is **the right tool** for this table, ahead of {against}"
    return f"a wide network is **a right tool** for this table, level with {against} within two standard errors"


def value(found: Generalisation, error: Score) -> str:
    """An error in its unit."""
    return rate(error.value) if found.metric == "error rate" else quantity(error.value)


def score(found: Generalisation, error: Score) -> str:
    """An error with its interval, in its unit."""
    if found.metric == "error rate":
        return f"{rate(error.value)} ({span(error.low, error.high)})"
    return f"{quantity(error.value)} (95\u00a0% interval {quantity(error.low)} to {quantity(error.high)})"


def doubting(data: DataSummary, labels: Labels) -> str:
    """Answer 3 in a sentence."""
    share = labels.disagreement
    if data.task == "regression":
        if not labels.suspects:
            return "**Labels.** No target lies more than three robust standard deviations from its leave-one-out prediction."
        return (
            f"**Labels.** **{count(len(labels.suspects))} targets** ({rate(share.value)}) lie more than three robust "
            "standard deviations from their leave-one-out prediction."
        )
    what = (
        f"**{rate(share.value)}** of the labels (interval {between(share.low, share.high)}) disagree with the prediction made "
        "without them"
    )
    if labels.noise is not None and labels.noise.value >= LEAST_NOISE:
        what += f", and an estimated **{rate(labels.noise.value)}** are wrong"
    if labels.separate and not labels.suspects:
        return f"**Labels.** {what}, and the classes separate: no sign of label noise."
    if labels.separate and (labels.confident or 0.0) >= 0.5:
        return (
            f"**Labels.** {what}; the classes separate and most of these rows lie far on the other side, where wrong "
            "labels would: check them."
        )
    if labels.separate:
        return (
            f"**Labels.** {what}; the classes separate and these rows lie close to the boundary, where rare or "
            "ambiguous rows would: little sign of label noise."
        )
    return (
        f"**Labels.** {what}: an upper limit on label noise, not an estimate, since overlapping classes give the "
        "same picture."
    )


def sizing(speed: Speed, verified: Verification | None) -> str:
    """Answer 4 in a sentence."""
    rates = f"the recommended rate is **{quantity(speed.learning_rate)}** on the summed loss"
    if verified is None:
        return f"**Width and rate.** No network was trained, so no width is advised; {rates}."
    width = verified.agreeing_width
    if width is None:
        return (
            f"**Width and rate.** The infinite-width prediction needs a width above **{count(verified.widths[-1])}** "
            f"at this budget; {rates}."
        )
    return f"**Width and rate.** Networks follow the infinite-width prediction from width **{count(width)}**; {rates}."


def holding(verified: Verification | None) -> str:
    """Answer 5 in a sentence."""
    if verified is None:
        return "**Check.** The prediction was not checked by training."
    widest = verified.widths[-1]
    gap = verified.gap(widest)
    what = f"**Check.** Over {steps(verified.steps)} at width {count(widest)}"
    if gap is None:
        return f"{what}, training **diverged**: the prediction does not hold there."
    word = "**agree**" if gap <= verified.band else "**disagree**"
    return (
        f"{what}, trained networks {word} with the prediction: the largest gap is {percent(gap)} of the starting "
        f"residual (band {percent(verified.band)})."
    )


def testing(data: DataSummary, found: HoldOut) -> str:
    """The test file in a sentence."""
    classes = data.task == "classification"
    own = found.models[0].score
    shown, predicted = (rate(v) if classes else quantity(v) for v in (own.value, found.predicted.value))
    span = between(found.low, found.high) if classes else f"{quantity(found.low)} to {quantity(found.high)}"
    even = "" if (b := found.models[0].balanced) is None else f"; balanced {rate(b.value)}"
    if found.identical == found.n:
        return (
            f"**Test file.** Every one of its {count(found.n)} rows has the features of a row of the source: **no hold-out**, "
            f"whatever the error on them ({shown})."
        )
    rest = ""
    if found.without is not None:
        rest = rate(found.without.value) if classes else quantity(found.without.value)
        rest = f" (**{rest}** without the {count(found.identical)} that repeat a row of the source)"
    end = {
        "as predicted": "the prediction **holds**",
        "worse": "the test rows are **harder than predicted**: they are not like the others, or rows of the others tell on each "
        "other",
        "better": "the test rows are **easier than predicted**",
    }[found.standing]
    return (
        f"**Test file.** On {count(found.n)} rows the error is **{shown}**{rest} where {predicted} was predicted "
        f"({span} allowed{even}): {end}."
    )


def after_word(sentence: str) -> str:
    """A sentence of the verdict without the word in bold that leads it."""
    return sentence.split("** ", 1)[1] if sentence.startswith("**") else sentence
