"""The agent builder: a specification (YAML or Python) becomes a LangGraph graph that runs within limits.

    AgentSpec + tools -> GraphContext -> graph (compiled once) -> run(input) -> Rollout

``spec``        what an agent is: :class:`AgentSpec`, and its JSON schema for editors
``messages``    the graph's plain dict messages and the values that cross stages, either way
``attempt``     one run under way: records steps, counts work, enforces limits
``graph``       what a graph is built from, and how it is run within an attempt
``strategies``  the graphs: react, best_of_n, self_correct …; a user's own takes their place
``builder``     :class:`Agent`
``standalone``  models for an agent that is used on its own, outside a run
"""

from __future__ import annotations

from practice.agent.attempt import StepComplete
from practice.agent.builder import Agent
from practice.agent.graph import GraphContext
from practice.agent.messages import conversation
from practice.agent.spec import AgentSpec, Limits, Strategy, agent_json_schema

__all__ = [
    "Agent",
    "AgentSpec",
    "GraphContext",
    "Limits",
    "StepComplete",
    "Strategy",
    "agent_json_schema",
    "conversation",
]
