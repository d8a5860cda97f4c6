"""``practice agent chat``: turns, tool calls shown, memory on and off; and state of tools that lasts."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from practice.agent import Agent, conversation
from practice.agent.lasting import lasting
from practice.cli.agent_chat import Chat, answer, shown, trace
from practice.config import write_yaml
from practice.errors import CallFailed
from practice.fakes import ScriptedModel
from practice.memory import Bank
from practice.tool import Tool, tool_from_function
from practice.types import Completion, Experience, Failure, Message, Request, Rollout, ToolCall
from tests.fakeserver import Asked, FakeServer, Reply
from tests.house import ROOT
from tests.test_cli import call

TOOL = '''\
def double(number: int) -> int:
    """Double a number."""
    return 2 * number
'''


def workspace(root: Path, url: str) -> None:
    model = {"name": "openai/fake", "api_base": url}
    write_yaml(root / "agents/doubler.yaml", {"name": "doubler", "model": model, "tools": ["double"]})
    (root / "tools").mkdir()
    (root / "tools/double.py").write_text(TOOL)
    lesson = {"id": "e1", "text": "When asked, be brief.", "status": "active", "helpful": 1, "harmful": 0}
    write_yaml(root / "memory/mine.yaml", {"bank": "mine", "revision": 1, "experiences": [lesson | {"evidence": []}]})


def world(asked: Asked) -> str | dict[str, Any]:
    """Calls the tool once for each question, then says how many messages it was shown and whether it has a lesson."""
    last = asked.body["messages"][-1]
    if last["role"] == "user" and "Double" in last["content"]:
        function = {"name": "double", "arguments": '{"number": 21}'}
        return {"content": "", "tool_calls": [{"id": "a", "type": "function", "function": function}]}
    brief = "brief" if "be brief" in asked.text else "long"
    return f"{brief} answer {len(asked.body['messages'])}"


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_a_conversation_over_a_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with FakeServer(world) as server:
        workspace(tmp_path, server.url)
        typed(monkeypatch, "Double 21.", "", "And now?", "/history", "/new", "Again?")
        code, out, err = call(capsys, "agent", "chat", "doubler")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "  -> double(number=21)",
        "  <- 42",
        "long answer 3",
        "long answer 5",  # the first turn's four messages, tool call and result included, and this one
        "user: Double 21.",
        "assistant: double(number=21)",
        "tool: 42",
        "assistant: long answer 3",
        "user: And now?",
        "assistant: long answer 5",
        "the conversation is forgotten",
        "long answer 1",
    ]
    assert {asked.stage for asked in server.calls} == {"user"}
    assert len({asked.seed for asked in server.calls}) == len(server.calls)


def test_memory_is_switched_while_one_talks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with FakeServer(world) as server:
        workspace(tmp_path, server.url)
        typed(monkeypatch, "Hi", "/memory off", "Hi", "/memory on", "Hi", "/memory maybe", "/quit", "never asked")
        code, out, _ = call(capsys, "agent", "chat", "doubler", "--memory", "mine")
    assert code == 0
    assert out.splitlines() == [
        "brief answer 2",
        "memory off: 1 experience(s) of mine",
        "long answer 3",
        "memory on: 1 experience(s) of mine",
        "brief answer 6",
        "/memory on or /memory off, not 'maybe'",
    ]
    assert len(server.calls) == 3


def test_json_is_one_document_of_all_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with FakeServer(world) as server:
        workspace(tmp_path, server.url)
        typed(monkeypatch, "Double 21.", "/hlep")
        code, out, err = call(capsys, "agent", "chat", "doubler", "--json")
    document = json.loads(out)
    assert code == 0
    assert [(turn["input"], turn["output"]) for turn in document["turns"]] == [("Double 21.", "long answer 3")]
    assert document["turns"][0]["steps"][0]["results"][0]["content"] == "42"
    assert document["usage"]["calls"] == 2
    assert "-> double(number=21)" in err and "there is no /hlep; did you mean /help?" in err


def test_without_a_bank_there_is_no_memory_to_switch() -> None:
    said: list[str] = []
    talk = Chat(Agent(name="a", model=ScriptedModel([])), None, say=said.append)
    assert talk.command("/memory on") and not talk.remembers
    assert not talk.command("/quit")
    assert said == ["no memory (--memory BANK gives one)"]


async def test_a_failed_turn_leaves_the_history_as_it_was() -> None:
    agent = Agent(name="a", model="openai/m")
    talk = Chat(agent, Bank(bank="b", experiences=(Experience(id="e1", text="Be kind."),)), say=lambda _: None)

    async def fails(step: int, request: Request) -> Completion:
        raise CallFailed("server", "down")

    async def works(step: int, request: Request) -> Completion:
        return Completion(content="ok")

    assert answer(await talk.turn("one", fails)) == "(no answer: down)"
    assert talk.history == []
    assert answer(await talk.turn("two", works)) == "ok"
    assert [message["content"] for message in talk.history] == ["two", "ok"]


def test_an_answer_says_what_cut_it_off() -> None:
    rollout = Rollout(id="r", task_id="t", attempt=0, steps=(), output="half a", status="limit", limit="tokens")
    assert answer(rollout) == "half a\n(stopped by the agent's limit of tokens)"
    failure = Failure(stage="rollout", kind="error", message="broken")
    assert answer(rollout.model_copy(update={"failure": failure})) == "(no answer: broken)"


def test_calls_that_do_not_parse_and_long_results_are_shown() -> None:
    bad = Message(role="assistant", tool_calls=(ToolCall(id="1", name="f", arguments="{x"),))
    lines = trace([bad, Message(role="tool", content="y\n" * 400, tool_call_id="1")])
    assert lines[0] == "  -> f({x)"
    assert lines[1].startswith("  <- y y y") and lines[1].endswith("…") and len(lines[1]) < 410


async def test_what_was_said_before_stands_between_the_system_prompt_and_the_input() -> None:
    model = ScriptedModel(['{"name": "double", "arguments": {"number": 4}}', "8", "16"])

    def double(number: int) -> int:
        """Double."""
        return 2 * number

    agent = Agent(name="a", model=model, instructions="Be right.", tools=[double])
    first = await agent.run("Double 4.")
    history = conversation("Double 4.", first)
    assert [message["role"] for message in history] == ["user", "assistant", "tool", "assistant"]
    await agent.run("Again.", history=history)
    assert [message.role for message in model.requests[-1].messages] == [
        *("system", "user", "assistant", "tool", "assistant", "user")
    ]
    assert model.requests[-1].messages[2].tool_calls[0].name == "double"
    assert model.requests[-1].messages[-1].content == "Again."


# ---------------------------------------------------------------- tools with state


def counter() -> tuple[Tool, list[str]]:
    """A tool that counts its calls, anew each time it is opened; and when it was opened and closed."""
    log: list[str] = []

    def count() -> int:
        """Count up."""
        raise AssertionError("called without being opened")

    @asynccontextmanager
    async def opening() -> AsyncGenerator[Callable[..., Any]]:
        log.append("opened")
        calls = 0

        def counted() -> int:
            nonlocal calls
            calls += 1
            return calls

        try:
            yield counted
        finally:
            log.append("closed")

    return replace(tool_from_function(count), opening=opening), log


@pytest.mark.parametrize("lasts", [True, False])
async def test_state_lasts_for_a_conversation_or_for_an_attempt(lasts: bool) -> None:
    tool, log = counter()
    model = ScriptedModel(['{"name": "count", "arguments": {}}', "done"] * 2)
    agent = Agent(name="a", model=model, tools=[tool])
    async with AsyncExitStack() as stack:
        agent = agent.with_tools(lasting(agent.tools, stack)) if lasts else agent
        results = [(await agent.run("Count.")).steps[0].results[0].content for _ in range(2)]
        assert results == (["1", "2"] if lasts else ["1", "1"])
    assert log == (["opened", "closed"] if lasts else ["opened", "closed"] * 2)


async def test_tools_that_share_an_opening_share_what_lasts() -> None:
    first, log = counter()
    other = replace(first, spec=first.spec.model_copy(update={"name": "also"}))
    model = ScriptedModel(['{"name": "count", "arguments": {}}', '{"name": "also", "arguments": {}}', "done"])
    async with AsyncExitStack() as stack:
        agent = Agent(name="a", model=model, tools=[first, other]).with_tools(lasting([first, other], stack))
        rollout = await agent.run("Count.")
        assert [step.results[0].content for step in rollout.steps[:2]] == ["1", "2"]
    assert log == ["opened", "closed"]


async def test_a_trace_tells_each_call_once() -> None:
    model = ScriptedModel(['{"name": "count", "arguments": {}}', '{"name": "count", "arguments": {}}', "done"])
    tool, _ = counter()
    said: list[str] = []
    agent = Agent(name="a", model=model, tools=[tool])

    async def complete(step: int, request: Request) -> Completion:
        return await model.complete(request)

    await agent.run("Count.", complete=shown(complete, said.append))
    assert said == ["  -> count()", "  <- 1", "  -> count()", "  <- 2"]


def test_ctrl_c_ends_an_answer_and_not_the_conversation(tmp_path: Path) -> None:
    asked = threading.Event()

    def hangs(request: Asked) -> str | Reply:
        if request.body["messages"][-1]["content"] == "Hang.":
            asked.set()
            return Reply(hang=True)
        return f"answer {len(request.body['messages'])}"

    with FakeServer(hangs) as server:
        workspace(tmp_path, server.url)
        # Where the tests run in the background Ctrl-C is ignored, and what they start would inherit that.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            process = subprocess.Popen(
                [sys.executable, "-c", "from practice.cli import main; main()", "agent", "chat", "doubler"],
                cwd=tmp_path,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        finally:
            signal.signal(signal.SIGINT, before)
        assert process.stdin is not None
        process.stdin.write("Hang.\n")
        process.stdin.flush()
        assert asked.wait(120)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate("Hi.\n", timeout=120)
    assert (process.returncode, out.splitlines()) == (0, ["(stopped)", "answer 1"]), err
