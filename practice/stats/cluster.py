"""Means and ratios over queries, with intervals: the query is the cluster, whatever was computed within it.

Rollouts of a query, and pairs of evaluators on it, resemble each other; queries are independent. So a statistic is
first made one number a query (or one numerator and one denominator), and only the spread between queries counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from practice.stats.means import Floats, t_quantile, wilson_at, z_quantile

CONFIDENCE = 0.95
_NOTHING = 1e-12  # a variance below this is rounding


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval over queries."""

    value: float
    """NaN where no query says anything."""
    low: float
    """NaN, as ``high``, where nothing is known of the spread: no query, or one of a figure without a range."""
    high: float
    n: int
    """Queries that carry it."""


UNDEFINED = Interval(math.nan, math.nan, math.nan, 0)


# ---------------------------------------------------------------- means and ratios


def cluster_mean(values: ArrayLike, *, low: float | None = None, high: float | None = None) -> Interval:
    """Mean over queries of one value a query, shape (N,); a query with NaN says nothing and is left out.

    Without a range: Student's t with n-1 degrees of freedom. With the figure's range ``low`` to ``high``: the mean is
    put on [0, 1] and gets Wilson's score interval at the effective number of queries p(1-p)/se^2 (Korn and Graubard
    1998, *Survey Methodology* 24:193), so that it stays in the range and leans away from a bound. se^2 = s^2/(n-1),
    and for z Student's t with the degrees of freedom that the values' kurtosis leaves to s^2, n-1 at most:
    2n/(kurtosis - (n-3)/(n-1)) (O'Neill 2014, *Am. Statistician* 68:282, from Satterthwaite 1946). Values near a
    bound are skewed and plain t then covers 87 to 93 %. Where all queries agree, their number is taken for the
    effective one: all of 20 queries at 1 is 0.84 to 1, never a point.

    Raises:
        ValueError: half a range, an empty one, or a value outside it.
    """
    x = np.asarray(values, dtype=np.float64)
    x = x[~np.isnan(x)]
    base, width = _range(low, high)
    if width and x.size and (float(x.min()) < base - 1e-9 or float(x.max()) > base + width + 1e-9):
        raise ValueError(f"a value outside {low} to {high}")
    n = x.size
    if n == 0:
        return UNDEFINED
    mean = float(x.mean())
    squares = (x - mean) ** 2
    if not width:
        variance = float(squares.sum()) / (n * (n - 1)) if n > 1 else math.nan
        return _plain(mean, variance, n)
    variance = float(squares.sum()) / (n - 1) ** 2 if n > 1 else 0.0
    return on_range(mean, variance, n, degrees(squares), base, width)


def cluster_ratio(
    numerators: ArrayLike, denominators: ArrayLike, *, low: float | None = None, high: float | None = None
) -> Interval:
    """Sum of numerators over sum of denominators, shapes (N,): each query weighs as much as it has to say.

    Queries with a NaN or a denominator of 0 say nothing. Linearised: with residuals e_i = a_i - r b_i the variance is
    n/(n-1) sum(e_i^2)/(sum b)^2 (Cochran 1977, *Sampling Techniques*, 6.4). Without a range: Student's t with n-1
    degrees of freedom. With one: Wilson's score interval at the effective number of queries, as in
    :func:`cluster_mean`, with that t for z. The plain linearised t covers 38 to 93 % where the ratio is under 0.1.

    Raises:
        ValueError: shapes that differ, a denominator below 0, half a range, an empty one, or a ratio outside it.
    """
    a, b = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"{a.size} numerators for {b.size} denominators")
    if bool((b < 0).any()):
        raise ValueError("a denominator below 0")
    carried = ~np.isnan(a) & (b > 0)
    a, b = a[carried], b[carried]
    base, width = _range(low, high)
    n = a.size
    if n == 0:
        return UNDEFINED
    total = float(b.sum())
    ratio = float(a.sum()) / total
    if width and not base - 1e-9 <= ratio <= base + width + 1e-9:
        raise ValueError(f"a ratio outside {low} to {high}")
    squares = ((a - ratio * b) / total) ** 2
    variance = float(squares.sum()) * n / (n - 1) if n > 1 else math.nan
    return on_range(ratio, variance, n, n - 1, base, width) if width else _plain(ratio, variance, n)


def _range(low: float | None, high: float | None) -> tuple[float, float]:
    """Where the range begins and how wide it is; a width of 0 stands for no range."""
    if low is None and high is None:
        return 0.0, 0.0
    if low is None or high is None or not low < high:
        raise ValueError("a range has a low and a higher high")
    return low, high - low


def _plain(value: float, variance: float, n: int) -> Interval:
    half = t_quantile(CONFIDENCE, n - 1) * math.sqrt(variance)
    return Interval(value, value - half, value + half, n)


def on_range(value: float, variance: float, n: int, freedom: float, base: float, width: float) -> Interval:
    """Wilson's interval of a value on the range ``base`` to ``base + width``, given the variance of its estimate."""
    p = min(1.0, max(0.0, (value - base) / width))
    spread, most = variance / width**2, p * (1 - p)
    if n < 2 or spread < _NOTHING or most < _NOTHING:
        # No spread between queries says nothing of the next one beyond "n queries alike".
        low, high = wilson_at(p, float(n), z_quantile(CONFIDENCE))
    else:
        low, high = wilson_at(p, most / spread, float(special.stdtrit(freedom, 0.5 + CONFIDENCE / 2)))
    return Interval(value, base + width * low, base + width * high, n)


def degrees(squares: Floats) -> float:
    """Degrees of freedom of the variance of values with these squared deviations, 2 to n-1."""
    n, second = squares.size, float(squares.mean())
    if n < 4 or second <= 0.0:
        return max(1.0, n - 1.0)
    left = float((squares**2).mean()) / second**2 - (n - 3) / (n - 1)
    return n - 1.0 if left <= 2 * n / (n - 1) else max(2.0, 2 * n / left)


# ---------------------------------------------------------------- power and permutation


def minimal_detectable(values: ArrayLike, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest mean over these queries that a t test against 0 would find, in the unit of the values, shape (N,).

    Two-sided at ``alpha``, with the queries' own number and standard deviation: nc s/sqrt(n), where nc is the
    noncentrality at which Student's t exceeds its critical value with probability ``power`` (Cohen 1988, *Statistical
    Power Analysis*, 2.3; the far tail, below 1e-4, is left out). NaN for fewer than two queries; 0 where all agree.
    """
    x = np.asarray(values, dtype=np.float64)
    x = x[~np.isnan(x)]
    if x.size < 2:
        return math.nan
    critical = t_quantile(1 - alpha, x.size - 1)
    noncentral = float(special.nctdtrinc(x.size - 1, 1 - power, critical))
    return noncentral * float(x.std(ddof=1)) / math.sqrt(x.size)


def shuffle_within(scores: Floats, rng: np.random.Generator) -> Floats:
    """Scores (N, E, G), shuffled independently within each (group, evaluator); NaN stay where they are.

    The null of the agreement statistics: every evaluator keeps its own scores and ties in every group, and nothing
    links one evaluator's order to another's.
    """
    missing = np.isnan(scores)
    # Both orders list a row's present columns first, one in a random order, one from left to right.
    shuffled = np.argsort(np.where(missing, 2.0, rng.random(scores.shape)), axis=-1)
    places = np.argsort(missing, axis=-1, kind="stable")
    out = np.full_like(scores, np.nan)
    np.put_along_axis(out, places, np.take_along_axis(scores, shuffled, axis=-1), axis=-1)
    return out


def permutation_p(observed: float, null: ArrayLike) -> float:
    """One-sided p of a statistic at least ``observed``: (1 + nulls that reach it)/(1 + nulls); NaN where undefined.

    The 1 counts the data themselves, so p is never 0 (Phipson and Smyth 2010, *Stat. Appl. Genet. Mol. Biol.* 9:39).
    """
    drawn = np.asarray(null, dtype=np.float64)
    drawn = drawn[~np.isnan(drawn)]
    if math.isnan(observed) or drawn.size == 0:
        return math.nan
    # The same table summed in another order differs by rounding; that is a tie.
    reached = int((drawn >= observed - 1e-12 * max(1.0, abs(observed))).sum())
    return (1 + reached) / (1 + drawn.size)
