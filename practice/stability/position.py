"""Does it matter where a rollout stands? From duels asked in both orders, or from evaluators shown other orders.

And cyclic triads: a beats b, b beats c, c beats a.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from practice.stability.duels import Outcome, Pair, orders, reconciled
from practice.stability.looks import Look, ratio_look
from practice.stability.table import Duel, EvaluatorKey, Floats, ScoreTable, axis_pairs

__all__ = ["cycle_look", "position_looks", "slots"]

GIVEN = {"given", "as_given", "forward", "original", "straight", "identity", "ab"}
REVERSED = {"reversed", "reverse", "backward", "swapped", "ba"}


Tally = defaultdict[str, float]


@dataclass
class _Counts:
    """Of one evaluator (or of all), by query."""

    same: Tally = field(default_factory=lambda: defaultdict(float))
    both: Tally = field(default_factory=lambda: defaultdict(float))
    """Pairs that were judged in both orders, and those with one answer."""
    first: Tally = field(default_factory=lambda: defaultdict(float))
    decided: Tally = field(default_factory=lambda: defaultdict(float))
    """Decided comparisons, and those that the rollout that stood first won."""


def position_looks(table: ScoreTable, margin: float) -> dict[str, Look]:
    """``consistency`` and ``first_slot`` over all evaluators, and ``…:<evaluator>`` where there are several.

    Both over pairs that were judged in both orders, so that a better rollout gains nothing from standing first: its
    rival stands first as often. Where each pair was judged in one order alone, the first slot's share is the mean of
    two shares, over the pairs whose lower id stood first and over the others. Either way an unbiased judge shows one
    half.
    """
    counts = _of_duels(table.duels) if table.duels else _of_orders(table)
    if not counts["all"].both:
        single = _of_single_orders(table.duels)
        return {} if single is None else _looks("all", single, table.groups, margin)
    looks = _looks("all", counts["all"], table.groups, margin)
    if len(counts) > 2:
        for name, found in counts.items():
            if name != "all":
                looks |= _looks(name, found, table.groups, margin)
    return looks


def _looks(name: str, counts: _Counts, groups: Sequence[str], margin: float) -> dict[str, Look]:
    """The two looks at one evaluator, or at all of them."""
    whose = None if name == "all" else name
    suffix = "" if whose is None else f":{whose}"

    def column(found: Mapping[str, float]) -> Floats:
        return np.array([found.get(group, 0.0) for group in groups], dtype=np.float64)

    if whose is None:
        same = "{} of the answers stay the same when the two rollouts change places"
        first = "the rollout that stands first wins {} of the decided comparisons; an unbiased judge shows 50 %"
    else:
        same = "answers that stay the same when the two rollouts change places, by evaluator: {}"
        first = "decided comparisons that the rollout that stands first wins, by evaluator: {}"
    pairs, decided, unbiased = column(counts.both), column(counts.decided), (1 - margin, 1.0)
    looks: dict[str, Look] = {}
    if counts.both:
        looks[f"consistency{suffix}"] = ratio_look("position", same, column(counts.same), pairs, unbiased, whose=whose)
    looks[f"first_slot{suffix}"] = ratio_look("position", first, column(counts.first), decided, (0.5, 0.5), whose=whose)
    return looks


def _of_duels(duels: Iterable[Duel]) -> dict[str, _Counts]:
    counts: dict[str, _Counts] = {"all": _Counts()}
    for (evaluator, group, _, _), (straight, turned) in orders(duels).items():
        one, two = [word for word in straight if word], [word for word in turned if word]
        if not one or not two:
            continue
        for found in (counts["all"], counts.setdefault(evaluator, _Counts())):
            found.both[group] += 1
            found.same[group] += len({*one, *two}) == 1
            # Told in the terms of the pair's key: "a" stood first in the one order, "b" in the other.
            found.first[group] += one.count("a") + two.count("b")
            found.decided[group] += len([word for word in (*one, *two) if word != "tie"])
    return counts


def _of_single_orders(duels: Sequence[Duel]) -> _Counts | None:
    """Of pairs that were judged in one order: comparisons weighted so that either id stands first as often."""
    decided = [duel for duel in duels if duel.winner in ("a", "b")]
    straight = sum(duel.a < duel.b for duel in decided)
    if not 0 < straight < len(decided):
        return None  # one order throughout: a better rollout can't be told from a better place
    counts = _Counts()
    for duel in decided:
        weight = len(decided) / 2 / (straight if duel.a < duel.b else len(decided) - straight)
        counts.decided[duel.group] += weight
        counts.first[duel.group] += weight * (duel.winner == "a")
    return counts


def _of_orders(table: ScoreTable) -> dict[str, _Counts]:
    """From evaluators that differ in ``rollout_order`` alone, where the orders can be read."""
    counts: dict[str, _Counts] = {"all": _Counts()}
    size = table.scores.shape[2]
    for one, two in axis_pairs(table.evaluators).get("rollout_order", ()):
        keys = table.evaluators[one], table.evaluators[two]
        places = [slots(key.rollout_order, size) for key in keys]
        if places[0] is None or places[1] is None:
            continue
        found = [counts["all"], counts.setdefault(_ways(keys), _Counts())]
        for i, j in combinations(range(size), 2):
            lead = [place[j] - place[i] for place in places if place is not None]
            if lead[0] * lead[1] > 0:
                continue  # the same one of them stands first both times
            signs = [np.sign(table.scores[:, who, i] - table.scores[:, who, j]) for who in (one, two)]
            _count(found, table.groups, signs, lead)
    return counts


def _count(found: Sequence[_Counts], groups: Sequence[str], signs: Sequence[Floats], lead: Sequence[int]) -> None:
    for place, group in enumerate(groups):
        words = [float(sign[place]) for sign in signs]
        if words[0] != words[0] or words[1] != words[1]:  # NaN: one of them is missing
            continue
        first = sum(word * ahead > 0 for word, ahead in zip(words, lead, strict=True))
        for counts in found:
            counts.both[group] += 1
            counts.same[group] += words[0] == words[1]
            counts.first[group] += first
            counts.decided[group] += sum(word != 0 for word in words)


def _ways(keys: tuple[EvaluatorKey, EvaluatorKey]) -> str:
    return f"{keys[0].name} and {keys[1].name}"


def slots(order: str | None, size: int) -> NDArray[np.int64] | None:
    """Where each column stood, from the name of an order; None where it says nothing of that.

    ``given`` and ``reversed`` (and their like), or the columns in the order in which they stood: ``3 1 2``, from 1.
    """
    if order is None:
        return None
    if order.lower() in GIVEN:
        return np.arange(size)
    if order.lower() in REVERSED:
        return np.arange(size)[::-1]
    numbers = [int(number) - 1 for number in re.findall(r"\d+", order)]
    if not re.fullmatch(r"[\d\s,;>-]+", order) or sorted(numbers) != list(range(size)):
        return None
    return np.argsort(np.array(numbers, dtype=np.int64))


# ---------------------------------------------------------------- cycles


def cycle_look(table: ScoreTable, margin: float) -> Look | None:
    """Cyclic triads over all triads whose three pairs are decided, both orders reconciled; a coin shows 1 of 4."""
    verdicts = reconciled(table.duels)
    cyclic, triads = _triads(verdicts)
    if not triads:
        return None
    over, under = (np.array([found[group] for group in table.groups], dtype=np.float64) for found in (cyclic, triads))
    words = "{} of the triads go in a circle (a beats b, b beats c, c beats a)"
    return ratio_look("cycles", words, over, under, (0.0, margin))


def _triads(verdicts: Mapping[Pair, Outcome | None]) -> tuple[Counter[str], Counter[str]]:
    beats: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    for (evaluator, group, one, two), outcome in verdicts.items():
        if outcome in ("a", "b"):
            beats[evaluator, group].add((one, two) if outcome == "a" else (two, one))
    cyclic, triads = Counter[str](), Counter[str]()
    for (_, group), won in beats.items():
        rollouts = sorted({rollout for pair in won for rollout in pair})
        for three in combinations(rollouts, 3):
            wins = Counter(winner for winner, loser in won if winner in three and loser in three)
            if wins.total() == 3:
                triads[group] += 1
                cyclic[group] += len(wins) == 3
    return cyclic, triads
