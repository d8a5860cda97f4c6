"""A group's first calls as one request with ``n``: the same answers, one prompt, and whole books."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practice.budget import Budget, Cost
from practice.calls import MAX_SENDS, Calls, Endpoint, gather, worst
from practice.cli.panel import closing_panel, cost_line
from practice.config import ModelSpec
from practice.errors import CallFailed
from practice.fakes import ScriptedModel
from practice.fanout import Fan
from practice.model import connect, split
from practice.model.choices import decode_choices
from practice.store import RunJournal, Store, usage_by_stage
from practice.types import CallKey, Completion, Message, Request, Usage
from tests.fakeserver import Asked, Call, FakeServer, Reply, World, alone
from tests.house import bank_of, make, practise
from tests.worlds import lessons, make_tasks

G = 4
KEYS = [CallKey(phase="practice", stage="rollout", task="t", attempt=attempt) for attempt in range(G)]
ASK = Request(messages=(Message(role="user", content="2 + 2?"),), temperature=0.7, max_tokens=16)
BUSY = CallFailed("rate_limit", "busy", status=429, retriable=True)


class Fanned(ScriptedModel):
    """Answers ``n`` with the seed of each choice, but for the ``unusable`` places; ``faults`` come first."""

    def __init__(self, *faults: CallFailed, unusable: Sequence[int] = (), usage_known: bool = True) -> None:
        super().__init__(lambda request: self.said(request.seed or 0))
        self.faults, self.unusable, self.usage_known = list(faults), unusable, usage_known
        self.asked: list[tuple[Request, int]] = []

    def said(self, seed: int) -> Completion:
        usage = Usage(calls=1, input_tokens=2, output_tokens=3, usd=0.5)
        return Completion(content=str(seed), usage=usage, usage_known=self.usage_known)

    async def choices(
        self, request: Request, n: int, *, headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> dict[int, Completion]:
        del timeout
        assert request.seed is not None and headers is not None
        self.asked.append((request, n))
        if self.faults:
            raise self.faults.pop(0)
        return {place: self.said(request.seed + place) for place in range(n) if place not in self.unusable}


async def group(calls: Calls, model: ScriptedModel, request: Request = ASK) -> list[Completion]:
    async with Fan(calls, Endpoint(model, fan_out=True), KEYS) as fan:
        return await gather(*(fan.complete(key, request) for key in KEYS))


def texts(completions: Sequence[Completion]) -> list[str]:
    return [completion.content for completion in completions]


FIRST = KEYS[0].seed(0)
SEEDS = [FIRST + attempt for attempt in range(G)]
SAID = [str(seed) for seed in SEEDS]


def quick(**options: Any) -> Calls:
    return Calls(backoff=0.0, **options)


# ---------------------------------------------------------------- one request for a group


async def test_one_request_answers_a_groups_first_calls() -> None:
    model, calls = Fanned(), quick()
    assert texts(await group(calls, model)) == SAID
    assert [(request.seed, n) for request, n in model.asked] == [(FIRST, G)] and model.requests == []
    spent = calls.usage["rollout"]
    assert (spent.calls, spent.input_tokens, spent.output_tokens, spent.usd) == (G, 2 * G, 3 * G, 0.5 * G)


@pytest.mark.parametrize(
    ("model", "request_"),
    [
        (Fanned(CallFailed("client", "n must be 1", status=400)), ASK),
        (Fanned(), ASK.model_copy(update={"temperature": 0.0})),
        (ScriptedModel(lambda request: str(request.seed)), ASK),
    ],
    ids=["refused", "greedy", "no choices"],
)
async def test_elsewhere_the_calls_are_made_one_by_one_with_the_same_seeds(
    model: ScriptedModel, request_: Request
) -> None:
    assert texts(await group(quick(), model, request_)) == SAID
    assert sorted(request.seed or 0 for request in model.requests) == SEEDS


async def test_an_unusable_choice_harms_its_own_attempt_only() -> None:
    model = Fanned(unusable=[2])
    assert texts(await group(quick(), model)) == SAID
    assert [request.seed for request in model.requests] == [SEEDS[2]]


async def test_a_fault_is_sent_again_as_a_whole_and_fails_as_a_whole() -> None:
    model = Fanned(BUSY, BUSY)
    assert texts(await group(quick(), model)) == SAID
    assert len(model.asked) == 3
    hopeless = Fanned(*[BUSY] * MAX_SENDS)
    with pytest.raises(CallFailed, match="busy"):
        await group(quick(), hopeless)
    assert len(hopeless.asked) == MAX_SENDS and hopeless.requests == []


async def test_another_request_than_the_firsts_is_a_call_of_its_own() -> None:
    model = Fanned()
    other = ASK.model_copy(update={"max_tokens": 8})
    async with Fan(quick(), Endpoint(model, fan_out=True), KEYS) as fan:
        await fan.complete(KEYS[0], ASK)
        await fan.complete(KEYS[1], other)
    assert [(request.seed, request.max_tokens) for request in model.requests] == [(SEEDS[1], 8)]


# ---------------------------------------------------------------- books


async def test_the_whole_is_reserved_and_settled_at_what_it_was() -> None:
    shares = worst(Endpoint(Fanned(), usd=lambda read, said: read + 10.0 * said), ASK, G)
    prompt = len("2 + 2?") + 16
    whole = sum(shares, Cost())
    assert whole == Cost(prompt + G * 16, prompt + G * 160.0)
    budget = Budget(tokens=whole.tokens)
    await group(quick(budget=budget), Fanned())
    assert budget.spent == Cost(5 * G, 0.5 * G)


async def test_without_room_for_the_whole_they_go_one_by_one() -> None:
    model, budget = Fanned(), Budget(tokens=len("2 + 2?") + 16 + G * 16 - 1)
    assert texts(await group(quick(budget=budget), model)) == SAID
    assert model.asked == [] and budget.spent.tokens == 5 * G


async def test_without_a_usage_field_the_whole_costs_its_bound() -> None:
    budget, model = Budget(tokens=10_000), Fanned(unusable=[0], usage_known=False)
    bound = sum(worst(Endpoint(model), ASK, G), Cost()).tokens
    async with Fan(quick(budget=budget), Endpoint(model), KEYS) as fan:
        await fan.complete(KEYS[1], ASK)
    assert budget.spent.tokens == bound


async def test_the_journal_has_every_answer_at_its_place(tmp_path: Path) -> None:
    async with Store(tmp_path / "practice.db") as store:
        model = Fanned(unusable=[3])
        journal, _ = await RunJournal.open(store, "r")
        assert texts(await group(quick(journal=journal), model)) == SAID
        assert [request.seed for request in model.requests] == [SEEDS[3]]
        again, spent = await RunJournal.open(store, "r")
        assert spent.tokens == 5 * G
        assert texts(await group(quick(journal=again), model)) == SAID
        assert len(model.asked) == len(model.requests) == 1
        assert (await store.do(lambda db: usage_by_stage(db, "r")))["rollout"].calls == G


async def test_a_half_finished_group_goes_on_one_by_one(tmp_path: Path) -> None:
    async with Store(tmp_path / "practice.db") as store:
        journal, _ = await RunJournal.open(store, "r")
        await journal.sent(KEYS[1], ASK, Cost(70, 0.0))
        await journal.done([(KEYS[1], Fanned().said(SEEDS[1]))])
        await journal.sent(KEYS[2], ASK, Cost(70, 0.0))  # and killed
        journal, spent = await RunJournal.open(store, "r")
        assert spent.tokens == 75
        model = Fanned()
        assert texts(await group(quick(journal=journal), model)) == SAID
        assert model.asked == [] and sorted(request.seed or 0 for request in model.requests) == [SEEDS[0], *SEEDS[2:]]


async def test_what_a_killed_request_may_have_cost_is_charged_once(tmp_path: Path) -> None:
    bound = sum(worst(Endpoint(Fanned()), ASK, G), Cost()).tokens
    async with Store(tmp_path / "practice.db") as store:
        journal, _ = await RunJournal.open(store, "r")
        lost = Fanned(*[CallFailed("timeout", "no answer", retriable=True)] * MAX_SENDS)
        with pytest.raises(CallFailed):
            await group(quick(journal=journal), lost)
        assert (await RunJournal.open(store, "r"))[1].tokens == MAX_SENDS * bound


# ---------------------------------------------------------------- on the wire


def answer(*said: str | None, prompt: int = 100, output: int = 40) -> dict[str, Any]:
    choices = [
        {"index": place, "message": {"content": text}, "finish_reason": "stop"} for place, text in enumerate(said)
    ]
    details = {"prompt_tokens_details": {"cached_tokens": 90}, "completion_tokens_details": {"reasoning_tokens": 7}}
    return {"choices": choices, "usage": {"prompt_tokens": prompt, "completion_tokens": output, **details}}


def test_the_usage_is_shared_out_by_what_was_said() -> None:
    found = decode_choices(answer("a" * 10, "b" * 30, ""), 3)
    assert {place: completion.content for place, completion in found.items()} == {0: "a" * 10, 1: "b" * 30}
    assert [completion.usage.output_tokens for completion in found.values()] == [10, 30]
    assert [completion.usage.input_tokens for completion in found.values()] == [50, 50]
    total = sum((completion.usage for completion in found.values()), Usage(usd=None))
    assert (total.calls, total.cached_tokens, total.reasoning_tokens) == (2, 90, 7)


def test_choices_go_by_their_index() -> None:
    data = answer("zero", "one")
    data["choices"].reverse()
    data["choices"].append({"index": 7, "message": {"content": "what?"}})
    assert {place: said.content for place, said in decode_choices(data, 2).items()} == {0: "zero", 1: "one"}


@pytest.mark.parametrize(("data", "kind"), [({}, "cut"), (answer("", None), "empty"), ({"error": "x"}, "server")])
def test_no_usable_choice_is_a_fault_of_the_whole(data: dict[str, Any], kind: str) -> None:
    with pytest.raises(CallFailed) as caught:
        decode_choices(data, 2)
    assert caught.value.kind == kind and caught.value.retriable


@given(st.integers(0, 10**6), st.lists(st.integers(0, 10**6), min_size=1, max_size=9))
def test_parts_add_up_and_are_fair(total: int, weights: list[int]) -> None:
    parts = split(total, weights)
    assert sum(parts) == total and len(parts) == len(weights)
    shares = weights if any(weights) else [1] * len(weights)
    assert all(abs(part - total * share / sum(shares)) < 1 for part, share in zip(parts, shares, strict=True))
    if sum(weights) >= total:
        assert all(part <= weight for part, weight in zip(parts, weights, strict=True))


async def wire(world: World, **options: Any) -> tuple[dict[int, Completion] | CallFailed, list[Call]]:
    """What two requests for three answers bring, the second's outcome."""
    with FakeServer(world, **options) as server:
        model = connect(ModelSpec(name="hosted_vllm/fake", api_base=server.url, price={"input": 1.0, "output": 10.0}))  # pyright: ignore[reportArgumentType]
        said: dict[int, Completion] | CallFailed = {}
        for seed in (5, 9):
            try:
                said = await model.choices(ASK.model_copy(update={"seed": seed}), 3)
            except CallFailed as error:
                said = error
        await model.aclose()
        return said, list(server.calls)


async def test_n_on_the_wire() -> None:
    said, calls = await wire(lambda asked: f"seed {asked.body['seed']}" if "n" not in asked.body else "whole")
    assert isinstance(said, dict)
    assert {place: completion.content for place, completion in said.items()} == {
        0: "seed 9",
        1: "seed 10",
        2: "seed 11",
    }
    assert [(call.body["n"], call.body["seed"]) for call in calls] == [(3, 5), (3, 9)]
    usage = sum((completion.usage for completion in said.values()), Usage())
    assert usage.usd == pytest.approx((usage.input_tokens + 10 * usage.output_tokens) / 1e6)


async def test_a_refused_n_is_asked_for_once() -> None:
    said, calls = await wire(lambda _: "yes", refuse=["n"])
    assert isinstance(said, CallFailed) and said.kind == "client" and not said.retriable
    assert len(calls) == 1


async def test_one_choice_where_several_were_asked_for() -> None:
    def one(asked: Asked) -> Reply:
        del asked
        return Reply(body=json.dumps(answer("only")).encode())

    said, _ = await wire(one)
    assert isinstance(said, dict) and list(said) == [0]


# ---------------------------------------------------------------- whole runs


def single(calls: Sequence[Call]) -> Counter[str]:
    """Every answer that was asked for, as a body of its own."""
    parts = [part for call in calls for part in alone(Asked(call.body, b"", call.stage, 0))]
    return Counter(json.dumps(part.body) for part in parts)


def settings(**more: Any) -> dict[str, Any]:
    return {
        "practice": {"epochs": 2, "batch_size": 6, "seed": 3},
        "rollouts": {"group_size": G, "concurrency": 3},
        "holdout": make_tasks(4, start=1000),
        "tasks": make_tasks(12),
        **more,
    }


def agent(url: str, fan_out: bool | None, name: str = "openai/fake") -> dict[str, Any]:
    model = {"name": name, "api_base": url}
    return {"model": model if fan_out is None else {**model, "fan_out": fan_out}}


async def test_a_run_fans_out_and_learns_what_it_learns_without_n(tmp_path: Path) -> None:
    """Where the endpoint refuses ``n`` the calls have the same seeds: the same run, call by call."""
    with FakeServer("lessons") as takes, FakeServer("lessons", refuse=["n"]) as refuses:
        places = [
            make(tmp_path / name, server.url, agent=agent(server.url, True), **settings(accept="always"))
            for name, server in (("takes", takes), ("refuses", refuses))
        ]
        fanned, plain = [await practise(place) for place in places]
    practised = [call for call in takes.calls if (call.stage, call.phase) == ("rollout", "practice")]
    assert [call.body["n"] for call in practised] == [G] * fanned.groups.total
    assert fanned.rollouts.total == G * fanned.groups.total == fanned.rollouts.done
    assert bank_of(fanned) == bank_of(plain) and fanned.experiences
    assert (fanned.before, fanned.after) == (plain.before, plain.after)
    asked = single(takes.calls)
    assert asked.most_common(1)[0][1] == 1, "two answers of one body and seed"
    assert asked == single([call for call in refuses.calls if call.fault is None])
    assert fanned.usage.calls == plain.usage.calls == sum(asked.values())
    assert fanned.usage.output_tokens == plain.usage.output_tokens
    assert fanned.usage.input_tokens < plain.usage.input_tokens  # each prompt is read once


@pytest.mark.parametrize(
    ("name", "fan_out", "fans"),
    [("openai/fake", None, False), ("hosted_vllm/fake", None, True), ("hosted_vllm/fake", False, False)],
)
async def test_by_default_it_is_on_where_it_is_known_to_work(
    tmp_path: Path, name: str, fan_out: bool | None, fans: bool
) -> None:
    with FakeServer("right") as server:
        place = make(tmp_path, server.url, agent=agent(server.url, fan_out, name), **settings())
        await practise(place, "practice.epochs=1")
    assert any("n" in call.body for call in server.calls) == fans
    assert {call.stage for call in server.calls if "n" in call.body} <= {"rollout"}


async def test_it_is_another_run_where_the_seeds_are_others() -> None:
    def digest(**fields: Any) -> dict[str, Any]:
        return ModelSpec.model_validate({"api_base": "http://127.0.0.1:1/v1", **fields}).digest_fields()

    assert digest(name="openai/m") == digest(name="openai/m", fan_out=False) != digest(name="openai/m", fan_out=True)
    assert digest(name="vllm/m") == digest(name="vllm/m", fan_out=True) != digest(name="vllm/m", fan_out=False)


def sometimes_nothing(share: float) -> Callable[[Asked], str | dict[str, Any] | Reply]:
    def world(asked: Asked) -> str | dict[str, Any] | Reply:
        said = lessons(asked)
        return "" if asked.stage == "rollout" and not asked.count and asked.chance("nothing") < share else said

    return world


async def test_a_choice_that_says_nothing_harms_its_rollout_only(tmp_path: Path) -> None:
    with FakeServer(sometimes_nothing(0.2)) as server:
        place = make(tmp_path, server.url, agent=agent(server.url, True), **settings())
        document = await practise(place, "practice.epochs=1")
    practised = [call for call in server.calls if (call.stage, call.phase) == ("rollout", "practice")]
    fanned = [call for call in practised if "n" in call.body]
    assert len(fanned) == document.groups.total and len(practised) > len(fanned)
    assert document.rollouts.done == document.rollouts.total == G * document.groups.total


async def test_stopped_in_a_group_it_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    with FakeServer("lessons") as calm, FakeServer("lessons") as server:
        whole = await practise(make(tmp_path / "calm", calm.url, agent=agent(calm.url, True), **settings()))
        place = make(tmp_path / "tight", server.url, agent=agent(server.url, True), **settings())
        need = whole.usage.input_tokens + whole.usage.output_tokens
        for part in (5, 3, 2):
            stopped = await practise(place, f"budget.tokens={max(need // part, 3000)}")
            assert stopped.status == "budget"
            assert stopped.usage.input_tokens + stopped.usage.output_tokens <= max(need // part, 3000)
        document = await practise(place)
        assert (document.run_id, document.status) == (stopped.run_id, "done")
        assert bank_of(document) == bank_of(whole) and (document.before, document.after) == (whole.before, whole.after)
        assert single(server.calls) == single(calm.calls), "an answer was asked for twice, or another one was"


# ---------------------------------------------------------------- what the cache was worth


async def test_the_share_from_the_cache_is_measured_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where calls go one by one the instructions are read once and each task once a group, and the run says so."""
    with FakeServer("lessons", cache=True) as server, FakeServer("lessons", cache=True) as fanned:
        place = make(tmp_path / "a", server.url, **settings(holdout=(), accept="always"))
        other = make(tmp_path / "b", fanned.url, agent=agent(fanned.url, True), **settings(holdout=(), accept="always"))
        document, whole = [await practise(each, "practice.epochs=1") for each in (place, other)]
    usage = document.usage.by_stage["rollout"]
    assert usage.cached_tokens / usage.input_tokens > 0.7
    read = usage.input_tokens - usage.cached_tokens
    fresh = whole.usage.by_stage["rollout"].input_tokens - whole.usage.by_stage["rollout"].cached_tokens
    assert fresh <= read  # what had to be read is no more where each prompt goes once

    total = document.usage
    share = f"{total.cached_tokens / total.input_tokens:.0%}"
    assert f"({total.cached_tokens:,} cached, {share})" in cost_line(total)
    closing_panel(document, place)
    assert share in capsys.readouterr().out
    page = (place.root / str(document.report)).read_text()
    assert f"{total.cached_tokens:,} ({100 * total.cached_tokens / total.input_tokens:.1f}" in page
