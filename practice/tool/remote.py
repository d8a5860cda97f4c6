"""A sandbox in another place, by an MCP server that has a tool which runs Python."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from practice.config import McpServer, Workspace, load_env
from practice.errors import CallFailed, InputError, nearest
from practice.sandbox.remote import RemoteEngine, Send
from practice.tool.connection import Connection, keys_of
from practice.tool.loops import run_sync

if TYPE_CHECKING:
    from mcp.types import Tool as Offered

__all__ = ["remote_engine"]


def remote_engine(server: McpServer, tool: str, workspace: Workspace) -> RemoteEngine:
    """An engine whose sessions run in ``server``, by its tool ``tool``, each over a connection of its own.

    The tool takes a program as its only required text, or as one named ``code``, and answers with what it prints.
    The server is started (or reached) once to see that it has such a tool. Raises InputError where it has not.
    """
    load_env(workspace)
    keys_of(server)
    try:
        argument = run_sync(_argument(server, tool, workspace))
    except CallFailed as error:
        key = "command" if server.command else "url"
        raise InputError("an MCP server that starts and lists its tools", found=str(error), key=key) from None

    @asynccontextmanager
    async def connect() -> AsyncGenerator[Send]:
        connection = Connection(server, workspace.root)
        await connection.open()
        try:

            async def send(program: str) -> str:
                return await connection.call(tool, {argument: program})

            yield send
        finally:
            await connection.close()

    return RemoteEngine(connect)


async def _argument(server: McpServer, tool: str, workspace: Workspace) -> str:
    """The argument of ``tool`` that takes a program."""
    connection = Connection(server, workspace.root)
    await connection.open()
    try:
        offered = {found.name: found for found in await connection.tools()}
    finally:
        await connection.close()
    if tool not in offered:
        listed = ", ".join(offered) or "none"
        raise InputError(
            f"a tool of the server ({listed})", found=repr(tool), key="tool", nearest=nearest(tool, offered)
        )
    return _text_argument(offered[tool])


def _text_argument(offered: Offered) -> str:
    properties = cast("Mapping[str, Any]", offered.input_schema.get("properties", {}))
    texts = [name for name, schema in properties.items() if schema.get("type") == "string"]
    required = [name for name in texts if name in offered.input_schema.get("required", [])]
    for names in (required, [name for name in texts if name == "code"], texts):
        if len(names) == 1:
            return names[0]
    expected = "a tool with one text for a program"
    raise InputError(expected, found=f"{offered.name}({', '.join(properties)})", key="tool")
