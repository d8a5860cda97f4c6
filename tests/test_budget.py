"""The ceiling is never passed; a call that does not fit waits while others are in flight, and only then stops."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practice.budget import Budget, Cost
from practice.errors import BudgetExhausted


async def test_a_call_waits_for_those_in_flight_and_then_fits() -> None:
    budget = Budget(tokens=100)
    await budget.reserve(Cost(80))
    second = asyncio.create_task(budget.reserve(Cost(60)))
    await asyncio.sleep(0)
    assert not second.done()
    budget.settle(Cost(80), Cost(20))
    await second
    assert budget.spent.tokens == 20


async def test_it_stops_only_when_nothing_is_in_flight_and_the_next_call_does_not_fit() -> None:
    budget = Budget(tokens=100)
    await budget.reserve(Cost(80))
    waiting = [asyncio.create_task(budget.reserve(Cost(60))) for _ in range(3)]
    await asyncio.sleep(0)
    budget.settle(Cost(80), Cost(80))
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [BudgetExhausted] * 3
    with pytest.raises(BudgetExhausted, match=r"budget\.tokens: 80 of 100"):
        await budget.reserve(Cost(1))


async def test_spend_is_cumulative_over_resumes() -> None:
    budget = Budget(tokens=100, spent=Cost(95))
    with pytest.raises(BudgetExhausted):
        await budget.reserve(Cost(6))
    await Budget(tokens=100, spent=Cost(95)).reserve(Cost(5))


async def test_usd_and_seconds_are_ceilings_too() -> None:
    budget = Budget(usd=1.0)
    await budget.reserve(Cost(10, 0.75))
    budget.settle(Cost(10, 0.75), Cost(10, 0.75))
    with pytest.raises(BudgetExhausted, match=r"budget\.usd: 0\.7500 of 1 usd"):
        await budget.reserve(Cost(10, 0.5))
    with pytest.raises(BudgetExhausted, match=r"budget\.seconds"):
        await Budget(seconds=10, seconds_before=10.0).reserve(Cost())


async def test_when_time_is_up_what_is_in_flight_is_waited_for() -> None:
    budget = Budget(seconds=3600)
    await budget.reserve(Cost(5))
    budget.seconds_before = 3600.0
    late = asyncio.create_task(budget.reserve(Cost(5)))
    await asyncio.sleep(0)
    assert not late.done()
    budget.settle(Cost(5), Cost(5))
    with pytest.raises(BudgetExhausted, match=r"budget\.seconds"):
        await late


async def test_an_unknown_price_stops_a_ceiling_in_usd() -> None:
    with pytest.raises(BudgetExhausted, match="no known price"):
        await Budget(usd=1.0).reserve(Cost(10, None))


async def test_a_cancelled_wait_gives_its_place_to_the_next() -> None:
    budget = Budget(tokens=100)
    await budget.reserve(Cost(80))
    large, small = asyncio.create_task(budget.reserve(Cost(90))), asyncio.create_task(budget.reserve(Cost(10)))
    await asyncio.sleep(0)
    assert not small.done()  # first come, first served
    large.cancel()
    await small
    budget.settle(Cost(10), Cost(10))
    budget.settle(Cost(80), Cost(80))
    assert budget.spent.tokens == 90


@given(
    ceiling=st.integers(50, 400),
    calls=st.lists(st.tuples(st.integers(1, 60), st.floats(0, 1), st.integers(0, 3)), min_size=1, max_size=25),
)
def test_the_ceiling_is_never_passed(ceiling: int, calls: list[tuple[int, float, int]]) -> None:
    async def one(budget: Budget, reserved: int, share: float, ticks: int) -> None:
        await budget.reserve(Cost(reserved))
        for _ in range(ticks):
            await asyncio.sleep(0)
        budget.settle(Cost(reserved), Cost(int(reserved * share)))
        assert budget.spent.tokens <= ceiling

    async def run() -> Budget:
        budget = Budget(tokens=ceiling)
        results = await asyncio.gather(*(one(budget, *call) for call in calls), return_exceptions=True)
        stopped = [result for result in results if isinstance(result, BaseException)]
        assert all(isinstance(result, BudgetExhausted) for result in stopped)
        return budget

    assert asyncio.run(run()).spent.tokens <= ceiling
