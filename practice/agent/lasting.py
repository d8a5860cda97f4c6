"""Tools whose state outlives an attempt: what a conversation of several turns needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from practice.tool import Opened, Opening, Tool

__all__ = ["lasting"]


def lasting(tools: Sequence[Tool], stack: AsyncExitStack) -> tuple[Tool, ...]:
    """The tools, each opened at its first call and closed with ``stack`` instead of with an attempt.

    An interpreter then still knows in the third turn what it was told in the first.
    """
    kept = {tool.opening: _Kept(tool.opening, stack) for tool in tools if tool.opening is not None}
    return tuple(tool if tool.opening is None else replace(tool, opening=kept[tool.opening].open) for tool in tools)


class _Kept:
    """An opening, entered once however many tools share it and however often an attempt asks for it."""

    def __init__(self, opening: Opening, stack: AsyncExitStack) -> None:
        self._opening, self._stack = opening, stack
        self._lock = asyncio.Lock()
        self._opened: list[Opened] = []

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Opened]:
        async with self._lock:
            if not self._opened:
                self._opened.append(await self._stack.enter_async_context(self._opening()))
        yield self._opened[0]
