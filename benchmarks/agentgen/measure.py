"""The three figures of one agent, by checks that its maker never saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.agentgen.binding import Site, Tried, try_known, try_tool
from benchmarks.agentgen.described import Described
from benchmarks.agentgen.report import Task
from practice.agent import Agent
from practice.config import Workspace
from practice.errors import PracticeError
from practice.types import Rollout, Usage

__all__ = ["Marks", "load_agent", "run_tasks", "tool_marks"]

LONGEST = 2000
"""Characters of an output that are kept."""


@dataclass(frozen=True)
class Marks:
    """What the tools of an agent are worth."""

    runs: bool
    executable: bool
    tool: str
    """The executable one; "" where there is none."""
    reason: str


def load_agent(place: Workspace, path: str | None) -> tuple[Agent | None, str]:
    """The agent as everything that runs it loads it, or why it can't be loaded."""
    if path is None:
        return None, "there is no agent file"
    try:
        return Agent.from_yaml(place.path(path), workspace=place), ""
    except PracticeError as error:
        return None, str(error)


async def tool_marks(agent: Agent, described: Described, how: Mapping[str, str], site: Site) -> Marks:
    """Whether one of the agent's tools is the one that the description implies.

    A general tool that stands in for one that could not be made (``fallback``) is not: it does what it is told.
    """
    tried: list[Tried] = []
    for tool in agent.tools:
        if how.get(tool.name) == "fallback":
            continue
        if tool.name in described.existing:
            tried.append(await try_known(tool, described.existing[tool.name]))
        tried.append(await try_tool(tool, described, site))
        if tried[-1].right or (len(tried) > 1 and tried[-2].right):
            break
    right = next((one for one in tried if one.right), None)
    runs = any(one.runs for one in tried)
    if right is not None:
        return Marks(runs, True, right.tool, f"{right.tool}: {right.reason}")
    reasons = "; ".join(f"{one.tool}: {one.reason}" for one in tried)
    return Marks(runs, False, "", reasons or "the agent has no tool of its own")


async def run_tasks(agent: Agent, described: Described) -> tuple[tuple[Task, ...], Usage]:
    """Let the agent do its tasks, one after the other. Raises EndpointError where most calls fail."""
    done: list[Task] = []
    spent = Usage()
    async with agent:
        for task in described.tasks:
            rollout = await agent.run(task.input)
            spent += rollout.usage
            done.append(_marked(rollout, task.input, task.expect.unmet(rollout.output)))
    return tuple(done), spent


def _marked(rollout: Rollout, asked: str, unmet: str) -> Task:
    called = tuple(result.call.name for step in rollout.steps for result in step.results)
    failed = rollout.failure
    return Task(
        input=asked,
        passed=None if failed is not None else not unmet,
        reason=failed.message if failed is not None else unmet,
        output=rollout.output[:LONGEST],
        called=called,
    )
