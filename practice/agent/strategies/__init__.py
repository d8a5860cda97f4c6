"""How an agent works: a LangGraph graph for each kind of strategy.

``react``    tools until an answer without a call; one call and no tools
``several``  attempts side by side: the best-scored one, or the answer that most of them give
``correct``  answer, check itself, revise
``forcing``  a floor and a ceiling for the length of a thought
``code``     actions are Python, run in the sandbox

Every model call is a step of the attempt: journaled, seeded by its number, counted and held to the limits.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from practice.agent.graph import Build, GraphContext
from practice.agent.spec import Kind
from practice.agent.strategies.code import act, code_tool, instructed
from practice.agent.strategies.correct import self_correct
from practice.agent.strategies.forcing import budget_forcing
from practice.agent.strategies.react import direct, react
from practice.agent.strategies.several import best_of_n, load_check, self_consistency
from practice.errors import InputError

if TYPE_CHECKING:
    from practice.agent.graph import Compiled

__all__ = ["build", "code_tool", "instructed", "load_check"]

_GRAPHS: dict[Kind, Callable[[GraphContext], Compiled]] = {
    "react": react,
    "direct": direct,
    "best_of_n": best_of_n,
    "self_consistency": self_consistency,
    "self_correct": self_correct,
    "budget_forcing": budget_forcing,
    "code": act,
}


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
