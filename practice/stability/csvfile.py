"""CSV files row by row, with a line in every error; names and evaluators as codes."""

from __future__ import annotations

import csv
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import NoReturn, TextIO

from practice.config import neighbour, shown
from practice.errors import InputError, nearest
from practice.stability.table import AXES, EvaluatorKey

__all__ = ["CsvFile", "Evaluators", "Names", "no_number", "open_csv", "refuse_number"]


class CsvFile:
    """An open CSV file: its columns and its rows."""

    def __init__(self, file: TextIO, name: str) -> None:
        self.name = name
        self._reader = csv.reader(file, strict=True)
        first: list[str] = next(self._reader, list[str]())
        self.header = [cell.strip() for cell in first]

    @property
    def line(self) -> int:
        """The line that was read last, from 1."""
        return self._reader.line_num

    def check(self, needed: Sequence[str], optional: Sequence[str], kind: str) -> None:
        """Raise InputError unless each column is known and stands once, and none of ``needed`` is missing."""
        known = (*needed, *optional)
        for column in self.header:
            if self.header.count(column) > 1:
                raise self.wrong("each column once", f"{column!r} twice", key=column, line=1)
            if column not in known:
                expected = f"one of the columns {', '.join(known)}"
                near = nearest(column, known)
                raise self.wrong(expected, repr(column), key=column, line=1, near=near)
        for column in needed:
            if column not in self.header:
                raise self.wrong(f"the columns of {kind}: {', '.join(needed)}", f"no {column!r}", key=column, line=1)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """(line, cells) of every row that is not blank."""
        width, reader = len(self.header), self._reader
        for row in reader:
            if len(row) == width:
                yield reader.line_num, row
            elif any(cell.strip() for cell in row):
                raise self.wrong(f"{width} cells, as in the first line", str(len(row)))

    def wrong(
        self, expected: str, found: str, *, key: str | None = None, line: int | None = None, near: str | None = None
    ) -> InputError:
        """An error at ``line``, by default the one that was read last."""
        line = self.line if line is None else line
        return InputError(expected, found=found, file=self.name, key=key, line=line, nearest=near)


@contextmanager
def open_csv(path: Path) -> Generator[CsvFile]:
    """The file at ``path``; what opening, decoding and splitting raise becomes an InputError with the line."""
    name, file = shown(path), None
    if path.is_dir():
        raise InputError("a CSV file of scores", found="a folder", file=name, key="--scores")
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            file = CsvFile(text, name)
            yield file
    except FileNotFoundError:
        near = neighbour(path)
        raise InputError("a CSV file of scores", found="none there", file=name, key="--scores", nearest=near) from None
    except PermissionError:
        raise InputError("a file that may be read", found="no permission", file=name, key="--scores") from None
    except csv.Error as error:
        line = file.line if file else 1
        raise InputError("CSV as RFC 4180 has it", found=str(error), file=name, line=line) from None
    except UnicodeDecodeError as error:
        found = f"byte {error.object[error.start]:#04x}"
        raise InputError("UTF-8 text", found=found, file=name, line=_undecoded(path)) from None


def _undecoded(path: Path) -> int:
    """The first line that is not UTF-8: the decoder reads ahead in blocks and does not know it."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 1


def no_number(cell: str, column: str, file: CsvFile) -> float:
    """NaN for an empty cell; raises for any other."""
    if cell.strip():
        refuse_number(cell, column, file)
    return float("nan")


def refuse_number(cell: str, column: str, file: CsvFile) -> NoReturn:
    """Raise for a cell that is no number, or none that can be reckoned with."""
    raise file.wrong("a number, or nothing where it is missing", repr(cell.strip()), key=column)


@dataclass
class Names:
    """Names to codes 0, 1, 2 … in order of appearance; spaces around a name are none of it."""

    column: str
    file: CsvFile
    codes: dict[str, int] = field(default_factory=dict[str, int])
    """By every spelling that was met."""
    order: list[str] = field(default_factory=list[str])

    def code(self, cell: str) -> int:
        """The code of a cell that was not met in just this spelling before."""
        name = cell.strip()
        if not name:
            raise self.file.wrong(f"a value of {self.column}", "nothing", key=self.column)
        known = self.codes.get(name)
        if known is None:
            known = self.codes[name] = len(self.order)
            self.order.append(name)
        self.codes[cell] = known
        return known


class Evaluators:
    """Evaluators by their cells: the name, and whatever axes the file has."""

    def __init__(self, file: CsvFile) -> None:
        self.file = file
        self.axes = [axis for axis in AXES if axis in file.header]
        self.keys: list[EvaluatorKey] = []
        self.codes: dict[tuple[str, ...], int] = {}
        self._by_name: dict[str, tuple[int, int]] = {}
        columns = [file.header.index(column) for column in ("evaluator", *self.axes)]
        self.cells: Callable[[list[str]], tuple[str, ...]] = (
            itemgetter(*columns) if len(columns) > 1 else lambda row: (row[columns[0]],)
        )
        """The cells of a row that say who judged."""

    def code(self, cells: tuple[str, ...]) -> int:
        """The code of cells that were not met in just this spelling before."""
        name, *values = (cell.strip() for cell in cells)
        if not name:
            raise self.file.wrong("a value of evaluator", "nothing", key="evaluator")
        given = {axis: value or None for axis, value in zip(self.axes, values, strict=True)}
        code, line = self._by_name.setdefault(name, (len(self.keys), self.file.line))
        if code == len(self.keys):
            self.keys.append(EvaluatorKey.model_validate({"name": name, **given}))
        for axis, value in given.items():
            if (before := self.keys[code].axis(axis)) != value:
                expected = (
                    f"{before or ''!r} as in line {line} (an evaluator judges in one way; two ways have two names)"
                )
                raise self.file.wrong(expected, repr(value or ""), key=axis)
        self.codes[cells] = code
        return code
