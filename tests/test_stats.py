"""Statistics against published values, scipy, brute force and properties."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from scipy import stats as scipy_stats

from practice.stats import (
    Stratum,
    benjamini_hochberg,
    compare,
    crossing_probability,
    delta_bounds,
    estimate,
    holm,
    mantel_haenszel,
    mcnemar_exact,
    missing_bounds,
    missing_share,
    paired_delta,
    pass_at_k,
    pass_hat_k,
    permutation_tails,
    predictive_power,
    restricted_variance,
    sign_flip,
    stratified_tails,
    table_tails,
    tango,
    task_means,
    wilson,
)

BINARY = st.sampled_from([0.0, 1.0])
GRADED = st.sampled_from([0.0, 0.25, 0.5, 1.0])


def rectangle(values: st.SearchStrategy[float], tasks: int, trials: int) -> st.SearchStrategy[list[list[float]]]:
    return st.lists(st.lists(values, min_size=trials, max_size=trials), min_size=tasks, max_size=tasks)


# ---------------------------------------------------------------- one mean


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_values_of_newcombe_1998(successes: int, n: int, low: float, high: float) -> None:
    # Newcombe 1998, Stat. Med. 17:857, table I, method 3.
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_agrees_with_scipy_at_another_confidence() -> None:
    theirs = scipy_stats.binomtest(7, 30).proportion_ci(0.9, "wilson")
    assert wilson(7, 30, 0.9) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_one_binary_attempt_a_task_is_wilson() -> None:
    got = estimate([[1.0]] * 30 + [[0.0]] * 10, metric="exact")
    assert (got.metric, got.mean, got.n, got.trials, got.missing) == ("exact", 0.75, 40, 1, 0)
    assert got.ci == pytest.approx(wilson(30, 40))


@pytest.mark.parametrize("trials", [1, 2, 8])
@pytest.mark.parametrize("score", [0.0, 1.0])
def test_all_alike_has_a_width_that_more_trials_of_the_same_tasks_do_not_shrink(trials: int, score: float) -> None:
    got = estimate([[score] * trials] * 40)
    assert got.ci == pytest.approx(wilson(40 * score, 40))


def test_a_constant_judge_still_has_an_interval() -> None:
    got = estimate([[0.6]] * 20)
    assert got.ci is not None and got.ci[0] < 0.55 and got.ci[1] > 0.65


def test_many_trials_tell_as_much_as_tasks_when_tasks_are_alike_and_no_more_when_they_differ() -> None:
    rng = np.random.default_rng(3)
    alike = estimate((rng.random((50, 8)) < 0.5).astype(float))
    apart = estimate([[1.0] * 8] * 25 + [[0.0] * 8] * 25)
    assert alike.ci is not None and apart.ci is not None
    assert alike.ci[1] - alike.ci[0] == pytest.approx(np.diff(wilson(200, 400))[0], rel=0.35)
    assert apart.ci[1] - apart.ci[0] == pytest.approx(np.diff(wilson(25, 50))[0], rel=0.05)


def test_graded_scores_with_small_spread_are_close_to_students_t() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(0.5, 0.05, (60, 1))
    got = estimate(scores)
    theirs = scipy_stats.t.interval(0.95, 59, scores.mean(), scipy_stats.sem(scores[:, 0]))
    assert got.ci == pytest.approx(theirs, abs=5e-4)


def test_no_scored_attempt_gives_no_mean() -> None:
    got = estimate([[None, None], []])
    assert (got.mean, got.ci, got.n, got.trials, got.missing) == (None, None, 0, 2, 2)


def test_a_score_outside_the_unit_interval_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        estimate([[1.5]])


@given(rectangle(GRADED, 6, 3))
def test_the_interval_holds_the_mean_and_lies_in_the_unit_interval(scores: list[list[float]]) -> None:
    got = estimate(scores)
    assert got.mean is not None and got.ci is not None
    assert 0.0 <= got.ci[0] <= got.mean <= got.ci[1] <= 1.0
    assert got.ci[1] - got.ci[0] > 0.01


# ---------------------------------------------------------------- missing


def test_missing_attempts_are_left_out_counted_and_bounded() -> None:
    scores = [[1.0, None], [0.0, 1.0], [None, None], [1.0, 1.0]]
    assert task_means(scores)[[0, 1, 3]].tolist() == [1.0, 0.5, 1.0] and math.isnan(task_means(scores)[2])
    got = estimate(scores)
    assert (got.mean, got.n, got.missing) == (pytest.approx(2.5 / 3), 3, 3)
    assert missing_share(scores) == pytest.approx(3 / 8)
    bounds = missing_bounds(scores)
    assert bounds is not None
    assert (bounds.low, bounds.high) == (pytest.approx((0.5 + 0.5 + 0 + 1) / 4), pytest.approx((1 + 0.5 + 1 + 1) / 4))


def test_bounds_only_above_five_percent() -> None:
    rows: list[list[float | None]] = [[1.0] for _ in range(19)]
    assert missing_bounds([*rows, [None]]) is None
    assert missing_bounds([*rows[:18], [None]]) is not None
    assert missing_share([]) == 0.0


def test_bounds_of_a_difference() -> None:
    before: list[list[float | None]] = [[0.0], [1.0], [None]]
    after: list[list[float | None]] = [[1.0], [None], [1.0]]
    bounds = delta_bounds(before, after)
    assert bounds is not None
    assert (bounds.low, bounds.high) == (pytest.approx((1 - 1 + 0) / 3), pytest.approx((1 + 0 + 1) / 3))
    assert delta_bounds([[0.0]], [[1.0]]) is None


# ---------------------------------------------------------------- pass@k, pass^k


def test_pass_at_k_is_the_share_of_subsets_with_a_success() -> None:
    scores = [[1.0, 0.0, 0.0, 1.0, 0.0], [0.0] * 5, [1.0] * 5]
    for k in (1, 2, 3, 5):
        some = [np.mean([any(c) for c in itertools.combinations(row, k)]) for row in scores]
        every = [np.mean([all(c) for c in itertools.combinations(row, k)]) for row in scores]
        assert pass_at_k(scores, k).mean == pytest.approx(np.mean(some))
        assert pass_hat_k(scores, k).mean == pytest.approx(np.mean(every))
    assert (pass_at_k(scores, 2).metric, pass_hat_k(scores, 2).metric) == ("pass@2", "pass^2")


def test_pass_at_k_leaves_out_tasks_with_too_few_attempts_and_applies_the_threshold() -> None:
    got = pass_at_k([[0.7, None], [0.7, 0.2]], 2, threshold=0.6)
    assert (got.mean, got.n, got.missing) == (1.0, 1, 1)
    assert pass_hat_k([[0.7, 0.2]], 2, threshold=0.1).mean == 1.0
    assert pass_at_k([[1.0]], 2).mean is None
    with pytest.raises(ValueError, match="1 or more"):
        pass_at_k([[1.0]], 0)


# ---------------------------------------------------------------- paired


def test_tango_gives_the_published_interval() -> None:
    # Airway hyper-responsiveness before and after transplantation, Fagerland, Lydersen and Laake 2014,
    # Stat. Med. 33:2850: 1 against 7 of 21, Tango (-0.517, -0.026).
    assert tango(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)


def test_tango_has_a_width_where_nothing_changed_and_where_all_did() -> None:
    z2 = scipy_stats.norm.ppf(0.975) ** 2
    assert tango(0, 0, 40) == pytest.approx((-z2 / (40 + z2), z2 / (40 + z2)))
    low, high = tango(40, 0, 40)
    assert high == 1.0 and 0.8 < low < 1.0
    with pytest.raises(ValueError, match="gained"):
        tango(5, 5, 9)


@given(st.integers(0, 15), st.integers(0, 15), st.integers(0, 30))
def test_tango_holds_the_point_and_mirrors(gained: int, lost: int, same: int) -> None:
    n = gained + lost + same
    if n:
        low, high = tango(gained, lost, n)
        assert -1.0 <= low <= (gained - lost) / n <= high <= 1.0 and high - low > 1e-3
        assert tango(lost, gained, n) == pytest.approx((-high, -low), abs=1e-9)


@given(st.integers(0, 30), st.integers(0, 30))
def test_mcnemar_is_the_binomial_test(gained: int, lost: int) -> None:
    theirs = scipy_stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert mcnemar_exact(gained, lost) == pytest.approx(theirs, abs=1e-12)


@settings(max_examples=40)
@given(st.lists(st.integers(-8, 8), min_size=1, max_size=9))
def test_sign_flip_is_the_share_of_sign_patterns(eighths: list[int]) -> None:
    d = np.array(eighths) / 8
    sums = [
        abs(sum(s * x for s, x in zip(signs, d, strict=True))) for signs in itertools.product((1, -1), repeat=d.size)
    ]
    share = np.mean(np.array(sums) >= abs(d.sum()) - 1e-12)
    assert sign_flip(d) == pytest.approx(min(1.0, float(share)), abs=1e-12)


def test_sign_flip_is_exact_far_out_in_the_tail() -> None:
    assert sign_flip([0.25] * 100) == pytest.approx(2.0**-99, rel=1e-9)
    assert sign_flip([0.0, 0.0]) == 1.0


def test_a_single_binary_trial_uses_tango_and_mcnemar() -> None:
    before = [[0.0]] * 20 + [[1.0]] * 20
    after = [[1.0]] * 12 + [[0.0]] * 8 + [[1.0]] * 17 + [[0.0]] * 3
    got = paired_delta(before, after)
    assert (got.mean, got.test) == (pytest.approx(9 / 40), "McNemar exact")
    assert got.ci == pytest.approx(tango(12, 3, 40)) and got.p == pytest.approx(mcnemar_exact(12, 3))


def test_several_trials_use_t_over_tasks_close_to_scipys() -> None:
    rng = np.random.default_rng(5)
    before, after = rng.random((80, 3)), np.clip(rng.random((80, 3)) + 0.1, 0, 1)
    got = paired_delta(before, after)
    d = after.mean(axis=1) - before.mean(axis=1)
    assert got.test == "sign-flip exact"
    assert got.ci == pytest.approx(scipy_stats.t.interval(0.95, 79, d.mean(), scipy_stats.sem(d)))
    assert got.p == pytest.approx(scipy_stats.ttest_1samp(d, 0)[1], rel=0.5, abs=1e-4)


@pytest.mark.parametrize("trials", [1, 2, 4])
@pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
def test_no_change_at_all_still_has_a_width_on_both_sides(trials: int, score: float) -> None:
    got = paired_delta([[score] * trials] * 40, [[score] * trials] * 40)
    assert got.mean == 0.0 and got.p == 1.0
    assert got.ci[0] < -0.02 and got.ci[1] > 0.02


def test_pairs_need_a_score_on_both_sides() -> None:
    got = paired_delta([[0.0], [None], [1.0]], [[1.0], [1.0], [None]])
    assert got.mean == 1.0
    with pytest.raises(ValueError, match="both sides"):
        paired_delta([[None]], [[1.0]])
    with pytest.raises(ValueError, match="1 tasks before, 2 after"):
        paired_delta([[1.0]], [[1.0], [0.0]])


@given(rectangle(GRADED, 5, 2), rectangle(GRADED, 5, 2))
def test_a_difference_mirrors_when_sides_are_swapped(before: list[list[float]], after: list[list[float]]) -> None:
    there, back = paired_delta(before, after), paired_delta(after, before)
    assert there.mean == pytest.approx(-back.mean) and there.p == pytest.approx(back.p)
    assert there.ci == pytest.approx((-back.ci[1], -back.ci[0]))
    assert there.ci[0] <= there.mean <= there.ci[1]


# ---------------------------------------------------------------- many tests


def test_holm_by_hand() -> None:
    # Sorted .01 .02 .03 .04 -> x4 .04, x3 .06, x2 .06, x1 .04 made monotone .06.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx((0.06, 0.04, 0.06, 0.06))
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_adjusted_p_values_keep_order_and_bound(p: list[float]) -> None:
    holms, bh = holm(p), benjamini_hochberg(p)
    assert bh == pytest.approx(scipy_stats.false_discovery_control(p), abs=1e-12)
    for raw, h, b in zip(p, holms, bh, strict=True):
        assert raw <= b + 1e-12 and b <= h + 1e-12 and h <= min(1.0, len(p) * raw) + 1e-12
    order = np.argsort(p, kind="stable")
    assert np.all(np.diff(np.array(holms)[order]) >= -1e-12)


# ---------------------------------------------------------------- Mantel-Haenszel


def test_mantel_haenszel_by_hand() -> None:
    # Two strata: 3/4 against 1/2 and 1/1 against 1/4. Weights 4*2/6 = 4/3 and 1*4/5 = 4/5.
    got = mantel_haenszel([([1, 1, 1, 0], [1, 0]), ([1], [1, 0, 0, 0])])
    assert got.difference == pytest.approx((4 / 3 * 0.25 + 4 / 5 * 0.75) / (4 / 3 + 4 / 5))
    assert (got.with_n, got.without_n, got.strata) == (5, 6, 2)
    assert (got.with_mean, got.without_mean) == (0.8, pytest.approx(1 / 3))


def test_sato_variance_by_hand_in_the_limit_of_a_narrow_interval() -> None:
    # The score interval's half width tends to z x the standard error of Sato 1989 for many strata.
    strata = [([1.0, 1.0, 0.0], [1.0, 0.0]), ([1.0, 0.0], [0.0, 0.0, 1.0])] * 4000
    got = mantel_haenszel(strata)
    n1, n0, y1, y0 = (np.array(v * 4000, dtype=float) for v in ([3, 2], [2, 3], [2, 1], [1, 1]))
    n = n1 + n0
    p_sum = ((n1**2 * y0 - n0**2 * y1 + n1 * n0 * (n0 - n1) / 2) / n**2).sum()
    q_sum = ((y1 * (n0 - y0) + y0 * (n1 - y1)) / (2 * n)).sum()
    error = math.sqrt(got.difference * p_sum + q_sum) / (n1 * n0 / n).sum()
    assert (got.ci[1] - got.ci[0]) / 2 == pytest.approx(1.95996 * error, rel=1e-3)


def test_the_p_value_is_the_exact_permutation_within_strata() -> None:
    strata = [([1, 1, 0], [0, 0]), ([1, 1], [0, 1, 0]), ([0], [1, 0])]
    totals: dict[int, float] = {}
    for choice in itertools.product(*(itertools.combinations([*a, *b], len(a)) for a, b in strata)):
        s = sum(sum(c) for c in choice)
        totals[s] = totals.get(s, 0) + 1
    count, observed = sum(totals.values()), sum(sum(a) for a, _ in strata)
    upper = sum(v for s, v in totals.items() if s >= observed) / count
    lower = sum(v for s, v in totals.items() if s <= observed) / count
    assert mantel_haenszel(strata).p == pytest.approx(min(1.0, 2 * min(upper, lower)))


def test_one_stratum_is_fishers_exact_test() -> None:
    theirs = float(np.asarray(scipy_stats.fisher_exact([[8, 2], [3, 9]], alternative="greater"))[1])
    got = mantel_haenszel([([1] * 8 + [0] * 2, [1] * 3 + [0] * 9)])
    assert got.p == pytest.approx(2 * theirs)


def test_a_perfect_split_and_no_split_have_a_width() -> None:
    perfect = mantel_haenszel([([1, 1, 1], [0, 0])] * 4)
    assert perfect.difference == 1.0 and perfect.ci[1] == 1.0 and perfect.ci[0] < 0.95
    nothing = mantel_haenszel([([0, 0, 0], [0, 0])] * 4)
    assert nothing.difference == 0.0 and nothing.p == 1.0
    assert nothing.ci[0] < -0.1 and nothing.ci[1] > 0.1


def test_strata_with_one_side_only_count_in_the_crude_means_alone() -> None:
    both = ([1.0, 0.0], [0.0, 0.0])
    alone = mantel_haenszel([both])
    joined = mantel_haenszel([both, ([1.0, 1.0], []), ([], [0.0])])
    assert (joined.difference, joined.ci, joined.p, joined.strata) == (alone.difference, alone.ci, alone.p, 1)
    assert (joined.with_n, joined.without_n) == (4, 3)
    with pytest.raises(ValueError, match="both sides"):
        mantel_haenszel([([1.0], []), ([], [0.0])])


# ---------------------------------------------------------------- permutation


@given(st.integers(1, 12), st.integers(0, 12), st.data())
def test_a_binary_stratum_is_hypergeometric(size: int, total: int, data: st.DataObject) -> None:
    total = min(total, size)
    chosen = data.draw(st.integers(0, size))
    observed = data.draw(st.integers(0, size))
    stratum = Stratum((0,) * (size - total) + (1,) * total, chosen, 1)
    lower, upper = permutation_tails([stratum], observed)
    theirs = scipy_stats.hypergeom(size, total, chosen)
    assert lower == pytest.approx(theirs.cdf(observed), abs=1e-12)
    assert upper == pytest.approx(theirs.sf(observed - 1), abs=1e-12)


@settings(max_examples=30)
@given(rectangle(GRADED, 3, 2), rectangle(GRADED, 3, 3))
def test_tails_are_those_of_brute_force(one: list[list[float]], two: list[list[float]]) -> None:
    first, second = np.array(one), np.array(two)
    observed = (first.mean(axis=1) - second.mean(axis=1)).sum()
    splits = [list(itertools.combinations(range(5), 2)) for _ in one]
    pooled = np.concatenate([first, second], axis=1)
    sums: list[float] = []
    for choice in itertools.product(*splits):
        total = 0.0
        for row, picked in zip(pooled, choice, strict=True):
            side = row[list(picked)].sum()
            total += side / 2 - (row.sum() - side) / 3
        sums.append(total)
    lower, upper = table_tails(first, second)
    assert lower == pytest.approx(np.mean(np.array(sums) <= observed + 1e-9), abs=1e-12)
    assert upper == pytest.approx(np.mean(np.array(sums) >= observed - 1e-9), abs=1e-12)


def test_tails_agree_with_scipys_permutation_test_where_scores_are_missing() -> None:
    one = np.array([[1.0, 1.0, np.nan], [1.0, 0.0, 1.0]])
    two = np.array([[0.0, 0.0, 1.0], [0.0, np.nan, np.nan]])
    got = compare(two, one)
    assert got.difference == pytest.approx(((1 - 1 / 3) + (2 / 3 - 0)) / 2)
    # By hand: task 1 has 2 of 5 against 3, task 2 has 3 of 4 against 1; weights 5/6 and 4/3.
    worlds = [5 / 6 * a + 4 / 3 * b for a, b in itertools.product(
        [sum(c) for c in itertools.combinations([1, 1, 0, 0, 1], 2)],
        [sum(c) for c in itertools.combinations([1, 0, 1, 0], 3)],
    )]  # fmt: skip
    observed = 5 / 6 * 2 + 4 / 3 * 2
    assert got.tails()[1] == pytest.approx(np.mean([w >= observed - 1e-9 for w in worlds]))


def test_a_large_graded_table_is_affordable_and_valid() -> None:
    rng = np.random.default_rng(2)
    one, two = rng.random((120, 8)), rng.random((120, 8))
    one[rng.random(one.shape) < 0.1] = np.nan
    lower, upper = table_tails(one, two)
    z = compare(two, one).z
    assert upper == pytest.approx(scipy_stats.norm.sf(z), abs=0.02)
    assert lower + upper >= 1.0


def test_p_values_of_the_null_are_uniform_or_larger() -> None:
    rng = np.random.default_rng(4)
    draws = [table_tails(*(rng.random((2, 12, 3)) < 0.6).astype(float))[1] for _ in range(3000)]
    for level in (0.01, 0.05, 0.2, 0.5):
        share = float(np.mean(np.array(draws) <= level))
        assert share <= level + 3 * math.sqrt(level * (1 - level) / 3000)


def test_stratified_tails_weigh_strata() -> None:
    pairs = [(np.array([1.0]), np.array([0.0])), (np.array([0.0]), np.array([1.0]))]
    assert stratified_tails(pairs, [3, 1]) == pytest.approx((0.75, 0.5))


def test_z_has_the_variance_of_the_permutation_distribution() -> None:
    one, two = np.array([[1.0, 0.5], [0.0, 1.0]]), np.array([[0.0, 0.25], [1.0, 0.0]])
    got = compare(two, one)
    pooled = np.concatenate([one, two], axis=1)
    sums = [
        sum(row[list(p)].mean() - np.delete(row, list(p)).mean() for row, p in zip(pooled, choice, strict=True)) / 2
        for choice in itertools.product(itertools.combinations(range(4), 2), repeat=2)
    ]
    assert got.z == pytest.approx(got.difference / np.std(sums))


# ---------------------------------------------------------------- sequential


def test_group_sequential_constants_of_jennison_and_turnbull() -> None:
    # Two-sided 5 %, two looks: Pocock 2.178, O'Brien-Fleming 1.977 (Jennison and Turnbull 2000, tables 2.1, 2.3).
    never = [-math.inf, -math.inf]
    assert crossing_probability(0, 1, [0.5, 1], [2.178, 2.178], never) == pytest.approx(0.025, abs=5e-4)
    fleming = [1.977 * math.sqrt(2), 1.977]
    assert crossing_probability(0, 1, [0.5, 1], fleming, never) == pytest.approx(0.025, abs=5e-4)


def test_one_look_is_the_normal_tail_and_futility_takes_away() -> None:
    one = crossing_probability(3.0, 1.0, [1.0], [1.96], [-math.inf])
    assert one == pytest.approx(scipy_stats.norm.sf(1.96 - 3.0), abs=5e-3)
    with_stop = crossing_probability(3.0, 1.0, [0.5, 1.0], [9.0, 1.96], [1.5, -math.inf])
    assert with_stop < one


def test_predictive_power_is_the_posterior_chance() -> None:
    rng = np.random.default_rng(6)
    z, t, critical = 1.2, 0.4, 1.96
    effect = rng.normal(z / math.sqrt(t), 1 / math.sqrt(t), 200_000)
    final = z * math.sqrt(t) + (1 - t) * effect + math.sqrt(1 - t) * rng.normal(size=effect.size)
    assert predictive_power(z, t, critical) == pytest.approx(float((final >= critical).mean()), abs=0.005)
    assert (predictive_power(2.0, 1.0, 1.96), predictive_power(1.9, 1.0, 1.96)) == (1.0, 0.0)


@settings(max_examples=30)
@given(st.integers(0, 4), st.integers(0, 3), st.sampled_from([-0.05, -0.2, 0.1]))
def test_restricted_variance_has_the_constrained_maximum_likelihood(x: int, y: int, difference: float) -> None:
    one, two = np.array([[1.0] * x + [0.0] * (4 - x)]), np.array([[1.0] * y + [0.0] * (3 - y)])

    def loss(q: float) -> float:
        p = q + difference
        terms = ((x, p), (4 - x, 1 - p), (y, q), (3 - y, 1 - q))
        return -sum(k * math.log(max(rate, 1e-300)) for k, rate in terms if k)

    low, high = max(0.0, -difference), min(1.0, 1.0 - difference)
    q = float(np.asarray(optimize.fminbound(loss, low, high, xtol=1e-10)))
    p = q + difference
    expected = (p * (1 - p) / 4 + q * (1 - q) / 3) * 7 / 6
    assert restricted_variance(one, two, difference) == pytest.approx(expected, abs=1e-5)


def test_restricted_variance_is_positive_where_everything_succeeded() -> None:
    ones = np.ones((10, 2))
    assert restricted_variance(ones, ones, -0.05) == pytest.approx(0.05 * 0.95 / 2 * 4 / 3 / 10)
