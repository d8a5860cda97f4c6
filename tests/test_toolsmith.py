"""From a wish to a tool: a scripted model writes, everything that it writes runs in the sandbox."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from practice import sandbox
from practice.errors import CallFailed, InputError
from practice.sandbox import SandboxLimits
from practice.tool import trust
from practice.toolsmith import Made, MakeLimits, Unmade, Wish, make, run_tests
from practice.toolsmith.suite import run_suite
from practice.toolsmith.world import ADDRESS
from tests.smiths import (
    CASES,
    DOUBLE,
    DOUBLE_TESTS,
    PLAN,
    RIGHT,
    WISH,
    WRONG,
    Smith,
    case_reply,
    empty_workspace,
    needs_bwrap,
    put_tool,
)

pytestmark = needs_bwrap

FEW = MakeLimits(mutants=6)


async def made_by(
    smith: Smith, root: Path, *, limits: MakeLimits = FEW, wish: str = WISH, **fields: object
) -> Made | Unmade:
    whole = Wish.model_validate({"what": wish, **fields})
    return await make(whole, ask=smith.ask, workspace=empty_workspace(root), engine=sandbox.engine(), limits=limits)


async def test_a_tool_is_written_tested_broken_and_left_in_quarantine(tmp_path: Path) -> None:
    smith = Smith()
    made = await made_by(smith, tmp_path)
    assert isinstance(made, Made) and not made.existing and made.card is not None
    assert made.ref == "to_roman" and made.folder == "tools/generated/to_roman"
    place = empty_workspace(tmp_path)
    assert sorted(path.name for path in (tmp_path / made.folder).iterdir()) == sorted(trust.PARTS)
    assert trust.state(place, "to_roman") == "quarantined"
    card = made.card
    assert card.wish == WISH and card.what == PLAN["purpose"]
    assert card.tests.cases >= 8 and card.tests.errors == 2 and card.tests.said >= 8
    assert card.made.calls == len(smith.model.requests) == made.usage.calls
    assert set(card.made.prompts) == {"tool_plan", "tool_code", "tool_cases", "tool_errors"}
    assert card.made.input_tokens > 0 and card.made.model == "scripted"
    ran = await run_tests("to_roman", place, sandbox.engine())
    assert ran.ok and len(ran.passed) == card.tests.cases and ran.engine == "bwrap"
    assert trust.last_test(place, "to_roman") is not None


async def test_calls_are_named_and_repeat_with_their_seeds(tmp_path: Path) -> None:
    first, second = Smith(), Smith()
    await made_by(first, tmp_path / "a")
    await made_by(second, tmp_path / "b")
    assert first.model.requests == second.model.requests
    seeds = [request.seed for request in first.model.requests]
    assert len(set(seeds)) == len(seeds) and None not in seeds
    assert {headers["X-Practice-Stage"] for headers in first.model.headers} == {"generate"}


async def test_a_wrong_result_is_outvoted_by_implementations_that_agree(tmp_path: Path) -> None:
    wrong = [(9, "VIIII"), *CASES[:5]]
    smith = Smith(cases=[case_reply(wrong)])
    made = await made_by(smith, tmp_path)
    assert isinstance(made, Made) and made.card is not None
    assert made.card.tests.agreed >= 1 and "IX" in (tmp_path / made.folder / "test_tool.py").read_text()
    assert smith.count("Two people disagree") == 0


async def test_of_several_implementations_the_best_is_taken(tmp_path: Path) -> None:
    made = await made_by(Smith(code=[WRONG, RIGHT, RIGHT]), tmp_path)
    assert isinstance(made, Made) and made.card is not None
    assert '"IV"' in (tmp_path / made.folder / "tool.py").read_text() and made.card.made.repairs == 0


async def test_code_that_stands_alone_is_repaired_where_the_model_finds_the_case_right(tmp_path: Path) -> None:
    smith = Smith(code=[WRONG])
    made = await made_by(smith, tmp_path, limits=MakeLimits(mutants=6, candidates=1))
    assert isinstance(made, Made) and made.card is not None
    assert made.card.made.repairs == 1 and smith.count("Two people disagree") >= 1
    assert '"IV"' in (tmp_path / made.folder / "tool.py").read_text()


async def test_code_that_breaks_is_repaired_without_a_question(tmp_path: Path) -> None:
    broken = RIGHT.replace("out = ", "out = nothing + ")
    smith = Smith(code=[broken])
    made = await made_by(smith, tmp_path)
    assert isinstance(made, Made) and smith.count("Correct a Python") == 1
    prompt = next(r.messages[0].content for r in smith.model.requests if r.messages[0].content.startswith("Correct"))
    assert "NameError" in prompt and "must give: the result" in prompt


async def test_a_repair_that_makes_it_worse_is_not_taken(tmp_path: Path) -> None:
    missing = RIGHT.replace('        raise ValueError("the number must be from 1 to 3999")', "        return ''")
    worse = "def to_roman(number):\n    raise ValueError('no')\n    return 1"
    smith = Smith(code=[missing], repair=[worse])
    made = await made_by(smith, tmp_path)
    assert isinstance(made, Made) and made.card is not None
    assert smith.count("Correct a Python") == FEW.repairs and made.card.tests.errors == 0
    assert made.card.tests.dropped == 2


async def test_an_example_of_the_description_is_not_given_up(tmp_path: Path) -> None:
    off = RIGHT.replace('"X"', '"x"')
    smith = Smith(code=[off, WRONG, "def to_roman(number):\n    return str(number)"], repair=[off])
    unmade = await made_by(smith, tmp_path)
    assert isinstance(unmade, Unmade) and unmade.stage == "tests"
    assert "to_roman(number=14)" in unmade.reason and "def to_roman" in unmade.code


async def test_answers_that_can_not_be_used_are_asked_for_again_and_counted(tmp_path: Path) -> None:
    smith = Smith()
    answers = iter(["I would rather not.", f"```python\n{RIGHT}\n```"])
    reply = smith.reply
    smith.model._function = lambda request: (  # pyright: ignore[reportPrivateUsage]
        next(answers, f"```python\n{RIGHT}\n```")
        if request.messages[0].content.startswith("Write one Python")
        else reply(request)
    )
    made = await made_by(smith, tmp_path)
    assert isinstance(made, Made) and made.card is not None
    assert made.card.made.retries == 1 and "tool_again" in made.card.made.prompts
    again = next(request for request in smith.model.requests if len(request.messages) > 1)
    assert "there is no Python function" in again.messages[-1].content


@pytest.mark.parametrize(
    ("smith", "stage", "says"),
    [
        (Smith(code=["def other():\n    return 1"]), "code", "no function to_roman"),
        (Smith(plan={"name": "x"}), "plan", "PlanReply"),
        (Smith(cases=["what?"]), "cases", "CasesReply"),
        (Smith(cases=[case_reply([(n, "N") for n in range(1, 7)])], right=lambda _: "neither"), "tests", ""),
    ],
)
async def test_failure_is_a_report_and_nothing_on_disk(tmp_path: Path, smith: Smith, stage: str, says: str) -> None:
    limits = MakeLimits(mutants=6, candidates=1, repairs=1)
    unmade = await made_by(smith, tmp_path, limits=limits)
    assert isinstance(unmade, Unmade) and unmade.stage == stage, unmade
    assert says in unmade.reason and unmade.log[-1].startswith("given up")
    assert unmade.usage.calls == len(smith.model.requests)
    assert not (tmp_path / "tools/generated").exists()


async def test_cases_that_can_not_be_read_are_asked_for_once_more(tmp_path: Path) -> None:
    smith = Smith(cases=["what?", "what?", case_reply(CASES)])
    made = await made_by(smith, tmp_path)
    assert isinstance(made, Made) and made.card is not None and made.card.made.retries == 1
    assert smith.count("A Python function must refuse") == 1 and made.card.tests.errors == 2


async def test_a_model_that_does_not_answer_is_a_report_too(tmp_path: Path) -> None:
    smith = Smith()
    smith.model._function = lambda _: CallFailed("context", "too long")  # pyright: ignore[reportPrivateUsage]
    unmade = await made_by(smith, tmp_path)
    assert isinstance(unmade, Unmade) and unmade.stage == "model" and "too long" in unmade.reason


async def test_tests_that_accept_a_broken_tool_are_sent_back_and_then_refused(tmp_path: Path) -> None:
    """A constant passes for a tool whose cases all expect it; nothing near them tells them apart either."""
    constant = {**PLAN, "errors": "never", "returns": "int"}
    same = case_reply([(n, 1) for n in range(1, 7)])
    more = case_reply([(n, 1) for n in (20, 21, 22)])
    smith = Smith(plan=constant, code=["def to_roman(number):\n    return 1"], cases=[same], more=more)
    unmade = await made_by(smith, tmp_path, wish="Say one for every number.")
    assert isinstance(unmade, Unmade) and unmade.stage == "mutants"
    assert smith.count("Tests of a Python function are too weak") == FEW.rounds
    assert "whatever it is given" in unmade.reason and not (tmp_path / "tools/generated").exists()


async def test_weak_tests_are_sharpened_without_a_call(tmp_path: Path) -> None:
    even = {**PLAN, "name": "is even", "returns": "bool", "errors": "never"}
    code = "def is_even(number):\n    return number % 2 == 0"
    all_even = case_reply([(n, True) for n in (2, 4, 6, 8, 10, 12)])
    smith = Smith(plan=even, code=[code], cases=[all_even])
    made = await made_by(smith, tmp_path, wish="Say whether a number is even.")
    assert isinstance(made, Made) and made.card is not None
    text = (tmp_path / made.folder / "test_tool.py").read_text()
    assert "False" in text and "_more()" in text
    assert smith.count("Tests of a Python function are too weak") == 0
    assert made.card.tests.agreed + made.card.tests.observed >= 1


async def test_a_tool_that_is_not_the_same_twice_is_refused(tmp_path: Path) -> None:
    """Its calls are counted within a session: the tests, run in another order than the cases, see other numbers."""
    plan = {**PLAN, "name": "tick", "returns": "int", "errors": "never"}
    code = "SEEN = []\n\ndef tick(number):\n    SEEN.append(number)\n    return len(SEEN) % 7"
    smith = Smith(plan=plan, code=[code], cases=[case_reply([(n, n % 7) for n in range(1, 7)])])
    unmade = await made_by(smith, tmp_path, wish="Count the calls, as a tool should not.")
    assert isinstance(unmade, Unmade), unmade
    assert not (tmp_path / "tools/generated").exists()


async def test_an_existing_tool_that_does_it_is_taken(tmp_path: Path) -> None:
    put_tool(empty_workspace(tmp_path), "double", DOUBLE, DOUBLE_TESTS)
    smith = Smith(covers="all")
    made = await made_by(smith, tmp_path, wish="Double a number.")
    assert isinstance(made, Made) and made.existing and made.ref == "double"
    assert made.folder == "tools/generated/double" and smith.asked == ["An assistant needs a tool"]


async def test_a_tool_that_shares_words_but_not_the_work_is_not_taken(tmp_path: Path) -> None:
    put_tool(empty_workspace(tmp_path), "double", DOUBLE, DOUBLE_TESTS)
    smith = Smith(covers="part")
    made = await made_by(smith, tmp_path, wish="Double a number.")
    assert isinstance(made, Made) and not made.existing and smith.count("An assistant") == 1


async def test_a_name_that_is_taken_by_the_model_gets_a_number(tmp_path: Path) -> None:
    put_tool(empty_workspace(tmp_path), "to_roman", DOUBLE.replace("double", "to_roman"))
    made = await made_by(Smith(code=[RIGHT.replace("to_roman", "to_roman_2")]), tmp_path)
    assert isinstance(made, Made) and made.ref == "to_roman_2"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"wish": "  "}, "a description"),
        ({"name": "two words"}, "letters, digits and _"),
        ({"name": "double"}, "no tool has"),
        ({"hosts": ("http://x/",)}, "a host, as"),
        ({"read": ("../x",)}, "inside the workspace"),
        ({"read": (".env",)}, "no hidden file"),
        ({"read": ("memory",)}, "not the memory"),
    ],
)
async def test_wishes_that_can_not_be_granted(tmp_path: Path, fields: dict[str, object], says: str) -> None:
    put_tool(empty_workspace(tmp_path))
    with pytest.raises(InputError, match=says):
        await made_by(Smith(), tmp_path, **fields)  # pyright: ignore[reportArgumentType]


async def test_a_tool_that_reads_files_is_tested_with_files_of_its_tests(tmp_path: Path) -> None:
    plan = {
        **PLAN,
        "name": "count lines",
        "purpose": "Count the lines of a text file.",
        "arguments": [{"name": "path", "type": "str", "about": "The file."}],
        "returns": "int",
        "errors": "never",
    }
    code = "def count_lines(path):\n    with open(path) as file:\n        return len(file.readlines())"
    cases = [
        {
            "why": "n",
            "files": [{"name": f"{n}.txt", "content": "x\n" * n}],
            "arguments": {"path": f"{n}.txt"},
            "result": n,
        }
        for n in range(6)
    ]
    smith = Smith(plan=plan, code=[code], cases=[json.dumps({"cases": cases})])
    made = await made_by(smith, tmp_path, wish="Count the lines of a text file.", read=("notes",))
    assert isinstance(made, Made) and made.card is not None
    assert made.card.permissions.read == ("notes",)
    assert "put({'3.txt'" in (tmp_path / made.folder / "test_tool.py").read_text()
    assert (await run_tests(made.name, empty_workspace(tmp_path), sandbox.engine())).ok


async def test_a_tool_that_fetches_pages_is_tested_on_pages_of_its_tests(tmp_path: Path) -> None:
    plan = {
        **PLAN,
        "name": "page title",
        "purpose": "Give the title of a web page.",
        "arguments": [{"name": "url", "type": "str", "about": "The page's full address."}],
        "errors": "there is no such page",
    }
    code = (
        "from urllib.request import urlopen\nfrom bs4 import BeautifulSoup\n\ndef page_title(url):\n"
        "    with urlopen(url) as answer:\n        return BeautifulSoup(answer.read(), 'html.parser').title.string"
    )
    cases = [
        {
            "files": [{"name": f"{n}.html", "content": f"<html><title>Page {n}</title></html>"}],
            "arguments": {"url": f"{ADDRESS}{n}.html"},
            "result": f"Page {n}",
        }
        for n in range(6)
    ]
    errors = {"cases": [{"why": "missing", "files": [], "arguments": {"url": f"{ADDRESS}none.html"}}]}
    smith = Smith(plan=plan, code=[code], cases=[json.dumps({"cases": cases})], errors=json.dumps(errors))
    made = await made_by(smith, tmp_path, wish="Give the title of a page.", hosts=("example.org",))
    assert isinstance(made, Made) and made.card is not None, made
    assert made.card.permissions.hosts == ("example.org",) and made.card.tests.errors >= 1
    assert set(made.card.dependencies) == {"bs4", "urllib.request"}
    prompts = [request.messages[0].content for request in smith.model.requests]
    assert all("full address of each page (example.org)" in text for text in prompts if "What it is for" in text)
    assert (await run_tests(made.name, empty_workspace(tmp_path), sandbox.engine())).ok


async def test_a_third_implementation_is_asked_for_only_where_two_do_not_agree(tmp_path: Path) -> None:
    agreed, disputed = Smith(), Smith(code=[WRONG, RIGHT])
    await made_by(agreed, tmp_path / "a")
    await made_by(disputed, tmp_path / "b")
    assert agreed.count("Write one Python") == 2 and disputed.count("Write one Python") == 3


# ---------------------------------------------------------------- the runner of tests


async def test_each_test_stands_alone() -> None:
    tests = (
        "import os, sys, time\nfrom tool import double\n"
        "def test_right():\n    assert double(2) == 4\n"
        "def test_wrong():\n    assert double(2) == 5, 'four is not five'\n"
        "def test_hangs():\n    time.sleep(60)\n"
        "def test_ends():\n    os._exit(0)\n"
        'def test_lies():\n    print(\'{"ended": "done"}\'); sys.exit(0)\n'
        "def test_right_again():\n    assert double(3) == 6\n"
        "def helper():\n    assert False\n"
    )
    limits = SandboxLimits(seconds=1.0)
    ran = await run_suite(DOUBLE, tests, sandbox.engine(), limits=limits)
    assert ran.passed == ("test_right", "test_right_again") and not ran.ok
    assert "four is not five" in ran.failed["test_wrong"]
    assert set(ran.failed) == {"test_wrong", "test_hangs", "test_ends", "test_lies"}


async def test_no_test_and_code_that_does_not_load_are_failures() -> None:
    engine = sandbox.engine()
    ran = await run_suite(DOUBLE, "x = 1\n", engine, limits=SandboxLimits())
    assert not ran.ok and "no test" in str(ran.failed)
    ran = await run_suite("1 / 0\n", DOUBLE_TESTS, engine, limits=SandboxLimits())
    assert not ran.ok and "ZeroDivisionError" in ran.failed["test_two"]
