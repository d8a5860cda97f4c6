"""The fake server is what durability and gain are measured with, so it is tested first."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from practice.config import Workspace
from practice.errors import InputError
from practice.task import load_tasks
from tests.fakeserver import FakeServer, read_log
from tests.worlds import METHODS, SUM_LESSON, code, lesson, make_sums, make_tasks, write_tasks

ROOT = Path(__file__).parent.parent


def post(server: FakeServer, system: str, user: str, *, seed: int = 0, stage: str = "rollout", **more: Any) -> str:
    """The content of an answer, or its tool call's arguments."""
    return post_raw(server, [("system", system), ("user", user)], seed=seed, stage=stage, **more)


def post_raw(
    server: FakeServer, messages: list[tuple[str, str]], *, seed: int = 0, stage: str = "rollout", **more: Any
) -> str:
    body = {
        "model": "fake",
        "messages": [{"role": role, "content": content} for role, content in messages],
        "max_tokens": 500,
        "seed": seed,
        **more,
    }
    request = urllib.request.Request(
        f"{server.url}/chat/completions", json.dumps(body).encode(), {"X-Practice-Stage": stage, "X-Practice-Run": "r"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        message = json.load(response)["choices"][0]["message"]
    return message["content"] or message["tool_calls"][0]["function"]["arguments"]


def rate(server: FakeServer, system: str, n: int = 300) -> float:
    tasks = make_tasks(n)
    answers = [post(server, system, task.input, seed=seed) for seed, task in enumerate(tasks)]
    return sum(f"Answer: {task.answer}" in answer for task, answer in zip(tasks, answers, strict=True)) / n


def test_a_lesson_lifts_success_and_only_there() -> None:
    everything = "Notes:\n" + "\n".join(lesson(rule) for rule in range(1, 9))
    with FakeServer("lessons") as server:
        assert rate(server, "Solve it.") == pytest.approx(0.3, abs=0.09)
        assert rate(server, everything) == pytest.approx(0.9, abs=0.06)
    with FakeServer("null") as server:
        assert rate(server, everything) == pytest.approx(0.5, abs=0.1)
    with FakeServer("right") as server:
        assert rate(server, "Solve it.", 50) == 1.0


def test_the_same_body_gets_the_same_answer() -> None:
    task = make_tasks(1)[0].input
    with FakeServer("lessons") as server:
        answers = [post(server, "s", task, seed=seed) for seed in (1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6)]
        assert answers[:6] == answers[6:]
        assert len(set(answers)) == 2
        assert server.repeats() == 6
        assert server.count(stage="rollout", run="r") == 12
        assert len({(call.seed, call.sha) for call in server.calls}) == 6


def test_a_teacher_reads_lessons_off_good_attempts() -> None:
    tasks = make_tasks(16)
    with FakeServer("lessons") as server:
        answers = [post(server, "s", task.input, seed=seed) for task in tasks for seed in range(8)]
        good = [answer for answer in answers if "I chose to" in answer]
        bad = [answer for answer in answers if "I chose to" not in answer]
        assert all("I went by feel" in answer for answer in bad)
        prompt = "## Better\n" + "\n".join(good) + "\n## Worse\n" + "\n".join(bad)
        told = json.loads(post(server, "", prompt, stage="advantage"))["lessons"]
        assert sorted(item["text"] for item in told) == sorted(lesson(rule) for rule in range(1, 9))
        assert json.loads(post(server, "", "\n".join(bad), stage="advantage")) == {"lessons": []}
        assert METHODS[0] in post(server, "", prompt, stage="summary")


def test_a_merge_adds_what_the_bank_does_not_hold() -> None:
    prompt = f"# List\ne3: {lesson(1)}\ne12: {lesson(2)}\n\n# New\n- {lesson(1)}\n- {lesson(4)}\n- {lesson(4)}\n"
    with FakeServer("lessons") as server:
        edits = json.loads(post(server, "", prompt, stage="merge"))["edits"]
        assert edits == [{"op": "add", "id": None, "text": lesson(4)}]


def test_a_judge_scores_by_letter() -> None:
    good, bad = f"Marked rule 1: I chose to {METHODS[0]}.", "Marked rule 1: I went by feel."
    prompt = f"# Attempts\n## Attempt A\n{bad}\n\n## Attempt B\n{good}\n\n## Attempt C\n{bad}"
    schema = {"type": "object", "properties": {letter: {"type": "object"} for letter in "ABC"}}
    shape = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    with FakeServer("lessons") as server:
        scores = json.loads(post(server, "", prompt, stage="judge", response_format=shape))
    assert {letter: entry["score"] for letter, entry in scores.items()} == {"A": 2, "B": 9, "C": 2}


def test_sums_are_right_where_the_calculator_was_called() -> None:
    tasks = make_sums(100)
    with FakeServer("tools") as server, FakeServer("text") as texts:
        called = [post(server, SUM_LESSON, task.input, seed=seed) for seed, task in enumerate(tasks)]
        share = sum(answer.startswith("{") for answer in called) / len(tasks)
        assert share == pytest.approx(0.9, abs=0.1)
        unasked = [post(server, "Solve it.", task.input, seed=seed) for seed, task in enumerate(tasks)]
        share = sum(answer.startswith("{") for answer in unasked) / len(tasks)
        assert share == pytest.approx(0.3, abs=0.14)
        wrong = [answer for answer in unasked if not answer.startswith("{")]
        assert not any(
            f" {task.answer}." in answer for task, answer in zip(tasks, unasked, strict=True) if answer in wrong
        )
        expression = json.loads(next(answer for answer in called if answer.startswith("{")))["expression"]
        end = post_raw(server, [("system", ""), ("user", f"[sum] What is {expression}?"), ("tool", "4711")])
        assert end == "The calculator says 4711."
        lessons = json.loads(post(server, "", f"[reply 2] {end}", stage="advantage"))["lessons"]
        assert lessons == [{"text": SUM_LESSON}]
        written = [post(texts, SUM_LESSON, task.input) for task in tasks]
        assert {"name": "calculator", "arguments": {"expression": expression}} in [
            json.loads(answer) for answer in written if answer.startswith("{")
        ]


def test_faults_strike_a_body_once() -> None:
    task = make_tasks(1)[0].input
    with FakeServer("right", faults=0.3, kinds=("500",)) as server:
        failures = 0
        for seed in range(200):
            try:
                post(server, "s", task, seed=seed)
            except urllib.error.HTTPError as error:
                failures += 1
                assert error.code == 500
                error.close()
                assert code(task) in post(server, "s", task, seed=seed)
    assert failures == server.count(fault="500")
    assert failures / 200 == pytest.approx(0.3, abs=0.1)
    assert server.repeats() == 0


def test_paths_keys_and_models() -> None:
    with FakeServer("right", key="sesame") as server:
        with urllib.request.urlopen(f"{server.url}/models", timeout=10) as response:
            assert json.load(response)["data"][0]["id"] == "fake"
        for path, status in (("chat/completions", 401), ("embeddings", 404)):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(f"{server.url}/{path}", b"{}", timeout=10)
            assert caught.value.code == status
            caught.value.close()


def test_as_a_process_with_a_log(tmp_path: Path) -> None:
    port_file, log = tmp_path / "port", tmp_path / "calls.jsonl"
    command = [sys.executable, "-m", "tests.fakeserver", "--world", "right", "--log", str(log)]
    with subprocess.Popen(
        [*command, "--port-file", str(port_file)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url == f"http://127.0.0.1:{port_file.read_text()}/v1"
            server = FakeServer("right", port=int(port_file.read_text()))  # not started: its address alone is used
            post(server, "s", make_tasks(1)[0].input, seed=5)
        finally:
            process.terminate()  # leaving the block waits for the process, also where something above failed
        assert process.wait(20) == 0
    with log.open("a") as file:
        file.write('{"n": 1, "cut o')
    (call,) = read_log(log)
    assert (call["n"], call["seed"], call["stage"], call["fault"]) == (0, 5, "rollout", None)


def test_task_sets_are_valid_and_apart(tmp_path: Path) -> None:
    tasks, more = make_tasks(64), make_tasks(40, start=64)
    assert not {task.input for task in tasks} & {task.input for task in more}
    path = write_tasks(tmp_path / "tasks.jsonl", tasks)
    loaded = load_tasks(path.name, Workspace(tmp_path)).tasks
    assert loaded == tasks
    with pytest.raises(InputError):
        load_tasks("nothing.jsonl", Workspace(tmp_path))
