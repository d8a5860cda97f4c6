"""One running sandbox: a process that speaks ``worker.py``'s frames, and what it prints."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from practice.errors import InputError, RunError
from practice.sandbox.base import Ran, SandboxLimits
from practice.sandbox.proxy import Proxy, handed_out
from practice.sandbox.reply import most_bytes, read_reply

START_SECONDS = 60.0
"""Most that a sandbox may take to come up, on a machine that is busy with many."""

GRACE = 5.0
"""Seconds that a worker has beyond a call's own to say what became of it."""


class Starter(Protocol):
    """Starts ``worker.py`` in whatever keeps it apart."""

    def __call__(self, channel: int, stdout: int, stderr: int) -> subprocess.Popen[bytes]:
        """Start it with these descriptors: the socket that it is told of, and where it prints."""
        ...


@dataclass(frozen=True)
class Plan:
    """How a session's sandbox is made, each time that it is."""

    engine: str
    start: Starter
    limits: SandboxLimits
    folder: str
    """The work folder, as the code sees it."""
    uid: int | None = None
    """The user that the worker becomes; None: it is started as one without rights."""
    paths: tuple[str, ...] = ()
    """Where the code finds installed packages."""
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    proxy: Proxy | None = None
    """Its way out, where it has one."""
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """More that the worker is told."""

    def config(self) -> bytes:
        """The worker's first frame."""
        limits = self.limits
        told = {
            "uid": self.uid,
            "folder": self.folder,
            "paths": list(self.paths),
            "files": {name: base64.b64encode(content).decode() for name, content in self.files.items()},
            "interpreter": _source("interpreter.py"),
            "start_seconds": START_SECONDS,
            "network": self.proxy is not None,
            "limits": {
                "seconds": limits.seconds,
                "cpu_seconds": limits.cpu_seconds,
                "memory_bytes": limits.memory_mb << 20,
                "processes": limits.processes,
                "file_bytes": limits.file_mb << 20,
                "chars": limits.output_chars,
                "reply_bytes": most_bytes(limits),
            },
            **self.extra,
        }
        return json.dumps(told).encode()


class Output:
    """What comes through a pipe: kept up to a limit, counted beyond it."""

    def __init__(self, fd: int, chars: int, flood: int) -> None:
        self.fd, self.chars, self.flood = fd, chars, flood
        self.kept, self.total = bytearray(), 0
        self.full = asyncio.Event()
        os.set_blocking(fd, False)

    def read(self) -> None:
        """Take what is there, at most until the flood's mark."""
        while self.total <= self.flood:
            try:
                data = os.read(self.fd, 1 << 16)
            except BlockingIOError:
                return
            if not data:
                asyncio.get_running_loop().remove_reader(self.fd)
                return
            self.total += len(data)
            self.kept += data[: max(0, 4 * self.chars - len(self.kept))]
        self.full.set()
        asyncio.get_running_loop().remove_reader(self.fd)

    def take(self) -> str:
        """The text since the last time, cut."""
        text, total = self.kept.decode("utf-8", "replace"), self.total
        whole = total == len(self.kept) and len(text) <= self.chars
        self.kept, self.total = bytearray(), 0
        return text if whole else f"{text[: self.chars]}\n[cut: {self.chars:,} characters of {total:,} bytes]"


class Box:
    """One running sandbox."""

    def __init__(self, plan: Plan, channel: socket.socket, outputs: tuple[Output, Output]) -> None:
        self.plan, self.channel, self.outputs = plan, channel, outputs
        self.process: subprocess.Popen[bytes] | None = None
        self._way_out = contextlib.AsyncExitStack()
        self.well = True
        """Whether it can take another request: its last one came to an end of its own."""

    @staticmethod
    async def open(plan: Plan) -> Box:
        """Start one and wait until it is ready. Raises RunError with what it said, where it does not get so far."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        ends = (os.pipe(), os.pipe())
        chars, flood = plan.limits.output_chars, plan.limits.file_mb << 20
        box = Box(plan, ours, (Output(ends[0][0], chars, flood), Output(ends[1][0], chars, flood)))
        try:
            try:
                box.process = plan.start(theirs.fileno(), ends[0][1], ends[1][1])
            except OSError as error:
                raise RunError(f"the sandbox ({plan.engine}) can't be started: {error}") from None
            finally:
                theirs.close()
                os.close(ends[0][1])
                os.close(ends[1][1])
            loop = asyncio.get_running_loop()
            for output in box.outputs:
                loop.add_reader(output.fd, output.read)
            await box._ready()
        except BaseException:
            await box.close()
            raise
        return box

    async def _ready(self) -> None:
        try:
            async with asyncio.timeout(START_SECONDS + GRACE):
                await self._send(self.plan.config())
                if self.plan.proxy is not None:
                    listener = await handed_out(self.channel)
                    await self._way_out.enter_async_context(self.plan.proxy.answering(listener))
                reply = await self._receive()
        except (TimeoutError, OSError, EOFError):
            reply = b""
        if reply[:1] != b"R":
            said = self._printed()[1].strip() or reply[1:].decode("utf-8", "replace") or "it said nothing"
            raise RunError(f"the sandbox ({self.plan.engine}) does not start: {said[-1000:]}")
        self._printed()

    async def ask(self, op: str, *args: Any) -> Ran:
        """One request. Whatever becomes of the code is in the answer; only InputError (arguments) is raised."""
        request_id = secrets.token_hex(8)
        try:
            request = json.dumps({"id": request_id, "op": op, "args": args}, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise InputError("arguments that JSON can express", found=str(error)) from None
        started = time.monotonic()
        self.well = False
        said = await self._exchange(request, request_id)
        seconds = time.monotonic() - started
        stdout, stderr = self._printed()
        refused = self.plan.proxy.refused if self.plan.proxy is not None else ()
        update = {"stdout": stdout, "stderr": stderr, "seconds": seconds, "engine": self.plan.engine}
        return said.model_copy(update={**update, "refused": refused})

    async def _exchange(self, request: bytes, request_id: str) -> Ran:
        full = [asyncio.ensure_future(output.full.wait()) for output in self.outputs]
        talk = asyncio.ensure_future(self._talk(request))
        try:
            await asyncio.wait([talk, *full], return_when=asyncio.FIRST_COMPLETED)
            if not talk.done():
                return Ran(ended="output", error=f"it printed more than {self.plan.limits.file_mb} MB")
            reply = talk.result()
        except (TimeoutError, OSError, EOFError):
            return Ran(ended="crashed", error="its sandbox no longer answers")
        finally:
            for task in (talk, *full):
                task.cancel()
            await asyncio.gather(talk, *full, return_exceptions=True)
        said = read_reply(reply, request_id, self.plan.limits)
        self.well = said.ended in ("done", "raised")
        return said

    async def _talk(self, request: bytes) -> bytes:
        async with asyncio.timeout(self.plan.limits.seconds + GRACE):
            await self._send(request)
            return await self._receive()

    async def _send(self, payload: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.channel, len(payload).to_bytes(4, "big") + payload)

    async def _receive(self) -> bytes:
        loop, data, wanted = asyncio.get_running_loop(), bytearray(), 4
        while len(data) < wanted:
            part = await loop.sock_recv(self.channel, min(wanted - len(data), 1 << 20) if wanted > 4 else 4)
            if not part:
                raise EOFError
            data += part
            if wanted == 4 and len(data) == 4:
                wanted += int.from_bytes(data, "big")
                if wanted > most_bytes(self.plan.limits) + 8:
                    raise EOFError
        return bytes(data[4:])

    def _printed(self) -> tuple[str, str]:
        """(stdout, stderr) since the last time. All that was printed before a reply is in the pipes by now."""
        for output in self.outputs:
            output.read()
        return self.outputs[0].take(), self.outputs[1].take()

    async def close(self) -> None:
        """End every process of it, and wait until they are gone."""
        await self._way_out.aclose()
        self.channel.close()
        loop = asyncio.get_running_loop()
        for output in self.outputs:
            loop.remove_reader(output.fd)
            os.close(output.fd)
        process, self.process = self.process, None
        if process is None:
            return
        end(process.pid)
        try:
            for _ in range(2000):
                if process.poll() is not None:
                    return
                await asyncio.sleep(0.001)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def end(pid: int) -> None:
    """End a sandbox by its innermost process 1, with which the kernel ends all others before its parent is told."""
    with contextlib.suppress(OSError, ValueError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        if children:
            return
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)


@functools.cache
def _source(name: str) -> str:
    return (Path(__file__).parent / name).read_text()
