"""Rank agreement of two evaluators against scipy, a plain count of pairs, a published set and properties."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from practice.stats import (
    Floats,
    PairCounts,
    acc_eq,
    all_tied,
    best_worst_reversal,
    gamma,
    one_sided,
    pair_counts,
    soft_change,
    somers_d,
    spearman,
    strict_flip,
    tau_b,
    top_sets,
)

NAN = math.nan
SIGNED: list[Callable[[PairCounts], Floats]] = [tau_b, gamma, somers_d]

#: Few values, so that ties are common; None is a missing score.
SCORE = st.sampled_from([None, 1.0, 2.0, 3.0])


@st.composite
def two_sides(draw: st.DrawFn, scores: st.SearchStrategy[float | None] = SCORE) -> tuple[Floats, Floats]:
    """Scores of 2 to 6 rollouts by two evaluators."""
    size = draw(st.integers(2, 6))
    sides = [draw(st.lists(scores, min_size=size, max_size=size)) for _ in range(2)]
    return np.array(sides[0], dtype=np.float64), np.array(sides[1], dtype=np.float64)


def statistics(a: Floats, b: Floats) -> list[Floats]:
    """All that is symmetric in a and b and depends on order alone."""
    c = pair_counts(a, b)
    of_counts = [f(c) for f in (tau_b, gamma, strict_flip, soft_change, acc_eq, all_tied, one_sided)]
    return [*of_counts, spearman(a, b), *top_sets(a, b), best_worst_reversal(a, b)]


def counted(a: Floats, b: Floats) -> tuple[int, int, int, int, int]:
    """P, Q, T_a, T_b, T_ab by looking at every pair."""
    p = q = t_a = t_b = t_ab = 0
    for i, j in itertools.combinations(range(len(a)), 2):
        x, y = a[i] - a[j], b[i] - b[j]
        if not (np.isnan(x) or np.isnan(y)):
            p += x * y > 0
            q += x * y < 0
            t_a += x == 0 and y != 0
            t_b += x != 0 and y == 0
            t_ab += x == 0 and y == 0
    return p, q, t_a, t_b, t_ab


def tied_data(seed: int, cells: int, size: int) -> tuple[Floats, Floats]:
    """Random scores with ties, shapes (cells, size); b goes with a."""
    rng = np.random.default_rng(seed)
    a = rng.integers(1, 6, (cells, size)).astype(np.float64)
    return a, np.clip(a + rng.integers(-2, 3, (cells, size)), 1.0, 5.0)


# ---------------------------------------------------------------- pair counts


@given(two_sides())
def test_pairs_are_counted_as_one_by_one(sides: tuple[Floats, Floats]) -> None:
    c = pair_counts(*sides)
    assert (c.concordant, c.discordant, c.tied_a, c.tied_b, c.tied_ab) == counted(*sides)
    assert c.n0 == sum(counted(*sides))


def test_counts_have_the_broadcast_shape_of_the_leading_axes() -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 4, (7, 1, 5)).astype(np.float64)
    b = rng.integers(0, 4, (3, 5)).astype(np.float64)
    a[rng.random(a.shape) < 0.2] = NAN
    c = pair_counts(a, b)
    assert c.n0.shape == spearman(a, b).shape == top_sets(a, b)[0].shape == best_worst_reversal(a, b).shape == (7, 3)
    for i, j in itertools.product(range(7), range(3)):
        found = [f[i, j] for f in (c.concordant, c.discordant, c.tied_a, c.tied_b, c.tied_ab)]
        assert found == list(counted(a[i, 0], b[j]))
        assert spearman(a, b)[i, j] == pytest.approx(float(spearman(a[i, 0], b[j])), nan_ok=True)


@pytest.mark.parametrize(("a", "b"), [([1.0, 2.0], [1.0]), ([[1.0], [2.0]], [1.0, 2.0]), (1.0, 1.0)])
def test_sides_of_different_rollouts_are_refused(a: object, b: object) -> None:
    with pytest.raises(ValueError, match="one score a rollout"):
        pair_counts(a, b)  # pyright: ignore[reportArgumentType]


# ---------------------------------------------------------------- against scipy


def test_tau_b_of_scipys_example() -> None:
    assert tau_b(pair_counts([12, 2, 1, 12, 2], [1, 4, 7, 1, 0])) == pytest.approx(-0.4714, abs=5e-5)


@pytest.mark.parametrize("size", [2, 3, 5, 12])
def test_tau_b_spearman_and_somers_d_are_scipys(size: int) -> None:
    a, b = tied_data(size, 60, size)
    c = pair_counts(a, b)
    tau, rho, d, back = tau_b(c), spearman(a, b), somers_d(c), somers_d(pair_counts(b, a))
    compared = 0
    for cell, (one, two) in enumerate(zip(a, b, strict=True)):
        if one.min() == one.max() or two.min() == two.max():
            assert np.isnan(tau[cell])
            assert np.isnan(rho[cell])
            continue
        compared += 1
        assert tau[cell] == pytest.approx(scipy_stats.kendalltau(one, two)[0])
        assert rho[cell] == pytest.approx(scipy_stats.spearmanr(one, two)[0])
        assert d[cell] == pytest.approx(scipy_stats.somersd(one, two).statistic)
        assert back[cell] == pytest.approx(scipy_stats.somersd(two, one).statistic)
    assert compared >= 20
    assert np.allclose(tau**2, d * back, equal_nan=True)


def test_a_missing_score_takes_its_rollout_out() -> None:
    a, b = np.array([3.0, NAN, 1.0, 2.0, 2.0]), np.array([2.0, 5.0, NAN, 3.0, 1.0])
    for found, expected in zip(statistics(a, b), statistics(a[[0, 3, 4]], b[[0, 3, 4]]), strict=True):
        assert found == pytest.approx(expected, nan_ok=True)
    assert spearman(a, b) == pytest.approx(scipy_stats.spearmanr([3, 2, 2], [2, 3, 1])[0])


def test_one_common_rollout_says_nothing() -> None:
    assert all(np.isnan(value) for value in statistics(np.array([1.0, NAN, 2.0]), np.array([NAN, 1.0, 3.0])))


# ---------------------------------------------------------------- constant sides


@pytest.mark.parametrize(
    ("a", "b", "both", "one"),
    [
        ([2, 2, 2], [5, 5, 5], 1.0, 0.0),
        ([2, 2, 2], [1, 1, 3], 0.0, 1.0),
        ([1, 1, 3], [2, 2, 2], 0.0, 1.0),
        ([1, 2, 2], [1, 1, 2], 0.0, 0.0),
        ([1, 1, 2, 2], [1, 2, 1, 2], 0.0, 0.0),
        ([NAN, 2, 2], [1, 4, 4], 1.0, 0.0),  # constant on the rollouts that both scored
        ([NAN, 2, 2], [1, 4, 5], 0.0, 1.0),
    ],
)
def test_a_constant_side_gives_no_tau(a: list[float], b: list[float], both: float, one: float) -> None:
    c = pair_counts(a, b)
    assert (all_tied(c), one_sided(c)) == (both, one)
    for value in (tau_b(c), spearman(a, b), best_worst_reversal(a, b)):
        assert np.isnan(value) == (both + one > 0)


@given(two_sides())
def test_every_cell_with_a_pair_is_tied_one_sided_or_has_a_tau(sides: tuple[Floats, Floats]) -> None:
    c = pair_counts(*sides)
    if c.n0 > 0:
        assert all_tied(c) + one_sided(c) + float(not np.isnan(tau_b(c))) == 1
    else:
        assert np.isnan(all_tied(c)) and np.isnan(one_sided(c)) and np.isnan(tau_b(c))


# ---------------------------------------------------------------- tops and bottoms


@pytest.mark.parametrize(
    ("a", "b", "jaccard", "disjoint", "reversal"),
    [
        ([3, 2, 1], [3, 1, 2], 1.0, 0.0, 0.0),
        ([3, 2, 1], [1, 2, 3], 0.0, 1.0, 1.0),
        ([3, 2, 1], [1, 3, 2], 0.0, 1.0, 1.0),  # a's best is b's worst
        ([2, 1, 3], [2, 3, 1], 0.0, 1.0, 1.0),
        ([2, 3, 1], [2, 1, 3], 0.0, 1.0, 1.0),
        ([2, 3, 1], [1, 2, 3], 0.0, 1.0, 1.0),  # a's worst is b's best
        ([3, 3, 1], [3, 1, 1], 0.5, 0.0, 0.0),
        ([3, 3, 1], [1, 2, 3], 0.0, 1.0, 1.0),  # shared at a's top; a's one worst is b's one best
        ([3, 3, 1, 1], [1, 1, 3, 3], 0.0, 1.0, 0.0),  # nothing is alone
        ([3, 3, 1, 1], [2, 1, 3, 2], 0.0, 1.0, 0.0),  # a's worst is shared
        ([2, 2, 2], [1, 2, 3], 1 / 3, 0.0, NAN),
        ([2, 2, 2], [4, 4, 4], 1.0, 0.0, NAN),
        ([NAN, 2, 1], [9, 1, 2], 0.0, 1.0, 1.0),
    ],
)
def test_tops_and_reversals_under_ties(
    a: list[float], b: list[float], jaccard: float, disjoint: float, reversal: float
) -> None:
    found = [float(value) for value in (*top_sets(a, b), best_worst_reversal(a, b))]
    assert found == pytest.approx([jaccard, disjoint, reversal], nan_ok=True)


# ---------------------------------------------------------------- properties


@given(two_sides())
def test_statistics_are_symmetric_in_a_and_b(sides: tuple[Floats, Floats]) -> None:
    a, b = sides
    for one, two in zip(statistics(a, b), statistics(b, a), strict=True):
        assert one == pytest.approx(two, nan_ok=True)


@given(two_sides(), st.randoms(use_true_random=False))
def test_relabelling_the_rollouts_changes_nothing(sides: tuple[Floats, Floats], random: Random) -> None:
    a, b = sides
    order = list(range(len(a)))
    random.shuffle(order)
    for one, two in zip(statistics(a, b), statistics(a[order], b[order]), strict=True):
        assert one == pytest.approx(two, nan_ok=True)


@given(two_sides())
def test_monotone_transforms_change_nothing(sides: tuple[Floats, Floats]) -> None:
    a, b = sides
    for one, two in zip(statistics(a, b), statistics(np.exp(a), b**3 - 40.0), strict=True):
        assert one == pytest.approx(two, nan_ok=True)


@given(two_sides())
def test_turning_one_side_round_turns_the_sign(sides: tuple[Floats, Floats]) -> None:
    a, b = sides
    c, turned = pair_counts(a, b), pair_counts(a, -b)
    for statistic in SIGNED:
        assert statistic(turned) == pytest.approx(-statistic(c), nan_ok=True)
    assert spearman(a, -b) == pytest.approx(-spearman(a, b), nan_ok=True)
    assert strict_flip(turned) == pytest.approx(1.0 - strict_flip(c), nan_ok=True)


@given(two_sides())
def test_ratios_hold_together(sides: tuple[Floats, Floats]) -> None:
    c = pair_counts(*sides)
    assert gamma(c) == pytest.approx(1.0 - 2.0 * strict_flip(c), nan_ok=True)
    assert soft_change(c) == pytest.approx(1.0 - acc_eq(c), nan_ok=True)
    assert np.isnan(tau_b(c)) or np.isnan(gamma(c)) or abs(tau_b(c)) <= abs(gamma(c)) <= 1.0


@given(two_sides(st.integers(0, 10**6).map(float)))
def test_a_side_agrees_with_itself_in_full(sides: tuple[Floats, Floats]) -> None:
    a, _ = sides
    if len(set(a)) > 1:
        c = pair_counts(a, a)
        assert (tau_b(c), gamma(c), somers_d(c), spearman(a, a), acc_eq(c), strict_flip(c)) == (1, 1, 1, 1, 1, 0)


@pytest.mark.parametrize(("b", "tau", "flip", "change"), [([1, 2], 1, 0, 0), ([2, 1], -1, 1, 1), ([1, 1], NAN, NAN, 1)])
def test_two_rollouts_are_one_pair(b: list[float], tau: float, flip: float, change: float) -> None:
    c = pair_counts([1, 2], b)
    assert c.n0 == 1
    found = [float(value) for value in (tau_b(c), spearman([1, 2], b), best_worst_reversal([1, 2], b))]
    assert found == pytest.approx([tau, tau, flip], nan_ok=True)
    assert float(strict_flip(c)) == pytest.approx(flip, nan_ok=True)
    assert soft_change(c) == change


def test_many_cells_give_what_few_give() -> None:
    """The arrays of a hundred thousand groups, here a tenth of them, hold the same figures as a group alone."""
    rng = np.random.default_rng(1)
    scores = rng.integers(1, 6, (10_000, 5, 5)).astype(np.float64)
    one, two = map(list, zip(*itertools.combinations(range(5), 2), strict=True))
    a, b = scores[:, one], scores[:, two]
    tau, rho = tau_b(pair_counts(a, b)), spearman(a, b)
    assert tau.shape == rho.shape == (10_000, 10)
    for group, pair in [(0, 0), (4_321, 7), (9_999, 9)]:
        sides = scores[group, one[pair]], scores[group, two[pair]]
        assert tau[group, pair] == pytest.approx(float(tau_b(pair_counts(*sides))), nan_ok=True)
        assert rho[group, pair] == pytest.approx(float(spearman(*sides)), nan_ok=True)
    # Independent judges agree on nothing: the mean of 86,000 or so defined taus is 0 within its error.
    assert abs(float(np.nanmean(tau))) < 0.01


# ---------------------------------------------------------------- a real judge at three seeds


def three_seeds(bench: str) -> Floats:
    """Scores of GPT-4 at three seeds, shape (queries, seeds, rollouts)."""
    name = "shared/data/judges/prometheus_gpt4x3.csv"
    file = next((up / name for up in Path(__file__).parents if (up / name).is_file()), None)
    if file is None:
        pytest.skip("the judges' scores are not here")
    with file.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["bench"] == bench]
    groups = {row["group_id"]: [other for other in rows if other["group_id"] == row["group_id"]] for row in rows}
    return np.array([[[float(row[seed]) for row in group] for seed in ("s1", "s2", "s3")] for group in groups.values()])


@pytest.mark.parametrize(
    ("bench", "tau", "flip", "undefined"),
    [("mt_bench_eval", 0.463, 0.158, 0.225), ("vicuna_eval", 0.594, 0.095, 0.371)],
)
def test_the_seeds_of_a_real_judge(bench: str, tau: float, flip: float, undefined: float) -> None:
    scores = three_seeds(bench)
    c = pair_counts(scores[:, [0, 0, 1]], scores[:, [1, 2, 2]])
    cells = tau_b(c)
    some = cells[~np.isnan(cells).all(axis=1)]
    assert np.nanmean(some, axis=1).mean() == pytest.approx(tau, abs=5e-4)
    assert c.discordant.sum() / (c.concordant + c.discordant).sum() == pytest.approx(flip, abs=5e-4)
    assert np.isnan(cells).mean() == pytest.approx(undefined, abs=5e-4)
    assert all_tied(c).mean() + one_sided(c).mean() == pytest.approx(np.isnan(cells).mean())
