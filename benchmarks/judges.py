"""Which faults of simulated judges ``practice judge stability`` names, and how often it accuses a clean one.

    python benchmarks/judges.py            prints the table
    python benchmarks/judges.py --write    also replaces it in docs/stability.md

60 groups of 5 rollouts. A rollout has a worth, standard normal; a clean judge sees it with an error of 0.15. A panel is
three model families x three wordings, one family also with the options in the other order, on a scale of 1 to 10, with
lengths and makers; pairwise judges are asked about every pair in both orders.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from practice.stability import Cuts, Duel, EvaluatorKey, ScoreTable
from practice.stability.bias import biases, pass_mark
from practice.stability.duels import duel_table
from practice.stability.grid import agreement_grid

Floats = NDArray[np.float64]
Generator = np.random.Generator

DOCS = Path(__file__).parent.parent / "docs" / "stability.md"
BEGIN, END = "<!-- begin: benchmarks/judges.py -->", "<!-- end: benchmarks/judges.py -->"
SIMULATIONS = 200
N, G = 60, 5
ERROR = 0.15
FAMILIES = ("alpha", "beta", "gamma")
WORDINGS = ("default", "strict", "evidence")


def panel_keys() -> list[EvaluatorKey]:
    """Three families x three wordings; the first family also with the options of the rubric the other way round."""
    ways = [(model, prompt, "up") for model in FAMILIES for prompt in WORDINGS]
    ways += [(FAMILIES[0], prompt, "down") for prompt in WORDINGS]
    return [
        EvaluatorKey(name=f"{model} {prompt} {order}", model=model, prompt=prompt, option_order=order)
        for model, prompt, order in ways
    ]


def scale(seen: Floats) -> Floats:
    """What a judge sees, as a score of 1 to 10."""
    return np.clip(np.rint(5.5 + 2 * seen), 1, 10)


@dataclass(frozen=True)
class World:
    """60 groups, before anybody judges."""

    worth: Floats
    words: Floats
    makers: tuple[tuple[str, ...], ...]

    @staticmethod
    def draw(rng: Generator) -> World:
        """Worth, length and maker are drawn independently of each other."""
        makers = rng.choice(FAMILIES, (N, G))
        words = np.rint(np.exp(rng.normal(5, 0.6, (N, G))))
        return World(rng.normal(size=(N, G)), words, tuple(tuple(map(str, row)) for row in makers))

    def table(self, keys: list[EvaluatorKey], scores: Floats) -> ScoreTable:
        """The table of scores (N, E, G)."""
        return ScoreTable(
            groups=tuple(f"q{place}" for place in range(N)),
            rollouts=tuple(tuple(f"r{place}" for place in range(G)) for _ in range(N)),
            evaluators=tuple(keys),
            scores=scores,
            n_words=self.words,
            rollout_models=self.makers,
        )


def panel(rng: Generator, change: Callable[[World, EvaluatorKey, Floats], Floats]) -> ScoreTable:
    """A panel's scores; ``change`` says what an evaluator makes of what it sees."""
    world, keys = World.draw(rng), panel_keys()
    seen = [change(world, key, world.worth + rng.normal(0, ERROR, (N, G))) for key in keys]
    return world.table(keys, np.stack(seen, axis=1))


def clean(rng: Generator) -> ScoreTable:
    """Nothing but worth and a small error."""
    return panel(rng, lambda _world, _key, seen: scale(seen))


def flips(rng: Generator) -> ScoreTable:
    """Right or wrong, and 15 % of each evaluator's labels flipped."""

    def change(world: World, _key: EvaluatorKey, _seen: Floats) -> Floats:
        label = world.worth > 0
        return np.where(rng.random((N, G)) < 0.15, ~label, label).astype(np.float64)

    return panel(rng, change)


def length(rng: Generator) -> ScoreTable:
    """Scores correlate with length at 0.4 within a group."""

    def change(world: World, _key: EvaluatorKey, seen: Floats) -> Floats:
        logs = np.log(world.words)
        return scale(0.4 * (logs - logs.mean()) / logs.std() + np.sqrt(1 - 0.4**2) * seen)

    return panel(rng, change)


def inverted(rng: Generator) -> ScoreTable:
    """One wording takes good for bad."""
    return panel(rng, lambda _world, key, seen: scale(-seen if key.prompt == "evidence" else seen))


def bad_family(rng: Generator) -> ScoreTable:
    """What one family sees correlates with worth at 0.5 only."""

    def change(_world: World, key: EvaluatorKey, seen: Floats) -> Floats:
        return scale(0.5 * seen + np.sqrt(0.75) * rng.normal(size=(N, G)) if key.model == "gamma" else seen)

    return panel(rng, change)


def own_family(rng: Generator) -> ScoreTable:
    """Every family gives its own rollouts half a standard deviation more."""

    def change(world: World, key: EvaluatorKey, seen: Floats) -> Floats:
        own = np.array([[maker == key.model for maker in row] for row in world.makers])
        return scale(seen + 0.5 * own)

    return panel(rng, change)


def options(rng: Generator) -> ScoreTable:
    """The options listed downwards raise the score by a tenth of a standard deviation."""
    return panel(rng, lambda _world, key, seen: scale(seen + 0.1 * (key.option_order == "down")))


def duels(rng: Generator, first: float) -> ScoreTable:
    """A pairwise judge that takes the first of a share of the pairs, whatever stands there: 0 is a clean one."""
    worth = rng.normal(size=(N, G))
    found: list[Duel] = []
    for group in range(N):
        for one, two in combinations(range(G), 2):
            for a, b in ((one, two), (two, one)):
                lead = worth[group, a] - worth[group, b] + rng.normal(0, ERROR * np.sqrt(2))
                winner = "a" if rng.random() < first or lead > 0 else "b"
                found.append(Duel(group=f"q{group}", a=f"r{a}", b=f"r{b}", winner=winner, evaluator="judge"))
    return duel_table(found, [EvaluatorKey(name="judge")])


@dataclass(frozen=True)
class Fault:
    """One simulated judge, and how the line begins that names its fault."""

    draw: Callable[[Generator], ScoreTable]
    name: str


FAULTS: Mapping[str, Fault] = {
    "15 % of the labels flipped": Fault(flips, "label flips:"),
    "the first of two preferred, 65 %": Fault(lambda rng: duels(rng, 0.3), "position: the rollout that stands first"),
    "scores correlate with length, 0.4": Fault(length, "length:"),
    "one wording inverted": Fault(inverted, "inverted: the wording 'evidence'"),
    "one family sees half": Fault(bad_family, "family: the model family 'gamma'"),
    "own family preferred by half a deviation": Fault(own_family, "own family:"),
    "order of the options, a tenth of a deviation": Fault(options, "option order:"),
}
CLEAN: Mapping[str, Callable[[Generator], ScoreTable]] = {
    "a clean panel": clean,
    "a clean pairwise judge": lambda rng: duels(rng, 0.0),
}


def share_named(fault: Fault, times: int, seed: int = 0) -> float:
    """How often the fault is named."""
    return sum(_named(fault.draw, seed + place, fault.name) for place in range(times)) / times


def share_accused(draw: Callable[[Generator], ScoreTable], times: int, seed: int = 0) -> float:
    """How often a clean judge is accused of anything."""
    return sum(_named(draw, seed + place, "") for place in range(times)) / times


def _named(draw: Callable[[Generator], ScoreTable], seed: int, begins: str) -> bool:
    found = draw(np.random.default_rng(seed))
    row = agreement_grid(found).rows["all"]
    named = biases(found, row, margin=Cuts().margin, mark=pass_mark(found, None), seed=0).named
    return any(line.startswith(begins) for line in named)


def table(times: int) -> str:
    """How often each is named, as a Markdown table."""
    lines = ["| judge | named |", "|---|---|"]

    def add(name: str, share: float) -> None:
        lines.append(f"| {name} | {100 * share:.1f} % |")
        print(lines[-1], flush=True)

    for name, fault in FAULTS.items():
        add(name, share_named(fault, times))
    for name, draw in CLEAN.items():
        add(f"{name}: of anything", share_accused(draw, times))
    return "\n".join(lines)


def main() -> None:
    """Print the table; with ``--write`` put it into the docs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="replace the table in docs/stability.md")
    parser.add_argument("--times", type=int, default=SIMULATIONS, help="simulations a row")
    options = parser.parse_args()
    text = table(options.times)
    if options.write:
        page = DOCS.read_text(encoding="utf-8")
        head, tail = page.split(BEGIN)[0], page.split(END)[1]
        DOCS.write_text(f"{head}{BEGIN}\n{options.times} simulations a row.\n\n{text}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
