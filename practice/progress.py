"""What a run is doing right now, as counters that a display may read at any time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from practice.calls import Calls
from practice.types import Decision, Rollout


@dataclass
class Progress:
    """Counters of one process; the loop writes them, the command line draws them."""

    stage: str = "starting"
    """What is going on, in words: ``holdout before``, ``epoch 1 batch 2: practising``."""
    done: int = 0
    total: int = 0
    """Rollouts of the present stage, or what ``unit`` says."""
    unit: str = "rollouts"
    steps_done: int = 0
    steps: int = 0
    rollouts: int = 0
    failed: int = 0
    right: float = 0.0
    judged: int = 0
    calls: Calls | None = None
    """The run's calls, for the spend so far."""
    started: float = field(default_factory=time.monotonic)
    stage_started: float = field(default_factory=time.monotonic)
    messages: list[str] = field(default_factory=list[str])
    """What a person should read as it happens, one line each."""

    def enter(self, stage: str, total: int) -> None:
        """Begin a stage of ``total`` rollouts."""
        self.stage, self.total, self.done = stage, total, 0
        self.stage_started = time.monotonic()

    def rolled(self, rollout: Rollout) -> None:
        """Count one finished attempt, whether it was run now or read back."""
        self.done += 1
        self.rollouts += 1
        self.failed += rollout.status == "failed"

    def scored(self, rewards: Sequence[float | None]) -> None:
        """Count the rewards of one practised group; None = unscored, which counts as neither right nor wrong."""
        self.right += sum(reward for reward in rewards if reward is not None)
        self.judged += sum(reward is not None for reward in rewards)

    def decided(self, step: int, decision: Decision) -> None:
        """Count the decision of batch ``step`` (from 0) and say it in one line."""
        self.steps_done += 1
        self.messages.append(f"step {step + 1} of {self.steps}: {decision.outcome}: {decision.reason}")

    def left(self) -> float | None:
        """Seconds left in the present stage at its pace so far, or None where that is not known."""
        if not self.done or self.done >= self.total:
            return None
        return (time.monotonic() - self.stage_started) / self.done * (self.total - self.done)
