"""The grid: fixed rollouts from a file or a run, judged by every evaluator; durable, honest about what was refused."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from practice.cli import main
from practice.cli.judging import collect_for, default_panel
from practice.config import BudgetConfig, Evaluator, ModelSpec, Workspace, write_yaml
from practice.engine import Options
from practice.errors import InputError
from practice.judging import Collected, JudgedGroup, Load, collect, groups_of_run, read_rollouts
from practice.records import find_run
from practice.stability import axis_pairs
from practice.store import Store
from tests.fakeserver import Asked, FakeServer, Reply
from tests.house import command, make, practise
from tests.worlds import make_tasks


def judges(asked: Asked) -> str:
    """Likes what ends in a higher digit; speaks every mode."""
    system, user = (message["content"] for message in asked.body["messages"][:2])
    found = {
        a: int(n) for a, n in re.findall(r"^## Attempt (\w+)\n(?:Made by[^\n]*\n\n)?> output-\d+-(\d)", user, re.M)
    }
    if '"better"' in system:
        return json.dumps({"reason": "so", "better": "A" if found["A"] > found["B"] else "B"})
    if '"points"' in system:
        return json.dumps({f"c{n}": {"reason": "so", "points": min(found["A"], 1)} for n in (1, 2, 3)})
    return json.dumps({letter: {"reason": f"a {n}", "score": n} for letter, n in found.items()})


def write(path: Path, groups: int = 4, size: int = 3, **fields: Any) -> Path:
    rows = [
        {"group_id": f"g{g}", "rollout_id": n, "input": f"task {g}", "output": f"output-{g}-{n}"}
        | {"truth": n == 2, "model": f"openai/m{n}"}
        | fields
        for g in range(groups)
        for n in range(size)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def model(server: FakeServer) -> ModelSpec:
    return ModelSpec(name="openai/fake", api_base=server.url)


def run(root: Path, server: FakeServer, *evaluators: Evaluator, tokens: int | None = None, **options: Any) -> Collected:
    groups = read_rollouts(root / "rollouts.jsonl")
    load = Load(concurrency=4, budget=BudgetConfig(tokens=tokens))
    quiet = Options(note=lambda _: None, backoff=0.01, **options)
    work = collect(groups, evaluators, Workspace(root), model=model(server), load=load, options=quiet)
    return asyncio.run(work)


GRID = (
    Evaluator(name="group", rollout_order="given"),
    Evaluator(name="warm", temperature=0.7, seed=1, rollout_order="given"),
    Evaluator(name="warm2", temperature=0.7, seed=2, rollout_order="given"),
    Evaluator(name="strict", prompt="strict", rollout_order="given"),
    Evaluator(name="one", mode="score"),
    Evaluator(name="pairs", mode="pairs"),
    Evaluator(name="points", mode="rubric", rubric="points"),
    Evaluator(name="labelled", blind=False, rollout_order="given"),
)


# ---------------------------------------------------------------- files


def test_a_file_of_rollouts(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    rows: list[dict[str, Any]] = [
        {
            "group_id": 7,
            "rollout_id": "a",
            "input": "q",
            "output": "x",
            "truth": True,
            "steps": ["first", {"content": "x"}],
        },
        {"group_id": "8", "rollout_id": "a", "input": "r", "output": "y", "rubric": "Be brief."},
        {"group_id": 7, "rollout_id": 2, "input": "q", "output": "z", "truth": 0.25, "model": "openai/m"},
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    seven, eight = read_rollouts(path)
    assert (seven.id, seven.names, seven.truth) == ("7", ("a", "2"), (1.0, 0.25))
    assert [step.content for step in seven.rollouts[0].steps] == ["first", "x"]
    assert seven.rollouts[1].made_by == "openai/m" and eight.task.rubric == "Be brief." and eight.truth == (None,)


@pytest.mark.parametrize(
    ("line", "key", "words"),
    [
        ("{", None, "a JSON object a line"),
        ("[1]", None, "a JSON object a line"),
        ('{"group_id": 1, "rollout_id": 2, "input": "q"}', "output", "nothing"),
        ('{"group_id": 1, "rollout_id": 2, "input": "q", "output": "", "truht": 1}', "truht", "did you mean 'truth'"),
        ('{"group_id": 1, "rollout_id": 2, "input": "q", "output": "", "truth": 7}', "truth", "0 to 1"),
        (
            '{"group_id": 1, "rollout_id": 2, "input": "q", "output": "", "steps": ["a", {"says": 1}]}',
            "steps.1.says",
            "says",
        ),
        ('{"group_id": 0, "rollout_id": 0, "input": "q", "output": ""}', "rollout_id", "0 twice in group 0"),
        ('{"group_id": 0, "rollout_id": 1, "input": "Q", "output": ""}', "input", "one input"),
        ('{"group_id": 0, "rollout_id": 1, "input": "q", "output": "", "rubric": "R"}', "rubric", "one rubric"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, key: str | None, words: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"group_id": 0, "rollout_id": 0, "input": "q", "output": "x"}\n\n' + line)
    with pytest.raises(InputError) as error:
        read_rollouts(path)
    assert (error.value.line, error.value.key) == (3, key) and words in str(error.value)


def test_a_file_that_is_not_there_or_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "rolouts.jsonl").write_text("\n")
    with pytest.raises(InputError, match="none there"):
        read_rollouts(tmp_path / "rollouts.jsonl")
    with pytest.raises(InputError, match="an empty file"):
        read_rollouts(tmp_path / "rolouts.jsonl")


# ---------------------------------------------------------------- the grid


def test_every_evaluator_judges_every_group(tmp_path: Path) -> None:
    write(tmp_path / "rollouts.jsonl")
    with FakeServer(judges) as server:
        found = run(tmp_path, server, *GRID)
        calls = len(server.calls)
        assert calls == 4 * (5 + 3 + 6 + 3) == found.document.usage.calls
        bodies = [call.body for call in server.calls]
        # Temperature and seed reach the body, and no two calls share body and seed.
        assert sorted({body["temperature"] for body in bodies}) == [0.0, 0.7]
        assert len({json.dumps(body) for body in bodies}) == calls == len({body["seed"] for body in bodies})
        assert sum("Made by: openai/m1" in str(body) for body in bodies) == 4
        again = run(tmp_path, server, *GRID)
        assert len(server.calls) == calls and again.document == found.document
    table = found.table
    assert table.groups == ("g0", "g1", "g2", "g3") and table.rollouts[0] == ("0", "1", "2")
    assert table.scores.shape == (4, 8, 3) and table.missing == 0.0
    assert np.array_equal(table.scores, again.table.scores) and found.reasons == again.reasons
    assert table.scores[0].tolist()[:6] == [[0.0, 0.1, 0.2]] * 5 + [[0.0, 0.5, 1.0]]
    assert table.scores[0, 6].tolist() == pytest.approx([0.0, 0.3, 0.3])
    assert table.truth is not None and table.truth[1].tolist() == [0.0, 0.0, 1.0]
    assert table.rollout_models == (("openai/m0", "openai/m1", "openai/m2"),) * 4
    assert found.reasons["g1"]["group"] == ("a 0", "a 1", "a 2")
    assert table.n_words is not None and table.n_words[0].tolist() == [1.0] * 3
    duels = [duel for duel in table.duels if duel.group == "g2"]
    assert len(table.duels) == 24 and {(d.a, d.b): d.winner for d in duels}["0", "2"] == "b"
    assert again.table.duels == table.duels
    pairs = axis_pairs(table.evaluators)
    names = [key.name for key in table.evaluators]
    assert [(names[a], names[b]) for a, b in pairs["seed"]] == [("warm", "warm2")]
    assert [(names[a], names[b]) for a, b in pairs["prompt"]] == [("group", "strict")]
    assert [(names[a], names[b]) for a, b in pairs["blind"]] == [("group", "labelled")]


def test_a_stopped_grid_goes_on_without_repeats(tmp_path: Path) -> None:
    write(tmp_path / "rollouts.jsonl", groups=6)
    with FakeServer(judges) as server:
        first = run(tmp_path, server, *GRID[:6], tokens=9000)
        sent = len(server.calls)
        assert first.document.status == "budget" and 0 < sent < 6 * 13
        assert 0 < first.table.missing < 1  # what was not judged is missing, not 0
        second = run(tmp_path, server, *GRID[:6])
        assert second.document.status == "done" and second.document.run_id == first.document.run_id
        assert server.repeats() == 0 and len(server.calls) == 6 * 13 == second.document.usage.calls
    whole = second.table.scores
    known = ~np.isnan(first.table.scores)
    assert second.table.missing == 0.0 and np.array_equal(first.table.scores[known], whole[known])


@pytest.mark.slow
def test_a_killed_grid_goes_on_and_repeats_no_more_than_was_in_flight(tmp_path: Path) -> None:
    with FakeServer(judges, latency=0.02) as server:
        make(tmp_path, server.url)
        write(tmp_path / "rollouts.jsonl", groups=20)
        arguments = ("judge", "score", "rollouts.jsonl", "--concurrency", "4", "--json")
        for after in (7, 25, 44):
            process = command(tmp_path, *arguments)
            while len(server.calls) < after and process.poll() is None:
                time.sleep(0.01)
            process.kill()
            process.communicate()
        last = command(tmp_path, *arguments)
        document = json.loads(last.communicate()[0])
        assert last.returncode == 0 and document["status"] == "done"
        assert len(document["verdicts"]) == 3 * 60 and {line["failure"] for line in document["verdicts"]} == {None}
        assert server.repeats() <= 3 * 4 and len(server.calls) - server.repeats() == document["usage"]["calls"] == 60


def test_another_panel_or_another_file_is_another_run(tmp_path: Path) -> None:
    write(tmp_path / "rollouts.jsonl", groups=1)
    with FakeServer(judges) as server:
        ids = [run(tmp_path, server, GRID[0]).document.run_id, run(tmp_path, server, GRID[3]).document.run_id]
        ids.append(run(tmp_path, server, GRID[0], fresh=True).document.run_id)
        write(tmp_path / "rollouts.jsonl", groups=1, rubric="Be brief.")
        ids.append(run(tmp_path, server, GRID[0]).document.run_id)
        assert len(set(ids)) == 4 == len(server.calls)


def test_what_an_endpoint_refuses_is_unavailable(tmp_path: Path) -> None:
    write(tmp_path / "rollouts.jsonl", groups=2, model=None)
    with FakeServer(judges, refuse=("seed", "temperature")) as server:
        found = run(tmp_path, server, *GRID)
    by_name = {key.name: key for key in found.table.evaluators}
    assert by_name["warm"].unavailable == ("temperature", "seed")
    assert (by_name["warm"].seed, by_name["warm"].temperature) == (None, None)
    assert by_name["group"].unavailable == ("temperature",)  # no seed was asked for
    assert by_name["pairs"].unavailable == ("temperature",) == by_name["one"].unavailable
    assert by_name["labelled"].unavailable == ("temperature", "blind")  # nobody knows who made the rollouts
    assert found.table.missing == 0.0 and "seed" not in axis_pairs(found.table.evaluators)


def test_a_judge_that_fails_leaves_holes_and_the_finished_grid_keeps_them(tmp_path: Path) -> None:
    write(tmp_path / "rollouts.jsonl")

    def world(asked: Asked) -> str | Reply:
        return Reply(status=400, body=b'{"error": {"message": "no"}}') if "output-2-" in asked.text else judges(asked)

    with FakeServer(world) as server:
        found = run(tmp_path, server, *GRID[:2])
        assert np.isnan(found.table.scores[2]).all() and found.table.missing == 0.25
        assert found.document.status == "done" and found.reasons["g2"]["group"] == ("", "", "")
        calls = len(server.calls)
        run(tmp_path, server, *GRID[:2])
        assert len(server.calls) == calls


def test_evaluators_need_a_model(tmp_path: Path) -> None:
    groups = read_rollouts(write(tmp_path / "rollouts.jsonl"))
    with pytest.raises(InputError) as error:
        asyncio.run(collect(groups, GRID[:1], Workspace(tmp_path)))
    assert error.value.key == "evaluators.0.model"
    with pytest.raises(InputError, match="criteria as lines"):
        bad = Evaluator(name="x", mode="rubric", model=ModelSpec(name="openai/m"))
        asyncio.run(collect(groups, [bad], Workspace(tmp_path)))


# ---------------------------------------------------------------- a run's own rollouts


def groups_of(place: Workspace, run: str) -> tuple[JudgedGroup, ...]:
    with Store(place.db) as store:
        row = store.now(lambda db: find_run(db, run))
        assert row is not None
        return store.now(lambda db: groups_of_run(db, row))


async def test_a_runs_groups_are_those_it_practised_first(tmp_path: Path) -> None:
    sets = ("practice.epochs=2", "practice.batch_size=4", "rollouts.group_size=3", "accept=always")
    with FakeServer("lessons") as server:
        place = make(tmp_path, server.url, tasks=make_tasks(6), holdout=())
        document = await practise(place, *sets)
        groups = groups_of(place, document.run_id)
        assert [group.id for group in groups] == [task.id for task in make_tasks(6)]
        answers = {task.id: task.answer for task in make_tasks(6)}
        for group in groups:
            assert [rollout.attempt for rollout in group.rollouts] == [0, 1, 2]
            right = [f"Answer: {answers[group.id]}" in rollout.output for rollout in group.rollouts]
            assert group.truth == tuple(map(float, right))
            assert {rollout.made_by for rollout in group.rollouts} == {"openai/fake"}
        judged = await practise(place, *sets, "reward=judge")
        assert {truth for group in groups_of(place, judged.run_id) for truth in group.truth} == {None}
        found = await collect(groups, default_panel(), place, model=model(server), options=Options(note=lambda _: None))
    assert found.table.scores.shape == (6, 6, 3) and found.table.missing == 0.0
    assert len(axis_pairs(found.table.evaluators)["prompt"]) == 6
    with pytest.raises(InputError, match="practised groups"):
        groups_of(place, found.document.run_id)
    assert groups_of(place, "last") == groups_of(place, judged.run_id)  # what judged them is no run to look at


# ---------------------------------------------------------------- the command


def practice(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["judge", *arguments])
    return int(stop.value.code or 0)


def test_the_command_scores_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with FakeServer(judges) as server:
        make(tmp_path, server.url)
        write(tmp_path / "rollouts.jsonl")
        write_yaml(tmp_path / "panel.yaml", {"grid": {"prompt": ["default", "strict"], "mode": ["group", "score"]}})
        assert practice("score", "rollouts.jsonl", "--panel", "panel.yaml", "--json") == 0
        document = json.loads(capsys.readouterr().out)
        calls = len(server.calls)
        assert document["status"] == "done" and document["usage"]["calls"] == calls == 4 * (2 + 6)
        assert len(document["verdicts"]) == 4 * 4 * 3
        line = document["verdicts"][0]
        assert line["group_id"] == "g0" and line["score"] == 0.0 and line["rank"] == 3.0 and line["failure"] is None
        assert document["evaluators"][0]["name"] == "default/group"
        assert practice("score", "rollouts.jsonl", "--panel", "panel.yaml", "--out", "verdicts.jsonl") == 0
        shown = capsys.readouterr().out
        assert len(server.calls) == calls and "default/score" in shown and "not honoured" in shown
        lines = [json.loads(text) for text in (tmp_path / "verdicts.jsonl").read_text().splitlines()]
        assert lines == document["verdicts"]
        assert practice("score", "rollouts.jsonl", "--json", "--tokens", "3000") == 3
        stopped = json.loads(capsys.readouterr().out)
        assert stopped["status"] == "budget" and len(stopped["evaluators"]) == 3  # the panel of the settings
        assert practice("score", "none.jsonl", "--json") == 2
        assert json.loads(capsys.readouterr().out)["error"]["nearest"] is not None


def test_a_run_or_a_file_but_not_both(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a run, or a file"):
        collect_for(Workspace(tmp_path))
    with pytest.raises(InputError, match="a run, or a file"):
        collect_for(Workspace(tmp_path), run="last", rollouts=tmp_path / "r.jsonl")


def test_stability_judges_first_and_then_says_how_far_to_trust(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with FakeServer(judges) as server:
        make(tmp_path, server.url)
        write(tmp_path / "rollouts.jsonl", groups=40)
        assert practice("stability", "--rollouts", "rollouts.jsonl", "--json", "--tokens", "3000") == 3
        out, err = capsys.readouterr()
        assert json.loads(out)["status"] == "budget" and "goes on" in err
        assert practice("stability", "--rollouts", "rollouts.jsonl", "--json") == 0
        document = json.loads(capsys.readouterr().out)
        calls = len(server.calls)
        assert document["verdict"] == "STABLE", document["reasons"]
        assert document["axes"]["prompt"]["strict_flip"]["value"] == 0.0
        assert document["design"]["axes"] == {"seed": 3, "prompt": 6}
        assert document["validity"]["auroc"]["value"] == 1.0
        assert document["unstable"] == []  # every judge orders every group alike
        assert practice("stability", "--rollouts", "rollouts.jsonl") == 0
        assert len(server.calls) == calls  # judged already
        assert "STABLE" in capsys.readouterr().out and (tmp_path / "reports" / "stability-rollouts.html").is_file()


async def test_stability_of_a_runs_own_rollouts(tmp_path: Path) -> None:
    with FakeServer("lessons") as server:
        place = make(tmp_path, server.url, tasks=make_tasks(6), holdout=())
        await practise(place, "practice.epochs=1")  # two of the six tasks are the gate's
        process = command(tmp_path, "judge", "stability", "last", "--json")
        out, err = await asyncio.to_thread(process.communicate)
    document = json.loads(out)
    assert process.returncode == 6 and document["verdict"] == "INSUFFICIENT", err  # four groups are too few
    assert document["design"]["groups"] == 4 and len(document["design"]["evaluators"]) == 6


def test_one_source_at_a_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, found in (
        (["last", "--scores", "s.csv"], "RUN and --scores"),
        (["--rollouts", "r.jsonl", "--scores", "s.csv"], "--rollouts and --scores"),
        ([], "nothing"),
    ):
        assert practice("stability", *arguments, "--json") == 2
        assert json.loads(capsys.readouterr().out)["error"]["found"] == found
    assert practice("stability", "--scores", "s.csv", "--panel", "p.yaml", "--json") == 2
    assert json.loads(capsys.readouterr().out)["error"]["key"] == "--panel"
