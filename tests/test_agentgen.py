"""The benchmark of 80 descriptions: its data are sound, and no check is passed by a wrong answer."""

from __future__ import annotations

import inspect
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.agentgen.binding import Site, try_known, try_tool
from benchmarks.agentgen.checks import numbers_in
from benchmarks.agentgen.described import A_FAMILY, BASE, FAMILIES, HERE, Described, choose, load, placed
from benchmarks.agentgen.reference import SOLUTIONS, answer, solution, value_of
from benchmarks.agentgen.serving import PAGES, page, served
from practice.config import Workspace
from practice.errors import InputError
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


@pytest.mark.parametrize("name", IDS)
async def test_names_and_order_of_arguments_do_not_matter(name: str, here: Callable[[str], Described]) -> None:
    fn = SOLUTIONS[name]
    known = list(inspect.signature(fn, eval_str=True).parameters.values())
    named = {f"{letter}_": one for letter, one in zip("qxzw", reversed(known), strict=False)}

    def other(**arguments: Any) -> Any:
        return fn(**{named[key].name: value for key, value in arguments.items()})

    parameters = [one.replace(name=key, kind=one.KEYWORD_ONLY) for key, one in named.items()]
    other.__annotations__ = {key: one.annotation for key, one in named.items()}
    setattr(other, "__signature__", inspect.Signature(parameters))  # noqa: B010
    assert (await try_tool(tool_from_function(other), here(name), SITE)).right


def spoken(value: Any) -> list[str]:
    """Other ways to say what a reference solution gives."""
    if isinstance(value, bool):
        return ["Yes." if value else "No.", str(value)]
    if isinstance(value, dict):
        pairs = [(key, to_text(item)) for key, item in value.items()]
        lines = [f"{key}: {item}" for key, item in pairs]
        return ["\n".join(lines), ", ".join(lines), *(["\n".join(f"| **{k}** | {v} |" for k, v in pairs)])]
    if isinstance(value, list):
        items = [to_text(item) for item in value]
        numbered = [f"{place}. {item}" for place, item in enumerate(items, 1)]
        return ["\n".join(items), ", ".join(items), "\n".join(numbered), "- " + "\n- ".join(items)]
    said = to_text(value)
    return [f"The result is {said}.", f"**{said}**", f"{said} as you asked", f"Answer: {said}\n", f"`{said}`"]


@pytest.mark.parametrize("name", IDS)
def test_the_form_of_a_right_answer_does_not_matter(name: str, here: Callable[[str], Described]) -> None:
    one = here(name)
    for use in (*one.calls, *one.tasks):
        for said in spoken(value_of(one, use.given, HERE)):
            assert use.expect.unmet(said) == "", said


@pytest.mark.parametrize("said", [None, "", "42", "I can't do that."], ids=str)
async def test_a_constant_fails_the_hidden_calls(said: str | None, here: Callable[[str], Described]) -> None:
    for name in IDS:
        tried = await try_tool(replace(solution(here(name)), fn=lambda said=said, **_: said), here(name), SITE)
        assert not tried.right, tried
        assert tried.runs == bool(said)


@pytest.mark.parametrize("form", [json.dumps, lambda given: "\n".join(map(str, given.values()))], ids=["json", "text"])
@pytest.mark.parametrize("name", IDS)
async def test_a_tool_that_repeats_what_it_is_told_fails(
    name: str, form: Callable[[dict[str, Any]], str], here: Callable[[str], Described]
) -> None:
    echo = replace(solution(here(name)), fn=lambda **given: form(given))
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


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The starter's tools beside the benchmark's files."""
    place = Workspace(tmp_path_factory.mktemp("starter"))
    shutil.copytree(ROOT / "tools", place.tools, ignore=shutil.ignore_patterns("__pycache__", "generated"))
    shutil.copytree(HERE / "files", place.root / "files")
    return place


@pytest.mark.parametrize("name", [one.id for one in ALL if one.existing])
async def test_the_starters_tools_do_what_is_said_of_them(
    name: str, here: Callable[[str], Described], starter: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = here(name)
    monkeypatch.setenv("PRACTICE_HOSTS", ",".join(re.findall(r"127\.0\.0\.1:\d+", one.text)))
    for ref, calls in one.existing.items():
        tool = load_tool(ref, starter)
        assert (await try_known(tool, calls)).right
        assert not (await try_known(replace(tool, fn=lambda **_: "0.5"), calls)).right


@pytest.mark.parametrize("name", IDS)
async def test_no_starters_tool_does_it_by_accident(
    name: str, here: Callable[[str], Described], starter: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = here(name)
    monkeypatch.setenv("PRACTICE_HOSTS", "127.0.0.1")
    for ref in ("calculator", "read_document", "search_files", "weekday", "days_between"):
        assert ref in one.existing or not (await try_tool(load_tool(ref, starter), one, Site(starter.root, page))).right


async def test_the_starters_converter_serves_without_being_named(here: Callable[[str], Described]) -> None:
    tried = await try_tool(load_tool("convert", Workspace(ROOT)), here("science-01"), SITE)
    assert tried.right, tried
