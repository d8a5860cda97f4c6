"""What the strategies that lead other agents share: structured decisions, and tasks given to agents.

Whom a leader asks for what stands in its step as a call, and what came of it as that call's result: whoever reads
the rollout, a teacher or the count of behaviours, sees who was asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from practice import prompt
from practice.agent.attempt import Attempt, Errand, LimitReached, Outcome
from practice.agent.graph import GraphContext
from practice.agent.messages import calls_of, to_message
from practice.tool import TextCalls
from practice.types import ToolCall, ToolResult

if TYPE_CHECKING:
    from practice.agent.builder import Agent

Message = dict[str, Any]
Read = Callable[[str], "tuple[ToolCall, ...] | None"]
"""Reads whom a reply asks for what; None where it can't be read."""


async def decide(
    context: GraphContext, messages: Sequence[Message], schema: dict[str, Any], read: Read
) -> tuple[Message, tuple[ToolCall, ...] | None]:
    """The leader's decision as its message, and the calls in it; None where it can't be read.

    One that can't be read is asked for once more. A wrong format is the model's answer then, as anywhere.
    """
    seen = list(messages)
    for last in (False, True):
        message = await context.attempt.complete(
            seen, (), json_schema=schema, reads=lambda text: TextCalls(read(text) or (), text, text)
        )
        found, calls = read(message["content"]), calls_of(message)
        if found is not None and [call.name for call in found] == [call.name for call in calls]:
            return message, calls
        if last:
            return message, None
        again = prompt.template("strategy_again", keys=", ".join(f'"{key}"' for key in schema["properties"]))
        seen += [{"role": "assistant", "content": message["content"]}, {"role": "user", "content": again}]
    raise AssertionError("unreachable")


def asked(agent: str, **arguments: str) -> ToolCall:
    """The call that stands for giving ``agent`` a task. Its id is given by the attempt."""
    return ToolCall(id="", name=agent, arguments=json.dumps(arguments, ensure_ascii=False))


def reported(wanted: ToolCall, outcome: Outcome) -> ToolResult:
    """What a leader is told of an agent's work."""
    text = outcome.output.strip()
    if outcome.limit is None:
        return ToolResult(call=wanted, content=text or "(no answer)")
    stop = f"it was stopped by its limit of {outcome.limit}"
    if not text:
        return ToolResult(call=wanted, content=f"Error: no answer; {stop}", error=True)
    return ToolResult(call=wanted, content=f"{text}\n({stop})")


def refused(wanted: ToolCall, share: int) -> ToolResult:
    """What a leader is told where an agent can't be given the calls that it needs."""
    text = f"Error: {wanted.name} was not asked: too few model calls are left ({max(0, share)}). Go on without it."
    return ToolResult(call=wanted, content=text, error=True)


def result_of(result: ToolResult) -> Errand:
    """An errand that is done already: what came of it is recorded."""

    async def give(wanted: ToolCall) -> ToolResult:
        return result.model_copy(update={"call": wanted})

    return give


def lent(agent: Agent, attempt: Attempt, share: int) -> Attempt | None:
    """A part of the attempt in which ``agent`` may make up to ``share`` calls; None where that is too few for it."""
    return agent.lent(attempt, share) if share >= agent.least_steps else None


def require_time(attempt: Attempt) -> None:
    """Raise LimitReached where no work may be begun any more."""
    if attempt.seconds_left <= 0:
        raise LimitReached("seconds")


def spoken(messages: Sequence[Message]) -> list[Message]:
    """The conversation without calls and their results: its model is offered no tools."""
    return [message for message in messages if message["role"] != "tool" and not message.get("tool_calls")]


def request_of(messages: Sequence[Message]) -> tuple[str, list[Message]]:
    """What the user said last, and what was said before it, without the leader's own system prompt."""
    said = [message for message in spoken(messages) if message["role"] != "system"]
    place = max(index for index, message in enumerate(said) if message["role"] == "user")
    return to_message(said[place]).content, said[:place]
