"""The benchmark's plumbing from end to end on a scripted model: what it finds here is no finding about models."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.agentgen import newagent
from benchmarks.agentgen.described import BASE, choose, load, placed
from benchmarks.agentgen.report import Row
from benchmarks.agentgen.run import Options, main, rooted, run
from benchmarks.agentgen.serving import served
from practice import sandbox
from practice.config import Workspace
from practice.errors import InputError, PracticeError
from tests.fakeserver import Asked, FakeServer, Reply
from tests.house import ROOT

IDS = "text-14,file-01,pages-01,math-01,science-01"
"""Tools that are made (one that reads files, one that fetches pages), one that can't be, one that is there."""

NEEDS = {
    "text-14": ("Reverse the order of the words in a sentence.", "nothing"),
    "file-01": ("Count the lines of a file that are not blank.", "files"),
    "pages-01": ("Fetch a page and return its title.", "web"),
    "math-01": ("Tell by how many percent a value changed.", "nothing"),
    "science-01": ("Convert a quantity from one unit to another and return it with its unit.", "nothing"),
}


def plan(name: str, argument: str, returns: str) -> dict[str, Any]:
    return {
        "purpose": "Do it",
        "name": name,
        "arguments": [{"name": argument, "type": "str", "about": "What it works on."}],
        "returns": returns,
        "returns_about": "What comes of it.",
        "errors": "never",
    }


PLANS = {
    "text-14": plan("backwards", "words_in", "str"),
    "file-01": plan("line_count", "where", "int"),
    "pages-01": plan("page_title", "address", "str"),
    "math-01": plan("change", "values", "float"),
}
CODE = {
    "text-14": """
def backwards(words_in: str) -> str:
    return " ".join(reversed(words_in.split()))
""",
    "file-01": """
def line_count(where: str) -> int:
    with open(where) as lines:
        return sum(bool(line.strip()) for line in lines)
""",
    "pages-01": """
from urllib.request import urlopen

from bs4 import BeautifulSoup


def page_title(address: str) -> str:
    with urlopen(address) as answer:
        return BeautifulSoup(answer.read(), "html.parser").title.get_text()
""",
}
SENTENCES = ("a b", "red green blue", "one", "hold the door", "x y z w", "so it goes on", "now or never", "up")


def scripted(asked: Asked) -> str:
    """What the model says, by the schema that it is asked for, else as the agent."""
    shape = (asked.body.get("response_format") or {}).get("json_schema", {})
    return said(asked) if not shape else json.dumps(answers(shape["name"], asked.text))


def answers(name: str, text: str) -> dict[str, Any]:
    about = topic(text)
    what, reaches = NEEDS[about]
    cases = CASES.get(about, [])
    asked = [{"arguments": case["arguments"], "request": f"Now: {first(case)}"} for case in cases[:4]]
    return {
        "ClarifyReply": {"questions": []},
        "NeedReply": {"work": what, "what": what, "reaches": reaches},
        "SameReply": {"needed": "it", "gives": "it", "covers": "all" if about == "science-01" else "nothing"},
        "PlanReply": PLANS.get(about, {}),
        "CasesReply": {"cases": cases},
        "RequestsReply": {"requests": asked},
        "InstructionsReply": {"role": f"You do this: {what}", "steps": ["Call the tool."], "answer": ""},
        "NameReply": {"description": what, "name": about},
        "InputsReply": {"requests": ["Help me.", "What can you do?"]},
    }[name]


def first(case: dict[str, Any]) -> str:
    return str(next(iter(case["arguments"].values())))


def topic(text: str) -> str:
    """The description that a prompt is about: it stands in all of them, or what it needs does."""
    said = {one.id: (one.text.partition(BASE)[0], NEEDS[one.id][0]) for one in choose(load(), IDS)}
    return next((name for name, texts in said.items() if any(part in text for part in texts)), "")


def backwards(sentence: str) -> str:
    return " ".join(reversed(sentence.split()))


CASES: dict[str, list[dict[str, Any]]] = {
    "text-14": [{"arguments": {"words_in": one}, "result": backwards(one)} for one in SENTENCES],
    "file-01": [
        {
            "arguments": {"where": f"f{n}.txt"},
            "files": [{"name": f"f{n}.txt", "content": "\n\n".join(["x"] * n)}],
            "result": n,
        }
        for n in range(8)
    ],
    "pages-01": [
        {
            "arguments": {"address": f"http://127.0.0.1:8765/p{n}.html"},
            "files": [{"name": f"p{n}.html", "content": f"<html><title>Page {n}</title></html>"}],
            "result": f"Page {n}",
        }
        for n in range(8)
    ],
}


def said(asked: Asked) -> str:
    """Code, or the agent's turn."""
    last = asked.body["messages"][-1]
    if "Python function" in asked.text and "```python" in asked.text:
        about = topic(asked.text)
        return f"```python{CODE[about]}```" if about in CODE else "I can't write that."
    about = topic(asked.system)
    if last["role"] == "tool":
        return f"Answer: {last['content']}"
    if not about or about == "math-01":
        return "I have no idea."
    name, arguments = turn(about, last["content"])
    return json.dumps({"name": name, "arguments": arguments})


def turn(about: str, asked: str) -> tuple[str, dict[str, str]]:
    """What the agent calls."""
    if about == "science-01":
        found = re.findall(r"-?\d+(?:\.\d+)?|celsius|fahrenheit|kelvin", asked)
        return "convert", dict(zip(("value", "from_unit", "to_unit"), found, strict=False))
    it = PLANS[about]
    place = re.search(r"http://\S+?\.html|[\w/]+\.txt", asked)
    value = place[0] if place else asked.rpartition(": ")[2]
    return it["name"], {it["arguments"][0]["name"]: value}


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Any:
    try:
        sandbox.engine()
    except PracticeError as error:
        pytest.skip(f"no sandbox here: {error}")
    with FakeServer(scripted) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "no-key")
        yield server


@pytest.mark.slow
async def test_from_descriptions_to_figures_and_on_after_a_stop(model: FakeServer, tmp_path: Path) -> None:
    options = Options(model="openai/scripted", out=tmp_path / "out", workers=3)
    chosen = choose(load(), IDS)
    with served(0) as base:
        rows = {row.id: row for row in await run(chosen, options, base)}
        assert {row.status for row in rows.values()} == {"made"}, rows
        for name, tool in (("text-14", "backwards"), ("file-01", "line_count"), ("pages-01", "page_title")):
            assert rows[name].tools == {tool: "made"} and rows[name].tool == tool, rows[name]
            assert marks(rows[name]) == (True, True, True, True), rows[name]
            assert rows[name].tasks[0].called == (tool,) and rows[name].using.calls == 2 * len(rows[name].tasks)
        unmade, there = rows["math-01"], rows["science-01"]
        assert marks(unmade) == (True, False, False, False) and "made" not in unmade.tools.values(), unmade
        assert unmade.retries > 0 and unmade.making.calls > 0
        assert there.tools == {"convert": "existing"} and marks(there) == (True, True, True, True), there
        assert all((options.out / "workspaces" / name / "new.log").is_file() for name in rows)

        calls = len(model.calls)
        assert {row.id for row in await run(chosen, options, base)} == set(rows)
        assert len(model.calls) == calls, "what is through is not done again"
        kept = [line for line in options.rows.read_text().splitlines() if "text-14" not in line]
        options.rows.write_text("".join(f"{line}\n" for line in kept))
        await run(chosen, options, base)
        assert len(model.calls) > calls
    whole = json.loads((options.out / "report.json").read_text())["lines"][-1]
    assert (whole["n"], whole["generated"], whole["existing"]) == (5, 3, 1)
    assert {name: figure["passed"] for name, figure in whole["figures"].items()} == {
        "valid": 5,
        "runs": 4,
        "executable": 4,
        "completed": 4,
    }
    assert "4/5 = 80.0%" in (options.out / "report.md").read_text()


def marks(row: Row) -> tuple[bool, bool, bool, bool | None]:
    return row.valid, row.runs, row.executable, row.completed


async def test_a_command_that_does_not_end_is_ended(
    model: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = placed(choose(load(), "file-01")[0], "http://127.0.0.1:1")
    place = Workspace(tmp_path / "ws")
    model.world = lambda asked: Reply(hang=True)
    new = await newagent.new_agent(described, place, model="openai/scripted", mode="workflow", seconds=4)
    assert new.status.startswith("no end within") and new.path is None
    assert (place.root / "files" / "notes.txt").is_file(), "the files that the description speaks of are there"


async def test_an_error_of_the_command_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    described = choose(load(), "math-01")[0]
    new = await newagent.new_agent(
        described, Workspace(tmp_path / "ws"), model="openai/scripted", mode="workflow", seconds=60
    )
    assert new.status.startswith("exit code ") and new.tools == {}


async def test_without_a_model_nothing_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    options = Options(model="openai/scripted", out=tmp_path)
    with pytest.raises(PracticeError):
        await run(choose(load(), "math-01"), options, "http://127.0.0.1:1")
    assert options.rows.read_text() == ""


def test_the_command_says_what_it_can_not_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", "m", "--only", "math-99", "--out", str(tmp_path), "--port", "0"]) == InputError.exit_code
    assert "math-09" in capsys.readouterr().err


def test_a_local_models_file_is_named_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.gguf").write_bytes(b"GGUF")
    assert rooted("llamacpp/small.gguf") == f"llamacpp/{tmp_path / 'small.gguf'}"
    assert rooted("llamacpp/other") == "llamacpp/other" and rooted("openai/small.gguf") == "openai/small.gguf"


def test_sigterm_ends_what_is_under_way(model: FakeServer, tmp_path: Path) -> None:
    """The command with its children ends too, and nothing is counted."""
    model.world = lambda asked: "ready" if "ready" in asked.text else Reply(hang=True)
    options = ["--model", "openai/scripted", "--only", "math-07", "--out", str(tmp_path), "--port", "0"]
    running = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.agentgen.run", *options],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    while len(model.calls) < 2:
        assert running.poll() is None, running.communicate()
        time.sleep(0.05)
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 4, said
    assert (tmp_path / "rows.jsonl").read_text() == ""
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            assert str(tmp_path).encode() not in process.read_bytes()
