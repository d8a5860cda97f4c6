"""Scores of steps: ``tree_search``, and ``best_of_n`` with ``score: process``."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from practice.agent import Agent
from practice.agent.strategies.scoring import PIECES, aggregated, pieces, read_scores, told
from practice.agent.strategies.tree import EXPLORE, Node, distinct, favourite, select, whole_lines
from practice.config import Workspace
from practice.errors import CallFailed, InputError
from practice.fakes import ScriptedModel
from practice.tool import tool_from_function
from practice.types import Completion, Request, Step, ToolCall, ToolResult, Usage
from tests.attempts import HEAD, attempt, double
from tests.fakeserver import Asked, FakeServer, Reply
from tests.house import bank_of, command, make, practise
from tests.worlds import lessons, make_tasks


def said(content: str, *, cut: bool = False, reasoning: str = "") -> Completion:
    finish = "length" if cut else "stop"
    usage = Usage(calls=1, output_tokens=3, usd=0.0)
    return Completion(content=content, reasoning=reasoning, finish=finish, usage=usage)


def last(request: Request) -> str:
    return request.messages[-1].content


def growing(steps: dict[str, list[Any]], scores: dict[str, Any]) -> Callable[[Request], Any]:
    """Each attempt so far has its next steps, one after another; the judge gives the score of what it is shown."""
    left = {begun: list(replies) for begun, replies in steps.items()}

    def reply(request: Request) -> Any:
        if request.json_schema is not None:
            shown = last(request).rpartition("# So far\n")[2]
            return json.dumps({"reason": "so", "score": scores[shown.rstrip("\n")]})
        begun = last(request) if request.messages[-1].role == "assistant" else ""
        return left[begun].pop(0)

    return reply


# ---------------------------------------------------------------- tree_search


async def test_the_more_promising_step_is_gone_on_with() -> None:
    steps: dict[str, list[Any]] = {
        "": [said("Add.\nThen", cut=True), said("Multiply.\nThen", cut=True)],
        "Multiply.\n": [said("It is 6."), said("It is 7.")],
    }
    scores = {"Add.": 2, "Multiply.": 9, "Multiply.\nIt is 6.": 8, "Multiply.\nIt is 7.": 3}
    rollout, requests = await attempt(growing(steps, scores), {"kind": "tree_search", "width": 2, "expansions": 2})
    assert (rollout.output, rollout.status) == ("Multiply.\nIt is 6.", "done")
    asked = [request for request in requests if request.json_schema is None]
    assert [last(request) for request in asked] == ["How many?", "How many?", "Multiply.\n", "Multiply.\n"]
    assert {request.max_tokens for request in asked} == {64}
    judges = [request for request in requests if request.json_schema is not None]
    assert {request.temperature for request in judges} == {0.0} and len(judges) == 4
    assert all("Be right." in last(request) and "How many?" in last(request) for request in judges)
    seeds = [request.seed for request in requests]
    assert len(set(seeds)) == len(seeds) and rollout.usage.calls == len(requests) == len(rollout.steps)


async def test_without_a_whole_attempt_the_best_so_far_is_finished() -> None:
    steps: dict[str, list[Any]] = {
        "": [said("a\n", cut=True), said("b\n", cut=True)],
        "b\n": [said("c", cut=True), said("d", cut=True)],
        "b\nd": [said(", so 5")],
    }
    scores = {"a": 1, "b": 9, "b\nc": 2, "b\nd": 8}
    rollout, requests = await attempt(growing(steps, scores), {"kind": "tree_search"})
    assert (rollout.output, rollout.status, len(requests)) == ("b\nd, so 5", "done", 9)
    assert last(requests[-1]) == "b\nd" and requests[-1].max_tokens == 2048
    steps["b\nd"] = [CallFailed("empty", "nothing")]
    steps |= {"": [said("a\n", cut=True), said("b\n", cut=True)], "b\n": [said("c", cut=True), said("d", cut=True)]}
    rollout, _ = await attempt(growing(steps, scores), {"kind": "tree_search"})
    assert (rollout.output, rollout.status) == ("b\nd", "done")


async def test_a_search_comes_back_to_what_it_left() -> None:
    """What follows a good step turns out badly: the other one, hardly looked at, is expanded next."""
    steps: dict[str, list[Any]] = {
        "": [said("a\n", cut=True), said("b\n", cut=True)],
        "a\n": [said("c\n", cut=True), said("d\n", cut=True)],
        "b\n": [said("4"), said("5")],
    }
    scores = {"a": 6, "b": 5, "a\nc": 0, "a\nd": 0, "b\n4": 3, "b\n5": 7}
    rollout, _ = await attempt(growing(steps, scores), {"kind": "tree_search", "expansions": 3})
    assert rollout.output == "b\n5"


async def test_the_same_step_twice_is_one() -> None:
    rollout, requests = await attempt(
        growing({"": [said("4"), said("4"), said("4")]}, {"4": 5}), {"kind": "tree_search", "width": 3}
    )
    assert (rollout.output, len(requests)) == ("4", 4)  # nothing is left to expand


async def test_a_step_of_an_agent_with_tools_is_a_turn() -> None:
    def reply(request: Request) -> str:
        if request.json_schema is not None:
            return json.dumps({"reason": "", "score": 9 if "double" in last(request) else 1})
        return f"It is {last(request)}." if request.messages[-1].role == "tool" else next(turns)

    turns = iter(["Perhaps 7.", "First.\ndouble(3)"])
    rollout, requests = await attempt(reply, {"kind": "tree_search"}, tools=[double], limits={"steps": 10})
    assert (rollout.output, rollout.status) == ("It is 6.", "done")
    asked = [request for request in requests if request.json_schema is None]
    assert [[message.role for message in request.messages[2:]] for request in asked] == [
        [], [], ["assistant", "tool"], ["assistant", "tool"],
    ]  # fmt: skip
    assert {request.max_tokens for request in asked} == {2048} and all(request.tools for request in asked)
    shown = [last(request).rpartition("# So far\n")[2] for request in requests if request.json_schema is not None]
    assert shown == ["Perhaps 7.", 'First.\ndouble({"number": 3}) -> 6', f"{'First.'}\n{shown[1][7:]}\nIt is 6."]


async def test_a_tool_agent_is_finished_with_its_tools() -> None:
    def reply(request: Request) -> str:
        if request.json_schema is not None:
            return '{"reason": "", "score": 5}'
        results = [message.content for message in request.messages if message.role == "tool"]
        return f"So {results[-1]}." if len(results) == 3 else f"double({len(request.messages)})"

    strategy = {"kind": "tree_search", "expansions": 1}
    rollout, requests = await attempt(reply, strategy, tools=[double], limits={"steps": 12})
    assert (rollout.output, rollout.status) == ("So 12.", "done")
    assert [result.content for step in rollout.steps for result in step.results] == ["4", "4", "8", "12"]
    assert len(requests) == 2 + 1 + 3


async def test_thoughts_kept_apart_leave_nothing_to_search() -> None:
    def reply(request: Request) -> Completion:
        return said("", cut=True, reasoning="hm") if request.max_tokens == 64 else said("4", reasoning="hm")

    rollout, requests = await attempt(reply, {"kind": "tree_search"})
    assert (rollout.output, rollout.status, len(requests)) == ("4", "done", 3)


async def test_limits_end_a_search_with_the_best_so_far() -> None:
    async def complete(step: int, request: Request) -> Completion:
        if request.json_schema is not None:
            return said(json.dumps({"reason": "", "score": 9 if "# So far\n1" in last(request) else 1}))
        spent = Usage(calls=1, seconds=100.0, usd=0.0)
        return Completion(content=f"{step}\nand", finish="length", usage=spent)

    built = Agent(name="a", model=ScriptedModel([]), strategy="tree_search", limits={"seconds": 250.0})
    rollout = await built.run("x", complete=complete)
    assert (rollout.output, rollout.status, rollout.limit) == ("1\n", "limit", "seconds")


async def test_a_prompt_that_no_longer_fits_is_a_step_that_can_not_be_made() -> None:
    full = CallFailed("context", "too long", status=400)
    steps: dict[str, list[Any]] = {"": [said("a\n", cut=True), said("4")], "a\n": [full, full]}
    rollout, _ = await attempt(growing(steps, {"a": 9, "4": 1}), {"kind": "tree_search"})
    assert (rollout.output, rollout.status) == ("4", "done")
    steps = {"": [said("a\n", cut=True)] * 2, "a\n": [full] * 3}
    rollout, _ = await attempt(growing(steps, {"a": 9}), {"kind": "tree_search"})
    assert (rollout.output, rollout.status, rollout.limit) == ("a\n", "limit", "context")


async def test_failed_calls_fail_the_attempt() -> None:
    rollout, _ = await attempt([said("4"), CallFailed("server", "no")], {"kind": "tree_search"})
    assert (rollout.status, rollout.output) == ("failed", "")


CHECKS = """
def short(output):
    return 1 / (1 + len(output))

def broken(output):
    raise OSError("no disk")
"""


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    for name in ("agents", "tools"):
        (tmp_path / name).mkdir()
    (tmp_path / "tools/check.py").write_text(CHECKS)
    return Workspace(tmp_path)


async def test_a_check_of_the_users_scores_steps(place: Workspace) -> None:
    strategy = {"kind": "tree_search", "score": "tools/check.py:short"}
    steps: dict[str, list[Any]] = {
        "": [said("a\n", cut=True), said("long\n", cut=True)],
        "a\n": [said("bb"), said("b")],
    }
    rollout, requests = await attempt(growing(steps, {}), strategy, workspace=place)
    assert (rollout.output, len(requests)) == ("a\nb", 4)
    strategy["score"] = "tools/check.py:broken"
    rollout, _ = await attempt([said("3"), said("4")], strategy, workspace=place)
    assert rollout.status == "failed" and rollout.failure is not None and "no disk" in rollout.failure.message


def test_tools_that_keep_something_are_refused() -> None:
    keeps = replace(tool_from_function(double), opening=lambda: pytest.fail("never opened"))
    with pytest.raises(InputError, match=r"keep nothing between calls with strategy tree_search.*double"):
        Agent(name="a", model=ScriptedModel([]), tools=[keeps], strategy="tree_search")
    assert Agent(name="a", model=ScriptedModel([]), tools=[keeps]).tools == (keeps,)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("strategy: {kind: tree_search, score: process}\n",
         "a.yaml:3: strategy.score: expected judge or path.py:function with strategy tree_search"),
        ("strategy: {kind: tree_search, expansions: 4}\n", "limits.steps: expected at least 17"),
        ("strategy: {kind: tree_search, spam: 4}\n", "did you mean 'span'?"),
        ("strategy: {kind: tree_search, width: 1}\n", "a.yaml:3: strategy.width: expected"),
        ("tools: [tools/double.py:double]\nstrategy: {kind: tree_search, span: 9}\n",
         "strategy.span: expected no span where there are tools"),
        ("strategy: {kind: best_of_n, aggregate: min}\n", "strategy.aggregate: expected no aggregate but with score"),
        ("strategy: {kind: best_of_n, score: proces}\n", "did you mean 'process'?"),
        ("strategy: {kind: best_of_n, score: process, aggregate: mean}\n", "strategy.aggregate: expected"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_search(place: Workspace, text: str, says: str) -> None:
    (place.tools / "double.py").write_text('def double(n: int) -> int:\n    """Double."""\n    return 2 * n\n')
    path = place.agents / "a.yaml"
    path.write_text(HEAD + text)
    with pytest.raises(InputError) as error:
        Agent.from_yaml(path, workspace=place)
    assert says in str(error.value)


def test_fingerprints_hold_what_has_an_effect() -> None:
    def printed(**strategy: Any) -> Any:
        return Agent(name="a", model="openai/m", strategy=strategy).fingerprint()["strategy"]

    assert printed(kind="tree_search", width=3, expansions=1) == {
        "kind": "tree_search", "width": 3, "expansions": 1, "span": 64, "score": "judge",
    }  # fmt: skip
    assert printed(kind="best_of_n", score="process") == {
        "kind": "best_of_n", "n": 5, "score": "process", "aggregate": "min",
    }  # fmt: skip


# ---------------------------------------------------------------- the tree alone


def tree(*scores: float | None) -> Node:
    """A root whose children have these scores."""
    root = Node()
    root.children = tuple(Node(root, str(place), score=score) for place, score in enumerate(scores))
    for child in root.children:
        if child.score is not None:
            child.credit(child.score)
    return root


@given(some.lists(some.integers(-1, 10), min_size=2, max_size=6))
def test_scores_are_backed_up_and_the_highest_bound_is_taken(points: list[int]) -> None:
    """-1 stands for no score."""
    root = tree(*(score / 10 if score >= 0 else None for score in points))
    found = [score / 10 for score in points if score >= 0]
    assert (root.visits, root.total) == (len(found), pytest.approx(sum(found)))
    assert select(root).shown == str(points.index(max(points)))


def test_the_bound_is_ucb1() -> None:
    root = tree(0.5, 0.25)
    assert root.children is not None
    first, second = root.children
    first.credit(0.0)
    assert (root.visits, first.visits, second.visits) == (3, 2, 1)
    assert first.bound == pytest.approx(0.25 + EXPLORE * math.sqrt(math.log(3) / 2))
    assert second.bound == pytest.approx(0.25 + EXPLORE * math.sqrt(math.log(3)))
    assert select(root) is second
    second.over = True
    assert select(root) is first
    first.children = ()
    assert not root.open


def test_who_is_the_favourite() -> None:
    root = tree(0.9, 0.2, None)
    assert favourite(root).score == 0.9 and favourite(Node()).parent is None
    assert root.children is not None
    root.children[2].over = True
    assert favourite(root) is root.children[2]
    root.children[1].over = True
    assert favourite(root) is root.children[1]


def test_steps_that_differ() -> None:
    one, two, three = Node(shown="a"), Node(shown="a", over=True), Node(shown="a")
    assert distinct([one, two, three]) == (one, two)


@given(some.text(alphabet="ab \n", max_size=12))
def test_whole_lines_are_a_beginning_that_says_something(text: str) -> None:
    kept = whole_lines(text)
    assert text.startswith(kept) and bool(kept.strip()) == bool(text.strip())
    assert kept == text or (kept.endswith("\n") and "\n" not in text[len(kept) :])


# ---------------------------------------------------------------- best_of_n by its steps


async def test_the_attempt_with_the_best_worst_step() -> None:
    answers = ["One.\n\nTwo: 4", "One.\nTwo.\nThree: 5", "4"]
    scores = {"[1] One.\n[2] Two: 4": [9, 2], "[1] One.\n[2] Two.\n[3] Three: 5": [7, 6, 7], "[1] 4": [5]}
    left = list(answers)

    def reply(request: Request) -> str:
        if request.json_schema is None:
            return left.pop(0)
        shown = last(request).rpartition("# Steps\n")[2]
        assert request.json_schema["properties"]["scores"]["minItems"] == len(scores[shown])
        return json.dumps({"reason": "so", "scores": scores[shown]})

    strategy = {"kind": "best_of_n", "n": 3, "score": "process"}
    rollout, requests = await attempt(reply, strategy)
    assert (rollout.output, rollout.status, len(requests)) == (answers[1], "done", 6)
    assert "3 whole numbers" in last(requests[4]) and {request.temperature for request in requests[3:]} == {0.0}
    left[:] = answers
    rollout, _ = await attempt(reply, strategy | {"aggregate": "product"})
    assert rollout.output == answers[2]  # 0.5 against 0.18 and 0.29


async def test_steps_that_are_not_all_scored_are_no_score() -> None:
    left = ["1\n2", "3", "1\n2", "3"]

    def reply(request: Request) -> str:
        return left.pop(0) if request.json_schema is None else '{"reason": "", "scores": [1]}'

    rollout, _ = await attempt(reply, {"kind": "best_of_n", "n": 2, "score": "process"})
    assert rollout.output == "3"


@pytest.mark.parametrize(
    ("text", "scores"),
    [('{"scores": [5, 10]}', (0.5, 1.0)), ('{"scores": [5]}', None), ('{"scores": [5, 11]}', None),
     ('{"scores": 5}', None), ('{"scores": [5, true]}', None), ("[5, 5]", None), ("no", None)],
)  # fmt: skip
def test_reading_scores(text: str, scores: tuple[float, ...] | None) -> None:
    assert read_scores(text, 2) == scores


def test_one_number_from_many() -> None:
    assert aggregated((0.5, 0.4), "min") == 0.4 and aggregated((0.5, 0.4), "product") == pytest.approx(0.2)
    assert aggregated((), "min") is aggregated(None, "product") is None


def test_what_an_attempt_did_in_steps() -> None:
    call = ToolCall(id="1", name="double", arguments='{"number":3}')
    turn = Step(index=0, content="Now.", tool_calls=(call,), results=(ToolResult(call=call, content="6" * 2000),))
    answer = Step(index=1, content="One\nline.\n\nTwo.\n \nThree.")
    found = pieces([turn, answer])
    assert found == ("Now.", f'double({{"number": 3}}) -> {"6" * 1000}', "One\nline.", "Two.", "Three.")
    assert told(turn).splitlines() == list(found[:2])
    not_run = turn.model_copy(update={"results": (), "tool_calls": (call.model_copy(update={"arguments": "{"}),)})
    assert told(not_run) == "Now.\ndouble({) -> (not run)"


@given(some.integers(0, 200))
def test_steps_are_joined_where_they_are_many(lines: int) -> None:
    text = "\n".join(map(str, range(lines)))
    found = pieces([Step(index=0, content=text)])
    assert len(found) <= PIECES and "\n".join(found) == text


# ---------------------------------------------------------------- in a run


def searching(asked: Asked) -> str | Reply:
    """A first step is a line and is cut; the next one answers as in the world of lessons."""
    if asked.stage != "rollout" or asked.body["messages"][-1]["role"] == "assistant":
        return lessons(asked)
    if asked.schema is not None:
        return json.dumps({"reason": "so", "score": int(asked.chance("score") * 11)})
    message = {"role": "assistant", "content": f"Lot {int(asked.chance() * 1000)}.\nAnd"}
    data = {
        "model": "fake",
        "choices": [{"index": 0, "message": message, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 50, "completion_tokens": 5, "total_tokens": 55},
    }
    return Reply(body=json.dumps(data).encode())


@pytest.mark.slow
async def test_a_search_is_practised_killed_and_resumed(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "tasks": make_tasks(4, rules=2),
        "holdout": [],
        "agent": {"strategy": {"kind": "tree_search"}},
        "practice": {"epochs": 1},
        "rollouts": {"group_size": 3, "concurrency": 4},
        "accept": {"policy": "always"},
    }
    with FakeServer(searching) as calm, FakeServer(searching, latency=0.01) as rough:
        wanted = await practise(make(tmp_path / "quiet", calm.url, **settings))
        broken = make(tmp_path / "broken", rough.url, **settings)
        process = command(broken.root, "run", "--json")
        while process.poll() is None and len(rough.calls) < 40:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        before = len(rough.calls)
        found = await practise(broken)
        assert rough.repeats() <= 4 and before < len(rough.calls)
        assert await practise(broken) == found
    asked = [call for call in calm.calls if call.stage == "rollout"]
    assert len({call.sha for call in asked}) == len(asked) > 4 * 3 * 6
    assert wanted.status == found.status == "done" and wanted.rollouts.total == 12
    assert bank_of(found) == bank_of(wanted) != []
