"""``budget_forcing``: how long a model thinks is bounded from below and from above."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from practice.agent.graph import GraphContext, State
from practice.agent.spec import Strategy
from practice.errors import CallFailed

if TYPE_CHECKING:
    from practice.agent.graph import Compiled

WAIT = "Wait"
"""What a model that stops too early is made to go on with: the best of the words tried in s1, table 4."""
CLOSE = "Final answer:"
"""What a thought at its ceiling is made to end with."""


@dataclass(frozen=True)
class Thought:
    """What the model has thought and said so far, and what comes next."""

    text: str = ""
    """Its thought: its reasoning where the endpoint keeps that apart, else all that it wrote."""
    hidden: bool = False
    """Whether the endpoint keeps reasoning apart."""
    answer: str = ""
    """What it said behind its reasoning."""
    spent: int = 0
    """Output tokens."""
    waits: int = 0
    next: Literal["begin", "more", "wait", "close", "end"] = "begin"

    @property
    def output(self) -> str:
        """What the agent says."""
        return self.answer if self.hidden else self.text

    @property
    def opening(self) -> str:
        """The assistant's text that the endpoint is asked to continue."""
        body = f"<think>\n{self.text}" if self.hidden else self.text
        if self.next == "wait":
            return f"{body.rstrip()}\n{WAIT}"
        if self.next == "close":
            end = "\n</think>" if self.hidden else ""
            return f"{body.rstrip()}{end}\n\n{CLOSE}"
        return body if self.next == "more" else ""


class _Forcing(State):
    thought: Thought


def budget_forcing(context: GraphContext) -> Compiled:
    """Think for at least ``floor`` and at most ``ceiling`` tokens (Muennighoff et al., s1, arXiv 2501.19393,
    section 3.1).

    A model that ends below the floor is made to go on by "Wait" behind what it wrote, at most ``waits`` times; one
    that reaches the ceiling is cut off and given the words that open an answer. Both are done by asking with the
    model's own text so far as the assistant's last message, which the endpoint continues.
    """
    from langgraph.graph import END, START, StateGraph

    settings, tokens = context.spec.strategy, context.spec.limits.tokens

    async def think(state: _Forcing) -> dict[str, Any]:
        thought = state.get("thought", Thought())
        attempt, before = context.attempt, context.attempt.usage.output_tokens
        limit = tokens if thought.next == "close" else settings.ceiling - thought.spent
        prefix = [{"role": "assistant", "content": thought.opening}] if thought.opening else []
        try:
            said = await attempt.complete([*state["messages"], *prefix], (), max_tokens=limit)
        except CallFailed as error:
            if not prefix or error.kind != "empty":
                raise
            return {"thought": replace(thought, next="end")}  # made to go on, it had nothing to add
        step = attempt.steps[-1]
        cut = step.finish == "length"
        used = max(1, attempt.usage.output_tokens - before)
        thought = follow(grown(thought, said["content"], step.reasoning, cut, used), cut, settings)
        attempt.hold(thought.output, "tokens" if cut and thought.next == "end" else None)
        return {"thought": thought}

    async def answer(state: _Forcing) -> State:
        return {"messages": [{"role": "assistant", "content": state["thought"].output}]}

    def after(state: _Forcing) -> str:
        return "answer" if state["thought"].next == "end" else "think"

    graph: Any = StateGraph(_Forcing)
    graph.add_node("think", think)
    graph.add_node("answer", answer)
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", after, ["think", "answer"])
    graph.add_edge("answer", END)
    return graph.compile()


def grown(thought: Thought, content: str, reasoning: str, cut: bool, tokens: int) -> Thought:
    """The thought with what the endpoint answered; ``tokens``: how many that were; ``cut``: whether they ran out."""
    thought = replace(thought, spent=thought.spent + tokens)
    if thought.next == "begin":
        return replace(thought, text=reasoning or content, hidden=bool(reasoning), answer=content if reasoning else "")
    start = thought.opening.removeprefix("<think>\n") if thought.hidden else thought.opening
    raw = thought.next == "more"
    if not thought.hidden:
        return replace(thought, text=_joined(start, content, raw))
    if thought.next == "close":
        return replace(thought, answer=_joined(CLOSE, content, False))
    if reasoning:
        return replace(thought, text=_joined(start, reasoning, raw), answer=content)
    if cut:
        return replace(thought, text=_joined(start, content, raw), answer="")
    return replace(thought, text=start, answer=content)


def follow(thought: Thought, cut: bool, settings: Strategy) -> Thought:
    """The thought with what comes next."""
    if thought.next == "close" or (cut and thought.hidden and thought.answer):
        return replace(thought, next="end")
    if cut:
        return replace(thought, next="close" if thought.spent >= settings.ceiling else "more")
    if thought.spent < min(settings.floor, settings.ceiling) and thought.waits < settings.waits:
        return replace(thought, next="wait", waits=thought.waits + 1)
    return replace(thought, next="end")


def _joined(start: str, more: str, raw: bool) -> str:
    """``more`` behind ``start``; an endpoint that answers in a new turn leaves out the space between."""
    return start + more if raw or not more[:1].isalnum() else f"{start} {more}"
