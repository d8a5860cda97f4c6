"""``practice agent check``: a table of what was tried, exit code 5 where something failed."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from practice.cli.common import AsJson, WorkspaceDir, print_json, table, workspace


def check(
    name: Annotated[str, typer.Argument(help="An agent's name or file.")],
    smoke: Annotated[
        str | None,
        typer.Option("--smoke", metavar="TEXT", help="What to ask it; default: the first task of tasks/NAME.jsonl."),
    ] = None,
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Does an agent load, do its tools run, does its model answer, does a smoke task pass? Exit code 5: not all."""
    from practice.agentsmith import check_agent
    from practice.cli.agent import agent_path

    place = workspace(directory)
    checked = asyncio.run(check_agent(agent_path(place, name), place, smoke=smoke))
    if as_json:
        print_json({"passed": checked.passed, **checked.model_dump(mode="json")})
    else:
        words = {True: "ok", False: "FAILED", None: "not tried"}
        rows = [(check.what, words[check.ok], f"{check.seconds:.1f} s", check.detail) for check in checked.checks]
        table(["what", "result", "took", "detail"], rows, title=checked.agent)
    raise typer.Exit(0 if checked.passed else 5)
