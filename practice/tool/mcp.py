"""An MCP server's tools as tools of ours: listed when an agent is loaded, called over a connection.

The attempts of an agent share one connection in each event loop: it opens at the first call, stays open while one of
them uses it and :data:`LINGER` seconds longer, and ends with the loop. With ``per_attempt`` each has its own. A server
that is gone fails the attempts that were using it; the next one starts it anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from practice.config import McpServer, Workspace, load_env
from practice.errors import CallFailed, InputError, nearest
from practice.tool.connection import Connection, keys_of
from practice.tool.fromschema import arguments_from_schema, as_json, parameters
from practice.tool.function import Tool
from practice.tool.loops import run_sync
from practice.types import ToolSpec

if TYPE_CHECKING:
    from mcp.types import Tool as Offered

LINGER = 30.0
"""Seconds that an idle server is kept: starting one costs more than keeping it."""

Calls = Mapping[str, Callable[..., Awaitable[str]]]


def load_mcp(server: McpServer, workspace: Workspace) -> tuple[Tool, ...]:
    """The tools that a server offers, in its order; it is started (or reached) once to ask.

    Names that models' APIs refuse are changed: ``files.read`` becomes ``files_read``.
    Raises InputError, its key relative to ``server``, where a variable is not set, the server can't be reached, does
    not list its tools in time, or has no tool of a name in ``only``.
    """
    load_env(workspace)
    keys_of(server)
    try:
        offered = run_sync(_offered(server, workspace))
    except CallFailed as error:
        expected = (
            "an MCP server that starts and lists its tools" if server.command else "an MCP server at this address"
        )
        raise InputError(expected, found=str(error), key="command" if server.command else "url") from None
    taken = _taken(server, offered)
    shared = _Shared(server, workspace, {_called(tool): tool for tool in taken})
    return tuple(_tool(server, tool, shared) for tool in taken)


async def _offered(server: McpServer, workspace: Workspace) -> list[Offered]:
    connection = Connection(server, workspace.root)
    await connection.open()
    try:
        return await connection.tools()
    finally:
        await connection.close()


def _taken(server: McpServer, offered: Sequence[Offered]) -> list[Offered]:
    names = [tool.name for tool in offered]
    for index, name in enumerate(server.only):
        if name not in names:
            listed = ", ".join(names) or "none"
            raise InputError(
                f"a tool of the server ({listed})", found=repr(name), key=f"only.{index}", nearest=nearest(name, names)
            )
    if not names:
        raise InputError("an MCP server with tools", found="none", key="command" if server.command else "url")
    return [tool for tool in offered if not server.only or tool.name in server.only]


def _called(tool: Offered) -> str:
    """The tool's name in a form that the models' APIs take."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", tool.name)[:64]


def _tool(server: McpServer, offered: Offered, shared: _Shared) -> Tool:
    schema = parameters(offered.input_schema)
    name = _called(offered)
    spec = ToolSpec(name=name, description=offered.description or offered.title or "", parameters=schema)
    identity = {**server.digest_fields(), "tool": offered.name, **spec.model_dump(mode="json")}
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    async def once(**arguments: Any) -> str:
        async with shared.opening() as calls:
            return await calls[name](**arguments)

    return Tool(
        spec=spec,
        fn=once,
        source_hash=digest,
        arguments=arguments_from_schema(name, schema),
        opening=shared.opening,
    )


# ---------------------------------------------------------------- sharing


@dataclass
class _Slot:
    """One event loop's connection, and how many attempts use it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    connection: Connection | None = None
    users: int = 0
    closing: asyncio.Task[None] | None = None


class _Shared:
    """A server's connections. All tools of the server have the same ``opening``, so an attempt opens it once."""

    def __init__(self, server: McpServer, workspace: Workspace, tools: Mapping[str, Offered]) -> None:
        self._server, self._workspace, self._tools = server, workspace, tools
        self._slots: WeakKeyDictionary[asyncio.AbstractEventLoop, _Slot] = WeakKeyDictionary()
        self.opening = self._opening

    @asynccontextmanager
    async def _opening(self) -> AsyncGenerator[Calls]:
        """A connection around an attempt's calls, as {tool's name: its function}. Raises CallFailed."""
        slot = _Slot() if self._server.per_attempt else self._slots.setdefault(asyncio.get_running_loop(), _Slot())
        connection = await self._take(slot)
        try:
            yield {name: partial(_call, connection, tool) for name, tool in self._tools.items()}
        finally:
            await self._give(slot, connection)

    async def _take(self, slot: _Slot) -> Connection:
        async with slot.lock:
            if slot.closing is not None:
                slot.closing.cancel()
                slot.closing = None
            if slot.connection is not None and not await slot.connection.alive():
                slot.connection, dead, slot.users = None, slot.connection, 0
                await dead.close()
            if slot.connection is None:
                connection = Connection(self._server, self._workspace.root)
                await connection.open()
                slot.connection = connection
            slot.users += 1
            return slot.connection

    async def _give(self, slot: _Slot, connection: Connection) -> None:
        if slot.connection is not connection:  # it died, and was replaced
            return
        slot.users -= 1
        if slot.users:
            return
        if self._server.per_attempt or connection.broken:
            slot.connection = None
            await connection.close()
        else:
            slot.closing = asyncio.create_task(_close_later(slot, connection))


async def _close_later(slot: _Slot, connection: Connection) -> None:
    """Close an idle connection. Cancelled while it waits: somebody came, or the loop ends, and it with the loop."""
    await asyncio.sleep(LINGER)
    slot.connection = slot.closing = None
    await connection.close()


async def _call(connection: Connection, tool: Offered, /, **arguments: Any) -> str:
    return await connection.call(tool.name, as_json(arguments, tool.input_schema))
