"""The report of a run: what it says, what it keeps sealed, what it escapes, and that it stays a readable size."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from practice import report
from practice.budget import Cost
from practice.document import (
    Document,
    DocumentStatus,
    TaskCounts,
    edit_counts,
    experience_lines,
    group_counts,
    outcome,
    rollout_counts,
    usage_report,
)
from practice.errors import InputError
from practice.memory import Bank
from practice.records import (
    EditRecord,
    GroupRecord,
    Records,
    RunRow,
    Scored,
    StepRecord,
    create_run,
    new_run_id,
    remove_run,
)
from practice.report import plots, words
from practice.report.values import HoldoutTask
from practice.store import RunJournal, Store, now, usage_by_stage
from practice.types import (
    CallKey,
    Completion,
    Decision,
    Delta,
    Edit,
    Estimate,
    Experience,
    Fact,
    Failure,
    Lesson,
    Look,
    Message,
    Phase,
    Proposal,
    Request,
    Rollout,
    Status,
    Step,
    Task,
    ToolCall,
    ToolResult,
    Usage,
    Verdict,
)

SCRIPT = "<script>alert('boo')</script>"
QUOTED = "\"><img src=x onerror=alert(1)> &amp; ' ünïcödé 数学 \u202eevil"
KEY = "sk-very-secret-1234567890"
TEXT = "When a problem needs any arithmetic, call the calculator once with the whole expression, then answer with it."


# ---------------------------------------------------------------- a run


def call(name: str = "calculator", arguments: str = '{"expression": "12*7"}') -> ToolCall:
    return ToolCall(id="c1", name=name, arguments=arguments)


def attempt(id_: str, task: str, n: int, *, right: bool, says: str = "84", status: Status = "done") -> Rollout:
    steps: tuple[Step, ...] = (Step(index=0, content=f"In my head that is {says}."),)
    if right:
        result = ToolResult(call=call(), content="84")
        first = Step(index=0, content="I use the tool.", tool_calls=(call(),), results=(result,), finish="tool_calls")
        steps = (first, Step(index=1, content=says))
    failure = Failure(stage="rollout", kind="timeout", message=f"no answer in 120 s {SCRIPT}")
    return Rollout(
        id=id_,
        task_id=task,
        attempt=n,
        steps=() if status == "failed" else steps,
        output="" if status == "failed" else says,
        status=status,
        limit="steps" if status == "limit" else None,
        failure=failure if status == "failed" else None,
    )


def tasks_of(n: int, prefix: str) -> tuple[Task, ...]:
    texts = [f"A crate holds {7 + i} jars. How many jars are in {12 + i} crates?" for i in range(n)]
    return tuple(Task(id=f"{prefix}{i}", input=text, answer=str((7 + i) * (12 + i))) for i, text in enumerate(texts))


class Run:
    """Writes a run's rows as the loop would."""

    def __init__(
        self,
        store: Store,
        *,
        practice: int = 8,
        holdout: int = 20,
        start: Bank | None = None,
        fields: Mapping[str, object] | None = None,
    ):
        self.store, self.start = store, start or Bank(bank="crates")
        self.tasks: dict[Phase, tuple[Task, ...]] = {
            "practice": tasks_of(practice, "p"),
            "holdout": tasks_of(holdout, "h"),
        }
        self.id = new_run_id()
        plain: dict[str, object] = {
            "agent: name": "solver",
            "agent: model": {"name": "llamacpp/qwen2.5-coder-1.5b"},
            "agent: instructions": "You solve word problems. You have a calculator.",
            "practice.epochs": 2,
            "practice.batch_size": max(1, practice),
            "prompt merge": "ab" * 32,
            "teacher.model": None,
        }
        self.row = RunRow(
            id=self.id,
            name="word-problems",
            fingerprint="f" * 16,
            fields=plain | dict(fields or {}),
            status="running",
            created=now(),
            updated=now(),
            seconds=0.0,
            start_bank=self.start,
            document=None,
        )
        store.now(lambda db: create_run(db, self.row, self.tasks))

    async def open(self) -> Run:
        self.records = await Records.load(self.store, self.id)
        return self

    async def practised(self, step: int, rewards: Sequence[float | None], *, says: str = "84", **more: Any) -> None:
        """One group of the step's epoch for every practice task, each with these rewards."""
        for task in self.tasks["practice"]:
            ids = [f"practice/{step}/{task.id}/{n}" for n in range(len(rewards))]
            for n, reward in enumerate(rewards):
                status: Status = "failed" if reward is None else "done"
                rollout = attempt(ids[n], task.id, n, right=bool(reward), says=says, status=status)
                await self.records.save_rollout(rollout, "practice")
            verdicts = tuple(
                Verdict(rollout_id=id_, evaluator="number", score=reward, reason=f"compared {SCRIPT}")
                for id_, reward in zip(ids, rewards, strict=True)
            )
            await self.records.save_score(f"group/{step}/{task.id}", Scored(verdicts=verdicts, rewards=tuple(rewards)))
            scored = [reward for reward in rewards if reward is not None]
            kind = "unscored" if not scored else "mixed" if len(set(scored)) > 1 else "all_right"
            kind = "all_wrong" if kind == "all_right" and scored[0] < 0.5 else kind
            group = GroupRecord(
                task_id=task.id,
                kind=kind,
                rewards=tuple(rewards),
                statuses=tuple("failed" if reward is None else "done" for reward in rewards),
                **more,
            )
            await self.records.save_group(step, group)

    async def decided(self, step: int, decision: Decision, bank: Bank, **more: Any) -> None:
        before = self.records.steps[-1].bank if self.records.steps else self.start
        record = StepRecord(
            index=step,
            epoch=step,
            tasks=tuple(task.id for task in self.tasks["practice"]),
            decision=decision,
            bank=bank,
            **more,
        )
        await self.records.commit_step(record, "memory/crates.yaml", before)

    async def holdout(self, bank: Bank, scores: Sequence[float | None], says: str = "h-out") -> None:
        for task, score in zip(self.tasks["holdout"], scores, strict=True):
            id_ = f"holdout/0/{task.id}/0@bank:{bank.digest()}"
            status: Status = "failed" if score is None else "done"
            await self.records.save_rollout(
                attempt(id_, task.id, 0, right=bool(score), says=says, status=status), "holdout"
            )
            verdict = Verdict(rollout_id=id_, evaluator="number", score=score)
            await self.records.save_score(id_, Scored(verdicts=(verdict,), rewards=(score,)))

    async def spent(self, key: CallKey, tokens: int = 300, *, answered: bool = True) -> None:
        journal, _ = await RunJournal.open(self.store, self.id)
        request = Request(messages=(Message(role="user", content="hello"),))
        await journal.sent(key, request, Cost(2 * tokens, None))
        usage = Usage(calls=1, input_tokens=tokens, output_tokens=tokens // 3, usd=None, seconds=2.5)
        if answered:
            await journal.done([(key, Completion(content="hi", usage=usage))])
        else:
            await journal.unanswered(key, Cost(2 * tokens, None))

    async def end(
        self, status: DocumentStatus = "done", before: Sequence[float | None] = (), after: Sequence[float | None] = ()
    ) -> None:
        steps = self.records.steps
        bank = steps[-1].bank if steps else self.start
        same = bank.digest() == self.start.digest()
        found = outcome(tuple((s,) for s in before), tuple((s,) for s in after), 1, same_bank=same)
        usage = await self.store.do(lambda db: usage_by_stage(db, self.id))
        document = Document(
            run_id=self.id,
            status=status,
            agent="solver",
            steps=len(steps),
            tasks=TaskCounts(practice=len(self.tasks["practice"]), validation=6, holdout=len(self.tasks["holdout"])),
            rollouts=rollout_counts(self.records),
            groups=group_counts(self.records),
            edits=edit_counts(steps),
            experiences=experience_lines(bank),
            before=found.before,
            after=found.after,
            delta=found.delta,
            usage=usage_report(usage, 754.0),
            memory="memory/crates.yaml",
            report=None,
        )
        if status == "done" and before:
            await self.records.read_holdout("d" * 16, "before")
        await self.records.update(status, 754.0, document.model_dump(mode="json"))

    async def render(self) -> str:
        return await self.store.do(lambda db: report.render(db, self.id))


def learnt(start: Bank, text: str = TEXT, *, epoch: int = 0, task: str = "p0", id_: str = "e7") -> Bank:
    evidence = tuple(f"practice/{epoch}/{task}/{n}" for n in range(4))
    new = Experience(id=id_, text=text, helpful=5, harmful=1, evidence=evidence)
    return start.model_copy(update={"revision": start.revision + 1, "experiences": (*start.experiences, new)})


def accepted(bank: Bank) -> dict[str, Any]:
    new = bank.experiences[-1]
    edit = Edit(op="add", text=new.text, evidence=new.evidence)
    looks = (
        Look(trials=2, difference=0.25, p=0.04, alpha=0.0036),
        Look(trials=4, difference=1 / 3, p=0.003, alpha=0.0071),
    )
    careful = Proposal(edits=(Edit(op="add", text="Be careful."),), label="teacher-1")
    return {
        "candidates": (careful, Proposal(edits=(edit,), label="facts-1")),
        "edits": (EditRecord(edit=edit, outcome="accepted", detail="+33.3 points", experience=new.id),),
        "decision": Decision(
            outcome="accept",
            reason="+33.3 points over 6 tasks x 4 trials, p = 0.003 <= 0.0071",
            winner=1,
            looks=looks,
            tasks=6,
            before=0.5,
            after=0.8333,
            helpful=5,
            harmful=1,
            power="With these 6 tasks and up to 8 trials a task and bank, a true gain of 40 points is found with 0.81.",
        ),
    }


FACT = Fact(
    feature="called:calculator",
    says="called calculator",
    do="call calculator",
    with_right=41,
    with_n=45,
    without_right=2.5,
    without_n=19,
    difference=0.78,
    ci=(0.61, 0.94),
    p=1e-9,
    q=2e-8,
)


async def full(store: Store, *, says: str = "84", holdout: int = 20) -> Run:
    """A finished run that learnt one lesson, with every outcome of an edit and failures of every sort."""
    old = Bank(
        bank="crates",
        experiences=(Experience(id="e1", text="Answer with the number alone.", evidence=("practice/0/p0/0",)),),
    )
    run = await Run(store, holdout=holdout, start=old).open()
    fault = Failure(stage="advantage", kind="unparsable", message=f"no JSON in the answer {SCRIPT}")
    lesson = Lesson(task_id="p0", text=f"Use the calculator {SCRIPT}", evidence=("practice/0/p0/0",))
    await run.practised(0, (1.0, 0.0, None, 1.0), says=says, lessons=(lesson,), failures=(fault,))
    bank = learnt(old)
    await run.decided(0, bank=bank, facts=(FACT,), failures=(fault,), **accepted(bank))
    refused = [
        EditRecord(edit=Edit(op="revise", id="e99", text="x"), outcome="invalid", detail="e99 is no experience"),
        EditRecord(
            edit=Edit(op="add", text=f"A crate holds {QUOTED}"), outcome="leak", detail=f"8 words of p0 {SCRIPT}"
        ),
        EditRecord(edit=Edit(op="add", text=TEXT), outcome="duplicate", detail="e7 says the same"),
        EditRecord(edit=Edit(op="merge", ids=("e1", "e7"), text="Both."), outcome="indecisive", detail="not settled"),
        EditRecord(edit=Edit(op="retire", id="e1"), outcome="rejected", detail="worse"),
    ]
    await run.practised(1, (1.0, 1.0, 1.0, 0.0), says=says)
    reject = Decision(outcome="reject", reason="futile: -8.3 points", winner=0, tasks=6, before=0.83, after=0.75)
    await run.decided(
        1, reject, bank, edits=tuple(refused), candidates=(Proposal(edits=(refused[4].edit,), label="teacher-1"),)
    )
    before = [0.0 if i % 5 < 3 else 1.0 for i in range(holdout)]
    after = [0.0 if i % 5 == 4 else 1.0 for i in range(holdout)]
    await run.holdout(old, before, says=says)
    await run.holdout(bank, after, says=says)
    await run.spent(CallKey(phase="practice", stage="rollout", task="p0"))
    await run.spent(CallKey(phase="validation", stage="rollout", task="v0"), 900)
    await run.spent(CallKey(phase="practice", stage="merge", task="batch:0"), answered=False)
    await run.end("done", before, after)
    return run


# ---------------------------------------------------------------- reading a page


class Reader(HTMLParser):
    """Checks that tags nest, and keeps tags, attributes and visible text."""

    VOID = frozenset({"meta", "link", "img", "br", "hr", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes <{self.open[-1:]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def read(page: str) -> Reader:
    """The page, parsed; it is whole, loads nothing and runs nothing."""
    reader = Reader()
    reader.feed(page)
    assert not reader.open
    assert "script" not in reader.tags and "img" not in reader.tags and "link" not in reader.tags
    assert not reader.links and not any(name.startswith("on") for name in reader.attributes)
    assert "url(" not in page and "@import" not in page
    return reader


# ---------------------------------------------------------------- what it says


async def test_a_finished_run_says_how_much_better_it_got(tmp_path: Path) -> None:
    async with Store(tmp_path / "db") as store:
        run = await full(store)
        text = read(await run.render()).text
    assert "word-problems done" in text and run.id in text and "llamacpp/qwen2.5-coder-1.5b" in text
    assert "The agent got better: success on 20 holdout tasks went from 40.0 % to 80.0 %, +40.0 points" in text
    assert re.search(r"95 % interval \+\d+\.\d to \+\d+\.\d, p = 0\.0\d+, McNemar exact\)", text)
    assert "Fixed: 12" in text and "Broken: 4" in text and "Right both times: 4" in text
    assert "Wrong both times" not in text
    assert "this holdout was read by 1 run" in text and "has been read by" not in text


async def test_the_memory_says_where_each_lesson_comes_from(tmp_path: Path) -> None:
    async with Store(tmp_path / "db") as store:
        text = read(await (await full(store)).render()).text
    assert "2 experiences of the bank" in text and TEXT in text
    assert "e7 · added in step 1 · 5 validation tasks went better with it, 1 went worse" in text
    assert "1 went worse · drawn from 4 attempts of this run" in text
    assert "e1 · in the bank before this run · no validation task counted for or against it" in text
    assert "against it · drawn from 1 attempt of earlier runs" in text
    assert "A better attempt: reward 1" in text and "A worse attempt: reward 0" in text
    assert 'calculator(expression="12*7")' in text and "tool result 84" in text and "In my head that is 84." in text
    assert text.count("A better attempt: reward") == 1, "e1's evidence is of another run, whose ids look alike"


async def test_each_step_says_what_was_proposed_and_what_became_of_it(tmp_path: Path) -> None:
    async with Store(tmp_path / "db") as store:
        text = read(await (await full(store)).render()).text
    assert "Step 1 of 2" in text and "epoch 1, 8 tasks" in text and "accepted" in text
    assert "Practised 8 groups: 8 mixed . Mean reward 66.7 %" in text.replace("mixed.", "mixed .")
    assert "24 of 32 attempts scored" in text
    assert "called calculator 41 of 45 2.5 of 19 +78.0 +61.0 to +94.0 < 0.001" in text
    assert "facts-1 the winner" in text and "teacher-1" in text
    assert "look 2 4 +33.3 0.003 0.0071" in text and "a true gain of 40 points" in text
    assert "5 tasks better, 1 worse" in text
    for reason, detail in (("invalid", "e99 is no experience"), ("leak", "8 words"), ("duplicate", "e7 says the same")):
        assert f"refused: {reason}" in text and detail in text
    assert "rejected" in text and "indecisive" in text and "merge e1, e7" in text
    assert "9 teacher calls failed" in text and "unparsable" in text


async def test_cost_failures_and_settings(tmp_path: Path) -> None:
    async with Store(tmp_path / "db") as store:
        text = read(await (await full(store)).render()).text
    assert "rollout, practice 1 300 0 100 2.5 s price unknown 0" in text
    assert "merge, practice 0 0 0 0 0 s price unknown 1, charged 600 tokens" in text
    assert "rollout timeout 8" in text, "failed attempts, counted by stage and kind"
    assert "advantage unparsable 9" in text
    assert "You solve word problems." in text and "prompt merge" in text


async def test_nothing_is_loaded_run_or_let_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    async with Store(tmp_path / "db") as store:
        text = SCRIPT + QUOTED
        start = Bank(bank="crates", experiences=(Experience(id="e1", text=text),))
        model = {
            "name": f"openai/x {SCRIPT}",
            "params": {"api_key": KEY, "headers": {"Authorization": f"Bearer {KEY}"}},
        }
        run = await Run(
            store, start=start, fields={"agent: model": model, f"odd {SCRIPT}": text, "agent: name": SCRIPT}
        ).open()
        run.tasks["practice"] = run.tasks["practice"][:1]
        store.now(lambda db: db.execute("UPDATE tasks SET data = replace(data, 'crate', ?)", ["<script>"]))
        store.now(lambda db: db.execute("UPDATE runs SET name = ?", [text]))
        await run.practised(0, (1.0, 0.0, 1.0, 0.0), says=f"{text} {KEY}")
        bank = learnt(start, text)
        await run.decided(0, bank=bank, facts=(FACT.model_copy(update={"says": text}),), **accepted(bank))
        await run.holdout(start, [0.0] * 20, says=text)
        await run.holdout(bank, [1.0] * 20, says=text)
        await run.end("done", [0.0] * 20, [1.0] * 20)
        page = await run.render()
    assert SCRIPT in read(page).text
    assert "<script" not in page and "<img" not in page
    assert KEY not in page and words.HIDDEN in page
    assert "数学" in page


# ---------------------------------------------------------------- runs that are not done, not measured, not scored


@pytest.mark.parametrize("status", ["running", "budget", "interrupted", "failed"])
async def test_the_holdout_is_sealed_until_the_end(tmp_path: Path, status: Any) -> None:
    async with Store(tmp_path / "db") as store:
        run = await Run(store).open()
        await run.holdout(run.start, [1.0, 0.0] * 9 + [None, None], says="sealed-words")
        await run.practised(0, (1.0, 0.0))
        await run.decided(0, Decision(outcome="nothing", reason="nothing was proposed", winner=None), run.start)
        await run.practised(1, (0.0, None))
        if status != "running":
            await run.end(status)
        page = await run.render()
    text = read(page).text
    assert "Not done yet" in text and "Steps decided so far: 1 of 2." in text and "goes on where it stopped" in text
    assert "Step 2 of 2" in text and "under way" in text and "nothing proposed" in text
    assert "sealed-words" not in page and "Fixed" not in text and "h0" not in text
    assert "holdout 18" not in text, "not even how its attempts ended"
    assert "rollout timeout 8" in text, "only the failures in practice"


async def test_a_run_of_which_nothing_was_done(tmp_path: Path) -> None:
    async with Store(tmp_path / "db") as store:
        run = await Run(store, practice=0, holdout=0).open()
        text = read(await run.render()).text
    assert "Steps decided so far: 0." in text and "No step was practised yet." in text
    assert "holds no active experience" in text and "No call was made." in text and "Failures None." in text


async def test_missing_scores_are_counted_and_bounded(tmp_path: Path) -> None:
    async with Store(tmp_path / "db") as store:
        run = await Run(store).open()
        bank = learnt(run.start)
        await run.practised(0, (None, None))
        await run.decided(0, bank=bank, **accepted(bank))
        before, after = [0.0] * 15 + [None] * 5, [1.0] * 19 + [None]
        await run.holdout(run.start, before)
        await run.holdout(bank, after)
        await run.end("done", before, after)
        text = read(await run.render()).text
    assert "5 of 20 attempts before (25.0 %) have no score and are left out; had all of them" in text
    assert "been wrong or right, the mean would be 0.0 to 25.0 %" in text
    assert "1 of 20 attempts after (5.0 %) has no score and is left out." in text
    assert "the change lies between +70.0 and +100.0 points" in text
    assert "Without a score: 5" in text
    assert "8 unscored" in text and "Mean reward not scored" in text


async def test_an_unchanged_bank_was_measured_once(tmp_path: Path) -> None:
    async with Store(tmp_path / "db") as store:
        run = await Run(store).open()
        scores = [1.0] * 12 + [0.0] * 8
        await run.holdout(run.start, scores)
        await run.end("done", scores, scores)
        text = read(await run.render()).text
    assert "No change of the memory was accepted" in text and "success on 20 holdout tasks is 60.0 %" in text
    assert "Right: 12" in text and "Wrong: 8" in text and "both times" not in text


async def test_a_run_without_a_holdout_and_without_a_gate(tmp_path: Path) -> None:
    async with Store(tmp_path / "db") as store:
        run = await Run(store, holdout=0).open()
        await run.practised(0, (1.0, 0.0))
        bank = learnt(run.start)
        more: dict[str, Any] = accepted(bank) | {
            "decision": Decision(outcome="accept", reason="accept.policy is always", winner=0)
        }
        await run.decided(0, bank=bank, **more)
        await run.end()
        text = read(await run.render()).text
    assert "set tasks.holdout. 1 proposal was accepted, untested." in text


async def test_an_evaluation_is_one_score(tmp_path: Path) -> None:
    async with Store(tmp_path / "db") as store:
        run = await Run(store, practice=0, fields={"kind": "eval"}).open()
        scores = [0.25] * 10 + [1.0] * 10
        await run.holdout(run.start, scores)
        await run.end("done", scores, scores)
        text = read(await run.render()).text
    assert "On 20 tasks the mean score is 62.5 %" in text and "Step by step" not in text
    assert "less than 0.5: 10" in text


async def test_a_holdout_that_is_read_often_says_so(tmp_path: Path) -> None:
    async with Store(tmp_path / "db") as store:
        runs = [await Run(store).open() for _ in range(3)]
        for run in runs:
            await run.holdout(run.start, [1.0] * 20)
            await run.end("done", [1.0] * 20, [1.0] * 20)
        run = runs[-1]
        assert "has been read by 3 runs of this workspace" in read(await run.render()).text
        store.now(lambda db: remove_run(db, run.id))
        with pytest.raises(InputError, match="one run of this workspace"):
            await run.render()
        assert store.now(lambda db: db.execute("SELECT count(*) FROM tasks").fetchone()[0]) == 2 * 28


# ---------------------------------------------------------------- size, speed, file


async def test_a_large_run_stays_a_readable_page(tmp_path: Path) -> None:
    long = (SCRIPT + "long text " * 40) * 10
    async with Store(tmp_path / "db") as store:
        run = await Run(store, practice=100, holdout=600).open()
        bank = run.start
        for step in range(5):
            await run.practised(step, (1.0, 0.0, 1.0, 0.0), says=long)
            for n in range(20):
                bank = learnt(bank, f"Lesson {step} {n}: {TEXT}", epoch=step, task=f"p{n}", id_=f"e{20 * step + n + 1}")
            edits = tuple(
                EditRecord(edit=Edit(op="add", text=e.text, evidence=e.evidence), outcome="accepted", experience=e.id)
                for e in bank.experiences[-20:]
            )
            more: dict[str, Any] = accepted(bank) | {"edits": edits}
            await run.decided(step, bank=bank, **more)
        await run.holdout(run.start, [0.0] * 600, says=long)
        await run.holdout(bank, [1.0] * 600, says=long)
        await run.end("done", [0.0] * 600, [1.0] * 600)
        page = await run.render()
    assert 200_000 < len(page.encode()) <= report.LARGEST
    text = read(page).text
    assert re.search(r"\d+ more tasks left out", text) and re.search(r"\d+ more experiences left out", text)
    assert "more characters]" in text


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "reports" / "a.html"
    report.write(path, "one ü")
    report.write(path, "two \ud800")
    assert path.read_text() == "two ?"

    def broken(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(OSError, match="no space"):
        report.write(path, "three")
    assert [file.name for file in path.parent.iterdir()] == ["a.html"] and path.read_text() == "two ?"


# ---------------------------------------------------------------- words and plots


def test_words() -> None:
    assert words.points(-0.0849) == "−8.5" and words.points(0.0001) == "0.0" and words.points(0.5) == "+50.0"
    assert words.p_value(0.0004) == "p < 0.001" and words.p_value(0.0123) == "p = 0.012"
    assert (
        words.duration(59) == "59\u00a0s"
        and words.duration(59.8) == "1\u00a0min"
        and words.duration(3600 + 290) == "1\u00a0h 05\u00a0min"
    )
    assert words.count(1, "task") == "1 task" and words.count(1200, "task") == "1,200 tasks"
    assert words.clip("abcdef", 4) == "abcd … [2 more characters]"
    assert words.tool_call(call(arguments="{oops")) == "calculator({oops)"
    assert words.tool_call(call(arguments="[1]")) == "calculator([1])"
    assert words.setting("x", {"limits.tokens": 3, "api_key": "a", "in": [{"x-api-key": "b"}]}) == (
        '{"limits.tokens": 3, "api_key": "(hidden)", "in": [{"x-api-key": "(hidden)"}]}'
    )


def mean(value: float, low: float, high: float) -> Estimate:
    return Estimate(metric="mean@1", mean=value, ci=(low, high), n=20, trials=1, missing=0)


def test_plots_draw_what_they_are_given() -> None:
    delta = Delta(mean=0.4, ci=(0.1, 0.7), p=0.01, test="McNemar exact")
    plot = plots.before_after(mean(0.4, 0.2, 0.6), mean(0.8, 0.6, 0.9), delta, single=False)
    assert plot.count("<circle") == 3 and "+40.0" in plot
    at = [float(x) for x in re.findall(r'<circle[^>]* cx="([\d.]+)"', plot)]
    assert at[0] < at[1]
    assert plots.before_after(mean(0.4, 0.2, 0.6), None, None, single=True).count("<circle") == 1
    assert plots.before_after(None, None, None, single=False) == plots.learning_curve(()) == plots.cost_bars(()) == ""
    task = HoldoutTask(
        id="t", input="<b>&", answer="", before=0.0, after=1.0, said_before="", said_after="", change="better"
    )
    matrix = plots.task_matrix([task] * 30, single=False)
    assert matrix.count("<rect") == 30 and "&lt;b&gt;&amp;" in matrix and "<b>" not in matrix
    assert plots.compact(12345) == "12.3k" and plots.compact(0) == "0"


async def test_only_the_rollouts_that_are_shown_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 1,600 rollouts a page shows the transcripts of two: parsing all would take longer than all the rest."""
    read_: list[object] = []
    parse = Rollout.model_validate_json
    async with Store(tmp_path / "db") as store:
        run = await Run(store, practice=200, holdout=100).open()
        for step in range(2):
            await run.practised(step, (1.0, 0.0, 1.0, 0.0))
            bank = learnt(run.start)
            await run.decided(step, bank=bank, **accepted(bank))
        monkeypatch.setattr(Rollout, "model_validate_json", lambda data: (read_.append(data), parse(data))[1])
        page = await run.render()
    assert "200 groups" in read(page).text and len(read_) == 2
