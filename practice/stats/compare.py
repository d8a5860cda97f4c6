"""Two banks, or any two sides, on the same tasks: what a look of the gate sees."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from practice.stats.means import Floats
from practice.stats.permutation import table_tails


class Comparison(NamedTuple):
    """Two tables of scores on the tasks that both have scores for."""

    tasks: int
    before: float
    after: float
    difference: float
    """Mean over tasks of candidate minus incumbent."""
    z: float
    """The difference over its standard deviation under permutation; 0 where nothing varies."""
    better: int
    """Tasks where the candidate did better."""
    worse: int
    candidate: Floats
    incumbent: Floats

    def tails(self) -> tuple[float, float]:
        """One-sided exact permutation p-values: that the candidate is worse, that it is better."""
        return table_tails(self.candidate, self.incumbent) if self.tasks else (1.0, 1.0)


def compare(incumbent: Floats, candidate: Floats) -> Comparison:
    """Compare two tables of shape (tasks, attempts), NaN for missing; tasks without a score on a side are left out.

    z has the variance of the difference under permutation of attempts within tasks: a task with m + n pooled scores
    of sample variance s^2 contributes s^2 (1/m + 1/n) (Lehmann 1975, *Nonparametrics*, appendix 1). Where no task is
    left, the means are NaN and the difference is 0.
    """
    scored_one, scored_two = ~np.isnan(candidate), ~np.isnan(incumbent)
    both = scored_one.any(axis=1) & scored_two.any(axis=1)
    one, two = candidate[both], incumbent[both]
    tasks = len(one)
    if not tasks:
        return Comparison(0, math.nan, math.nan, 0.0, 0.0, 0, 0, one, two)
    m, n = scored_one[both].sum(axis=1), scored_two[both].sum(axis=1)
    filled_one, filled_two = np.where(np.isnan(one), 0.0, one), np.where(np.isnan(two), 0.0, two)
    sum_one, sum_two = filled_one.sum(axis=1), filled_two.sum(axis=1)
    gains = sum_one / m - sum_two / n
    squares = (filled_one**2).sum(axis=1) + (filled_two**2).sum(axis=1)
    spread = np.maximum(0.0, squares - (sum_one + sum_two) ** 2 / (m + n)) / (m + n - 1)
    deviation = math.sqrt(float((spread * (1.0 / m + 1.0 / n)).sum())) / tasks
    difference = float(gains.mean())
    return Comparison(
        tasks=tasks,
        before=float((sum_two / n).mean()),
        after=float((sum_one / m).mean()),
        difference=difference,
        z=difference / deviation if deviation > 1e-6 else 0.0,
        better=int((gains > 1e-12).sum()),
        worse=int((gains < -1e-12).sum()),
        candidate=one,
        incumbent=two,
    )
