"""The benchmark's plumbing from end to end on a scripted model: what it finds here is no finding about models."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.agentgen import newagent
from benchmarks.agentgen.described import choose, load, placed
from benchmarks.agentgen.report import Row
from benchmarks.agentgen.run import Options, main, run
from practice import sandbox
from practice.config import Workspace
from practice.errors import InputError, PracticeError
from tests.fakeserver import Asked, FakeServer, Reply

IDS = "text-14,math-01,science-01"
"""A tool that is made, one that can't be, one that is there."""

PLANS: dict[str, Any] = {
    "purpose": "Reverse the order of the words of a sentence",
    "name": "backwards",
    "arguments": [{"name": "words_in", "type": "str", "about": "The sentence."}],
    "returns": "str",
    "returns_about": "The words from last to first.",
    "errors": "never",
}
CODE = '''```python
def backwards(words_in: str) -> str:
    """Reverse the order of the words of a sentence."""
    return " ".join(reversed(words_in.split()))
```'''
SENTENCES = ("a b", "red green blue", "one", "hold the door", "x y z w", "so it goes on", "now or never", "up")


def scripted(asked: Asked) -> str:
    """What the model says, by the schema that it is asked for, else as the agent."""
    shape = (asked.body.get("response_format") or {}).get("json_schema", {})
    return said(asked) if not shape else json.dumps(answers(shape["name"], asked.text))


def answers(name: str, text: str) -> dict[str, Any]:
    about = topic(text)
    cases = [{"why": "", "arguments": {"words_in": one}, "result": backwards(one)} for one in SENTENCES]
    if name == "RequestsReply":
        requests = [{"arguments": {"words_in": one}, "request": f"Backwards: {one}"} for one in SENTENCES[:4]]
        return {"requests": requests}
    return {
        "ClarifyReply": {"questions": []},
        "NeedsReply": {"functions": [{"what": NEEDS[about], "reaches": "nothing"}]},
        "SameReply": {"needed": "it", "gives": "it", "covers": "all" if about == "science-01" else "nothing"},
        "PlanReply": PLANS,
        "CasesReply": {"cases": cases},
        "InstructionsReply": {"role": f"You do this: {NEEDS[about]}", "steps": ["Call the tool."], "answer": ""},
        "NameReply": {"description": NEEDS[about], "name": about},
        "InputsReply": {"requests": ["Help me.", "What can you do?"]},
    }[name]


NEEDS = {
    "text-14": "Reverse the order of the words in a sentence.",
    "math-01": "Tell by how many percent a value changed.",
    "science-01": "Convert a quantity from one unit to another and return it with its unit.",
}


def topic(text: str) -> str:
    """The description that a prompt is about: it stands in all of them, or what it needs does."""
    said = {one.id: (one.text, NEEDS[one.id]) for one in choose(load(), IDS)}
    return next((name for name, texts in said.items() if any(part in text for part in texts)), "")


def backwards(sentence: str) -> str:
    return " ".join(reversed(sentence.split()))


def said(asked: Asked) -> str:
    """Code, or the agent's turn."""
    last = asked.body["messages"][-1]
    if "Python function" in asked.text and "```python" in asked.text:
        return CODE if topic(asked.text) == "text-14" else "I can't write that."
    if last["role"] == "tool":
        return f"Answer: {last['content']}"
    about = topic(asked.system)
    if not about:
        return "ready"
    if about == "text-14":
        return json.dumps({"name": "backwards", "arguments": {"words_in": last["content"].rpartition(": ")[2]}})
    if about == "math-01":
        return "I have no idea."
    value, start, goal = re.findall(r"-?\d+(?:\.\d+)?|celsius|fahrenheit|kelvin", last["content"])[:3] or (
        "0",
        "K",
        "K",
    )
    return json.dumps({"name": "convert", "arguments": {"value": value, "from_unit": start, "to_unit": goal}})


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
    rows = {row.id: row for row in await run(chosen, options, "http://127.0.0.1:1")}
    made, unmade, there = rows["text-14"], rows["math-01"], rows["science-01"]
    assert [row.status for row in rows.values()] == ["made"] * 3, rows
    assert made.tools == {"backwards": "made"} and made.tool == "backwards", made
    assert marks(made) == (True, True, True, True), made
    assert made.tasks[0].called == ("backwards",) and made.using.calls == 2 * len(made.tasks)
    assert marks(unmade) == (True, False, False, False) and "made" not in unmade.tools.values(), unmade
    assert unmade.retries > 0 and unmade.making.calls > 0
    assert there.tools == {"convert": "existing"} and marks(there) == (True, True, True, True), there
    assert all((options.out / "workspaces" / name / "new.log").is_file() for name in rows)

    calls = len(model.calls)
    assert {row.id for row in await run(chosen, options, "http://127.0.0.1:1")} == set(rows)
    assert len(model.calls) == calls, "what is through is not done again"
    kept = [line for line in options.rows.read_text().splitlines() if "text-14" not in line]
    options.rows.write_text("".join(f"{line}\n" for line in kept))
    await run(chosen, options, "http://127.0.0.1:1")
    assert len(model.calls) > calls
    whole = json.loads((options.out / "report.json").read_text())["lines"][-1]
    assert (whole["n"], whole["generated"], whole["existing"]) == (3, 1, 1)
    assert {name: figure["passed"] for name, figure in whole["figures"].items()} == {
        "valid": 3,
        "runs": 2,
        "executable": 2,
        "completed": 2,
    }
    assert "2/3 = 66.7%" in (options.out / "report.md").read_text()


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
