"""``run``: opens everything that the algorithm needs, runs it, closes with a document. Resumable at any instant."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from practice import config, report
from practice.accept import Gate
from practice.bankfile import bank_lock, publish
from practice.config import Settings, Workspace
from practice.document import (
    Document,
    DocumentStatus,
    Outcome,
    TaskCounts,
    edit_counts,
    experience_lines,
    group_counts,
    judge_figures,
    outcome,
    rollout_counts,
    usage_report,
)
from practice.engine import Engine, Options, Work
from practice.judged import judged
from practice.loop import Practice, Practised, planned_steps, practise
from practice.memory import Bank, LeakIndex
from practice.prediction import Foretold, Prediction, check
from practice.records import find_prediction, highest_id
from practice.session import Inputs, open_run, read_inputs
from practice.store import Store, usage_by_stage
from practice.types import Stage, Usage


async def run(
    settings: Settings | Path | str | None = None,
    *,
    workspace: Workspace | Path | str | None = None,
    sets: Sequence[str] = (),
    options: Options | None = None,
) -> Document:
    """Practise as a ``practice.yaml`` says, or go on where an equal run stopped; returns its document.

    Raises InputError for wrong input. A budget, an interrupt and a dead endpoint end in a document with that
    status: everything paid for is kept, and the same call goes on.
    """
    options = options or Options()
    if isinstance(workspace, Workspace):
        place = workspace
    else:
        given = None if workspace is None else Path(workspace)
        file = None if settings is None or isinstance(settings, Settings) else Path(settings)
        place = config.choose_workspace(given, file, Path.cwd())
    if not isinstance(settings, Settings):
        settings = config.load_settings(None if settings is None else Path(settings), sets, place)
    inputs = read_inputs(settings, place, skip_bad=options.skip_bad)
    for note in inputs.notes:
        options.note(note)
    with bank_lock(inputs.bank_path):
        async with Store(place.db) as store:
            opened = await asyncio.to_thread(open_run, store, inputs, fresh=options.fresh, note=options.note)
            if opened.finished and opened.row.document is not None:
                options.note(f"run {opened.row.id} is finished: nothing was called; --fresh begins a new one")
                return Document.model_validate(opened.row.document)
            if opened.resumed:
                options.note(f"going on with run {opened.row.id}")
            async with Engine(store, opened.row, work_of(inputs), options) as engine:
                return await PracticeRun(inputs, engine).go()


def work_of(inputs: Inputs) -> Work:
    """What the engine is told of a run's inputs."""
    settings = inputs.settings
    inject = settings.memory.inject
    return Work(
        agent=inputs.agent,
        reward=inputs.reward,
        teacher=inputs.teacher,
        seed=settings.practice.seed,
        concurrency=settings.rollouts.concurrency,
        timeout=settings.rollouts.timeout,
        retrieve=None if inject == "all" else inject.retrieve,
        budget=settings.budget,
        traces=settings.traces,
    )


class PracticeRun:
    """One process's share of a practice run."""

    def __init__(self, inputs: Inputs, engine: Engine) -> None:
        self.inputs, self.engine = inputs, engine

    async def go(self) -> Document:
        """Practise; whatever stops it, the document of what was done."""
        practice = await self.practice()
        return await self.engine.finish(lambda: practise(practice), self.end)

    async def practice(self) -> Practice:
        """What the algorithm works on."""
        inputs, engine, settings = self.inputs, self.engine, self.inputs.settings
        tasks = (*inputs.practice, *inputs.validation, *inputs.holdout)
        steps = planned_steps(settings, len(inputs.practice))
        engine.options.progress.steps = steps
        accept = settings.accept
        return Practice(
            settings=settings,
            roller=engine.roller,
            teacher=engine.ask(None),
            practice=inputs.practice,
            validation=inputs.validation,
            holdout=inputs.holdout,
            start=engine.row.start_bank,
            records=engine.records,
            leaks=LeakIndex(tasks, inputs.agent.instructions),
            progress=engine.options.progress,
            publish=self._publish,
            bank_key=inputs.bank_key,
            reserved=await engine.store.do(lambda db: highest_id(db, inputs.bank_key)),
            own_features=inputs.features,
            judged=inputs.reward.judged,
            gate=Gate(
                alpha=accept.alpha,
                steps=steps,
                trials=accept.trials,
                max_trials=accept.max_trials,
                paired=inputs.reward.judged,
            ),
        )

    async def _publish(self, bank: Bank) -> None:
        inputs, note = self.inputs, self.engine.options.note
        await self.engine.store.do(lambda db: publish(db, inputs.bank_path, inputs.bank_key, bank, note))

    async def end(self, status: DocumentStatus, practised: Practised | None = None) -> Document:
        """Keep the run's status, its document and its report."""
        inputs, engine, records = self.inputs, self.engine, self.engine.records
        steps = records.steps
        bank = practised.bank if practised else (steps[-1].bank if steps else engine.row.start_bank)
        found, word = Outcome(), None
        if practised:
            same = bank.digest() == engine.row.start_bank.digest()
            trials, by_judges = inputs.settings.evaluate.trials, inputs.reward.judged
            found = outcome(practised.before, practised.after, trials, same_bank=same, judged=by_judges)
            if by_judges and inputs.holdout:
                banks = (engine.row.start_bank, bank)
                wins, even = practised.after, practised.even
                word = judged(engine.roller, inputs.teacher, banks, inputs.holdout, wins, even)
            await self._note_holdout(same)
        usage = await engine.store.do(lambda db: usage_by_stage(db, engine.row.id))
        path = inputs.workspace.reports / f"{engine.row.id}.html"
        document = Document(
            run_id=engine.row.id,
            status=status,
            agent=inputs.agent.spec.name,
            steps=len(steps),
            tasks=TaskCounts(
                practice=len(inputs.practice), validation=len(inputs.validation), holdout=len(inputs.holdout)
            ),
            rollouts=rollout_counts(records),
            groups=group_counts(records),
            edits=edit_counts(steps),
            experiences=experience_lines(bank),
            before=found.before,
            after=found.after,
            delta=found.delta,
            usage=usage_report(usage, engine.budget.elapsed),
            judges=judge_figures(records),
            memory=inputs.bank_key,
            report=inputs.workspace.relative(path),
            judged=word,
            predicted=await self._predicted(usage) if practised else None,
        )
        await records.update(status, engine.budget.elapsed, document.model_dump(mode="json"))
        try:
            page = await engine.store.do(lambda db: report.render(db, engine.row.id))
            await asyncio.to_thread(report.write, path, page)
        except Exception as error:  # the run is done and kept; `practice report` makes the page again
            engine.options.note(f"the report could not be written: {type(error).__name__}: {error}")
        return document

    async def _predicted(self, usage: Mapping[Stage, Usage]) -> Foretold | None:
        """What a sample had said of this run before it began, against what came; None where there was none."""
        engine = self.engine
        found = await engine.store.do(lambda db: find_prediction(db, engine.row.id))
        if found is None:
            return None
        sample, said = found[0], Prediction.model_validate(found[1])
        figures = check(said, sum(usage.values(), Usage()), engine.budget.elapsed)
        return Foretold(sample=sample, tasks=said.tasks, sampled=said.sampled, figures=figures)

    async def _note_holdout(self, same: bool) -> None:
        if not self.inputs.holdout:
            return
        digest = self.inputs.holdout_digest
        await self.engine.records.read_holdout(digest, "before")
        if not same:
            await self.engine.records.read_holdout(digest, "after")
