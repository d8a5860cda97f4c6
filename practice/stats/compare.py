"""Two banks, or any two sides, on the same tasks: what a look of the gate sees, of scores or of preferences."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from practice.stats.means import Floats
from practice.stats.paired import tango_variance
from practice.stats.permutation import ATTEMPTS_LCM, RESOLUTIONS, Stratum, permutation_tails, table_tails
from practice.stats.sequential import restricted_variance


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

    def deviation_at(self, difference: float) -> float:
        """Standard deviation of the mean difference where the true one is ``difference``; for non-inferiority."""
        return math.sqrt(restricted_variance(self.candidate, self.incumbent, difference))


class Preference(Comparison):
    """Pairs of attempts that judges compared: ``candidate`` holds 1 won, 0.5 tied, 0 lost, ``incumbent`` the rest.

    The difference is the net preference, the share won minus the share lost: under judges who only tell right from
    wrong it is the difference of the success rates.
    """

    __slots__ = ()

    def tails(self) -> tuple[float, float]:
        """One-sided exact p-values by sign flips: each pair could as well have come out the other way round.

        Attempts of a pair are exchangeable where both banks are alike and judges do not know which is which; the
        two scores of a pair always sum to 1, so permuting them one by one, as for verified attempts, would take half
        the true variance for the whole.
        """
        if not self.tasks:
            return 1.0, 1.0
        size = (~np.isnan(self.candidate)).sum(axis=1)
        steps = np.rint(ATTEMPTS_LCM / size).astype(np.int64)
        steps //= np.gcd.reduce(steps)
        nets = np.rint((2.0 * np.nan_to_num(self.candidate, nan=0.5) - 1.0) * RESOLUTIONS[0]).astype(np.int64)
        unit = int(np.gcd.reduce(np.abs(nets), axis=None))
        if not unit:
            return 1.0, 1.0
        nets //= unit
        strata = [
            Stratum((0, abs(net)), 1, step)
            for row, step in zip(nets.tolist(), steps.tolist(), strict=True)
            for net in row
            if net
        ]
        won = int((steps[:, None] * np.where(nets > 0, nets, 0)).sum())
        return permutation_tails(strata, won)

    def deviation_at(self, difference: float) -> float:
        """By Tango's variance of a pair, pooled over tasks: tasks that differ in worth can only have less."""
        size = (~np.isnan(self.candidate)).sum(axis=1)
        nets = 2.0 * self.candidate - 1.0
        won, lost = float((nets > 0).sum()), float((nets < 0).sum())
        variance = tango_variance(won, lost, float(size.sum()), difference)
        return math.sqrt(variance * float((1.0 / size).sum())) / self.tasks


def compare_pairs(wins: Floats) -> Preference:
    """What a look of the gate sees where judges compare in pairs; ``wins`` has shape (tasks, pairs), NaN for missing.

    z has the variance of the net preference under sign flips: a task with n pairs contributes the sum of their
    squared nets over n^2. Tasks without a verdict are left out.
    """
    kept = wins[~np.isnan(wins).all(axis=1)] if wins.size else wins[:0]
    tasks = len(kept)
    if not tasks:
        return Preference(0, math.nan, math.nan, 0.0, 0.0, 0, 0, kept, kept)
    size = (~np.isnan(kept)).sum(axis=1)
    nets = 2.0 * np.nan_to_num(kept, nan=0.5) - 1.0
    gains = nets.sum(axis=1) / size
    deviation = math.sqrt(float(((nets**2).sum(axis=1) / size**2).sum())) / tasks
    difference = float(gains.mean())
    return Preference(
        tasks=tasks,
        before=(1.0 - difference) / 2.0,
        after=(1.0 + difference) / 2.0,
        difference=difference,
        z=difference / deviation if deviation > 1e-6 else 0.0,
        better=int((gains > 1e-12).sum()),
        worse=int((gains < -1e-12).sum()),
        candidate=kept,
        incumbent=1.0 - kept,
    )


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
