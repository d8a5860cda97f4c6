"""Model specs -> endpoints, one an address and model; local servers start at the first call and stop with the run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType

from practice.calls import Endpoint
from practice.config import ModelSpec
from practice.model import Model, connect, cost, price_of
from practice.types import Completion, Request, Usage

LOCAL_PREFIX = "llamacpp/"


class LocalModel:
    """A model of a local server that is started when the first call is made.

    A finished run, or one whose every call is in the journal, never starts it.
    """

    def __init__(self, spec: ModelSpec, stack: AsyncExitStack) -> None:
        self.name = spec.name
        self._spec, self._stack = spec, stack
        self._lock = asyncio.Lock()
        self._model: Model | None = None

    async def complete(
        self, request: Request, *, headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Completion:
        model = await self.start()
        return await model.complete(request, headers=headers, timeout=timeout)

    async def start(self) -> Model:
        """The connected model; starts the server where it does not run yet."""
        async with self._lock:
            if self._model is None:
                from practice import local

                served = await self._stack.enter_async_context(local.serve(self._spec.name))
                spec = self._spec.model_copy(
                    update={
                        "name": f"openai/{served.model}",
                        "api_base": served.api_base,
                        "price": price_of(self._spec),
                    }
                )
                self._model = connect(spec, api_key=served.api_key)
            return self._model

    async def aclose(self) -> None:
        if self._model is not None:
            await self._model.aclose()


class Endpoints:
    """All endpoints of a process: ``async with Endpoints() as endpoints: endpoints.get(spec)``."""

    def __init__(self, connector: Callable[[ModelSpec], Model] | None = None) -> None:
        self._connector = connector
        self._stack = AsyncExitStack()
        self._known: dict[str, Endpoint] = {}

    async def __aenter__(self) -> Endpoints:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for endpoint in self._known.values():
            await endpoint.model.aclose()
        await self._stack.aclose()

    def get(self, spec: ModelSpec) -> Endpoint:
        """The endpoint of ``spec``; the same for equal specs."""
        identity = spec.model_dump_json()
        if identity not in self._known:
            self._known[identity] = self._open(spec)
        return self._known[identity]

    def _open(self, spec: ModelSpec) -> Endpoint:
        if self._connector is not None:
            model: Model = self._connector(spec)
        elif spec.name.startswith(LOCAL_PREFIX) and spec.api_base is None:
            from practice import local

            slots = spec.concurrency or local.resolve(spec.name).slots
            return Endpoint(LocalModel(spec, self._stack), slots, spec.rpm, _free)
        else:
            model = connect(spec)
        price = price_of(spec)

        def worst(input_tokens: int, output_tokens: int) -> float | None:
            return cost(Usage(calls=1, input_tokens=input_tokens, output_tokens=output_tokens), price)

        return Endpoint(model, spec.concurrency, spec.rpm, worst)


def _free(_input: int, _output: int) -> float:
    """A local model costs no money."""
    return 0.0
