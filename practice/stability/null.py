"""What tau_b would be were the evaluators' orders unrelated: scores shuffled within (group, evaluator).

Each evaluator keeps its scores and ties in each group; only which rollout has which is drawn anew. All pairs of
evaluators come from one product of sign matrices a group: with s the signs of the differences of all rollout pairs,
and m which of the pairs an evaluator judged, P - Q = s_a . s_b and P + Q + T_b = |s_a| . m_b, all that tau_b needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from practice.stability.grid import Pairs, mean_known
from practice.stability.table import Floats
from practice.stats import shuffle_within
from practice.stats.cluster import permutation_p

__all__ = ["Null", "cell_taus", "permutation_null", "subsample"]

SHUFFLES = 999
FEWEST_SHUFFLES = 199
MOST_GROUPS = 2_000
BUDGET = 30_000_000
"""Cells (shuffle x group x evaluator x evaluator) that are computed; above it there are fewer shuffles, then fewer
groups."""
BLOCK = 1_000_000


@dataclass(frozen=True)
class Null:
    """The null of tau_b."""

    quantile: Mapping[str, float]
    """Axis (and ``all``) -> the 97.5 % quantile of the mean over the groups looked at; NaN where undefined."""
    p: Mapping[str, float]
    """One-sided: how often shuffled scores agree as much."""
    groups: NDArray[np.int64]
    """Which groups were looked at."""
    group_p: Floats
    """p of each of them, over all pairs; NaN where its tau_b is undefined."""


def cell_taus(scores: Floats) -> Floats:
    """tau_b of all pairs of evaluators, scores (N, E, G) -> (N, E, E); NaN where it is not defined."""
    first, second = np.triu_indices(scores.shape[2], 1)
    difference = scores[:, :, first] - scores[:, :, second]
    # Whole numbers up to G(G-1)/2: single precision holds them exactly.
    judged = (difference == difference).astype(np.float32)
    signs = (difference > 0).astype(np.float32) - (difference < 0)
    net = signs @ signs.transpose(0, 2, 1)
    strict = np.abs(signs) @ judged.transpose(0, 2, 1)
    under: Floats = np.sqrt(strict.astype(np.float64) * strict.transpose(0, 2, 1))
    return np.divide(net, under, out=np.full(under.shape, np.nan), where=under > 0)


def permutation_null(scores: Floats, pairs: Mapping[str, Pairs], seed: int) -> Null:
    """The null of every axis and of every group, scores (N, E, G).

    At most 999 shuffles and 2,000 groups (a seeded subsample); on a subsample the observed tau_b of the same groups is
    what p compares, and the quantile is that of the smaller sample, which lies higher.
    """
    rng = np.random.default_rng(seed)
    chosen, shuffles = _plan(scores, rng)
    sample = scores[chosen]
    observed = _by_axis(sample, pairs)
    drawn: dict[str, list[Floats]] = {axis: [] for axis in pairs}
    reached, known = np.zeros(len(chosen)), np.zeros(len(chosen))
    step = max(1, BLOCK // max(1, sample.size))
    for start in range(0, shuffles, step):
        times = min(step, shuffles - start)
        repeated = np.broadcast_to(sample, (times, *sample.shape)).reshape(-1, *sample.shape[1:])
        for axis, values in _by_axis(shuffle_within(repeated, rng), pairs).items():
            by_shuffle = values.reshape(times, -1)
            drawn[axis].append(mean_known(by_shuffle))
            if axis == "all":
                reached += (by_shuffle >= observed["all"] - 1e-12).sum(axis=0)
                known += (~np.isnan(by_shuffle)).sum(axis=0)
    null = {axis: np.concatenate(values) for axis, values in drawn.items()}
    return Null(
        quantile={axis: _quantile(values) for axis, values in null.items()},
        p={axis: permutation_p(float(mean_known(observed[axis])), values) for axis, values in null.items()},
        groups=chosen,
        group_p=np.where(np.isnan(observed["all"]) | (known == 0), np.nan, (1 + reached) / (1 + known)),
    )


def _plan(scores: Floats, rng: np.random.Generator) -> tuple[NDArray[np.int64], int]:
    """Which groups are looked at, in order, and how many shuffles there are."""
    n, e = scores.shape[:2]
    groups = min(n, MOST_GROUPS)
    shuffles = min(SHUFFLES, max(FEWEST_SHUFFLES, BUDGET // max(1, groups * e * e)))
    groups = max(min(groups, BUDGET // max(1, shuffles * e * e)), min(n, 15))
    return subsample(n, groups, rng), shuffles


def subsample(n: int, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``size`` of the numbers 0 to n-1 drawn at random, in order; all of them where that is as many."""
    if size >= n:
        return np.arange(n, dtype=np.int64)
    return np.sort(rng.permutation(n)[:size]).astype(np.int64)


def _by_axis(scores: Floats, pairs: Mapping[str, Pairs]) -> dict[str, Floats]:
    """Each group's mean tau_b over the evaluator pairs of each axis."""
    taus = cell_taus(scores)
    found: dict[str, Floats] = {}
    for axis, of_axis in pairs.items():
        one, two = ([pair[side] for pair in of_axis] for side in (0, 1))
        found[axis] = mean_known(taus[:, one, two])
    return found


def _quantile(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(np.quantile(known, 0.975)) if known.size else float("nan")
