"""Tools whose state outlives an attempt: what a conversation of several turns needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

from practice.tool import Opening, Tool

__all__ = ["lasting"]


def lasting(tools: Sequence[Tool], stack: AsyncExitStack) -> tuple[Tool, ...]:
    """The tools, each opened at its first call and closed with ``stack`` instead of with an attempt.

    An interpreter then still knows in the third turn what it was told in the first.
    """
    return tuple(
        tool if tool.opening is None else replace(tool, opening=_Kept(tool.opening, stack).open) for tool in tools
    )


class _Kept:
    """One tool's opening, entered once however often an attempt asks for it."""

    def __init__(self, opening: Opening, stack: AsyncExitStack) -> None:
        self._opening, self._stack = opening, stack
        self._lock = asyncio.Lock()
        self._fn: Callable[..., Any] | None = None

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Callable[..., Any]]:
        async with self._lock:
            if self._fn is None:
                self._fn = await self._stack.enter_async_context(self._opening())
        yield self._fn
