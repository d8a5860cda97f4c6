"""The same tasks before and after: mean difference, interval, exact test."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from practice.stats.means import (
    MISSING_LIMIT,
    Bounds,
    Floats,
    Scores,
    as_rows,
    filled,
    is_binary,
    missing_share,
    t_quantile,
    z_quantile,
)
from practice.stats.permutation import Stratum, permutation_tails
from practice.types import Delta


def paired_delta(before: Scores, after: Scores, *, confidence: float = 0.95) -> Delta:
    """Mean over tasks of after - before, paired by task, with an interval and an exact p-value.

    One binary attempt a side: Tango's score interval and McNemar's exact test. Otherwise Student's t over the
    tasks' differences, widened for binary scores of k attempts by one pseudo-task at +1/sqrt(k) and one at -1/sqrt(k)
    (at k = 1 the rule of Bonett and Price 2012, *J. Educ. Behav. Stat.* 37:479; the factor keeps coverage at 95 %
    where few tasks change much, see docs/statistics.md), and the exact sign-flip test. Tasks that lack a score on one
    side are left out.

    Raises:
        ValueError: tables of different length, or no task scored on both sides.
    """
    one, two = as_rows(before), as_rows(after)
    if len(one) != len(two):
        raise ValueError(f"paired by task: {len(one)} tasks before, {len(two)} after")
    pairs = [(b, a) for b, a in zip(one, two, strict=True) if b.size and a.size]
    if not pairs:
        raise ValueError("no task has a score on both sides")
    differences = np.array([a.mean() - b.mean() for b, a in pairs], dtype=np.float64)
    binary = is_binary([row for pair in pairs for row in pair])
    attempts = max(row.size for pair in pairs for row in pair)
    mean = float(differences.mean())
    if binary and attempts == 1:
        gained, lost = int((differences > 0).sum()), int((differences < 0).sum())
        interval = tango(gained, lost, differences.size, confidence)
        return Delta(mean=mean, ci=interval, p=mcnemar_exact(gained, lost), test="McNemar exact")
    interval = _difference_interval(differences, attempts if binary else None, confidence)
    return Delta(mean=mean, ci=interval, p=sign_flip(differences), test="sign-flip exact")


def preference_delta(wins: Scores, *, confidence: float = 0.95) -> Delta:
    """Net preference: share of pairs won minus share lost, a mean over tasks, with interval and exact p-value.

    ``wins`` has one row a task and one entry a pair of attempts: 1 won, 0.5 tied, 0 lost, None without a verdict.
    One pair a task: Tango's interval, a tie being a pair that is alike on both sides, and the sign test, which
    leaves ties out. Several: Student's t over tasks, widened as in :func:`paired_delta`, and the sign-flip test.

    Raises:
        ValueError: no pair has a verdict, or an entry outside [0, 1].
    """
    rows = [row for row in as_rows(wins) if row.size]
    if not rows:
        raise ValueError("no pair has a verdict")
    nets = np.array([2.0 * row.mean() - 1.0 for row in rows], dtype=np.float64)
    attempts = max(row.size for row in rows)
    if attempts == 1 and bool(np.isin(nets, (-1.0, 0.0, 1.0)).all()):
        won, lost = int((nets > 0).sum()), int((nets < 0).sum())
        interval = tango(won, lost, nets.size, confidence)
        return Delta(mean=float(nets.mean()), ci=interval, p=mcnemar_exact(won, lost), test="sign test exact")
    interval = _difference_interval(nets, attempts, confidence)
    return Delta(mean=float(nets.mean()), ci=interval, p=sign_flip(nets), test="sign-flip exact")


def _difference_interval(d: Floats, attempts: int | None, confidence: float) -> tuple[float, float]:
    mean = float(d.mean())
    pseudo = 1.0 / math.sqrt(attempts) if attempts else 0.0
    if pseudo == 0.0 and (d.size < 2 or float(np.ptp(d)) < 1e-12):
        pseudo = 1.0  # no spread to learn from: as if the scores were binary
    widened = np.append(d, [pseudo, -pseudo]) if pseudo else d
    half = t_quantile(confidence, widened.size - 1) * float(widened.std(ddof=1)) / math.sqrt(widened.size)
    centre = float(widened.mean())
    return max(-1.0, min(mean, centre - half)), min(1.0, max(mean, centre + half))


def tango(gained: int, lost: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of a paired difference of proportions, (gained - lost)/n.

    Tango 1998, *Stat. Med.* 17:891: the differences that the score test with restricted maximum likelihood
    does not reject. Never of zero width: 0 gained, 0 lost of n gives +-z^2/(n + z^2).
    """
    if n < 1 or min(gained, lost) < 0 or gained + lost > n:
        raise ValueError("tango: gained, lost >= 0 and gained + lost <= n")
    z, point = z_quantile(confidence), (gained - lost) / n

    def score(delta: float) -> float:
        variance = n * tango_variance(gained, lost, n, delta)
        distance = gained - lost - n * delta
        return distance / math.sqrt(variance) if variance > 1e-15 else math.copysign(math.inf, distance)

    def solve(inside: float, outside: float) -> float:
        if abs(point - outside) < 1e-15:
            return outside
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if abs(score(middle)) <= z else (inside, middle)
        return (inside + outside) / 2

    return solve(point, -1.0), solve(point, 1.0)


def tango_variance(gained: float, lost: float, n: float, delta: float) -> float:
    """Variance of one pair's difference where its mean is ``delta``: 2q + delta (1 - delta), q by maximum likelihood.

    Tango 1998, equation 8; q is the probability of a pair that is lost. Pairs with several chances of being lost
    have less.
    """
    b = -gained - lost + (2 * n - gained + lost) * delta
    root = math.sqrt(max(0.0, b * b + 8 * n * lost * delta * (1 - delta)))
    return 2 * max(0.0, (root - b) / (4 * n)) + delta * (1 - delta)


def mcnemar_exact(gained: int, lost: int) -> float:
    """Two-sided exact McNemar test: binomial(gained + lost, 1/2) (McNemar 1947; exact form: Mosteller 1952)."""
    n = gained + lost
    tail = sum(math.comb(n, i) for i in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail / 2**n)


def sign_flip(differences: Sequence[float] | Floats) -> float:
    """Two-sided exact paired permutation test: every task's difference could as well have had the other sign.

    Fisher 1935, *The Design of Experiments*, section 21, by convolution over tasks instead of 2^n sign patterns.
    Differences are rounded to 1/5040, which holds all differences of means of up to 10 binary attempts.
    """
    d = np.asarray(differences, dtype=np.float64)
    whole = np.rint(d * 5040).astype(np.int64)
    unit = int(np.gcd.reduce(np.abs(whole))) if whole.size else 0
    if unit == 0:
        return 1.0
    whole //= unit
    strata = [Stratum((0, abs(int(v))), 1, 1) for v in whole if v]  # side one holds |d| or 0: half the signed sum
    lower, upper = permutation_tails(strata, int(whole[whole > 0].sum()))
    return min(1.0, 2 * min(lower, upper))


def delta_bounds(before: Scores, after: Scores) -> Bounds | None:
    """Bounds of the mean difference after - before; None where at most 5 % of either side are missing."""
    shares = missing_share(before), missing_share(after)
    if max(shares) <= MISSING_LIMIT:
        return None
    low = filled(after, 0.0) - filled(before, 1.0)
    high = filled(after, 1.0) - filled(before, 0.0)
    return Bounds(max(shares), float(low.mean()), float(high.mean()))
