"""``practice runs``: what was run in this workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

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


@app.command("export")
def export(
    run: Run,
    output: Annotated[
        Path,
        typer.Option("-o", metavar="PATH", help="A folder; or FILE.json, for the last evaluation alone."),
    ] = Path("logs"),
    form: Annotated[Literal["inspect"], typer.Option("--format", help="The format of the files.")] = "inspect",
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Write a run's evaluations as logs of Inspect: practice, validation by bank, the holdout before and after."""
    from practice import inspectlog, report

    del form  # there is one
    place = workspace(directory)
    with open_store(place) as store:
        row = find_run(store, run)
        logs = [inspectlog.build(row, one) for one in store.now(lambda db: inspectlog.evaluations(db, row))]
    if not logs:
        found = f"none in {row.id}, which is {row.status}"
        raise InputError("a run with attempts (a holdout is sealed until its run is done)", found=found, key="RUN")
    one = output.suffix == ".json"
    files = {output: logs[-1]} if one else {output / inspectlog.name(log): log for log in logs}
    for path, log in files.items():
        report.write(path, inspectlog.text(log))
    if as_json:
        print_json({"run_id": row.id, "files": [str(path) for path in files]})
    else:
        for path in files:
            typer.echo(str(path))


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
