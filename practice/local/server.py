"""The embedded model server: llama.cpp's OpenAI-compatible server in a child process of ours.

A process of its own, so that a crash of the engine is not ours, its threads don't hold our interpreter, and stopping
is certain. It listens on 127.0.0.1 alone, on a port that the system chose, and answers only to a key made up for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import math
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import Field

from practice.errors import InputError, LocalModelError
from practice.local.logs import how, new_log, tail
from practice.local.registry import LocalModel
from practice.types import Value

__all__ = ["Endpoint", "LlamaCppServer", "cores"]

#: Seconds from the start of the child until it must answer: reading 1 GB from a slow disk, and warming up.
START_TIMEOUT = 180.0
#: Seconds that the child has to end by itself before it is killed.
STOP_TIMEOUT = 5.0


class Endpoint(Value):
    """Where a model is served."""

    api_base: str
    """``http://127.0.0.1:<port>/v1``"""
    model: str
    """The name that the endpoint knows the model by."""
    api_key: str = Field(repr=False)
    """Made up for this server; it dies with it."""
    slots: int
    """Requests that it works on at once; more than that wait their turn."""
    context: int
    """Tokens of prompt and answer together that one request may have."""
    check: Callable[[], None] = Field(default=lambda: None, exclude=True, repr=False)
    """Raises LocalModelError where the server has ended by itself."""


class LlamaCppServer:
    """A server for one model, as an async context manager.

    ``slots``, ``context`` (tokens a slot) and ``threads`` default to the model's and to the cores that this process
    may use; ``port`` 0 lets the system choose. Raises InputError where the engine is not installed and
    LocalModelError, with the end of the log, where the server does not come up within ``timeout`` seconds.
    """

    def __init__(
        self,
        model: LocalModel,
        *,
        slots: int | None = None,
        context: int | None = None,
        threads: int | None = None,
        port: int = 0,
        api_key: str | None = None,
        timeout: float = START_TIMEOUT,
    ) -> None:
        self.model = model
        self.slots = slots or model.slots
        self.context = context or model.context
        self.threads = threads or cores()
        self.log: Path | None = None
        """Where the engine writes; known once started."""
        self._port, self._timeout = port, timeout
        self._api_key = api_key or secrets.token_urlsafe(24)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def api_base(self) -> str:
        """``http://127.0.0.1:<port>/v1``; the port is known once started."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def endpoint(self) -> Endpoint:
        """What a client needs."""
        return Endpoint(
            api_base=self.api_base,
            model=self.model.name,
            api_key=self._api_key,
            slots=self.slots,
            context=self.context,
            check=self.check,
        )

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    def check(self) -> None:
        """Raise LocalModelError where the server has ended by itself (out of memory, mostly)."""
        if self._process is not None and self._process.returncode is not None:
            raise self._error(f"ended with {how(self._process.returncode)}")

    async def __aenter__(self) -> LlamaCppServer:
        if importlib.util.find_spec("xllamacpp") is None:
            raise InputError(
                "the embedded engine for llamacpp/ models, which `pip install 'agent-practice[local]'` brings",
                found="no module xllamacpp",
                key="model",
            )
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _start(self) -> None:
        self.log = new_log("llamacpp", self.model.name)
        with self.log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", str(Path(__file__).with_name("child.py"))),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                # Threads that spin while they wait take the cores from everything else that runs.
                env=os.environ | {"OMP_WAIT_POLICY": "passive"},
                start_new_session=True,  # Ctrl-C reaches us, and we end it
            )
        assert self._process.stdin is not None
        # The key goes by the pipe: a command line can be read by everyone on the machine.
        self._process.stdin.write(json.dumps(self._settings()).encode() + b"\n")
        try:
            async with asyncio.timeout(self._timeout):
                with contextlib.suppress(ConnectionError):
                    await self._process.stdin.drain()
                self._port = await self._read_port(self._process)
                await self._wait_until_healthy()
        except TimeoutError:
            raise self._error(f"did not come up within {self._timeout:g} seconds") from None

    async def _read_port(self, process: asyncio.subprocess.Process) -> int:
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            raise self._error(f"ended with {how(await process.wait())} before it came up")
        return int(json.loads(line)["port"])

    async def _wait_until_healthy(self) -> None:
        import httpx

        async with httpx.AsyncClient(trust_env=False, timeout=5.0) as client:
            while True:
                self.check()
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get(f"http://127.0.0.1:{self._port}/health")).status_code == 200:
                        return
                await asyncio.sleep(0.1)

    async def _stop(self) -> None:
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        if process.returncode is None:
            try:
                async with asyncio.timeout(STOP_TIMEOUT):
                    await process.wait()
            except BaseException as error:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
                if not isinstance(error, TimeoutError):
                    raise

    def _settings(self) -> dict[str, Any]:
        """What :mod:`.child` reads."""
        return {
            "path": str(self.model.path),
            "name": self.model.name,
            "slots": self.slots,
            "context": self.context,
            "threads": self.threads,
            "port": self._port,
            "api_key": self._api_key,
        }

    def _error(self, what: str) -> LocalModelError:
        end = tail(self.log).replace(self._api_key, "…")
        return LocalModelError(f"the server of {self.model.name} {what}; the end of its log {self.log}:\n{end}")


def cores() -> int:
    """The cores that this process may use: its affinity, bounded by a container's quota (cgroup v2 ``cpu.max``)."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            usable = min(usable, math.ceil(int(quota) / int(period)))
    return max(1, usable)
