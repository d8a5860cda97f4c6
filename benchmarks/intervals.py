"""Coverage of the intervals of practice.stats under simulation.

    python benchmarks/intervals.py            prints the table
    python benchmarks/intervals.py --write    also replaces it in docs/statistics.md

Success rates differ between tasks (Beta), so attempts of one task are correlated. Single attempts are exact sums over
the binomial or trinomial distribution; the rest is simulated.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from practice.stats import estimate, mantel_haenszel, paired_delta, tango, wilson

Floats = NDArray[np.float64]
DOCS = Path(__file__).parent.parent / "docs" / "statistics.md"
BEGIN, END = "<!-- begin: benchmarks/intervals.py -->", "<!-- end: benchmarks/intervals.py -->"
SIMULATIONS = 4000


def wilson_coverage(n: int, p: float) -> float:
    """Exact coverage of Wilson's interval for ``n`` tasks with one binary attempt."""
    return math.fsum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1) if holds(wilson(k, n), p))


def tango_coverage(n: int, gained: float, lost: float) -> float:
    """Exact coverage of Tango's interval where a task is gained or lost with the given probabilities."""
    total, true, same = 0.0, gained - lost, 1 - gained - lost
    for b in range(n + 1):
        for c in range(n + 1 - b):
            weight = math.comb(n, b) * math.comb(n - b, c) * gained**b * lost**c * same ** (n - b - c)
            if weight > 1e-9 and holds(interval(b, c, n), true):
                total += weight
    return total


@cache
def interval(gained: int, lost: int, n: int) -> tuple[float, float]:
    """Tango's interval, computed once."""
    return tango(gained, lost, n)


def holds(ci: tuple[float, float] | None, truth: float) -> bool:
    """Whether the interval covers the truth."""
    return ci is not None and ci[0] - 1e-12 <= truth <= ci[1] + 1e-12


def draw(rng: np.random.Generator, rates: Floats, trials: int) -> Floats:
    """Binary scores, shape (tasks, trials)."""
    return (rng.random((rates.size, trials)) < rates[:, None]).astype(np.float64)


def beta(rng: np.random.Generator, mean: float, n: int) -> Floats:
    """Success rates that differ between tasks: Beta with concentration 1."""
    return rng.beta(mean, 1 - mean, n)


def covered(once: Callable[[np.random.Generator], bool], seed: int) -> float:
    """Share of simulations in which the interval covers."""
    rng = np.random.default_rng(seed)
    return sum(once(rng) for _ in range(SIMULATIONS)) / SIMULATIONS


def mean_row(n: int, trials: int, mean: float) -> float:
    """Coverage of estimate() for a mean over tasks drawn at random."""
    return covered(lambda rng: holds(estimate(draw(rng, beta(rng, mean, n), trials)).ci, mean), n * trials)


def judge_row(n: int) -> float:
    """Coverage of estimate() for one score a task between 0 and 1, Beta(4, 2)."""
    return covered(lambda rng: holds(estimate(rng.beta(4, 2, (n, 1))).ci, 4 / 6), n)


def delta_row(n: int, trials: int, before: float, after: float) -> float:
    """Coverage of paired_delta(): a share of tasks changes, so that the mean goes from before to after."""

    def once(rng: np.random.Generator) -> bool:
        rates = beta(rng, before, n)
        share = (after - before) / (1 - before)
        improved = np.where(rng.random(n) < share, 1.0, rates)
        return holds(paired_delta(draw(rng, rates, trials), draw(rng, improved, trials)).ci, after - before)

    return covered(once, 7 * n + trials)


def strata_row(groups: int, size: int, difference: float) -> float:
    """Coverage of mantel_haenszel(): groups with base rates of their own, a behaviour shown by 2 of 3 rollouts."""

    def once(rng: np.random.Generator) -> bool:
        base = rng.uniform(0, 1 - difference, groups)
        shown = rng.random((groups, size)) < 2 / 3
        right = rng.random((groups, size)) < base[:, None] + difference * shown
        strata = [(r[s].astype(float), r[~s].astype(float)) for r, s in zip(right, shown, strict=True)]
        if not any(one.size and two.size for one, two in strata):
            return True
        return holds(mantel_haenszel([(a.tolist(), b.tolist()) for a, b in strata]).ci, difference)

    return covered(once, groups * size)


def table() -> str:
    """Coverage of every interval as a Markdown table."""
    lines = ["| interval | design | coverage of the 95 % interval |", "|---|---|---|"]

    def add(name: str, design: str, value: str) -> None:
        lines.append(f"| {name} | {design} | {value} |")
        print(lines[-1], flush=True)

    rates = [i / 200 for i in range(4, 197)]
    for n in (16, 40, 60, 120):
        values = [wilson_coverage(n, p) for p in rates]
        add("Wilson", f"{n} tasks, 1 binary attempt, rates 0.02 to 0.98",
            f"mean {np.mean(values):.3f}, least {min(values):.3f}")  # fmt: skip
    for n in (16, 40, 120):
        for trials, mean in ((4, 0.5), (4, 0.9), (8, 0.7)):
            add("Wilson, effective n", f"{n} tasks, {trials} attempts, mean {mean}", f"{mean_row(n, trials, mean):.3f}")
    for n in (16, 40, 120):
        add("Wilson, effective n", f"{n} tasks, 1 judge's score, Beta(4, 2)", f"{judge_row(n):.3f}")
    for n in (16, 40, 60, 120):
        values = [tango_coverage(n, g, c) for g in (0.02, 0.05, 0.1, 0.2, 0.35, 0.5) for c in (0.01, 0.05, 0.15, 0.3)]
        add(
            "Tango", f"{n} tasks, 1 binary attempt, 24 settings", f"mean {np.mean(values):.3f}, least {min(values):.3f}"
        )
    for n in (16, 40, 120):
        for trials, before, after in ((2, 0.5, 0.52), (2, 0.5, 0.7), (4, 0.55, 0.9), (8, 0.9, 0.92)):
            add("t over tasks", f"{n} tasks, {trials} attempts, {before} to {after}",
                f"{delta_row(n, trials, before, after):.3f}")  # fmt: skip
    for groups, size, difference in ((8, 5, 0.0), (8, 5, 0.5), (16, 4, 0.3), (48, 5, 0.3), (4, 16, 0.8)):
        add("Mantel-Haenszel", f"{groups} groups of {size}, difference {difference}",
            f"{strata_row(groups, size, difference):.3f}")  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    """Print the table; with ``--write`` put it into the docs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="replace the table in docs/statistics.md")
    options = parser.parse_args()
    text = table()
    if options.write:
        page = DOCS.read_text(encoding="utf-8")
        head, tail = page.split(BEGIN)[0], page.split(END)[1]
        DOCS.write_text(f"{head}{BEGIN}\n{SIMULATIONS} simulations a row.\n\n{text}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
