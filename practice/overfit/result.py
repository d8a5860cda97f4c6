"""What ``practice overfit --json`` prints."""

from __future__ import annotations

from typing import Literal

from practice.document import DocumentStatus, EditCounts, ExperienceLine, GroupCounts, RolloutCounts, UsageReport
from practice.types import Value

AspectName = Literal["procedure", "tools", "checks"]
ASPECTS: tuple[AspectName, ...] = ("procedure", "tools", "checks")

State = Literal["found", "there_before", "not_followed", "not_said", "no_tools"]
"""``found``: the memory says it and the behaviour changed that way. ``there_before``: it says what the agent did
already. ``not_followed``: it says it, and the behaviour does not show it. ``not_said``: no experience says it.
``no_tools``: the agent has none."""

Link = Literal[
    "expressed",
    "solved_before",
    "too_few",
    "no_contrast",
    "no_lesson",
    "not_followed",
    "not_solved",
    "unscored",
    "unfinished",
]
"""Where it ended: at the goal (``expressed``), with nothing to learn (``solved_before``), with too little to go by
(``too_few``, ``unscored``, ``unfinished``), or at the first link that is broken."""


class Solved(Value):
    """Attempts that were right: a score of 0.5 or more."""

    right: int
    attempts: int
    """Scored ones."""
    missing: int
    """Attempts without a score; they count as neither."""


class TaskResult(Value):
    """One task before and after."""

    id: str
    input: str
    before: Solved
    after: Solved | None


class Count(Value):
    """``shown`` of ``n`` attempts did it."""

    shown: int
    n: int


class Behaviour(Value):
    """One thing that attempts do, counted by the program before and after."""

    feature: str
    """As in the facts of practice: ``called:calculator``; ``words`` for a lesson's own words."""
    says: str
    before: Count
    after: Count
    difference: float | None
    """After minus before, pooled over tasks (Mantel-Haenszel risk difference); None where one side is empty."""
    p: float | None
    """Two-sided, exact permutation within tasks."""


class AspectResult(Value):
    """One of the three, in words and in deeds."""

    state: State
    said: tuple[str, ...]
    """Ids of the experiences that express it."""
    behaviours: tuple[Behaviour, ...]
    """What could show it, those that changed most first."""
    changed: tuple[str, ...]
    """The features whose change, in the direction that the memory asks for, is more than chance."""


class Overfit(Value):
    """The document."""

    run_id: str
    status: DocumentStatus
    agent: str
    link: Link
    verdict: str
    """One sentence."""
    advice: str
    """What to try; empty where nothing is broken."""
    tasks: tuple[TaskResult, ...]
    trials: int
    """Attempts a task, before and after alike."""
    before: Solved
    after: Solved | None
    """None where it was not measured."""
    p: float | None
    """That so much more (or less) is solved by chance: two-sided, exact permutation within tasks."""
    aspects: dict[AspectName, AspectResult]
    """Empty until the run is done."""
    steps: int
    rollouts: RolloutCounts
    """Of practice."""
    groups: GroupCounts
    edits: EditCounts
    experiences: tuple[ExperienceLine, ...]
    usage: UsageReport
    memory: str | None
    """Its own bank; None where nothing was practised."""
    report: str | None
