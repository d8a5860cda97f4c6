"""Few labels and many judge scores: the mean of the truth, corrected for what the judge gets wrong, with its interval.

Two ways. *Prediction-powered inference* takes scores of any kind, and labels of a random sample of the same rollouts.
*Rogan-Gladen* takes a pass or fail, and needs of its labels only that the judge errs on them as often as elsewhere
among the truly right and among the truly wrong. In both, rollouts of a query (a cluster) may resemble each other.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from practice.stats.cluster import CONFIDENCE, UNDEFINED, Interval, cluster_ratio, on_range
from practice.stats.means import Floats, t_quantile, z_quantile

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PredictionPowered:
    """The mean of the truth from labels and scores together, beside what either says alone."""

    judged: Interval
    """Mean score of all rollouts: as good as the judge is right."""
    labelled: Interval
    """Mean label of the labelled rollouts: right, and as wide as few labels are."""
    corrected: Interval
    """``n`` counts the queries with a label."""
    weight: float
    """What a score more is worth in labels: 0 where the judge says nothing of the truth, and the scores then don't
    count.
    """


@dataclass(frozen=True, slots=True)
class RoganGladen:
    """The share that is truly right from a judge's passes and its error rates on labelled rollouts."""

    judged: Interval
    """Share that passes, of the rollouts without a label."""
    labelled: Interval
    sensitivity: Interval
    """Share that passes, of those labelled right."""
    specificity: Interval
    """Share that fails, of those labelled wrong."""
    corrected: Interval


# ---------------------------------------------------------------- prediction-powered inference


def ppi_mean(
    scores: ArrayLike,
    labels: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    *,
    chances: ArrayLike | None = None,
    low: float | None = None,
    high: float | None = None,
) -> PredictionPowered:
    """Mean truth of n rollouts: ``scores`` (n,) of all, ``labels`` (n,) with NaN where there is none.

    weight * mean of all scores + mean over the labelled of (label - weight * score): prediction-powered inference
    (Angelopoulos et al. 2023, arXiv 2301.09633), with the weight that makes the variance least (Angelopoulos, Duchi
    and Zrnic 2023, PPI++, arXiv 2311.01453, section 6): the slope of label on score. The labelled must be a random
    sample; where some rollouts were likelier to be asked about than others, ``chances`` (n,) holds the probability of
    each, and labels count by its inverse (Zrnic and Candes 2024, arXiv 2403.03208). ``clusters`` names each rollout's
    query. A rollout without a score is left out.

    Interval: linearised over queries as in ``cluster_ratio``, m - 2 degrees of freedom for m queries with a label (the
    weight is estimated too); Student's t, or Wilson's on the range ``low`` to ``high``. Where scores and labels are 0
    or 1, two pseudo-labels of +-1/2 are added to the variance: twenty labels that the judge got right don't make it a
    perfect judge. Not defined for fewer than three queries with a label.

    Raises:
        ValueError: arrays of different length, a chance outside (0, 1].
    """
    f, y, query, w = _items(scores, labels, clusters, chances)
    known = ~np.isnan(y)
    judged = _ratio_over(f, np.ones_like(f), query, low, high)
    if not known.any():
        return PredictionPowered(judged, UNDEFINED, UNDEFINED, math.nan)
    w = np.where(known, w, 0.0) / w[known].sum()
    y = np.where(known, y, 0.0)
    label, score = float(w @ y), float(w @ f)
    # What each query adds to the error of the mean label, and to that of the mean score of all less of the labelled.
    own = np.bincount(query, weights=w * (y - label))
    other = np.bincount(query, weights=(f - f.mean()) / f.size - w * (f - score))
    square = float(other @ other)
    weight = -float(own @ other) / square if square > 1e-15 else 0.0
    value = label + weight * (float(f.mean()) - score)
    m = np.unique(query[known]).size
    variance = float(((own + weight * other) ** 2).sum()) * m / (m - 2) if m > 2 else math.nan
    if bool(np.isin(f, (0.0, 1.0)).all() and np.isin(y, (0.0, 1.0)).all()):
        variance += 0.5 / (m + 2) ** 2
    corrected = _corrected(value, variance, m, low, high)
    return PredictionPowered(judged, _ratio_over(w * y, w, query, low, high), corrected, weight)


def _corrected(value: float, variance: float, m: int, low: float | None, high: float | None) -> Interval:
    if m < 3:
        return Interval(value, math.nan, math.nan, m)
    if low is None or high is None:
        half = t_quantile(CONFIDENCE, m - 2) * math.sqrt(variance)
        return Interval(value, value - half, value + half, m)
    return on_range(min(high, max(low, value)), variance, m, m - 2, low, high - low)


# ---------------------------------------------------------------- Rogan and Gladen


def rogan_gladen(
    share: float, n: float, sensitivity: float, n_sensitivity: float, specificity: float, n_specificity: float
) -> Interval:
    """Share truly right where ``share`` of n passes, with sensitivity and specificity from samples of their own.

    (share + specificity - 1)/(sensitivity + specificity - 1), cut to [0, 1] (Rogan and Gladen 1978, *Am. J.
    Epidemiol.* 107:71). Interval of Lang and Reiczigel 2014, *Prev. Vet. Med.* 113:13, eq. 4, 6, 7 and 15 to 17. The
    sample sizes need not be whole. All NaN for a judge no better than a coin, sensitivity + specificity <= 1, and
    where one of the three has no sample.
    """
    count = int(n) if n == n else 0
    if min(n, n_sensitivity, n_specificity) <= 0 or not sensitivity + specificity > 1.0:
        return Interval(math.nan, math.nan, math.nan, count)
    value = (share + specificity - 1) / (sensitivity + specificity - 1)
    z = z_quantile(CONFIDENCE)
    n, share = n + z * z, (n * share + z * z / 2) / (n + z * z)
    n_se, se = n_sensitivity + 2, (n_sensitivity * sensitivity + 1) / (n_sensitivity + 2)
    n_sp, sp = n_specificity + 2, (n_specificity * specificity + 1) / (n_specificity + 2)
    youden = se + sp - 1
    p = (share + sp - 1) / youden
    of_se, of_sp = se * (1 - se) / n_se, sp * (1 - sp) / n_sp
    shift = 2 * z * z * (p * of_se - (1 - p) * of_sp)
    half = z * math.sqrt(share * (1 - share) / n + p * p * of_se + (1 - p) ** 2 * of_sp) / youden
    low, high, value = (min(1.0, max(0.0, x)) for x in (p + shift - half, p + shift + half, value))
    return Interval(value, min(low, value), max(high, value), count)


def calibrated_share(passes: ArrayLike, labels: ArrayLike, clusters: Sequence[Hashable] | None = None) -> RoganGladen:
    """:func:`rogan_gladen` of n rollouts: ``passes`` (n,) are 0 or 1, ``labels`` (n,) 0, 1, or NaN for no label.

    The share that passes is of the rollouts without a label, so that it owes nothing to the labelled; sensitivity and
    specificity are of the labelled. Sample sizes are effective ones, p(1-p)/se^2 with se^2 over queries, at most the
    number of rollouts and where nothing varies the number of queries. ``corrected.n`` is that of the share.

    Raises:
        ValueError: arrays of different length, a value other than 0 and 1.
    """
    f, y, query, _ = _items(passes, labels, clusters, None)
    known = ~np.isnan(y)
    if not bool(np.isin(f, (0.0, 1.0)).all() and np.isin(y[known], (0.0, 1.0)).all()):
        raise ValueError("passes and labels are 0 or 1")
    right, wrong = known & (y == 1.0), known & (y == 0.0)
    judged, sensitivity, specificity = (
        _ratio_over(hit * chosen, chosen.astype(np.float64), query, 0.0, 1.0)
        for hit, chosen in ((f, ~known), (f, right), (1.0 - f, wrong))
    )
    sizes = [_effective(hit[chosen], query[chosen]) for hit, chosen in ((f, ~known), (f, right), (f, wrong))]
    parts = (judged.value, sizes[0], sensitivity.value, sizes[1], specificity.value, sizes[2])
    labelled = _ratio_over(np.where(known, y, 0.0), known.astype(np.float64), query, 0.0, 1.0)
    return RoganGladen(judged, labelled, sensitivity, specificity, rogan_gladen(*parts))


def _effective(hits: Floats, query: Numbers) -> float:
    """How many independent rollouts these hits, 0 or 1, are worth; 0 for none."""
    queries = np.unique(query).size
    if queries == 0:
        return 0.0
    p = float(hits.mean())
    sums = np.bincount(query, weights=hits - p)
    variance = float((sums**2).sum()) * queries / max(queries - 1, 1) / hits.size**2
    if variance < 1e-12 or p in (0.0, 1.0):
        return float(queries)
    return max(1.0, min(float(hits.size), p * (1 - p) / variance))


# ---------------------------------------------------------------- shared


def _items(
    scores: ArrayLike, labels: ArrayLike, clusters: Sequence[Hashable] | None, chances: ArrayLike | None
) -> tuple[Floats, Floats, Numbers, Floats]:
    """Scores, labels, the number of each rollout's query and its weight, of the rollouts with a score."""
    f, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    names = list(range(f.size)) if clusters is None else list(clusters)
    chance = np.ones_like(f) if chances is None else np.asarray(chances, dtype=np.float64)
    if not f.shape == y.shape == chance.shape == (len(names),):
        raise ValueError(f"{f.size} scores, {y.size} labels, {len(names)} clusters, {chance.size} chances")
    if not bool(((chance > 0) & (chance <= 1)).all()):
        raise ValueError("chances lie above 0, and at most at 1")
    kept = ~np.isnan(f)
    place = {name: number for number, name in enumerate(dict.fromkeys(names))}
    query = np.array([place[name] for name in names], dtype=np.int64)
    return f[kept], y[kept], query[kept], 1.0 / chance[kept]


def _ratio_over(numerators: Floats, weights: Floats, query: Numbers, low: float | None, high: float | None) -> Interval:
    return cluster_ratio(np.bincount(query, numerators), np.bincount(query, weights), low=low, high=high)
