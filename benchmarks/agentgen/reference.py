"""Our own solution of every description: the truth that the checks are held against."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.agentgen.described import Described, Given
from benchmarks.agentgen.solutions import files, mathdata, pages, science, text
from practice.tool import Tool, tool_from_function
from practice.tool.function import to_text

__all__ = ["SOLUTIONS", "answer", "solution", "value_of"]

SOLUTIONS: dict[str, Callable[..., Any]] = {
    **mathdata.SOLUTIONS,
    **text.SOLUTIONS,
    **files.SOLUTIONS,
    **pages.SOLUTIONS,
    **science.SOLUTIONS,
}
"""Id of a description -> the tool that it implies, as we would write it."""


def solution(described: Described) -> Tool:
    """The reference solution as a tool."""
    return tool_from_function(SOLUTIONS[described.id])


def value_of(described: Described, given: Given, place: Path) -> Any:
    """What the reference solution gives; ``place`` holds the folder ``files/``."""
    return SOLUTIONS[described.id](**{role: _plain(described, role, given, place) for role in given})


def answer(described: Described, given: Given, place: Path) -> str:
    """:func:`value_of` as an agent would be shown it."""
    return to_text(value_of(described, given, place))


def _plain(described: Described, role: str, given: Given, place: Path) -> Any:
    match described.roles[role]:
        case "file":
            return str(place / given[role])
        case "choice":
            return given[role].split("|")[0]
        case _:
            return given[role]
