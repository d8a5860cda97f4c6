"""Who takes part in ``benchmarks/strategies.py``, what each may spend, and the table of what came of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from practice.stats import estimate, paired_delta
from practice.types import Delta, Task, Usage, Value

INSTRUCTIONS = 'Solve the problem step by step. End with a line "Answer: <number>".'
PILOT_ATTEMPT = 1000
"""From here on attempts are the pilot's: other seeds than those that count."""


@dataclass(frozen=True)
class Entrant:
    """A strategy that takes part, with the setting that makes it spend more."""

    settings: Callable[[int], dict[str, Any]]
    pilot: tuple[int, int] | None = None
    """Two sizes that are tried on the pilot's tasks; None: it has no size."""
    most: int = 1


ENTRANTS: Mapping[str, Entrant] = {
    "direct": Entrant(lambda _: {"kind": "direct"}),
    "self_consistency": Entrant(lambda n: {"kind": "self_consistency", "n": n}, (2, 4), 32),
    "best_of_n": Entrant(lambda n: {"kind": "best_of_n", "n": n}, (2, 4), 32),
    "best_of_n, by steps": Entrant(lambda n: {"kind": "best_of_n", "n": n, "score": "process"}, (2, 4), 32),
    "self_correct": Entrant(lambda rounds: {"kind": "self_correct", "rounds": rounds}, (1, 3), 8),
    # The floor is never reached: the model is made to go on so many times.
    "budget_forcing": Entrant(
        lambda waits: {"kind": "budget_forcing", "floor": 4096, "ceiling": 4096, "waits": waits}, (1, 3), 16
    ),
    "tree_search": Entrant(
        lambda expansions: {"kind": "tree_search", "width": 2, "expansions": expansions, "span": 48}, (1, 3), 16
    ),
}


class Setup(Value):
    """What rows must have in common to be compared."""

    model: str
    temperature: float
    tokens: int
    """Most output tokens of a call."""
    times: float
    pilot: int
    tasks: str
    """Which ones: each set's name, size and hash."""
    instructions: str = INSTRUCTIONS


class Row(Value):
    """One attempt of one strategy."""

    set: str
    entrant: str
    size: int
    task: str
    attempt: int
    passed: bool | None
    """None: unscored, a call failed."""
    output: str
    status: str
    usage: Usage

    @property
    def tokens(self) -> int:
        """All that it took."""
        return self.usage.input_tokens + self.usage.output_tokens

    @property
    def key(self) -> tuple[str, str, int, str, int]:
        """Its place."""
        return self.set, self.entrant, self.size, self.task, self.attempt


# ---------------------------------------------------------------- budgets


def chosen(name: str, rows: Sequence[Row], setup: Setup) -> tuple[float, dict[str, int]]:
    """The budget of a set in tokens a task, and the size of each strategy, from what the pilot spent."""
    spent: dict[tuple[str, int], list[int]] = {}
    for row in rows:
        if row.set == name and row.attempt == PILOT_ATTEMPT:
            spent.setdefault((row.entrant, row.size), []).append(row.tokens)
    budget = setup.times * mean(spent["direct", 1])
    sizes: dict[str, int] = {}
    for entrant, it in ENTRANTS.items():
        points = [(size, mean(spent[entrant, size])) for size in it.pilot or ()]
        sizes[entrant] = size_for(budget, points, it.most) if points else 1
    return budget, sizes


def size_for(budget: float, points: Sequence[tuple[int, float]], most: int) -> int:
    """The size whose tokens, on the line through two ``points`` (size, tokens), come nearest to ``budget``.

    From the first point's size to ``most``; ``most`` where a larger size does not cost more.
    """
    (one, low), (two, high) = points
    slope = (high - low) / (two - one)
    if slope <= 0:
        return most
    return max(one, min(most, math.floor(one + (budget - low) / slope + 0.5)))


# ---------------------------------------------------------------- what came of it


def table(name: str, tasks: Sequence[Task], rows: Sequence[Row], setup: Setup, trials: int) -> str:
    """One set, over the tasks that every strategy has finished."""
    budget, sizes = chosen(name, rows, setup)
    by_place = {row.key: row for row in rows}
    found: dict[str, list[list[Row]]] = {entrant: [] for entrant in ENTRANTS}
    for task in tasks:
        held = {
            entrant: [by_place.get((name, entrant, sizes[entrant], task.id, n)) for n in range(trials)]
            for entrant in ENTRANTS
        }
        whole = {entrant: [row for row in rows if row is not None] for entrant, rows in held.items()}
        if whole == held:
            for entrant in ENTRANTS:
                found[entrant].append(whole[entrant])
    done = len(found["direct"])
    title = f"**{name}**: {done} of {len(tasks)} tasks, {trials} trial(s), budget {budget:,.0f} tokens a task."
    columns = ["strategy", "right", "95 %", "against direct", "against self_consistency", "unscored", "tokens a task"]
    columns += ["of the budget", "output tokens", "cached", "calls"]
    lines = [title, "", f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    if done:
        lines += [line(entrant, sizes[entrant], found, budget) for entrant in ENTRANTS]
    return "\n".join(lines)


def line(entrant: str, size: int, found: Mapping[str, list[list[Row]]], budget: float) -> str:
    """One strategy."""
    rows = [row for held in found[entrant] for row in held]
    right = estimate(scores(found[entrant]))
    settings = ", ".join(f"{key}: {value}" for key, value in ENTRANTS[entrant].settings(size).items() if key != "kind")
    share, ci = right.mean, right.ci
    cells = [
        f"{entrant} ({settings})" if settings else entrant,
        "none scored" if share is None else f"{share:.1%}",
        "" if ci is None else f"{ci[0]:.1%} to {ci[1]:.1%}",
        *(
            against(found[other], found[entrant]) if other != entrant else ""
            for other in ("direct", "self_consistency")
        ),
        str(right.missing),
        f"{mean(row.tokens for row in rows):,.0f}",
        f"{mean(row.tokens for row in rows) / budget:.0%}",
        f"{mean(row.usage.output_tokens for row in rows):,.0f}",
        f"{sum(row.usage.cached_tokens for row in rows) / max(1, sum(row.usage.input_tokens for row in rows)):.0%}",
        f"{mean(row.usage.calls for row in rows):.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def against(one: list[list[Row]], two: list[list[Row]]) -> str:
    """The difference in points, paired by task."""
    try:
        delta: Delta = paired_delta(scores(one), scores(two))
    except ValueError:
        return "no pair"
    return f"{100 * delta.mean:+.1f} ({100 * delta.ci[0]:+.1f} to {100 * delta.ci[1]:+.1f}), p {delta.p:.2g}"


def scores(held: Sequence[Sequence[Row]]) -> list[list[float | None]]:
    """A row a task, an entry a trial."""
    return [[None if row.passed is None else float(row.passed) for row in rows] for rows in held]
