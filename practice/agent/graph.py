"""The graphs that agents run on, over plain dict messages. The only importer of langgraph."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, cast

from practice.agent.attempt import Attempt, LimitReached
from practice.agent.messages import calls_of
from practice.agent.spec import AgentSpec
from practice.errors import InputError
from practice.tool import Tool
from practice.types import ToolSpec

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


class GraphContext:
    """What a graph is built from: ``build(context) -> compiled graph`` over ``{"messages": [...]}``.

    Its first state holds the system prompt (instructions and experiences) and the input; the content of the last
    assistant message in its last state is the output. Everything here is bound to the attempt that runs the graph.
    """

    def __init__(self, spec: AgentSpec, tools: Sequence[Tool]) -> None:
        self.spec = spec
        self.tools = tuple(tools)

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


def build(context: GraphContext, own: Build | None) -> Compiled:
    """The compiled graph: the user's own, or the one that the strategy names. Raises InputError."""
    # Tracing sends prompts to a third party: only for users who ask for it themselves.
    os.environ.setdefault("LANGSMITH_TRACING", "false")
    if own is None:
        return _direct(context) if context.spec.strategy.kind == "direct" else _react(context)
    graph = own(context)
    if not hasattr(graph, "ainvoke"):
        found = f"{type(graph).__name__} from {getattr(own, '__name__', own)!s}"
        raise InputError("a compiled LangGraph graph (graph.compile())", found=found, key="graph")
    return graph


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


def _react(context: GraphContext) -> Compiled:
    """Model and tools in turn until the model answers without a call (Yao et al., arXiv 2210.03629)."""
    from langgraph.graph import END, START, StateGraph

    async def model(state: State) -> State:
        return {"messages": [await context.complete(state["messages"], context.tools)]}

    async def tools(state: State) -> State:
        context.check()
        return {"messages": await context.call(state["messages"][-1])}

    def after(state: State) -> str:
        return "tools" if context.has_calls(state["messages"][-1]) else END

    graph: Any = StateGraph(State)  # its own types are partly unknown to a strict checker
    graph.add_node("model", model)
    graph.add_edge(START, "model")
    if context.tools:
        graph.add_node("tools", tools)
        graph.add_edge("tools", "model")
        graph.add_conditional_edges("model", after, ["tools", END])
    else:
        graph.add_edge("model", END)
    return graph.compile()


def _direct(context: GraphContext) -> Compiled:
    """One call."""
    from langgraph.graph import END, START, StateGraph

    async def model(state: State) -> State:
        return {"messages": [await context.complete(state["messages"])]}

    graph: Any = StateGraph(State)
    graph.add_node("model", model)
    graph.add_edge(START, "model")
    graph.add_edge("model", END)
    return graph.compile()


def _attempt() -> Attempt:
    try:
        return current.get()
    except LookupError:
        raise RuntimeError("an agent's graph runs inside agent.run(input), which gives it its model") from None
