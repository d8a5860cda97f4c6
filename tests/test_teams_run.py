"""Teams that are practised: lessons reach whoever acts, nothing is lost at a kill, each model's spend is its own."""

from __future__ import annotations

import json
import re
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from practice.config import Workspace, write_yaml
from practice.errors import InputError
from practice.store import Store, usage_by
from tests.fakeserver import Asked, FakeServer
from tests.house import command, make, practise
from tests.worlds import lessons, make_tasks

KINDS = ("router", "orchestrator", "plan_execute")
ONE_QUICKLY = [pytest.param(kind, marks=() if kind == "orchestrator" else pytest.mark.slow) for kind in KINDS]
_SAID = re.compile(r"Marked rule \d+: [^\n]+\nAnswer: \d+")
_LOT = re.compile(r"\[rule \d+\] Work out the code of lot [A-Z]-\d+\.")


def world(asked: Asked) -> str | dict[str, Any]:
    """Two agents work out codes, better with the lesson in their own prompt; their leader knows nothing but them."""
    if asked.stage != "rollout" or "You lead." not in asked.system:
        return lessons(asked)
    task, shape = _LOT.findall(asked.text)[-1], (asked.schema or {}).get("properties", {})
    if "agent" in shape:
        names = shape["agent"]["enum"]
        return json.dumps({"reason": "By the lot.", "agent": names[int(asked.chance() * len(names))]})
    if "steps" in shape:
        steps = [] if _SAID.search(asked.text) else [{"agent": "north", "task": task}, {"agent": "south", "task": task}]
        return json.dumps({"reason": "Both.", "steps": steps})
    if asked.body.get("tools") and asked.body["messages"][-1]["role"] != "tool":
        calls = [
            (f"call-{name}", {"name": name, "arguments": json.dumps({"task": task})}) for name in ("north", "south")
        ]
        return {
            "content": "",
            "tool_calls": [{"id": id_, "type": "function", "function": function} for id_, function in calls],
        }
    return _SAID.findall(asked.text)[-1]


def house(root: Path, url: str, kind: str, **settings: Any) -> Workspace:
    """A workspace whose agent leads two others, which have a dearer model."""
    place = make(
        root,
        url,
        tasks=make_tasks(8, rules=2),
        holdout=make_tasks(12, rules=2, start=1000),
        agent={
            "instructions": "You lead.",
            "model": {"name": "openai/fake", "api_base": url, "price": {"input": 1, "output": 2}},
            "strategy": {"kind": kind, "agents": ["agents/north.yaml", "agents/south.yaml"]},
        },
        practice={"epochs": 1, "batch_size": 4},
        rollouts={"group_size": 4, "concurrency": 8},
        accept="always",
        **settings,
    )
    model = {"name": "openai/part", "api_base": url, "price": {"input": 10, "output": 20}}
    for name in ("north", "south"):
        spec = {"name": name, "model": model, "description": f"The {name}.", "instructions": f"You are {name}."}
        write_yaml(place.agents / f"{name}.yaml", spec)
    return place


@pytest.mark.parametrize("kind", ONE_QUICKLY)
async def test_a_team_gets_better_as_a_whole(tmp_path: Path, kind: str) -> None:
    with FakeServer(world) as server:
        place = house(tmp_path, server.url, kind)
        document = await practise(place)
        assert document.status == "done" and document.rollouts.failed == 0
        assert document.before and document.after and document.experiences
        assert (document.after.mean or 0) >= (document.before.mean or 1) + 0.3
        asked = [call for call in server.calls if call.stage == "rollout"]
        assert server.repeats() == 0  # no two calls of a run share body and seed
        assert len({(call.phase, call.seed) for call in asked}) == len(asked)
        lesson = document.experiences[0].text
        after = asked[-1].body["messages"][0]["content"]
        assert lesson in after
        shown = {who: any(lesson in system for system in systems(server, who)) for who in ("You lead", "You are")}
        assert shown == {"You lead": True, "You are": True}
        calls = len(server.calls)
        assert await practise(place) == document and len(server.calls) == calls
    spent = await by_model(place, document.run_id)
    models = Counter(call.body["model"] for call in server.calls)
    assert {model: usage.calls for model, usage in spent.items()} == {f"openai/{name}": n for name, n in models.items()}
    assert spent["openai/part"].usd == pytest.approx(price(spent["openai/part"], 10, 20))
    assert document.usage.usd == pytest.approx(price(spent["openai/part"], 10, 20) + price(spent["openai/fake"], 1, 2))


def systems(server: FakeServer, who: str) -> list[str]:
    """The system prompts of the attempts of those whose instructions begin so."""
    found = [call.body["messages"][0]["content"] for call in server.calls if call.stage == "rollout"]
    return [system for system in found if system.startswith(who)]


async def by_model(place: Workspace, run: str) -> dict[str, Any]:
    async with Store(place.db) as store:
        return {model: usage for (model,), usage in await store.do(lambda db: usage_by(db, run, "model"))}


def price(usage: Any, input: float, output: float) -> float:
    return (usage.input_tokens * input + usage.output_tokens * output) / 1e6


@pytest.mark.parametrize("kind", ONE_QUICKLY)
async def test_killed_and_resumed_a_team_ends_as_it_would_have(tmp_path: Path, kind: str) -> None:
    with FakeServer(world) as calm, FakeServer(world, latency=0.01) as rough:
        wanted = (await practise(house(tmp_path / "calm", calm.url, kind))).model_dump(mode="json")
        broken = house(tmp_path / "rough", rough.url, kind)
        process = command(broken.root, "run", "--json")
        while process.poll() is None and len(rough.calls) < len(calm.calls) // 3:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert len(rough.calls) < len(calm.calls)
        found = (await practise(broken)).model_dump(mode="json")
        assert rough.repeats() <= 8
    same = ("experiences", "before", "after", "delta", "groups", "edits", "rollouts", "steps")
    assert {key: found[key] for key in same} == {key: wanted[key] for key in same}
    assert sorted({call.seed for call in rough.calls}, key=str) == sorted({call.seed for call in calm.calls}, key=str)


async def test_a_change_in_an_agent_begins_another_run(tmp_path: Path) -> None:
    notes: list[str] = []
    with FakeServer(world) as server:
        place = house(tmp_path, server.url, "router", budget={"tokens": 6_000})
        stopped = await practise(place)
        assert stopped.status == "budget"
        path = place.agents / "south.yaml"
        path.write_text(path.read_text().replace("You are south.", "You are the south."))
        again = await practise(place, note=notes.append)
    assert again.run_id != stopped.run_id
    assert "agent: south: instructions" in notes[0]


async def test_a_ceiling_in_usd_asks_for_the_price_of_every_agent(tmp_path: Path) -> None:
    place = house(tmp_path, "http://127.0.0.1:9/v1", "router", budget={"usd": 1})
    path = place.agents / "south.yaml"
    path.write_text(re.sub(r"price:.*?(?=\n\S)", "params: {}", path.read_text(), flags=re.DOTALL))
    with pytest.raises(InputError, match=r"agents/south\.yaml.*model\.price.*no price known for openai/part"):
        await practise(place)
