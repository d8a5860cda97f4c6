"""One connection to an MCP server, over stdio or streamable HTTP: open, list, call, close."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import sys
import threading
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from practice.config import McpServer
from practice.errors import CallFailed, InputError

if TYPE_CHECKING:
    from mcp import Client
    from mcp.client.stdio import StdioServerParameters
    from mcp.types import CallToolResult, ContentBlock, Tool

START_SECONDS = 60.0
"""How long a server may take to start and to list its tools."""
ALIVE_SECONDS = 10.0
"""How long a server that was idle may take to answer before another one is started."""
MAX_TOOLS = 1000
STDERR_KEPT = 4000
STDERR_SECONDS = 0.5
"""How long an error waits for a command's last words."""

#: What the mcp library says in the server's name where an HTTP answer holds no MCP message.
_NO_ANSWER = ("Server returned an error response", "Session terminated", "Not Found", "Unexpected content type")


class Connection:
    """A client's connection. The library's contexts must be left by the task that entered them, so a task of the
    connection's own enters, waits, and leaves; any task may list and call meanwhile.

    Keys are read from the environment when it opens, and no result and no error holds one.
    """

    def __init__(self, server: McpServer, folder: Path) -> None:
        self.server, self._folder = server, folder
        self.broken = False
        self._keys = keys_of(server)
        self._said: _Stderr | None = None
        self._client: asyncio.Future[Client] | None = None
        self._task: asyncio.Task[None] | None = None
        self._leave = asyncio.Event()

    async def open(self) -> None:
        """Start the server or reach it. Raises CallFailed, which says what it said last."""
        self._client = asyncio.get_running_loop().create_future()
        self._said = _Stderr() if self.server.command is not None else None
        self._task = asyncio.create_task(self._keep(self._client))
        try:
            async with asyncio.timeout(START_SECONDS):
                await asyncio.shield(self._client)
        except BaseException as error:
            self.broken = True
            await self.close()
            if isinstance(error, TimeoutError):
                raise await self._failed("timeout", f"no answer within {START_SECONDS:g} seconds") from None
            if not isinstance(error, Exception):
                raise
            raise await self._failed("connection", _reason(error)) from None

    async def close(self) -> None:
        """Leave the server; a command's process is ended."""
        self._leave.set()
        if self._task is not None:
            if self._client is not None and not self._client.done():
                self._task.cancel()
            await asyncio.gather(asyncio.shield(self._task), return_exceptions=True)

    async def alive(self) -> bool:
        """Whether the server answers. Found dead, it stays dead."""
        if not self.broken:
            try:
                async with asyncio.timeout(ALIVE_SECONDS):
                    await self._open_client.list_tools(cache_mode="bypass")
            except Exception:
                self.broken = True
        return not self.broken

    async def tools(self) -> list[Tool]:
        """What the server offers. Raises CallFailed."""
        found: list[Tool] = []
        cursor: str | None = None
        try:
            async with asyncio.timeout(START_SECONDS):
                while len(found) < MAX_TOOLS:
                    page = await self._open_client.list_tools(cursor=cursor, cache_mode="bypass")
                    found += page.tools
                    cursor = page.next_cursor
                    if not cursor:
                        break
        except TimeoutError:
            raise await self._failed("timeout", f"no list of tools within {START_SECONDS:g} seconds") from None
        except Exception as error:
            raise await self._failed("connection", _reason(error)) from None
        return found[:MAX_TOOLS]

    async def call(self, name: str, arguments: Mapping[str, Any]) -> str:
        """What a tool answers, as text.

        Raises ValueError with what the server said was wrong, for the model; CallFailed where the server is gone.
        """
        from mcp.shared.exceptions import MCPError

        if self.broken:
            raise await self._failed("connection", "the connection is lost")
        limit = asyncio.timeout(self.server.seconds)
        try:
            async with limit:
                result = await self._open_client.call_tool(name, dict(arguments))
        except TimeoutError:
            if not limit.expired():
                raise await self._failed("timeout", "the connection timed out") from None
            raise ValueError(f"{name} gave no answer within {self.server.seconds:g} seconds") from None
        except MCPError as error:
            if error.message.startswith(_NO_ANSWER) or not await self.alive():
                self.broken = True
                raise await self._failed("connection", error.message) from None
            raise ValueError(self._without_keys(error.message)) from None
        except (RuntimeError, ValueError) as error:  # an answer that does not fit the protocol or the tool's schema
            if not await self.alive():
                raise await self._failed("connection", _reason(error)) from None
            raise ValueError(self._without_keys(_reason(error))) from None
        except Exception as error:
            self.broken = True
            raise await self._failed("connection", _reason(error)) from None
        text = self._without_keys(as_text(result))
        if result.is_error:
            raise ValueError(text or f"{name} failed without a word")
        return text

    # ------------------------------------------------------------------ inside

    @property
    def _open_client(self) -> Client:
        if self._client is None:
            raise RuntimeError("open the connection first")
        return self._client.result()

    async def _keep(self, ready: asyncio.Future[Client]) -> None:
        """Enter, wait, leave: all in one task."""
        try:
            async with AsyncExitStack() as stack:
                client = await self._enter(stack)
                if self._said is not None:
                    self._said.close()  # the command has its own end
                if ready.done():  # nobody waits any more
                    return
                ready.set_result(client)
                with suppress(asyncio.CancelledError):  # the loop ends: leave as if asked to
                    await self._leave.wait()
        except Exception as error:
            self.broken = True
            if not ready.done():
                ready.set_exception(error)
        finally:
            ready.cancel()

    async def _enter(self, stack: AsyncExitStack) -> Client:
        from mcp import Client
        from mcp.client.stdio import stdio_client
        from mcp.client.streamable_http import streamable_http_client
        from mcp.shared._httpx_utils import create_mcp_http_client  # pyright: ignore[reportPrivateUsage]

        # The library logs what it also raises, and every line of a server's that is no message.
        for name in ("mcp", "client"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        if self._said is not None:
            stack.callback(self._said.close)
            transport = stdio_client(self._parameters(), errlog=self._said.file)
        else:
            http = await stack.enter_async_context(create_mcp_http_client(headers=self._headers()))
            transport = streamable_http_client(str(self.server.url), http_client=http)
        return await stack.enter_async_context(Client(transport, cache=None))

    def _parameters(self) -> StdioServerParameters:
        from mcp.client.stdio import StdioServerParameters

        program, *arguments = shlex.split(str(self.server.command))
        return StdioServerParameters(
            command=sys.executable if program == "python" else program,
            args=arguments,
            env={name: self._keys[name] for name in self.server.env},
            cwd=self._folder,
        )

    def _headers(self) -> dict[str, str]:
        return {header: _header(header, self._keys[name]) for header, name in self.server.headers_env.items()}

    async def _failed(self, kind: str, reason: str) -> CallFailed:
        said = await asyncio.to_thread(self._said.last) if self._said is not None else ""
        text = f"MCP server {self.server.described!r}: {reason}" + (f"; it said: {said}" if said else "")
        return CallFailed("timeout" if kind == "timeout" else "connection", self._without_keys(text))

    def _without_keys(self, text: str) -> str:
        for name, value in self._keys.items():
            if len(value) >= 4:  # a shorter one is no key, and stands in half of all words
                text = text.replace(value, f"<{name}>")
        return text


def keys_of(server: McpServer) -> dict[str, str]:
    """{name: value} of the environment variables that a server's settings name. Raises InputError for a missing one."""
    places = {name: f"env.{index}" for index, name in enumerate(server.env)}
    places |= {name: f"headers_env.{header}" for header, name in server.headers_env.items()}
    for name, key in places.items():
        if not os.environ.get(name):
            raise InputError(f"the environment variable {name} (or a line of .env)", found="not set", key=key)
    return {name: os.environ[name] for name in places}


def as_text(result: CallToolResult) -> str:
    """A result as a model reads it: its texts, and of all else what it is; without content the structured one."""
    import json

    if not result.content and result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False)
    return "\n".join(_block(block) for block in result.content)


def _block(block: ContentBlock) -> str:
    if block.type == "text":
        return block.text
    if block.type == "resource_link":
        return f"[resource {block.name}: {block.uri}]"
    if block.type == "resource":
        resource = block.resource
        text = getattr(resource, "text", None)
        return text if isinstance(text, str) else f"[resource {resource.uri}: {resource.mime_type or 'bytes'}]"
    return f"[{block.type}: {block.mime_type}, {len(block.data) * 3 // 4:,} bytes]"


def _header(name: str, value: str) -> str:
    bare = name.lower() == "authorization" and len(value.split()) == 1
    return f"Bearer {value.strip()}" if bare else value.strip()


def _reason(error: BaseException) -> str:
    """One line of what went wrong; of a group of errors, the first."""
    if isinstance(error, BaseExceptionGroup):
        return _reason(cast("BaseExceptionGroup[BaseException]", error).exceptions[0])
    text = " ".join(str(error).split())
    return text if text and isinstance(error, OSError) else f"{type(error).__name__}: {text}".removesuffix(": ")


class _Stderr:
    """What a command says on stderr: read away, so that it never blocks, and its end kept for errors."""

    def __init__(self) -> None:
        read, write = os.pipe()
        self.file = os.fdopen(write, "w")
        self._kept = b""
        self._reader = threading.Thread(target=self._read, args=(read,), name="mcp-stderr", daemon=True)
        self._reader.start()

    def _read(self, source: int) -> None:
        with os.fdopen(source, "rb", buffering=0) as pipe:
            while data := pipe.read(65536):
                self._kept = (self._kept + data)[-STDERR_KEPT:]

    def last(self) -> str:
        """The last line that says something; of a command that has ended, all is read."""
        self._reader.join(STDERR_SECONDS)
        lines = [line.strip() for line in self._kept.decode(errors="replace").splitlines() if line.strip()]
        return lines[-1][:300] if lines else ""

    def close(self) -> None:
        """Close our end; the thread ends with the command's."""
        self.file.close()
