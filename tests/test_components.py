"""Variance components against Brennan's and Shrout and Fleiss's published examples, statsmodels and known truth."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practice.stats import Components, cheapest, d_study, variance_components
from tests.benches import load

bench = load("coverage")

#: Brennan 2001, table 3.1, synthetic data set 3: a row an (occasion, item), a column a person.
SET_3 = [
    [2, 4, 5, 5, 4, 4, 2, 3, 0, 6],
    [6, 5, 5, 9, 3, 4, 6, 4, 5, 8],
    [7, 6, 4, 8, 5, 4, 6, 4, 4, 7],
    [5, 7, 6, 6, 6, 7, 5, 5, 5, 6],
    [2, 6, 5, 5, 4, 6, 2, 6, 5, 6],
    [5, 7, 4, 7, 5, 4, 7, 6, 5, 8],
    [5, 5, 5, 7, 6, 7, 7, 6, 5, 8],
    [5, 7, 5, 6, 4, 8, 5, 4, 3, 6],
]
#: Brennan 2001, table 3.2, synthetic data set 4: a row a rater, four within each of three tasks.
SET_4 = [
    [5, 9, 3, 7, 9, 3, 7, 5, 9, 4],
    [6, 3, 4, 5, 2, 4, 3, 8, 9, 4],
    [5, 7, 3, 5, 9, 3, 7, 5, 8, 4],
    [5, 7, 3, 3, 7, 5, 7, 7, 8, 3],
    [5, 7, 5, 3, 7, 3, 7, 7, 6, 3],
    [3, 5, 3, 1, 7, 3, 5, 5, 6, 5],
    [4, 5, 3, 4, 3, 6, 5, 5, 6, 6],
    [5, 5, 5, 3, 7, 3, 7, 4, 5, 5],
    [6, 7, 6, 5, 2, 4, 5, 3, 5, 5],
    [7, 7, 5, 3, 7, 5, 5, 2, 8, 7],
    [3, 5, 1, 3, 5, 1, 5, 1, 1, 1],
    [3, 2, 6, 5, 3, 2, 4, 1, 1, 1],
]
#: Shrout and Fleiss 1979, table 2: a row a judge, a column a target.
RATINGS = [[9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2], [5, 3, 6, 2, 6, 4], [8, 2, 8, 6, 9, 7]]

PROMPTS, SEEDS = ["a", "a", "b", "b", "c", "c"], [0, 1] * 3
CROSSED: dict[str, Sequence[Hashable]] = {"prompt": PROMPTS, "seed": SEEDS}


def variances(found: Components) -> dict[str, float]:
    return {part.name: part.raw for part in found.parts}


# ---------------------------------------------------------------- published examples


def test_a_crossed_design_gives_brennans_components() -> None:
    found = variance_components(np.array([SET_3], float), {"item": [1, 2, 3, 4] * 2, "occasion": [1] * 4 + [2] * 4})
    assert variances(found) == pytest.approx(
        {
            "rollout_in_group": 0.5528,
            "item_in_group": 0.4417,
            "occasion_in_group": 0.0074,
            "rollout_x_item": 0.5750,
            "rollout_x_occasion": 0.1009,
            "item_x_occasion_in_group": 0.1565,
            "rollout_x_item_x_occasion": 0.9352,
        },
        abs=5e-5,
    )
    assert found.panel.value == pytest.approx(0.64, abs=5e-3)
    assert (found.factors, found.nested, found.groups) == ((("item", 4), ("occasion", 2)), False, 1)


def test_a_nested_design_gives_brennans_components() -> None:
    found = variance_components(np.array([SET_4], float), {"task": [1] * 4 + [2] * 4 + [3] * 4, "rater": range(12)})
    assert found.nested
    assert variances(found) == pytest.approx(
        {
            "rollout_in_group": 0.4731,
            "task_in_group": 0.3252,
            "task_x_rater_in_group": 0.6475,
            "rollout_x_task": 0.5596,
            "rollout_x_task_x_rater": 2.3802,
        },
        abs=5e-5,
    )
    assert found.panel.value == pytest.approx(0.55, abs=5e-3)


def test_one_factor_gives_the_consistency_of_shrout_and_fleiss() -> None:
    found = variance_components(np.array([RATINGS], float), {"model": "wxyz"})
    # Mean squares of the paper: targets 11.24, judges 32.49, residual 1.02; ICC(3,1) .71 and ICC(3,4) .91.
    assert variances(found) == pytest.approx(
        {"rollout_in_group": 2.5556, "model_in_group": 5.2442, "rollout_x_model": 1.0194}, abs=1e-3
    )
    assert found.single_call.value == pytest.approx(0.7148, abs=5e-5)
    assert found.panel.value == pytest.approx(0.9093, abs=5e-5)


def test_queries_of_different_size_are_pooled_as_statsmodels_sums_them() -> None:
    scores = np.full((2, 6, 4), np.nan)
    scores[0] = [[1, 1, 4, 3], [3, 4, 4, 1], [3, 1, 3, 5], [3, 1, 3, 1], [4, 5, 5, 4], [5, 2, 1, 3]]
    scores[1, :, :3] = [[3, 4, 5], [2, 5, 1], [2, 4, 2], [4, 3, 3], [5, 5, 5], [3, 5, 5]]
    found = variance_components(scores, CROSSED)
    # Mean squares from statsmodels 0.15, anova_lm of y ~ r * p * s a query, summed over both.
    r, p, s, rp, rs, ps, rps = 1.566667, 3.854167, 1.777778, 1.258333, 2.088889, 2.423611, 2.030556
    assert variances(found) == pytest.approx(
        {
            "rollout_in_group": (r - rp - rs + rps) / 6,
            "prompt_in_group": (p - rp - ps + rps) / (3.5 * 2),
            "seed_in_group": (s - rs - ps + rps) / (3.5 * 3),
            "rollout_x_prompt": (rp - rps) / 2,
            "rollout_x_seed": (rs - rps) / 3,
            "prompt_x_seed_in_group": (ps - rps) / 3.5,
            "seed": rps,
        },
        abs=1e-5,
    )
    assert (found.groups, found.groups_dropped, found.rollouts_dropped) == (2, 0, 0)


def test_a_negative_estimate_is_zero_and_stays_available() -> None:
    part = variance_components(np.array([RATINGS[:2], RATINGS[2:]], float), {"seed": [0, 1]}).part("seed")
    assert part.raw > 0
    noise = np.array([[[1, 2, 3], [3, 2, 1]]], float)  # two evaluators that contradict each other
    signal = variance_components(noise, {"seed": [0, 1]}).part("rollout_in_group")
    assert signal.raw == pytest.approx(-1.0) and signal.variance == 0.0 and signal.share == 0.0


# ---------------------------------------------------------------- known truth


def simulated(n: int, group: int = 4, seed: int = 0) -> np.ndarray:
    """Three wordings by two seeds: rollout 1, x prompt .25, x seed .09, prompt .49, seed .04, residual .36."""
    rng = np.random.default_rng(seed)

    def effect(sd: float, *shape: int) -> np.ndarray:
        return sd * rng.normal(size=(n, *shape))

    scores = effect(3.0, 1, 1, 1) + effect(1.0, 1, 1, group) + effect(0.5, 3, 1, group) + effect(0.3, 1, 2, group)
    scores = scores + effect(0.7, 3, 1, 1) + effect(0.2, 1, 2, 1) + effect(0.6, 3, 2, group)
    return scores.reshape(n, 6, group)


TRUTH = {
    "rollout_in_group": 1.0,
    "prompt_in_group": 0.49,
    "seed_in_group": 0.04,
    "rollout_x_prompt": 0.25,
    "rollout_x_seed": 0.09,
    "prompt_x_seed_in_group": 0.0,
    "seed": 0.36,
}


def test_known_components_are_found() -> None:
    found = variance_components(simulated(4000), CROSSED)
    assert variances(found) == pytest.approx(TRUTH, abs=0.03)
    assert found.single_call.value == pytest.approx(1 / 1.7, abs=0.02)
    assert found.panel.value == pytest.approx(1 / (1 + 0.25 / 3 + 0.09 / 2 + 0.36 / 6), abs=0.01)
    assert sum(part.share for part in found.parts) == pytest.approx(1.0)


def test_the_order_of_evaluators_is_nothing() -> None:
    scores, order = simulated(12), [4, 0, 5, 2, 1, 3]
    shuffled = variance_components(
        scores[:, order], {"prompt": [PROMPTS[i] for i in order], "seed": [SEEDS[i] for i in order]}
    )
    assert variances(shuffled) == pytest.approx(variances(variance_components(scores, CROSSED)))


@settings(max_examples=20, deadline=None)
@given(st.floats(0.1, 10), st.floats(-50, 50), st.integers(0, 50))
def test_a_change_of_scale_changes_no_reliability(scale: float, shift: float, seed: int) -> None:
    scores = simulated(6, seed=seed)
    one, two = variance_components(scores, CROSSED), variance_components(scale * scores + shift, CROSSED)
    assert two.panel.low == pytest.approx(one.panel.low, abs=1e-6)
    assert two.single_call.value == pytest.approx(one.single_call.value, abs=1e-6)


def test_what_every_evaluator_adds_alike_within_a_query_is_no_noise() -> None:
    scores = simulated(8)
    harsh = scores - np.arange(6.0)[None, :, None]
    assert variance_components(harsh, CROSSED).panel.value == pytest.approx(
        variance_components(scores, CROSSED).panel.value
    )


# ---------------------------------------------------------------- missing scores and odd designs


def test_a_rollout_that_one_evaluator_missed_is_left_out_and_counted() -> None:
    scores = simulated(6, group=5)
    whole = variance_components(np.delete(scores, 4, axis=2)[1:], CROSSED)
    scores[:, 3, 4] = np.nan  # one call of each query's last rollout
    scores[0, 1, :3] = np.nan  # the first query keeps one rollout of five
    found = variance_components(scores, CROSSED)
    assert variances(found) == pytest.approx(variances(whole))
    assert (found.groups, found.groups_dropped, found.rollouts_dropped) == (5, 1, 6 + 3)


def test_without_a_complete_query_nothing_is_defined() -> None:
    found = variance_components(np.full((3, 6, 4), np.nan), CROSSED)
    assert found.groups == 0 and math.isnan(found.panel.value) and math.isnan(found.part("seed").variance)
    assert math.isnan(found.reliability({}))
    assert cheapest(found) is None


def test_evaluators_of_one_mind_are_reliable_with_wilsons_width() -> None:
    scores = np.repeat(np.random.default_rng(0).integers(1, 6, (20, 1, 4)), 6, axis=1).astype(float)
    found = variance_components(scores, CROSSED)
    assert (found.panel.value, found.panel.high) == (1.0, 1.0)
    assert found.panel.low == pytest.approx(20 / (20 + 1.959964**2), abs=1e-4)
    assert cheapest(found) == d_study(found, 1)[0]


def test_scores_without_any_variation_have_no_reliability() -> None:
    found = variance_components(np.full((4, 6, 4), 3.0), CROSSED)
    assert math.isnan(found.panel.value) and found.panel.n == 4
    assert math.isnan(found.part("seed").share)


def test_a_factor_with_one_level_is_left_out() -> None:
    found = variance_components(simulated(5)[:, ::2], {"prompt": "abc", "seed": [7, 7, 7]})
    assert found.factors == (("prompt", 3),)
    assert [part.name for part in found.parts] == ["rollout_in_group", "prompt_in_group", "rollout_x_prompt"]


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({"prompt": "aab", "seed": [0, 1, 0]}, "neither crossed nor nested"),
        ({"prompt": "aabb", "seed": [0, 1, 0, 0]}, "neither crossed nor nested"),
        ({"prompt": "abcd", "seed": [0, 1, 2, 3]}, "neither crossed nor nested"),
        ({"prompt": "aabb", "seed": [0, 1]}, "seed: 2 labels for 4 evaluators"),
        ({"prompt": "aaaa"}, "two levels or more"),
    ],
)
def test_designs_that_can_not_be_analysed_are_refused(factors: dict[str, Sequence[Hashable]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        variance_components(np.zeros((2, len(factors["prompt"]), 3)), factors)


# ---------------------------------------------------------------- what a panel would give


def test_the_d_study_is_the_formula() -> None:
    found = variance_components(simulated(200), CROSSED)
    v = {part.name: part.variance for part in found.parts}
    for panel in d_study(found, 8):
        p, s = panel.of("prompt"), panel.of("seed")
        noise = v["rollout_x_prompt"] / p + v["rollout_x_seed"] / s + v["seed"] / (p * s)
        assert panel.reliability == pytest.approx(v["rollout_in_group"] / (v["rollout_in_group"] + noise))
        assert panel.calls == p * s <= 8 and panel.of("model") == 1
    assert found.reliability({"prompt": 3, "seed": 2}) == pytest.approx(found.panel.value)
    assert found.reliability({}) == pytest.approx(found.single_call.value)


def test_the_d_study_lists_every_panel_once_and_the_cheapest_first() -> None:
    panels = d_study(variance_components(simulated(50), CROSSED), 6)
    assert [panel.calls for panel in panels] == sorted(panel.calls for panel in panels)
    assert len({panel.levels for panel in panels}) == len(panels) == 1 + 2 + 2 + 3 + 2 + 4


def test_four_factors_are_as_good_as_two() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(40, 1, 4)) + 0.5 * rng.normal(size=(40, 16, 4))
    names = ("model", "prompt", "rubric", "seed")
    factors: dict[str, Sequence[Hashable]] = {name: [i >> bit & 1 for i in range(16)] for bit, name in enumerate(names)}
    found = variance_components(scores, factors)
    assert len(found.parts) == 2**5 - 1 and found.part("seed").facets == ("rollout", *names)
    # Fourteen interactions are 0 in truth; those that come out positive are taken for noise, so a little too low.
    assert 0.95 < found.panel.value < 1 / (1 + 0.25 / 16)
    best = cheapest(found, 0.9)
    # One call has 1/1.25 = .8, three independent ones .92: two of something, and at most two of anything else.
    assert best is not None and 2 <= best.calls <= 4


def test_the_cheapest_panel_reaches_the_target_and_no_cheaper_one_does() -> None:
    found = variance_components(simulated(500), CROSSED)
    best = cheapest(found, 0.8)
    assert best is not None and best.reliability >= 0.8
    assert best.levels == (("prompt", 4), ("seed", 1))  # in truth 1/(1 + .25/4 + .09 + .36/4) = .805; 2 x 2 has .794
    assert all(panel.reliability < 0.8 for panel in d_study(found, best.calls - 1))
    assert cheapest(found, 0.999, calls=6) is None


# ---------------------------------------------------------------- coverage


@pytest.mark.parametrize("n", [15, 30])
def test_reliability_is_covered_in_a_small_simulation(n: int) -> None:
    assert min(bench.reliability(bench.COMPONENTS[0], n, 300)) > 0.95 - 0.02 - 3 * math.sqrt(0.95 * 0.05 / 300)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("n", [15, 30, 60])
@pytest.mark.parametrize("design", bench.COMPONENTS, ids=str)
def test_reliability_is_covered_in_a_large_simulation(design: object, n: int) -> None:
    assert min(bench.reliability(design, n, 2000)) > 0.95 - 0.03 - 3 * math.sqrt(0.95 * 0.05 / 2000)
