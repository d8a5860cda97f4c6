"""``--scores F.csv`` to a table: long rows of scores, or pairwise rows. A bad line is named, never guessed at.

Scores can be millions of rows, so a row costs a few look-ups and no object: what it says becomes codes in flat arrays,
and what can only be seen of all rows together (a cell twice, two truths of one rollout) is checked on those.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from practice.errors import InputError, nearest
from practice.stability.csvfile import CsvFile, Evaluators, Names, no_number, open_csv, refuse_number
from practice.stability.duels import duel_table
from practice.stability.table import AXES, Duel, Floats, ScoreTable

__all__ = ["LONG", "LONG_OPTIONAL", "PAIRWISE", "read_scores"]

LONG = ("group_id", "rollout_id", "score", "evaluator")
"""What a file of scores must have."""
OF_ROLLOUTS = ("truth", "n_words", "rollout_model")
"""One value a rollout, whoever judges it."""
LONG_OPTIONAL = (*AXES, "criterion", *OF_ROLLOUTS)
PAIRWISE = ("group_id", "a", "b", "winner", "order", "evaluator")
"""What a file of pairwise verdicts must have; beside them it may have the axes."""

MOST_CELLS = 120_000_000
"""Of the dense table: about a gigabyte."""

Ints = NDArray[np.int64]


def read_scores(path: Path) -> ScoreTable:
    """The table of a CSV file; its header says whether it holds scores or pairwise verdicts.

    Takes about 3 microseconds and 40 bytes a row.

    Raises:
        InputError: no such file, not UTF-8, not CSV, a column that is missing, twice or unknown, or the first line
            that can't be read; a cell that stands twice; two values where a rollout or an evaluator has one.
    """
    with open_csv(path) as file:
        if not any(file.header):
            raise file.wrong("a first line with the names of the columns", "nothing", line=1)
        if "winner" in file.header or ("score" not in file.header and {"a", "b"} <= set(file.header)):
            file.check(PAIRWISE, AXES, "pairwise verdicts")
            return _pairwise(file)
        file.check(LONG, LONG_OPTIONAL, "scores")
        return _long(file)


# ---------------------------------------------------------------- long rows


@dataclass
class _Flat:
    """All rows of a file of scores, an entry a row: codes, lines, numbers."""

    group: array[int] = field(default_factory=lambda: array("i"))
    evaluator: array[int] = field(default_factory=lambda: array("i"))
    column: array[int] = field(default_factory=lambda: array("i"))
    criterion: array[int] = field(default_factory=lambda: array("i"))
    line: array[int] = field(default_factory=lambda: array("i"))
    score: array[float] = field(default_factory=lambda: array("d"))


@dataclass
class _Read:
    """Names of what the codes of the rows stand for."""

    file: CsvFile
    groups: Names
    evaluators: Evaluators
    criteria: Names
    rollouts: list[Names]
    extras: Mapping[str, _Extra]


def _long(file: CsvFile) -> ScoreTable:
    at = {column: place for place, column in enumerate(file.header)}
    extras = {column: _Extra(column, file) for column in OF_ROLLOUTS if column in at}
    read = _Read(file, Names("group_id", file), Evaluators(file), Names("criterion", file), [], extras)
    flat = _rows(file, at, read)
    if not flat.group:
        raise file.wrong("at least one row", "a header alone", line=1)
    return _table(flat, read)


def _rows(file: CsvFile, at: Mapping[str, int], read: _Read) -> _Flat:
    """Every row's codes and numbers. Long, since a call a cell would double the time of a large file."""
    flat, groups, evaluators, rollouts = _Flat(), read.groups, read.evaluators, read.rollouts
    group_at, rollout_at, score_at, criterion_at = at["group_id"], at["rollout_id"], at["score"], at.get("criterion")
    extra_at = [(at[column], extra.add) for column, extra in read.extras.items()]
    group_codes, evaluator_codes, criterion_codes = groups.codes, evaluators.codes, read.criteria.codes
    for line, row in file.rows():
        cell = row[group_at]
        group = group_codes.get(cell, -1)
        if group < 0:
            group = groups.code(cell)
            if group == len(rollouts):
                rollouts.append(Names("rollout_id", file))
        who = evaluators.cells(row)
        evaluator = evaluator_codes.get(who, -1)
        if evaluator < 0:
            evaluator = evaluators.code(who)
        cell = row[rollout_at]
        column = rollouts[group].codes.get(cell, -1)
        if column < 0:
            column = rollouts[group].code(cell)
        flat.group.append(group)
        flat.evaluator.append(evaluator)
        flat.column.append(column)
        flat.line.append(line)
        flat.score.append(_number(row[score_at], "score", file))
        if criterion_at is not None:
            cell = row[criterion_at]
            code = criterion_codes.get(cell, -1)
            flat.criterion.append(code if code >= 0 else read.criteria.code(cell))
        for place, add in extra_at:
            add(row[place])
    return flat


def _number(cell: str, column: str, file: CsvFile) -> float:
    """A finite number, or NaN where the cell is empty."""
    try:
        value = float(cell)
    except ValueError:
        return no_number(cell, column, file)
    if not -1e300 < value < 1e300:
        refuse_number(cell, column, file)
    return value


class _Extra:
    """A column that says something of a rollout: a number, or a name as its code."""

    def __init__(self, column: str, file: CsvFile) -> None:
        self.column, self.file = column, file
        self.values = array("d")
        self.known: dict[str, float] = {}
        self.names: list[str] = []

    def add(self, cell: str) -> None:
        """The next row's cell."""
        value = self.known.get(cell)
        if value is None:
            value = self.known[cell] = self._read(cell.strip())
        self.values.append(value)

    def _read(self, cell: str) -> float:
        if self.column != "rollout_model":
            return _number(cell, self.column, self.file)
        if cell and cell not in self.names:
            self.names.append(cell)
        return float(self.names.index(cell)) if cell else np.nan

    def spread(self, cells: Ints, lines: Ints, shape: tuple[int, int]) -> Floats:
        """Shape (N, G): each rollout's value. Raises where two rows differ; an empty cell differs from nothing."""
        values = np.asarray(self.values)
        spread = np.full(shape[0] * shape[1], np.nan)
        said = ~np.isnan(values)
        spread[cells[said][::-1]] = values[said][::-1]  # backwards: the first to say something stays
        differs = np.flatnonzero(said & (values != spread[cells]))
        if differs.size:
            row = int(differs[0])
            first = int(lines[np.flatnonzero(said & (cells == cells[row]))[0]])
            expected = f"{self._shown(float(spread[cells[row]]))}, which line {first} says of the same rollout"
            raise self.file.wrong(expected, self._shown(float(values[row])), key=self.column, line=int(lines[row]))
        return spread.reshape(shape)

    def _shown(self, value: float) -> str:
        return repr(self.names[int(value)]) if self.names else f"{value:g}"


def _table(flat: _Flat, read: _Read) -> ScoreTable:
    """The dense table of flat rows."""
    n, e, g = len(read.groups.order), len(read.evaluators.keys), max(len(names.order) for names in read.rollouts)
    k = max(len(read.criteria.order), 1)
    if n * e * g * k > MOST_CELLS:
        expected = f"evaluators that judge the same groups, with at most {MOST_CELLS:,} cells in all"
        found = f"{n:,} groups of up to {g} rollouts x {e:,} evaluators" + (f" x {k} criteria" if k > 1 else "")
        raise InputError(expected, found=found, file=read.file.name)
    group, evaluator = np.asarray(flat.group, dtype=np.int64), np.asarray(flat.evaluator, dtype=np.int64)
    column, lines = np.asarray(flat.column, dtype=np.int64), np.asarray(flat.line, dtype=np.int64)
    cells = (group * e + evaluator) * g + column
    if read.criteria.order:
        cells = cells * k + np.asarray(flat.criterion, dtype=np.int64)
    if np.bincount(cells).max() > 1:
        _refuse_twice(cells, lines, flat, read)
    scores = np.full(n * e * g * k, np.nan)
    scores[cells] = np.asarray(flat.score)
    spread = {name: extra.spread(group * g + column, lines, (n, g)) for name, extra in read.extras.items()}
    models = spread.get("rollout_model")
    return ScoreTable(
        groups=tuple(read.groups.order),
        rollouts=tuple(tuple(names.order) for names in read.rollouts),
        evaluators=tuple(read.evaluators.keys),
        # A mean over criteria is comparable only where none is missing. Rounded, since ties are exact equality.
        scores=scores.reshape(n, e, g, k).mean(axis=3).round(12) if k > 1 else scores.reshape(n, e, g),
        truth=spread.get("truth"),
        n_words=spread.get("n_words"),
        rollout_models=None if models is None else _named(models, read.extras["rollout_model"].names),
    )


def _named(codes: Floats, names: Sequence[str]) -> tuple[tuple[str | None, ...], ...]:
    return tuple(tuple(None if np.isnan(code) else names[int(code)] for code in row) for row in codes)


def _refuse_twice(cells: Ints, lines: Ints, flat: _Flat, read: _Read) -> NoReturn:
    """Raise for the first row that scores again what an earlier one scored."""
    _, first = np.unique(cells, return_index=True)
    again = np.ones(cells.size, dtype=bool)
    again[first] = False
    row = int(np.flatnonzero(again)[0])
    before = int(lines[np.flatnonzero(cells == cells[row])[0]])
    who, where = read.evaluators.keys[flat.evaluator[row]].name, read.groups.order[flat.group[row]]
    what = read.rollouts[flat.group[row]].order[flat.column[row]]
    expected = f"one score of {what!r} in {where!r} by {who!r}, which line {before} gives"
    raise read.file.wrong(expected, "another", key="score", line=int(lines[row]))


# ---------------------------------------------------------------- pairwise rows


def _pairwise(file: CsvFile) -> ScoreTable:
    evaluators = Evaluators(file)
    at = [file.header.index(column) for column in PAIRWISE[:5]]
    duels: list[Duel] = []
    seen: dict[tuple[str, str, str, str], int] = {}
    for line, row in file.rows():
        group, a, b, winner, order = (row[place].strip() for place in at)
        for column, value in (("group_id", group), ("a", a), ("b", b)):
            if not value:
                raise file.wrong(f"a value of {column}", "nothing", key=column)
        if a == b:
            raise file.wrong("two different rollouts", f"{a!r} twice", key="b")
        who = evaluators.cells(row)
        code = evaluators.codes.get(who, -1)
        name = evaluators.keys[code if code >= 0 else evaluators.code(who)].name
        straight = _a_first(a, b, order, file)
        first, second = (a, b) if straight else (b, a)
        before = seen.setdefault((group, name, first, second), line)
        if before != line:
            expected = f"one verdict on {first!r} before {second!r} in {group!r} by {name!r}, which line {before} gives"
            raise file.wrong(expected, "another", key="winner")
        won = _winner(a, b, winner, file)
        if not straight and won in ("a", "b"):
            won = "b" if won == "a" else "a"
        duels.append(Duel(group=group, a=first, b=second, winner=won, evaluator=name))
    if not duels:
        raise file.wrong("at least one row", "a header alone", line=1)
    return duel_table(duels, evaluators.keys)


def _a_first(a: str, b: str, order: str, file: CsvFile) -> bool:
    """Whether the rollout in column ``a`` stood first: ``ab`` or ``ba``, or the id of the one that did."""
    if order in (a, b):
        return order == a
    if order.lower() not in ("ab", "ba", "a", "b"):
        raise file.wrong("ab (a stood first) or ba", repr(order) if order else "nothing", key="order")
    return order.lower() in ("ab", "a")


def _winner(a: str, b: str, winner: str, file: CsvFile) -> str | None:
    """``a``, ``b`` (the columns), ``tie``, or None where there is no verdict. An id goes before a letter."""
    if winner in (a, b):
        return "a" if winner == a else "b"
    if winner and winner.lower() not in ("a", "b", "tie"):
        expected = f"{a!r}, {b!r}, a, b, tie, or nothing where there is no verdict"
        raise file.wrong(expected, repr(winner), key="winner", near=nearest(winner, (a, b, "tie")))
    return winner.lower() or None
