"""The descriptions, as they stand in ``descriptions.jsonl``, and which of them a run takes."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, ValidationError

from benchmarks.agentgen.checks import Expect
from practice.errors import InputError, nearest
from practice.types import Value

__all__ = ["BASE", "FAMILIES", "HERE", "Call", "Described", "Family", "Given", "Kind", "choose", "load", "placed"]

HERE = Path(__file__).parent
SEED = 20
"""Of the stratified draw."""
A_FAMILY = 4
"""Descriptions of each family in the stratified draw."""
BASE = "{base}"
"""Stands in descriptions and values for the address of the local pages."""

Family = Literal["math", "text", "file", "pages", "science"]
FAMILIES: tuple[Family, ...] = get_args(Family)
Kind = Literal["number", "text", "choice", "numbers", "words", "table", "file", "url"]
"""What a value is, whatever form a tool takes it in. ``choice``: one of the spellings in ``a|b|c``. ``table``: CSV
text. ``file``: a path in the workspace. ``url``: an address of a page."""
Given = dict[str, Any]
"""Role -> value."""


class Call(Value):
    """One use of the tool by meaning: values by role, and what must come out."""

    given: Given
    expect: Expect


class KnownCall(Value):
    """One use of a tool that every workspace has, in that tool's own terms."""

    arguments: Given
    expect: Expect


class Work(Value):
    """One task for the agent, checked by a program."""

    input: str
    given: Given
    """What the input holds, by role: what the reference solution is called with."""
    expect: Expect


class Described(Value):
    """One description, and how the agent that comes of it is checked."""

    id: str = Field(pattern=r"^(math|text|file|pages|science)-\d\d$")
    family: Family
    text: str = Field(min_length=20, max_length=900)
    """What a user writes."""
    roles: dict[str, Kind]
    """What the implied tool has to be told."""
    also: Given = Field(default_factory=dict[str, Any])
    """Numbers that a tool may ask for on top, as the description says them."""
    calls: tuple[Call, ...] = Field(min_length=2)
    """The hidden calls."""
    existing: dict[str, tuple[KnownCall, ...]] = Field(default_factory=dict[str, tuple[KnownCall, ...]])
    """Tools of the starter that serve as well, with calls of their own."""
    tasks: tuple[Work, ...] = Field(min_length=1, max_length=3)
    files: tuple[str, ...] = ()
    """What is copied to ``files/`` of the workspace."""


def load(path: Path = HERE / "descriptions.jsonl") -> tuple[Described, ...]:
    """All descriptions, in the file's order. Raises InputError with the line of what is wrong."""
    found: list[Described] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            found.append(Described.model_validate_json(line))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            key = ".".join(str(part) for part in first["loc"])
            raise InputError("a description", found=first["msg"], file=path.name, line=number, key=key) from None
    return tuple(found)


def choose(all_of_them: Sequence[Described], only: str) -> tuple[Described, ...]:
    """``all``, ``stratified20`` (4 of each family, by :data:`SEED`), or ids with commas. Raises InputError."""
    if only == "all":
        return tuple(all_of_them)
    if only == f"stratified{A_FAMILY * len(FAMILIES)}":
        wanted = [one for family in FAMILIES for one in drawn(all_of_them, family)]
    else:
        wanted = [part.strip() for part in only.split(",")]
    known = {one.id: one for one in all_of_them}
    for one in wanted:
        if one not in known:
            expected = "all, stratified20 or ids of descriptions"
            raise InputError(expected, found=repr(one), key="--only", nearest=nearest(one, known))
    return tuple(one for one in all_of_them if one.id in wanted)


def drawn(all_of_them: Sequence[Described], family: Family) -> list[str]:
    """The ids of the stratified draw in one family; they depend on the seed and the ids alone."""
    ids = sorted(one.id for one in all_of_them if one.family == family)
    return random.Random(f"{SEED} {family}").sample(ids, A_FAMILY)


def placed(described: Described, base: str) -> Described:
    """The description with the address of the pages filled in."""
    return Described.model_validate(json.loads(json.dumps(described.model_dump(mode="json")).replace(BASE, base)))
