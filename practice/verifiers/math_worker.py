"""A process that compares mathematical expressions, one JSON object a line in and out. Started by ``math``.

An expression can cost any amount of time and memory, and only the main thread of a process can be interrupted by a
signal: so math-verify runs here, bounded, where it can be killed. Nothing of the package is imported, so that the
start does not depend on the folder it happens in.

    {"gold": "\\\\frac12", "found": ["0.5"], "seconds": 4}  ->  {"right": true}, {"right": null} = out of time
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
from typing import Any, cast

MEMORY = 3 << 30
"""Bytes of address space; the libraries alone take about half a GiB."""


class OutOfTime(BaseException):
    """Not an Exception: the libraries catch those."""


def _ring(_signal: int, _frame: object) -> None:
    raise OutOfTime


def compare(gold: str, found: list[str], seconds: float) -> bool | None:
    """Whether any of ``found`` equals ``gold``; None where the time ran out."""
    from math_verify import parse, verify  # pyright: ignore[reportMissingTypeStubs]

    def read(text: str) -> list[Any]:
        return cast("list[Any]", parse(f"${text}$", parsing_timeout=0) or parse(text, parsing_timeout=0))

    signal.signal(signal.SIGPROF, _ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)  # processor time: a busy machine makes no answer wrong
    try:
        wanted = read(gold)
        return bool(wanted) and any(verify(wanted, read(text), timeout_seconds=0) for text in found)
    except OutOfTime:
        return None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def main() -> None:
    """Answer until the input ends."""
    logging.disable(logging.CRITICAL)
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # a stray print of a library must not be read as an answer
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        compare("1", ["x+1"], 60.0)  # imports and builds the parser
        reply: dict[str, Any] = {"ready": True}
    except Exception as error:
        reply = {"error": f"{type(error).__name__}: {error}"}
    while True:
        channel.write(json.dumps(reply) + "\n")
        channel.flush()
        line = sys.stdin.readline()
        if not line:
            return
        request = json.loads(line)
        try:
            reply = {"right": compare(request["gold"], request["found"], request["seconds"])}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    main()
