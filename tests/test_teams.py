"""Several agents as one: who is asked what, what each sees, whose limits and models hold, what is wrong in a team."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from practice.advantage.teacher import transcript
from practice.agent import Agent, StepComplete, conversation
from practice.agent.strategies.planning import STEPS, read_plan
from practice.agent.strategies.router import read_choice
from practice.cli.agent_chat import Chat
from practice.config import ModelSpec, Workspace, write_yaml
from practice.errors import CallFailed, InputError
from practice.fakes import ScriptedModel
from practice.features import actions, features
from practice.types import Completion, Experience, Request, Rollout, Usage
from tests.fakeserver import FakeServer
from tests.test_cli import call

TOOLS = """
def double(number: int) -> int:
    \"\"\"Double a number.\"\"\"
    return 2 * number
"""
LESSON = Experience(id="e1", text="Count twice.")


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/double.py").write_text(TOOLS)
    agents(Workspace(tmp_path), bills={}, parcels={})
    return Workspace(tmp_path)


def agents(place: Workspace, **parts: Mapping[str, Any]) -> None:
    """A file for each: by default it says by its instructions who it is."""
    for name, fields in parts.items():
        spec = {"name": name, "model": "openai/part", "description": f"For {name}.", "instructions": f"You are {name}."}
        write_yaml(place.agents / f"{name}.yaml", {**spec, **fields})


def lead(place: Workspace, kind: str, *names: str, **fields: Any) -> Agent:
    """The leader over these agents, with 20 calls unless given."""
    settings = {"kind": kind, "agents": [f"agents/{name}.yaml" for name in names], **fields.pop("strategy", {})}
    spec = {"name": "lead", "model": "openai/lead", "instructions": "You are lead.", "limits": {"steps": 20}}
    write_yaml(place.agents / "lead.yaml", {**spec, "strategy": settings, **fields})
    return Agent.from_yaml(place.agents / "lead.yaml", workspace=place)


class Minds:
    """A model for each name, all told what to say by who is asked; what was asked, with numbers and models."""

    def __init__(self, **says: Any) -> None:
        """``says``: for an agent by its name, replies in order, or a function of the request."""
        self.says = {name: list(said) if isinstance(said, list) else said for name, said in says.items()}
        self.asked: list[tuple[int, str, str, Request]] = []
        """(step, model, who, request)"""

    async def run(self, agent: Agent, text: str = "How many?", **given: Any) -> Rollout:
        """One attempt."""
        reach = self.reach("openai/lead")
        return await agent.run(text, complete=reach, reach=lambda spec: self.reach(spec.name), **given)

    def reach(self, model: str) -> StepComplete:
        async def complete(step: int, request: Request) -> Completion:
            who = request.messages[0].content.partition("You are ")[2].partition(".")[0]
            self.asked.append((step, model, who, request))
            said = self.says[who]
            text: Any = said.pop(0) if isinstance(said, list) else said(request)
            if isinstance(text, Exception):
                raise text
            done = text if isinstance(text, Completion) else Completion(content=text)
            return done.model_copy(update={"usage": Usage(calls=1, output_tokens=10, usd=0.0)})

        return complete

    @property
    def who(self) -> list[str]:
        """Who was asked, in order."""
        return [who for _, _, who, _ in self.asked]

    def of(self, name: str) -> list[Request]:
        """What one of them was asked."""
        return [request for _, _, who, request in self.asked if who == name]


def chosen(agent: str) -> str:
    return json.dumps({"reason": "It fits.", "agent": agent})


def planned(*steps: Any) -> str:
    return json.dumps({"reason": "So.", "steps": list(steps)})


def calls(*tasks: tuple[str, str]) -> str:
    """Calls of agents as a model writes them as text."""
    return "\n".join(json.dumps({"name": name, "arguments": {"task": task}}) for name, task in tasks)


def last(request: Request) -> str:
    return request.messages[-1].content


# ---------------------------------------------------------------- router


async def test_the_chosen_agent_answers(place: Workspace) -> None:
    minds = Minds(lead=[chosen("parcels")], parcels=["It is 4."])
    rollout = await minds.run(lead(place, "router", "bills", "parcels"))
    assert (rollout.output, rollout.status, minds.who) == ("It is 4.", "done", ["lead", "parcels"])
    choice, answer = (request for *_, request in minds.asked)
    assert choice.json_schema is not None and choice.json_schema["properties"]["agent"]["enum"] == ["bills", "parcels"]
    assert "- bills: For bills.\n- parcels: For parcels." in choice.messages[0].content
    assert [(m.role, m.content) for m in answer.messages] == [("system", "You are parcels."), ("user", "How many?")]
    assert [(step.index, step.agent) for step in rollout.steps] == [(0, ""), (1, "parcels")]
    assert rollout.steps[0].results[0].content == "It is 4."
    assert rollout.usage.calls == 2 and rollout.usage.output_tokens == 20


async def test_a_choice_that_can_not_be_read_is_asked_for_once_more(place: Workspace) -> None:
    team = lead(place, "router", "bills", "parcels")
    minds = Minds(lead=["Bills, I think.", chosen("Bills ")], bills=["4"])
    assert (await minds.run(team)).output == "4"
    assert [m.role for m in minds.of("lead")[1].messages[2:]] == ["assistant", "user"]
    minds = Minds(lead=["Bills, I think.", chosen("nobody")])
    rollout = await minds.run(team)
    assert (rollout.output, rollout.status) == (chosen("nobody"), "done")
    assert rollout.steps[1].tool_calls == ()


async def test_how_the_chosen_agent_ends_is_how_the_router_ends(place: Workspace) -> None:
    agents(place, bills={"tools": ["double"], "limits": {"steps": 2}})
    minds = Minds(lead=[chosen("bills")], bills=["So far 3.\ndouble(1)", "So far 4.\ndouble(2)"])
    rollout = await minds.run(lead(place, "router", "bills", "parcels"))
    assert (rollout.output, rollout.status, rollout.limit) == ("So far 4.", "limit", "steps")
    assert rollout.steps[1].results[0].content == "2"
    minds = Minds(lead=[chosen("bills")], bills=[CallFailed("server", "gone")])
    rollout = await minds.run(lead(place, "router", "bills", "parcels"))
    assert rollout.status == "failed" and rollout.failure is not None


@pytest.mark.parametrize(
    ("text", "agent"),
    [('{"agent": "b"}', "b"), ('x ```json\n{"agent": " B "}\n```', "b"), ('{"agent": "c"}', None), ("b", None),
     ('{"agent": 1}', None), ('["b"]', None)],
)  # fmt: skip
def test_reading_a_choice(text: str, agent: str | None) -> None:
    found = read_choice(text, ["a", "b"])
    assert (found[0].name if found else None) == agent


# ---------------------------------------------------------------- orchestrator


async def test_agents_that_are_called_like_tools(place: Workspace) -> None:
    agents(place, bills={"tools": ["double"]})
    minds = Minds(lead=[calls(("bills", "Double 3.")), "double(5)", "10 and 6."], bills=["double(3)", "It is 6."])
    rollout = await minds.run(lead(place, "orchestrator", "bills", tools=["double"]))
    assert (rollout.output, minds.who) == ("10 and 6.", ["lead", "bills", "bills", "lead", "lead"])
    assert [spec.name for spec in minds.of("lead")[0].tools] == ["double", "bills"]
    offered = minds.of("lead")[0].tools[1]
    assert offered.description == "For bills." and list(offered.parameters["properties"]) == ["task"]
    assert [spec.name for spec in minds.of("bills")[0].tools] == ["double"]
    assert last(minds.of("bills")[0]) == "Double 3."  # and nothing else of the conversation
    assert [(m.role, m.content) for m in minds.of("lead")[1].messages[-1:]] == [("tool", "It is 6.")]
    assert minds.of("lead")[2].messages[-1].content == "10"
    # What was lent and not needed came back, its numbers stay unused.
    assert [(step.index, step.agent) for step in rollout.steps] == [
        (0, ""), (1, "bills"), (2, "bills"), (13, ""), (14, "")
    ]  # fmt: skip


async def test_agents_asked_for_at_once_work_side_by_side(place: Workspace) -> None:
    """Whoever is faster, the calls of an agent have the numbers that were lent to it."""
    agents(place, bills={"tools": ["double"]})

    async def numbers(slow: str) -> tuple[Rollout, dict[str, list[int]]]:
        both = calls(("bills", "Double 3."), ("parcels", "Count."), ("bills", "Double 4."))
        said = {"Double 3.": ["double(3)", "6"], "Double 4.": ["double(4)", "8"], "Count.": ["7"]}
        seen: dict[str, list[int]] = {}

        def bills(request: Request) -> str:
            return said[request.messages[1].content][len(request.messages) // 3]

        model = ScriptedModel(
            lambda request: (
                ("All." if len(request.messages) > 2 else both)
                if "You are lead" in request.messages[0].content
                else bills(request)
            ),
            ticks=lambda request: 30 if slow in request.messages[1].content else 1,
        )

        async def complete(step: int, request: Request) -> Completion:
            seen.setdefault(request.messages[1].content, []).append(step)
            return await model.complete(request)

        team = lead(place, "orchestrator", "bills", "parcels", limits={"steps": 14})
        return await team.run("How many?", complete=complete, reach=lambda _: complete), seen

    for slow in ("Double 3.", "Count.", "Double 4."):
        rollout, seen = await numbers(slow)
        assert seen == {"How many?": [0, 13], "Double 3.": [1, 2], "Count.": [5], "Double 4.": [9, 10]}
        assert [result.content for result in rollout.steps[0].results] == ["6", "7", "8"]
        assert (rollout.output, rollout.usage.calls) == ("All.", 7)


async def test_what_an_orchestrator_is_told_where_an_agent_can_not_answer(place: Workspace) -> None:
    agents(place, bills={"limits": {"steps": 1}, "tools": ["double"]})
    wrong = '{"name": "bills", "arguments": {"job": "x"}}'
    minds = Minds(lead=[wrong, calls(("bills", "x"), ("bills", "y")), "None."], bills=["double(1)", "7\ndouble(1)"])
    rollout = await minds.run(lead(place, "orchestrator", "bills"))
    told = [result.content for step in rollout.steps for result in step.results if not step.agent]
    assert told[0].startswith("Error: bills: argument 'task' is missing")
    assert told[1:] == [
        "Error: no answer; it was stopped by its limit of steps",
        "7\n(it was stopped by its limit of steps)",
    ]
    assert (rollout.output, rollout.status) == ("None.", "done")


async def test_calls_that_are_left_are_shared_and_one_is_kept_for_the_answer(place: Workspace) -> None:
    def bills(request: Request) -> str:
        return f"double({len(request.messages)})"  # never ends by itself

    agents(place, bills={"tools": ["double"]})
    both = calls(("bills", "x"), ("bills", "y"))
    minds = Minds(lead=[both, both, "Enough."], bills=bills)
    rollout = await minds.run(lead(place, "orchestrator", "bills", limits={"steps": 6}))
    assert minds.who == ["lead", "bills", "bills", "bills", "bills", "lead"]  # one call is left: nobody is asked
    assert (rollout.status, rollout.limit, len(rollout.steps)) == ("limit", "steps", 6)
    minds = Minds(lead=[both, "Enough."], bills=bills)
    rollout = await minds.run(lead(place, "orchestrator", "bills", limits={"steps": 4}))
    assert (rollout.output, rollout.status, len(rollout.steps)) == ("Enough.", "done", 4)
    minds = Minds(lead=[calls(*[("bills", "x")] * 4), "Enough."], bills=bills)
    rollout = await minds.run(lead(place, "orchestrator", "bills", limits={"steps": 4}))
    assert minds.who == ["lead", "lead"] and rollout.output == "Enough."
    assert all("too few model calls are left" in result.content for result in rollout.steps[0].results)


async def test_an_agent_that_fails_fails_the_attempt(place: Workspace) -> None:
    minds = Minds(
        lead=[calls(("bills", "x"), ("parcels", "y"))], bills=[CallFailed("timeout", "no answer")], parcels=["7"]
    )
    rollout = await minds.run(lead(place, "orchestrator", "bills", "parcels"))
    assert rollout.status == "failed" and rollout.failure is not None and rollout.failure.kind == "timeout"


async def test_seconds_count_for_the_agent_and_for_the_whole(place: Workspace) -> None:
    def took(seconds: float) -> Callable[[Request], Any]:
        return lambda _: Completion(content="double(1)", usage=Usage(calls=1, seconds=seconds))

    class Slow(Minds):
        def reach(self, model: str) -> StepComplete:
            inner = super().reach(model)

            async def complete(step: int, request: Request) -> Completion:
                done = await inner(step, request)
                return done.model_copy(update={"usage": Usage(calls=1, seconds=4.0 if model == "openai/part" else 0.0)})

            return complete

    agents(place, bills={"tools": ["double"], "limits": {"seconds": 10}})
    minds = Slow(lead=[calls(("bills", "x")), "Done."], bills=took(4.0))
    rollout = await minds.run(lead(place, "orchestrator", "bills"))
    assert (rollout.output, len(minds.of("bills")), round(rollout.usage.seconds)) == ("Done.", 3, 12)
    assert "limit of seconds" in rollout.steps[0].results[0].content
    minds = Slow(lead=[calls(("bills", "x")), "Done."], bills=took(4.0))
    rollout = await minds.run(lead(place, "orchestrator", "bills", limits={"steps": 20, "seconds": 6}))
    assert (rollout.status, rollout.limit, len(minds.of("bills"))) == ("limit", "seconds", 2)


# ---------------------------------------------------------------- plan_execute


async def test_a_plan_is_carried_out_and_answered(place: Workspace) -> None:
    steps = ({"agent": "bills", "task": "Count bills."}, {"agent": "parcels", "task": "Count parcels."})
    minds = Minds(lead=[planned(*steps), planned(), "In all 7."], bills=["3 bills."], parcels=["4 parcels."])
    rollout = await minds.run(lead(place, "plan_execute", "bills", "parcels"))
    assert (rollout.output, rollout.status) == ("In all 7.", "done")
    assert minds.who == ["lead", "bills", "parcels", "lead", "lead"]
    first, again, answer = minds.of("lead")
    assert [m.role for m in first.messages] == ["system", "user"] and "- bills: For bills." in first.messages[0].content
    news = "1. bills: Count bills.\nResult: 3 bills.\n2. parcels: Count parcels.\nResult: 4 parcels."
    assert news in last(again) and again.messages[:2] == first.messages
    assert [m.role for m in answer.messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert "Result:" not in last(answer) and answer.json_schema is None
    given = last(minds.of("parcels")[0])
    assert all(text in given for text in ("How many?", "Result: 3 bills.", "Count parcels."))
    assert "Result" not in last(minds.of("bills")[0])
    assert [call.name for call in rollout.steps[0].tool_calls] == ["bills", "parcels"]
    assert [result.content for result in rollout.steps[0].results] == ["3 bills.", "4 parcels."]


async def test_what_is_missing_is_planned_again(place: Workspace) -> None:
    minds = Minds(lead=[planned("Count."), planned("Check."), "So 3."], bills=["4", "3"])
    team = lead(place, "plan_execute", "bills")
    rollout = await minds.run(team)
    assert (rollout.output, minds.who) == ("So 3.", ["lead", "bills", "lead", "bills", "lead"])
    assert minds.of("lead")[0].json_schema != minds.of("lead")[2].json_schema
    assert "1. bills: Count.\nResult: 4" in last(minds.of("bills")[1])
    assert last(minds.of("lead")[2]).startswith("What came of the plan:\n1. bills: Check.\nResult: 3")
    minds = Minds(lead=[planned("Count."), "So 4."], bills=["4"])
    assert (await minds.run(lead(place, "plan_execute", "bills", strategy={"plans": 1}))).output == "So 4."


async def test_a_plan_of_nothing_and_one_that_can_not_be_read(place: Workspace) -> None:
    team = lead(place, "plan_execute", "bills")
    minds = Minds(lead=[planned(), "It is 4."])
    assert ((await minds.run(team)).output, minds.who) == ("It is 4.", ["lead", "lead"])
    minds = Minds(lead=["Count them.", "Well, count."])
    rollout = await minds.run(team)
    assert (rollout.output, rollout.status, minds.who) == ("Well, count.", "done", ["lead", "lead"])
    minds = Minds(lead=[planned("Count."), "Enough.", "Enough!", "It is 4."], bills=["4"])
    assert (await minds.run(team)).output == "It is 4."


async def test_steps_that_do_not_fit_are_not_begun_and_the_answer_always_is(place: Workspace) -> None:
    agents(place, bills={"tools": ["double"]})

    def bills(request: Request) -> str:
        return "7" if "Count 0" in request.messages[1].content else f"double({len(request.messages)})"

    minds = Minds(lead=[planned(*(f"Count {n}." for n in range(5))), "Some."], bills=bills)
    team = lead(place, "plan_execute", "bills", strategy={"plans": 1}, limits={"steps": 5})
    rollout = await minds.run(team)
    assert (rollout.output, rollout.status) == ("Some.", "done") and len(minds.asked) <= 5
    told = [result.content for result in rollout.steps[0].results]
    assert len(told) == 5 and sum("too few" in text for text in told) == 2


async def test_a_limit_leaves_what_the_last_step_gave(place: Workspace) -> None:
    full = CallFailed("context", "too long", status=400)
    minds = Minds(lead=[planned("Count."), full], bills=["4"])
    rollout = await minds.run(lead(place, "plan_execute", "bills"))
    assert (rollout.output, rollout.status, rollout.limit) == ("4", "limit", "context")


@pytest.mark.parametrize(
    ("text", "steps"),
    [('{"steps": ["x", " y "]}', [("a", "x"), ("a", "y")]), ('{"steps": [{"task": "x", "agent": "A"}]}', [("a", "x")]),
     ('{"steps": []}', []), ('{"steps": [""]}', None), ('{"steps": "x"}', None), ("x", None), ('{"plan": []}', None),
     (json.dumps({"steps": ["x"] * 20}), [("a", "x")] * STEPS)],
)  # fmt: skip
def test_reading_a_plan(text: str, steps: list[tuple[str, str]] | None) -> None:
    found = read_plan(text, ["a"])
    told = None if found is None else [(call.name, json.loads(call.arguments)["task"]) for call in found]
    assert told == steps


def test_a_plan_for_several_names_one_that_there_is() -> None:
    assert read_plan('{"steps": ["x"]}', ["a", "b"]) is None
    assert read_plan('{"steps": [{"agent": "c", "task": "x"}]}', ["a", "b"]) is None


# ---------------------------------------------------------------- all of them

SCRIPTS: dict[str, dict[str, Any]] = {
    "router": {"lead": [chosen("bills")], "bills": ["It is 4."]},
    "orchestrator": {"lead": [calls(("bills", "x"), ("parcels", "y")), "It is 4."], "bills": ["1"], "parcels": ["3"]},
    "plan_execute": {
        "lead": [planned({"agent": "bills", "task": "x"}), planned(), "It is 4."],
        "bills": ["1"],
    },
}


@pytest.mark.parametrize("kind", SCRIPTS)
async def test_lessons_are_in_the_prompt_of_everyone(place: Workspace, kind: str) -> None:
    """One rule: the memory follows the instructions of the leader and of each agent that it leads."""
    minds = Minds(**SCRIPTS[kind])
    rollout = await minds.run(lead(place, kind, "bills", "parcels"), memory=[LESSON])
    assert rollout.output == "It is 4." and len(minds.asked) > 1
    for _, _, who, request in minds.asked:
        system = request.messages[0].content
        assert system.startswith(f"You are {who}.") and system.endswith("\n- Count twice.")


@pytest.mark.parametrize("kind", SCRIPTS)
async def test_each_agent_has_its_own_model_and_limits(place: Workspace, kind: str) -> None:
    agents(place, bills={"limits": {"tokens": 7}, "model": {"name": "openai/b", "params": {"top_p": 0.5}}})
    minds = Minds(**SCRIPTS[kind])
    await minds.run(lead(place, kind, "bills", "parcels"), temperature=0.3)
    models = {"lead": "openai/lead", "bills": "openai/b", "parcels": "openai/part"}
    assert all(model == models[who] for _, model, who, _ in minds.asked)
    assert {request.max_tokens for request in minds.of("bills")} == {7}
    assert {request.max_tokens for request in minds.of("lead")} == {2048}
    assert {request.temperature for *_, request in minds.asked} == {0.3}
    numbers = [step for step, *_ in minds.asked]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("kind", SCRIPTS)
async def test_what_a_teacher_and_the_counts_see(place: Workspace, kind: str) -> None:
    team = lead(place, kind, "bills", "parcels")
    rollout = await Minds(**SCRIPTS[kind]).run(team)
    counted = {feature.name: feature.value for feature in features(rollout, team.tool_specs)}
    assert counted["called:bills"] == 1.0
    assert any(line.startswith("replied with only a call: bills(") for line in actions(rollout))
    assert any(line.startswith("bills only answered") for line in actions(rollout))
    assert "[reply 2 of bills]" in transcript(rollout)


@pytest.mark.parametrize("kind", SCRIPTS)
async def test_a_conversation_goes_on(place: Workspace, kind: str) -> None:
    """The next turn's leader sees what was said; those that it gives the conversation to see no calls of others."""
    team = lead(place, kind, "bills", "parcels")
    first = await Minds(**SCRIPTS[kind]).run(team)
    history = conversation("How many?", first)
    assert [m["content"] for m in history if m["role"] in ("user", "assistant") and not m.get("tool_calls")] == [
        "How many?", "It is 4."
    ]  # fmt: skip
    minds = Minds(**SCRIPTS[kind])
    await minds.run(team, "And now?", history=history)
    for _, _, who, request in minds.asked:
        offered = {spec.name for spec in request.tools}
        assert {call.name for message in request.messages for call in message.tool_calls} <= offered, who
    said = [message.content for message in minds.of("lead")[0].messages if message.role != "system"]
    assert said[0] == "How many?" and said[-1] == "And now?"
    heard = [message.content for message in minds.of("bills")[0].messages[1:]]
    assert heard[:-1] == ([] if kind == "orchestrator" else ["How many?", "It is 4."])


async def test_agents_may_lead_others_in_turn(place: Workspace) -> None:
    strategy = {"kind": "orchestrator", "agents": ["agents/bills.yaml"]}
    agents(place, desk={"strategy": strategy, "limits": {"steps": 6}})
    team = lead(place, "router", "desk", "parcels")
    minds = Minds(lead=[chosen("desk")], desk=[calls(("bills", "x")), "4"], bills=["It is 4."])
    rollout = await minds.run(team, memory=[LESSON])
    assert (rollout.output, minds.who) == ("4", ["lead", "desk", "bills", "desk"])
    assert [step.agent for step in rollout.steps] == ["", "desk", "desk/bills", "desk"]
    assert [agent.spec.name for agent in team.team] == ["lead", "desk", "bills", "parcels"]
    assert all("Count twice." in request.messages[0].content for *_, request in minds.asked)
    assert team.least_steps == 2 + 2 + 1


GRAPH = """
from langgraph.graph import END, START, MessagesState, StateGraph


def build(context):
    async def twice(state):
        first = await context.complete(state["messages"])
        return {"messages": [await context.complete([*state["messages"], first, {"role": "user", "content": "Sure?"}])]}

    graph = StateGraph(MessagesState)
    graph.add_node("twice", twice)
    graph.add_edge(START, "twice")
    graph.add_edge("twice", END)
    return graph.compile()
"""


async def test_an_agent_with_a_graph_of_its_own_in_a_team(place: Workspace) -> None:
    (place.root / "own.py").write_text(GRAPH)
    agents(place, bills={"graph": "own.py:build"})
    minds = Minds(lead=[chosen("bills")], bills=["4", "5"])
    rollout = await minds.run(lead(place, "router", "bills", "parcels"))
    assert (rollout.output, [step.agent for step in rollout.steps]) == ("5", ["", "bills", "bills"])


async def test_a_strategy_of_many_attempts_in_a_team(place: Workspace) -> None:
    agents(place, bills={"strategy": {"kind": "self_consistency", "n": 3}})
    team = lead(place, "orchestrator", "bills", limits={"steps": 5})
    minds = Minds(lead=[calls(("bills", "x")), "4"], bills=["4", "5", "It is 4"])
    rollout = await minds.run(team)
    assert rollout.steps[0].results[0].content == "4" and len(minds.of("bills")) == 3
    assert [step.index for step in rollout.steps] == [0, 1, 2, 3, 4]


async def test_what_an_agent_opens_is_closed_with_its_task(place: Workspace) -> None:
    opened: list[str] = []

    @asynccontextmanager
    async def counting() -> AsyncGenerator[Callable[..., int]]:
        opened.append("opened")
        yield lambda number: number + len(opened)
        opened.append("closed")

    agents(place, bills={"tools": ["double"]})
    team = lead(place, "orchestrator", "bills")
    bills = team.parts[0]
    team.parts[0].tools = tuple(replace(tool, opening=counting) for tool in bills.tools)
    minds = Minds(lead=[calls(("bills", "x")), calls(("bills", "y")), "4"], bills=["double(1)", "2", "double(1)", "4"])
    rollout = await minds.run(team)
    assert [result.content for step in rollout.steps for result in step.results if step.agent] == ["2", "4"]
    assert opened == ["opened", "closed"] * 2


async def test_without_a_way_to_its_model_an_agent_is_refused(place: Workspace) -> None:
    async def complete(step: int, request: Request) -> Completion:
        raise AssertionError((step, request))

    with pytest.raises(TypeError, match="bills has another model, openai/part"):
        await lead(place, "router", "bills", "parcels").run("x", complete=complete)
    agents(place, bills={"model": "openai/lead"})
    assert lead(place, "orchestrator", "bills").spec.model == ModelSpec(name="openai/lead")


async def test_alone_a_team_connects_to_each_model_once(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, ScriptedModel] = {}

    def connect(spec: ModelSpec) -> ScriptedModel:
        assert spec.name not in made
        made[spec.name] = ScriptedModel(lambda request: chosen("bills") if request.json_schema else "4")
        return made[spec.name]

    monkeypatch.setattr("practice.endpoints.connect", connect)
    team = lead(place, "router", "bills", "parcels")
    async with team:
        assert [(await team.run(text)).output for text in ("x", "y")] == ["4", "4"]
    assert set(made) == {"openai/lead", "openai/part"} and all(model.closed for model in made.values())
    seeds = [request.seed for model in made.values() for request in model.requests]
    assert len(set(seeds)) == 4


def test_in_python_a_model_of_ones_own_leads_agents_of_the_workspace(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("practice.endpoints.connect", lambda _: ScriptedModel(["It is 4."]))
    strategy = {"kind": "router", "agents": ["agents/bills.yaml", "agents/parcels.yaml"]}
    team = Agent(name="lead", model=ScriptedModel([chosen("bills")]), strategy=strategy, workspace=place)
    assert team.invoke("How many?").output == "It is 4."
    assert team.graph.get_graph().nodes.keys() >= {"choose", "work"}


# ---------------------------------------------------------------- the commands


def test_show_tells_of_each_agent_what_its_model_sees(place: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    agents(place, bills={"tools": ["double"]})
    lead(place, "orchestrator", "bills", tools=["double"])
    arguments = ("agent", "show", "lead", "--workspace", str(place.root))
    code, out, _ = call(capsys, *arguments, "--json")
    told = json.loads(out)
    assert code == 0 and [tool["name"] for tool in told["tools"]] == ["double", "bills"]
    assert [one["agent"]["name"] for one in told["agents"]] == ["bills"]
    assert told["agents"][0]["system_prompt"] == "You are bills."
    _, out, _ = call(capsys, *arguments)
    assert "# lead (openai/lead)" in out and "# bills (openai/part)" in out
    lead(place, "router", "bills", "parcels")
    _, out, _ = call(capsys, *arguments, "--json")
    assert "- parcels: For parcels." in json.loads(out)["system_prompt"]


def test_check_tries_each_model_and_tool_once(place: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeServer(lambda asked: chosen("bills") if asked.schema else "ready") as server:
        model = {"name": "openai/lead", "api_base": server.url}
        agents(place, bills={"tools": ["double"], "model": model | {"name": "openai/b"}}, parcels={"model": model})
        lead(place, "router", "bills", "parcels", model=model)
        code, out, err = call(capsys, "agent", "check", "lead", "--json", "--workspace", str(place.root))
        asked = [call.body["model"] for call in server.calls]
    assert code == 0, err
    assert [check["what"] for check in json.loads(out)["checks"]] == [
        "loads", "tool double", "model", "model of bills", "smoke"
    ]  # fmt: skip
    assert asked == ["lead", "b", "lead", "b"]


async def test_a_chat_shows_what_the_agents_are_asked_and_do(place: Workspace) -> None:
    agents(place, bills={"tools": ["double"]})
    minds = Minds(lead=[calls(("bills", "Double 2.")), "It is 4."], bills=["double(2)", "4."])
    said: list[str] = []
    talk = Chat(lead(place, "orchestrator", "bills"), None, said.append)
    await talk.turn("How many?", minds.reach("openai/lead"), lambda model: minds.reach(model.name))
    assert said == ["  -> double(number=2)", "  <- 4", '  -> bills(task="Double 2.")', "  <- 4."]


# ---------------------------------------------------------------- what is wrong, and what makes another team

HEAD = "name: lead\nmodel: openai/m\n"
BOTH = "agents: [agents/bills.yaml, agents/parcels.yaml]"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("strategy: {kind: rooter, " + BOTH + "}\n", "did you mean 'router'?"),
        ("strategy: {kind: router, agent: [x]}\n", "did you mean 'agents'?"),
        ("strategy: {kind: router}\n", "a.yaml:3: strategy.agents: expected at least 2 agent(s) to lead"),
        ("strategy: {kind: router, agents: [agents/bills.yaml]}\n", "expected at least 2 agent(s)"),
        ("strategy: {kind: orchestrator, agents: []}\n", "expected at least 1 agent(s)"),
        ("strategy: {kind: react, " + BOTH + "}\n", "agents belongs to router and orchestrator and plan_execute"),
        ("strategy: {kind: router, plans: 1, " + BOTH + "}\n", "plans belongs to plan_execute"),
        ("strategy: {kind: router, agents: [agents/bills.yaml, agents/bills.yaml]}\n", "agents.1: expected each agent"),
        ("strategy:\n  kind: router\n  agents:\n  - agents/bills.yaml\n  - agents/parcel.yaml\n",
         "a.yaml:7: strategy.agents.1: expected an agent's file in the workspace, found 'agents/parcel.yaml', which is "
         "not there (did you mean 'agents/parcels.yaml'?)"),
        ("strategy: {kind: orchestrator, agents: [bills]}\n", "did you mean 'agents/bills.yaml'?"),
        ("strategy: {kind: orchestrator, agents: [agents]}\n", "which is a folder"),
        ("strategy: {kind: orchestrator, agents: [agents/a.yaml]}\n",
         "a.yaml:3: strategy.agents.0: expected agents that do not lead back to themselves, found agents/a.yaml -> "
         "agents/a.yaml"),
        ("strategy: {kind: orchestrator, agents: [agents/round.yaml]}\n",
         "round.yaml:4: strategy.agents.0: expected agents that do not lead back to themselves, found agents/a.yaml -> "
         "agents/round.yaml -> agents/a.yaml"),
        ("strategy: {kind: orchestrator, agents: [agents/broken.yaml]}\n", "agents/broken.yaml:2: modle: expected"),
        ("strategy: {kind: orchestrator, agents: [agents/dumb.yaml]}\n",
         "a.yaml:3: strategy.agents.0: expected an agent with a description, by which strategy orchestrator chooses"),
        ("strategy: {kind: router, agents: [agents/bills.yaml, agents/twin.yaml]}\n",
         "strategy.agents.1: expected agents of different names, found 'Bills' twice"),
        ("strategy: {kind: orchestrator, agents: [agents/nameless.yaml]}\n", "an agent whose name holds a letter"),
        ("tools: [double]\nstrategy: {kind: router, " + BOTH + "}\n", "no tools with strategy router, which only"),
        ("tools: [double]\nstrategy: {kind: plan_execute, " + BOTH + "}\n", "no tools with strategy plan_execute"),
        ("tools: [double]\nstrategy: {kind: orchestrator, agents: [agents/double.yaml]}\n",
         "a.yaml:3: tools: expected tools of different names, found 'double' twice"),
        ("limits: {steps: 5}\nstrategy: {kind: plan_execute, " + BOTH + "}\n",
         "a.yaml:3: limits.steps: expected at least 6: the calls of all its agents count"),
        ("limits: {steps: 5}\nstrategy: {kind: orchestrator, agents: [agents/many.yaml]}\n", "may need 8 calls"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_team(place: Workspace, text: str, says: str) -> None:
    circle = {"kind": "orchestrator", "agents": ["agents/a.yaml"]}
    agents(
        place, round={}, dumb={"description": ""}, double={}, many={"strategy": {"kind": "self_consistency", "n": 6}}
    )
    agents(place, twin={"name": "Bills!"}, nameless={"name": "«»"})
    (place.agents / "round.yaml").write_text(
        f"name: round\nmodel: openai/m\ndescription: x\nstrategy: {json.dumps(circle)}\n"
    )
    (place.agents / "broken.yaml").write_text("name: broken\nmodle: openai/m\n")
    path = place.agents / "a.yaml"
    path.write_text(HEAD + text)
    with pytest.raises(InputError) as error:
        Agent.from_yaml(path, workspace=place)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ({"description": "New."}, {"bills: description"}),
        ({"instructions": "New."}, {"bills: instructions"}),
        ({"model": "openai/new"}, {"bills: model"}),
        ({"limits": {"steps": 3}}, {"bills: limits.steps"}),
        ({"limits": {"seconds": 3}}, set[str]()),
        ({"tools": ["double"]}, {"bills: tools", "bills: tool double"}),
        ({"strategy": {"kind": "self_correct"}}, {"bills: strategy"}),
    ],
)
def test_a_change_in_an_agent_makes_another_team(place: Workspace, fields: dict[str, Any], changes: set[str]) -> None:
    before = lead(place, "router", "bills", "parcels").fingerprint()
    agents(place, bills=fields)
    after = lead(place, "router", "bills", "parcels").fingerprint()
    assert {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)} == changes
    assert json.loads(json.dumps(after)) == after  # as it is kept, so that a change can be named
