"""Held-out runs: scores of a bank on tasks, and how much better one bank is than another.

The holdout is read before and after, once each, and nothing of it reaches a teacher, the gate or the memory.
"""

from __future__ import annotations

from collections.abc import Sequence

from practice import stats
from practice.calls import gather
from practice.memory import Bank
from practice.rollout import Roller
from practice.types import Delta, Estimate, Phase, Task

Scores = tuple[tuple[float | None, ...], ...]
"""One row a task, one entry an attempt in attempt order; None = unscored."""


async def trials(roller: Roller, bank: Bank, tasks: Sequence[Task], phase: Phase, n: int, temperature: float) -> Scores:
    """The scores of attempts 0 … n-1 at every task with ``bank`` in the prompt."""
    flat = await gather(
        *(roller.trial(task, bank, phase, attempt, temperature) for task in tasks for attempt in range(n))
    )
    return tuple(tuple(flat[i * n : (i + 1) * n]) for i in range(len(tasks)))


def estimate(scores: Scores, metric: str) -> Estimate:
    """The mean over tasks with its 95 % interval (see ``stats.estimate``)."""
    return stats.estimate(scores, metric=metric)


def difference(before: Scores, after: Scores, *, same_bank: bool) -> Delta | None:
    """After minus before, paired by task; exactly 0 where nothing was learnt; None where nothing was scored."""
    if same_bank:
        return Delta(mean=0.0, ci=(0.0, 0.0), p=1.0, test="unchanged bank")
    try:
        return stats.paired_delta(before, after)
    except ValueError:
        return None


def metric_name(n: int) -> str:
    """What is reported: ``mean@N`` over N trials a task."""
    return f"mean@{n}"
