"""What a loop would do with these verdicts: which pairs count, which groups teach, and how often it would be right.

A pair of rollouts counts where every evaluator orders it, and alike. A missing score agrees with nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from practice.stability.grid import mean_known
from practice.stability.result import Consequences
from practice.stability.table import Floats, ScoreTable

__all__ = ["Votes", "consequences", "coverage", "votes"]

Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Votes:
    """Of every pair of columns of every group: evaluators for the one and for the other, shape (N, G(G-1)/2)."""

    first: Whole
    second: Whole
    columns: tuple[NDArray[np.int64], NDArray[np.int64]]


def votes(scores: Floats) -> Votes:
    """Count who prefers which, scores (N, E, G)."""
    one, two = (side.astype(np.int64) for side in np.triu_indices(scores.shape[2], 1))
    first, second = np.zeros((2, len(scores), len(one)), dtype=np.int64)
    for evaluator in range(scores.shape[1]):
        mine = scores[:, evaluator]
        first += mine[:, one] > mine[:, two]
        second += mine[:, one] < mine[:, two]
    return Votes(first, second, (one, two))


def consequences(table: ScoreTable, found: Votes, inverted: float | None) -> Consequences:
    """Groups and pairs that the gate keeps."""
    everyone = len(table.evaluators)
    counted = (found.first == everyone) | (found.second == everyone)
    mean = mean_known(table.scores.transpose(0, 2, 1)).round(12)
    one, two = found.columns
    strict = int(np.sum((mean[:, one] > mean[:, two]) | (mean[:, one] < mean[:, two])))
    kept = int(counted.any(axis=1).sum())
    return Consequences(
        groups_kept=kept,
        groups_abstained=len(table.groups) - kept,
        pairs_kept=int(counted.sum()) / strict if strict else 0.0,
        lessons_inverted=inverted,
    )


def coverage(table: ScoreTable, found: Votes) -> tuple[tuple[float, float], ...]:
    """For k = 1, 2 …: the share of the pairs that truth orders on which at least k evaluators prefer the same one and
    more than prefer the other, and how many of these are right. Empty where truth is not known.
    """
    if table.truth is None:
        return ()
    one, two = found.columns
    truth = np.sign(np.nan_to_num(table.truth[:, one] - table.truth[:, two]))
    lead = np.sign(found.first - found.second)
    most = np.maximum(found.first, found.second)
    ordered = truth != 0
    points: list[tuple[float, float]] = []
    for least in range(1, len(table.evaluators) + 1):
        shown = ordered & (lead != 0) & (most >= least)
        if shown.any():
            points.append((float(shown.sum() / ordered.sum()), float((truth == lead)[shown].mean())))
    return tuple(points)
