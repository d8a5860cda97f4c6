"""The stability report for people: one self-contained HTML page, and the same as Markdown.

    stability_html(report)        how far the judges can be trusted, with plots
    stability_markdown(report)    the same without plots, for a review or a repository

The page is of the same make as a run's (see :mod:`practice.report`): it loads nothing and runs nothing, follows the
reader's light or dark scheme, fits a phone and prints. Names of evaluators and the judges' own words are data, and all
of it is escaped. Where nothing was measured there is a dash or no section, never a zero.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from practice.report import LARGEST, stability_plots, template, words
from practice.report import stability_words as terms
from practice.report.stability_text import markdown
from practice.report.values import Limits

if TYPE_CHECKING:
    from practice.stability import StabilityReport
    from practice.stability.result import Figure, Unstable

__all__ = ["stability_html", "stability_markdown"]


def stability_html(report: StabilityReport) -> str:
    """The report as one HTML document, under :data:`practice.report.LARGEST` bytes: of a large one a part is listed."""
    limits = Limits()
    while True:
        page = words.without_keys(_fill(report, limits), os.environ)
        if len(page.encode(errors="replace")) <= LARGEST or limits.text == 1:
            return page
        limits = limits.half()


def stability_markdown(report: StabilityReport) -> str:
    """The report as Markdown: verdict, figures, biases, and the least stable groups, without plots."""
    return words.without_keys(markdown(report), os.environ)


def _fill(report: StabilityReport, limits: Limits) -> str:
    every = report.axes.get("all")
    drawn = min(len(report.tau_matrix), limits.tasks)
    return template("stability.html.jinja").render(
        report=report,
        terms=terms,
        limits=limits,
        every=every,
        measures=_measures(report),
        heat=[row[:drawn] for row in report.tau_matrix[:drawn]],
        means=[_mean_of_others(report.tau_matrix, at) for at in range(drawn)],
        evaluators=report.design.evaluators,
        biases=terms.bias_rows(report),
        unstable=[_group(found, limits) for found in report.unstable[: limits.items]],
        cheapest=stability_plots.cheapest(report.d_study, report.target),
        undefined=sum(tau is None for tau in report.group_tau.values()),
        plots={
            "agreement": stability_plots.axis_forest(report.axes, "tau_b"),
            "flips": stability_plots.axis_forest(report.axes, "strict_flip"),
            "strip": stability_plots.group_strip(report.group_tau, every.tau_b.value if every else None),
            "d_study": stability_plots.d_study(report.d_study, report.target),
            "components": stability_plots.components(report.components),
            "coverage": stability_plots.coverage(report.coverage),
        },
    )


@dataclass(frozen=True)
class Cell:
    """A figure as written: value, interval, and its n where that differs from the axis's."""

    axis: str
    value: str
    interval: str
    n: int | None


@dataclass(frozen=True)
class Said:
    """One evaluator on one group: what it scored and said of each rollout."""

    evaluator: str
    scores: tuple[str, ...]
    best: tuple[bool, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Disputed:
    """An unstable group as listed: all scores, the two evaluators that disagree the most, and the other ones."""

    found: Unstable
    table: tuple[Said, ...]
    opposed: tuple[Said, ...]
    others: tuple[Said, ...]
    left_out: int
    """Evaluators that are not listed."""


def _measures(report: StabilityReport) -> list[tuple[terms.Measure, list[Cell]]]:
    """Every figure over the axes; those that no axis defines are left out."""
    base = {key: max(getattr(axis, m.key).n for m in terms.MEASURES) for key, axis in report.axes.items()}
    rows: list[tuple[terms.Measure, list[Cell]]] = []
    for measure in terms.MEASURES:
        cells: list[Cell] = []
        for key, axis in report.axes.items():
            found: Figure = getattr(axis, measure.key)
            n = found.n if found.n != base[key] and terms.defined(found.value) else None
            value, between = terms.number(found.value, measure.kind), terms.interval(found.ci, measure.kind)
            cells.append(Cell(terms.name(terms.AXES, key), value, between, n))
        if any(cell.value != terms.DASH for cell in cells):
            rows.append((measure, cells))
    return rows


def _mean_of_others(matrix: Sequence[Sequence[float | None]], at: int) -> float | None:
    """Mean tau_b of one evaluator with all others; None where it is defined with none of them."""
    known = [tau for other, tau in enumerate(matrix[at]) if other != at and tau is not None and terms.defined(tau)]
    return sum(known) / len(known) if known else None


def _group(found: Unstable, limits: Limits) -> Disputed:
    """What is shown of one unstable group."""
    table = [_said(found, name) for name in found.scores]
    speaking = [said for said in table if any(said.reasons)]
    pair = _opposed(found.scores, [said.evaluator for said in speaking])
    others = [said for said in speaking if said.evaluator not in pair]
    return Disputed(
        found=found,
        table=tuple(table[: limits.tasks]),
        opposed=tuple(said for said in speaking if said.evaluator in pair),
        others=tuple(others[: limits.items]),
        left_out=max(0, len(others) - limits.items),
    )


def _said(found: Unstable, name: str) -> Said:
    scores = found.scores[name]
    known = [score for score in scores if score is not None and terms.defined(score)]
    top = max(known, default=None)
    tied = len(set(known)) < 2
    reasons = found.reasons.get(name, ())
    return Said(
        evaluator=name,
        scores=tuple(words.reward(score if terms.defined(score) else None) for score in scores),
        best=tuple(score is not None and score == top and not tied for score in scores),
        reasons=tuple(reasons[at].strip() if at < len(reasons) else "" for at in range(len(found.rollouts))),
    )


def _opposed(scores: Mapping[str, Sequence[float | None]], names: Sequence[str]) -> tuple[str, ...]:
    """The two of ``names`` that order the most pairs of rollouts against each other; all, where they are fewer."""
    if len(names) <= 2:
        return tuple(names)
    return max(combinations(names, 2), key=lambda pair: _against(scores[pair[0]], scores[pair[1]]))


def _against(one: Sequence[float | None], two: Sequence[float | None]) -> int:
    """Pairs ordered the other way round, less those ordered alike; missing scores order nothing."""
    both = [(a, b) for a, b in zip(one, two, strict=False) if a is not None and b is not None]
    signs = [(a - c) * (b - d) for (a, b), (c, d) in combinations(both, 2)]
    return sum((sign < 0) - (sign > 0) for sign in signs)
