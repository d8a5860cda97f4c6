"""``practice judge label``: ask a person about the attempts whose labels are worth most."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from practice.cli.common import AsJson, WorkspaceDir, find_run, open_store, print_json, stderr, stdout, workspace
from practice.errors import InputError, nearest

if TYPE_CHECKING:
    from practice.calibration import Calibration
    from practice.labels import Item, Label, Word
    from practice.records import RunRow
    from practice.store import Store

KEYS: dict[str, Word] = {"r": "right", "w": "wrong", "s": "skip"}


def label(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, the beginning of one, or `last`.")],
    limit: Annotated[int, typer.Option(min=1, help="Ask about at most so many attempts.")] = 40,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page to label on instead of asking here.")
    ] = None,
    answers: Annotated[
        Path | None, typer.Option("--import", metavar="FILE", help="Take the answers that such a page has saved.")
    ] = None,
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Say of a few attempts whether they are right, and see what that makes of the judges' figures."""
    from practice import labels
    from practice.calibration import calibrate

    if html is not None and answers is not None:
        raise InputError("either --html or --import", found="both", key="--import")
    place = workspace(directory)
    with open_store(place) as store:
        row = find_run(store, run)
        items = store.now(lambda db: labels.items_of(db, row))
        open_ = _open(store, row, items)[:limit]
        if answers is not None:
            _import(store, row, items, answers)
        elif html is not None:
            _page(row, open_, labels.why(items, len(open_)), html)
        else:
            _ask(store, row, items, open_, quiet=as_json)
        said = store.now(lambda db: labels.labels_of(db, row.id))
        found = calibrate(items, said, labels.seed_of(row))
    if as_json:
        path = None if html is None else str(html)
        print_json({"run": row.id, "attempts": len(items), "page": path, **found.model_dump(mode="json")})
    else:
        _show(found, said, row.id, html)


def _open(store: Store, row: RunRow, items: Sequence[Item]) -> list[Item]:
    """What has not been asked about, in the order of the questions."""
    from practice import labels

    said = store.now(lambda db: labels.labels_of(db, row.id))
    return [item for item, _ in labels.queue(items, labels.seed_of(row)) if item.rollout not in said]


# ---------------------------------------------------------------- in the terminal


def _ask(store: Store, row: RunRow, items: Sequence[Item], open_: Sequence[Item], *, quiet: bool) -> None:
    """One attempt after the other, one key each; what was answered is kept at once."""
    from practice import labels

    console = stderr() if quiet else stdout()
    if not open_:
        console.print("Every judged attempt of this run has an answer.")
        return
    console.print(f"{labels.why(items, len(open_))}.", markup=False)
    for number, item in enumerate(open_, 1):
        console.rule(f"{number} of {len(open_)}")
        for title, text in _shown(item):
            console.print(f"[bold]{title}[/bold]")
            console.print(text, markup=False)
            console.print()
        console.print("right? [bold]r[/bold]ight  [bold]w[/bold]rong  [bold]s[/bold]kip  [bold]q[/bold]uit")
        began = time.monotonic()
        word = _answer()
        if word is None:
            return
        seconds = round(time.monotonic() - began, 1)
        console.print(f"-> {word}")
        store.now(
            lambda db, item=item, word=word, seconds=seconds: labels.save_label(
                db, row, items, item, word, seconds=seconds, source="terminal"
            )
        )


def _shown(item: Item) -> list[tuple[str, str]]:
    task = item.task
    parts = [("Task", task.input), ("What counts", task.rubric), ("Right answer", task.answer), ("Attempt", item.text)]
    return [(title, text) for title, text in parts if text]


def _answer() -> Word | None:
    """The next key that is an answer; None to quit, also where nothing more is typed."""
    while True:
        key = _key().lower()
        if key in KEYS:
            return KEYS[key]
        if key in ("q", "", "\x03", "\x04"):
            return None


def _key() -> str:
    """One key without Enter from a terminal, else one character; empty at the end of the input."""
    if not sys.stdin.isatty():
        return sys.stdin.read(1)
    try:
        import termios
        import tty
    except ImportError:  # no such terminal here: a line's first letter
        return (sys.stdin.readline() or " ")[0]
    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    try:
        tty.setcbreak(handle)
        return sys.stdin.read(1)
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)


# ---------------------------------------------------------------- on a page


def _page(row: RunRow, open_: Sequence[Item], why: str, path: Path) -> None:
    from practice.report import write
    from practice.report.labelpage import label_page

    if path.is_dir():
        raise InputError("a file's name", found="a folder", file=str(path), key="--html")
    write(path.resolve(), label_page(row.id, open_, why))


def _import(store: Store, row: RunRow, items: Sequence[Item], path: Path) -> None:
    """All answers of a file, or none where one can't be used."""
    from practice import labels

    by_token = {item.token: item for item in items}
    found = _read(path, row.id, list(by_token))

    def keep(db: Any) -> None:
        for token, word, seconds in found:
            labels.save_label(db, row, items, by_token[token], word, seconds=seconds, source="page")

    store.now(keep)


def _read(path: Path, run: str, tokens: Sequence[str]) -> list[tuple[str, Word, float | None]]:
    def wrong(expected: str, found: object, key: str | None = None, near: str | None = None) -> InputError:
        return InputError(expected, found=str(found), file=str(path), key=key, nearest=near)

    if not path.is_file():
        raise wrong("a file of answers that a page of `practice judge label RUN --html FILE` has saved", "none there")
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise wrong("JSON", error) from None
    whole = cast("dict[str, Any]", data)
    if not isinstance(data, dict) or not isinstance(whole.get("labels"), list):
        raise wrong("an object with run and labels", type(cast("object", data)).__name__)
    if whole.get("run") != run:
        raise wrong(f"answers for the run {run}", f"answers for {whole.get('run')}", "run")
    read: list[tuple[str, Word, float | None]] = []
    for number, one in enumerate(cast("list[Any]", whole["labels"])):
        entry: dict[str, Any] = cast("dict[str, Any]", one) if isinstance(one, dict) else {}
        token, word, seconds = entry.get("attempt"), entry.get("label"), entry.get("seconds")
        if token not in tokens:
            raise wrong("an attempt of this run", repr(token), f"labels.{number}.attempt", nearest(str(token), tokens))
        if word not in KEYS.values():
            near = nearest(str(word), list(KEYS.values()))
            raise wrong("right, wrong or skip", repr(word), f"labels.{number}.label", near)
        timed = isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds >= 0
        read.append((str(token), cast("Word", word), float(cast("float", seconds)) if timed else None))
    return read


# ---------------------------------------------------------------- what came of it


def _show(found: Calibration, said: dict[str, Label], run: str, html: Path | None) -> None:
    if html is not None:
        typer.echo(f"{html}: open it in a browser, then: practice judge label {run} --import <the file that it saves>")
    words = [item.word for item in said.values()]
    typer.echo(f"labels: {words.count('right')} right, {words.count('wrong')} wrong, {words.count('skip')} skipped")
    if not found.labels:
        return
    for sentence in found.says:
        typer.echo(sentence)
    if found.waiting:
        typer.echo(f"{found.waiting} label(s) wait for the questions before them: go on labelling to have them count")
    if found.rates:
        typer.echo(found.rates)
