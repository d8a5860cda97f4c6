"""Coverage of the intervals over queries: judges' statistics, reliability, and calibration by few labels.

    python benchmarks/coverage.py            prints the tables
    python benchmarks/coverage.py --write    also replaces them in docs/statistics.md

Queries differ: in level, and some hold rollouts that are all alike. The truth of a design is its value over a great
many queries of the same kind. Queries are simulated together, intervals are made one simulation at a time.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from practice.stats import (
    Interval,
    calibrated_share,
    cluster_mean,
    cluster_ratio,
    ppi_mean,
    variance_components,
)
from practice.stats.rank import PairCounts, acc_eq, pair_counts, tau_b, top_sets

Floats = NDArray[np.float64]
DOCS = Path(__file__).parent.parent / "docs" / "statistics.md"
BEGIN, END = "<!-- begin: benchmarks/coverage.py -->", "<!-- end: benchmarks/coverage.py -->"
SIMULATIONS = 4000
QUERIES = (8, 15, 30, 60)
ROLLOUTS = 4


@dataclass(frozen=True)
class Figure:
    """One statistic's coverage, and how far below and above 0.95 it may lie."""

    name: str
    value: float
    coverage: float
    promised: tuple[float, float]


def holds(interval: Interval, truth: float) -> bool:
    """Whether the interval covers the truth."""
    return interval.low - 1e-12 <= truth <= interval.high + 1e-12


# ---------------------------------------------------------------- judges


@dataclass(frozen=True)
class Judges:
    """Evaluators with noise of their own on a 5-point scale."""

    name: str
    evaluators: int
    noise: float
    """Of an evaluator's call, in points."""
    signal: float
    """Standard deviation of the rollouts of a query, in points."""
    alike: float
    """Share of the queries whose rollouts are all alike."""

    def __str__(self) -> str:
        return self.name


JUDGES = (
    Judges("2 evaluators, of one mind", 2, 0.25, 1.0, 0.0),
    Judges("2 evaluators, some noise", 2, 0.4, 1.0, 0.0),
    Judges("2 evaluators, 3 of 10 queries alike", 2, 0.4, 1.0, 0.3),
    Judges("4 evaluators, some noise", 4, 0.4, 1.0, 0.0),
    Judges("4 evaluators, much noise, 3 of 10 alike", 4, 0.7, 0.8, 0.3),
    Judges("4 evaluators, nearly all noise", 4, 1.0, 0.2, 0.0),
)


def scored(design: Judges, rng: np.random.Generator, *shape: int) -> Floats:
    """Scores 1 to 5, shape (*shape, evaluators, rollouts)."""
    worth = design.signal * rng.normal(size=(*shape, 1, ROLLOUTS)) * (rng.random((*shape, 1, 1)) >= design.alike)
    level = 3.2 + 0.7 * rng.normal(size=(*shape, 1, 1))
    noise = design.noise * rng.normal(size=(*shape, design.evaluators, ROLLOUTS))
    return np.clip(np.rint(level + worth + noise), 1.0, 5.0)


def cells(scores: Floats) -> dict[str, tuple[Floats, Floats]]:
    """Statistics of every evaluator pair as numerators and denominators a query; means have a denominator of 1."""
    one, two = np.triu_indices(scores.shape[-2], 1)
    a, b = scores[..., one, :], scores[..., two, :]
    counts = pair_counts(a, b)

    def mean(values: Floats) -> tuple[Floats, Floats]:
        defined = (~np.isnan(values)).sum(axis=-1)
        return np.nansum(values, axis=-1) / np.where(defined, defined, np.nan), np.ones(defined.shape)

    return {
        "tau_b": mean(tau_b(counts)),
        "acc_eq": mean(acc_eq(counts)),
        "top_disjoint": mean(top_sets(a, b)[1]),
        "strict_flip": _flips(counts),
    }


def _flips(counts: PairCounts) -> tuple[Floats, Floats]:
    return counts.discordant.sum(axis=-1), (counts.concordant + counts.discordant).sum(axis=-1)


@cache
def truths(design: Judges) -> dict[str, float]:
    """The value of each statistic over a great many queries."""
    found = cells(scored(design, np.random.default_rng(99), 400_000 // design.evaluators))
    return {name: float(np.nansum(a) / b[~np.isnan(a)].sum()) for name, (a, b) in found.items()}


def judged(design: Judges, queries: int, simulations: int) -> list[Figure]:
    """Coverage of every statistic of a design."""
    found = cells(scored(design, np.random.default_rng(queries), simulations, queries))
    figures: list[Figure] = []
    for name, truth in truths(design).items():
        a, b = found[name]
        if name == "strict_flip":
            hits = [holds(cluster_ratio(x, y, low=0, high=1), truth) for x, y in zip(a, b, strict=True) if y.any()]
            promised = (0.02, 0.02) if queries >= 30 else (0.04, 0.04)
        else:
            low = -1.0 if name == "tau_b" else 0.0
            hits = [holds(cluster_mean(x, low=low, high=1), truth) for x in a if not np.isnan(x).all()]
            # A rare yes or no takes few values: its interval is then wider than it has to be.
            promised = (0.02, 0.05 if name == "top_disjoint" else 0.02)
        figures.append(Figure(name, truth, float(np.mean(hits)), promised))
    return figures


# ---------------------------------------------------------------- reliability


@dataclass(frozen=True)
class Panel:
    """Wordings by seeds on a 5-point scale, standard deviations of the effects in points."""

    name: str
    prompts: int
    seeds: int
    rollout: float
    prompt: float
    """Rollout x prompt."""
    call: float
    spread: float = 0.0
    """Queries differ in how much all of this varies: the standard deviation of its logarithm."""

    def __str__(self) -> str:
        return self.name


COMPONENTS = (
    Panel("3 wordings x 2 seeds", 3, 2, 1.0, 0.5, 0.5),
    Panel("3 wordings x 2 seeds, weak signal", 3, 2, 0.5, 0.5, 1.0),
    Panel("3 wordings x 2 seeds, queries differ", 3, 2, 1.0, 0.5, 0.5, 0.5),
    Panel("2 wordings x 2 seeds, strong signal", 2, 2, 1.0, 0.3, 0.1),
    Panel("3 wordings", 3, 1, 1.0, 0.5, 0.5),
)


def paneled(design: Panel, rng: np.random.Generator, queries: int) -> Floats:
    """Scores 1 to 5, shape (queries, evaluators, rollouts)."""
    p, s = design.prompts, design.seeds
    scale = np.exp(design.spread * rng.normal(size=(queries, 1, 1, 1)))

    def effect(sd: float, *shape: int) -> Floats:
        return sd * rng.normal(size=(queries, *shape))

    inner = effect(design.rollout, 1, 1, ROLLOUTS) + effect(design.prompt, p, 1, ROLLOUTS)
    inner = scale * (inner + effect(design.call, p, s, ROLLOUTS))
    x = 3.2 + effect(0.6, 1, 1, 1) + effect(0.3, p, 1, 1) + inner
    return np.clip(np.rint(x), 1.0, 5.0).reshape(queries, p * s, ROLLOUTS)


def labels_of(design: Panel) -> dict[str, list[int]]:
    """The evaluators' wordings and seeds."""
    return {
        "prompt": [i // design.seeds for i in range(design.prompts * design.seeds)],
        "seed": [i % design.seeds for i in range(design.prompts * design.seeds)],
    }


@cache
def reliabilities(design: Panel) -> tuple[float, float]:
    """Reliability of a call and of the panel over a great many queries."""
    found = variance_components(paneled(design, np.random.default_rng(98), 100_000), labels_of(design))
    return found.single_call.value, found.panel.value


def reliability(design: Panel, queries: int, simulations: int) -> tuple[float, float]:
    """Coverage of the reliability of a single call and of the panel."""
    rng, (single, panel) = np.random.default_rng(queries), reliabilities(design)
    hits = np.zeros(2)
    for _ in range(simulations):
        found = variance_components(paneled(design, rng, queries), labels_of(design))
        hits += [holds(found.single_call, single), holds(found.panel, panel)]
    return float(hits[0] / simulations), float(hits[1] / simulations)


# ---------------------------------------------------------------- few labels


@dataclass(frozen=True)
class Labels:
    """Queries of rollouts right with a rate of their own; a judge; a few rollouts labelled."""

    name: str
    queries: int
    size: int
    labels: int
    right: float
    sensitivity: float
    specificity: float
    graded: bool = False
    """The judge's pass or fail comes as a score between 0 and 1, with noise that a query shares."""
    asked: float = 1.0
    """How much likelier a rollout that passes is to be asked about than one that fails."""

    def __str__(self) -> str:
        return self.name


LABELS = (
    Labels("60 queries of 5, 20 labels", 60, 5, 20, 0.6, 0.85, 0.8),
    Labels("60 queries of 5, 60 labels", 60, 5, 60, 0.6, 0.85, 0.8),
    Labels("60 queries of 5, 60 labels, nine of ten right", 60, 5, 60, 0.9, 0.9, 0.8),
    Labels("200 queries of 5, 40 labels, a good judge", 200, 5, 40, 0.5, 0.95, 0.95),
    Labels("60 queries of 5, 40 labels, graded scores", 60, 5, 40, 0.6, 0.85, 0.8, graded=True),
    Labels("60 queries of 5, 60 labels, passes asked thrice as often", 60, 5, 60, 0.6, 0.85, 0.8, asked=3.0),
)


def labelled(design: Labels, rng: np.random.Generator) -> tuple[Floats, Floats, list[int], Floats]:
    """Scores, labels, queries and chances, each of length queries x size. Rates are Beta with concentration 7/3."""
    shape = (design.queries, design.size)
    rate = rng.beta(design.right * 7 / 3, (1 - design.right) * 7 / 3, (design.queries, 1))
    truth = (rng.random(shape) < rate).astype(np.float64)
    passes = np.where(truth == 1.0, rng.random(shape) < design.sensitivity, rng.random(shape) > design.specificity)
    scores = passes.astype(np.float64)
    if design.graded:
        scores = 0.35 + 0.3 * scores + 0.15 * rng.normal(size=shape) + 0.1 * rng.normal(size=(design.queries, 1))
        scores = np.clip(scores, 0.0, 1.0)
    chances = np.where(passes, design.asked, 1.0).ravel()
    chances = np.minimum(1.0, chances * design.labels / chances.sum())
    asked = rng.random(chances.size) < chances
    if design.asked == 1.0:
        asked = np.isin(np.arange(chances.size), rng.permutation(chances.size)[: design.labels])
    labels = np.where(asked, truth.ravel(), np.nan)
    return scores.ravel(), labels, np.repeat(np.arange(design.queries), design.size).tolist(), chances


def calibration(design: Labels, simulations: int) -> dict[str, tuple[float, float, float]]:
    """Method -> coverage, mean width of its interval, and bias. Rogan-Gladen where the judge says yes or no, and
    labels are a random sample; one by prediction-powered inference that takes no notice of chances where they differ.
    """
    rng = np.random.default_rng(design.labels)
    rows: dict[str, list[tuple[bool, float, float]]] = {}
    for _ in range(simulations):
        scores, labels, queries, chances = labelled(design, rng)
        found = ppi_mean(scores, labels, queries, chances=chances, low=0, high=1)
        intervals = {"labels alone": found.labelled, "prediction-powered": found.corrected}
        if design.asked != 1.0:
            intervals["the same, chances ignored"] = ppi_mean(scores, labels, queries, low=0, high=1).corrected
        elif not design.graded:
            intervals["Rogan-Gladen"] = calibrated_share(scores, labels, queries).corrected
        for name, interval in intervals.items():
            row = (holds(interval, design.right), interval.high - interval.low, interval.value - design.right)
            rows.setdefault(name, []).append(row)
    return {name: tuple(np.nanmean(np.array(row, dtype=np.float64), axis=0)) for name, row in rows.items()}


# ---------------------------------------------------------------- the page


def lines() -> Iterator[str]:
    """All tables in Markdown, a line at a time."""
    some, half = SIMULATIONS, SIMULATIONS // 2
    yield f"Groups of {ROLLOUTS}, scores 1 to 5; {some} simulations a cell of the first table, {half} of the others."
    yield "Coverage of the 95 % interval by number of queries:"
    yield ""
    yield "| judges | statistic | true value | " + " | ".join(str(n) for n in QUERIES) + " |"
    yield "|---" * (3 + len(QUERIES)) + "|"
    for design in JUDGES:
        columns = [judged(design, n, SIMULATIONS) for n in QUERIES]
        for row in zip(*columns, strict=True):
            covered = " | ".join(f"{figure.coverage:.3f}" for figure in row)
            yield f"| {design} | {row[0].name} | {row[0].value:.3f} | {covered} |"
    yield ""
    yield "Reliability within queries, of one call and of the panel's mean:"
    yield ""
    yield "| panel | true values | " + " | ".join(str(n) for n in QUERIES) + " |"
    yield "|---" * (2 + len(QUERIES)) + "|"
    for panel in COMPONENTS:
        covered = " | ".join("{:.3f}, {:.3f}".format(*reliability(panel, n, SIMULATIONS // 2)) for n in QUERIES)
        yield "| {} | {:.3f}, {:.3f} | {} |".format(panel, *reliabilities(panel), covered)
    yield ""
    yield "A share estimated from few labels and a judge:"
    yield ""
    yield "| design | method | coverage | mean width | bias |"
    yield "|---|---|---|---|---|"
    for labels in LABELS:
        for name, (coverage, width, bias) in calibration(labels, SIMULATIONS // 2).items():
            yield f"| {labels} | {name} | {coverage:.3f} | {width:.2f} | {bias:+.3f} |"


def main() -> None:
    """Print the tables; with ``--write`` put them into the docs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="replace the tables in docs/statistics.md")
    options = parser.parse_args()
    text: list[str] = []
    for line in lines():
        print(line, flush=True)
        text.append(line)
    if options.write:
        page = DOCS.read_text(encoding="utf-8")
        head, tail = page.split(BEGIN)[0], page.split(END)[1]
        DOCS.write_text(f"{head}{BEGIN}\n" + "\n".join(text) + f"\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
