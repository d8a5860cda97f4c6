"""What calls cost: the tables, the user's own, and the parts of a call with a price of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practice.budget import Cost
from practice.config import ModelSpec, Price, load_prices, priced
from practice.endpoints import Endpoints
from practice.errors import InputError
from practice.fakes import ScriptedModel
from practice.model import cost, price_of, prices, worst_cost
from practice.model.wire import decode
from practice.store import RunJournal, Store, usage_by
from practice.types import CallKey, Completion, Message, Request, Usage
from tests.fakeserver import FakeServer
from tests.house import make, practise
from tests.worlds import make_tasks

RATE = st.floats(0, 100)
PRICE = st.builds(Price, input=RATE, output=RATE, cached=st.none() | RATE, reasoning=st.none() | RATE)


def test_reasoning_and_cached_tokens_have_their_own_prices() -> None:
    usage = Usage(input_tokens=1000, cached_tokens=600, output_tokens=300, reasoning_tokens=200)
    price = Price(input=2.0, output=10.0, cached=0.5, reasoning=4.0)
    assert cost(usage, price) == pytest.approx((400 * 2 + 600 * 0.5 + 100 * 10 + 200 * 4) / 1e6)
    plain = Price(input=2.0, output=10.0)
    assert cost(usage, plain) == pytest.approx((1000 * 2 + 300 * 10) / 1e6)


@given(price=PRICE, n=st.integers(0, 10**6), cached=st.floats(0, 1), out=st.integers(0, 10**6), think=st.floats(0, 1))
def test_no_call_costs_more_than_its_reservation(price: Price, n: int, cached: float, out: int, think: float) -> None:
    usage = Usage(input_tokens=n, cached_tokens=int(n * cached), output_tokens=out, reasoning_tokens=int(out * think))
    paid, reserved = cost(usage, price), worst_cost(n, out, price)
    assert paid is not None and reserved is not None
    assert paid <= reserved * (1 + 1e-9) + 1e-12
    assert worst_cost(n, out, None) is None


def test_reasoning_tokens_are_read_and_never_more_than_were_put_out() -> None:
    def read(details: dict[str, int]) -> Usage:
        usage = {"prompt_tokens": 9, "completion_tokens": 50, "completion_tokens_details": details}
        choice = {"message": {"content": "4"}, "finish_reason": "stop"}
        return decode({"choices": [choice], "usage": usage}).usage

    assert read({"reasoning_tokens": 40}).reasoning_tokens == 40
    assert read({"reasoning_tokens": 400}).reasoning_tokens == 50
    assert read({}).reasoning_tokens == 0


def test_the_table_has_a_version_and_a_date() -> None:
    table = json.loads(prices.TABLE.read_text())
    assert table["version"] >= 1 and table["as_of"] and table["source"]
    for name, (tokens_in, tokens_out, cached) in table["models"].items():
        assert 0 < tokens_in <= tokens_out, name
        assert cached is None or cached < tokens_in, name


def test_the_users_own_table_comes_before_ours(tmp_path: Path) -> None:
    assert load_prices(tmp_path) == {}
    (tmp_path / "prices.yaml").write_text(
        "as_of: March\nprices:\n  openai/gpt-4.1-mini: {input: 9, output: 10}\n"
        "  hosted_vllm/own: {input: 1, output: 1}\n"
    )
    own = load_prices(tmp_path)
    listed, given_here = ModelSpec(name="openai/gpt-4.1-mini"), Price(input=3, output=3)
    assert price_of(priced(listed, own)) == Price(input=9, output=10)
    assert price_of(priced(listed.model_copy(update={"price": given_here}), own)) == given_here
    assert price_of(priced(ModelSpec(name="hosted_vllm/own", api_base="http://127.0.0.1:1/v1"), own)) is not None
    assert priced(ModelSpec(name="openai/o3"), own) == ModelSpec(name="openai/o3")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("prices: {m: {input: 1}}", "prices.m.output"),
        ("prices: {m: {input: 1, output: 2, cache: 1}}", "prices.m.cache"),
        ("prices: {m: {input: -1, output: 2}}", "prices.m.input"),
        ("price: {}", "price"),
    ],
)
def test_a_wrong_table_names_its_key(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "prices.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        load_prices(tmp_path)
    assert caught.value.key == key and str(caught.value.file).endswith("prices.yaml")


async def test_endpoints_price_by_the_workspaces_table(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text("prices: {m: {input: 1, output: 2, reasoning: 5}}")
    seen: list[Price | None] = []

    def connect(spec: ModelSpec) -> ScriptedModel:
        seen.append(spec.price)
        return ScriptedModel([])

    async with Endpoints(connect, root=tmp_path) as known:
        assert known.get(ModelSpec(name="m")).usd(1_000_000, 1_000_000) == 6.0
        assert known.get(ModelSpec(name="other")).usd(1, 1) is None
    assert seen == [Price(input=1, output=2, reasoning=5), None]


async def test_a_run_is_priced_by_the_workspaces_table_and_stays_the_same_run(tmp_path: Path) -> None:
    with FakeServer("lessons") as server:
        place = make(tmp_path, server.url, tasks=make_tasks(4), holdout=())
        with pytest.raises(InputError, match=r"prices\.yaml"):
            await practise(place, "accept=always", "practice.epochs=1", "budget.usd=5")
        unpriced = await practise(place, "accept=always", "practice.epochs=1")
        assert unpriced.usage.usd is None
        (tmp_path / "prices.yaml").write_text("prices: {openai/fake: {input: 1, output: 1}}")
        made = len(server.calls)
        again = await practise(place, "accept=always", "practice.epochs=1", "budget.usd=5")
        assert again.run_id == unpriced.run_id and len(server.calls) == made
        fresh = await practise(place, "accept=always", "practice.epochs=1", "practice.seed=1", "budget.usd=5")
    tokens = fresh.usage.input_tokens + fresh.usage.output_tokens
    assert fresh.usage.usd == pytest.approx(tokens / 1e6)


async def test_the_journal_tells_spend_by_model(tmp_path: Path) -> None:
    async with Store(tmp_path / "practice.db") as store:
        journal, _ = await RunJournal.open(store, "r")
        request = Request(messages=(Message(role="user", content="2 + 2?"),))
        for n, model in enumerate(("one", "two", "two")):
            key = CallKey(phase="practice", stage="judge" if n == 2 else "rollout", task=f"t{n}")
            usage = Usage(calls=1, input_tokens=10, output_tokens=5, reasoning_tokens=n, usd=0.5)
            await journal.sent(key, request, Cost(70, 1.0), model=model)
            await journal.done([(key, Completion(content="4", usage=usage))])
        spent = await store.do(lambda db: usage_by(db, "r", "model", "stage"))
    assert [(place, usage.calls, usage.reasoning_tokens, usage.usd) for place, usage in spent] == [
        (("one", "rollout"), 1, 0, 0.5),
        (("two", "judge"), 1, 2, 0.5),
        (("two", "rollout"), 1, 1, 0.5),
    ]
