"""Tools of MCP servers: from YAML to calls, over stdio and HTTP, shared or not, and what a server's end does."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from practice.agent import Agent
from practice.cli import main
from practice.config import McpServer, Workspace, write_yaml
from practice.errors import InputError
from practice.fakes import ScriptedModel
from practice.tool import call, connection, load_mcp, mcp
from practice.types import Completion, Request, Rollout, ToolCall
from tests import mcpserver

SERVER = Path(mcpserver.__file__)
COMMAND = f"python {shlex.quote(str(SERVER))}"
KEY = "sk-very-secret-indeed"
NAMES = ["count", "files_read", "picture", "refuse", "wrong", "secret", "sleep", "leave", "die"]


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEST_MCP_KEY", KEY)
    monkeypatch.setenv("OTHER_KEY", "another")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    (tmp_path / "agents").mkdir()
    return Workspace(tmp_path)


@pytest.fixture
def url() -> Iterator[str]:
    server = mcpserver.http(mcpserver.Server("http"))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/mcp"
    server.shutdown()
    server.server_close()
    thread.join()


def spec(**fields: Any) -> McpServer:
    return McpServer.model_validate({"command": COMMAND, "env": ["LOG", "TEST_MCP_KEY"], **fields})


def agent(place: Workspace, server: McpServer, *replies: Any) -> Agent:
    return Agent(name="a", model=ScriptedModel(replies), tools=load_mcp(server, place), workspace=place)


def log(place: Workspace) -> list[str]:
    return (place.root / "log").read_text().splitlines()


def results(rollout: Rollout) -> list[str]:
    return [result.content for step in rollout.steps for result in step.results]


# ---------------------------------------------------------------- what is loaded


def test_three_lines_of_yaml(place: Workspace) -> None:
    server = {"command": COMMAND, "env": ["LOG"], "only": ["count", "files.read"]}
    (place.tools).mkdir()
    (place.tools / "double.py").write_text("def double(n: int) -> int:\n    return 2 * n\n")
    tools: list[Any] = ["double", {"mcp": server}]
    write_yaml(place.agents / "a.yaml", {"name": "a", "model": "m", "tools": tools})
    loaded = Agent.from_yaml(place.agents / "a.yaml", workspace=place)
    assert [tool.name for tool in loaded.tools] == ["double", "count", "files_read"]
    assert loaded.tool_specs[1].description == "Count up."
    assert loaded.tool_specs[1].parameters == {
        "type": "object",
        "properties": {"by": {"type": "integer"}},
        "required": ["by"],
    }
    assert loaded.fingerprint()["tools"] == ["double", "count", "files_read"]
    assert log(place) == ["started", "stopped"]


async def test_an_agent_loads_inside_a_loop_and_in_python(place: Workspace) -> None:
    built = Agent(name="a", model="m", tools=[{"mcp": {"command": COMMAND}}], workspace=place)
    assert [tool.name for tool in built.tools] == NAMES
    assert built.spec.model_dump(mode="json")["tools"][0]["mcp"]["command"] == COMMAND
    with pytest.raises(InputError, match=r"tools\[0\].*did you mean 'command'"):
        Agent(name="a", model="m", tools=[{"mcp": {"comand": "x"}}], workspace=place)


def test_a_tools_hash_is_of_the_server_and_of_what_it_lists(
    place: Workspace, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hashes(**fields: Any) -> list[str]:
        return [tool.source_hash for tool in load_mcp(McpServer(url=url, only=("count", "wrong"), **fields), place)]

    first = hashes()
    assert first == hashes(seconds=1.0, headers_env={"X-Key": "TEST_MCP_KEY"})
    assert len(set(first)) == 2
    assert set(first).isdisjoint(hashes(per_attempt=True))
    monkeypatch.setitem(mcpserver.TOOLS[0], "description", "Count down.")
    assert [a == b for a, b in zip(first, hashes(), strict=True)] == [False, True]
    ports = (McpServer(url=f"http://{host}/mcp").digest_fields() for host in ("a:1", "b:2"))
    assert next(ports) == next(ports) != McpServer(url="http://a:1/other").digest_fields()


@pytest.mark.parametrize(
    ("fields", "key", "says", "nearest"),
    [
        ({"command": COMMAND, "only": ["count", "pictur"]}, "only.1", "'pictur'", "picture"),
        ({"command": COMMAND, "env": ["LOG", "NOT_SET"]}, "env.1", "the environment variable NOT_SET", None),
        ({"command": "no-such-program --x"}, "command", "No such file or directory", None),
        ({"command": f"{COMMAND} --broken", "env": ["TEST_MCP_KEY"]}, "command", "no license for <TEST_MCP", None),
        ({"url": "http://127.0.0.1:9/mcp"}, "url", "http://127.0.0.1:9/mcp", None),
        ({"url": "http://h/mcp", "headers_env": {"X-Key": "NOT_SET"}}, "headers_env.X-Key", "NOT_SET", None),
    ],
    ids=["only", "env", "program", "broken", "url", "header"],
)
def test_what_cannot_be_loaded_names_server_and_key(
    place: Workspace, fields: dict[str, Any], key: str, says: str, nearest: str | None
) -> None:
    write_yaml(place.agents / "a.yaml", {"name": "a", "model": "m", "tools": ["calculator", {"mcp": fields}]})
    (place.tools).mkdir()
    (place.tools / "calculator.py").write_text("def calculator(x: str) -> str:\n    return x\n")
    with pytest.raises(InputError) as caught:
        Agent.from_yaml(place.agents / "a.yaml", workspace=place)
    error = caught.value
    assert (error.key, error.nearest) == (f"tools.1.mcp.{key}", nearest)
    assert error.file is not None and error.file.endswith("a.yaml") and error.line is not None
    assert says in str(error) and KEY not in str(error)


def test_a_server_that_does_not_answer_is_not_waited_for(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "START_SECONDS", 0.3)
    with pytest.raises(InputError, match=r"no answer within 0\.3 seconds"):
        load_mcp(McpServer(command="sleep 600"), place)


def test_tools_of_one_name_are_refused(place: Workspace) -> None:
    (place.tools).mkdir()
    (place.tools / "count.py").write_text("def count(n: int) -> int:\n    return n\n")
    write_yaml(place.agents / "a.yaml", {"name": "a", "model": "m", "tools": ["count", {"mcp": {"command": COMMAND}}]})
    with pytest.raises(InputError, match="'count' twice"):
        Agent.from_yaml(place.agents / "a.yaml", workspace=place)


def test_the_page_tells_every_key() -> None:
    page = (SERVER.parent.parent / "docs/tools.md").read_text().split("## MCP servers")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(McpServer.model_fields)


def test_the_commands_show_what_a_server_offers(
    place: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place.root)
    tools = [{"mcp": {"command": COMMAND, "only": ["count"]}}]
    write_yaml(place.agents / "good.yaml", {"name": "good", "model": "m", "tools": tools})
    write_yaml(place.agents / "lost.yaml", {"name": "lost", "model": "m", "tools": [{"mcp": {"command": "no-such"}}]})

    def shown(*arguments: str) -> Any:
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert not stop.value.code
        return json.loads(capsys.readouterr().out)

    good, lost = shown("agent", "list", "--json")
    assert good["tools"] == ["count"]
    assert lost["about"].startswith("can't be loaded: ") and "tools.0.mcp.command" in lost["about"]
    told = shown("agent", "show", "good", "--json")
    assert told["agent"]["tools"][0]["mcp"]["only"] == ["count"]
    assert told["tools"][0]["description"] == "Count up."


# ---------------------------------------------------------------- what is called


async def test_calls_and_what_comes_back(place: Workspace) -> None:
    rollout = await agent(
        place,
        spec(),
        "count(by=2)",
        '{"name": "count", "arguments": {"by": "3"}}',
        '{"name": "files_read", "arguments": {"from": "a.txt", "tool": null}}',
        "picture()",
        "refuse()",
        "wrong()",
        "secret()",
        'count(by="many")',
        "Done.",
    ).run("Go.")
    assert (rollout.status, rollout.output) == ("done", "Done.")
    assert results(rollout) == [
        "2",
        "5",
        '{"from": "a.txt"}',
        "Here:\n[image: image/png, 3 bytes]\n[resource a: file:///a.txt]\ninside",
        "Error: no such city",
        "Error: wrong indeed",
        "the key is <TEST_MCP_KEY> and None",
        "Error: count: argument 'by': Input should be a valid integer, unable to parse string as an integer; "
        "expected {by: integer}",
    ]
    assert KEY not in rollout.model_dump_json()


async def test_over_http_with_a_key_in_a_header(place: Workspace, url: str) -> None:
    server = McpServer(url=url, headers_env={"Authorization": "TEST_MCP_KEY"})
    rollout = await agent(place, server, "count(by=2)", "secret()", "Done.").run("Go.")
    assert results(rollout) == ["2", "the key is <TEST_MCP_KEY> and another"]
    assert set(log(place)) == {f"authorization Bearer {KEY}"}


def test_a_header_with_a_scheme_of_its_own_stays(place: Workspace, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_MCP_KEY", "Basic abcdef")
    load_mcp(McpServer(url=url, headers_env={"Authorization": "TEST_MCP_KEY"}), place)
    assert set(log(place)) == {"authorization Basic abcdef"}


async def test_a_call_that_takes_too_long_is_an_answer(place: Workspace) -> None:
    rollout = await agent(place, spec(seconds=1.5), "sleep()", "count(by=1)", "Done.").run("Go.")
    assert results(rollout) == ["Error: sleep gave no answer within 1.5 seconds", "1"]


async def test_a_tool_works_outside_an_attempt(place: Workspace) -> None:
    (count,) = load_mcp(spec(only=("count",)), place)
    result = await call(count, ToolCall(id="", name="count", arguments='{"by": 4}'))
    assert (result.content, result.error) == ("4", False)


# ---------------------------------------------------------------- sharing


async def test_attempts_share_one_connection(place: Workspace) -> None:
    built = agent(place, spec(), *["count(by=1)"] * 8, *["Done."] * 8)
    rollouts = await asyncio.gather(*(built.run("Go.", attempt=n) for n in range(8)))
    assert sorted(content for rollout in rollouts for content in results(rollout)) == list("12345678")
    assert log(place) == ["started", "stopped", "started"]  # once to list, once for all


async def test_each_attempt_has_its_own_where_it_is_told_so(place: Workspace) -> None:
    replies = ["count(by=1)\ncount(by=1)", "picture()", "Done."]
    built = agent(place, spec(per_attempt=True))
    for _ in range(3):
        built._model = ScriptedModel(replies)
        assert sorted(results(await built.run("Go."))[:2]) == ["1", "2"]
    assert log(place) == ["started", "stopped"] * 4


def test_an_idle_server_is_kept_for_a_while(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    async def two_runs(pause: float) -> list[str]:
        built = agent(place, spec(only=("count",)), "count(by=1)", "Done.", "count(by=1)", "Done.")
        first = await built.run("Go.")
        await asyncio.sleep(pause)
        return results(first) + results(await built.run("Go."))

    assert asyncio.run(two_runs(0)) == ["1", "2"]
    monkeypatch.setattr(mcp, "LINGER", 0.0)
    assert asyncio.run(two_runs(0.5)) == ["1", "1"]
    assert log(place).count("started") == log(place).count("stopped") == 5  # and none is left when the loop has ended


# ---------------------------------------------------------------- a server's end


async def test_a_server_that_dies_fails_the_rollout_and_is_started_for_the_next(place: Workspace) -> None:
    built = agent(place, spec(), "die()", "count(by=1)", "Done.")
    rollout = await built.run("Go.")
    assert (rollout.status, rollout.output) == ("failed", "")
    assert rollout.failure is not None
    assert (rollout.failure.stage, rollout.failure.kind) == ("rollout", "connection")
    assert rollout.failure.message.endswith("it said: goodbye <TEST_MCP_KEY>")
    again = await built.run("Go.")
    assert (again.status, results(again)) == ("done", ["1"])


class Waiting(ScriptedModel):
    """Holds back what follows the first result, until told to go on."""

    def __init__(self) -> None:
        super().__init__(lambda request: "die()" if request.messages[-1].content == "Die." else "count(by=1)")
        self.counted, self.go_on = asyncio.Event(), asyncio.Event()

    async def complete(self, request: Request, **options: Any) -> Completion:
        if request.messages[-1].role == "tool":
            self.counted.set()
            await self.go_on.wait()
        return await super().complete(request, **options)


async def test_all_who_used_it_fail_with_it(place: Workspace) -> None:
    model = Waiting()
    built = Agent(name="a", model=model, tools=load_mcp(spec(), place), workspace=place)
    staying = asyncio.create_task(built.run("Stay."))
    await model.counted.wait()
    assert (await built.run("Die.")).status == "failed"
    model.go_on.set()
    rollout = await staying
    assert (rollout.status, results(rollout)) == ("failed", ["1"])


async def test_a_server_that_left_between_attempts_is_replaced(place: Workspace) -> None:
    built = agent(place, spec(), "leave()", "Done.", "count(by=1)", "Done.")
    assert (await built.run("Go.")).status == "done"
    while "left" not in log(place):
        await asyncio.sleep(0.01)
    rollout = await built.run("Go.")
    assert (rollout.status, results(rollout)) == ("done", ["1"])


async def test_an_http_server_that_is_gone_fails_the_rollout(place: Workspace) -> None:
    server = mcpserver.http(mcpserver.Server("http"))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    built = agent(place, McpServer(url=f"http://127.0.0.1:{server.server_port}/mcp"), "count(by=1)", "Done.")
    await asyncio.to_thread(server.shutdown)
    server.server_close()
    thread.join()
    rollout = await built.run("Go.")
    assert rollout.status == "failed"
    assert rollout.failure is not None and rollout.failure.kind == "connection"


# ---------------------------------------------------------------- servers of the library's

LIBRARY = """
import sys
from mcp.server.mcpserver import MCPServer

server = MCPServer("library")


@server.tool()
def weather(city: str, days: list[int] | None = None) -> dict[str, str]:
    '''The weather.'''
    if city == "Atlantis":
        raise ValueError("sunk")
    return {"weather": f"fine in {city}"}


if sys.argv[1:]:
    server.run("streamable-http", port=int(sys.argv[1]))
else:
    server.run()
"""


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_a_server_made_with_the_library(place: Workspace, transport: str) -> None:
    (place.root / "server.py").write_text(LIBRARY)
    replies = ('weather(city="Bonn", days=[1])', 'weather(city="Atlantis")', "Done.")
    if transport == "stdio":
        rollout = await agent(place, McpServer(command="python server.py"), *replies).run("Go.")
    else:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "server.py", str(port)],
            cwd=place.root,
            env={**os.environ, "PYTHONPATH": ""},
            stderr=subprocess.DEVNULL,
        )
        try:
            await reached(port)
            rollout = await agent(place, McpServer(url=f"http://127.0.0.1:{port}/mcp"), *replies).run("Go.")
        finally:
            process.kill()
            process.wait()
    first, second = results(rollout)
    assert first == '{\n  "weather": "fine in Bonn"\n}'
    assert second.startswith("Error: ") and "weather" in second
    assert rollout.status == "done"


async def reached(port: int) -> None:
    """Wait until somebody listens."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            await writer.wait_closed()
            return
