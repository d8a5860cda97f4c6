"""What a run takes, over many runs gone through; and how far off that was.

What a task costs is the mean over the sampled tasks, drawn anew for each run (bootstrap over tasks). Deviations are
widened to Student's t at n - 1 degrees of freedom and by what the run's own tasks add, sqrt(1 + n / tasks).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from practice.prediction.play import Played, play
from practice.prediction.values import NAMES, Checked, Name, Outline, Prediction, Range, Sample, Sampled
from practice.stats.means import t_quantile, z_quantile
from practice.types import Usage

RUNS, STEPS = 200, 1200
"""Runs that are gone through; fewer, down to 60, where the gate would be played more than so many times."""
TEACHING = (0.8, 1.25)
"""Factor on what the teacher is asked: repairs come and go."""
WORD = (1.2, 1.8)
"""Tokens that a word of a lesson takes in a prompt, with its share of what stands around lessons."""
LESSON, MERGE = (1500, 250), (1500, 400)
"""Tokens in and out of a call that studies a group, and of one that merges, where the sample held none: at most."""

PACE = (0.7, 1.4)
"""Factor on time: an endpoint is not equally fast at all hours."""

Draw = Callable[[float, float], float]
"""A number between two."""


def predict(outline: Outline, sample: Sample, seed: int = 0) -> Prediction:
    """What the run of ``outline`` takes, to go by ``sample``; ``seed`` decides the draws.

    Raises ValueError for fewer than two sampled tasks: they give no interval.
    """
    if len(sample.tasks) < 2:
        raise ValueError("an interval needs two sampled tasks")
    draws = random.Random(f"prediction/{seed}")
    runs = max(60, min(RUNS, STEPS // max(1, len(outline.batches)))) if outline.gate else RUNS
    seen = [_gone_through(outline, sample, draws) for _ in range(runs)]
    worst = _worst(outline, sample)
    fastest = min(1.0, len(sample.tasks) * outline.group_size / outline.parallel)
    times = [sample.startup + one.seconds * sample.pace * draws.uniform(PACE[0] * fastest, PACE[1]) for one in seen]
    known = all(one.usd is not None for one in seen)
    return Prediction(
        tasks=len(sample.tasks),
        attempts=len(sample.tasks) * outline.group_size,
        calls=_range([one.calls for one in seen], worst.calls),
        tokens=_range([one.tokens for one in seen], worst.tokens),
        usd=_range([one.usd or 0.0 for one in seen], worst.usd or 0.0) if known else None,
        seconds=_range(times, sample.startup + worst.seconds * sample.pace * PACE[1]),
        sampled=sample.usage,
    )


def check(prediction: Prediction, usage: Usage, seconds: float) -> tuple[Checked, ...]:
    """How far the prediction was off; a figure that was not predicted, or has no price, is left out."""
    actual: dict[Name, float | None] = {
        "calls": usage.calls,
        "tokens": usage.input_tokens + usage.output_tokens,
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


# ---------------------------------------------------------------- what one run costs


@dataclass(frozen=True)
class _Cost:
    """As ``Usage``, but for parts of a call."""

    calls: float = 0.0
    read: float = 0.0
    said: float = 0.0
    usd: float | None = 0.0
    seconds: float = 0.0

    @classmethod
    def of(cls, *usages: Usage) -> _Cost:
        total = sum(usages, Usage())
        return cls(total.calls, total.input_tokens, total.output_tokens, total.usd, total.seconds)

    @property
    def tokens(self) -> float:
        return self.read + self.said

    def __add__(self, other: _Cost) -> _Cost:
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        read, said = self.read + other.read, self.said + other.said
        return _Cost(self.calls + other.calls, read, said, usd, self.seconds + other.seconds)

    def times(self, calls: float, longer: float = 1.0) -> _Cost:
        """So many times the calls, each with ``longer`` times the tokens; money and time go with the tokens."""
        both = calls * longer
        usd = None if self.usd is None else self.usd * both
        return _Cost(self.calls * calls, self.read * both, self.said * both, usd, self.seconds * both)

    def reading(self, tokens: float) -> _Cost:
        """With so many more tokens in its prompts, at what its tokens cost on average."""
        usd = self.usd if self.usd is None or not self.tokens else self.usd * (1 + tokens / self.tokens)
        return _Cost(self.calls, self.read + tokens, self.said, usd, self.seconds)


def _gone_through(outline: Outline, sample: Sample, draws: random.Random) -> _Cost:
    played = play(outline, sample, draws)
    return _cost(outline, sample, played, _drift(sample.tasks, outline.tasks, draws), draws.uniform)


def _cost(outline: Outline, sample: Sample, played: Played, drift: tuple[float, float], draw: Draw) -> _Cost:
    """``drift``: calls and tokens of the run's tasks over those of the sampled ones."""
    calls, longer = drift[0], drift[1] / drift[0] if drift[0] else 1.0
    attempt = _Cost.of(*(task.rolled for task in sample.tasks)).times(1 / (len(sample.tasks) * outline.group_size))
    rolled = attempt.times(calls * played.calls, longer * played.tokens / played.calls if played.calls else 1.0)
    rolled = rolled.reading(attempt.calls * played.words * draw(*WORD))
    around = _judging(outline, sample, played, draw) + _studying(sample, played, draw)
    return rolled + around.times(1, drift[1]) + _merging(outline, sample, played, draw)


def _judging(outline: Outline, sample: Sample, played: Played, draw: Draw) -> _Cost:
    group = _Cost.of(*(task.judged for task in sample.tasks)).times(1 / len(sample.tasks))
    if not group.calls:
        return group
    practised, size = group.times(played.groups), outline.group_size
    if not outline.ballots:  # each judge sees one attempt instead of a group
        return practised + group.times(played.tested, draw(1 / size, 1))
    calls = played.duels * outline.ballots + played.sealed * outline.sealed
    return practised + group.times(calls / group.calls, draw(min(1.0, 2 / size), 1))


def _studying(sample: Sample, played: Played, draw: Draw) -> _Cost:
    taught = [task.taught for task in sample.tasks if task.taught.calls]
    if not taught:
        return _guess(sample, LESSON, draw).times(played.taught)
    return _Cost.of(*taught).times(played.taught / len(taught) * draw(*TEACHING))


def _merging(outline: Outline, sample: Sample, played: Played, draw: Draw) -> _Cost:
    if not played.merges:
        return _Cost()
    if not sample.merged.calls:
        return _guess(sample, MERGE, draw).times(played.merges * outline.candidates * draw(0, 1))
    lessons = played.taught / played.merges / max(1, sum(task.taught.calls > 0 for task in sample.tasks))
    merge = _Cost.of(sample.merged).times(played.merges * draw(*TEACHING))
    return merge.reading(merge.read * max(0.0, lessons - 1) * draw(0, 1))


def _guess(sample: Sample, tokens: tuple[int, int], draw: Draw) -> _Cost:
    """One call of a kind that the sample held none of, at what the sample's calls cost on average."""
    usual = _Cost.of(sample.usage)
    read, said = (most * draw(0.2, 1) for most in tokens)
    share = (read + said) / usual.tokens if usual.tokens else 0.0
    seconds = usual.seconds / usual.calls if usual.calls else 0.0
    return _Cost(1, read, said, None if usual.usd is None else usual.usd * share, seconds)


def _drift(sampled: Sequence[Sampled], tasks: int, draws: random.Random) -> tuple[float, float]:
    """What the run's tasks take over what the sampled ones took, drawn: calls and tokens, 1 give or take."""
    n = len(sampled)
    drawn = [draws.choice(sampled) for _ in sampled]
    wide = t_quantile(0.95, n - 1) / z_quantile(0.95) * math.sqrt(n / (n - 1)) * math.sqrt(1 + n / max(tasks, 1))

    def ratio(of: Callable[[Usage], int]) -> float:
        total = sum(of(task.rolled) for task in sampled)
        mean = sum(of(task.rolled) for task in drawn) / total if total else 1.0
        return max(0.1, 1 + (mean - 1) * wide)

    return ratio(lambda usage: usage.calls), ratio(_tokens)


def _worst(outline: Outline, sample: Sample) -> _Cost:
    """Every task as dear as the dearest one sampled, every group teaches, every test goes to its last look."""
    batches, trials = outline.batches, outline.gate.max_trials if outline.gate else 0
    held, groups = outline.holdout * outline.trials, sum(batches)
    arms = len(batches) * outline.candidates * trials * outline.validation
    tested = arms + len(batches) * trials * outline.validation + 2 * held
    attempts = groups * outline.group_size + tested
    played = Played(
        groups=groups,
        calls=attempts,
        tokens=attempts,
        tested=tested,
        duels=arms,
        sealed=2 * held,
        taught=groups,
        merges=len(batches),
        words=attempts * outline.max_experiences * outline.max_words,
    )
    parts = zip(*((task.rolled, task.judged, task.taught) for task in sample.tasks), strict=True)
    rolled, judged, taught = (max(part, key=_tokens) for part in parts)
    dearest = replace(sample.tasks[0], rolled=rolled, judged=judged, taught=taught)
    return _cost(outline, replace(sample, tasks=(dearest,) * len(sample.tasks)), played, (1.0, 1.0), max)


# ---------------------------------------------------------------- figures


def _tokens(usage: Usage) -> int:
    return usage.input_tokens + usage.output_tokens


def _range(values: Sequence[float], worst: float) -> Range:
    found = sorted(values)
    low, middle, high = (found[round(share * (len(found) - 1))] for share in (0.025, 0.5, 0.975))
    return Range(middle=middle, low=low, high=high, worst=max(worst, high))
