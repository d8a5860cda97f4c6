"""Judges against known truth: AUROC, error rates, spurious and missed signal, best-of-G, cycles."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from practice.stats import (
    PerQuery,
    auroc,
    auroc_interval,
    cyclic_triads,
    false_positives,
    missed_signal,
    recovery,
    spurious_signal,
    true_positives,
)

NAN = math.nan


def sums(found: PerQuery) -> tuple[list[float], list[float]]:
    return found.numerators.tolist(), found.denominators.tolist()


# ---------------------------------------------------------------- AUROC


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(2, 40))
def test_auroc_is_mann_whitneys_u_over_the_pairs(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    scores, labels = rng.integers(1, 6, n).astype(float), (rng.random(n) < 0.5).astype(float)
    labels[:2] = 0.0, 1.0
    right, wrong = scores[labels == 1], scores[labels == 0]
    u = scipy_stats.mannwhitneyu(right, wrong).statistic
    assert auroc(scores, labels) == pytest.approx(u / (right.size * wrong.size))


def test_auroc_of_the_extremes() -> None:
    assert auroc([3, 4, 1, 2], [1, 1, 0, 0]) == 1.0
    assert auroc([1, 2, 3, 4], [1, 1, 0, 0]) == 0.0
    assert auroc([2, 2, 2], [1, 0, 0]) == 0.5
    assert math.isnan(auroc([1, 2], [1, 1])) and math.isnan(auroc([], []))


def test_auroc_leaves_out_what_is_missing() -> None:
    assert auroc([[3, NAN, 1]], [[1, 1, 0]]) == 1.0
    assert auroc([[3, 2, 1]], [[1, NAN, 0]]) == 1.0


def test_auroc_takes_no_other_labels() -> None:
    with pytest.raises(ValueError, match="0 or 1"):
        auroc([1, 2], [0.5, 1])


def test_the_variance_of_independent_rollouts_is_delongs() -> None:
    # DeLong, DeLong and Clarke-Pearson 1988: var(V10)/m + var(V01)/n, here with 1/m for 1/(m-1), one rollout a query.
    rng = np.random.default_rng(3)
    labels = np.array([1.0] * 40 + [0.0] * 60)
    scores = rng.normal(size=100) + labels
    right, wrong = scores[:40], scores[40:]
    v10 = np.array([(x > wrong).mean() for x in right])
    v01 = np.array([(right > x).mean() for x in wrong])
    variance = v10.var() / 40 + v01.var() / 60
    got = auroc_interval(scores[:, None], labels[:, None])
    assert got.value == pytest.approx(auroc(scores, labels)) and got.n == 100
    # Wilson's interval at p(1-p)/variance is as wide as that within a few percent.
    assert got.high - got.low == pytest.approx(2 * 1.984 * math.sqrt(variance), rel=0.05)


def test_rollouts_of_a_query_that_move_together_widen_the_interval() -> None:
    rng = np.random.default_rng(5)
    labels = np.repeat((rng.random((40, 1)) < 0.5).astype(float), 6, axis=1)  # a query is all right or all wrong
    scores = labels + rng.normal(size=(40, 1)) + 0.2 * rng.normal(size=(40, 6))
    together = auroc_interval(scores, labels)
    apart = auroc_interval(scores.reshape(-1, 1), labels.reshape(-1, 1))
    assert together.value == pytest.approx(apart.value)
    assert together.high - together.low > 1.7 * (apart.high - apart.low)


def test_the_interval_of_a_perfect_judge_has_a_width_and_that_of_nothing_is_undefined() -> None:
    perfect = auroc_interval(np.array([[2.0, 1.0]] * 10), np.array([[1.0, 0.0]] * 10))
    assert (perfect.value, perfect.n) == (1.0, 10) and perfect.low < 0.8
    none = auroc_interval(np.array([[2.0, 1.0]]), np.array([[1.0, 1.0]]))
    assert math.isnan(none.value) and math.isnan(none.low)


def test_the_clustered_auroc_is_covered() -> None:
    rng, hits, truth = np.random.default_rng(1), 0, scipy_stats.norm.cdf(1 / math.sqrt(2 * (0.25 + 0.75)))
    for _ in range(300):
        labels = (rng.random((30, 4)) < rng.beta(1, 1, (30, 1))).astype(float)
        scores = labels + 0.5 * rng.normal(size=(30, 1)) + math.sqrt(0.75) * rng.normal(size=(30, 4))
        got = auroc_interval(scores, labels)
        hits += got.low <= truth <= got.high
    assert hits / 300 > 0.95 - 0.02 - 3 * math.sqrt(0.95 * 0.05 / 300)


# ---------------------------------------------------------------- error rates and signal


def test_error_rates_at_a_threshold_are_counted_by_query() -> None:
    scores = [[0.9, 0.7, 0.2], [0.7, 0.6, NAN]]
    labels = [[1, 0, 1], [1, 0, 0]]
    assert sums(true_positives(scores, labels, 0.7)) == ([1, 1], [2, 1])
    assert sums(false_positives(scores, labels, 0.7)) == ([1, 0], [1, 1])
    got = true_positives(scores, labels, 0.7).interval(low=0, high=1)
    assert (got.value, got.n) == (pytest.approx(2 / 3), 2)


def test_signal_that_is_not_there_and_signal_that_is_missed() -> None:
    truth = [[1, 1, 1], [0, 0, NAN], [1, 0, 1], [1, 0, 0], [1, NAN, NAN], [0, 1, NAN]]
    scores = [[3, 4, 4], [2, 2, 5], [4, 4, 4], [5, 1, 1], [5, 2, 1], [3, NAN, 2]]
    # alike and separated; alike and tied; mixed and tied; mixed and separated; one rollout each: neither.
    assert sums(spurious_signal(scores, truth)) == ([1, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0])
    assert sums(missed_signal(scores, truth)) == ([0, 0, 1, 0, 0, 0], [0, 0, 1, 1, 0, 0])


def test_evaluators_are_pooled_within_a_query() -> None:
    scores = np.array([[[3.0, 4.0], [2.0, 2.0], [1.0, 5.0]]])
    truth = np.array([[[1.0, 1.0]]])
    assert sums(spurious_signal(scores, truth)) == ([2], [3])


# ---------------------------------------------------------------- recovery


def test_recovery_by_hand() -> None:
    truth = [[1, 0, 0, 1], [1, 0, 0, 0], [1, 1, 1, 1], [0, 1, NAN, NAN], [NAN, NAN, NAN, NAN]]
    scores = [[5, 3, 1, 2], [4, 4, 1, 1], [5, 1, 1, 1], [5, 1, 9, 9], [1, 2, 3, 4]]
    # top right: 1 - 1/2; two tied, one of them right: 1/2 - 1/4; nothing to gain; the wrong one: 0 - 1/2; no truth.
    assert sums(recovery(scores, truth)) == ([0.5, 0.25, 0, -0.5, 0], [0.5, 0.75, 0, 0.5, 0])
    got = recovery(scores, truth).interval()
    assert (got.value, got.n) == (pytest.approx(0.25 / 1.75), 3)


@settings(max_examples=40)
@given(st.integers(0, 10_000))
def test_truth_recovers_all_and_a_constant_nothing(seed: int) -> None:
    truth = np.random.default_rng(seed).integers(0, 4, (6, 5)).astype(float)
    best = recovery(truth, truth)
    assert best.numerators == pytest.approx(best.denominators)
    assert recovery(np.ones_like(truth), truth).numerators == pytest.approx(np.zeros(6))


# ---------------------------------------------------------------- cycles


def wins(order: dict[tuple[int, int], float], size: int) -> np.ndarray:
    found = np.full((1, size, size), NAN)
    for (a, b), win in order.items():
        found[0, a, b], found[0, b, a] = win, 1 - win
    return found


def test_a_cycle_of_three_is_one_and_a_tie_undoes_it() -> None:
    assert sums(cyclic_triads(wins({(0, 1): 1, (1, 2): 1, (0, 2): 0}, 3))) == ([1], [1])
    assert sums(cyclic_triads(wins({(0, 1): 0, (1, 2): 0, (0, 2): 1}, 3))) == ([1], [1])
    assert sums(cyclic_triads(wins({(0, 1): 1, (1, 2): 1, (0, 2): 1}, 3))) == ([0], [1])
    assert sums(cyclic_triads(wins({(0, 1): 1, (1, 2): 1, (0, 2): 0.5}, 3))) == ([0], [0])
    assert sums(cyclic_triads(wins({(0, 1): 1, (1, 2): 1}, 3))) == ([0], [0])


@settings(max_examples=40)
@given(st.integers(0, 100_000), st.integers(3, 8))
def test_cycles_are_kendall_and_babington_smiths_count(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = {pair: float(rng.random() < 0.5) for pair in itertools.combinations(range(size), 2)}
    found = wins(pairs, size)
    won = np.nansum(found[0], axis=1)
    # d = G(G-1)(2G-1)/12 - sum(a^2)/2 with a the wins of each (1940, section 7).
    expected = size * (size - 1) * (2 * size - 1) / 12 - (won**2).sum() / 2
    assert sums(cyclic_triads(found)) == ([pytest.approx(expected)], [math.comb(size, 3)])


def test_a_random_judge_makes_a_quarter_of_the_triads_cyclic() -> None:
    rng = np.random.default_rng(0)
    upper = np.triu((rng.random((3000, 5, 5)) < 0.5).astype(float), 1)
    found = upper + np.tril(1 - np.swapaxes(upper, 1, 2), -1)
    got = cyclic_triads(found).interval(low=0, high=1)
    assert got.value == pytest.approx(0.25, abs=0.01) and got.n == 3000
