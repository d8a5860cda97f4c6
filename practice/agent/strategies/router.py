"""``router``: one of several agents is chosen, and answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from practice import prompt
from practice.agent.graph import GraphContext, State
from practice.agent.messages import calls_of
from practice.agent.strategies.errands import asked, decide, reported, request_of, result_of, spoken
from practice.agent.team import by_handle, told
from practice.model import parse_json
from practice.types import ToolCall

if TYPE_CHECKING:
    from practice.agent.builder import Agent
    from practice.agent.graph import Compiled


def router(context: GraphContext) -> Compiled:
    """One choice among the agents, from what they are for; the chosen one's answer is the answer (Schluntz and
    Zhang, Building effective agents, 2024, "Workflow: Routing").

    The chosen agent is given the conversation as it stands. A choice that can't be read, asked for twice, is what
    the agent answers.
    """
    from langgraph.graph import END, START, StateGraph

    agents = by_handle(context.parts)
    schema = _schema(list(agents))

    async def choose(state: State) -> State:
        message, calls = await decide(
            context, spoken(state["messages"]), schema, lambda text: read_choice(text, list(agents))
        )
        if calls is None:
            context.attempt.hold(message["content"])
        return {"messages": [message if calls else {"role": "assistant", "content": message["content"]}]}

    async def work(state: State) -> State:
        context.check()
        message = state["messages"][-1]
        call = calls_of(message)[0]
        agent, (input, before) = agents[call.name], request_of(state["messages"])
        outcome = await agent.work(agent.lent(context.attempt, context.attempt.left), input, before)
        context.attempt.hold(outcome.output, outcome.limit)
        results = await context.attempt.answer(message, {call.id: result_of(reported(call, outcome))})
        return {"messages": [*results, {"role": "assistant", "content": outcome.output}]}

    def chosen(state: State) -> str:
        return "work" if context.has_calls(state["messages"][-1]) else END

    graph: Any = StateGraph(State)
    graph.add_node("choose", choose)
    graph.add_node("work", work)
    graph.add_edge(START, "choose")
    graph.add_conditional_edges("choose", chosen, ["work", END])
    graph.add_edge("work", END)
    return graph.compile()


def how_to_choose(parts: Sequence[Agent]) -> str:
    """What stands behind a router's instructions."""
    return prompt.template("strategy_router", agents=told(parts))


def read_choice(text: str, names: Sequence[str]) -> tuple[ToolCall, ...] | None:
    """Whom a reply chooses, as the one call; None where it names none, or none that there is."""
    said = parse_json(text)
    name = cast("dict[str, object]", said).get("agent") if isinstance(said, dict) else None
    wanted = name.strip().casefold() if isinstance(name, str) else None
    found = next((known for known in names if known.casefold() == wanted), None)
    return None if found is None else (asked(found),)


def _schema(names: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"reason": {"type": "string"}, "agent": {"type": "string", "enum": list(names)}},
        "required": ["reason", "agent"],
        "additionalProperties": False,
    }
