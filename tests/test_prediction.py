"""What a sample says of a run: the arithmetic, and predictions against runs that then happen."""

from __future__ import annotations

import json
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
from practice.prediction import Outline, Prediction, Range, Sampled, check, predict
from practice.sampling import sample
from practice.session import read_inputs
from practice.types import Usage
from tests.fakeserver import FakeServer
from tests.house import make, practise
from tests.worlds import make_tasks

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


def task(tokens: int, score: float = 0.5, usd: float | None = 0.0) -> Sampled:
    tried = Usage(calls=5, input_tokens=tokens, output_tokens=tokens // 4, usd=usd, seconds=10)
    return Sampled(tried, Usage(calls=1, input_tokens=300, output_tokens=50, usd=usd, seconds=2), score)


MERGED = Usage(calls=2, input_tokens=800, output_tokens=100, seconds=4)


def test_what_is_always_the_same_is_predicted_to_scale() -> None:
    found = predict(PLAIN, [task(1000)] * 4, MERGED, 2, wall=10)
    attempts = 40 * 2 * 5 + 10 * 2  # practice, and the holdout twice: each proposal is accepted
    assert attempts * 250 < found.tokens.low <= found.tokens.middle <= found.tokens.high <= found.tokens.worst
    assert attempts + 0.5 * 80 <= found.calls.low <= found.calls.high <= attempts + 1.25 * 80 + 2 * 4 * 5 + 1
    assert found.usd is not None and found.usd.high == 0
    assert found.sampled.calls == 4 * 6 + 2 and (found.tasks, found.attempts) == (4, 20)


def test_tasks_that_differ_widen_the_interval_and_more_of_them_narrow_it() -> None:
    def width(tokens: list[int]) -> float:
        found = predict(PLAIN, [task(n) for n in tokens], MERGED, 2, wall=10).tokens
        return found.high - found.low

    assert width([1000] * 4) < width([500, 1500] * 2)
    assert width([500, 1500] * 8) < width([500, 1500])


def test_an_unknown_price_stays_unknown_and_one_task_gives_no_interval() -> None:
    assert predict(PLAIN, [task(1000, usd=None)] * 2, MERGED, 2, wall=10).usd is None
    with pytest.raises(ValueError, match="two sampled tasks"):
        predict(PLAIN, [task(1000)], MERGED, 2, wall=10)


def test_the_gate_is_played_and_kept_within_its_caps() -> None:
    gate = Gate(alpha=0.05, steps=1, trials=2, max_trials=8)
    short = {**PLAIN.__dict__, "tasks": 20, "epochs": 1}
    fields = {**short, "validation": 12, "gate": gate}
    tested = predict(Outline(**fields), [task(1000)] * 4, MERGED, 2, wall=10).calls
    plain = predict(Outline(**short), [task(1000)] * 4, MERGED, 2, wall=10).calls
    assert plain.middle + 2 * 12 < tested.middle  # the bank and a candidate, at the least
    assert tested.high - plain.low <= 3 * 8 * 12 + 100
    assert tested.worst >= tested.high


@settings(max_examples=8, deadline=None)
@given(
    tokens=st.lists(st.integers(0, 5000), min_size=2, max_size=5),
    proposals=st.integers(0, 3),
    taught=st.booleans(),
    seed=st.integers(0, 99),
)
def test_figures_are_ordered_and_the_same_each_time(tokens: list[int], proposals: int, taught: bool, seed: int) -> None:
    tasks = [task(n) if taught else Sampled(task(n).tried, Usage(), 1.0) for n in tokens]
    merged = MERGED if proposals else Usage()
    found = predict(PLAIN, tasks, merged, proposals, 10.0, seed)
    for one in (found.calls, found.tokens, found.seconds):
        assert 0 <= one.low <= one.middle <= one.high <= one.worst
    assert found == predict(PLAIN, tasks, merged, proposals, 10.0, seed)


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


@pytest.mark.parametrize("world", ["lessons", "right"])
async def test_the_runs_tokens_lie_within_the_interval(
    world: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeServer(world) as server:
        place = make(tmp_path, server.url, tasks=make_tasks(9), holdout=make_tasks(3, start=1000))
        _, prediction = await predicted(place, *SMALL)
        assert prediction is not None and server.count(phase="holdout") == server.count(phase="validation") == 0
        assert server.count(stage="rollout") == 4 * 3 == prediction.attempts
        asked = len(server.calls)
        assert (await predicted(place, *SMALL))[1] == prediction
        assert len(server.calls) == asked  # a sample is paid for once
        document = await practise(place, *SMALL)
    assert document.predicted is not None
    checked = {one.figure: one for one in document.predicted}
    assert set(checked) == {"calls", "tokens", "seconds"}  # the fake's price is unknown
    tokens = checked["tokens"]
    assert tokens.inside, f"{tokens.low} <= {tokens.actual} <= {tokens.high}"
    assert tokens.actual == document.usage.input_tokens + document.usage.output_tokens <= prediction.tokens.worst
    assert checked["calls"].inside
    closing_panel(document, place)
    assert "said" in capsys.readouterr().out
    assert "Predicted from a sample" in (tmp_path / str(document.report)).read_text()


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
        code, out, _ = call("run", "--dry-run", "--sample", "2", "--json")
        assert code == 0 and json.loads(out)["prediction"]["tokens"]["low"] > 0
        code, out, _ = call("run", "--dry-run", "--sample", "2")
        assert code == 0 and "predicted tokens" in out and "price unknown" in out
        assert call("run", "--sample", "2")[0] == 2
