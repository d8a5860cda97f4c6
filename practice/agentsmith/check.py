"""``practice agent check``: does it load, do its tools run, does the model answer, does a smoke task pass?"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from practice import sandbox
from practice.agent import Agent
from practice.agent.standalone import Asks, connections, step_complete
from practice.agent.team import by_handle
from practice.agentsmith.smoke import first_task, smoke_of, smoke_task
from practice.calls import Ask
from practice.config import ModelSpec, Workspace, load_env
from practice.errors import PracticeError
from practice.tool import Tool
from practice.tool.generated import generated_names
from practice.toolsmith import run_tests
from practice.types import CallKey, Message, Request, Value

__all__ = ["Check", "Checked", "check_agent"]


class Check(Value):
    """One thing that was tried."""

    what: str
    """``loads``, ``tool <name>``, ``model``, ``model of <agent>`` where it leads one with another, ``smoke``."""
    ok: bool | None
    """None: not tried, because something before it failed."""
    detail: str
    seconds: float = 0.0
    """Wall clock."""


class Checked(Value):
    """All that was tried of an agent."""

    agent: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether everything was tried and went well."""
        return all(check.ok for check in self.checks)


Probe = Callable[[], Awaitable[tuple[bool, str]]]
"""Tries something; whether it went well, and what a person should know of it."""


async def check_agent(path: Path, place: Workspace, *, smoke: str | None = None) -> Checked:
    """Try the agent of a YAML file, one thing after the other; what fails is a row, never an exception.

    Args:
        path: ``agents/<name>.yaml``.
        place: The workspace.
        smoke: What the smoke task asks; by default the first task of ``tasks/<name>.jsonl``, which is verified where
            a program can do that, and where there is none a question that anything but silence answers.

    What a tool does is its own business: of a plain function only the smoke task sees it run.
    """
    load_env(place)
    loaded: list[Agent] = []

    async def load() -> tuple[bool, str]:
        loaded.append(Agent.from_yaml(path, workspace=place))
        tools = ", ".join(tool.name for tool in loaded[0].tools) or "no tools"
        return True, f"{loaded[0].spec.model.name}; {tools}"

    checks = [await _tried("loads", load)]
    if not loaded:
        rest = [Check(what=what, ok=None, detail="it does not load") for what in ("model", "smoke")]
        return Checked(agent=path.stem, checks=(*checks, *rest))
    agent = loaded[0]
    for tool in _tools(agent):
        checks.append(await _tried(f"tool {tool.name}", lambda tool=tool: _tool_runs(tool, place)))
    async with connections(agent.spec.model, None, place.root) as asks:
        for name, model in _models(agent):
            checks.append(await _tried(name, lambda model=model: _answers(asks(model))))
        if all(check.ok for check in checks if check.what.startswith("model")):
            checks.append(await _tried("smoke", lambda: _smoke(agent, asks, smoke, path.stem)))
        else:
            checks.append(Check(what="smoke", ok=None, detail="the model does not answer"))
    return Checked(agent=agent.spec.name, checks=tuple(checks))


async def _tried(what: str, probe: Probe) -> Check:
    started = time.monotonic()
    try:
        ok, detail = await probe()
    except Exception as error:
        said = str(error) if isinstance(error, PracticeError) else f"{type(error).__name__}: {error}"
        ok, detail = False, said
    return Check(what=what, ok=ok, detail=detail, seconds=round(time.monotonic() - started, 3))


async def _tool_runs(tool: Tool, place: Workspace) -> tuple[bool, str]:
    """A generated tool's tests are run; one that opens something else (an interpreter, a server) is opened."""
    if tool.opening is not None and tool.name in generated_names(place):
        ran = await run_tests(tool.name, place, sandbox.engine())
        failed = "; ".join(f"{test}: {what}" for test, what in list(ran.failed.items())[:3])
        return ran.ok, failed or f"{len(ran.passed)} tests pass in the sandbox ({ran.engine})"
    if tool.opening is None:
        return True, "loaded"
    async with tool.opening():
        return True, "opened and closed"


async def _answers(ask: Ask) -> tuple[bool, str]:
    request = Request(messages=(Message(role="user", content="Reply with the word ready."),), max_tokens=16)
    completion = await ask(CallKey(phase="practice", stage="user", task="check"), request)
    text = completion.content.strip() or completion.reasoning.strip()
    return bool(text), f"it says {text[:60]!r}" if text else "it says nothing"


def _tools(agent: Agent) -> list[Tool]:
    """The tools of an agent and of those that it leads, each once; an agent that is called like one is none."""
    found: dict[tuple[str, str], Tool] = {}
    for member in agent.team:
        for tool in member.tools:
            if tool.name not in by_handle(member.parts):
                found.setdefault((tool.name, tool.source_hash), tool)
    return list(found.values())


def _models(agent: Agent) -> list[tuple[str, ModelSpec]]:
    """The models of an agent and of those that it leads, each once, with what its check is called."""
    found: list[tuple[str, ModelSpec]] = [("model", agent.spec.model)]
    for part in agent.team:
        if part.spec.model not in [model for _, model in found]:
            found.append((f"model of {part.spec.name}", part.spec.model))
    return found


async def _smoke(agent: Agent, asks: Asks, smoke: str | None, name: str) -> tuple[bool, str]:
    task = smoke_of(smoke) if smoke is not None else first_task(agent.workspace, name)
    place = f"check:{task.id}"
    complete = step_complete(asks(agent.spec.model), place, 0)
    done = await smoke_task(agent, task, complete, lambda model: step_complete(asks(model), place, 0))
    used = f" (called {', '.join(done.tools)})" if done.tools else ""
    return bool(done.passed), f"{done.reason}{used}; it answered {done.output[:160]!r}"
