"""Prefix caches hit: what a run's requests share comes first, byte by byte, with the memory behind the instructions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from practice.config import write_yaml
from practice.memory import Bank
from practice.types import Experience
from tests.fakeserver import Call, FakeServer
from tests.house import INSTRUCTIONS, make, practise
from tests.worlds import make_tasks

LESSON = "When a code is asked for, say how you did it first."


def sent(call: Call) -> str:
    """The body as it was sent: parsing keeps the order of keys."""
    return json.dumps(call.body, ensure_ascii=False)


def common(texts: Sequence[str]) -> str:
    """The longest beginning that all have."""
    return "".join(column[0] for column in takewhile(lambda column: len(set(column)) == 1, zip(*texts, strict=False)))


async def test_a_groups_requests_share_all_up_to_the_task_and_the_task_too(tmp_path: Path) -> None:
    tasks = make_tasks(4, rules=2)
    with FakeServer("lessons") as server:
        place = make(tmp_path, server.url, tasks=tasks, holdout=())
        bank = Bank(bank="test", revision=1, experiences=(Experience(id="e1", text=LESSON),))
        write_yaml(tmp_path / "memory/test.yaml", bank.to_yaml())
        await practise(place, "accept=always", "practice.epochs=1", "rollouts.group_size=3")
        calls = [call for call in server.calls if call.stage == "rollout" and call.phase == "practice"]
    groups = {
        task.id: [sent(call) for call in calls if call.body["messages"][-1]["content"] == task.input] for task in tasks
    }
    assert [len(group) for group in groups.values()] == [3] * 4

    for task in tasks:
        whole = common(groups[task.id])
        assert json.dumps(task.input, ensure_ascii=False)[1:-1] in whole  # they part behind the task, at the seed

    shared = common([body for group in groups.values() for body in group])
    instructions, lesson = (json.dumps(text, ensure_ascii=False)[1:-1] for text in (INSTRUCTIONS, LESSON))
    assert shared.index(instructions) < shared.index(lesson)  # the fixed part first, then the memory
    assert shared.rindex('"role": "user"') > shared.index(lesson)  # and only then the task, where requests part
