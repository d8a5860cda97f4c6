"""Tools before anyone relies on them: what an agent that is being made may call while it is tried.

A generated tool runs in its sandbox, approved or not. A function of the workspace's own runs there too, from its
source alone: the agent that calls it is as new as the arguments that it makes up, and a tool may send mail. Only the
functions of the starter, byte for byte, run as they will later: they read and calculate.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from practice.config import Workspace, starter_root
from practice.sandbox import Engine, Permit, SandboxLimits
from practice.tool import Tool, available_tools, load_tool
from practice.tool.generated import generated_names, generated_tool, open_tool, reason

__all__ = ["trial_tool"]

LIMITS = SandboxLimits()
_JSON: TypeAdapter[Any] = TypeAdapter(Any)


def trial_tool(ref: str, place: Workspace, engine: Engine) -> Tool:
    """The tool ``ref`` as it is tried. Raises InputError where there is none, or it can't be read."""
    if ref in generated_names(place):
        return generated_tool(ref, place, engine=engine, trial=True)
    tool = load_tool(ref, place)
    where = ref if ".py" in ref else available_tools(place).get(ref, "")
    file = where.partition(":")[0]
    if tool.opening is not None or not file or _of_the_starter(file, place):
        return tool
    source = place.path(file).read_text(encoding="utf-8")
    return replace(tool, opening=lambda: _sandboxed(engine, tool.name, source))


def _of_the_starter(file: str, place: Workspace) -> bool:
    """Whether a tool's file is one that came with the program, unchanged."""
    original = starter_root() / "tools" / place.path(file).name
    return original.is_file() and original.read_bytes() == place.path(file).read_bytes()


def _sandboxed(engine: Engine, name: str, source: str) -> AbstractAsyncContextManager[Callable[..., Any]]:
    """A function of a file, called inside a sandbox that reaches nothing."""

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Callable[..., Any]]:
        async with open_tool(engine, {"trial": source}, limits=LIMITS, permit=Permit()) as (session, broken):

            async def invoke(**arguments: Any) -> Any:
                plain = {key: _JSON.dump_python(value, mode="json") for key, value in arguments.items()}
                ran = broken or await session.call(f"trial.{name}", plain)
                if ran.ok:
                    return ran.value
                raise ValueError(f"in the sandbox: {reason(ran).removeprefix('ValueError: ')}")

            yield invoke

    return opened()
