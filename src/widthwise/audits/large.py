"""The answers of an audit at row numbers where no square matrix is factorised.

Half of one kernel matrix at a time is held in float32. Block Lanczos from the labels, a column of ones and random signs
gives training curves and the density of the spectrum; block conjugate gradients give the complexity of the labels; the
ridge, leave-one-out and the ranking of labels follow from solves with an estimated diagonal of the inverse; held-out folds
are solved side by side. What is estimated comes with its error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from widthwise.audits import capacity
from widthwise.audits.baselines import HeldOut
from widthwise.audits.capacity import Advance
from widthwise.audits.generalisation import RIDGES, Chosen, choose, generalisation
from widthwise.audits.generalisation import with_baselines as with_other_models
from widthwise.audits.quadrature import dynamics
from widthwise.audits.result import Estimate, Generalisation, LabelComplexity, Speed
from widthwise.audits.solves import predict
from widthwise.datasets import Dataset, Features, stratified_rows
from widthwise.solvers import PackedTiles


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What the large path answers, and the rows on which models are compared.

    Attributes:
        chosen: predictions for all rows.
        speed: answer 1.
        complexity: of the labels.
        part: rows of the comparison.
        part_ds: the data of these rows.
        part_chosen: the kernel's predictions within them.
        part_folds: the folds within them.
        estimates: of the answers 2 and 3.
        how: what was done.
    """

    chosen: Chosen
    speed: Speed
    complexity: LabelComplexity
    part: Int[np.ndarray, " m"]
    part_ds: Dataset
    part_chosen: Chosen
    part_folds: tuple[Int[np.ndarray, " _"], ...]
    estimates: tuple[Estimate, ...] = ()
    how: tuple[str, ...] = ()

    @classmethod
    def dense(
        cls,
        ds: Dataset,
        chosen: Chosen,
        speed: Speed,
        complexity: LabelComplexity,
        folds: tuple[Int[np.ndarray, " _"], ...],
    ) -> Found:
        """What dense linear algebra found: nothing estimated, and the comparison is on all rows."""
        return cls(
            chosen=chosen,
            speed=speed,
            complexity=complexity,
            part=np.arange(ds.n),
            part_ds=ds,
            part_chosen=chosen,
            part_folds=folds,
        )

    def trained(self, ds: Dataset, verify: str) -> tuple[Dataset, Float[np.ndarray, "m p"]]:
        """Rows that networks may be trained on: a thorough trial takes all of them, so it gets those of the comparison."""
        if verify == "thorough":
            return self.part_ds, self.chosen.features.X[self.part]
        return ds, self.chosen.features.X


def answers(
    ds: Dataset,
    candidates: Sequence[Features],
    coded: Float[np.ndarray, "n k"],
    Y: Float[np.ndarray, "n j"],
    folds: Sequence[Int[np.ndarray, " _"]],
    *,
    groups: Int[np.ndarray, " n"] | None,
    seed: int,
    advance: Advance,
    shown: Callable[[Features, Speed], None],
) -> Found:
    """Everything that the dense path takes from square matrices.

    Args:
        ds: the data.
        candidates: the same rows, scaled in different ways.
        coded: targets of the dynamics.
        Y: targets of the predictions, offset included.
        folds: held-out rows of each fold.
        groups: what is left out together in the choice of scaling and ridge, which is then made on a part of the rows: blocks of
            the inverse have no cheap estimate. None for each row alone.
        seed: of samples and probes.
        advance: told the share of the work that is done, and what is being done.
        shown: told the first answer when it is there.
    """
    part = stratified_rows(ds.y, min(capacity.COMPARED, ds.n), task=ds.task, seed=seed)
    position = np.full(ds.n, -1, dtype=np.intp)
    position[part] = np.arange(len(part))
    inside = [np.sort(position[fold][position[fold] >= 0]) for fold in folds]
    part_folds = tuple(rows for rows in inside if len(rows))
    cut = [replace(features, X=features.X[part]) for features in candidates]
    # Where there is nothing to choose between, the first answer need not wait.
    first = (
        dynamics(candidates[0].X, coded, seed=seed, advance=_shared(advance, 0.35)) if len(candidates) == 1 else None
    )
    if first is not None:
        shown(candidates[0], first[0])
    part_chosen = choose(
        cut,
        Y[part],
        part_folds,
        lambda share: advance(0.1 * share, "scaling and ridge on a part"),
        None if groups is None else groups[part],
    )
    features = next(f for f, c in zip(candidates, cut, strict=True) if c is part_chosen.features)
    fast, complexity = first or dynamics(features.X, coded, seed=seed, advance=_shared(advance, 0.35))
    if first is None:
        shown(features, fast)
    of_folds = iter(part_chosen.fold_ridges)
    chosen, estimates, how = predict(
        ds,
        features,
        Y,
        folds,
        start=RIDGES.index(part_chosen.row_ridge),
        settled=None
        if groups is None
        else [part_chosen.ridge, *(next(of_folds) if len(rows) else part_chosen.ridge for rows in inside)],
        seed=seed,
        advance=_shared(advance, 0.55),
    )
    k = coded.shape[1]
    scaled = f"the size of the constant coordinate ({len(candidates)} offered) and " if len(candidates) > 1 else ""
    return Found(
        chosen=chosen,
        speed=fast,
        complexity=complexity,
        part=part,
        part_ds=ds.take(part),
        part_chosen=part_chosen,
        part_folds=part_folds,
        estimates=estimates,
        how=(
            (
                f"All {ds.n} rows were used; half of one kernel matrix at a time was held in float32 "
                f"({PackedTiles.bytes_for(ds.n, 'float32') / 1e9:.1f} GB), and no square matrix was factorised."
            ),
            (
                f"On {len(part)} rows, stratified by the target (seed {seed}), closed-form "
                + (
                    f"leave-one-out chose {scaled}the ridge where the search over all rows began. The "
                    if groups is None
                    else f"leave-group-out chose {scaled}the ridges of all predictions but leave-one-out, kept for all rows: over "
                    "the mean diagonal they hardly move with the number of rows. The "
                )
                + " other models, and the kernel beside them, were trained on "
                "folds of the same rows."
            ),
            (
                f"Training curves and spectrum: block Lanczos, {capacity.STEPS} products with H-infinity, from the labels, a "
                f"column of ones and {capacity.width(k) - k - 1} vectors of random signs. Complexity: preconditioned conjugate "
                "gradients without a ridge from the same columns."
            ),
            *how,
        ),
    )


def with_baselines(
    found: Generalisation, known: Found, models: Sequence[HeldOut], groups: Int[np.ndarray, " n"] | None
) -> Generalisation:
    """Attach the comparison with other models, all of them and the kernel trained on folds of the same rows.

    Args:
        found: the answer for all rows.
        known: what `answers` gave.
        models: predictions of the other models for the rows of the comparison.
        groups: of all rows, where the user named them.
    """
    if len(known.part) == len(known.chosen.loo):
        return with_other_models(known.part_ds, known.chosen, found, models, groups)
    some = None if groups is None else groups[known.part]
    own = generalisation(known.part_ds, known.part_chosen, known.part_folds, known.complexity, some)
    part = with_other_models(known.part_ds, known.part_chosen, own, models, some)
    return replace(
        found,
        baselines=part.baselines,
        standing=part.standing,
        compared_rows=len(known.part),
        compared=part.nested,
        estimates=known.estimates,
    )


def _shared(advance: Advance, part: float) -> Advance:
    return lambda share, label: advance(part * share, label)
