"""A real HTTP server that speaks OpenAI's chat completions, for tests and measurements.

    with FakeServer("lessons", faults=0.1) as server: ... server.url ... server.calls
    python -m tests.fakeserver --world lessons --port-file F --log F.jsonl

An answer is a function of the body's bytes (``seed`` included) and of the stage header: the same body always gets
the same answer. A body that asks for ``n`` gets those that n bodies with the seeds s, s + 1, … would get. Which calls
fail is a function too: a fault strikes the first time a body is seen, so a retry passes.
Every request is kept in memory, and in the log file, before it is answered.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FAULTS = ("429", "500", "cut", "empty_body", "empty_message", "hang")
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


@dataclass(frozen=True)
class Asked:
    """One request as a world sees it."""

    body: dict[str, Any]
    raw: bytes
    stage: str
    count: int
    """How often this body was seen before."""

    @property
    def system(self) -> str:
        return "\n".join(m["content"] or "" for m in self.body["messages"] if m["role"] == "system")

    @property
    def text(self) -> str:
        """All that is said, in order."""
        return "\n".join(m.get("content") or "" for m in self.body["messages"])

    @property
    def schema(self) -> dict[str, Any] | None:
        return (self.body.get("response_format") or {}).get("json_schema", {}).get("schema")

    def chance(self, salt: str = "") -> float:
        """A number in [0, 1) that the body decides."""
        return chance(self.raw, salt)


def chance(raw: bytes, salt: str = "") -> float:
    return int.from_bytes(hashlib.sha256(salt.encode() + b"|" + raw).digest()[:6], "big") / 2**48


@dataclass(frozen=True)
class Reply:
    """A raw HTTP answer, where a world wants more than a message."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    cut: bool = False
    """Announce more bytes than are sent, then hang up."""
    hang: bool = False
    """Never answer."""


World = Callable[[Asked], "str | dict[str, Any] | Reply"]
"""What answers: a text, a message (``content``, ``tool_calls``, …) or a raw reply."""


@dataclass(frozen=True)
class Call:
    """One request as it is logged."""

    n: int
    run: str
    stage: str
    phase: str
    seed: int | None
    sha: str
    """Of the body's bytes."""
    fault: str | None
    body: dict[str, Any]
    headers: dict[str, str]


class FakeServer:
    """Starts with ``with``, in a thread of its own; ``url`` is the ``api_base``.

    ``faults``: share of the bodies whose first sending fails, by one of ``kinds``. ``latency``: seconds before
    each answer. ``refuse``: body fields refused with a 400 that names them (``json_schema`` and ``json_object``
    refuse that ``response_format``). ``key``: the only bearer that is let in; the 401 repeats what was sent.
    ``cache``: whether prompts are cached by blocks of their beginnings, as vLLM does, and the share reported.
    """

    def __init__(
        self,
        world: str | World = "lessons",
        *,
        faults: float = 0.0,
        kinds: Sequence[str] = FAULTS,
        latency: float = 0.0,
        retry_after: float = 0.05,
        refuse: Iterable[str] = (),
        key: str | None = None,
        usage: bool = True,
        cache: bool = False,
        log: Path | None = None,
        port: int = 0,
    ) -> None:
        from tests.worlds import WORLDS

        self.world: World = WORLDS[world] if isinstance(world, str) else world
        self.faults, self.kinds, self.latency, self.retry_after = faults, tuple(kinds), latency, retry_after
        self.refuse, self.key, self.usage, self.port = frozenset(refuse), key, usage, port
        self.cache: set[str] | None = set() if cache else None
        self.calls: list[Call] = []
        self.in_flight = self.most_in_flight = self.connections = 0
        self._log = log.open("a", encoding="utf-8") if log else None
        self._seen: Counter[str] = Counter()
        self._open: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve()), name="fakeserver", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> FakeServer:
        self._thread.start()
        assert self._ready.wait(20), "the fake server did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)

    # ------------------------------------------------------------------ what tests ask

    def count(self, **fields: str | None) -> int:
        """How many requests have these values (``stage="judge", fault=None``)."""
        return sum(all(getattr(call, name) == value for name, value in fields.items()) for call in self.calls)

    def repeats(self) -> int:
        """Requests beyond the first answered one with the same body: what was asked for, and paid for, again."""
        answered = Counter(call.sha for call in self.calls if call.fault is None)
        return sum(times - 1 for times in answered.values())

    # ------------------------------------------------------------------ HTTP

    async def serve(self) -> None:
        """Serve until stopped."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", self.port, limit=2**20, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        if self._log:
            self._log.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection stays open."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        pairs = (line.partition(":") for line in head[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            reply = self._reply(method, path, headers, raw)
            if self.latency:
                await asyncio.sleep(self.latency)
            if reply.hang:
                await reader.read(1)  # until the client hangs up
                return False
            writer.write(_bytes(reply))
            await writer.drain()
        finally:
            self.in_flight -= 1
        return not reply.cut

    def _reply(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> Reply:
        if path == "/health":
            return Reply(body=b"{}")
        if path == "/v1/models":
            return _json(200, {"object": "list", "data": [{"id": "fake", "object": "model"}]})
        if (method, path) != ("POST", "/v1/chat/completions"):
            return _error(404, f"no such path: {path}")
        if self.key is not None and headers.get("authorization") != f"Bearer {self.key}":
            return _error(401, f"Incorrect API key provided: {headers.get('authorization')}", code="invalid_api_key")
        body: dict[str, Any] = json.loads(raw)
        sha = hashlib.sha256(raw).hexdigest()
        asked = Asked(body, raw, headers.get("x-practice-stage", ""), self._seen[sha])
        self._seen[sha] += 1
        refusal = self._refusal(body)
        fault = "400" if refusal else self._fault(asked)
        self._note(headers, asked, sha, fault)
        if refusal:
            return refusal
        return self._faulty(fault, asked) if fault else self._answer(asked)

    def _refusal(self, body: Mapping[str, Any]) -> Reply | None:
        shape = (body.get("response_format") or {}).get("type")
        for name in sorted(self.refuse):
            if name == shape:
                return _error(400, f"response_format of type {name} is not supported", param="response_format")
            if name in body:
                instead = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
                message = f"Unsupported parameter: '{name}'.{instead}"
                return _error(400, message, param=name, code="unsupported_parameter")
        return None

    def _fault(self, asked: Asked) -> str | None:
        if asked.count or not self.kinds or asked.chance("fault") >= self.faults:
            return None
        return self.kinds[int(asked.chance("kind") * len(self.kinds))]

    def _faulty(self, fault: str, asked: Asked) -> Reply:
        if fault == "429":
            headers = {"retry-after-ms": f"{self.retry_after * 1000:g}", "retry-after": "1"}
            return _error(429, "Rate limit reached", headers=headers)
        if fault == "500":
            return _error(500, "The server had an error")
        if fault == "empty_body":
            return Reply()
        if fault == "empty_message":
            return self._answer(asked, "")
        whole = self._answer(asked)
        return Reply(body=whole.body[: len(whole.body) // 2], cut=True) if fault == "cut" else Reply(hang=True)

    def _note(self, headers: dict[str, str], asked: Asked, sha: str, fault: str | None) -> None:
        run, phase = headers.get("x-practice-run", ""), headers.get("x-practice-phase", "")
        call = Call(len(self.calls), run, asked.stage, phase, asked.body.get("seed"), sha, fault, asked.body, headers)
        self.calls.append(call)
        if self._log:
            fields = {name: value for name, value in asdict(call).items() if name != "headers"}
            self._log.write(json.dumps(fields, ensure_ascii=False) + "\n")
            self._log.flush()

    def _answer(self, asked: Asked, instead: str | None = None) -> Reply:
        said = [self.world(each) if instead is None else instead for each in alone(asked)]
        choices: list[dict[str, Any]] = []
        spoken = 0
        for place, each in enumerate(said):
            if isinstance(each, Reply):
                return each
            message: dict[str, Any] = {"role": "assistant", **({"content": each} if isinstance(each, str) else each)}
            finish = "tool_calls" if message.get("tool_calls") else "stop"
            choices.append({"index": place, "message": message, "finish_reason": finish})
            length = len(json.dumps(each, ensure_ascii=False)) // 4
            spoken += min(length, asked.body.get("max_tokens") or asked.body.get("max_completion_tokens") or length)
        data: dict[str, Any] = {
            "id": f"chatcmpl-{hashlib.sha256(asked.raw).hexdigest()[:12]}",
            "object": "chat.completion",
            "created": 0,
            "model": asked.body["model"],
            "choices": choices,
        }
        if self.usage:
            prompt = len(asked.text) // 4 + 4 * len(asked.body["messages"])
            usage: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": spoken}
            if self.cache is not None:
                usage["prompt_tokens_details"] = {"cached_tokens": min(prompt, self._cached(asked.text) // 4)}
            data["usage"] = {**usage, "total_tokens": prompt + spoken}
        return _json(200, data)

    def _cached(self, text: str, block: int = 32) -> int:
        """Characters of the text's beginning that an earlier text began with, in whole blocks."""
        assert self.cache is not None
        beginnings = [text[:end] for end in range(block, len(text) + 1, block)]
        known = sum(1 for beginning in beginnings if beginning in self.cache)
        self.cache.update(beginnings)
        return known * block


def alone(asked: Asked) -> list[Asked]:
    """The request for ``n`` as n requests for one, with the seeds that vLLM gives the choices."""
    n = asked.body.get("n", 1)
    if n == 1:
        return [asked]
    parts: list[Asked] = []
    for place in range(n):
        body = {name: value for name, value in asked.body.items() if name != "n"}
        body["seed"] += place
        raw = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        parts.append(Asked(body, raw, asked.stage, asked.count))
    return parts


def _json(status: int, data: object, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, json.dumps(data).encode(), headers or {})


def _error(
    status: int,
    message: str,
    *,
    param: str | None = None,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    return _json(status, {"error": {"message": message, "type": "error", "param": param, "code": code}}, headers)


def _bytes(reply: Reply) -> bytes:
    length = len(reply.body) * 2 + 2 if reply.cut else len(reply.body)
    lines = [
        f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Error')}",
        *(f"{name}: {value}" for name, value in {"content-type": "application/json", **reply.headers}.items()),
        f"content-length: {length}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + reply.body


# ---------------------------------------------------------------- as a process


def read_log(path: Path) -> list[dict[str, Any]]:
    """The calls in a log file; a last line that was cut off is left out."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fakeserver", description=__doc__)
    parser.add_argument("--world", default="lessons")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file", type=Path)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--faults", type=float, default=0.0)
    parser.add_argument("--kinds", default=",".join(FAULTS))
    parser.add_argument("--latency", type=float, default=0.0)
    given = parser.parse_args()
    kinds = [kind for kind in given.kinds.split(",") if kind]
    server = FakeServer(
        given.world, faults=given.faults, kinds=kinds, latency=given.latency, log=given.log, port=given.port
    )
    with server:
        done = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: done.set())
        if given.port_file:
            part = given.port_file.with_suffix(".part")
            part.write_text(str(server.port))
            part.replace(given.port_file)
        # Last: who reads this line may read the port file, and end us, at once.
        print(server.url, flush=True)
        done.wait()


if __name__ == "__main__":
    main()
