"""One run gone through in figures: batches, lessons, the real gate (``accept.py``) with made-up attempts.

What is not known of a run is drawn once for it: how often the agent is right (bootstrap over the sampled tasks), how
often a group teaches (Beta posterior of Jeffreys' prior), and whether lessons help at all. A lesson that helps makes
attempts more like those of the sample that were right, in length too, and leaves fewer groups mixed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from practice import accept
from practice.prediction.values import Outline, Sample
from practice.types import Decision

HELPS = 0.5
"""The share of runs whose lessons help at all; in the others every candidate is as good as the bank."""
GOES_ON = (0.3, 1.0)
"""After a first acceptance, the share of batches whose lessons still pass the checks."""
REPEATS = 0.5
"""The share of runs whose batches propose some candidates again, which are known by then; how many is drawn."""
HABIT = (0.85, 1.25)
"""What else a first acceptance does to the cost of an attempt."""
LEAST, MOST = 0.02, 0.98
"""Success of an attempt: nothing is certain."""


@dataclass
class Played:
    """How much there was to do."""

    groups: int = 0
    calls: float = 0.0
    """Of all attempts, counted in attempts of the sample's mean."""
    tokens: float = 0.0
    """The same of their tokens."""
    tested: int = 0
    """Attempts outside practice that are scored one by one."""
    duels: int = 0
    """Pairs of validation attempts that judges compare."""
    sealed: int = 0
    """Pairs of holdout attempts that are compared."""
    taught: int = 0
    """Groups that taught something."""
    merges: int = 0
    """Batches with lessons to merge."""
    words: float = 0.0
    """Of lessons, summed over the attempts that read them."""
    accepted: int = 0


@dataclass
class _Arm:
    """A candidate: what it changes in success, the words that it adds, its scores by validation task."""

    gain: float
    words: float
    table: list[list[float]]


def play(outline: Outline, sample: Sample, draws: random.Random) -> Played:
    """One run; ``draws`` decides all that is not known of it."""
    run = _Run(outline, sample, draws)
    for size in outline.batches:
        run.batch(size)
    return run.end()


@dataclass
class _Run:
    outline: Outline
    sample: Sample
    draws: random.Random
    played: Played = field(default_factory=Played)
    words: float = 0.0
    """Of the accepted lessons."""

    def __post_init__(self) -> None:
        draws, tasks = self.draws, self.sample.tasks
        scores = [task.score for task in tasks]
        self.right = _bounded(sum(draws.choice(scores) for _ in scores) / len(scores))
        self.start = self.right
        taught = sum(task.taught.calls > 0 for task in tasks)
        self.teaches = draws.betavariate(taught + 0.5, len(tasks) - taught + 0.5)
        self.helps = draws.random() if draws.random() < HELPS else 0.0
        self.repeats = draws.random() if draws.random() < REPEATS else 0.0
        self.known: list[_Arm] = []
        self.goes_on, self.habit = draws.uniform(*GOES_ON), draws.uniform(*HABIT)
        attempts = [attempt for task in tasks for attempt in task.attempts]
        self.calls = _by_outcome([(attempt.reward, attempt.calls) for attempt in attempts])
        self.tokens = _by_outcome([(attempt.reward, attempt.tokens) for attempt in attempts])
        self.steady = len({attempt.calls for attempt in attempts}) == 1
        self.gate = self.outline.gate
        self.incumbent: list[list[float]] = [[] for _ in range(self.outline.validation)]
        self._try(self.outline.holdout * self.outline.trials)
        self.played.tested += self.outline.holdout * self.outline.trials

    def batch(self, size: int) -> None:
        """Practise on ``size`` tasks and decide on what they teach."""
        played, draws = self.played, self.draws
        played.groups += size
        self._try(size * self.outline.group_size)
        chance = min(1.0, self.teaches * self._mixed(self.right) / self._mixed(self.start))
        taught = sum(draws.random() < chance for _ in range(size))
        played.taught += taught
        played.merges += taught > 0
        arms = self._arms() if taught else 0
        if self.gate is None:
            if arms:
                self._accept(self._gain(), self._adds(size))
        elif not arms:
            self.gate = self.gate.skip()
        else:
            self._test(self.gate, [self._arm(size) for _ in range(arms)])

    def end(self) -> Played:
        """The holdout once more where the bank has changed."""
        if self.played.accepted:
            held = self.outline.holdout * self.outline.trials
            self._try(held)
            self.played.tested += held
            self.played.sealed += 2 * held  # as they are, and at equal length
        return self.played

    def _arms(self) -> int:
        """Candidates of a batch with lessons."""
        draws, known = self.draws, any(task.taught.calls for task in self.sample.tasks)
        if self.played.accepted and draws.random() > self.goes_on:
            return 0
        arms = self.sample.arms + draws.randint(-1, 1) if known else draws.randint(0, self.outline.candidates)
        return max(0, min(self.outline.candidates, arms))

    def _gain(self) -> float:
        """What a candidate changes, in success."""
        wish = self.draws.uniform(-1, 1) * self.helps
        return wish * (1 - self.right if wish > 0 else self.right)

    def _adds(self, size: int) -> float:
        """Words that a candidate of a batch of ``size`` tasks adds: a larger batch has more to say."""
        if self.sample.words:
            return self.sample.words * self.draws.uniform(0.7, max(1.3, size / len(self.sample.tasks)))
        return self.outline.max_words * self.draws.uniform(0.3, 1) * self.draws.randint(1, 3)

    def _arm(self, size: int) -> _Arm:
        """A candidate: another one, or one that was tested against this bank before."""
        if self.known and self.draws.random() < self.repeats:
            return self.draws.choice(self.known)
        self.known.append(_Arm(self._gain(), self._adds(size), [[] for _ in self.incumbent]))
        return self.known[-1]

    def _test(self, gate: accept.Gate, arms: list[_Arm]) -> None:
        plan = gate.plan(len(arms))
        decision = self._decide(plan, arms)
        self.gate = gate.after(plan, decision)
        if decision.outcome == "accept" and decision.winner is not None:
            winner = arms[decision.winner]
            self.incumbent = winner.table
            self.known.clear()
            self._accept(winner.gain, winner.words)

    def _decide(self, plan: accept.Plan, arms: list[_Arm]) -> Decision:
        tables = [arm.table for arm in arms]
        while isinstance(move := plan.next(self.incumbent, tables, words=False), accept.Needs):
            self._fill(self.incumbent, move.incumbent, self.right, self.right, 0.0)
            for number, trials in move.arms.items():
                arm = arms[number]
                right = _bounded(self.right + arm.gain)
                wins = 0.5 + arm.gain / 2 if plan.paired else right
                fresh = self._fill(arm.table, trials, wins, right, arm.words)
                self.played.duels += fresh if plan.paired else 0
        return move

    def _fill(self, table: list[list[float]], trials: int, chance: float, right: float, words: float) -> int:
        """Attempts until each task has ``trials``; how many were new."""
        fresh = 0
        for row in table:
            fresh += max(0, trials - len(row))
            row += [float(self.draws.random() < chance) for _ in range(trials - len(row))]
        self._try(fresh, right, words)
        self.played.tested += fresh
        return fresh

    def _accept(self, gain: float, words: float) -> None:
        self.played.accepted += 1
        self.words += words
        self.right = _bounded(self.right + gain)

    def _try(self, attempts: int, right: float | None = None, more: float = 0.0) -> None:
        """Count attempts that succeed as often as ``right`` says, with ``more`` words than the bank has."""
        share = self.right if right is None else right
        habit = self.habit if self.played.accepted else 1.0
        self.played.calls += attempts * self._against_start(self.calls, share) * (1.0 if self.steady else habit)
        self.played.tokens += attempts * self._against_start(self.tokens, share) * habit
        most = self.outline.max_experiences * self.outline.max_words
        self.played.words += attempts * min(most, self.words + more)

    def _against_start(self, by_outcome: tuple[float, float], right: float) -> float:
        """What attempts take that succeed as often as ``right`` says, over what they took at the start."""
        good, bad = by_outcome
        return (good * right + bad * (1 - right)) / (good * self.start + bad * (1 - self.start))

    def _mixed(self, right: float) -> float:
        """The chance that a group has right attempts and wrong ones; a group of one teaches by itself."""
        size = self.outline.group_size
        return 1 - right**size - (1 - right) ** size if size > 1 else 1.0


def _by_outcome(attempts: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """What a right attempt takes and what a wrong one, of (reward, taken); alike where the sample lacks either."""
    good = sum(reward * taken for reward, taken in attempts), sum(reward for reward, _ in attempts)
    bad = sum((1 - reward) * taken for reward, taken in attempts), sum(1 - reward for reward, _ in attempts)
    if not all((*good, *bad)):
        return 1.0, 1.0
    return good[0] / good[1], bad[0] / bad[1]


def _bounded(chance: float) -> float:
    return min(MOST, max(LEAST, chance))
