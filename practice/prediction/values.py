"""What a prediction is made of, and what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from practice.accept import Gate
from practice.types import Usage, Value

Name = Literal["calls", "tokens", "usd", "seconds"]
NAMES: tuple[Name, ...] = ("calls", "tokens", "usd", "seconds")


class Range(Value):
    """One predicted figure."""

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
    """None where a price is unknown."""
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


class Foretold(Value):
    """What a sample had said of a run, at that run's end."""

    sample: str
    """The sample's run id."""
    tasks: int
    """Tasks that it tried."""
    sampled: Usage
    """What it took, which the run's own usage does not hold."""
    figures: tuple[Checked, ...]


@dataclass(frozen=True)
class Attempt:
    """One scored attempt of the sample."""

    reward: float
    """In [0, 1]."""
    calls: int
    tokens: int


@dataclass(frozen=True)
class Sampled:
    """One sampled task: what its group cost, and how it went."""

    rolled: Usage
    """Its attempts."""
    judged: Usage
    """Their verdicts; nothing where a verifier gives them."""
    taught: Usage
    """What the teacher made of it; nothing where the group taught nothing."""
    attempts: tuple[Attempt, ...]
    """Those that were scored."""

    @property
    def score(self) -> float:
        """Mean reward; 0.5 where nothing was scored."""
        rewards = [attempt.reward for attempt in self.attempts]
        return sum(rewards) / len(rewards) if rewards else 0.5

    @property
    def usage(self) -> Usage:
        """All that it cost."""
        return self.rolled + self.judged + self.taught


@dataclass(frozen=True)
class Sample:
    """What was tried."""

    tasks: tuple[Sampled, ...]
    merged: Usage
    """What merging the lessons took, all candidates together."""
    arms: int
    """Candidates that came of it and passed the checks."""
    words: float
    """What one of them adds to the prompt, on average; nothing where there was none."""
    pace: float
    """Wall seconds for each second that a call was waited for: calls run side by side."""
    startup: float = 0.0
    """Wall seconds before the first call: imports, weights."""

    @property
    def usage(self) -> Usage:
        """All that it cost."""
        return sum((task.usage for task in self.tasks), self.merged)


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
    """Of the holdout."""
    candidates: int
    max_words: int
    """Of a lesson."""
    max_experiences: int
    """Lessons that a prompt holds at most."""
    gate: Gate | None
    """None: every proposal is accepted."""
    parallel: int
    """Calls that the run has in flight at most, in groups as in the sample."""
    ballots: int = 0
    """Of a judged reward: judges' calls for a pair of validation attempts. 0: attempts are scored one by one."""
    sealed: int = 0
    """The same for a pair of holdout attempts."""

    @property
    def batches(self) -> list[int]:
        """The tasks of each batch that is decided on, in order."""
        full, rest = divmod(self.tasks, self.batch_size)
        return ([self.batch_size] * full + [rest] * (rest > 0)) * self.epochs
