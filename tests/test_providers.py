"""One request in the words of three providers: OpenAI by its own client, Anthropic and Gemini through LiteLLM.

A server stands in for each provider: what arrives there must be what the provider's API asks for, and what it answers,
in its own form, must come back as a completion. Nothing of what it is sent may hold what it does not take.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from practice.config import ModelSpec
from practice.model import connect, cost, price_of
from practice.types import Completion, Message, Request, ToolCall, ToolSpec

KEY = "planted-key-0123456789"
CALL = ToolCall(id="call_1", name="add", arguments='{"a": 1, "b": 2}')
NUMBERS = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"]}
ADD = ToolSpec(name="add", description="Adds two numbers.", parameters=NUMBERS)
SCHEMA = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
SAID = Message(role="user", content="What is 1 + 2?")
ASK = Request(
    messages=(
        Message(role="system", content="Be brief."),
        SAID,
        Message(role="assistant", tool_calls=(CALL,)),
        Message(role="tool", tool_call_id="call_1", name="add", content="3"),
    ),
    tools=(ADD,),
    temperature=0.5,
    max_tokens=64,
    seed=7,
)
SHAPED = Request(messages=(SAID,), json_schema=SCHEMA, schema_name="Total", max_tokens=64, temperature=0.5, seed=7)


@dataclass(frozen=True)
class Sent:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@contextmanager
def provider(answer: dict[str, Any]) -> Generator[tuple[str, list[Sent]]]:
    """An HTTP server that gives ``answer`` to everything, and what it was sent."""
    sent: list[Sent] = []

    class Provider(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            sent.append(Sent(self.path, headers, json.loads(raw)))
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Provider) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", sent
        server.shutdown()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """LiteLLM sets variables of the process when it is imported."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]


async def ask(name: str, request: Request, **environment: str) -> Completion:
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in environment.items():
            patch.setenv(variable, value)
        model = connect(ModelSpec(name=name))
        try:
            return await model.complete(request)
        finally:
            await model.aclose()


@dataclass(frozen=True)
class Provider:
    """A model, where its provider is told to be, what it answers, and the bodies that its API wants."""

    model: str
    base: str
    key: str
    path: str
    header: tuple[str, str]
    answer: dict[str, Any]
    asked: dict[str, Any]
    shaped: dict[str, Any]
    seeded: bool = True


STRICT = {**SCHEMA, "additionalProperties": False}
FUNCTION = {"name": "add", "description": "Adds two numbers.", "parameters": NUMBERS}
OPENAI = Provider(
    model="openai/gpt-4.1-mini",
    base="OPENAI_BASE_URL",
    key="OPENAI_API_KEY",
    path="/chat/completions",
    header=("authorization", f"Bearer {KEY}"),
    answer={
        "choices": [
            {
                "message": {
                    "content": "So:",
                    "tool_calls": [
                        {"id": "c9", "type": "function", "function": {"name": "add", "arguments": '{"a": 3, "b": 4}'}}
                    ],
                },
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {"prompt_tokens": 30, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 20}},
    },
    asked={
        "model": "gpt-4.1-mini",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is 1 + 2?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": CALL.arguments}}
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "3"},
        ],
        "tools": [{"type": "function", "function": FUNCTION}],
        "temperature": 0.5,
        "max_tokens": 64,
        "seed": 7,
    },
    shaped={
        "model": "gpt-4.1-mini",
        "messages": [{"role": "user", "content": "What is 1 + 2?"}],
        "temperature": 0.5,
        "max_tokens": 64,
        "seed": 7,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "Total", "schema": STRICT, "strict": True},
        },
    },
)
ANTHROPIC = Provider(
    model="anthropic/claude-sonnet-4-5",
    base="ANTHROPIC_API_BASE",
    key="ANTHROPIC_API_KEY",
    path="/v1/messages",
    header=("x-api-key", KEY),
    answer={
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [
            {"type": "text", "text": "So:"},
            {"type": "tool_use", "id": "c9", "name": "add", "input": {"a": 3, "b": 4}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        # Here what was read from the cache is no part of input_tokens.
        "usage": {
            "input_tokens": 10,
            "cache_read_input_tokens": 20,
            "cache_creation_input_tokens": 0,
            "output_tokens": 5,
        },
    },
    asked={
        "model": "claude-sonnet-4-5",
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "What is 1 + 2?"}]},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "call_1", "name": "add", "input": {"a": 1, "b": 2}}],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "3"}]},
        ],
        "tools": [{"name": "add", "description": "Adds two numbers.", "input_schema": NUMBERS, "type": "custom"}],
        "temperature": 0.5,
        "max_tokens": 64,
    },
    shaped={
        "model": "claude-sonnet-4-5",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "What is 1 + 2?"}]}],
        "temperature": 0.5,
        "max_tokens": 64,
        "output_format": {"type": "json_schema", "schema": STRICT},
    },
    seeded=False,
)
GEMINI = Provider(
    model="gemini/gemini-2.5-flash",
    base="GEMINI_API_BASE",
    key="GEMINI_API_KEY",
    path="/models/gemini-2.5-flash:generateContent",
    header=("x-goog-api-key", KEY),
    answer={
        "candidates": [
            {
                "content": {
                    "role": "model",
                    "parts": [{"text": "So:"}, {"functionCall": {"name": "add", "args": {"a": 3, "b": 4}}}],
                },
                "finishReason": "STOP",
                "index": 0,
            }
        ],
        "usageMetadata": {
            "promptTokenCount": 30,
            "cachedContentTokenCount": 20,
            "candidatesTokenCount": 5,
            "totalTokenCount": 35,
        },
        "modelVersion": "gemini-2.5-flash",
    },
    asked={
        "system_instruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "What is 1 + 2?"}]},
            {"role": "model", "parts": [{"function_call": {"name": "add", "args": {"a": 1, "b": 2}}}]},
            {"role": "user", "parts": [{"function_response": {"name": "add", "response": {"content": "3"}}}]},
        ],
        "tools": [{"function_declarations": [FUNCTION]}],
        "generationConfig": {"temperature": 0.5, "max_output_tokens": 64, "seed": 7},
    },
    shaped={
        "contents": [{"role": "user", "parts": [{"text": "What is 1 + 2?"}]}],
        "generationConfig": {
            "temperature": 0.5,
            "max_output_tokens": 64,
            "seed": 7,
            "response_mime_type": "application/json",
            "response_json_schema": STRICT,
        },
    },
)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("to", [OPENAI, ANTHROPIC, GEMINI], ids=["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("request_", [ASK, SHAPED], ids=["tools", "schema"])
async def test_what_a_provider_is_sent_and_what_it_says(to: Provider, request_: Request) -> None:
    with provider(to.answer) as (url, sent):
        said = await ask(to.model, request_, **{to.base: url, to.key: KEY})
    (one,) = sent
    name, value = to.header
    assert (one.path, one.headers[name]) == (to.path, value)
    assert one.body == (to.asked if request_ is ASK else to.shaped)
    assert KEY not in one.path + json.dumps(one.body)
    assert not any(header.startswith("x-practice") for header in one.headers)

    (call,) = said.tool_calls
    assert (said.content, call.name, json.loads(call.arguments)) == ("So:", "add", {"a": 3, "b": 4})
    assert (said.finish, said.seed_honoured, said.usage_known) == ("tool_calls", to.seeded, True)
    usage = said.usage
    assert (usage.input_tokens, usage.cached_tokens, usage.output_tokens) == (30, 20, 5)
    assert usage.usd == pytest.approx(cost(usage, price_of(ModelSpec(name=to.model)))) and usage.usd
