"""The starter's tools: plain functions that import nothing of the machine."""

from __future__ import annotations

import ast
import asyncio
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practice.config import Workspace
from practice.tool import call, load_function, load_tool
from practice.tool.load import available_tools
from practice.types import ToolCall

ROOT = Path(__file__).parent.parent
HOUSE = Workspace(ROOT)


def function(ref: str) -> Any:
    return load_function(ref, HOUSE).fn


calculator = function("tools/calculator.py:calculator")
convert = function("tools/units.py:convert")
date_add = function("tools/dates.py:date_add")
days_between = function("tools/dates.py:days_between")
weekday = function("tools/dates.py:weekday")


def test_the_starter_holds_these_tools() -> None:
    assert set(available_tools(HOUSE)) == {
        "browse",
        "calculator",
        "convert",
        "date_add",
        "days_between",
        "read_document",
        "search_files",
        "weekday",
    }


@pytest.mark.parametrize("file", sorted((ROOT / "tools").glob("*.py")), ids=lambda file: file.name)
def test_tools_stand_alone(file: Path) -> None:
    """A user's copy of a tool works without the machine, and no tool evaluates text as code."""
    tree = ast.parse(file.read_text())
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert not names & {"eval", "exec", "compile", "__import__"}
    assert "practice" not in {
        (node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    }


@pytest.mark.parametrize("name", sorted(available_tools(HOUSE)))
def test_a_model_is_told_what_each_argument_is(name: str) -> None:
    spec = load_tool(name, HOUSE).spec
    assert spec.description
    assert all(schema.get("description") for schema in spec.parameters["properties"].values())
    assert spec.parameters["required"]


# ---------------------------------------------------------------- calculator


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("(12 + 3) * 4", "60"),
        ("45.0", "45"),
        ("0.1 + 0.2", "0.3"),
        ("10 / 4", "2.5"),
        ("10 / 3", "3.33333333333"),
        ("7 // 2", "3"),
        ("10 % 3", "1"),
        ("2 ** 10", "1024"),
        ("2 ^ 10", "1024"),
        ("-2 ^ 2", "-4"),
        ("12 × 3 ÷ 4 − 1", "8"),
        ("3 x 4", "12"),
        ("15%", "0.15"),
        ("200 * 15%", "30"),
        ("15% of 80", "12"),
        ("15% * 1,200", "180"),
        ("5% + 10%", "0.15"),
        ("80 * (1 - 25%)", "60"),
        ("(2 + 3)%", "0.05"),
        ("1,234,567 + 1", "1234568"),
        ("$1,200.50 * 2", "2401"),
        ("max(1,200, 3)", "200"),
        ("min([4, 2, 8])", "2"),
        ("sum(1, 2, 3)", "6"),
        ("round(10 / 3, 2)", "3.33"),
        ("round(2.5)", "3"),
        ("round(-2.5)", "-3"),
        ("round(1.005, 2)", "1.01"),
        ("round(1250, -2)", "1300"),
        ("sqrt(16) + √9 + √(16 + 9)", "12"),
        ("math.sqrt(2) ^ 2", "2"),
        ("abs(-3) + floor(2.7) + ceil(2.1)", "8"),
        ("ln(e) + log10(1000) + log(8, 2)", "7"),
        ("sin(pi / 2)", "1"),
        ("factorial(5)", "120"),
        ("2(3 + 4)", "14"),
        ("(1 + 2)(3 + 4)", "21"),
        ("007 + 1", "8"),
        ("12 * 3 =", "36"),
        ("`12 * 3`", "36"),
        ("1.1 ** 10", "2.5937424601"),
        ("1234567890123.5 * 1", "1234567890123.5"),
        ("9999999999.99 * 10", "99999999999.9"),
        ("2 ** -1", "0.5"),
    ],
)
def test_calculator_computes(expression: str, result: str) -> None:
    assert calculator(expression) == result


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("", "empty"),
        ("1 / 0", "division by zero"),
        ("10 % 0", "division by zero"),
        ("9 ** 9 ** 9 ** 9", "too large"),
        ("2 ** 100000", "too large"),
        ("10.0 ** 400", "too large"),
        ("1e400", "too large"),
        ("factorial(100000)", "too large"),
        ("12 + x", "'x' is not a number"),
        ("12 +", "not an arithmetic expression"),
        ("import os", "not an arithmetic expression"),
        ("__import__('os').system('true')", "no function"),
        ("().__class__.__bases__", "not arithmetic"),
        ("'a' * 1000", "not arithmetic"),
        ("[1, 2][0]", "not arithmetic"),
        ("(lambda: 1)()", "no function"),
        ("True + 1", "not numbers"),
        ("(-8) ** 0.5", "not real"),
        ("sqrt(-1)", "no real value"),
        ("factorial(2.5)", "no real value"),
        ("log(0)", "no real value"),
        ("sqrt(1,200.5)", "does not take 2"),
        ("200 + 10%", "does not say of what"),
        ("(" * 400 + "1" + ")" * 400, "not an arithmetic expression"),
        ("1" * 1001, "longer than 1000"),
    ],
)
def test_calculator_refuses(expression: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        calculator(expression)


@given(st.text(max_size=60))
def test_calculator_answers_or_refuses_anything(expression: str) -> None:
    try:
        assert calculator(expression)
    except ValueError as error:
        assert str(error)


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9), st.integers(1, 10**6))
def test_calculator_agrees_with_python(a: int, b: int, c: int) -> None:
    assert calculator(f"({a} + {b}) * {c}") == str((a + b) * c)
    assert calculator(f"{a} // {c}") == str(a // c)
    assert float(calculator(f"{a} / {c}")) == pytest.approx(a / c, rel=1e-11, abs=1e-11)


@given(st.integers(0, 10**12))
def test_calculator_reads_its_own_thousands(number: int) -> None:
    assert calculator(f"{number:,}") == str(number)


# ---------------------------------------------------------------- dates


def test_dates() -> None:
    assert date_add("2024-02-28", days=2) == "2024-03-01"
    assert date_add("2024-01-31", months=1) == "2024-02-29"
    assert date_add("2024-02-29", years=1) == "2025-02-28"
    assert date_add("2024-01-15", months=-1, weeks=1) == "2023-12-22"
    assert days_between("2024-01-01", "2024-12-31") == 365
    assert days_between("2024-03-01", "2024-02-29") == -1
    assert weekday("2000-01-01") == "Saturday"
    with pytest.raises(ValueError, match="'2023-02-29' is not a date of the form YYYY-MM-DD"):
        weekday("2023-02-29")
    with pytest.raises(ValueError, match="years 1 to 9999"):
        date_add("9999-12-31", days=1)
    with pytest.raises(ValueError, match="years 1 to 9999"):
        date_add("2000-01-01", years=10**6)


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(-20000, 20000))
def test_dates_go_there_and_back(start: date, days: int) -> None:
    end = date_add(start.isoformat(), days=days)
    assert days_between(start.isoformat(), end) == days
    assert weekday(end) == (start + timedelta(days=days)).strftime("%A")


# ---------------------------------------------------------------- units


@pytest.mark.parametrize(
    ("value", "source", "target", "result"),
    [
        (1, "mile", "km", "1.609344 km"),
        (5, "feet", "m", "1.524 m"),
        (1, "inches", "cm", "2.54 cm"),
        (3, "lbs", "kg", "1.36077711 kg"),
        (100, "C", "fahrenheit", "212 F"),
        (32, "°F", "celsius", "0 C"),
        (-40, "C", "F", "-40 F"),
        (0, "C", "K", "273.15 K"),
        (90, "minutes", "hours", "1.5 h"),
        (2, "cups", "ml", "473.176473 ml"),
        (1, "m²", "sq ft", "10.76391042 ft2"),
        (2, "cubic feet", "litres", "56.63369318 l"),
        (60, "miles per hour", "km/h", "96.56064 km/h"),
        (1, "MW", "kW", "1000 kW"),
        (1, "mW", "W", "0.001 W"),
        (1, "GiB", "MB", "1073.741824 MB"),
        (1, "gb", "Mb", "8000 Mbit"),
        (1, "kWh", "MJ", "3.6 MJ"),
        (180, "degrees", "rad", "3.141592654 rad"),
    ],
)
def test_convert(value: float, source: str, target: str, result: str) -> None:
    assert convert(value, source, target) == result


@pytest.mark.parametrize(
    ("value", "source", "target", "says"),
    [
        (1, "kilogrm", "g", "unknown unit 'kilogrm'; did you mean 'kilogram'?"),
        (1, "zzzzzz", "g", "known kinds: length"),
        (1, "kg", "m", "'kg' is a unit of mass, 'm' one of length"),
        (1, "mw", "W", "unknown unit"),  # milliwatt or megawatt
        (-300, "C", "K", "below absolute zero"),
    ],
)
def test_convert_refuses(value: float, source: str, target: str, says: str) -> None:
    with pytest.raises(ValueError) as error:
        convert(value, source, target)
    assert says in str(error.value)


@given(st.floats(0.001, 1e6), st.sampled_from([("km", "mi"), ("kg", "lb"), ("C", "F"), ("l", "gal"), ("J", "BTU")]))
def test_convert_goes_there_and_back(value: float, pair: tuple[str, str]) -> None:
    there = float(convert(value, *pair).split()[0])
    assert float(convert(there, pair[1], pair[0]).split()[0]) == pytest.approx(value, rel=1e-6, abs=1e-6)


# ---------------------------------------------------------------- search


@pytest.fixture
def library(tmp_path: Path) -> Any:
    """A workspace with the search tool in it, beside a secret that it may not see."""
    place = tmp_path / "workspace"
    for folder in ("tools", "notes/deep", "tasks", "memory", ".git"):
        (place / folder).mkdir(parents=True)
    (place / "tools/search.py").write_text((ROOT / "tools/search.py").read_text())
    (place / "notes/a.md").write_text("Crates hold 12 bottles.\nNothing here.\n")
    (place / "notes/deep/b.txt").write_text("Old crates hold ten bottles\n")
    (place / "notes/data.bin").write_bytes(b"crates bottles\0")
    (place / "tasks/t.jsonl").write_text('{"input": "crates of bottles", "answer": "144"}\n')
    (place / ".env").write_text("crates bottles KEY=secret\n")
    (tmp_path / "outside.txt").write_text("crates bottles outside\n")
    (place / "notes/link.txt").symlink_to(tmp_path / "outside.txt")
    (place / "linked").symlink_to(tmp_path)
    return load_tool("tools/search.py:search_files", Workspace(place)).fn


def test_search_finds_lines_in_a_fixed_order(library: Any) -> None:
    assert library("bottles CRATES").splitlines() == [
        "notes/a.md:1: Crates hold 12 bottles.",
        "notes/deep/b.txt:1: Old crates hold ten bottles",
    ]
    assert library("bottles", "notes/deep") == "notes/deep/b.txt:1: Old crates hold ten bottles"
    assert library("pallets") == "no line holds all of: pallets"


@pytest.mark.parametrize("folder", ["..", "/", "notes/../..", "linked", "tasks", ".git", "notes/a.md", "nowhere"])
def test_search_stays_inside(library: Any, folder: str) -> None:
    with pytest.raises(ValueError, match=r"is outside the workspace|is not a folder to search"):
        library("bottles", folder)


def test_search_is_bounded(library: Any) -> None:
    place = Path(library.__code__.co_filename).parent.parent
    (place / "notes/many.txt").write_text("bottles in crates\n" * 100)
    lines = library("bottles").splitlines()
    assert len(lines) == 21
    assert lines[-1].startswith("(the first 20 matches")
    (place / "notes/large.txt").write_text("pallets" + " " * 1_000_000)
    assert library("pallets") == "no line holds all of: pallets"
    with pytest.raises(ValueError, match="empty"):
        library("  ")


def test_a_tool_error_reaches_the_model_in_its_own_words() -> None:
    wanted = ToolCall(id="1", name="convert", arguments='{"value": "5", "from_unit": "kgg", "to_unit": "g"}')
    result = asyncio.run(call(load_tool("convert", HOUSE), wanted))
    assert result.error
    assert result.content == "Error: unknown unit 'kgg'; did you mean 'kg'?"
