"""Agreement with truth, where the file knows it: stable is not correct, and only these figures say so."""

from __future__ import annotations

import numpy as np

from practice.stability.grid import figure
from practice.stability.result import Figure, Validity
from practice.stability.table import ScoreTable
from practice.stats import validity as room

__all__ = ["binary_truth", "validity"]

NOTHING = Figure(value=None, ci=None, n=0)


def binary_truth(table: ScoreTable) -> bool:
    """Whether truth is known, and is 0 or 1 wherever it is."""
    if table.truth is None:
        return False
    known = table.truth[~np.isnan(table.truth)]
    return known.size > 0 and bool(np.isin(known, (0.0, 1.0)).all())


def validity(table: ScoreTable, mark: float) -> Validity | None:
    """What a single evaluator is worth, over all of them: each counts as a judge of its own.

    ``mark``: a score of this or more passes. AUROC and the rates need a truth of 0 and 1; signal and recovery need only
    an order. None where no truth is known.
    """
    if table.truth is None or np.isnan(table.truth).all():
        return None
    scores, truth = table.scores, table.truth[:, None, :]
    binary = binary_truth(table)
    return Validity(
        auroc=_auroc(table) if binary else NOTHING,
        tpr=_share(room.true_positives(scores, truth, mark)) if binary else NOTHING,
        fpr=_share(room.false_positives(scores, truth, mark)) if binary else NOTHING,
        spurious_signal=_share(room.spurious_signal(scores, truth)),
        missed_signal=_share(room.missed_signal(scores, truth)),
        recovery=figure(room.recovery(scores, truth).interval()),
    )


def _share(found: room.PerQuery) -> Figure:
    return figure(found.interval(0.0, 1.0))


def _auroc(table: ScoreTable) -> Figure:
    """Mean over evaluators of each one's AUROC, since their scales differ; of the bounds too, as if all erred alike."""
    assert table.truth is not None
    each = [room.auroc_interval(table.scores[:, who], table.truth) for who in range(len(table.evaluators))]
    known = [found for found in each if not np.isnan(found.value)]
    if not known:
        return NOTHING
    value, low, high = (float(np.mean([getattr(found, side) for found in known])) for side in ("value", "low", "high"))
    return Figure(value=value, ci=(low, high), n=max(found.n for found in known))
