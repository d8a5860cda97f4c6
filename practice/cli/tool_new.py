"""``practice tool new``: a tool from a description."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from practice.cli.common import AsJson, WorkspaceDir, note, print_json, workspace
from practice.cli.making import ModelName, Unsafe, asking, model_of, sandbox_for
from practice.cli.tool import Hosts, Reads, trust_tested

if TYPE_CHECKING:
    from practice.config import ModelSpec, Workspace
    from practice.sandbox import Engine
    from practice.toolsmith import Made, Unmade, Wish


def new(
    what: Annotated[str, typer.Argument(help="What the tool does, in words; examples help.")],
    name: Annotated[str | None, typer.Option(help="Its name; default: the model's choice.")] = None,
    host: Hosts = None,
    read: Reads = None,
    approve_tested: Annotated[
        bool, typer.Option("--approve-tested", help="Approve it unread, as its tests pass, with --host and --read.")
    ] = False,
    model: ModelName = None,
    seed: Annotated[int, typer.Option(help="The seed of every call.")] = 0,
    unsafe: Unsafe = False,
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a tool with its tests, or find the one that there is; exits 1 where no tool came of it."""
    from practice.toolsmith import Made, Wish

    place = workspace(directory)
    wish = Wish(what=what, name=name, hosts=tuple(host or ()), read=tuple(read or ()))
    engine = sandbox_for(unsafe)  # before a model is asked for anything
    made = asyncio.run(_make(wish, place, model_of(place, model), engine, seed))
    if not isinstance(made, Made):
        _told_unmade(made, as_json=as_json)
        raise typer.Exit(1)
    status = "own" if made.existing and not made.folder else _status(place, made.ref)
    if approve_tested and status == "quarantined":
        trust_tested(place, made.ref, by="--approve-tested", hosts=wish.hosts, read=wish.read, unsafe=unsafe)
        status = "approved"
    if as_json:
        print_json({"made": True, "status": status, **made.model_dump(mode="json")})
        return
    _told_made(made, status)


async def _make(wish: Wish, place: Workspace, spec: ModelSpec, engine: Engine, seed: int) -> Made | Unmade:
    from practice.toolsmith import make

    async with asking(place, spec, seed) as ask:
        return await make(wish, ask=ask, workspace=place, engine=engine, seed=seed, told=note)


def _status(place: Workspace, name: str) -> str:
    from practice.tool.trust import state

    return state(place, name)


def _told_made(made: Made, status: str) -> None:
    if made.existing:
        typer.echo(f"there is one: {made.ref} ({status}): {made.why.splitlines()[0] if made.why else ''}")
    elif made.card is not None:
        tests = made.card.tests
        noticed = tests.mutants - len(tests.survived)
        typer.echo(f"{made.ref}: {made.card.what}")
        typer.echo(f"{made.folder}: {tests.cases} tests pass, they notice {noticed} of {tests.mutants} broken versions")
        typer.echo(_cost(made.usage.model_dump()))
    if status == "quarantined":
        typer.echo(f"in quarantine; next: practice tool show {made.ref}, then practice tool approve {made.ref}")


def _told_unmade(unmade: Unmade, *, as_json: bool) -> None:
    if as_json:
        print_json({"made": False, **unmade.model_dump(mode="json")})
        return
    typer.echo(f"no tool: {unmade.reason} (stage {unmade.stage}); nothing was written")
    if unmade.code:
        typer.echo(f"\nthe last version of the code:\n\n{unmade.code.rstrip()}")
    typer.echo(_cost(unmade.usage.model_dump()))


def _cost(usage: dict[str, Any]) -> str:
    usd = "" if usage["usd"] in (None, 0.0) else f", {usage['usd']:.4f} usd"
    tokens = f"{usage['input_tokens']:,} + {usage['output_tokens']:,} tokens"
    return f"{usage['calls']} calls, {tokens}, {usage['seconds']:.0f} s{usd}"
