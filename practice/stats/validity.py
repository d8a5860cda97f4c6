"""Judges against known truth: ranking, errors at a threshold, false and missed signal, what best-of-G would recover.

Scores and truth are arrays ``(N, ..., G)``, queries first and rollouts last, truth broadcast to the scores (for
evaluators: scores ``(N, E, G)``, truth ``(N, 1, G)``); a rollout with a NaN in either is left out. Each statistic is a
numerator and a denominator a query, so that its interval is over queries. Stable is not correct: only these say so.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from practice.stats.cluster import Interval, cluster_ratio, on_range
from practice.stats.means import Floats

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class PerQuery:
    """A ratio as it is made up by queries: two arrays of shape (N,), 0 over 0 where a query says nothing."""

    numerators: Floats
    denominators: Floats

    def interval(self, low: float | None = None, high: float | None = None) -> Interval:
        """Sum over sum with its interval; ``low`` and ``high`` are the ratio's range, where it has one."""
        return cluster_ratio(self.numerators, self.denominators, low=low, high=high)


# ---------------------------------------------------------------- ranking


def auroc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Probability that a score drawn from the label 1 is above one drawn from the label 0, a tie counting half.

    Mann and Whitney's U over the number of pairs (Hanley and McNeil 1982, *Radiology* 143:29). Any shapes, alike; NaN
    where a label is not there.

    Raises:
        ValueError: labels other than 0 and 1.
    """
    x, y = _pairs(scores, _labels(labels))
    right, wrong = x[y == 1.0], np.sort(x[y == 0.0])
    return float(_share_below(right, wrong).mean()) if right.size and wrong.size else math.nan


def auroc_interval(scores: Floats, labels: Floats) -> Interval:
    """:func:`auroc` of all rollouts, shape (N, G), with an interval over queries; a query has one label or both.

    The variance is that of clustered data (Obuchowski 1997, *Biometrics* 53:567): a rollout's part in the area less
    the area, summed within queries, n/(n-1) times the squares of these sums. Wilson's interval on it as in
    ``cluster_ratio``.
    """
    query = np.broadcast_to(np.arange(len(scores))[:, None], scores.shape)
    labels = _labels(labels)
    known = ~(np.isnan(scores) | np.isnan(labels))
    x, y, query = scores[known], labels[known], query[known]
    n = np.unique(query).size
    right, wrong = x[y == 1.0], x[y == 0.0]
    if not right.size or not wrong.size:
        return Interval(math.nan, math.nan, math.nan, n)
    above, below = _share_below(right, np.sort(wrong)), 1.0 - _share_below(wrong, np.sort(right))
    area = float(above.mean())
    parts = np.empty(x.size)
    parts[y == 1.0] = (above - area) / right.size
    parts[y == 0.0] = (below - area) / wrong.size
    sums = np.bincount(query, weights=parts, minlength=len(scores))
    variance = float((sums**2).sum()) * n / (n - 1) if n > 1 else 0.0
    return on_range(area, variance, n, n - 1, 0.0, 1.0)


def _share_below(values: Floats, of: Floats) -> Floats:
    """For each value the share of the sorted ``of`` that lies below it, ties half."""
    return (np.searchsorted(of, values, "left") + np.searchsorted(of, values, "right")) / (2.0 * max(of.size, 1))


# ---------------------------------------------------------------- errors at a threshold


def true_positives(scores: ArrayLike, labels: ArrayLike, threshold: float) -> PerQuery:
    """True positive rate: of the rollouts with label 1, those that score ``threshold`` or more.

    Raises:
        ValueError: labels other than 0 and 1.
    """
    return _passing(scores, labels, threshold, 1.0)


def false_positives(scores: ArrayLike, labels: ArrayLike, threshold: float) -> PerQuery:
    """False positive rate: of the rollouts with label 0, those that score ``threshold`` or more; as above."""
    return _passing(scores, labels, threshold, 0.0)


def _passing(scores: ArrayLike, labels: ArrayLike, threshold: float, label: float) -> PerQuery:
    x, y = _both(scores, _labels(labels))
    counted = y == label
    return _per_query((counted & (x >= threshold)).sum(axis=-1), counted.sum(axis=-1))


# ---------------------------------------------------------------- signal within a query


def spurious_signal(scores: ArrayLike, truth: ArrayLike) -> PerQuery:
    """Of the groups that are alike in truth, those that the judge separates: contrasts made of nothing.

    A group needs two rollouts with score and truth.
    """
    judged, true, counted = _separated(scores, truth)
    return _per_query(judged & ~true & counted, ~true & counted)


def missed_signal(scores: ArrayLike, truth: ArrayLike) -> PerQuery:
    """Of the groups that are mixed in truth, those that the judge leaves tied."""
    judged, true, counted = _separated(scores, truth)
    return _per_query(~judged & true & counted, true & counted)


def recovery(scores: ArrayLike, truth: ArrayLike) -> PerQuery:
    """Best-of-G: what taking the judge's top gains over taking any, of what taking the best would gain.

    (E[truth of the judge's top] - mean)/(E[max] - mean) in truth, the rollouts tied at the top averaged; 1 is a perfect
    judge, 0 a coin, below 0 worse than a coin. It has no lower end: its interval takes no range.
    """
    x, y = _both(scores, truth)
    known = ~np.isnan(x)
    size = np.maximum(known.sum(axis=-1), 1)
    top = known & (x == np.max(x, axis=-1, keepdims=True, initial=-np.inf, where=known))
    mean = np.sum(y, axis=-1, where=known) / size
    chosen = np.sum(y, axis=-1, where=top) / np.maximum(top.sum(axis=-1), 1)
    best = np.max(y, axis=-1, initial=-np.inf, where=known)
    some = known.any(axis=-1)
    return _per_query(np.where(some, chosen - mean, 0.0), np.where(some, np.maximum(best - mean, 0.0), 0.0))


def cyclic_triads(wins: ArrayLike) -> PerQuery:
    """Triads of rollouts in which each beats the next, of the triads with three decided pairs.

    ``wins`` has shape (N, ..., G, G): above 1/2 where the first beat the second, below where it lost, 1/2 for a tie,
    NaN for a pair that was not judged (Kendall and Babington Smith 1940, *Biometrika* 31:324; a random judge makes
    1/4 of the triads cyclic).
    """
    x = np.asarray(wins, dtype=np.float64)
    beats, loses = x > 0.5, x < 0.5
    cyclic, decided = np.zeros((2, *x.shape[:-2]))
    for a, b, c in itertools.combinations(range(x.shape[-1]), 3):
        sides = [(side[..., a, b], side[..., b, c], side[..., c, a]) for side in (beats, loses)]
        cyclic += sum(one & two & three for one, two, three in sides)
        decided += np.logical_and.reduce([(beats | loses)[..., i, j] for i, j in ((a, b), (b, c), (c, a))])
    return _per_query(cyclic, decided)


# ---------------------------------------------------------------- shared


def _separated(scores: ArrayLike, truth: ArrayLike) -> tuple[Bools, Bools, Bools]:
    """Whether a group's scores differ, whether its truth does, and whether it has two rollouts with both."""
    x, y = _both(scores, truth)
    counted = np.count_nonzero(~np.isnan(x), axis=-1) >= 2
    return _differ(x), _differ(y), counted


def _differ(values: Floats) -> Bools:
    low = np.fmin.reduce(values, axis=-1, initial=np.inf)
    return np.asarray(np.fmax.reduce(values, axis=-1, initial=-np.inf) > low)


def _labels(labels: ArrayLike) -> Floats:
    y = np.asarray(labels, dtype=np.float64)
    if not bool(np.isin(y[~np.isnan(y)], (0.0, 1.0)).all()):
        raise ValueError("labels are 0 or 1")
    return y


def _both(scores: ArrayLike, truth: ArrayLike) -> tuple[Floats, Floats]:
    """Both as arrays of one shape, NaN in both where either is missing."""
    x, y = np.broadcast_arrays(np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=np.float64))
    missing = np.isnan(x) | np.isnan(y)
    return np.where(missing, np.nan, x), np.where(missing, np.nan, y)


def _pairs(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats]:
    x, y = _both(scores, labels)
    return x[~np.isnan(x)], y[~np.isnan(x)]


def _per_query(numerators: ArrayLike, denominators: ArrayLike) -> PerQuery:
    """Summed over all axes but the first."""
    sums = [np.asarray(side, dtype=np.float64) for side in (numerators, denominators)]
    one, two = (side.sum(axis=tuple(range(1, side.ndim))) for side in sums)
    return PerQuery(one, two)
