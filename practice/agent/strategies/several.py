"""Several attempts at one input, side by side: ``best_of_n`` and ``self_consistency``.

Each is a ReAct attempt of its own, with an equal share of the calls and with tools that it opens for itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from practice.agent.graph import GraphContext, State, finish
from practice.agent.strategies.react import react
from practice.agent.strategies.scoring import Candidate, checked, input_of, judge, process
from practice.calls import gather

if TYPE_CHECKING:
    from practice.agent.graph import Compiled


class _Several(State):
    candidates: list[Candidate]


def self_consistency(context: GraphContext) -> Compiled:
    """The answer that most of n attempts give (Wang et al., arXiv 2203.11171, section 2).

    Answers are compared as the program compares them elsewhere: the last number, else the last line. The output is
    the first attempt with that answer, word for word. Attempts without an answer don't vote; on a tie the answer that
    was given first (by number of attempt) wins.
    """
    sample = _sampler(context, context.spec.strategy.n, then=0)

    async def vote(state: _Several) -> State:
        return _chosen(context, most_common(state["candidates"]))

    return _graph(sample, vote)


def best_of_n(context: GraphContext) -> Compiled:
    """The best-scored of n attempts (Cobbe et al., arXiv 2110.14168, section 4.2; a model as the verifier: Zhang et
    al., arXiv 2408.15240, section 3; the score of an attempt from scores of its steps: Lightman et al., arXiv
    2305.20050, section 2.6).

    Scored by the agent's own model, each attempt alone and at temperature 0, as a whole or step by step; or by a
    function of the user's. None of them is told the task's answer: there is none when the agent is used. A score that
    can't be read is no score. Among equals the answer that most attempts gave wins, then the first.
    """
    settings = context.spec.strategy
    sample = _sampler(context, settings.n, then=0 if settings.check else settings.n)

    async def score(state: _Several) -> State:
        candidates = state["candidates"]
        # Should a limit end the attempt before its scores are in, most of them decide.
        _chosen(context, most_common(candidates))
        return _chosen(context, best(candidates, await _scores(context, input_of(state["messages"]), candidates)))

    return _graph(sample, score)


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


# ---------------------------------------------------------------- inside


def _graph(sample: Any, choose: Any) -> Compiled:
    """Attempts, and then one of them."""
    from langgraph.graph import END, START, StateGraph

    graph: Any = StateGraph(_Several)
    graph.add_node("sample", sample)
    graph.add_node("choose", choose)
    graph.add_edge(START, "sample")
    graph.add_edge("sample", "choose")
    graph.add_edge("choose", END)
    return graph.compile()


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


async def _scores(context: GraphContext, input: str, candidates: Sequence[Candidate]) -> list[float | None]:
    settings = context.spec.strategy
    if settings.check:
        return await checked(context, input, candidates)
    if settings.score == "process":
        return await process(context, input, candidates, settings.aggregate)
    return await judge(context, input, [candidate.output for candidate in candidates], "strategy_score")
