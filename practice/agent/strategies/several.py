"""Several attempts at one input, side by side: ``best_of_n`` and ``self_consistency``.

Each is a ReAct attempt of its own, with an equal share of the calls and with tools that it opens for itself.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from practice import prompt
from practice.agent.graph import GraphContext, State, finish
from practice.agent.messages import to_message
from practice.agent.strategies.react import react
from practice.calls import gather
from practice.config import Workspace
from practice.errors import CallFailed, InputError
from practice.features import answer_in
from practice.model import parse_json
from practice.tool import Function, load_function
from practice.types import Rollout, Step, Task, Verdict

if TYPE_CHECKING:
    from practice.agent.graph import Compiled
    from practice.verifiers import FunctionVerifier

SCORE = 10
"""The judge's best score."""
_SCHEMA = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "score": {"type": "integer", "minimum": 0, "maximum": SCORE}},
    "required": ["reason", "score"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Candidate:
    """One of the attempts."""

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


class _Several(State):
    candidates: list[Candidate]


def self_consistency(context: GraphContext) -> Compiled:
    """The answer that most of n attempts give (Wang et al., arXiv 2203.11171, section 2).

    Answers are compared as the program compares them elsewhere: the last number, else the last line. The output is
    the first attempt with that answer, word for word. Attempts without an answer don't vote; on a tie the answer that
    was given first (by number of attempt) wins.
    """
    from langgraph.graph import END, START, StateGraph

    sample = _sampler(context, context.spec.strategy.n, then=0)

    async def vote(state: _Several) -> State:
        return _chosen(context, most_common(state["candidates"]))

    graph: Any = StateGraph(_Several)
    graph.add_node("sample", sample)
    graph.add_node("vote", vote)
    graph.add_edge(START, "sample")
    graph.add_edge("sample", "vote")
    graph.add_edge("vote", END)
    return graph.compile()


def best_of_n(context: GraphContext) -> Compiled:
    """The best-scored of n attempts (Cobbe et al., arXiv 2110.14168, section 4.2; a model as the verifier: Zhang et
    al., arXiv 2408.15240, section 3).

    Scored by the agent's own model, each attempt alone and at temperature 0, or by a function of the user's. Neither
    is told the task's answer: there is none when the agent is used. A score that can't be read is no score. Among
    equals the answer that most attempts gave wins, then the first.
    """
    from langgraph.graph import END, START, StateGraph

    judged = context.scorer is None
    sample = _sampler(context, context.spec.strategy.n, then=context.spec.strategy.n if judged else 0)

    async def score(state: _Several) -> State:
        candidates = state["candidates"]
        # Should a limit end the attempt before its scores are in, most of them decide.
        _chosen(context, most_common(candidates))
        scores = await (_judge if judged else _check)(context, _input(state["messages"]), candidates)
        return _chosen(context, best(candidates, scores))

    graph: Any = StateGraph(_Several)
    graph.add_node("sample", sample)
    graph.add_node("score", score)
    graph.add_edge(START, "sample")
    graph.add_edge("sample", "score")
    graph.add_edge("score", END)
    return graph.compile()


def most_common(candidates: Sequence[Candidate]) -> Candidate:
    """The first candidate with the answer that most give."""
    return best(candidates, [None] * len(candidates))


def best(candidates: Sequence[Candidate], scores: Sequence[float | None]) -> Candidate:
    """The best-scored candidate: unscored is below every score, nothing said below that; then as ``most_common``."""
    votes = Counter(candidate.answer for candidate in candidates if candidate.answer)

    def worth(place: int) -> tuple[float, int, int]:
        candidate, score = candidates[place], scores[place]
        return (-1.0 if score is None else score, votes[candidate.answer], -place)

    return candidates[max(range(len(candidates)), key=worth)]


def load_check(ref: str, workspace: Workspace) -> Check:
    """The user's scoring function at ``path.py:function``. Raises InputError where it can't be one."""
    return Check(load_function(ref, workspace), ref)


# ---------------------------------------------------------------- inside


def _sampler(context: GraphContext, n: int, *, then: int) -> Any:
    """A node that makes n attempts and leaves ``then`` calls for what follows."""
    inner = react(context)

    async def sample(state: State) -> dict[str, Any]:
        share = (context.attempt.left - then) // n
        parts = [context.attempt.fork(share) for _ in range(n)]
        outcomes = await gather(*(finish(inner, part, list(state["messages"]), own=False) for part in parts))
        pairs = zip(outcomes, parts, strict=True)
        return {"candidates": [Candidate(done.output, done.limit, part.steps) for done, part in pairs]}

    return sample


def _chosen(context: GraphContext, candidate: Candidate) -> State:
    context.attempt.hold(candidate.output, candidate.limit)
    return {"messages": [{"role": "assistant", "content": candidate.output}]}


async def _judge(context: GraphContext, input: str, candidates: Sequence[Candidate]) -> list[float | None]:
    """The model's score of each candidate, in [0, 1]; candidates of the same words share one call."""
    texts = list(dict.fromkeys(candidate.output for candidate in candidates if candidate.output.strip()))

    async def one(text: str) -> float | None:
        asked = prompt.template(
            "strategy_score", instructions=context.spec.instructions or "(none)", input=input, answer=text
        )
        message = await context.attempt.complete(
            [{"role": "user", "content": asked}], (), temperature=0.0, json_schema=_SCHEMA
        )
        return read_score(message["content"])

    scores = dict(zip(texts, await gather(*(one(text) for text in texts)), strict=True))
    return [scores.get(candidate.output) for candidate in candidates]


def read_score(text: str) -> float | None:
    """The score in a judge's JSON, over its best; None where there is none in range."""
    said = parse_json(text)
    score = cast("dict[str, object]", said).get("score") if isinstance(said, dict) else None
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= SCORE:
        return None
    return score / SCORE


async def _check(context: GraphContext, input: str, candidates: Sequence[Candidate]) -> list[float | None]:
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


def _input(messages: Sequence[dict[str, Any]]) -> str:
    """What the user said last."""
    return next(to_message(message).content for message in reversed(messages) if message["role"] == "user")
