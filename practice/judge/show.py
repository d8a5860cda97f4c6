"""How an attempt is shown to a judge: what it said and did, without who it was or how it thought."""

from __future__ import annotations

from practice.types import Rollout, Step
from practice.verifiers.text import strip_reasoning

__all__ = ["cut", "letters", "show"]

MAX_ARGUMENTS = 300
MAX_RESULT = 300
"""Characters of a tool call's arguments and of its result that a judge is shown."""


def show(rollout: Rollout) -> str:
    """The attempt as text: visible words, ``[tool(arguments) -> result]`` a call, and the output at the end.

    Reasoning, ids, usage, the model and how the attempt was started are left out.
    """
    parts = [part for step in rollout.steps for part in _step(step)]
    output = strip_reasoning(rollout.output)
    if output and (not parts or parts[-1] != output):
        parts.append(f"Final output:\n{output}" if parts else output)
    return "\n\n".join(parts)


def _step(step: Step) -> list[str]:
    said = strip_reasoning(step.content)
    results = {result.call.id: result for result in step.results}
    calls: list[str] = []
    for call in step.tool_calls:
        result = results.get(call.id)
        answer = cut(" ".join(result.content.split()), MAX_RESULT) if result else "no result"
        error = "error: " if result and result.error else ""
        calls.append(f"[{call.name}({cut(call.arguments, MAX_ARGUMENTS)}) -> {error}{answer}]")
    return [part for part in (said, "\n".join(calls)) if part]


def cut(text: str, limit: int) -> str:
    """About ``limit`` characters at most: a mark replaces the middle. Of the end, where answers stand, more is kept."""
    if len(text) <= limit:
        return text
    head = limit * 2 // 5
    tail = limit - head
    return f"{text[:head]} [… {len(text) - limit} characters cut …] {text[-tail:]}"


def letters(count: int) -> list[str]:
    """A, B, … Z, AA, AB, …"""
    names: list[str] = []
    for number in range(count):
        name = ""
        number += 1
        while number:
            number, digit = divmod(number - 1, 26)
            name = chr(ord("A") + digit) + name
        names.append(name)
    return names
