"""``practice agent check``: every row of it, and its exit code."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from practice.agent import Agent
from practice.agentsmith import check, first_task, smoke_of, smoke_task
from practice.config import Workspace, write_yaml
from practice.fakes import ScriptedModel
from practice.sandbox.bare import BareEngine
from practice.tool import tool_from_function
from practice.tool.trust import approve
from practice.types import Completion, Request, Task
from tests.builders import VAT, put_tool
from tests.fakeserver import Asked, FakeServer, Reply
from tests.test_agent_chat import TOOL
from tests.test_cli import call


def workspace(root: Path, url: str, **agent: Any) -> None:
    model = {"name": "openai/fake", "api_base": url}
    write_yaml(root / "agents/doubler.yaml", {"name": "doubler", "model": model, "tools": ["double"], **agent})
    (root / "tools").mkdir(exist_ok=True)
    (root / "tools/double.py").write_text(TOOL)
    (root / "tasks").mkdir()
    line = {"input": "Double 21.", "answer": 42, "verifier": "number"}
    (root / "tasks/doubler.jsonl").write_text(json.dumps(line) + "\n")


def right(asked: Asked) -> str:
    last = asked.body["messages"][-1]
    if last["role"] == "user" and "Double" in last["content"]:
        return '{"name": "double", "arguments": {"number": 21}}'
    return f"It is {last['content']}." if last["role"] == "tool" else "ready"


def rows(out: str) -> dict[str, bool | None]:
    return {row["what"]: row["ok"] for row in json.loads(out)["checks"]}


def run(
    world: Callable[[Asked], Any], root: Path, capsys: pytest.CaptureFixture[str], *options: str, **agent: Any
) -> tuple[int, str]:
    with FakeServer(world) as server:
        workspace(root, server.url, **agent)
        code, out, _ = call(capsys, "agent", "check", "doubler", "--workspace", str(root), *options)
    return code, out


def test_all_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(right, tmp_path, capsys, "--json")
    assert code == 0 and json.loads(out)["passed"] is True
    assert rows(out) == {"loads": True, "tool double": True, "model": True, "smoke": True}
    assert "called double" in json.loads(out)["checks"][-1]["detail"]


def test_a_wrong_answer_to_a_verified_task_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(lambda asked: "41", tmp_path, capsys)
    assert code == 5
    assert "FAILED" in out and "41" in out


def test_a_question_of_ones_own_needs_an_answer_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(lambda asked: "41", tmp_path, capsys, "--smoke", "Anything?", "--json")
    assert code == 0 and rows(out)["smoke"] is True


def test_what_does_not_load_is_not_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(right, tmp_path, capsys, "--json", tools=["dubble"])
    assert code == 5
    assert rows(out) == {"loads": False, "model": None, "smoke": None}
    assert "did you mean 'double'" in json.loads(out)["checks"][0]["detail"]


def test_a_model_that_does_not_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refusal = Reply(401, b'{"error": {"message": "no such key", "type": "error"}}')
    code, out = run(lambda asked: refusal, tmp_path, capsys, "--json")
    assert code == 5
    assert rows(out) == {"loads": True, "tool double": True, "model": False, "smoke": None}


@pytest.mark.parametrize("expected", [24, 25])
def test_the_tests_of_a_generated_tool_are_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], expected: int
) -> None:
    monkeypatch.setattr("practice.sandbox.engine", lambda unsafe=False: BareEngine())
    put_tool(tmp_path, "add_vat", VAT)
    folder = tmp_path / "tools/generated/add_vat"
    test = f"from tool import add_vat\n\n\ndef test_twenty():\n    assert add_vat(20, 20) == {expected}\n"
    (folder / "test_tool.py").write_text(test)
    approve(Workspace(tmp_path), "add_vat", by="person")
    code, out = run(lambda asked: "42", tmp_path, capsys, "--json", tools=["add_vat"])
    row = json.loads(out)["checks"][1]
    if expected == 24:
        assert code == 0 and row["ok"] and row["detail"] == "1 tests pass in the sandbox (none)"
    else:
        assert code == 5 and not row["ok"] and row["detail"].startswith("test_twenty: ")


def test_a_tool_in_quarantine_does_not_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_tool(tmp_path, "add_vat", VAT)
    code, out = run(right, tmp_path, capsys, "--json", tools=["add_vat"])
    assert code == 5 and "practice tool approve add_vat" in json.loads(out)["checks"][0]["detail"]


def test_an_unknown_agent_is_wrong_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "agents").mkdir()
    code, out, _ = call(capsys, "agent", "check", "nobody", "--workspace", str(tmp_path), "--json")
    assert code == 2 and json.loads(out)["error"]["key"] == "AGENT"


# ---------------------------------------------------------------- the parts


def double(number: int) -> int:
    """Double a number."""
    if number < 0:
        raise ValueError("only numbers from 0")
    return 2 * number


async def smoke(task: Task, *replies: str, **fields: Any) -> Any:
    model = ScriptedModel(replies)
    agent = Agent(name="a", model=model, tools=[double], workspace=Workspace(Path.cwd()), **fields)

    async def complete(step: int, request: Request) -> Completion:
        assert request.temperature == 0.0
        return await model.complete(request)

    return await smoke_task(agent, task, complete)


async def test_a_smoke_task_tells_what_a_tool_complained_of() -> None:
    done = await smoke(smoke_of("Double -1."), '{"name": "double", "arguments": {"number": -1}}', "I can't.")
    assert done.passed and done.tools == ("double",)
    assert done.reason == "it answered; double said: Error: only numbers from 0"


async def test_a_smoke_task_at_a_limit_fails() -> None:
    done = await smoke(smoke_of("Double 1."), '{"name": "double", "arguments": {"number": 1}}', limits={"steps": 1})
    assert (done.passed, done.reason) == (False, "stopped by its limit of steps")


@pytest.mark.parametrize(
    ("verifier", "output", "passed"),
    [("exact", "blue", True), ("exact", "light blue", False), ("judge", "red", True), (None, "red", False)],
)
async def test_a_smoke_task_is_verified_where_a_program_can(verifier: str | None, output: str, passed: bool) -> None:
    task = Task(id="t", input="Which colour?", answer="blue", verifier=verifier)
    assert (await smoke(task, output)).passed is passed


def test_the_first_task_of_the_file_or_a_greeting(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    assert first_task(place, "a").answer is None
    place.tasks.mkdir()
    (place.tasks / "a.jsonl").write_text('{"input": "1 + 1?", "answer": 2}\n{"input": "2 + 2?", "answer": 4}\n')
    assert first_task(place, "a").input == "1 + 1?"


@pytest.mark.parametrize("opens", [True, False])
async def test_a_tool_that_opens_something_is_opened(opens: bool) -> None:
    opened: list[bool] = []

    @asynccontextmanager
    async def opening() -> AsyncGenerator[Callable[..., Any]]:
        opened.append(opens)
        if not opens:
            raise RuntimeError("the server is gone")
        yield double

    tool = replace(tool_from_function(double), opening=opening)
    result = await check._tried("tool double", lambda: check._tool_runs(tool, Workspace(Path.cwd())))
    assert opened == [opens]
    assert (result.ok, result.detail) == (
        (True, "opened and closed") if opens else (False, "RuntimeError: the server is gone")
    )
