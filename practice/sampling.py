"""``practice run --dry-run --sample N``: a few practice tasks, tried and studied as the run would, to predict the run.

The sample is a run of its own, durable like any: the same command makes no call again. Each of N tasks gets a whole
group of attempts under the bank file as it stands, its verdicts and the teacher's contrast, and the lessons of all are
merged once. Nothing is decided and no bank changes; validation and holdout tasks are not touched.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from practice import advantage
from practice.accept import Gate
from practice.calls import gather
from practice.document import Document
from practice.duels import calls_a_pair
from practice.engine import Engine, Options
from practice.errors import InputError, boundary
from practice.loop import Batch, Practice, Practised, behaviour, screen, study
from practice.memory import Bank
from practice.prediction import Attempt, Outline, Prediction, Sample, Sampled, predict
from practice.records import GroupRecord, Records, find_notes, save_note, save_prediction
from practice.runner import PracticeRun, work_of
from practice.session import Inputs, find_or_begin, tasks_digest
from practice.store import Database, Store, usage_by
from practice.task import draw
from practice.types import CallKey, Failure, Phase, Task, Usage, Value

__all__ = ["LEAST", "sample"]

LEAST = 2
"""Tasks of a sample: fewer give no interval."""


class _Went(Value):
    """What a sample saw besides its rows."""

    arms: int
    """Candidates that passed the checks."""
    words: float
    """What one of them adds to the prompt, on average."""
    pace: float
    """Wall seconds for each second that a call was waited for."""
    startup: float
    """Wall seconds before the first call."""


async def sample(inputs: Inputs, n: int, options: Options) -> tuple[Document, Prediction | None]:
    """Try ``n`` practice tasks and predict the run of ``inputs``; the prediction is kept for that run's end.

    None where the sample did not come to its end (a budget, an interrupt, a dead endpoint): the document says which,
    and the same call goes on. Raises InputError where there are fewer tasks.
    """
    if not LEAST <= n <= len(inputs.practice):
        raise InputError(
            f"a number of tasks from {LEAST} to {len(inputs.practice)}, as many as there are to practise on",
            found=str(n),
            file=inputs.settings.tasks.practice,
            key="--sample",
        )
    tasks = draw(inputs.practice, n, inputs.settings.practice.seed)
    bank = Bank.load(inputs.bank_path)
    fields = {"kind": "sample", **inputs.fields, "tasks.practice: content": tasks_digest(tasks), "bank": bank.digest()}
    own = replace(inputs, practice=tasks, validation=(), holdout=(), fields=fields)
    async with Store(inputs.workspace.db) as store:
        sets: Mapping[Phase, Sequence[Task]] = {"practice": tasks}
        row = await find_or_begin(store, f"{inputs.settings.name}-sample", fields, bank, sets, fresh=options.fresh)
        if row.status == "done" and row.document is not None:
            document = Document.model_validate(row.document)
        else:
            async with Engine(store, row, work_of(own), options) as engine:
                document = await _Sampling(own, engine).go()
        if document.status != "done":
            return document, None
        records = await Records.load(store, row.id)
        tried = await store.do(lambda db: _tried(db, row.id, records))
        prediction = predict(_outline(inputs), tried, inputs.settings.practice.seed)
        await store.do(lambda db: save_prediction(db, row.id, inputs.fingerprint, prediction.model_dump(mode="json")))
        return document, prediction


class _Sampling:
    """One process's share of a sample."""

    def __init__(self, inputs: Inputs, engine: Engine) -> None:
        self.inputs, self.engine = inputs, engine

    async def go(self) -> Document:
        run = PracticeRun(self.inputs, self.engine)
        practice = await run.practice()
        self.engine.options.progress.steps = 0  # nothing is decided
        return await self.engine.finish(lambda: self._work(practice), run.end)

    async def _work(self, p: Practice) -> Practised:
        await self._warm()
        startup, began = self.engine.budget.elapsed - self.engine.row.seconds, time.monotonic()
        added = await self._try(p)
        waited = sum(usage.seconds for usage in self.engine.calls.usage.values())
        pace = (time.monotonic() - began) / waited if waited else 1.0
        words = sum(added) / len(added) if added else 0.0
        went = _Went(arms=len(added), words=words, pace=pace, startup=startup).model_dump(mode="json")
        await self.engine.store.do(lambda db: save_note(db, self.engine.row.id, "went", went))
        return Practised(p.start, (), ())

    async def _warm(self) -> None:
        """What takes its time once, at the start of any run: imports, and the weights of a local model."""
        roller = self.engine.roller
        _ = roller.agent.graph
        if roller.endpoint.start is not None:
            await roller.endpoint.start()

    async def _try(self, p: Practice) -> list[int]:
        """Practise as a batch does, up to its candidates; the words that each of those that pass the checks adds."""
        batch, bank = Batch(0, 0, 0, p.practice), p.start
        p.progress.enter(f"sampling {len(p.practice)} tasks", len(p.practice) * p.settings.rollouts.group_size)
        studied = await gather(*(study(p, batch, task, bank, ()) for task in p.practice))
        p.history += [group for group, _ in studied]
        lessons = [lesson for _, group in studied for lesson in group.lessons]
        key = CallKey(phase="practice", stage="merge", task=_BATCH)
        specs, facts = p.roller.agent.tool_specs, behaviour(p)
        p.progress.enter(f"merging {len(lessons)} lesson(s)", 0)
        failures: list[Failure] = []
        with boundary("merge", failures.append):
            proposals = await advantage.propose(
                p.teacher, key, bank, lessons, facts, p.history, p.settings, specs=specs, user=p.own_features
            )
            return [_words(arm.bank) - _words(bank) for arm in screen(p, bank, proposals)[0]]
        self.engine.options.note(f"the sample's lessons could not be merged: {failures[0].message}; merges are guessed")
        return []


_BATCH = "batch:0"


def _words(bank: Bank) -> int:
    return sum(len(experience.text.split()) for experience in bank.active)


def _outline(inputs: Inputs) -> Outline:
    settings, reward, memory = inputs.settings, inputs.reward, inputs.settings.memory
    gate, places = settings.accept, settings.rollouts.concurrency
    outline = Outline(
        tasks=len(inputs.practice),
        validation=len(inputs.validation),
        holdout=len(inputs.holdout),
        epochs=settings.practice.epochs,
        batch_size=settings.practice.batch_size,
        group_size=settings.rollouts.group_size,
        trials=settings.evaluate.trials,
        candidates=gate.candidates,
        max_words=memory.max_words,
        max_experiences=memory.max_experiences if memory.inject == "all" else memory.inject.retrieve,
        gate=None,
        parallel=max(1, min(places, inputs.agent.spec.model.concurrency or places)),
    )
    if reward.judged:

        def calls(tasks: Sequence[Task], phase: Phase) -> int:
            return max((calls_a_pair(reward, task, phase) for task in tasks), default=0)

        outline = replace(outline, ballots=calls(inputs.practice, "practice"), sealed=calls(inputs.holdout, "holdout"))
    if gate.policy != "heldout":
        return outline
    steps, paired = len(outline.batches), reward.judged
    own = Gate(alpha=gate.alpha, steps=steps, trials=gate.trials, max_trials=gate.max_trials, paired=paired)
    return replace(outline, gate=own)


def _tried(db: Database, run: str, records: Records) -> Sample:
    """What the sample's rows say."""
    by = dict(usage_by(db, run, "stage", "task"))
    went = _Went.model_validate(find_notes(db, run)["went"])

    def spent(task: str, *stages: str) -> Usage:
        return sum((by.get((stage, task), Usage()) for stage in stages), Usage())

    tasks = tuple(
        Sampled(
            rolled=spent(group.task_id, "rollout"),
            judged=spent(group.task_id, "judge"),
            taught=spent(group.task_id, "summary", "advantage"),
            attempts=_attempts(records, group),
        )
        for group in records.groups.values()
    )
    return Sample(tasks, spent(_BATCH, "merge"), went.arms, max(0.0, went.words), went.pace, went.startup)


def _attempts(records: Records, group: GroupRecord) -> tuple[Attempt, ...]:
    found: list[Attempt] = []
    for number, reward in enumerate(group.rewards):
        usage = records.rollouts[f"practice/0/{group.task_id}/{number}"].usage
        if reward is not None:
            found.append(Attempt(reward, usage.calls, usage.input_tokens + usage.output_tokens))
    return tuple(found)
