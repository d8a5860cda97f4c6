"""The gate: a proposal changes the bank only where validation tasks show that it helps.

Pure functions of scores: no model calls, no clock, no randomness. :class:`Gate` holds the run's error budget,
:class:`Plan` one proposal's race and looks; :meth:`Plan.next` says which trials it needs or how it ends.

**Claim.** H0 of a look: on each validation task the candidate bank and the incumbent bank succeed equally often
(tasks fixed, trials random; whether a gain carries over to other tasks is the holdout's business). Under H0 for all
proposals the probability that a run ends on another bank is at most ``alpha``, whatever the race picks, whenever a
look stops, and although the incumbent's trials are used again and again:

- Every bank has a tape of trials. A look compares the first n trials of two tapes, n fixed by the look's place, by
  an exact permutation test within tasks; its p is valid by itself. Its alpha is fixed before any trial of it.
- The run accepts falsely only if one of these looks is significant: over candidates, looks and steps their alphas
  sum to at most ``alpha`` (Bonferroni, which holds under any dependence, so also under the shared incumbent tape and
  whichever candidate the race selects).
- Alpha that was not spent is used later: a step without a proposal, looks that were not reached, and an accepted
  proposal (Wiens and Dmitrienko 2005, the fallback procedure) leave theirs to the steps after them. What a look
  spends then depends on earlier results through the incumbent's tape, and on the safe side: a lucky incumbent
  stops its challengers early and leaves more alpha for looks that are harder to pass.
- An accepted candidate brings its own, selected, trials along as the new incumbent. That makes it look better than
  it is and later looks conservative.

**Judged rewards** (``paired``): a candidate's table holds preferences over the incumbent's attempt of the same number.
Each look's sign-flip p over these pairs is valid by itself; all else holds as it stands.

``benchmarks/gate.py`` checks all of it by simulation; the figures are in ``docs/gate.md``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from pydantic import Field, model_validator

from practice.stats import (
    Comparison,
    Floats,
    Scores,
    compare,
    compare_pairs,
    crossing_probability,
    predictive_power,
)
from practice.types import Decision, Edit, Look, Outcome, Value

__all__ = ["Gate", "Needs", "Plan", "is_shrink"]

#: A look stops where the chance of still being accepted is below this. Costs no alpha.
FUTILE = 0.1
#: A candidate whose own one-sided p for being worse is at most this is called worse. Costs no alpha.
WORSE = 0.05
#: In the race, an arm this many standard errors behind the leader is dropped before its turn.
BEHIND = 2.0
#: The power that "the smallest gain found" refers to.
USUAL_POWER = 0.8

_NORMAL = NormalDist()


class Needs(Value):
    """Trials that must be run before the plan can go on: totals a task, not additions. 0 or absent: none."""

    incumbent: int
    arms: dict[int, int]


class Plan(Value):
    """How one proposal is judged: a race among its candidates, then looks at the winner."""

    candidates: int
    shrink: bool
    """The proposal only shortens the bank: non-inferiority is enough."""
    margin: float
    stages: tuple[int, ...]
    """Trials a task and bank at each look."""
    alphas: tuple[float, ...]
    """What each look may spend on each candidate."""
    paired: bool = False
    """Candidates' scores are preferences over the incumbent (1, 0.5, 0); the incumbent's only count its attempts."""

    def next(self, incumbent: Scores, arms: Sequence[Scores], *, words: bool = True) -> Needs | Decision:
        """The trials that are needed next, or the decision.

        Args:
            incumbent: scores of the bank as it stands, one row a validation task.
            arms: scores of each candidate, same tasks in the same order; rows are empty before the first trial.
            words: fill :attr:`Decision.power`; a simulation of thousands of runs goes without.

        Only the first n attempts of each bank are read, n as asked for: more attempts change nothing, so a resumed
        run that has them all comes to the same decision.

        Raises:
            ValueError: another number of arms than planned, tables of different length, scores outside [0, 1].
        """
        banks = [_Bank.of(scores) for scores in (incumbent, *arms)]
        if len(arms) != self.candidates:
            raise ValueError(f"planned for {self.candidates} candidates, got {len(arms)}")
        if len({len(bank.table) for bank in banks}) != 1:
            raise ValueError("all banks are tried on the same tasks: one row a task")
        move = self._race(banks[0], banks[1:])
        if isinstance(move, int):
            move = self._looks(banks[0], banks[1:], move)
        if isinstance(move, Needs) or not words or move.before is None:
            return move
        return move.model_copy(update={"power": self.power_sentence(move.tasks, move.before)})

    # -------------------------------------------------------- race

    def _race(self, incumbent: _Bank, arms: Sequence[_Bank]) -> Needs | Decision | int:
        """Successive halving (Karnin, Koren and Somekh 2013): rounds at 1, 2, 4 … trials, the better half goes on.

        Arms without hope against the incumbent, or far behind the leader, go at once. Ties go to the earlier arm.
        """
        alive = list(range(len(arms)))
        trials = 1
        while len(alive) > 1:
            missing = _missing(incumbent, arms, alive, trials)
            if missing is not None:
                return missing
            found = {arm: self._compare(incumbent, arms[arm], trials) for arm in alive}
            hopeful = [arm for arm in alive if self._hope(found[arm], self._z(found[arm]), trials) >= FUTILE]
            if not hopeful:
                best = max(found.values(), key=lambda comparison: comparison.difference)
                reason = (
                    f"none of {self.candidates} candidates had a chance against the bank after {trials} trials a task"
                )
                return self._decision("reject", reason, None, (), best)
            order = sorted(hopeful, key=lambda arm: (-found[arm].difference, arm))
            leader = arms[order[0]].first(trials)
            order = order[: math.ceil(len(alive) / 2)]
            alive = [arm for arm in order if compare(leader, arms[arm].first(trials)).z >= -BEHIND]
            trials = min(2 * trials, self.stages[-1])
        return alive[0]

    # -------------------------------------------------------- looks

    def _looks(self, incumbent: _Bank, arms: Sequence[_Bank], winner: int) -> Needs | Decision:
        looks: list[Look] = []
        for trials, alpha in zip(self.stages, self.alphas, strict=True):
            missing = _missing(incumbent, arms, [winner], trials)
            if missing is not None:
                return missing
            found = self._compare(incumbent, arms[winner], trials)
            worse_p, better_p = found.tails()
            z = self._z(found)
            p = _NORMAL.cdf(-z) if self.shrink else better_p
            looks.append(Look(trials=trials, difference=found.difference, p=p, alpha=alpha))
            outcome, reason = self._judge(found, looks[-1], worse_p, self._hope(found, z, trials))
            if outcome is not None:
                return self._decision(outcome, reason, winner, tuple(looks), found)
        raise AssertionError("the last look always ends")

    def _compare(self, incumbent: _Bank, arm: _Bank, trials: int) -> Comparison:
        first = arm.first(trials)
        return compare_pairs(first) if self.paired else compare(incumbent.first(trials), first)

    def _judge(self, found: Comparison, look: Look, worse_p: float, hope: float) -> tuple[Outcome | None, str]:
        """What a look says: an outcome, or None to go on."""
        p, alpha, trials = look.p, look.alpha, look.trials
        if not found.tasks:
            return "indecisive", "no validation task was scored with both banks"
        what = "net preference " if self.paired else ""
        points = f"{what}{100 * found.difference:+.1f} points over {found.tasks} tasks x {trials} trials"
        bar = -self.margin if self.shrink else 0.0
        if p <= alpha:
            what = f"not worse by {100 * self.margin:.0f} points or more" if self.shrink else "better"
            return "accept", f"{what}: {points}, p = {p:.2g} <= {alpha:.2g}"
        if worse_p <= WORSE and found.difference < bar:
            return "reject", f"worse: {points}, p = {worse_p:.2g}"
        last = trials == self.stages[-1]
        if last and found.difference <= bar:
            return "reject", f"no better: {points}"
        if last:
            return "indecisive", f"not settled at the cap: {points}, p = {p:.2g} > {alpha:.2g}"
        if hope < FUTILE:
            return "reject", f"futile: {points}, chance of passing by {self.stages[-1]} trials {hope:.2g}"
        return None, ""

    def _z(self, found: Comparison) -> float:
        if not self.shrink:
            return found.z
        if not found.tasks:
            return 0.0
        return (found.difference + self.margin) / found.deviation_at(-self.margin)

    def _hope(self, found: Comparison, z: float, trials: int) -> float:
        """Probability that the last look accepts, as things stand."""
        if not found.tasks:
            return 1.0
        critical = -_NORMAL.inv_cdf(self.alphas[-1])
        return predictive_power(z, trials / self.stages[-1], critical)

    def _decision(
        self, outcome: Outcome, reason: str, winner: int | None, looks: tuple[Look, ...], found: Comparison
    ) -> Decision:
        return Decision(
            outcome=outcome,
            reason=reason,
            winner=winner,
            looks=looks,
            tasks=found.tasks,
            before=found.before if found.tasks else None,
            after=found.after if found.tasks else None,
            helpful=found.better,
            harmful=found.worse,
        )

    # -------------------------------------------------------- words

    def power(self, n_tasks: int, gain: float, base_rate: float = 0.5) -> float:
        """Probability that a candidate that truly gains ``gain`` on every task is accepted, once it is looked at.

        Normal approximation for binary scores with the same success rate on all tasks: the hardest case for a given
        mean, as rates that differ between tasks have less noise. Of pairs, ``gain`` is the net preference, and the
        hardest case is that none is tied.
        """
        margin = self.margin if self.shrink else 0.0
        before, after = (0.0, gain) if self.paired else (base_rate, min(1.0, base_rate + gain))
        return _power(self.stages, self.alphas, margin, n_tasks, before, after, self.paired)

    def power_sentence(self, n_tasks: int, base_rate: float = 0.5) -> str:
        """In words: what this plan can find on ``n_tasks`` tasks."""
        base = 0.0 if self.paired else min(0.95, max(0.05, base_rate))
        head = f"With these {n_tasks} tasks and up to {self.stages[-1]} trials a task and bank"
        if self.shrink:
            return f"{head} a change that costs nothing passes with probability {self.power(n_tasks, 0.0, base):.2f}."
        room = 1.0 - base
        gains = [gain for gain in (0.1, 0.2, 0.4) if gain < room] or [room]
        what = "net preference" if self.paired else "gain"
        found = [f"{100 * gain:.0f} points {self.power(n_tasks, gain, base):.2f}" for gain in gains]
        return (
            f"{head}, the probability that a true {what} is found: {', '.join(found)}; "
            f"{self._smallest(n_tasks, base, room)}."
        )

    def _smallest(self, n_tasks: int, base: float, room: float) -> str:
        steps = [i / 100 for i in range(1, math.floor(100 * room + 1e-9) + 1)]
        low, high = 0, len(steps)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.power(n_tasks, steps[middle], base) >= USUAL_POWER else (middle + 1, high)
        if low == len(steps):
            return f"no gain is found with probability {USUAL_POWER}"
        return f"the smallest found with probability {USUAL_POWER} is {100 * steps[low]:.0f} points"


class Gate(Value):
    """The error budget of a run: familywise ``alpha`` over ``steps`` planned proposals, their candidates and looks.

    Immutable: :meth:`after` and :meth:`skip` return the gate for the next step, so folding the recorded decisions
    restores it.
    """

    alpha: float = Field(default=0.05, gt=0, lt=1)
    steps: int = Field(default=1, ge=1)
    """Proposals the run plans for. More than planned are safe and get what is left."""
    trials: int = Field(default=2, ge=1)
    """Trials a task and bank at the first look; each further look has twice as many."""
    max_trials: int = Field(default=8, ge=1)
    margin: float = Field(default=0.05, gt=0, lt=1)
    """What a proposal that only shortens the bank may cost, in success rate."""
    paired: bool = False
    """Judges compare attempts in pairs: the reward is theirs."""
    spent: float = 0.0
    done: int = 0
    """Steps behind us."""

    @model_validator(mode="after")
    def _ordered(self) -> Gate:
        if self.max_trials < self.trials:
            raise ValueError(f"max_trials {self.max_trials} is below trials {self.trials}")
        return self

    @property
    def stages(self) -> tuple[int, ...]:
        """Trials a task and bank at each look: ``trials``, doubled until ``max_trials``, which is the last."""
        stages = [self.trials]
        while stages[-1] < self.max_trials:
            stages.append(min(2 * stages[-1], self.max_trials))
        return tuple(stages)

    def plan(self, candidates: int = 1, *, shrink: bool = False) -> Plan:
        """The plan of the next proposal.

        What is left of alpha is shared evenly among the steps to come, then among the candidates, then among the
        looks in proportion to their trials. A proposal that only shortens the bank is tested at ``alpha`` by itself:
        it claims no gain, and at a share of alpha no bank could ever shrink.
        """
        if candidates < 1:
            raise ValueError("a proposal has at least one candidate")
        share = self.alpha if shrink else max(0.0, self.alpha - self.spent) / max(1, self.steps - self.done)
        stages = self.stages
        # A budget that is spent to the last bit still needs an alpha above 0 for its quantile.
        each = max(share / candidates, 1e-12)
        alphas = tuple(each * n / sum(stages) for n in stages)
        return Plan(
            candidates=candidates, shrink=shrink, margin=self.margin, stages=stages, alphas=alphas, paired=self.paired
        )

    def after(self, plan: Plan, decision: Decision) -> Gate:
        """The gate after a decision: looks that were made are paid for, unless they led to acceptance."""
        free = plan.shrink or decision.outcome == "accept"
        cost = 0.0 if free else plan.candidates * math.fsum(look.alpha for look in decision.looks)
        return self.model_copy(update={"spent": self.spent + cost, "done": self.done + 1})

    def skip(self) -> Gate:
        """The gate after a step that proposed nothing: its share goes to the others."""
        return self.model_copy(update={"done": self.done + 1})

    def power(self, n_tasks: int, gain: float, base_rate: float = 0.5, candidates: int = 4) -> float:
        """:meth:`Plan.power` of the next proposal."""
        return self.plan(candidates).power(n_tasks, gain, base_rate)

    def power_sentence(self, n_tasks: int, base_rate: float = 0.5, candidates: int = 4) -> str:
        """:meth:`Plan.power_sentence` of the next proposal."""
        return self.plan(candidates).power_sentence(n_tasks, base_rate)


def is_shrink(edits: Sequence[Edit], texts: Mapping[str, str]) -> bool:
    """Whether edits only shorten the bank: retire, merge into no more words than before, revise to fewer words.

    Args:
        edits: the proposal's edits; ``keep`` is no change.
        texts: the bank's texts by experience id.
    """
    changes = [edit for edit in edits if edit.op != "keep"]

    def shortens(edit: Edit) -> bool:
        words = len(edit.text.split())
        # A merge may name its survivor in ``id`` alone, in ``ids`` alone or in both.
        targets = {edit.id or "", *edit.ids}
        before = sum(len(texts.get(target, "").split()) for target in targets)
        if edit.op == "merge":
            return words <= before
        if edit.op == "revise":
            return words < before
        return edit.op == "retire"

    return bool(changes) and all(shortens(edit) for edit in changes)


# ---------------------------------------------------------------- helpers


class _Bank(NamedTuple):
    """A bank's scores as an array (tasks, attempts), and how many attempts every task has."""

    table: Floats
    attempts: int

    @staticmethod
    def of(scores: Scores) -> _Bank:
        lengths = [len(row) for row in scores]
        if isinstance(scores, np.ndarray):
            table = scores
        else:
            table = np.full((len(lengths), max(lengths, default=0)), np.nan)
            for row, values in zip(table, scores, strict=True):
                row[: len(values)] = np.asarray(values, dtype=np.float64)
        if ((table < 0.0) | (table > 1.0)).any():
            raise ValueError("scores lie in [0, 1]")
        return _Bank(table, min(lengths, default=0))

    def first(self, trials: int) -> Floats:
        return self.table[:, :trials]


def _missing(incumbent: _Bank, arms: Sequence[_Bank], wanted: Sequence[int], trials: int) -> Needs | None:
    short = {arm: trials for arm in sorted(wanted) if arms[arm].attempts < trials}
    own = trials if incumbent.attempts < trials else 0
    return Needs(incumbent=own, arms=short) if own or short else None


@lru_cache(maxsize=4096)
def _power(
    stages: tuple[int, ...],
    alphas: tuple[float, ...],
    margin: float,
    n_tasks: int,
    before: float,
    after: float,
    paired: bool,
) -> float:
    pooled = (before + after) / 2
    noise = before * (1 - before) + after * (1 - after)
    null = max(2 * pooled * (1 - pooled), 1e-9)
    if paired:  # a pair is +1 or -1
        noise, null = 1.0 - (after - before) ** 2, 1.0
    final = math.sqrt(null / (stages[-1] * n_tasks))
    information = [n / stages[-1] for n in stages]
    critical = [-_NORMAL.inv_cdf(alpha) for alpha in alphas]
    futility = _NORMAL.inv_cdf(FUTILE)
    futile = [critical[-1] * math.sqrt(t) + futility * math.sqrt(1 - t) if t < 1 else -math.inf for t in information]
    spread = max(math.sqrt(noise / null), 1e-3)
    return crossing_probability((after - before + margin) / final, spread, information, critical, futile)
