"""What a run will cost, from a sample of it: calls, tokens, usd and seconds, each with an interval and a worst case.

Pure functions of figures. The sample is a few practice tasks, tried and studied as the run would (``sampling.py``);
:func:`predict` goes through the run up to a hundred times in figures alone and takes the median and the middle 95 %:

- **What a task costs** is the mean over the sampled tasks, drawn anew each time (bootstrap over tasks). Deviations are
  widened to Student's t at n - 1 degrees of freedom and by what the run's own tasks add, sqrt(1 + n / tasks).
- **How much there is to do** at the gate is played: the real gate (``accept.py``) with attempts that succeed as often
  as the sampled ones did, and candidates of which half help and half change nothing. What it accepts lengthens
  prompts from then on and has the holdout measured twice.
- **Teacher calls** vary by a factor drawn from :data:`TEACHING`; a merge of a whole batch reads more lessons than the
  sample had, up to in proportion.

The worst case has every task as dear as the dearest one sampled, the gate at its last look with every candidate.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from practice import accept
from practice.stats.means import t_quantile, z_quantile
from practice.types import Decision, Usage, Value

SIMULATED = 100
"""Runs that are gone through; down to 40 where the gate is played over many steps."""
TEACHING = (0.5, 1.25)
"""Factor on teacher calls: groups teach less as the agent gets better, and repairs come and go."""
WORD = 1.5
"""Tokens a word of a lesson takes in a prompt."""
UNSEEN = (1500, 400)
"""Tokens in and out of a merge where the sample held none; each run draws its share of them."""

Name = Literal["calls", "tokens", "usd", "seconds"]
NAMES: tuple[Name, ...] = ("calls", "tokens", "usd", "seconds")


class Range(Value):
    """One predicted figure. ``usd`` has none where a price is unknown."""

    middle: float
    """The median of the runs gone through."""
    low: float
    high: float
    """2.5 % of those runs lie below ``low``, 2.5 % above ``high``."""
    worst: float


class Prediction(Value):
    """What a run is expected to take, sample not counted."""

    tasks: int
    """Tasks that were sampled, each with a whole group of attempts."""
    attempts: int
    calls: Range
    tokens: Range
    usd: Range | None
    seconds: Range
    sampled: Usage
    """What the sample itself took."""


class Checked(Value):
    """A prediction against what came, at the end of the run."""

    figure: Name
    predicted: float
    low: float
    high: float
    actual: float
    error: float | None
    """actual / predicted - 1; None where 0 was predicted."""
    inside: bool


@dataclass(frozen=True)
class Sampled:
    """One sampled task: what its group cost, and how it went."""

    tried: Usage
    """Its attempts and their verdicts."""
    taught: Usage
    """What the teacher made of it; nothing where the group taught nothing."""
    score: float
    """Mean reward, in [0, 1]."""


@dataclass(frozen=True)
class Outline:
    """What decides how much a run has to do."""

    tasks: int
    validation: int
    holdout: int
    epochs: int
    batch_size: int
    group_size: int
    trials: int
    candidates: int
    max_words: int
    max_experiences: int
    gate: accept.Gate | None
    """None: every proposal is accepted."""
    parallel: int
    """Calls that the run has in flight at most, in groups as in the sample."""

    @property
    def steps(self) -> int:
        """Batches that are decided on."""
        return self.epochs * -(-self.tasks // self.batch_size)


def predict(
    outline: Outline, sample: Sequence[Sampled], merged: Usage, proposals: int, wall: float, seed: int = 0
) -> Prediction:
    """What the run of ``outline`` takes, to go by ``sample`` (two tasks or more, else ValueError).

    Args:
        outline: The run.
        sample: The sampled tasks.
        merged: What merging the sample's lessons took, all candidates together.
        proposals: How many candidates came of that.
        wall: Seconds that the sample took.
        seed: Decides the draws.
    """
    if len(sample) < 2:
        raise ValueError("an interval needs two sampled tasks")
    draws = random.Random(f"prediction/{seed}")
    sampled = sum((one.tried + one.taught for one in sample), merged)
    pace = wall / sampled.seconds if sampled.seconds else 1.0
    fastest = min(1.0, len(sample) * outline.group_size / outline.parallel)
    runs = max(40, min(SIMULATED, 400 // outline.steps)) if outline.gate else SIMULATED
    seen = [_one(outline, sample, merged, proposals, draws) for _ in range(runs)]
    times = [usage.seconds * pace * draws.uniform(0.8 * fastest, 1.2) for usage in seen]
    worst = _worst(outline, sample, merged)
    return Prediction(
        tasks=len(sample),
        attempts=len(sample) * outline.group_size,
        calls=_range([usage.calls for usage in seen], worst.calls),
        tokens=_range([_tokens(usage) for usage in seen], _tokens(worst)),
        usd=None if sampled.usd is None else _range([usage.usd or 0.0 for usage in seen], worst.usd or 0.0),
        seconds=_range(times, worst.seconds * pace * 1.2),
        sampled=sampled,
    )


def check(prediction: Prediction, usage: Usage, seconds: float) -> tuple[Checked, ...]:
    """How far the prediction was off; a figure that was not predicted, or has no price, is left out."""
    actual: dict[Name, float | None] = {
        "calls": usage.calls,
        "tokens": _tokens(usage),
        "usd": usage.usd,
        "seconds": seconds,
    }
    found: list[Checked] = []
    for name in NAMES:
        said: Range | None = getattr(prediction, name)
        came = actual[name]
        if said is not None and came is not None:
            error = came / said.middle - 1 if said.middle else None
            inside = said.low <= came <= said.high
            values = {"predicted": said.middle, "low": said.low, "high": said.high, "actual": came}
            found.append(Checked(figure=name, **values, error=error, inside=inside))
    return tuple(found)


# ---------------------------------------------------------------- one run, in figures


def _one(outline: Outline, sample: Sequence[Sampled], merged: Usage, proposals: int, draws: random.Random) -> Usage:
    n = len(sample)
    tried, taught = [one.tried for one in sample], [one.taught for one in sample]
    groups = outline.tasks * outline.epochs
    played = _play(outline, [one.score for one in sample], proposals, draws)
    held = outline.holdout * outline.trials * (2 if played.accepted else 1)
    attempts = groups * outline.group_size + played.attempts + held
    trying = _times(sum(tried, Usage()), _drift(tried, outline.tasks, draws) * attempts / outline.group_size / n)
    teaching = _drift(taught, outline.tasks, draws) * draws.uniform(*TEACHING) * groups / n
    total = trying + _times(sum(taught, Usage()), teaching) + _merges(outline, merged, n, draws)
    return _longer(total, round(trying.calls * played.lessons * outline.max_words * WORD * draws.random()))


def _drift(costs: Sequence[Usage], tasks: int, draws: random.Random) -> float:
    """The mean cost of the run's tasks over that of the sampled ones, drawn: 1, give or take."""
    n, total = len(costs), sum(map(_tokens, costs))
    if not total:
        return 1.0
    drawn = sum(_tokens(draws.choice(costs)) for _ in range(n)) / total
    wide = t_quantile(0.95, n - 1) / z_quantile(0.95) * math.sqrt(n / (n - 1)) * math.sqrt(1 + n / max(tasks, 1))
    return max(0.0, 1 + (drawn - 1) * wide)


def _merges(outline: Outline, merged: Usage, n: int, draws: random.Random) -> Usage:
    if merged.calls:
        most = max(TEACHING[1], outline.batch_size / n)
        return _times(merged, outline.steps * draws.uniform(TEACHING[0], most))
    calls = round(outline.steps * outline.candidates * draws.random())
    read, said = (round(calls * most * draws.random()) for most in UNSEEN)
    return Usage(calls=calls, input_tokens=read, output_tokens=said)


@dataclass
class _Played:
    attempts: int = 0
    accepted: int = 0
    lessons: float = 0.0
    """In the prompt, on average over the run."""


def _play(outline: Outline, scores: Sequence[float], proposals: int, draws: random.Random) -> _Played:
    """The gate of a whole run, with made-up attempts."""
    played, gate, lessons = _Played(), outline.gate, 0
    right = min(0.95, max(0.05, sum(draws.choice(scores) for _ in scores) / len(scores)))
    incumbent: list[list[float]] = [[] for _ in range(outline.validation)]
    for _ in range(outline.steps):
        arms = proposals or draws.randint(0, outline.candidates)
        arms = max(0, min(outline.candidates, arms + draws.randint(-1, 1)))
        if not arms:
            gate = gate.skip() if gate else None
        elif gate is None:
            played.accepted, lessons = played.accepted + 1, lessons + draws.randint(1, 3)
        else:
            gains = [max(0.0, draws.uniform(-1, 1)) * (1 - right) for _ in range(arms)]
            plan = gate.plan(arms)
            tables: list[list[list[float]]] = [[[] for _ in incumbent] for _ in gains]
            decision = _decide(plan, incumbent, tables, right, gains, played, draws)
            gate = gate.after(plan, decision)
            if decision.outcome == "accept" and decision.winner is not None:
                played.accepted, lessons = played.accepted + 1, lessons + draws.randint(1, 3)
                right, incumbent = min(0.95, right + gains[decision.winner]), tables[decision.winner]
        played.lessons += min(lessons, outline.max_experiences) / outline.steps
    return played


def _decide(
    plan: accept.Plan,
    incumbent: list[list[float]],
    tables: list[list[list[float]]],
    right: float,
    gains: Sequence[float],
    played: _Played,
    draws: random.Random,
) -> Decision:
    def fill(table: list[list[float]], trials: int, chance: float) -> None:
        for row in table:
            played.attempts += max(0, trials - len(row))
            row += [float(draws.random() < chance) for _ in range(trials - len(row))]

    while isinstance(move := plan.next(incumbent, tables, words=False), accept.Needs):
        fill(incumbent, move.incumbent, right)
        for arm, trials in move.arms.items():
            fill(tables[arm], trials, 0.5 + gains[arm] / 2 if plan.paired else right + gains[arm])
    return move


def _worst(outline: Outline, sample: Sequence[Sampled], merged: Usage) -> Usage:
    tried, taught = (
        max(costs, key=_tokens) for costs in zip(*((one.tried, one.taught) for one in sample), strict=True)
    )
    groups, trials = outline.tasks * outline.epochs, outline.gate.max_trials if outline.gate else 0
    tested = outline.steps * (outline.candidates + 1) * trials * outline.validation
    attempts = groups * outline.group_size + tested + 2 * outline.holdout * outline.trials
    total = _times(tried, attempts / outline.group_size) + _times(taught, groups * TEACHING[1])
    calls = tried.calls * attempts / outline.group_size
    if merged.calls:
        total += _times(merged, outline.steps * max(TEACHING[1], outline.batch_size / len(sample)))
    else:
        merges = outline.steps * outline.candidates
        total += Usage(calls=merges, input_tokens=merges * UNSEEN[0], output_tokens=merges * UNSEEN[1])
    return _longer(total, round(calls * outline.max_experiences * outline.max_words * WORD))


# ---------------------------------------------------------------- figures


def _times(usage: Usage, factor: float) -> Usage:
    return Usage(
        calls=round(usage.calls * factor),
        input_tokens=round(usage.input_tokens * factor),
        output_tokens=round(usage.output_tokens * factor),
        cached_tokens=round(usage.cached_tokens * factor),
        reasoning_tokens=round(usage.reasoning_tokens * factor),
        usd=None if usage.usd is None else usage.usd * factor,
        seconds=usage.seconds * factor,
    )


def _longer(usage: Usage, tokens: int) -> Usage:
    """With more tokens in its prompts, at what its tokens cost on average."""
    of = _tokens(usage)
    usd = usage.usd if usage.usd is None or not of else usage.usd * (1 + tokens / of)
    return usage.model_copy(update={"input_tokens": usage.input_tokens + tokens, "usd": usd})


def _tokens(usage: Usage) -> int:
    return usage.input_tokens + usage.output_tokens


def _range(values: Sequence[float], worst: float) -> Range:
    found = sorted(values)
    low, middle, high = (found[round(share * (len(found) - 1))] for share in (0.025, 0.5, 0.975))
    return Range(middle=middle, low=low, high=high, worst=max(worst, high))
