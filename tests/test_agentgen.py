"""The benchmark of 80 descriptions: its data are sound, and no check is passed by a wrong answer."""

from __future__ import annotations

import asyncio
import json
import math
import statistics
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmarks.agentgen import binding
from benchmarks.agentgen.binding import Site, try_known, try_tool
from benchmarks.agentgen.checks import Expect, numbers_in
from benchmarks.agentgen.described import A_FAMILY, BASE, FAMILIES, HERE, Described, choose, load, placed
from benchmarks.agentgen.reference import SOLUTIONS, answer, solution
from benchmarks.agentgen.report import Row, markdown, report
from benchmarks.agentgen.run import Options, kept_rows
from benchmarks.agentgen.serving import PAGES, page, served
from practice.config import Workspace
from practice.errors import InputError
from practice.stats import wilson
from practice.tool import load_tool, tool_from_function
from practice.tool.function import to_text
from tests.house import ROOT

ALL = load()
IDS = [one.id for one in ALL]
SITE = Site(HERE, page)


@pytest.fixture(scope="module")
def here() -> Iterator[Callable[[str], Described]]:
    """A description by its id, with pages that are really served."""
    with served(0) as base:
        yield {one.id: placed(one, base) for one in ALL}.__getitem__


# ---------------------------------------------------------------- the data


def test_there_are_16_descriptions_of_each_family() -> None:
    assert len(set(IDS)) == len(ALL) == 80
    assert Counter(one.family for one in ALL) == dict.fromkeys(FAMILIES, 16)
    assert len({one.text for one in ALL}) == 80
    assert set(SOLUTIONS) == set(IDS)


def test_they_are_as_different_as_users_are() -> None:
    lengths = sorted(len(one.text.split()) for one in ALL)
    assert lengths[8] <= 12 and lengths[-8] >= 45


@pytest.mark.parametrize("one", ALL, ids=IDS)
def test_a_description_is_well_formed(one: Described) -> None:
    roles = set(one.roles)
    assert one.id.startswith(one.family)
    assert all(set(use.given) == roles for use in (*one.calls, *one.tasks))
    assert ("file" in one.roles.values()) == (one.family == "file") == bool(one.files)
    assert ("url" in one.roles.values()) == (one.family == "pages")
    assert one.family != "pages" or BASE in one.text
    named = {
        str(use.given[role]) for use in (*one.calls, *one.tasks) for role, kind in one.roles.items() if kind == "file"
    }
    assert named == {f"files/{file}" for file in one.files}
    assert all((HERE / file).is_file() for file in named)
    addresses = {str(use.given["url"]) for use in (*one.calls, *one.tasks) if one.family == "pages"}
    assert all(page(address.removeprefix(BASE)) for address in addresses)


def test_no_file_and_no_page_is_idle() -> None:
    assert {file for one in ALL for file in one.files} == {path.name for path in (HERE / "files").iterdir()}
    asked = "".join(one.model_dump_json() for one in ALL)
    assert all(path.name in asked for path in PAGES.iterdir())


@pytest.mark.parametrize("one", ALL, ids=IDS)
def test_a_task_says_what_it_is_about(one: Described) -> None:
    for task in one.tasks:
        said = task.input.casefold()
        for role, value in task.given.items():
            parts: list[Any] = list(value) if isinstance(value, list) else [str(value).split("|")[0]]
            for part in parts:
                assert str(part).casefold() in said or any(abs(n - float(part)) < 1e-9 for n in numbers_in(said)), role


def test_the_stratified_draw_is_fixed() -> None:
    drawn = choose(ALL, "stratified20")
    assert Counter(one.family for one in drawn) == dict.fromkeys(FAMILIES, A_FAMILY)
    assert [one.id for one in drawn] == DRAWN
    assert choose(tuple(reversed(ALL)), "stratified20") == tuple(reversed(drawn))
    assert choose(ALL, "all") == ALL
    assert [one.id for one in choose(ALL, "text-02, math-01")] == ["math-01", "text-02"]
    with pytest.raises(InputError, match="math-01"):
        choose(ALL, "maths-01")


DRAWN = [
    *("math-01", "math-08", "math-10", "math-15"),
    *("text-02", "text-04", "text-07", "text-09"),
    *("file-02", "file-09", "file-14", "file-15"),
    *("pages-01", "pages-04", "pages-08", "pages-11"),
    *("science-03", "science-07", "science-13", "science-14"),
]


# ---------------------------------------------------------------- the checks against the reference


@pytest.mark.parametrize("name", IDS)
async def test_the_reference_passes_the_hidden_calls(name: str, here: Callable[[str], Described]) -> None:
    tried = await try_tool(solution(here(name)), here(name), SITE)
    assert tried.right and tried.runs, tried


@pytest.mark.parametrize("name", IDS)
async def test_a_wrong_tool_fails_the_hidden_calls(name: str, here: Callable[[str], Described]) -> None:
    """It gives the answer to another of the calls: of the right kind, and wrong."""
    one = here(name)
    right = solution(one)
    answers = [answer(one, hidden.given, HERE) for hidden in one.calls]
    wrong = {said: next((other for other in answers if other != said), said) for said in answers}

    def swapped(**arguments: Any) -> str:

        said = to_text(right.fn(**arguments))
        return wrong.get(said, said)

    tried = await try_tool(replace(right, fn=swapped), one, SITE)
    assert not tried.right, tried


@pytest.mark.parametrize("said", [None, "", "42", "I can't do that."], ids=str)
async def test_a_constant_fails_the_hidden_calls(said: str | None, here: Callable[[str], Described]) -> None:
    for name in IDS:
        tried = await try_tool(replace(solution(here(name)), fn=lambda said=said, **_: said), here(name), SITE)
        assert not tried.right, tried
        assert tried.runs == bool(said)


@pytest.mark.parametrize("name", IDS)
async def test_a_tool_that_repeats_what_it_is_told_fails(name: str, here: Callable[[str], Described]) -> None:
    echo = replace(solution(here(name)), fn=lambda **given: json.dumps(given))
    assert not (await try_tool(echo, here(name), SITE)).right


@pytest.mark.parametrize("name", IDS)
def test_the_tasks_are_passed_by_the_reference_and_by_nothing_else(name: str, here: Callable[[str], Described]) -> None:
    one = here(name)
    right = [answer(one, task.given, HERE) for task in one.tasks]
    others = [answer(one, hidden.given, HERE) for hidden in one.calls]
    for task, truth in zip(one.tasks, right, strict=True):
        assert task.expect.unmet(truth) == ""
        assert task.expect.unmet(f"The answer is {truth}.") == ""
        for wrong in ("", task.input, one.text, "I don't know.", "42", *(o for o in (*right, *others) if o != truth)):
            assert task.expect.unmet(wrong), wrong


@pytest.mark.parametrize("name", [one.id for one in ALL if one.existing and "calculator" in one.existing])
async def test_the_starters_calculator_does_what_is_said_of_it(name: str, here: Callable[[str], Described]) -> None:
    tool = load_tool("calculator", Workspace(ROOT))
    for calls in here(name).existing.values():
        assert (await try_known(tool, calls)).right
        assert not (await try_known(replace(tool, fn=lambda expression: "0.5"), calls)).right


async def test_the_starters_converter_serves_without_being_named(here: Callable[[str], Described]) -> None:
    tried = await try_tool(load_tool("convert", Workspace(ROOT)), here("science-01"), SITE)
    assert tried.right, tried


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
