"""What every statistic of the stability report is computed from: scores of fixed rollouts by several evaluators.

An *evaluator* is one way of judging; its *axes* are what it can differ in from another one. Scores are kept dense, one
number a (group, evaluator, rollout), so that a hundred thousand groups are one array and not a hundred thousand loops.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from practice.types import Value

__all__ = ["AXES", "Duel", "EvaluatorKey", "Floats", "ScoreTable", "axis_pairs"]

Floats = NDArray[np.float64]

AXES = ("model", "temperature", "seed", "prompt", "rubric", "option_order", "rollout_order", "blind")
"""What evaluators can differ in, in the order in which reports list it."""


class EvaluatorKey(Value):
    """Who judged. An axis that is not known, or that the endpoint does not honour, is None."""

    name: str
    model: str | None = None
    temperature: str | None = None
    """As text: axes are compared for equality, never computed with."""
    seed: str | None = None
    prompt: str | None = None
    rubric: str | None = None
    option_order: str | None = None
    rollout_order: str | None = None
    blind: str | None = None
    unavailable: tuple[str, ...] = ()
    """Axes that were asked for and that the endpoint did not honour."""

    def axis(self, name: str) -> str | None:
        """The value on one of :data:`AXES`."""
        value: str | None = getattr(self, name)
        return value


class Duel(Value):
    """One pairwise comparison as it was asked, before both orders are reconciled."""

    group: str
    a: str
    b: str
    """Rollout ids; ``a`` stood first."""
    winner: str | None
    """``a`` (the first), ``b`` or ``tie``; None = missing."""
    evaluator: str


@dataclass(frozen=True)
class ScoreTable:
    """Scores of N groups by E evaluators; groups may have different sizes, G is the largest."""

    groups: tuple[str, ...]
    """Query ids, length N. The query is the cluster of every interval."""
    rollouts: tuple[tuple[str, ...], ...]
    """Rollout ids of each group, in column order; shorter than G where the group is."""
    evaluators: tuple[EvaluatorKey, ...]
    scores: Floats
    """Shape (N, E, G). NaN: missing, or beyond the group's size."""
    truth: Floats | None = None
    """Shape (N, G), where it is known; NaN where it is not."""
    n_words: Floats | None = None
    """Shape (N, G): length of what was judged, in words."""
    rollout_models: tuple[tuple[str | None, ...], ...] | None = None
    """Which model made each rollout, aligned with ``rollouts``; None where it is not known."""
    duels: tuple[Duel, ...] = ()
    """Raw pairwise rows, where there are any: position bias is read off these."""

    @property
    def present(self) -> NDArray[np.bool_]:
        """Shape (N, G): whether the group has a rollout in this column."""
        sizes = np.array([len(row) for row in self.rollouts], dtype=np.int64)[:, None]
        shown: NDArray[np.bool_] = np.arange(self.scores.shape[2], dtype=np.int64)[None, :] < sizes
        return shown

    @property
    def missing(self) -> float:
        """Share of (group, evaluator, rollout) cells without a score, columns beyond a group's size not counted."""
        cells = self.present[:, None, :] & np.ones((1, len(self.evaluators), 1), dtype=bool)
        return float(np.isnan(self.scores[cells]).mean()) if cells.any() else 0.0


def axis_pairs(evaluators: tuple[EvaluatorKey, ...]) -> dict[str, tuple[tuple[int, int], ...]]:
    """Pairs of evaluators (indices, first < second) that differ in one axis alone, by axis, and ``all`` pairs."""
    pairs: dict[str, list[tuple[int, int]]] = {}
    every: list[tuple[int, int]] = []
    for one in range(len(evaluators)):
        for two in range(one + 1, len(evaluators)):
            every.append((one, two))
            differing = [axis for axis in AXES if evaluators[one].axis(axis) != evaluators[two].axis(axis)]
            if len(differing) == 1:
                pairs.setdefault(differing[0], []).append((one, two))
    found = {axis: tuple(pairs[axis]) for axis in AXES if axis in pairs}
    return {**found, "all": tuple(every)}
