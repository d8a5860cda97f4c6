r"""``math``: the output's expression equals the answer's (math-verify, in worker processes).

Numbers on both sides need none of it and are compared here. Everything else goes to a small pool of processes
that start when they are first needed, are killed when they pass their time, and are replaced.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import Any

from practice.errors import CallFailed
from practice.verifiers.base import AnswerVerifier
from practice.verifiers.number import find_number, read_number, same_number
from practice.verifiers.text import after_marker, boxes, first_line, normalise, strip_reasoning

__all__ = ["Math", "Workers"]

WORKER = Path(__file__).with_name("math_worker.py")
SECONDS = 5.0
"""Processor time that one comparison may take."""
PATIENCE = 6.0
"""Times that in wall time before a worker is killed: the machine is busy, or C code that can't be interrupted runs."""
START = 120.0
"""What the start of a worker may take: it imports sympy."""
MAX_CHARS = 2000
"""Of an expression; what is longer is no final answer."""


class Math(AnswerVerifier):
    r"""Right where the last ``\boxed{…}``, else what follows "answer is", else the last line equals the answer.

    Equal means mathematically: ``\frac12`` is ``0.5``, ``(x+1)^2`` is ``x^2+2x+1``, ``1,2`` is ``\{2,1\}``.
    Where the time runs out the rollout is unscored. Call :meth:`aclose` at the end, in the same event loop.
    """

    name = "math"

    def __init__(self, workers: int | None = None, seconds: float = SECONDS) -> None:
        """``workers``: how many processes at most; None: two, or one on a single core."""
        self.workers = Workers(workers or min(2, os.cpu_count() or 1), seconds)

    async def compare(self, output: str, answer: str) -> tuple[bool, str]:
        """See the class."""
        gold, text = _bare(answer), strip_reasoning(output)
        found = _candidates(text)
        wanted = read_number(gold)
        if wanted is not None and not wanted.percent:
            number = read_number(found[0]) if found else find_number(text)
            if number is not None:
                right = same_number(number, wanted, rounding=False)
                return right, f"read {number}, expected {gold}"
        found = found or [text.splitlines()[-1]] if text else []
        if not found:
            return False, "no answer in the output"
        if normalise(found[0]) == normalise(gold):
            return True, f"{gold} as expected"
        if any(len(candidate) > MAX_CHARS for candidate in found):
            return False, f"an answer of more than {MAX_CHARS} characters"
        right = await self.workers.equal(gold, found)
        return right, f"{found[0]} {'equals' if right else 'is not'} {gold}"

    async def aclose(self) -> None:
        """End the worker processes."""
        await self.workers.aclose()


def _candidates(text: str) -> list[str]:
    """What the output gives as its answer, the likeliest reading first."""
    found = boxes(text)
    if found:
        last = found[-1]
        line = text.rfind("\n", 0, last[0]) + 1
        same_line = [content for start, content in found if start >= line]
        # "x=\boxed{1} or x=\boxed{2}": only together are they the answer {1, 2}.
        return [_bare(last[1]), *([", ".join(same_line)] if len(same_line) > 1 else [])]
    marked = first_line(after_marker(text) or "")
    return [_bare(marked)] if marked else []


def _bare(text: str) -> str:
    """Without the dollars, emphasis and final period around an expression."""
    text = text.strip().strip("*").strip()
    text = text.removesuffix(".").strip()
    for left, right in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
        if text.startswith(left) and text.endswith(right) and len(text) > len(left) + len(right):
            return text[len(left) : -len(right)].strip().removesuffix(".")
    return text


class Workers:
    """At most ``size`` processes of ``math_worker``, each busy with one comparison at a time."""

    def __init__(self, size: int, seconds: float) -> None:
        self.seconds = seconds
        self.started = 0
        """How many processes were started so far."""
        self._places = asyncio.Semaphore(size)
        self._idle: list[Process] = []
        self._all: set[Process] = set()

    async def equal(self, gold: str, found: list[str]) -> bool:
        """Whether any of ``found`` equals ``gold``. Raises CallFailed where the time or the process ended."""
        async with self._places:
            worker = self._idle.pop() if self._idle else await self._start()
            try:
                request = {"gold": gold, "found": found, "seconds": self.seconds}
                assert worker.stdin is not None
                worker.stdin.write(json.dumps(request).encode() + b"\n")
                reply = await _reply(worker, PATIENCE * self.seconds + 5.0)
            except BaseException:
                # Also when cancelled: its answer would be taken for that of the next comparison.
                await self._end(worker)
                raise
            self._idle.append(worker)
        if "error" in reply:
            raise CallFailed("error", f"math-verify failed on {found[0][:60]!r}: {reply['error']}")
        if reply["right"] is None:
            raise CallFailed("timeout", f"comparing {found[0][:60]!r} took more than {self.seconds:g} s")
        return bool(reply["right"])

    async def aclose(self) -> None:
        """Kill all processes and wait for their end."""
        for worker in list(self._all):
            await self._end(worker)

    async def _start(self) -> Process:
        # -P and a path: nothing of the current folder (a user's math.py, say) is imported.
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-P", str(WORKER), stdin=PIPE, stdout=PIPE, stderr=DEVNULL
        )
        self.started += 1
        self._all.add(worker)
        try:
            reply = await _reply(worker, START)
        except BaseException:
            await self._end(worker)
            raise
        if "error" in reply:
            await self._end(worker)
            raise CallFailed("error", f"the math worker could not start: {reply['error']}")
        return worker

    async def _end(self, worker: Process) -> None:
        self._all.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        if worker.returncode is None:
            worker.kill()
        if worker.stdin is not None:
            worker.stdin.close()
        await worker.wait()


async def _reply(worker: Process, seconds: float) -> dict[str, Any]:
    assert worker.stdout is not None
    try:
        async with asyncio.timeout(seconds):
            line = await worker.stdout.readline()
    except TimeoutError:
        raise CallFailed("timeout", f"the math worker gave no answer within {seconds:g} s") from None
    if not line:
        raise CallFailed("error", "the math worker ended without an answer: out of memory, or killed")
    return json.loads(line)
