"""Exact permutation distributions: convolution on an integer lattice instead of sampling.

Scores are put on a lattice; a stratum's permutation distribution (hypergeometric for 0/1 scores) is computed exactly
and the strata's are convolved. Rounding to the lattice keeps a test exact, as any fixed function of the data may be
permuted; it only picks a slightly different statistic. Nothing is sampled, so no seed is needed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from practice.stats.means import Floats, is_binary

#: Lattice of scores in permutation tests, finest first: 1/60 holds halves, thirds, quarters, fifths, sixths, tenths.
RESOLUTIONS = (60, 30, 12, 4, 2)
#: lcm(1..8).
ATTEMPTS_LCM = 840
#: Multiply-adds that one exact convolution may cost before the lattice is made coarser.
WORK_LIMIT = 3e8


class Stratum(NamedTuple):
    """One task (or group) in a permutation test: ``values`` are exchangeable, ``chosen`` of them are on side one."""

    values: tuple[int, ...]
    """Pooled scores of both sides on the lattice, sorted; 0 or more."""
    chosen: int
    step: int
    """Weight of this stratum's sum in the statistic: 1 or more."""


def stratified_tails(pairs: Sequence[tuple[Floats, Floats]], steps: Sequence[int]) -> tuple[float, float]:
    """P(T <= observed) and P(T >= observed) under permutation within strata, T = sum of step x sum(side one).

    Each pair is (scores of side one, scores of side two) of one stratum, all in [0, 1]. Scores that are not 0 or 1
    are rounded to the finest lattice whose convolution is affordable.
    """
    resolutions = (1,) if is_binary([row for pair in pairs for row in pair]) else RESOLUTIONS
    strata: list[Stratum] = []
    observed = 0
    for resolution in resolutions:
        whole = [np.rint(np.concatenate(pair) * resolution).astype(np.int64) for pair in pairs]
        sizes = [one.size for one, _ in pairs]
        strata = [Stratum(tuple(sorted(v.tolist())), k, step) for v, k, step in zip(whole, sizes, steps, strict=True)]
        observed = sum(step * int(v[:k].sum()) for v, k, step in zip(whole, sizes, steps, strict=True))
        if _work(strata) <= WORK_LIMIT:
            break
    return permutation_tails(strata, observed)


def table_tails(one: Floats, two: Floats) -> tuple[float, float]:
    """P(D <= observed) and P(D >= observed) under permutation of attempts within tasks.

    D is the sum over tasks of mean(one) - mean(two), for tables of shape (tasks, attempts) with NaN for missing
    scores and at least one score on either side of each task. H0: a task's attempts are exchangeable between the
    sides (Fisher 1935; Pesarin 2001, *Multivariate Permutation Tests*, section 3.2 on strata). A task's term is
    (1/m + 1/n) x (sum of side one) plus a constant, so with m, n <= 8 its weight is a whole number of 1/840.
    """
    ones, twos = ~np.isnan(one), ~np.isnan(two)
    m, n = ones.sum(axis=1), twos.sum(axis=1)
    steps = np.rint(ATTEMPTS_LCM * (1.0 / m + 1.0 / n)).astype(np.int64)
    steps //= np.gcd.reduce(steps)
    if not is_binary([one[ones], two[twos]]):
        pairs = [(a[x], b[y]) for a, x, b, y in zip(one, ones, two, twos, strict=True)]
        return stratified_tails(pairs, steps.tolist())
    right = np.nansum(one, axis=1).astype(np.int64)
    total = (right + np.nansum(two, axis=1).astype(np.int64)).tolist()
    strata = [
        Stratum((0,) * (size - t) + (1,) * t, k, step)
        for size, t, k, step in zip((m + n).tolist(), total, m.tolist(), steps.tolist(), strict=True)
    ]
    return permutation_tails(strata, int((steps * right).sum()))


def permutation_tails(strata: Iterable[Stratum], observed: int) -> tuple[float, float]:
    """P(T <= observed) and P(T >= observed), exactly, where in every stratum any ``chosen`` values are as likely.

    T is the sum over strata of step x (sum of the chosen values). The strata's distributions (hypergeometric for
    0/1 values) are convolved; like strata are convolved once and raised to their number.
    """
    total = np.ones(1)
    for stratum, count in sorted(Counter(strata).items()):
        total = _convolve(total, _power(stratum, count))
    lower = float(total[: observed + 1].sum()) if observed >= 0 else 0.0
    upper = float(total[max(0, observed) :].sum())
    return min(1.0, lower), min(1.0, upper)


def _work(strata: Sequence[Stratum]) -> float:
    """Multiply-adds of the convolution, roughly: points of each stratum times half the final length."""
    spans = [sum(s.values[-s.chosen :]) if s.chosen else 0 for s in strata]
    points = [min(span + 1, math.comb(len(s.values), s.chosen)) for s, span in zip(strata, spans, strict=True)]
    length = sum(span * s.step for s, span in zip(strata, spans, strict=True))
    return 0.5 * length * sum(points)


@lru_cache(maxsize=8192)
def _power(stratum: Stratum, count: int) -> Floats:
    if count == 1:
        return _subset_sums(stratum)
    half = _power(stratum, count // 2)
    square = _convolve(half, half)
    return _convolve(square, _power(stratum, 1)) if count % 2 else square


def _subset_sums(stratum: Stratum) -> Floats:
    """Distribution of step x (sum of ``chosen`` of the values), index = sum, every subset as likely."""
    values, k, step = stratum
    ways = np.zeros((k + 1, sum(values[-k:]) + 1 if k else 1))
    ways[0, 0] = 1.0
    for value in values:  # take or leave each value: j runs down so that none is taken twice
        for j in range(k - 1, -1, -1):
            if value:
                ways[j + 1, value:] += ways[j, :-value]
            else:
                ways[j + 1] += ways[j]
    spread = np.zeros((ways.shape[1] - 1) * step + 1)
    spread[::step] = ways[k] / math.comb(len(values), k)
    return spread


def _convolve(a: Floats, b: Floats) -> Floats:
    """Sums of products of positives, never an FFT: tails stay exact to rounding however small they are."""
    if b.size > a.size:
        a, b = b, a
    points = np.flatnonzero(b)
    if points.size * 4 > b.size or b.size < 64:
        return np.convolve(a, b)
    out = np.zeros(a.size + b.size - 1)
    for point in points.tolist():
        out[point : point + a.size] += b[point] * a
    return out
