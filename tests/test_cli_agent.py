"""``practice agent new`` as a person types it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from practice.config import write_yaml
from practice.errors import SandboxMissing
from practice.sandbox.monty import MontyEngine
from tests.builders import ANSWERS, NO_MORE, VAT, need
from tests.fakeserver import Asked, FakeServer
from tests.test_cli import call

#: No tool has to be made: the one of the workspace covers the need.
SAID = {**ANSWERS, "SameReply": {"needed": "a", "gives": "a", "covers": "all"}}
NEEDED = need("Add VAT to an amount.")


def world(asked: Asked) -> str | dict[str, Any]:
    """The building model, and the agent that it builds."""
    shape = (asked.body.get("response_format") or {}).get("json_schema")
    if shape is not None and shape["name"] == "NeedReply":
        return json.dumps(NO_MORE if "It has these functions" in asked.text else NEEDED)
    if shape is not None:
        return json.dumps(SAID[shape["name"]])
    last = asked.body["messages"][-1]
    if last["role"] == "tool":
        return f"Answer: {last['content']}"
    if not asked.body.get("tools"):
        return "ready"
    function = {"name": "add_vat", "arguments": '{"amount": 250, "rate": 20}'}
    return {"content": "", "tool_calls": [{"id": "a", "type": "function", "function": function}]}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("practice.sandbox.engine", lambda unsafe=False: MontyEngine())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/add_vat.py").write_text(VAT)
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/old.jsonl").write_text('{"input": "1 + 1?", "answer": 2}\n')
    return tmp_path


def settings(root: Path, url: str, **more: Any) -> None:
    model = {"name": "openai/fake", "api_base": url}
    write_yaml(root / "agents/old.yaml", {"name": "old", "model": model})
    write_yaml(root / "practice.yaml", {"agent": "agents/old.yaml", "tasks": {"practice": "tasks/old.jsonl"}, **more})


def test_new_with_yes_writes_an_agent_that_checks_out(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeServer(world) as server:
        settings(place, server.url)
        code, out, err = call(capsys, "agent", "new", "Add VAT for me.", "--yes", "--json")
        assert code == 0, err
        made = json.loads(out)
        assert (made["agent"], made["path"], made["config"]) == (
            "vat-helper",
            "agents/vat-helper.yaml",
            "vat-helper.yaml",
        )
        assert [(one["ref"], one["how"]) for one in made["tools"]] == [("add_vat", "existing")]
        assert made["questions"] == [{"question": "Which currency?", "answer": "Euro.", "assumed": True}]
        assert made["smoke"]["passed"] is True and made["usage"]["calls"] == len(server.calls)
        stages = [asked.stage for asked in server.calls]
        assert set(stages) == {"generate", "user"} and stages[-1] == "user"  # the smoke task is the agent's own
        code, out, _ = call(capsys, "agent", "check", "vat-helper", "--json")
        assert code == 0, out
        code, out, _ = call(capsys, "run", "vat-helper.yaml", "--dry-run", "--json")
        assert code == 0 and json.loads(out)["tasks"] == {"practice": 2, "validation": 1, "holdout": 0}


def test_new_asks_at_the_terminal_and_tells_a_person_what_came_of_it(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("Yen\n"))
    with FakeServer(world) as server:
        settings(place, server.url)
        code, out, err = call(capsys, "agent", "new", "Add VAT for me.", "--name", "mine")
    assert code == 0, err
    assert "Which currency? [Euro.] " in err
    assert "settled: Which currency? Yen" in out and "smoke task passed" in out
    assert "practice run mine.yaml" in out and "practice agent check mine" in out
    assert "Which currency? Yen" in (place / "agents/mine.yaml").read_text()


def test_the_teacher_builds_and_the_agents_model_is_used(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeServer(world) as own, FakeServer(world) as teaching:
        settings(place, own.url, teacher={"model": {"name": "openai/large", "api_base": teaching.url}})
        code, out, err = call(capsys, "agent", "new", "Add VAT for me.", "--yes", "--json")
    assert code == 0, err
    assert json.loads(out)["model"] == "openai/fake" and f"api_base: {own.url}" in (
        (place / "agents/vat-helper.yaml").read_text()
    )
    assert {asked.stage for asked in teaching.calls} == {"generate"}
    assert {asked.stage for asked in own.calls} == {"user"}


def test_wrong_words_are_wrong_input_and_ask_nobody(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeServer(world) as server:
        settings(place, server.url)
        for arguments, key in (
            (["  ", "--yes"], "WHAT"),
            (["Add.", "--name", "old"], "--name"),
            (["Add.", "--name", "a/b"], "--name"),
            (["Add.", "--mode", "magic"], "--mode"),
        ):
            code, out, _ = call(capsys, "agent", "new", *arguments, "--json")
            assert (code, json.loads(out)["error"]["key"]) == (2, key)
        assert server.calls == []


def test_without_a_model_there_is_a_clear_error(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "agents").mkdir()
    code, out, _ = call(capsys, "agent", "new", "Add.", "--json")
    assert (code, json.loads(out)["error"]["key"]) == (2, "--model")


def test_without_a_sandbox_nothing_is_asked(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(unsafe: bool = False) -> MontyEngine:
        raise SandboxMissing("bubblewrap is missing: apt install bubblewrap")

    monkeypatch.setattr("practice.sandbox.engine", missing)
    with FakeServer(world) as server:
        settings(place, server.url)
        code, _, err = call(capsys, "agent", "new", "Add.", "--yes")
    assert code == 1 and "apt install bubblewrap" in err
    assert server.calls == [] and not (place / "agents/vat-helper.yaml").exists()
