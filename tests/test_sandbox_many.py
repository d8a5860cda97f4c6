"""Sixty-four sessions at the same time: no state, output, folder, process or port of one is seen by another."""

from __future__ import annotations

import asyncio

import pytest

from practice.sandbox import Engine, Permit, Ran, SandboxLimits, engine
from tests.hostiles import missing

MANY = 64
LIMITS = SandboxLimits(seconds=120, cpu_seconds=60, memory_mb=256, processes=8, disk_mb=4)

TOOL = """
import os, socket
count = 0
mine = None

def begin(name):
    global mine
    mine = name
    os.environ["WHO"] = name
    with open("who.txt", "w") as file:
        file.write(name)
    with open("/tmp/shared.txt", "x") as file:  # raises where another's is seen
        file.write(name)
    server = socket.create_server(("127.0.0.1", 4000))  # raises where another has it
    globals()["server"] = server
    print("begun by", name)

def step(name):
    global count
    count += 1
    print("step", count, "of", name)
    texts = [open(path).read() for path in ("who.txt", "/tmp/shared.txt")]
    pids = sorted(pid for pid in os.listdir("/proc") if pid.isdigit())
    return [count, mine, os.environ["WHO"], *texts, sorted(os.listdir()), pids]
"""


async def one(by: Engine, name: str, all_begun: asyncio.Barrier) -> list[Ran]:
    async with by.session(LIMITS, permit=Permit(), files={f"{name}.txt": name.encode()}) as session:
        begun = [await session.load("tool", TOOL), await session.call("tool.begin", {"name": name})]
        await all_begun.wait()
        steps = [await session.call("tool.step", {"name": name}) for _ in range(5)]
        await all_begun.wait()  # nobody leaves before all have looked
        return [*begun, *steps]


@pytest.mark.timeout(600)
async def test_nothing_of_one_session_is_seen_by_another() -> None:
    if missing():
        pytest.skip(missing())
    by, barrier = engine(), asyncio.Barrier(MANY)
    names = [f"session-{number}" for number in range(MANY)]
    told = await asyncio.gather(*(one(by, name, barrier) for name in names))
    for name, (loaded, begun, *steps) in zip(names, told, strict=True):
        assert loaded.ok, loaded.error
        assert (begun.ended, begun.stdout) == ("done", f"begun by {name}\n"), begun.error
        for number, ran in enumerate(steps, 1):
            files = sorted([f"{name}.txt", "who.txt"])
            assert ran.value == [number, name, name, name, name, files, ["1", "2"]]
            assert (ran.stdout, ran.stderr) == (f"step {number} of {name}\n", "")
