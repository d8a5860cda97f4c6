"""A session whose code runs in processes of their own, behind ``worker.py``: the program's side of it.

Whatever comes back is taken for hostile: frames of bounded length, replies that name the request they answer, JSON
of bounded depth without NaN, text that can be written as UTF-8. A reply that is none of that is a crash of the code's.
"""

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
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, cast

from practice.errors import InputError, RunError
from practice.sandbox.base import Ended, Ran, SandboxLimits

START_SECONDS = 60.0
"""Most that a sandbox may take to come up, on a machine that is busy with many."""

GRACE = 5.0
"""Seconds that a worker has beyond a call's own to say what became of it."""

MAX_DEPTH = 80
"""Lists and objects within each other in a reply; the worker refuses values deeper than 64."""

_HERE = Path(__file__).parent


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


class ProcessSession:
    """A :class:`~practice.sandbox.base.Session`: starts its sandbox at once, and anew after a call that cost it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._box: Box | None = None
        self._loaded: dict[str, str] = {}
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> ProcessSession:
        """Start the sandbox. Raises RunError where it can't be."""
        self._box = await Box.open(self.plan)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._drop()

    async def load(self, module: str, source: str) -> Ran:
        """See :class:`~practice.sandbox.base.Session`. What is loaded twice stands once, as it was last."""
        if not module.isidentifier():
            raise InputError("the name of a module", found=module)
        async with self._lock:
            ran = await self._ask("load", module, source)
            if ran.ok:
                self._loaded.pop(module, None)
                self._loaded[module] = source
            return ran

    async def call(self, function: str, arguments: Mapping[str, Any]) -> Ran:
        """See :class:`~practice.sandbox.base.Session`."""
        if "." not in function or not all(part.isidentifier() for part in function.split(".")):
            raise InputError("module.function", found=function)
        async with self._lock:
            return await self._ask("call", function, dict(arguments))

    async def run(self, source: str) -> Ran:
        """See :class:`~practice.sandbox.base.Session`."""
        async with self._lock:
            return await self._ask("run", source)

    async def _ask(self, op: str, *args: Any) -> Ran:
        if self._box is None:
            self._box = await Box.open(self.plan)
            for module, source in list(self._loaded.items()):
                again = await self._one("load", module, source)
                if not again.ok:  # what it was loaded from does not load any more: that is this call's answer
                    return again
        return await self._one(op, *args)

    async def _one(self, op: str, *args: Any) -> Ran:
        box = self._box
        if box is None:
            return Ran(ended="crashed", error="its sandbox is gone", engine=self.plan.engine)
        ran: Ran | None = None
        try:
            ran = await box.ask(op, *args)
        finally:  # cancelled, too: what runs on has nobody to wait for it
            if ran is None or ran.ended not in ("done", "raised") or box.dead:
                await self._drop()
        return ran

    async def _drop(self) -> None:
        box, self._box = self._box, None
        if box is not None:
            await box.close()


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
        self.dead = False

    @staticmethod
    async def open(plan: Plan) -> Box:
        """Start one and wait until it is ready. Raises RunError with what it said, where it does not get so far."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        ends = (os.pipe(), os.pipe())
        flood = plan.limits.file_mb << 20
        box = Box(plan, ours, (Output(ends[0][0], plan.limits.output_chars, flood), Output(ends[1][0], 20_000, flood)))
        box.outputs[1].chars = plan.limits.output_chars
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
        said = await self._exchange(request, request_id)
        seconds = time.monotonic() - started
        stdout, stderr = self._printed()
        return said.model_copy(
            update={"stdout": stdout, "stderr": stderr, "seconds": seconds, "engine": self.plan.engine}
        )

    async def _exchange(self, request: bytes, request_id: str) -> Ran:
        full = [asyncio.ensure_future(output.full.wait()) for output in self.outputs]
        talk = asyncio.ensure_future(self._talk(request))
        try:
            await asyncio.wait([talk, *full], return_when=asyncio.FIRST_COMPLETED)
            if not talk.done():
                self.dead = True
                return Ran(ended="output", error=f"it printed more than {self.plan.limits.file_mb} MB")
            reply = talk.result()
        except (TimeoutError, OSError, EOFError):
            self.dead = True
            return Ran(ended="crashed", error="its sandbox no longer answers")
        finally:
            for task in (talk, *full):
                task.cancel()
            await asyncio.gather(talk, *full, return_exceptions=True)
        said = read_reply(reply, request_id, self.plan.limits)
        self.dead = said.ended not in ("done", "raised")
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


# ---------------------------------------------------------------- what comes back


def most_bytes(limits: SandboxLimits) -> int:
    """The longest frame that a worker may send: value, error and traceback, each character 6 bytes at most."""
    return 18 * limits.output_chars + 65_536


def read_reply(reply: bytes, request_id: str, limits: SandboxLimits) -> Ran:
    """What a worker's frame says; ``crashed`` for one that says nothing that the program can use."""
    try:
        said: Any = json.loads(reply[1:], parse_constant=_refuse)
        if not isinstance(said, dict):
            raise ValueError("no object")
        told = cast("dict[str, Any]", said)
        if reply[:1] == b"E":
            return Ran(ended=told["ended"], error=told["error"])
        if told.get("id") != request_id or not _shallow(told):
            raise ValueError("not an answer to this request")
        json.dumps(told, ensure_ascii=False).encode()  # raises where it holds half a surrogate pair
        ended: Ended = told["ended"]
        if ended not in ("done", "raised", "memory", "output"):
            raise ValueError("no such end")
        value = told.get("value") if ended == "done" else None
        if len(json.dumps(value, ensure_ascii=False)) > 2 * limits.output_chars + 1000:
            raise ValueError("longer than is allowed")
        return Ran(ended=ended, value=value, error=str(told.get("error", "")), traceback=str(told.get("traceback", "")))
    except (ValueError, KeyError, RecursionError):  # a pydantic ValidationError is a ValueError
        return Ran(ended="crashed", error="its reply can't be read")


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _shallow(value: Any) -> bool:
    """Whether a reply is nested no deeper than what the worker lets out."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += cast("dict[str, Any]", item).values()
            elif isinstance(item, list):
                below += cast("list[Any]", item)
        if not below:
            return True
        level = below
    return False


def checked_files(files: Mapping[str, bytes], limits: SandboxLimits) -> dict[str, bytes]:
    """``files`` as they can be laid out. Raises InputError for a path that leaves the folder, or too much of it."""
    for name in files:
        path = PurePosixPath(name)
        if not name or path.is_absolute() or ".." in path.parts or "\0" in name or path == PurePosixPath("."):
            raise InputError("a path within the sandbox's folder", found=name)
    total = sum(map(len, files.values()))
    if total > limits.disk_mb << 20:
        raise InputError(f"files of {limits.disk_mb} MB at most", found=f"{total / (1 << 20):.1f} MB")
    return dict(files)


@functools.cache
def _source(name: str) -> str:
    return (_HERE / name).read_text()
