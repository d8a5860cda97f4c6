"""``tree_search``: several next steps are tried where the attempt so far looks most promising."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from practice.agent.attempt import Attempt, LimitReached
from practice.agent.graph import GraphContext, State, finish
from practice.agent.spec import AgentSpec
from practice.agent.strategies.react import react
from practice.agent.strategies.scoring import Candidate, checked, input_of, judge, told
from practice.agent.strategies.several import best
from practice.calls import gather
from practice.errors import CallFailed, InputError
from practice.tool import Tool
from practice.types import Step

if TYPE_CHECKING:
    from practice.agent.graph import Compiled

EXPLORE = 1.0
"""What having hardly been looked at is worth, for scores in [0, 1]: the weight ``w`` of the second paper below."""


@dataclass(eq=False)
class Node:
    """An attempt so far: its parent's with one step more. The root is the input alone."""

    parent: Node | None = None
    shown: str = ""
    """What was done, as a judge is shown it; of an agent without tools all that it wrote."""
    messages: tuple[dict[str, Any], ...] = ()
    """What stands behind the input, turns with their calls' results."""
    opening: str = ""
    """The assistant's text that is to be continued."""
    output: str = ""
    """What the agent would say if it ended here."""
    steps: tuple[Step, ...] = ()
    limit: str | None = None
    over: bool = False
    """Whether it is a whole attempt."""
    score: float | None = None
    """What it was found to be worth itself."""
    children: tuple[Node, ...] | None = None
    """Its next steps; None: not expanded."""
    visits: int = field(default=0, init=False)
    total: float = field(default=0.0, init=False)
    """How many scores were found in it and below it, and their sum."""

    @property
    def open(self) -> bool:
        """Whether something in it can still be expanded."""
        return not self.over and (self.children is None or any(child.open for child in self.children))

    @property
    def bound(self) -> float:
        """UCB1: its mean score, and more where it has few of its parent's visits. Below all others without a score."""
        if not self.visits or self.parent is None:
            return -math.inf
        return self.total / self.visits + EXPLORE * math.sqrt(math.log(self.parent.visits) / self.visits)

    @property
    def leaves(self) -> Iterator[Node]:
        """All without a next step, itself possibly, in the order of the tree."""
        if not self.children:
            yield self
        for child in self.children or ():
            yield from child.leaves

    @property
    def candidate(self) -> Candidate:
        """It as an attempt."""
        return Candidate(self.output, self.limit, self.steps)

    def credit(self, score: float) -> None:
        """Count a score here and in all above."""
        node: Node | None = self
        while node is not None:
            node.visits, node.total = node.visits + 1, node.total + score
            node = node.parent


class _Searching(State):
    tree: Node
    expanded: int


def tree_search(context: GraphContext) -> Compiled:
    """Expand the most promising attempt so far, again and again (UCT: Kocsis and Szepesvari 2006, section 2; with
    scores by the model itself in place of play to the end: Zhou et al., LATS, arXiv 2310.04406, section 4).

    From the root down the child with the highest upper confidence bound is taken, until one is reached that has not
    been expanded. ``width`` next steps are sampled from there; those that differ are scored, and a score counts for
    all above it. A step is a turn with its tool calls and their results; of an agent without tools, whose turn would
    be all of it, at most ``span`` tokens, cut back to whole lines, which the endpoint continues. After ``expansions``
    of them the best-scored whole attempt is the answer; where there is none, the best-scored one so far is finished.
    """
    from langgraph.graph import END, START, StateGraph

    settings, attempt_on = context.spec.strategy, react(context)

    async def expand(state: _Searching) -> dict[str, Any]:
        tree, messages = state.get("tree", Node()), state["messages"]
        node = select(tree)
        parts = [context.attempt.fork(1) for _ in range(settings.width)]
        grown = await gather(*(_step(context, part, messages, node) for part in parts))
        node.children = distinct([child for child in grown if child is not None])
        if context.attempt.held is None or any(child.over for child in node.children):
            _hold(context, tree)  # should a limit end the attempt before these are scored
        await _score(context, input_of(messages), node.children)
        _hold(context, tree)
        return {"tree": tree, "expanded": state.get("expanded", 0) + 1}

    async def answer(state: _Searching) -> State:
        chosen = favourite(state["tree"])
        output, limit = chosen.output, chosen.limit
        if not chosen.over:
            part = context.attempt.fork(context.attempt.left)
            try:
                rest = await finish(attempt_on, part, [*state["messages"], *_so_far(chosen)], own=False)
                output, limit = chosen.opening + rest.output or chosen.output, rest.limit
            except CallFailed as error:
                if not chosen.opening or error.kind != "empty":
                    raise  # else: asked to go on, it had nothing to add
        context.attempt.hold(output, limit)
        return {"messages": [{"role": "assistant", "content": output}]}

    def after(state: _Searching) -> str:
        return "expand" if state["expanded"] < settings.expansions and state["tree"].open else "answer"

    graph: Any = StateGraph(_Searching)
    graph.add_node("expand", expand)
    graph.add_node("answer", answer)
    graph.add_edge(START, "expand")
    graph.add_conditional_edges("expand", after, ["expand", "answer"])
    graph.add_edge("answer", END)
    return graph.compile()


def check_tools(spec: AgentSpec, tools: Sequence[Tool]) -> None:
    """Raise InputError where branches of a search would share, or lose, what a tool keeps between its calls."""
    keeps = next((tool.name for tool in tools if tool.opening is not None), None)
    if spec.strategy.kind == "tree_search" and spec.graph is None and keeps is not None:
        expected = "tools that keep nothing between calls with strategy tree_search, which goes back to earlier steps"
        raise InputError(expected, found=keeps, key="tools")


def select(tree: Node) -> Node:
    """What is to be expanded next; the first among equals. The tree must be open."""
    node = tree
    while node.children is not None:
        node = max((child for child in node.children if child.open), key=lambda child: child.bound)
    return node


def distinct(children: Sequence[Node]) -> tuple[Node, ...]:
    """The same step twice is one, which then is scored and tried once."""
    found: dict[tuple[str, bool], Node] = {}
    for child in children:
        found.setdefault((child.shown, child.over), child)
    return tuple(found.values())


def favourite(tree: Node) -> Node:
    """The best whole attempt, chosen as of several ones; without any the best-scored so far, the longer of equals."""
    leaves = list(tree.leaves)
    if whole := [leaf for leaf in leaves if leaf.over]:
        candidates = [leaf.candidate for leaf in whole]
        chosen = best(candidates, [leaf.score for leaf in whole])
        return next(leaf for leaf, candidate in zip(whole, candidates, strict=True) if candidate is chosen)
    return max(leaves, key=lambda leaf: (-1.0 if leaf.score is None else leaf.score, len(leaf.steps)))


def whole_lines(text: str) -> str:
    """What was cut, without the line that the cut went through; all of it where it is a single line."""
    kept = text[: text.rfind("\n") + 1]
    return kept if kept.strip() else text


# ---------------------------------------------------------------- inside


async def _step(context: GraphContext, part: Attempt, messages: Sequence[dict[str, Any]], node: Node) -> Node | None:
    """One next step of ``node``, unscored; None where the model has no room or only thinks to itself."""
    settings = context.spec.strategy
    specs = [tool.spec for tool in context.tools]
    try:
        async with part:
            asked = [*messages, *_so_far(node)]
            said = await part.complete(asked, specs, max_tokens=None if specs else settings.span)
            results = await part.answer(said)
    except LimitReached as reached:
        if reached.limit != "context":
            raise
        return None
    except CallFailed as error:
        if not node.opening or error.kind != "empty":
            raise
        return Node(node, node.shown, output=node.output, steps=node.steps, over=True)  # it had nothing to add
    steps, cut = (*node.steps, *part.steps), part.steps[-1].finish == "length"
    if not specs:
        text = node.opening + (whole_lines(said["content"]) if cut else said["content"])
        return Node(node, text, opening=text, output=text, steps=steps, over=not cut) if text.strip() else None
    shown = "\n".join(text for text in (node.shown, told(part.steps[0])) if text)
    kept = (*node.messages, said, *results)
    over, output = not results, part.steps[0].content
    return Node(node, shown, kept, output=output, steps=steps, over=over, limit="tokens" if cut and over else None)


def _so_far(node: Node) -> list[dict[str, Any]]:
    """What stands behind the input when ``node`` is gone on with."""
    opening = [{"role": "assistant", "content": node.opening}] if node.opening else []
    return [*node.messages, *opening]


async def _score(context: GraphContext, input: str, nodes: Sequence[Node]) -> None:
    if context.spec.strategy.check:
        told_so_far = (node.candidate if node.over else Candidate(node.shown, None, node.steps) for node in nodes)
        scores = await checked(context, input, list(told_so_far))
    else:
        scores = await judge(context, input, [node.shown for node in nodes], "strategy_progress")
    for node, score in zip(nodes, scores, strict=True):
        node.score = score
        if score is not None:
            node.credit(score)


def _hold(context: GraphContext, tree: Node) -> None:
    """What looks best so far is what the attempt comes to, should nothing follow."""
    chosen = favourite(tree)
    context.attempt.hold(chosen.output, chosen.limit)
