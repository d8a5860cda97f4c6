"""The queue in front of an endpoint: its minute limits and what 429s teach, on a clock of our own."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from practice.calls import Calls, Endpoint
from practice.config import ModelSpec
from practice.endpoints import Endpoints
from practice.errors import CallFailed
from practice.fakes import ScriptedModel
from practice.pace import LONGEST_HOLD, Pace, Start
from practice.types import CallKey, Completion, Message, Request, Usage

ASK = Request(messages=(Message(role="user", content="2 + 2?"),), max_tokens=16)
BUSY = CallFailed("rate_limit", "busy", status=429, retriable=True)


class Clock:
    """Time goes on where someone sleeps, and nowhere else."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


def pace(clock: Clock, rpm: int | None = None, tpm: int | None = None) -> Pace:
    return Pace(rpm, tpm, clock=clock, sleep=clock.sleep)


async def run(queue: Pace, n: int, bound: int, tokens: Callable[[int], int]) -> list[Start]:
    begun: list[Start] = []
    for place in range(n):
        begun.append(await queue.start(bound))
        queue.answered(begun[-1], tokens(place))
        queue.end()
    return begun


async def test_calls_a_minute_are_spaced() -> None:
    clock = Clock()
    begun = await run(pace(clock, rpm=120), 4, 10, lambda _: 10)
    assert [round(start.at - 100, 6) for start in begun] == [0.0, 0.5, 1.0, 1.5]


@given(tpm=st.integers(50, 400), sizes=st.lists(st.integers(1, 60), min_size=1, max_size=40))
def test_no_minute_holds_more_tokens_than_allowed(tpm: int, sizes: list[int]) -> None:
    begun = asyncio.run(run(pace(Clock(), tpm=tpm), len(sizes), 60, lambda place: sizes[place]))
    for first in begun:
        minute = [start.tokens for start in begun if first.at <= start.at < first.at + 59.9]
        # What a call takes is known when it is answered: one call may take more than was expected of it.
        assert sum(minute[:-1]) <= tpm


async def test_tokens_a_minute_are_counted_as_they_are_and_not_at_the_bound() -> None:
    clock = Clock()
    begun = await run(pace(clock, tpm=1000), 60, 500, lambda _: 25)
    assert sum(start.at < 160 for start in begun) == 40  # 40 x 25 tokens are a minute's; at their bound it were 2
    assert sum(160 <= start.at < 220.1 for start in begun) == 20


async def test_a_call_larger_than_a_minute_goes_alone() -> None:
    clock = Clock()
    begun = await run(pace(clock, tpm=10), 2, 50, lambda _: 50)
    assert begun[1].at - begun[0].at >= 60


async def test_a_429_halves_the_calls_in_flight_once_a_round_and_answers_raise_them_again() -> None:
    clock = Clock()
    queue = pace(clock)
    first = [await queue.start(10) for _ in range(8)]
    assert queue.window == math.inf
    clock.now += 1
    for begun in first:
        queue.refused(begun, None, rate=True)
        queue.end()
    assert queue.window == 4.0  # eight refusals of one round are one cut
    second = [await queue.start(10) for _ in range(4)]
    waiting = asyncio.create_task(queue.start(10))
    await asyncio.sleep(0)
    assert not waiting.done() and queue.in_flight == 4
    for begun in second:
        queue.answered(begun, 10)
    assert 4.9 < queue.window <= 5.0  # one more for a round of answers
    queue.end()
    await waiting
    queue.answered(second[0], 10)
    clock.now += 1
    queue.refused(await queue.start(10), None, rate=True)
    assert queue.window == queue.in_flight / 2 == 2.5


async def test_retry_after_holds_every_call_back_and_has_an_end() -> None:
    clock = Clock()
    queue = pace(clock)
    queue.refused(await queue.start(10), 7.0, rate=True)
    queue.end()
    assert (await queue.start(10)).at == 107.0
    queue.end()
    queue.refused(await queue.start(10), 1e6, rate=False)
    queue.end()
    assert (await queue.start(10)).at == 107.0 + LONGEST_HOLD


async def test_a_cancelled_wait_keeps_nobody_out() -> None:
    queue = pace(Clock())
    first, second = await queue.start(10), await queue.start(10)
    queue.refused(first, None, rate=True)
    queue.end()
    assert queue.window == 1.0
    given_up, next_one = (asyncio.create_task(queue.start(10)) for _ in range(2))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.sleep(0)
    queue.answered(second, 10)
    queue.end()
    await next_one
    assert queue.in_flight == 1


async def test_an_endpoint_that_takes_three_calls_at_once_is_found_out() -> None:
    """The endpoint refuses what is beyond its three places: the calls all get through, with few refusals."""
    flying = refused = 0

    class Narrow(ScriptedModel):
        async def complete(self, *args: object, **options: object) -> Completion:
            nonlocal flying, refused
            if flying >= 3:
                refused += 1
                raise BUSY
            flying += 1
            for _ in range(5):
                await asyncio.sleep(0)
            flying -= 1
            return Completion(content="4", usage=Usage(calls=1, input_tokens=5, output_tokens=5))

    calls, endpoint = Calls(backoff=0.001, concurrency=64), Endpoint(Narrow([]))
    keys = [CallKey(phase="practice", stage="rollout", task=f"t{n}") for n in range(60)]
    answers = await asyncio.gather(*(calls.complete(endpoint, key, ASK) for key in keys))
    assert len(answers) == 60
    assert 1 <= endpoint.pace.window < 12
    assert refused < 120  # all 57 of the first round once, and then a few


async def test_a_spec_brings_its_limits_to_the_endpoint(tmp_path: Path) -> None:
    async with Endpoints(connector=lambda spec: ScriptedModel([]), root=tmp_path) as known:
        limits = known.get(ModelSpec(name="openai/m", rpm=7, tpm=900)).pace
    assert (limits.rpm, limits.tpm) == (7, 900)
