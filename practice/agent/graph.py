"""What a graph is built from and how it is run, over plain dict messages. ``strategies`` has the graphs themselves."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypedDict, cast

from practice.agent.arguments import last_words
from practice.agent.attempt import Attempt, LimitReached, Outcome
from practice.agent.messages import calls_of
from practice.agent.spec import AgentSpec
from practice.errors import InputError
from practice.tool import Tool
from practice.types import Rollout, Task, ToolSpec, Verdict

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

    Compiled = CompiledStateGraph[Any, Any, Any, Any]

current: ContextVar[Attempt] = ContextVar("practice_attempt")
"""The attempt that the graph runs in. A graph is compiled once and runs many attempts at the same time."""

SUPERSTEPS = 10
"""What a graph of one's own may take in nodes for each model call it is allowed."""


class State(TypedDict):
    """What flows through our graphs: messages in OpenAI's form, appended to by every node."""

    messages: Annotated[list[dict[str, Any]], operator.add]


class Scorer(Protocol):
    """What scores an attempt of best_of_n, instead of the model."""

    name: str

    async def verify(self, task: Task, rollout: Rollout) -> Verdict:
        """The score of what ``rollout`` says to ``task``, which has no answer."""
        ...


class GraphContext:
    """What a graph is built from: ``build(context) -> compiled graph`` over ``{"messages": [...]}``.

    Its first state holds the system prompt (instructions and experiences) and the input; the content of the last
    assistant message in its last state is the output. Everything here is bound to the attempt that runs the graph.
    """

    def __init__(self, spec: AgentSpec, tools: Sequence[Tool], check: Scorer | None = None) -> None:
        self.spec = spec
        self.tools = tuple(tools)
        self.scorer = check

    @property
    def attempt(self) -> Attempt:
        """The attempt that runs the graph now."""
        return _attempt()

    async def complete(self, messages: Sequence[object], tools: Sequence[Tool | ToolSpec] = ()) -> dict[str, Any]:
        """One model call: journaled, budgeted, retried, seeded by its step. Returns the assistant's message.

        ``messages`` are dicts in OpenAI's form or LangChain messages. Steps are numbered in the order in which
        calls start: branches that run side by side should make one call each, or a resumed run can't tell whose
        answer was whose. A limit ends the graph by an exception; let it pass.
        """
        specs = [tool.spec if isinstance(tool, Tool) else tool for tool in tools]
        return await _attempt().complete(messages, specs)

    def has_calls(self, message: object) -> bool:
        """Whether an assistant's message calls tools; those that it wrote as text were read by ``complete``."""
        return bool(calls_of(message))

    async def call(self, message: object) -> list[dict[str, Any]]:
        """Run the tool calls of an assistant's message, all at once; their results as messages, in call order."""
        return await _attempt().answer(message)

    def check(self) -> None:
        """End the attempt here where no further model call is allowed, before work that nobody would read."""
        _attempt().check()


Build = Callable[[GraphContext], Any]
"""A user's own graph: context -> compiled graph."""


async def run(graph: Compiled, attempt: Attempt, messages: list[dict[str, Any]], *, own: bool) -> Sequence[object]:
    """Run ``graph`` to its end; the messages of its last state. Raises LimitReached, or what a node raised."""
    from langgraph.errors import GraphRecursionError

    supersteps = attempt.limits.steps * (SUPERSTEPS if own else 2) + 2
    token = current.set(attempt)
    try:
        state: Any = await cast("Any", graph).ainvoke({"messages": messages}, {"recursion_limit": supersteps})
    except GraphRecursionError:
        raise LimitReached("steps") from None
    finally:
        current.reset(token)
    if not (isinstance(state, dict) and "messages" in state):
        found = type(cast("object", state)).__name__
        raise InputError("a graph over a dict state that has messages", found=found, key="graph")
    return cast("Sequence[object]", state["messages"])


async def finish(graph: Compiled, attempt: Attempt, messages: list[dict[str, Any]], *, own: bool) -> Outcome:
    """Run ``graph`` within ``attempt`` and its limits: what it comes to. Raises what a node raised."""
    try:
        async with attempt:
            output = last_words(await run(graph, attempt, messages, own=own))
    except LimitReached as reached:
        said = attempt.steps[-1].content if attempt.steps else ""
        return Outcome(said if attempt.held is None else attempt.held.output, reached.limit)
    cut = bool(attempt.steps) and attempt.steps[-1].finish == "length"
    return attempt.held or Outcome(output, "tokens" if cut else None)


def _attempt() -> Attempt:
    try:
        return current.get()
    except LookupError:
        raise RuntimeError("an agent's graph runs inside agent.run(input), which gives it its model") from None
