"""Requests to JSON bodies and JSON answers to completions, in the shape of OpenAI's chat completions API.

Written by hand, without a second validation of every message: at 256 calls in flight a client's own conversion
costs more than the call. What an endpoint does not speak is in its :class:`Dialect`, learned from its refusals.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from practice.errors import CallFailed
from practice.types import Completion, Message, Request, ToolCall, ToolSpec, Usage

Shape = Literal["json_schema", "json_object", "plain"]

#: What a fallback appends to the last user message; the schema follows.
SCHEMA_REQUEST = "\n\nAnswer with one JSON object of this JSON schema and nothing else:\n"
_FALLBACKS: tuple[Shape, ...] = ("json_schema", "json_object", "plain")
#: The program sets these itself, from the request.
RESERVED = frozenset(
    {"model", "messages", "tools", "temperature", "max_tokens", "max_completion_tokens", "seed", "n"}
    | {"response_format", "stream", "stream_options", "extra_headers", "api_key", "api_base", "num_retries", "timeout"}
)

_SEED = re.compile(r"\bseed\b")
_FORMAT = re.compile(r"response_format|json_schema|json_object|structured output|grammar|guided", re.IGNORECASE)
_TOKEN_LIMIT = re.compile(r"max_completion_tokens")
_TEMPERATURE = re.compile(r"\btemperature\b")


@dataclass(frozen=True)
class Dialect:
    """What an endpoint takes. Begins with everything; each refusal (400 or 422) takes one thing away for good.

    Shapes are kept by schema: had one refused schema an effect on the others, a body would depend on which call
    came first.
    """

    seed: bool = True
    temperature: bool = True
    token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    shapes: Mapping[str, Shape] = field(default_factory=dict[str, Shape])
    """By schema name; ``json_schema`` where it is not named."""
    n: bool = True
    """Whether one call may ask for several answers."""

    def shape(self, request: Request) -> Shape:
        """How ``request``'s schema is asked for."""
        return self.shapes.get(request.schema_name, "json_schema")

    def after_refusal(self, request: Request, param: str, code: str, message: str) -> Dialect | None:
        """The dialect to try next, or None where the refusal is about something else.

        ``param`` and ``code`` are the endpoint's own words, empty where it says none; then the message decides.
        """
        named, text = param.split(".")[0], "" if param else message[:600]
        if request.seed is not None and self.seed and (named == "seed" or _SEED.search(text)):
            return replace(self, seed=False)
        if self.token_limit == "max_tokens" and (
            _TOKEN_LIMIT.search(message) or (named == "max_tokens" and code == "unsupported_parameter")
        ):
            return replace(self, token_limit="max_completion_tokens")
        shape = self.shape(request)
        shaped = request.json_schema is not None and shape != "plain"
        if shaped and (named == "response_format" or _FORMAT.search(text)):
            following: Shape = "json_object" if shape == "json_schema" else "plain"
            return replace(self, shapes={**self.shapes, request.schema_name: following})
        if self.temperature and (named == "temperature" or _TEMPERATURE.search(text)):
            return replace(self, temperature=False)
        return None

    def merged(self, other: Dialect) -> Dialect:
        """What both have learned (calls in flight learn side by side)."""
        shapes: dict[str, Shape] = {}
        shapes.update(other.shapes)
        shapes.update(self.shapes)
        for name, shape in other.shapes.items():
            if _FALLBACKS.index(shape) > _FALLBACKS.index(shapes[name]):
                shapes[name] = shape
        limits = {self.token_limit, other.token_limit}
        return Dialect(
            seed=self.seed and other.seed,
            temperature=self.temperature and other.temperature,
            token_limit="max_completion_tokens" if "max_completion_tokens" in limits else "max_tokens",
            shapes=shapes,
            n=self.n and other.n,
        )


# ---------------------------------------------------------------- out


def encode(request: Request, model: str, dialect: Dialect, params: Mapping[str, Any]) -> dict[str, Any]:
    """The body: a function of its arguments alone, keys in a fixed order."""
    shape = dialect.shape(request) if request.json_schema is not None else None
    messages = request.messages if shape in (None, "json_schema") else _with_schema(request)
    body: dict[str, Any] = {"model": model, "messages": [_message(message) for message in messages]}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if dialect.temperature:
        body["temperature"] = request.temperature
    body[dialect.token_limit] = request.max_tokens
    if request.seed is not None and dialect.seed:
        body["seed"] = request.seed
    if shape == "json_schema":
        body["response_format"] = {"type": "json_schema", "json_schema": _schema_format(request)}
    elif shape == "json_object":
        body["response_format"] = {"type": "json_object"}
    body.update(params)
    return body


def dumps(body: Mapping[str, Any]) -> bytes:
    """Compact UTF-8 JSON; a lone surrogate in a text becomes ``?``."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def request_tokens_bound(request: Request) -> int:
    """More tokens than ``request`` can cost, input and output together.

    UTF-8 bytes of the prompt (a token is a byte at least), tools and schema included, 16 a message for the chat
    template, 256 where tools bring a template's own preamble, and ``max_tokens``.
    """
    total = request.max_tokens + 16 * len(request.messages)
    for message in request.messages:
        total += _bytes(message.content) + _bytes(message.tool_call_id or "") + _bytes(message.name or "")
        for call in message.tool_calls:
            total += _bytes(call.id) + _bytes(call.name) + _bytes(call.arguments) + 32
    if request.tools:
        total += 256 + len(dumps({"tools": [_tool(tool) for tool in request.tools]}))
    if request.json_schema is not None:
        total += len(SCHEMA_REQUEST) + 16 + len(dumps(_schema_format(request)))
    return total


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _message(message: Message) -> dict[str, Any]:
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.tool_call_id or "", "content": message.content}
    if message.tool_calls:
        calls = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
        return {"role": message.role, "content": message.content or None, "tool_calls": calls}
    return {"role": message.role, "content": message.content}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _with_schema(request: Request) -> tuple[Message, ...]:
    text = SCHEMA_REQUEST + dumps(request.json_schema or {}).decode()
    *before, last = request.messages
    if last.role == "user":
        return (*before, last.model_copy(update={"content": last.content + text}))
    return (*request.messages, Message(role="user", content=text.strip()))


def _schema_format(request: Request) -> dict[str, Any]:
    schema = request.json_schema or {}
    strict = strict_schema(schema)
    return {"name": request.schema_name, "schema": schema if strict is None else strict, "strict": strict is not None}


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """``schema`` tightened to OpenAI's strict subset, or None where that can't be.

    Tightening never admits what ``schema`` refuses: every property becomes required, no other is allowed, and
    defaults go. Objects with free keys, and ``oneOf``, ``allOf``, ``patternProperties``, have no strict form.
    Source: OpenAI, Structured Outputs, "Supported schemas".
    """
    try:
        tight = _tighten(schema)
    except _NotStrict:
        return None
    return tight if tight.get("type") == "object" or "$ref" in tight else None


class _NotStrict(Exception):
    """The schema has no strict form."""


def _tighten(node: Mapping[str, Any]) -> dict[str, Any]:
    if {"oneOf", "allOf", "not", "patternProperties", "if"} & node.keys():
        raise _NotStrict
    free = "properties" not in node or node.get("additionalProperties") not in (None, False)
    if node.get("type") == "object" and free:
        raise _NotStrict
    tight: dict[str, Any] = {}
    for key, value in node.items():
        if key in ("default", "title"):
            continue
        if key in ("properties", "$defs"):
            tight[key] = {name: _tighten(child) for name, child in value.items()}
        elif key == "anyOf":
            tight[key] = [_tighten(child) for child in value]
        elif key == "items":
            tight[key] = _tighten(value)
        else:
            tight[key] = value
    if "properties" in tight:
        tight["required"] = list(tight["properties"])
        tight["additionalProperties"] = False
    return tight


# ---------------------------------------------------------------- in


def decode(data: object) -> Completion:
    """A chat completion's JSON as a value, without price. Raises CallFailed (all retriable) where it is none.

    ``cut``: not a completion; ``server``: an error inside a body of status 200; ``empty``: neither content nor
    tool call although it was not cut off by ``max_tokens``.
    """
    body = fields(data)
    choices = items(body.get("choices"))
    if not choices:
        if body.get("error"):
            raise CallFailed("server", f"the answer is an error: {_error_text(body['error'])}", retriable=True)
        raise CallFailed("cut", "the answer holds no choices", retriable=True)
    choice = fields(choices[0])
    if choice.get("finish_reason") == "error" or choice.get("error"):
        raise CallFailed("server", f"the answer broke off: {_error_text(choice.get('error'))}", retriable=True)
    message = fields(choice.get("message"))
    content, reasoning = split_reasoning(_text(message.get("content")))
    reasoning = _text(message.get("reasoning_content")) or _text(message.get("reasoning")) or reasoning
    calls = _tool_calls(message.get("tool_calls"))
    finish = str(choice.get("finish_reason") or ("tool_calls" if calls else "stop"))
    if not content and not calls:
        content = _text(message.get("refusal"))
    if not content and not calls and finish != "length":
        raise CallFailed("empty", "the answer holds neither content nor a tool call", retriable=True)
    usage = fields(body.get("usage"))
    known = "prompt_tokens" in usage
    return Completion(
        content=content,
        tool_calls=calls,
        reasoning=reasoning,
        finish=finish,
        usage=_usage(usage) if known else Usage(calls=1, usd=None),
        usage_known=known,
        model=str(body.get("model") or ""),
    )


def split_reasoning(content: str) -> tuple[str, str]:
    """``<think>…</think>answer`` -> (answer, reasoning).

    The opening tag may be missing (some chat templates put it into the prompt), and so may the closing one
    (cut off by ``max_tokens``: all of it is reasoning). Content without visible text becomes the empty string.
    """
    text = content.lstrip()
    if text.startswith("<think>"):
        reasoning, closed, answer = text[len("<think>") :].partition("</think>")
        content, reasoning = (answer.lstrip(), reasoning.strip()) if closed else ("", reasoning.strip())
    elif "</think>" in text and "<think>" not in text.partition("</think>")[0] and not text.startswith("{"):
        reasoning, _, answer = text.partition("</think>")
        content, reasoning = answer.lstrip(), reasoning.strip()
    else:
        reasoning = ""
    return (content if content.strip() else ""), reasoning


def _text(value: object) -> str:
    """A content field as text: a string, None, or a list of parts (text parts alone are kept)."""
    if isinstance(value, list):
        value = "".join(str(fields(part).get("text") or "") for part in items(cast("object", value)))
    if not isinstance(value, str):
        return ""
    # A JSON escape cut in two leaves half a surrogate pair, which neither a database nor a body can hold.
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def _tool_calls(value: object) -> tuple[ToolCall, ...]:
    calls: list[ToolCall] = []
    for index, item in enumerate(fields(item) for item in items(value)):
        function = fields(item.get("function"))
        if not function.get("name"):
            continue
        arguments = function.get("arguments")
        text = _text(arguments) if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
        calls.append(ToolCall(id=str(item.get("id") or f"call_{index}"), name=str(function["name"]), arguments=text))
    return tuple(calls)


def _usage(usage: Mapping[str, Any]) -> Usage:
    details = fields(usage.get("prompt_tokens_details"))
    prompt = int(usage.get("prompt_tokens") or 0)
    cached = int(details.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or 0)
    output = int(usage.get("completion_tokens") or 0)
    thought = int(fields(usage.get("completion_tokens_details")).get("reasoning_tokens") or 0)
    return Usage(
        calls=1,
        input_tokens=prompt,
        output_tokens=output,
        cached_tokens=min(cached, prompt),
        reasoning_tokens=min(thought, output),
        usd=None,
    )


def _error_text(error: object) -> str:
    return str(fields(error).get("message") or error or "no reason given")


def fields(value: object) -> dict[str, Any]:
    """A JSON object; the empty one where ``value`` is something else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """A JSON array; the empty one where ``value`` is something else."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def checked_params(params: Mapping[str, Any]) -> tuple[dict[str, Any], Sequence[str]]:
    """``ModelSpec.params`` as body fields (``extra_body`` merged in), and the reserved names among them."""
    merged = {key: value for key, value in params.items() if key != "extra_body"}
    extra = params.get("extra_body")
    if isinstance(extra, Mapping):
        merged.update(cast("Mapping[str, Any]", extra))
    return merged, sorted(RESERVED & merged.keys())
