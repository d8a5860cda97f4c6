"""Opens an overfit, measures, practises, measures again. Durable like a practice run, of which it is one.

It is a run of the loop under settings of its own: the gate always accepts (there is nothing to generalise to), no
validation and no holdout, an empty memory at the start and a bank of its own at the end. The leak check stays on:
whether the memory can hold an answer is no question, whether it can hold the way there is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from practice import config
from practice.bankfile import bank_lock
from practice.config import Settings, TasksConfig, Workspace
from practice.document import Document
from practice.engine import Engine, Options
from practice.errors import InputError
from practice.heldout import trials
from practice.loop import Practised, practise
from practice.memory import Bank
from practice.overfit.result import AspectName, AspectResult, Overfit, Solved, TaskResult
from practice.overfit.said import content
from practice.overfit.shown import aspects
from practice.overfit.verdict import Chain, advice_on, link_of, sentence
from practice.records import Records, save_note
from practice.rollout import bank_tag
from practice.runner import PracticeRun, work_of
from practice.session import Inputs, open_run, read_inputs, tasks_digest
from practice.stats import mantel_haenszel
from practice.store import Store
from practice.task import draw
from practice.types import Rollout

__all__ = ["EPOCHS", "TRIALS", "choose", "overfit", "overfit_settings"]

EPOCHS = 3
"""Epochs where ``--set`` gives none and the settings have fewer."""
TRIALS = 8
"""Attempts a task, before and after, where ``--set`` gives none and the settings have fewer."""


async def overfit(
    n: int,
    settings: Path | None = None,
    *,
    workspace: Workspace,
    sets: Sequence[str] = (),
    options: Options | None = None,
) -> Overfit:
    """Practise on ``n`` tasks on purpose, or go on where an equal overfit stopped.

    Args:
        n: How many practice tasks; those of smallest sha256(seed, id).
        settings: The ``practice.yaml``; None is the workspace's.
        workspace: Where.
        sets: ``--set`` of the command line.
        options: As a run has them.

    Raises InputError for wrong input. A budget, an interrupt and a dead endpoint end in a document with that status.
    """
    options = options or Options()
    inputs = choose(n, settings, workspace=workspace, sets=sets, skip_bad=options.skip_bad)
    for note in inputs.notes:
        options.note(note)
    with bank_lock(inputs.bank_path):
        async with Store(workspace.db) as store:
            start = Bank(bank=inputs.bank_path.stem)
            opened = await asyncio.to_thread(
                open_run, store, inputs, fresh=options.fresh, note=options.note, start=start
            )
            if opened.finished and opened.row.document is not None:
                options.note(f"run {opened.row.id} is finished: nothing was called; --fresh begins a new one")
                document = Document.model_validate(opened.row.document)
                return await _kept(store, conclude(inputs, document, await Records.load(store, opened.row.id), start))
            if opened.resumed:
                options.note(f"going on with run {opened.row.id}")
            async with Engine(store, opened.row, work_of(inputs), options) as engine:
                return await _Overfit(inputs, engine).go()


def choose(
    n: int,
    settings: Path | None = None,
    *,
    workspace: Workspace,
    sets: Sequence[str] = (),
    skip_bad: bool = False,
) -> Inputs:
    """All that an overfit is made of, read and checked. Raises InputError, also where there are fewer tasks."""
    own = overfit_settings(config.load_settings(settings, sets, workspace), sets)
    inputs = read_inputs(own, workspace, skip_bad=skip_bad)
    if not 1 <= n <= len(inputs.practice):
        raise InputError(
            f"a number of tasks from 1 to {len(inputs.practice)}, as many as there are to practise on",
            found=str(n),
            file=own.tasks.practice,
            key="N",
        )
    tasks = draw(inputs.practice, n, own.practice.seed)
    # The tasks that were not chosen are no part of the run: more of them in the file change nothing.
    fields = {"kind": "overfit", **inputs.fields, "tasks.practice: content": tasks_digest(tasks)}
    return replace(inputs, practice=tasks, fields=fields)


def overfit_settings(settings: Settings, sets: Sequence[str] = ()) -> Settings:
    """The settings of an overfit: those of the run but for the gate, the sets of tasks, the bank and the name.

    Epochs and trials are at least :data:`EPOCHS` and :data:`TRIALS` unless ``sets`` gives them: a configuration for
    many tasks needs few of either.
    """
    keys = {text.partition("=")[0].strip() for text in sets}
    practice, evaluate = settings.practice, settings.evaluate
    if not keys & {"practice", "practice.epochs"}:
        practice = practice.model_copy(update={"epochs": max(practice.epochs, EPOCHS)})
    if not keys & {"evaluate", "evaluate.trials"}:
        evaluate = evaluate.model_copy(update={"trials": max(evaluate.trials, TRIALS)})
    bank = PurePosixPath(settings.memory.bank)
    own: Mapping[str, Any] = {
        "name": f"{settings.name}-overfit",
        "tasks": TasksConfig(practice=settings.tasks.practice),
        "practice": practice,
        "evaluate": evaluate,
        "accept": settings.accept.model_copy(update={"policy": "always"}),
        "memory": settings.memory.model_copy(update={"bank": str(bank.with_stem(f"{bank.stem}-overfit"))}),
    }
    values = {key: getattr(settings, key) for key in type(settings).model_fields}
    return Settings.model_construct(_fields_set=set(settings.model_fields_set), **{**values, **own})


class _Overfit:
    """One process's share of an overfit."""

    def __init__(self, inputs: Inputs, engine: Engine) -> None:
        self.inputs, self.engine = inputs, engine

    async def go(self) -> Overfit:
        run, start = PracticeRun(self.inputs, self.engine), self.engine.row.start_bank
        practice = await run.practice()

        async def work() -> Practised:
            before = await self._measure(start, "before")
            if all(score is not None and score >= 0.5 for scores in before for score in scores):
                return Practised(start, (), ())  # nothing is left to learn, so nothing is spent on it
            practised = await practise(practice)
            await self._measure(practised.bank, "after")
            return practised

        document = await self.engine.finish(work, run.end)
        return await _kept(self.engine.store, conclude(self.inputs, document, self.engine.records, start))

    async def _measure(self, bank: Bank, when: str) -> Sequence[Sequence[float | None]]:
        """The tasks with ``bank`` in the prompt; a bank that is as it was is not measured again."""
        engine, evaluate, tasks = self.engine, self.inputs.settings.evaluate, self.inputs.practice
        engine.options.progress.enter(f"{when} practice", len(tasks) * evaluate.trials)
        return await trials(engine.roller, bank, tasks, "holdout", evaluate.trials, evaluate.temperature)


async def _kept(store: Store, found: Overfit) -> Overfit:
    """Kept with the run, for those who ask for it later without its settings."""
    await store.do(lambda db: save_note(db, found.run_id, "overfit", found.model_dump(mode="json")))
    return found


def conclude(inputs: Inputs, document: Document, records: Records, start: Bank) -> Overfit:
    """The document of an overfit, from its rows: the same for the run that made them and for any later one."""
    bank = records.steps[-1].bank if records.steps else start
    tried = [_attempts(records, of) for of in (start, bank)]
    done = document.status == "done"
    tasks = tuple(
        TaskResult(
            id=task.id,
            input=task.input,
            before=_solved(records, tried[0].get(task.id, ())),
            after=_solved(records, tried[1].get(task.id, ())) if done else None,
        )
        for task in inputs.practice
    )
    before = _sum([task.before for task in tasks])
    after = _sum([task.after for task in tasks if task.after]) if done else None
    rights = [[_rights(records, side.get(task.id, ())) for side in tried] for task in inputs.practice]
    p = _p(rights) if done else None
    floor = _p([([0.0] * len(one), [1.0] * len(two)) for one, two in rights]) if done else None
    found = _aspects(inputs, bank, tried) if done else {}
    lessons = sum(len(group.lessons) for group in records.groups.values())
    chain = Chain(document, lessons, before, after, p, floor, found)
    return Overfit(
        **{key: getattr(document, key) for key in _SHARED},
        link=link_of(chain),
        verdict=sentence(chain),
        advice=advice_on(chain),
        tasks=tasks,
        trials=inputs.settings.evaluate.trials,
        before=before,
        after=after,
        p=p,
        aspects=found,
        memory=document.memory if records.steps else None,
    )


Attempts = Mapping[str, Sequence[Rollout]]
"""Task id -> its measured attempts, in order."""


def _aspects(inputs: Inputs, bank: Bank, tried: Sequence[Attempts]) -> dict[AspectName, AspectResult]:
    texts = (inputs.agent.instructions, *(task.input for task in inputs.practice))
    before, after = ([rollout for of in side.values() for rollout in of] for side in tried)
    known = {word for text in texts for word in content(text)}
    return aspects(bank.active, before, after, known, inputs.agent.tool_specs, inputs.features)


_SHARED = ("run_id", "status", "agent", "steps", "rollouts", "groups", "edits", "experiences", "usage", "report")


def _attempts(records: Records, bank: Bank) -> Attempts:
    mark = f"@{bank_tag(bank)}"
    found: dict[str, list[Rollout]] = {}
    for id_, rollout in records.rollouts.items():
        if id_.startswith("holdout/") and id_.endswith(mark):
            found.setdefault(rollout.task_id, []).append(rollout)
    return {task: tuple(sorted(of, key=lambda rollout: rollout.attempt)) for task, of in found.items()}


def _rights(records: Records, rollouts: Sequence[Rollout]) -> list[float]:
    """1 for a right attempt, 0 for a wrong one; those without a score are left out."""
    scores = [records.scores[rollout.id].rewards[0] for rollout in rollouts if rollout.id in records.scores]
    return [float(score >= 0.5) for score in scores if score is not None]


def _solved(records: Records, rollouts: Sequence[Rollout]) -> Solved:
    rights = _rights(records, rollouts)
    return Solved(right=int(sum(rights)), attempts=len(rights), missing=len(rollouts) - len(rights))


def _sum(parts: Sequence[Solved]) -> Solved:
    return Solved(
        right=sum(part.right for part in parts),
        attempts=sum(part.attempts for part in parts),
        missing=sum(part.missing for part in parts),
    )


def _p(tasks: Sequence[Sequence[Sequence[float]]]) -> float | None:
    """Of after against before; ``tasks`` holds (before, after) a task. None where no task has both."""
    strata = [(after, before) for before, after in tasks if before and after]
    return mantel_haenszel(strata).p if strata else None
