"""Cases: calls of the planned function with what each has to come to, and the file of tests that they become.

A model gives calls and results under a JSON schema made from the signature; the tests are written by the program,
so that they parse, are told apart from the code, and compare numbers as numbers.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from practice.toolsmith.plan import SCHEMAS, Plan
from practice.toolsmith.world import ADDRESS, HELPERS, IMPORTS, World
from practice.types import Value

__all__ = [
    "Case",
    "CasesReply",
    "Kind",
    "Origin",
    "Outcome",
    "as_called",
    "cases_shape",
    "fits",
    "given",
    "render",
    "same",
    "same_outcome",
    "unique",
]

Kind = Literal["usual", "edge", "error", "more"]
Origin = Literal["said", "agreed", "judged", "observed"]
"""How the expected outcome is known; see :class:`~practice.tool.card.CardTests`."""


class Outcome(Value):
    """What a call came to: a ``value``; an ``error``: the function refused, it raised ValueError, or OSError for a file
    or page that is not there; or ``broken``: all else.
    """

    kind: Literal["value", "error", "broken"]
    value: Any = None
    said: str = ""
    """The error's words, or what broke."""

    def words(self) -> str:
        """For a prompt: ``the result 3``, ``a ValueError (…)``."""
        if self.kind == "value":
            return f"the result {_short(self.value)}"
        return (
            f"a ValueError{f' ({self.said[:120]})' if self.said else ''}" if self.kind == "error" else self.said[:300]
        )


class Case(Value):
    """One call and what it has to come to."""

    kind: Kind
    why: str
    arguments: dict[str, Any]
    files: dict[str, str] = Field(default={})
    """Files that the call finds in its folder."""
    expected: Outcome
    origin: Origin = "said"
    fixed: bool = False
    """The wish itself holds this example: the code is wrong where it gives something else."""

    @property
    def served(self) -> bool:
        """Whether its files are pages that it fetches."""
        return any(isinstance(value, str) and ADDRESS in value for value in self.arguments.values())

    @property
    def identity(self) -> str:
        """The call as text: what makes two cases the same."""
        return json.dumps([self.arguments, self.files], sort_keys=True)


class FileReply(BaseModel):
    """A file that a call reads."""

    name: str
    content: str


class CaseReply(BaseModel):
    """A case as a model writes it."""

    model_config = ConfigDict(extra="ignore")

    why: str = ""
    files: list[FileReply] = []
    arguments: dict[str, Any]
    result: Any = None


class CasesReply(BaseModel):
    """Cases as a model writes them."""

    cases: list[CaseReply]


def cases_shape(plan: Plan, count: int, *, results: bool, world: World) -> dict[str, Any]:
    """The JSON schema of ``count`` cases of ``plan``: its arguments by name and type, and its result's type."""
    arguments: dict[str, Any] = {
        "type": "object",
        "properties": {argument.name: SCHEMAS[argument.type] for argument in plan.arguments},
        "required": list(plan.names),
        "additionalProperties": False,
    }
    text = {"type": "string"}
    properties: dict[str, Any] = {"why": text}
    if world != "none":
        file = {"type": "object", "properties": {"name": text, "content": text}, "required": ["name", "content"]}
        properties["files"] = {"type": "array", "items": {**file, "additionalProperties": False}, "maxItems": 3}
    properties["arguments"] = arguments
    if results:
        properties["result"] = SCHEMAS[plan.returns]
    case: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    cases: dict[str, Any] = {"type": "array", "items": case, "minItems": count, "maxItems": count}
    return {"type": "object", "properties": {"cases": cases}, "required": ["cases"], "additionalProperties": False}


def fits(value: Any, kind: str) -> bool:
    """Whether a JSON value is of a planned type; a whole number is a float too."""
    name, _, inner = kind.partition("[")
    inner = inner.removesuffix("]")
    if isinstance(value, bool) or name == "bool":
        return isinstance(value, bool) and name == "bool"
    if name == "list":
        return isinstance(value, list) and all(not inner or fits(one, inner) for one in cast("list[Any]", value))
    if name == "dict":
        of = inner.partition(", ")[2]
        items = cast("dict[str, Any]", value).values() if isinstance(value, dict) else None
        return items is not None and all(not of or fits(one, of) for one in items)
    return isinstance(value, {"str": str, "int": int, "float": (int, float)}[name])


def as_called(value: Any, kind: str) -> Any:
    """A JSON value as a tool gets it from an agent: a whole number is a float where the type says so."""
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind.startswith("list[") and isinstance(value, list):
        return [as_called(one, kind[5:-1]) for one in cast("list[Any]", value)]
    if kind.startswith("dict[") and isinstance(value, dict):
        of = kind[5:-1].partition(", ")[2]
        return {key: as_called(one, of) for key, one in cast("dict[str, Any]", value).items()}
    return value


def given(case: Case, wish: str) -> bool:
    """Whether the wish itself says what this call gives: its result and all its arguments stand in it, as words."""
    arguments = [spelled for value in case.arguments.values() if (spelled := _spelled(value))]
    parts = [_spelled(case.expected.value), *arguments]
    return bool(arguments) and all(any(_stands(word, wish) for word in words) for words in parts)


def unique(cases: Sequence[Case]) -> list[Case]:
    """Each call once; the first stays."""
    return list({case.identity: case for case in reversed(cases)}.values())[::-1]


def same(left: Any, right: Any) -> bool:
    """Whether two JSON values are one result: numbers to six digits, all else exactly."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return math.isclose(left, right, rel_tol=1e-6, abs_tol=1e-9)
    if isinstance(left, list) and isinstance(right, list):
        ours, theirs = cast("list[Any]", left), cast("list[Any]", right)
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(left, dict) and isinstance(right, dict):
        mine, other = cast("dict[str, Any]", left), cast("dict[str, Any]", right)
        return mine.keys() == other.keys() and all(same(mine[key], other[key]) for key in mine)
    return left == right


def same_outcome(left: Outcome, right: Outcome) -> bool:
    """Whether two calls came to the same; what broke is the same as nothing."""
    if left.kind == right.kind == "value":
        return same(left.value, right.value)
    return left.kind == right.kind == "error"


# ---------------------------------------------------------------- test_tool.py


_HELPERS = '''
def same(left, right):
    """Whether two results are one: numbers to six digits, all else exactly."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return math.isclose(left, right, rel_tol=1e-6, abs_tol=1e-9)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return left == right


def gives(arguments, expected):
    """The call gives this result, as JSON."""
    actual = json.loads(json.dumps({name}(**arguments)))
    assert same(actual, expected), f"gave {{actual!r}}, expected {{expected!r}}"


def refuses(arguments):
    """The call raises ValueError, or OSError for a file or page that is not there."""
    try:
        actual = {name}(**arguments)
    except (ValueError, OSError):
        return
    raise AssertionError(f"gave {{actual!r}}, expected ValueError")
'''


def render(plan: Plan, cases: Sequence[Case]) -> str:
    """``test_tool.py``: one test a case, plain asserts, runnable by ``pytest`` beside ``tool.py`` too."""
    files = any(case.files or case.served for case in cases)
    imports = "import json\nimport math\n" + (IMPORTS if files else "")
    head = (
        f'"""Tests of {plan.name}: calls, and what each has to come to."""\n\n{imports}\nfrom tool import {plan.name}\n'
    )
    tests = "".join(_test(number, case) for number, case in enumerate(cases, 1))
    return f"{head}\n{_HELPERS.format(name=plan.name)}{f'{chr(10)}{HELPERS}' if files else ''}{tests}"


def _test(number: int, case: Case) -> str:
    why = re.sub(r"[^\w .,:;()'=<>+*/%-]+", " ", case.why).strip() or case.kind
    lines = [f"def test_{number:02d}_{case.kind}():", f"    # {' '.join(why.split())[:90]}"]
    if case.files or case.served:
        lines.append(f"    {'serve' if case.served else 'put'}({case.files!r})")
    call = f"refuses({case.arguments!r})"
    if case.expected.kind == "value":
        call = f"gives({case.arguments!r}, {case.expected.value!r})"
    return "\n\n" + "\n".join([*lines, f"    {call}"]) + "\n"


# ---------------------------------------------------------------- inside


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}… ({len(text)} characters)"


def _spelled(value: Any) -> list[str]:
    """How a text would write a value that is telling enough: not 0, 1, True or an empty list."""
    if isinstance(value, bool) or value is None or value in (0, 1, "", [], {}):
        return []
    if isinstance(value, int | float):
        return [repr(value), f"{value:g}", f"{value:,}"]
    if isinstance(value, str):
        return [value] if len(value) > 1 else []
    return [json.dumps(value), repr(value)]


def _stands(word: str, text: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(word)}(?!\w|[.,]\d)", text) is not None


def digest(text: str) -> int:
    """A number that only the text decides."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
