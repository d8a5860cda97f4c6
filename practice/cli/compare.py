"""``practice compare``: two runs on the same holdout, paired by task."""

from __future__ import annotations

from typing import Annotated

import typer

from practice.cli.common import AsJson, WorkspaceDir, find_run, open_store, print_json, table, workspace


def compare(
    a: Annotated[str, typer.Argument(metavar="RUN_A", help="A run's id, the beginning of one, or `last`.")],
    b: Annotated[str, typer.Argument(metavar="RUN_B", help="The run that is compared with it.")],
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """B minus A on the tasks that both were measured on, with interval and p."""
    from practice import comparison

    place = workspace(directory)
    with open_store(place) as store:
        one, two = find_run(store, a), find_run(store, b)
        found = store.now(lambda db: comparison.compare(db, one, two))
    if as_json:
        print_json(found)
        return
    low, high = found.delta.ci
    typer.echo(f"{found.b} against {found.a}, {found.metric} on {found.n} tasks that both have:")
    typer.echo(
        f"{100 * found.delta.mean:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}],"
        f" p = {found.delta.p:.2g} ({found.delta.test})"
    )
    changed = [row for row in found.per_task if row.a != row.b]
    table(
        ["task", "A", "B"],
        [(row.task, _score(row.a), _score(row.b)) for row in changed],
        title=f"{len(changed)} task(s) differ",
    )


def _score(value: float | None) -> str:
    return "unscored" if value is None else f"{value:.2f}"
