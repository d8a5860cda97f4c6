"""Model specs -> endpoints, one an address and model; local servers start at the first call and stop with the run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from practice.calls import Endpoint
from practice.config import ModelSpec, load_prices, priced
from practice.errors import CallFailed
from practice.model import LOCAL_PREFIXES, Fanning, Model, connect, price_of, worst_cost
from practice.types import Completion, Request

if TYPE_CHECKING:
    from practice.local import Endpoint as Served


class LocalServer:
    """A server of local weights: started by the first call that needs it, stopped with its stack.

    A finished run, or one whose every call is in the journal, never starts it. Every spec of the same weights
    shares it, whatever the spec calls them and whichever parameters it asks for.
    """

    def __init__(self, name: str, root: Path | None, slots: int, stack: AsyncExitStack) -> None:
        self.slots = slots
        """Requests that it works on at once."""
        self.places = asyncio.Semaphore(slots)
        """Shared by all endpoints on it, so that a call waits its turn here and not against its timeout there."""
        self._name, self._root, self._stack = name, root, stack
        self._lock = asyncio.Lock()
        self._served: Served | None = None

    async def start(self) -> Served:
        """Where it listens; starts it where it does not run yet. Raises LocalModelError where it can't."""
        async with self._lock:
            if self._served is None:
                from practice import local

                self._served = await self._stack.enter_async_context(local.serve(self._name, root=self._root))
            return self._served


class LocalModel:
    """One spec's way to a local server, connected when the first call is made."""

    def __init__(self, spec: ModelSpec, server: LocalServer) -> None:
        self.name = spec.name
        self._spec, self._server = spec, server
        self._model: Fanning | None = None

    async def complete(
        self, request: Request, *, headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Completion:
        """One attempt (``practice.model.Model``). Raises LocalModelError where the server has ended by itself."""
        served, model = await self._connected()
        try:
            return await model.complete(request, headers=headers, timeout=timeout)
        except CallFailed:
            served.check()
            raise

    async def choices(
        self, request: Request, n: int, *, headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> dict[int, Completion]:
        """One attempt at ``n`` answers (``practice.model.Fanning``). Raises LocalModelError as ``complete`` does."""
        served, model = await self._connected()
        try:
            return await model.choices(request, n, headers=headers, timeout=timeout)
        except CallFailed:
            served.check()
            raise

    async def _connected(self) -> tuple[Served, Fanning]:
        served = await self._server.start()
        if self._model is None:
            # What is known of vLLM goes by the prefix; the name behind it is the server's own.
            prefix = "vllm/" if self.name.startswith("vllm/") else "openai/"
            where = {"name": f"{prefix}{served.model}", "api_base": served.api_base, "price": price_of(self._spec)}
            self._model = connect(self._spec.model_copy(update=where), api_key=served.api_key)
        return served, self._model

    async def aclose(self) -> None:
        """Close the connection; the server is stopped by its stack."""
        if self._model is not None:
            await self._model.aclose()


class Endpoints:
    """All endpoints of a process: ``async with Endpoints() as endpoints: endpoints.get(spec)``.

    ``connector`` replaces ``practice.model.connect``; a local model's relative path counts from ``root``, by default
    from here. What models cost is looked up in the ``prices.yaml`` there first.
    """

    def __init__(self, connector: Callable[[ModelSpec], Model] | None = None, root: Path | None = None) -> None:
        self._connector, self._root = connector, root
        self._stack = AsyncExitStack()
        self._known: dict[str, Endpoint] = {}
        self._servers: dict[str, LocalServer] = {}
        self._prices = load_prices(root or Path.cwd())

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
            self._known[identity] = self._open(priced(spec, self._prices))
        return self._known[identity]

    def _open(self, spec: ModelSpec) -> Endpoint:
        if self._connector is not None:
            model: Model = self._connector(spec)
        elif spec.name.startswith(LOCAL_PREFIXES) and spec.api_base is None:
            server = self._server(spec.name)
            slots = min(spec.concurrency or server.slots, server.slots)
            return Endpoint(
                LocalModel(spec, server),
                slots,
                spec.rpm,
                _free,
                server.places,
                start=server.start,
                tpm=spec.tpm,
                fan_out=spec.fans_out,
            )
        else:
            model = connect(spec)
        price = price_of(spec)

        def worst(input_tokens: int, output_tokens: int) -> float | None:
            return worst_cost(input_tokens, output_tokens, price)

        return Endpoint(model, spec.concurrency, spec.rpm, worst, tpm=spec.tpm, fan_out=spec.fans_out)

    def _server(self, name: str) -> LocalServer:
        from practice import local

        identity, slots = local.places(name, self._root)
        if identity not in self._servers:
            self._servers[identity] = LocalServer(name, self._root, slots, self._stack)
        return self._servers[identity]


def _free(_input: int, _output: int) -> float:
    """A local model costs no money."""
    return 0.0
