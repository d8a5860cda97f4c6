"""``practice runs show``: each kind of run as its own command closed, long after and without a call."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from practice.cli import main
from practice.config import write_yaml
from practice.stability import StabilityReport
from practice.store import Store
from tests.fakeserver import FakeServer
from tests.house import make
from tests.test_judging import judges, write
from tests.worlds import make_tasks


def call(capsys: pytest.CaptureFixture[str], place: Path, *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--workspace", str(place)])
    return int(stop.value.code or 0), capsys.readouterr().out


def test_an_overfit_shows_its_verdict_also_without_its_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeServer("right") as server:
        make(tmp_path, server.url, tasks=make_tasks(4), holdout=())
        code, closed = call(capsys, tmp_path, "overfit", "2", "--set", "evaluate.trials=2")
        assert code == 0 and "solved" in closed
        _, document = call(capsys, tmp_path, "overfit", "2", "--set", "evaluate.trials=2", "--json")
    (tmp_path / "practice.yaml").unlink()
    assert call(capsys, tmp_path, "runs", "show", "last") == (0, closed)
    assert call(capsys, tmp_path, "runs", "show", "last", "--json") == (0, document)
    assert "link" in json.loads(document)


def test_an_evaluation_shows_its_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeServer("right") as server:
        make(tmp_path, server.url)
        arguments = ("eval", "solver", "tasks/holdout.jsonl", "--reward", "number")
        code, closed = call(capsys, tmp_path, *arguments)
        _, document = call(capsys, tmp_path, *arguments, "--json")
    assert code == 0 and "score" in closed and "edits" not in closed
    assert call(capsys, tmp_path, "runs", "show", "last") == (0, closed)
    assert call(capsys, tmp_path, "runs", "show", "last", "--json") == (0, document)


def test_a_judging_shows_its_evaluators_and_what_stability_said_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "rollouts.jsonl", groups=12)
    write_yaml(tmp_path / "panel.yaml", {"grid": {"prompt": ["default", "strict"], "mode": ["group"]}})
    given = ("--panel", str(tmp_path / "panel.yaml"))
    with FakeServer(judges) as server:
        make(tmp_path, server.url)
        code, table = call(capsys, tmp_path, "judge", "score", str(file), *given)
        assert code == 0 and "default" in table and "not honoured" in table
        with Store(tmp_path / "memory/practice.db") as store:
            run = store.now(lambda db: str(db.execute("SELECT id FROM runs").fetchone()[0]))
        assert call(capsys, tmp_path, "runs", "show", run) == (0, table)
        _, out = call(capsys, tmp_path, "runs", "show", run, "--json")
        shown = json.loads(out)
        assert [line["scored"] for line in shown["evaluators"]] == [36, 36] and shown["stability"] is None

        arguments = ("judge", "stability", "--rollouts", str(file), *given)
        _, report = call(capsys, tmp_path, *arguments)
        _, document = call(capsys, tmp_path, *arguments, "--json")
        assert len(server.calls) == 24  # judged once, for all of these
    assert call(capsys, tmp_path, "runs", "show", run)[1] == table + report
    _, out = call(capsys, tmp_path, "runs", "show", run, "--json")
    kept = json.loads(out)["stability"]
    assert kept["name"] == "rollouts"
    assert StabilityReport.model_validate(kept["report"]) == StabilityReport.model_validate_json(document)


def test_a_judging_that_was_stopped_shows_how_far_it_came(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "rollouts.jsonl", groups=12)
    with FakeServer(judges) as server:
        make(tmp_path, server.url)
        code, table = call(capsys, tmp_path, "judge", "score", str(file), "--tokens", "6000")
    assert code == 3 and "budget" in table
    with Store(tmp_path / "memory/practice.db") as store:
        run = store.now(lambda db: str(db.execute("SELECT id FROM runs").fetchone()[0]))
    assert call(capsys, tmp_path, "runs", "show", run) == (0, table)


def test_a_run_that_practised_shows_before_and_after(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = ("--set", "practice.epochs=1", "--set", "rollouts.group_size=2")
    with FakeServer("right") as server:
        make(tmp_path, server.url, tasks=make_tasks(4), holdout=make_tasks(2, start=1000))
        code, closed = call(capsys, tmp_path, "run", *short)
        _, document = call(capsys, tmp_path, "run", *short, "--json")
    assert code == 0 and "before" in closed
    assert call(capsys, tmp_path, "runs", "show", "last") == (0, closed)
    assert call(capsys, tmp_path, "runs", "show", "last", "--json") == (0, document)
