"""One description given to ``practice agent new``, as a user would, in a workspace of its own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from typing import Any

from pydantic import Field

from benchmarks.agentgen.described import HERE, Described
from practice.agentsmith import MadeAgent
from practice.config import Workspace
from practice.errors import InputError, RunError
from practice.tool.card import read_card
from practice.types import Usage, Value

__all__ = ["New", "new_agent"]

COMMAND = (sys.executable, "-c", "from practice.cli import main; main()")
"""The ``practice`` of the interpreter that runs the benchmark."""
PATIENCE = 20.0
"""Seconds between asking a command to stop and killing it."""


class New(Value):
    """What ``practice agent new`` came to."""

    status: str
    """``made``, or how it ended."""
    path: str | None = None
    """The agent's file, relative to the workspace."""
    tools: dict[str, str] = Field(default_factory=dict[str, str])
    """Reference -> ``made``, ``existing`` or ``fallback``."""
    retries: int = 0
    usage: Usage = Usage()


async def new_agent(described: Described, place: Workspace, *, model: str, mode: str, seconds: float) -> New:
    """Make the workspace anew and the agent in it. Raises RunError where not even the workspace comes to be.

    What the command says on stderr is kept as ``new.log`` in the workspace.
    """
    shutil.rmtree(place.root, ignore_errors=True)
    code, _, said = await _practice(["init", str(place.root)], seconds=120)
    if code != 0:
        raise RunError(f"practice init failed: {said.strip() or code}")
    (place.root / "files").mkdir()
    for file in described.files:
        shutil.copy(HERE / "files" / file, place.root / "files" / file)
    asked = ["agent", "new", described.text, "--yes", "--approve-tested", "--json", "--mode", mode]
    asked += ["--model", model, "--workspace", str(place.root)]
    code, out, said = await _practice(asked, seconds=seconds)
    (place.root / "new.log").write_text(said, encoding="utf-8")
    if code is None:
        return New(status=f"no end within {seconds / 60:.0f} minutes")
    if code == 4:
        raise RunError("practice agent new was interrupted")
    return _read(code, out, said, place)


def _read(code: int, out: str, said: str, place: Workspace) -> New:
    try:
        document: dict[str, Any] = json.loads(out)
    except ValueError:
        last = said.strip().splitlines()[-1:] or [""]
        return New(status=f"exit code {code} and no document: {last[0]}")
    if "error" in document:
        error = document["error"]
        return New(status=f"exit code {code}: {error.get('message') or json.dumps(error, ensure_ascii=False)}")
    made = MadeAgent.model_validate(document)
    tools: dict[str, str] = {one.ref: one.how for one in made.tools if one.ref is not None}
    repairs = sum(_repairs(place, ref) for ref, how in tools.items() if how == "made")
    return New(status="made", path=made.path, tools=tools, retries=made.retries + repairs, usage=made.usage)


def _repairs(place: Workspace, name: str) -> int:
    """What a generated tool took beyond the straight way, as its card says."""
    try:
        made = read_card(place.tools / "generated" / name / "card.yaml").made
    except InputError:
        return 0
    return made.retries + made.repairs


async def _practice(arguments: list[str], *, seconds: float) -> tuple[int | None, str, str]:
    """(exit code, stdout, stderr) of a command; None where it was ended after ``seconds``."""
    child = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])},
        start_new_session=True,
    )
    reading = asyncio.ensure_future(child.communicate())
    try:
        async with asyncio.timeout(seconds):
            out, err = await asyncio.shield(reading)
    except TimeoutError:
        out, err = await _stopped(child, reading)
        return None, out.decode(), err.decode()
    except asyncio.CancelledError:
        await _stopped(child, reading)
        raise
    return child.returncode, out.decode(), err.decode()


async def _stopped(
    child: asyncio.subprocess.Process, reading: asyncio.Future[tuple[bytes, bytes]]
) -> tuple[bytes, bytes]:
    """End the command with all that it started: a model's server, sandboxes."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            break
        ended = time.monotonic() + PATIENCE
        while not reading.done() and time.monotonic() < ended:
            await asyncio.sleep(0.1)
        if reading.done():
            break
    return await reading
