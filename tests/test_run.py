"""The whole loop on a real HTTP endpoint: it learns, it says so, and it is done when it is done."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from practice.memory import Bank
from tests.fakeserver import FakeServer
from tests.house import bank_of, command, make, practise
from tests.worlds import make_tasks

FIELDS = {
    *("run_id", "status", "agent", "steps", "tasks", "rollouts", "groups", "edits", "experiences"),
    *("before", "after", "delta", "usage", "memory", "report"),
}


async def test_a_lesson_that_can_be_read_off_is_learnt(tmp_path: Path) -> None:
    with FakeServer("lessons") as server:
        place = make(
            tmp_path,
            server.url,
            tasks=make_tasks(64),
            holdout=make_tasks(40, start=1000),
            practice={"epochs": 2},
        )
        document = await practise(place)
        assert document.status == "done"
        assert document.before and document.after and document.delta
        assert document.before.mean and document.after.mean
        assert document.after.mean - document.before.mean >= 0.4
        assert document.delta.ci[0] > 0
        assert 0 < len(document.experiences) <= 16
        assert document.rollouts.total == 2 * 44 * 5
        assert document.rollouts.done == document.rollouts.total
        assert sum(document.groups.model_dump(exclude={"total"}).values()) == document.groups.total == 88
        edits = document.edits
        parts = edits.accepted + edits.rejected + edits.indecisive + sum(edits.refused.model_dump().values())
        assert edits.proposed == parts
        bank = Bank.load(place.root / document.memory)
        assert [e.id for e in bank.active] == [e.id for e in document.experiences]
        assert all(experience.evidence for experience in document.experiences)
        assert (place.root / str(document.report)).is_file()
        seeded = Counter((call.sha, call.body["seed"]) for call in server.calls)
        assert seeded.most_common(1)[0][1] == 1, "two calls shared body and seed"
        assert {call.headers["x-practice-run"] for call in server.calls} == {document.run_id}

        calls = len(server.calls)
        again = await practise(place)
        assert again == document
        assert len(server.calls) == calls, "a finished run makes no call"


async def test_an_unchanged_bank_is_not_measured_twice(tmp_path: Path) -> None:
    with FakeServer("right") as server:
        place = make(tmp_path, server.url, practice={"epochs": 1})
        document = await practise(place)
        assert document.after == document.before
        assert document.delta is not None and document.delta.mean == 0.0
        assert server.count(stage="rollout", phase="holdout") == 8
        assert document.groups.all_right == document.groups.total
        assert document.experiences == ()


async def test_the_command_line_prints_one_document(tmp_path: Path) -> None:
    with FakeServer("lessons") as server:
        place = make(tmp_path, server.url, practice={"epochs": 1}, rollouts={"group_size": 3})
        process = command(place.root, "run", "--json", "--set", "practice.batch_size=6")
        out, err = process.communicate()
        assert process.returncode == 0, err
        document = json.loads(out)
        assert set(document) == FIELDS
        assert set(document["before"]) == {"metric", "mean", "ci", "n", "trials", "missing"}
        assert document["usage"]["calls"] == len(server.calls)
        assert document["usage"]["usd"] is None
        assert "step 1 of 2" in err
        shown = command(place.root, "runs", "show", "last", "--json").communicate()[0]
        assert json.loads(shown) == document


async def test_another_setting_is_another_run(tmp_path: Path) -> None:
    with FakeServer("lessons") as server:
        place = make(tmp_path, server.url, practice={"epochs": 1}, holdout=())
        stopped = await practise(place, "budget.tokens=3000")
        assert stopped.status == "budget"
        other = await practise(place, "rollouts.group_size=2")
        assert other.run_id != stopped.run_id
        resumed = await practise(place)
        assert resumed.run_id == stopped.run_id and resumed.status == "done"


async def test_fresh_starts_from_the_bank_file_as_it_stands(tmp_path: Path) -> None:
    with FakeServer("lessons") as server:
        place = make(tmp_path, server.url, tasks=make_tasks(48), holdout=())
        first = await practise(place, "practice.epochs=1")
        assert first.experiences
        second = await practise(place, "practice.epochs=1", fresh=True)
        assert second.run_id != first.run_id
        assert bank_of(second)[: len(first.experiences)] == bank_of(first)
