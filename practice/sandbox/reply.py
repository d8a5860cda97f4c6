"""What a worker's frame says. It comes from code that may be hostile: bounded, shallow, plain JSON, or a crash.

A reply must name the request that it answers, be nested no deeper than values may be, hold no NaN and no half of a
surrogate pair, so that whoever prints, stores or encodes it later meets nothing that it can't.
"""

from __future__ import annotations

import json
from typing import Any, cast

from practice.sandbox.base import Ended, Ran, SandboxLimits

MAX_DEPTH = 80
"""Lists and objects within each other in a reply; the worker refuses values deeper than 64."""


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
