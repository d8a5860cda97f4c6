"""What stands in a span: the names of OpenTelemetry's GenAI conventions, and ``practice.*`` for what they lack.

The names are those of semantic conventions 1.37 and later (``gen_ai.provider.name``, ``gen_ai.input.messages``); what
messages say is there only where the user asked for it. Pure functions of the program's own values.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from practice.model.prices import is_openai_name
from practice.types import CallKey, Completion, Message, Request, ToolCall, Usage

Value = str | bool | int | float | Sequence[str]
Attributes = dict[str, Value]

OPERATION = "gen_ai.operation.name"
ERROR = "error.type"

#: LiteLLM's prefixes by the conventions' names of the providers, where the two differ.
_PROVIDERS = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "cohere_chat": "cohere",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "text-completion-openai": "openai",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}


def provider_of(model: str) -> str:
    """Who answers for a model of this name, in the conventions' words; else the name's prefix, as ``vllm``."""
    if is_openai_name(model):
        return "openai"
    prefix, slash, _ = model.partition("/")
    return _PROVIDERS.get(prefix, prefix) if slash else "unknown"


def model_of(model: str) -> str:
    """The model's name without its provider."""
    return model.partition("/")[2] or model


def call_attributes(model: str, key: CallKey, request: Request, *, content: bool) -> Attributes:
    """Of a model call, before it is sent: what is asked of whom, and its place in the run."""
    found: Attributes = {
        OPERATION: "chat",
        "gen_ai.provider.name": provider_of(model),
        "gen_ai.request.model": model_of(model),
        "gen_ai.request.temperature": request.temperature,
        "gen_ai.request.max_tokens": request.max_tokens,
        "practice.phase": key.phase,
        "practice.stage": key.stage,
        "practice.epoch": key.epoch,
        "practice.task": key.task,
        "practice.attempt": key.attempt,
        "practice.step": key.step,
    }
    if key.evaluator:
        found["practice.evaluator"] = key.evaluator
    if request.seed is not None:
        found["gen_ai.request.seed"] = request.seed
    if request.json_schema is not None:
        found["gen_ai.output.type"] = "json"
    if content:
        found["gen_ai.input.messages"] = dumps([message_json(message) for message in request.messages])
        if request.tools:
            tools = [{"type": "function", **tool.model_dump()} for tool in request.tools]
            found["gen_ai.tool.definitions"] = dumps(tools)
    return found


def answer_attributes(choices: Sequence[Completion], *, content: bool) -> Attributes:
    """Of a model call, once it is answered: by one choice, or by one for each call that went out with it."""
    usage = sum((completion.usage for completion in choices), Usage())
    found: Attributes = {"gen_ai.response.finish_reasons": tuple(completion.finish for completion in choices)}
    if choices[0].model:
        found["gen_ai.response.model"] = choices[0].model
    if all(completion.usage_known for completion in choices):
        found["gen_ai.usage.input_tokens"] = usage.input_tokens
        found["gen_ai.usage.output_tokens"] = usage.output_tokens
        if usage.cached_tokens:
            found["gen_ai.usage.cache_read.input_tokens"] = usage.cached_tokens
        if usage.reasoning_tokens:
            found["gen_ai.usage.reasoning.output_tokens"] = usage.reasoning_tokens
        if usage.usd is not None:
            found["practice.usd"] = usage.usd
    if content:
        found["gen_ai.output.messages"] = dumps([_said(completion) for completion in choices])
    return found


def _said(completion: Completion) -> dict[str, Any]:
    reasoning = [{"type": "reasoning", "content": completion.reasoning}] if completion.reasoning else []
    whole = message_json(Message(role="assistant", content=completion.content, tool_calls=completion.tool_calls))
    return {**whole, "parts": [*reasoning, *whole["parts"]], "finish_reason": completion.finish}


def tool_attributes(call: ToolCall, about: str, *, content: bool) -> Attributes:
    """Of a tool call, before it is run; ``about`` is the tool's description."""
    found: Attributes = {
        OPERATION: "execute_tool",
        "gen_ai.tool.name": call.name,
        "gen_ai.tool.call.id": call.id,
        "gen_ai.tool.type": "function",
    }
    if about:
        found["gen_ai.tool.description"] = about
    if content:
        found["gen_ai.tool.call.arguments"] = call.arguments
    return found


def message_json(message: Message) -> dict[str, Any]:
    """A message in the conventions' form: a role and parts."""
    if message.role == "tool":
        parts = [{"type": "tool_call_response", "id": message.tool_call_id, "response": message.content}]
        return {"role": "tool", "parts": parts}
    parts: list[dict[str, Any]] = [{"type": "text", "content": message.content}] if message.content else []
    for call in message.tool_calls:
        parts.append({"type": "tool_call", "id": call.id, "name": call.name, "arguments": _arguments(call.arguments)})
    return {"role": message.role, "parts": parts}


def _arguments(text: str) -> Any:
    """What a model passes to a tool, as JSON where it is that."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def dumps(value: object) -> str:
    """JSON as an attribute holds it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
