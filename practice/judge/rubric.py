"""Rubrics: what counts, in words; criteria with points; and the scale whose options a judge chooses among."""

from __future__ import annotations

import re
from functools import lru_cache

from practice import prompt
from practice.config import RUBRICS, Workspace
from practice.errors import InputError
from practice.types import Value

__all__ = ["CRITERIA", "SCALE", "Criterion", "Rubric", "parse_rubric", "rubric_text"]

CRITERIA = "Whether the final output is correct and does all that the task asks for."
"""What counts where neither the panel nor the task has a rubric."""
SCALE = (
    (0, "Nothing in it is of worth."),
    (5, "Half of what counts is met."),
    (10, "No attempt could be better: all that counts is met."),
)
"""The scale where a rubric has none of its own: (score, meaning), 10 is best."""

_CRITERION = re.compile(r"^[-*]\s+(?P<name>[^:(]{1,60}?)\s*\((?P<points>\d{1,3})(?:\s*points?)?\)\s*:\s*(?P<what>.+)$")
_OPTION = re.compile(r"^[-*]?\s*(\d{1,2})\s*[:=]\s*(\S.*)$")
_HEAD = re.compile(r"^#*\s*scale\s*:?\s*$", re.IGNORECASE)


class Criterion(Value):
    """One thing that points are given for."""

    name: str
    points: int
    """The most that it gives; the least is 0."""
    what: str


class Rubric(Value):
    """A rubric as it was read."""

    text: str
    """What counts, as it is shown, the scale left out."""
    criteria: tuple[Criterion, ...] = ()
    scale: tuple[tuple[int, str], ...] = SCALE
    """(score, meaning) by ascending score; holds 0 and 10, and 10 is best."""

    def options(self, *, descending: bool = False) -> str:
        """The scale as it is printed, one option a line."""
        rows = reversed(self.scale) if descending else self.scale
        return "\n".join(f"{score} = {meaning}" for score, meaning in rows)

    def ranges(self, *, descending: bool = False) -> str:
        """The criteria as they are printed for points, one a line: ``c1. Result (0 to 5 points): …``."""
        return "\n".join(
            f"c{number}. {c.name} ({c.points} down to 0 points): {c.what}"
            if descending
            else f"c{number}. {c.name} (0 up to {c.points} points): {c.what}"
            for number, c in enumerate(self.criteria, 1)
        )


@lru_cache(maxsize=256)
def parse_rubric(text: str, origin: str = "rubric") -> Rubric:
    """A rubric's text: words, ``- name (points): what`` a criterion, and after a line ``Scale:`` one option a line.

    Raises InputError that names ``origin`` where the scale is not one from 0 (worst) to 10 (best), or a criterion
    gives no points.
    """
    lines = text.strip().splitlines()
    head = next((place for place, line in enumerate(lines) if _HEAD.match(line.strip())), None)
    shown = lines if head is None else lines[:head]
    found = [match for line in shown if (match := _CRITERION.match(line.strip()))]
    criteria = tuple(Criterion(name=m["name"], points=int(m["points"]), what=m["what"]) for m in found)
    if any(criterion.points < 1 for criterion in criteria):
        raise InputError("at least 1 point for each criterion", found="0 points", key=origin)
    scale = SCALE if head is None else _scale([line.strip() for line in lines[head + 1 :] if line.strip()], origin)
    return Rubric(text="\n".join(shown).strip() or CRITERIA, criteria=criteria, scale=scale)


def _scale(lines: list[str], origin: str) -> tuple[tuple[int, str], ...]:
    options: dict[int, str] = {}
    for line in lines:
        match = _OPTION.match(line)
        if match is None or int(match[1]) > 10 or int(match[1]) in options:
            expected = "an option of the scale as `7: what it means`, each number from 0 to 10 once"
            raise InputError(expected, found=repr(line[:60]), key=origin)
        options[int(match[1])] = match[2]
    if not {0, 10} <= options.keys():
        raise InputError("a scale from 0 (worst) to 10 (best)", found=f"options {sorted(options)}", key=origin)
    return tuple(sorted(options.items()))


def rubric_text(name: str, workspace: Workspace, key: str) -> tuple[str, bool]:
    """(text, whether it is a file of the user's) of a rubric's name, file ``path.md`` or words.

    Raises InputError where the file is not there or the rubric can't be read.
    """
    if name in RUBRICS:
        return prompt.source(f"rubric_{name}"), False
    if not name.endswith(".md") or len(name.split()) > 1:
        parse_rubric(name, key)
        return name, False
    path = workspace.path(name)
    if not path.is_file():
        raise InputError("an existing file", found=name, key=key)
    text = path.read_text(encoding="utf-8").strip()
    parse_rubric(text, name)
    return text, True
