"""The engine ``monty``: pydantic-monty's own interpreter of a Python subset, for small pure functions.

It has no files, no network, no installed packages and few modules of the standard library; what it can't express
ends ``raised`` with its error. A session costs a few milliseconds and a call a fraction of one, with no bubblewrap
needed. Each loaded module has a namespace of its own and can't import another. Limits of time and memory are the
interpreter's own, and its process can be ended; source: https://github.com/pydantic/monty.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from practice.errors import InputError
from practice.sandbox.base import Ended, Permit, Ran, SandboxLimits, Session
from practice.sandbox.interpreter import TooLong, plain

if TYPE_CHECKING:
    from pydantic_monty import AsyncMonty, AsyncMontySession, CollectStreams

MAX_MODULES = 32
"""Interpreters of one session."""

_RUN = ""
"""Whose namespace ``run`` uses: no module's."""


class MontyEngine:
    """Sessions in pydantic-monty."""

    name = "monty"

    @asynccontextmanager
    async def session(
        self,
        limits: SandboxLimits | None = None,
        *,
        permit: Permit | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> AsyncGenerator[Session]:
        """See :class:`~practice.sandbox.base.Engine`. Raises InputError for a permit or files: it has neither."""
        from pydantic_monty import AsyncMonty

        if files or (permit and (permit.hosts or permit.read)):
            raise InputError("a session without files and permits (the engine monty has none)", found="some")
        limits = limits or SandboxLimits()
        # One request can't outlive the watchdog, whatever the interpreter's own clock does.
        watchdog = limits.seconds + 5
        async with AsyncMonty(
            min_processes=0, max_processes=MAX_MODULES, checkout_timeout=60, request_timeout=watchdog
        ) as pool:
            session = MontySession(pool, limits)
            try:
                yield session
            finally:
                await session.close()


class MontySession:
    """A :class:`~practice.sandbox.base.Session`: one interpreter for each loaded module, one for ``run``."""

    def __init__(self, pool: AsyncMonty, limits: SandboxLimits) -> None:
        self.pool, self.limits = pool, limits
        self._open: dict[str, tuple[AsyncExitStack, AsyncMontySession]] = {}
        self._loaded: dict[str, str] = {}
        self._lock = asyncio.Lock()

    async def load(self, module: str, source: str) -> Ran:
        """See :class:`~practice.sandbox.base.Session`."""
        if not module.isidentifier():
            raise InputError("the name of a module", found=module)
        async with self._lock:
            await self._drop(module)
            ran = await self._ran(module, lambda monty, out: monty.feed_run(source, print_callback=out), None)
            if ran.ok:
                self._loaded[module] = source
                return ran.model_copy(update={"value": None})
            await self._drop(module)
            return ran

    async def call(self, function: str, arguments: Mapping[str, Any]) -> Ran:
        """See :class:`~practice.sandbox.base.Session`."""
        module, _, path = function.partition(".")
        if not path or not all(part.isidentifier() for part in function.split(".")):
            raise InputError("module.function", found=function)
        async with self._lock:
            if module not in self._loaded:
                error = f"ModuleNotFoundError: nothing is loaded as {module!r}"
                return Ran(ended="raised", error=error, engine=MontyEngine.name)
            names = [f"argument_{n}_" for n in range(len(arguments))]
            given = ", ".join(f"{key}={name}" for key, name in zip(arguments, names, strict=True))
            if not all(key.isidentifier() for key in arguments):
                raise InputError("arguments whose names are identifiers", found=", ".join(arguments))
            inputs = dict(zip(names, arguments.values(), strict=True))
            return await self._ran(
                module,
                lambda monty, out: monty.feed_run(f"{path}({given})", inputs=inputs, print_callback=out),
                lambda value: json.loads(plain(value, function, self.limits.output_chars)),
            )

    async def run(self, source: str) -> Ran:
        """See :class:`~practice.sandbox.base.Session`."""
        async with self._lock:
            return await self._ran(
                _RUN,
                lambda monty, out: monty.feed_run(source, print_callback=out),
                lambda value: None if value is None else self._cut(repr(value)),
            )

    async def close(self) -> None:
        """End all interpreters."""
        for name in list(self._open):
            await self._drop(name)

    # ------------------------------------------------------------------ inside

    async def _ran(
        self,
        name: str,
        feed: Callable[[AsyncMontySession, CollectStreams], Awaitable[Any]],
        shown: Callable[[Any], Any] | None,
    ) -> Ran:
        from pydantic_monty import CollectStreams

        out, started, well = CollectStreams(self.limits.file_mb << 20), time.monotonic(), False
        told: dict[str, Any]
        try:
            value = await feed(await self._session(name), out)
            told, well = {"ended": "done", "value": shown(value) if shown else None}, True
        except TooLong as error:
            told = {"ended": "output", "error": str(error)}
        except TypeError as error:  # of plain()
            told, well = {"ended": "raised", "error": f"TypeError: {error}"}, True
        except Exception as error:
            told = self._told(error)
            well = told["ended"] == "raised"
        finally:
            if not well:
                await self._drop(name)
        printed = {stream: "".join(text for to, text in out.output if to == stream) for stream in ("stdout", "stderr")}
        texts = {stream: self._cut(text) for stream, text in printed.items()}
        return Ran.model_validate({**told, **texts, "seconds": time.monotonic() - started, "engine": MontyEngine.name})

    async def _session(self, name: str) -> AsyncMontySession:
        from pydantic_monty import CollectStreams

        if name not in self._open:
            stack = AsyncExitStack()
            monty = await stack.enter_async_context(
                self.pool.checkout(
                    limits={
                        "max_feed_duration_secs": min(self.limits.seconds, self.limits.cpu_seconds),
                        "max_memory": self.limits.memory_mb << 20,
                    }
                )
            )
            self._open[name] = (stack, monty)
            if name in self._loaded:
                await monty.feed_run(self._loaded[name], print_callback=CollectStreams(self.limits.file_mb << 20))
        return self._open[name][1]

    async def _drop(self, name: str) -> None:
        if name in self._open:
            await self._open.pop(name)[0].aclose()

    def _told(self, error: Exception) -> dict[str, Any]:
        """What ended a feed. Code that raises TimeoutError or MemoryError itself reads as the limit's."""
        from pydantic_monty import MontyCrashedError, MontyError, MontyRuntimeError, MontySyntaxError

        if isinstance(error, MontyCrashedError):
            return {"ended": "timeout" if error.timed_out else "crashed", "error": self._cut(str(error))}
        if isinstance(error, (MontyRuntimeError, MontySyntaxError)):
            inner = error.exception()
            limits: dict[type[BaseException], Ended] = {TimeoutError: "timeout", MemoryError: "memory"}
            ended: Ended = limits.get(type(inner), "raised")
            shown = self._cut(error.display())
            return {"ended": ended, "error": self._cut(error.display("type-msg")), "traceback": shown}
        if isinstance(error, MontyError):
            return {"ended": "raised", "error": self._cut(str(error))}
        raise error

    def _cut(self, text: str) -> str:
        chars = self.limits.output_chars
        return text if len(text) <= chars else f"{text[:chars]}\n[cut: {chars:,} of {len(text):,} characters]"
