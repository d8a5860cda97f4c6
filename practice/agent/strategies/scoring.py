"""What an attempt, or one so far, is worth: a score in [0, 1], from the agent's own model or a function of the user's.

Neither is told the task's answer: there is none when the agent is used. What can't be read as a score is no score.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from weakref import WeakKeyDictionary

from practice import prompt
from practice.agent.graph import GraphContext
from practice.agent.messages import to_message
from practice.agent.spec import Aggregate
from practice.calls import gather
from practice.config import Workspace
from practice.errors import CallFailed, InputError
from practice.features import answer_in
from practice.model import parse_json
from practice.tool import Function, load_function
from practice.types import Rollout, Step, Task, Verdict

SCORE = 10
"""The judge's best score."""
PIECES = 24
"""Into how many steps an attempt is cut at most where each is scored."""
SHOWN = 1000
"""Characters of a tool's result that a judge is shown."""
_POINTS = {"type": "integer", "minimum": 0, "maximum": SCORE}
_SCHEMA = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "score": _POINTS},
    "required": ["reason", "score"],
    "additionalProperties": False,
}
_PARAGRAPHS = re.compile(r"\n[ \t]*\n")


@dataclass(frozen=True)
class Candidate:
    """One attempt of several, or one so far."""

    output: str
    limit: str | None
    steps: tuple[Step, ...]

    @property
    def answer(self) -> str:
        """What it answers, normalised; "" where it says nothing."""
        return answer_in(self.output)


class Check:
    """A scoring function of the user's. Plain functions run one call at a time, so they need not be thread-safe."""

    def __init__(self, function: Function, ref: str) -> None:
        """Raises InputError where the function's parameters are none that it can be given, or ask for the answer."""
        from practice.verifiers import FunctionVerifier

        self.name, self.source_hash = ref, function.source_hash
        self._make = lambda: FunctionVerifier(ref, function.fn)
        # One a loop: the queue in it belongs to a loop, and an agent may be run in several.
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, FunctionVerifier] = WeakKeyDictionary()
        verifier = self._make()
        try:
            verifier.check(Task(id="-", input="-"))
        except InputError:
            expected = "a function that needs no answer: there is none when the agent is used"
            raise InputError(expected, found=f"{ref}, which takes one") from None

    async def verify(self, task: Task, rollout: Rollout) -> Verdict:
        """The function's word."""
        loop = asyncio.get_running_loop()
        if loop not in self._made:
            self._made[loop] = self._make()
        return await self._made[loop].verify(task, rollout)


def load_check(ref: str, workspace: Workspace) -> Check:
    """The user's scoring function at ``path.py:function``. Raises InputError where it can't be one."""
    return Check(load_function(ref, workspace), ref)


async def judge(context: GraphContext, input: str, texts: Sequence[str], template: str) -> list[float | None]:
    """The model's score of each text, alone and at temperature 0; the same words share one call.

    ``template`` has the keys ``instructions``, ``input`` and ``answer``. A text that says nothing is unscored.
    """
    distinct = list(dict.fromkeys(text for text in texts if text.strip()))

    async def one(text: str) -> float | None:
        asked = prompt.template(template, instructions=_told(context), input=input, answer=text)
        return read_score(await _ask(context, asked, _SCHEMA))

    scores = dict(zip(distinct, await gather(*(one(text) for text in distinct)), strict=True))
    return [scores.get(text) for text in texts]


async def process(
    context: GraphContext, input: str, candidates: Sequence[Candidate], aggregate: Aggregate
) -> list[float | None]:
    """The model's score of each candidate by its steps: all of them in one call, made one number by ``aggregate``."""
    stepwise = [pieces(candidate.steps) if candidate.output.strip() else () for candidate in candidates]
    distinct = list(dict.fromkeys(parts for parts in stepwise if parts))

    async def one(parts: tuple[str, ...]) -> float | None:
        count = len(parts)
        listed = "\n".join(f"[{number}] {part}" for number, part in enumerate(parts, 1))
        asked = prompt.template(
            "strategy_steps", instructions=_told(context), input=input, count=str(count), steps=listed
        )
        return aggregated(read_scores(await _ask(context, asked, _steps_schema(count)), count), aggregate)

    scores = dict(zip(distinct, await gather(*(one(parts) for parts in distinct)), strict=True))
    return [scores.get(parts) for parts in stepwise]


async def checked(context: GraphContext, input: str, candidates: Sequence[Candidate]) -> list[float | None]:
    """The user's function's score of each candidate. Raises CallFailed where it fails on all that said something."""
    assert context.scorer is not None
    task = Task(id="-", input=input)
    scores: list[float | None] = []
    failed: list[str] = []
    for place, candidate in enumerate(candidates):
        rollout = Rollout(
            id=str(place), task_id=task.id, attempt=place, steps=candidate.steps, output=candidate.output, status="done"
        )
        if not candidate.output.strip():
            scores.append(None)
            continue
        verdict = await context.scorer.verify(task, rollout)
        scores.append(verdict.score)
        failed += [verdict.failure.message] if verdict.failure is not None else []
    if failed and all(score is None for score in scores):
        raise CallFailed("error", f"{context.scorer.name} scored none of the attempts: {failed[0]}")
    return scores


def pieces(steps: Sequence[Step]) -> tuple[str, ...]:
    """What an attempt did, in steps: each paragraph of a turn (each line where it is one paragraph), each tool call
    with its result. More than :data:`PIECES` are joined, neighbours first.
    """
    found: list[str] = []
    for step in steps:
        parts = [part.strip() for part in _PARAGRAPHS.split(step.content) if part.strip()]
        found += parts if len(parts) > 1 else [line.strip() for part in parts for line in part.splitlines()]
        found += _calls(step)
    size = math.ceil(len(found) / PIECES)
    return tuple("\n".join(found[start : start + size]) for start in range(0, len(found), max(1, size)))


def told(step: Step) -> str:
    """A turn as a judge is shown it: what was said, then each tool call with its result."""
    return "\n".join(part for part in (step.content.strip(), *_calls(step)) if part)


def read_score(text: str) -> float | None:
    """The score in a judge's JSON, over its best; None where there is none in range."""
    said = parse_json(text)
    return _share(cast("dict[str, object]", said).get("score") if isinstance(said, dict) else None)


def read_scores(text: str, count: int) -> tuple[float, ...] | None:
    """The ``count`` scores in a judge's JSON, each over its best; None where one is missing or out of range."""
    said = parse_json(text)
    found = cast("dict[str, object]", said).get("scores") if isinstance(said, dict) else None
    shares = [_share(item) for item in cast("list[object]", found)] if isinstance(found, list) else []
    read = tuple(share for share in shares if share is not None)
    return read if len(read) == len(shares) == count else None


def aggregated(scores: Sequence[float] | None, how: Aggregate) -> float | None:
    """One number from the scores of all steps: the worst step's, or that all are right (Lightman et al., arXiv
    2305.20050, section 2.6 and appendix F). None of none.
    """
    if not scores:
        return None
    return min(scores) if how == "min" else math.prod(scores)


def input_of(messages: Sequence[dict[str, Any]]) -> str:
    """What the user said last."""
    return next(to_message(message).content for message in reversed(messages) if message["role"] == "user")


# ---------------------------------------------------------------- inside


async def _ask(context: GraphContext, text: str, schema: dict[str, Any]) -> str:
    messages = [{"role": "user", "content": text}]
    return (await context.attempt.complete(messages, (), temperature=0.0, json_schema=schema))["content"]


def _told(context: GraphContext) -> str:
    return context.spec.instructions or "(none)"


def _steps_schema(count: int) -> dict[str, Any]:
    scores = {"type": "array", "items": _POINTS, "minItems": count, "maxItems": count}
    return {
        "type": "object",
        "properties": {"reason": {"type": "string"}, "scores": scores},
        "required": ["reason", "scores"],
        "additionalProperties": False,
    }


def _calls(step: Step) -> list[str]:
    results = {result.call.id: result.content for result in step.results}
    return [
        f"{call.name}({_compact(call.arguments)}) -> {results.get(call.id, '(not run)')[:SHOWN]}"
        for call in step.tool_calls
    ]


def _compact(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments), ensure_ascii=False)
    except ValueError:
        return arguments


def _share(score: object) -> float | None:
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= SCORE:
        return None
    return score / SCORE
