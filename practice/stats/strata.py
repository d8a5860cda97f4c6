"""A behaviour against reward over groups, and corrections for many tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from practice.stats.means import Floats, wilson_at, z_quantile
from practice.stats.permutation import stratified_tails


@dataclass(frozen=True, slots=True)
class Association:
    """A yes/no behaviour against reward over strata."""

    difference: float
    """Mantel-Haenszel risk difference, in [-1, 1]."""
    ci: tuple[float, float]
    p: float
    """Two-sided, exact stratified permutation."""
    with_mean: float
    """Crude mean reward with the behaviour, over all strata."""
    with_n: int
    without_mean: float
    without_n: int
    strata: int
    """Strata that hold both sides; only these carry the difference."""


def mantel_haenszel(strata: Sequence[tuple[Sequence[float], Sequence[float]]], confidence: float = 0.95) -> Association:
    """Mean reward with a behaviour minus without, pooled over groups: each stratum is (rewards with, without).

    Difference: Mantel-Haenszel weights n1 n0/(n1 + n0) (Greenland and Robins 1985, *Biometrics* 41:55).
    Interval: Sato's variance (Sato 1989, *Biometrics* 45:1323), which holds for few large and for many small
    strata, inverted as a score interval (Klingenberg 2014, *Stat. Med.* 33:2968), so that 1 against 0 has a width.
    Rewards between 0 and 1 count as fractions of a success: their variance is at most that, so the interval is
    conservative. p: two-sided exact permutation of rewards within strata (for 0/1 the exact conditional test of
    Mantel and Haenszel 1959).

    Raises:
        ValueError: no stratum holds both sides.
    """
    sides = [(np.asarray(one, dtype=np.float64), np.asarray(two, dtype=np.float64)) for one, two in strata]
    both = [(one, two) for one, two in sides if one.size and two.size]
    if not both:
        raise ValueError("no stratum holds both sides")
    n1 = np.array([one.size for one, _ in both], dtype=np.float64)
    n0 = np.array([two.size for _, two in both], dtype=np.float64)
    y1 = np.array([one.sum() for one, _ in both], dtype=np.float64)
    y0 = np.array([two.sum() for _, two in both], dtype=np.float64)
    n = n1 + n0
    weight = float((n1 * n0 / n).sum())
    difference = float(((y1 * n0 - y0 * n1) / n).sum()) / weight
    interval = _klingenberg(difference, weight, n1, n0, y1, y0, z_quantile(confidence))
    with_all = np.concatenate([one for one, _ in sides])
    without_all = np.concatenate([two for _, two in sides])
    return Association(
        difference=difference,
        ci=interval,
        p=min(1.0, 2 * min(stratified_tails(both, [1] * len(both)))),
        with_mean=float(with_all.mean()),
        with_n=int(with_all.size),
        without_mean=float(without_all.mean()),
        without_n=int(without_all.size),
        strata=len(both),
    )


def _klingenberg(
    difference: float, weight: float, n1: Floats, n0: Floats, y1: Floats, y0: Floats, z: float
) -> tuple[float, float]:
    n = n1 + n0
    p_sum = float(((n1**2 * y0 - n0**2 * y1 + n1 * n0 * (n0 - n1) / 2) / n**2).sum())
    q_sum = float(((y1 * (n0 - y0) + y0 * (n1 - y1)) / (2 * n)).sum())
    if q_sum < 1e-12 and abs(difference) < 1e-12:
        # Every reward alike: Sato's variance is 0. As wide as Wilson's intervals of both sides, subtracted.
        (lo1, hi1), (lo0, hi0) = (
            wilson_at(float(y.sum() / m.sum()), float(m.sum()), z) for y, m in ((y1, n1), (y0, n0))
        )
        return max(-1.0, lo1 - hi0), min(1.0, hi1 - lo0)
    middle = difference + z * z * p_sum / (2 * weight**2)
    half = math.sqrt(max(0.0, middle**2 - difference**2 + z * z * q_sum / weight**2))
    return max(-1.0, min(difference, middle - half)), min(1.0, max(difference, middle + half))


# ---------------------------------------------------------------- many tests


def holm(p: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values that control the familywise error under any dependence (Holm 1979), in input order."""
    m, adjusted, running = len(p), [0.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(m), key=lambda i: p[i])):
        running = max(running, min(1.0, (m - rank) * p[i]))
        adjusted[i] = running
    return tuple(adjusted)


def benjamini_hochberg(p: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values that control the false discovery rate (Benjamini and Hochberg 1995), in input order."""
    m, adjusted, running = len(p), [0.0] * len(p), 1.0
    for rank, i in reversed(list(enumerate(sorted(range(m), key=lambda i: p[i]), start=1))):
        running = min(running, p[i] * m / rank)
        adjusted[i] = running
    return tuple(adjusted)
