"""The ceiling on usd, tokens and seconds: reserve the worst case, then settle at what it was.

A call may start only where the spend so far, the reservations in flight and its own worst case fit under the
ceiling together, so the ceiling can never be passed. A call that does not fit waits while others are in flight
(they usually settle below their reservation); when none is, the run stops with
:class:`~practice.errors.BudgetExhausted` and can be resumed under a larger ceiling.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

from practice.errors import BudgetExhausted


@dataclass(frozen=True)
class Cost:
    """An amount: tokens (input + output) and usd, None where the price is unknown."""

    tokens: int = 0
    usd: float | None = 0.0

    def __add__(self, other: Cost) -> Cost:
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        return Cost(self.tokens + other.tokens, usd)


@dataclass
class Budget:
    """One run's ceiling. ``None`` means no ceiling.

    ``spent`` starts at what earlier runs of the same run id spent: spend is cumulative over resumes.
    Seconds are wall seconds of the run's processes, counted up to now.
    """

    usd: float | None = None
    tokens: int | None = None
    seconds: float | None = None
    spent: Cost = field(default_factory=Cost)
    seconds_before: float = 0.0

    def __post_init__(self) -> None:
        self._started = time.monotonic()
        self._flying = Cost()
        self._in_flight = 0
        self._waiting: deque[tuple[Cost, asyncio.Future[None]]] = deque()
        self._exhausted: str | None = None

    @property
    def elapsed(self) -> float:
        """Wall seconds of this run, over all its processes."""
        return self.seconds_before + time.monotonic() - self._started

    def room(self, cost: Cost) -> bool:
        """Whether ``cost`` would fit beside what is spent, were nothing in flight."""
        total = self.spent + cost
        fits = self.tokens is None or total.tokens <= self.tokens
        return fits and (self.usd is None or total.usd is None or total.usd <= self.usd)

    async def reserve(self, cost: Cost) -> None:
        """Set ``cost`` aside, first come first served; raises BudgetExhausted where it can never fit."""
        if self._exhausted is not None:
            raise BudgetExhausted(self._exhausted)
        if not self._waiting and not self._late() and self._fits(cost):
            self._take(cost)
            return
        if self._in_flight == 0 and not self._waiting:
            self._stop(cost)
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((cost, granted))
        try:
            await granted
        except asyncio.CancelledError:
            self._forget(cost, granted)
            raise

    def settle(self, reserved: Cost, actual: Cost) -> None:
        """Give ``reserved`` back and count ``actual`` as spent."""
        self._in_flight -= 1
        usd = None if self._flying.usd is None or reserved.usd is None else self._flying.usd - reserved.usd
        self._flying = Cost(self._flying.tokens - reserved.tokens, usd if self._in_flight else 0.0)
        self.spent = self.spent + actual
        self._wake()

    # ------------------------------------------------------------------ inside

    def _take(self, cost: Cost) -> None:
        self._in_flight += 1
        self._flying = self._flying + cost

    def _fits(self, cost: Cost) -> bool:
        total = self.spent + self._flying + cost
        if self.tokens is not None and total.tokens > self.tokens:
            return False
        if self.usd is not None:
            if total.usd is None:
                raise BudgetExhausted("a call has no known price, so a ceiling in usd can't be kept")
            return total.usd <= self.usd
        return True

    def _wake(self) -> None:
        while self._waiting:
            cost, granted = self._waiting[0]
            if granted.done():
                self._waiting.popleft()
            elif not self._late() and self._fits(cost):
                self._waiting.popleft()
                self._take(cost)
                granted.set_result(None)
            elif self._in_flight == 0:
                try:
                    self._stop(cost)
                except BudgetExhausted as error:
                    for _, waiter in self._waiting:
                        if not waiter.done():
                            waiter.set_exception(error)
                    self._waiting.clear()
            else:
                return

    def _forget(self, cost: Cost, granted: asyncio.Future[None]) -> None:
        if granted.done() and not granted.cancelled() and granted.exception() is None:
            self.settle(cost, Cost())
        else:
            self._waiting = deque(item for item in self._waiting if item[1] is not granted)
            self._wake()

    def _late(self) -> bool:
        return self.seconds is not None and self.elapsed >= self.seconds

    def _stop(self, cost: Cost) -> None:
        if self._late():
            self._exhausted = f"budget.seconds: {self.seconds:g} s are used up"
        elif self.tokens is not None and self.spent.tokens + cost.tokens > self.tokens:
            what = f"budget.tokens: {self.spent.tokens:,} of {self.tokens:,} are spent and the next call may take"
            self._exhausted = f"{what} {cost.tokens:,}"
        else:
            self._exhausted = (
                f"budget.usd: {self.spent.usd:.4f} of {self.usd:g} usd are spent and the next call does not fit"
            )
        raise BudgetExhausted(self._exhausted)
