"""The half of a sandbox's worker that runs the code: it loads, calls and runs what it is told, and answers in JSON.

Its text is sent to the sandbox and run there; the program itself uses only :func:`plain`. What it needs after code
has run is held from before, so that code which replaces ``json.dumps`` or ``os.getpid`` meets its own replacement
and not a broken worker. It is not a guard: the code shares the process and may answer anything, in any form.
"""

from __future__ import annotations

import _ast as ast  # the tree's own types: half the start-up of ``ast``, and nothing that code can replace
import json
import linecache
import os
import socket
import sys
import types
from collections.abc import Callable
from typing import Any, cast

MAX_DEPTH = 64
"""Lists and objects within each other in a value."""

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_decode = json.JSONDecoder(strict=False).raw_decode
_getpid, _exit, _waitpid = os.getpid, os._exit, os.waitpid


class TooLong(Exception):
    """A value has more characters as JSON than are allowed."""


def answer(channel: socket.socket, chars: int) -> None:
    """Say that it is ready, then answer requests until the channel closes."""
    fd, pid = channel.detach(), _getpid()
    os.register_at_fork(after_in_child=lambda: os.close(fd))
    for stream in (sys.stdout, sys.stderr):
        # What was printed before a call is ended by force should be there.
        cast(Any, stream).reconfigure(line_buffering=True, errors="backslashreplace")
    sys.setrecursionlimit(1000)
    session = Session(chars)
    read, write = os.read, os.write
    reply: dict[str, Any] = {"id": "", "ended": "done"}
    while True:
        data = memoryview(_frame(reply))
        while data:
            data = data[write(fd, data) :]
        request = _request(read, fd)
        if request is None:
            return
        _bury()
        reply = {"id": request["id"], **session.do(request)}
        if _getpid() != pid:  # a fork of the code that has come back from its call
            _exit(0)


def _frame(reply: dict[str, Any]) -> bytes:
    value = reply.pop("value", "null")  # JSON already
    try:
        body = f'{_encode(reply)[:-1]},"value":{value}}}'.encode("utf-8", "replace")
    except MemoryError:
        body = _encode({"id": reply["id"], "ended": "memory", "error": "MemoryError"}).encode()
    return len(body).to_bytes(4, "big") + body


def _bury() -> None:
    """Reap what the supervisor ended after the last call; unburied, it counts against the limit of processes."""
    try:
        while _waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _request(read: Callable[[int, int], bytes], fd: int) -> dict[str, Any] | None:
    def exactly(size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = read(fd, size - len(data))
            if not part:
                return b""
            data += part
        return data

    head = exactly(4)
    return _decode(exactly(int.from_bytes(head, "big")).decode())[0] if head else None


class Session:
    """The namespace of ``run`` and the modules of ``load``."""

    def __init__(self, chars: int) -> None:
        self.chars = chars
        self.main = _module("__main__")
        sys.modules["__main__"] = self.main
        self.inputs = 0

    def do(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request's outcome: ``ended``, and a value (as JSON) or an error."""
        try:
            work = {"load": self.load, "call": self.call, "run": self.run}[request["op"]]
            value = work(*request["args"])
        except TooLong as error:
            return {"ended": "output", "error": str(error)}
        except MemoryError as error:
            return {"ended": "memory", "error": _cut(f"MemoryError: {error}".rstrip(": "), self.chars)}
        except BaseException as error:  # SystemExit too: code that ends itself has raised
            return {"ended": "raised", **_told(error, self.chars)}
        finally:
            _flush()
        return {"ended": "done", "value": value}

    def load(self, name: str, source: str) -> str:
        """Define a module; one that fails is not left half-defined."""
        module = _module(name)
        module.__file__ = f"{name}.py"
        before = sys.modules.get(name)
        sys.modules[name] = module
        try:
            exec(_compiled(source, f"{name}.py", "exec"), module.__dict__)
        except BaseException:
            if before is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = before
            raise
        return "null"

    def call(self, name: str, arguments: dict[str, Any]) -> str:
        """Call ``module.function``; what it gives must be JSON."""
        module, _, path = name.partition(".")
        found: Any = __import__(module)
        for part in path.split("."):
            found = getattr(found, part)
        value = found(**arguments)
        if hasattr(value, "__await__"):
            value = _awaited(value)
        return plain(value, name, self.chars)

    def run(self, source: str) -> str:
        """Run statements; the repr of a last expression, as a prompt shows it."""
        self.inputs += 1
        name = f"<input {self.inputs}>"
        tree = cast(ast.Module, _compiled(source, name, "exec", ast.PyCF_ONLY_AST))
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec", dont_inherit=True), self.main.__dict__)
        if not isinstance(last, ast.Expr):
            return "null"
        value = eval(compile(ast.Expression(last.value), name, "eval", dont_inherit=True), self.main.__dict__)
        if isinstance(value, types.CoroutineType):
            value = _awaited(value)
        return "null" if value is None else _encode(_cut(repr(value), self.chars))


def plain(value: Any, name: str, chars: int) -> str:
    """A value as JSON, tuples as lists. Raises TypeError for what JSON can't say, or TooLong."""
    problem = _problem(value, "", 0)
    if problem:
        raise TypeError(f"{name} returned {problem}")
    text = _encode(value)
    if len(text) > chars:
        raise TooLong(f"{name} returned {len(text):,} characters of JSON; at most {chars:,} are taken")
    return text


def _problem(value: Any, where: str, depth: int) -> str:
    """What of a value JSON can't say, and where it stands; nothing for what it can."""
    kind = type(value).__name__
    at = f" at {where}" if where else ""
    if value is None or isinstance(value, (str, bool)):
        return ""
    if isinstance(value, int):
        return "" if value.bit_length() < 14_000 else f"an integer of more than 4,000 digits{at}"
    if isinstance(value, float):
        finite = value - value == 0
        return "" if finite else f"{float(value)!r}{at}, which JSON has no word for; return None or text"
    if not isinstance(value, (list, tuple, dict)):
        allowed = "str, int, float, bool, None, list or dict"
        return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}{at}, which JSON can't express; return {allowed}"
    if depth == MAX_DEPTH:
        return f"more than {MAX_DEPTH} lists and dicts within each other"
    if isinstance(value, dict):
        items = cast("dict[Any, Any]", value).items()
        for key, item in items:
            if key is not None and not isinstance(key, (str, int, float)):
                return f"a dict with a key of type {type(key).__name__}{at}; keys must be str"
            if found := _problem(item, f"{where}[{key!r}]"[:200], depth + 1):
                return found
        return ""
    for index, item in enumerate(cast("list[Any]", value)):
        if found := _problem(item, f"{where}[{index}]"[:200], depth + 1):
            return found
    return ""


def _module(name: str) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__["__builtins__"] = sys.modules["builtins"]  # not this file's own copy of them
    return module


def _compiled(source: str, name: str, mode: str, flags: int = 0) -> Any:
    """Compiled code (or its tree), its lines known to tracebacks."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    return compile(source, name, mode, flags=flags, dont_inherit=True)


def _awaited(value: Any) -> Any:
    import asyncio

    async def wait() -> Any:
        return await value

    return asyncio.run(wait())


def _told(error: BaseException, chars: int) -> dict[str, str]:
    """``error`` and ``traceback`` of what code raised; its own ``__str__`` may fail as well."""
    kind = type(error).__name__
    try:
        text = f"{kind}: {error}".rstrip(": ")
    except BaseException:
        text = f"{kind} (with no readable message)"
    try:
        import traceback

        frames = error.__traceback__
        while frames is not None and frames.tb_frame.f_code.co_filename == "<sandbox>":
            frames = frames.tb_next
        shown = "".join(traceback.format_exception(type(error), error, frames, limit=-20))
    except BaseException:
        shown = ""
    return {"error": _cut(text, chars), "traceback": _cut(shown, chars)}


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else f"{text[:chars]}\n[cut: {chars:,} of {len(text):,} characters]"


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            cast(Any, stream).flush()
        except BaseException:
            continue
