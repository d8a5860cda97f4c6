"""The gate as a state machine: what it asks for, what it decides, what it may spend."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from practice.accept import Gate, Needs, Plan, is_shrink
from practice.types import Decision, Edit

Rows = list[list[float | None]]


def empty(tasks: int) -> Rows:
    return [[] for _ in range(tasks)]


def alike(score: float | None, tasks: int, trials: int = 8) -> Rows:
    return [[score] * trials for _ in range(tasks)]


def coin(seed: int, rate: float, tasks: int, trials: int = 8) -> Rows:
    draws = np.random.default_rng(seed).random((tasks, trials)) < rate
    return [[float(x) for x in row] for row in draws]


def drive(plan: Plan, incumbent: Rows, arms: Sequence[Rows]) -> tuple[Decision, list[Needs]]:
    """Give a plan exactly the trials that it asks for."""
    tasks, own, had, asked = len(incumbent), 0, [0] * len(arms), list[Needs]()
    for _ in range(20):
        tables = [[row[:n] for row in arm] if n else empty(tasks) for arm, n in zip(arms, had, strict=True)]
        move = plan.next([row[:own] for row in incumbent], tables)
        if isinstance(move, Decision):
            return move, asked
        asked.append(move)
        own = max(own, move.incumbent)
        for arm, n in move.arms.items():
            assert n > had[arm], "asks for trials that are there"
            had[arm] = n
    raise AssertionError("the gate never ends")


def decide(plan: Plan, incumbent: Rows, arms: Sequence[Rows]) -> Decision:
    move = plan.next(incumbent, arms)
    assert isinstance(move, Decision)
    return move


# ---------------------------------------------------------------- one candidate


def test_a_single_candidate_starts_with_the_first_look() -> None:
    assert Gate().plan().next(empty(5), [empty(5)]) == Needs(incumbent=2, arms={0: 2})


def test_a_clear_gain_is_accepted_at_the_first_look() -> None:
    decision, asked = drive(Gate().plan(), alike(0.0, 20), [alike(1.0, 20)])
    assert asked == [Needs(incumbent=2, arms={0: 2})]
    assert (decision.outcome, decision.winner, decision.tasks) == ("accept", 0, 20)
    assert (decision.before, decision.after, decision.helpful, decision.harmful) == (0.0, 1.0, 20, 0)
    # Both trials of every task on one side: 1 of C(4, 2) = 6 ways a task.
    assert decision.looks[0].p == pytest.approx(6.0**-20)
    assert "+100.0 points over 20 tasks x 2 trials" in decision.reason
    assert "20 tasks" in decision.power and "probability" in decision.power


def test_a_loss_is_rejected_as_worse_at_the_first_look() -> None:
    decision, asked = drive(Gate().plan(), alike(1.0, 20), [alike(0.0, 20)])
    assert decision.outcome == "reject" and decision.reason.startswith("worse")
    assert (len(asked), decision.helpful, decision.harmful) == (1, 0, 20)


def test_no_difference_is_futile_before_the_cap() -> None:
    decision, _ = drive(Gate(steps=20).plan(), alike(1.0, 20), [alike(1.0, 20)])
    assert decision.outcome == "reject" and decision.reason.startswith("futile")
    assert decision.looks[-1].trials < 8


def test_a_small_gain_takes_all_looks_and_stays_indecisive() -> None:
    # Promising, and never below what a look of a 20-step run may spend.
    incumbent, candidate = coin(1, 0.4, 12), coin(5, 0.6, 12)
    decision, asked = drive(Gate(steps=20, max_trials=4).plan(), incumbent, [candidate])
    assert [need.incumbent for need in asked] == [2, 4]
    assert decision.outcome == "indecisive" and "cap" in decision.reason
    assert [look.trials for look in decision.looks] == [2, 4]
    assert decision.looks[-1].p > decision.looks[-1].alpha


def test_no_better_at_the_cap_is_rejected() -> None:
    plan = Gate(trials=4, max_trials=4).plan()
    decision = decide(plan, coin(1, 0.5, 10), [coin(1, 0.5, 10)])
    assert decision.outcome == "reject" and decision.reason.startswith("no better")


def test_trials_beyond_those_asked_for_change_nothing() -> None:
    plan, incumbent = Gate(steps=10).plan(3), coin(1, 0.3, 15)
    arms = [coin(seed, rate, 15) for seed, rate in ((2, 0.3), (3, 0.9), (4, 0.4))]
    decision, _ = drive(plan, incumbent, arms)
    assert decide(plan, incumbent, arms) == decision
    assert decision.outcome == "accept" and decision.winner == 1


def test_the_order_of_tasks_changes_nothing() -> None:
    plan, incumbent, arm = Gate().plan(), coin(1, 0.4, 15), coin(2, 0.6, 15)
    assert decide(plan, incumbent, [arm]) == decide(plan, incumbent[::-1], [arm[::-1]])


# ---------------------------------------------------------------- missing scores


def test_an_attempt_that_failed_is_not_asked_for_again_and_not_a_zero() -> None:
    candidate: Rows = [[None, 1.0] for _ in range(20)]
    decision = decide(Gate().plan(), alike(0.0, 20), [candidate])
    assert (decision.outcome, decision.after) == ("accept", 1.0)
    assert decision.looks[0].p == pytest.approx(3.0**-20)


def test_tasks_without_a_score_are_left_out() -> None:
    candidate = [*alike(1.0, 10), *alike(None, 5)]
    assert decide(Gate().plan(), alike(0.0, 15), [candidate]).tasks == 10


@pytest.mark.parametrize("candidates", [1, 4])
def test_nothing_scored_is_indecisive_not_a_verdict(candidates: int) -> None:
    decision = decide(Gate().plan(candidates), alike(0.5, 6), [alike(None, 6)] * candidates)
    assert (decision.outcome, decision.before, decision.after, decision.tasks) == ("indecisive", None, None, 0)
    assert "scored" in decision.reason
    shrinking = decide(Gate().plan(candidates, shrink=True), alike(0.5, 6), [alike(None, 6)] * candidates)
    assert shrinking.outcome == "indecisive"


def test_arrays_with_nan_are_tables_too() -> None:
    one = np.array(alike(0.0, 10), dtype=np.float64)
    two = np.ones_like(one)
    two[0, 0] = np.nan
    move = Gate().plan().next(one, [two])
    assert isinstance(move, Decision) and move.outcome == "accept"


@pytest.mark.parametrize(
    ("incumbent", "arms", "message"),
    [
        (empty(3), [empty(3), empty(3)], "planned for 1"),
        (empty(3), [empty(2)], "same tasks"),
        (alike(2.0, 3), [empty(3)], r"\[0, 1\]"),
    ],
)
def test_tables_that_do_not_fit_are_refused(incumbent: Rows, arms: list[Rows], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Gate().plan().next(incumbent, arms)


# ---------------------------------------------------------------- the race


def test_the_race_halves_and_the_winners_trials_are_reused() -> None:
    rates = (0.3, 0.9, 0.3, 0.8)
    arms = [coin(seed, rate, 16) for seed, rate in zip((2, 3, 4, 5), rates, strict=True)]
    decision, asked = drive(Gate(steps=4).plan(4), coin(1, 0.3, 16), arms)
    assert asked[0] == Needs(incumbent=1, arms={0: 1, 1: 1, 2: 1, 3: 1})
    assert asked[1] == Needs(incumbent=2, arms={1: 2, 3: 2})
    assert decision.outcome == "accept" and decision.winner == 1
    assert all(set(need.arms) == {1} and need.arms[1] > 2 for need in asked[2:])


def test_ties_go_to_the_earlier_arm() -> None:
    twin = coin(3, 0.9, 16)
    decision, asked = drive(Gate().plan(4), coin(1, 0.3, 16), [twin, twin, twin, twin])
    assert decision.winner == 0
    assert asked[1].arms == {0: 2, 1: 2}


def test_an_arm_far_behind_the_leader_costs_no_second_round() -> None:
    good, fair = alike(1.0, 30), coin(7, 0.5, 30)
    _, asked = drive(Gate().plan(4), coin(1, 0.4, 30), [fair, good, fair, fair])
    assert [set(need.arms) for need in asked] == [{0, 1, 2, 3}, {1}]


def test_a_race_without_hope_ends_without_a_look() -> None:
    decision, asked = drive(Gate(steps=4).plan(4), alike(1.0, 20), [alike(0.0, 20)] * 4)
    assert len(asked) == 1
    assert (decision.outcome, decision.winner, decision.looks) == ("reject", None, ())
    assert "none of 4 candidates" in decision.reason


@pytest.mark.parametrize("candidates", [2, 3, 5, 8])
def test_any_number_of_candidates_ends_in_one_winner(candidates: int) -> None:
    arms = [coin(seed, 0.9, 12) for seed in range(10, 10 + candidates)]
    decision, asked = drive(Gate().plan(candidates), coin(1, 0.3, 12), arms)
    assert decision.outcome == "accept" and decision.winner is not None
    counts = [len(need.arms) for need in asked if need.arms]
    assert counts[0] == candidates
    assert all(later <= math.ceil(earlier / 2) or later == 1 for earlier, later in itertools.pairwise(counts))


# ---------------------------------------------------------------- the error budget


def test_stages_double_up_to_the_cap() -> None:
    assert Gate().stages == (2, 4, 8)
    assert Gate(trials=2, max_trials=6).stages == (2, 4, 6)
    assert Gate(trials=3, max_trials=3).stages == (3,)
    with pytest.raises(ValidationError, match="below trials"):
        Gate(trials=4, max_trials=2)
    with pytest.raises(ValueError, match="candidate"):
        Gate().plan(0)


def test_alpha_is_shared_among_steps_candidates_and_looks() -> None:
    plan = Gate(alpha=0.05, steps=20).plan(4)
    assert math.fsum(plan.alphas) * 4 * 20 == pytest.approx(0.05)
    assert plan.alphas[1] / plan.alphas[0] == pytest.approx(2) and plan.alphas[2] / plan.alphas[0] == pytest.approx(4)


def test_what_is_not_spent_is_passed_on() -> None:
    gate = Gate(steps=5)
    assert math.fsum(gate.skip().plan().alphas) == pytest.approx(0.05 / 4)
    plan = gate.plan()
    accepted = decide(plan, alike(0.0, 20), [alike(1.0, 20)])
    assert gate.after(plan, accepted).spent == 0.0
    rejected = decide(plan, alike(1.0, 20), [alike(0.0, 20)])
    after = gate.after(plan, rejected)
    assert after.spent == pytest.approx(plan.alphas[0]) and after.done == 1
    assert math.fsum(after.plan().alphas) == pytest.approx((0.05 - plan.alphas[0]) / 4)


def test_a_raced_look_is_paid_for_every_candidate() -> None:
    gate = Gate(steps=3)
    plan = gate.plan(2)
    decision = decide(plan, coin(1, 0.5, 30), [coin(2, 0.55, 30), coin(3, 0.6, 30)])
    assert decision.outcome != "accept" and decision.looks
    assert gate.after(plan, decision).spent == pytest.approx(2 * sum(look.alpha for look in decision.looks))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.lists(st.tuples(st.integers(0, 4), st.integers(0, 10_000)), min_size=1, max_size=12))
def test_the_budget_is_never_overdrawn_whatever_happens(steps: int, story: list[tuple[int, int]]) -> None:
    gate, paid = Gate(steps=steps), 0.0
    incumbent = coin(0, 0.5, 8)
    for candidates, seed in story:
        if candidates == 0:
            gate = gate.skip()
            continue
        plan = gate.plan(candidates)
        decision = decide(plan, incumbent, [coin(seed + i, 0.5, 8) for i in range(candidates)])
        if decision.outcome != "accept":
            paid += candidates * sum(look.alpha for look in decision.looks)
        gate = gate.after(plan, decision)
        assert gate.spent == pytest.approx(paid, abs=1e-12)
        assert gate.spent <= gate.alpha + 1e-9


def test_the_gate_survives_a_round_trip_through_json() -> None:
    gate = Gate(steps=7).skip()
    assert Gate.model_validate_json(gate.model_dump_json()) == gate
    plan = gate.plan(3)
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


# ---------------------------------------------------------------- proposals that only shorten


def test_an_equal_bank_that_is_shorter_passes_and_costs_no_alpha() -> None:
    gate = Gate(steps=20)
    plan = gate.plan(shrink=True)
    decision = decide(plan, alike(1.0, 30), [alike(1.0, 30)])
    assert decision.outcome == "accept" and "not worse" in decision.reason
    assert gate.after(plan, decision) == gate.skip()
    assert "costs nothing passes with probability" in decision.power


def test_a_shorter_bank_that_loses_much_is_rejected() -> None:
    gate = Gate(steps=20)
    plan = gate.plan(shrink=True)
    decision = decide(plan, alike(1.0, 30), [coin(2, 0.6, 30)])
    assert decision.outcome == "reject" and decision.reason.startswith("worse")
    assert gate.after(plan, decision).spent == 0.0


def test_the_margin_decides_what_may_be_lost() -> None:
    incumbent, candidate = coin(1, 0.8, 40), coin(2, 0.78, 40)
    wide = decide(Gate(margin=0.3).plan(shrink=True), incumbent, [candidate])
    narrow = decide(Gate(margin=0.001).plan(shrink=True), incumbent, [candidate])
    assert (wide.outcome, narrow.outcome) == ("accept", "reject")


def test_what_counts_as_shortening() -> None:
    texts = {"a": "when unsure use the calculator once", "b": "round at the end"}
    retire, keep = Edit(op="retire", id="a"), Edit(op="keep", id="b")
    shorter, longer = Edit(op="revise", id="a", text="use the calculator"), Edit(op="revise", id="b", text="a " * 9)
    merge = Edit(op="merge", ids=("a", "b"), text="use the calculator and round at the end")
    survivor = Edit(op="merge", id="a", ids=("b",), text=merge.text)
    twice = Edit(op="merge", id="a", ids=("a", "b"), text="word " * 11)
    bloat = Edit(op="merge", ids=("a", "b"), text="word " * 11)
    assert is_shrink([retire, keep], texts) and is_shrink([shorter], texts) and is_shrink([merge], texts)
    assert is_shrink([survivor], texts) and not is_shrink([twice], texts)
    assert not is_shrink([keep], texts) and not is_shrink([], texts)
    assert not is_shrink([retire, longer], texts) and not is_shrink([bloat], texts)
    assert not is_shrink([retire, Edit(op="add", text="new")], texts)


# ---------------------------------------------------------------- power


def test_power_rises_with_gain_tasks_and_trials() -> None:
    gate = Gate(steps=4)
    assert gate.power(16, 0.1) < gate.power(16, 0.2) < gate.power(16, 0.35)
    assert gate.power(16, 0.2) < gate.power(50, 0.2)
    assert Gate(steps=4, max_trials=4).power(16, 0.2) < gate.power(16, 0.2)
    assert gate.power(16, 0.2, candidates=4) < gate.power(16, 0.2, candidates=1)
    assert gate.power(30, 0.0) <= 0.05


def test_power_is_said_in_words() -> None:
    text = Gate(steps=4).power_sentence(16, 0.55)
    assert text.startswith("With these 16 tasks and up to 8 trials a task and bank, the probability")
    assert "20 points 0." in text and "smallest found with probability 0.8 is" in text
    assert "no gain is found with probability 0.8" in Gate(steps=4).power_sentence(2, 0.9)
    perfect = Gate(steps=4).power_sentence(16, 1.0)
    assert "5 points" in perfect
