"""``orchestrator``: agents that are called like tools, side by side where several are asked for at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from practice.agent.attempt import Attempt, Errand
from practice.agent.graph import GraphContext, State
from practice.agent.messages import calls_of
from practice.agent.strategies.errands import lent, refused, reported
from practice.agent.team import by_handle
from practice.tool import Tool, arguments_of
from practice.types import ToolCall, ToolResult

if TYPE_CHECKING:
    from practice.agent.builder import Agent
    from practice.agent.graph import Compiled


def orchestrator(context: GraphContext) -> Compiled:
    """ReAct whose tools are agents, beside tools of its own (Schluntz and Zhang, Building effective agents, 2024,
    "Workflow: Orchestrator-workers").

    An agent sees the task that it is given and nothing else of the conversation. Those asked for in one reply work
    at the same time, each with an equal share of the calls that are left but one, which the answer needs.
    """
    from langgraph.graph import END, START, StateGraph

    agents, tools = by_handle(context.parts), {tool.name: tool for tool in context.tools}

    async def model(state: State) -> State:
        return {"messages": [await context.complete(state["messages"], context.tools)]}

    async def act(state: State) -> State:
        context.check()
        message, attempt = state["messages"][-1], context.attempt
        given = [call for call in calls_of(message) if call.name in agents]
        share = (attempt.left - 1) // max(1, len(given))
        # Lent in the order of the calls, before any of them works: whose call has which number is settled here.
        errands = {call.id: _errand(agents[call.name], tools[call.name], attempt, share) for call in given}
        return {"messages": await attempt.answer(message, errands)}

    def after(state: State) -> str:
        return "act" if context.has_calls(state["messages"][-1]) else END

    graph: Any = StateGraph(State)
    graph.add_node("model", model)
    graph.add_node("act", act)
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", after, ["act", END])
    graph.add_edge("act", "model")
    return graph.compile()


def _errand(agent: Agent, tool: Tool, attempt: Attempt, share: int) -> Errand:
    part = lent(agent, attempt, share)

    async def run(wanted: ToolCall) -> ToolResult:
        if part is None:
            return refused(wanted, share)
        given = arguments_of(tool, wanted)
        if isinstance(given, ToolResult):
            part.give_back()
            return given
        return reported(wanted, await agent.work(part, given["task"]))

    return run
