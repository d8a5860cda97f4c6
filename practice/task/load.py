"""Task files to tasks: JSONL, CSV, Parquet, and the hub's sets. A bad line is named, never guessed at."""

from __future__ import annotations

import csv
import hashlib
import importlib
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

from practice.config import Workspace, neighbour, shown
from practice.errors import InputError, RunError
from practice.task.record import BadRecord, Number, check_names, content, read_record
from practice.types import Task, Value

__all__ = ["BadLine", "TaskSet", "load_tasks"]

_HUB = re.compile(r"hf:(?P<set>[^\s\[\]:]+)(?::(?P<config>[^\s\[\]]+))?(?:\[(?P<split>.+)\])?")


class BadLine(Value):
    """A line that is no task, and why."""

    line: int
    """From 1; for Parquet and the hub's sets the row."""
    reason: str


class TaskSet(Value):
    """The tasks of one file, in its order."""

    path: str
    """The file (or the hub's reference), as messages name it."""
    tasks: tuple[Task, ...]
    lines: tuple[int, ...]
    """The line each task stands in, aligned with ``tasks``."""
    skipped: tuple[BadLine, ...] = ()
    """Bad lines that ``--skip-bad`` left out."""
    repeated: int = 0
    """Lines that say again what an earlier line said; each such task counts once."""
    ignored: tuple[str, ...] = ()
    """Columns that are no field of a task and were left aside."""
    digest: str
    """sha256 of the tasks in their order, wherever the file lies."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should be told once, a sentence each."""
        notes: list[str] = []
        if self.ignored:
            notes.append(f"{self.path}: columns that are no field of a task are ignored: {', '.join(self.ignored)}")
        if self.repeated:
            plural = "s repeat" if self.repeated > 1 else " repeats"
            notes.append(f"{self.path}: {self.repeated} line{plural} an earlier task; each task counts once")
        if self.skipped:
            first = "; ".join(f"line {bad.line}: {bad.reason}" for bad in self.skipped[:3])
            more = "; …" if len(self.skipped) > 3 else ""
            notes.append(f"{self.path}: {len(self.skipped)} bad line(s) skipped ({first}{more})")
        return tuple(notes)


@dataclass
class _Bad:
    """A line that could not be read, with what an InputError wants to know."""

    line: int
    error: BadRecord


#: What a reader yields: the line, and the record or why there is none.
Row = tuple[int, dict[str, Any] | BadRecord]


def load_tasks(ref: str, workspace: Workspace, *, skip_bad: bool = False) -> TaskSet:
    """The tasks of ``ref``: a path (``.jsonl``, ``.csv``, ``.parquet``) or ``hf:owner/set[split]``.

    Raises InputError where the file is missing, empty, or has bad lines: it names the first and lists up to ten.
    With ``skip_bad`` bad lines are left out and counted in ``skipped``. The same content twice is one task; one
    id with two contents is an error.
    """
    name, rows = _open(ref, workspace)
    tasks: dict[str, tuple[Task, int, str]] = {}
    contents: set[str] = set()
    bad: list[_Bad] = []
    ignored: dict[str, None] = {}
    repeated = 0
    for line, record in rows:
        try:
            if isinstance(record, BadRecord):
                raise record
            ignored.update(dict.fromkeys(check_names(record)))
            task = read_record(record, workspace)
            same = content(task)
            if task.id in tasks and tasks[task.id][2] != same:
                raise BadRecord("id", "ids that differ", f"{task.id!r} with another task in line {tasks[task.id][1]}")
        except BadRecord as error:
            bad.append(_Bad(line, error))
            continue
        if same in contents:
            repeated += 1
            continue
        contents.add(same)
        tasks[task.id] = (task, line, same)
    if bad and not skip_bad:
        _refuse(name, bad)
    if not tasks:
        raise InputError("at least one task", found=f"{len(bad)} bad lines" if bad else "an empty file", file=name)
    kept = tuple(task for task, _, _ in tasks.values())
    return TaskSet(
        path=name,
        tasks=kept,
        lines=tuple(line for _, line, _ in tasks.values()),
        skipped=tuple(BadLine(line=item.line, reason=str(item.error)) for item in bad),
        repeated=repeated,
        ignored=tuple(ignored),
        digest=hashlib.sha256("\n".join(task.model_dump_json() for task in kept).encode()).hexdigest(),
    )


def _refuse(name: str, bad: list[_Bad]) -> NoReturn:
    """Raise the first bad line, with the next nine beside it; those that say the same share a mention."""
    first = bad[0].error
    found = first.found
    if len(bad) > 1:
        others: dict[str, list[str]] = {}
        for item in bad[1:10]:
            others.setdefault(str(item.error), []).append(str(item.line))
        listed = [
            f"line {', '.join(lines)}: {'the same' if text == str(first) else text}" for text, lines in others.items()
        ]
        more = [f"{len(bad) - 10} more"] if len(bad) > 10 else []
        found = f"{found or 'something else'} ({len(bad)} bad lines; {'; '.join([*listed, *more])})"
    raise InputError(first.expected, found=found, file=name, key=first.key, line=bad[0].line, nearest=first.nearest)


# ---------------------------------------------------------------- readers


def _open(ref: str, workspace: Workspace) -> tuple[str, Iterable[Row]]:
    """How messages name ``ref``, and its rows."""
    if ref.startswith("hf:"):
        return ref, _hub_rows(ref)
    path = workspace.path(ref)
    name = shown(path)
    readers: dict[str, Callable[[Path, str], Iterable[Row]]] = {
        ".jsonl": _jsonl_rows,
        ".ndjson": _jsonl_rows,
        ".csv": _csv_rows,
        ".parquet": _parquet_rows,
    }
    if path.is_dir():
        raise InputError("a task file", found="a folder", file=name)
    if not path.exists():
        raise InputError("a task file", found="none there", file=name, nearest=neighbour(path))
    reader = readers.get(path.suffix.lower())
    if reader is None:
        expected = "a task file: .jsonl, .csv, .parquet or hf:owner/set[split]"
        raise InputError(expected, found=repr(path.suffix or path.name), file=name)
    try:
        return name, reader(path, name)
    except PermissionError:
        raise InputError("a file that may be read", found="no permission", file=name) from None


def _jsonl_rows(path: Path, _name: str) -> Iterator[Row]:
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        yield 1, BadRecord(None, "UTF-8 text", "UTF-16")
        return
    # Split at newlines alone: U+2028 and its like may stand inside a text.
    for number, raw in enumerate(data.split(b"\n"), 1):
        if raw.strip():
            yield number, _json_record(raw)


def _json_record(raw: bytes) -> dict[str, Any] | BadRecord:
    try:
        value: object = json.loads(
            raw.decode(),
            parse_int=Number,
            parse_float=Number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_refuse_twins,
        )
    except UnicodeDecodeError as error:
        return BadRecord(None, "UTF-8 text", f"byte {raw[error.start]:#04x} at {error.start}")
    except json.JSONDecodeError as error:
        return BadRecord(None, "one JSON object", f"{error.msg[:1].lower()}{error.msg[1:]} (column {error.colno})")
    except BadRecord as error:
        return error
    except RecursionError:
        return BadRecord(None, "one JSON object", "one nested too deep")
    if not isinstance(value, dict):
        kind = "a list" if isinstance(value, list) else "a text" if type(value) is str else f"{value}"
        return BadRecord(None, "one JSON object", kind)
    return cast("dict[str, Any]", value)


def _refuse_constant(name: str) -> NoReturn:
    raise BadRecord(None, "JSON, which has no NaN and no Infinity", name)


def _refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        names = [name for name, _ in pairs]
        twin = next(name for name in names if names.count(name) > 1)
        raise BadRecord(twin, "each key once", "it twice")
    return data


def _csv_rows(path: Path, name: str) -> Iterator[Row]:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError("UTF-8 text", found=f"byte {data[error.start]:#04x}", file=name, line=line) from None
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # the default, 128 KiB, is less than a long input
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    header: list[str] | None = None
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise InputError("CSV as RFC 4180 has it", found=str(error), file=name, line=start) from None
        if cells is None:
            return
        line, start = start, reader.line_num + 1
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = [cell.strip() for cell in cells]
            _check_header(header, name)
        elif len(cells) != len(header):
            yield line, BadRecord(None, f"{len(header)} cells, as in the first line", str(len(cells)))
        else:
            yield line, _csv_record(dict(zip(header, cells, strict=True)))


def _csv_record(row: dict[str, str]) -> dict[str, Any]:
    """A row as a record: an empty cell is no value; tags and files are split at ``;`` and ``,``."""
    record: dict[str, Any] = {key: cell if cell.strip() else None for key, cell in row.items()}
    for field in ("tags", "files"):
        if record.get(field):
            record[field] = [part.strip() for part in re.split(r"[;,]", row[field]) if part.strip()]
    return record


def _check_header(header: list[str], name: str) -> None:
    """Raise InputError where the columns can't be a task's: once, not for every row."""
    twin = next((column for column in header if header.count(column) > 1), None)
    if twin is not None:
        raise InputError("each column once", found=f"{twin!r} twice", file=name, line=1, key=twin)
    try:
        check_names(header)
    except BadRecord as error:
        raise InputError(
            error.expected, found=error.found, file=name, key=error.key, line=1, nearest=error.nearest
        ) from None


def _parquet_rows(path: Path, name: str) -> Iterator[Row]:
    try:
        parquet = cast("Any", importlib.import_module("pyarrow.parquet"))
    except ImportError:
        _refuse_missing("pyarrow", "parquet", name)
    try:
        table: Any = parquet.read_table(path)
    except Exception as error:
        raise InputError("a Parquet file", found=f"{type(error).__name__}: {error}", file=name) from None
    return _table_rows([str(column) for column in table.column_names], table.to_pylist(), name)


def _hub_rows(ref: str) -> Iterator[Row]:
    match = _HUB.fullmatch(ref)
    if match is None or "/" not in match["set"]:
        raise InputError("hf:owner/set[split] or hf:owner/set:config[split]", found=repr(ref), file=ref)
    try:
        datasets = cast("Any", importlib.import_module("datasets"))
    except ImportError:
        _refuse_missing("datasets", "hf", ref)
    try:
        rows: Any = datasets.load_dataset(match["set"], match["config"], split=match["split"] or "train")
    except (FileNotFoundError, ValueError) as error:  # an unknown set, config or split
        raise InputError("a set that the hub has", found=f"{error}".split("\n")[0], file=ref) from None
    except Exception as error:
        raise RunError(f"{ref}: could not be had from the hub: {type(error).__name__}: {error}") from error
    return _table_rows([str(column) for column in rows.column_names], rows, ref)


def _table_rows(columns: list[str], rows: Iterable[dict[str, Any]], name: str) -> Iterator[Row]:
    _check_header(columns, name)
    return ((number, dict(row)) for number, row in enumerate(rows, 1))


def _refuse_missing(package: str, extra: str, name: str) -> NoReturn:
    expected = f"the package {package} (pip install 'agent-practice[{extra}]')"
    raise InputError(expected, found="it is not installed", file=name) from None
