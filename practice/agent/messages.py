"""Messages inside a graph are plain dicts in OpenAI's form; the rest of the program has :class:`Message`.

A model that wrote its calls as text gets its own text back as it wrote it, and the results as a user message in
``<tool_response>`` tags: that is, to the letter, what the chat templates of the Hermes family (Qwen2.5 and 3, and
with them most small local models) make of a message with the role ``tool``, and every endpoint takes it. A
message with the role ``tool`` would need a call before it that the endpoint never saw.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from practice.types import Completion, Message, ToolCall, ToolResult

_LANGCHAIN_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}


def assistant_dict(completion: Completion) -> dict[str, Any]:
    """An answer as the graph's message: content as written, calls where they came through the API.

    Arguments that do not parse become an empty object: chat templates and LangChain read the history's arguments
    and fail where they can't. What the model wrote is in its step, and is what the tool is called with.
    """
    message: dict[str, Any] = {"role": "assistant", "content": completion.content}
    if completion.tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _parsable(call)}}
            for call in completion.tool_calls
        ]
    return message


def result_dicts(results: Sequence[ToolResult], *, native: bool) -> list[dict[str, Any]]:
    """What tools answered, as messages for the model; ``native``: the calls came through the API."""
    if native:
        return [
            {"role": "tool", "tool_call_id": result.call.id, "name": result.call.name, "content": result.content}
            for result in results
        ]
    blocks = (f"<tool_response>\n{result.content}\n</tool_response>" for result in results)
    return [{"role": "user", "content": "\n".join(blocks)}]


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
    """The calls that a message holds through the API."""
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
