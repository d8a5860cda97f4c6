"""One record of a task file (a JSON object, a row) to a :class:`Task`."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, cast

from pydantic_core import PydanticCustomError

from practice.config import Workspace, check_reward
from practice.errors import nearest
from practice.types import Task

__all__ = ["FIELDS", "BadRecord", "Number", "check_names", "content", "read_record", "task_id"]

#: The fields of a task and the names each goes by; the first is its own.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "input": ("input", "question", "problem", "prompt", "context"),
    "answer": ("answer", "target", "label"),
    "id": ("id",),
    "verifier": ("verifier",),
    "rubric": ("rubric",),
    "tags": ("tags",),
    "minutes": ("minutes",),
    "files": ("files",),
}
_OWNER = {name: field for field, names in FIELDS.items() for name in names}


class Number(str):
    """A number of a JSON file, as it was written: ``2.0`` stays ``2.0``."""

    __slots__ = ()


class BadRecord(Exception):
    """A record that can't be a task: which field, what was expected, what was found, the nearest name."""

    def __init__(self, key: str | None, expected: str, found: str | None = None, nearest: str | None = None) -> None:
        self.key, self.expected, self.found, self.nearest = key, expected, found, nearest
        super().__init__(key, expected)

    def __str__(self) -> str:
        text = f"{self.key}: expected {self.expected}" if self.key else f"expected {self.expected}"
        text += f", found {self.found}" if self.found else ""
        return text + (f" (did you mean {self.nearest!r}?)" if self.nearest else "")


def task_id(
    input: str,
    answer: str | None = None,
    verifier: str | None = None,
    rubric: str | None = None,
    files: Iterable[str] = (),
) -> str:
    """The content hash of a task: 12 hex digits of the sha256 of what is asked and how it is judged.

    Tags and minutes are notes about a task and do not change it.
    """
    return _hash([input, answer, verifier, rubric, list(files)])


def content(task: Task) -> str:
    """The content hash of ``task``, whatever id it was given."""
    return task_id(task.input, task.answer, task.verifier, task.rubric, task.files)


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()[:12]


def check_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names that are no field of a task: columns that a set brings along, which are left aside.

    Raises BadRecord where a name is a field's misspelling, or where nothing is a task's input. A name counts as a
    misspelling where it differs from a field's by case, ``-``, ``_``, or one slip, and the record lacks that field.
    """
    names = list(names)
    present = {_OWNER[name] for name in names if name in _OWNER}
    extra = [name for name in names if name not in _OWNER]
    for name in extra:
        meant = _misspelt(name)
        if meant is not None and _OWNER[meant] not in present:
            raise BadRecord(name, "a field of a task", f"{name!r}", meant)
    if "input" not in present:
        found = ", ".join(repr(name) for name in names[:8]) or "an empty record"
        likely = (nearest(name.lower(), FIELDS["input"]) for name in extra)
        raise BadRecord(
            "input", f"the input, as one of {', '.join(FIELDS['input'])}", found, next(filter(None, likely), None)
        )
    shadowed = [name for name in names if name in _OWNER and _OWNER[name] != name and _OWNER[name] in names]
    return (*extra, *shadowed)


@functools.cache
def _misspelt(name: str) -> str | None:
    """The field's name that ``name`` misses by case, separators, an s or one slip (from 4 letters on)."""
    plain = re.sub(r"[-_ ]", "", name).lower()
    for known in _OWNER:
        long_enough = min(len(plain), len(known)) >= 4
        if known in (plain, f"{plain}s") or (long_enough and _one_slip(plain, known)):
            return known
    return None


def _one_slip(a: str, b: str) -> bool:
    """Whether one letter added, left out, replaced, or two neighbours swapped make ``a`` into ``b``."""
    if a == b or abs(len(a) - len(b)) > 1:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest_a, rest_b = a[start:], b[start:]
    if len(a) == len(b):
        return rest_a[1:] == rest_b[1:] or (rest_a[:2] == rest_b[1::-1] and rest_a[2:] == rest_b[2:])
    return rest_a[1:] == rest_b or rest_a == rest_b[1:]


def read_record(record: Mapping[str, Any], workspace: Workspace) -> Task:
    """``record`` as a Task. Raises BadRecord. A value of None is a field that is not there."""
    used = {field: _name_used(record, field) for field in FIELDS}
    try:
        return _read({field: record.get(name) for field, name in used.items()}, workspace)
    except BadRecord as error:
        error.key = used.get(error.key or "", error.key)
        raise


def _name_used(record: Mapping[str, Any], field: str) -> str:
    """Which of a field's names the record uses; two aliases without its own name leave open which is meant."""
    own, *aliases = FIELDS[field]
    if own in record:
        return own
    given = [name for name in aliases if record.get(name) is not None]
    if len(given) > 1:
        raise BadRecord(field, f"one of {', '.join(aliases)} (or {own} beside them)", f"both {given[0]} and {given[1]}")
    return given[0] if given else next((name for name in aliases if name in record), own)


def _read(value: Mapping[str, Any], workspace: Workspace) -> Task:
    input = _text("input", value["input"])
    if input is None:
        raise BadRecord("input", "the task's text", "nothing")
    answer = _answer(value["answer"])
    verifier = _verifier(_text("verifier", value["verifier"]), workspace)
    rubric = _text("rubric", value["rubric"])
    files = _files(_texts("files", value["files"]), workspace)
    return Task(
        id=_id(value["id"]) or task_id(input, answer, verifier, rubric, files),
        input=input,
        answer=answer,
        verifier=verifier,
        rubric=rubric,
        tags=_texts("tags", value["tags"]),
        minutes=_minutes(value["minutes"]),
        files=files,
    )


def _kind(value: object) -> str:
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Number | int | float):
        return str(value)
    names = {"dict": "an object", "list": "a list", "tuple": "a list", "NoneType": "nothing", "str": "text"}
    return names.get(type(value).__name__, type(value).__name__)


def _text(field: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or isinstance(value, Number):
        raise BadRecord(field, "text", _kind(value))
    if not value.strip():
        raise BadRecord(field, "text that is not empty", repr(value))
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise BadRecord(field, "text", f"half a surrogate pair at character {error.start}") from None
    return value


def _answer(value: object) -> str | None:
    """Numbers and truth values as text, as they were written: 204, 2.0, true."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | Decimal) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    if value is not None and not isinstance(value, str):
        raise BadRecord("answer", "text or a number", _kind(value))
    return _text("answer", value)


def _id(value: object) -> str | None:
    text = str(value) if isinstance(value, Number | int) and not isinstance(value, bool) else _text("id", value)
    if text is not None and not text.isprintable():
        raise BadRecord("id", "printable characters", repr(text))
    return text


def _texts(field: str, value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise BadRecord(field, "a list of texts", _kind(value))
    texts = [_text(field, item) for item in cast("list[object]", items)]
    if None in texts:
        raise BadRecord(field, "a list of texts", "null in it")
    return tuple(text for text in texts if text is not None)


def _minutes(value: object) -> float | None:
    if value is None:
        return None
    try:
        minutes = (
            float(value) if isinstance(value, str | int | float | Decimal) and not isinstance(value, bool) else None
        )
    except ValueError:
        minutes = None
    if minutes is None or not math.isfinite(minutes) or minutes <= 0:
        raise BadRecord(
            "minutes",
            "a number above 0",
            _kind(value) if isinstance(value, Number) or not isinstance(value, str) else repr(value),
        )
    return minutes


def _verifier(name: str | None, workspace: Workspace) -> str | None:
    if name is None:
        return None
    try:
        check_reward(name)
    except PydanticCustomError as error:
        context = error.context or {}
        raise BadRecord("verifier", context["expected"], context["found"], context["nearest"]) from None
    file = name.rpartition(":")[0]
    if file and not workspace.path(file).is_file():
        raise BadRecord("verifier", "a file in the workspace", f"{file!r}, which is not there")
    return name


def _files(names: tuple[str, ...], workspace: Workspace) -> tuple[str, ...]:
    for name in names:
        path = workspace.path(name)
        if not workspace.holds(path):
            raise BadRecord("files", "a file inside the workspace", f"{name!r}, which lies outside")
        if not path.is_file():
            raise BadRecord("files", "a file in the workspace", f"{name!r}, which is not there")
    return names
