"""The spans themselves: the one module that imports opentelemetry's tracing. Loaded where a run sends spans."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Awaitable, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Token

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import INVALID_SPAN_ID, INVALID_TRACE_ID, Span, SpanKind, Status, StatusCode, get_current_span

import practice
from practice import traces
from practice.config import TracesConfig
from practice.errors import CallFailed
from practice.model import Secrets
from practice.traces.attributes import (
    ERROR,
    OPERATION,
    Attributes,
    Value,
    answer_attributes,
    call_attributes,
    dumps,
    message_json,
    provider_of,
    tool_attributes,
)
from practice.traces.sender import Sender
from practice.types import CallKey, Completion, Message, Request, Rollout, ToolCall, ToolResult

__all__ = ["Spans"]

TIMEOUT = 10.0
"""Seconds in which a collector takes one request."""
_SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|_PAT)$", re.IGNORECASE)


class _Ids(IdGenerator):
    """Random ids that leave Python's own generator alone: a tool that was seeded draws what it drew without traces."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()

    def generate_span_id(self) -> int:
        return self._random.getrandbits(64) or INVALID_SPAN_ID + 1

    def generate_trace_id(self) -> int:
        return self._random.getrandbits(128) or INVALID_TRACE_ID + 1


class Spans:
    """Where one run's spans go: ``async with Spans(…) as spans``; everything below it is a part of the run's span.

    Each process of a run makes a trace of its own; ``practice.run`` is the same in all of them. What was done in an
    earlier process is not done again, and so has no span.
    """

    def __init__(self, config: TracesConfig, run: str, name: str, keys: Sequence[str | None] = ()) -> None:
        """``keys``: secrets that may stand in what is said; those in the environment are known."""
        headers = traces.headers_of(config)
        self.content = config.content
        named = (value for variable, value in os.environ.items() if _SECRET.search(variable))
        sent = (part for value in headers.values() for part in (value, value.rpartition(" ")[2]))
        # A short one is a word, as a project's name in a header: to take it out would take words out of texts.
        self._secrets = Secrets(*(value for value in (*keys, *named, *sent) if value and len(value) > 7))
        self.sender = Sender(OTLPSpanExporter(endpoint=config.url, headers=headers, timeout=TIMEOUT))
        about = {"service.name": "practice", "service.version": practice.__version__, "practice.run": run}
        provider = TracerProvider(resource=Resource.create(about), id_generator=_Ids(), shutdown_on_exit=False)
        provider.add_span_processor(self.sender)
        self._tracer = provider.get_tracer("practice", practice.__version__)
        self._run, self._name = run, name
        self._token: Token[Spans | None] | None = None

    async def __aenter__(self) -> Spans:
        self._token = traces.active.set(self)
        attributes: Attributes = {OPERATION: "invoke_workflow", "gen_ai.workflow.name": self._name}
        attributes["practice.run"] = self._run
        self._around = self._span(f"invoke_workflow {self._name}", attributes)
        self._whole = self._around.__enter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        self._around.__exit__(None, None, None)
        if self._token is not None:
            traces.active.reset(self._token)
        await self.sender.aclose()

    # ------------------------------------------------------------------ what a run consists of

    @contextmanager
    def part(self, name: str, attributes: Mapping[str, Value]) -> Generator[None]:
        """A stage of the run, a group or a trial."""
        with self._span(name, _own(attributes)):
            yield

    def note(self, attributes: Mapping[str, Value]) -> None:
        """More about the part that is being done."""
        self.say(get_current_span(), _own(attributes))

    def scored(self, rollouts: Sequence[Rollout], rewards: Sequence[float | None]) -> None:
        """An event for each score, on the span of the group or trial."""
        for rollout, reward in zip(rollouts, rewards, strict=True):
            if reward is not None:
                about = {"gen_ai.evaluation.name": "reward", "gen_ai.evaluation.score.value": reward}
                get_current_span().add_event("gen_ai.evaluation.result", {**about, "practice.rollout": rollout.id})

    async def chat(
        self, answer: Awaitable[dict[int, Completion]], model: str, keys: Sequence[CallKey], request: Request
    ) -> dict[int, Completion]:
        """One sending of a model call, or of several that go out as one."""
        attributes = call_attributes(model, keys[0], request, content=self.content)
        if len(keys) > 1:
            attributes["gen_ai.request.choice.count"] = len(keys)
        name = f"chat {attributes['gen_ai.request.model']}"
        with self._span(name, attributes, SpanKind.CLIENT) as span:
            said = await answer
            self.say(span, answer_attributes(tuple(said.values()), content=self.content))
            return said

    async def tool(self, answer: Awaitable[ToolResult | None], call: ToolCall, about: str) -> ToolResult | None:
        """One tool call."""
        with self._span(f"execute_tool {call.name}", tool_attributes(call, about, content=self.content)) as span:
            result = await answer
            if result is None:
                self.fail(span, "timeout", "the attempt's time was over")
            else:
                if result.error:
                    self.fail(span, "tool_error", result.content if self.content else "")
                if self.content:
                    self.say(span, {"gen_ai.tool.call.result": result.content})
            return result

    async def rollout(self, answer: Awaitable[Rollout], agent: str, model: str, input: str, id: str) -> Rollout:
        """One attempt of the agent."""
        attributes: Attributes = {
            OPERATION: "invoke_agent",
            "gen_ai.agent.name": agent,
            "gen_ai.provider.name": provider_of(model),
            "gen_ai.conversation.id": f"{self._run}/{id}",
            "practice.rollout": id,
        }
        if self.content:
            attributes["gen_ai.input.messages"] = dumps([message_json(Message(role="user", content=input))])
        with self._span(f"invoke_agent {agent}", attributes) as span:
            done = await answer
            self.say(span, {"practice.status": done.status, "practice.steps": len(done.steps)})
            if done.limit is not None:
                self.say(span, {"practice.limit": done.limit})
            if done.failure is not None:
                self.fail(span, done.failure.kind, done.failure.message)
            if self.content:
                said = {**message_json(Message(role="assistant", content=done.output)), "finish_reason": done.status}
                self.say(span, {"gen_ai.output.messages": dumps([said])})
            return done

    def ended(self, status: str) -> None:
        """How the run ended."""
        self.say(self._whole, {"practice.status": status})
        if status == "failed":
            self.fail(self._whole, "run_failed", "")

    # ------------------------------------------------------------------ one span

    @contextmanager
    def _span(self, name: str, attributes: Mapping[str, Value], kind: SpanKind = SpanKind.INTERNAL) -> Generator[Span]:
        """A span around what happens inside; what is raised there is its error, and goes on."""
        with self._tracer.start_as_current_span(
            self._secrets.hide(name), kind=kind, record_exception=False, set_status_on_exception=False
        ) as span:
            self.say(span, attributes)
            try:
                yield span
            except BaseException as error:
                self.fail(span, error.kind if isinstance(error, CallFailed) else type(error).__name__, str(error))
                raise

    def say(self, span: Span, attributes: Mapping[str, Value]) -> None:
        """Put attributes on a span, keys taken out of them."""
        for name, value in attributes.items():
            span.set_attribute(name, self._hidden(value))

    def fail(self, span: Span, kind: str, message: str) -> None:
        """Mark a span as failed."""
        span.set_attribute(ERROR, kind)
        span.set_status(Status(StatusCode.ERROR, self._secrets.hide(message)[:300] or None))

    def _hidden(self, value: Value) -> Value:
        if isinstance(value, str):
            return self._secrets.hide(value)
        return value if isinstance(value, bool | int | float) else tuple(self._secrets.hide(item) for item in value)


def _own(attributes: Mapping[str, Value]) -> Attributes:
    return {f"practice.{name}": value for name, value in attributes.items()}
