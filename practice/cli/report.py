"""``practice report``: the HTML page of a run, made anew."""

from __future__ import annotations

from typing import Annotated

import typer

from practice.cli.common import AsJson, WorkspaceDir, find_run, open_store, print_json, workspace


def report(
    run: Annotated[str, typer.Argument(help="A run's id, the beginning of one, or `last`.")] = "last",
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Write the report of a run as one self-contained HTML file."""
    from practice import report as room

    place = workspace(directory)
    with open_store(place) as store:
        row = find_run(store, run)
        page = store.now(lambda db: room.render(db, row.id))
    path = place.reports / f"{row.id}.html"
    room.write(path, page)
    if as_json:
        print_json({"run_id": row.id, "report": place.relative(path)})
    else:
        typer.echo(str(path))
    if show:
        typer.launch(path.as_uri())
