"""The commands, as a person calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from practice import local
from practice.cli import main
from practice.store import Store
from tests.fakeserver import FakeServer
from tests.house import make
from tests.wrong_inputs import CASES, WrongInput


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of ``practice …`` in this process."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_wrong_input_is_one_clear_error(
    case: WrongInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, *case.command, "--json")
    assert code == 2, err
    error = json.loads(out)["error"]
    assert set(error) == {"file", "key", "line", "expected", "found", "nearest"}
    assert (error["file"] or "").endswith(case.file or "")
    assert case.key is None or error["key"] == case.key
    assert case.line is None or error["line"] == case.line
    assert case.nearest is None or error["nearest"] == case.nearest
    assert case.says in json.dumps(error, ensure_ascii=False)
    assert err.startswith("error: ") and err.count("\n") == 1
    assert not case.hides or case.hides not in out + err
    assert not (tmp_path / "memory/practice.db").exists()


def test_there_are_twenty_wrong_inputs() -> None:
    assert len(CASES) >= 20


def test_init_makes_a_workspace_that_runs_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(capsys, "init", str(tmp_path / "w"), "--json")
    assert code == 0
    made = json.loads(out)["made"]
    assert {"practice.yaml", "agents/solver.yaml", "tools/calculator.py", "tasks/practice.jsonl"} <= set(made)
    monkeypatch.chdir(tmp_path / "w")
    code, out, err = call(capsys, "init", "--json")
    assert code == 0 and json.loads(out)["made"] == []
    monkeypatch.setattr("practice.session.price_of", lambda _spec: None)
    code, out, err = call(capsys, "run", "--dry-run", "--json")
    assert code == 0, err
    plan = json.loads(out)
    assert plan["tasks"] == {"practice": 16, "validation": 16, "holdout": 40}
    code, out, _ = call(capsys, "tool", "list", "--json")
    assert "calculator" in out
    code, out, _ = call(capsys, "agent", "show", "solver", "--json")
    assert json.loads(out)["tools"][0]["name"] == "calculator"
    code, out, _ = call(capsys, "agent", "list", "--json")
    assert [row["agent"] for row in json.loads(out)] == ["solver"]


def test_a_run_can_be_read_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with FakeServer("lessons") as server:
        make(tmp_path, server.url, practice={"epochs": 1}, rollouts={"group_size": 3})
        code, out, err = call(capsys, "run")
        assert code == 0, err
        assert "before" in out and "experiences" not in err
        code, out, _ = call(capsys, "eval", "agents/solver.yaml", "tasks/holdout.jsonl", "--reward", "number", "--json")
        assert code == 0
        bare = json.loads(out)
        assert "edits" not in bare and bare["after"]["n"] == 8
        calls = len(server.calls)
        arguments = ("agents/solver.yaml", "tasks/holdout.jsonl", "--memory", "memory/test.yaml", "--reward", "number")
        code, out, _ = call(capsys, "eval", *arguments, "--json")
        better = json.loads(out)
        assert len(server.calls) == calls + 8
        with Store(tmp_path / "memory/practice.db") as store:
            read = store.now(lambda db: db.execute("SELECT DISTINCT run, name FROM holdout_reads").fetchall())
        assert {(bare["run_id"], "before"), (better["run_id"], "before")} <= set(read)
        code, out, _ = call(capsys, "eval", *arguments, "--json")
        assert json.loads(out) == better and len(server.calls) == calls + 8
    code, out, _ = call(capsys, "runs", "list", "--json")
    assert len(json.loads(out)) == 3
    code, out, _ = call(capsys, "compare", bare["run_id"], better["run_id"], "--json")
    found = json.loads(out)
    assert code == 0 and set(found) == {"a", "b", "n", "metric", "delta", "per_task"}
    assert found["n"] == len(found["per_task"]) == 8
    assert call(capsys, "compare", bare["run_id"], better["run_id"])[0] == 0
    code, out, _ = call(capsys, "memory", "show", "--json")
    bank = json.loads(out)
    assert bank["experiences"]
    code, out, _ = call(capsys, "memory", "search", "rule", "--json")
    assert json.loads(out)
    code, out, _ = call(capsys, "memory", "history", "--json")
    history = json.loads(out)
    assert {row["id"] for row in history} == {e["id"] for e in bank["experiences"]}
    code, out, _ = call(capsys, "memory", "diff", "0", str(bank["revision"]), "--json")
    assert code == 0 and len(json.loads(out)) == len(bank["experiences"])
    for words in (
        ("memory", "list"),
        ("memory", "show"),
        ("memory", "history"),
        ("runs", "list"),
        ("runs", "show", "last"),
    ):
        assert call(capsys, *words)[0] == 0
    code, out, _ = call(capsys, "report", "--json")
    assert (tmp_path / json.loads(out)["report"]).stat().st_size > 1000
    assert call(capsys, "runs", "remove", bare["run_id"], "--yes")[0] == 0
    code, out, err = call(capsys, "runs", "show", "nosuch", "--json")
    assert code == 2 and json.loads(out)["error"]["key"] == "RUN"


def test_a_bank_edited_by_hand_is_imported_as_revisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with FakeServer("lessons") as server:
        make(tmp_path, server.url, holdout=(), practice={"epochs": 1}, rollouts={"group_size": 3})
        assert call(capsys, "run")[0] == 0
        path = tmp_path / "memory/test.yaml"
        text = path.read_text()
        lesson = json.loads(call(capsys, "memory", "show", "--json")[1])["experiences"][0]
        path.write_text(text.replace(lesson["text"], "When a task is marked, look twice."))
        code, _, err = call(capsys, "run", "--fresh", "--set", "practice.seed=5")
        assert code == 0, err
        assert "1 change(s) made by hand" in err
    history = json.loads(call(capsys, "memory", "history", "--id", lesson["id"], "--json")[1])
    assert history[1]["change"] == "hand" and history[1]["run"] is None


def test_a_half_fetched_model_is_not_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRACTICE_CACHE", str(tmp_path))
    path = local.MODELS["smollm2-135m"].path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"GGUF")
    code, out, _ = call(capsys, "model", "list", "--json")
    assert code == 0 and {row["name"]: row["here"] for row in json.loads(out)} == {
        f"llamacpp/{name}": False for name in local.MODELS
    }
    with path.open("r+b") as file:
        file.truncate(local.MODELS["smollm2-135m"].size)
    here = [row["name"] for row in json.loads(call(capsys, "model", "list", "--json")[1]) if row["here"]]
    assert here == ["llamacpp/smollm2-135m"]


def test_help_of_every_command_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "--help")
    assert code == 0
    for verb in ("init", "run", "eval", "compare", "report", "runs", "memory", "model", "agent", "tool"):
        assert verb in out
        assert call(capsys, verb, "--help")[0] == 0
    assert call(capsys, "--version")[1].startswith("practice ")


def test_what_a_users_check_prints_does_not_mix_with_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with FakeServer("lessons") as server:
        make(tmp_path, server.url)
        (tmp_path / "tools").mkdir()
        (tmp_path / "tools/loud.py").write_text("def check(task, rollout):\n    print('checking')\n    return 1.0\n")
        arguments = ("agents/solver.yaml", "tasks/holdout.jsonl", "--limit", "2", "--json", "--reward")
        code, out, err = call(capsys, "eval", *arguments, "tools/loud.py:check")
        assert code == 0 and json.loads(out)["after"]["mean"] == 1.0
        assert "checking" in err
        code, out, _ = call(capsys, "eval", *arguments, "number")
        assert json.loads(out)["after"]["mean"] < 1.0, "another reward is another evaluation"


def test_a_users_feature_that_fails_ends_the_run_with_a_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with FakeServer("lessons") as server:
        make(tmp_path, server.url, holdout=(), practice={"features": ["tools/own.py:broken"]})
        (tmp_path / "tools").mkdir()
        (tmp_path / "tools/own.py").write_text("def broken(rollout):\n    return 1 / 0\n")
        code, out, err = call(capsys, "run", "--json")
        assert code == 1 and json.loads(out)["status"] == "failed"
        assert "ZeroDivisionError" in err


def test_a_bank_that_was_deleted_or_brought_back_is_what_a_fresh_run_begins_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with FakeServer("lessons") as server:
        make(tmp_path, server.url, holdout=(), practice={"epochs": 1}, rollouts={"group_size": 3})
        assert call(capsys, "run")[0] == 0
        path = tmp_path / "memory/test.yaml"
        learnt = path.read_text()
        assert call(capsys, "memory", "show", "--json")[0] == 0
        path.unlink()
        code, _, err = call(capsys, "run", "--fresh", "--set", "accept.alpha=0.0001", "--set", "accept.max_trials=2")
        assert code == 0 and "made by hand" in err
        path.write_text(learnt)
        code, out, err = call(capsys, "run", "--fresh", "--json", "--set", "practice.seed=3")
        assert code == 0 and "made by hand" in err
        assert len(json.loads(out)["experiences"]) >= learnt.count("status: active")


@pytest.mark.parametrize(
    ("arguments", "key", "nearest"),
    [
        (("ru",), "command line", "run"),
        (("run", "--frehs"), "command line", "--fresh"),
        (("eval",), "agent", None),
        (("eval", "a", "b", "--trials", "many"), "--trials", None),
        (("memory", "import", "bank.yaml", "--bank", "../out"), "--bank", None),
        (("agent", "show", "solvr"), "AGENT", "solver"),
    ],
)
def test_a_wrong_command_line_is_one_clear_error(
    arguments: tuple[str, ...],
    key: str,
    nearest: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path, "http://127.0.0.1:9/v1")
    (tmp_path / "bank.yaml").write_text("bank: b\nexperiences: [{id: e1, text: Look twice.}]\n")
    code, out, _ = call(capsys, *arguments, "--json")
    error = json.loads(out)["error"]
    assert code == 2 and error["key"].lower() == key.lower()
    assert nearest is None or error["nearest"] == nearest
    assert not (tmp_path.parent / "out.yaml").exists()


def test_two_runs_on_one_bank_have_one_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with FakeServer("lessons") as server:
        make(tmp_path, server.url, holdout=(), practice={"epochs": 1}, rollouts={"group_size": 3})
        one = ("run", "--set", "practice.seed=12")
        assert call(capsys, *one, "--set", "budget.tokens=9000")[0] == 3
        assert call(capsys, "run")[0] == 0
        code, _, err = call(capsys, *one)
        assert code == 0 and "kept as aside/test-1.yaml" in err
    history = json.loads(call(capsys, "memory", "history", "--json")[1])
    assert len({(row["revision"], row["run"]) for row in history}) == len({row["revision"] for row in history})
    shown = json.loads(call(capsys, "memory", "show", "--json")[1])
    changed = json.loads(
        call(capsys, "memory", "diff", str(shown["revision"] - 1), str(shown["revision"]), "--json")[1]
    )
    assert any(line.startswith("retired") for line in changed)
