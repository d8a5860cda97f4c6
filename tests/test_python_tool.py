"""The built-in tool ``python``: what a model sees of it, and whose variables it keeps."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from practice import sandbox
from practice.agent import Agent
from practice.cli import main
from practice.config import Workspace
from practice.errors import InputError, RunError, SandboxMissing
from practice.fakes import ScriptedModel
from practice.sandbox import Ended, Ran
from practice.tool import Tool, call, load_tool, python_tool
from practice.types import Completion, Request, ToolCall, ToolResult
from tests.sandboxes import Canned, InProcess


async def asked(tool: Tool, code: str) -> ToolResult:
    return await call(tool, ToolCall(id="1", name="python", arguments=json.dumps({"code": code})))


def calls(*codes: str) -> Completion:
    """A completion that calls ``python`` once for each code."""
    made = [ToolCall(id=f"c{n}", name="python", arguments=json.dumps({"code": code})) for n, code in enumerate(codes)]
    return Completion(content="", tool_calls=tuple(made), finish="tool_calls")


def results(rollout: Any) -> list[str]:
    return [result.content for step in rollout.steps for result in step.results]


# ---------------------------------------------------------------- what a model sees


@pytest.mark.parametrize(
    ("ran", "shown"),
    [
        (Ran(ended="done", value="4"), "4"),
        (Ran(ended="done", value="4", stdout="a\nb\n"), "a\nb\n4"),
        (Ran(ended="done", stdout="a\n"), "a"),
        (Ran(ended="done", stderr="a warning\n", value="4"), "[stderr] a warning\n4"),
        (Ran(ended="done"), "[no output: end with an expression, or print]"),
    ],
)
async def test_a_result(ran: Ran, shown: str) -> None:
    result = await asked(python_tool(Canned(ran)), "1")
    assert (result.content, result.error) == (shown, False)


@pytest.mark.parametrize(
    ("ended", "fields", "shown"),
    [
        ("raised", {"error": "ValueError: no"}, "Error: ValueError: no"),
        (
            "raised",
            {"error": "ValueError: no", "traceback": 'File "<run>", line 1\nValueError: no\n', "stdout": "a\n"},
            'Error: File "<run>", line 1\nValueError: no\n[printed before] a',
        ),
        (
            "raised",
            {"error": "KeyError: 1", "traceback": 'File "<run>", line 1'},
            'Error: File "<run>", line 1\nKeyError: 1',
        ),
        ("timeout", {"error": "more than 10 s"}, "Error: more than 10 s\nThe interpreter was started anew: "),
        ("memory", {}, "Error: memory\nThe interpreter was started anew: "),
        ("crashed", {"error": "gone"}, "its variables, imports and files are gone."),
    ],
)
async def test_an_error_is_text_for_the_model(ended: Ended, fields: dict[str, str], shown: str) -> None:
    result = await asked(python_tool(Canned(Ran.model_validate({"ended": ended, **fields}))), "1")
    assert result.error and shown in result.content


async def test_what_the_model_is_told() -> None:
    spec = python_tool(InProcess()).spec
    assert spec.name == "python" and "sandbox" in spec.description and "kept from call to call" in spec.description
    assert spec.parameters["properties"] == {
        "code": {"description": "Python statements, as at a prompt.", "type": "string"}
    }


@pytest.mark.parametrize(
    "code", ["```python\n1 + 1\n```", "```\n1 + 1\n```\n", "1 + 1", "    1 + 1", "  x = 1\n  x + 1"]
)
async def test_a_fence_or_an_indent_around_the_code_is_no_code(code: str) -> None:
    assert (await asked(python_tool(InProcess()), code)).content == "2"


# ---------------------------------------------------------------- whose state it is


async def test_an_attempt_keeps_its_variables_and_the_next_has_none() -> None:
    engine = InProcess()
    replies = [calls("x = 20"), calls("x += 1", "x * 2"), "It is 42."]
    agent = Agent(name="a", model=ScriptedModel([*replies, *replies]), tools=[python_tool(engine)])
    first, second = await agent.run("q"), await agent.run("q")
    assert results(first) == results(second) == ["[no output: end with an expression, or print]"] * 2 + ["42"]
    assert engine.opened == engine.closed == 2


async def test_a_call_outside_an_attempt_has_an_interpreter_of_its_own() -> None:
    engine = InProcess()
    tool = python_tool(engine)
    await asked(tool, "x = 1")
    assert "NameError" in (await asked(tool, "x")).content
    assert engine.opened == engine.closed == 2


async def test_a_sandbox_that_does_not_come_up_fails_the_attempt_and_not_the_run() -> None:
    tool = python_tool(Canned(opening=RunError("no more processes")))
    rollout = await Agent(name="a", model=ScriptedModel([calls("1"), "One."]), tools=[tool]).run("q")
    assert rollout.status == "failed" and rollout.failure is not None
    assert "no more processes" in rollout.failure.message


# ---------------------------------------------------------------- by name


def test_the_name_python_is_built_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "engine", InProcess)
    place = Workspace(tmp_path)
    assert load_tool("python", place).opening is not None
    with pytest.raises(InputError) as error:
        load_tool("pyhton", place)
    assert error.value.nearest == "python"
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/python.py").write_text('def python(line: str) -> str:\n    """My own."""\n    return line\n')
    assert load_tool("python", place).spec.description == "My own."


async def test_64_attempts_at_once_see_nothing_of_each_other() -> None:
    engine = InProcess()

    def reply(request: Request) -> Any:
        number = request.messages[-1].content if len(request.messages) == 2 else request.messages[1].content
        said = [message for message in request.messages if message.role == "tool"]
        script = [calls(f"mine = {number}"), calls("mine"), f"It is {said[-1].content}." if said else ""]
        return script[len(said)]

    agent = Agent(name="a", model=ScriptedModel(reply), instructions="Be right.", tools=[python_tool(engine)])
    rollouts = await asyncio.gather(*(agent.run(str(n)) for n in range(64)))
    assert [rollout.output for rollout in rollouts] == [f"It is {n}." for n in range(64)]
    assert engine.opened == engine.closed == 64


def test_the_list_of_tools_says_whether_it_can_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def listed() -> dict[str, tuple[str, str]]:
        with pytest.raises(SystemExit) as stop:
            main(["tool", "list", "--json", "--workspace", str(tmp_path)])
        assert not stop.value.code
        return {row["ref"]: (row["status"], row["description"]) for row in json.loads(capsys.readouterr().out)}

    def none() -> sandbox.Engine:
        raise SandboxMissing("nothing here can run code: apt install bubblewrap")

    (tmp_path / "agents").mkdir()
    monkeypatch.setattr(sandbox, "engine", InProcess)
    status, description = listed()["python"]
    assert status == "built in" and description.startswith("Run Python code in a sandbox")
    monkeypatch.setattr(sandbox, "engine", none)
    assert listed() == {"python": ("no sandbox", "nothing here can run code: apt install bubblewrap")}
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/python.py").write_text('def python(code: str) -> str:\n    """Ours."""\n    return code\n')
    assert listed() == {"python": ("own", "Ours.")}


# ---------------------------------------------------------------- in the real sandbox


@pytest.fixture
def tool() -> Tool:
    """``python`` in the sandbox of this machine."""
    try:
        return python_tool()
    except SandboxMissing as missing:
        pytest.skip(f"needs the engine bwrap: {missing}")


async def test_in_the_sandbox(tool: Tool) -> None:
    codes = [
        "import math\nx = 20",
        "print('so', x)\nmath.floor(x * 2.1)",
        "1 / 0",
        "x",
        "open('note', 'w').write('kept')",
        "open('note').read()",
        "import os; os._exit(3)",
        "x",
    ]
    model = ScriptedModel([*(calls(code) for code in codes), "Done."])
    rollout = await Agent(name="a", model=model, tools=[tool]).run("q")
    said = results(rollout)
    assert said[1] == "so 20\n42"
    assert said[2].startswith("Error: Traceback") and said[2].endswith("ZeroDivisionError: division by zero")
    assert (said[3], said[4], said[5]) == ("20", "4", "'kept'")
    assert said[6].startswith("Error: ") and "started anew" in said[6]
    assert said[7].endswith("NameError: name 'x' is not defined")


@pytest.mark.slow
async def test_64_attempts_in_sandboxes_see_nothing_of_each_other(tool: Tool) -> None:
    """Not a variable, not a file, not a folder, not a word that another prints."""

    def reply(request: Request) -> Any:
        number = request.messages[1].content
        said = [message.content for message in request.messages if message.role == "tool"]
        look = "(mine, sorted(os.listdir()), sorted(os.listdir('/tmp')), open('mine').read())"
        script = [
            calls(f"import os, time\nmine = {number}\nprint('I am', mine, file=open('mine', 'w'))"),
            calls(f"for _ in range(5):\n    print({number})\n    time.sleep(0.01)"),
            calls(look),
            "\n".join(said),
        ]
        return script[len(said)]

    agent = Agent(name="a", model=ScriptedModel(reply), instructions="Be right.", tools=[tool])
    rollouts = await asyncio.gather(*(agent.run(str(n)) for n in range(64)))
    for n, rollout in enumerate(rollouts):
        printed = "\n".join([str(n)] * 5)
        state = (n, ["mine"], ["work"], f"I am {n}\n")
        assert rollout.output == f"[no output: end with an expression, or print]\n{printed}\n{state!r}", rollout.failure
