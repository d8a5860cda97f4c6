"""Several agents as one: the agents that another one leads, found, loaded and checked.

The leader is the agent that is asked; its strategy says how it leads. A part is an agent of the workspace, with its
own model, instructions, tools and limits; it may lead others in turn.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from practice.agent.arguments import located
from practice.agent.attempt import Reach, StepComplete
from practice.agent.spec import AgentSpec
from practice.config import ModelSpec, Workspace, Yaml
from practice.errors import InputError, nearest
from practice.tool import Tool, tool_from_function

if TYPE_CHECKING:
    from practice.agent.builder import Agent

TASK = "What is to be done, with all that is needed to do it: nothing else is seen of this conversation."
"""What an orchestrator's model is told of the one argument of its agents."""

Load = Callable[[Path], "Agent"]


def load_parts(spec: AgentSpec, document: Yaml, place: Workspace, above: Sequence[Path], load: Load) -> list[Agent]:
    """The agents that ``spec`` leads, in order; none where its strategy leads none.

    Args:
        spec: The leader's.
        document: Where it was read, for the place of what is wrong.
        place: The workspace that the agents' files are named in.
        above: The files of the leader and of those above it: none of them may lead itself.
        load: Reads one.

    Raises InputError at the leader's key for a file that is not there or that leads back to itself, for agents that
    can't be told apart, for one without a description to be chosen by, and for a leader that is allowed fewer calls
    than it and its agents need; at the agent's own place for what is wrong in it.
    """
    parts: list[Agent] = []
    for index, ref in enumerate(spec.strategy.agents if spec.graph is None else ()):
        with located(document, ("strategy", "agents", index)):
            parts.append(load(_file(ref, place, above)))
            _check_part(spec, parts)
    if parts:
        with located(document, ("limits", "steps")):
            _check_steps(spec, parts)
    return parts


def least_steps(spec: AgentSpec, parts: Sequence[Agent]) -> int:
    """The fewest calls that an agent must be allowed, so that each of its parts can be given one task."""
    own = 1 if spec.graph is not None else spec.strategy.least_steps(bool(spec.tools))
    return own + max((part.least_steps for part in parts), default=0)


def handle(agent: Agent) -> str:
    """What a leader's model calls an agent: its name, with nothing in it that a tool's name can't hold."""
    word = re.sub(r"\W+", "_", agent.spec.name, flags=re.ASCII).strip("_")[:64]
    return word if word.isidentifier() else f"agent_{word}" if word else ""


def by_handle(parts: Sequence[Agent]) -> dict[str, Agent]:
    """The parts by what the leader's model calls them, in order."""
    return {handle(part): part for part in parts}


def told(parts: Sequence[Agent]) -> str:
    """The parts as a prompt lists them: a line each."""
    lines = (f"- {name}: {_line(part.spec.description)}".rstrip(": ") for name, part in by_handle(parts).items())
    return "\n".join(lines)


def all_tools(spec: AgentSpec, tools: Sequence[Tool], parts: Sequence[Agent]) -> tuple[Tool, ...]:
    """An agent's tools: those of its file, and an orchestrator's agents."""
    return (*tools, *(map(worker, parts) if spec.strategy.kind == "orchestrator" else ()))


def reaching(leader: Agent, complete: StepComplete, others: Reach | None) -> Reach:
    """How to reach the model of each agent of a team: the leader's by ``complete``, any other by ``others``.

    Raises TypeError where there is another and no way to reach it.
    """
    own = leader.spec.model
    foreign = [agent.spec for agent in leader.team if agent.spec.model != own]
    if foreign and others is None:
        raise TypeError(
            f"run(complete=…) without reach=…: {foreign[0].name} has another model, {foreign[0].model.name}"
        )

    def reach(model: ModelSpec) -> StepComplete:
        return complete if model == own or others is None else others(model)

    return reach


def worker(part: Agent) -> Tool:
    """A part as a tool of its leader's. It is never run as one: the orchestrator gives the call to the agent."""

    async def give(task: str) -> str:
        raise NotImplementedError(task)

    give.__name__, give.__doc__ = handle(part), f"Args:\n    task: {TASK}"
    description = _line(part.spec.description)
    tool = tool_from_function(give, source=hashlib.sha256(description.encode()).hexdigest())
    spec = tool.spec.model_copy(update={"description": description})
    return Tool(spec=spec, fn=tool.fn, source_hash=tool.source_hash, arguments=tool.arguments)


# ---------------------------------------------------------------- inside


def _file(ref: str, place: Workspace, above: Sequence[Path]) -> Path:
    file = place.path(ref)
    if not file.is_file():
        known = [place.relative(path) for path in sorted(place.agents.glob("*.yaml"))]
        named = next((path for path in known if Path(path).stem == ref), None)
        what = "a folder" if file.is_dir() else "not there"
        near = named or nearest(ref, known)
        raise InputError("an agent's file in the workspace", found=f"{ref!r}, which is {what}", nearest=near)
    if file in above:
        circle = " -> ".join(place.relative(path) for path in (*above[above.index(file) :], file))
        raise InputError("agents that do not lead back to themselves", found=circle)
    return file


def _check_part(spec: AgentSpec, parts: Sequence[Agent]) -> None:
    """The last of ``parts`` can be named, told from the others, and chosen."""
    part, kind = parts[-1], spec.strategy.kind
    name = handle(part)
    if not name:
        raise InputError("an agent whose name holds a letter from a to z", found=repr(part.spec.name))
    if name.casefold() in [handle(other).casefold() for other in parts[:-1]]:
        raise InputError("agents of different names", found=f"{name!r} twice")
    chosen = kind != "plan_execute" or len(spec.strategy.agents) > 1
    if chosen and not part.spec.description.strip():
        raise InputError(
            f"an agent with a description, by which strategy {kind} chooses it", found=f"{part.spec.name!r} without"
        )


def _check_steps(spec: AgentSpec, parts: Sequence[Agent]) -> None:
    least = least_steps(spec, parts)
    if spec.limits.steps < least:
        names = ", ".join(part.spec.name for part in parts)
        found = f"{spec.limits.steps}, where {spec.strategy.kind} over {names} may need {least} calls"
        raise InputError(f"at least {least}: the calls of all its agents count", found=found)


def _line(text: str) -> str:
    return " ".join(text.split())
