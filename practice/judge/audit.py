"""How often the judges err, estimated where truth is known: on tasks with a verifier in a run that judges decide.

Such a task's reward is its verifier's. In the first epoch its group is put before the panel as well, and what the
panel would have made of it is held against what is true.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from practice.judge.gate import Pairs
from practice.types import Value, Verdict

__all__ = ["Case", "JudgeErrors", "Rates", "judge_errors"]

RIGHT = 0.5
"""The score from which a judge, or a verifier, calls an attempt right."""


@dataclass(frozen=True)
class Case:
    """One group, judged and verified."""

    truth: Sequence[float | None]
    """The verifier's rewards."""
    verdicts: Sequence[Verdict]
    """The judges', judge by judge, in the order of ``truth`` each."""
    counted: Pairs | None
    """Pairs (better, worse) that the gate counts; None without a gate."""
    rewards: Sequence[float | None]
    """The panel's mean scores."""


class Rates(Value):
    """One judge's calls on single attempts."""

    right: int
    """Attempts that are right in truth, and how many of them the judge calls right."""
    called_right: int
    wrong: int
    """Attempts that are wrong in truth, and how many of them the judge calls right."""
    passed_wrong: int


class JudgeErrors(Value):
    """The panel against truth, counted in groups, pairs and attempts."""

    groups: int
    alike: int
    """Groups of which all attempts are alike in truth, and how many of them would have taught all the same."""
    alike_taught: int
    mixed: int
    """Groups that are mixed in truth, and how many of them would have taught."""
    mixed_taught: int
    pairs: int
    """Pairs of attempts that differ in truth; those that the gate counts the right and the wrong way round."""
    pairs_right: int
    pairs_wrong: int
    evaluators: dict[str, Rates]

    @property
    def sentence(self) -> str:
        """The counts of pairs and groups, as a person reads them."""
        left = self.pairs - self.pairs_right - self.pairs_wrong
        return (
            f"against verifiers, on {self.groups} groups: of {self.pairs} pairs that differ {self.pairs_right} counted "
            f"right, {self.pairs_wrong} wrong, {left} left open; would have taught: {self.alike_taught} of "
            f"{self.alike} groups that are all alike, {self.mixed_taught} of {self.mixed} that are mixed"
        )


def judge_errors(cases: Sequence[Case]) -> JudgeErrors | None:
    """The panel's errors over all groups that are judged and verified; None where there is none."""
    counts: Counter[str] = Counter()
    groups = 0
    for case in cases:
        known = [index for index, value in enumerate(case.truth) if value is not None]
        if len(known) < 2:
            continue
        groups += 1
        kept = [pair for pair in _pairs(case) if pair[0] in known and pair[1] in known]
        kind = "alike" if len({case.truth[index] for index in known}) == 1 else "mixed"
        counts[kind] += 1
        counts[f"{kind}_taught"] += bool(kept)
        counts["pairs"] += sum(_better(case, a, b) for a in known for b in known)
        counts["right"] += sum(_better(case, a, b) for a, b in kept)
        counts["wrong"] += sum(_better(case, b, a) for a, b in kept)
    if not groups:
        return None
    return JudgeErrors(
        groups=groups,
        alike=counts["alike"],
        alike_taught=counts["alike_taught"],
        mixed=counts["mixed"],
        mixed_taught=counts["mixed_taught"],
        pairs=counts["pairs"],
        pairs_right=counts["right"],
        pairs_wrong=counts["wrong"],
        evaluators=_rates(cases),
    )


def _pairs(case: Case) -> Pairs:
    """What would have been contrasted: the counted pairs, or without a gate all pairs of different scores."""
    if case.counted is not None:
        return case.counted
    scored = [(index, score) for index, score in enumerate(case.rewards) if score is not None]
    return tuple((a, b) for a, high in scored for b, low in scored if high > low)


def _better(case: Case, a: int, b: int) -> bool:
    high, low = case.truth[a], case.truth[b]
    return high is not None and low is not None and high > low


def _rates(cases: Sequence[Case]) -> dict[str, Rates]:
    tallies: dict[str, list[int]] = {}
    for case in cases:
        size = len(case.truth)
        for place, verdict in enumerate(case.verdicts):
            truth = case.truth[place % size]
            if truth is None or verdict.score is None:
                continue
            tally = tallies.setdefault(verdict.evaluator, [0, 0, 0, 0])
            start = 0 if truth >= RIGHT else 2
            tally[start] += 1
            tally[start + 1] += verdict.score >= RIGHT
    return {
        name: Rates(right=right, called_right=called, wrong=wrong, passed_wrong=passed)
        for name, (right, called, wrong, passed) in tallies.items()
    }
