"""Validation tasks, and what practice and holdout may not share."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from practice.errors import InputError
from practice.task.load import TaskSet
from practice.types import Task

__all__ = ["NearDuplicate", "check_disjoint", "draw", "near_duplicates", "validation_split"]


def validation_split(tasks: Sequence[Task], fraction: float, seed: int) -> tuple[tuple[Task, ...], tuple[Task, ...]]:
    """(practice, validation), each in the file's order.

    Validation = the ceil(fraction x N) tasks of smallest sha256(seed, id): who is chosen depends on neither order
    nor platform, and a task added to the file moves at most one other. ``fraction`` is read as the decimal it was
    written as, so that 0.07 of 100 is 7. Raises InputError where nothing would be left to practise on.
    """
    count = math.ceil(Fraction(repr(fraction)) * len(tasks))
    if count >= len(tasks):
        raise InputError(
            f"more tasks, so that {fraction:g} of them can be set aside for validation (or accept.policy: always)",
            found=str(len(tasks)),
            key="tasks.practice",
        )
    validation = draw(tasks, count, seed)
    chosen = {task.id for task in validation}
    return tuple(task for task in tasks if task.id not in chosen), validation


def draw(tasks: Sequence[Task], count: int, seed: int) -> tuple[Task, ...]:
    """The ``count`` tasks of smallest sha256(seed, id), in the file's order; all of them where there are fewer."""
    chosen = {task.id for task in sorted(tasks, key=lambda task: _place(seed, task.id))[:count]}
    return tuple(task for task in tasks if task.id in chosen)


def _place(seed: int, id: str) -> tuple[str, str]:
    return hashlib.sha256(json.dumps([seed, id], ensure_ascii=False).encode()).hexdigest(), id


def check_disjoint(
    practice: TaskSet, holdout: TaskSet, names: tuple[str, str] = ("tasks.practice", "tasks.holdout")
) -> None:
    """Raise InputError where an input stands in both sets (white space aside), naming both lines.

    ``names`` are the settings' keys of the two.
    """
    first = {_normal(task.input): line for task, line in zip(practice.tasks, practice.lines, strict=True)}
    shared = [
        (line, first[key])
        for task, line in zip(holdout.tasks, holdout.lines, strict=True)
        if (key := _normal(task.input)) in first
    ]
    if shared:
        line, other = shared[0]
        more = f" (and {len(shared) - 1} more such inputs)" if len(shared) > 1 else ""
        raise InputError(
            f"inputs that do not stand in {names[0]}",
            found=f"the input of {practice.path}:{other}{more}",
            file=holdout.path,
            key=names[1],
            line=line,
        )


def _normal(text: str) -> str:
    return " ".join(text.split())


class NearDuplicate(NamedTuple):
    """Two tasks that are nearly the same: for the report, never dropped."""

    a: Task
    b: Task
    similarity: float
    """Jaccard similarity of their word 5-shingles, in (0, 1]."""


def near_duplicates(
    a: Sequence[Task], b: Sequence[Task], *, threshold: float = 0.8, words: int = 5
) -> tuple[NearDuplicate, ...]:
    """Pairs of a task of ``a`` and one of ``b`` whose word shingles overlap by ``threshold`` or more (Jaccard).

    In the order of ``a``, then ``b``. Exact, through prefix filtering (Chaudhuri et al. 2006; Bayardo et al.
    2007): with shingles ordered from the rarest, two sets of similarity t share one of their first
    n - ceil(t n) + 1, so only those are looked up and text that all tasks share costs nothing.
    """
    sets_b = [_shingles(task.input, words) for task in b]
    frequency = Counter(shingle for shingles in sets_b for shingle in shingles)
    index: defaultdict[str, list[int]] = defaultdict(list)
    for place, shingles in enumerate(sets_b):
        for shingle in _prefix(shingles, frequency, threshold):
            index[shingle].append(place)
    pairs: list[NearDuplicate] = []
    for task in a:
        shingles = _shingles(task.input, words)
        candidates = {place for shingle in _prefix(shingles, frequency, threshold) for place in index.get(shingle, ())}
        for place in sorted(candidates):
            common = len(shingles & sets_b[place])
            similarity = common / (len(shingles) + len(sets_b[place]) - common)
            if similarity >= threshold:
                pairs.append(NearDuplicate(task, b[place], similarity))
    return tuple(pairs)


def _shingles(text: str, words: int) -> frozenset[str]:
    tokens = re.findall(r"\w+", text.casefold()) or text.split()
    return frozenset(" ".join(tokens[i : i + words]) for i in range(max(1, len(tokens) - words + 1)))


def _prefix(shingles: frozenset[str], frequency: Counter[str], threshold: float) -> list[str]:
    length = len(shingles) - math.ceil(threshold * len(shingles)) + 1
    return sorted(shingles, key=lambda shingle: (frequency[shingle], shingle))[:length]
