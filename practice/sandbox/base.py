"""What a sandbox is to the rest of the program: limits, permits, what a call came to, and two protocols."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

from pydantic import Field

from practice.types import Value

__all__ = ["Ended", "Engine", "Permit", "Ran", "SandboxLimits", "Session"]

Ended = Literal["done", "raised", "timeout", "memory", "output", "crashed"]
"""``done``: a value came back. ``raised``: the code raised. ``timeout``, ``memory``, ``output``: a limit ended it.
``crashed``: its process is gone for another reason (a signal, ``os._exit``, a reply that can't be read)."""


class SandboxLimits(Value):
    """What code in a sandbox may use. Each is enforced by the kernel or by killing the process, never by asking."""

    seconds: float = Field(default=10.0, gt=0.0)
    """Wall clock of one call."""
    cpu_seconds: float = Field(default=10.0, gt=0.0)
    """Processor time of one call, of all its processes together."""
    memory_mb: int = Field(default=512, ge=32)
    """Address space of each process, and memory that all of them hold together."""
    processes: int = Field(default=32, ge=1)
    """Processes and threads of the session."""
    file_mb: int = Field(default=16, ge=1)
    """The largest file."""
    disk_mb: int = Field(default=64, ge=1)
    """All that can be written, in a private file system that goes with the session."""
    output_chars: int = Field(default=20_000, ge=1)
    """Most characters kept of stdout and of stderr; a longer value, as JSON, ends the call (``output``), and so does
    printing more than ``file_mb``."""


class Permit(Value):
    """What a session may reach beyond its own folder: nothing, unless a person said so."""

    hosts: tuple[str, ...] = ()
    """Hosts that may be spoken to (``api.example.org``, or ``127.0.0.1:8000`` with a port); none: no network."""
    read: tuple[str, ...] = ()
    """Absolute folders or files that may be read."""


class Ran(Value):
    """What one call in a sandbox came to. Data: code that fails, hangs or attacks is no error of the program's."""

    ended: Ended
    value: Any = None
    """What the code returned, as JSON; None unless ``done``."""
    error: str = ""
    """``ValueError: no such unit``, or what ended it, in one sentence."""
    traceback: str = ""
    """The code's own frames, where it raised."""
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0
    """Wall clock."""
    refused: tuple[str, ...] = ()
    """Hosts (``host:port``) that the session's code asked for so far and was not permitted, each once, in order."""
    engine: str = ""
    """Which engine ran it: ``bwrap``, ``monty``, ``none`` …"""

    @property
    def ok(self) -> bool:
        """Whether a value came back."""
        return self.ended == "done"


class Session(Protocol):
    """Code with state of its own: one namespace, one folder, one set of processes. Calls are answered one by one.

    A call that a limit or a crash ended takes the state with it; the next call starts from what was loaded.
    """

    async def load(self, module: str, source: str) -> Ran:
        """Define ``module`` (an identifier) from its source, so that :meth:`call` and other code can import it."""
        ...

    async def call(self, function: str, arguments: Mapping[str, Any]) -> Ran:
        """Call ``module.function`` with JSON arguments; ``value`` is what it returned."""
        ...

    async def run(self, source: str) -> Ran:
        """Run statements in the session's namespace, as at a prompt; ``value`` is the repr of a last expression."""
        ...


class Engine(Protocol):
    """A way of running code apart from the program."""

    name: str

    def session(
        self,
        limits: SandboxLimits = ...,
        *,
        permit: Permit = ...,
        files: Mapping[str, bytes] = ...,
    ) -> AbstractAsyncContextManager[Session]:
        """A session whose folder holds ``files`` (relative path -> content); everything of it is gone at the end."""
        ...
