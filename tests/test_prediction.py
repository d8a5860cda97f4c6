"""What a sample says of a run: the arithmetic, and predictions against runs that then happen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practice.accept import Gate
from practice.cli import main
from practice.cli.panel import closing_panel
from practice.config import Workspace, load_settings
from practice.document import Document
from practice.engine import Options
from practice.errors import InputError
from practice.prediction import Attempt, Outline, Prediction, Range, Sample, Sampled, check, predict
from practice.sampling import sample
from practice.session import read_inputs
from practice.types import Usage
from tests.fakeserver import Asked, FakeServer
from tests.house import make, practise
from tests.judgeworlds import wordy
from tests.worlds import lessons, make_tasks

PLAIN = Outline(
    tasks=40,
    validation=0,
    holdout=10,
    epochs=2,
    batch_size=20,
    group_size=5,
    trials=1,
    candidates=2,
    max_words=32,
    max_experiences=40,
    gate=None,
    parallel=16,
)
GATED = replace(PLAIN, tasks=20, epochs=1, validation=12, gate=Gate(alpha=0.05, steps=1, trials=2, max_trials=8))
"""One batch, whose candidates are tested on 12 tasks."""
HALF = (1.0, 1.0, 0.0, 0.0, 0.5)
MERGED = Usage(calls=2, input_tokens=800, output_tokens=100, seconds=4)


def task(tokens: int, rewards: Sequence[float] = HALF, usd: float | None = 0.0, *, judged: int = 0) -> Sampled:
    """A sampled task of five attempts, a call each, that taught something where not all were right."""
    each = tokens // 5
    taught = Usage(calls=1, input_tokens=300, output_tokens=50, usd=usd, seconds=2)
    return Sampled(
        rolled=Usage(calls=5, input_tokens=each * 4, output_tokens=each, usd=usd, seconds=10),
        judged=Usage(calls=judged, input_tokens=100 * judged, output_tokens=20 * judged),
        taught=Usage() if all(reward == 1 for reward in rewards) else taught,
        attempts=tuple(Attempt(reward, 1, each) for reward in rewards),
    )


def sampled(*tasks: Sampled, merged: Usage = MERGED, arms: int = 2, pace: float = 0.5, startup: float = 0.0) -> Sample:
    return Sample(tasks, merged, arms, words=12.0, pace=pace, startup=startup)


def test_what_is_always_the_same_is_predicted_to_scale() -> None:
    found = predict(PLAIN, sampled(*[task(1000)] * 4))
    attempts = 40 * 2 * 5 + 10 * 2  # practice, and the holdout twice: each proposal is accepted
    assert attempts <= found.calls.low <= found.calls.high <= attempts + 1.25 * 80 + 1.25 * 4 * 2 + 1
    assert attempts * 200 * 0.85 < found.tokens.low <= found.tokens.middle <= found.tokens.high <= found.tokens.worst
    assert found.usd is not None and found.usd.high == 0
    assert found.sampled.calls == 4 * 6 + 2 and (found.tasks, found.attempts) == (4, 20)


def test_where_every_attempt_is_right_there_may_be_nothing_but_attempts() -> None:
    found = predict(GATED, sampled(*[task(1000, (1.0,) * 5)] * 4, merged=Usage(), arms=0))
    assert found.calls.low == 20 * 5 + 10 < found.calls.high


def test_tasks_that_differ_widen_the_interval_and_more_of_them_narrow_it() -> None:
    def width(tokens: list[int]) -> float:
        found = predict(PLAIN, sampled(*(task(n) for n in tokens))).tokens
        return found.high - found.low

    assert width([1000] * 4) < width([500, 1500] * 2)
    assert width([500, 1500] * 8) < width([500, 1500])


def test_an_unknown_price_stays_unknown_and_one_task_gives_no_interval() -> None:
    assert predict(PLAIN, sampled(*[task(1000, usd=None)] * 2)).usd is None
    with pytest.raises(ValueError, match="two sampled tasks"):
        predict(PLAIN, sampled(task(1000)))


def test_what_the_sample_held_none_of_has_a_price_all_the_same() -> None:
    found = predict(GATED, sampled(*[task(1000, (1.0,) * 5, usd=0.01)] * 4, merged=Usage(), arms=0)).usd
    assert found is not None and found.low == pytest.approx(110 * 0.002, rel=0.3) and found.high > 1.2 * found.low


def test_the_gate_is_played_and_kept_within_its_caps() -> None:
    tested = predict(GATED, sampled(*[task(1000)] * 4)).calls
    plain = predict(replace(GATED, validation=0, gate=None), sampled(*[task(1000)] * 4)).calls
    assert plain.middle + 12 < tested.middle  # the bank and a candidate, at the least
    assert tested.high - plain.low <= 3 * 8 * 12 + 100
    assert tested.worst >= tested.high


def test_a_lesson_that_makes_attempts_right_makes_them_as_long_as_the_right_ones() -> None:
    """Where right attempts take seven times the tokens, a run that helps takes more than the sample's mean says."""

    def like(good: int, bad: int) -> Sampled:
        one = task(5 * (good + bad) // 2)
        return replace(one, attempts=(Attempt(1.0, 1, good), Attempt(0.0, 1, bad), Attempt(0.0, 1, bad)))

    same, longer = (
        predict(replace(PLAIN, epochs=3), sampled(*[like(*pair)] * 4)).tokens for pair in ((200, 200), (350, 50))
    )
    assert longer.high > 1.1 * same.high


def test_judges_calls_are_counted_where_attempts_are_compared_in_pairs() -> None:
    gate = Gate(alpha=0.05, steps=1, trials=2, max_trials=8, paired=True)
    alone = sampled(*[task(1000, judged=0)] * 4)
    judged = sampled(*[task(1000, judged=3)] * 4)
    pairs = replace(GATED, gate=gate, ballots=6, sealed=2)
    bare, found = predict(pairs, alone).calls, predict(pairs, judged).calls
    assert bare.middle + 20 * 3 + 6 * 12 * 2 <= found.middle  # a verdict a group, and a first look of a candidate
    assert found.worst <= bare.worst + 20 * 3 + 6 * 12 * 8 * 2 + 2 * 2 * 10 + 1


def test_time_is_that_of_calls_side_by_side_after_a_start() -> None:
    slow, fast = (predict(PLAIN, sampled(*[task(1000)] * 4, pace=pace, startup=30)).seconds for pace in (1.0, 0.25))
    assert slow.middle - 30 == pytest.approx(4 * (fast.middle - 30))
    assert fast.low > 30


@settings(max_examples=8, deadline=None)
@given(
    tokens=st.lists(st.integers(0, 5000), min_size=2, max_size=5),
    arms=st.integers(0, 2),
    taught=st.booleans(),
    seed=st.integers(0, 99),
)
def test_figures_are_ordered_and_the_same_each_time(tokens: list[int], arms: int, taught: bool, seed: int) -> None:
    tasks = [task(n, HALF if taught else (1.0,) * 5) for n in tokens]
    given = sampled(*tasks, merged=MERGED if taught else Usage(), arms=arms if taught else 0)
    found = predict(PLAIN, given, seed)
    for one in (found.calls, found.tokens, found.seconds):
        assert 0 <= one.low <= one.middle <= one.high <= one.worst
    assert found == predict(PLAIN, given, seed)


def test_a_prediction_is_checked_figure_by_figure() -> None:
    said = Range(middle=100, low=80, high=120, worst=300)
    prediction = Prediction(
        tasks=2, attempts=10, calls=said, tokens=said, usd=None, seconds=said, sampled=Usage(calls=12)
    )
    found = check(prediction, Usage(calls=90, input_tokens=100, output_tokens=50, usd=1.0), 80)
    assert [(one.figure, one.actual, one.inside) for one in found] == [
        ("calls", 90, True),
        ("tokens", 150, False),
        ("seconds", 80, True),
    ]
    assert [one.error for one in found] == pytest.approx([-0.1, 0.5, -0.2])


# ---------------------------------------------------------------- against runs


def quiet() -> Options:
    return Options(note=lambda _: None, backoff=0.01)


async def predicted(place: Workspace, *sets: str, n: int = 4) -> tuple[Document, Prediction | None]:
    inputs = read_inputs(load_settings(None, sets, place), place)
    return await sample(inputs, n, quiet())


SMALL = ("practice.epochs=1", "practice.batch_size=6", "rollouts.group_size=3", "accept.max_trials=2")


@pytest.mark.parametrize("world", ["lessons", "null", "right"])
async def test_the_runs_tokens_lie_within_the_interval(
    world: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeServer(world) as server:
        place = make(tmp_path, server.url, tasks=make_tasks(9), holdout=make_tasks(3, start=1000))
        sampling, prediction = await predicted(place, *SMALL)
        assert prediction is not None and server.count(phase="holdout") == server.count(phase="validation") == 0
        assert server.count(stage="rollout") == 4 * 3 == prediction.attempts
        asked = len(server.calls)
        assert asked == prediction.sampled.calls == sampling.usage.calls
        assert (await predicted(place, *SMALL))[1] == prediction
        assert len(server.calls) == asked  # a sample is paid for once
        document = await practise(place, *SMALL)
    found = document.predicted
    assert found is not None and (found.sample, found.tasks) == (sampling.run_id, 4)
    assert found.sampled == prediction.sampled and document.usage.calls == len(server.calls) - asked
    checked = {one.figure: one for one in found.figures}
    assert set(checked) == {"calls", "tokens", "seconds"}  # the fake's price is unknown
    tokens = checked["tokens"]
    assert tokens.inside, f"{tokens.low} <= {tokens.actual} <= {tokens.high}"
    assert tokens.actual == document.usage.input_tokens + document.usage.output_tokens <= prediction.tokens.worst
    assert checked["calls"].inside
    closing_panel(document, place)
    shown = capsys.readouterr().out
    assert "said" in shown and "tried before" in shown
    page = (tmp_path / str(document.report)).read_text()
    assert "Predicted from a sample" in page and sampling.run_id in page


async def test_a_judged_run_lies_below_its_worst_case(tmp_path: Path) -> None:
    with FakeServer(wordy) as server:
        place = make(tmp_path, server.url, tasks=make_tasks(8), holdout=make_tasks(2, start=1000), reward="judge")
        _, prediction = await predicted(place, *SMALL, n=3)
        document = await practise(place, *SMALL)
    assert prediction is not None and document.usage.calls <= prediction.calls.worst
    assert prediction.calls.low <= document.usage.calls  # verdicts of judges are part of both


async def test_a_prediction_is_of_runs_that_begin_later(tmp_path: Path) -> None:
    with FakeServer("right") as server:
        place = make(tmp_path, server.url, tasks=make_tasks(6), holdout=())
        short = ("accept=always", "practice.epochs=1", "rollouts.group_size=2")
        assert (await practise(place, *short)).predicted is None
        sampling, _ = await predicted(place, *short, n=2)
        assert (await practise(place, *short)).predicted is None  # the finished run, as it was
        again = await practise(place, *short, fresh=True)
    assert again.predicted is not None and again.predicted.sample == sampling.run_id


async def test_a_sample_whose_merges_fail_says_so_and_guesses_them(tmp_path: Path) -> None:
    def broken(asked: Asked) -> str:
        return "no edits today" if asked.stage == "merge" else lessons(asked)

    said: list[str] = []
    with FakeServer(broken) as server:
        place = make(tmp_path, server.url, tasks=make_tasks(9), holdout=())
        inputs = read_inputs(load_settings(None, SMALL, place), place)
        document, prediction = await sample(inputs, 5, Options(note=said.append, backoff=0.01))
    assert document.status == "done" and prediction is not None
    assert any("could not be merged" in line for line in said)


async def test_a_sample_changes_no_bank_and_is_not_the_last_run(tmp_path: Path) -> None:
    with FakeServer("lessons") as server:
        place = make(tmp_path, server.url, tasks=make_tasks(6), holdout=())
        document, _ = await predicted(place, "accept=always", n=2)
        assert not (tmp_path / "memory/test.yaml").exists()
        run = await practise(place, "accept=always", "practice.epochs=1")
        assert run.predicted is None  # other settings: another run than the sampled one
        assert document.run_id != run.run_id
        with pytest.raises(InputError, match="from 2 to 6"):
            await predicted(place, "accept=always", n=7)


async def test_a_sample_that_the_budget_stops_predicts_nothing(tmp_path: Path) -> None:
    with FakeServer("lessons") as server:
        place = make(tmp_path, server.url, tasks=make_tasks(6), holdout=())
        document, prediction = await predicted(place, "accept=always", "budget.tokens=4000", n=4)
        assert (document.status, prediction) == ("budget", None)
        # Under a larger ceiling the same sample goes on: the budget is no part of what it is.
        again, prediction = await predicted(place, "accept=always", n=4)
        assert again.run_id == document.run_id and again.status == "done" and prediction is not None


def test_the_command_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main([*arguments, "--workspace", str(tmp_path)])
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    with FakeServer("lessons") as server:
        make(tmp_path, server.url, tasks=make_tasks(6), holdout=())
        code, out, _ = call("run", "--dry-run", "--json")
        assert code == 0 and "prediction" not in json.loads(out) and not server.calls
        code, out, _ = call("run", "--dry-run", "--sample", "2", "--json", "--set", "budget.tokens=3000")
        assert code == 3 and json.loads(out)["prediction"] is None and json.loads(out)["sample"]["status"] == "budget"
        code, out, _ = call("run", "--dry-run", "--sample", "2", "--json")
        document = json.loads(out)
        assert code == 0 and document["prediction"]["tokens"]["low"] > 0
        assert document["sample"]["usage"]["calls"] == document["prediction"]["sampled"]["calls"] > 0
        code, out, _ = call("run", "--dry-run", "--sample", "2")
        assert code == 0 and "predicted tokens" in out and "price unknown" in out and "the sample took" in out
        code, out, _ = call("runs", "show", document["sample"]["run_id"])
        assert code == 0 and "predicted tokens" in out and "at worst" in out
        code, out, _ = call("runs", "show", document["sample"]["run_id"], "--json")
        assert code == 0 and json.loads(out)["prediction"] == document["prediction"]
        assert call("run", "--sample", "2")[0] == 2
