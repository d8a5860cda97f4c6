"""``practice agent new``: describe it, get an agent with its tools, starter tasks and a run's settings."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from practice.cli.common import AsJson, WorkspaceDir, note, print_json, table, workspace
from practice.cli.making import Unsafe, asking, model_of, sandbox_for

if TYPE_CHECKING:
    from practice.agentsmith import MadeAgent, Order
    from practice.agentsmith.bench import Person
    from practice.config import ModelSpec, Workspace
    from practice.sandbox import Engine

Mode = Literal["workflow", "meta"]


def new(
    what: Annotated[str, typer.Argument(help="What the agent is to do, in plain words.")],
    mode: Annotated[
        Mode,
        typer.Option(metavar="MODE", help="workflow: fixed steps; meta: an agent that has these steps as its tools."),
    ] = "workflow",
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; what is assumed instead is written down.")] = False,
    model: Annotated[
        str | None,
        typer.Option(help="Who builds it, and what it uses; default: teacher and agent's model of practice.yaml."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Its name; default: the model's choice.")] = None,
    approve_tested: Annotated[
        bool,
        typer.Option(
            "--approve-tested",
            help="Trust new tools whose tests pass, with the hosts and files that the description names.",
        ),
    ] = False,
    unsafe: Unsafe = False,
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Make an agent from a description: instructions, the tools that it lacks, starter tasks, a run's settings."""
    from practice.agentsmith import Order, check_order

    place = workspace(directory)
    builder, own = _models(place, model)
    order = Order(what=what, model=own, mode=mode, name=name, approve_tested=approve_tested)
    check_order(order, place)
    engine = sandbox_for(unsafe)  # before a model is asked for anything
    made = asyncio.run(_make(order, place, engine, builder, None if yes else _person))
    if as_json:
        print_json(made)
    else:
        _show(made)


def _models(place: Workspace, given: str | None) -> tuple[ModelSpec, ModelSpec]:
    """(who builds, what the agent uses): ``given`` for both, else the teacher and the agent of ``practice.yaml``."""
    builder = model_of(place, given)
    if given is not None:
        return builder, builder
    from practice.agent import AgentSpec
    from practice.config import load_settings, parse, read_yaml

    return builder, parse(AgentSpec, read_yaml(place.path(load_settings(None, [], place).agent))).model


async def _make(order: Order, place: Workspace, engine: Engine, builder: ModelSpec, person: Person | None) -> MadeAgent:
    from practice.agentsmith import make_agent

    async with AsyncExitStack() as stack:
        ask = await stack.enter_async_context(asking(place, builder))
        # One model is asked through one connection: a local server would else be started twice.
        same = order.model == builder
        own = ask if same else await stack.enter_async_context(asking(place, order.model))
        return await make_agent(order, ask=ask, own=own, workspace=place, engine=engine, person=person, told=note)


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
