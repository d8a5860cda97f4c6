"""Labels: whom a person is asked about, what is kept, and what a few labels make of many judge scores."""

from __future__ import annotations

import json
import math
import random
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practice import labels
from practice.calibration import calibrate
from practice.cli import main
from practice.labels import Item, Label, Word, chances, drawn, queue
from practice.records import find_run
from practice.store import Store
from practice.types import Task
from tests.fakeserver import FakeServer
from tests.house import make, practise
from tests.worlds import make_tasks


def item(n: int, scores: dict[str, float], task: str = "t", **fields: Any) -> Item:
    values = {"rollout": f"r{n}", "token": f"k{n}", "part": "practice", "text": "said", "scores": scores}
    return Item.model_validate({**values, "task": Task(id=task, input="q"), **fields})


def some(n: int, seed: int = 0) -> list[Item]:
    rng = random.Random(seed)
    return [item(k, {"a": rng.random(), "b": rng.random()}, f"t{k % 9}") for k in range(n)]


# ---------------------------------------------------------------- whom to ask about


def test_the_most_disputed_come_first_and_a_quarter_at_random() -> None:
    items = some(40)
    asked = queue(items, 7)
    assert sorted(i.rollout for i, _ in asked) == sorted(i.rollout for i in items)
    assert asked == queue(items, 7) and asked != queue(items, 8)
    for block in range(0, 40, 4):
        assert [reason for _, reason in asked[block : block + 4]].count("random") == 1
    disputed = [i.dispute for i, reason in asked if reason == "disputed"]
    assert disputed == sorted(disputed, reverse=True)
    most = max(items, key=lambda i: i.dispute)
    assert next(i for i, reason in asked if reason == "disputed") == most or (most, "random") == asked[0]


def test_without_dispute_the_least_decided_come_first() -> None:
    items = [item(n, {"a": score}) for n, score in enumerate((1.0, 0.9, 0.5, 0.0, 0.6))]
    first = [i.score for i, reason in queue(items, 0) if reason == "disputed"]
    assert first == sorted(first, key=lambda score: abs(score - 0.5))


@given(st.integers(1, 40), st.integers(0, 5), st.integers(0, 40))
def test_chances_are_those_of_the_design_wherever_it_stops(n: int, seed: int, stop: int) -> None:
    items = some(n, seed)
    said: dict[str, Word] = {i.rollout: "right" for i, _ in queue(items, seed)[:stop]}
    found = chances(items, seed, said)
    assert set(found) == set(said)
    assert all(0 < chance <= 1 for chance in found.values())
    # The weights of the labelled stand for all attempts, once anything was drawn outside the disputed.
    if any(chance < 1 for chance in found.values()):
        assert sum(1 / chance for chance in found.values()) == pytest.approx(n)


def test_a_hole_keeps_later_labels_waiting_and_skips_weigh_on_the_rest() -> None:
    items = some(12)
    order = queue(items, 0)
    said: dict[str, Word] = {i.rollout: "right" for i, _ in order[:8]}
    hole = next(i.rollout for i, reason in order if reason == "disputed")
    without: dict[str, Word] = {id_: word for id_, word in said.items() if id_ != hole}
    assert set(chances(items, 0, without)) < set(without)
    skipped = chances(items, 0, {**said, hole: "skip"})
    assert hole not in skipped and min(skipped.values()) < 1
    assert sum(1 / chance for chance in skipped.values()) == pytest.approx(12)


def test_the_random_draws_are_a_sample_of_all() -> None:
    """Over seeds every attempt is drawn as often, disputed or not."""
    items, times = some(20), [0] * 20
    for seed in range(150):
        said: dict[str, Word] = {i.rollout: "right" for i, _ in queue(items, seed)[:8]}
        for id_ in drawn(items, seed, said):
            times[int(id_[1:])] += 1
    by_dispute = sorted(range(20), key=lambda n: -items[n].dispute)
    high, low = (sum(times[n] for n in of) for of in (by_dispute[:10], by_dispute[10:]))
    # A draw that was asked about as a dispute already counts too, so the disputed are never left out.
    assert min(times) > 5 and high >= low


# ---------------------------------------------------------------- what labels make of judges


def world(seed: int, n: int = 200, *, kind: float = 0.25) -> tuple[list[Item], dict[str, Word], float]:
    """Judges that are too kind to the wrong attempts, most of all where they dispute."""
    rng = random.Random(seed)
    items: list[Item] = []
    truth: dict[str, Word] = {}
    for k in range(n):
        right = rng.random() < 0.5
        fooled = not right and rng.random() < kind
        base = 0.85 if right or fooled else 0.15
        spread = 0.15 if fooled else 0.05
        scores = {name: min(1.0, max(0.0, rng.gauss(base, spread))) for name in ("a", "b", "c")}
        items.append(item(k, scores, f"t{k // 4}"))
        truth[f"r{k}"] = "right" if right else "wrong"
    return items, truth, sum(word == "right" for word in truth.values()) / n


def label_all(items: list[Item], truth: dict[str, Word], seed: int, n: int) -> dict[str, Label]:
    asked = queue(items, seed)[:n]
    said: dict[str, Word] = {i.rollout: truth[i.rollout] for i, _ in asked}
    found = chances(items, seed, said)
    fields = {"seconds": None, "source": "terminal", "at": "now"}
    return {
        i.rollout: Label.model_validate(
            {"rollout": i.rollout, "word": said[i.rollout], "reason": reason, "chance": found[i.rollout], **fields}
        )
        for i, reason in asked
    }


def coverage(runs: int) -> tuple[float, float, float]:
    """Share of intervals that hold the truth, mean error of judges and of the corrected figure."""
    hits, judged, corrected = 0, 0.0, 0.0
    for seed in range(runs):
        items, truth, mean = world(seed)
        part = calibrate(items, label_all(items, truth, seed, 60), seed).parts[0]
        assert part.corrected.ci and part.corrected.value is not None and part.judged.value is not None
        hits += part.corrected.ci[0] <= mean <= part.corrected.ci[1]
        judged += part.judged.value - mean
        corrected += part.corrected.value - mean
    return hits / runs, judged / runs, corrected / runs


def check_coverage(runs: int) -> None:
    held, judged, corrected = coverage(runs)
    print(f"{runs} runs: held {held:.3f}, judges off by {judged:+.3f}, corrected by {corrected:+.3f}")
    assert judged > 0.05
    assert abs(corrected) < judged / 2
    assert held >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / runs)


def test_labels_chosen_by_dispute_still_correct_the_mean() -> None:
    check_coverage(25)


@pytest.mark.slow
def test_labels_chosen_by_dispute_still_correct_the_mean_over_many_runs() -> None:
    check_coverage(600)


def test_the_sentence_says_what_changed() -> None:
    items, truth, _ = world(3, kind=0.8)
    found = calibrate(items, label_all(items, truth, 0, 80), 0)
    assert found.says[0].startswith("all judged attempts: judges say 0.") and "with 80 labels 0." in found.says[0]
    assert "too kind" in found.says[0]
    assert found.random >= 20 and found.rates.startswith("judges at 0.5 against")
    few = calibrate(items, label_all(items, truth, 0, 1), 0)
    assert "too few" in few.says[0] and few.parts[0].corrected.ci is None
    none = calibrate(items, {}, 0)
    assert none.labels == 0 and none.rates == ""


# ---------------------------------------------------------------- the command


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A finished judged run."""
    import asyncio

    root = tmp_path_factory.mktemp("labels")
    small: dict[str, Any] = {
        "reward": "judge",
        "practice": {"epochs": 1},
        "rollouts": {"group_size": 4},
        "accept": {"max_trials": 2, "candidates": 1},
    }
    with FakeServer("lessons") as server:
        made = make(root, server.url, tasks=make_tasks(18), **small)
        assert asyncio.run(practise(made)).status == "done"
        assert asyncio.run(practise(made, "budget.tokens=5000", "practice.seed=9")).status == "budget"
    return made


def run_of(place: Any) -> str:
    with Store(place.db) as store:
        return str(store.now(lambda db: db.execute("SELECT id FROM runs WHERE status = 'done'").fetchone()[0]))


def kept(place: Any) -> dict[str, Label]:
    with Store(place.db) as store:
        return store.now(lambda db: labels.labels_of(db, run_of_db(db)))


def run_of_db(db: Any) -> str:
    return str(db.execute("SELECT id FROM runs WHERE status = 'done'").fetchone()[0])


def say(place: Any, monkeypatch: pytest.MonkeyPatch, keys: str, *arguments: str) -> int:
    monkeypatch.setattr(sys, "stdin", StringIO(keys))
    with pytest.raises(SystemExit) as stop:
        main(["judge", "label", *arguments, "--workspace", str(place.root)])
    return int(stop.value.code or 0)


def test_labelling_in_the_terminal_goes_on_where_it_stopped(
    place: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(place)
    assert say(place, monkeypatch, "rxw\ns q", run) == 0
    out = capsys.readouterr().out
    assert "1 right, 1 wrong, 1 skipped" in out and "drawn at random" in out and "1 of 40" in out
    for hidden in ("bank:", "default", "practice/0", "validation"):
        assert hidden not in out
    first = kept(place)
    assert [label.word for label in first.values()] == ["right", "wrong", "skip"]
    assert all(label.source == "terminal" and label.seconds is not None for label in first.values())
    assert say(place, monkeypatch, "rrrrr", run, "--limit", "2", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["labels"] == 4 and document["skipped"] == 1 and document["waiting"] == 0
    assert list(kept(place))[:3] == list(first) and len(kept(place)) == 5
    with Store(place.db) as store:
        row = store.now(lambda db: find_run(db, run))
        assert row is not None
        items = store.now(lambda db: labels.items_of(db, row))
    assert {i.part for i in items} == {"practice", "before", "after"} or {i.part for i in items} == {"practice"}
    assert [i.rollout for i, _ in queue(items, 0)[:5]] == list(kept(place))


def test_a_page_is_blind_and_its_answers_come_back(
    place: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, page, answers = run_of(place), tmp_path / "page.html", tmp_path / "answers.json"
    assert say(place, monkeypatch, "", run, "--html", str(page), "--limit", "6") == 0
    html = page.read_text()
    tokens = [part.split('"')[0] for part in html.split('data-token="')[1:]]
    assert len(tokens) == 6 and "http" not in html.replace("http-equiv", "")
    for hidden in ("bank:", "practice/0", "holdout/", "It says how."):
        assert hidden not in html
    known = len(kept(place))
    said = [{"attempt": token, "label": "wrong", "seconds": 2.5, "at": "x"} for token in tokens]
    answers.write_text(json.dumps({"run": run, "labels": said}))
    assert say(place, monkeypatch, "", run, "--import", str(answers), "--json") == 0
    new = list(kept(place).values())[known:]
    assert [(label.word, label.source, label.seconds) for label in new] == [("wrong", "page", 2.5)] * 6
    assert say(place, monkeypatch, "", run, "--import", str(answers)) == 0
    assert len(kept(place)) == known + 6  # again: in place of the earlier ones


def wrong_answers(run: str, label: dict[str, Any]) -> str:
    return json.dumps({"run": run, "labels": [label]})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "expected JSON"),
        ("[]", "an object with run and labels"),
        (wrong_answers("other", {}), "answers for the run"),
        (wrong_answers("RUN", {"attempt": "nobody", "label": "right"}), "labels.0.attempt"),
        (wrong_answers("RUN", {"attempt": "TOKEN", "label": "rihgt"}), "right"),
    ],
)
def test_a_wrong_file_of_answers_keeps_nothing(
    place: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str,
    words: str,
) -> None:
    run = run_of(place)
    with Store(place.db) as store:
        row = store.now(lambda db: find_run(db, run))
        assert row is not None
        token = store.now(lambda db: labels.items_of(db, row))[0].token
    file = tmp_path / "answers.json"
    file.write_text(text.replace("RUN", run).replace("TOKEN", token))
    before = kept(place)
    assert say(place, monkeypatch, "", run, "--import", str(file)) == 2
    assert words in capsys.readouterr().err and kept(place) == before


def test_a_run_that_is_not_done_is_not_asked_about(
    place: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(place, monkeypatch, "r", "last") == 2
    assert "a run that is done" in capsys.readouterr().err
    assert say(place, monkeypatch, "r", run_of(place), "--html", "a", "--import", "b") == 2
    assert "either --html or --import" in capsys.readouterr().err


def test_the_report_tells_what_labels_say(
    place: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(place)
    say(place, monkeypatch, "rwrwrwrw", run)
    with pytest.raises(SystemExit) as stop:
        main(["report", run, "--workspace", str(place.root)])
    assert not stop.value.code
    page = (place.root / "reports" / f"{run}.html").read_text()
    assert "What labels say of the judges" in page and "all judged attempts: judges say 0." in page


async def test_a_verified_run_has_nothing_to_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeServer("right") as server:
        made = make(tmp_path, server.url, tasks=make_tasks(6), holdout=(), practice={"epochs": 1})
        assert (await practise(made)).status == "done"
    assert say(made, monkeypatch, "r", "last") == 2
    assert "LLM judges have scored" in capsys.readouterr().err
