"""The gate on the judges' agreement: its rule, by simulation and in the loop; what it keeps, and what it can't see."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practice.advantage import numeric, settled, why_not
from practice.calls import Ask
from practice.cli import main
from practice.config import Settings, TasksConfig
from practice.document import Document
from practice.errors import CallFailed
from practice.judge import Judge, Panel, agreement, support
from practice.judge.audit import Case, judge_errors
from practice.judge.gate import agreed, open_pairs, seats, votes
from practice.records import experience_support
from practice.store import Store
from practice.types import CallKey, Completion, Group, Request, Rollout, Task, Verdict
from tests.fakeserver import Asked, FakeServer, chance
from tests.house import bank_of, make, practise
from tests.worlds import METHODS, code, lessons, make_tasks

ERR = 0.15
PLACE = CallKey(phase="practice", stage="judge", task="t")

Row = list[float | None]


# ---------------------------------------------------------------- the rule


def test_three_agree_or_four_of_five_without_an_objection() -> None:
    three: list[Row] = [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]
    assert agreed(three) == ((0, 1),) and open_pairs(three) == ()
    tie: list[Row] = [[1.0, 0.0], [1.0, 1.0], [1.0, 0.0]]
    assert agreed(tie) == () and open_pairs(tie) == ((0, 1),)
    yes, no, silent = [1.0, 0.0], [0.0, 1.0], [0.5, 0.5]
    assert agreed(tie, [yes, yes]) == ((0, 1),)
    for reserve in ([yes, no], [yes, silent], [silent, silent], [no, no], [yes, [None, 0.0]]):
        assert agreed(tie, reserve) == (), reserve
    # A judge that failed is silent; one that objects ends it.
    assert open_pairs([[1.0, 0.0], [None, 0.0], [1.0, 0.0]]) == ((0, 1),)
    assert open_pairs([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]) == () == open_pairs([[1.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    # What three settled stays settled, whatever the reserve says about it.
    assert agreed(three, [no, no]) == ((0, 1),)


def test_panels_of_other_sizes() -> None:
    assert agreed([[1.0, 0.0]]) == ((0, 1),)
    assert agreed([[1.0, 0.0], [1.0, 1.0]]) == () == open_pairs([[1.0, 0.0], [1.0, 1.0]])
    judges = [Judge(name=f"j{n}", wording="w", rollout_order="given") for n in range(7)]
    assert seats(judges[:2]) == (tuple(judges[:2]), ())
    first, reserve = seats(judges[:3])
    assert first == tuple(judges[:3]) and [judge.name for judge in reserve] == ["j0-turned", "j1-turned"]
    assert all(judge.descending and judge.rollout_order == "reversed" and judge.seed == 1 for judge in reserve)
    assert [judge.name for judge in seats(judges[:4])[1]] == ["j3", "j0-turned"]
    assert [judge.name for judge in seats(judges[:5])[1]] == ["j3", "j4"]
    assert [judge.name for judge in seats(judges)[1]] == ["j3", "j4", "j5", "j6"]
    tie: list[Row] = [[1.0, 0.0], [1.0, 1.0], [1.0, 0.0]]
    assert agreed(tie, [[1.0, 0.0]] * 4) == ((0, 1),) and agreed(tie, [[1.0, 0.0]] * 3 + [[1.0, 1.0]]) == ()
    taken = [Judge(name="a", wording=""), Judge(name="a-turned", wording=""), Judge(name="b", wording="")]
    names = [judge.name for judge in (*taken, *seats(taken)[1])]
    assert len(set(names)) == 5


scores = st.one_of(st.none(), st.sampled_from([0.0, 0.2, 0.5, 0.9]))


@given(st.integers(1, 4).flatmap(lambda g: st.lists(st.lists(scores, min_size=g, max_size=g), min_size=3, max_size=5)))
def test_what_counts_is_an_order_that_nobody_denies(rows: list[Row]) -> None:
    counted = agreed(rows[:3], rows[3:])
    for better, worse in counted:
        ayes, noes = votes(rows[:3], better, worse)
        assert ayes >= 2 and noes == 0
    assert not {(b, a) for a, b in counted} & set(counted)
    mirrored: list[Row] = [[None if s is None else 1 - s for s in row] for row in rows]
    assert set(agreed(mirrored[:3], mirrored[3:])) == {(b, a) for a, b in counted}


# ---------------------------------------------------------------- by simulation


def taught(right: int, *, size: int = 5, groups: int, shared: bool = False, seed: int = 0) -> tuple[float, float]:
    """(one judge without a gate, the gate): the share of groups that teach, of groups with ``right`` right attempts.

    Each judge sees each attempt's truth with a chance of :data:`ERR` to see the opposite; ``shared``: all the same.
    """
    rng = random.Random(seed)
    alone = gated = 0
    truth = [place < right for place in range(size)]
    for _ in range(groups):
        rows: list[Row] = [[float(t != (rng.random() < ERR)) for t in truth] for _ in range(5)]
        if shared:
            rows = [rows[0]] * 5
        alone += len(set(rows[0])) > 1
        gated += bool(agreed(rows[:3], rows[3:] if open_pairs(rows[:3]) else ()))
    return alone / groups, gated / groups


def test_groups_that_are_all_alike_hardly_teach_and_mixed_ones_do() -> None:
    """Of 100,000 groups each (docs/rewards.md): .022 for all alike; .82, .94, .94, .82 for 1 to 4 right of 5."""
    alike = [taught(right, groups=1500, seed=right) for right in (0, 5)]
    mixed = [taught(right, groups=1500, seed=right) for right in (1, 2, 3, 4)]
    assert all(0.50 <= alone <= 0.61 for alone, _ in alike)
    assert all(gated <= 0.05 for _, gated in alike)
    assert sum(gated for _, gated in mixed) / 4 >= 0.85
    assert all(gated >= 0.78 for _, gated in mixed)


def test_errors_that_judges_share_are_not_caught() -> None:
    alone, gated = taught(5, groups=1500, shared=True)
    assert gated == alone > 0.5


# ---------------------------------------------------------------- a panel asks no more than it must


def attempt(n: int, output: str) -> Rollout:
    return Rollout(id=f"r{n}", task_id="t", attempt=n, steps=(), output=output, status="done")


TASK = Task(id="t", input="q")
GROUP = [attempt(n, f"output-{n}") for n in range(3)]


class Bench:
    """Judges whose scores are a function of the judge and the attempt's number."""

    def __init__(self, score: Callable[[str, int], float | None]) -> None:
        self.score, self.asked = score, list[str]()

    def asks(self, model: object) -> Ask:
        return self.ask

    async def ask(self, key: CallKey, request: Request) -> Completion:
        self.asked.append(key.evaluator)
        parts = re.split(r"^## Attempt (\w+)\n", request.messages[1].content, flags=re.M)[1:]
        said: dict[str, Any] = {}
        for letter, text in zip(parts[::2], parts[1::2], strict=True):
            score = self.score(key.evaluator, int(re.search(r"output-(\d)", text)[1]))  # type: ignore[index]
            if score is None:
                raise CallFailed("server", "500")
            said[letter] = {"reason": "so", "score": score}
        return Completion(content=json.dumps(said))


def panel(*names: str, **fields: Any) -> Panel:
    return Panel([Judge(name=name, wording="w", **fields) for name in names])


async def test_the_reserve_is_asked_only_where_a_pair_is_open() -> None:
    clear = Bench(lambda judge, n: n)
    ruling = await panel("a", "b", "c").score(TASK, GROUP, clear.asks, PLACE)
    assert sorted(clear.asked) == ["a", "b", "c"] and ruling.counted == ((1, 0), (2, 0), (2, 1))

    split = Bench(lambda judge, n: n if judge == "a" else 2 - n)
    ruling = await panel("a", "b", "c").score(TASK, GROUP, split.asks, PLACE)
    assert sorted(split.asked) == ["a", "b", "c"] and ruling.counted == ()

    tie = Bench(lambda judge, n: 5 if judge == "a" else n)
    ruling = await panel("a", "b", "c").score(TASK, GROUP, tie.asks, PLACE)
    assert sorted(tie.asked) == ["a", "a-turned#1", "b", "b-turned#1", "c"]
    assert ruling.counted == ((1, 0), (2, 0), (2, 1))
    assert len(ruling.verdicts) == 15 and len(set(tie.asked)) == 5

    down = Bench(lambda judge, n: None if judge == "a" else n)
    ruling = await panel("a", "b", "c", "d", "e").score(TASK, GROUP, down.asks, PLACE)
    assert sorted(down.asked) == ["a", "b", "c", "d", "e"] and ruling.counted == ((1, 0), (2, 0), (2, 1))

    lone = Bench(lambda judge, n: 5)
    await panel("a", "b", "c", "d").score(TASK, GROUP[:1], lone.asks, PLACE)
    assert sorted(lone.asked) == ["a", "b", "c"]  # one attempt: no pair, so no reserve


async def test_without_a_gate_everybody_is_asked_once() -> None:
    bench = Bench(lambda judge, n: 5)
    ruling = await Panel([Judge(name=n, wording="w") for n in "abcd"], gate=False).score(TASK, GROUP, bench.asks, PLACE)
    assert sorted(bench.asked) == ["a", "b", "c", "d"] and ruling.counted is None


# ---------------------------------------------------------------- what follows from it


def group(rewards: Sequence[float | None], counted: tuple[tuple[int, int], ...] | None, name: str = "t") -> Group:
    rollouts = tuple(
        attempt(n, "x").model_copy(update={"id": f"{name}/{n}", "task_id": name}) for n in range(len(rewards))
    )
    verdicts = tuple(Verdict(rollout_id=r.id, evaluator="a", score=0.5) for r in rollouts)
    return Group(
        task=Task(id=name, input=name), rollouts=rollouts, verdicts=verdicts, rewards=tuple(rewards), counted=counted
    )


def test_agreement_weighs_the_advantage() -> None:
    rewards = (1.0, 0.5, 0.0)
    free, half = numeric(group(rewards, None)), numeric(group(rewards, ((0, 2),)))
    assert half.values == pytest.approx([value / 3 for value in free.values if value is not None])
    assert numeric(group(rewards, ())).values == (0.0, 0.0, 0.0)
    found = agreement(group(rewards, ((0, 2),)))
    assert found is not None and (found.pairs, found.counted, found.weight) == (3, 1, 1 / 3)
    assert agreement(group(rewards, None)) is None


def test_only_counted_pairs_are_contrasted() -> None:
    assert settled(group((1.0, 0.5, 0.0), ((0, 2),))).rewards == (1.0, None, 0.0)
    assert settled(group((1.0, 0.5, 0.0), ())).rewards == (None, None, None)
    free = group((1.0, 0.5), None)
    assert settled(free) is free
    silent = group((1.0, 0.0), ())
    settings = Settings(agent="a", tasks=TasksConfig(practice="p"))
    assert silent.kind == "abstained" and why_not(silent, settings) == "the judges' order is not to be trusted"


def test_an_experience_knows_what_judges_said_of_its_evidence() -> None:
    groups = [group((1.0, 0.0), ((0, 1),), "a"), group((1.0, 0.5, 0.0), ((0, 2),), "b"), group((1.0, 0.0), (), "c")]
    found = support(("a/0", "b/2"), groups)
    assert found is not None and found.evaluators == ("a",) and found.agreement == 0.5
    assert (found.groups, found.pairs, found.counted, found.abstained, found.practised) == (2, 4, 2, 1, 3)
    assert support(("x/0",), groups) is None and support(("d/0",), [group((1.0, 0.0), None, "d")]) is None


def test_errors_are_counted_where_truth_is_known() -> None:
    def verdicts(*rows: Row) -> list[Verdict]:
        return [
            Verdict(rollout_id=f"r{n}", evaluator=f"j{j}", score=s)
            for j, row in enumerate(rows)
            for n, s in enumerate(row)
        ]

    cases = [
        Case([1.0, 0.0, 0.0], verdicts([0.9, 0.2, 0.7], [0.9, 0.1, None]), ((0, 1), (2, 1)), [0.9, 0.15, 0.7]),
        Case([1.0, 1.0], verdicts([0.9, 0.2], [0.8, 0.8]), ((0, 1),), [0.85, 0.5]),
        Case([0.0, 0.0], verdicts([0.3, 0.3], [0.8, 0.3]), (), [0.55, 0.3]),
        Case([1.0, None], verdicts([0.3, 0.3]), (), [0.3, 0.3]),
    ]
    found = judge_errors(cases)
    assert found is not None
    assert (found.groups, found.alike, found.alike_taught, found.mixed, found.mixed_taught) == (3, 2, 1, 1, 1)
    assert (found.pairs, found.pairs_right, found.pairs_wrong) == (2, 1, 0)
    one = found.evaluators["j0"]
    assert (one.right, one.called_right, one.wrong, one.passed_wrong) == (4, 2, 4, 1)
    assert found.evaluators["j1"].wrong == 3 and judge_errors(cases[3:]) is None
    ungated = judge_errors([Case([1.0, 0.0], verdicts([0.1, 0.2]), None, [0.1, 0.2])])
    assert ungated is not None and (ungated.pairs_right, ungated.pairs_wrong, ungated.mixed_taught) == (0, 1, 1)


# ---------------------------------------------------------------- in the loop


def noisy(asked: Asked, *, shared: bool = False) -> str:
    """The world lessons; of its eight rules two are always right, two always wrong. Judges err at :data:`ERR`.

    ``shared``: every judge errs on the same attempts.
    """
    if asked.stage == "judge":
        task = re.search(r"\[rule \d+\] Work out the code of lot [A-Z]-\d+\.", asked.text)
        assert task is not None
        said: dict[str, Any] = {}
        parts = re.split(r"^## Attempt (\w+)\n", asked.text, flags=re.M)[1:]
        for letter, text in zip(parts[::2], parts[1::2], strict=True):
            right = f"Answer: {code(task.group())}" in text
            err = chance(text.encode(), "shared") < ERR if shared else asked.chance(letter) < ERR
            said[letter] = {"reason": "I looked.", "score": 8 if right != err else 2}
        return json.dumps(said)
    if asked.stage == "rollout":
        found = re.search(r"\[rule (\d+)\] Work out the code of lot [A-Z]-\d+\.", asked.text)
        assert found is not None
        rule, salt = int(found[1]), f"Tried {int(asked.chance('salt') * 1e9)} ways. "
        if rule <= 4:
            answer = code(found.group()) if rule <= 2 else "7"
            return f"{salt}Marked rule {rule}: I went by feel.\nAnswer: {answer}"
        return salt + str(lessons(asked))
    return str(lessons(asked))


def kinds(place: Path, document: Document) -> tuple[list[bool], list[bool]]:
    """(all alike, mixed in truth): for each group of the run whether it taught."""
    with Store(place / "memory" / "practice.db") as store:
        rows = store.now(
            lambda db: db.execute(
                "SELECT task, json_extract(data, '$.kind') FROM groups WHERE run = ?", [document.run_id]
            ).fetchall()
        )
        outputs = store.now(
            lambda db: db.execute(
                "SELECT task, json_extract(data, '$.output') FROM rollouts WHERE phase = 'practice' AND run = ?",
                [document.run_id],
            ).fetchall()
        )
    answers = {task.id: task.answer for task in make_tasks(1200)}
    right: dict[str, set[bool]] = {}
    for task, output in outputs:
        right.setdefault(task, set()).add(f"Answer: {answers[task]}" in output)
    alike = [kind == "mixed" for task, kind in rows if len(right[task]) == 1]
    return alike, [kind == "mixed" for task, kind in rows if len(right[task]) == 2]


JUDGED = ("reward=judge", "practice.epochs=1", "practice.batch_size=400", "accept=always", "tasks.holdout=null")
ALONE = ("judge.panel=[{prompt: default}]", "judge.gate=false")


async def shares(root: Path, tasks: int, *sets: str, shared: bool = False) -> tuple[float, float, int]:
    """(share of the all-alike groups that taught, of the truly mixed ones, judges' calls)."""
    with FakeServer(lambda asked: noisy(asked, shared=shared)) as server:
        place = make(root, server.url, tasks=make_tasks(tasks))
        document = await practise(place, *JUDGED, *sets)
        alike, mixed = kinds(place.root, document)
        assert (
            document.status == "done"
            and document.groups.abstained
            == (len(alike) + len(mixed)) - sum(alike + mixed) - document.groups.all_right - document.groups.all_wrong
        )
        return sum(alike) / len(alike), sum(mixed) / len(mixed), server.count(stage="judge")


async def test_a_small_loop_with_and_without_the_gate(tmp_path: Path) -> None:
    alike, mixed, calls = await shares(tmp_path / "alone", 24, *ALONE)
    gated_alike, gated_mixed, gated_calls = await shares(tmp_path / "gate", 24)
    assert alike > 0.35 and gated_alike <= 0.1 and mixed > 0.8 and gated_mixed >= 0.7
    assert calls == 24 and 3 * 24 < gated_calls < 5 * 24  # the reserve was asked about some groups, not about all


@pytest.mark.slow
async def test_the_gate_in_the_loop(tmp_path: Path) -> None:
    """400 groups: half all alike, half tried at 0.3."""
    alike, mixed, _ = await shares(tmp_path / "alone", 400, *ALONE)
    gated_alike, gated_mixed, calls = await shares(tmp_path / "gate", 400)
    print(f"all alike: {alike:.3f} -> {gated_alike:.3f}; mixed: {mixed:.3f} -> {gated_mixed:.3f}; {calls} calls")
    assert 0.48 <= alike <= 0.62 and gated_alike <= 0.05
    assert gated_mixed >= 0.85


@pytest.mark.slow
async def test_shared_errors_pass_the_gate_in_the_loop(tmp_path: Path) -> None:
    alike, _, _ = await shares(tmp_path / "shared", 120, shared=True)
    assert alike > 0.4


def write_verified(path: Path, tasks: Sequence[Task]) -> None:
    rows = [{"id": t.id, "input": t.input, "answer": t.answer, "verifier": "number"} for t in tasks]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


LENGTH = re.compile(r"wrote at most \d+ words in all|final reply of at most \d+ words")


def longwinded(asked: Asked) -> str:
    """Attempts of all lengths, judges that like the longer, and a teacher that repeats what it reads about length."""
    if asked.stage == "rollout":
        return " ".join(["Well."] * (3 + int(60 * asked.chance()))) + f" Answer: {int(9000 * asked.chance('answer'))}"
    if asked.stage == "judge":
        parts = re.split(r"^## Attempt (\w+)\n", asked.text, flags=re.M)[1:]
        words = {letter: len(text.split()) for letter, text in zip(parts[::2], parts[1::2], strict=True)}
        return json.dumps({letter: {"reason": "full", "score": min(10, n // 7)} for letter, n in words.items()})
    lesson = "When you get a task, write longer." if LENGTH.search(asked.text) else ""
    if asked.stage == "advantage":
        return json.dumps({"lessons": [{"text": lesson}] if lesson else []})
    return json.dumps({"edits": [{"op": "add", "id": None, "text": lesson}] if lesson else []})


async def test_no_fact_about_length_is_told_where_judges_decide(tmp_path: Path) -> None:
    """Judges that love length agree with one another, so no gate on agreement can see it."""
    with FakeServer(longwinded) as server:
        place = make(tmp_path, server.url, tasks=make_tasks(8), holdout=())
        document = await practise(place, "reward=judge", "practice.epochs=1", "practice.batch_size=8", "accept=always")
        told = "\n".join(str(call.body) for call in server.calls if call.stage in ("advantage", "merge"))
    assert document.groups.mixed == 8 and server.count(stage="advantage") == 8
    with Store(place.db) as store:
        steps = store.now(lambda db: db.execute("SELECT data FROM steps").fetchall())
    found = [fact["feature"] for fact in json.loads(steps[0][0])["facts"] if fact["q"] <= 0.05]
    assert any(name.startswith(("n:words", "n:answer_words")) for name in found)  # the program saw it
    assert not LENGTH.search(told)  # and kept it to itself
    assert document.experiences == () and document.edits.proposed == 0


DECOYS = (
    "spell the digits out and weigh the letters",
    "start from the crate that stands nearest",
    "copy the longest group and pad it with zeros",
    "take the price tag in place of the lot",
    "mirror the vowels and skip every check",
    "guess the first digit and keep the others",
    "round up to full pallets after dividing",
    "leave the order alone and halve the last position",
)
"""For each rule a way that is worth nothing, or worse."""


def muddled(asked: Asked) -> str:
    """Half of the attempts go rule k's way, half its decoy's. On rules 5 to 8 the way decides; on rules 1 to 4 each
    attempt is right, until a lesson tells the agent to go the decoy's way. A teacher takes up what the better did.
    """
    if asked.stage == "rollout":
        found = re.search(r"\[rule (\d+)\] Work out the code of lot [A-Z]-\d+\.", asked.text)
        assert found is not None
        rule, salt = int(found[1]), int(asked.chance("salt") * 1e9)
        ways = [METHODS[rule - 1], DECOYS[rule - 1]]
        told = [way for way in ways if way in asked.system]
        way = (told or ways)[int(asked.chance("way") * len(told or ways))]
        good = {True: 0.9 if rule > 4 else 1.0, False: 0.1 if rule > 4 or told else 1.0}[way == ways[0]]
        answer = code(found.group()) if asked.chance() < good else "7"
        return f"Tried {salt} ways. Marked rule {rule}: I chose to {way}.\nAnswer: {answer}"
    if asked.stage == "advantage":
        did = re.search(r"Marked rule (\d+): I chose to ([a-z ,]+)\.", asked.text)
        assert did is not None
        return json.dumps({"lessons": [{"text": f"When a task is marked rule {did[1]}, {did[2]}."}]})
    return noisy(asked)


@pytest.mark.slow
async def test_with_the_gate_the_holdout_is_at_least_as_good(tmp_path: Path) -> None:
    """Judges decide in practice, a verifier on the holdout; every proposal is taken, so that noise can do its harm."""
    found: dict[str, float] = {}
    for name, sets in (("alone", ALONE), ("gate", ())):
        with FakeServer(muddled) as server:
            place = make(tmp_path / name, server.url, tasks=make_tasks(48), holdout=())
            write_verified(place.root / "tasks/held.jsonl", make_tasks(64, start=1000))
            small = ("reward=judge", "practice.epochs=1", "practice.batch_size=24", "accept=always")
            document = await practise(place, *small, "tasks.holdout=tasks/held.jsonl", *sets)
            assert document.before is not None and document.after is not None
            found[name] = document.after.mean or 0.0
            print(name, document.before.mean, found[name], [e.text for e in document.experiences])
    assert found["gate"] >= found["alone"] + 0.05


async def test_what_judges_said_is_kept_with_the_experience(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeServer(noisy) as server:
        place = make(tmp_path, server.url, tasks=make_tasks(16), holdout=())
        write_verified(place.root / "tasks/own.jsonl", make_tasks(8, start=200))
        both = (place.root / "tasks/practice.jsonl").read_text() + (place.root / "tasks/own.jsonl").read_text()
        (place.root / "tasks/practice.jsonl").write_text(both)
        small = ("reward=judge", "practice.epochs=1", "practice.batch_size=24", "accept=always")
        document = await practise(place, *small)
        calls = len(server.calls)
        again = await practise(place, *small)
        assert again == document and len(server.calls) == calls and bank_of(document)
    # Judges are asked about verified groups as well, and their errors counted.
    errors = document.judges
    assert errors is not None and errors.groups == 8 and errors.pairs_right > 0 and errors.pairs_wrong <= 2
    assert set(errors.evaluators) >= {"default", "strict", "evidence"}
    with Store(place.db) as store:
        kept = store.now(lambda db: experience_support(db, document.memory))
    assert kept and all(support.pairs >= support.counted for line in kept.values() for support in line)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["memory", "show", "--json"])
    shown = json.loads(capsys.readouterr().out)
    judged = {line["id"]: line["judged"] for line in shown["experiences"]}
    assert judged.keys() == {id_ for id_, *_ in bank_of(document)} and any(judged.values())
    known = next(lines for lines in judged.values() if lines)[-1]
    assert known["evaluators"] and 0 < known["agreement"] <= 1 and known["practised"] == 16
    page = (tmp_path / str(document.report)).read_text()
    assert errors.sentence in page and "; its judges agreed on " in page
    file = (tmp_path / document.memory).read_text()
    assert "judged" not in file and "agreement" not in file  # the bank's file keeps its fields
