"""How an agent works: a LangGraph graph for each kind of strategy.

``react``    tools until an answer without a call; one call and no tools
``several``  attempts side by side: the best-scored one, or the answer that most of them give
``tree``     next steps side by side, where the attempt so far looks most promising
``scoring``  what an attempt, or one so far, is worth
``correct``  answer, check itself, revise
``forcing``  a floor and a ceiling for the length of a thought
``code``     actions are Python, run in the sandbox

and, leading other agents of the workspace (what they share is in ``errands``):

``router``        one of them is chosen, and answers
``orchestrator``  they are called like tools
``planning``      a plan, which they carry out

Every model call is a step of the attempt: journaled, seeded by its number, counted and held to the limits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from practice import prompt
from practice.agent.graph import Build, GraphContext
from practice.agent.spec import AgentSpec, Kind
from practice.agent.strategies.code import act, code_tool
from practice.agent.strategies.correct import self_correct
from practice.agent.strategies.forcing import budget_forcing
from practice.agent.strategies.orchestrator import orchestrator
from practice.agent.strategies.planning import how_to_plan, plan_execute
from practice.agent.strategies.react import direct, react
from practice.agent.strategies.router import how_to_choose, router
from practice.agent.strategies.scoring import load_check
from practice.agent.strategies.several import best_of_n, self_consistency
from practice.agent.strategies.tree import check_tools, tree_search
from practice.errors import InputError

if TYPE_CHECKING:
    from practice.agent.builder import Agent
    from practice.agent.graph import Compiled

__all__ = ["build", "check_tools", "code_tool", "instructed", "load_check"]

_GRAPHS: dict[Kind, Callable[[GraphContext], Compiled]] = {
    "react": react,
    "direct": direct,
    "best_of_n": best_of_n,
    "self_consistency": self_consistency,
    "self_correct": self_correct,
    "budget_forcing": budget_forcing,
    "code": act,
    "tree_search": tree_search,
    "router": router,
    "orchestrator": orchestrator,
    "plan_execute": plan_execute,
}

_TOLD: dict[Kind, Callable[[Sequence[Agent]], str]] = {
    "code": lambda _: prompt.template("strategy_code"),
    "router": how_to_choose,
    "plan_execute": how_to_plan,
}
"""How to work, for a model that could not know it: given the agents that it leads."""


def instructed(spec: AgentSpec, parts: Sequence[Agent]) -> str:
    """The instructions, with how to work behind them where the strategy's model must be told."""
    how = _TOLD.get(spec.strategy.kind) if spec.graph is None else None
    if how is None:
        return spec.instructions
    return "\n\n".join(part for part in (spec.instructions.rstrip(), how(parts)) if part)


def build(context: GraphContext, own: Build | None) -> Compiled:
    """The compiled graph: the user's own, or the one that the strategy names. Raises InputError."""
    # Tracing sends prompts to a third party: only for users who ask for it themselves.
    os.environ.setdefault("LANGSMITH_TRACING", "false")
    if own is None:
        return _GRAPHS[context.spec.strategy.kind](context)
    graph = own(context)
    if not hasattr(graph, "ainvoke"):
        found = f"{type(graph).__name__} from {getattr(own, '__name__', own)!s}"
        raise InputError("a compiled LangGraph graph (graph.compile())", found=found, key="graph")
    return graph
