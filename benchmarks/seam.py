"""What a model call costs this process: CPU a call with many calls in flight, and memory over very many calls.

    python benchmarks/seam.py [--calls 4000] [--rounds 3] [--in-flight 256] [--memory 50000]

The endpoint is a process of its own that answers from memory, so that its time is not counted. What is compared, each
in a fresh process:

    bare      openai's client over aiohttp, as its documentation has it for many calls at once
    model     this program's ``Model.complete``: the seam itself
    calls     the same behind ``Calls.complete``: queue, budget, seed, retries
    journal   the same with the journal in SQLite, as in a run

CPU is user plus system of that process, its threads included; the least of the rounds counts, as a busy machine only
ever adds to it. ``bare`` needs the package ``httpx-aiohttp``, which the program itself does not.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from practice.calls import Calls, Endpoint
from practice.config import ModelSpec
from practice.model import connect
from practice.store import RunJournal, Store
from practice.types import CallKey, Message, Request

WAYS = ("bare", "model", "calls", "journal")
ALLOWED = 1.5
"""Times the CPU of ``bare`` that a call through the seam may take."""
SYSTEM = "You solve problems step by step and end with a line that holds the answer alone. " * 20
WARM_UP = 512
"""Calls before anything is measured: connections, imports, caches."""
LOOKS = 10
"""How often memory is looked at."""
_SPAWN = multiprocessing.get_context("spawn")

Call = Callable[[int], Awaitable[object]]


@dataclass(frozen=True)
class Load:
    """How much is asked of one process."""

    calls: int
    in_flight: int
    looks: int = 1


@dataclass(frozen=True)
class Seen:
    """CPU seconds a call, wall seconds in all, and MiB of memory after each look's share of the calls."""

    cpu: float
    wall: float
    memory: tuple[float, ...]


# ---------------------------------------------------------------- the endpoint


class _Answers(asyncio.Protocol):
    """HTTP/1.1 with keep-alive: the same completion to every request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._read = transport, b""

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            head = self._read[:end].lower()
            start = head.find(b"content-length:") + len(b"content-length:")
            whole = end + 4 + int(head[start:].split(b"\r\n", 1)[0])
            if len(self._read) < whole:
                return
            self._read = self._read[whole:]
            self._transport.write(_ANSWER)


def _answer() -> bytes:
    data = {
        "id": "bench",
        "object": "chat.completion",
        "created": 0,
        "model": "fake",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "It is 7. " * 40}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 400, "completion_tokens": 160, "total_tokens": 560},
    }
    body = json.dumps(data).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body


_ANSWER = _answer()


def _serve(pipe: Connection) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(_Answers, "127.0.0.1", 0, backlog=1024)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


# ---------------------------------------------------------------- the callers


async def _caller(way: str, url: str, load: Load, stack: AsyncExitStack) -> Call:
    """One call by ``way``, given its number."""
    if way == "bare":
        return await _bare(url, stack)
    model = connect(ModelSpec(name="openai/fake", api_base=url), api_key="none")
    stack.push_async_callback(model.aclose)

    def request(number: int, seed: int | None) -> Request:
        said = (Message(role="system", content=SYSTEM), Message(role="user", content=f"What is 7 * {number}?"))
        return Request(messages=said, temperature=0.7, max_tokens=256, seed=seed)

    if way == "model":
        return lambda number: model.complete(request(number, number))
    journal = None
    if way == "journal":
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        store = await stack.enter_async_context(Store(Path(folder) / "practice.db"))
        journal, _ = await RunJournal.open(store, "bench")
    calls, endpoint = Calls(journal=journal, concurrency=load.in_flight), Endpoint(model)

    def call(number: int) -> Awaitable[object]:
        return calls.complete(
            endpoint, CallKey(phase="practice", stage="rollout", attempt=number), request(number, None)
        )

    return call


async def _bare(url: str, stack: AsyncExitStack) -> Call:
    import openai

    client = openai.AsyncOpenAI(
        base_url=url, api_key="none", max_retries=0, http_client=openai.DefaultAioHttpClient(timeout=60.0)
    )
    await stack.enter_async_context(client)

    def call(number: int) -> Awaitable[object]:
        return client.chat.completions.create(
            model="fake",
            messages=[{"role": "system", "content": SYSTEM}, {"role": "user", "content": f"What is 7 * {number}?"}],
            temperature=0.7,
            max_tokens=256,
            seed=number,
        )

    return call


async def _drive(call: Call, numbers: range, in_flight: int) -> None:
    """Every number once, so many at a time."""
    left = iter(numbers)

    async def lane() -> None:
        for number in left:
            await call(number)

    await asyncio.gather(*(lane() for _ in range(in_flight)))


async def measured(way: str, url: str, load: Load) -> Seen:
    """Make ``load.calls`` calls by ``way``; CPU, time and memory of this process."""
    async with AsyncExitStack() as stack:
        call = await _caller(way, url, load, stack)
        warm = min(WARM_UP, load.calls)
        await _drive(call, range(warm), load.in_flight)
        part = load.calls // load.looks
        cpu, wall, memory = time.process_time(), time.perf_counter(), list[float]()
        for look in range(load.looks):
            begin = warm + look * part
            await _drive(call, range(begin, begin + part), load.in_flight)
            memory.append(_resident())
        made = part * load.looks
        return Seen((time.process_time() - cpu) / made, time.perf_counter() - wall, tuple(memory))


def _resident() -> float:
    """MiB of memory that this process holds now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _work(pipe: Connection, way: str, url: str, load: Load) -> None:
    pipe.send(asyncio.run(measured(way, url, load)))


def _apart(way: str, url: str, load: Load) -> Seen:
    """``measured`` in a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    process = _SPAWN.Process(target=_work, args=(theirs, way, url, load))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    finally:
        process.join()


# ---------------------------------------------------------------- the table


def table(found: dict[str, list[Seen]], memory: dict[str, Seen], load: Load) -> str:
    """What was seen, a line a way; then memory over the calls."""
    least = {way: min(seen.cpu for seen in rounds) for way, rounds in found.items()}
    lines = [f"{load.in_flight} calls in flight, {load.calls:,} calls a round, least of {len(found['model'])} round(s)"]
    for way, cpu in least.items():
        times = f"{cpu / least['bare']:8.2f} x bare" if "bare" in least else ""
        lines.append(f"{way:8} {cpu * 1000:8.2f} CPU-ms a call {times}")
    if "bare" in least:
        verdict = "within" if least["model"] <= ALLOWED * least["bare"] else "ABOVE"
        lines.append(f"the seam is {verdict} {ALLOWED} times the bare client")
    else:
        lines.append("bare     not measured: pip install httpx-aiohttp")
    for way, seen in memory.items():
        steps = " ".join(f"{mebibytes:.0f}" for mebibytes in seen.memory)
        grown = seen.memory[-1] - seen.memory[len(seen.memory) // 5]
        lines.append(f"memory   {way}: {steps} MiB; {grown:+.1f} MiB over the last four fifths")
    return "\n".join(lines)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--memory", type=int, default=50_000, help="calls over which memory is watched; 0: not")
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    endpoint = _SPAWN.Process(target=_serve, args=(theirs,), daemon=True)
    endpoint.start()
    try:
        url = f"http://127.0.0.1:{ours.recv()}/v1"
        ways = WAYS if importlib.util.find_spec("httpx_aiohttp") else WAYS[1:]
        load = Load(options.calls, options.in_flight)
        found: dict[str, list[Seen]] = {way: [] for way in ways}
        for _ in range(options.rounds):  # in turn, so that a busy minute is everybody's
            for way in ways:
                found[way].append(_apart(way, url, load))
        long = Load(options.memory, options.in_flight, LOOKS)
        watched = {way: _apart(way, url, long) for way in ("calls", "journal") if options.memory}
    finally:
        endpoint.terminate()
        endpoint.join()
    print(table(found, watched, load))


if __name__ == "__main__":
    main()
