"""Tests with several looks: the chance to cross, the chance still to cross, and non-inferiority's variance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from practice.stats.means import Floats

_NORMAL = NormalDist()


def predictive_power(z: float, information: float, critical: float) -> float:
    """Probability that the last look's z reaches ``critical``, given ``z`` at a share ``information`` in (0, 1].

    The effect's posterior under a flat prior: Phi((z - critical sqrt(t)) / sqrt(1 - t)) (Spiegelhalter, Freedman
    and Blackburn 1986, *Controlled Clin. Trials* 7:8; Jennison and Turnbull 2000, section 10.3.2).
    """
    if information >= 1.0:
        return 1.0 if z >= critical else 0.0
    return _NORMAL.cdf((z - critical * math.sqrt(information)) / math.sqrt(1.0 - information))


def crossing_probability(
    drift: float, spread: float, information: Sequence[float], critical: Sequence[float], futile: Sequence[float]
) -> float:
    """Probability that z reaches ``critical`` at some look before it falls under ``futile`` at an earlier one.

    The score process S(t) = z sqrt(t) has independent increments N(drift dt, spread^2 dt); its density is carried
    from look to look on a grid (Armitage, McPherson and Rowe 1969, *JRSS A* 132:235).

    Args:
        drift: expected z at full information.
        spread: standard deviation of z where the effect is true; 1 under the null.
        information: share of the final information at each look, rising to 1.
        critical: z to cross at each look.
        futile: z under which a look stops; -inf where it does not.
    """
    grid = np.linspace(min(0.0, drift) - 5.0 * spread, max(0.0, drift) + 5.0 * spread, 401)
    width = float(grid[1] - grid[0])
    mass: Floats | None = None
    crossed, before = 0.0, 0.0
    for t, upper, lower in zip(information, critical, futile, strict=True):
        deviation, move = spread * math.sqrt(t - before), drift * (t - before)
        if mass is None:
            density = np.exp(-0.5 * ((grid - move) / deviation) ** 2)
        else:
            steps = (grid[:, None] - grid[None, :] - move) / deviation
            density = np.exp(-0.5 * steps**2) @ mass
        density *= width / (deviation * math.sqrt(2.0 * math.pi))
        # The cells that the limits cut count in part.
        above = np.clip((grid - upper * math.sqrt(t)) / width + 0.5, 0.0, 1.0)
        below = np.clip((lower * math.sqrt(t) - grid) / width + 0.5, 0.0, 1.0)
        crossed += float((density * above).sum())
        mass = density * np.maximum(0.0, 1.0 - above - below)
        before = t
    return min(1.0, crossed)


def restricted_variance(one: Floats, two: Floats, difference: float) -> float:
    """Variance of the mean over tasks of mean(one) - mean(two), where the true difference is ``difference``.

    The score test of Miettinen and Nurminen 1985 (*Stat. Med.* 4:213), a stratum a task: success rates by
    maximum likelihood under the constraint, with their factor N/(N - 1). It is positive even where every attempt
    succeeded. Scores between 0 and 1 count as fractions of a success, which can only overstate the variance.
    Tables as in :func:`practice.stats.table_tails`.
    """
    m, n = (~np.isnan(one)).sum(axis=1), (~np.isnan(two)).sum(axis=1)
    x, y = np.nansum(one, axis=1), np.nansum(two, axis=1)
    low = np.full(m.shape, max(0.0, -difference))  # the rate of side two; side one has it plus the difference
    high = np.full(m.shape, min(1.0, 1.0 - difference))
    for _ in range(40):  # the log likelihood is concave: bisect its slope
        q = (low + high) / 2
        p = q + difference
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = x / p - (m - x) / (1 - p) + y / q - (n - y) / (1 - q)
        rising = np.nan_to_num(slope, nan=0.0) > 0
        low, high = np.where(rising, q, low), np.where(rising, high, q)
    q = (low + high) / 2
    p = q + difference
    size = m + n
    return float(((p * (1 - p) / m + q * (1 - q) / n) * size / (size - 1)).sum()) / m.size**2
