"""Attempts under two banks, judged together: what a judged reward's gate and its before/after are made of.

    incumbent's and candidate's attempt n at a task ─► every judge, in both orders ─► won, tied, lost

A score that a judge gives to an attempt alone means little from one call to the next; which of two attempts at one
task is better is what judges can say. Judges see neither bank nor attempt number. A judge that prefers one attempt in
both orders has one vote; a judge that changes its mind with the order has none (the order decided, not the attempts:
Wang et al. 2023, arXiv 2305.17926, section 4). The pair goes to the side with more votes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from practice import stats
from practice.calls import gather
from practice.heldout import Scores
from practice.judge import Judge, Panel, Reward
from practice.judge.gate import seats
from practice.judge.show import show
from practice.memory import Bank
from practice.records import Scored
from practice.rollout import Roller, bank_tag, rollout_id
from practice.types import CallKey, Decision, Phase, Rollout, Task, Verdict

__all__ = [
    "SWAPPED",
    "at_equal_length",
    "attempted",
    "calls_a_pair",
    "evened",
    "log_ratios",
    "mirrored",
    "pair_id",
    "preferences",
]

SWAPPED = " (swapped)"
"""Ends an evaluator's name in the verdicts of its second order."""
REPEATED = "[To bring both attempts to one length, this one is repeated from here on:]"

_EVEN = "/even"


async def attempted(
    roller: Roller, banks: Sequence[Bank], tasks: Sequence[Task], phase: Phase, n: int, temperature: float
) -> None:
    """Run attempts 0 … n-1 at every task under each of ``banks``; none is judged."""
    await gather(
        *(
            roller.attempt(task, bank, phase=phase, epoch=0, attempt=attempt, temperature=temperature)
            for bank in banks
            for task in tasks
            for attempt in range(n)
        )
    )


async def preferences(
    roller: Roller,
    one: Bank,
    two: Bank,
    tasks: Sequence[Task],
    phase: Phase,
    n: int,
    *,
    even: bool = False,
) -> Scores:
    """1 where ``two``'s attempt was preferred over ``one``'s of the same number, 0.5 tied, 0; None: no judge said.

    The attempts must have been run. ``even``: where their lengths differ, the shorter one is repeated to the length
    of the longer, so that length can't decide.
    """
    duel = _Duel(roller, one, two, phase, even)
    flat = await gather(*(duel.fight(task, attempt) for task in tasks for attempt in range(n)))
    return tuple(tuple(flat[i * n : (i + 1) * n]) for i in range(len(tasks)))


def mirrored(wins: Scores) -> Scores:
    """The same pairs as the other side sees them: what one side won the other lost."""
    return tuple(tuple(None if win is None else 1.0 - win for win in row) for row in wins)


def pair_id(phase: Phase, task: str, attempt: int, one: Bank, two: Bank, *, even: bool = False) -> str:
    """Where a pair's verdicts are kept among the run's scores."""
    return f"{phase}/pair/{task}/{attempt}@{bank_tag(one)}~{bank_tag(two)}{_EVEN if even else ''}"


class _Duel:
    """Two banks' attempts in one phase."""

    def __init__(self, roller: Roller, one: Bank, two: Bank, phase: Phase, even: bool) -> None:
        self.roller, self.banks, self.even = roller, (one, two), even
        self.phase: Phase = phase

    async def fight(self, task: Task, attempt: int) -> float | None:
        """The outcome for the second bank. What was judged before is not judged again.

        A pair without an outcome is kept in memory alone: a run that goes on after a dead endpoint tries it again.
        """
        scores = self.roller.records.scores
        ids = [rollout_id(self.phase, 0, task.id, attempt, bank) for bank in self.banks]
        one, two = (self.roller.records.rollouts[id_] for id_ in ids)
        even = self.even and not _alike_in_length(one, two)
        id_ = pair_id(self.phase, task.id, attempt, *self.banks, even=even)
        if id_ not in scores:
            scored = _settled(one, two)
            if scored is None:
                shown = evened(one, two) if even else (one, two)
                scored = await self._ask(task, attempt, shown, even)
            if scored.rewards[1] is None or self.banks[0].digest() == self.banks[1].digest():
                scores[id_] = scored
            else:
                await self.roller.records.save_score(id_, scored)
        return scores[id_].rewards[1]

    async def _ask(self, task: Task, attempt: int, pair: tuple[Rollout, Rollout], even: bool) -> Scored:
        """Every judge in both orders, at the same time; one that does not see both at once is asked once."""
        reward, asks = self.roller.reward, self.roller.asks
        tags = "~".join(bank_tag(bank) for bank in self.banks) + (_EVEN if even else "")
        panels = reward.jury(task, self.phase)

        def place(stage: int, order: int) -> CallKey:
            who = f"{tags}/{order}" + (f"/stage:{stage}" if stage else "")
            return CallKey(phase=self.phase, stage="judge", task=task.id, attempt=attempt, evaluator=who)

        # Which order has which seed is a coin of the run's: else a seed would always favour one side.
        coin = place(0, 0).seed(self.roller.calls.seed) & 1
        orders = (pair, pair[::-1]) if coin else (pair[::-1], pair)
        asked = [
            (panel, replace(judge, rollout_order="given"), order, place(stage, number))
            for stage, panel in enumerate(panels)
            for judge in _seated(panel)
            for number, order in enumerate(orders if judge.mode == "group" else orders[:1], start=1)
        ]
        ballots = await gather(*(panel.ballot(judge, task, order, asks, at) for panel, judge, order, at in asked))
        verdicts: list[Verdict] = []
        said: dict[tuple[str, str], list[int | None]] = {}
        for (panel, judge, _, _), ballot in zip(asked, ballots, strict=True):
            words = said.setdefault((panel.name, judge.name), [])
            words.append(_preferred(pair, ballot.verdicts))
            suffix = SWAPPED if len(words) == 2 else ""
            verdicts += [v.model_copy(update={"evaluator": v.evaluator + suffix}) for v in ballot.verdicts]
        votes = [vote for words in said.values() if (vote := _vote(words)) is not None]
        won = (1.0 + _sign(sum(votes))) / 2.0 if votes else None
        return Scored(verdicts=tuple(verdicts), rewards=(None if won is None else 1.0 - won, won))


# ---------------------------------------------------------------- pure parts


def calls_a_pair(reward: Reward, task: Task, phase: Phase) -> int:
    """How many calls of judges a pair of attempts takes: in both orders, or each attempt by itself."""
    return sum(2 * len(_seated(panel)) for panel in reward.jury(task, phase))


def _seated(panel: Panel) -> Sequence[Judge]:
    return seats(panel.judges)[0] if panel.gate else panel.judges


def _settled(one: Rollout, two: Rollout) -> Scored | None:
    """What needs no judge: a failed attempt is no pair, no output loses against some, alike is a tie."""
    if "failed" in (one.status, two.status):
        return Scored(verdicts=(), rewards=(None, None))
    said = bool(one.output.strip()), bool(two.output.strip())
    if all(said) and show(one) != show(two):
        return None
    won = 0.5 if said[0] == said[1] else float(said[1])
    return Scored(verdicts=(), rewards=(1.0 - won, won))


def _vote(words: Sequence[int | None]) -> int | None:
    """A judge's vote: +1 for the pair's second attempt, -1 for its first, 0; None where an answer is missing."""
    return None if None in words else words[0] if len(set(words)) == 1 else 0


def _preferred(pair: tuple[Rollout, Rollout], verdicts: Sequence[Verdict]) -> int | None:
    scores = {verdict.rollout_id: verdict.score for verdict in verdicts}
    one, two = (scores[rollout.id] for rollout in pair)
    return None if one is None or two is None else _sign(two - one)


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def words(rollout: Rollout) -> int:
    """Length of what a judge sees of an attempt."""
    return len(show(rollout).split())


def log_ratio(one: Rollout, two: Rollout) -> float:
    """log2 of the second attempt's words over the first's; NaN where one has none."""
    lengths = words(one), words(two)
    return math.log2(lengths[1] / lengths[0]) if all(lengths) else math.nan


def log_ratios(roller: Roller, one: Bank, two: Bank, tasks: Sequence[Task], phase: Phase, n: int) -> list[list[float]]:
    """:func:`log_ratio` of every pair, a row a task."""
    known = roller.records.rollouts

    def ratio(task: str, attempt: int) -> float:
        return log_ratio(*(known[rollout_id(phase, 0, task, attempt, bank)] for bank in (one, two)))

    return [[ratio(task.id, attempt) for attempt in range(n)] for task in tasks]


def _alike_in_length(one: Rollout, two: Rollout) -> bool:
    texts = show(one), show(two)
    sizes = [(len(text.split()), len(text)) for text in texts]
    return all(max(a, b) <= stats.NEAR * min(a, b) for a, b in zip(*sizes, strict=True))


def evened(one: Rollout, two: Rollout) -> tuple[Rollout, Rollout]:
    """Both as texts, the shorter repeated until it is no shorter in words nor in characters.

    A repetition says nothing new, so what is left of a preference is not length. That a judge may hold it against
    the shorter side is said on the page of rewards.
    """
    texts = [show(one), show(two)]
    shorter = 0 if len(texts[0].split()) < len(texts[1].split()) else 1
    texts[shorter] = _repeated(texts[shorter], texts[1 - shorter])
    left, right = (
        rollout.model_copy(update={"steps": (), "output": text})
        for rollout, text in zip((one, two), texts, strict=True)
    )
    return left, right


def _repeated(text: str, other: str) -> str:
    """``text``, with its own words again until it has the words and the characters of ``other``."""
    own, seam = text.split(), f"\n\n{REPEATED}\n"
    if len(own) >= len(other.split()) and len(text) >= len(other):
        return text
    missing, room = len(other.split()) - len(own) - len(seam.split()), len(other) - len(text) - len(seam) + 1
    again: list[str] = []
    while missing > 0 or room > 0:
        again.append(own[len(again) % len(own)])
        missing, room = missing - 1, room - len(again[-1]) - 1
    return f"{text}{seam}{' '.join(again)}"


# ---------------------------------------------------------------- the gate's second question


async def at_equal_length(roller: Roller, one: Bank, two: Bank, tasks: Sequence[Task], decision: Decision) -> Decision:
    """An acceptance stands only where it also holds at equal length; else the decision that takes its place.

    Pairs of about equal length count as they are. Where these alone do not carry the acceptance, the others are
    judged again with the shorter attempt repeated to the length of the longer. The same test at the same alpha: so
    the gate's error rate also holds for "better at equal length".
    """
    look = decision.looks[-1]
    raw = await preferences(roller, one, two, tasks, "validation", look.trials)
    ratios = log_ratios(roller, one, two, tasks, "validation", look.trials)
    near = math.log2(stats.NEAR)
    alike = [
        [win if not math.isnan(x) and abs(x) <= near else None for win, x in zip(*rows, strict=True)]
        for rows in zip(raw, ratios, strict=True)
    ]
    if _p_better(alike) <= look.alpha:
        return decision.model_copy(update={"reason": f"{decision.reason}; also among pairs of equal length"})
    even = await preferences(roller, one, two, tasks, "validation", look.trials, even=True)
    found = stats.compare_pairs(stats.as_table(even))
    p = _p_better(even)
    longer = stats.length_fit(stats.as_table(raw), stats.as_table(ratios))
    grew = f"its attempts have {longer.ratio:.2f} times the words; " if longer else ""
    said = f"{grew}brought to equal length the net preference is {100 * found.difference:+.1f} points, p = {p:.2g}"
    if p <= look.alpha:
        return decision.model_copy(update={"reason": f"{decision.reason}; {said}"})
    return decision.model_copy(
        update={
            "outcome": "indecisive" if found.difference > 0 else "reject",
            "reason": f"preferred, but not at equal length: {decision.reason}; {said}",
        }
    )


def _p_better(wins: Sequence[Sequence[float | None]]) -> float:
    return stats.compare_pairs(stats.as_table(wins)).tails()[1]
