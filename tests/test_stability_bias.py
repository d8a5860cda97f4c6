"""What moves a verdict besides worth: each figure on scores made for it, and what is said of simulated judges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from practice.stability import Cuts, Duel, EvaluatorKey, ScoreTable
from practice.stability.bias import biases, pass_mark
from practice.stability.duels import duel_table
from practice.stability.grid import agreement_grid
from practice.stability.looks import corrected, mean_look, named, ratio_look
from practice.stability.odd import family
from practice.stability.position import position_looks, slots
from practice.stability.result import Bias
from tests.benches import load

bench = load("judges")


def table(scores: Any, keys: Sequence[EvaluatorKey], **more: Any) -> ScoreTable:
    array = np.asarray(scores, dtype=np.float64)
    n, _, g = array.shape
    return ScoreTable(
        groups=tuple(f"q{place}" for place in range(n)),
        rollouts=tuple(tuple(f"r{place}" for place in range(g)) for _ in range(n)),
        evaluators=tuple(keys),
        scores=array,
        **more,
    )


def look(found: ScoreTable, mark: float | None = None) -> Bias:
    row = agreement_grid(found).rows["all"]
    return biases(found, row, margin=Cuts().margin, mark=pass_mark(found, mark), seed=0)


def duel(group: str, a: str, b: str, winner: str | None, evaluator: str = "j") -> Duel:
    return Duel(group=group, a=a, b=b, winner=winner, evaluator=evaluator)


# ---------------------------------------------------------------- position, cycles


def test_consistency_and_first_slot_of_duels_in_both_orders() -> None:
    duels = [
        *(duel("q1", "x", "y", "a"), duel("q1", "y", "x", "b")),  # the same both times
        *(duel("q1", "x", "z", "a"), duel("q1", "z", "x", "a")),  # the first both times
        *(duel("q2", "x", "y", "tie"), duel("q2", "y", "x", "a")),
        *(duel("q2", "x", "z", "a"), duel("q2", "z", "x", None)),  # one order alone: not looked at
    ]
    found = look(duel_table(duels, [EvaluatorKey(name="j")])).position
    assert found["consistency"].value == pytest.approx(1 / 3)
    assert found["first_slot"].value == pytest.approx((1 + 0 + 2 + 1) / 5)
    assert set(found) == {"consistency", "first_slot"}


def test_each_pairwise_judge_has_its_own_figures() -> None:
    duels = [
        duel(f"q{n}", a, b, winner, who)
        for n in range(8)
        for who, straight, turned in (("fair", "a", "b"), ("hasty", "a", "a"))
        for a, b, winner in (("x", "y", straight), ("y", "x", turned))
    ]
    found = look(duel_table(duels, [EvaluatorKey(name="fair"), EvaluatorKey(name="hasty")]))
    assert found.position["first_slot:fair"].value == 0.5 and found.position["consistency:fair"].value == 1
    assert found.position["first_slot:hasty"].value == 1 and found.position["consistency:hasty"].value == 0
    line = next(line for line in found.named if "first wins, by evaluator" in line)
    assert "hasty 100 %" in line and "fair" not in line


def test_in_single_orders_the_better_one_gains_nothing_from_standing_first_more_often() -> None:
    """X always wins and stands first in three of four groups: no word of a bias."""
    duels = [duel(f"q{n}", *(("y", "x", "b") if n % 4 == 0 else ("x", "y", "a"))) for n in range(40)]
    found = position_looks(duel_table(duels, [EvaluatorKey(name="j")]), 0.15)
    assert set(found) == {"first_slot"} and found["first_slot"].figure.value == pytest.approx(0.5)
    one_way = [duel(f"q{n}", "x", "y", "a") for n in range(40)]
    assert position_looks(duel_table(one_way, [EvaluatorKey(name="j")]), 0.15) == {}


def test_position_is_read_off_scores_of_rollouts_in_other_orders() -> None:
    keys = [EvaluatorKey(name=order, rollout_order=order) for order in ("given", "reversed")]
    # The judge adds a point to whatever stands first.
    found = look(table([[[5, 4.5, 4], [4, 4.5, 6]]] * 6, keys)).position
    # r0 over r1, r0 over r2, r1 over r2 by the one; r2 over r1, r2 over r0, r1 over r0 by the other: all first ones.
    assert found["first_slot"].value == 1 and found["consistency"].value == 0
    assert look(table([[[1, 2], [1, 2]]] * 6, keys)).position["first_slot"].value == 0.5
    unknown = [EvaluatorKey(name=order, rollout_order=order) for order in ("shuffled 1", "shuffled 2")]
    assert look(table([[[1, 2], [1, 2]]] * 6, unknown)).position == {}


def test_where_each_rollout_stood() -> None:
    for order, expected in (("given", [0, 1, 2]), ("Reversed", [2, 1, 0]), ("3 1 2", [1, 2, 0]), ("3,1,2", [1, 2, 0])):
        found = slots(order, 3)
        assert found is not None
        np.testing.assert_array_equal(found, expected)
    assert slots("1 2", 3) is None and slots("random", 3) is None and slots(None, 3) is None


def test_cycles_are_counted_over_decided_triads() -> None:
    ring = [duel("q1", "x", "y", "a"), duel("q1", "y", "z", "a"), duel("q1", "z", "x", "a")]
    line = [duel("q2", "x", "y", "a"), duel("q2", "y", "z", "a"), duel("q2", "x", "z", "a")]
    open_ = [duel("q3", "x", "y", "a"), duel("q3", "y", "z", "tie"), duel("q3", "z", "x", "a")]
    found = look(duel_table([*ring, *line, *open_], [EvaluatorKey(name="j")]))
    assert found.cycles is not None and found.cycles.value == pytest.approx(0.5) and found.cycles.n == 2
    assert found.threshold == {}  # pairwise verdicts have no pass mark


# ---------------------------------------------------------------- of scores


def test_length_is_held_against_truth_where_truth_is_known() -> None:
    rng = np.random.default_rng(0)
    words = rng.integers(10, 500, (60, 1, 5)).astype(np.float64)
    worth = rng.normal(size=(60, 1, 5))
    keys = [EvaluatorKey(name="a"), EvaluatorKey(name="b")]
    scores = np.repeat(words / 150 + worth, 2, axis=1)
    found = look(table(scores, keys, n_words=words[:, 0]))
    assert found.length["all"].value is not None and found.length["all"].value > 0.3 and "truth" not in found.length
    assert any(line.startswith("length: scores go with length, tau_b within a group over all") for line in found.named)
    justified = look(table(scores, keys, n_words=words[:, 0], truth=scores[:, 0]))
    assert justified.length["truth"].value == pytest.approx(justified.length["all"].value)
    assert not any(line.startswith("length") for line in justified.named)


def test_the_order_of_options_and_the_makers_name_shift_scores() -> None:
    base = np.random.default_rng(1).normal(size=(40, 1, 4))
    up, down = EvaluatorKey(name="up", option_order="up"), EvaluatorKey(name="down", option_order="down")
    found = look(table(np.concatenate([base, base + 0.5], axis=1), [up, down]))
    assert found.option_order["up"].value == pytest.approx(-0.5) and set(found.option_order) == {"up"}
    makers = tuple(("gpt-4o", "claude-3", "gpt-4o", "claude-3") for _ in range(40))
    hidden, named_ = EvaluatorKey(name="h", blind="true"), EvaluatorKey(name="n", blind="false")
    gain = np.array([1.0, 0.0, 1.0, 0.0])
    found = look(table(np.concatenate([base, base + gain], axis=1), [hidden, named_], rollout_models=makers))
    assert found.blind["shift"].value == pytest.approx(0.5)
    assert found.blind["gpt"].value == pytest.approx(1.0) and found.blind["claude"].value == pytest.approx(-1.0)
    assert any(line.startswith("blind: rollouts of gpt gain 1.00") for line in found.named)


def test_judges_who_prefer_their_own_family() -> None:
    makers = tuple(("gpt-4o", "claude-3", "gpt-4o", "qwen") for _ in range(30))
    keys = [EvaluatorKey(name="g", model="openai/gpt-4.1"), EvaluatorKey(name="c", model="anthropic/claude")]
    fair = [1.0, 4.0, 3.0, 2.0]
    found = look(table([[[9.0, 4.0, 9.5, 2.0], fair]] * 30, keys, rollout_models=makers))
    # Of the four pairs (own, other) the judge g gives all to its own, the other judge one.
    assert found.self_family["gpt"].value == pytest.approx(1 - 1 / 4)
    assert found.self_family["claude"].value == pytest.approx(1 - 1 / 3)
    assert sum(line.startswith("own family") for line in found.named) == 2


def test_a_family_is_told_by_its_models_names() -> None:
    names = ["openai/gpt-4.1-mini", "ChatGPT-0301", "o3-mini", "Qwen/Qwen2.5-Coder", "google/gemma-2b", "m1", "m2"]
    assert [family(name) for name in names] == ["gpt", "gpt", "gpt", "qwen", "gemini", "m1", "m2"]


def test_flips_across_the_pass_mark() -> None:
    keys = [EvaluatorKey(name="a", seed="1"), EvaluatorKey(name="b", seed="2")]
    found = look(table([[[7, 6, 3], [6, 8, 3]]] * 20, keys, truth=np.array([[1.0, 1.0, 1.0]] * 20)), 7.0)
    assert found.threshold["all"].value == found.threshold["seed"].value == pytest.approx(2 / 3)
    assert found.threshold["truth"].value == pytest.approx(4 / 6)
    assert "label flips: two evaluators put 67 %" in " ".join(found.named)
    assert pass_mark(table([[[1.0, np.nan], [5.0, 2.0]]], keys), None) == 3.0


def test_two_wordings_name_each_other_and_truth_decides() -> None:
    keys = [EvaluatorKey(name=name, prompt=name) for name in ("plain", "upside")]
    worth = np.random.default_rng(2).normal(size=(30, 1, 5))
    scores = np.concatenate([worth, -worth], axis=1)
    lines = [line for line in look(table(scores, keys)).named if line.startswith("inverted")]
    assert len(lines) == 1 and "tau_b with 'upside'" in lines[0]
    lines = [line for line in look(table(scores, keys, truth=worth[:, 0])).named if line.startswith("inverted")]
    assert len(lines) == 1 and lines[0].startswith("inverted: the wording 'upside'")


def test_of_two_families_the_one_that_does_not_agree_with_itself_is_named() -> None:
    rng = np.random.default_rng(3)
    worth = rng.normal(size=(40, 1, 5))
    keys = [
        EvaluatorKey(name=f"{model}{seed}", model=model, seed=seed) for model in ("gpt-4o", "llama") for seed in "12"
    ]
    scores = np.concatenate([worth, worth, rng.normal(size=(40, 2, 5))], axis=1)
    lines = [line for line in look(table(scores, keys)).named if line.startswith("family")]
    assert len(lines) == 1 and lines[0].startswith("family: the model family 'llama' agrees less")


def test_without_axes_evaluators_are_compared() -> None:
    worth = np.random.default_rng(4).normal(size=(40, 1, 5))
    keys = [EvaluatorKey(name=name) for name in ("one", "two", "three")]
    found = look(table(np.concatenate([worth, worth, -worth], axis=1), keys))
    assert any(line.startswith("inverted: the evaluator 'three'") for line in found.named)
    assert set(found.polarity) <= {"one", "two", "three"}


# ---------------------------------------------------------------- correction


def test_the_five_percent_are_shared_out() -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(0.3, 1.0, 60)
    alone = mean_look("x", "{}", values, (0.0, 0.0))
    levels = (0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 1e-4, 1e-6)
    lows = [interval[0] for level in levels if (interval := corrected(values, None, level)) is not None]
    assert lows == sorted(lows, reverse=True) and lows[0] > 0 > lows[-1]
    edge = levels[next(place for place, low in enumerate(lows) if low < 0)]
    crowd = [mean_look("x", "{}", rng.normal(size=60), (-9.0, 9.0)) for _ in range(int(0.05 / edge) + 1)]
    assert named([alone]) and not named([alone, *crowd])
    # Single evaluators take half, however many they are.
    singles = [mean_look("x", "{}", rng.normal(size=60), (-9.0, 9.0), whose=str(n)) for n in range(1000)]
    wide = mean_look("x", "{}", values + 0.5, (0.0, 0.0))
    assert named([wide, *singles])


def test_too_few_groups_name_nothing() -> None:
    four = np.ones(4)
    assert corrected(four, None, 0.05) is None
    assert not named([ratio_look("x", "{}", four, four, (0.0, 0.1))])
    assert named([ratio_look("x", "all {}", np.ones(5), np.ones(5), (0.0, 0.1))]) == ("x: all 100 % [57, 100]",)


def test_what_follows_an_unnamed_look_is_not_named() -> None:
    low = mean_look("x", "low {}", np.linspace(-1, 1, 40), (0.0, 0.0))
    high = mean_look("x", "high {}", np.linspace(2, 4, 40), (0.0, 0.0))
    assert named([low, high])[0].startswith("x: high 3.00")
    assert named([low, replace(high, follows=True)]) == ()


# ---------------------------------------------------------------- simulated judges


@pytest.mark.parametrize("name", bench.FAULTS)
def test_a_faulty_judge_is_named(name: str) -> None:
    assert bench.share_named(bench.FAULTS[name], 5) == 1.0


@pytest.mark.parametrize("name", bench.CLEAN)
def test_a_clean_judge_is_hardly_ever_accused(name: str) -> None:
    assert bench.share_accused(bench.CLEAN[name], 5) <= 0.4


@pytest.mark.slow
@pytest.mark.parametrize("name", bench.FAULTS)
def test_a_faulty_judge_is_named_in_95_of_100_cases(name: str) -> None:
    assert bench.share_named(bench.FAULTS[name], 200, seed=1000) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("name", bench.CLEAN)
def test_a_clean_judge_is_accused_in_5_of_100_cases_at_most(name: str) -> None:
    # Three standard errors of the simulation above 5 %.
    assert bench.share_accused(bench.CLEAN[name], 200, seed=1000) <= 0.05 + 3 * (0.05 * 0.95 / 200) ** 0.5
