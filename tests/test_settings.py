"""Every setting has its effect: two runs that differ in one key differ in what that key is for.

A key of the schema without a line in :data:`CASES` fails: a setting that does nothing is a bug.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from practice.config import Settings, Workspace, leaf_keys
from practice.document import Document
from practice.memory import Bank
from practice.store import Store
from tests.fakeserver import Call, FakeServer
from tests.house import make, practise
from tests.worlds import make_tasks

SMALL = (
    *("practice.epochs=1", "practice.batch_size=6", "rollouts.group_size=3"),
    *("accept.max_trials=2", "accept.alpha=0.5", "accept.candidates=2"),
)


@dataclass(frozen=True)
class Seen:
    """What a run did, from outside."""

    document: Document
    calls: Sequence[Call]
    place: Workspace
    most: int

    def bodies(self, stage: str, phase: str | None = None) -> list[dict[str, Any]]:
        return [call.body for call in self.calls if call.stage == stage and phase in (None, call.phase)]

    def text(self, stage: str) -> str:
        return "\n".join(str(message["content"]) for body in self.bodies(stage) for message in body["messages"])

    @property
    def bank(self) -> Bank:
        return Bank.load(self.place.root / self.document.memory)

    def sql(self, query: str) -> list[Any]:
        with Store(self.place.db) as store:
            return store.now(lambda db: db.execute(query).fetchall())

    def steps(self) -> list[dict[str, Any]]:
        return [json.loads(row[0]) for row in self.sql("SELECT data FROM steps ORDER BY step")]


Look = Callable[[Seen], Any]


@dataclass(frozen=True)
class Case:
    """``a`` and ``b`` are settings of two runs; ``look`` must see different things."""

    a: tuple[str, ...]
    b: tuple[str, ...]
    look: Look
    a_sees: Any = None
    b_sees: Any = None


def temperatures(stage: str, phase: str) -> Look:
    return lambda seen: {body["temperature"] for body in seen.bodies(stage, phase)}


def models(stage: str) -> Look:
    return lambda seen: {body["model"] for body in seen.bodies(stage)}


def rollouts_in(phase: str) -> Look:
    return lambda seen: len(seen.bodies("rollout", phase))


def order(seen: Seen) -> list[str]:
    return [step["tasks"] for step in seen.steps()]


ZERO = "reward='tools/own.py:zero'"
JUDGE = ("reward=judge", "tasks.holdout=null")
ONE = (*JUDGE, "judge.panel=[{prompt: default}]")
HELD = ("reward=judge", "accept=always")
TWICE = ("practice.batch_size=3", "practice.epochs=2", "accept=always")
OTHER = "{name: openai/other, api_base: 'URL'}"

CASES: dict[str, Case] = {
    "name": Case(("name=one",), ("name=two",), lambda s: s.sql("SELECT name FROM runs")),
    "agent": Case((), ("agent=agents/other.yaml",), lambda s: s.document.agent, "solver", "other"),
    "tasks.practice": Case((), ("tasks.practice=tasks/few.jsonl",), lambda s: s.document.rollouts.total),
    "tasks.validation": Case((), ("tasks.validation=tasks/few.jsonl",), lambda s: s.document.tasks.validation, 2, 4),
    "tasks.holdout": Case((), ("tasks.holdout=null",), lambda s: s.document.before is None, False, True),
    "reward": Case((), (ZERO,), lambda s: s.document.groups.all_wrong == 4, False, True),
    "reward.0": Case(
        ("reward=[number]",), ("reward=[number, 'tools/own.py:zero']",), lambda s: s.document.groups.mixed > 0
    ),
    "rollouts.group_size": Case((), ("rollouts.group_size=2",), lambda s: s.document.rollouts.total, 12, 8),
    "rollouts.temperature": Case(
        ("rollouts.temperature=0.2",), ("rollouts.temperature=0.9",), temperatures("rollout", "practice"), {0.2}, {0.9}
    ),
    "rollouts.concurrency": Case(("rollouts.concurrency=1",), ("rollouts.concurrency=8",), lambda s: s.most > 1),
    "practice.epochs": Case((), ("practice.epochs=2",), lambda s: s.document.rollouts.total, 12, 24),
    "practice.batch_size": Case((), ("practice.batch_size=2",), lambda s: s.document.steps, 1, 2),
    "practice.experiences_per_group": Case(
        ("practice.experiences_per_group=1",), ("practice.experiences_per_group=4",), lambda s: s.text("advantage")
    ),
    "practice.ground_truth": Case(
        (), ("practice.ground_truth=false",), lambda s: "Correct answer" in s.text("advantage"), True, False
    ),
    "practice.shuffle": Case((), ("practice.shuffle=false",), order),
    "practice.seed": Case(
        (), ("practice.seed=7",), lambda s: sorted(b["seed"] for b in s.bodies("rollout", "holdout"))
    ),
    "practice.learn_from_all_wrong": Case(
        (ZERO,), (ZERO, "practice.learn_from_all_wrong=true"), lambda s: bool(s.bodies("advantage")), False, True
    ),
    "practice.features": Case(
        (), ("practice.features=[tools/own.py:shouts]",), lambda s: s.sql("SELECT fields FROM runs")
    ),
    "practice.features.0": Case(
        ("practice.features=[tools/own.py:shouts]",),
        ("practice.features=[tools/own.py:whispers]",),
        lambda s: s.sql("SELECT fields FROM runs"),
    ),
    "evaluate.temperature": Case((), ("evaluate.temperature=0.1",), temperatures("rollout", "holdout"), {0.7}, {0.1}),
    "evaluate.trials": Case((), ("evaluate.trials=2",), lambda s: s.document.before and s.document.before.trials),
    "teacher.model": Case((), (f"teacher.model={OTHER}",), models("advantage"), {"fake"}, {"other"}),
    "judge.panel": Case(JUDGE, ONE, lambda s: len(s.bodies("judge")) // len({str(b) for b in s.bodies("judge")[:1]})),
    "judge.panel.0.name": Case(
        (*JUDGE, "judge.panel=[{name: ann}]"),
        (*JUDGE, "judge.panel=[{name: bob}]"),
        lambda s: s.sql("SELECT DISTINCT evaluator FROM calls WHERE stage = 'judge' AND phase = 'practice'"),
    ),
    "judge.panel.0.model": Case(
        ONE, (*JUDGE, f"judge.panel=[{{model: {OTHER}}}]"), models("judge"), {"fake"}, {"other"}
    ),
    "judge.panel.0.temperature": Case(
        ONE, (*JUDGE, "judge.panel=[{temperature: 0.5}]"), temperatures("judge", "practice"), {0.0}, {0.5}
    ),
    "judge.panel.0.seed": Case(
        ONE, (*JUDGE, "judge.panel=[{seed: 3}]"), lambda s: sorted(b["seed"] for b in s.bodies("judge", "practice"))
    ),
    "judge.panel.0.prompt": Case(ONE, (*JUDGE, "judge.panel=[{prompt: strict}]"), lambda s: s.text("judge")),
    "judge.panel.0.rubric": Case(
        ONE, (*JUDGE, "judge.panel=[{rubric: Says how.}]"), lambda s: "Says how." in s.text("judge"), False, True
    ),
    "judge.panel.0.mode": Case(
        ONE, (*JUDGE, "judge.panel=[{mode: score}]"), lambda s: len(s.bodies("judge", "practice")), 4, 12
    ),
    "judge.panel.0.option_order": Case(
        ONE,
        (*JUDGE, "judge.panel=[{option_order: descending}]"),
        lambda s: s.text("judge").index("\n0 = ") < s.text("judge").index("\n10 = "),
        True,
        False,
    ),
    "judge.panel.0.rollout_order": Case(
        (*JUDGE, "judge.panel=[{rollout_order: given}]"),
        (*JUDGE, "judge.panel=[{rollout_order: reversed}]"),
        lambda s: sorted(b["messages"][1]["content"] for b in s.bodies("judge", "practice")),
    ),
    "judge.panel.0.blind": Case(
        ONE, (*JUDGE, "judge.panel=[{blind: false}]"), lambda s: "Made by: openai/fake" in s.text("judge"), False, True
    ),
    "judge.panel.0.pass_mark": Case(
        ONE, (*JUDGE, "judge.panel=[{pass_mark: 0.95}]"), lambda s: s.document.groups.all_wrong, b_sees=4
    ),
    "judge.gate": Case(
        JUDGE,
        (*JUDGE, "judge.gate=false"),
        lambda s: s.sql("SELECT count(*) FROM scores WHERE data LIKE '%counted\":null%'"),
    ),
    "judge.holdout.name": Case(
        HELD,
        (*HELD, "judge.holdout.name=bob"),
        lambda s: s.document.judged and s.document.judged.by,
        ("referee",),
        ("bob",),
    ),
    "judge.holdout.model": Case(
        HELD,
        (*HELD, f"judge.holdout.model={OTHER}"),
        lambda s: {body["model"] for body in s.bodies("judge", "holdout")},
        {"fake"},
        {"other"},
    ),
    "judge.holdout.temperature": Case(
        HELD, (*HELD, "judge.holdout.temperature=0.5"), temperatures("judge", "holdout"), {0.0}, {0.5}
    ),
    "judge.holdout.seed": Case(
        HELD, (*HELD, "judge.holdout.seed=3"), lambda s: sorted(b["seed"] for b in s.bodies("judge", "holdout"))
    ),
    "judge.holdout.prompt": Case(
        HELD,
        (*HELD, "judge.panel=[{prompt: strict}]", "judge.holdout.prompt=evidence"),
        lambda s: {body["messages"][0]["content"] for body in s.bodies("judge", "holdout")},
    ),
    "judge.holdout.mode": Case(
        HELD, (*HELD, "judge.holdout.mode=pairs"), lambda s: '"better"' in str(s.bodies("judge", "holdout")[0])
    ),
    "judge.holdout.option_order": Case(
        HELD,
        (*HELD, "judge.holdout.option_order=descending"),
        lambda s: {
            b["messages"][1]["content"].index("\n0 = ") < b["messages"][1]["content"].index("\n10 = ")
            for b in s.bodies("judge", "holdout")
        },
        {True},
        {False},
    ),
    "judge.holdout.blind": Case(
        HELD,
        (*HELD, "judge.holdout.blind=false"),
        lambda s: {"Made by: openai/fake" in str(b["messages"]) for b in s.bodies("judge", "holdout")},
        {False},
        {True},
    ),
    "judge.holdout.pass_mark": Case(
        HELD,
        (*HELD, "judge.holdout.pass_mark=0.95"),
        lambda s: s.document.judged and (s.document.judged.won > 0, s.document.judged.lost > 0),
        b_sees=(False, False),
    ),
    "judge.holdout.rubric": Case(
        HELD,
        (*HELD, "judge.holdout.rubric=Says how."),
        lambda s: {"Says how." in str(body["messages"]) for body in s.bodies("judge", "holdout")},
        {False},
        {True},
    ),
    "memory.bank": Case(
        (), ("memory.bank=memory/x.yaml",), lambda s: s.document.memory, "memory/test.yaml", "memory/x.yaml"
    ),
    "memory.max_experiences": Case(
        TWICE, (*TWICE, "memory.max_experiences=1"), lambda s: len(s.document.experiences) > 1, True, False
    ),
    "memory.max_words": Case(
        (), ("memory.max_words=13",), lambda s: "most 13 words" in s.text("advantage"), False, True
    ),
    "memory.inject": Case(
        TWICE,
        (*TWICE, "memory.inject={retrieve: 1}"),
        lambda s: max(b["messages"][0]["content"].count("\n- ") for b in s.bodies("rollout")) > 1,
        True,
        False,
    ),
    "memory.inject.retrieve": Case(
        (*TWICE, "memory.inject={retrieve: 1}"),
        (*TWICE, "memory.inject={retrieve: 2}"),
        lambda s: max(b["messages"][0]["content"].count("\n- ") for b in s.bodies("rollout")),
        1,
        2,
    ),
    "accept.policy": Case((), ("accept=always",), lambda s: s.document.tasks.validation, 2, 0),
    "accept.fraction": Case((), ("accept.fraction=0.5",), lambda s: s.document.tasks.validation, 2, 3),
    "accept.alpha": Case(
        (),
        ("accept.alpha=0.01",),
        lambda s: [look["alpha"] for step in s.steps() for look in step["decision"]["looks"]],
    ),
    "accept.trials": Case((), ("accept.trials=1",), lambda s: s.steps()[0]["decision"]["looks"][0]["trials"]),
    "accept.max_trials": Case(
        ("accept.alpha=0.0001", "accept.max_trials=2"),
        ("accept.alpha=0.0001", "accept.max_trials=4"),
        lambda s: s.steps()[0]["decision"]["power"],
    ),
    "accept.candidates": Case(("accept.candidates=1",), ("accept.candidates=3",), lambda s: len(s.bodies("merge"))),
    "budget.tokens": Case((), ("budget.tokens=2000",), lambda s: s.document.status, "done", "budget"),
    "budget.seconds": Case((), ("budget.seconds=0.001",), lambda s: s.document.status, "done", "budget"),
}
#: Effects that need more than a small run; each is tested where it is named.
ELSEWHERE = {
    "rollouts.timeout": "test_calls.py::test_a_hang_is_a_fault_that_is_sent_again",
    "traces.endpoint": "test_traces.py::test_a_run_is_one_tree_of_batches_groups_rollouts_calls_and_tools",
    "traces.headers_env": "test_traces.py::test_keys_are_in_no_span_and_headers_reach_the_collector",
    "traces.content": "test_traces.py::test_what_is_said_goes_along_only_where_it_is_asked_for",
    "budget.usd": "test_budget.py::test_usd_and_seconds_are_ceilings_too",
}
#: Sections, and the keys of a model's mapping, which are the same wherever a model is named (test_model.py).
NO_LEAVES = re.compile(
    r"tasks|rollouts|practice|evaluate|teacher|judge|judge\.panel\.0|judge\.holdout|memory|accept|budget|traces|.*\.model\..+"
)


def test_every_key_of_the_schema_has_a_case() -> None:
    keys = {key for key in leaf_keys(Settings) if not NO_LEAVES.fullmatch(key)}
    assert keys - set(CASES) - set(ELSEWHERE) == set()
    assert set(CASES) <= set(leaf_keys(Settings))


async def seen(root: Path, sets: Sequence[str]) -> Seen:
    with FakeServer("lessons", latency=0.002) as server:
        place = make(root, server.url, tasks=make_tasks(6, rules=2), holdout=make_tasks(3, rules=2, start=1000))
        (root / "tasks/few.jsonl").write_text(
            "".join(json.dumps({"input": t.input, "answer": t.answer}) + "\n" for t in make_tasks(4, start=500))
        )
        other = (root / "agents/solver.yaml").read_text().replace("name: solver", "name: other")
        (root / "agents/other.yaml").write_text(other)
        (root / "tools").mkdir()
        (root / "tools/own.py").write_text(
            "def shouts(rollout):\n    return rollout.output.isupper()\n\n\n"
            "def whispers(rollout):\n    return rollout.output.islower()\n\n\n"
            "def zero(task, rollout):\n    return 0.0\n"
        )
        known = {text.split("=")[0] for text in sets}
        small = [text for text in SMALL if not any(text.startswith(key) for key in known)]
        if "accept=always" in sets:
            small = [text for text in small if not text.startswith("accept.")]
        document = await practise(place, *small, *(text.replace("URL", server.url) for text in sets))
        return Seen(document, tuple(server.calls), place, server.most_in_flight)


@pytest.mark.parametrize("key", CASES)
async def test_the_setting_has_its_effect(key: str, tmp_path: Path) -> None:
    case = CASES[key]
    one, two = await seen(tmp_path / "a", case.a), await seen(tmp_path / "b", case.b)
    a, b = case.look(one), case.look(two)
    assert a != b
    if case.a_sees is not None:
        assert a == case.a_sees
    if case.b_sees is not None:
        assert b == case.b_sees
