"""What length had to do with a preference: the fit of net preference on the ratio of lengths."""

from __future__ import annotations

import math

import numpy as np

from practice.stats.means import Floats, t_quantile
from practice.types import Value

__all__ = ["NEAR", "LengthFit", "length_fit"]

NEAR = 1.1
"""Lengths within this ratio count as equal: no reader sees a tenth."""


class LengthFit(Value):
    """Net preference = at_equal + slope x log2(length ratio), by least squares over pairs."""

    pairs: int
    longer: float
    """Share of pairs whose second attempt is longer by more than a tenth."""
    shorter: float
    ratio: float
    """Geometric mean of second over first length."""
    raw: float
    """Net preference of the second attempts, all pairs alike."""
    slope: float | None
    """What a doubling of the length adds to the net preference; None where lengths do not vary."""
    slope_ci: tuple[float, float] | None
    at_equal: float | None
    """Net preference at equal length; None where no pair comes near it, or its mirror: no extrapolation."""
    at_equal_ci: tuple[float, float] | None


def length_fit(wins: Floats, ratios: Floats, *, confidence: float = 0.95) -> LengthFit | None:
    """The fit over pairs, with delete-one-task jackknife intervals (Efron and Stein 1981, *Ann. Stat.* 9:586).

    Args:
        wins: shape (tasks, pairs): 1 where the second attempt was preferred, 0.5 tied, 0; NaN without a verdict.
        ratios: same shape: log2 of the second attempt's length over the first's; NaN where one has no words.

    The length-controlled preference of Dubois et al. 2024 (arXiv 2404.04475) with a linear link: net preferences of
    win, tie and loss are no coin flips, and a line can be fitted where one side always wins. None without a pair.
    """
    known = ~(np.isnan(wins) | np.isnan(ratios))
    task = np.nonzero(known)[0]
    if not task.size:
        return None
    x, d = ratios[known], 2.0 * wins[known] - 1.0
    near = math.log2(NEAR)
    point = _line(x, d)
    tasks = np.unique(task)
    without = [_line(x[task != one], d[task != one]) for one in tasks] if point and tasks.size > 2 else []
    kept = np.array([line for line in without if line is not None], dtype=np.float64)
    spread = None
    if point and len(kept) == tasks.size:
        m = tasks.size
        errors = np.sqrt((m - 1) / m * ((kept - kept.mean(axis=0)) ** 2).sum(axis=0))
        spread = t_quantile(confidence, m - 1) * errors
    reaches = bool(x.min() <= near and x.max() >= -near)
    return LengthFit(
        pairs=int(x.size),
        longer=float((x > near).mean()),
        shorter=float((x < -near).mean()),
        ratio=float(2.0 ** x.mean()),
        raw=float(d.mean()),
        slope=point[1] if point else None,
        slope_ci=_around(point[1], float(spread[1])) if point and spread is not None else None,
        at_equal=max(-1.0, min(1.0, point[0])) if point and reaches else None,
        at_equal_ci=_around(point[0], float(spread[0]), 1.0) if point and reaches and spread is not None else None,
    )


def _line(x: Floats, d: Floats) -> tuple[float, float] | None:
    """Intercept and slope of d on x by least squares; None where x does not vary."""
    centred = x - x.mean() if x.size else x
    square = float((centred**2).sum())
    if x.size < 3 or square < 1e-9:
        return None
    slope = float((centred * d).sum()) / square
    return float(d.mean()) - slope * float(x.mean()), slope


def _around(value: float, half: float, limit: float = math.inf) -> tuple[float, float]:
    return max(-limit, min(limit, value - half)), max(-limit, min(limit, value + half))
