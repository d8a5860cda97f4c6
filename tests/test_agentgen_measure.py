"""What the benchmark of descriptions measures with: checks of text, tools of unknown names, the report."""

from __future__ import annotations

import asyncio
import math
import statistics
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmarks.agentgen import binding
from benchmarks.agentgen.binding import Site, try_tool
from benchmarks.agentgen.checks import Expect, numbers_in
from benchmarks.agentgen.described import HERE, Described, load, placed
from benchmarks.agentgen.measure import load_agent, run_tasks, tool_marks
from benchmarks.agentgen.reference import SOLUTIONS
from benchmarks.agentgen.report import Row, markdown, report
from benchmarks.agentgen.run import Options, kept_rows
from benchmarks.agentgen.serving import page
from practice.agent import Agent
from practice.config import Workspace, write_yaml
from practice.errors import CallFailed, InputError
from practice.fakes import ScriptedModel
from practice.stats import wilson
from practice.tool import tool_from_function
from tests.house import ROOT

SITE = Site(HERE, page)


@pytest.fixture(scope="module")
def here() -> Callable[[str], Described]:
    """A description by its id; nothing here asks for a page."""
    return {one.id: placed(one, "http://127.0.0.1:1") for one in load()}.__getitem__


# ---------------------------------------------------------------- the checks alone


@pytest.mark.parametrize(
    ("asked", "text", "met"),
    [
        ({"numbers": ["25"]}, "It rose by 25%.", True),
        ({"numbers": ["25"]}, "It rose by 25.0 percent", True),
        ({"numbers": ["25"]}, "It rose by 250 %, or 2.5", False),
        ({"numbers": ["2.14"]}, "2.1380899", True),
        ({"numbers": ["2.14"]}, "2.1", False),
        ({"numbers": ["1349.35"]}, "You will have $1,349.35.", True),
        ({"numbers": ["-11.6"]}, "feels like -11.6 °C", True),
        ({"numbers": ["-11.6"]}, "feels like 11.6 °C", False),
        ({"numbers": ["24|-24"]}, '{"change": -24.0}', True),
        ({"numbers": ["599.6"], "within": 0.002}, "5.99 × 10^2 THz", True),
        ({"numbers": ["599.6"], "within": 0.002}, "6.2e2 THz", False),
        ({"numbers": ["3"]}, "2025-03-04 and v1.3", False),
        ({"numbers": ["7", "11"]}, "[7, 11, 13]", True),
        ({"has": ["York|york city"]}, "in YORK City", True),
        ({"has": ["York"]}, "Yorkshire", False),
        ({"has": ["a b"]}, "A\n b", True),
        ({"has": ["tea"], "lacks": ["milk"]}, "tea, no Milk", False),
        ({"exact": ["Dwwdfn"]}, "It is 'Dwwdfn'.", True),
        ({"exact": ["Dwwdfn"]}, "DWWDFN", False),
        ({"sequence": ["apple", "fig", "pear"]}, '["apple", "fig", "pear"]', True),
        ({"sequence": ["apple", "fig", "pear"]}, "1. apple\n2. Fig\n3. pear", True),
        ({"sequence": ["apple", "fig", "pear"]}, "apple, fig and pear", True),
        ({"sequence": ["apple", "fig", "pear"]}, "pear, apple, fig", False),
        ({"sequence": ["apple", "fig"]}, "apple, apple, then a fig", False),
        ({"pairs": {"red": "3", "blue": "2"}}, '{"red": 3, "blue": 2}', True),
        ({"pairs": {"red": "3", "blue": "2"}}, "red (3 times), blue (2 times)", True),
        ({"pairs": {"red": "3", "blue": "2"}}, "3 red, 2 blue", True),
        ({"pairs": {"red": "3", "blue": "2"}}, "| red | 3 |\n| blue | 2 |", True),
        ({"pairs": {"red": "3", "blue": "2"}}, "red: 2, blue: 3", False),
        ({"yes": True}, "true", True),
        ({"yes": True}, '{"palindrome": true}', True),
        ({"yes": True}, "Yes, it is a palindrome.", True),
        ({"yes": True}, "I checked whether it is not one. It is a palindrome.", True),
        ({"yes": False}, "No, that is not a palindrome", True),
        ({"yes": False}, "It isn’t a palindrome", True),
        ({"yes": False}, "It is a palindrome", False),
        ({"yes": True}, "Perhaps.", False),
        ({"yes": False}, "Perhaps.", False),
    ],
)
def test_what_a_check_accepts(asked: dict[str, Any], text: str, met: bool) -> None:
    assert (Expect.model_validate(asked).unmet(text) == "") is met


def test_a_check_that_asks_for_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="something"):
        Expect(lacks=("x",))


@given(st.integers(-(10**9), 10**9), st.integers(0, 4))
def test_a_number_is_found_however_it_is_written(whole: int, places: int) -> None:
    value = whole / 10**places
    for text in (f"{value:.{places}f}", f"{value:,.{places}f}", f"about {value:.{places}f}, then", repr(value)):
        assert any(abs(found - value) <= 1e-9 * max(1.0, abs(value)) for found in numbers_in(text)), text


# ---------------------------------------------------------------- tools whose names nobody knows


def mean_of_two_texts(marks: str, weighting: str) -> float:
    one, two = ([float(part) for part in text.split(",")] for text in (marks, weighting))
    return sum(a * b for a, b in zip(one, two, strict=True)) / sum(two)


def mean_the_other_way_round(w: list[float], g: list[float], digits: int = 6) -> str:
    return f"weighted average: {sum(a * b for a, b in zip(g, w, strict=True)) / sum(w):.{digits}f}"


def mean_with_a_switch(grades: list[float], weights: list[float], normalise: bool) -> float:
    return sum(a * b for a, b in zip(grades, weights, strict=True)) / (sum(weights) if normalise else 1)


def mean_for_somebody(grades: list[float], weights: list[float], student: str) -> float:
    return mean_with_a_switch(grades, weights, True) + len(student)


def savings(start: float, percent: float, years: float, compounds_per_year: int) -> float:
    return start * (1 + percent / 100 / compounds_per_year) ** (compounds_per_year * years)


def degrees(amount: float, source: Literal["C", "F", "K"], goal: Literal["C", "F", "K"]) -> float:
    return SOLUTIONS["science-01"](amount, source, goal)


def divisors(numbers: list[int]) -> list[int]:
    return [math.gcd(*numbers), math.lcm(*numbers)]


def line_through(points: list[list[float]]) -> tuple[float, float]:
    return statistics.linear_regression([x for x, _ in points], [y for _, y in points])


def between(here: list[float], there: list[float], radius: float = 6371.0) -> float:
    return SOLUTIONS["science-14"](*here, *there) * radius / 6371.0


def sums_of_rows(rows: list[dict[str, Any]]) -> dict[str, float]:
    out: dict[str, float] = {}
    for row in rows:
        out[row["category"]] = out.get(row["category"], 0.0) + row["amount"]
    return out


def lines_of_text(text: str) -> int:
    return sum(bool(line.strip()) for line in text.splitlines())


def title_of_source(html: str) -> str:
    return html.partition("<title>")[2].partition("</title>")[0]


@pytest.mark.parametrize(
    ("name", "fn", "runs", "right"),
    [
        ("math-04", mean_of_two_texts, True, True),
        ("math-04", mean_the_other_way_round, True, True),
        ("math-04", mean_with_a_switch, True, True),
        ("math-04", mean_for_somebody, False, False),
        ("math-04", divisors, False, False),
        ("math-02", savings, True, True),
        ("math-08", divisors, True, True),
        ("math-09", line_through, True, True),
        ("science-14", between, True, True),
        ("math-16", sums_of_rows, True, True),
        ("science-01", degrees, True, True),
        ("file-01", lines_of_text, True, True),
        ("file-07", lines_of_text, True, False),
        ("pages-01", title_of_source, True, True),
        ("pages-07", title_of_source, True, False),
    ],
)
async def test_a_tool_is_found_out_by_what_it_does(
    name: str, fn: Callable[..., Any], runs: bool, right: bool, here: Callable[[str], Described]
) -> None:
    tried = await try_tool(tool_from_function(fn), here(name), SITE)
    assert (tried.runs, tried.right) == (runs, right), tried


async def test_a_tool_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch, here: Callable[[str], Described]) -> None:
    monkeypatch.setattr(binding, "SECONDS", 0.01)
    calls: list[str] = []

    async def sleeps(sequence: str) -> str:
        calls.append(sequence)
        await asyncio.Event().wait()
        return sequence

    tried = await try_tool(tool_from_function(sleeps), here("science-08"), SITE)
    assert not tried.runs and "no end" in tried.reason and len(calls) <= binding.HANGS


async def test_a_tool_whose_calls_are_ended_late_is_given_up(
    monkeypatch: pytest.MonkeyPatch, here: Callable[[str], Described]
) -> None:
    monkeypatch.setattr(binding, "SLOW", 0.0)
    calls: list[float] = []

    def late(mass: float = 1.0, speed: float = 1.0, height: float = 0.0) -> float:
        calls.append(mass)
        raise ValueError("it took longer than it may")

    tried = await try_tool(tool_from_function(late), here("science-05"), SITE)
    assert not tried.runs and "longer than it may" in tried.reason and len(calls) == binding.HANGS


async def test_what_a_tool_opens_is_opened_once_and_closed(here: Callable[[str], Described]) -> None:
    events: list[str] = []

    @asynccontextmanager
    async def opening() -> AsyncGenerator[Callable[..., Any]]:
        events.append("open")
        yield SOLUTIONS["science-08"]
        events.append("closed")

    def closed(sequence: str) -> str:
        raise RuntimeError("it was not opened")

    tool = replace(tool_from_function(closed), opening=opening)
    assert (await try_tool(tool, here("science-08"), SITE)).right
    assert events == ["open", "closed"]


# ---------------------------------------------------------------- the report


def row(name: str, **changes: Any) -> Row:
    fields: dict[str, Any] = {
        "id": name,
        "family": name.split("-")[0],
        "model": "m",
        "mode": "workflow",
        "status": "made",
        "valid": True,
        "runs": True,
        "executable": True,
        "tool": "t",
        "tools": {"t": "made"},
        "reasons": (),
        "tasks": [{"input": "?", "passed": True, "reason": "", "output": "!", "called": ["t"]}],
        "retries": 2,
        "making": {"calls": 10, "input_tokens": 1000, "output_tokens": 200},
        "using": {"calls": 2, "input_tokens": 100, "output_tokens": 20},
        "seconds": 60.0,
    }
    return Row.model_validate(fields | changes)


def mark(*passed: bool | None) -> list[dict[str, Any]]:
    return [{"input": "?", "passed": one, "reason": "", "output": "", "called": []} for one in passed]


def test_the_figures_of_a_report() -> None:
    rows = [
        row("math-01"),
        row("math-02", tasks=mark(True, False), retries=0),
        row("text-01", tasks=mark(True, None), tools={"t": "existing"}),
        row("text-02", valid=False, runs=False, executable=False, tool="", tools={}, tasks=mark(False, False)),
    ]
    whole = report(rows, 20)
    total = whole.lines[-1]
    assert [line.name for line in whole.lines] == ["math", "text", "all"]
    assert {name: (f.passed, f.n) for name, f in total.figures.items() if f is not None} == {
        "valid": (3, 4),
        "runs": (3, 4),
        "executable": (3, 4),
        "completed": (1, 3),  # text-01 is unscored: one of its tasks is, and none failed
    }
    assert (total.generated, total.existing, total.retries, total.calls) == (2, 1, 1.5, 12.0)
    assert whole.tasks is not None and (whole.tasks.passed, whole.tasks.n, whole.unscored) == (3, 6, 1)
    low, high = wilson(3, 4)
    text = markdown(whole)
    assert f"3/4 = 75.0% [{low:.0%}, {high:.0%}]" in text
    assert "4 of 20 descriptions" in text and "1 unscored" in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(widths) == 1


def test_rows_of_two_models_make_no_report() -> None:
    with pytest.raises(ValueError, match="one model"):
        report([row("math-01"), row("math-02", model="other")], 2)


def test_a_line_that_a_kill_cut_is_made_again(tmp_path: Path) -> None:
    options = Options(model="m", out=tmp_path)
    whole = row("math-01").model_dump_json()
    options.rows.write_text(f"{whole}\n{whole[:40]}")
    assert [one.id for one in kept_rows(options)] == ["math-01"]
    assert options.rows.read_text() == f"{whole}\n"
    with pytest.raises(InputError, match="mode meta"):
        kept_rows(Options(model="m", out=tmp_path, mode="meta"))


# ---------------------------------------------------------------- an agent


def agent_with(*tools: Callable[..., Any] | str, says: ScriptedModel | None = None) -> Agent:
    return Agent(name="a", model=says or ScriptedModel([]), tools=tools, workspace=Workspace(ROOT))


async def test_one_of_the_tools_has_to_be_the_one(here: Callable[[str], Described]) -> None:
    other, right = SOLUTIONS["text-01"], SOLUTIONS["text-14"]
    marks = await tool_marks(agent_with(other, right), here("text-14"), {}, SITE)
    assert (marks.runs, marks.executable, marks.tool) == (True, True, "reverse_words")
    marks = await tool_marks(agent_with(other), here("text-14"), {}, SITE)
    assert (marks.runs, marks.executable, marks.tool) == (True, False, "")
    assert "count_words: no exact" in marks.reason
    marks = await tool_marks(agent_with(right), here("text-14"), {"reverse_words": "fallback"}, SITE)
    assert (marks.runs, marks.executable, marks.reason) == (False, False, "the agent has no tool of its own")


async def test_a_tool_of_the_starter_serves_where_the_description_says_so(here: Callable[[str], Described]) -> None:
    assert (await tool_marks(agent_with("calculator"), here("math-01"), {}, SITE)).tool == "calculator"
    assert not (await tool_marks(agent_with("calculator"), here("text-14"), {}, SITE)).executable


async def test_tasks_are_passed_failed_or_unscored(here: Callable[[str], Described]) -> None:
    described = here("text-14")
    truth = "hills green over fly birds"
    model = ScriptedModel([f"Answer: {truth}", "soup"])
    tasks, spent = await run_tasks(agent_with(says=model), described)
    assert [task.passed for task in tasks] == [True, False] and spent.calls == 2
    assert tasks[1].reason and tasks[0].output.endswith(truth)
    down = CallFailed("client", "no", retriable=False)
    tasks, _ = await run_tasks(agent_with(says=ScriptedModel([down, f"Answer: {truth}"])), described)
    assert [task.passed for task in tasks] == [None, False]


def test_an_agent_is_valid_where_it_loads(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    write_yaml(tmp_path / "agents/a.yaml", {"name": "a", "model": "m", "tools": ["nowhere"]})
    assert load_agent(place, None) == (None, "there is no agent file")
    agent, reason = load_agent(place, "agents/a.yaml")
    assert agent is None and "nowhere" in reason
    write_yaml(tmp_path / "agents/a.yaml", {"name": "a", "model": "m"})
    assert load_agent(place, "agents/a.yaml")[0] is not None
