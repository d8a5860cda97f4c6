"""A dense table from verdicts that came one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from practice.stability.table import Duel, EvaluatorKey, Floats, ScoreTable

__all__ = ["Column", "build_table"]

Column = Sequence[float | None]
"""One number a rollout of a group, in the group's order; None = missing."""


def build_table(
    rollouts: Mapping[str, Sequence[str]],
    evaluators: Sequence[EvaluatorKey],
    scores: Mapping[tuple[str, str], Column],
    *,
    truth: Mapping[str, Column] | None = None,
    n_words: Mapping[str, Column] | None = None,
    rollout_models: Mapping[str, Sequence[str | None]] | None = None,
    duels: Iterable[Duel] = (),
) -> ScoreTable:
    """The table of some groups.

    Args:
        rollouts: Group -> the ids of its rollouts, in the order of everything else.
        evaluators: Who judged, in the order of the table.
        scores: (group, evaluator's name) -> its scores. What is not there is missing.
        truth: Group -> the truth of its rollouts; None (or a mapping without a number): nowhere known.
        n_words: Group -> lengths in words.
        rollout_models: Group -> who made its rollouts.
        duels: Pairs as they were asked.
    """
    size = max(map(len, rollouts.values()), default=0)
    cells = np.full((len(rollouts), len(evaluators), size), np.nan)
    for row, group in enumerate(rollouts):
        for place, key in enumerate(evaluators):
            column = scores.get((group, key.name), ())
            cells[row, place, : len(column)] = [np.nan if value is None else value for value in column]
    makers = None if rollout_models is None else tuple(tuple(rollout_models[group]) for group in rollouts)
    return ScoreTable(
        groups=tuple(rollouts),
        rollouts=tuple(tuple(ids) for ids in rollouts.values()),
        evaluators=tuple(evaluators),
        scores=cells,
        truth=_columns(rollouts, truth, size),
        n_words=_columns(rollouts, n_words, size),
        rollout_models=makers,
        duels=tuple(duels),
    )


def _columns(groups: Iterable[str], values: Mapping[str, Column] | None, size: int) -> Floats | None:
    """Shape (N, G); None where there is no number in it."""
    if values is None:
        return None
    rows = [list(values.get(group, ())) for group in groups]
    dense = np.array([[np.nan if v is None else v for v in (*row, *[None] * (size - len(row)))] for row in rows], float)
    return None if not dense.size or np.isnan(dense).all() else dense
