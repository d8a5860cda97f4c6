from __future__ import annotations

import asyncio
import doctest

import pytest

from practice import fakes
from practice.errors import CallFailed, RunError
from practice.fakes import FixedVerifier, ReplayModel, ScriptedModel, prompt_hash
from practice.model import request_tokens_bound
from practice.store import prompt_digest
from practice.types import Completion, Message, Request, Rollout, Task, Usage


def ask(text: str, seed: int | None = None) -> Request:
    return Request(messages=(Message(role="user", content=text),), seed=seed)


def test_the_examples_hold() -> None:
    result = doctest.testmod(fakes)
    assert result.attempted > 5
    assert result.failed == 0


async def test_a_script_in_order_with_every_kind_of_reply() -> None:
    full = Completion(content="whole", usage=Usage(calls=1, input_tokens=3))
    busy = CallFailed("rate_limit", "busy", status=429, retriable=True)
    model = ScriptedModel(["text", full, busy, lambda request: request.messages[0].content])
    first = await model.complete(ask("a"), headers={"X-Practice-Stage": "judge"})
    assert first.content == "text"
    assert first.usage.usd == 0.0
    assert 0 < first.usage.input_tokens + first.usage.output_tokens <= request_tokens_bound(ask("a"))
    assert await model.complete(ask("b")) is full
    with pytest.raises(CallFailed) as caught:
        await model.complete(ask("c"))
    assert caught.value is busy
    assert (await model.complete(ask("d"))).content == "d"
    with pytest.raises(RunError, match="holds 4 replies, this is call 5"):
        await model.complete(ask("e"))
    assert [request.messages[0].content for request in model.requests] == list("abcde")
    assert model.headers[0] == {"X-Practice-Stage": "judge"}
    await model.aclose()
    assert model.closed


async def test_ticks_let_answers_overtake() -> None:
    done: list[str] = []
    model = ScriptedModel(lambda request: request.messages[0].content, ticks=lambda r: len(r.messages[0].content))

    async def one(text: str) -> None:
        done.append((await model.complete(ask(text))).content)

    await asyncio.gather(one("slowest"), one("slow"), one("s"))
    assert done == ["s", "slow", "slowest"]


async def test_replay_in_order() -> None:
    model = ReplayModel([Completion(content="one"), Completion(content="two")])
    assert [(await model.complete(ask("any"))).content for _ in range(2)] == ["one", "two"]
    with pytest.raises(RunError, match=r"no recorded answer is left .* 'any'"):
        await model.complete(ask("any"))


async def test_replay_by_request_and_from_journal_rows() -> None:
    a, b = ask("a", seed=1), ask("b", seed=2)
    pairs = [(a, Completion(content="a1")), (b, Completion(content="b1")), (a, Completion(content="a2"))]
    rows = [
        {"prompt": prompt_digest(request.model_dump_json(exclude={"seed"})), "completion": answer.model_dump_json()}
        for request, answer in pairs
    ]
    for model in (ReplayModel(pairs), ReplayModel([*rows, {"prompt": "failed", "completion": None}])):
        said = [(await model.complete(request)).content for request in (b, a, ask("a", seed=9))]
        assert said == ["b1", "a1", "a2"]
        with pytest.raises(RunError):
            await model.complete(ask("c"))


def test_the_hash_is_the_journals() -> None:
    assert prompt_hash(ask("a", seed=1)) == prompt_digest(ask("a", seed=2).model_dump_json(exclude={"seed"}))


async def test_a_fixed_verifier() -> None:
    def rollout(attempt: int, output: str = "two words", **more: object) -> Rollout:
        fields = {
            "id": f"r{attempt}",
            "task_id": "t",
            "attempt": attempt,
            "steps": (),
            "output": output,
            "status": "done",
        }
        return Rollout.model_validate({**fields, **more})

    task = Task(id="t", input="?", answer="two words")
    by_attempt = FixedVerifier({"t": [1.0, 0.0, None]}, name="mine")
    verdicts = [await by_attempt.verify(task, rollout(attempt)) for attempt in range(3)]
    assert [verdict.score for verdict in verdicts] == [1.0, 0.0, None]
    assert (verdicts[0].evaluator, verdicts[0].rollout_id, verdicts[0].n_words) == ("mine", "r0", 2)
    assert len(by_attempt.seen) == 3
    assert (await FixedVerifier(0.5).verify(task, rollout(0))).score == 0.5
    assert (await FixedVerifier({"t": 0.25}).verify(task, rollout(0))).score == 0.25
    assert (await FixedVerifier({}).verify(task, rollout(0))).score is None
    exact = FixedVerifier(lambda task, rollout: float(rollout.output == task.answer))
    assert (await exact.verify(task, rollout(0))).score == 1.0
    assert (await exact.verify(task, rollout(0, status="failed"))).score is None
