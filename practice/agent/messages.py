"""Messages inside a graph are plain dicts in OpenAI's form; the rest of the program has :class:`Message`.

A call that a model wrote as text stands in the history as if it had come through the API, and its result as a
message of the role ``tool``. The chat template then shows the model both in the form that it was trained on. Shown
its own text and a user's message with the result instead, a small model calls again rather than answer: of 12
continuations of right calls by Qwen2.5-Coder-1.5B, 3 gave the result that way and 11 this way. What it wrote behind
a call, often a guess of the result, is left out of the history: through the API a call ends the turn.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from practice.types import Message, Rollout, ToolCall, ToolResult

_LANGCHAIN_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}


def assistant_dict(content: str, calls: Sequence[ToolCall]) -> dict[str, Any]:
    """An answer as the graph's message.

    Arguments that do not parse become an empty object: chat templates and LangChain read the history's arguments
    and fail where they can't. What the model wrote is in its step, and is what the tool is called with.
    """
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _parsable(call)}}
            for call in calls
        ]
    return message


def result_dict(result: ToolResult) -> dict[str, Any]:
    """What a tool answered, as a message for the model."""
    return {"role": "tool", "tool_call_id": result.call.id, "name": result.call.name, "content": result.content}


def conversation(input: str, rollout: Rollout) -> list[dict[str, Any]]:
    """What one turn of a conversation adds to its history: the input, the rollout's steps, its output.

    Calls that nobody answered (a limit came first) are left out: endpoints refuse a history that holds them. So is
    what agents did that it leads: that was no part of this conversation.
    """
    messages: list[dict[str, Any]] = [{"role": "user", "content": input}]
    for step in rollout.steps:
        if step.results and not step.agent:
            calls = [result.call for result in step.results]
            messages += [assistant_dict(step.content, calls), *map(result_dict, step.results)]
    return [*messages, {"role": "assistant", "content": rollout.output or "(no answer)"}]


def to_message(message: object) -> Message:
    """A dict of OpenAI's form, or a LangChain message, as a :class:`Message`. Raises TypeError for anything else."""
    if isinstance(message, Message):
        return message
    items: Mapping[str, Any]
    calls = calls_of(message)
    if isinstance(message, Mapping):
        items = cast("Mapping[str, Any]", message)
    elif isinstance(kind := getattr(message, "type", None), str) and kind in _LANGCHAIN_ROLES:
        names = ("content", "tool_call_id")
        items = {"role": _LANGCHAIN_ROLES[kind], **{name: getattr(message, name, None) for name in names}}
    else:
        raise TypeError(f"a message must be a dict with role and content, not {type(message).__name__}")
    return Message(
        role=items["role"],
        content=_text(items.get("content")),
        tool_calls=calls,
        tool_call_id=items.get("tool_call_id"),
        name=items.get("name"),
    )


def calls_of(message: object) -> tuple[ToolCall, ...]:
    """The tool calls in a message."""
    if isinstance(message, Mapping):
        calls = cast("Mapping[str, Any]", message).get("tool_calls") or ()
    else:
        calls = getattr(message, "tool_calls", ())
    return tuple(_call(call) for call in calls)


def _call(call: Any) -> ToolCall:
    if isinstance(call, ToolCall):
        return call
    name, arguments = (
        (call["function"]["name"], call["function"]["arguments"])
        if "function" in call
        else (call["name"], call["args"])
    )
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return ToolCall(id=call["id"] or "", name=name, arguments=text)


def _parsable(call: ToolCall) -> str:
    try:
        return call.arguments if isinstance(json.loads(call.arguments), dict) else "{}"
    except (ValueError, RecursionError):
        return "{}"


def _text(content: object) -> str:
    """Content as text; of a list of parts, the text parts."""
    if isinstance(content, list):
        parts = cast("list[object]", content)
        texts = [part if isinstance(part, str) else cast("dict[str, Any]", part).get("text", "") for part in parts]
        return "\n".join(text for text in texts if text)
    return "" if content is None else str(content)
