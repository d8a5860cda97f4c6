"""How far several evaluators agree as a whole: one coefficient over all of them.

Ratings are arrays ``(raters, units)``, NaN where one is missing; a unit is whatever was rated, here a rollout. Every
coefficient is NaN where it is not defined, above all where everybody gives everything the same rating: that is
agreement without a signal, not an agreement of 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from practice.stats.means import Floats
from practice.stats.rank import centred_ranks, ratio

Level = Literal["nominal", "ordinal", "interval"]


@dataclass(frozen=True, slots=True)
class ICC:
    """Intraclass correlations of one rating (McGraw and Wong 1996, *Psychol. Methods* 1:30, table 4)."""

    one_way: float
    """ICC(1,1), units only: raters are taken as interchangeable."""
    agreement: float
    """ICC(A,1), units and raters: a rater who is harsher throughout lowers it."""
    consistency: float
    """ICC(C,1), units and raters: a rater's level does not count."""
    units: int
    """Units that every rater rated; only these count."""
    raters: int


def icc(ratings: ArrayLike) -> ICC:
    """ICC(1,1), ICC(A,1) and ICC(C,1) of ratings ``(raters, units)``, over the units that every rater rated.

    From the mean squares of units R, raters C, residual E and within units W, for k raters and n units:
    (R - W)/(R + (k-1)W), (R - E)/(R + (k-1)E + (k/n)(C - E)) and (R - E)/(R + (k-1)E). The last two are the same
    with raters as fixed or as random. NaN under two raters or units, or without any spread.
    """
    x = _complete(ratings)
    k, n = x.shape
    if k < 2 or n < 2 or _constant(x):
        return ICC(math.nan, math.nan, math.nan, n, k)
    x = x - x.mean()
    units, raters = x.mean(axis=0), x.mean(axis=1, keepdims=True)
    r = k * _squares(units) / (n - 1)
    c = n * _squares(raters) / (k - 1)
    w = _squares(x - units) / (n * (k - 1))
    e = _squares(x - units - raters) / ((n - 1) * (k - 1))
    # A mean square that is 0 in truth is 1e-33 or so in floating point; a ratio of two such is no coefficient.
    least = 1e-12 * _squares(x) / x.size
    return ICC(
        one_way=_ratio(r - w, r + (k - 1) * w, least),
        agreement=_ratio(r - e, r + (k - 1) * e + k / n * (c - e), least),
        consistency=_ratio(r - e, r + (k - 1) * e, least),
        units=n,
        raters=k,
    )


def kendall_w(scores: ArrayLike) -> Floats:
    """Kendall's W with ties, of scores ``(..., raters, units)``: one coefficient of concordance a leading index.

    W = (12 sum_i R_i^2 - 3 m^2 n (n+1)^2)/(m^2 n (n^2-1) - m sum_j T_j) for m raters, n units, R_i the sum of unit i's
    mid-ranks and T_j the sum of t^3 - t over rater j's ties (Kendall and Babington Smith 1939, *Ann. Math. Stat.*
    10:275; ties as in Kendall and Gibbons 1990, *Rank Correlation Methods*, chapter 6). In ranks less their mean, d_ji,
    this is sum_i (sum_j d_ji)^2 / (m sum_ji d_ji^2).

    A rater without any score is left out, then a unit that one of the others did not score. NaN under two raters,
    or where all of them are constant.
    """
    x = np.asarray(scores, dtype=np.float64)
    there = ~np.isnan(x)
    rates = there.any(axis=-1, keepdims=True)
    complete = (there | ~rates).all(axis=-2, keepdims=True)
    ranks = np.moveaxis(centred_ranks(np.moveaxis(np.where(complete, x, np.nan), -1, 0)), 0, -1)
    raters = rates.sum(axis=(-2, -1))
    over = np.square(ranks.sum(axis=-2)).sum(axis=-1)
    under = raters * np.square(ranks).sum(axis=(-2, -1))
    return ratio(over, np.where(raters > 1, under, 0.0))


def krippendorff_alpha(ratings: ArrayLike, level: Level) -> float:
    """Krippendorff's alpha of ratings ``(raters, units)``, 1 - D_o/D_e; any rating may be missing.

    Over the n ratings of units with m_u >= 2 of them, and for each ordered pair of ratings the squared difference
    d2: D_o = (1/n) sum_u (1/(m_u - 1)) sum of d2 within unit u, D_e = (1/(n(n-1))) sum of d2 over all pairs
    (Krippendorff 2011, *Computing Krippendorff's Alpha-Reliability*; Hayes and Krippendorff 2007, *Commun. Methods
    Meas.* 1:77). d2 is for ``nominal`` 1 where two differ, for ``interval`` (v - w)^2, for ``ordinal`` the square of
    n_v/2 + (ratings strictly between) + n_w/2, which is the difference of v's and w's mid-ranks.

    These are the sums over the coincidence matrix, which is not built: it has a row for each value that occurs, and a
    judge's scores may all be different. NaN where all ratings are equal or no unit has two.
    """
    x = np.atleast_2d(np.asarray(ratings, dtype=np.float64))
    there = ~np.isnan(x)
    pairable = there.sum(axis=0) >= 2
    x, there = x[:, pairable], there[:, pairable]
    if not x.size or _constant(x[there]):
        return math.nan
    of_unit = there.sum(axis=0)
    n = int(of_unit.sum())
    _, inverse, counts = np.unique(x[there], return_inverse=True, return_counts=True)
    if level == "nominal":
        observed = n - float((_equal_pairs(x) / (of_unit - 1)).sum())
        expected = n - float((counts * (counts - 1)).sum()) / (n - 1)
        return 1.0 - observed / expected
    if level == "ordinal":
        x = np.where(there, 0.0, np.nan)
        x[there] = (np.cumsum(counts) - counts / 2)[inverse]
    # The sum of (v - w)^2 over ordered pairs of m numbers is 2m times their sum of squares about the mean.
    within = np.where(there, x - np.where(there, x, 0.0).sum(axis=0) / of_unit, 0.0)
    observed = 2.0 * float((np.square(within).sum(axis=0) * of_unit / (of_unit - 1)).sum())
    expected = 2.0 * _squares(x[there] - x[there].mean()) * n / (n - 1)
    return 1.0 - observed / expected


def fleiss_kappa(ratings: ArrayLike) -> float:
    """Fleiss' kappa of categories ``(raters, units)``, over the units that every rater rated.

    (P - P_e)/(1 - P_e) with P the share of rater pairs that give a unit the same category and P_e the sum of
    squares of the categories' shares (Fleiss 1971, *Psychol. Bull.* 76:378). NaN under two raters, without a unit,
    or with one category.
    """
    x = _complete(ratings)
    k = len(x)
    if k < 2 or not x.size or _constant(x):
        return math.nan
    observed = float(_equal_pairs(x).mean()) / (k * (k - 1))
    counts = np.unique(x, return_counts=True)[1]
    expected = _squares(counts / x.size)
    return (observed - expected) / (1.0 - expected)


def _complete(ratings: ArrayLike) -> Floats:
    """The units that every rater rated."""
    x = np.atleast_2d(np.asarray(ratings, dtype=np.float64))
    return x[:, ~np.isnan(x).any(axis=0)]


def _equal_pairs(x: Floats) -> Floats:
    """Ordered pairs of raters who give a unit the same rating, for each unit; a missing rating equals none."""
    equal = np.zeros(x.shape[1])
    for first in range(len(x) - 1):
        equal += 2 * np.count_nonzero(x[first + 1 :] == x[first], axis=0)
    return equal


def _constant(x: Floats) -> bool:
    return bool((x == x.flat[0]).all())


def _squares(x: Floats) -> float:
    return float(np.square(x).sum())


def _ratio(over: float, under: float, least: float) -> float:
    return over / under if under > least else math.nan
