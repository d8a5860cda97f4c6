"""A planted key is found in nothing that a run leaves: no file, no stream, whatever the endpoint says back."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from urllib.parse import quote

from tests.fakeserver import Asked, FakeServer, Reply
from tests.house import command, make
from tests.worlds import lessons, make_tasks

KEY = "planted/7f3a+Zebra=crossing"
#: The key as texts, addresses, JSON and headers would hold it, and what is left where only one half is taken out.
FORMS = (
    KEY,
    quote(KEY, safe=""),
    json.dumps(KEY)[1:-1],
    base64.b64encode(KEY.encode()).decode(),
    KEY[:14],
    KEY[-14:],
)
TOLD = f"Incorrect key {KEY}; Authorization: Bearer {KEY}; see http://user:{quote(KEY, safe='')}@host/?key={KEY}"


def telling(asked: Asked) -> str | Reply:
    """Says the key back: in a refusal of one task for good, in a fault of every tenth call, in no answer."""
    error = json.dumps({"error": {"message": TOLD, "code": "bad"}}).encode()
    if asked.stage == "rollout" and "lot D-1003" in asked.text:
        return Reply(400, error)
    if not asked.count and asked.chance("told") < 0.1:
        return Reply(500, error)
    return lessons(asked)


def finished(process: subprocess.Popen[str], *codes: int) -> str:
    out, err = process.communicate()
    assert process.returncode in codes, err
    return out + err


def leaks(root: Path) -> list[str]:
    """Files under ``root`` that hold the key in any form, the one it was planted in left out."""
    files = [path for path in root.rglob("*") if path.is_file() and path.name != ".env"]
    assert any(path.name == "practice.db" for path in files)
    assert any(path.suffix == ".html" for path in files) and any(path.suffix == ".yaml" for path in files)
    return [str(path.relative_to(root)) for path in files if any(form.encode() in path.read_bytes() for form in FORMS)]


def test_a_planted_key_is_in_nothing_that_a_run_leaves(tmp_path: Path) -> None:
    with FakeServer(telling, key=KEY) as server:
        model = {"name": "openai/fake", "api_base": server.url, "api_key_env": "PLANTED_KEY"}
        make(
            tmp_path,
            server.url,
            agent={"model": model},
            tasks=make_tasks(10),
            practice={"epochs": 1},
            rollouts={"group_size": 3},
            accept="always",
        )
        (tmp_path / ".env").write_text(f"PLANTED_KEY={KEY}\n")
        said = finished(command(tmp_path, "run", "--json"), 0)
        for arguments in (
            ("run",),
            ("runs", "show", "last"),
            ("runs", "list", "--json"),
            ("report", "last"),
            ("memory", "export", "memory/test.yaml"),
            ("run", "--set", "practice.seed=1", "--set", "budget.tokens=20000"),
        ):
            said += finished(command(tmp_path, *arguments), 0, 3)
        assert {call.headers["authorization"] for call in server.calls} == {f"Bearer {KEY}"}
        assert server.count(fault=None) > 30
    assert '"failed": 3' in said  # the refusals were kept, with their words
    assert not [form for form in FORMS if form in said]
    assert leaks(tmp_path) == []

    wrong = "another" + KEY
    (tmp_path / ".env").write_text(f"PLANTED_KEY={wrong}\n")
    with FakeServer(telling, key=KEY) as server:
        make(tmp_path, server.url, agent={"model": {**model, "api_base": server.url}}, tasks=make_tasks(4))
        said = finished(command(tmp_path, "run", "--json"), 1)
    assert "refused the key" in said
    assert not [form for form in FORMS if form in said]
    assert leaks(tmp_path) == []
