"""Practising on purpose: what the memory says, what the agent then does, and which link of the chain breaks."""

from __future__ import annotations

import asyncio
import json
import math
import random
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practice.cli import main
from practice.config import Workspace
from practice.document import Document, EditCounts, GroupCounts, RefusedCounts, RolloutCounts, UsageReport
from practice.engine import Options
from practice.fakes import ScriptedModel
from practice.overfit import Overfit, Solved, overfit
from practice.overfit.said import content, expresses, forbids, own_words
from practice.overfit.shown import WORDS, aspects, behaviour, columns
from practice.overfit.verdict import Chain, advice_on, link_of, sentence
from practice.task import draw, validation_split
from practice.types import Experience, Request, Rollout, Step, Task, ToolCall, ToolResult, ToolSpec
from tests.fakeserver import Asked, FakeServer, World
from tests.house import command, make
from tests.worlds import METHODS, WORLDS, make_sums, make_tasks

TASKS = make_tasks(16)
CALCULATOR = '''def calculator(expression: str) -> str:
    """Evaluate an arithmetic expression."""
    return str(eval(expression, {}))
'''


async def practise_on(place: Workspace, n: int, *sets: str, **options: Any) -> Overfit:
    quiet = Options(note=lambda _: None, backoff=0.01)
    return await overfit(n, workspace=place, sets=sets, options=replace(quiet, **options))


def sums(root: Path, url: str, **settings: Any) -> Workspace:
    """A workspace whose agent has a calculator and sums to do."""
    (root / "tools").mkdir(parents=True)
    (root / "tools/calculator.py").write_text(CALCULATOR)
    return make(root, url, tasks=make_sums(8), agent={"tools": ["calculator"]}, **settings)


# ---------------------------------------------------------------- what a lesson expresses


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("When a task holds a sum, call the calculator with the whole expression before answering.", "pt"),
        ("When you get a task, call calculator exactly once.", "t"),
        ("When you get a task, first reply with only the calculator call, then answer with its result.", "pt"),
        ("When a task is marked rule 4, subtract the check digit from the lot number.", "p"),
        ("When a task is marked rule 2, drop the leading letter and double what remains.", "p"),
        ("When you have a result, check it against the units.", "c"),
        ("When you have a result, verify it by a second call of unit-converter.", "ct"),
        ("Before you answer, double-check.", "c"),
        ("When the sum is done, do not check the result in words.", ""),
        ("When you get a task, be careful and think step by step.", ""),
        ("Always make sure that the answer is correct.", ""),
        ("When the reply needs a unit, give a number and its unit.", ""),
        ("Use the tools that you have.", "t"),
    ],
)
def test_what_a_text_expresses(text: str, found: str) -> None:
    names = {"p": "procedure", "t": "tools", "c": "checks"}
    assert expresses(text, ["calculator", "unit_converter"]) == {names[letter] for letter in found}


def test_without_tools_no_text_is_about_tools() -> None:
    assert expresses("Use the tools that you have.", []) == set()


def test_a_prohibition_is_told_from_a_mention() -> None:
    assert forbids("When it is short, do not call calculator.", "calculator")
    assert forbids("Answer without the calculator.", "calculator")
    assert not forbids("Do not work it out yourself: call calculator.", "calculator")
    assert not forbids("Do not guess.", "calculator")


def test_own_words_leave_out_what_shows_nothing() -> None:
    text = "When a task is marked rule 2, drop the leading letter and double what remains, then answer."
    assert own_words(text, {"letter"}) == {"drop", "leading", "double", "remains"}
    assert own_words("Drop it.", ()) == frozenset()
    assert content("Always drop the 3 letters") == ("drop", "letters")


# ---------------------------------------------------------------- what attempts show


def attempt(task: str, number: int, *steps: Step | str, status: str = "done", phase: str = "before") -> Rollout:
    made = tuple(
        Step(index=place, content=step) if isinstance(step, str) else step.model_copy(update={"index": place})
        for place, step in enumerate(steps)
    )
    fields = {"id": f"{phase}/{task}/{number}", "task_id": task, "attempt": number, "steps": made}
    return Rollout.model_validate({**fields, "output": made[-1].content if made else "", "status": status})


def called(name: str = "calculator", content: str = "") -> Step:
    call = ToolCall(id="c", name=name, arguments='{"expression": "2+2*3"}')
    return Step(index=0, content=content, tool_calls=(call,), results=(ToolResult(call=call, content="8"),))


def some(n: int, doing: int, *, does: tuple[Step | str, ...], not_: tuple[Step | str, ...] = ("9",)) -> list[Rollout]:
    """``n`` attempts at one task; the first ``doing`` of them do it."""
    return [attempt("t", number, *(does if number < doing else not_)) for number in range(n)]


CALL = (called(), "It is 8.")
SPEC = ToolSpec(name="calculator", description="Evaluates.", parameters={"type": "object"})


def lesson(text: str, id: str = "e1") -> Experience:
    return Experience(id=id, text=text)


@given(before=st.integers(0, 8), after=st.integers(0, 8))
def test_a_count_before_and_after_is_tested_exactly(before: int, after: int) -> None:
    """One task, 8 and 8: twice the smaller hypergeometric tail, at most 1. Exchanged sides turn the difference."""
    one, two = some(8, before, does=CALL), some(8, after, does=CALL)
    found = behaviour(columns(one, two, (), [SPEC]), "called:calculator")
    total = before + after
    weights = {k: math.comb(8, k) * math.comb(8, total - k) for k in range(max(0, total - 8), min(8, total) + 1)}
    tails = [sum(w for k, w in weights.items() if k >= after), sum(w for k, w in weights.items() if k <= after)]
    assert found.p == pytest.approx(min(1.0, 2 * min(tails) / math.comb(16, total)))
    assert (found.before.shown, found.after.shown, found.before.n, found.after.n) == (before, after, 8, 8)
    assert found.difference == pytest.approx((after - before) / 8)
    turned = behaviour(columns(two, one, (), [SPEC]), "called:calculator")
    assert turned.difference == pytest.approx((before - after) / 8)
    assert turned.p == pytest.approx(found.p)


def test_a_large_effect_is_told_at_two_tasks_and_eight_trials_and_no_effect_is_not() -> None:
    """Calls at 0.3 before, and at 0.9 or still at 0.3 after, in 100 simulations each."""
    draws = random.Random(5)

    def found(share: float) -> int:
        hits = 0
        for _ in range(100):
            sides: list[list[Rollout]] = []
            for chance in (0.3, share):
                does = [draws.random() < chance for _ in range(16)]
                sides.append([attempt(f"t{n % 2}", n, *(CALL if did else ("9",))) for n, did in enumerate(does)])
            hits += aspects([lesson(USE)], sides[0], sides[1], ())["tools"].state == "found"
        return hits

    assert found(0.9) >= 85
    assert found(0.3) <= 5


def test_failed_attempts_show_nothing() -> None:
    lost = attempt("t", 9, status="failed")
    found = behaviour(columns([*some(4, 0, does=CALL), lost], some(4, 4, does=CALL), ()), "called:calculator")
    assert (found.before.n, found.after.n) == (4, 4)


USE = "When a sum is asked, call calculator."


def test_tool_use_is_found_where_said_and_shown() -> None:
    found = aspects([lesson(USE)], some(8, 1, does=CALL), some(8, 7, does=CALL), ())["tools"]
    assert found.state == "found" and found.said == ("e1",)
    assert "called:calculator" in found.changed
    shown = next(b for b in found.behaviours if b.feature == "called:calculator")
    assert (shown.says, shown.before.shown, shown.after.shown) == ("called calculator", 1, 7)


def test_a_rise_that_nothing_asks_for_is_counted_and_not_called_found() -> None:
    found = aspects([], some(8, 1, does=CALL), some(8, 7, does=CALL), ())["tools"]
    assert found.state == "not_said" and "called:calculator" in found.changed


@pytest.mark.parametrize(
    ("before", "after", "state"), [(1, 2, "not_followed"), (7, 1, "not_followed"), (8, 8, "there_before")]
)
def test_what_is_said_and_not_shown(before: int, after: int, state: str) -> None:
    found = aspects([lesson(USE)], some(8, before, does=CALL), some(8, after, does=CALL), ())["tools"]
    assert found.state == state and not found.changed


def test_a_forbidden_tool_is_found_where_it_is_called_less() -> None:
    memory = [lesson("When the sum is short, do not call calculator.")]
    down = aspects(memory, some(8, 7, does=CALL), some(8, 0, does=CALL), ())["tools"]
    assert down.state == "found" and down.changed == ("called:calculator",)
    assert aspects(memory, some(8, 0, does=CALL), some(8, 7, does=CALL), ())["tools"].state == "not_followed"


def test_what_was_done_before_is_no_lesson_that_is_not_followed() -> None:
    """Each aspect, where all attempts before and after do it, or leave it where it is forbidden."""
    memory = [lesson("When a sum is asked, first call calculator, then answer with its result, then verify it.")]
    does = (called(content="I verify."), "8")
    found = aspects(memory, some(8, 8, does=does), some(8, 8, does=does), ())
    assert {aspect.state for aspect in found.values()} == {"there_before"}
    memory = [lesson("When the sum is short, do not call calculator.")]
    found = aspects(memory, some(8, 0, does=CALL), some(8, 0, does=CALL), (), [SPEC])
    assert found["tools"].state == "there_before"


def test_a_call_is_no_sign_of_a_procedure_that_names_no_tool() -> None:
    memory = [lesson("When a lot is given, drop the leading letter and double what remains."), lesson(USE, "e2")]
    found = aspects(memory, some(8, 0, does=CALL), some(8, 8, does=CALL), ())
    assert found["tools"].state == "found" and found["procedure"].state == "not_followed"


def test_a_procedure_without_tools_is_seen_by_its_own_words() -> None:
    memory = [lesson("When a lot is given, drop the leading letter and double what remains.")]
    does, not_ = ("I drop the leading letter and double the rest: 12",), ("I guess 9.",)
    before, after = some(8, 0, does=does, not_=not_), some(8, 8, does=does, not_=not_)
    found = aspects(memory, before, after, ())["procedure"]
    assert found.state == "found" and found.changed == (WORDS,)
    known = {"drop", "leading", "letter", "double", "remains"}
    assert aspects(memory, before, after, known)["procedure"].state == "not_followed"
    assert aspects(memory, before, after, ())["tools"].state == "no_tools"


def test_an_order_of_tools_is_a_procedure() -> None:
    memory = [lesson("When a price is asked, first call lookup, then call calculator.")]
    both = (called("lookup"), called(), "8")
    turned = (called(), called("lookup"), "8")
    found = aspects(memory, some(8, 0, does=both, not_=turned), some(8, 8, does=both, not_=turned), ())["procedure"]
    assert "order:lookup>calculator" in found.changed


def test_checks_are_seen_in_words_and_in_repeated_calls() -> None:
    memory = [lesson("When you have the result, check it by the same call of calculator.")]
    does = (called(), called(), "8")
    found = aspects(memory, some(8, 0, does=does, not_=CALL), some(8, 8, does=does, not_=CALL), ())["checks"]
    assert found.state == "found" and "repeated:calculator" in found.changed
    words = ("I verify it: 8",)
    found = aspects(memory, some(8, 0, does=words), some(8, 8, does=words), ())["checks"]
    assert found.changed == ("checks",)


def test_the_users_own_features_can_show_a_procedure() -> None:
    def shouts(of: Rollout) -> bool:
        return of.output.isupper()

    memory = [lesson("When a code is asked, write every letter in capitals and nothing else.")]
    found = aspects(memory, some(8, 0, does=("AB",)), some(8, 8, does=("AB",)), (), user=[shouts])["procedure"]
    assert "user:shouts" in found.changed


# ---------------------------------------------------------------- the verdict


def document(
    experiences: int = 1, *, mixed: int = 2, all_right: int = 0, all_wrong: int = 0, leak: int = 0
) -> Document:
    refused = RefusedCounts(invalid=0, leak=leak, duplicate=0)
    lines = [{"id": f"e{n}", "text": "x", "helpful": 0, "harmful": 0, "evidence": ()} for n in range(experiences)]
    total = mixed + all_right + all_wrong
    return Document.model_validate(
        {
            **{"run_id": "r", "status": "done", "agent": "a", "steps": 1, "experiences": lines, "memory": "m"},
            **{"before": None, "after": None, "delta": None, "report": None},
            "tasks": {"practice": 2, "validation": 0, "holdout": 0},
            "rollouts": RolloutCounts(total=0, done=0, limit=0, failed=0),
            "groups": GroupCounts(
                total=total, mixed=mixed, all_right=all_right, all_wrong=all_wrong, abstained=0, unscored=0
            ),
            "edits": EditCounts(proposed=leak, accepted=0, rejected=0, indecisive=0, refused=refused),
            "usage": UsageReport(
                calls=0, input_tokens=0, output_tokens=0, cached_tokens=0, usd=None, seconds=0.0, by_stage={}
            ),
        }
    )


def chain(right: tuple[int, int], text: str = USE, shows: tuple[int, int] = (1, 1), **fields: Any) -> Chain:
    """16 attempts before and after, ``right`` of them; ``shows``: of 8 before and after that call the tool."""
    run = fields.pop("document", document())
    memory = [lesson(text)] if run.experiences else []
    found = aspects(memory, some(8, shows[0], does=CALL), some(8, shows[1], does=CALL), ())
    before, after = (Solved(right=n, attempts=16, missing=0) for n in right)
    told = 0.001 if abs(right[1] - right[0]) > 6 else 0.4
    return replace(Chain(run, 2 * run.groups.mixed, before, after, told, 1e-8, found), **fields)


@pytest.mark.parametrize(
    ("case", "link", "says"),
    [
        (chain((3, 14), shows=(1, 8)), "expressed", "solved 3 of 16 -> 14 of 16 attempts; procedure not found, tool"),
        (chain((3, 14)), "expressed", "tool use said but not followed"),
        (chain((16, 16)), "solved_before", "16 of 16 attempts are right without a memory"),
        (chain((15, 16)), "solved_before", "15 of 16"),
        (chain((3, 3), document=document(0, mixed=0, all_wrong=6)), "no_contrast", "6 groups was mixed (6 all wrong)"),
        (chain((3, 3), document=document(0), lessons=0), "no_lesson", "it drew no lesson"),
        (chain((3, 3), document=document(0, leak=2)), "no_lesson", "none passed the checks (0 invalid, 2 leak(s)"),
        (chain((3, 5), text="Be careful."), "no_lesson", "names no step, no tool and no check"),
        (chain((3, 5), shows=(8, 8)), "no_lesson", "says only what the agent did before"),
        (chain((3, 5)), "not_followed", "which chance may do too (p = 0.40)"),
        (chain((3, 3), shows=(1, 8)), "not_solved", "tool use found"),
        (chain((12, 3), shows=(1, 8)), "not_solved", "12 of 16 -> 3 of 16"),
        (chain((3, 5), floor=0.1), "too_few", "Too few attempts"),
        (chain((3, 5), after=None), "unfinished", "the same command goes on"),
        (chain((0, 0), before=Solved(right=0, attempts=0, missing=16)), "unscored", "(16 unscored)"),
    ],
)  # fmt: skip
def test_the_first_broken_link_is_named(case: Chain, link: str, says: str) -> None:
    assert link_of(case) == link
    assert says in sentence(case)
    assert bool(advice_on(case)) is (link not in ("expressed", "unfinished"))


def test_advice_turns_on_what_was_seen() -> None:
    assert "easier" in advice_on(chain((0, 0), document=document(0, mixed=0, all_wrong=6)))
    assert "harder" in advice_on(chain((9, 9), document=document(0, mixed=0, all_right=6)))
    assert "evaluate.trials" in advice_on(chain((3, 5)))
    assert "evaluate.trials" not in advice_on(chain((3, 3)))


# ---------------------------------------------------------------- on an endpoint


async def test_a_lesson_that_helps_is_found_and_the_tasks_are_solved(tmp_path: Path) -> None:
    with FakeServer("lessons") as server:
        place = make(tmp_path, server.url, tasks=TASKS)
        found = await practise_on(place, 2)
        assert (found.status, found.link) == ("done", "expressed")
        assert found.verdict.startswith("The memory can express it: solved ")
        assert [task.id for task in found.tasks] == [task.id for task in draw(TASKS, 2, 0)]
        assert found.after and found.before.attempts == found.after.attempts == 2 * 8
        assert found.after.right - found.before.right >= 6
        assert sum(task.before.right for task in found.tasks) == found.before.right
        procedure = found.aspects["procedure"]
        assert procedure.state == "found" and set(procedure.said) <= {e.id for e in found.experiences}
        assert found.aspects["checks"].state == "not_said" and found.aspects["tools"].state == "no_tools"
        assert found.rollouts.total == 2 * 5 * 3
        assert server.count(phase="validation") == 0
        assert (place.root / str(found.report)).is_file()

        calls = len(server.calls)
        assert await practise_on(place, 2) == found
        assert len(server.calls) == calls, "a finished overfit makes no call"


@pytest.mark.parametrize("world", ["tools", "text"])
async def test_the_use_of_a_tool_is_found(tmp_path: Path, world: str) -> None:
    with FakeServer(world) as server:
        found = await practise_on(sums(tmp_path, server.url), 2)
    assert found.link == "expressed"
    assert {name: aspect.state for name, aspect in found.aspects.items()} == {
        "procedure": "found",
        "tools": "found",
        "checks": "not_said",
    }
    assert "called:calculator" in found.aspects["tools"].changed


def taught(world: str, text: str) -> World:
    """A world whose teacher has one thing to say."""

    def answer(asked: Asked) -> Any:
        if asked.stage == "advantage":
            return json.dumps({"lessons": [{"text": text}] if text else []})
        if asked.stage == "merge":
            return json.dumps({"edits": [{"op": "add", "id": None, "text": text}]})
        return WORLDS[world](asked)

    return answer


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Always be careful and think.", "names no step, no tool and no check"),
        ("", "it drew no lesson"),
        (f"When asked, say {TASKS[0].input} and be done.", "none passed the checks"),
    ],
    ids=["wishes", "silence", "leaks"],
)
async def test_a_teacher_that_words_nothing_useful(tmp_path: Path, text: str, says: str) -> None:
    chosen = draw(TASKS, 2, 0)
    text = text.replace(TASKS[0].input, chosen[0].input)
    with FakeServer(taught("null", text)) as server:
        found = await practise_on(make(tmp_path, server.url, tasks=TASKS), 2)
    assert found.link == "no_lesson" and says in found.verdict
    assert found.edits.refused.leak > 0 or "leak" not in found.verdict


async def test_an_agent_that_ignores_its_lessons(tmp_path: Path) -> None:
    def deaf(asked: Asked) -> Any:
        """Goes by feel, whatever the memory says."""
        if asked.stage != "rollout":
            return taught("null", f"When a task is marked with a rule, {METHODS[1]}.")(asked)
        said = str(WORLDS["null"](asked))
        return "I went by feel.\n" + said.splitlines()[-1]

    with FakeServer(deaf) as server:
        found = await practise_on(make(tmp_path, server.url, tasks=TASKS), 2)
    assert found.link == "not_followed"
    assert found.aspects["procedure"].state == "not_followed" and found.experiences
    assert "does not change" in found.verdict


async def test_a_lesson_that_is_followed_and_does_not_help(tmp_path: Path) -> None:
    def eager(asked: Asked) -> Any:
        """Does what the memory says, and is no better for it."""
        if asked.stage != "rollout":
            return taught("null", f"When a task is marked with a rule, {METHODS[1]}.")(asked)
        end = str(WORLDS["null"](asked)).splitlines()[-1]
        return (f"I chose to {METHODS[1]}.\n" if METHODS[1] in asked.system else "I went by feel.\n") + end

    with FakeServer(eager) as server:
        found = await practise_on(make(tmp_path, server.url, tasks=TASKS), 2)
    assert found.link == "not_solved" and found.aspects["procedure"].state == "found"


async def test_all_right_from_the_start_costs_no_practice(tmp_path: Path) -> None:
    with FakeServer("right") as server:
        place = make(tmp_path, server.url, tasks=TASKS)
        found = await practise_on(place, 3)
        assert found.link == "solved_before" and found.memory is None
        assert len(server.calls) == 3 * 8
        assert found.before == found.after
        assert not (place.memory / "test-overfit.yaml").exists()


async def test_all_wrong_gives_no_contrast(tmp_path: Path) -> None:
    with FakeServer(lambda asked: "I went by feel.\nAnswer: 1") as server:
        found = await practise_on(make(tmp_path, server.url, tasks=TASKS), 2)
    assert found.link == "no_contrast" and "6 all wrong" in found.verdict
    assert found.groups.all_wrong == 6 and found.before == found.after


async def test_an_agent_in_process(tmp_path: Path) -> None:
    """The whole chain without an endpoint: a model that is told how, and then does it."""
    how = "When a code is asked, say the magic phrase and give the code."
    tasks = tuple(Task(id=f"t{n}", input=f"Code of room {n}?", answer=str(4000 + n)) for n in range(4))

    def reply(request: Request) -> str:
        text = "\n".join(message.content for message in request.messages)
        if request.json_schema is not None:
            key = "edits" if "edits" in request.json_schema["properties"] else "lessons"
            item = {"op": "add", "id": None, "text": how} if key == "edits" else {"text": how}
            return json.dumps({"better": "", "worse": "", key: [item]})
        room = int(text.rsplit("room ", 1)[1].rstrip("?"))
        knows = how in text or (request.seed or 0) % 3 == 0
        return f"I say the magic phrase and the code.\n{4000 + room}" if knows else "1"

    place = make(tmp_path, "http://127.0.0.1:9/v1", tasks=tasks, holdout=())
    model = ScriptedModel(reply)
    found = await practise_on(place, 3, connect=lambda _spec: model)
    assert found.link == "expressed" and found.after == Solved(right=24, attempts=24, missing=0)
    asked = len(model.requests)
    assert await practise_on(place, 3, connect=lambda _spec: model) == found
    assert len(model.requests) == asked


# ---------------------------------------------------------------- its own bank, its own settings


async def test_the_runs_bank_is_not_touched(tmp_path: Path) -> None:
    with FakeServer("lessons") as server:
        place = make(tmp_path, server.url, tasks=TASKS)
        bank = place.memory / "test.yaml"
        bank.parent.mkdir(exist_ok=True)
        bank.write_text("bank: test\nexperiences:\n- {id: e7, text: Mine.}\n")
        first = await practise_on(place, 2)
        assert bank.read_text() == "bank: test\nexperiences:\n- {id: e7, text: Mine.}\n"
        assert first.memory == "memory/test-overfit.yaml"
        own = place.root / first.memory
        assert all(experience.text in own.read_text() for experience in first.experiences)
        assert not any("Mine." in str(call.body) for call in server.calls)

        again = await practise_on(place, 2, fresh=True)
        assert again.run_id != first.run_id
        assert again.before == first.before, "it begins with an empty memory, whatever the file holds"
        assert {e.text for e in again.experiences} == {e.text for e in first.experiences}
        assert not (place.memory / "aside").exists()
        own.write_text("bank: mine\nexperiences:\n- {id: e1, text: By hand.}\n")
        await practise_on(place, 2, fresh=True)
        assert "By hand." in (place.memory / "aside/test-overfit-1.yaml").read_text()


async def test_settings_are_those_of_the_run_where_they_make_sense(tmp_path: Path) -> None:
    with FakeServer("lessons") as server:
        place = make(
            tmp_path, server.url, tasks=TASKS, practice={"epochs": 1}, evaluate={"temperature": 0.4}, accept="heldout"
        )
        found = await practise_on(place, 1, "evaluate.trials=4", "rollouts.group_size=3", "memory.bank=memory/own.yaml")
        assert found.trials == 4 and found.before.attempts == 4
        assert found.rollouts.total == 3 * 3, "few epochs of a run for many tasks are too few here"
        assert found.memory == "memory/own-overfit.yaml"
        measured = [call for call in server.calls if call.phase == "holdout"]
        assert {call.body["temperature"] for call in measured} == {0.4}
        other = await practise_on(place, 1, "evaluate.trials=4", "rollouts.group_size=3", "practice.epochs=1")
        assert other.run_id != found.run_id and other.rollouts.total == 3


def test_tasks_are_drawn_by_hash_and_keep_the_files_order() -> None:
    drawn = draw(TASKS, 5, 3)
    assert drawn == validation_split(TASKS, 0.3, 3)[1], "5 of 16 tasks, as the gate draws its own"
    assert set(draw(tuple(reversed(TASKS)), 5, 3)) == set(drawn)
    assert set(draw(TASKS, 4, 3)) < set(drawn)
    assert draw(TASKS, 99, 3) == TASKS


async def test_more_tasks_in_the_file_do_not_change_it(tmp_path: Path) -> None:
    with FakeServer("right") as server:
        place = make(tmp_path, server.url, tasks=TASKS)
        found = await practise_on(place, 2)
        chosen = {task.id for task in found.tasks}
        file = place.root / "tasks/practice.jsonl"
        kept = [line for line in file.read_text().splitlines() if json.loads(line)["id"] in chosen]
        file.write_text("\n".join(kept) + "\n")
        assert (await practise_on(place, 2)).run_id == found.run_id


# ---------------------------------------------------------------- going on after a stop


async def test_a_stop_at_any_call_repeats_none(tmp_path: Path) -> None:
    with FakeServer("lessons") as server:
        calm = await practise_on(make(tmp_path / "calm", server.url, tasks=TASKS), 2)
    need = calm.usage.input_tokens + calm.usage.output_tokens
    with FakeServer("lessons") as server:
        place = make(tmp_path / "tight", server.url, tasks=TASKS)
        for share in (4, 2):
            stopped = await practise_on(place, 2, f"budget.tokens={max(4000, need // share)}")
            assert (stopped.status, stopped.link, stopped.after) == ("budget", "unfinished", None)
            assert stopped.aspects == {}
        whole = await practise_on(place, 2, f"budget.tokens={need * 3}")
        assert server.repeats() == 0
    assert whole.run_id == stopped.run_id
    same = {"run_id", "report", "usage"}
    assert whole.model_dump(exclude=same) == calm.model_dump(exclude=same)


async def test_an_interrupt_is_orderly(tmp_path: Path) -> None:
    with FakeServer("lessons", latency=0.01) as server:
        place = make(tmp_path, server.url, tasks=TASKS, rollouts={"concurrency": 4})
        work = asyncio.ensure_future(practise_on(place, 2))
        while len(server.calls) < 30:
            await asyncio.sleep(0.005)
        work.cancel()
        stopped = await work
        assert (stopped.status, stopped.link) == ("interrupted", "unfinished")
        whole = await practise_on(place, 2)
        assert whole.run_id == stopped.run_id and whole.status == "done"
        assert server.repeats() <= 4


async def test_killed_it_goes_on_and_ends_alike(tmp_path: Path) -> None:
    with FakeServer("lessons") as calm, FakeServer("lessons", latency=0.01) as rough:
        wanted = await practise_on(make(tmp_path / "quiet", calm.url, tasks=TASKS), 2)
        place = make(tmp_path / "broken", rough.url, tasks=TASKS, rollouts={"concurrency": 4})
        process = command(place.root, "overfit", "2", "--json")
        while process.poll() is None and len(rough.calls) < 25:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert 25 <= len(rough.calls) < len(calm.calls)
        found = await practise_on(place, 2)
        assert rough.repeats() <= 4
    same = {"run_id", "report", "usage"}
    assert found.model_dump(exclude=same) == wanted.model_dump(exclude=same)


# ---------------------------------------------------------------- the command


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    with FakeServer("tools") as server:
        sums(tmp_path, server.url)
        code, out, err = call(capsys, "overfit", "9", "--json")
        error = json.loads(out)["error"]
        assert (code, error["key"], error["found"]) == (2, "N", "9")
        assert error["expected"].startswith("a number of tasks from 1 to 8")
        assert error["file"] == "tasks/practice.jsonl" and err.startswith("error: ")
        assert call(capsys, "overfit", "0")[0] == 2
        assert call(capsys, "overfit", "2", "--set", "practice.epoch=1")[0] == 2

        code, out, _ = call(capsys, "overfit", "2", "--dry-run", "--json")
        plan = json.loads(out)
        assert code == 0 and plan["rollouts"] == {"before": 16, "practice": 30, "after": 16}
        assert plan["memory"] == "memory/test-overfit.yaml" and len(plan["tasks"]) == 2
        assert call(capsys, "overfit", "2", "--dry-run")[1].count("\n") > 5
        assert not server.calls and not (tmp_path / "memory/practice.db").exists()

        code, out, _ = call(capsys, "overfit", "2", "--json")
        document = json.loads(out)
        assert code == 0 and Overfit.model_validate(document).link == "expressed"
        assert document["tasks"][0].keys() == {"id", "input", "before", "after"}
        code, out, err = call(capsys, "overfit", "2")
        assert code == 0 and "nothing was called" in err
        plain = " ".join(out.replace("│", " ").split())
        assert document["verdict"] in plain and "called calculator: " in plain
        assert call(capsys, "runs", "show", "last")[0] == 0
        code, out, _ = call(capsys, "report")
        assert code == 0 and "practised on 2 tasks on purpose" in Path(out.strip()).read_text()

        calls = len(server.calls)
        code, out, err = call(capsys, "overfit", "2", "--json", "--fresh", "--set", "budget.tokens=4000")
        assert code == 3 and json.loads(out)["status"] == "budget" and len(server.calls) > calls
