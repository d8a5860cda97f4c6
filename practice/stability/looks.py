"""A look at one bias: a figure over queries, what an unbiased judge would show, and when the bias is named.

Looking for many things finds something. So the chance of an accusation without ground, 5 % over the whole report, is
shared out: equally over the kinds of bias that the design lets be looked at, and within a kind over its looks
(Bonferroni). A bias is named where its interval at that level lies wholly outside what an unbiased judge may show.
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

__all__ = ["Look", "corrected", "mean_look", "named", "ratio_look"]

ALPHA = 0.05
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


def mean_look(
    kind: str, words: str, values: Floats, unbiased: tuple[float, float], span: tuple[float, float] | None = None
) -> Look:
    """A look at a mean over queries; ``span`` is the figure's range, where it has one."""
    low, high = span or (None, None)
    found = figure(cluster_mean(values, low=low, high=high))
    return Look(kind, found, words, values, None, *unbiased)


def ratio_look(kind: str, words: str, over: Floats, under: Floats, unbiased: tuple[float, float]) -> Look:
    """A look at a share: a ratio of sums over queries."""
    found = figure(cluster_ratio(over, under, low=0.0, high=1.0))
    return Look(kind, found, words, over, under, *unbiased, percent=True)


def named(looks: Sequence[Look]) -> tuple[str, ...]:
    """The biases that are named, in words, in the order of the looks."""
    kinds = Counter(look.kind for look in looks)
    found: list[str] = []
    before = False
    for look in looks:
        alpha = ALPHA / len(kinds) / kinds[look.kind]
        before = (before or not look.follows) and _outside(look, alpha)
        if before:
            found.append(f"{look.kind}: {look.words.replace('{}', told(look.figure, percent=look.percent))}")
    return tuple(found)


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
