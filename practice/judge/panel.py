"""A panel of LLM judges: asked blind, about a group or about each attempt; a pair counts where they agree.

Scoring a group at once makes scores comparable within it, which is all that an advantage needs. Three wordings of
the question are better than one wording asked five times: their mistakes differ (Gu et al., A Survey on
LLM-as-a-Judge, arXiv 2411.15594, on prompt sensitivity).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from practice.calls import Ask, gather
from practice.config import ModelSpec
from practice.errors import InputError
from practice.judge.ask import Ballot, Bout, Sheet, ask_judge
from practice.judge.gate import Pairs, agreed, open_pairs, seats
from practice.judge.judges import Judge
from practice.types import CallKey, Rollout, Task, Verdict
from practice.verifiers.base import settled

__all__ = ["Judge", "Panel", "Ruling"]


@dataclass(frozen=True)
class Ruling:
    """A panel's word on a group, each field aligned with the rollouts it was given."""

    verdicts: tuple[Verdict, ...]
    """One a judge and rollout, judge by judge."""
    rewards: tuple[float | None, ...]
    """The mean of the scores that there are; None = unscored."""
    counted: Pairs | None
    """Pairs (better, worse) that the gate counts; None without a gate."""
    bouts: tuple[tuple[str, Bout], ...] = ()
    """(judge, two attempts as they met) of the judges that compare pairs."""


class Panel:
    """The judges of a run."""

    def __init__(
        self, judges: Sequence[Judge], *, gate: bool = True, rubric: bool = False, seed: int = 0, name: str = "judge"
    ) -> None:
        """``rubric``: every task must have a rubric of its own, and judges are shown it beside theirs.

        ``seed`` is the run's: the order in which a judge sees the attempts of a group is drawn from its call's seed.
        """
        self.name = name
        self.judges = tuple(judges)
        self.gate = gate
        self.seed = seed
        self._rubric = rubric

    @property
    def sees_answer(self) -> bool:
        """Whether any judge is shown the tasks' answers."""
        return any(judge.sees_answer for judge in self.judges)

    def check(self, task: Task) -> None:
        """Raise InputError where a task lacks what the panel needs."""
        if self._rubric and not (task.rubric or "").strip():
            raise InputError("a rubric, which the reward rubric judges by", key=f"task {task.id}: rubric")
        for judge in self.judges:
            judge.check(task, both=self._rubric)

    async def score(
        self, task: Task, rollouts: Sequence[Rollout], asks: Callable[[ModelSpec | None], Ask], place: CallKey
    ) -> Ruling:
        """Judge a group. Judges are asked at the same time; one that fails leaves its verdicts unscored.

        With a gate the judges in reserve are asked only where a pair of this group is open without them: which it
        is depends on the first judges' scores alone, so a run that goes on asks the same of the same.
        """
        self.check(task)
        first, reserve = seats(self.judges) if self.gate else (self.judges, ())

        async def ask(judges: Sequence[Judge]) -> list[Ballot]:
            return await gather(*(self.ballot(judge, task, rollouts, asks, place) for judge in judges))

        ballots = await ask(first)
        rows = [_scores(ballot) for ballot in ballots]
        later = await ask(reserve) if reserve and open_pairs(rows) else []
        every = [*ballots, *later]
        judges = [*first, *reserve]
        return Ruling(
            verdicts=tuple(verdict for ballot in every for verdict in ballot.verdicts),
            rewards=tuple(_mean(column) for column in zip(*map(_scores, every), strict=True)),
            counted=agreed(rows, [_scores(ballot) for ballot in later]) if self.gate else None,
            bouts=tuple((judge.name, bout) for judge, b in zip(judges, every, strict=False) for bout in b.bouts),
        )

    async def ballot(
        self,
        judge: Judge,
        task: Task,
        rollouts: Sequence[Rollout],
        asks: Callable[[ModelSpec | None], Ask],
        place: CallKey,
    ) -> Ballot:
        """One judge's word on a group."""
        seen = [index for index, rollout in enumerate(rollouts) if _readable(rollout)]
        unseen = [None if index in seen else _unread(rollout, judge.name) for index, rollout in enumerate(rollouts)]
        sheet = Sheet(judge, task, rollouts, seen, asks(judge.model), place, self.seed, both=self._rubric)
        return await ask_judge(sheet, unseen)


def _scores(ballot: Ballot) -> list[float | None]:
    return [verdict.score for verdict in ballot.verdicts]


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known else None


def _readable(rollout: Rollout) -> bool:
    return rollout.status != "failed" and bool(rollout.output.strip())


def _unread(rollout: Rollout, name: str) -> Verdict:
    """The verdict on an attempt that no judge is asked about: failed, or nothing was output."""
    verdict = settled(rollout, name)
    if verdict is not None:
        return verdict
    return Verdict(rollout_id=rollout.id, evaluator=name, score=0.0, reason="no output", n_words=0)
