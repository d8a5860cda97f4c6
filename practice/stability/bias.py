"""What moves a verdict besides worth: each figure, and in words each bias that the figures show.

The room of one question: does something other than the rollout decide? Position and cycles are in ``position``, who
stands apart in ``odd``, how a bias comes to be named in ``looks``.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from practice.stability.grid import Row, mean_figure, mean_known, ratio_figure
from practice.stability.looks import Look, mean_look, named, ratio_look
from practice.stability.odd import family, odd_looks
from practice.stability.position import cycle_look, position_looks
from practice.stability.result import Bias, Figure
from practice.stability.table import Floats, ScoreTable, axis_pairs
from practice.stability.truth import binary_truth
from practice.stats import pair_counts, tau_b

__all__ = ["biases", "pass_mark"]

ALL = "all"
BLIND = {"true", "yes", "1", "blind", "hidden"}


def biases(table: ScoreTable, row: Row, *, margin: float, mark: float, seed: int) -> Bias:
    """All biases of a table.

    ``row``: the agreement of every pair of evaluators; ``mark``: the pass mark; ``margin``: what flips, cycles and
    distances may come to before they are named.
    """
    position = position_looks(table, margin)
    option_order, blind, own = _options(table), _blind(table), _self_family(table)
    length, cycle = _length(table), cycle_look(table, margin)
    apart = _apart(table, mark)
    threshold = _threshold(table, mark, margin, apart.get(ALL))
    strict = row.concordant + row.discordant
    words = "evaluators reverse {} of the pairs that both order"
    flips = ratio_look("label flips", words, row.discordant, strict, (0.0, margin))
    polarity, distance = odd_looks(table, margin, seed)
    groups = (position, option_order, length, blind, own, threshold, polarity, distance)
    looks = [look for group in groups for look in group.values()]
    return Bias(
        position=_figures(position),
        option_order=_figures(option_order),
        length={**_figures(length), **({"truth": truth} if (truth := _truth_length(table)) else {})},
        blind=_figures(blind),
        self_family=_figures(own),
        cycles=None if cycle is None else cycle.figure,
        threshold={axis: ratio_figure(*counts, 0, 1) for axis, counts in apart.items()} | _figures(threshold),
        polarity=_figures(polarity),
        family=_figures(distance),
        named=named([*looks, *([cycle] if cycle else []), *([flips] if flips.figure.n else [])]),
    )


def _figures(looks: Mapping[str, Look]) -> dict[str, Figure]:
    return {name: look.figure for name, look in looks.items()}


# ---------------------------------------------------------------- length


def _length(table: ScoreTable) -> dict[str, Look]:
    """Evaluator (and ``all``) -> tau_b of score and length within groups.

    An unbiased judge shows what truth shows, and 0 where that is not known. A noisy judge shows less of it; so the
    bias is named only where the judge goes further than truth.
    """
    if table.n_words is None:
        return {}
    taus = tau_b(pair_counts(table.scores, table.n_words[:, None, :]))
    truth = _truth_length(table)
    expected = 0.0 if truth is None or truth.value is None else truth.value
    unbiased = "an unbiased judge shows 0" if truth is None else f"truth itself shows {expected:.2f}"
    columns: dict[str, Floats] = {ALL: mean_known(taus)}
    if len(table.evaluators) > 1:
        columns |= {key.name: taus[:, who] for who, key in enumerate(table.evaluators)}
    looks: dict[str, Look] = {}
    for name, values in columns.items():
        whose = None if name == ALL else name
        what = "over all evaluators" if whose is None else "by evaluator"
        words = f"scores go with length, tau_b within a group {what}: {{}}; {unbiased}"
        between = (min(0.0, expected), max(0.0, expected))
        looks[name] = mean_look("length", words, values, between, (-1, 1), whose=whose)
    return looks


def _truth_length(table: ScoreTable) -> Figure | None:
    """tau_b of truth and length within groups."""
    if table.n_words is None or table.truth is None:
        return None
    found = mean_figure(tau_b(pair_counts(table.truth, table.n_words)), -1, 1)
    return found if found.n else None


# ---------------------------------------------------------------- options, names


def _shifts(table: ScoreTable, axis: str) -> dict[str, Floats]:
    """Value of an axis -> how much higher its evaluators score than those that differ in this axis alone, (N,)."""
    found: dict[str, list[Floats]] = {}
    for one, two in axis_pairs(table.evaluators).get(axis, ()):
        shift = mean_known(table.scores[:, one] - table.scores[:, two])
        for who, sign in ((one, 1.0), (two, -1.0)):
            found.setdefault(table.evaluators[who].axis(axis) or "not given", []).append(sign * shift)
    return {value: mean_known(np.stack(shifts, axis=-1)) for value, shifts in found.items()}


def _options(table: ScoreTable) -> dict[str, Look]:
    """Order of the rubric's options -> mean score less that under the other orders, in units of score."""
    shifts = _shifts(table, "option_order")
    kept = dict(list(shifts.items())[:1]) if len(shifts) == 2 else shifts  # of two, one is the other's mirror
    words = "the options in the order {value!r} change the score by {}"
    return {
        value: mean_look("option order", words.replace("{value!r}", repr(value)), shift, (0.0, 0.0))
        for value, shift in kept.items()
    }


def _blind(table: ScoreTable) -> dict[str, Look]:
    """``shift``: mean score where the maker is shown less that where it is hidden, in units of score.

    With known makers also, for each, what its rollouts gain from being labelled beyond what all of the group do.
    """
    shifts = {value: shift for value, shift in _shifts(table, "blind").items() if value.lower() not in BLIND}
    if len(shifts) != 1:
        return {}
    (shift,) = shifts.values()
    looks = {"shift": mean_look("blind", "naming the maker changes the score by {}", shift, (0.0, 0.0))}
    if table.rollout_models is None:
        return looks
    makers = _makers(table)
    for maker in sorted({maker for row in makers for maker in row if maker is not None}):
        gain = _label_gain(table, np.array([[name == maker for name in row] for row in makers]))
        if not np.isnan(gain).all():
            words = f"rollouts of {maker} gain {{}} in score from being labelled, more than the others of their group"
            looks[maker] = mean_look("blind", words, gain, (0.0, 0.0))
    return looks


def _label_gain(table: ScoreTable, own: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Floats:
    gains: list[Floats] = []
    for one, two in axis_pairs(table.evaluators).get("blind", ()):
        hidden = (table.evaluators[one].blind or "").lower() in BLIND
        change = table.scores[:, two] - table.scores[:, one] if hidden else table.scores[:, one] - table.scores[:, two]
        gains.append(mean_known(np.where(own, change, np.nan)) - mean_known(np.where(own, np.nan, change)))
    return mean_known(np.stack(gains, axis=-1))


# ---------------------------------------------------------------- own family


def _makers(table: ScoreTable) -> list[list[str | None]]:
    """The family of each rollout's model, padded to G columns."""
    size = table.scores.shape[2]
    rows = table.rollout_models or ()
    return [[None if name is None else family(name) for name in (*row, *[None] * (size - len(row)))] for row in rows]


def _self_family(table: ScoreTable) -> dict[str, Look]:
    """Family -> how much more often its judges prefer its rollouts to others' than judges of other families do.

    The share of (own, other) pairs of a group that a judge gives to its own, a tie counting half. What the other judges
    give (or truth, where no other family judges) is what an unbiased one shows.
    """
    if table.rollout_models is None:
        return {}
    makers = _makers(table)
    judges = [None if key.model is None else family(key.model) for key in table.evaluators]
    looks: dict[str, Look] = {}
    for name in dict.fromkeys(judge for judge in judges if judge is not None):
        own = np.array([[maker == name for maker in row] for row in makers])
        known = np.array([[maker is not None for maker in row] for row in makers])
        mine = [who for who, judge in enumerate(judges) if judge == name]
        others = [who for who, judge in enumerate(judges) if judge is not None and judge != name]
        if others:
            reference = mean_known(_preference(table.scores[:, others], own, known))
        elif table.truth is not None:
            reference = _preference(table.truth[:, None, :], own, known)[:, 0]
        else:
            continue
        values = mean_known(_preference(table.scores[:, mine], own, known)) - reference
        if not np.isnan(values).all():
            words = f"judges of the family {name} prefer their own family's rollouts, by {{}} of the pairs"
            looks[name] = mean_look("own family", words, values, (-1.0, 0.0), (-1, 1))
    return looks


def _preference(
    scores: Floats,
    own: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    known: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
) -> Floats:
    """Share of the pairs (own, other) of a group that go to own, scores (N, E, G) -> (N, E)."""
    won, pairs = np.zeros(scores.shape[:2]), np.zeros(scores.shape[:2])
    for one, two in combinations(range(scores.shape[2]), 2):
        for mine, theirs in ((one, two), (two, one)):
            facing = (own[:, mine] & ~own[:, theirs] & known[:, theirs])[:, None]
            sign = np.sign(scores[:, :, mine] - scores[:, :, theirs])
            there = facing & ~np.isnan(sign)
            won += np.where(there, (1 + np.nan_to_num(sign)) / 2, 0.0)
            pairs += there
    return np.divide(won, pairs, out=np.full(pairs.shape, np.nan), where=pairs > 0)


# ---------------------------------------------------------------- the pass mark


def pass_mark(table: ScoreTable, given: float | None) -> float:
    """A score of this or more passes: as given, else halfway between the lowest and the highest score."""
    if given is not None:
        return given
    known = table.scores[~np.isnan(table.scores)]
    return float(known.min() + known.max()) / 2 if known.size else 0.5


def _apart(table: ScoreTable, mark: float) -> dict[str, tuple[Floats, Floats]]:
    """Axis (and ``all``) -> rollouts that a pair of evaluators puts on different sides of the pass mark, and all that
    both scored, summed over pairs, (N,). Pairwise verdicts have no pass mark.
    """
    if table.duels:
        return {}
    passed = np.where(np.isnan(table.scores), np.nan, table.scores >= mark)
    found: dict[str, tuple[Floats, Floats]] = {}
    for axis, pairs in axis_pairs(table.evaluators).items():
        over, under = np.zeros(len(passed)), np.zeros(len(passed))
        for one, two in pairs:
            apart = np.abs(passed[:, one] - passed[:, two])
            over += np.nansum(apart, axis=1)
            under += (~np.isnan(apart)).sum(axis=1)
        if under.any():
            found[axis] = over, under
    return found


def _threshold(table: ScoreTable, mark: float, margin: float, apart: tuple[Floats, Floats] | None) -> dict[str, Look]:
    """``all`` -> share of the rollouts that two evaluators put on different sides; ``truth`` -> share of the verdicts
    on the wrong side, where truth is 0 or 1.
    """
    looks: dict[str, Look] = {}
    if apart is not None:
        words = f"two evaluators put {{}} of the rollouts on different sides of the pass mark {mark:g}"
        looks[ALL] = ratio_look("label flips", words, *apart, (0.0, margin))
    if table.truth is not None and not table.duels and binary_truth(table):
        passed = np.where(np.isnan(table.scores), np.nan, table.scores >= mark)
        wrong = np.abs(passed - table.truth[:, None, :]).reshape(len(passed), -1)
        under = (~np.isnan(wrong)).sum(axis=1).astype(np.float64)
        words = f"{{}} of the verdicts are on the wrong side of the pass mark {mark:g}, by the known truth"
        # Two judges that err independently at this rate differ at the margin: 2e(1-e) = margin.
        rate = (1 - float(np.sqrt(1 - 2 * margin))) / 2
        looks["truth"] = ratio_look("label flips", words, np.nansum(wrong, axis=1), under, (0.0, rate))
    return looks
