"""How fast calls may start at one endpoint: calls and tokens a minute, and what its refusals teach.

A call that may not start yet queues, first come first served. Two limits are the user's (``rpm``, ``tpm``); the third
is learned. After a 429 no more calls are let in flight than half of those that were, each answer adds one over that
number, so that a round of answers adds one call: additive increase, multiplicative decrease (Chiu and Jain 1989), as
TCP does it. Refusals of calls that were already on their way at the last cut say nothing new and cut nothing. A
``Retry-After`` holds every call to the endpoint back, not only the one that was refused.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

MINUTE = 60.0
LONGEST_HOLD = 120.0
"""Seconds; an endpoint that asks for more is asked again after these."""
_LEAST = 1e-3
"""Seconds; a shorter sleep would end before the clock has moved on."""


@dataclass(eq=False)
class Start:
    """One call that was let go."""

    at: float
    tokens: float
    """What it takes of ``tpm``: expected at first, its own count once it is answered."""
    bound: int


class Pace:
    """The queue in front of one endpoint. ``clock`` and ``sleep`` are seconds; tests bring their own."""

    def __init__(
        self,
        rpm: int | None = None,
        tpm: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.rpm, self.tpm = rpm, tpm
        self.window = math.inf
        """Most calls in flight: no limit until the endpoint refuses one for their rate."""
        self.in_flight = 0
        self._clock, self._sleep = clock, sleep
        self._turn, self._freed = asyncio.Lock(), asyncio.Event()
        self._next, self._held_until, self._cut_at = 0.0, 0.0, -math.inf
        self._minute: deque[Start] = deque()
        self._bound, self._counted = 0, 0.0

    async def start(self, bound: int) -> Start:
        """Wait until a call of at most ``bound`` tokens may go, and let it go. Give it back with :meth:`end`."""
        async with self._turn:
            while True:
                tokens = self._expected(bound)
                wait = self._wait(tokens)
                if wait <= 0:
                    break
                if wait == math.inf:
                    self._freed.clear()
                    await self._freed.wait()
                else:
                    await self._sleep(max(wait, _LEAST))
            now = self._clock()
            if self.rpm:
                self._next = max(now, self._next) + MINUTE / self.rpm
            begun = Start(now, tokens, bound)
            if self.tpm:
                self._minute.append(begun)
            self.in_flight += 1
            return begun

    def answered(self, begun: Start, tokens: int) -> None:
        """Count an answer's own tokens, and let the window grow."""
        begun.tokens = tokens
        self._bound, self._counted = self._bound + begun.bound, self._counted + tokens
        self.window += 1 / self.window if self.window < math.inf else 0.0

    def refused(self, begun: Start, retry_after: float | None, *, rate: bool) -> None:
        """Count a refusal; ``rate``: for the rate of calls (429). It took no tokens."""
        begun.tokens = 0
        if rate and begun.at > self._cut_at:
            self.window = max(1.0, self.in_flight / 2)
            self._cut_at = self._clock()
        if retry_after:
            self._held_until = max(self._held_until, self._clock() + min(retry_after, LONGEST_HOLD))

    def end(self) -> None:
        """Give a call's place back, however it ended."""
        self.in_flight -= 1
        self._freed.set()

    # ------------------------------------------------------------------ inside

    def _wait(self, tokens: float) -> float:
        """Seconds until a call of ``tokens`` may be let go, as far as is known now; inf: until a place is free."""
        if self.in_flight and self.in_flight + 1 > self.window:
            return math.inf
        now = self._clock()
        wait = max(self._held_until - now, self._next - now if self.rpm else 0.0)
        return max(wait, self._full_until(tokens, now) - now) if self.tpm else wait

    def _full_until(self, tokens: float, now: float) -> float:
        """When the calls of the last minute and this one fit under ``tpm`` together."""
        while self._minute and self._minute[0].at <= now - MINUTE:
            self._minute.popleft()
        taken, until = sum(begun.tokens for begun in self._minute), now
        for begun in self._minute:
            if taken + tokens <= (self.tpm or 0):
                break
            taken, until = taken - begun.tokens, begun.at + MINUTE
        return until

    def _expected(self, bound: int) -> float:
        """What a call will take: its bound, scaled by what calls took of theirs so far."""
        return bound * (self._counted / self._bound if self._bound else 1.0)
