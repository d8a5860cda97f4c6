"""What a page shows: frozen values between the rows of a run and the template."""

from __future__ import annotations

from typing import Literal

from practice.calibration import Calibration
from practice.judged import Judged
from practice.prediction import Foretold
from practice.records import GroupRecord, StepRecord
from practice.stats import Bounds
from practice.types import Delta, Estimate, Experience, Phase, Rollout, Stage, Usage, Value

Change = Literal["better", "worse", "right", "wrong", "tied", "unscored"]
"""What became of a holdout task; ``right`` and ``wrong``: the same score before and after, from 0.5 on right; ``tied``:
the same, where judges compared."""


class Limits(Value):
    """How much of a run is listed. What is left out is counted on the page."""

    text: int = 1500
    """Characters of one text of a transcript."""
    line: int = 280
    """Characters of a text in a table."""
    tasks: int = 60
    """Tasks listed in one table."""
    squares: int = 1000
    """Tasks drawn in the holdout's matrix."""
    experiences: int = 80
    steps: int = 60
    items: int = 12
    """Facts, candidates, edits, lessons, failures of one step; turns of a transcript."""

    def half(self) -> Limits:
        """Half of everything, for a page that came out too large."""
        return Limits.model_validate({name: max(1, value // 2) for name, value in self.model_dump().items()})


class Heading(Value):
    """What run this is."""

    id: str
    name: str
    status: str
    words: str
    """The status in words."""
    agent: str
    model: str
    teacher: str
    created: str
    seconds: float
    evaluation: bool
    """An ``eval``, which practises nothing."""


class HoldoutTask(Value):
    """One holdout task under both banks."""

    id: str
    input: str
    """Empty where the run did not keep its tasks."""
    answer: str
    before: float | None
    """Mean over scored attempts."""
    after: float | None
    said_before: str
    """What the first attempt answered."""
    said_after: str
    change: Change


class Answer(Value):
    """How much better the agent is; of an unfinished run: what is missing."""

    headline: str
    sentence: str
    notes: tuple[str, ...] = ()
    """Missing scores and their bounds, how often the holdout was read."""
    before: Estimate | None = None
    after: Estimate | None = None
    delta: Delta | None = None
    unchanged: bool = False
    """Both are the same measurement: the bank did not change."""
    bounds: Bounds | None = None
    """Of the change, where more than 5 % of the attempts have no score."""
    reads: int = 0
    """Runs of this workspace that have read this holdout."""
    tasks: tuple[HoldoutTask, ...] = ()
    judged: Judged | None = None
    length: tuple[tuple[str, str], ...] = ()
    """What length did to a judged holdout: (what, figure)."""


class Transcript(Value):
    """One attempt that a lesson was drawn from."""

    rollout: Rollout
    label: str
    input: str
    answer: str
    reward: float | None
    reason: str
    """The verdict's reason, where it gave one."""


class Lesson(Value):
    """One experience of the memory, with its story."""

    experience: Experience
    counts: str
    story: str
    transcripts: tuple[Transcript, ...] = ()
    drawn_from: str


class FailureLine(Value):
    """Failures of one kind at one stage."""

    stage: str
    kind: str
    n: int
    example: str


class TaskLine(Value):
    """One practised group, on one line."""

    id: str
    input: str
    kind: str
    rewards: tuple[float | None, ...]
    note: str


class StepView(Value):
    """One step; ``record`` is None while its batch is not decided."""

    number: int
    """From 1."""
    record: StepRecord | None
    groups: tuple[GroupRecord, ...]
    kinds: tuple[tuple[str, int], ...]
    mean: Estimate
    """Mean reward of the step's groups, with an interval over groups."""
    scored: int
    attempts: int
    tasks: tuple[TaskLine, ...]
    failures: tuple[FailureLine, ...]
    """Of the teacher's calls, in its groups and its merge."""


class CostLine(Value):
    """What the calls of one stage in one phase cost."""

    stage: Stage
    phase: Phase
    usage: Usage
    lost: int
    """Calls that were sent and never answered."""
    lost_tokens: int
    """What those are charged with: their reservations."""


class ModelLine(Value):
    """What the answered calls of one model cost in one stage."""

    model: str
    """Empty for calls of a run that did not note it."""
    who: str
    """Whose calls: the agent's by its name, else the stage."""
    usage: Usage


class RolloutLine(Value):
    """Attempts of one phase by how they ended."""

    phase: Phase
    done: int
    limit: int
    failed: int
    limits: str
    """Which limits, counted."""


class Page(Value):
    """Everything that a report shows."""

    heading: Heading
    answer: Answer
    lessons: tuple[Lesson, ...]
    candidates: tuple[Experience, ...]
    retired: int
    texts: dict[str, str]
    """Text of every experience that the bank knows, retired ones too, by id."""
    bank: str
    steps: tuple[StepView, ...]
    planned: int | None
    """Steps that the run is planned for, where that is known."""
    costs: tuple[CostLine, ...]
    models: tuple[ModelLine, ...]
    rollouts: tuple[RolloutLine, ...]
    failures: tuple[FailureLine, ...]
    settings: tuple[tuple[str, str], ...]
    hashes: tuple[tuple[str, str], ...]
    calibration: Calibration | None = None
    """What a person's labels make of the judges; None where nobody labelled."""
    predicted: Foretold | None = None
    """What a sample had said of the run's cost, and what came; None where there was no sample."""
    judges: str = ""
    """How often the judges erred where a verifier could tell; empty where none could."""
