"""Killed, stopped, out of budget, on a faulty endpoint: nothing is lost, nothing is paid twice, nothing is wrong."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from practice.config import read_yaml
from tests.fakeserver import FakeServer
from tests.house import bank_of, command, make, practise
from tests.worlds import make_tasks

CONCURRENCY = 8


def _settings(epochs: int = 2) -> dict[str, Any]:
    return {
        "practice": {"epochs": epochs, "batch_size": 8},
        "rollouts": {"group_size": 4, "concurrency": CONCURRENCY},
    }


async def killed_and_resumed(
    tmp_path: Path, kills: int, seed: int, tasks: int = 24, fan_out: bool | None = None
) -> None:
    """``kills`` times kill -9 at a random instant, then to the end: the bank of an undisturbed run."""
    moments = random.Random(seed)
    with FakeServer("lessons") as calm, FakeServer("lessons", latency=0.01) as rough:
        quiet, broken = (
            make(
                tmp_path / name,
                server.url,
                tasks=make_tasks(tasks),
                agent={"model": {"name": "openai/fake", "api_base": server.url, "fan_out": fan_out}},
                **_settings(),
            )
            for name, server in (("quiet", calm), ("broken", rough))
        )
        wanted = (await practise(quiet)).model_dump(mode="json")
        whole = len(calm.calls)
        assert calm.repeats() == 0
        repeats = 0
        for kill in range(kills):
            process = command(broken.root, "run", "--json")
            until = len(rough.calls) + moments.randrange(1, max(2, whole // kills))
            while process.poll() is None and len(rough.calls) < until:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            bank = broken.memory / "test.yaml"
            if bank.exists():
                read_yaml(bank)  # never half a file
            assert rough.repeats() - repeats <= CONCURRENCY, f"kill {kill + 1}"
            repeats = rough.repeats()
        out, err = (process := command(broken.root, "run", "--json")).communicate()
        assert process.returncode == 0, err
        assert rough.repeats() - repeats <= CONCURRENCY
        found = json.loads(out)
        same = ("experiences", "before", "after", "delta", "groups", "edits", "rollouts", "steps")
        assert {key: found[key] for key in same} == {key: wanted[key] for key in same}
        calls = len(rough.calls)
        assert (await practise(broken)).model_dump(mode="json") == found
        assert len(rough.calls) == calls


async def test_killed_three_times_the_bank_is_the_same(tmp_path: Path) -> None:
    await killed_and_resumed(tmp_path, kills=3, seed=1)


async def test_killed_with_groups_fanned_out_the_bank_is_the_same(tmp_path: Path) -> None:
    await killed_and_resumed(tmp_path, kills=3, seed=3, fan_out=True)


@pytest.mark.slow
async def test_killed_twenty_times_the_bank_is_the_same(tmp_path: Path) -> None:
    await killed_and_resumed(tmp_path, kills=20, seed=2, tasks=48)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupt_is_orderly(tmp_path: Path, number: signal.Signals) -> None:
    with FakeServer("lessons", latency=0.02) as server:
        place = make(tmp_path, server.url, **_settings(1))
        process = command(place.root, "run", "--json")
        while len(server.calls) < 30:
            time.sleep(0.005)
        process.send_signal(number)
        out, err = process.communicate()
        assert process.returncode == 4, err
        document = json.loads(out)
        assert document["status"] == "interrupted"
        assert document["after"] is None
        assert "The same command goes on" in err
        assert (await practise(place)).run_id == document["run_id"]
        assert server.repeats() <= CONCURRENCY


async def test_faults_are_data_and_never_a_zero(tmp_path: Path) -> None:
    with FakeServer("right", faults=0.1) as server:
        place = make(
            tmp_path,
            server.url,
            practice={"epochs": 1},
            rollouts={"group_size": 4, "timeout": 2.0, "concurrency": 16},
        )
        document = await practise(place)
        assert len({call.fault for call in server.calls}) > 3
        assert document.status == "done"
        rollouts = document.rollouts
        assert rollouts.done + rollouts.failed == rollouts.total == 11 * 4
        assert document.before is not None and document.before.mean == 1.0
        assert document.groups.all_wrong == document.groups.mixed == 0


async def test_a_dead_endpoint_stops_the_run_and_it_goes_on_when_it_is_back(tmp_path: Path) -> None:
    notes: list[str] = []
    settings: dict[str, Any] = {"holdout": (), "practice": {"epochs": 1}, "rollouts": {"group_size": 2}}
    with FakeServer("right") as gone:
        place = make(tmp_path, gone.url, **settings)
    document = await practise(place, note=notes.append)
    assert document.status == "failed"
    assert any("calls failed" in note for note in notes)
    with FakeServer("right") as alive:
        found = await practise(make(tmp_path, alive.url, **settings))
        assert found.run_id == document.run_id
        assert found.status == "done"
        assert found.rollouts.failed == 0


async def test_the_budget_is_a_ceiling_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    with FakeServer("lessons") as server:
        calm = await practise(make(tmp_path / "calm", server.url, **_settings(1)))
        need = calm.usage.input_tokens + calm.usage.output_tokens
    with FakeServer("lessons") as server:
        place = make(tmp_path / "tight", server.url, **_settings(1))
        ceiling = max(need // 3, 4000)
        stopped = await practise(place, f"budget.tokens={ceiling}")
        assert stopped.status == "budget"
        assert stopped.usage.input_tokens + stopped.usage.output_tokens <= ceiling
        again = await practise(place, f"budget.tokens={ceiling}")
        assert again.status == "budget" and again.run_id == stopped.run_id
        whole = await practise(place, f"budget.tokens={need * 3}")
        assert whole.status == "done" and whole.run_id == stopped.run_id
        assert bank_of(whole) == bank_of(calm)
        assert (whole.before, whole.after) == (calm.before, calm.after)
        assert server.repeats() == 0


async def test_a_bank_edited_while_its_run_waits_is_kept_aside(tmp_path: Path) -> None:
    notes: list[str] = []
    with FakeServer("lessons") as server:
        place = make(tmp_path, server.url, tasks=make_tasks(32), **_settings())
        stopped = await practise(place, "budget.tokens=60000")
        assert stopped.status == "budget"
        path = place.memory / "test.yaml"
        text = "bank: test\nexperiences:\n- {id: e99, text: Mine.}\n"
        path.write_text(text)
        document = await practise(place, note=notes.append)
        assert document.status == "done"
    assert (place.memory / "aside/test-1.yaml").read_text() == text
    assert any("kept as aside/test-1.yaml" in note for note in notes)
    assert "Mine." not in path.read_text()
