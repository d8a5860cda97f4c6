"""The gate under simulation: how often it errs, what it finds, what it costs.

    python benchmarks/gate.py                 2,000 simulations a row, prints the table
    python benchmarks/gate.py --runs 200      a small version
    python benchmarks/gate.py --write         also replaces the table in docs/gate.md

The code under test is :class:`practice.accept.Gate` itself, asked as a run asks it: it gets exactly the trials that it
wants, and these are counted. Scores are 0 or 1, each task with its own success rate. Where judges decide, they see
these scores in pairs, through their errors, and the gate sees what they say.
"""

from __future__ import annotations

import argparse
import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from practice.accept import Gate, Needs, Plan
from practice.stats import wilson
from practice.types import Decision

Floats = NDArray[np.float64]
DOCS = Path(__file__).parent.parent / "docs" / "gate.md"
BEGIN, END = "<!-- begin: benchmarks/gate.py -->", "<!-- end: benchmarks/gate.py -->"


def same(rate: float) -> Callable[[np.random.Generator, int], Floats]:
    """All tasks succeed at ``rate``."""
    return lambda _rng, tasks: np.full(tasks, rate)


def mixed(rate: float, strength: float = 1.0) -> Callable[[np.random.Generator, int], Floats]:
    """Beta-distributed success rates with mean ``rate``: many tasks near 0 and 1."""
    return lambda rng, tasks: rng.beta(rate * strength, (1 - rate) * strength, tasks)


@dataclass(frozen=True)
class Scenario:
    """One row: a run's proposals, each a list of true gains, one a candidate, over the bank as it stands."""

    name: str
    tasks: int
    rates: Callable[[np.random.Generator, int], Floats]
    proposals: Sequence[Sequence[float]]
    """True gain in success rate of each candidate of each proposal."""
    steps: int = 20
    """Proposals that the run planned; alpha is shared among these."""
    max_trials: int = 8
    shrink: bool = False
    judges: float | None = None
    """Judges compare in pairs and toss a coin for this share of them; None: attempts are verified."""
    wanted: str = ""
    """The bound that is asked for, in words."""
    counts: Callable[[Sequence[float], Decision], bool] = field(
        default=lambda _gains, decision: decision.outcome == "accept"
    )
    """Whether a decision is the event whose share the row reports."""


@dataclass(frozen=True)
class Result:
    """What a scenario came to."""

    scenario: Scenario
    runs: int
    hits: int
    trials: float
    """Mean trials (rollouts) of a proposal, over tasks, candidates and incumbent."""

    @property
    def share(self) -> float:
        """Share of runs with the event."""
        return self.hits / self.runs


def play(plan: Plan, incumbent: Floats, arms: Sequence[Floats], own: int) -> tuple[Decision, int, list[int]]:
    """Drive a plan as a run does: returns the decision and the trials a task that incumbent and arms have had."""
    had = [0] * len(arms)
    while True:
        tables = [arm[:, :n] for arm, n in zip(arms, had, strict=True)]
        move = plan.next(incumbent[:, :own], tables, words=False)
        if not isinstance(move, Needs):
            return move, own, had
        own = max(own, move.incumbent)
        for arm, trials in move.arms.items():
            had[arm] = trials


def one_run(scenario: Scenario, rng: np.random.Generator) -> tuple[bool, int]:
    """One run: whether the event happened at some proposal, and the trials spent."""
    paired = scenario.judges is not None
    gate = Gate(steps=scenario.steps, max_trials=scenario.max_trials, paired=paired)
    rates = scenario.rates(rng, scenario.tasks)
    incumbent, own, spent, event = tape(rng, rates, scenario.max_trials), 0, 0, False
    for gains in scenario.proposals:
        truths = [np.clip(rates + gain, 0.0, 1.0) for gain in gains]
        arms = [tape(rng, truth, scenario.max_trials) for truth in truths]
        plan = gate.plan(len(arms), shrink=scenario.shrink)
        seen = [prefer(rng, incumbent, arm, scenario.judges) for arm in arms] if paired else arms
        decision, now, had = play(plan, incumbent, seen, own)
        spent += (now - own + sum(had)) * scenario.tasks
        event = event or scenario.counts(gains, decision)
        gate, own = gate.after(plan, decision), now
        if decision.outcome == "accept" and decision.winner is not None:
            incumbent, rates, own = arms[decision.winner], truths[decision.winner], had[decision.winner]
    return event, spent


def tape(rng: np.random.Generator, rates: Floats, trials: int) -> Floats:
    """Every trial that a bank could be asked for, shape (tasks, trials)."""
    return (rng.random((rates.size, trials)) < rates[:, None]).astype(np.float64)


def prefer(rng: np.random.Generator, one: Floats, two: Floats, errors: float | None) -> Floats:
    """What judges say of each pair: 1 where ``two`` succeeded and ``one`` did not; a coin's word for some."""
    said = (1.0 + np.sign(two - one)) / 2.0
    tossed = rng.random(one.shape) < (errors or 0.0)
    return np.where(tossed, rng.integers(0, 2, one.shape), said).astype(np.float64)


def simulate(scenario: Scenario, runs: int, seed: int = 0) -> Result:
    """``runs`` runs of a scenario; the seed is its own, so rows can be added without changing others."""
    rng = np.random.default_rng([seed, zlib.crc32(scenario.name.encode())])
    outcomes = [one_run(scenario, rng) for _ in range(runs)]
    spent = sum(trials for _, trials in outcomes) / (runs * len(scenario.proposals))
    return Result(scenario, runs, sum(event for event, _ in outcomes), spent)


def winner_of(decision: Decision) -> int:
    """The accepted candidate's place; an accepted proposal always has one."""
    assert decision.winner is not None
    return decision.winner


def falsely(gains: Sequence[float], decision: Decision) -> bool:
    """Accepted a candidate that gains nothing."""
    return decision.outcome == "accept" and gains[winner_of(decision)] <= 0


def truly(gains: Sequence[float], decision: Decision) -> bool:
    """Accepted a candidate that gains."""
    return decision.outcome == "accept" and gains[winner_of(decision)] > 0


NULL1, NULL4 = [[0.0]] * 20, [[0.0] * 4] * 20

ERRORS = [
    Scenario("20 null proposals, 50 tasks at 0.5", 50, same(0.5), NULL1, wanted="<= 0.05"),
    Scenario("20 null proposals x 4 candidates, 50 tasks at 0.5", 50, same(0.5), NULL4, wanted="<= 0.05"),
    Scenario("20 null proposals, 50 tasks of mixed difficulty", 50, mixed(0.5), NULL1, wanted="<= 0.05"),
    Scenario("20 null proposals x 4 candidates, 16 tasks at 0.55", 16, same(0.55), NULL4, wanted="<= 0.05"),
    Scenario("6 null proposals x 4 candidates, 16 tasks at 0.55", 16, same(0.55), NULL4[:6], 6, wanted="<= 0.05"),
    Scenario(
        "+20 points, then 19 null proposals: a null one accepted",
        50, same(0.5), [[0.2], *NULL1[1:]], wanted="<= 0.05", counts=falsely,
    ),
    Scenario(
        "+20 points among 4, then 19 null proposals x 4: a null one accepted",
        50, same(0.5), [[0.0, 0.0, 0.2, 0.0], *NULL4[1:]], wanted="<= 0.05", counts=falsely,
    ),
    Scenario("20 proposals of -10 points x 4 candidates", 50, same(0.5), [[-0.1] * 4] * 20, wanted="<= 0.05"),
]  # fmt: skip

POWER = [
    Scenario("+20 points, 50 tasks at 0.5, first of 20", 50, same(0.5), [[0.2]], wanted=">= 0.80"),
    Scenario("+20 points in 1 of 4 candidates, 50 tasks at 0.5, first of 20",
             50, same(0.5), [[0.0, 0.2, 0.0, 0.0]], wanted=">= 0.80", counts=truly),
    Scenario("+10 points, 50 tasks at 0.5, first of 20", 50, same(0.5), [[0.1]]),
    Scenario("+10 points, 50 tasks at 0.5, first of 20, up to 16 trials", 50, same(0.5), [[0.1]], max_trials=16),
    Scenario("+10 points, last of 20 after 19 null proposals", 50, same(0.5), [*NULL1[1:], [0.1]], counts=truly),
    Scenario("0.3 -> 0.9, 19 tasks, first of 20", 19, same(0.3), [[0.6]], wanted=">= 0.95"),
    Scenario("0.3 -> 0.9 in 1 of 4 candidates, 19 tasks, first of 20",
             19, same(0.3), [[0.0, 0.0, 0.0, 0.6]], wanted=">= 0.95", counts=truly),
]  # fmt: skip

SMALL = [
    Scenario(f"0.55 -> 0.9 in {good} of 4, 16 tasks, first of {steps}, up to {cap} trials",
             16, same(0.55), [[0.35] * good + [0.0] * (4 - good)], steps, cap, counts=truly)
    for steps in (2, 4, 6) for cap in (2, 4, 8) for good in (1,)
] + [
    Scenario("0.55 -> 0.9 in 2 of 4, 16 tasks, first of 4, up to 8 trials",
             16, same(0.55), [[0.35, 0.35, 0.0, 0.0]], 4, 8, counts=truly),
    Scenario("0.55 -> 0.75 in 1 of 4, 16 tasks, first of 4, up to 8 trials",
             16, same(0.55), [[0.2, 0.0, 0.0, 0.0]], 4, 8, counts=truly),
    Scenario("no gain in 4, 16 tasks, first of 4, up to 8 trials", 16, same(0.55), NULL4[:1], 4, 8),
]  # fmt: skip

SHRINKING = [
    Scenario("shorter and equal, 50 tasks at 0.5", 50, same(0.5), [[0.0]], shrink=True),
    Scenario("shorter and equal, 50 tasks of mixed difficulty", 50, mixed(0.7, 0.5), [[0.0]], shrink=True),
    Scenario("shorter and equal, 50 tasks at 0.9", 50, same(0.9), [[0.0]], shrink=True),
    Scenario("shorter and 5 points worse, 50 tasks at 0.5", 50, same(0.5), [[-0.05]], shrink=True, wanted="<= 0.05"),
    Scenario("shorter and 5 points worse, 16 tasks at 0.9", 16, same(0.9), [[-0.05]], shrink=True, wanted="<= 0.05"),
    Scenario("4 shorter ones, each 5 points worse, 50 tasks", 50, same(0.7), [[-0.05] * 4], shrink=True,
             wanted="<= 0.05"),
    Scenario("shorter and 20 points worse, 50 tasks", 50, same(0.7), [[-0.2]], shrink=True, wanted="<= 0.05"),
]  # fmt: skip

JUDGED = [
    Scenario("judged: 20 null proposals, 50 tasks at 0.5", 50, same(0.5), NULL1, judges=0.15, wanted="<= 0.05"),
    Scenario("judged: 20 null proposals x 4 candidates, 16 tasks at 0.55", 16, same(0.55), NULL4, judges=0.15,
             wanted="<= 0.05"),
    Scenario("judged: 6 null proposals x 4 candidates, 8 tasks at 0.3, all coins", 8, same(0.3), NULL4[:6], 6,
             judges=1.0, wanted="<= 0.05"),
    Scenario("judged: +20 points among 4, then 19 null proposals x 4: a null one accepted",
             50, same(0.5), [[0.0, 0.0, 0.2, 0.0], *NULL4[1:]], judges=0.15, wanted="<= 0.05", counts=falsely),
    Scenario("judged: shorter and 5 points worse, 50 tasks at 0.5", 50, same(0.5), [[-0.05]], shrink=True,
             judges=0.0, wanted="<= 0.05"),
    Scenario("judged: 0.3 -> 0.9 in 1 of 4, 16 tasks, first of 4", 16, same(0.3), [[0.0, 0.0, 0.0, 0.6]], 4,
             judges=0.15, wanted=">= 0.95", counts=truly),
    Scenario("judged: 0.55 -> 0.9 in 1 of 4, 16 tasks, first of 4", 16, same(0.55), [[0.35, 0.0, 0.0, 0.0]], 4,
             judges=0.15, counts=truly),
]  # fmt: skip

SECTIONS = {
    "Wrong: the run ends on another bank": ERRORS,
    "Right: a true gain is accepted": POWER,
    "Small sets": SMALL,
    "Non-inferiority, margin 5 points": SHRINKING,
    "Judges compare in pairs and toss a coin for 15 % of them": JUDGED,
}


def table(runs: int) -> str:
    """All scenarios as one Markdown table."""
    lines = ["| simulation | asked | accepted | 95 % interval | rollouts a proposal |", "|---|---|---|---|---|"]
    for title, scenarios in SECTIONS.items():
        lines.append(f"| **{title}** | | | | |")
        for result in (simulate(scenario, runs) for scenario in scenarios):
            low, high = wilson(result.hits, runs)
            lines.append(
                f"| {result.scenario.name} | {result.scenario.wanted} | **{result.share:.3f}** "
                f"| {low:.3f} to {high:.3f} | {math.ceil(result.trials)} |"
            )
            print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Print the table; with ``--write`` put it into the docs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000, help="simulations a row")
    parser.add_argument("--write", action="store_true", help="replace the table in docs/gate.md")
    options = parser.parse_args()
    text = table(options.runs)
    if options.write:
        page = DOCS.read_text(encoding="utf-8")
        head, tail = page.split(BEGIN)[0], page.split(END)[1]
        DOCS.write_text(f"{head}{BEGIN}\n{options.runs} simulations a row.\n\n{text}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
