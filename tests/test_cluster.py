"""Means and ratios over queries, detectable effects, shuffles: against Student's t, library values and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from practice.stats import (
    Interval,
    cluster_mean,
    cluster_ratio,
    minimal_detectable,
    permutation_p,
    shuffle_within,
    wilson,
)
from practice.stats.cluster import degrees
from tests.benches import load

bench = load("coverage")

# ---------------------------------------------------------------- means


def test_a_mean_without_a_range_is_students_t() -> None:
    values = [0.2, -0.1, 0.5, 0.9, 0.4]
    got = cluster_mean([*values, math.nan])
    theirs = scipy_stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (got.value, got.n) == (pytest.approx(0.38), 5)
    assert (got.low, got.high) == pytest.approx((theirs.low, theirs.high))


def test_a_mean_on_a_range_leans_away_from_its_bound() -> None:
    values = [1.0] * 12 + [0.6, 0.2, 0.0]
    got, plain = cluster_mean(values, low=-1, high=1), cluster_mean(values)
    assert plain.high > got.high - 1e-9 and got.high < 1.0
    assert got.value - got.low > got.high - got.value
    assert got.low < plain.low


def test_far_from_its_bounds_a_range_changes_little() -> None:
    values = np.random.default_rng(0).normal(0.0, 0.1, 400)
    got, plain = cluster_mean(values, low=-1, high=1), cluster_mean(values)
    assert (got.low, got.high) == pytest.approx((plain.low, plain.high), abs=5e-4)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_queries_all_alike_have_wilsons_width_at_their_number(share: float) -> None:
    got = cluster_mean([share] * 20, low=0, high=1)
    assert (got.low, got.high) == pytest.approx(wilson(20 * share, 20))


def test_a_constant_within_the_range_has_a_width_too() -> None:
    got = cluster_mean([0.3] * 20, low=-1, high=1)
    assert got.low < 0.1 and got.high > 0.5


def test_nothing_is_undefined_and_one_query_has_no_spread() -> None:
    empty = cluster_mean([math.nan, math.nan], low=0, high=1)
    assert empty.n == 0 and all(math.isnan(x) for x in (empty.value, empty.low, empty.high))
    one = cluster_mean([0.5])
    assert one.value == 0.5 and math.isnan(one.low) and math.isnan(one.high)
    on_range = cluster_mean([0.5], low=0, high=1)
    assert (on_range.low, on_range.high) == pytest.approx(wilson(0.5, 1))


def test_a_constant_without_a_range_is_a_point() -> None:
    assert cluster_mean([2.0, 2.0, 2.0]) == Interval(2.0, 2.0, 2.0, 3)


@pytest.mark.parametrize(("low", "high"), [(0.0, None), (None, 1.0), (1.0, 1.0)])
def test_half_a_range_is_refused(low: float | None, high: float | None) -> None:
    with pytest.raises(ValueError, match="range"):
        cluster_mean([0.5, 0.6], low=low, high=high)


def test_a_value_outside_the_range_is_refused() -> None:
    with pytest.raises(ValueError, match="outside 0 to 1"):
        cluster_mean([0.5, -0.2], low=0, high=1)


@settings(max_examples=60)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30))
def test_an_interval_on_a_range_holds_its_mean_and_stays_inside(values: list[float]) -> None:
    got = cluster_mean(values, low=-1, high=1)
    assert -1 - 1e-9 <= got.low <= got.value + 1e-9 and got.value - 1e-9 <= got.high <= 1 + 1e-9
    assert got.high > got.low


@settings(max_examples=40)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_a_mean_is_the_same_on_every_scale(values: list[float]) -> None:
    one = cluster_mean(values, low=0, high=1)
    other = cluster_mean([5 - 10 * x for x in values], low=-5, high=5)
    assert (5 - other.high, 5 - other.low) == pytest.approx((10 * one.low, 10 * one.high), abs=1e-6)


def test_normal_values_leave_the_variance_nearly_all_degrees_of_freedom_and_a_rare_value_few() -> None:
    normal = np.random.default_rng(0).normal(size=4000)
    assert degrees((normal - normal.mean()) ** 2) == pytest.approx(3999, rel=0.1)
    rare = np.array([1.0] + [0.0] * 99)
    # The kurtosis of one yes in a hundred is (1 - 3pq)/pq = 98.01: 200/(98.01 - 97/99).
    assert degrees((rare - rare.mean()) ** 2) == pytest.approx(2.0612, abs=1e-3)


# ---------------------------------------------------------------- ratios


def test_a_ratio_of_equal_denominators_is_the_mean() -> None:
    values = [0.1, 0.4, 0.3, 0.8]
    assert cluster_ratio([4 * x for x in values], [4.0] * 4).low == pytest.approx(cluster_mean(values).low)
    got = cluster_ratio([4 * x for x in values], [4.0] * 4)
    assert (got.value, got.n) == (pytest.approx(0.4), 4)


def test_the_linearised_variance_by_hand() -> None:
    # r = 6/10; residuals 2-1.2, 1-2.4, 3-2.4 = .8, -1.4, .6; variance 3/2 (.64+1.96+.36)/100.
    got = cluster_ratio([2, 1, 3], [2, 4, 4])
    half = scipy_stats.t.ppf(0.975, 2) * math.sqrt(1.5 * 2.96 / 100)
    assert (got.value, got.low, got.high) == pytest.approx((0.6, 0.6 - half, 0.6 + half))


def test_a_query_that_says_nothing_of_the_ratio_does_not_count() -> None:
    with_empty = cluster_ratio([1, 0, 2, math.nan, 0], [3, 0, 4, 2, 2], low=0, high=1)
    assert with_empty == cluster_ratio([1, 2, 0], [3, 4, 2], low=0, high=1)


def test_no_flip_in_twenty_queries_is_wilsons_upper_bound() -> None:
    got = cluster_ratio([0] * 20, [5] * 20, low=0, high=1)
    assert (got.low, got.high) == pytest.approx(wilson(0, 20))


def test_gamma_and_flip_are_one_interval_turned_round() -> None:
    q, p = np.array([0.0, 1, 2, 0, 1]), np.array([4.0, 3, 2, 5, 2])
    flip = cluster_ratio(q, p + q, low=0, high=1)
    gamma = cluster_ratio(p - q, p + q, low=-1, high=1)
    assert (gamma.value, gamma.low, gamma.high) == pytest.approx(
        (1 - 2 * flip.value, 1 - 2 * flip.high, 1 - 2 * flip.low)
    )


def test_wrong_ratios_are_refused() -> None:
    with pytest.raises(ValueError, match="2 numerators for 1"):
        cluster_ratio([1, 2], [1])
    with pytest.raises(ValueError, match="below 0"):
        cluster_ratio([1], [-1])
    with pytest.raises(ValueError, match="outside 0 to 1"):
        cluster_ratio([3, 1], [1, 1], low=0, high=1)
    assert cluster_ratio([1, 1], [0, 0]).n == 0


# ---------------------------------------------------------------- power, shuffles, p


@pytest.mark.parametrize(("n", "power", "effect"), [(10, 0.8, 0.9960019107624178), (40, 0.9, 0.525637566749724)])
def test_the_detectable_mean_is_that_of_statsmodels(n: int, power: float, effect: float) -> None:
    # statsmodels 0.15, TTestPower().solve_power(nobs=n, alpha=0.05, power=power), in standard deviations.
    values = np.random.default_rng(n).normal(size=n)
    got = minimal_detectable([*values, math.nan], power=power)
    assert got / float(values.std(ddof=1)) == pytest.approx(effect, abs=1e-4)


def test_what_is_detectable_where_nothing_varies_or_nothing_is_known() -> None:
    assert minimal_detectable([0.7, 0.7, 0.7]) == pytest.approx(0.0, abs=1e-12)
    assert math.isnan(minimal_detectable([0.7, math.nan]))


def table(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scores = rng.integers(1, 6, (7, 3, 5)).astype(float)
    scores[rng.random(scores.shape) < 0.2] = np.nan
    return scores


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_a_shuffle_keeps_every_row_and_its_gaps(seed: int) -> None:
    scores = table(seed)
    shuffled = shuffle_within(scores, np.random.default_rng(seed))
    assert np.array_equal(np.isnan(shuffled), np.isnan(scores))
    assert np.array_equal(np.sort(shuffled, axis=-1), np.sort(scores, axis=-1), equal_nan=True)


def test_a_shuffle_puts_every_score_in_every_place_alike_and_evaluators_apart() -> None:
    scores = np.broadcast_to(np.array([1.0, 2.0, np.nan, 3.0]), (6000, 2, 4))
    shuffled = shuffle_within(scores, np.random.default_rng(1))
    for place in (0, 1, 3):
        for score in (1.0, 2.0, 3.0):
            assert (shuffled[:, :, place] == score).mean() == pytest.approx(1 / 3, abs=0.02)
    alike = (shuffled[:, 0, 0] == shuffled[:, 1, 0]).mean()
    assert alike == pytest.approx(1 / 3, abs=0.03)  # evaluators move independently of each other


def test_a_shuffle_is_repeatable_and_leaves_the_table_alone() -> None:
    scores = table(4)
    before = scores.copy()
    one, two = (shuffle_within(scores, np.random.default_rng(9)) for _ in range(2))
    assert np.array_equal(one, two, equal_nan=True)
    assert np.array_equal(scores, before, equal_nan=True)


def test_p_counts_the_data_themselves() -> None:
    assert permutation_p(3.0, [1.0, 2.0, 3.0, 4.0]) == pytest.approx(3 / 5)
    assert permutation_p(9.0, [1.0] * 99) == pytest.approx(0.01)
    assert permutation_p(0.3, [0.1 + 0.2, math.nan]) == 1.0  # equal but for rounding
    assert math.isnan(permutation_p(math.nan, [1.0])) and math.isnan(permutation_p(1.0, []))


# ---------------------------------------------------------------- coverage


def check(design: object, n: int, simulations: int) -> None:
    """Coverage is within what is promised, allowing three standard errors of the simulation."""
    slack = 3 * math.sqrt(0.95 * 0.05 / simulations)
    for figure in bench.judged(design, n, simulations):
        below, above = figure.promised
        assert 0.95 - below - slack <= figure.coverage <= 0.95 + above + slack, (figure, design)


@pytest.mark.parametrize("n", [15, 30])
@pytest.mark.parametrize("design", bench.JUDGES[::2], ids=str)
def test_a_small_simulation_covers_what_is_promised(design: object, n: int) -> None:
    check(design, n, 250)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("n", [15, 30, 60])
@pytest.mark.parametrize("design", bench.JUDGES, ids=str)
def test_a_large_simulation_covers_what_is_promised(design: object, n: int) -> None:
    check(design, n, 4000)
