"""Starter tasks: requests of users, with answers that a tool computed and no model guessed.

    a tool's arguments (from the model) -> run the tool, twice -> the answer; the request must state all of them

Each task says how it is verified: ``number`` or ``exact`` where the tool's result is a number or a short text,
``rubric`` where it is a list or a mapping (judges compare it with the computed one), ``judge`` where no tool computes
anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, cast

from pydantic import BaseModel, ConfigDict

from practice.agentsmith.steps import one_line, told
from practice.agentsmith.types import Drafted
from practice.errors import CallFailed, PracticeError
from practice.task import task_id
from practice.tool import Tool, call
from practice.toolsmith.desk import Desk
from practice.types import Task, ToolCall
from practice.verifiers.number import read_number

__all__ = ["Request", "draft", "missing", "stated", "verifier_of"]

PER_CALL = 4
"""Requests asked for at once: a small model's fifth is mostly its first again."""
ROUNDS = 2
"""How often they are asked for."""
ENOUGH = 4
"""Verified tasks from which on no judged ones are added."""
LONGEST = 80
"""Characters of a text that an answer may have to be compared letter by letter."""
WARM = 0.7
"""The temperature: tasks should differ."""

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


class Request(BaseModel):
    """A request as a model states it."""

    model_config = ConfigDict(extra="ignore")

    arguments: dict[str, Any]
    request: str


class RequestsReply(BaseModel):
    """The answer to ``agent_requests``."""

    model_config = ConfigDict(extra="ignore")

    requests: list[Request]


class InputsReply(BaseModel):
    """The answer to ``agent_inputs``."""

    model_config = ConfigDict(extra="ignore")

    requests: list[str]


async def draft(desk: Desk, brief: str, tools: Sequence[Tool]) -> Drafted:
    """Starter tasks for an agent with ``tools`` (as they are tried: in the sandbox).

    With :data:`ENOUGH` verified ones or more, one of them becomes the example of the instructions instead of a task.
    Where a model's answer can't be used, or a tool can't be run, there are fewer tasks, possibly none.
    """
    verified: list[tuple[Task, str]] = []
    for tool in tools:
        verified += await _computed(desk, brief, tool)
    unique = list({task.input: (task, made) for task, made in verified}.values())
    checkable = [one for one in unique if one[0].verifier in ("number", "exact")]
    example = checkable[0] if len(checkable) >= ENOUGH else None
    tasks = [task for task, _ in unique if example is None or task is not example[0]]
    if len(checkable) < ENOUGH:
        tasks += [task for task in await _judged(desk, brief) if task.input not in {one.input for one in tasks}]
    return Drafted(tasks=tuple(tasks), example=_worded(*example) if example else "")


# ---------------------------------------------------------------- with a tool


async def _computed(desk: Desk, brief: str, tool: Tool) -> list[tuple[Task, str]]:
    """(task, the tool's call as JSON) of every request whose answer the tool computes."""
    requests: list[Request] = []
    for _ in range(ROUNDS):
        try:
            reply = await desk.fill(
                "agent_requests",
                RequestsReply,
                shape=_shape(tool),
                temperature=WARM,
                max_tokens=900,
                brief=brief,
                tool=told(tool.spec),
                count=str(PER_CALL),
            )
        except CallFailed as error:
            desk.say(f"{error}; fewer starter tasks")
            continue
        requests += reply.requests
    seen = {json.dumps(request.arguments, sort_keys=True): request for request in reversed(requests)}
    distinct = list(reversed(seen.values()))
    first, again = await _answers(tool, distinct), await _answers(tool, distinct)
    found: list[tuple[Task, str]] = []
    for request, answer, second in zip(distinct, first, again, strict=True):
        if answer is not None and answer == second:
            text = stated(request)
            asked = {"name": tool.name, "arguments": request.arguments}
            found.append((_task(text, answer, tool.name), json.dumps(asked, ensure_ascii=False)))
    desk.say(f"{tool.name}: {len(found)} of {len(distinct)} requests have an answer that it computed")
    return found


async def _answers(tool: Tool, requests: Sequence[Request]) -> list[str | None]:
    """What the tool says to each, as a model would read it; None where it has no answer."""
    answers: list[str | None] = [None] * len(requests)
    try:
        async with AsyncExitStack() as stack:
            if tool.opening is not None:
                opened = await stack.enter_async_context(tool.opening())
                tool = replace(tool, fn=opened[tool.name] if isinstance(opened, Mapping) else opened, opening=None)
            for index, request in enumerate(requests):
                wanted = ToolCall(id=f"draft-{index}", name=tool.name, arguments=json.dumps(request.arguments))
                result = await call(tool, wanted, timeout=60.0)
                answers[index] = None if result.error or not result.content.strip() else result.content
    except (PracticeError, TimeoutError, OSError):
        return answers  # a sandbox or server that is gone: what was answered until then stands
    return answers


def _task(text: str, answer: str, tool: str) -> Task:
    verifier = verifier_of(answer)
    tags = ("starter", f"computed by {tool}")
    if verifier == "rubric":
        rubric = f"The answer gives this result, in whatever form: {answer[:1000]}"
        return Task(id=task_id(text, None, verifier, rubric), input=text, verifier=verifier, rubric=rubric, tags=tags)
    return Task(id=task_id(text, answer, verifier), input=text, answer=answer, verifier=verifier, tags=tags)


def verifier_of(answer: str) -> str:
    """Which verifier compares a tool's result with an output: ``number``, ``exact``, or ``rubric`` for all else."""
    if read_number(answer) is not None:
        return "number"
    plain = answer.strip()
    if "\n" in plain or len(plain) > LONGEST or plain[:1] in "[{":
        return "rubric"
    return "exact"


def stated(request: Request) -> str:
    """The request, with every argument that it leaves out put behind it: nobody can compute what was not said."""
    text = one_line(request.request)
    lacking = missing(request.arguments, text)
    if not lacking:
        return text
    given = "; ".join(f"{name.replace('_', ' ')}: {_plain(request.arguments[name])}" for name in lacking)
    return f"{text} ({given})" if text else given


def missing(arguments: Mapping[str, Any], text: str) -> tuple[str, ...]:
    """The arguments of which a value does not stand in ``text``; a truth value never does."""
    numbers = {float(found.replace(",", "")) for found in _NUMBER.findall(text)}
    # "-5" may be written as "5 below zero"; a sign is not asked for.
    numbers |= {abs(number) for number in numbers}
    words = one_line(text).casefold()

    def said(value: object) -> bool:
        if isinstance(value, bool) or value is None:
            return value is None
        if isinstance(value, int | float):
            return abs(float(value)) in numbers
        return one_line(str(value)).casefold() in words

    return tuple(name for name, value in arguments.items() if not all(said(leaf) for leaf in _leaves(value)))


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for key, inner in cast("dict[str, object]", value).items():
            yield key
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from _leaves(inner)
    else:
        yield value


def _plain(value: object) -> str:
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in cast("list[object]", value)):
        return ", ".join(str(item) for item in cast("list[object]", value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _shape(tool: Tool) -> dict[str, Any]:
    """Requests whose arguments follow the tool's own schema; the definitions that it refers to come along."""
    arguments = {key: value for key, value in tool.spec.parameters.items() if key != "$defs"}
    item = {
        "type": "object",
        "properties": {"arguments": arguments, "request": {"type": "string", "maxLength": 600}},
        "required": ["arguments", "request"],
    }
    listed = {"type": "array", "items": item, "minItems": 1, "maxItems": PER_CALL}
    definitions = {"$defs": tool.spec.parameters["$defs"]} if "$defs" in tool.spec.parameters else {}
    return {"type": "object", "properties": {"requests": listed}, "required": ["requests"], **definitions}


def _worded(task: Task, made: str) -> str:
    return f"For the request {json.dumps(task.input, ensure_ascii=False)} the call is {made}"


# ---------------------------------------------------------------- without


async def _judged(desk: Desk, brief: str) -> list[Task]:
    """Requests whose answers only a judge can score."""
    listed = {"type": "array", "items": {"type": "string", "maxLength": 600}, "minItems": 1, "maxItems": PER_CALL}
    shape = {"type": "object", "properties": {"requests": listed}, "required": ["requests"]}
    try:
        reply = await desk.fill(
            "agent_inputs",
            InputsReply,
            shape=shape,
            temperature=WARM,
            max_tokens=700,
            brief=brief,
            count=str(PER_CALL),
        )
    except CallFailed as error:
        desk.say(f"{error}; no tasks for a judge")
        return []
    texts = dict.fromkeys(one_line(text) for text in reply.requests)
    return [
        Task(id=task_id(text, None, "judge"), input=text, verifier="judge", tags=("starter", "judged"))
        for text in texts
        if text
    ]
