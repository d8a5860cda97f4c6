"""``practice run --dry-run --sample N``: a few practice tasks, tried and studied as the run would, to predict the run.

The sample is a run of its own, durable like any: the same command makes no call again. Each of N tasks gets a whole
group of attempts under the bank file as it stands, its verdicts and the teacher's contrast, and the lessons of all are
merged once. Nothing is decided and no bank changes; validation and holdout tasks are not touched.
"""

from __future__ import annotations

from dataclasses import replace

from practice import advantage
from practice.accept import Gate
from practice.calls import gather
from practice.document import Document
from practice.engine import Engine, Options
from practice.errors import InputError
from practice.loop import Batch, Practice, Practised, behaviour, study
from practice.memory import Bank
from practice.prediction import Outline, Prediction, Sampled, predict
from practice.records import GroupRecord, Records, save_prediction
from practice.runner import PracticeRun, work_of
from practice.session import Inputs, find_or_begin, tasks_digest
from practice.store import Database, Store, usage_by
from practice.task import draw
from practice.types import CallKey, Usage

__all__ = ["LEAST", "sample"]

LEAST = 2
"""Tasks of a sample: fewer give no interval."""


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
        name, sets = f"{inputs.settings.name}-sample", {"practice": tasks}
        row = await find_or_begin(store, name, fields, bank, sets, fresh=options.fresh)
        if row.status == "done" and row.document is not None:
            document = Document.model_validate(row.document)
        else:
            async with Engine(store, row, work_of(own), options) as engine:
                document = await _Sample(own, engine).go()
        if document.status != "done":
            return document, None
        records = await Records.load(store, row.id)
        costs = await store.do(lambda db: _costs(db, row.id, records, document.usage.seconds))
        prediction = predict(_outline(inputs), *costs, inputs.settings.practice.seed)
        await store.do(lambda db: save_prediction(db, row.id, inputs.fingerprint, prediction.model_dump(mode="json")))
        return document, prediction


class _Sample:
    """One process's share of a sample."""

    def __init__(self, inputs: Inputs, engine: Engine) -> None:
        self.inputs, self.engine = inputs, engine

    async def go(self) -> Document:
        run = PracticeRun(self.inputs, self.engine)
        practice = await run.practice()
        return await self.engine.finish(lambda: self._work(practice), run.end)

    async def _work(self, p: Practice) -> Practised:
        batch, bank = Batch(0, 0, 0, p.practice), p.start
        size = p.settings.rollouts.group_size
        p.progress.enter(f"sampling {len(p.practice)} tasks", len(p.practice) * size)
        studied = await gather(*(study(p, batch, task, bank, ()) for task in p.practice))
        p.history += [group for group, _ in studied]
        lessons = [lesson for _, group in studied for lesson in group.lessons]
        key = CallKey(phase="practice", stage="merge", task="batch:0")
        specs, facts = p.roller.agent.tool_specs, behaviour(p)
        p.progress.enter(f"merging {len(lessons)} lesson(s)", 0)
        await advantage.propose(
            p.teacher, key, bank, lessons, facts, p.history, p.settings, specs=specs, user=p.own_features
        )
        return Practised(bank, (), ())


def _outline(inputs: Inputs) -> Outline:
    settings = inputs.settings
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
        max_words=settings.memory.max_words,
        max_experiences=settings.memory.max_experiences,
        gate=None,
        parallel=max(1, min(places, inputs.agent.spec.model.concurrency or places)),
    )
    if gate.policy != "heldout":
        return outline
    paired = inputs.reward.judged
    return replace(
        outline,
        gate=Gate(alpha=gate.alpha, steps=outline.steps, trials=gate.trials, max_trials=gate.max_trials, paired=paired),
    )


def _costs(db: Database, run: str, records: Records, seconds: float) -> tuple[list[Sampled], Usage, int, float]:
    """The sampled tasks, what the merge took, how many candidates it asked the teacher for, and wall seconds."""
    by = dict(usage_by(db, run, "stage", "task"))

    def spent(task: str, *stages: str) -> Usage:
        return sum((by.get((stage, task), Usage()) for stage in stages), Usage())

    sampled = [
        Sampled(
            tried=spent(group.task_id, "rollout", "judge"),
            taught=spent(group.task_id, "summary", "advantage"),
            score=_mean(group),
        )
        for group in records.groups.values()
    ]
    merged = spent("batch:0", "merge")
    return sampled, merged, merged.calls, seconds


def _mean(group: GroupRecord) -> float:
    scored = [reward for reward in group.rewards if reward is not None]
    return sum(scored) / len(scored) if scored else 0.5
