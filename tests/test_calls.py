"""Journal, queue, retry, seed: what stands between a stage and a model."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import BaseModel

from practice.budget import Budget, Cost
from practice.calls import MAX_SENDS, Calls, Endpoint, structured
from practice.errors import BudgetExhausted, CallFailed, EndpointError
from practice.fakes import ScriptedModel
from practice.store import RunJournal, Store, usage_by_stage
from practice.types import CallKey, Completion, Message, Request, Usage

KEY = CallKey(phase="practice", stage="rollout", task="t1")
ASK = Request(messages=(Message(role="user", content="2 + 2?"),), max_tokens=16)
BUSY = CallFailed("rate_limit", "busy", status=429, retriable=True)


def said(text: str, tokens: int = 5) -> Completion:
    return Completion(content=text, usage=Usage(calls=1, input_tokens=tokens, output_tokens=tokens))


def calls(**options: object) -> Calls:
    return Calls(backoff=0.0, **options)  # pyright: ignore[reportArgumentType]


async def test_a_fault_is_sent_again_and_the_answer_counts_once() -> None:
    model = ScriptedModel([BUSY, CallFailed("server", "500", status=500, retriable=True), said("4")])
    gate = calls()
    assert (await gate.complete(Endpoint(model), KEY, ASK)).content == "4"
    assert len(model.requests) == 3
    assert gate.usage["rollout"].calls == 1


async def test_after_its_retries_a_call_is_a_failure() -> None:
    model = ScriptedModel([BUSY] * MAX_SENDS)
    with pytest.raises(CallFailed, match="busy"):
        await calls().complete(Endpoint(model), KEY, ASK)
    assert len(model.requests) == MAX_SENDS


async def test_what_a_retry_can_not_help_is_sent_once() -> None:
    model = ScriptedModel([CallFailed("client", "bad request", status=400)])
    with pytest.raises(CallFailed):
        await calls().complete(Endpoint(model), KEY, ASK)
    assert len(model.requests) == 1


async def test_a_run_in_which_most_calls_fail_stops() -> None:
    model = ScriptedModel(lambda _: CallFailed("client", "bad request", status=400))
    gate = calls()
    with pytest.raises(EndpointError, match="12 of the last 12 calls failed"):
        for attempt in range(20):
            try:
                await gate.complete(Endpoint(model), KEY.model_copy(update={"attempt": attempt}), ASK)
            except CallFailed:
                continue


async def test_the_seed_is_the_place_of_the_call() -> None:
    model = ScriptedModel(lambda _: said("4"))
    gate = calls(seed=3)
    other = KEY.model_copy(update={"attempt": 1})
    for key in (KEY, other):
        await gate.complete(Endpoint(model), key, ASK)
    seeds = [request.seed for request in model.requests]
    assert seeds == [KEY.seed(3), other.seed(3)]
    assert seeds[0] != seeds[1] and all(seed is not None and 0 <= seed < 2**31 for seed in seeds)
    assert KEY.seed(3) != KEY.seed(4)


async def test_no_more_than_concurrency_calls_are_in_flight() -> None:
    flying = peak = 0

    class Slow(ScriptedModel):
        async def complete(self, *args: object, **options: object) -> Completion:
            nonlocal flying, peak
            flying += 1
            peak = max(peak, flying)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            flying -= 1
            return said("4")

    gate = calls(concurrency=3)
    keys = [KEY.model_copy(update={"attempt": attempt}) for attempt in range(12)]
    await asyncio.gather(*(gate.complete(Endpoint(Slow([])), key, ASK) for key in keys))
    assert peak == 3
    peak = 0
    narrow = Endpoint(Slow([]), concurrency=2)
    await asyncio.gather(*(gate.complete(narrow, key, ASK) for key in keys))
    assert peak == 2


async def test_a_hang_is_a_fault_that_is_sent_again() -> None:
    class Hangs(ScriptedModel):
        async def complete(self, request: Request, **options: object) -> Completion:  # pyright: ignore[reportIncompatibleMethodOverride]
            self.requests.append(request)
            if len(self.requests) == 1:
                await asyncio.Event().wait()
            return said("4")

    model = Hangs([])
    assert (await calls(timeout=0.01).complete(Endpoint(model), KEY, ASK)).content == "4"
    assert len(model.requests) == 2


async def test_an_answered_call_is_never_made_again(tmp_path: Path) -> None:
    async with Store(tmp_path / "practice.db") as store:
        model = ScriptedModel([said("4")])
        for _ in range(2):
            journal, _ = await RunJournal.open(store, "r")
            completion = await calls(journal=journal).complete(Endpoint(model), KEY, ASK)
            assert completion.content == "4"
        assert len(model.requests) == 1
        assert (await store.do(lambda db: usage_by_stage(db, "r")))["rollout"].input_tokens == 5


async def test_what_was_sent_and_never_answered_is_charged_in_full(tmp_path: Path) -> None:
    async with Store(tmp_path / "practice.db") as store:
        journal, spent = await RunJournal.open(store, "r")
        assert spent == Cost(0, 0.0)
        await journal.sent(KEY, ASK, Cost(70, 0.25))
        _, spent = await RunJournal.open(store, "r")
        assert spent == Cost(70, 0.25)
        journal, spent = await RunJournal.open(store, "r")
        assert spent == Cost(70, 0.25)  # charged once
        await journal.sent(KEY, ASK, Cost(70, 0.25))
        await journal.done([(KEY, said("4"))])
        _, spent = await RunJournal.open(store, "r")
        assert spent.tokens == 80


async def test_what_the_endpoint_refused_is_not_charged(tmp_path: Path) -> None:
    async with Store(tmp_path / "practice.db") as store:
        journal, _ = await RunJournal.open(store, "r")
        budget = Budget(tokens=10_000)
        refusing = ScriptedModel([EndpointError("the key is refused (401)")])
        with pytest.raises(EndpointError):
            await calls(journal=journal, budget=budget).complete(Endpoint(refusing), KEY, ASK)
        assert budget.spent.tokens == 0
        assert (await RunJournal.open(store, "r"))[1].tokens == 0


async def test_an_answer_without_usage_is_charged_at_its_bound() -> None:
    budget = Budget(tokens=10_000)
    completion = Completion(content="4", usage=Usage(calls=1), usage_known=False)
    await calls(budget=budget).complete(Endpoint(ScriptedModel([completion])), KEY, ASK)
    assert budget.spent.tokens == len("2 + 2?") + 16 + 16


async def test_the_budget_stops_a_call_before_it_is_sent() -> None:
    model = ScriptedModel([said("4")])
    with pytest.raises(BudgetExhausted):
        await calls(budget=Budget(tokens=20)).complete(Endpoint(model), KEY, ASK)
    assert model.requests == []


class Answer(BaseModel):
    value: int


async def test_structured_output_is_repaired_once() -> None:
    model = ScriptedModel([said("value is four"), said('{"value": 4}')])
    gate = calls()
    assert (await structured(gate.ask(Endpoint(model)), KEY, ASK, Answer)).value == 4
    first, second = model.requests
    assert first.json_schema is not None and first.json_schema["properties"]["value"]["type"] == "integer"
    assert "no JSON object" in second.messages[-1].content
    assert first.seed != second.seed
    with pytest.raises(CallFailed, match="no valid Answer after one repair: value"):
        bad = ScriptedModel([said('{"value": "x"}'), said('{"value": "y"}')])
        await structured(calls().ask(Endpoint(bad)), KEY, ASK, Answer)
