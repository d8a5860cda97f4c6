"""What a run does as OpenTelemetry spans, off by default: ``traces`` in ``practice.yaml`` names a collector.

    run > holdout, batch > group, trial > rollout (invoke_agent) > model call (chat), tool call (execute_tool)

Stages say here what they are doing; where no run in this context sends spans, that is all that happens: nothing is
imported, kept or sent. ``spans`` (the one module that imports opentelemetry) makes the spans, ``attributes`` says what
stands in them, ``sender`` gets them to the collector without ever holding up the run.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

from practice.config import TracesConfig
from practice.errors import InputError
from practice.types import CallKey, Completion, Request, Rollout, ToolCall, ToolResult

if TYPE_CHECKING:
    from practice.traces.spans import Spans

__all__ = ["active", "chat", "check", "headers_of", "note", "part", "rollout", "scored", "tool", "within"]

T = TypeVar("T")
Attribute = str | bool | int | float | Sequence[str]
"""What a span can say of itself."""

active: ContextVar[Spans | None] = ContextVar("practice_spans", default=None)
"""Where the run of this context sends its spans; None: nowhere."""


_OFF = nullcontext()


def part(name: str, *, known: bool = False, **attributes: Attribute) -> AbstractContextManager[None]:
    """A part of a run, with what happens inside ``with`` below it; ``attributes`` become ``practice.<name>``.

    ``known``: an earlier process did it, and it is not done again, so it has no span.
    """
    spans = active.get()
    return _OFF if spans is None or known else spans.part(name, attributes)


async def within(answer: Awaitable[T], name: str, *, known: bool = False, **attributes: Attribute) -> T:
    """``answer`` as a part of a run."""
    with part(name, known=known, **attributes):
        return await answer


def note(**attributes: Attribute) -> None:
    """Say more of the part that is being done: ``practice.<name>``."""
    spans = active.get()
    if spans is not None:
        spans.note(attributes)


def scored(rollouts: Sequence[Rollout], rewards: Sequence[float | None]) -> None:
    """Say what attempts of this part scored; one without a score is left out."""
    spans = active.get()
    if spans is not None:
        spans.scored(rollouts, rewards)


async def chat(
    answer: Awaitable[dict[int, Completion]], model: str, keys: Sequence[CallKey], request: Request
) -> dict[int, Completion]:
    """``answer``, one sending of ``request`` for the places ``keys``, as a span: the usable choices by place."""
    spans = active.get()
    return await answer if spans is None else await spans.chat(answer, model, keys, request)


async def tool(answer: Awaitable[ToolResult | None], call: ToolCall, about: str = "") -> ToolResult | None:
    """``answer``, what a tool says to ``call``, as a span. None is a tool that was not done in time."""
    spans = active.get()
    return await answer if spans is None else await spans.tool(answer, call, about)


async def rollout(answer: Awaitable[Rollout], agent: str, model: str, input: str, id: str) -> Rollout:
    """``answer``, one attempt of ``agent`` at ``input``, as a span."""
    spans = active.get()
    return await answer if spans is None else await spans.rollout(answer, agent, model, input, id)


# ---------------------------------------------------------------- what the user wrote


def check(config: TracesConfig | None, found: Callable[[str], object] = importlib.util.find_spec) -> None:
    """Raise InputError where spans are wanted and can't be sent: packages or the headers' variable are missing."""
    if config is None:
        return
    try:
        there = all(found(name) for name in ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"))
    except ModuleNotFoundError:  # of the package above
        there = False
    if not there:
        expected = "the packages that send traces: pip install 'agent-practice[traces]'"
        raise InputError(expected, found="none installed", key="traces")
    headers_of(config)


def headers_of(config: TracesConfig, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The headers in the variable that the settings name, ``name=value,name=value``; values may be percent-encoded.

    Raises InputError where there is no such variable, or it holds something else, which is not shown.
    """
    from urllib.parse import unquote

    from practice.errors import nearest

    name = config.headers_env
    if name is None:
        return {}
    text = environment.get(name)
    if not text:
        near = nearest(name, [known for known in environment if "HEADER" in known])
        expected = f"headers in the environment variable {name} (or in .env)"
        raise InputError(expected, found="no such variable", key="traces.headers_env", nearest=near)
    headers: dict[str, str] = {}
    for pair in filter(None, (pair.strip() for pair in text.split(","))):
        header, equals, value = pair.partition("=")
        if not equals or not header.strip() or not header.strip().isascii() or any(c.isspace() for c in header.strip()):
            expected = f"name=value,name=value in the environment variable {name}"
            raise InputError(expected, found="something else (not shown)", key="traces.headers_env")
        headers[header.strip().lower()] = unquote(value.strip())
    return headers
