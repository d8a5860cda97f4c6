"""The strategies: what each asks for and in what order, what it answers, and that limits, seeds and usage hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from practice.agent import Agent, Strategy, agent_json_schema
from practice.agent import strategies as room
from practice.agent.spec import KEYS
from practice.agent.strategies import code as acting
from practice.agent.strategies.code import blocks, code_tool
from practice.agent.strategies.correct import finds_fault
from practice.agent.strategies.forcing import Thought, grown
from practice.agent.strategies.scoring import Candidate, read_score
from practice.agent.strategies.several import best, most_common
from practice.config import Workspace
from practice.errors import CallFailed, InputError, SandboxMissing
from practice.fakes import ScriptedModel
from practice.model import Secrets
from practice.model.attempt import OneAttempt
from practice.tool import python_tool
from practice.types import Completion, Message, Request, Rollout, Usage
from tests.attempts import HEAD, attempt, double
from tests.fakeserver import FakeServer
from tests.house import make, practise
from tests.sandboxes import InProcess
from tests.worlds import make_tasks


def said(content: str, tokens: int, *, reasoning: str = "", finish: str = "stop") -> Completion:
    return Completion(
        content=content, reasoning=reasoning, finish=finish, usage=Usage(calls=1, output_tokens=tokens, usd=0.0)
    )


def last(request: Request) -> str:
    return request.messages[-1].content


def judged(scores: dict[str, Any], *answers: str) -> Callable[[Request], str]:
    """Attempts answer one after another; the judge gives the score of the answer that it is shown."""
    left = list(answers)

    def reply(request: Request) -> str:
        if request.json_schema is None:
            return left.pop(0)
        shown = last(request).rpartition("# Answer\n")[2]
        return json.dumps({"reason": "so", "score": scores[shown]})

    return reply


# ---------------------------------------------------------------- self_consistency


async def test_the_answer_that_most_attempts_give() -> None:
    rollout, requests = await attempt(["It is 4.", "5", "So 4", "6"], {"kind": "self_consistency", "n": 4})
    assert (rollout.output, rollout.status, rollout.usage.calls) == ("It is 4.", "done", 4)
    assert [step.content for step in rollout.steps] == ["It is 4.", "5", "So 4", "6"]
    assert len({request.seed for request in requests}) == 4
    assert len({request.messages for request in requests}) == 1


async def test_attempts_with_tools_are_apart_and_numbered_by_attempt() -> None:
    """Whoever is faster, the calls of an attempt have the numbers that were set aside for it."""
    script: dict[int, list[str]] = {0: ["double(1)", "first: 2"], 4: ["second: 8"], 8: ["double(3)", "third: 2"]}
    seen: list[int] = []

    async def complete(step: int, request: Request) -> Completion:
        seen.append(step)
        start = max(first for first in script if first <= step)
        return said(script[start][step - start], 3)

    built = Agent(
        name="a",
        model=ScriptedModel([]),
        tools=[double],
        strategy={"kind": "self_consistency", "n": 3},
        limits={"steps": 12},
    )
    rollout = await built.run("x", complete=complete)
    assert rollout.output == "first: 2"
    assert sorted(seen) == [step.index for step in rollout.steps] == [0, 1, 4, 8, 9]
    assert [result.content for step in rollout.steps for result in step.results] == ["2", "6"]
    assert rollout.usage.output_tokens == 15


async def test_an_attempt_that_ends_at_its_share_of_the_calls_votes_with_what_it_said() -> None:
    def reply(request: Request) -> str:
        return "So far: 7\ndouble(1)" if len(request.messages) < 6 else "8"

    rollout, requests = await attempt(reply, {"kind": "self_consistency", "n": 2}, tools=[double], limits={"steps": 4})
    assert len(requests) == 4
    assert (rollout.output, rollout.status, rollout.limit) == ("So far: 7", "limit", "steps")


async def test_a_failed_call_fails_the_attempt() -> None:
    rollout, _ = await attempt(["4", CallFailed("server", "no"), "4"], {"kind": "self_consistency", "n": 3})
    assert (rollout.status, rollout.output) == ("failed", "")


def candidates(*outputs: str) -> list[Candidate]:
    return [Candidate(output, None, ()) for output in outputs]


@pytest.mark.parametrize(
    ("outputs", "wins"),
    [
        (["a", "b", "B."], 1),
        (["", "", "3"], 2),
        (["2", "1", "1", "2"], 0),
        (["", ""], 0),
        (["1,000", "2", "is 1000"], 0),
    ],
)
def test_who_wins_a_vote(outputs: list[str], wins: int) -> None:
    given = candidates(*outputs)
    assert most_common(given) is given[wins]


# ---------------------------------------------------------------- best_of_n


async def test_the_best_scored_attempt() -> None:
    script = judged({"4": 3, "5": 9, "6": 1}, "4", "5", "6", "4")
    rollout, requests = await attempt(script, {"kind": "best_of_n", "n": 4})
    assert (rollout.output, rollout.status) == ("5", "done")
    judges = requests[4:]
    assert len(judges) == 3  # the same words are judged once
    assert {request.temperature for request in judges} == {0.0}
    assert all("Be right." in last(request) and "How many?" in last(request) for request in judges)
    seeds = [request.seed for request in requests]
    assert len(set(seeds)) == len(seeds) and rollout.usage.calls == len(requests) == len(rollout.steps)


async def test_scores_that_can_not_be_read_are_no_scores() -> None:
    rollout, _ = await attempt(judged({"4": "high", "5": 0}, "4", "5", "4"), {"kind": "best_of_n", "n": 3})
    assert rollout.output == "5"
    rollout, _ = await attempt(judged({"4": "high", "5": 99}, "5", "4", "4"), {"kind": "best_of_n", "n": 3})
    assert rollout.output == "4"  # none is scored: most of them decide


@pytest.mark.parametrize(
    ("text", "score"),
    [('{"score": 5}', 0.5), ('```json\n{"score": 10}\n```', 1.0), ('{"score": 11}', None), ('{"score": true}', None),
     ("5", None), ("[5]", None), ('{"reason": "x"}', None)],
)  # fmt: skip
def test_reading_a_score(text: str, score: float | None) -> None:
    assert read_score(text) == score


def test_unscored_is_below_every_score() -> None:
    given = candidates("1", "2", "2")
    assert best(given, [0.0, None, None]) is given[0]
    assert best(given, [0.5, 0.5, None]) is given[1]


CHECKS = """
def even(output):
    return int(output) % 2 == 0

def sees(task, rollout):
    assert task.answer is None and task.rubric is None and task.input == "How many?"
    return len(rollout.output) / 10

def wants(output, answer):
    return output == answer

def broken(output):
    raise OSError("no disk")
"""


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    for name in ("agents", "tools"):
        (tmp_path / name).mkdir()
    (tmp_path / "tools/check.py").write_text(CHECKS)
    for name in ("one", "two"):
        text = f"name: {name}\nmodel: scripted\ndescription: For {name}.\n"
        (tmp_path / f"agents/{name}.yaml").write_text(text)
    return Workspace(tmp_path)


async def test_a_check_of_the_users_scores(place: Workspace) -> None:
    for name, answers, output in [("even", ["3", "4", "5"], "4"), ("sees", ["4", "five", "5"], "five")]:
        strategy = {"kind": "best_of_n", "n": 3, "score": f"tools/check.py:{name}"}
        rollout, requests = await attempt(answers, strategy, workspace=place)
        assert (rollout.output, len(requests)) == (output, 3)


async def test_a_check_that_fails_on_all_fails_the_attempt(place: Workspace) -> None:
    strategy = {"kind": "best_of_n", "n": 2, "score": "tools/check.py:broken"}
    rollout, _ = await attempt(["3", "4"], strategy, workspace=place)
    assert rollout.status == "failed" and rollout.failure is not None and "no disk" in rollout.failure.message


# ---------------------------------------------------------------- self_correct


async def test_what_passes_its_check_is_the_answer() -> None:
    rollout, requests = await attempt(["It is 4.", "All well.\nVerdict: correct"], {"kind": "self_correct"})
    assert (rollout.output, rollout.status, len(requests)) == ("It is 4.", "done", 2)
    assert requests[1].messages[:3] == (*requests[0].messages, requests[1].messages[2])
    assert requests[1].messages[2].content == "It is 4."


async def test_what_is_wrong_is_revised_until_the_rounds_are_used() -> None:
    replies = ["4", "2 and 3.\n**Verdict:** wrong", "double(3)", "6", "Verdict: wrong", "7"]
    rollout, requests = await attempt(replies, {"kind": "self_correct", "rounds": 2}, tools=[double])
    assert (rollout.output, rollout.status, len(requests)) == ("7", "done", 6)
    assert [message.role for message in requests[2].messages[2:]] == ["assistant", "user", "assistant", "user"]
    assert [len(request.tools) for request in requests] == [1, 0, 1, 1, 0, 1]


async def test_a_limit_within_a_check_keeps_the_answer() -> None:
    full = CallFailed("context", "too long", status=400)
    rollout, _ = await attempt(["It is 4.", full], {"kind": "self_correct"})
    assert (rollout.output, rollout.status, rollout.limit) == ("It is 4.", "limit", "context")


@pytest.mark.parametrize(
    ("text", "fault"),
    [("Verdict: wrong", True), ("verdict: **Incorrect**", True), ("Verdict: wrong? No.\nVerdict: correct", False),
     ("It is wrong.", False), ("", False)],
)  # fmt: skip
def test_reading_a_verdict(text: str, fault: bool) -> None:
    assert finds_fault(text) is fault


# ---------------------------------------------------------------- budget_forcing

FORCED = {"kind": "budget_forcing", "floor": 10, "ceiling": 20, "waits": 2}


async def test_a_short_thought_goes_on() -> None:
    rollout, requests = await attempt([said("4.", 4), said(", no: 5.", 4), said("5", 4)], FORCED)
    assert rollout.output == "4.\nWait, no: 5.\nWait 5"
    assert [last(request) for request in requests[1:]] == ["4.\nWait", "4.\nWait, no: 5.\nWait"]
    assert [request.messages[-1].role for request in requests] == ["user", "assistant", "assistant"]
    assert [request.max_tokens for request in requests] == [20, 16, 12]
    assert len({request.seed for request in requests}) == 3


async def test_waits_are_counted_and_a_long_thought_needs_none() -> None:
    rollout, requests = await attempt([said("a", 1)] * 3, FORCED)
    assert (rollout.output, len(requests)) == ("a\nWait a\nWait a", 3)
    rollout, requests = await attempt([said("a", 10)], FORCED)
    assert (rollout.output, len(requests)) == ("a", 1)


async def test_a_thought_at_its_ceiling_is_closed() -> None:
    cut = said("and so on and", 20, finish="length")
    rollout, requests = await attempt([cut, said(" 4", 2)], FORCED)
    assert (rollout.output, rollout.status) == ("and so on and\n\nFinal answer: 4", "done")
    assert last(requests[1]) == "and so on and\n\nFinal answer:" and requests[1].max_tokens == 2048
    rollout, _ = await attempt([cut, said(" 4", 2, finish="length")], FORCED)
    assert (rollout.status, rollout.limit) == ("limit", "tokens")


async def test_a_call_cut_below_the_ceiling_is_continued_as_it_is() -> None:
    rollout, requests = await attempt(
        [said("it is for", 8, finish="length"), said("ty two", 4)], FORCED, limits={"steps": 9, "tokens": 8}
    )
    assert rollout.output == "it is forty two" and [request.max_tokens for request in requests] == [8, 8]


async def test_reasoning_that_is_kept_apart_is_what_is_forced() -> None:
    first = said("It is 4.", 4, reasoning="two and two")
    rollout, requests = await attempt([first, said("It is 5.", 8, reasoning=", and one")], FORCED)
    assert last(requests[1]) == "<think>\ntwo and two\nWait"
    assert rollout.output == "It is 5."
    cut = said("", 20, reasoning="two and", finish="length")
    rollout, requests = await attempt([cut, said("4", 1)], FORCED)
    assert last(requests[1]) == "<think>\ntwo and\n</think>\n\nFinal answer:"
    assert rollout.output == "Final answer: 4"


def test_a_hidden_thought_without_its_end_is_still_a_thought() -> None:
    thought = Thought(text="a", hidden=True, answer="1", next="wait")
    assert grown(thought, " b", "", True, 3) == Thought(text="a\nWait b", hidden=True, spent=3, next="wait")
    assert grown(thought, "2", "", False, 3).answer == "2"


async def test_a_model_with_nothing_to_add_is_done() -> None:
    rollout, _ = await attempt([said("4", 1), CallFailed("empty", "nothing")], FORCED)
    assert (rollout.output, rollout.status) == ("4", "done")
    rollout, _ = await attempt([CallFailed("empty", "nothing")], FORCED)
    assert rollout.status == "failed"


# ---------------------------------------------------------------- code


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> InProcess:
    engine = InProcess()
    monkeypatch.setattr(room, "code_tool", lambda: code_tool(python_tool(engine)))
    return engine


def block(code: str) -> str:
    return f"```python\n{code}\n```"


async def test_acting_by_code(here: InProcess) -> None:
    replies = ["First.\n" + block("x = 6 * 7\nx") + "\nIt prints 41.", block("final_answer(x)")]
    rollout, requests = await attempt(replies, {"kind": "code"})
    assert (rollout.output, rollout.status) == ("42", "done")
    assert [message.role for message in requests[1].messages[2:]] == ["assistant", "user"]
    assert requests[1].messages[2].content == "First.\n```python\nx = 6 * 7\nx\n```"
    assert last(requests[1]) == "Output:\n42"
    assert [step.tool_calls[0].name for step in rollout.steps] == ["python", "python"]
    assert rollout.steps[0].results[0].content == "42"
    assert requests[0].tools == () and "final_answer" in requests[0].messages[0].content
    assert (here.opened, here.closed) == (1, 1)


async def test_code_that_fails_goes_back_and_a_reply_without_code_is_the_answer(here: InProcess) -> None:
    rollout, requests = await attempt([block("1 / 0"), "It can't be done."], {"kind": "code"})
    assert "ZeroDivisionError" in last(requests[1])
    assert (rollout.output, rollout.status) == ("It can't be done.", "done")


async def test_a_final_answer_is_the_blocks_own(here: InProcess) -> None:
    """Neither an overwritten name nor one that fails afterwards answers; the next block begins anew."""
    replies = [block("final_answer = 4"), block("final_answer(5)\n1 / 0"), block("final_answer('it is\\n6')")]
    rollout, requests = await attempt(replies, {"kind": "code"})
    assert (rollout.output, len(requests)) == ("it is\n6", 3)


async def test_the_step_limit_ends_code(here: InProcess) -> None:
    rollout, _ = await attempt(lambda _: "Trying.\n" + block("1"), {"kind": "code"}, limits={"steps": 2})
    assert (rollout.status, rollout.limit, rollout.output) == ("limit", "steps", "Trying.")
    assert rollout.steps[1].results == ()


def test_blocks_of_python() -> None:
    found = blocks("a\n```py\nx\n```\nb\n```python\ny\n```", "python")
    assert json.loads(found.calls[0].arguments) == {"code": "x"}
    assert (found.before, found.text) == ("a", "a\nb\n```python\ny\n```")
    assert blocks("a ```json\n{}\n```", "python").calls == blocks("```python\n\n```", "python").calls == ()
    assert json.loads(blocks("```python\nx = 1", "python").calls[0].arguments) == {"code": "x = 1"}


def test_code_needs_a_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Any:
        raise SandboxMissing("no bubblewrap")

    monkeypatch.setattr(acting, "python_tool", missing)
    with pytest.raises(SandboxMissing, match="bubblewrap"):
        Agent(name="a", model=ScriptedModel([]), strategy="code")


async def test_code_in_the_real_sandbox() -> None:
    try:
        code_tool()
    except SandboxMissing as missing:
        pytest.skip(f"no bwrap here: {missing}")
    replies = [block("import math\nx = math.factorial(5)\nprint(x)"), block("final_answer(x + 1)")]
    rollout, requests = await attempt(replies, {"kind": "code"})
    assert (rollout.output, last(requests[1])) == ("121", "Output:\n120")


# ---------------------------------------------------------------- in a run, and on the wire


@pytest.mark.slow
async def test_a_strategy_can_be_practised(tmp_path: Path) -> None:
    with FakeServer("lessons") as server:
        agent = {"strategy": {"kind": "self_consistency", "n": 3}}
        tasks = make_tasks(4, rules=2)
        place = make(tmp_path, server.url, tasks=tasks, holdout=make_tasks(2, rules=2, start=1000), agent=agent)
        sets = ("practice.epochs=1", "rollouts.group_size=2", "accept=always")
        document = await practise(place, *sets)
        asked = [call for call in server.calls if call.stage == "rollout"]
        again = await practise(place, *sets)
    assert document.status == "done" and document.rollouts.total == 8
    assert len([call for call in asked if call.phase == "practice"]) == 3 * 8
    bodies = [json.dumps(call.body, sort_keys=True) for call in asked]
    assert len(set(bodies)) == len(bodies)
    assert again == document and len([call for call in server.calls if call.stage == "rollout"]) == len(asked)


class Caught(OneAttempt):
    """Keeps the body that would be sent."""

    body: dict[str, Any]

    async def _post(self, body: dict[str, Any], headers: Mapping[str, str], limit: float) -> object:
        self.body = body
        return {"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}]}

    async def aclose(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("name", ["vllm/m", "hosted_vllm/m", "openai/m"])
async def test_vllm_is_asked_to_continue_what_the_assistant_began(name: str) -> None:
    model = Caught(name, wire_name="m", where="there", params={}, price=None, secrets=Secrets(None))
    user, begun = Message(role="user", content="x"), Message(role="assistant", content="y")
    flags = {"continue_final_message": True, "add_generation_prompt": False}
    await model.complete(Request(messages=(user,)))
    assert not flags.keys() & model.body.keys()
    await model.complete(Request(messages=(user, begun)))
    sent = {key: model.body[key] for key in flags if key in model.body}
    assert sent == ({} if name == "openai/m" else flags)


# ---------------------------------------------------------------- settings


@dataclass(frozen=True)
class Case:
    """Two strategies that differ in one key, and what a run of each then does."""

    a: dict[str, Any]
    b: dict[str, Any]
    look: Callable[[Rollout, list[Request]], Any]
    reply: Callable[[Request], Any]


def wrong_again(request: Request) -> str:
    return "Verdict: wrong" if "Verdict" in last(request) else "4"


def scored_or_said(request: Request) -> str:
    return "4" if request.json_schema is None else '{"reason": "", "score": 1}'


def stepwise(request: Request) -> str:
    """By their worst step the long attempt is better, by all of them the short one."""
    if request.json_schema is None:
        return "a\nb\nc" if request.seed is not None and request.seed % 2 else "d"
    return json.dumps({"reason": "", "scores": [6, 6, 6] if "[3]" in last(request) else [5]})


def cut_off(request: Request) -> Completion | str:
    """Every step is another, and cut."""
    if request.json_schema is not None:
        return '{"reason": "", "score": 5}'
    return said(f"{request.seed}\n", 2, finish="length")


SEARCH = {"kind": "tree_search", "width": 2, "expansions": 2}


def led(request: Request) -> str:
    """Chooses the last agent that there is, and always finds something to plan."""
    fields = request.json_schema["properties"] if request.json_schema else {}
    if "agent" in fields:
        return json.dumps({"reason": "", "agent": fields["agent"]["enum"][-1]})
    return json.dumps({"reason": "", "steps": ["Count."]}) if "steps" in fields else "4"


CASES = {
    "kind": Case({"kind": "react"}, {"kind": "self_correct"}, lambda _, asked: len(asked), wrong_again),
    "n": Case(
        {"kind": "self_consistency", "n": 2},
        {"kind": "self_consistency", "n": 3},
        lambda _, asked: len(asked),
        lambda _: "4",
    ),
    "score": Case(
        {"kind": "best_of_n", "n": 2},
        {"kind": "best_of_n", "n": 2, "score": "tools/check.py:even"},
        lambda _, asked: len(asked),
        scored_or_said,
    ),
    "rounds": Case(
        {"kind": "self_correct", "rounds": 1},
        {"kind": "self_correct", "rounds": 3},
        lambda _, asked: len(asked),
        wrong_again,
    ),
    "floor": Case(FORCED, FORCED | {"floor": 0}, lambda rollout, _: rollout.output, lambda _: said("a", 2)),
    "ceiling": Case(FORCED, FORCED | {"ceiling": 30}, lambda _, asked: asked[0].max_tokens, lambda _: said("a", 30)),
    "waits": Case(FORCED, FORCED | {"waits": 1}, lambda rollout, _: rollout.output, lambda _: said("a", 2)),
    "aggregate": Case(
        {"kind": "best_of_n", "n": 8, "score": "process"},
        {"kind": "best_of_n", "n": 8, "score": "process", "aggregate": "product"},
        lambda rollout, _: rollout.output,
        stepwise,
    ),
    "width": Case(SEARCH, SEARCH | {"width": 3}, lambda _, asked: len(asked), cut_off),
    "expansions": Case(SEARCH, SEARCH | {"expansions": 3}, lambda _, asked: len(asked), cut_off),
    "span": Case(SEARCH, SEARCH | {"span": 32}, lambda _, asked: asked[0].max_tokens, cut_off),
    "agents": Case(
        {"kind": "router", "agents": ["agents/one.yaml", "agents/two.yaml"]},
        {"kind": "router", "agents": ["agents/two.yaml", "agents/one.yaml"]},
        lambda rollout, _: [step.agent for step in rollout.steps],
        led,
    ),
    "plans": Case(
        {"kind": "plan_execute", "agents": ["agents/one.yaml"], "plans": 1},
        {"kind": "plan_execute", "agents": ["agents/one.yaml"], "plans": 3},
        lambda _, asked: len(asked),
        led,
    ),
}


def test_every_setting_has_a_case() -> None:
    assert set(CASES) == set(Strategy.model_fields) == {"kind", *(key for keys in KEYS.values() for key in keys)}
    properties = agent_json_schema()["$defs"]["Strategy"]["properties"]
    assert set(properties) == set(CASES) and all(each["description"] for each in properties.values())
    assert properties["kind"]["enum"] == list(KEYS)


@pytest.mark.parametrize("key", CASES)
async def test_the_setting_has_its_effect(key: str, place: Workspace) -> None:
    case = CASES[key]
    seen = [case.look(*await attempt(case.reply, strategy, workspace=place)) for strategy in (case.a, case.b)]
    assert seen[0] != seen[1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("strategy: {kind: best_of_m}\n", "did you mean 'best_of_n'?"),
        ("strategy: {kind: best_of_n, scores: judge}\n", "did you mean 'score'?"),
        ("strategy: {kind: best_of_n, rounds: 2}\n",
         "a.yaml:3: strategy.rounds: expected n, score, aggregate with strategy best_of_n; rounds belongs"),
        ("strategy: {n: 3}\n", "strategy.n: expected no key but kind with strategy react; n belongs to best_of_n and"),
        ("strategy: {kind: best_of_n, score: judges}\n", "did you mean 'judge'?"),
        ("strategy: {kind: best_of_n, score: 'tools/check.py:evn'}\n", "did you mean 'even'?"),
        ("strategy: {kind: best_of_n, score: 'tools/check.py:wants'}\n",
         "a.yaml:3: strategy.score: expected a function that needs no answer"),
        ("strategy: {kind: best_of_n, n: 1}\n", "a.yaml:3: strategy.n: expected"),
        ("strategy: {kind: budget_forcing, floor: 9, ceiling: 8}\n", "strategy.floor: expected at most the ceiling, 8"),
        ("tools: [double]\nstrategy: {kind: code}\n", "tools: expected no tools with strategy code, whose actions are"),
        ("tools: [double]\nstrategy: {kind: budget_forcing}\n", "expected no tools with strategy budget_forcing"),
        ("limits: {steps: 5}\nstrategy: {kind: self_consistency, n: 6}\n",
         "a.yaml:3: limits.steps: expected at least 6, found 5, where strategy {kind: self_consistency, n: 6}"),
        ("strategy: {kind: best_of_n, n: 7}\n", "limits.steps: expected at least 14"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_strategy(place: Workspace, text: str, says: str) -> None:
    path = place.agents / "a.yaml"
    path.write_text(HEAD + text)
    with pytest.raises(InputError) as error:
        Agent.from_yaml(path, workspace=place)
    assert says in str(error.value)


def test_the_fingerprint_holds_the_strategys_own_settings(place: Workspace) -> None:
    def printed(**strategy: Any) -> dict[str, Any]:
        return Agent(name="a", model="openai/m", strategy=strategy, workspace=place).fingerprint()

    assert printed(kind="react")["strategy"] == {"kind": "react"}
    assert printed(kind="best_of_n")["strategy"] == {"kind": "best_of_n", "n": 5, "score": "judge"}
    before = printed(kind="best_of_n", score="tools/check.py:even")
    (place.tools / "check.py").write_text(CHECKS + "\n# changed\n")
    after = printed(kind="best_of_n", score="tools/check.py:even")
    assert {key for key in before if before[key] != after[key]} == {"strategy score source"}
