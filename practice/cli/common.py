"""What every command shares: the workspace, ``--json``, errors, tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer
from pydantic import BaseModel

from practice.errors import InputError, PracticeError

if TYPE_CHECKING:
    from rich.console import Console

    from practice.config import Workspace
    from practice.records import RunRow
    from practice.store import Store

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, everything else on stderr.")]
WorkspaceDir = Annotated[
    Path | None,
    typer.Option("--workspace", metavar="DIR", help="The workspace; default: this folder or the nearest above it."),
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override one setting, e.g. rollouts.group_size=3. Repeatable."),
]


def workspace(directory: Path | None, config: Path | None = None) -> Workspace:
    """The workspace a command works in: --workspace, else the nearest around the current folder or the config."""
    from practice.config import choose_workspace

    return choose_workspace(directory, config, Path.cwd())


def stderr() -> Console:
    """Where people read progress and notes."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def stdout() -> Console:
    """Where people read results."""
    from rich.console import Console

    return Console(highlight=False)


_documents: TextIO | None = None
"""Where JSON documents go while everything else that is printed goes to stderr."""


@contextmanager
def only_documents() -> Generator[None]:
    """With ``--json``: what a user's tool, check or feature prints goes to stderr, so that stdout is one document."""
    global _documents
    _documents = sys.stdout
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _documents = None


def print_json(value: object) -> None:
    """One JSON document on stdout."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    (_documents or sys.stdout).write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def note(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"{text}\n")


def fail(error: PracticeError, *, as_json: bool) -> int:
    """Say one clear error; returns the exit code."""
    if as_json and isinstance(error, InputError):
        print_json({"error": error.as_dict()})
    elif as_json:
        print_json({"error": {"message": str(error)}})
    sys.stderr.write(f"error: {error}\n")
    return error.exit_code


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """A plain table on stdout."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    drawn = Table(title=title, box=SIMPLE_HEAD, title_justify="left")
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*("" if cell is None else str(cell) for cell in row))
    stdout().print(drawn)


def open_store(place: Workspace, *, must_exist: bool = True) -> Store:
    """The workspace's database; a clear error where nothing was ever run."""
    from practice.store import Store

    if must_exist and not place.db.exists():
        raise InputError("a workspace with at least one run", found=f"no {place.db.name} in {place.memory}", key="run")
    return Store(place.db)


def find_run(store: Store, run: str) -> RunRow:
    """A run by its id, the beginning of its id, or ``last``; an InputError that names the nearest."""
    from practice import records
    from practice.errors import nearest

    row = store.now(lambda db: records.find_run(db, run))
    if row is None:
        ids = [row.id for row in store.now(records.find_runs)]
        raise InputError(
            "the id of a run (see `practice runs list`), a beginning of one, or `last`",
            found=repr(run),
            key="RUN",
            nearest=nearest(run, ids),
        )
    return row
