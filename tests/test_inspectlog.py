"""A run as Inspect's logs: the structure that Inspect asks for, and the same figures as the run's own."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from practice import inspectlog
from practice.cli import main
from practice.document import Document
from practice.engine import Options
from practice.errors import CallFailed
from practice.evaluation import evaluate
from practice.fakes import ScriptedModel
from practice.inspectlog.build import build
from practice.inspectlog.read import Attempt, Evaluation
from practice.memory import Bank
from practice.records import RunRow, find_run
from practice.store import Store
from practice.types import Experience, Failure, Request, Rollout, Step, Task, ToolCall, ToolResult, Usage
from tests.fakeserver import FakeServer
from tests.house import ROOT, make, practise
from tests.worlds import make_sums, make_tasks

SMALL = ("practice.epochs=2", "practice.batch_size=3", "rollouts.group_size=2", "accept.max_trials=2")

NUMBER = (int, float)
#: What Inspect requires of a log of version 2, and the types of what we fill beyond that.
LOG: Mapping[str, Any] = {
    "version": int,
    "status": str,
    "eval": {
        **dict.fromkeys(("eval_id", "run_id", "created", "task", "task_id", "model", "solver"), str),
        "dataset": {"name": str, "samples": int, "sample_ids": [str], "shuffled": bool},
        "config": {"epochs": int, "epochs_reducer": [str]},
        "metadata": dict,
    },
    "plan": {"name": str, "steps": [{"solver": str, "params": dict}], "config": dict},
    "results": {
        "total_samples": int,
        "completed_samples": int,
        "scores": [
            {"name": str, "scorer": str, "metrics": {"accuracy": {"name": str, "value": NUMBER, "params": dict}}}
        ],
    },
    "stats": {"started_at": str, "completed_at": str, "model_usage": dict},
    "samples": [
        {
            **dict.fromkeys(("id", "input", "target", "uuid"), str),
            "epoch": int,
            "messages": [{"role": str, "content": (str, list)}],
            "output": {"model": str, "choices": list, "completion": str},
            "metadata": dict,
            "model_usage": dict,
            "working_time": NUMBER,
        }
    ],
}


def fits(value: Any, schema: Any, where: str = "log") -> None:
    """Assert that ``value`` has every field of ``schema``, of its type."""
    if isinstance(schema, Mapping):
        assert isinstance(value, dict), where
        for key, inner in schema.items():
            assert key in value, f"{where}: no {key}"
            fits(value[key], inner, f"{where}.{key}")
    elif isinstance(schema, list):
        assert isinstance(value, list), where
        for place, item in enumerate(value):
            fits(item, schema[0], f"{where}.{place}")
    else:
        assert isinstance(value, schema), f"{where}: {value!r}"


def exported(place: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """The logs that ``practice runs export last`` wrote, by task."""
    with pytest.raises(SystemExit) as stop:
        main(["runs", "export", "last", "-o", str(place / "logs"), "--workspace", str(place), "--json", *arguments])
    assert stop.value.code == 0
    said = json.loads(capsys.readouterr().out)
    logs = [json.loads(Path(file).read_text()) for file in said["files"]]
    for log in logs:
        fits(log, LOG)
        check(log)
    return {log["eval"]["task"]: log for log in logs}


def check(log: dict[str, Any]) -> None:
    """What must hold between the parts of a log."""
    samples = log["samples"]
    assert log["version"] == 2
    assert len({(sample["id"], sample["epoch"]) for sample in samples}) == len(samples)
    assert log["results"]["total_samples"] == len(samples)
    assert log["eval"]["config"]["epochs"] == max(sample["epoch"] for sample in samples)
    assert log["eval"]["dataset"]["sample_ids"] == list(dict.fromkeys(sample["id"] for sample in samples))
    for name, usage in log["stats"]["model_usage"].items():
        for key, total in usage.items():
            assert total == sum(s["model_usage"][name][key] for s in samples if name in s["model_usage"])
    for sample in samples:
        assert [m["role"] for m in sample["messages"]][:2] == ["system", "user"]
        calls = [call["id"] for m in sample["messages"] for call in m.get("tool_calls", ())]
        assert [m["tool_call_id"] for m in sample["messages"] if m["role"] == "tool"] == calls


def accuracy(log: dict[str, Any]) -> float:
    """The mean over tasks of each task's mean, from the samples alone."""
    by_task: dict[str, list[float]] = {}
    for sample in log["samples"]:
        by_task.setdefault(sample["id"], []).extend(score["value"] for score in sample.get("scores", {}).values())
    means = [sum(of) / len(of) for of in by_task.values() if of]
    return sum(means) / len(means)


async def sums(root: Path, *sets: str) -> Document:
    with FakeServer("tools") as server:
        place = make(
            root, server.url, tasks=make_sums(6), holdout=make_sums(4, start=50), agent={"tools": ["calculator"]}
        )
        (root / "tools").mkdir()
        shutil.copy(ROOT / "tools/calculator.py", root / "tools")
        return await practise(place, *SMALL, "evaluate.trials=2", *sets)


async def test_a_run_becomes_a_log_a_phase_with_the_runs_own_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = await sums(tmp_path, "accept=always")
    logs = exported(tmp_path, capsys)
    assert list(logs) == ["test-practice", "test-holdout-before", "test-holdout-after"]
    for name, estimate in {"before": document.before, "after": document.after}.items():
        log = logs[f"test-holdout-{name}"]
        [score] = log["results"]["scores"]
        assert estimate is not None and estimate.ci is not None
        assert score["metrics"]["accuracy"]["value"] == estimate.mean == pytest.approx(accuracy(log))
        assert score["metadata"]["ci"] == list(estimate.ci)
        assert (score["scored_samples"], len(log["samples"])) == (estimate.n, estimate.n * estimate.trials)
        assert score["name"] == "number" and log["status"] == "success"
    tried = logs["test-practice"]
    assert len(tried["samples"]) == document.rollouts.total == 6 * 2 * 2
    assert {sample["epoch"] for sample in tried["samples"]} == {1, 2, 3, 4}
    tokens = sum(usage["total_tokens"] for log in logs.values() for usage in log["stats"]["model_usage"].values())
    spent = document.usage.by_stage["rollout"]
    assert tokens == spent.input_tokens + spent.output_tokens
    assert any(m["role"] == "tool" for sample in tried["samples"] for m in sample["messages"])
    learnt = [experience.text for experience in document.experiences]
    after = logs["test-holdout-after"]
    assert learnt and after["eval"]["metadata"]["experiences"] == learnt
    assert all(text in after["samples"][0]["messages"][0]["content"] for text in learnt)
    assert learnt[0] not in logs["test-holdout-before"]["samples"][0]["messages"][0]["content"]
    with Store(tmp_path / "memory/practice.db") as store:
        [first] = store.now(lambda db: db.execute("SELECT data FROM steps WHERE step = 0").fetchone())
    for sample in tried["samples"]:  # what the prompt held then, not what is known now
        knew = learnt[0] in sample["messages"][0]["content"]
        assert knew == (sample["id"] not in json.loads(first)["tasks"] or sample["epoch"] > 2)


async def test_validation_is_a_log_for_each_bank_that_was_tested(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await sums(tmp_path, "accept.alpha=0.0001")
    logs = exported(tmp_path, capsys)
    tested = [log for name, log in logs.items() if name.startswith("test-validation-")]
    assert len(tested) >= 2
    for log in tested:  # a candidate's lessons too, though the bank was never kept
        system = log["samples"][0]["messages"][0]["content"]
        assert all(text in system for text in log["eval"]["metadata"]["experiences"])
    assert list(logs)[-1] == "test-holdout-before"


async def test_a_file_takes_the_evaluation_that_the_run_ends_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = await sums(tmp_path, "accept=always")
    with pytest.raises(SystemExit):
        main(["runs", "export", document.run_id, "-o", str(tmp_path / "one.json"), "--workspace", str(tmp_path)])
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "one.json")]
    log = json.loads((tmp_path / "one.json").read_text())
    assert log["eval"]["task"] == "test-holdout-after"


async def test_names_begin_with_a_time_or_inspect_does_not_list_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await sums(tmp_path)
    exported(tmp_path, capsys)
    names = [file.name for file in (tmp_path / "logs").iterdir()]
    assert names and all(re.match(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\+00-00_[\w.-]+_[\w-]+\.json$", n) for n in names)


async def test_a_holdout_is_sealed_until_its_run_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = await sums(tmp_path, "budget.tokens=4000")
    assert document.status == "budget"
    with Store(tmp_path / "memory/practice.db") as store:
        assert store.now(lambda db: db.execute("SELECT count(*) FROM rollouts WHERE phase = 'holdout'").fetchone())[0]
    with pytest.raises(SystemExit) as stop:
        main(["runs", "export", "last", "-o", str(tmp_path / "logs"), "--workspace", str(tmp_path), "--json"])
    out = json.loads(capsys.readouterr().out)
    if stop.value.code == 0:
        assert not any("holdout" in Path(file).name for file in out["files"])
    else:
        assert stop.value.code == 2 and "sealed" in out["error"]["expected"]


async def test_an_evaluation_is_one_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeServer() as server:
        place = make(tmp_path, server.url, holdout=make_tasks(5))
        document = await evaluate(
            *("agents/solver.yaml", "tasks/holdout.jsonl"),
            workspace=place,
            reward="number",
            options=Options(note=lambda _: None),
        )
    [(name, log)] = exported(tmp_path, capsys).items()
    assert name == "eval" and document.before is not None
    assert log["results"]["scores"][0]["metrics"]["accuracy"]["value"] == document.before.mean


async def test_what_judges_preferred_is_the_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeServer() as server:
        place = make(tmp_path, server.url, tasks=make_tasks(6, rules=2), holdout=make_tasks(4, rules=2, start=900))
        document = await practise(place, *SMALL, "reward=judge", "accept=always")
    logs = exported(tmp_path, capsys)
    for name, estimate in {"before": document.before, "after": document.after}.items():
        [score] = logs[f"test-holdout-{name}"]["results"]["scores"]
        assert estimate is not None
        assert score["name"] == "preferred" and score["metrics"]["accuracy"]["value"] == estimate.mean


async def test_keys_that_a_model_repeats_are_not_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "planted-0123456789-key"
    monkeypatch.setenv("SOME_API_KEY", key)

    def reply(request: Request) -> str | CallFailed:
        return f"My key is {key}."

    place = make(tmp_path, "http://127.0.0.1:9/v1", holdout=make_tasks(2))
    options = Options(note=lambda _: None, connect=lambda _: ScriptedModel(reply))
    await evaluate("agents/solver.yaml", "tasks/holdout.jsonl", workspace=place, options=options)
    [log] = exported(tmp_path, capsys).values()
    assert key not in json.dumps(log) and "My key is ***." in log["samples"][0]["messages"][-1]["content"]


# ---------------------------------------------------------------- one attempt


ROW = RunRow(
    id="20260102-030405-ab12",
    name="crates",
    fingerprint="f",
    fields={
        "agent: model": {"name": "openai/x", "params": {"top_p": 0.9}},
        "agent: instructions": "Be right.",
        "agent: limits.steps": 3,
        "agent: strategy": {"kind": "react"},
        "reward": ["number", "tools/check.py:f"],
        "memory.inject": {"retrieve": 1},
    },
    status="done",
    created="2026-01-02T03:04:05Z",
    updated="2026-01-02T03:05:05Z",
    seconds=60,
    start_bank=Bank(bank="crates"),
    document=None,
)


def log_of(rollout: Rollout, reward: float | None = 1.0, bank: Bank | None = None) -> inspectlog.EvalLog:
    task = Task(id="t", input="How many jars of plums?", answer="4", tags=("sums",))
    usage = {"openai/x": Usage(calls=1, input_tokens=5, output_tokens=2, usd=None)}
    attempt = Attempt(rollout, task, 1, reward, (), bank, usage)
    return build(ROW, Evaluation("holdout-before", "holdout", (attempt,), bank))


def rollout(**fields: Any) -> Rollout:
    whole: dict[str, Any] = {"id": "holdout/0/t/0@x", "task_id": "t", "attempt": 0, "steps": (), "output": "4"}
    return Rollout.model_validate({**whole, "status": "done", **fields})


def test_calls_that_do_not_parse_thoughts_and_tool_errors_are_kept() -> None:
    good = ToolCall(id="c1", name="add", arguments='{"a": 1}')
    broken = ToolCall(id="c2", name="add", arguments="{a")
    results = (ToolResult(call=good, content="1"), ToolResult(call=broken, content="Error: no JSON", error=True))
    steps = (
        Step(index=0, content="Hm.", reasoning="Let me see.", tool_calls=(good, broken), results=results),
        Step(index=1, content="4"),
    )
    log = json.loads(inspectlog.text(log_of(rollout(steps=steps))))
    _, _, asks, one, two, says = log["samples"][0]["messages"]
    assert asks["content"][0] == {"type": "reasoning", "reasoning": "Let me see."}
    assert [call["arguments"] for call in asks["tool_calls"]] == [{"a": 1}, {}]
    assert "{a" in asks["tool_calls"][1]["parse_error"]
    assert "error" not in one and two["error"]["message"] == "Error: no JSON"
    assert says["content"] == "4"
    assert log["eval"]["scorers"] == [{"name": "number + tools/check.py:f"}]
    assert log["eval"]["model_args"] == {"top_p": 0.9}
    assert log["samples"][0]["model_usage"]["openai/x"] == {
        **{"input_tokens": 5, "output_tokens": 2, "total_tokens": 7},
        **{"input_tokens_cache_read": 0, "reasoning_tokens": 0},
    }


def test_a_failed_attempt_has_an_error_and_no_score() -> None:
    failure = Failure(stage="rollout", kind="timeout", message="no answer")
    log = log_of(rollout(status="failed", output="", failure=failure), None)
    [sample] = log.samples
    assert sample.scores is None and sample.error is not None and sample.error.message == "timeout: no answer"
    assert (log.results.total_samples, log.results.completed_samples, log.results.scores) == (1, 0, ())
    assert sample.output.choices == () and log.reductions is None


def test_a_limit_is_named_and_its_value_where_the_run_keeps_it() -> None:
    [steps] = log_of(rollout(status="limit", limit="steps")).samples
    [seconds] = log_of(rollout(status="limit", limit="seconds")).samples
    assert steps.limit is not None and (steps.limit.type, steps.limit.limit) == ("custom", 3.0)
    assert seconds.limit is not None and (seconds.limit.type, seconds.limit.limit) == ("time", 0.0)
    [tokens] = log_of(rollout(status="limit", limit="tokens")).samples
    assert tokens.output.choices[0].stop_reason == "max_tokens"


def test_only_the_lessons_that_were_retrieved_stand_in_the_prompt() -> None:
    texts = ("Count plums in jars.", "Weigh the pears.")
    bank = Bank(bank="crates", experiences=tuple(Experience(id=f"E{n}", text=t) for n, t in enumerate(texts, 1)))
    system = log_of(rollout(), bank=bank).samples[0].messages[0].content
    assert "plums" in str(system) and "pears" not in str(system)


def test_a_run_that_is_not_there_is_an_input_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, "http://127.0.0.1:9/v1")
    with Store(tmp_path / "memory/practice.db") as store:
        assert store.now(lambda db: find_run(db, "last")) is None
    with pytest.raises(SystemExit) as stop:
        main(["runs", "export", "nope", "--workspace", str(tmp_path)])
    assert stop.value.code == 2
