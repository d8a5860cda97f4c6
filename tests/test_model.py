from __future__ import annotations

import asyncio
import email.utils
import json
import logging
import os
import socket
import time
import traceback
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practice.config import ModelSpec, Price
from practice.errors import CallFailed, EndpointError, InputError
from practice.model import Model, connect, cost, parse_json, price_of, request_tokens_bound
from practice.model.faults import Secrets, read_refusal, retry_after
from practice.model.wire import Dialect, decode, dumps, encode, split_reasoning, strict_schema
from practice.types import Completion, Message, Request, ToolCall, ToolSpec, Usage
from tests.fakeserver import Asked, FakeServer, Reply, World

KEY = "sk-planted-0123456789abcdef"
ASK = Request(messages=(Message(role="system", content="Be brief."), Message(role="user", content="Say yes.")), seed=7)
SCHEMA = {"type": "object", "properties": {"text": {"type": "string", "default": ""}}}
SHAPED = ASK.model_copy(update={"json_schema": SCHEMA, "schema_name": "Note"})


@asynccontextmanager
async def endpoint(world: World, **options: Any) -> AsyncGenerator[tuple[FakeServer, Model]]:
    spec = {name: options.pop(name) for name in ("price", "params", "name", "api_key_env") if name in options}
    with FakeServer(world, **options) as server:
        model = connect(ModelSpec.model_validate({"name": "openai/fake", "api_base": server.url, **spec}))
        try:
            yield server, model
        finally:
            await model.aclose()


def yes(_: Asked) -> str:
    return "yes"


async def failed(world: World, request: Request = ASK, *, timeout: float = 20.0, **options: Any) -> CallFailed:
    async with endpoint(world, **options) as (_, model):
        with pytest.raises(CallFailed) as caught:
            await model.complete(request, timeout=timeout)
        return caught.value


def refuses(status: int, body: Any, **headers: str) -> World:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda _: Reply(status, raw, {name.replace("_", "-"): value for name, value in headers.items()})


# ---------------------------------------------------------------- the call


async def test_a_call_and_its_body() -> None:
    async with endpoint(yes, params={"top_p": 0.9, "extra_body": {"top_k": 20}}) as (server, model):
        completion = await model.complete(ASK, headers={"X-Practice-Stage": "judge", "X-Practice-Run": "r1"})
    assert completion.content == "yes"
    assert completion.finish == "stop"
    assert completion.model == "fake"
    assert completion.seed_honoured
    assert completion.usage_known
    assert completion.usage.calls == 1
    assert completion.usage.input_tokens > 0
    assert completion.usage.output_tokens > 0
    assert completion.usage.usd is None
    assert completion.usage.seconds > 0
    (call,) = server.calls
    assert (call.stage, call.run) == ("judge", "r1")
    assert call.body == {
        "model": "fake",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say yes."}],
        "temperature": 0.0,
        "max_tokens": 2048,
        "seed": 7,
        "top_p": 0.9,
        "top_k": 20,
    }


async def test_the_same_request_is_the_same_bytes() -> None:
    async with endpoint(yes) as (server, model):
        await asyncio.gather(*(model.complete(ASK) for _ in range(5)))
        await model.complete(ASK.model_copy(update={"seed": 8}))
    assert len({call.sha for call in server.calls}) == 2


async def test_tool_calls_go_both_ways() -> None:
    def world(asked: Asked) -> dict[str, Any]:
        call = {"id": "call_9", "type": "function", "function": {"name": "add", "arguments": '{"a": 1'}}
        return {"content": None, "tool_calls": [call, {"function": {"name": "now", "arguments": {"utc": True}}}]}

    tool = ToolSpec(name="add", description="Adds.", parameters={"type": "object", "properties": {}})
    history = (
        Message(role="assistant", tool_calls=(ToolCall(id="call_1", name="add", arguments="{}"),)),
        Message(role="tool", content="3", tool_call_id="call_1", name="add"),
    )
    request = ASK.model_copy(update={"tools": (tool,), "messages": ASK.messages + history})
    async with endpoint(world) as (server, model):
        completion = await model.complete(request)
    assert completion.tool_calls == (
        ToolCall(id="call_9", name="add", arguments='{"a": 1'),
        ToolCall(id="call_1", name="now", arguments='{"utc": true}'),
    )
    assert completion.finish == "tool_calls"
    body = server.calls[0].body
    assert body["tools"] == [
        {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": tool.parameters}}
    ]
    assert body["messages"][2:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "add", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "3"},
    ]


async def test_price_and_cached_tokens() -> None:
    def world(_: Asked) -> Reply:
        usage = {"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 600}}
        data = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}], "usage": usage}
        return Reply(body=json.dumps(data).encode())

    async with endpoint(world, price={"input": 2.0, "output": 10.0, "cached": 0.5}) as (_, model):
        usage = (await model.complete(ASK)).usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens) == (1000, 100, 600)
    assert usage.usd == pytest.approx((400 * 2.0 + 600 * 0.5 + 100 * 10.0) / 1e6)


async def test_missing_usage_is_said() -> None:
    async with endpoint(yes, usage=False, price={"input": 1.0, "output": 1.0}) as (_, model):
        completion = await model.complete(ASK)
    assert not completion.usage_known
    assert completion.usage.calls == 1
    assert completion.usage.usd is None


async def test_many_calls_at_once_share_connections() -> None:
    async with endpoint(yes, latency=0.05) as (server, model):
        for _ in range(2):
            requests = [ASK.model_copy(update={"seed": seed}) for seed in range(200)]
            answers = await asyncio.gather(*(model.complete(request) for request in requests))
            assert {answer.content for answer in answers} == {"yes"}
    assert server.most_in_flight > 100
    assert server.connections <= 201


async def test_a_cancelled_call_leaves_the_client_whole() -> None:
    async with endpoint(yes, latency=0.3) as (server, model):
        task = asyncio.create_task(model.complete(ASK))
        while not server.calls:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.latency = 0.0
        assert (await model.complete(ASK)).content == "yes"


# ---------------------------------------------------------------- what an endpoint refuses


async def test_a_refused_seed_is_left_out_from_then_on() -> None:
    async with endpoint(yes, refuse=["seed"]) as (server, model):
        answers = [await model.complete(ASK) for _ in range(3)]
    assert [answer.seed_honoured for answer in answers] == [False] * 3
    assert [call.seed for call in server.calls] == [7, None, None, None]


async def test_max_completion_tokens_where_max_tokens_is_refused() -> None:
    async with endpoint(yes, refuse=["max_tokens", "temperature"]) as (server, model):
        await model.complete(ASK)
        await model.complete(ASK)
    assert server.count(fault=None) == 2
    assert len(server.calls) == 4
    assert server.calls[-1].body["max_completion_tokens"] == 2048
    assert not {"max_tokens", "temperature"} & server.calls[-1].body.keys()


async def test_a_schema_falls_back_to_json_object_and_to_plain() -> None:
    async with endpoint(lambda _: '{"text": "a"}') as (server, model):
        await model.complete(SHAPED)
    strict = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    sent = {"name": "Note", "schema": {**strict, "additionalProperties": False}, "strict": True}
    assert server.calls[0].body["response_format"] == {"type": "json_schema", "json_schema": sent}

    async with endpoint(lambda _: '{"text": "a"}', refuse=["json_schema"]) as (server, model):
        await model.complete(SHAPED)
        await model.complete(SHAPED)
        await model.complete(SHAPED.model_copy(update={"schema_name": "Other"}))
    shapes = [call.body["response_format"]["type"] for call in server.calls]
    assert shapes == ["json_schema", "json_object", "json_object", "json_schema", "json_object"]
    assert json.dumps(SCHEMA, separators=(",", ":")) in server.calls[1].body["messages"][-1]["content"]

    async with endpoint(lambda _: '{"text": "a"}', refuse=["json_schema", "json_object"]) as (server, model):
        await model.complete(SHAPED)
    assert "response_format" not in server.calls[2].body
    assert server.calls[2].body["messages"][-1]["content"].startswith("Say yes.\n\nAnswer with one JSON object")


@pytest.mark.parametrize(
    "body",
    [
        {"object": "error", "message": "seed is not supported by this engine", "param": None, "code": 400},
        {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]},
        {"error": {"message": "Unknown parameter", "param": "seed"}},
    ],
)
async def test_a_seed_is_refused_in_many_shapes(body: dict[str, Any]) -> None:
    def world(asked: Asked) -> str | Reply:
        return Reply(422 if "detail" in body else 400, json.dumps(body).encode()) if "seed" in asked.body else "yes"

    async with endpoint(world) as (_, model):
        assert not (await model.complete(ASK)).seed_honoured


async def test_a_refusal_about_something_else_is_no_fallback() -> None:
    async with endpoint(refuses(400, {"error": {"message": "messages: too many images", "param": "messages"}})) as (
        server,
        model,
    ):
        with pytest.raises(CallFailed) as caught:
            await model.complete(SHAPED)
    assert (caught.value.kind, caught.value.status, caught.value.retriable) == ("client", 400, False)
    assert len(server.calls) == 1


def test_dialects_learned_side_by_side_add_up() -> None:
    ask, shaped = Dialect(), Dialect()
    no_seed = ask.after_refusal(ASK, "seed", "", "")
    object_only = shaped.after_refusal(SHAPED, "response_format", "", "")
    assert no_seed is not None
    assert object_only is not None
    both = no_seed.merged(object_only)
    assert both == object_only.merged(no_seed)
    assert not both.seed
    assert both.shape(SHAPED) == "json_object"
    assert both.after_refusal(SHAPED.model_copy(update={"seed": None}), "seed", "", "") is None


# ---------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("status", "body", "kind", "retriable"),
    [
        (429, {"error": {"message": "slow down"}}, "rate_limit", True),
        (500, {"error": {"message": "oops"}}, "server", True),
        (503, b"<html>busy</html>", "server", True),
        (529, {"error": {"type": "overloaded_error"}}, "server", True),
        (408, {"error": {"message": "late"}}, "timeout", True),
        (409, {"error": {"message": "conflict"}}, "client", True),
        (400, {"error": {"message": "no", "code": "bad"}}, "client", False),
        (400, {"error": {"message": "no", "code": "context_length_exceeded"}}, "context", False),
        (400, {"message": "This model's maximum context length is 2048 tokens. seed", "param": None}, "context", False),
        (400, {"error": {"code": 400, "message": "too big", "type": "exceed_context_size_error"}}, "context", False),
        (200, {"error": {"message": "upstream failed"}}, "server", True),
        (200, b'{"choices": [{"mess', "cut", True),
        (200, b"", "cut", True),
        (200, {"choices": []}, "cut", True),
        (200, b"<html>hello</html>", "client", False),
    ],
)
async def test_status_and_body_decide_the_kind(status: int, body: Any, kind: str, retriable: bool) -> None:
    error = await failed(refuses(status, body))
    assert (error.kind, error.retriable) == (kind, retriable)
    assert error.status == (status if status >= 400 or kind == "client" else None)


@pytest.mark.parametrize("status", [401, 402, 403, 404])
async def test_what_refuses_every_call_ends_the_run(status: int) -> None:
    async with endpoint(refuses(status, {"error": {"message": "the model `fake` does not exist"}})) as (_, model):
        with pytest.raises(EndpointError, match=rf"endpoint of openai/fake .* \({status}.*does not exist"):
            await model.complete(ASK)


async def test_no_quota_is_no_rate_limit() -> None:
    async with endpoint(refuses(429, {"error": {"message": "pay", "code": "insufficient_quota"}})) as (_, model):
        with pytest.raises(EndpointError, match="quota"):
            await model.complete(ASK)


async def test_cut_bodies_hangs_and_dead_servers() -> None:
    cut = await failed(lambda _: Reply(body=b'{"choices": [', cut=True))
    assert (cut.kind, cut.retriable) == ("cut", True)
    hang = await failed(lambda _: Reply(hang=True), timeout=0.3)
    assert (hang.kind, hang.retriable) == ("timeout", True)
    with FakeServer(yes) as server:
        pass
    model = connect(ModelSpec(name="fake", api_base=server.url))
    with pytest.raises(CallFailed) as caught:
        await model.complete(ASK)
    await model.aclose()
    assert (caught.value.kind, caught.value.retriable) == ("connection", True)


async def test_no_connection_in_time_is_no_answer_that_was_paid_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("practice.model.openai_model.CONNECT_TIMEOUT", 0.2)
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        # Nobody accepts and the queue is full: the kernel leaves the next connection unanswered.
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        model = connect(ModelSpec(name="fake", api_base=f"http://127.0.0.1:{listening.getsockname()[1]}/v1"))
        with pytest.raises(CallFailed) as caught:
            await model.complete(ASK, timeout=20.0)
        await model.aclose()
    assert (caught.value.kind, caught.value.retriable) == ("connection", True)
    assert "no connection within 0.2 s" in str(caught.value)


async def test_a_dribbling_answer_times_out_as_a_whole() -> None:
    hung_up = asyncio.Event()

    async def dribble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        try:
            while not reader.at_eof():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            pass
        finally:
            writer.close()
            hung_up.set()

    server = await asyncio.start_server(dribble, "127.0.0.1", 0)
    model = connect(ModelSpec(name="fake", api_base=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"))
    with pytest.raises(CallFailed) as caught:
        await model.complete(ASK, timeout=0.4)
    await hung_up.wait()
    await model.aclose()
    server.close()
    await server.wait_closed()
    assert caught.value.kind == "timeout"


async def test_an_empty_message_is_a_fault_but_a_cut_off_one_is_an_answer() -> None:
    assert (await failed(lambda _: "")).kind == "empty"
    assert (await failed(lambda _: " \n")).kind == "empty"
    assert (await failed(lambda _: "<think>hm</think>")).kind == "empty"
    choice = {"message": {"content": "<think>hm"}, "finish_reason": "length"}
    cut = decode({"choices": [choice]})
    assert (cut.content, cut.reasoning, cut.finish) == ("", "hm", "length")
    refusal = decode({"choices": [{"message": {"content": None, "refusal": "I can't."}, "finish_reason": "stop"}]})
    assert refusal.content == "I can't."


async def test_retry_after_reaches_the_caller() -> None:
    error = await failed(refuses(429, {}, retry_after="7"))
    assert error.retry_after == 7.0
    error = await failed(refuses(503, {}, retry_after="1", retry_after_ms="250"))
    assert error.retry_after == 0.25


def test_retry_after_as_a_date_or_as_nonsense() -> None:
    date = email.utils.formatdate(time.time() + 60, usegmt=True)
    waits = retry_after({"retry-after": date})
    assert waits is not None
    assert 0 < waits <= 60
    assert retry_after({"retry-after": email.utils.formatdate(0, usegmt=True)}) == 0.0
    for nonsense in ("soon", "nan", "inf", ""):
        assert retry_after({"retry-after": nonsense}) is None
    assert retry_after({}) is None


async def test_every_kind_of_fault_passes_on_a_second_try() -> None:
    async with endpoint(yes, faults=1.0, retry_after=0.01) as (server, model):
        kinds: set[str] = set()
        for seed in range(40):
            request = ASK.model_copy(update={"seed": seed})
            with pytest.raises(CallFailed) as caught:
                await model.complete(request, timeout=0.3)
            assert caught.value.retriable
            kinds.add(caught.value.kind)
            assert (await model.complete(request)).content == "yes"
    assert kinds == {"rate_limit", "server", "cut", "empty", "timeout"}
    assert server.repeats() == 0


# ---------------------------------------------------------------- keys


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_a_key_never_shows(
    status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The endpoint says the key back in every way it can; a traceback with locals shows nothing of it either."""
    monkeypatch.setenv("PLANTED", KEY)
    caplog.set_level(logging.INFO)
    seen: list[str] = []

    def world(asked: Asked) -> Reply:
        seen.append(server.calls[-1].headers["authorization"])
        message = f"bad key {KEY}, Authorization: Bearer {KEY}, 'api_key': '{KEY}', url http://me:{KEY}@host/"
        return Reply(status, json.dumps({"error": {"message": message, "code": "x"}}).encode())

    async with endpoint(world, api_key_env="PLANTED") as (server, model):
        with pytest.raises((CallFailed, EndpointError)) as caught:
            await model.complete(ASK)
    assert seen == [f"Bearer {KEY}"]
    for error in chain(caught.value):
        assert KEY not in f"{error} {error!r} {error.args}"
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert "planted" not in str(caught.value)
    assert KEY not in caplog.text


def test_scrub_knows_keys_by_value_and_by_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "zebra/crossing+77")
    secrets = Secrets("tiny!", url="https://user:hunter22@host/v1")
    text = secrets.scrub(
        "tiny! zebra/crossing+77 zebra%2Fcrossing%2B77 hunter22 bearer abcdefgh sk-proj-aa11***22zz api_key=qwerty"
    )
    for secret in ("tiny!", "zebra", "hunter22", "abcdefgh", "aa11", "qwerty"):
        assert secret not in text
    assert secrets.scrub("a\n  b") == "a b"
    assert len(secrets.scrub("x y " * 500)) == 300


async def test_headers_stay_home_without_an_api_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FakeServer(yes) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        model = connect(ModelSpec(name="gpt-4.1-mini"))
        completion = await model.complete(ASK, headers={"X-Practice-Run": "r1"})
        await model.aclose()
    assert server.calls[0].run == ""
    assert server.calls[0].body["model"] == "gpt-4.1-mini"
    assert completion.usage.usd == pytest.approx(cost(completion.usage, Price(input=0.4, output=1.6, cached=0.1)))


# ---------------------------------------------------------------- connect


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        ({"name": "openai/gpt-4.1"}, "model.api_key_env"),
        ({"name": "m", "api_base": "http://127.0.0.1:1/v1", "api_key_env": "NOT_SET_KEY"}, "model.api_key_env"),
        (
            {"name": "m", "api_base": "http://127.0.0.1:1/v1", "params": {"extra_body": {"seed": 1}}},
            "model.params.seed",
        ),
        ({"name": "llamacpp/qwen2.5-coder-1.5b"}, "model.name"),
    ],
)
def test_connect_refuses_what_can_not_work(spec: dict[str, Any], key: str) -> None:
    with pytest.raises(InputError) as caught:
        connect(ModelSpec.model_validate(spec))
    assert caught.value.key == key


async def test_prefixes_are_taken_off_once() -> None:
    names = {
        "openai/a/b": "a/b",
        "hosted_vllm/openai/gpt-oss-20b": "openai/gpt-oss-20b",
        "Qwen/Qwen2.5-7B": "Qwen/Qwen2.5-7B",
        "vllm/x": "x",
    }
    for name, sent in names.items():
        async with endpoint(yes, name=name) as (server, model):
            await model.complete(ASK)
        assert model.name == name
        assert server.calls[0].body["model"] == sent


def test_prices() -> None:
    assert price_of(ModelSpec(name="openai/gpt-4.1-mini")) == Price(input=0.4, output=1.6, cached=0.1)
    assert price_of(ModelSpec(name="gpt-4o-2024-05-13")) == Price(input=5.0, output=15.0)
    claude = price_of(ModelSpec(name="anthropic/claude-sonnet-4-5"))
    assert claude is not None
    assert claude.output > claude.input > 0
    assert price_of(ModelSpec(name="openai/gpt-4.1-mini", api_base="http://127.0.0.1:1/v1")) is None
    assert price_of(ModelSpec(name="openai/unheard-of")) is None
    assert price_of(ModelSpec(name="mistral/unheard-of")) is None
    assert price_of(ModelSpec(name="llamacpp/qwen2.5-coder-1.5b")) == Price(input=0.0, output=0.0)
    own = Price(input=1.0, output=2.0)
    assert price_of(ModelSpec(name="x", api_base="http://127.0.0.1:1/v1", price=own)) == own
    assert cost(Usage(input_tokens=1_000_000, cached_tokens=500_000, output_tokens=1), own) == pytest.approx(1.000002)
    assert cost(Usage(input_tokens=1), None) is None


# ---------------------------------------------------------------- conversion


TEXTS = st.text(max_size=40)


@given(TEXTS, TEXTS, st.integers(1, 4096), st.booleans())
def test_the_bound_covers_the_body(text: str, other: str, limit: int, shaped: bool) -> None:
    """A tokeniser's token is a byte at least, so the bound may not be under the bytes of what is said."""
    tool = ToolSpec(name="f", description=other, parameters={"type": "object", "properties": {}})
    request = Request(
        messages=(Message(role="user", content=text), Message(role="tool", content=other, tool_call_id="c")),
        tools=(tool,),
        max_tokens=limit,
        json_schema=SCHEMA if shaped else None,
    )
    said = sum(len(message.content.encode("utf-8", "replace")) for message in request.messages)
    for shape in ("json_schema", "json_object"):
        body = encode(request, "m", Dialect(shapes={"answer": shape}), {})
        contents = sum(len(str(message["content"]).encode("utf-8", "replace")) for message in body["messages"])
        tools = len(dumps({"tools": body["tools"]}))
        assert request_tokens_bound(request) >= contents + tools + limit >= said + tools + limit


def test_a_lone_surrogate_breaks_nothing() -> None:
    completion = decode(json.loads('{"choices": [{"message": {"content": "a\\ud83d"}, "finish_reason": "stop"}]}'))
    assert completion.content == "a?"


def test_content_parts_and_reasoning() -> None:
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    completion = decode({"choices": [{"message": {"content": parts, "reasoning_content": "why"}}]})
    assert (completion.content, completion.reasoning, completion.finish) == ("one two", "why", "stop")
    assert split_reasoning("<think>a</think>\n\nb") == ("b", "a")
    assert split_reasoning("a\n</think>\nb") == ("b", "a")
    assert split_reasoning('{"text": "about </think> tags"}') == ('{"text": "about </think> tags"}', "")
    assert split_reasoning("plain") == ("plain", "")


def test_read_refusal_survives_anything() -> None:
    for text in ("", "null", "[]", "3", '"x"', '{"error": "words"}', '{"error": null}', '{"detail": "words"}'):
        assert read_refusal(400, text, {}).status == 400


@given(st.recursive(st.none() | st.booleans() | st.floats() | TEXTS, lambda c: st.lists(c) | st.dictionaries(TEXTS, c)))
def test_decode_survives_any_json(data: Any) -> None:
    for body in (data, {"choices": [data]}, {"choices": [{"message": data}]}, {"choices": data, "error": data}):
        try:
            assert isinstance(decode(body), Completion)
        except CallFailed as error:
            assert error.retriable


def test_strict_only_tightens() -> None:
    inner = {"type": "object", "properties": {"n": {"type": "integer"}}, "title": "Inner"}
    schema = {
        "type": "object",
        "$defs": {"Inner": inner},
        "properties": {
            "title": {"type": "string", "title": "Title"},
            "rows": {"type": "array", "items": {"$ref": "#/$defs/Inner"}},
            "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        },
    }
    strict = strict_schema(schema)
    assert strict is not None
    assert strict["required"] == ["title", "rows", "maybe"]
    assert strict["properties"]["title"] == {"type": "string"}
    assert strict["properties"]["maybe"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert strict["$defs"]["Inner"]["required"] == ["n"]
    assert strict_schema({"type": "object", "additionalProperties": {"type": "number"}}) is None
    assert strict_schema({"type": "array", "items": {}}) is None


# ---------------------------------------------------------------- JSON in prose


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('Sure!\n```json\n{"a": 1}\n```\nDone.', {"a": 1}),
        ('```\n{"a": [1, 2,],}\n```', {"a": [1, 2]}),
        ("The answer [1] is {'a': True, 'b': None}.", {"a": True, "b": None}),
        ("{a: 1, b: 'it\\'s', c: 'don't'}", {"a": 1, "b": "it's", "c": "don't"}),
        ('{"a": "say "hi" now", "b": -1.5e2}', {"a": 'say "hi" now', "b": -150.0}),
        ('{"a": "two\nlines"}', {"a": "two\nlines"}),
        ('{"a": 1 // one\n, /* two */ "b": 2}', {"a": 1, "b": 2}),
        ("“no”, {“a”: “b”}", {"a": "b"}),
        ('<think>{"a": 0}</think>{"a": 1}', {"a": 1}),
        ('{"x": 1} but better: {"a": {"b": [1, {"c": 2}]}}', {"a": {"b": [1, {"c": 2}]}}),
        ('[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
        ('{"edits": [{"op": "add"}', {"edits": [{"op": "add"}]}),
        ("{'a': '\\ud83d\\ude00'}", {"a": "\U0001f600"}),
        ("{}", {}),
        ('{"a": "cut off in the mid', None),
        ('{"a": ', None),
        ("no braces", None),
        ("3", None),
        ("", None),
        ("set {x | x > 1}", None),
        ("[" * 5000, None),
        ("{" * 5000, None),
    ],
)
def test_parse_json(text: str, value: object) -> None:
    assert parse_json(text) == value


@given(st.text(alphabet="{}[]\"':,ab1 \\/#\n`“”u", max_size=60))
def test_parse_json_never_raises(text: str) -> None:
    assert isinstance(parse_json(text), dict | list | None)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda c: st.lists(c, max_size=4) | st.dictionaries(TEXTS, c),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4), st.sampled_from(["{}", "Here: {} - done", "```json\n{}\n```"]))
def test_parse_json_reads_json_wherever_it_stands(value: dict[str, Any], frame: str) -> None:
    text = json.dumps(value)
    if "```" not in text:
        assert parse_json(frame.replace("{}", text)) == value


# ---------------------------------------------------------------- LiteLLM


@contextmanager
def vllm_by_name(monkeypatch: pytest.MonkeyPatch, world: World, **options: Any) -> Generator[tuple[FakeServer, Model]]:
    with FakeServer(world, **options) as server:
        monkeypatch.setenv("HOSTED_VLLM_API_BASE", server.url)
        monkeypatch.setenv("HOSTED_VLLM_API_KEY", KEY)
        yield server, connect(ModelSpec(name="hosted_vllm/fake", price=Price(input=1.0, output=1.0)))


@pytest.fixture
def litellm_quiet() -> Iterator[None]:
    """LiteLLM sets variables of the process when it is imported."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("litellm_quiet")
class TestLiteLLM:
    async def test_a_call(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def world(_: Asked) -> dict[str, Any]:
            call = {"id": "call_9", "type": "function", "function": {"name": "add", "arguments": "{}"}}
            return {"content": "<think>so</think>yes", "tool_calls": [call]}

        with vllm_by_name(monkeypatch, world) as (server, model):
            completion = await model.complete(SHAPED)
            await model.aclose()
        body = server.calls[0].body
        assert body["model"] == "fake"
        assert (body["seed"], body["max_tokens"], body["temperature"]) == (7, 2048, 0.0)
        assert body["response_format"]["json_schema"]["strict"] is True
        assert (completion.content, completion.reasoning) == ("yes", "so")
        assert completion.tool_calls == (ToolCall(id="call_9", name="add", arguments="{}"),)
        assert completion.usage.input_tokens > 0
        assert completion.usage.usd is not None
        assert completion.usage.usd > 0
        assert completion.seed_honoured

    @pytest.mark.parametrize(("status", "kind"), [(429, "rate_limit"), (500, "server"), (400, "client")])
    async def test_one_attempt_and_its_failure(
        self, status: int, kind: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        body = {"error": {"message": f"told: {KEY}"}}
        with vllm_by_name(monkeypatch, refuses(status, body, retry_after="7")) as (server, model):
            with pytest.raises(CallFailed) as caught:
                await model.complete(ASK)
            await model.aclose()
        assert caught.value.kind == kind
        assert len(server.calls) == 1
        assert KEY not in "".join(traceback.format_exception(caught.value))
        assert capfd.readouterr() == ("", "")

    async def test_faults_below_http(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with vllm_by_name(monkeypatch, lambda _: Reply(hang=True)) as (_, model):
            with pytest.raises(CallFailed) as caught:
                await model.complete(ASK, timeout=0.5)
            await model.aclose()
        assert caught.value.kind == "timeout"
        assert caught.value.retriable

    async def test_a_refused_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with vllm_by_name(monkeypatch, yes, key="another") as (_, model):
            with pytest.raises(EndpointError) as caught:
                await model.complete(ASK)
            await model.aclose()
        assert "refused the key" in str(caught.value)
        assert KEY not in str(caught.value)

    def test_an_unknown_provider(self) -> None:
        with pytest.raises(InputError, match="LiteLLM"):
            connect(ModelSpec(name="nobody/knows"))

    async def test_a_provider_without_seed(self) -> None:
        """Anthropic takes no seed: known from LiteLLM's tables, nothing is sent to find out."""
        model = connect(ModelSpec(name="anthropic/claude-sonnet-4-5", params={"mock_response": "hello"}))
        completion = await model.complete(ASK)
        await model.aclose()
        assert completion.content == "hello"
        assert not completion.seed_honoured
