"""The agent builder: what goes to the model, what comes back as a rollout, and what ends one."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from practice.agent import Agent, AgentSpec, GraphContext, Limits, agent_json_schema
from practice.agent.messages import to_message
from practice.config import ModelSpec, Workspace
from practice.errors import BudgetExhausted, CallFailed, InputError
from practice.fakes import ScriptedModel
from practice.memory import Bank
from practice.tool import tool_from_function
from practice.types import Completion, Experience, Message, Request, Rollout, ToolCall, Usage

ROOT = Path(__file__).parent.parent
HEAD = "name: a\nmodel: openai/m\n"


def double(number: int) -> int:
    """Double a number.

    Args:
        number: The number.
    """
    return 2 * number


def native(
    *calls: tuple[str, str], content: str = "", ids: tuple[str, ...] = (), finish: str = "tool_calls"
) -> Completion:
    """A completion that calls tools through the API."""
    ids = ids or tuple(f"id-{n}" for n in range(len(calls)))
    return Completion(
        content=content,
        tool_calls=tuple(
            ToolCall(id=id_, name=name, arguments=text) for id_, (name, text) in zip(ids, calls, strict=True)
        ),
        finish=finish,
    )


def agent(*replies: Any, **kwargs: Any) -> tuple[Agent, ScriptedModel]:
    script: Any = replies[0] if len(replies) == 1 and callable(replies[0]) else replies
    model = ScriptedModel(script)
    fields: dict[str, Any] = {"name": "a", "instructions": "Be right.", "tools": [double]}
    return Agent(model=model, **(fields | kwargs)), model


async def attempt(*replies: Any, **kwargs: Any) -> tuple[Rollout, list[Request]]:
    built, model = agent(*replies, **kwargs)
    return await built.run("Double 21."), model.requests


# ---------------------------------------------------------------- the conversation


async def test_tools_called_through_the_api() -> None:
    rollout, requests = await attempt(
        native(("double", '{"number": 21}'), content="Let me see.").model_copy(update={"reasoning": "hm"}), "It is 42."
    )
    assert (rollout.output, rollout.status, rollout.limit, rollout.failure) == ("It is 42.", "done", None, None)
    first, last = rollout.steps
    assert (first.index, first.content, first.reasoning, first.finish) == (0, "Let me see.", "hm", "tool_calls")
    assert [(result.call, result.content, result.error) for result in first.results] == [
        (first.tool_calls[0], "42", False)
    ]
    assert (last.index, last.tool_calls, last.results) == (1, (), ())
    assert requests[0].messages == (
        Message(role="system", content="Be right."),
        Message(role="user", content="Double 21."),
    )
    assert requests[0].tools == requests[1].tools
    assert requests[0].tools[0].parameters["properties"]["number"]["description"] == "The number."
    assert requests[1].messages == (
        *requests[0].messages,
        Message(
            role="assistant",
            content="Let me see.",
            tool_calls=(ToolCall(id="id-0", name="double", arguments='{"number": 21}'),),
        ),
        Message(role="tool", tool_call_id="id-0", name="double", content="42"),
    )


@pytest.mark.parametrize("wrote", ['{"name": "double", "arguments": {"number": 21}}', "double(21)"])
async def test_tools_called_in_text(wrote: str) -> None:
    written = f"I will call it.\n```json\n{wrote}\n```\nAnswer: 41"
    rollout, requests = await attempt(written, "It is 42.")
    assert rollout.output == "It is 42."
    assert rollout.steps[0].content == "I will call it.\n\nAnswer: 41"
    assert rollout.steps[0].tool_calls[0].name == "double"
    assert rollout.steps[0].results[0].content == "42"
    assert requests[1].messages[2:] == (
        Message(
            role="assistant",
            content="I will call it.",
            tool_calls=(ToolCall(id="call-0-0", name="double", arguments='{"number": 21}'),),
        ),
        Message(role="tool", tool_call_id="call-0-0", name="double", content="42"),
    )


async def test_several_calls_in_text_are_answered_in_order() -> None:
    rollout, requests = await attempt("double(1)\ndouble(2)", "double(3)", "2, 4 and 6")
    assert [result.content for result in rollout.steps[0].results] == ["2", "4"]
    sent = [(message.tool_call_id, message.content) for message in requests[2].messages if message.role == "tool"]
    assert sent == [("call-0-0", "2"), ("call-0-1", "4"), ("call-1-0", "6")]


async def test_what_goes_wrong_in_a_call_goes_back_to_the_model() -> None:
    rollout, requests = await attempt(
        native(("dubble", '{"number": 1}'), ("double", "{number: 1"), ("double", '{"number": "x"}'), ("quit", "{}")),
        "I give up.",
    )
    results = rollout.steps[0].results
    assert all(result.error for result in results)
    assert results[0].content == "Error: there is no tool 'dubble'; did you mean 'double'?"
    assert results[1].content.startswith("Error: the arguments of double are not valid JSON")
    assert "argument 'number': Input should be a valid integer" in results[2].content
    assert results[3].content == "Error: there is no tool 'quit'; there are: double"
    # What did not parse would make a chat template fail, so the history holds an empty object for it.
    sent = [each.arguments for each in requests[1].messages[2].tool_calls]
    assert sent == ['{"number": 1}', "{}", '{"number": "x"}', "{}"]
    assert rollout.steps[0].tool_calls[1].arguments == "{number: 1"
    assert rollout.status == "done"


@pytest.mark.parametrize("ids", [("", ""), ("call", "call")])
async def test_calls_get_ids_of_their_own(ids: tuple[str, str]) -> None:
    rollout, requests = await attempt(native(("double", '{"number": 1}'), ("double", '{"number": 2}'), ids=ids), "ok")
    assert [each.id for each in rollout.steps[0].tool_calls] == ["call-0-0", "call-0-1"]
    assert [message.tool_call_id for message in requests[1].messages[-2:]] == ["call-0-0", "call-0-1"]


async def test_parallel_calls_run_side_by_side_and_answer_in_order() -> None:
    meet = threading.Barrier(3, timeout=30)

    def wait(name: str) -> str:
        meet.wait()
        return name

    async def awaited(name: str) -> str:
        await asyncio.to_thread(meet.wait)
        return name

    rollout, requests = await attempt(
        native(("wait", '{"name": "a"}'), ("awaited", '{"name": "b"}'), ("wait", '{"name": "c"}')),
        "done",
        tools=[wait, awaited],
    )
    assert [result.content for result in rollout.steps[0].results] == ["a", "b", "c"]
    assert [message.content for message in requests[1].messages[-3:]] == ["a", "b", "c"]


async def test_what_a_tool_opens_belongs_to_one_attempt() -> None:
    open_now: set[int] = set()
    opened: list[int] = []

    @asynccontextmanager
    async def counter() -> AsyncGenerator[Callable[..., int]]:
        mine = len(opened)
        opened.append(mine)
        open_now.add(mine)
        await asyncio.sleep(0)
        seen: list[int] = []

        def double(number: int) -> int:
            seen.append(number)
            return 100 * mine + len(seen)

        yield double
        open_now.remove(mine)

    stateful = replace(tool_from_function(double), opening=counter)
    script = [native(("double", '{"number": 1}'), ("double", '{"number": 2}'), ids=("a", "b")), "Done."]
    for attempts in range(2):
        rollout, _ = await attempt(*script, tools=[stateful])
        said = sorted(result.content for result in rollout.steps[0].results)
        assert said == [str(100 * attempts + 1), str(100 * attempts + 2)]
        assert not open_now
    assert opened == [0, 1]
    rollout, _ = await attempt("Done.", tools=[stateful])
    assert rollout.status == "done" and opened == [0, 1]  # never called, never opened


async def test_what_a_tool_can_not_open_fails_the_attempt() -> None:
    @asynccontextmanager
    async def broken() -> AsyncGenerator[Callable[..., int]]:
        raise OSError("no such server")
        yield double

    rollout, _ = await attempt(
        native(("double", '{"number": 1}')), "Done.", tools=[replace(tool_from_function(double), opening=broken)]
    )
    assert rollout.status == "failed" and rollout.failure is not None and "no such server" in rollout.failure.message


async def test_one_agent_runs_many_attempts_at_once() -> None:
    def reply(request: Request) -> str:
        if len(request.messages) == 2:
            return f"double({request.messages[1].content})"
        return request.messages[-1].content

    built, _ = agent(reply)
    rollouts = await asyncio.gather(*(built.run(str(n)) for n in range(20)))
    assert [rollout.output for rollout in rollouts] == [str(2 * n) for n in range(20)]
    assert built.graph is built.graph


async def test_memory_follows_the_instructions() -> None:
    lessons = (
        Experience(id="e1", text="Check twice."),
        Experience(id="e2", text="Old.", status="retired"),
    )
    texts: list[str] = []
    for memory in (Bank(bank="b", experiences=lessons), lessons, None, ()):
        built, model = agent("42")
        await built.run("Double 21.", memory=memory)
        texts.append(model.requests[0].messages[0].content)
    assert texts[0] == texts[1]
    assert texts[0].startswith("Be right.")
    assert "- Check twice." in texts[0]
    assert "Old." not in texts[0]
    assert texts[2] == texts[3] == "Be right."


async def test_requests_carry_the_limits_and_the_temperature() -> None:
    built, model = agent("42", "42", limits={"tokens": 77})
    await built.run("x", temperature=0.25)
    await built.run("x")
    assert [(request.max_tokens, request.temperature) for request in model.requests] == [(77, 0.25), (77, 0.7)]


async def test_without_instructions_there_is_no_system_message() -> None:
    _, requests = await attempt("42", instructions="")
    assert [message.role for message in requests[0].messages] == ["user"]


async def test_direct_is_one_call_without_tools() -> None:
    rollout, requests = await attempt("double(21)", tools=[], strategy="direct")
    assert (rollout.output, len(rollout.steps), requests[0].tools) == ("double(21)", 1, ())


# ---------------------------------------------------------------- limits and failures


async def test_the_step_limit_scores_what_was_said_last() -> None:
    calls: list[int] = []

    def count(number: int) -> int:
        calls.append(number)
        return number

    rollout, requests = await attempt(
        lambda _: "So far: 7\ncount(1)",
        tools=[count],
        limits=Limits(steps=3),
    )
    assert (rollout.status, rollout.limit, rollout.output, rollout.failure) == ("limit", "steps", "So far: 7", None)
    assert len(rollout.steps) == len(requests) == 3
    assert calls == [1, 1]  # what nobody would read is not run
    assert rollout.steps[2].results == ()


async def test_a_bare_call_at_the_limit_is_no_output() -> None:
    rollout, _ = await attempt(lambda _: '{"name": "double", "arguments": {"number": 2}}', limits={"steps": 1})
    assert (rollout.status, rollout.output) == ("limit", "")


async def test_an_answer_cut_by_the_token_limit_is_scored() -> None:
    rollout, _ = await attempt(Completion(content="The answer is 4", finish="length"))
    assert (rollout.status, rollout.limit, rollout.output) == ("limit", "tokens", "The answer is 4")
    rollout, _ = await attempt(Completion(content="", reasoning="hm, hm", finish="length"))
    assert (rollout.status, rollout.limit, rollout.output) == ("limit", "tokens", "")


async def test_a_cut_step_that_is_not_the_last_is_no_limit() -> None:
    rollout, _ = await attempt(native(("double", '{"number": 2'), finish="length"), "4")
    assert (rollout.status, rollout.output) == ("done", "4")
    assert rollout.steps[0].results[0].error


async def test_the_time_limit_counts_own_work() -> None:
    built, _ = agent("unused", limits={"seconds": 10.0})

    async def complete(step: int, request: Request) -> Completion:
        slow = native(("double", '{"number": 2}'), content="thinking")
        return slow.model_copy(update={"usage": Usage(calls=1, seconds=6)})

    rollout = await built.run("x", complete=complete)
    assert (rollout.status, rollout.limit, rollout.output) == ("limit", "seconds", "thinking")
    assert len(rollout.steps) == 2
    assert rollout.steps[1].results == ()


async def test_a_tool_that_hangs_ends_at_the_time_limit() -> None:
    free = threading.Event()

    def hang() -> str:
        free.wait()
        return "late"

    async def quick() -> str:
        return "4"

    rollout, _ = await attempt(
        native(("quick", "{}"), ("hang", "{}"), content="so far"),
        tools=[quick, hang],
        limits={"seconds": 0.3},
    )
    free.set()
    assert (rollout.status, rollout.limit, rollout.output) == ("limit", "seconds", "so far")
    assert [result.content for result in rollout.steps[0].results] == ["4"]


async def test_a_full_context_is_a_limit() -> None:
    full = CallFailed("context", "the prompt is longer than the context", status=400)
    rollout, _ = await attempt("so far 3\ndouble(2)", full)
    assert (rollout.status, rollout.limit, rollout.output) == ("limit", "context", "so far 3")
    assert rollout.failure is None
    rollout, _ = await attempt(full)
    assert (rollout.status, rollout.limit, rollout.output, rollout.steps) == ("limit", "context", "", ())


async def test_a_failed_call_is_a_failed_rollout_that_keeps_its_steps() -> None:
    rollout, _ = await attempt("so far\ndouble(2)", CallFailed("server", "it broke", status=500))
    assert (rollout.status, rollout.output, rollout.limit) == ("failed", "", None)
    assert rollout.failure is not None
    assert (rollout.failure.stage, rollout.failure.kind, rollout.failure.status) == ("rollout", "server", 500)
    assert len(rollout.steps) == 1
    assert rollout.usage.calls == 1


async def test_an_empty_answer_is_a_failure_and_no_output() -> None:
    rollout, _ = await attempt(Completion(content=""))
    assert (rollout.status, rollout.failure and rollout.failure.kind) == ("failed", "empty")


async def test_what_ends_a_run_is_not_the_rollouts_business() -> None:
    built, _ = agent("unused")

    async def complete(step: int, request: Request) -> Completion:
        raise BudgetExhausted("nothing left")

    with pytest.raises(BudgetExhausted):
        await built.run("x", complete=complete)


async def test_usage_is_the_sum_of_the_calls() -> None:
    def said(content: str, usd: float | None) -> Completion:
        return Completion(content=content, usage=Usage(calls=1, input_tokens=10, output_tokens=5, usd=usd, seconds=2))

    rollout, _ = await attempt(said("double(1)", 0.5), said("2", 0.25))
    assert (rollout.usage.calls, rollout.usage.input_tokens, rollout.usage.usd) == (2, 20, 0.75)
    rollout, _ = await attempt(said("double(1)", 0.5), said("2", None))
    assert rollout.usage.usd is None


# ---------------------------------------------------------------- the run's own seam


async def test_a_run_passes_its_own_calls() -> None:
    built, model = agent("unused")
    steps: list[tuple[int, int | None]] = []

    async def complete(step: int, request: Request) -> Completion:
        steps.append((step, request.seed))
        return Completion(content="double(2)" if step == 0 else "4")

    rollout = await built.run("x", complete=complete, task_id="t7", attempt=3, rollout_id="practice/0/t7/3")
    assert steps == [(0, None), (1, None)]
    assert (rollout.id, rollout.task_id, rollout.attempt) == ("practice/0/t7/3", "t7", 3)
    assert model.requests == []


async def test_alone_the_same_attempt_sends_the_same_seeds() -> None:
    built, model = agent(lambda request: "double(2)" if len(request.messages) == 2 else "4")
    first = await built.run("x")
    again = await built.run("x")
    other = await built.run("x", attempt=1)
    assert (first.id, first.task_id) == (again.id, again.task_id)
    assert other.id != first.id
    seeds = [request.seed for request in model.requests]
    assert None not in seeds
    assert seeds[:2] == seeds[2:4]
    assert len(set(seeds)) == 4


async def test_alone_a_failed_call_is_sent_again() -> None:
    rollout, requests = await attempt(CallFailed("connection", "reset", retriable=True), "42")
    assert (rollout.output, len(requests)) == ("42", 2)


# ---------------------------------------------------------------- invoke and sessions


def test_invoke_twice_without_a_loop() -> None:
    built, _ = agent("1", "2")
    assert [built.invoke("x").output, built.invoke("x").output] == ["1", "2"]


async def test_invoke_inside_a_loop() -> None:
    built, _ = agent("1", CallFailed("client", "no"))
    assert built.invoke("x").output == "1"
    assert built.invoke("x").status == "failed"


async def test_a_session_connects_once(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[ModelSpec] = []
    model = ScriptedModel(lambda _: "42")

    def connect(spec: ModelSpec) -> ScriptedModel:
        opened.append(spec)
        return model

    monkeypatch.setattr("practice.endpoints.connect", connect)
    built = Agent(name="a", model={"name": "openai/m", "api_base": "http://127.0.0.1:9/v1"})
    async with built:
        await asyncio.gather(built.run("x"), built.run("y"))
        assert not model.closed
        assert built.invoke("z").output == "42"  # on a loop of its own: connects for itself
        assert len(opened) == 2
        with pytest.raises(RuntimeError, match="connected already"):
            await built.__aenter__()
    assert model.closed
    await built.run("x")
    assert len(opened) == 3


async def test_a_model_of_the_users_own_is_not_closed() -> None:
    built, model = agent("42")
    async with built:
        await built.run("x")
    assert not model.closed


async def test_the_graph_alone_says_where_it_runs() -> None:
    built, _ = agent("42")
    with pytest.raises(RuntimeError, match=r"inside agent\.run"):
        await built.graph.ainvoke({"messages": [{"role": "user", "content": "x"}]})


# ---------------------------------------------------------------- graphs of one's own


CRITIC = """
from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    messages: Annotated[list[dict[str, Any]], operator.add]
    draft: str


def build(context):
    async def draft(state):
        message = await context.complete(state["messages"], tools=context.tools)
        results = await context.call(message)
        return {"messages": [message, *results], "draft": message["content"]}

    async def answer(state):
        ask = {"role": "user", "content": "Now only the number, for " + context.spec.name}
        return {"messages": [ask, await context.complete([*state["messages"], ask])]}

    graph = StateGraph(State)
    graph.add_node("draft", draft)
    graph.add_node("answer", answer)
    graph.add_edge(START, "draft")
    graph.add_edge("draft", "answer")
    graph.add_edge("answer", END)
    return graph.compile()


def lost(context):
    return "no graph"
"""


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    (tmp_path / "agents").mkdir()
    (tmp_path / "tools").mkdir()
    (tmp_path / "graphs").mkdir()
    (tmp_path / "graphs/critic.py").write_text(CRITIC)
    (tmp_path / "tools/double.py").write_text("def double(number: int) -> int:\n    return 2 * number\n")
    return Workspace(tmp_path)


def write(place: Workspace, text: str) -> Path:
    path = place.agents / "a.yaml"
    path.write_text(text)
    return path


async def test_a_graph_of_ones_own_from_yaml(place: Workspace) -> None:
    path = write(
        place, "name: a\nmodel: openai/m\ninstructions: Be right.\ntools: [double]\ngraph: graphs/critic.py:build\n"
    )
    built = Agent.from_yaml(path)
    requests: list[Request] = []

    async def complete(step: int, request: Request) -> Completion:
        requests.append(request)
        return [native(("double", '{"number": 21}'), content="draft"), Completion(content="42")][step]

    rollout = await built.run("Double 21.", complete=complete)
    assert (rollout.output, rollout.status, len(rollout.steps)) == ("42", "done", 2)
    assert rollout.steps[0].results[0].content == "42"
    assert [message.role for message in requests[1].messages] == ["system", "user", "assistant", "tool", "user"]
    assert requests[1].messages[-1].content == "Now only the number, for a"
    assert requests[1].tools == ()


async def test_a_graph_of_ones_own_keeps_the_limits(place: Workspace) -> None:
    built = Agent(
        name="a",
        model=ScriptedModel(lambda _: "so far"),
        graph="graphs/critic.py:build",
        limits={"steps": 1},
        workspace=place,
    )
    rollout = await built.run("x")
    assert (rollout.status, rollout.limit, rollout.output) == ("limit", "steps", "so far")


async def test_a_graph_that_turns_in_a_circle_ends() -> None:
    def circle(context: GraphContext) -> Any:
        from langgraph.graph import START, MessagesState, StateGraph

        graph: Any = StateGraph(MessagesState)
        graph.add_node("again", lambda _: {"messages": []})
        graph.add_edge(START, "again")
        graph.add_edge("again", "again")
        return graph.compile()

    built, _ = agent("unused", graph=circle, tools=[])
    rollout = await built.run("x")
    assert (rollout.status, rollout.limit, rollout.output) == ("limit", "steps", "")


async def test_a_graph_over_langchain_messages() -> None:
    def build(context: GraphContext) -> Any:
        from langgraph.graph import END, START, MessagesState, StateGraph

        async def model(state: Any) -> Any:
            return {"messages": [await context.complete(state["messages"], context.tools)]}

        async def tools(state: Any) -> Any:
            return {"messages": await context.call(state["messages"][-1])}

        graph: Any = StateGraph(MessagesState)
        graph.add_node("model", model)
        graph.add_node("tools", tools)
        graph.add_edge(START, "model")
        graph.add_edge("tools", "model")
        graph.add_conditional_edges(
            "model", lambda state: "tools" if context.has_calls(state["messages"][-1]) else END, ["tools", END]
        )
        return graph.compile()

    rollout, requests = await attempt(
        native(("double", '{"number":  21}'), ("double", "{oops"), content="a"), "double(4)", "It is 42.", graph=build
    )
    assert (rollout.output, rollout.status) == ("It is 42.", "done")
    assert [[result.content[:6] for result in step.results] for step in rollout.steps] == [["42", "Error:"], ["8"], []]
    roles = [message.role for message in requests[2].messages]
    assert roles == ["system", "user", "assistant", "tool", "tool", "assistant", "tool"]
    assert requests[2].messages[3].tool_call_id == "id-0"


async def test_an_error_in_a_graph_of_ones_own_is_a_failure() -> None:
    def build(context: GraphContext) -> Any:
        from langgraph.graph import START, MessagesState, StateGraph

        graph: Any = StateGraph(MessagesState)
        graph.add_node("bad", lambda _: {}["key"])
        graph.add_edge(START, "bad")
        return graph.compile()

    rollout, _ = await attempt("unused", graph=build)
    assert rollout.status == "failed"
    assert rollout.failure is not None
    assert (rollout.failure.kind, rollout.failure.message) == ("error", "KeyError: 'key'")


def test_a_function_that_builds_no_graph(place: Workspace) -> None:
    built = Agent(name="a", model="openai/m", graph="graphs/critic.py:lost", workspace=place)
    with pytest.raises(InputError, match="a compiled LangGraph graph"):
        _ = built.graph


def test_messages_of_other_kinds() -> None:
    parts = {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}, "b"]}
    assert to_message(parts) == Message(role="user", content="a\nb")
    assert to_message(Message(role="user", content="x")).content == "x"
    with pytest.raises(TypeError, match="not int"):
        to_message(3)


def test_tracing_is_off_unless_asked_for() -> None:
    code = "import os; from practice import Agent; Agent(name='a', model='openai/m').graph; "
    code += "print(os.environ['LANGSMITH_TRACING'])"
    for given, kept in [({}, "false"), ({"LANGSMITH_TRACING": "true"}, "true")]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("LANGSMITH", "LANGCHAIN"))}
        done = subprocess.run(
            [sys.executable, "-c", code], env=clean | given, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == kept


# ---------------------------------------------------------------- YAML


def test_the_starter_agent_loads() -> None:
    built = Agent.from_yaml(ROOT / "agents/solver.yaml")
    assert [tool.name for tool in built.tools] == ["calculator"]
    assert built.spec.limits.steps == 6
    assert built.spec.strategy.kind == "react"


def test_the_defaults_are_those_of_the_contract() -> None:
    spec = AgentSpec.model_validate({"name": "a", "model": "openai/m"})
    assert spec.limits.model_dump() == {"steps": 12, "tokens": 2048, "seconds": 300.0}
    assert (spec.tools, spec.strategy.kind, spec.graph, spec.instructions) == ((), "react", None, "")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model: openai/m\n", "name"),
        ("name: a\n", "model"),
        (HEAD + "instruction: x\n", "a.yaml:3: instruction: expected"),
        (HEAD + "instruction: x\n", "did you mean 'instructions'?"),
        (HEAD + "limits: {step: 3}\n", "did you mean 'steps'?"),
        (HEAD + "limits: {steps: 0}\n", "a.yaml:3: limits.steps: expected"),
        (HEAD + "limits: {seconds: soon}\n", "a.yaml:3: limits.seconds: expected"),
        (HEAD + "strategy: {kind: reacts}\n", "a.yaml:3: strategy.kind: expected"),
        (HEAD + "tools: [duoble]\n",
         "a.yaml:3: tools.0: expected a tool of the workspace, found 'duoble' (did you mean 'double'"),
        (HEAD + "tools:\n  - double\n  - tools/x.py:f\n",
         "a.yaml:5: tools.1: expected an existing file, found tools/x.py"),
        (HEAD + "tools: [double, double]\n", "a.yaml:3: tools.1: expected each tool once"),
        (HEAD + "tools: [double, tools/double.py]\n", "a.yaml:3: tools: expected tools of different names"),
        (HEAD + "tools: [7]\n", "a.yaml:3: tools.0: expected text"),
        (HEAD + "tools: [{mcp: x}]\n", "a.yaml:3: tools.0.mcp: expected a mapping, found 'x'"),
        (HEAD + "tools: [{mpc: {command: x}}]\n", "a.yaml:3: tools.0.mpc: expected one of mcp"),
        (HEAD + "tools: [{mcp: {command: x}, only: [y]}]\n", "a.yaml:3: tools.0.only: expected one of mcp"),
        (HEAD + "tools:\n- mcp:\n    comand: x\n", "a.yaml:5: tools.0.mcp.comand: expected one of command, url"),
        (HEAD + "tools: [{mcp: {only: [x]}}]\n", "tools.0.mcp: expected either a command or a url, found neither"),
        (HEAD + "tools: [{mcp: {command: x, url: 'http://y'}}]\n", "expected either a command or a url, found both"),
        (HEAD + "tools: [{mcp: {command: 'a \"b'}}]\n", "tools.0.mcp.command: expected a command, found"),
        (HEAD + "tools: [{mcp: {command: 'x --token=abc'}}]\n", "tools.0.mcp.command: expected no secret in YAML"),
        (HEAD + "tools: [{mcp: {command: x, headers_env: {A: B}}}]\n", "tools.0.mcp.headers_env: expected no headers"),
        (HEAD + "tools: [{mcp: {command: x, env: [A-B]}}]\n", "tools.0.mcp.env.0: expected the name of an environment"),
        (HEAD + "tools: [{mcp: {command: x, only: [a, a]}}]\n", "tools.0.mcp.only.1: expected each tool once"),
        (HEAD + "tools: [{mcp: {command: x, seconds: 0}}]\n", "tools.0.mcp.seconds: expected a number above 0"),
        (HEAD + "tools: [{mcp: {url: 'x.example/mcp'}}]\n", "tools.0.mcp.url: expected an address such as"),
        (HEAD + "tools: [{mcp: {url: 'http://x/?api_key=1'}}]\n", "tools.0.mcp.url: expected no secret in YAML"),
        (HEAD + "tools: [{mcp: {url: 'http://x', env: [A]}}]\n", "tools.0.mcp.env: expected no env with a url"),
        (HEAD + "tools: [{mcp: {url: 'http://x', headers_env: {A: 'b c'}}}]\n", "tools.0.mcp.headers_env.A: expected"),
        (HEAD + "tools: [{mcp: {url: 'http://x', headers_env: {'a b': C}}}]\n", "expected a header's name"),
        (HEAD + "tools: [{mcp: {url: 'http://x', token: C}}]\n", "did you mean 'headers_env'?"),
        (HEAD + "tools: [{mcp: {command: x}}, {mcp: {command: x}}]\n", "a.yaml:3: tools.1: expected each tool once"),
        (HEAD + "tools: [double]\nstrategy: {kind: direct}\n",
         "a.yaml:3: tools: expected no tools with strategy direct"),
        (HEAD + "graph: nothing\n", "a.yaml:3: graph: expected module:function"),
        (HEAD + "graph: graphs/none.py:build\n", "a.yaml:3: graph: expected an existing file"),
        (HEAD + "graph: graphs/critic.py:bild\n",
         "critic.py: bild: expected a function 'bild', found no 'bild' (did you mean 'build'?)"),
        (HEAD + "graph: graphs/critic.py:build\nstrategy: {kind: direct}\n", "a.yaml:4: strategy: expected either"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_an_agent_file(place: Workspace, text: str, says: str) -> None:
    with pytest.raises(InputError) as error:
        Agent.from_yaml(write(place, text), workspace=place)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"limits": {"steps": 0}}, "limits.steps"),
        ({"tools": [double, double]}, "tools"),
        ({"tools": ["nowhere"]}, "expected a tool of the workspace"),
        ({"strategy": "reacts"}, "strategy.kind"),
        ({"name": ""}, "name"),
    ],
)
def test_what_is_wrong_in_arguments(kwargs: Mapping[str, Any], says: str) -> None:
    with pytest.raises(InputError) as error:
        agent("x", **kwargs)
    assert says in str(error.value)


def test_the_schema_for_editors_knows_every_key() -> None:
    schema = agent_json_schema()
    assert set(schema["properties"]) == set(AgentSpec.model_fields)
    assert all(field.get("description") for field in schema["properties"].values())
    assert schema["additionalProperties"] is False
    assert json.loads(json.dumps(schema)) == schema


# ---------------------------------------------------------------- the fingerprint


def changed(place: Workspace, text: str) -> set[str]:
    """The fields of the fingerprint that differ from those of the plain agent."""
    plain = Agent.from_yaml(write(place, HEAD + "tools: [double]\n"), workspace=place).fingerprint()
    other = Agent.from_yaml(write(place, text), workspace=place).fingerprint()
    return {key for key in plain.keys() | other.keys() if plain.get(key) != other.get(key)}


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (HEAD + "tools: [double]\ndescription: new\nlimits: {seconds: 5}\n", set[str]()),
        (HEAD + "tools: [tools/double.py]\n", set[str]()),
        (HEAD + "tools: []\n", {"tools", "tool double"}),
        (HEAD + "tools: [double]\ninstructions: x\n", {"instructions"}),
        (HEAD + "tools: [double]\nlimits: {tokens: 5}\n", {"limits.tokens"}),
        (HEAD + "tools: [double]\nlimits: {steps: 5}\n", {"limits.steps"}),
        ("name: a\nmodel: {name: openai/m, params: {top_p: 0.5}}\ntools: [double]\n", {"model"}),
        (HEAD + "tools: [double]\ngraph: graphs/critic.py:build\n", {"graph", "graph source"}),
    ],
)
def test_what_makes_another_agent(place: Workspace, text: str, fields: set[str]) -> None:
    assert changed(place, text) == fields


def test_the_source_of_tools_and_graphs_counts(place: Workspace) -> None:
    path = write(place, HEAD + "tools: [double]\ngraph: graphs/critic.py:build\n")
    before = Agent.from_yaml(path).fingerprint()
    (place.tools / "double.py").write_text("def double(number: int) -> int:\n    return number + number\n")
    (place.root / "graphs/critic.py").write_text(CRITIC + "\n# changed\n")
    after = Agent.from_yaml(path).fingerprint()
    assert {key for key in before if before[key] != after[key]} == {"tool double", "graph source"}


def test_with_seconds_leaves_the_agent_as_it_is() -> None:
    built, _ = agent("42")
    short = built.with_seconds(1.5)
    assert (built.spec.limits.seconds, short.spec.limits.seconds) == (300.0, 1.5)
    assert short.fingerprint() == built.fingerprint()
    assert short.invoke("x").output == "42"


def test_functions_count_with_their_source() -> None:
    def make(fn: Callable[..., Any]) -> Any:
        return Agent(name="a", model="openai/m", tools=[fn]).fingerprint()

    one = make(double)

    def other() -> Callable[..., Any]:
        def double(number: int) -> int:
            return number * 3

        return double

    assert one["tool double"] != make(other())["tool double"]
