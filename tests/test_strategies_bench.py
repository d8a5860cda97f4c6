"""The comparison of strategies: sizes by their cost, rows that a kill does not lose, a table of what rows say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from benchmarks.strategies import Options, digest, kept_rows, main, make_sums, read_tasks, run
from benchmarks.strategies_table import ENTRANTS, PILOT_ATTEMPT, Row, Setup, chosen, size_for, table
from practice.agent import Strategy
from practice.errors import InputError, RunError
from practice.fakes import ScriptedModel
from practice.types import Request, Task, Usage

SETUP = Setup(model="openai/m", temperature=0.7, tokens=256, times=6.0, pilot=2, tasks="some")


def solver(request: Request) -> str:
    """Right by half, as the seed has it; the judge knows nothing, and half of the checks find a fault."""
    seed = request.seed or 0
    if request.json_schema is not None:
        count = request.json_schema["properties"].get("scores", {}).get("minItems")
        return json.dumps({"reason": "so", "score": seed % 11} if count is None else {"scores": [seed % 11] * count})
    last = request.messages[-1].content
    if "Verdict" in last:
        return f"Verdict: {'wrong' if seed % 2 else 'correct'}"
    asked = next(message.content for message in request.messages if message.role == "user")
    value = sum(map(int, re.findall(r"\d+", asked))) + seed % 2
    return f"I add all of them.\nThen I look at it again.\nAnswer: {value}"


def options(out: Path, **fields: Any) -> Options:
    return Options(SETUP, out, **({"workers": 2} | fields))


def rows_in(out: Path) -> list[Row]:
    return [Row.model_validate_json(line) for line in (out / "rows.jsonl").read_text().splitlines()]


async def test_a_comparison_and_what_a_kill_leaves_of_it(tmp_path: Path) -> None:
    sets = {"sums": make_sums(3)}
    report = await run(sets, options(tmp_path / "whole"), ScriptedModel(solver))
    rows = rows_in(tmp_path / "whole")
    assert (tmp_path / "whole/report.md").read_text() == report
    assert len({row.key for row in rows}) == len(rows) == 2 * (1 + 6 * 2) + 3 * len(ENTRANTS)
    assert all(entrant in report for entrant in ENTRANTS) and "3 of 3 tasks" in report

    left = 90

    def breaks(request: Request) -> str:
        nonlocal left
        left -= 1
        if left < 0:
            raise RunError("gone")
        return solver(request)

    broken = options(tmp_path / "broken")
    with pytest.raises(RunError):
        await run(sets, broken, ScriptedModel(breaks))
    kept = rows_in(tmp_path / "broken")
    assert 0 < len(kept) < len(rows)
    with broken.rows.open("a") as file:
        file.write('{"set": "su')
    assert await run(sets, broken, ScriptedModel(solver)) == report
    after = rows_in(tmp_path / "broken")
    assert after[: len(kept)] == kept

    def plain(found: list[Row]) -> dict[Any, Any]:
        return {row.key: (row.output, row.passed, row.tokens) for row in found}

    assert plain(after) == plain(rows)
    again = ScriptedModel([])
    assert await run(sets, broken, again) == report and not again.requests


async def test_what_more_attempts_cost_comes_near_to_the_budget(tmp_path: Path) -> None:
    def at_length(request: Request) -> str:
        return solver(request) if request.json_schema is not None else "So it goes on.\n" * 40 + solver(request)

    setup, sets = SETUP.model_copy(update={"times": 12.0}), {"sums": make_sums(2)}
    await run(sets, Options(setup, tmp_path), ScriptedModel(at_length))
    rows = rows_in(tmp_path)
    budget, sizes = chosen("sums", rows, setup)
    spent = {
        entrant: sum(row.tokens for row in rows if row.entrant == entrant and row.attempt != PILOT_ATTEMPT) / 2
        for entrant in ENTRANTS
    }
    assert sizes["self_consistency"] == 12 and 2 < sizes["best_of_n"] < 12
    for entrant in ("self_consistency", "best_of_n", "best_of_n, by steps"):
        assert spent[entrant] == pytest.approx(budget, rel=0.25), entrant
    assert spent["direct"] == pytest.approx(budget / 12, rel=0.1)


def test_rows_of_another_setup_are_refused(tmp_path: Path) -> None:
    assert kept_rows(options(tmp_path)) == []
    other = Options(SETUP.model_copy(update={"tokens": 512}), tmp_path)
    with pytest.raises(InputError) as error:
        kept_rows(other)
    assert (error.value.expected, error.value.found) == ("rows with tokens 512", "tokens 256")


@given(some.integers(1, 3), some.integers(1, 3), some.floats(0, 500), some.floats(1, 500), some.floats(0, 9000))
def test_the_size_is_the_nearest_on_the_line(first: int, more: int, base: float, slope: float, budget: float) -> None:
    points = [(size, base + slope * size) for size in (first, first + more)]
    found = size_for(budget, points, 40)
    gaps = {size: abs(base + slope * size - budget) for size in range(first, 41)}
    assert first <= found <= 40 and gaps[found] <= min(gaps.values()) + 1e-6 * budget + 1e-6


def test_a_strategy_that_does_not_cost_more_gets_the_most() -> None:
    assert size_for(100, [(1, 50), (3, 50)], 8) == 8 and size_for(100, [(1, 50), (3, 40)], 8) == 8


def test_every_size_is_a_strategy_that_an_agent_can_have() -> None:
    for entrant in ENTRANTS.values():
        for size in {1} if entrant.pilot is None else {*entrant.pilot, entrant.most}:
            assert Strategy.model_validate(entrant.settings(size)).least_steps(False) >= 1


def row(entrant: str, size: int, task: str, passed: bool | None, tokens: int, attempt: int = 0) -> Row:
    usage = Usage(calls=2, input_tokens=tokens - 10, output_tokens=10, cached_tokens=(tokens - 10) // 2)
    fields: dict[str, Any] = {"set": "sums", "output": "", "status": "done", "usage": usage}
    return Row(entrant=entrant, size=size, task=task, attempt=attempt, passed=passed, **fields)


def test_the_table_says_what_the_rows_say() -> None:
    """A budget of 600; only tasks that all have finished count."""
    tasks = [Task(id=str(place), input="x", answer="1") for place in range(5)]
    pilot = [row("direct", 1, "0", True, 100, PILOT_ATTEMPT)]
    for name, it in ENTRANTS.items():
        pilot += [row(name, size, "0", True, 100 * size, PILOT_ATTEMPT) for size in it.pilot or ()]
    sizes = chosen("sums", pilot, SETUP)[1]
    assert sizes == {name: 1 if it.pilot is None else 6 for name, it in ENTRANTS.items()}
    right = {"direct": [True, False, False, None], "self_consistency": [True, True, True, True]}
    rows = [
        row(name, sizes[name], task.id, passed, 100 * sizes[name])
        for name in ENTRANTS
        for task, passed in zip(tasks, right.get(name, [False] * 4), strict=False)
    ]
    rows.append(row("direct", 1, "4", True, 100))
    lines = table("sums", tasks, [*pilot, *rows], SETUP, 1).splitlines()
    assert lines[0] == "**sums**: 4 of 5 tasks, 1 trial(s), budget 600 tokens a task."
    cells = {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in lines[4:]}
    assert len(cells) == len(ENTRANTS)
    direct, several = cells["direct"], cells["self_consistency (n: 6)"]
    assert (direct[0], direct[2], direct[4:]) == ("33.3%", "", ["1", "100", "17%", "10", "50%", "2.0"])
    assert several[0] == "100.0%" and several[2].startswith("+66.7 (") and several[3] == ""
    assert several[4:7] == ["0", "600", "100%"]
    assert cells["self_correct (rounds: 6)"][3].startswith("-100.0 (")


def test_sums_follow_from_their_seed() -> None:
    sums = make_sums(100)
    assert sums == make_sums(100) and sums[:9] == make_sums(9) and sums != make_sums(100, seed=1)
    assert len({task.input for task in sums}) == 100 and digest(sums) == digest(make_sums(100))
    for task in sums:
        assert task.answer == str(sum(map(int, re.findall(r"\d+", task.input))))


def test_tasks_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    path.write_text("".join(json.dumps({"question": f"Q{n}?", "answer": f"so\n#### {n}"}) + "\n" for n in range(9)))
    found = read_tasks(path, 4)
    assert len(found) == 4 and found == read_tasks(path, 4)
    path.write_text('{"question": "Who?", "answer": "nobody"}\n')
    with pytest.raises(InputError, match="one number"):
        read_tasks(path, 4)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", "openai/m", "--sums", "1", "--out", str(tmp_path), "--tasks", str(tmp_path / "none.jsonl")]
    assert main(arguments) == 2 and "a task file" in capsys.readouterr().err
