"""The two plain strategies: ``react`` and ``direct``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from practice.agent.graph import GraphContext, State

if TYPE_CHECKING:
    from practice.agent.graph import Compiled


def react(context: GraphContext) -> Compiled:
    """Model and tools in turn until the model answers without a call (Yao et al., arXiv 2210.03629, section 2)."""
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


def direct(context: GraphContext) -> Compiled:
    """One call."""
    from langgraph.graph import END, START, StateGraph

    async def model(state: State) -> State:
        return {"messages": [await context.complete(state["messages"])]}

    graph: Any = StateGraph(State)
    graph.add_node("model", model)
    graph.add_edge(START, "model")
    graph.add_edge("model", END)
    return graph.compile()
