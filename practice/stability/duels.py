"""Pairwise verdicts: both orders reconciled, and what they make of the rollouts of a group."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from practice.stability.table import Duel, EvaluatorKey, ScoreTable

__all__ = ["Outcome", "duel_table", "reconciled"]

Outcome = Literal["a", "b", "tie"]
"""Of a pair: the rollout that is named first in its key won, the other one did, neither did."""

Pair = tuple[str, str, str, str]
"""(evaluator, group, one rollout, the other), the rollouts in the order in which the pair was first met."""


def orders(duels: Iterable[Duel]) -> dict[Pair, tuple[list[str | None], list[str | None]]]:
    """The verdicts on each pair, told in the terms of its key: (with the first standing first, with it second)."""
    found: dict[Pair, tuple[list[str | None], list[str | None]]] = {}
    for duel in duels:
        turned = (duel.evaluator, duel.group, duel.b, duel.a)
        if turned in found:
            swap = {"a": "b", "b": "a"}
            found[turned][1].append(swap.get(duel.winner, duel.winner) if duel.winner else None)
        else:
            found.setdefault((duel.evaluator, duel.group, duel.a, duel.b), ([], []))[0].append(duel.winner)
    return found


def reconciled(duels: Iterable[Duel]) -> dict[Pair, Outcome | None]:
    """One verdict a pair: where both orders were asked and differ, a tie; None where a verdict is missing.

    A pair that was asked in one order alone has that order's verdict.
    """
    return {pair: _settle([*one, *two]) for pair, (one, two) in orders(duels).items()}


def _settle(verdicts: Sequence[str | None]) -> Outcome | None:
    if None in verdicts:
        return None
    if len(set(verdicts)) > 1:
        return "tie"
    return "a" if verdicts[0] == "a" else "b" if verdicts[0] == "b" else "tie"


def duel_table(duels: Sequence[Duel], evaluators: Sequence[EvaluatorKey]) -> ScoreTable:
    """Scores of an evaluator on a rollout: wins and half the ties over the pairs it was judged in.

    In [0, 1] also where some pairs are missing; NaN where all of a rollout's are.
    """
    rollouts: dict[str, dict[str, int]] = {}
    for duel in duels:
        columns = rollouts.setdefault(duel.group, {})
        for rollout in (duel.a, duel.b):
            columns.setdefault(rollout, len(columns))
    row = {group: place for place, group in enumerate(rollouts)}
    who = {key.name: place for place, key in enumerate(evaluators)}
    shape = (len(rollouts), len(evaluators), max(map(len, rollouts.values()), default=0))
    points, judged = np.zeros(shape), np.zeros(shape)
    for (evaluator, group, one, two), outcome in reconciled(duels).items():
        if outcome is None:
            continue
        place = row[group], who[evaluator]
        first, second = rollouts[group][one], rollouts[group][two]
        points[(*place, first)] += {"a": 1.0, "tie": 0.5, "b": 0.0}[outcome]
        points[(*place, second)] += {"a": 0.0, "tie": 0.5, "b": 1.0}[outcome]
        judged[(*place, first)] += 1
        judged[(*place, second)] += 1
    scores = np.divide(points, judged, out=np.full(shape, np.nan), where=judged > 0).round(12)
    return ScoreTable(
        groups=tuple(rollouts),
        rollouts=tuple(tuple(columns) for columns in rollouts.values()),
        evaluators=tuple(evaluators),
        scores=scores,
        duels=tuple(duels),
    )
