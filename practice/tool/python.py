"""The built-in tool ``python``: an interpreter in the sandbox, one for each attempt, that keeps its variables."""

from __future__ import annotations

import hashlib
import re
import textwrap
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from practice import sandbox
from practice.errors import CallFailed, RunError
from practice.sandbox import Engine, Ran, SandboxLimits, Session
from practice.tool.function import Tool, tool_from_function

__all__ = ["NAME", "python_tool"]

NAME = "python"
_FENCE = re.compile(r"\s*```(?:python|py)?[ \t]*\n(.*?)\n?```\s*", re.S | re.I)
_LOST = {"timeout", "memory", "output", "crashed"}


def python_tool(engine: Engine | None = None, limits: SandboxLimits | None = None) -> Tool:
    """A tool that runs Python for a model, in ``engine``, by default the best of this machine.

    The interpreter lives as long as the attempt that calls it; without an attempt around it, one call. What an
    attempt defines, prints and writes is seen by no other. Raises SandboxMissing where there is no sandbox.
    """
    engine = engine or sandbox.engine()
    limits = limits or SandboxLimits()

    @asynccontextmanager
    async def opening() -> AsyncGenerator[Callable[..., Any]]:
        with _failing():
            async with engine.session(limits) as session:
                yield _interpreter(session)

    async def python(code: str) -> str:
        """Run Python code in a sandbox without network and see what it prints and the value of its last expression.

        Variables, imports and files are kept from call to call.

        Args:
            code: Python statements, as at a prompt.
        """
        async with opening() as run:
            return await run(code=code)

    source = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return replace(tool_from_function(python, source=source), opening=opening)


def _interpreter(session: Session) -> Callable[..., Any]:
    async def python(code: str) -> str:
        fenced = _FENCE.fullmatch(code)
        with _failing():
            return _shown(await session.run(textwrap.dedent(fenced[1] if fenced else code)))

    return python


@contextmanager
def _failing() -> Generator[None]:
    """A sandbox that does not come up fails the attempt: the model had no part in it, and other attempts go on."""
    try:
        yield
    except RunError as error:
        raise CallFailed("error", str(error)) from None


def _shown(ran: Ran) -> str:
    """What the model reads. Raises ValueError, which becomes an error result, where the code did not run through."""
    printed = ran.stdout.rstrip()
    warned = f"[stderr] {ran.stderr.rstrip()}" if ran.stderr.strip() else ""
    if ran.ok:
        value = str(ran.value) if ran.value is not None else ""
        shown = "\n".join(part for part in (printed, warned, value) if part)
        return shown or "[no output: end with an expression, or print]"
    said = ran.traceback.rstrip() or ran.error or ran.ended
    if ran.error and not said.endswith(ran.error):
        said = f"{said}\n{ran.error}"
    if ran.ended in _LOST:
        said += "\nThe interpreter was started anew: its variables, imports and files are gone."
    raise ValueError(
        "\n".join(part for part in (said, f"[printed before] {printed}" if printed else "", warned) if part)
    )
