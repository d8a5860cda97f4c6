"""Behaviour against reward, counted by the program: "called calculator: right 41 of 45; did not: 2 of 19"."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from practice.advantage.numeric import settled, silver
from practice.config import Settings
from practice.features import UserFeature, binarise, features, phrase
from practice.stats import holm, mantel_haenszel
from practice.types import Fact, Feature, Group, ToolSpec

__all__ = ["ALPHA", "Table", "behaviour", "contrast", "sentence", "tabulate", "visible", "within"]

ALPHA = 0.05
"""The familywise error of the facts of one batch."""
SAME = 0.95
"""From this phi coefficient on two behaviours are one, told in the clearer words."""
LENGTHS = ("n:words", "n:answer_words")
"""Features that say how long an attempt is."""
LEAST = 3
"""A behaviour that fewer rollouts show, or fewer lack, is not tested."""


@dataclass(frozen=True)
class Table:
    """Scored rollouts of several groups as columns. All tuples are aligned."""

    stratum: tuple[int, ...]
    """Index of the group."""
    reward: tuple[float, ...]
    rollout_id: tuple[str, ...]
    columns: dict[str, tuple[bool, ...]]
    """Behaviour -> shown or not."""
    twins: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Behaviour -> others that (nearly) always come with it, which are told under its name."""

    def strata(self, column: Sequence[bool]) -> list[tuple[list[float], list[float]]]:
        """(rewards with, rewards without) a group."""
        pairs: list[tuple[list[float], list[float]]] = [([], []) for _ in range(max(self.stratum, default=-1) + 1)]
        for group, reward, shown in zip(self.stratum, self.reward, column, strict=True):
            pairs[group][0 if shown else 1].append(reward)
        return pairs


def tabulate(groups: Sequence[Group], specs: Sequence[ToolSpec] = (), user: Sequence[UserFeature] = ()) -> Table:
    """The scored rollouts of ``groups`` as yes/no behaviours, those that always come together told once."""
    stratum: list[int] = []
    reward: list[float] = []
    ids: list[str] = []
    rows: list[tuple[Feature, ...]] = []
    for index, group in enumerate(groups):
        for rollout, value in zip(group.rollouts, group.rewards, strict=True):
            if value is not None:
                stratum.append(index)
                reward.append(value)
                ids.append(rollout.id)
                rows.append(features(rollout, specs, user))
    columns, twins = _distinct(binarise(rows))
    return Table(tuple(stratum), tuple(reward), tuple(ids), columns, twins)


def contrast(
    groups: Sequence[Group], specs: Sequence[ToolSpec] = (), user: Sequence[UserFeature] = ()
) -> tuple[Fact, ...]:
    """Which behaviours go with reward, pooled over groups and stratified by group, the strongest first.

    Each yes/no behaviour is tested by an exact stratified permutation test with the Mantel-Haenszel risk difference
    (Mantel & Haenszel 1959; Greenland & Robins 1985), so that a hard task does not pass for a bad habit. ``q`` is
    Holm's (1979) over all behaviours tested. Which are tested is decided without a look at rewards.

    Give it groups that were sampled under one bank, or since the bank last changed: what went wrong before an
    accepted lesson is no news afterwards.
    """
    return facts_of(tabulate(groups, specs, user))


def behaviour(
    groups: Sequence[Group], settings: Settings, specs: Sequence[ToolSpec] = (), user: Sequence[UserFeature] = ()
) -> tuple[Fact, ...]:
    """:func:`contrast` under the run's settings: against agreement, not reward, where ground truth is hidden."""
    return contrast(visible(groups, settings), specs, user)


def visible(groups: Sequence[Group], settings: Settings) -> list[Group]:
    """The groups as a teacher may see them: with the rewards that count, or with agreement in place of reward."""
    return [settled(group) if settings.practice.ground_truth else silver(group) for group in groups]


def worth_telling(facts: Sequence[Fact], settings: Settings) -> tuple[Fact, ...]:
    """The facts that a teacher is told: none about length where judges decide.

    Judges tend to like what is long (Dubois et al., arXiv 2404.04475): there such a fact says as much about them as
    about the attempts, and a lesson made of it would be "write longer".
    """
    stages = {settings.reward} if isinstance(settings.reward, str) else set(settings.reward)
    if not stages & {"judge", "rubric"}:
        return tuple(facts)
    return tuple(fact for fact in facts if not fact.feature.startswith(LENGTHS))


def within(group: Group, specs: Sequence[ToolSpec] = (), user: Sequence[UserFeature] = ()) -> tuple[Fact, ...]:
    """The facts of one group alone: counts that a teacher can look at, rarely significant for a handful of attempts."""
    return facts_of(tabulate((group,), specs, user), least=1)


def facts_of(table: Table, *, least: int = LEAST) -> tuple[Fact, ...]:
    """Test every column of ``table``; see :func:`contrast`."""
    names: list[str] = []
    found: list[tuple[float, tuple[float, float], float]] = []
    for name, column in table.columns.items():
        if min(sum(column), len(column) - sum(column)) < least:
            continue
        strata = table.strata(column)
        if not any(with_ and without for with_, without in strata):
            continue
        association = mantel_haenszel(strata)
        names.append(name)
        found.append((association.difference, association.ci, association.p))
    adjusted = holm([p for _, _, p in found])
    facts = [
        _fact(table, name, difference, ci, p, q)
        for name, (difference, ci, p), q in zip(names, found, adjusted, strict=True)
    ]
    return tuple(sorted(facts, key=lambda fact: (fact.p, -abs(fact.difference), fact.feature)))


def sentence(fact: Fact) -> str:
    """A fact as one line: ``called calculator: right 41 of 45; did not: 2 of 19``."""
    with_right, without_right = _count(fact.with_right), _count(fact.without_right)
    return f"{fact.says}: right {with_right} of {fact.with_n}; did not: {without_right} of {fact.without_n}"


def _fact(table: Table, name: str, difference: float, ci: tuple[float, float], p: float, q: float) -> Fact:
    column, words = table.columns[name], phrase(name)
    with_ = [r for r, shown in zip(table.reward, column, strict=True) if shown]
    without = [r for r, shown in zip(table.reward, column, strict=True) if not shown]
    return Fact(
        feature=name,
        says=words.says,
        do=words.do if difference >= 0 else words.avoid,
        with_right=sum(with_),
        with_n=len(with_),
        without_right=sum(without),
        without_n=len(without),
        difference=difference,
        ci=ci,
        p=p,
        q=q,
    )


def _distinct(
    columns: dict[str, tuple[bool, ...]],
) -> tuple[dict[str, tuple[bool, ...]], dict[str, tuple[str, ...]]]:
    """Of behaviours that are (nearly) the same or opposite columns, the one with the clearest words; and its twins."""
    kept: dict[str, tuple[bool, ...]] = {}
    twins: dict[str, tuple[str, ...]] = {}
    for name in sorted(columns, key=lambda name: (-phrase(name).clarity, name)):
        alike = [(other, _phi(columns[name], column)) for other, column in kept.items()]
        same = [other for other, phi in alike if phi > SAME]
        if all(abs(phi) <= SAME for _, phi in alike):
            kept[name] = columns[name]
        elif same:
            twins[same[0]] = (*twins.get(same[0], ()), name)
    return kept, twins


def _phi(a: Sequence[bool], b: Sequence[bool]) -> float:
    """The phi coefficient of two yes/no columns; 0 where one is constant."""
    n, both, in_a, in_b = len(a), sum(x and y for x, y in zip(a, b, strict=True)), sum(a), sum(b)
    spread = in_a * (n - in_a) * in_b * (n - in_b)
    return (n * both - in_a * in_b) / math.sqrt(spread) if spread else 0.0


def _count(value: float) -> str:
    return f"{value:g}" if value == int(value) else f"{value:.1f}"
