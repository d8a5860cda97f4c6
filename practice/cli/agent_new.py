"""``practice agent new``: describe it, get an agent with its tools, starter tasks and a run's settings."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from practice.cli.common import AsJson, WorkspaceDir, note, print_json, table, workspace
from practice.errors import InputError

if TYPE_CHECKING:
    from practice.agentsmith import MadeAgent, Order
    from practice.agentsmith.bench import Person
    from practice.config import ModelSpec, Workspace
    from practice.sandbox import Engine

Mode = Literal["workflow", "meta"]


def new(
    what: Annotated[str, typer.Argument(help="What the agent is to do, in plain words.")],
    mode: Annotated[
        Mode, typer.Option("--mode", help="workflow: fixed steps; meta: an agent that has these steps as its tools.")
    ] = "workflow",
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; what is assumed instead is written down.")] = False,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="M", help="The model that builds it and that it uses; default: the workspace's."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="N", help="Its name; default: the model's choice.")
    ] = None,
    approve_tested: Annotated[
        bool,
        typer.Option(
            "--approve-tested",
            help="Trust new tools whose tests pass, with the hosts and files that the description names.",
        ),
    ] = False,
    unsafe: Annotated[
        bool,
        typer.Option("--unsafe-no-sandbox", help="Run what the model wrote on this machine as it is. Don't."),
    ] = False,
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Make an agent from a description: instructions, the tools that it lacks, starter tasks, a run's settings."""
    from practice import sandbox
    from practice.agentsmith import Order

    place = workspace(directory)
    order = Order(what=what, model=building_model(place, model), mode=mode, name=name, approve_tested=approve_tested)
    engine = sandbox.engine(unsafe=unsafe)
    made = asyncio.run(_make(order, place, engine, None if yes else _person))
    if as_json:
        print_json(made)
    else:
        _show(made)


def building_model(place: Workspace, given: str | None) -> ModelSpec:
    """The model that is asked: ``given``, else that of the agent in ``practice.yaml``, else the one that all agents of
    the workspace share. Raises InputError where there is none.
    """
    from practice.agent import AgentSpec
    from practice.config import ModelSpec, Yaml, load_settings, parse, read_yaml

    if given is not None:
        return parse(ModelSpec, Yaml({"name": given}), "--model")
    if (place.root / "practice.yaml").is_file():
        paths = [place.path(load_settings(None, [], place).agent)]
    else:
        paths = sorted(place.agents.glob("*.yaml"))
    models = [parse(AgentSpec, read_yaml(path)).model for path in paths]
    if not models or any(model != models[0] for model in models):
        found = f"{len(models)} agents of different models" if models else "no agent in the workspace"
        raise InputError("the model to use, --model M", found=found, key="--model")
    return models[0]


async def _make(order: Order, place: Workspace, engine: Engine, person: Person | None) -> MadeAgent:
    from practice.agent.standalone import connected
    from practice.agentsmith import make_agent
    from practice.config import load_env

    load_env(place)
    async with connected(order.model, None, place.root) as ask:
        return await make_agent(order, ask=ask, workspace=place, engine=engine, person=person, told=note)


async def _person(question: str, assumption: str) -> str:
    """What somebody at the terminal says; nothing (Enter, or the end of the input): the assumption holds."""
    sys.stderr.write(f"{question} [{assumption}] ")
    sys.stderr.flush()
    # Inside a loop Ctrl-C would only be noticed after the line.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return sys.stdin.readline().strip()
    finally:
        signal.signal(signal.SIGINT, handler)


def _show(made: MadeAgent) -> None:
    """What was made and what to do next."""
    typer.echo(f"{made.agent}: {made.description}")
    typer.echo(f"  {made.path}, model {made.model}, made by {made.mode}")
    words = {"existing": "existing", "made": "new", "fallback": "in its place", "none": "MISSING"}
    rows = [
        (tool.ref or "", words[tool.how], "yes" if tool.approved and tool.ref else "no", tool.reason)
        for tool in made.tools
    ]
    if rows:
        table(["tool", "", "approved", "about"], rows)
    for answered in made.questions:
        typer.echo(f"{'assumed' if answered.assumed else 'settled'}: {answered.question} {answered.answer}")
    smoke = made.smoke
    word = "passed" if smoke.passed else "FAILED"
    typer.echo(
        f"smoke task {word}: {smoke.reason}\n  asked: {smoke.input}\n  said: {' '.join(smoke.output.split())[:300]}"
    )
    typer.echo(f"to verify it: {made.verify}")
    for line in made.notes:
        typer.echo(f"note: {line}")
    run = f", practice run {made.config}" if made.config is not None else ""
    typer.echo(f"next: practice agent check {made.agent}, practice agent chat {made.agent}{run}")
