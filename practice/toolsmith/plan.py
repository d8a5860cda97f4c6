"""The function's outside, fixed before a line of it is written: name, arguments, what it returns and refuses.

A small model keeps to a signature that it is shown better than to one that it has to make up on the way; with the
types fixed, calls and results can be asked for under a JSON schema and are valid by construction.
"""

from __future__ import annotations

import builtins
import keyword
import re
import textwrap
from collections.abc import Collection
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from practice.types import Value

__all__ = ["SCHEMAS", "Argument", "Plan", "PlanReply", "Type", "header", "planned", "snake"]

Type = Literal[
    "str",
    "int",
    "float",
    "bool",
    "list[str]",
    "list[int]",
    "list[float]",
    "list[list[float]]",
    "list[dict]",
    "dict[str, str]",
    "dict[str, int]",
    "dict[str, float]",
    "dict",
]

_TEXT, _WHOLE, _NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
SCHEMAS: dict[str, dict[str, Any]] = {
    "str": _TEXT,
    "int": _WHOLE,
    "float": _NUMBER,
    "bool": {"type": "boolean"},
    "list[str]": {"type": "array", "items": _TEXT},
    "list[int]": {"type": "array", "items": _WHOLE},
    "list[float]": {"type": "array", "items": _NUMBER},
    "list[list[float]]": {"type": "array", "items": {"type": "array", "items": _NUMBER}},
    "list[dict]": {"type": "array", "items": {"type": "object"}},
    "dict[str, str]": {"type": "object", "additionalProperties": _TEXT},
    "dict[str, int]": {"type": "object", "additionalProperties": _WHOLE},
    "dict[str, float]": {"type": "object", "additionalProperties": _NUMBER},
    "dict": {"type": "object"},
}
"""JSON schema of each type."""

#: Names that a module or a function of the tool's own file has, or that mean something to the program.
_TAKEN = frozenset({"tool", "test_tool", "result", "practice", "self", "python"})
#: What is measured or paid is seldom whole, whatever type a model gives it.
_MEASURED = re.compile(
    r"percent|price|amount|rate|cost|tip|bill|salary|wage|money|euro|dollar|weight|mass|temperature|celsius|degree|speed"
)
_NEVER = re.compile(r"\W*(never|none|no|nothing|n/?a|no errors?|not applicable)?\W*", re.IGNORECASE)


class _Reply(BaseModel):
    """What a model may add beside what is asked is no reason to ask again."""

    model_config = ConfigDict(extra="ignore")


class ArgumentReply(_Reply):
    """An argument as a model plans it."""

    name: str
    type: Type
    about: str


class PlanReply(_Reply):
    """A function as a model plans it; the order of the keys is the order in which it thinks."""

    purpose: str
    name: str
    arguments: list[ArgumentReply] = Field(min_length=1, max_length=5)
    returns: Type
    returns_about: str
    errors: str


class Argument(Value):
    """One argument."""

    name: str
    type: str
    about: str


class Plan(Value):
    """A function from outside."""

    name: str
    purpose: str
    arguments: tuple[Argument, ...]
    returns: str
    returns_about: str
    errors: str = ""
    """Which arguments it refuses; empty where it has a result for all."""

    @property
    def names(self) -> tuple[str, ...]:
        """The arguments' names in order."""
        return tuple(argument.name for argument in self.arguments)

    def call(self, arguments: dict[str, Any]) -> str:
        """A call in Python's notation."""
        return f"{self.name}({', '.join(f'{name}={arguments[name]!r}' for name in self.names)})"


def planned(reply: PlanReply, *, name: str | None, taken: Collection[str]) -> Plan:
    """The plan with names that Python takes, each argument once, and a name that is free.

    ``name``: the user's wish, taken as it is.
    """
    arguments: dict[str, Argument] = {}
    for argument in reply.arguments:
        spelled = snake(argument.name) or f"value{len(arguments) + 1}"
        if keyword.iskeyword(spelled) or hasattr(builtins, spelled) or spelled in _TAKEN:
            spelled += "_"
        arguments.setdefault(spelled, Argument(name=spelled, type=_type(argument), about=_line(argument.about)))
    chosen = name or _free(snake(reply.name), taken)
    errors = "" if _NEVER.fullmatch(reply.errors) else _line(reply.errors).rstrip(".")
    return Plan(
        name=chosen,
        purpose=_line(reply.purpose).rstrip(".") + ".",
        arguments=tuple(arguments.values()),
        returns=reply.returns,
        returns_about=_line(reply.returns_about),
        errors=errors,
    )


def header(plan: Plan) -> str:
    """The ``def`` line and the docstring."""
    arguments = ", ".join(f"{argument.name}: {argument.type}" for argument in plan.arguments)
    lines = textwrap.wrap(f'"""{plan.purpose}', 108)
    lines += ["", "Args:", *(f"    {argument.name}: {argument.about}" for argument in plan.arguments)]
    lines += ["", "Returns:", f"    {plan.returns_about}"]
    if plan.errors:
        lines += ["", "Raises:", f"    ValueError: {plan.errors}."]
    body = "\n".join(f"    {line}" if line else "" for line in [*lines, '"""'])
    return f"def {plan.name}({arguments}) -> {plan.returns}:\n{body}"


def snake(text: str) -> str:
    """``Convert miles-to km`` -> ``convert_miles_to_km``; empty where nothing is left."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    spelled = re.sub(r"[^a-z0-9]+", "_", parted.casefold()).strip("_")[:48].rstrip("_")
    return f"n_{spelled}" if spelled[:1].isdigit() else spelled


# ---------------------------------------------------------------- inside


def _type(argument: ArgumentReply) -> str:
    """Its type; a measured quantity is a float. (A float takes whole numbers as well, the other way round it fails.)"""
    measured = _MEASURED.search(argument.name.casefold())
    return argument.type.replace("int", "float") if measured else argument.type


def _free(name: str, taken: Collection[str]) -> str:
    name = name or "new_tool"
    if keyword.iskeyword(name) or hasattr(builtins, name) or name in _TAKEN:
        name = f"do_{name}"
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _line(text: str) -> str:
    """One line that can stand in a docstring."""
    return " ".join(text.replace("\\", "\\\\").replace('"""', "''").split())
