"""The remote engine over MCP servers of the tests' own: one keeps its interpreter, one starts anew for each call."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from practice.agent import Agent
from practice.config import McpServer, Workspace
from practice.errors import CallFailed, InputError, RunError
from practice.fakes import ScriptedModel
from practice.sandbox import Permit, SandboxLimits
from practice.sandbox.remote import LOST, RemoteEngine, RemoteSession
from practice.tool import python_tool, remote_engine
from practice.types import Completion, Rollout, Task, ToolCall
from practice.verifiers import Code

SERVER = Path(__file__).with_name("pythonserver.py")
SOURCE = (
    "total = 0\n\ndef add(n):\n    global total\n    total += n\n    print('adding', n)\n    return {'total': total}\n"
)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def engine(tmp_path: Path, *options: str, tool: str = "run_code") -> RemoteEngine:
    command = shlex.join(["python", str(SERVER), *options])
    return remote_engine(McpServer(command=command, env=("LOG",)), tool, Workspace(tmp_path))


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize("options", [(), ("--anew",), ("--wrapped",)])
async def test_load_and_call_work_with_any_server(tmp_path: Path, options: tuple[str, ...]) -> None:
    files = {"data/words.txt": b"one two"}
    async with engine(tmp_path, *options).session(files=files) as session:
        assert (await session.load("adding", SOURCE)).ok
        ran = await session.call("adding.add", {"n": 2})
        assert (ran.value, ran.stdout, ran.engine) == ({"total": 2}, "adding 2\n", "remote")
        ran = await session.call("adding.add", {"n": "x"})
        assert ran.ended == "raised" and ran.error.startswith("TypeError") and "in add" in ran.traceback
        assert (await session.run("import adding; adding.add(1)['total']")).value in ("1", "3")
        assert (await session.run("open('data/words.txt').read()")).value == "'one two'"
        assert (await session.load("broken", "1 / 0")).error.startswith("ZeroDivisionError")
        assert (await session.run("import broken")).error.startswith("ModuleNotFoundError")


@pytest.mark.usefixtures("log")
async def test_variables_last_as_long_as_the_other_sides_interpreter(tmp_path: Path) -> None:
    async with engine(tmp_path).session() as session:
        assert (await session.run("x = 1")).ok
        ran = await session.run("x + 1")
        assert (ran.value, ran.stderr) == ("2", "")
    async with engine(tmp_path, "--anew").session() as session:
        assert (await session.run("x = 1")).stderr == ""
        ran = await session.run("x + 1")
        assert ran.error == "NameError: name 'x' is not defined" and ran.stderr == LOST
        assert (await session.call("math.sqrt", {})).stderr == LOST


async def test_each_session_has_a_server_of_its_own(tmp_path: Path, log: Path) -> None:
    made = engine(tmp_path)
    async with made.session() as one, made.session() as two:
        await one.run("x = 1; open('mine', 'w').write('1')")
        assert (await two.run("x")).error.startswith("NameError")
        assert (await two.run("import os; os.listdir()")).value == "[]"
    started = [line for line in log.read_text().splitlines() if line.startswith("started")]
    assert len(started) == len(set(started)) == 3  # one more to ask for its tools


@pytest.mark.usefixtures("log")
async def test_a_call_past_its_time_gives_the_connection_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("practice.sandbox.remote.GRACE", 0.0)
    async with engine(tmp_path).session() as session:
        assert isinstance(session, RemoteSession)
        await session.load("adding", SOURCE)
        await session.run("x = 1")
        session.limits, own = SandboxLimits(seconds=0.5), session.limits
        ran = await session.run("import time; time.sleep(20)")
        assert (ran.ended, ran.error) == ("timeout", "no answer within 0.5 s")
        session.limits = own
        assert (await session.run("import adding; adding.total, 'x' in globals()")).value == "(0, False)"


@pytest.mark.usefixtures("log")
async def test_what_does_not_run_python_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not run Python: its answer can't be read: 42"):
        async with engine(tmp_path, "--deaf").session():
            raise AssertionError("it opened")


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize(
    ("tool", "words", "nearest"),
    [("run_cod", "a tool of the server (run_code, ping)", "run_code"), ("ping", "one text for a program", None)],
)
def test_a_tool_that_can_not_run_a_program(tmp_path: Path, tool: str, words: str, nearest: str | None) -> None:
    with pytest.raises(InputError) as error:
        engine(tmp_path, tool=tool)
    assert words in str(error.value) and (error.value.key, error.value.nearest) == ("tool", nearest)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        remote_engine(McpServer(command="no-such-command-anywhere"), "run_code", Workspace(tmp_path))
    assert error.value.key == "command"


@pytest.mark.usefixtures("log")
async def test_permits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="without permits"):
        async with engine(tmp_path).session(permit=Permit(hosts=("api.example.org",))):
            raise AssertionError("it opened")


@pytest.mark.usefixtures("log")
async def test_a_server_that_dies_is_a_failed_call(tmp_path: Path) -> None:
    async with engine(tmp_path).session() as session:
        with pytest.raises(CallFailed):
            await session.run("import os; os._exit(1)")
        ran = await session.run("1 + 1")
        assert ran.value == "2"


@pytest.mark.usefixtures("log")
async def test_the_verifier_and_the_tool_run_on_it(tmp_path: Path) -> None:
    made = engine(tmp_path)
    task = Task(id="t", input="def half(n):\n", answer="assert half(5) == 2")
    outputs = {"return n // 2": 1.0, "return n": 0.0}
    for output, score in outputs.items():
        rollout = Rollout(id="r", task_id="t", attempt=0, steps=(), output=output, status="done")
        verdict = await Code(made).verify(task, rollout)
        assert verdict.score == score, verdict

    def asks(code: str) -> Completion:
        call = ToolCall(id="", name="python", arguments=json.dumps({"code": code}))
        return Completion(content="", tool_calls=(call,), finish="tool_calls")

    replies: list[Any] = [asks("x = 20"), asks("x * 2.1"), "It is 42."]
    rollout = await Agent(name="a", model=ScriptedModel(replies), tools=[python_tool(made)]).run("q")
    assert rollout.steps[1].results[0].content == "42.0"
