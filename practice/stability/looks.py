"""A look at one bias: a figure over queries, what an unbiased judge would show, and when the bias is named.

Looking for many things finds something. So the chance of an accusation without ground, 5 % over the whole report, is
shared out (Bonferroni): equally over the kinds of bias that the design lets be looked at, within a kind half to the
figures over all evaluators and half to those of single ones, and within each half over its looks. A bias is named where
its interval at that level lies wholly outside what an unbiased judge may show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from practice.stability.grid import figure
from practice.stability.result import Figure
from practice.stability.table import Floats
from practice.stats import cluster_mean, cluster_ratio
from practice.stats.means import t_quantile

__all__ = ["Look", "apart", "corrected", "mean_look", "named", "ratio_look"]

ALPHA = 0.05
MOST_NAMES = 5
"""Evaluators that one line names."""
FEWEST = 5
"""Queries under which nothing is named."""


@dataclass(frozen=True)
class Look:
    """One figure that a bias would move."""

    kind: str
    figure: Figure
    words: str
    """What is said where it is named; ``{}`` stands for the figure."""
    over: Floats
    """Shape (N,): one value a query, or a numerator; NaN where the query says nothing."""
    under: Floats | None
    """Denominators, for a ratio."""
    low: float
    """What an unbiased judge shows lies from ``low`` to ``high``."""
    high: float
    percent: bool = False
    follows: bool = False
    """Named only where the look before it is: the most distant one was set aside to make this one."""
    whose: str | None = None
    """One of several evaluators that the same is asked of; those that are named share a line."""


def mean_look(
    kind: str,
    words: str,
    values: Floats,
    unbiased: tuple[float, float],
    span: tuple[float, float] | None = None,
    *,
    whose: str | None = None,
) -> Look:
    """A look at a mean over queries; ``span`` is the figure's range, where it has one."""
    low, high = span or (None, None)
    found = figure(cluster_mean(values, low=low, high=high))
    return Look(kind, found, words, values, None, *unbiased, whose=whose)


def ratio_look(
    kind: str, words: str, over: Floats, under: Floats, unbiased: tuple[float, float], *, whose: str | None = None
) -> Look:
    """A look at a share: a ratio of sums over queries."""
    found = figure(cluster_ratio(over, under, low=0.0, high=1.0))
    return Look(kind, found, words, over, under, *unbiased, percent=True, whose=whose)


def named(looks: Sequence[Look]) -> tuple[str, ...]:
    """The biases that are named, in words, in the order of the looks."""
    levels = _levels(looks)
    lines: dict[str, list[Look]] = {}
    before = False
    for look, alpha in zip(looks, levels, strict=True):
        before = (before or not look.follows) and _outside(look, alpha)
        if before:
            lines.setdefault(f"{look.kind}: {look.words}", []).append(look)
    return tuple(_line(words, found) for words, found in lines.items())


def _levels(looks: Sequence[Look]) -> list[float]:
    """The share of 5 % that each look has."""
    kinds = len({look.kind for look in looks})
    number = Counter((look.kind, look.whose is None) for look in looks)
    halves = Counter(kind for kind, _ in number)
    return [ALPHA / kinds / halves[look.kind] / number[look.kind, look.whose is None] for look in looks]


def _line(words: str, found: Sequence[Look]) -> str:
    figures = [told(look.figure, percent=look.percent) for look in found]
    if found[0].whose is None:
        return words.replace("{}", figures[0])
    worst = sorted(zip(found, figures, strict=True), key=lambda item: -apart(item[0]))
    shown = [f"{look.whose} {text}" for look, text in worst[:MOST_NAMES]]
    more = [f"{len(found) - MOST_NAMES} more"] if len(found) > MOST_NAMES else []
    return words.replace("{}", ", ".join([*shown, *more]))


def apart(look: Look) -> float:
    """How far outside of what an unbiased judge shows a figure lies; below 0 inside."""
    value = look.figure.value
    return -np.inf if value is None else max(look.low - value, value - look.high)


def _outside(look: Look, alpha: float) -> bool:
    interval = corrected(look.over, look.under, alpha)
    return interval is not None and (interval[1] < look.low or interval[0] > look.high)


def corrected(over: Floats, under: Floats | None, alpha: float) -> tuple[float, float] | None:
    """Student's t interval over queries at level 1 - ``alpha`` of a mean or a ratio; None under five queries."""
    kept = ~np.isnan(over) if under is None else ~np.isnan(over) & (under > 0)
    a, b = over[kept], np.ones(int(kept.sum())) if under is None else under[kept]
    n = a.size
    if n < FEWEST:
        return None
    ratio = float(a.sum() / b.sum())
    residuals = (a - ratio * b) / float(b.sum())
    half = t_quantile(1 - alpha, n - 1) * float(np.sqrt((residuals**2).sum() * n / (n - 1)))
    return ratio - half, ratio + half


def told(found: Figure, *, percent: bool) -> str:
    """A figure with its 95 % interval: ``65 % [62, 68]`` or ``0.26 [0.17, 0.35]``."""
    if found.value is None:
        return "unknown"
    factor, form, unit = (100, ".0f", " %") if percent else (1, ".2f", "")
    text = f"{factor * found.value:{form}}{unit}"
    return text if found.ci is None else f"{text} [{factor * found.ci[0]:{form}}, {factor * found.ci[1]:{form}}]"
