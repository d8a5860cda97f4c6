"""The stability room: files of scores to a table, the table to a report, the report to a verdict."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from practice import stability
from practice.errors import InputError
from practice.stability import Cuts, Duel, EvaluatorKey, ScoreTable, analyse, parse_cuts, read_scores
from practice.stability.consequences import consequences, coverage, votes
from practice.stability.duels import duel_table, reconciled
from practice.stability.grid import agreement_grid, axis_figures
from practice.stability.null import cell_taus, permutation_null, subsample
from practice.stability.result import Axis, Design, Figure, Panel, Reliability, StabilityReport, Validity
from practice.stability.spread import spread
from practice.stability.truth import validity
from practice.stability.verdict import described, judge, sentence
from practice.stats import pair_counts, tau_b

JUDGES = next(
    (up / "shared/data/judges" for up in Path(__file__).parents if (up / "shared/data/judges").is_dir()), None
)
"""Published scores of judges, beside the project."""
needs_judges = pytest.mark.skipif(JUDGES is None, reason="the judges' scores are not here")
NOTHING = Figure(value=None, ci=None, n=0)


def table(scores: Any, *, truth: Any = None, keys: Sequence[EvaluatorKey] | None = None, **more: Any) -> ScoreTable:
    """A table of scores (N, E, G)."""
    array = np.asarray(scores, dtype=np.float64)
    n, e, g = array.shape
    return ScoreTable(
        groups=tuple(f"q{place}" for place in range(n)),
        rollouts=tuple(tuple(f"r{place}" for place in range(g)) for _ in range(n)),
        evaluators=tuple(keys or (EvaluatorKey(name=f"e{place}", seed=str(place)) for place in range(e))),
        scores=array,
        truth=None if truth is None else np.asarray(truth, dtype=np.float64),
        **more,
    )


def write(path: Path, rows: Iterable[Sequence[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def noisy(n: int = 40, e: int = 3, g: int = 4, *, error: float = 0.5, seed: int = 0) -> np.ndarray[Any, Any]:
    """Scores of 1 to 10 by judges that see worth with an error."""
    rng = np.random.default_rng(seed)
    return np.rint(5.5 + 2 * (rng.normal(size=(n, 1, g)) + error * rng.normal(size=(n, e, g))))


# ---------------------------------------------------------------- reading scores


def test_long_rows_become_a_dense_table(tmp_path: Path) -> None:
    path = write(
        tmp_path / "s.csv",
        [
            ("group_id", "rollout_id", "score", "evaluator", "prompt", "seed", "truth", "n_words", "rollout_model"),
            ("q1", "a", "3", "j1", "strict", "1", "1", "10", "gpt-4o"),
            ("q1", "b", "", "j1", "strict", "1", "", "20", ""),
            (" q1", "a ", "2.5", "j2", "default", "", "1.0", "10", ""),
            ("q2", "x", "1e1", "j1", "strict", "1", "0", "7", "claude"),
            (),
            ("q1", "b", "4", "j2", "default", "", "0", "20", "claude"),
        ],
    )
    found = read_scores(path)
    assert found.groups == ("q1", "q2") and found.rollouts == (("a", "b"), ("x",))
    assert [(key.name, key.prompt, key.seed, key.model) for key in found.evaluators] == [
        ("j1", "strict", "1", None),
        ("j2", "default", None, None),
    ]
    np.testing.assert_array_equal(found.scores, [[[3, np.nan], [2.5, 4]], [[10, np.nan], [np.nan, np.nan]]])
    assert found.truth is not None and found.n_words is not None
    np.testing.assert_array_equal(found.truth, [[1, 0], [0, np.nan]])
    np.testing.assert_array_equal(found.n_words, [[10, 20], [7, np.nan]])
    assert found.rollout_models == (("gpt-4o", "claude"), ("claude", None))
    assert found.missing == pytest.approx(2 / 6)


def test_a_score_of_criteria_is_their_mean_and_missing_where_one_is(tmp_path: Path) -> None:
    rows: list[Sequence[object]] = [("group_id", "rollout_id", "score", "evaluator", "criterion")]
    rows += [("q", "a", 0.1, "j", "x"), ("q", "a", 0.2, "j", "y"), ("q", "a", 0.3, "j", "z")]
    rows += [("q", "b", 0.3, "j", "x"), ("q", "b", 0.2, "j", "y"), ("q", "b", 0.1, "j", "z")]
    rows += [("q", "c", 1, "j", "x"), ("q", "c", "", "j", "y"), ("q", "c", 1, "j", "z")]
    found = read_scores(write(tmp_path / "s.csv", rows))
    assert found.scores.shape == (1, 1, 3)
    assert found.scores[0, 0, 0] == found.scores[0, 0, 1] == 0.2  # a tie, though floats add up to two numbers
    assert math.isnan(found.scores[0, 0, 2])


HEAD = "group_id,rollout_id,score,evaluator"
DUEL = "group_id,a,b,winner,order,evaluator"


@pytest.mark.parametrize(
    ("text", "line", "key", "nearest", "says"),
    [
        ("", 1, None, None, "names of the columns"),
        (f"{HEAD}\n", 1, None, None, "a header alone"),
        ("group_id,rollout_id,score\nq,a,1\n", 1, "evaluator", None, "no 'evaluator'"),
        (f"{HEAD},temperture\nq,a,1,j,0\n", 1, "temperture", "temperature", "one of the columns"),
        (f"{HEAD},score\nq,a,1,j,1\n", 1, "score", None, "twice"),
        (f"{HEAD}\nq,a,1,j\nq,b,high,j\n", 3, "score", None, "'high'"),
        (f"{HEAD}\nq,a,nan,j\n", 2, "score", None, "'nan'"),
        (f"{HEAD}\nq,a,1,j\nq,b,2\n", 3, None, None, "4 cells"),
        (f"{HEAD}\nq,,1,j\n", 2, "rollout_id", None, "nothing"),
        (f"{HEAD}\nq,a,1,\n", 2, "evaluator", None, "nothing"),
        (f"{HEAD}\nq,a,1,j\nq,b,1,j\nq,a,2,j\n", 4, "score", None, "line 2"),
        (f"{HEAD},seed\nq,a,1,j,1\nq,b,1,j,2\n", 3, "seed", None, "line 2"),
        (f"{HEAD},truth\nq,a,1,j,1\nq,a,1,k,0\n", 3, "truth", None, "line 2"),
        (f"{HEAD},truth\nq,a,1,j,yes\n", 2, "truth", None, "'yes'"),
        (f"{HEAD},rollout_model\nq,a,1,j,m\nq,a,1,k,n\n", 3, "rollout_model", None, "'n'"),
        (f'{HEAD}\nq,"a,1,j\n', 2, None, None, "RFC 4180"),
        ("group_id,a,b,winner,evaluator\nq,x,y,x,j\n", 1, "order", None, "pairwise verdicts"),
        (f"{DUEL},truth\nq,x,y,x,ab,j,1\n", 1, "truth", None, "one of the columns"),
        (f"{DUEL}\nq,x,y,z,ab,j\n", 2, "winner", None, "'z'"),
        (f"{DUEL}\nq,x,y,x,1st,j\n", 2, "order", None, "ab"),
        (f"{DUEL}\nq,x,x,x,ab,j\n", 2, "b", None, "twice"),
        (f"{DUEL}\nq,x,y,x,ab,j\nq,y,x,x,ba,j\n", 3, "winner", None, "line 2"),
    ],
)
def test_a_wrong_file_is_one_clear_error(
    text: str, line: int, key: str | None, nearest: str | None, says: str, tmp_path: Path
) -> None:
    path = tmp_path / "s.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_scores(path)
    error = caught.value
    assert (error.line, error.key, error.nearest) == (line, key, nearest)
    assert error.file is not None and error.file.endswith("s.csv") and says in str(error)


def test_files_that_are_no_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_bytes(f"{HEAD}\nq,a,1,j\nq,caf\xe9,1,j\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8") as caught:
        read_scores(path)
    assert caught.value.line == 3
    with pytest.raises(InputError, match="none there") as caught:
        read_scores(tmp_path / "score.csv")
    assert (caught.value.nearest or "").endswith("scores.csv")
    with pytest.raises(InputError, match="a folder"):
        read_scores(tmp_path)


def test_evaluators_that_share_no_group_are_refused_before_memory_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("practice.stability.read.MOST_CELLS", 8)
    rows = [("group_id", "rollout_id", "score", "evaluator"), *((f"q{i}", "a", 1, f"j{i}") for i in range(3))]
    with pytest.raises(InputError, match="3 groups of up to 1 rollouts x 3 evaluators"):
        read_scores(write(tmp_path / "s.csv", rows))


# ---------------------------------------------------------------- pairwise rows


def test_both_orders_make_one_verdict() -> None:
    duels = [
        Duel(group="q", a="x", b="y", winner="a", evaluator="j"),
        Duel(group="q", a="y", b="x", winner="b", evaluator="j"),  # x again
        Duel(group="q", a="x", b="z", winner="a", evaluator="j"),
        Duel(group="q", a="z", b="x", winner="a", evaluator="j"),  # the first again: a tie
        Duel(group="q", a="y", b="z", winner="b", evaluator="j"),  # asked once
        Duel(group="q", a="x", b="w", winner="a", evaluator="j"),
        Duel(group="q", a="w", b="x", winner=None, evaluator="j"),  # one order is missing
    ]
    assert {pair[2:]: outcome for pair, outcome in reconciled(duels).items()} == {
        ("x", "y"): "a",
        ("x", "z"): "tie",
        ("y", "z"): "b",
        ("x", "w"): None,
    }
    found = duel_table(duels, [EvaluatorKey(name="j")])
    assert found.rollouts == (("x", "y", "z", "w"),)
    np.testing.assert_array_equal(found.scores[0, 0], [0.75, 0.0, 0.75, np.nan])


@pytest.mark.parametrize(
    ("row", "first", "winner"),
    [
        ("q,x,y,x,ab,j", "x", "a"),
        ("q,x,y,x,ba,j", "y", "b"),
        ("q,x,y,a,ab,j", "x", "a"),
        ("q,x,y,b,ba,j", "y", "a"),
        ("q,x,y,Tie,AB,j", "x", "tie"),
        ("q,x,y,,ba,j", "y", None),
        ("q,x,y,y,y,j", "y", "a"),
        ("q,b,a,a,ab,j", "b", "b"),  # an id goes before a column's letter
    ],
)
def test_who_stood_first_and_who_won(row: str, first: str, winner: str | None, tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text(f"{DUEL}\n{row}\n")
    (duel,) = read_scores(path).duels
    assert (duel.a, duel.winner) == (first, winner)


# ---------------------------------------------------------------- agreement


def test_the_grid_is_the_statistics_of_each_pair() -> None:
    scores = noisy(12, 3, 4)
    scores[0, 1, 2] = np.nan
    scores[1, 0] = 5.0
    grid = agreement_grid(table(scores))
    taus = np.stack([tau_b(pair_counts(scores[:, a], scores[:, b])) for a, b in ((0, 1), (0, 2), (1, 2))], axis=1)
    row = grid.rows["all"]
    np.testing.assert_allclose(row.tau_b, np.nanmean(taus, axis=1))
    np.testing.assert_allclose(row.defined, (~np.isnan(taus)).mean(axis=1))
    np.testing.assert_allclose(grid.tau_matrix[0, 1], np.nanmean(taus[:, 0]))
    np.testing.assert_array_equal(grid.tau_matrix, grid.tau_matrix.T)
    assert grid.pairs["seed"] == grid.pairs["all"]
    figures = axis_figures(row, 3)
    assert figures.gamma.value == pytest.approx(1 - 2 * (figures.strict_flip.value or 0))
    assert figures.acc_eq.value == pytest.approx(1 - (figures.soft_change.value or 0))


def test_blocks_do_not_change_the_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    found = table(noisy(30, 4, 3))
    whole = agreement_grid(found)
    monkeypatch.setattr("practice.stability.grid.BLOCK", 50)
    parts = agreement_grid(found)
    np.testing.assert_array_equal(whole.rows["all"].tau_b, parts.rows["all"].tau_b)
    np.testing.assert_allclose(whole.tau_matrix, parts.tau_matrix)
    assert whole.ties == parts.ties and whole.inverted == parts.inverted


def test_ties_of_both_and_of_one_side() -> None:
    grid = agreement_grid(table([[[1, 1], [2, 2]], [[1, 1], [1, 2]], [[1, 2], [1, 2]], [[1, np.nan], [1, 2]]]))
    assert grid.ties.all_tied == pytest.approx(1 / 3) and grid.ties.one_sided == pytest.approx(1 / 3)
    assert grid.ties.pair_tied == pytest.approx(2 / 3)
    assert math.isnan(grid.rows["all"].defined[3])  # no pair that both judged: no cell


@given(st.integers(1, 4), st.integers(2, 4), st.integers(2, 5), st.integers(0, 10_000))
def test_the_product_of_signs_gives_the_same_tau(n: int, e: int, g: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(1, 4, (n, e, g)).astype(np.float64)
    scores[rng.random(scores.shape) < 0.15] = np.nan
    fast = cell_taus(scores)
    slow = tau_b(pair_counts(scores[:, :, None], scores[:, None]))
    np.testing.assert_allclose(fast, slow, atol=1e-12)


def test_shuffled_scores_agree_by_chance_alone() -> None:
    rng = np.random.default_rng(3)
    found = table(rng.normal(size=(60, 3, 5)))
    grid = agreement_grid(found)
    null = permutation_null(found.scores, grid.pairs, 0)
    assert 0.03 < null.quantile["all"] < 0.12 and null.p["all"] > 0.01
    assert null.p == permutation_null(found.scores, grid.pairs, 0).p
    agreeing = table(np.repeat(rng.normal(size=(60, 1, 5)), 3, axis=1))
    null = permutation_null(agreeing.scores, grid.pairs, 0)
    assert null.p["all"] == pytest.approx(1 / 1000)
    assert null.group_p.shape == (60,) and float(null.group_p.max()) < 0.05


def test_many_groups_are_a_seeded_subsample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("practice.stability.null.MOST_GROUPS", 20)
    scores = noisy(50)
    null = permutation_null(scores, {"all": ((0, 1), (0, 2), (1, 2))}, 7)
    assert null.groups.size == 20 and null.group_p.size == 20
    np.testing.assert_array_equal(null.groups, np.unique(null.groups))
    np.testing.assert_array_equal(subsample(5, 9, np.random.default_rng(0)), np.arange(5))


# ---------------------------------------------------------------- components, truth, consequences


def test_crossed_axes_are_factors_and_others_are_evaluators() -> None:
    keys = [EvaluatorKey(name=f"{p}{s}", prompt=p, seed=s, model=p) for p in "xyz" for s in "12"]
    found = spread(table(noisy(30, 6), keys=keys), 0.8)
    # The model changes only together with the wording: one of them is enough, the first.
    assert set(found.components) == {
        "rollout_in_group", "model_in_group", "seed_in_group", "rollout_x_model", "rollout_x_seed",
        "model_x_seed_in_group", "seed",
    }  # fmt: skip
    assert found.d_study[0].calls == 1 and {panel.levels["seed"] for panel in found.d_study} == set(range(1, 13))
    uneven = spread(table(noisy(30, 5), keys=keys[:5]), 0.8)
    assert "rollout_x_evaluator" in uneven.components
    assert uneven.reliability.panel.value is not None and uneven.reliability.single_call.value is not None
    assert uneven.reliability.panel.value > uneven.reliability.single_call.value


def test_judges_against_truth() -> None:
    truth = [[1, 0], [1, 0], [0, 0], [1, 1]]
    scores = [[[5, 1]], [[1, 5]], [[1, 5]], [[5, 5]]]
    found = validity(table(scores, truth=truth), 3)
    assert found is not None
    assert found.tpr.value == pytest.approx(3 / 4) and found.fpr.value == pytest.approx(2 / 4)
    assert found.spurious_signal.value == pytest.approx(1 / 2) and found.missed_signal.value == 0
    assert found.recovery.value == pytest.approx(0)
    graded = validity(table(scores, truth=[[0.5, 0.1]] * 4), 3)
    assert graded is not None and graded.auroc.value is None and graded.recovery.value is not None
    assert validity(table(scores), 3) is None


def test_the_gate_counts_what_all_order_alike() -> None:
    scores = [[[1, 2, 3], [1, 2, 3], [1, 3, 2]], [[1, 2, 3], [3, 2, 1], [1, 1, np.nan]]]
    found = table(scores, truth=[[0, 1, 1], [0, 0, 1]])
    cast = votes(found.scores)
    grid = agreement_grid(found)
    kept = consequences(found, cast, grid.inverted)
    assert (kept.groups_kept, kept.groups_abstained) == (1, 1)
    # The panel's mean orders three pairs of the first group and two of the second (5/3, 5/3, 3/2).
    assert kept.pairs_kept == pytest.approx(2 / 5)
    # Ordered pairs of evaluators: 2 x (0 + 1 + 1) and 2 x (3 + 0 + 0) reversed, of 6 x 3 and 6 + 1 + 1 strict.
    assert kept.lessons_inverted == pytest.approx(10 / 26)
    # Truth orders two pairs of each group; of each of the second's one evaluator is for the better, one for the worse.
    assert coverage(found, cast) == ((0.5, 1.0), (0.5, 1.0), (0.5, 1.0))


# ---------------------------------------------------------------- the verdict


def figure(value: float | None, low: float = 0.0, high: float = 1.0, n: int = 60) -> Figure:
    return Figure(value=value, ci=None if value is None else (low, high), n=n)


def axis(flip: Figure, tau: float = 0.8, null: float = 0.1, n: int = 60) -> Axis:
    same = figure(0.5)
    return Axis(
        tau_b=figure(tau, n=n), spearman=same, defined_share=same, tau_b_undefined_as_zero=same, gamma=same,
        strict_flip=flip, soft_change=same, acc_eq=same, top_disjoint=figure(0.29), best_worst_reversal=same,
        pairs=3, tau_b_null=null,
    )  # fmt: skip


def design(**changes: Any) -> Design:
    whole = {"groups": 60, "group_size": 5.0, "evaluators": ("a", "b", "c"), "axes": {}, "missing": 0.0, "mde": 0.1}
    return Design.model_validate(whole | changes)


STEADY = axis(figure(0.05, 0.02, 0.08))
GOOD = Reliability(single_call=figure(0.7), panel=figure(0.9, 0.8, 0.95))


@pytest.mark.parametrize(
    ("changed", "row", "reliability", "expected"),
    [
        ({}, STEADY, GOOD, "STABLE"),
        ({"missing": 0.3}, STEADY, GOOD, "INSUFFICIENT"),
        ({"mde": 0.31}, STEADY, GOOD, "INSUFFICIENT"),
        ({"evaluators": ("a",)}, STEADY, GOOD, "INSUFFICIENT"),
        ({}, axis(figure(0.05, 0.02, 0.08), n=14), GOOD, "INSUFFICIENT"),
        ({"missing": 0.3}, axis(figure(0.5, 0.4, 0.6)), GOOD, "INSUFFICIENT"),  # the first question comes first
        ({}, axis(figure(0.3, 0.26, 0.34)), GOOD, "NOISE-DRIVEN"),
        ({}, axis(figure(0.3, 0.24, 0.36)), GOOD, "CAUTION"),
        ({}, axis(figure(0.05, 0.02, 0.08), tau=0.1, null=0.1), GOOD, "NOISE-DRIVEN"),
        ({}, axis(figure(0.05, 0.02, 0.11)), GOOD, "CAUTION"),
        ({}, STEADY, Reliability(single_call=NOTHING, panel=figure(0.8, 0.69, 0.9)), "CAUTION"),
        ({}, STEADY, Reliability(single_call=NOTHING, panel=NOTHING), "CAUTION"),
    ],
)
def test_the_verdict(changed: dict[str, Any], row: Axis, reliability: Reliability, expected: str) -> None:
    verdict, reasons = judge(design(**changed), {"all": row}, reliability, None, Cuts())
    assert verdict == expected and reasons


def test_spurious_signal_keeps_a_panel_from_being_stable() -> None:
    found = Validity(
        auroc=NOTHING, tpr=NOTHING, fpr=NOTHING, spurious_signal=figure(0.2), missed_signal=NOTHING, recovery=NOTHING
    )
    verdict, reasons = judge(design(), {"all": STEADY}, GOOD, found, Cuts())
    assert verdict == "CAUTION" and any("truth leaves alike" in reason for reason in reasons)
    assert judge(design(), {"all": STEADY}, GOOD, found, Cuts(spurious=0.2))[0] == "STABLE"


def test_cuts_are_settings() -> None:
    assert parse_cuts(["stable_flip=0.2", " groups = 30 "]) == Cuts(stable_flip=0.2, groups=30)
    for text, key, near in (
        ("stable_flip", "--cut", None),
        ("stable_flp=1", "--cut", "stable_flip"),
        ("groups=many", "--cut groups", None),
        ("missing=2", "--cut missing", None),
        ("groups=2.5", "--cut groups", None),
    ):
        with pytest.raises(InputError) as caught:
            parse_cuts([text])
        assert (caught.value.key, caught.value.nearest) == (key, near)


def test_the_sentence_can_be_acted_on() -> None:
    rows = {"prompt": axis(figure(0.14, 0.11, 0.17)), "seed": axis(figure(0.05, 0.02, 0.08)), "all": STEADY}
    panels = [
        Panel(prompts=1, seeds=1, calls=1, reliability=0.55, levels={"prompt": 1, "seed": 1}),
        Panel(prompts=3, seeds=1, calls=3, reliability=0.81, levels={"prompt": 3, "seed": 1}),
        Panel(prompts=1, seeds=3, calls=3, reliability=0.70, levels={"prompt": 1, "seed": 3}),
    ]
    assert sentence(rows, panels, Cuts()) == (
        "Changing only the wording reverses 14 % [11, 17] of the strict pairs and replaces the top rollout in 29 % of"
        " the groups; three wordings at one seed each reach reliability 0.8 for 3 calls a rollout."
    )
    assert sentence(rows, panels[:1], Cuts(), groups=9).startswith("Indicative, from nine groups: changing only the")
    assert "no panel looked at reaches reliability 0.8: one wording at one seed comes to 0.55" in sentence(
        rows, panels[:1], Cuts()
    )
    assert "a single call reaches reliability 0.5" in sentence(rows, panels, Cuts(target=0.5))
    assert sentence({"all": axis(NOTHING)}, [], Cuts()).startswith("No two evaluators order the same pair")
    many = Panel(prompts=6, seeds=1, calls=6, reliability=0.9, levels={"model": 2, "prompt": 3, "rubric": 1})
    assert described(many) == "two models with three wordings each"


# ---------------------------------------------------------------- the whole


def test_a_report_says_what_the_contract_names() -> None:
    found = analyse(table(noisy(), truth=np.sign(noisy(seed=5)[:, 0] - 5.5) > 0))
    document = found.model_dump(mode="json")
    assert set(document["axes"]) == {"seed", "all"}
    for row in document["axes"].values():
        for name in (
            "tau_b", "spearman", "defined_share", "tau_b_undefined_as_zero", "gamma", "strict_flip", "soft_change",
            "acc_eq", "top_disjoint", "best_worst_reversal",
        ):  # fmt: skip
            assert set(row[name]) >= {"value", "ci", "n"}
    assert set(document["design"]) >= {"groups", "group_size", "evaluators", "axes", "missing", "mde"}
    assert set(document["bias"]) >= {
        "position", "option_order", "length", "blind", "self_family", "cycles", "threshold",
    }  # fmt: skip
    assert StabilityReport.model_validate_json(found.model_dump_json()) == found
    assert analyse(table(noisy(), truth=np.sign(noisy(seed=5)[:, 0] - 5.5) > 0)) == found
    assert found.caveat.startswith("Stable is not correct")


def test_clear_judges_are_stable_and_noise_is_called_noise() -> None:
    assert analyse(table(noisy(60, 3, 5, error=0.1))).verdict == "STABLE"
    rng = np.random.default_rng(1)
    noise = analyse(table(rng.normal(size=(60, 3, 5))))
    assert noise.verdict == "NOISE-DRIVEN" and noise.unstable
    assert analyse(table(noisy(60, 3, 5, error=0.9))).verdict == "CAUTION"


def test_few_groups_and_one_evaluator_are_insufficient_not_an_error() -> None:
    few = analyse(table(noisy(9)))
    assert few.verdict == "INSUFFICIENT" and few.design.indicative and few.sentence.startswith("Indicative")
    alone = analyse(table(noisy(40, 1)))
    assert alone.verdict == "INSUFFICIENT" and alone.axes["all"].tau_b.value is None
    empty = analyse(table(np.full((3, 2, 2), np.nan)))
    assert empty.verdict == "INSUFFICIENT" and empty.design.missing == 1.0
    assert "NaN" not in alone.model_dump_json() + empty.model_dump_json() + few.model_dump_json()


def test_least_stable_groups_come_with_scores_and_words() -> None:
    scores = np.repeat(noisy(30, 1, 4, error=0), 3, axis=1)
    scores[4, 2] = -scores[4, 2]
    found = analyse(table(scores), reasons={"q4": {"e0": ["fine"] * 4}})
    assert found.unstable[0].group == "q4" and next(iter(found.group_tau)) == "q4"
    assert found.unstable[0].reasons == {"e0": ("fine",) * 4}
    assert found.unstable[0].scores["e2"][0] == scores[4, 2, 0]


def test_the_room_is_a_public_name() -> None:
    assert {"analyse", "read_scores", "Cuts"} <= set(stability.__all__)


# ---------------------------------------------------------------- published data


@needs_judges
@pytest.mark.parametrize(
    ("bench", "tau", "flip", "undefined"),
    [("mt_bench_eval", 0.463, 0.158, 0.225), ("vicuna_eval", 0.594, 0.095, 0.371)],
)
def test_three_seeds_of_gpt4(bench: str, tau: float, flip: float, undefined: float, tmp_path: Path) -> None:
    """The scores of Prometheus' GPT-4 judge: 80 questions x 4 rollouts x 3 seeds a benchmark."""
    assert JUDGES is not None
    with (JUDGES / "prometheus_gpt4x3.csv").open(encoding="utf-8") as file:
        wide = [row for row in csv.DictReader(file) if row["bench"] == bench]
    rows = [
        (row["group_id"], row["rollout_id"], row[f"s{seed}"], f"gpt-4 #{seed}", seed, row["n_words"])
        for row in wide
        for seed in (1, 2, 3)
    ]
    head = ("group_id", "rollout_id", "score", "evaluator", "seed", "n_words")
    found = analyse(read_scores(write(tmp_path / "s.csv", [head, *rows])))
    for row in (found.axes["seed"], found.axes["all"]):
        assert row.tau_b.value == pytest.approx(tau, abs=5e-4)
        assert row.strict_flip.value == pytest.approx(flip, abs=5e-4)
        assert 1 - (row.defined_share.value or 0) == pytest.approx(undefined, abs=5e-4)
    assert found.verdict == "CAUTION"


@needs_judges
def test_swap_agreement_of_two_pairwise_judges(tmp_path: Path) -> None:
    """LLMBar, Natural, the plain prompt: 100 pairs in both orders."""
    assert JUDGES is not None
    with (JUDGES / "llmbar_judgments.csv").open(encoding="utf-8") as file:
        natural = [row for row in csv.DictReader(file) if row["subset"] == "Natural"]
    plain = [row for row in natural if row["prompt_variant"] == "Vanilla"]
    wide = [row for row in plain if row["judge_model"] in ("GPT-4", "ChatGPT")]
    rows = [
        (row["item"], "1", "2", row[f"winner_order_{order}"], order, row["judge_model"], row["judge_model"])
        for row in wide
        for order in ("ab", "ba")
    ]
    head = ("group_id", "a", "b", "winner", "order", "evaluator", "model")
    found = analyse(read_scores(write(tmp_path / "d.csv", [head, *rows])))
    assert found.bias.position["consistency:GPT-4"].value == pytest.approx(0.95)
    assert found.bias.position["consistency:ChatGPT"].value == pytest.approx(0.71)
