"""Few labels and many scores: against the authors' library, worked numbers, known truth and coverage."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practice.stats import calibrated_share, cluster_ratio, ppi_mean, rogan_gladen
from tests.benches import load

bench = load("coverage")

NAN = math.nan
LABELS = [1, 0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0]
SCORES = [0.9, 0.2, 0.7, 0.8, 0.4, 0.6, 0.1, 0.3, 0.95, 0.5, 0.85, 0.35]
OTHERS = [0.1, 0.8, 0.7, 0.3, 0.6, 0.9, 0.2, 0.5, 0.4, 0.75, 0.65, 0.15, 0.55, 0.45, 0.95, 0.05, 0.35, 0.25, 0.85, 0.6]


# ---------------------------------------------------------------- prediction-powered inference


def test_the_mean_is_that_of_the_authors_library() -> None:
    got = ppi_mean(SCORES + OTHERS, LABELS + [NAN] * 20)
    # PPI++ weighs the difference of the unlabelled and the labelled by lambda; that of all and the labelled is
    # 20/32 of it, so this weight is 32/20 lambda. ppi_py 0.2: 0.53416667 at lambda 1, 0.58333333 at 0; linear between.
    weight = got.weight * 20 / 32
    assert got.corrected.value == pytest.approx(0.58333333 + weight * (0.53416667 - 0.58333333), abs=1e-8)
    assert weight == pytest.approx(0.99, abs=0.005)  # ppi_py's own tuned lambda is 0.97
    assert got.labelled.value == pytest.approx(7 / 12)
    assert got.judged.value == pytest.approx(np.mean(SCORES + OTHERS))


def test_the_interval_is_a_little_wider_than_the_authors_normal_one() -> None:
    got = ppi_mean(SCORES + OTHERS, LABELS + [NAN] * 20).corrected
    theirs = 0.73597933 - 0.3353007  # ppi_py 0.2, ppi_mean_ci(alpha=0.05), normal quantile, variances by 1/n
    allowed = 2.2281 / 1.95996 * math.sqrt(12 / 10)  # t with 10 degrees of freedom, 1/(m - 2)
    assert 1.0 < (got.high - got.low) / theirs == pytest.approx(allowed, rel=0.01)
    assert got.n == 12


def test_the_weight_is_the_slope_of_label_on_score() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(4000)
    scores = 1 + 4 * truth + 0.5 * rng.normal(size=4000)  # a judge on another scale
    labels = np.where(np.arange(4000) < 1000, truth, NAN)
    got = ppi_mean(scores, labels)
    slope = float(np.polyfit(scores[:1000], truth[:1000], 1)[0])
    assert got.weight == pytest.approx(slope, rel=0.05)
    assert got.corrected.low < truth.mean() < got.corrected.high
    assert got.corrected.high - got.corrected.low < 0.65 * (got.labelled.high - got.labelled.low)


def test_a_judge_that_says_nothing_changes_nothing() -> None:
    got = ppi_mean([0.5] * 40, [1.0, 0.0] * 10 + [NAN] * 20, low=0, high=1)
    assert got.weight == 0.0
    assert got.corrected.value == pytest.approx(got.labelled.value)


def test_where_all_is_labelled_the_labels_are_the_answer() -> None:
    got = ppi_mean(SCORES, LABELS)
    assert got.weight == 0.0 and got.corrected.value == pytest.approx(7 / 12)


def test_a_biased_judge_is_corrected() -> None:
    rng = np.random.default_rng(2)
    truth = (rng.random(5000) < 0.4).astype(float)
    scores = np.where(truth == 1, 0.9, 0.6)  # much too kind
    labels = np.where(rng.random(5000) < 0.05, truth, NAN)
    got = ppi_mean(scores, labels, low=0, high=1)
    assert got.judged.low > 0.6
    assert got.corrected.value == pytest.approx(truth.mean(), abs=1e-3)  # the score tells the truth once it is rescaled


def test_labels_that_the_judge_got_right_do_not_make_it_perfect() -> None:
    passes = [1.0, 0.0] * 100
    got = ppi_mean(passes, passes[:20] + [NAN] * 180, low=0, high=1)
    sampled = cluster_ratio(passes, [1.0] * 200, low=0, high=1)
    assert got.weight == pytest.approx(1.0)
    assert got.corrected.high - got.corrected.low > 1.1 * (sampled.high - sampled.low)


def test_rollouts_of_a_query_that_move_together_widen_the_interval() -> None:
    rng = np.random.default_rng(7)
    truth = np.repeat((rng.random(50) < 0.5).astype(float), 6)
    scores = np.clip(truth * 0.2 + 0.4 + 0.2 * rng.normal(size=300), 0, 1)
    labels = np.where(np.arange(300) % 6 < 3, truth, NAN)
    query = [i // 6 for i in range(300)]
    together, apart = (ppi_mean(scores, labels, c, low=0, high=1).corrected for c in (query, None))
    assert together.high - together.low > 1.4 * (apart.high - apart.low)
    assert together.n == 50


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.floats(0.2, 5), st.floats(-3, 3))
def test_the_judges_scale_does_not_matter(seed: int, scale: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    scores, labels = rng.random(60), np.where(np.arange(60) < 20, rng.random(60), NAN)
    one, two = ppi_mean(scores, labels).corrected, ppi_mean(scale * scores + shift, labels).corrected
    assert (two.value, two.low, two.high) == pytest.approx((one.value, one.low, one.high), abs=1e-8)


def test_equal_chances_are_no_chances_and_unequal_ones_undo_a_biased_choice() -> None:
    labels = LABELS + [NAN] * 20
    equal, none = (ppi_mean(SCORES + OTHERS, labels, chances=c).corrected for c in ([0.375] * 32, None))
    assert (equal.value, equal.low, equal.high) == pytest.approx((none.value, none.low, none.high))
    rng = np.random.default_rng(4)
    truth = (rng.random(40_000) < 0.5).astype(float)
    scores = np.where(rng.random(40_000) < 0.8, truth, 1 - truth)
    chances = np.where(scores == truth, 0.02, 0.2)  # what the judge got wrong is asked about ten times as often
    asked = np.where(rng.random(40_000) < chances, truth, NAN)
    right = ppi_mean(scores, asked, chances=chances, low=0, high=1)
    assert right.corrected.low < 0.5 < right.corrected.high
    assert ppi_mean(scores, asked, low=0, high=1).weight < 0 < right.weight  # ignored, the judge seems perverse


def test_with_few_or_no_labels_nothing_is_promised() -> None:
    none = ppi_mean([0.2, 0.4], [NAN, NAN])
    assert none.corrected.n == 0 and math.isnan(none.corrected.value) and math.isnan(none.weight)
    two = ppi_mean([0.2, 0.4, 0.6], [0.0, 1.0, NAN], low=0, high=1).corrected
    assert two.n == 2 and not math.isnan(two.value) and math.isnan(two.low)


def test_a_rollout_without_a_score_is_left_out() -> None:
    got = ppi_mean([*SCORES, NAN, *OTHERS], [*LABELS, 1, *[NAN] * 20])
    same = ppi_mean(SCORES + OTHERS, LABELS + [NAN] * 20)
    assert (got.corrected.n, got.weight) == (12, pytest.approx(same.weight))
    assert (got.corrected.low, got.corrected.high) == pytest.approx((same.corrected.low, same.corrected.high))


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (([0.1, 0.2], [1.0]), {}),
        (([0.1, 0.2], [1.0, NAN], ["q"]), {}),
        (([0.1, 0.2], [1.0, NAN]), {"chances": [0.5, 0.0]}),
    ],
)
def test_wrong_lengths_and_chances_are_refused(arguments: Any, options: Any) -> None:
    with pytest.raises(ValueError):
        ppi_mean(*arguments, **options)


# ---------------------------------------------------------------- Rogan and Gladen


def test_rogan_gladen_by_hand() -> None:
    got = rogan_gladen(0.3, 200, 0.9, 50, 0.85, 60)
    assert got.value == pytest.approx((0.3 + 0.85 - 1) / (0.9 + 0.85 - 1)) and got.n == 200
    # Lang and Reiczigel 2014, with z^2 = 3.84146: AP' = (60 + 1.92073)/203.84146, Se' = 46/52, Sp' = 52/62.
    ap, se, sp = 61.92073 / 203.84146, 46 / 52, 52 / 62
    p = (ap + sp - 1) / (se + sp - 1)
    shift = 2 * 3.84146 * (p * se * (1 - se) / 52 - (1 - p) * sp * (1 - sp) / 62)
    variance = ap * (1 - ap) / 203.84146 + p**2 * se * (1 - se) / 52 + (1 - p) ** 2 * sp * (1 - sp) / 62
    half = 1.959964 * math.sqrt(variance) / (se + sp - 1)
    assert (got.low, got.high) == pytest.approx((p + shift - half, p + shift + half), abs=1e-6)


def test_a_perfect_test_gives_its_own_share() -> None:
    got = rogan_gladen(0.25, 100, 1.0, 1e9, 1.0, 1e9)
    assert got.value == pytest.approx(0.25)
    # What is left is the interval of Agresti and Coull 1998.
    p, n = (25 + 1.92073) / 103.84146, 103.84146
    assert got.high - p == pytest.approx(1.959964 * math.sqrt(p * (1 - p) / n), abs=1e-5)


def test_fewer_passes_than_false_ones_is_a_share_of_zero() -> None:
    got = rogan_gladen(0.05, 100, 0.9, 50, 0.85, 50)
    assert got.value == 0.0 and got.low == 0.0 and 0.0 < got.high < 0.2


@pytest.mark.parametrize(
    ("n", "sensitivity", "n_sensitivity", "specificity", "n_specificity"),
    [(100, 0.4, 50, 0.6, 50), (0, 0.9, 50, 0.9, 50), (100, 0.9, 0, 0.9, 50), (100, NAN, 0, 0.9, 50)],
)
def test_a_judge_no_better_than_a_coin_or_not_known_corrects_nothing(
    n: float, sensitivity: float, n_sensitivity: float, specificity: float, n_specificity: float
) -> None:
    got = rogan_gladen(0.5, n, sensitivity, n_sensitivity, specificity, n_specificity)
    assert math.isnan(got.value) and math.isnan(got.low) and math.isnan(got.high)


def test_rollouts_are_sorted_into_what_the_formula_needs() -> None:
    passes = [1, 1, 0, 1, 0, 0, 1, 1, 0, 1]
    labels = [1, 1, 1, 0, 0, 0, NAN, NAN, NAN, NAN]
    got = calibrated_share(passes, labels)
    assert (got.sensitivity.value, got.specificity.value) == pytest.approx((2 / 3, 2 / 3))
    assert (got.judged.value, got.judged.n, got.labelled.value) == (pytest.approx(0.75), 4, 0.5)
    assert got.corrected.value == 1.0 and got.corrected.n == 3  # 3/4 passing is more than 2/3 could
    with pytest.raises(ValueError, match="0 or 1"):
        calibrated_share([0.5, 1], [NAN, 1])


def test_queries_are_worth_less_than_their_rollouts() -> None:
    rng = np.random.default_rng(3)
    passes = np.repeat((rng.random(60) < 0.6).astype(float), 5)
    labels = np.where(rng.random(300) < 0.2, np.where(rng.random(300) < 0.85, passes, 1 - passes), NAN)
    query = [i // 5 for i in range(300)]
    together, apart = calibrated_share(passes, labels, query).corrected, calibrated_share(passes, labels).corrected
    assert together.value == pytest.approx(apart.value)
    assert together.high - together.low > 1.3 * (apart.high - apart.low)


def test_labels_need_not_be_a_random_sample_for_rogan_gladen() -> None:
    rng = np.random.default_rng(6)
    truth = (rng.random(20_000) < 0.3).astype(float)
    passes = np.where(truth == 1, rng.random(20_000) < 0.9, rng.random(20_000) < 0.2).astype(float)
    labels = np.where(
        rng.random(20_000) < np.where(truth == 1, 0.2, 0.02), truth, NAN
    )  # ten times as many of the right
    found = calibrated_share(passes, labels)
    assert found.labelled.low > 0.7
    assert found.corrected.low < truth[np.isnan(labels)].mean() < found.corrected.high


# ---------------------------------------------------------------- coverage


def check(design: Any, simulations: int) -> None:
    """At most three points below what is promised, allowing three standard errors of the simulation."""
    slack = 3 * math.sqrt(0.95 * 0.05 / simulations)
    found = bench.calibration(design, simulations)
    for method, (coverage, width, bias) in found.items():
        if method != "the same, chances ignored":
            assert coverage >= 0.95 - 0.03 - slack, method
            assert abs(bias) < width / 10, method
    assert found["prediction-powered"][1] < found["labels alone"][1]


@pytest.mark.parametrize("design", bench.LABELS[1::2], ids=str)
def test_a_share_from_few_labels_is_covered_in_a_small_simulation(design: Any) -> None:
    check(design, 200)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("design", bench.LABELS, ids=str)
def test_a_share_from_few_labels_is_covered_in_a_large_simulation(design: Any) -> None:
    check(design, 3000)


def test_a_biased_choice_of_what_to_label_misleads_unless_its_chances_are_known() -> None:
    found = bench.calibration(bench.LABELS[-1], 300)
    (known, _, _), (ignored, _, bias) = found["prediction-powered"], found["the same, chances ignored"]
    assert ignored < 0.88 < known and bias > 0.03
