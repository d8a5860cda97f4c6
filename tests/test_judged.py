"""Where judges alone score: pairs, both orders, the gate's test for them, length, and the judge of the holdout."""

from __future__ import annotations

import itertools
import json
import math
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from practice import stats
from practice.accept import Gate, Needs
from practice.duels import REPEATED, evened, log_ratio
from practice.errors import InputError
from practice.judged import preference, turned
from practice.records import Scored
from practice.store import Store
from practice.types import Decision, Rollout, Verdict
from tests.fakeserver import Asked, FakeServer
from tests.house import command, make, practise
from tests.judgeworlds import LONGER, attempts, wordy
from tests.worlds import heading, lessons, make_tasks

SMALL: dict[str, Any] = {"reward": "judge", "practice": {"epochs": 1, "batch_size": 16}, "rollouts": {"group_size": 4}}


def attempt(n: int, output: str, **fields: Any) -> Rollout:
    values = {"id": f"r{n}", "task_id": "t", "attempt": n, "steps": (), "output": output, "status": "done"}
    return Rollout.model_validate(values | fields)


# ---------------------------------------------------------------- the test of pairs

wins = st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0, None]), min_size=3, max_size=3), min_size=1, max_size=4)


@given(wins)
def test_tails_are_those_of_all_sign_patterns(rows: list[list[float | None]]) -> None:
    table = stats.as_table(rows)
    found = stats.compare_pairs(table)
    size = (~np.isnan(table)).sum(axis=1, keepdims=True)
    nets = ((2 * np.nan_to_num(table, nan=0.5) - 1) / np.maximum(size, 1)).ravel()
    sums = [
        sum(s * n for s, n in zip(signs, nets, strict=True)) for signs in itertools.product((-1, 1), repeat=nets.size)
    ]
    lower, upper = found.tails()
    assert lower == pytest.approx(np.mean([s <= nets.sum() + 1e-9 for s in sums]))
    assert upper == pytest.approx(np.mean([s >= nets.sum() - 1e-9 for s in sums]))


@given(wins)
def test_the_other_side_sees_the_mirror(rows: list[list[float | None]]) -> None:
    table = stats.as_table(rows)
    one, two = stats.compare_pairs(table), stats.compare_pairs(1.0 - table)
    assert one.difference == pytest.approx(-two.difference)
    assert one.tails() == pytest.approx(two.tails()[::-1])
    assert (one.better, one.worse) == (two.worse, two.better)


def test_permuting_the_scores_of_pairs_one_by_one_would_err_three_times_as_often() -> None:
    """The test for verified attempts is not valid for pairs, whose two scores always sum to 1."""
    rng, n = np.random.default_rng(5), 400
    tables = [rng.integers(0, 2, (12, 8)).astype(np.float64) for _ in range(n)]
    wrong = np.mean([stats.table_tails(table, 1.0 - table)[1] <= 0.05 for table in tables])
    right = np.mean([stats.compare_pairs(table).tails()[1] <= 0.05 for table in tables])
    assert wrong > 0.1
    assert right <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / n)


def test_a_margin_has_tangos_variance() -> None:
    table = np.array([[1.0, 0.5], [0.0, 1.0], [0.5, 0.5]])
    found = stats.compare_pairs(table)
    assert found.deviation_at(0.0) == pytest.approx(math.sqrt(3 / 6 / 6))  # at 0: (won + lost) / n of a pair
    assert stats.compare_pairs(np.full((4, 2), 0.5)).deviation_at(-0.05) > 0


def test_net_preference_has_the_interval_of_pairs_alike() -> None:
    one = stats.preference_delta([[1.0], [1.0], [0.5], [0.0], [None]])
    assert (one.mean, one.test) == (0.25, "sign test exact")
    assert one.ci == pytest.approx(stats.tango(2, 1, 4))
    several = stats.preference_delta([[1.0, 1.0], [1.0, 0.5], [1.0, 1.0], [1.0, 1.0]])
    assert several.test == "sign-flip exact" and several.p == pytest.approx(2 / 16)
    assert several.ci[0] < several.mean < several.ci[1]
    with pytest.raises(ValueError, match="no pair"):
        stats.preference_delta([[None], []])


# ---------------------------------------------------------------- the gate


def drive(gate: Gate, candidate: np.ndarray[Any, Any]) -> Decision:
    plan, had, own = gate.plan(1), 0, 0
    while True:
        move = plan.next(np.full((len(candidate), own), 0.5), [candidate[:, :had]])
        if not isinstance(move, Needs):
            return move
        own, had = max(own, move.incumbent), move.arms.get(0, had)


def test_the_gate_reads_preferences() -> None:
    rng = np.random.default_rng(3)
    gate = Gate(steps=4, paired=True)
    good = drive(gate, (rng.random((16, 8)) < 0.9).astype(np.float64))
    assert good.outcome == "accept" and "net preference" in good.reason and "net preference" in good.power
    assert good.before is not None and good.after == pytest.approx(1 - good.before)
    assert drive(gate, np.full((16, 8), 0.5)).outcome == "reject"
    assert drive(gate, np.zeros((16, 8))).outcome == "reject"


def test_power_is_that_of_pairs_without_ties() -> None:
    gate = Gate(steps=4, paired=True)
    rng = np.random.default_rng(4)
    found = [drive(gate, (rng.random((16, 8)) < 0.65).astype(np.float64)).outcome == "accept" for _ in range(300)]
    assert gate.plan(1).power(16, 0.3) == pytest.approx(np.mean(found), abs=0.09)


# ---------------------------------------------------------------- length


def test_the_fit_tells_length_from_worth() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(0.7, 0.8, (40, 2))
    by_length = np.where(x > 0, 1.0, 0.0)
    found = stats.length_fit(by_length, x)
    assert found is not None and found.slope is not None and found.slope_ci is not None and found.at_equal is not None
    assert found.raw > 0.4 and found.slope_ci[0] > 0.4 and abs(found.at_equal) < 0.35
    by_worth = (rng.random((40, 2)) < 0.8).astype(np.float64)
    fair = stats.length_fit(by_worth, x)
    assert fair is not None and fair.slope_ci is not None and fair.at_equal_ci is not None
    assert fair.slope_ci[0] < 0 < fair.slope_ci[1] and fair.at_equal_ci[0] > 0.2


def test_the_fit_is_least_squares_and_its_interval_covers() -> None:
    rng, hits, n = np.random.default_rng(2), 0, 200
    for _ in range(n):
        x = rng.normal(0.0, 1.0, (20, 2))
        task = rng.normal(0.0, 0.15, (20, 1))
        chance = np.clip(0.6 + 0.1 * x + task, 0, 1)
        found = stats.length_fit((rng.random((20, 2)) < chance).astype(np.float64), x)
        assert found is not None and found.at_equal_ci is not None
        hits += found.at_equal_ci[0] <= 0.2 <= found.at_equal_ci[1]
    assert hits / n >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / n)
    exact = stats.length_fit(np.array([[0.0], [0.5], [1.0]]), np.array([[-1.0], [0.0], [1.0]]))
    assert exact is not None and (exact.slope, exact.at_equal) == (pytest.approx(1.0), pytest.approx(0.0))


def test_what_lies_beyond_the_pairs_is_not_told() -> None:
    longer = stats.length_fit(np.ones((6, 1)), np.linspace(1.0, 2.0, 6)[:, None])
    assert longer is not None and longer.raw == 1.0 and longer.at_equal is None and longer.longer == 1.0
    assert stats.length_fit(np.full((2, 1), np.nan), np.zeros((2, 1))) is None
    alike = stats.length_fit(np.ones((6, 1)), np.zeros((6, 1)))
    assert alike is not None and alike.slope is None and alike.at_equal is None


@given(st.lists(st.integers(1, 12), min_size=1, max_size=80), st.lists(st.integers(1, 12), min_size=1, max_size=80))
def test_evened_attempts_leave_the_shorter_no_shorter(one: list[int], two: list[int]) -> None:
    texts = [" ".join("x" * size for size in sizes) for sizes in (one, two)]
    shown = evened(*(attempt(n, text) for n, text in enumerate(texts)))
    shorter = 0 if len(one) < len(two) else 1
    assert shown[1 - shorter].output == texts[1 - shorter]
    assert shown[shorter].output.startswith(texts[shorter])
    assert len(shown[shorter].output.split()) >= len(texts[1 - shorter].split())
    assert len(shown[shorter].output) >= len(texts[1 - shorter])


def test_lengths_are_of_what_a_judge_sees() -> None:
    assert log_ratio(attempt(0, "<think>so long a thought</think>four"), attempt(1, "one two")) == 1.0
    assert math.isnan(log_ratio(attempt(0, ""), attempt(1, "one two")))


# ---------------------------------------------------------------- whole runs


def sql(root: Path, query: str) -> list[Any]:
    with Store(root / "memory/practice.db") as store:
        return store.now(lambda db: db.execute(query).fetchall())


def decisions(root: Path) -> list[Decision]:
    rows = sql(root, "SELECT json_extract(data, '$.decision') FROM steps ORDER BY step")
    return [Decision.model_validate_json(row[0]) for row in rows]


async def test_a_judged_run_says_so_and_the_holdout_has_its_own_judge(tmp_path: Path) -> None:
    with FakeServer("lessons") as server:
        place = make(tmp_path, server.url, tasks=make_tasks(24), holdout=make_tasks(10, start=1000), **SMALL)
        document = await practise(place)
        calls = len(server.calls)
        assert await practise(place) == document and len(server.calls) == calls
        assert server.repeats() == 0
    assert document.status == "done" and document.experiences
    before, after, delta, word = document.before, document.after, document.delta, document.judged
    assert before and after and delta and word and before.mean is not None and after.mean is not None
    assert word.says == "judged, not verified" and word.by == ("referee",) and word.shares_model
    assert word.won + word.tied + word.lost == after.n == 10 and word.won > word.lost
    assert before.mean + after.mean == pytest.approx(1.0) and delta.mean == pytest.approx(after.mean - before.mean)
    assert after.metric == "preferred@1" and delta.test == "sign test exact"
    assert word.turned == 0.0 and word.length is not None
    # Good attempts are longer in this world: the fit can't tell length from worth, the evened pairs can.
    assert word.even is not None and word.even.mean == pytest.approx(delta.mean)
    judges = {
        phase: {str(row[0]).split("@")[0] for row in sql(tmp_path, query)}
        for phase in ("practice", "validation", "holdout")
        if (query := f"SELECT evaluator FROM calls WHERE stage = 'judge' AND phase = '{phase}'")
    }
    assert judges["practice"] == judges["validation"] == {"default", "strict", "evidence"}
    assert judges["holdout"] == {"referee"}


async def test_judges_see_pairs_in_both_orders_and_nothing_of_who_made_them(tmp_path: Path) -> None:
    with FakeServer("lessons") as server:
        await practise(make(tmp_path, server.url, tasks=make_tasks(16), holdout=make_tasks(4, start=1000), **SMALL))
        asked = [call for call in server.calls if call.stage == "judge" and call.phase != "practice"]
    shown: dict[tuple[str, frozenset[str]], list[tuple[str, ...]]] = {}
    for call in asked:
        texts = attempts(Asked(body=call.body, raw=b"", stage="judge", count=0))
        assert list(texts) == ["A", "B"]
        assert "bank:" not in json.dumps(call.body) and "holdout" not in json.dumps(call.body["messages"])
        key = (call.body["messages"][0]["content"], frozenset(texts.values()))
        shown.setdefault(key, []).append(tuple(texts.values()))
    assert shown and all(len(set(orders)) == 2 for orders in shown.values())
    bodies = [(json.dumps(call.body["messages"]), call.seed) for call in server.calls]
    assert len(set(bodies)) == len(bodies)


async def test_a_judge_that_takes_the_first_decides_nothing(tmp_path: Path) -> None:
    def first(asked: Asked) -> str | dict[str, Any]:
        if asked.stage != "judge":
            return lessons(asked)
        letters = [name for name in (asked.schema or {})["properties"] if heading(name, asked.text)]
        return json.dumps({letter: {"reason": "First.", "score": 9 if letter == "A" else 2} for letter in letters})

    ungated: dict[str, Any] = {**SMALL, "judge": {"gate": False}}
    with FakeServer(first) as server:
        place = make(tmp_path, server.url, tasks=make_tasks(16), **ungated)
        document = await practise(place)
    assert document.edits.proposed > 0 and document.edits.accepted == 0
    pairs = [
        Scored.model_validate_json(row[0]) for row in sql(tmp_path, "SELECT data FROM scores WHERE id LIKE '%/pair/%'")
    ]
    asked = [pair for pair in pairs if pair.verdicts]
    assert asked and all(pair.rewards == (0.5, 0.5) for pair in asked) and turned(asked) == 1.0


@pytest.mark.parametrize("seed", [0, 1])
async def test_a_judge_that_loves_length_does_not_teach_to_write_longer(tmp_path: Path, seed: int) -> None:
    with FakeServer(wordy) as server:
        place = make(tmp_path, server.url, tasks=make_tasks(24), holdout=(), **SMALL)
        document = await practise(place, f"practice.seed={seed}")
        bodies = [
            json.dumps(call.body) for call in server.calls if call.phase == "validation" and call.stage == "judge"
        ]
    assert any(REPEATED in body for body in bodies)
    (decision,) = decisions(tmp_path)
    assert decision.outcome == "reject" and "not at equal length" in decision.reason
    assert decision.looks[-1].difference > 0.9  # as it is, the longer one wins nearly always
    assert document.edits.proposed > 0 and document.experiences == ()
    assert LONGER not in (place.memory / "test.yaml").read_text() if (place.memory / "test.yaml").exists() else True


async def test_an_unchanged_bank_needs_no_judge_of_the_holdout(tmp_path: Path) -> None:
    with FakeServer("right") as server:
        place = make(tmp_path, server.url, tasks=make_tasks(12), **SMALL)
        document = await practise(place)
        assert server.count(stage="judge", phase="holdout") == 0 and server.count(stage="rollout", phase="holdout") == 8
    assert document.before is not None and document.before == document.after
    assert document.before.mean == 0.5 and document.delta is not None and document.delta.test == "unchanged bank"


async def test_a_dead_judge_leaves_pairs_missing_and_never_a_loss(tmp_path: Path) -> None:
    def silent(asked: Asked) -> str | dict[str, Any]:
        if asked.stage == "judge" and "referee" in asked.system:
            return "I would rather not."
        return lessons(asked)

    with FakeServer(silent) as server:
        place = make(tmp_path, server.url, tasks=make_tasks(24), **SMALL)
        document = await practise(place)
    assert document.status == "done" and document.experiences and document.judged is not None
    assert (document.after is not None and document.delta is not None) or document.judged.missing
    assert document.judged.won + document.judged.lost == 0  # ties of alike attempts need no judge
    assert document.judged.missing > 0 and document.judged.missing == (document.after.missing if document.after else 0)


@pytest.mark.slow
async def test_killed_and_resumed_a_judged_run_ends_in_the_same_bank(tmp_path: Path) -> None:
    settings: dict[str, Any] = {**SMALL, "rollouts": {"group_size": 4, "concurrency": 8}}
    with FakeServer("lessons") as calm, FakeServer("lessons", latency=0.01) as rough:
        wanted = (await practise(make(tmp_path / "quiet", calm.url, tasks=make_tasks(24), **settings))).model_dump()
        place = make(tmp_path / "broken", rough.url, tasks=make_tasks(24), **settings)
        for kill in range(1, 4):
            process = command(place.root, "run", "--json")
            while process.poll() is None and len(rough.calls) < kill * len(calm.calls) // 4:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        found = (await practise(place)).model_dump()
        assert rough.repeats() <= 3 * 8
    same = ("experiences", "before", "after", "delta", "judged", "groups", "edits", "steps")
    assert {key: found[key] for key in same} == {key: wanted[key] for key in same}


# ---------------------------------------------------------------- what is refused, and small parts


@pytest.mark.parametrize(
    "sets",
    [
        ("judge.holdout={prompt: strict}",),
        ("judge.holdout={prompt: strict, temperature: 1.0, seed: 4}",),
        ("judge.panel=[{prompt: referee}]",),
    ],
)
async def test_a_holdout_judge_that_sits_on_the_panel_is_refused(tmp_path: Path, sets: tuple[str, ...]) -> None:
    place = make(tmp_path, "http://127.0.0.1:9/v1", **SMALL)
    with pytest.raises(InputError) as error:
        await practise(place, *sets)
    assert error.value.key == "judge.holdout" and "not in judge.panel" in str(error.value)


def test_before_and_after_of_nothing_judged() -> None:
    before, after, delta = preference(((None,), (None,)), "preferred@1", same_bank=False)
    assert before.mean is None and after.missing == 2 and delta is None


def test_what_turned_with_the_order() -> None:
    def verdict(rollout: str, evaluator: str, score: float | None) -> Verdict:
        return Verdict(rollout_id=rollout, evaluator=evaluator, score=score)

    rows = [("j", 0.9, 0.2), ("j (swapped)", 0.3, 0.2), ("k", 0.9, 0.2), ("k (swapped)", 0.2, 0.2), ("l", 0.1, None)]
    pair = Scored(
        verdicts=tuple(v for name, a, b in rows for v in (verdict("a", name, a), verdict("b", name, b))),
        rewards=(0.5, 0.5),
    )
    assert turned([pair]) == 0.5 and turned([]) is None
