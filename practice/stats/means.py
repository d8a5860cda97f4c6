"""The table of scores, one mean with its interval, and what missing attempts could have made of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy import special

from practice.types import Estimate

Floats = NDArray[np.float64]
Scores = Sequence[Sequence[float | None]] | Floats

#: Above this share of attempts without a score, bounds are reported beside the mean.
MISSING_LIMIT = 0.05


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a figure could have been had the missing attempts been scored."""

    share: float
    """Attempts without a score over all attempts."""
    low: float
    high: float


# ---------------------------------------------------------------- the table of scores


def as_rows(scores: Scores) -> list[Floats]:
    """Scored attempts of every task, missing ones dropped.

    Raises:
        ValueError: a score outside [0, 1].
    """
    rows = [np.asarray(row, dtype=np.float64) for row in scores]  # None becomes NaN
    rows = [row[~np.isnan(row)] for row in rows]
    if any(row.size and (row.min() < 0.0 or row.max() > 1.0) for row in rows):
        raise ValueError("scores lie in [0, 1]")
    return rows


def as_table(rows: Sequence[Sequence[float | None]]) -> Floats:
    """Rows of scores as one array, shape (tasks, longest row); NaN where there is no score."""
    table = np.full((len(rows), max((len(row) for row in rows), default=0)), np.nan)
    for row, values in zip(table, rows, strict=True):
        row[: len(values)] = np.asarray(values, dtype=np.float64)  # None becomes NaN
    return table


def task_means(scores: Scores) -> Floats:
    """Mean over the scored attempts of each task, shape (tasks,); NaN where a task has none."""
    return np.array([row.mean() if row.size else np.nan for row in as_rows(scores)], dtype=np.float64)


def missing_share(scores: Scores) -> float:
    """Attempts without a score over all attempts; 0 where there are no attempts."""
    attempts = sum(len(row) for row in scores)
    return (attempts - sum(row.size for row in as_rows(scores))) / attempts if attempts else 0.0


def missing_bounds(scores: Scores) -> Bounds | None:
    """The mean over tasks with every missing attempt as 0 and as 1; None where at most 5 % are missing.

    These are Manski's worst-case bounds (Manski 1989, *J. Human Resources* 24:343), a task at a time.
    """
    share = missing_share(scores)
    if share <= MISSING_LIMIT:
        return None
    low, high = filled(scores, 0.0), filled(scores, 1.0)
    return Bounds(share, float(low.mean()), float(high.mean()))


def filled(scores: Scores, value: float) -> Floats:
    """Mean of each task with ``value`` for every missing attempt, shape (tasks,)."""
    rows = [np.nan_to_num(np.asarray(row, dtype=np.float64), nan=value) for row in scores]
    return np.array([row.mean() if row.size else value for row in rows], dtype=np.float64)


# ---------------------------------------------------------------- one mean


def estimate(scores: Scores, *, metric: str = "mean", confidence: float = 0.95) -> Estimate:
    """mean@k: the mean over tasks of each task's mean, with an interval over tasks.

    One binary attempt a task: Wilson's score interval. Otherwise Wilson's interval at the *effective* number of
    tasks p(1-p)/se^2 with se^2 the variance of per-task means over tasks, and Student's t for z (Korn and Graubard
    1998, *Survey Methodology* 24:193; recommended for clustered proportions by Dean and Pagano 2015, *J. Survey
    Statistics and Methodology* 3:484). Where all tasks agree the effective number is the number of tasks.
    """
    rows = as_rows(scores)
    means = np.array([row.mean() for row in rows if row.size], dtype=np.float64)
    scored = sum(row.size for row in rows)
    attempts = sum(len(row) for row in scores)
    return Estimate(
        metric=metric,
        mean=float(means.mean()) if means.size else None,
        ci=_mean_interval(means, scored, is_binary(rows), confidence) if means.size else None,
        n=int(means.size),
        trials=max((len(row) for row in scores), default=0),
        missing=attempts - scored,
    )


def _mean_interval(means: Floats, scored: int, binary: bool, confidence: float) -> tuple[float, float]:
    n, p = means.size, float(means.mean())
    variance = float(means.var(ddof=1)) / n if n > 1 else 0.0
    z, t = z_quantile(confidence), t_quantile(confidence, n - 1)
    if binary and scored == n:
        effective, quantile = float(n), z
    elif variance < 1e-12 or p * (1 - p) < 1e-12:
        # No spread between tasks says nothing of the next task beyond "n tasks alike".
        effective, quantile = float(n), z
    else:
        effective, quantile = p * (1 - p) / variance, t
        if binary:
            effective = min(effective, float(scored))  # attempts of a task are never worth more than as many tasks
    return wilson_at(p, effective, quantile)


def wilson(successes: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a proportion (Wilson 1927; Brown, Cai and DasGupta 2001, *Stat. Sci.* 16:101)."""
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError("wilson: 0 <= successes <= n and n > 0")
    return wilson_at(successes / n, n, z_quantile(confidence))


def wilson_at(p: float, n: float, z: float) -> tuple[float, float]:
    """Wilson's interval at the quantile ``z``; ``n`` need not be whole."""
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half))


def pass_at_k(scores: Scores, k: int, *, threshold: float = 0.5) -> Estimate:
    """pass@k: probability that at least one of ``k`` attempts succeeds, unbiased: 1 - C(n-c, k)/C(n, k).

    Chen et al. 2021 (arXiv 2107.03374), eq. 1, a mean over tasks. An attempt succeeds at ``threshold`` or more.
    Tasks with fewer than ``k`` scored attempts say nothing of it and are left out (``n`` counts the rest).
    """
    return _of_k(scores, k, threshold, f"pass@{k}", lambda n, c: 1.0 - math.comb(n - c, k) / math.comb(n, k))


def pass_hat_k(scores: Scores, k: int, *, threshold: float = 0.5) -> Estimate:
    """pass^k: probability that all of ``k`` attempts succeed, unbiased: C(c, k)/C(n, k).

    Yao et al. 2024, tau-bench (arXiv 2406.12045), section 4. Otherwise as :func:`pass_at_k`.
    """
    return _of_k(scores, k, threshold, f"pass^{k}", lambda n, c: math.comb(c, k) / math.comb(n, k))


def _of_k(scores: Scores, k: int, threshold: float, metric: str, formula: Callable[[int, int], float]) -> Estimate:
    if k < 1:
        raise ValueError("k is 1 or more")
    rows = as_rows(scores)
    kept = [row for row in rows if row.size >= k]
    values = np.array([formula(row.size, int((row >= threshold).sum())) for row in kept], dtype=np.float64)
    return Estimate(
        metric=metric,
        mean=float(values.mean()) if values.size else None,
        ci=_mean_interval(values, values.size, is_binary([values]), 0.95) if values.size else None,
        n=int(values.size),
        trials=max((len(row) for row in scores), default=0),
        missing=sum(len(row) for row in scores) - sum(row.size for row in rows),
    )


# ---------------------------------------------------------------- small helpers


def is_binary(rows: Iterable[Floats]) -> bool:
    """Whether every score is 0 or 1."""
    return all(bool(((row == 0.0) | (row == 1.0)).all()) for row in rows)


def z_quantile(confidence: float) -> float:
    """The two-sided standard normal quantile."""
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def t_quantile(confidence: float, df: int) -> float:
    """Student's two-sided t quantile; fewer than one degree of freedom count as one."""
    return float(special.stdtrit(max(df, 1), 0.5 + confidence / 2))
