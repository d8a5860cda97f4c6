"""Code that nobody has read runs here, apart from the program: ``engine()`` gives the best that this machine has."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from practice.errors import SandboxMissing
from practice.sandbox.base import Ended, Engine, Permit, Ran, SandboxLimits, Session

__all__ = ["Ended", "Engine", "Permit", "Ran", "SandboxLimits", "Session", "engine"]


def engine(*, kind: Literal["bwrap", "monty"] = "bwrap", unsafe: bool = False) -> Engine:
    """What runs code on this machine: bubblewrap, tried once by running something in it.

    ``monty`` is asked for by name: a Python subset within the program, for small pure functions. ``unsafe`` gives
    the engine ``none``, a plain child process with limits and no walls, which says so on stderr each time; it is for
    a person to ask for on a command line, once, and is read from no file and no environment.
    Raises SandboxMissing where there is no bubblewrap or it does not work, with what to do about it; both engines
    with processes need Linux.
    """
    if kind != "monty" and not sys.platform.startswith("linux"):
        raise SandboxMissing(f"the sandbox needs Linux, and this is {sys.platform}")
    if unsafe:
        from practice.sandbox.bare import BareEngine

        return BareEngine()
    if kind == "monty":
        from practice.sandbox.monty import MontyEngine

        return MontyEngine()
    return _bwrap()


@functools.cache
def _bwrap() -> Engine:
    from practice.sandbox.bwrap import BwrapEngine

    return _apart(BwrapEngine.probed())


def _apart(work: Coroutine[Any, Any, Engine]) -> Engine:
    """Run it in a thread, with a loop of its own: the caller may be in one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
