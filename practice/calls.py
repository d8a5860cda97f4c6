"""The one way in which a run talks to a model: journal, budget, queue, retry, seed.

    key + request -> journal? -> slot -> reserve -> send -> journal -> settle -> completion

A completion is committed to the journal before anyone sees it and before its slot is given to another call, so
a killed process leaves at most ``concurrency`` answers that nobody wrote down.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from practice import traces
from practice.budget import Budget, Cost
from practice.errors import CallFailed, EndpointError, LocalModelError
from practice.model import Fanning, Model, parse_json, request_tokens_bound, split
from practice.pace import Pace, Start
from practice.types import CallKey, Completion, Message, Phase, Request, Stage, Usage

Ask = Callable[[CallKey, Request], Awaitable[Completion]]
"""What a stage gets to talk to one model."""

MAX_SENDS = 6
"""How often one call is sent before it counts as failed."""
#: These were sent and never (wholly) answered: the endpoint may have worked for them.
UNANSWERED = frozenset({"timeout", "cut", "empty"})

T = TypeVar("T", bound=BaseModel)
Result = TypeVar("Result")


class Journal(Protocol):
    """Where completed calls are kept. ``practice.store`` has the durable one."""

    async def get(self, key: CallKey) -> Completion | None:
        """The answer that was committed for this call before, or None."""
        ...

    async def sent(self, key: CallKey, request: Request, reserved: Cost, *, model: str = "") -> None:
        """Note a call before it goes out, with what is reserved for it and the model that is asked."""
        ...

    async def done(self, answers: Sequence[tuple[CallKey, Completion]]) -> None:
        """Commit the answers and their cost, all or none; returns when they are on disk."""
        ...

    async def unanswered(self, key: CallKey, charged: Cost) -> None:
        """Note that a call failed, and what it is charged all the same."""
        ...


@dataclass
class Endpoint:
    """A model with its own limits: calls in flight, calls and tokens a minute, and what its 429s teach; all queue."""

    model: Model
    concurrency: int | None = None
    rpm: int | None = None
    usd: Callable[[int, int], float | None] = lambda _input, _output: None
    """Worst-case price of (input tokens, output tokens), or None where it is unknown."""
    server: asyncio.Semaphore | None = None
    """The places of the server behind it, where several endpoints share one."""
    start: Callable[[], Awaitable[object]] | None = None
    """Starts that server where it does not run yet: weights take their time, which is not the call's."""
    tpm: int | None = None
    fan_out: bool = False
    """Whether a group's first calls go to it as one."""

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.concurrency) if self.concurrency else None
        self.pace = Pace(self.rpm, self.tpm)

    @asynccontextmanager
    async def place(self, bound: int) -> AsyncGenerator[Start]:
        """A place for one call of at most ``bound`` tokens: waits until one is free and the rates allow it.

        It is given back however the block ends.
        """
        async with AsyncExitStack() as held:
            for places in (self._slots, self.server):
                if places is not None:
                    await held.enter_async_context(places)
            begun = await self.pace.start(bound)
            try:
                yield begun
            finally:
                self.pace.end()


class Calls:
    """All model calls of one run (or of one agent used on its own)."""

    def __init__(
        self,
        *,
        seed: int = 0,
        run_id: str = "",
        journal: Journal | None = None,
        budget: Budget | None = None,
        concurrency: int = 16,
        timeout: float = 300.0,
        backoff: float = 0.5,
    ) -> None:
        self.seed, self.run_id, self.timeout, self.backoff = seed, run_id, timeout, backoff
        self.journal, self.budget = journal, budget or Budget()
        self.usage: dict[Stage, Usage] = {}
        """Spend of this process by stage; the journal has the cumulative one."""
        self._slots = asyncio.Semaphore(concurrency)
        self._outcomes: deque[bool] = deque(maxlen=40)
        self._slowest = 0.0
        self._answers = 0

    async def complete(
        self, endpoint: Endpoint, key: CallKey, request: Request, *, timeout: float | None = None
    ) -> Completion:
        """One durable call. Raises CallFailed after its retries, EndpointError where most calls fail."""
        if self.journal is not None:
            known = await self.journal.get(key)
            if known is not None:
                return known
        if request.seed is None:
            request = request.model_copy(update={"seed": key.seed(self.seed)})
        return (await self.complete_all(endpoint, [key], request, timeout=timeout))[key]

    async def complete_all(
        self, endpoint: Endpoint, keys: Sequence[CallKey], request: Request, *, timeout: float | None = None
    ) -> dict[CallKey, Completion]:
        """The calls at these places by one request, whose seed is the first one's; place i has that seed + i.

        A place is missing where its choice was not usable; one key is always answered. The journal is written and not
        asked. Raises as :meth:`complete` does, for all of them.
        """
        for send in range(1, MAX_SENDS + 1):
            try:
                answers = await self._send(endpoint, keys, request, timeout)
            except CallFailed as error:
                if not error.retriable or send == MAX_SENDS:
                    self._note(ok=error.kind == "context")
                    raise
                await asyncio.sleep(self._pause(keys[0], send, error.retry_after))
            else:
                self._note(ok=True)
                return answers
        raise AssertionError("unreachable")

    def ask(self, endpoint: Endpoint) -> Ask:
        """``complete`` bound to one endpoint."""

        async def ask(key: CallKey, request: Request) -> Completion:
            return await self.complete(endpoint, key, request)

        return ask

    # ------------------------------------------------------------------ inside

    async def _send(
        self, endpoint: Endpoint, keys: Sequence[CallKey], request: Request, timeout: float | None
    ) -> dict[CallKey, Completion]:
        shares = worst(endpoint, request, len(keys))
        reserved = sum(shares, Cost())
        async with self._slots, endpoint.place(reserved.tokens) as begun:
            await self.budget.reserve(reserved)
            actual = reserved
            try:
                if self.journal is not None:
                    for key, share in zip(keys, shares, strict=True):
                        await self.journal.sent(key, request, share, model=endpoint.model.name)
                if endpoint.start is not None:
                    await endpoint.start()
                answer = self._post(endpoint.model, keys, request, timeout)
                said = await traces.chat(answer, endpoint.model.name, keys, request)
                known = all(completion.usage_known for completion in said.values())
                answers = {
                    keys[place]: completion if known else _at_bound(completion, request, shares[place])
                    for place, completion in said.items()
                }
                # What an unusable choice took is counted with the others, where it is counted at all.
                unusable = {
                    keys[place]: Cost() if known else share for place, share in enumerate(shares) if place not in said
                }
                actual = sum((_cost(completion) for completion in answers.values()), sum(unusable.values(), Cost()))
                if self.journal is not None:
                    await self.journal.done(list(answers.items()))
                    for key, charged in unusable.items():
                        await self.journal.unanswered(key, charged)
                endpoint.pace.answered(begun, actual.tokens)
                for key, completion in answers.items():
                    self.usage[key.stage] = self.usage.get(key.stage, Usage()) + completion.usage
                return answers
            except (CallFailed, EndpointError, LocalModelError) as error:
                # What was refused, or never reached a server, was not worked for.
                worked = isinstance(error, CallFailed) and error.kind in UNANSWERED
                actual = reserved if worked else Cost()
                if isinstance(error, CallFailed) and not worked:
                    endpoint.pace.refused(begun, error.retry_after, rate=error.kind == "rate_limit")
                if self.journal is not None:
                    for key, share in zip(keys, shares, strict=True):
                        await self.journal.unanswered(key, share if worked else Cost())
                raise
            finally:
                self.budget.settle(reserved, actual)

    async def _post(
        self, model: Model, keys: Sequence[CallKey], request: Request, timeout: float | None
    ) -> dict[int, Completion]:
        limit = min(timeout or self.timeout, self._patience())
        headers = self._headers(keys[0].stage, keys[0].phase)
        started = time.monotonic()
        try:
            async with asyncio.timeout(limit):
                if len(keys) == 1:
                    said = {0: await model.complete(request, headers=headers, timeout=limit)}
                else:
                    assert isinstance(model, Fanning)
                    said = await model.choices(request, len(keys), headers=headers, timeout=limit)
        except TimeoutError:
            raise CallFailed("timeout", f"no answer within {limit:.0f} s", retriable=True) from None
        took = time.monotonic() - started
        self._slowest, self._answers = max(self._slowest, took), self._answers + 1
        return {
            place: completion.model_copy(update={"usage": completion.usage.model_copy(update={"seconds": took})})
            for place, completion in said.items()
        }

    def _patience(self) -> float:
        """Once 20 answers are in, a call that takes 20 times the slowest (and 30 s) hangs; it is sent again."""
        return self.timeout if self._answers < 20 else max(30.0, 20 * self._slowest)

    def _headers(self, stage: Stage, phase: Phase) -> Mapping[str, str]:
        return {"X-Practice-Run": self.run_id, "X-Practice-Stage": stage, "X-Practice-Phase": phase}

    def _pause(self, key: CallKey, send: int, retry_after: float | None) -> float:
        """Exponential backoff with a jitter that the call's place decides; Retry-After is a lower bound."""
        jitter = hashlib.sha256(f"{key!r}{send}".encode()).digest()[0] / 255
        pause = min(30.0, self.backoff * 2 ** (send - 1)) * (0.75 + 0.5 * jitter)
        return max(pause, min(retry_after or 0.0, 120.0))

    def _note(self, *, ok: bool) -> None:
        self._outcomes.append(ok)
        failed = self._outcomes.count(False)
        if len(self._outcomes) >= 12 and failed > len(self._outcomes) / 2:
            raise EndpointError(f"{failed} of the last {len(self._outcomes)} calls failed after {MAX_SENDS} tries each")


def worst(endpoint: Endpoint, request: Request, n: int = 1) -> list[Cost]:
    """The most that each of ``n`` answers to ``request`` can cost; its prompt is paid once, in equal parts."""
    prompt = request_tokens_bound(request) - request.max_tokens
    return [Cost(part + request.max_tokens, endpoint.usd(part, request.max_tokens)) for part in split(prompt, [1] * n)]


def _at_bound(completion: Completion, request: Request, reserved: Cost) -> Completion:
    """An answer without a usage field costs what was reserved for it."""
    usage = completion.usage.model_copy(
        update={
            "input_tokens": reserved.tokens - request.max_tokens,
            "output_tokens": request.max_tokens,
            "usd": reserved.usd,
        }
    )
    return completion.model_copy(update={"usage": usage})


def _cost(completion: Completion) -> Cost:
    usage = completion.usage
    return Cost(usage.input_tokens + usage.output_tokens, usage.usd)


async def structured(
    ask: Ask, key: CallKey, request: Request, schema: type[T], *, shape: dict[str, Any] | None = None
) -> T:
    """Ask for an object of ``schema``; what does not validate is sent back once, at ``key.step + 1``.

    ``shape`` is a narrower JSON schema to send, where what is possible at all depends on the moment.

    Raises CallFailed("unparsable") where the second answer does not validate either.
    """
    request = request.model_copy(
        update={"json_schema": shape or schema.model_json_schema(), "schema_name": schema.__name__}
    )
    completion = await ask(key, request)
    value, problem = _validate(completion, schema)
    if value is not None:
        return value
    again = request.model_copy(
        update={
            "messages": (
                *request.messages,
                Message(role="assistant", content=completion.content or "(empty)"),
                Message(role="user", content=f"That can't be used: {problem}\nReply with the JSON object alone."),
            )
        }
    )
    completion = await ask(key.model_copy(update={"step": key.step + 1}), again)
    value, problem = _validate(completion, schema)
    if value is None:
        raise CallFailed("unparsable", f"{key.stage}: no valid {schema.__name__} after one repair: {problem}")
    return value


def _validate(completion: Completion, schema: type[T]) -> tuple[T | None, str]:
    data = parse_json(completion.content)
    if data is None:
        return None, "it holds no JSON object"
    try:
        return schema.model_validate(data), ""
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return None, f"{'.'.join(str(part) for part in first['loc']) or 'object'}: {first['msg']}"


async def gather(*coroutines: Coroutine[Any, Any, Result]) -> list[Result]:
    """All results in order; the first error cancels the rest and is raised as it is."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
