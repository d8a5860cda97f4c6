"""Agreement of all evaluators against published tables, reference packages and properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from practice.stats import Floats, Level, fleiss_kappa, icc, kendall_w, krippendorff_alpha

NAN = math.nan
LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval")

#: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, section C: four observers, twelve units.
KRIPPENDORFF = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
)

#: Shrout and Fleiss 1979, Psychol. Bull. 86:420, table 2: four judges, six targets.
SHROUT_FLEISS = np.array([[9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2], [5, 3, 6, 2, 6, 4], [8, 2, 8, 6, 9, 7]])

#: Fourteen raters put ten subjects into five categories: a row a subject, how many raters a category.
FLEISS = (
    (0, 0, 0, 0, 14),
    (0, 2, 6, 4, 2),
    (0, 0, 3, 5, 6),
    (0, 3, 9, 2, 0),
    (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0),
    (3, 2, 6, 3, 0),
    (2, 5, 3, 2, 2),
    (6, 5, 2, 1, 0),
    (0, 2, 2, 3, 7),
)

TABLES = st.integers(0, 2**32 - 1).map(lambda seed: ratings(seed, missing=0.15))
FULL_TABLES = st.integers(0, 2**32 - 1).map(lambda seed: ratings(seed, missing=0.0))


def ratings(seed: int, *, missing: float) -> Floats:
    """Ratings 1 to 5 of 3 to 12 units by 2 to 5 raters who look at the same thing."""
    rng = np.random.default_rng(seed)
    raters, units = int(rng.integers(2, 6)), int(rng.integers(3, 13))
    found = np.clip(rng.integers(1, 6, units) + rng.integers(-1, 2, (raters, units)), 1, 5).astype(np.float64)
    found[rng.random(found.shape) < missing] = NAN
    return found


# ---------------------------------------------------------------- Krippendorff's alpha


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.7434), ("ordinal", 0.8154), ("interval", 0.8491)])
def test_alpha_of_krippendorffs_example(level: Level, alpha: float) -> None:
    assert krippendorff_alpha(KRIPPENDORFF, level) == pytest.approx(alpha, abs=5e-5)


def test_alpha_of_two_raters_with_a_missing_rating() -> None:
    # By the package krippendorff 0.9.
    x = [[2, 3, 3, 5, 1, NAN, 4], [2, 4, 3, 5, 2, 3, 4]]
    found = [krippendorff_alpha(x, level) for level in LEVELS]
    assert found == pytest.approx([0.607142857, 0.912698413, 0.896226415], abs=1e-9)


def by_coincidences(x: Floats, level: Level) -> float:
    """Alpha from the coincidence matrix, as Krippendorff writes it out."""
    x = x[:, (~np.isnan(x)).sum(axis=0) >= 2]
    values = np.unique(x[~np.isnan(x)])
    matrix = np.zeros((len(values), len(values)))
    for unit in x.T:
        there = unit[~np.isnan(unit)]
        for i, one in enumerate(there):
            for j, two in enumerate(there):
                if i != j:
                    matrix[np.searchsorted(values, one), np.searchsorted(values, two)] += 1 / (len(there) - 1)
    n = matrix.sum(axis=0)
    distance = np.zeros_like(matrix)
    for c in range(len(values)):
        for k in range(len(values)):
            between = n[min(c, k) : max(c, k) + 1].sum() - (n[c] + n[k]) / 2
            squared = {"nominal": c != k, "ordinal": between**2, "interval": (values[c] - values[k]) ** 2}
            distance[c, k] = squared[level]
    return float(1 - (n.sum() - 1) * (matrix * distance).sum() / (np.outer(n, n) * distance).sum())


@pytest.mark.parametrize("level", LEVELS)
@given(TABLES)
def test_alpha_is_that_of_the_coincidence_matrix(level: Level, x: Floats) -> None:
    alpha = krippendorff_alpha(x, level)
    if not math.isnan(alpha):
        assert alpha == pytest.approx(by_coincidences(x, level))


@given(TABLES)
def test_alpha_keeps_to_its_level(x: Floats) -> None:
    """Nominal: any renaming. Ordinal: any rise. Interval: any scale and origin."""
    renamed = (x * 3) % 7  # 1 to 5 go to 3, 6, 2, 5, 1
    assert krippendorff_alpha(renamed, "nominal") == pytest.approx(krippendorff_alpha(x, "nominal"), nan_ok=True)
    assert krippendorff_alpha(np.exp(x), "ordinal") == pytest.approx(krippendorff_alpha(x, "ordinal"), nan_ok=True)
    assert krippendorff_alpha(9 - x / 4, "interval") == pytest.approx(krippendorff_alpha(x, "interval"), nan_ok=True)


@pytest.mark.parametrize("level", LEVELS)
def test_alpha_without_a_signal_is_not_defined(level: Level) -> None:
    assert math.isnan(krippendorff_alpha([[0.1, 0.1, NAN], [0.1, 0.1, 0.7]], level))  # 0.7 has no pair
    assert math.isnan(krippendorff_alpha([[1.0, NAN], [NAN, 2.0]], level))
    assert math.isnan(krippendorff_alpha([[1.0, 2.0, 3.0]], level))
    assert krippendorff_alpha([[1.0, 2.0], [1.0, 2.0]], level) == 1.0


# ---------------------------------------------------------------- intraclass correlations


def test_icc_of_shrout_and_fleiss() -> None:
    found = icc(SHROUT_FLEISS)
    assert (found.one_way, found.agreement, found.consistency) == pytest.approx((0.1657, 0.2898, 0.7148), abs=5e-5)
    assert (found.raters, found.units) == (4, 6)


def three(x: Floats) -> tuple[float, float, float]:
    found = icc(x)
    return found.one_way, found.agreement, found.consistency


@given(FULL_TABLES)
def test_consistency_forgives_a_raters_level_and_agreement_does_not(x: Floats) -> None:
    base, harsh = icc(x), icc(x - 10.0 * np.arange(len(x))[:, None])
    assert harsh.consistency == pytest.approx(base.consistency, nan_ok=True)
    if base.consistency > 1e-9:
        assert harsh.agreement < base.consistency


@given(FULL_TABLES)
def test_icc_has_no_scale_and_no_origin(x: Floats) -> None:
    assert three(7.0 - x / 3.0) == pytest.approx(three(x), nan_ok=True, abs=1e-9)


def test_icc_counts_the_units_that_all_rated() -> None:
    more = np.column_stack([SHROUT_FLEISS, [1, NAN, 9, 9]])
    assert icc(more) == icc(SHROUT_FLEISS)


def test_icc_without_spread_is_not_defined() -> None:
    assert all(math.isnan(value) for value in three(np.full((3, 4), 0.1)))
    assert all(math.isnan(value) for value in three(np.array([[1.0, 2.0, 3.0]])))
    one_way, agreement, consistency = three(np.array([[0.1, 0.1, 0.1], [0.3, 0.3, 0.3]]))
    assert (one_way, agreement) == pytest.approx((-1.0, 0.0))
    assert math.isnan(consistency)  # no unit differs from another one


# ---------------------------------------------------------------- Fleiss' kappa


def spread(table: tuple[tuple[int, ...], ...]) -> Floats:
    """Ratings (raters, units) with these counts of categories."""
    return np.array([np.repeat(np.arange(len(row)), row) for row in table], dtype=np.float64).T


def test_kappa_of_fleiss_table() -> None:
    assert fleiss_kappa(spread(FLEISS)) == pytest.approx(0.20993, abs=5e-6)


@given(FULL_TABLES)
def test_kappa_counts_raters_without_knowing_them(x: Floats) -> None:
    shuffled = np.random.default_rng(0).permuted(x, axis=0)  # each unit's ratings among its raters
    assert fleiss_kappa(shuffled) == pytest.approx(fleiss_kappa(x), nan_ok=True)


def test_kappa_leaves_out_units_that_somebody_did_not_rate() -> None:
    x = spread(FLEISS)
    more = np.column_stack([x, np.where(np.arange(14) == 3, NAN, 4.0)])
    assert fleiss_kappa(more) == fleiss_kappa(x)


@pytest.mark.parametrize("x", [[[1.0, 1.0], [1.0, 1.0]], [[1.0, 2.0]], [[1.0, NAN], [NAN, 2.0]]])
def test_kappa_without_a_signal_is_not_defined(x: list[list[float]]) -> None:
    assert math.isnan(fleiss_kappa(x))


# ---------------------------------------------------------------- Kendall's W


def test_w_with_ties() -> None:
    assert kendall_w([[1, 2, 2, 4], [1, 3, 2, 4], [2, 1, 3, 4]]) == pytest.approx(0.77011, abs=5e-6)


def by_ranks(x: Floats) -> float:
    """W by the formula in rank sums and ties, with scipy's mid-ranks."""
    m, n = x.shape
    ranks = np.array([scipy_stats.rankdata(row) for row in x])
    ties = sum(float((t**3 - t).sum()) for t in (np.unique(row, return_counts=True)[1] for row in x))
    over = 12 * float((ranks.sum(axis=0) ** 2).sum()) - 3 * m**2 * n * (n + 1) ** 2
    return over / (m**2 * n * (n**2 - 1) - m * ties)


@given(FULL_TABLES)
def test_w_is_that_of_the_rank_sums(x: Floats) -> None:
    if not (x == x[:, :1]).all():
        assert kendall_w(x) == pytest.approx(by_ranks(x))


def test_w_is_one_coefficient_a_group_and_leaves_out_what_is_missing() -> None:
    x = ratings(5, missing=0.0)
    assert x.shape[0] >= 3
    silent, gap = x.copy(), x.copy()
    silent[0] = NAN  # a rater without any score
    gap[1, 2] = NAN  # a unit that one rater did not score
    found = kendall_w(np.stack([x, silent, gap]))
    assert found == pytest.approx([by_ranks(x), by_ranks(x[1:]), by_ranks(np.delete(x, 2, axis=1))])


def test_w_without_a_signal_is_not_defined() -> None:
    nothing = [[[2.0, 2.0], [3.0, 3.0]], [[1.0, 2.0], [NAN, NAN]], [[NAN, 1.0], [1.0, NAN]], [[NAN, NAN], [NAN, NAN]]]
    assert np.isnan(kendall_w(nothing)).all()
    assert kendall_w([[1.0, 2.0], [5.0, 9.0]]) == 1.0
    assert kendall_w([[1.0, 2.0], [9.0, 5.0]]) == 0.0
