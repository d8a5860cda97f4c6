"""``practice runs``: what was run in this workspace."""

from __future__ import annotations

from typing import Annotated

import typer

from practice.cli.common import AsJson, WorkspaceDir, find_run, open_store, print_json, table, workspace
from practice.errors import InputError

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
Run = Annotated[str, typer.Argument(help="A run's id, the beginning of one, or `last`.")]


@app.command("list")
def list_runs(directory: WorkspaceDir = None, as_json: AsJson = False) -> None:
    """All runs, newest first."""
    from practice import records

    place = workspace(directory)
    rows: list[records.RunRow] = []
    if place.db.exists():
        with open_store(place) as store:
            rows = store.now(records.find_runs)
    if as_json:
        print_json(
            [row.model_dump(mode="json", include={"id", "name", "status", "created", "seconds"}) for row in rows]
        )
        return
    table(
        ["run", "name", "status", "begun", "minutes"],
        [(row.id, row.name, row.status, row.created, f"{row.seconds / 60:.1f}") for row in rows],
    )


@app.command("show")
def show(run: Run, directory: WorkspaceDir = None, as_json: AsJson = False) -> None:
    """One run as its own command shows it at its end, or that command's document."""
    from practice.cli.shown import show_run

    place = workspace(directory)
    with open_store(place) as store:
        row = find_run(store, run)
        if row.document is None:
            raise InputError("a run that has come to an end", found=f"{row.id} is {row.status}", key="RUN")
        show_run(store, row, place, as_json=as_json)


@app.command("remove")
def remove(
    run: Run,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Forget a run: its calls, rollouts and decisions. The bank and its history stay."""
    from practice import records

    place = workspace(directory)
    with open_store(place) as store:
        row = find_run(store, run)
        if not yes and not typer.confirm(f"Remove run {row.id} ({row.status}) for good?", err=True):
            raise typer.Exit(4)
        store.now(lambda db: records.remove_run(db, row.id))
    page = place.reports / f"{row.id}.html"
    page.unlink(missing_ok=True)
    if as_json:
        print_json({"removed": row.id})
    else:
        typer.echo(f"removed {row.id}")
