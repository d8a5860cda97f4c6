"""Runs whose agent has ``python`` and whose reward is ``code``: both in the sandbox, and refused without one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from practice import sandbox
from practice.cli import main
from practice.errors import SandboxMissing
from practice.types import Task
from tests.fakeserver import Asked, FakeServer
from tests.house import make

TASKS = [
    Task(id=f"t{n}", input=f"def times{n}(x):\n", answer=f"def check(candidate):\n    assert candidate(3) == {3 * n}")
    for n in range(6)
]


def coder(asked: Asked) -> str:
    """Asks the interpreter for 3 times n, and answers by it; wrong where n is odd."""
    n = int(asked.text.split("def times")[1].split("(")[0])
    last = asked.body["messages"][-1]
    if last["role"] != "tool":
        return json.dumps({"name": "python", "arguments": {"code": f"x = 3 * {n}\nx // 3"}})
    return f"```python\ndef times{n}(x):\n    return {last['content']} * x + {n % 2}\n```"


def workspace(root: Path, url: str) -> None:
    agent = {"instructions": "You write functions.", "tools": ["python"]}
    make(root, url, tasks=TASKS, holdout=TASKS, agent=agent, reward="code")


def evaluate(capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of ``practice eval`` on the holdout."""
    with pytest.raises(SystemExit) as stop:
        main(("eval", "agents/solver.yaml", "tasks/holdout.jsonl", "--reward", "code", "--json"))
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def test_an_evaluation_in_the_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        sandbox.engine()
    except SandboxMissing as missing:
        pytest.skip(f"needs the engine bwrap: {missing}")
    monkeypatch.chdir(tmp_path)
    with FakeServer(coder) as server:
        workspace(tmp_path, server.url)
        code, out, err = evaluate(capsys)
    assert code == 0, err
    after = json.loads(out)["after"]
    assert (after["mean"], after["n"], after["missing"]) == (0.5, 6, 0)


def test_without_a_sandbox_it_does_not_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> None:
        raise SandboxMissing("bubblewrap is missing; install it")

    monkeypatch.setattr(sandbox, "engine", missing)
    monkeypatch.chdir(tmp_path)
    with FakeServer(coder) as server:
        workspace(tmp_path, server.url)
        code, _, err = evaluate(capsys)
        assert code == 1 and "bubblewrap is missing; install it" in err
        assert not server.calls
