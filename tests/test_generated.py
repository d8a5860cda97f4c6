"""Generated tools: read without being run, run in the sandbox alone, trusted byte for byte; and finding tools."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import pytest

from practice import sandbox
from practice.agent import Agent
from practice.cli import main
from practice.config import Workspace, write_yaml
from practice.errors import InputError, RunError, SandboxMissing
from practice.fakes import ScriptedModel
from practice.tool import available_tools, load_function, load_tool, trust
from practice.tool import call as call_tool
from practice.tool.card import Permissions, read_card
from practice.tool.find import find, terms
from practice.tool.generated import generated_names, generated_tool, generated_tools, read_generated
from practice.tool.signature import stub
from practice.types import ToolCall
from tests.smiths import DOUBLE, DOUBLE_TESTS, WISH, Smith, empty_workspace, needs_bwrap, put_tool

#: Code that may not run here: it leaves a mark where it does.
MARKED = 'import pathlib\npathlib.Path({path!r}).write_text("ran")\n' + DOUBLE


def marked(place: Workspace) -> tuple[Path, Path]:
    mark = place.root / "mark"
    return put_tool(place, source=MARKED.format(path=str(mark))), mark


# ---------------------------------------------------------------- what its source says


@pytest.mark.parametrize(
    ("signature", "schema"),
    [
        ("a: int", {"type": "integer"}),
        ("a: 'list[float]'", {"type": "array", "items": {"type": "number"}}),
        ("a: List[Dict[str, int]]", {"items": {"type": "object", "additionalProperties": {"type": "integer"}}}),
        ("a: Optional[str] = None", {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}),
        ("a: int | None", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ("a: Literal['x', 'y'] = 'x'", {"enum": ["x", "y"], "default": "x"}),
        ("*, a: typing.Union[int, str]", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        ("a: list[dict] = []", {"type": "array", "default": []}),
    ],
)
def test_annotations_are_read_without_being_run(signature: str, schema: dict[str, Any]) -> None:
    from practice.tool import tool_from_function

    spec = tool_from_function(stub(f"1 / 0\ndef f({signature}):\n    'Says.'\n    return a", "f")).spec
    assert spec.description == "Says."
    found = spec.parameters["properties"]["a"]
    assert {key: found[key] for key in schema} == schema


@pytest.mark.parametrize(
    ("source", "says", "line"),
    [
        ("def f(a):\n    return a", "type annotation", 1),
        ("def f(\n    a: set):\n    return a", "a: set", 2),
        ("def f(a: __import__('os').system('true')):\n    return a", "__import__", 1),
        ("def f(a: int = open('x')):\n    return a", "literal default", 1),
        ("def f(*a: int):\n    return a", "given by name", 1),
        ("async def f(a: int):\n    return a", "a plain function", 1),
        ("def g(a: int):\n    return a", "a function 'f'", None),
        ("def f(a: int:\n    return a", "Python source", 1),
    ],
)
def test_signatures_that_can_not_be_read(source: str, says: str, line: int | None) -> None:
    with pytest.raises(InputError) as error:
        stub(source, "f", "tool.py")
    assert says in str(error.value) and error.value.line == line


# ---------------------------------------------------------------- quarantine


def test_no_reference_runs_a_generated_tool_in_this_process(tmp_path: Path) -> None:
    place = empty_workspace(tmp_path)
    folder, mark = marked(place)
    (place.tools / "link.py").symlink_to(folder / "tool.py")
    for ref in ("tools/generated/double/tool.py:double", "tools/link.py:double", f"{folder}/tool.py:double"):
        for load in (load_function, load_tool):
            with pytest.raises(InputError, match="runs in a sandbox"):
                load(ref, place)
    assert read_generated("double", place).spec.parameters["required"] == ["number"]
    assert not mark.exists()


def test_no_module_path_runs_it_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = empty_workspace(tmp_path / "odd_name_of_a_workspace")
    _, mark = marked(place)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="runs in a sandbox"):
        load_function("odd_name_of_a_workspace.tools.generated.double.tool:double", place)
    assert not mark.exists()


def test_an_agent_that_names_a_quarantined_tool_is_refused(tmp_path: Path) -> None:
    place = empty_workspace(tmp_path)
    put_tool(place)
    write_yaml(place.agents / "a.yaml", {"name": "a", "model": "m", "tools": ["double"]})
    with pytest.raises(InputError, match="practice tool approve double") as error:
        Agent.from_yaml(place.agents / "a.yaml", workspace=place)
    assert error.value.key == "tools.0" or "tools" in str(error.value)


@pytest.mark.parametrize("part", trust.PARTS)
def test_one_changed_byte_is_quarantine_again(tmp_path: Path, part: str) -> None:
    place = empty_workspace(tmp_path)
    folder = put_tool(place)
    trust.approve(place, "double", by="person")
    assert trust.state(place, "double") == "approved"
    text = (folder / part).read_text()
    (folder / part).write_text(text + "\n")
    assert trust.state(place, "double") == "quarantined" and trust.trust_of(place, "double") is None
    (folder / part).write_text(text)
    assert trust.state(place, "double") == "approved"
    (folder / part).unlink()
    assert trust.state(place, "double") == "quarantined"


def test_the_parts_can_not_be_exchanged_for_one_another(tmp_path: Path) -> None:
    place = empty_workspace(tmp_path)
    folder = put_tool(place)
    before = trust.digest(folder)
    tool, tests = (folder / "tool.py").read_bytes(), (folder / "test_tool.py").read_bytes()
    (folder / "tool.py").write_bytes(tool + tests)
    (folder / "test_tool.py").write_bytes(b"")
    assert trust.digest(folder) != before


def test_what_is_given_is_what_the_card_asks_and_the_person_says(tmp_path: Path) -> None:
    place = empty_workspace(tmp_path)
    put_tool(place, permissions=Permissions(hosts=("example.org",), read=("notes",)))
    given = trust.approve(place, "double", by="person", read=["notes"])
    assert given.hosts == () and given.by == "person"
    with pytest.raises(InputError, match="none there"):
        trust.permit_of(place, given)
    (tmp_path / "notes").mkdir()
    assert trust.permit_of(place, given).read == (str((tmp_path / "notes").resolve()),)
    (tmp_path / "notes").rmdir()
    (tmp_path / "notes").symlink_to(tmp_path.parent)
    with pytest.raises(InputError, match="inside the workspace"):
        trust.permit_of(place, given)
    for fields in ({"hosts": ["example.com"]}, {"read": ["tasks"]}):
        with pytest.raises(InputError, match="card of double asks for"):
            trust.approve(place, "double", by="person", **fields)  # pyright: ignore[reportArgumentType]
    trust.forget(place, "double")
    assert trust.state(place, "double") == "quarantined"


def test_a_broken_record_is_named(tmp_path: Path) -> None:
    place = empty_workspace(tmp_path)
    put_tool(place)
    (tmp_path / ".practice").mkdir()
    for text, says in (("{", "JSON"), ("[]", "a JSON object"), ('{"double": {"sha256": 1}}', "the program wrote")):
        (tmp_path / ".practice/trust.json").write_text(text)
        with pytest.raises(InputError, match=says):
            trust.state(place, "double")


def test_hosts_of_own_tools(tmp_path: Path) -> None:
    place = empty_workspace(tmp_path)
    assert trust.approved_hosts(place, "browse") == ()
    assert trust.approve_hosts(place, "browse", ["example.org", "127.0.0.1:8000"]) == ("example.org", "127.0.0.1:8000")
    assert trust.approve_hosts(place, "browse", ["example.org", "a.b"])[2:] == ("a.b",)
    assert json.loads((tmp_path / ".practice/hosts.json").read_text())["browse"][0] == "example.org"
    for host in ("http://example.org", "a b", "-a.org", "x:port", ""):
        with pytest.raises(InputError, match="a host"):
            trust.approve_hosts(place, "browse", [host])


def test_cards_are_read_with_the_line_of_what_is_wrong(tmp_path: Path) -> None:
    place = empty_workspace(tmp_path)
    card = put_tool(place) / "card.yaml"
    assert read_card(card).name == "double"
    card.write_text("name: double\nwhat: x\npermission: {}\n")
    with pytest.raises(InputError) as error:
        read_generated("double", place)
    assert error.value.line == 3 and error.value.nearest == "permissions"
    assert generated_tools(place) == () and generated_names(place) == ["double"]
    card.write_text("name: other\nwhat: x\n")
    with pytest.raises(InputError, match="the folder's name"):
        read_generated("double", place)


# ---------------------------------------------------------------- running one


@needs_bwrap
async def test_an_approved_tool_is_called_by_an_agent_in_a_sandbox(tmp_path: Path) -> None:
    place = empty_workspace(tmp_path)
    source = (
        "import os\n\nCALLS = []\n\n\ndef double(number: int) -> dict:\n    '''Double a number.'''\n"
        "    if number < 0:\n        raise ValueError('only numbers from 0')\n"
        "    CALLS.append(number)\n"
        "    return {'double': 2 * number, 'calls': len(CALLS), 'home': os.path.exists(HERE)}\n"
        f"\nHERE = {str(tmp_path)!r}\n"
    )
    put_tool(place, source=source)
    trust.approve(place, "double", by="person")
    says = [
        '{"name": "double", "arguments": {"number": "21"}}',
        '{"name": "double", "arguments": {"number": -1}}',
        "Done.",
    ]
    for _ in range(2):
        agent = Agent(name="a", model=ScriptedModel([*says, "Done."]), tools=["double"], workspace=place)
        rollout = await agent.run("Double 21.")
        first, second = (step.results[0] for step in rollout.steps[:2])
        # Each attempt has a sandbox of its own: it is the first call both times, and the workspace is not there.
        assert json.loads(first.content) == {"double": 42, "calls": 1, "home": False}
        assert second.error and second.content == "Error: only numbers from 0"
        assert rollout.output == "Done."


@needs_bwrap
async def test_a_tool_reads_what_was_approved_by_paths_of_the_workspace(tmp_path: Path) -> None:
    place = empty_workspace(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/a.txt").write_text("hello")
    (tmp_path / "secret.txt").write_text("key")
    source = "def double(number: str) -> str:\n    '''Read.'''\n    return open(number).read()\n"
    put_tool(place, source=source, permissions=Permissions(read=("notes",)))
    trust.approve(place, "double", by="person", read=["notes"])
    says = [json.dumps({"name": "double", "arguments": {"number": name}}) for name in ("notes/a.txt", "secret.txt")]
    rollout = await Agent(name="a", model=ScriptedModel([*says, "-"]), tools=["double"], workspace=place).run("Read.")
    first, second = (step.results[0] for step in rollout.steps[:2])
    assert first.content == "hello"
    assert second.error and "FileNotFoundError" in second.content


@needs_bwrap
@pytest.mark.parametrize("approved", [True, False])
async def test_a_tool_reaches_the_hosts_that_were_approved(tmp_path: Path, approved: bool) -> None:
    place = empty_workspace(tmp_path)
    with pages({"/a.html": b"<title>Here</title>"}) as host:
        source = (
            "from urllib.request import urlopen\n\ndef double(url: str) -> str:\n    'Fetch.'\n"
            "    return urlopen(url, timeout=5).read().decode()\n"
        )
        put_tool(place, source=source, permissions=Permissions(hosts=(host,)))
        trust.approve(place, "double", by="person", hosts=[host] if approved else [])
        wanted = ToolCall(id="1", name="double", arguments=json.dumps({"url": f"http://{host}/a.html"}))
        result = await call_tool(load_tool("double", place), wanted)
    assert result.error is not approved
    assert ("<title>Here</title>" in result.content) is approved


@needs_bwrap
async def test_a_tool_that_hangs_or_ends_its_process_is_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("practice.tool.generated.LIMITS", sandbox.SandboxLimits(seconds=1.0))
    place = empty_workspace(tmp_path)
    put_tool(
        place,
        source="import os\ndef double(number: int) -> int:\n    'X.'\n"
        "    os._exit(3) if number else None\n    while True: pass\n",
    )
    trust.approve(place, "double", by="person")
    says = [json.dumps({"name": "double", "arguments": {"number": number}}) for number in (0, 1)]
    rollout = await Agent(name="a", model=ScriptedModel([*says, "-"]), tools=["double"], workspace=place).run("Go.")
    results = [step.results[0].content for step in rollout.steps[:2]]
    assert "more than 1 s" in results[0] and "exit status 3" in results[1]
    assert rollout.status == "done"


def test_without_a_sandbox_an_approved_tool_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = empty_workspace(tmp_path)
    put_tool(place)
    trust.approve(place, "double", by="person")

    def missing(**_: object) -> None:
        raise SandboxMissing("there is none")

    monkeypatch.setattr("practice.sandbox.engine", missing)
    with pytest.raises(SandboxMissing, match="there is none"):
        load_tool("double", place)


async def test_a_sandbox_that_does_not_come_up_is_no_answer(tmp_path: Path) -> None:
    class Down:
        name = "down"

        @asynccontextmanager
        async def session(self, *_: object, **__: object) -> AsyncGenerator[Any]:
            raise RunError("no more processes")
            yield

    place = empty_workspace(tmp_path)
    put_tool(place)
    trust.approve(place, "double", by="person")
    tool = generated_tool("double", place, engine=Down())
    says = ['{"name": "double", "arguments": {"number": 1}}', "2"]
    rollout = await Agent(name="a", model=ScriptedModel(says), tools=[tool], workspace=place).run("Double 1.")
    assert rollout.status == "failed" and rollout.failure is not None
    assert "no more processes" in rollout.failure.message


# ---------------------------------------------------------------- finding one


def own_tools(place: Workspace) -> None:
    (place.tools / "length.py").write_text(
        'def convert_length(value: float, unit: str) -> float:\n    """Convert lengths: miles, kilometres.\n\n'
        '    Args:\n        value: How long.\n        unit: The unit.\n    """\n    return value\n\n\n'
        'def weekday(day: str) -> str:\n    """Say on which day of the week a date falls."""\n    return day\n'
    )


def test_tools_are_found_by_words_whatever_their_endings(tmp_path: Path) -> None:
    place = empty_workspace(tmp_path)
    own_tools(place)
    put_tool(place)
    found = find("I want to be converting 3 miles into kilometre", place)
    assert [one.ref for one in found] == ["convert_length"] and found[0].status == "own"
    assert 0.5 < found[0].share < 1.0
    assert find("the week's days", place)[0].ref == "weekday"
    assert find("doubling numbers", place)[0].status == "quarantined"
    trust.approve(place, "double", by="person")
    assert find("doubling numbers", place)[0].status == "approved"
    assert find("the of and", place) == () and find("zebra", place) == ()
    assert len(find("convert day date double", place, k=2)) == 2


@pytest.mark.parametrize(
    "words",
    [
        ("convert", "converts", "converting", "converted"),
        ("conversion", "conversions"),
        ("query", "queries"),
        ("stop", "stopped", "stopping"),
        ("rate", "rates", "rating"),
        ("glass", "glasses"),
    ],
)
def test_words_without_their_endings(words: tuple[str, ...]) -> None:
    assert len({tuple(terms(word)) for word in words}) == 1


def test_own_tools_win_over_generated_ones_of_the_same_name(tmp_path: Path) -> None:
    place = empty_workspace(tmp_path)
    (place.tools / "double.py").write_text("def double(n: int) -> int:\n    'Own.'\n    return 2 * n\n")
    put_tool(place)
    assert load_tool("double", place).spec.description == "Own." and "double" in available_tools(place)
    with pytest.raises(InputError) as error:
        load_tool("doubel", place)
    assert error.value.nearest == "double"


# ---------------------------------------------------------------- commands


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any, str]:
    """(exit code, the JSON document, stderr) of ``practice tool … --json``."""
    with pytest.raises(SystemExit) as stop:
        main(["tool", *arguments, "--json"])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), json.loads(out), err


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return empty_workspace(tmp_path)


@needs_bwrap
def test_list_show_test_approve_remove(place: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    own_tools(place)
    put_tool(place, permissions=Permissions(hosts=("example.org",)))
    write_yaml(place.agents / "a.yaml", {"name": "a", "model": "m", "tools": ["double"]})
    code, rows, _ = call(capsys, "list")
    assert code == 0 and {row["ref"]: row["status"] for row in rows} == {
        "convert_length": "own",
        "weekday": "own",
        "double": "quarantined",
        "python": "built in",
    }
    code, shown, _ = call(capsys, "show", "double")
    assert shown["status"] == "quarantined" and shown["tested"] is None and shown["source"] == DOUBLE
    code, ran, _ = call(capsys, "test", "double")
    assert code == 0 and ran["passed"] == ["test_two"] and ran["engine"] == "bwrap"
    code, given, err = call(capsys, "approve", "double")
    assert code == 0 and given["by"] == "person" and given["hosts"] == []
    assert "asks for example.org as well" in err
    code, shown, _ = call(capsys, "show", "double")
    assert shown["status"] == "approved" and shown["tested"]["passed"] == 1
    code, gone, err = call(capsys, "remove", "double")
    assert code == 0 and gone == {"removed": "double"} and "agents/a.yaml names it" in err
    assert not (place.tools / "generated/double").exists() and trust.trust_of(place, "double") is None
    code, wrong, _ = call(capsys, "remove", "doubl")
    assert code == 2 and wrong["error"]["key"] == "NAME"


@needs_bwrap
def test_a_tool_whose_tests_fail_is_not_approved(place: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    put_tool(place, tests=DOUBLE_TESTS.replace("4", "5"))
    code, ran, _ = call(capsys, "test", "double")
    assert code == 5 and "AssertionError" in ran["failed"]["test_two"]
    code, said, _ = call(capsys, "approve", "double")
    assert code == 5 and "not approved" in said["error"]["message"]
    assert trust.state(place, "double") == "quarantined"
    code, shown, _ = call(capsys, "show", "double")
    assert shown["tested"]["failed"]


def test_approving_hosts_of_an_own_tool(place: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    own_tools(place)
    code, said, _ = call(capsys, "approve", "weekday", "--host", "example.org")
    assert code == 0 and said == {"tool": "weekday", "hosts": ["example.org"]}
    code, said, _ = call(capsys, "approve", "weekdai", "--host", "example.org")
    assert code == 2 and said["error"]["nearest"] == "weekday"
    code, said, _ = call(capsys, "approve", "weekday")
    assert code == 2 and "a generated tool" in said["error"]["expected"]


@contextmanager
def pages(held: dict[str, bytes]) -> Generator[str]:
    """A web server of this machine; its host and port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in held else 404)
            self.end_headers()
            self.wfile.write(held.get(self.path, b""))

        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def answer_with(monkeypatch: pytest.MonkeyPatch, smith: Smith) -> None:
    monkeypatch.setattr("practice.endpoints.connect", lambda *_, **__: smith.model)


@needs_bwrap
@pytest.mark.parametrize("approve", [False, True])
def test_a_tool_from_the_command_line(
    place: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], approve: bool
) -> None:
    answer_with(monkeypatch, Smith())
    flags = ["--approve-tested"] if approve else []
    code, said, err = call(capsys, "new", WISH, "--model", "openai/fake", *flags)
    assert code == 0, err
    status: Literal["approved", "quarantined"] = "approved" if approve else "quarantined"
    assert said["made"] is True and said["status"] == status and said["ref"] == "to_roman"
    assert said["card"]["tests"]["cases"] >= 5 and "planned to_roman(number) -> str" in err
    trusted = trust.trust_of(place, "to_roman")
    assert (trusted is not None and trusted.by == "--approve-tested") is approve


@needs_bwrap
def test_no_tool_is_exit_1_with_a_report(
    place: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer_with(monkeypatch, Smith(code=["nothing"]))
    code, said, _ = call(capsys, "new", WISH, "--model", "openai/fake", "--approve-tested")
    assert code == 1 and said["made"] is False and said["stage"] == "code"
    assert not (place.tools / "generated").exists() and not (place.root / ".practice").exists()


@needs_bwrap
def test_a_model_must_be_named_somewhere(place: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = call(capsys, "new", WISH)
    assert code == 2 and said["error"]["key"] == "--model"
