"""The engine ``remote``: somebody else's machine, reached through anything that runs a Python program's text.

The other side keeps the code apart, and its owner answers for how well: memory, processor, files and network are
bound there or not at all. What is held here: a call's wall clock, after which the connection is given up and with it
the state, and the size of an answer. Permits can't be kept and are refused.

State. A session has a connection of its own. Every request is a whole program, which finds the session where the
other side has kept its interpreter since the last one, and else begins it anew from its files and what was loaded.
So ``load`` and ``call`` work with any server. The variables of ``run`` last as long as the other side keeps its
interpreter: where it did not, the next answer's ``stderr`` says so. Sessions on one interpreter have variables and
folders apart but share modules: use a server that starts an interpreter for each connection.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import re
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, cast

from practice.errors import InputError, RunError
from practice.sandbox.base import Permit, Ran, SandboxLimits, Session
from practice.sandbox.reply import most_bytes, read_reply
from practice.sandbox.session import Keeper, checked_files

__all__ = ["Connect", "RemoteEngine", "Send"]

Send = Callable[[str], Awaitable[str]]
"""Runs a program's text on the other side; what it printed, whatever else stands around it. Raises ValueError where
the other side says that it failed, CallFailed where there is no other side any more."""

Connect = Callable[[], AbstractAsyncContextManager[Send]]
"""A connection of its own each time. What it raises where there is none is the caller's to see."""

GRACE = 5.0
"""Seconds of a call beyond its own: the way there and back."""
LOST = "[the interpreter was started anew: earlier variables and files are gone]"


class RemoteEngine:
    """Sessions on the other side of a connection. ``practice.tool.remote_engine`` makes one of an MCP server."""

    name = "remote"

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    @asynccontextmanager
    async def session(
        self,
        limits: SandboxLimits | None = None,
        *,
        permit: Permit | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> AsyncGenerator[Session]:
        """See :class:`~practice.sandbox.base.Engine`; only ``seconds``, ``output_chars`` and ``disk_mb`` hold.

        Raises InputError for a permit, RunError where the other side does not run Python.
        """
        if permit is not None and (permit.hosts or permit.read):
            raise InputError(
                "a session without permits: what a remote sandbox may reach is decided there", found="some"
            )
        limits = limits or SandboxLimits()
        session = RemoteSession(self._connect, limits, checked_files(files or {}, limits))
        try:
            await session.open()
            yield session
        finally:
            await session.close()


class RemoteSession(Keeper):
    """A :class:`~practice.sandbox.base.Session` in another place."""

    def __init__(self, connect: Connect, limits: SandboxLimits, files: Mapping[str, bytes]) -> None:
        super().__init__()
        self.limits = limits
        self._connect = connect
        self._files = {name: base64.b64encode(content).decode() for name, content in files.items()}
        self._name = f"_practice_{secrets.token_hex(8)}"
        self._stack = AsyncExitStack()
        self._send: Send | None = None
        self._ran = False
        """Whether there is state that could get lost."""

    async def open(self) -> None:
        """Connect, and see that what answers runs Python. Raises RunError."""
        hello = await self._ask("run", "1 + 1")
        if hello.value != "2":
            raise RunError(f"the remote sandbox does not run Python: {hello.error or hello.ended}")

    async def close(self) -> None:
        """Give up the connection."""
        stack, self._stack, self._send = self._stack, AsyncExitStack(), None
        await stack.aclose()

    async def run(self, source: str) -> Ran:
        """See :class:`~practice.sandbox.base.Session`; the module's docstring says how long variables last."""
        async with self._lock:
            ran = await self._ask("run", source)
            self._ran = ran.ended in ("done", "raised")
            return ran

    # ------------------------------------------------------------------ inside

    async def _ask(self, op: str, *args: Any) -> Ran:
        request_id = secrets.token_hex(16)
        told = {
            "id": request_id,
            "session": self._name,
            "request": {"op": op, "args": args},
            "loaded": self._loaded,
            "files": self._files,
            "chars": self.limits.output_chars,
            "interpreter": _source("interpreter.py"),
        }
        try:
            payload = base64.b64encode(json.dumps(told, allow_nan=False).encode()).decode()
        except (TypeError, ValueError, RecursionError) as error:
            raise InputError("arguments that JSON can express", found=str(error)) from None
        started = time.monotonic()
        said = await self._exchange(f'{_source("remote_worker.py")}\n\nrespond("{payload}")\n')
        ran = said if isinstance(said, Ran) else self._read(said, request_id)
        return ran.model_copy(update={"seconds": time.monotonic() - started, "engine": RemoteEngine.name})

    async def _exchange(self, program: str) -> str | Ran:
        """What the other side printed, or what became of it instead."""
        well = False
        try:
            if self._send is None:
                self._send = await self._stack.enter_async_context(self._connect())
            async with asyncio.timeout(self.limits.seconds + GRACE):
                text = await self._send(program)
            well = True
            return text
        except TimeoutError:
            return Ran(ended="timeout", error=f"no answer within {self.limits.seconds:g} s")
        except ValueError as error:
            return Ran(ended="crashed", error=f"its server says: {error}")
        finally:
            if not well:  # cancelled, too: what still runs there has nobody to wait for it
                await self.close()

    def _read(self, text: str, request_id: str) -> Ran:
        marked = re.search(f"{request_id}:([A-Za-z0-9+/=]*):{request_id}", text)
        unreadable = Ran(ended="crashed", error=f"its answer can't be read: {text.strip()[-300:] or 'nothing'}")
        # base64 makes 4 of 3, JSON in JSON two of one, and both outputs stand beside the reply.
        if marked is None or len(marked[1]) > 4 * (most_bytes(self.limits) + 24 * self.limits.output_chars):
            return unreadable
        try:
            said: object = json.loads(base64.b64decode(marked[1]))
        except (ValueError, RecursionError):
            return unreadable
        told = cast("dict[str, object]", said) if isinstance(said, dict) else {}
        reply, fresh = told.get("reply"), told.get("fresh")
        if not isinstance(reply, str):
            return unreadable
        stdout, stderr = (_printed(told.get(name), self.limits.output_chars) for name in ("stdout", "stderr"))
        if fresh and self._ran:
            self._ran, stderr = False, f"{stderr.rstrip()}\n{LOST}".lstrip()
        ran = read_reply(b"R" + reply.encode("utf-8", "replace"), request_id, self.limits)
        return ran.model_copy(update={"stdout": stdout, "stderr": stderr})


def _printed(text: object, chars: int) -> str:
    """What the other side says was printed; it has cut it itself, unless it is not what was sent."""
    return str(text or "")[: chars + 200].encode("utf-8", "replace").decode()


@functools.cache
def _source(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
