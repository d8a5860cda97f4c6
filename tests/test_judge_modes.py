"""The ways of judging: scores of a group, of one attempt, pairs in both orders, points for criteria."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practice.calls import Ask
from practice.errors import CallFailed, InputError
from practice.judge import Bout, Judge, Panel
from practice.judge.ask import _shares  # pyright: ignore[reportPrivateUsage]
from practice.judge.panel import Ruling
from practice.types import CallKey, Completion, Failure, Request, Rollout, Task

PLACE = CallKey(phase="practice", stage="judge", task="t")
TASK = Task(id="t", input="What is 2 + 2?")
POINTS = "- Right (5): it is.\n- Brief (3 points): it is.\n- Kind (2): it is."


def attempt(n: int, output: str, **fields: Any) -> Rollout:
    values = {"id": f"r{n}", "task_id": "t", "attempt": n, "steps": (), "output": output, "status": "done"}
    return Rollout.model_validate(values | fields)


GROUP = [attempt(n, f"output-{n}") for n in range(4)]


def numbers(request: Request) -> list[int]:
    return [int(n) for n in re.findall(r"output-(\d)", request.messages[1].content)]


class Bench:
    """Replies by a function of the attempts shown, in their order; what it returns is the reply, None a failure."""

    def __init__(self, reply: Callable[[list[int]], Any]) -> None:
        self.reply = reply
        self.calls: list[tuple[CallKey, Request]] = []

    def asks(self, model: object) -> Ask:
        return self.ask

    async def ask(self, key: CallKey, request: Request) -> Completion:
        self.calls.append((key, request))
        said = self.reply(numbers(request))
        if said is None:
            raise CallFailed("server", "down", status=500)
        return Completion(content=json.dumps(said))


async def ask(bench: Bench, rollouts: list[Rollout] = GROUP, task: Task = TASK, **fields: Any) -> Ruling:
    judge = Judge(name="one", wording="Judge.", **fields)
    return await Panel([judge], gate=False).score(task, rollouts, bench.asks, PLACE)


def score(value: Callable[[int], float]) -> Callable[[list[int]], Any]:
    return lambda shown: {"A": {"reason": f"about {shown[0]}", "score": value(shown[0])}}


# ---------------------------------------------------------------- one attempt a call


async def test_attempts_are_scored_one_by_one() -> None:
    bench = Bench(score(lambda n: 2 * n))
    ruling = await ask(bench, mode="score", temperature=0.4, seed=7)
    assert ruling.rewards == (0.0, 0.2, 0.4, 0.6)
    assert [verdict.reason for verdict in ruling.verdicts] == [f"about {n}" for n in range(4)]
    assert [verdict.rank for verdict in ruling.verdicts] == [4, 3, 2, 1]
    assert [numbers(request) for _, request in bench.calls] == [[0], [1], [2], [3]]
    keys = [key for key, _ in bench.calls]
    assert len({key.evaluator for key in keys}) == 4 == len({key.seed(0) for key in keys})
    assert all(request.temperature == 0.4 for _, request in bench.calls)
    assert all("judge it by itself" in request.messages[0].content for _, request in bench.calls)


async def test_one_failed_call_leaves_one_attempt_unscored() -> None:
    bench = Bench(lambda shown: None if shown == [2] else score(lambda n: n)(shown))
    ruling = await ask(bench, mode="score")
    assert ruling.rewards == (0.0, 0.1, None, 0.3)
    assert [verdict.failure for verdict in ruling.verdicts] == [
        None,
        None,
        Failure(stage="judge", kind="server", message="down", status=500),
        None,
    ]
    assert [verdict.rank for verdict in ruling.verdicts] == [3, 2, None, 1]


async def test_a_pass_mark_makes_a_score_a_yes_or_no() -> None:
    ruling = await ask(Bench(score(lambda n: 5 + n)), mode="score", pass_mark=0.7)
    assert ruling.rewards == (0.0, 0.0, 1.0, 1.0)
    assert ruling.verdicts[2].reason == "70 % of the scale. about 2"
    assert [verdict.rank for verdict in ruling.verdicts] == [4, 3, 2, 1]  # of the scores behind it
    failed = await ask(Bench(lambda shown: None), mode="score", pass_mark=0.7)
    assert failed.rewards == (None,) * 4


# ---------------------------------------------------------------- points


async def test_points_for_each_criterion() -> None:
    def reply(shown: list[int]) -> Any:
        return {f"c{n}": {"reason": f"so {n}", "points": min(shown[0], most)} for n, most in ((1, 5), (2, 3), (3, 2))}

    bench = Bench(reply)
    ruling = await ask(bench, mode="rubric", rubric=POINTS)
    assert ruling.rewards == (0.0, 0.3, 0.6, pytest.approx(0.8))
    assert ruling.verdicts[3].reason == "Right 3/5: so 1; Brief 3/3: so 2; Kind 2/2: so 3"
    schema = json.dumps(bench.calls[0][1].json_schema)
    assert '"maximum": 5' in schema and '"maximum": 3' in schema and '"required": ["c1", "c2", "c3"]' in schema
    text = bench.calls[0][1].messages[1].content
    assert "c1. Right (0 up to 5 points): it is." in text
    down = Bench(reply)
    await ask(down, mode="rubric", rubric=POINTS, descending=True)
    assert "c2. Brief (3 down to 0 points): it is." in down.calls[0][1].messages[1].content
    seven = await ask(Bench(reply), mode="rubric", rubric=POINTS, pass_mark=0.7)
    assert seven.rewards == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    "bad",
    [
        {"c1": {"reason": "", "points": 6}, "c2": {"reason": "", "points": 0}, "c3": {"reason": "", "points": 0}},
        {"c1": {"reason": "", "points": 5}, "c2": {"reason": "", "points": 0}},
        {"c1": {"reason": "", "points": -1}, "c2": {"reason": "", "points": 0}, "c3": {"reason": "", "points": 0}},
    ],
)
async def test_a_criterion_without_points_leaves_the_attempt_unscored(bad: Any) -> None:
    ruling = await ask(Bench(lambda shown: bad), GROUP[:1], mode="rubric", rubric=POINTS)
    assert ruling.rewards == (None,) and ruling.verdicts[0].failure is not None
    assert ruling.verdicts[0].failure.kind == "unparsable"


async def test_points_need_criteria_and_take_the_tasks_own() -> None:
    own = TASK.model_copy(update={"rubric": "- Short (1): it is."})
    ruling = await ask(Bench(lambda shown: {"c1": {"reason": "", "points": 1}}), GROUP[:2], own, mode="rubric")
    assert ruling.rewards == (1.0, 1.0)
    with pytest.raises(InputError, match="criteria as lines"):
        await ask(Bench(lambda shown: {}), mode="rubric", rubric="Be kind.")


# ---------------------------------------------------------------- pairs


def better(likes: Callable[[int, int], str]) -> Callable[[list[int]], Any]:
    return lambda shown: {"reason": f"{shown[0]} before {shown[1]}", "better": likes(shown[0], shown[1])}


def higher(first: int, second: int) -> str:
    return "A" if first > second else "B"


async def test_pairs_meet_in_both_orders() -> None:
    bench = Bench(better(higher))
    ruling = await ask(bench, mode="pairs")
    assert ruling.rewards == (0.0, pytest.approx(1 / 3), pytest.approx(2 / 3), 1.0)
    met = sorted(tuple(numbers(request)) for _, request in bench.calls)
    assert met == sorted(itertools.permutations(range(4), 2))
    assert len({key.seed(0) for key, _ in bench.calls}) == 12
    assert [verdict.rank for verdict in ruling.verdicts] == [4, 3, 2, 1]
    assert len(ruling.bouts) == 12 and ruling.bouts[0] == ("one", Bout(first=0, second=1, winner="second"))
    assert "1 before 0" in ruling.verdicts[0].reason
    text = bench.calls[0][1].messages[1].content
    assert "# Scale" not in text and 'better": "A" or "B"' in bench.calls[0][1].messages[0].content


async def test_two_orders_that_disagree_are_a_tie() -> None:
    first_slot = await ask(Bench(better(lambda a, b: "A")), mode="pairs")
    assert first_slot.rewards == (0.5,) * 4
    assert {bout.winner for _, bout in first_slot.bouts} == {"first"}  # what was said is kept as it was said
    half = await ask(Bench(better(lambda a, b: "tie" if a < b else higher(a, b))), mode="pairs")
    assert half.rewards == (0.5,) * 4
    ties = await ask(Bench(better(lambda a, b: "tie")), mode="pairs")
    assert ties.rewards == (0.5,) * 4


async def test_a_pair_that_failed_leaves_both_unscored() -> None:
    bench = Bench(lambda shown: None if shown == [2, 1] else better(higher)(shown))
    ruling = await ask(bench, mode="pairs")
    assert ruling.rewards == (0.0, None, None, 1.0)
    assert [verdict.failure is None for verdict in ruling.verdicts] == [True, False, False, True]
    assert [bout.winner for _, bout in ruling.bouts].count(None) == 1


async def test_a_lone_attempt_and_an_empty_one_in_a_judge_of_pairs() -> None:
    alone = Bench(score(lambda n: 7))
    assert (await ask(alone, GROUP[:1], mode="pairs")).rewards == (0.7,)
    bench = Bench(better(higher))
    failure = Failure(stage="rollout", kind="timeout", message="slow")
    group = [GROUP[0], attempt(1, " ", status="limit"), GROUP[2], attempt(3, "", status="failed", failure=failure)]
    ruling = await ask(bench, group, mode="pairs")
    assert ruling.rewards == (0.5, 0.0, 1.0, None)  # who output nothing loses to both, who failed never met them
    assert len(bench.calls) == 2


outcomes = st.sampled_from(["first", "second", "tie"])


@given(st.integers(2, 5), st.data())
def test_shares_add_up_and_turn_with_the_bouts(size: int, data: st.DataObject) -> None:
    bouts = [
        Bout.model_validate({"first": a, "second": b, "winner": data.draw(outcomes)})
        for a, b in itertools.permutations(range(size), 2)
    ]
    shares = _shares(bouts, range(size), 0)
    assert sum(share for share in shares.values() if share is not None) == pytest.approx(size / 2)
    swap = {"first": "second", "second": "first", "tie": "tie"}
    turned = [
        Bout.model_validate({"first": b.first, "second": b.second, "winner": swap[b.winner or ""]}) for b in bouts
    ]
    other = _shares(turned, range(size), 0)
    assert all(shares[n] == pytest.approx(1 - (other[n] or 0.0)) for n in range(size))


# ---------------------------------------------------------------- with the gate


@pytest.mark.parametrize("mode", ["group", "score", "pairs"])
async def test_every_mode_can_decide_a_gate(mode: str) -> None:
    def reply(shown: list[int]) -> Any:
        if mode == "pairs":
            return better(higher)(shown)
        return {letter: {"reason": "", "score": n} for letter, n in zip("ABCD", shown, strict=False)}

    judges = [Judge(name=name, wording="Judge.", mode=mode) for name in "abc"]
    ruling = await Panel(judges).score(TASK, GROUP, Bench(reply).asks, PLACE)
    assert ruling.counted == ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
