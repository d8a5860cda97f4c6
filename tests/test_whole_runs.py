"""Whole runs, many of them: the lesson is found at three seeds, and nothing is found where there is nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakeserver import FakeServer
from tests.house import make, practise
from tests.worlds import make_tasks

pytestmark = pytest.mark.slow


async def test_the_holdout_rises_by_forty_points_over_three_seeds(tmp_path: Path) -> None:
    """64 practice tasks of 8 rules, G = 5, 2 epochs; a lesson raises its rule's tasks from 0.3 to 0.9."""
    rises: list[float] = []
    for seed in (1, 2, 3):
        with FakeServer("lessons") as server:
            place = make(
                tmp_path / str(seed),
                server.url,
                tasks=make_tasks(64),
                holdout=make_tasks(80, start=1000),
                practice={"epochs": 2},
            )
            document = await practise(place, f"practice.seed={seed}")
        assert document.before and document.after and document.delta
        assert len(document.experiences) <= 16
        rises.append(document.delta.mean)
        before, after = document.before.mean, document.after.mean
        print(f"seed {seed}: {before:.3f} -> {after:.3f}, {len(document.experiences)} experiences")
    assert sum(rises) / 3 >= 0.4


async def test_where_there_is_nothing_to_learn_nothing_is_learnt(tmp_path: Path) -> None:
    """20 whole runs at success 0.5 whatever the prompt says: the gate's error rate, end to end."""
    changed = 0
    for seed in range(20):
        with FakeServer("null") as server:
            place = make(
                tmp_path / str(seed),
                server.url,
                tasks=make_tasks(40),
                holdout=(),
                practice={"epochs": 2, "seed": seed},
                rollouts={"group_size": 4},
            )
            document = await practise(place)
        assert document.groups.mixed > 20
        assert document.edits.proposed > 0
        changed += bool(document.experiences)
    print(f"{changed} of 20 null runs ended on another bank")
    assert changed <= 4  # at 0.05 each, 5 or more have a probability of 0.003
