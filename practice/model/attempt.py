"""What every model does around one attempt: the clock, the endpoint's dialect, the price."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from practice.config import Price
from practice.errors import CallFailed, EndpointError
from practice.model.choices import decode_choices, refuses_n
from practice.model.faults import Refusal, Secrets, failure, is_context
from practice.model.prices import cost
from practice.model.wire import Dialect, encode
from practice.types import Completion, Request

DEFAULT_TIMEOUT = 300.0
"""Seconds for one attempt, where the caller gives none."""


#: What only continues an assistant's last message where it is asked to. Others do so by themselves, or open a new turn.
_ASKED_TO_CONTINUE = ("vllm/", "hosted_vllm/")


class OneAttempt(ABC):
    """A model whose call is one attempt.

    What the endpoint refuses by name (seed, a schema) is left out and sent again at once, and left out from then
    on; nothing else is repeated here.
    """

    def __init__(
        self, name: str, *, wire_name: str, where: str, params: Mapping[str, Any], price: Price | None, secrets: Secrets
    ) -> None:
        self.name = name
        self.dialect = Dialect()
        """What the endpoint has refused so far."""
        self._wire_name, self._where, self._params = wire_name, where, dict(params)
        self._price, self._secrets = price, secrets

    async def complete(
        self, request: Request, *, headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Completion:
        """One call. ``timeout``: seconds for all of it. ``headers`` are sent where an ``api_base`` is set.

        Raises CallFailed, and EndpointError where the endpoint would refuse every call.
        """
        return (await self._attempt(request, 1, headers or {}, timeout))[0]

    async def choices(
        self, request: Request, n: int, *, headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> dict[int, Completion]:
        """``n`` answers by one call, the usable ones by their place; those that the endpoint did not give are missing.

        Place i is sampled with the seed ``request.seed + i`` where the endpoint counts on as vLLM does. Raises as
        ``complete`` does; CallFailed("client") where the endpoint takes no ``n``.
        """
        return await self._attempt(request, n, headers or {}, timeout)

    async def _attempt(
        self, request: Request, n: int, headers: Mapping[str, str], timeout: float | None
    ) -> dict[int, Completion]:
        started, limit = time.perf_counter(), DEFAULT_TIMEOUT if timeout is None else timeout
        fault: CallFailed | EndpointError
        try:
            async with asyncio.timeout(limit):
                said = await self._negotiate(request, n, headers, limit)
        except TimeoutError:
            fault = CallFailed("timeout", f"no answer within {limit:g} s", retriable=True)
        except (CallFailed, EndpointError) as error:
            fault = error
            fault.args = (self._secrets.scrub(str(error), limit=500),)  # whatever text it was made of
        else:
            seconds = time.perf_counter() - started
            return {place: self._priced(completion, seconds) for place, completion in said.items()}
        # A client's own error holds the request with its key: nothing that leaves here may refer to it.
        fault.__cause__ = fault.__context__ = None
        raise fault

    def _priced(self, completion: Completion, seconds: float) -> Completion:
        usd = cost(completion.usage, self._price) if completion.usage_known else None
        usage = completion.usage.model_copy(update={"usd": usd, "seconds": seconds})
        return completion.model_copy(update={"usage": usage})

    @abstractmethod
    async def aclose(self) -> None:
        """Close the connections."""

    @abstractmethod
    async def _post(self, body: dict[str, Any], headers: Mapping[str, str], limit: float) -> object | Refusal:
        """Send ``body`` once: the answer's JSON, or the refusal where its status is an error."""

    def _first_dialect(self, request: Request) -> Dialect:
        """How ``request`` is put at first."""
        del request
        return self.dialect

    async def _negotiate(
        self, request: Request, n: int, headers: Mapping[str, str], limit: float
    ) -> dict[int, Completion]:
        """The answers by their place, each with what of the request was not sent along."""
        dialect = self._first_dialect(request)
        if n > 1 and not dialect.n:
            raise CallFailed("client", f"{self._where} gives one answer a call")
        while True:
            body = encode(request, self._wire_name, dialect, self._params)
            if n > 1:
                body["n"] = n
            if request.messages[-1].role == "assistant" and self.name.startswith(_ASKED_TO_CONTINUE):
                body |= {"continue_final_message": True, "add_generation_prompt": False}
            answer = await self._post(body, headers, limit)
            if not isinstance(answer, Refusal):
                self.dialect = self.dialect.merged(dialect)
                sent = {
                    "seed_honoured": request.seed is None or dialect.seed,
                    "temperature_honoured": dialect.temperature,
                }
                said = decode_choices(answer, n)
                return {place: completion.model_copy(update=sent) for place, completion in said.items()}
            following = None
            if answer.status in (400, 422) and not is_context(answer):
                if n > 1 and refuses_n(answer):
                    self.dialect = replace(self.dialect, n=False)
                else:
                    following = dialect.after_refusal(request, answer.param, answer.code, answer.message)
            if following is None:
                raise failure(answer, self._where, self._secrets)
            dialect = following
