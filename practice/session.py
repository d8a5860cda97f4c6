"""From what the user wrote to a run that can begin or go on: inputs, fingerprint, run row, start bank.

Nothing here calls a model. All that can be wrong with the input is found here, before anything is spent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from practice import config, prompt, traces
from practice.agent import Agent
from practice.bankfile import import_bank, take_up
from practice.config import ModelSpec, Settings, Workspace
from practice.errors import InputError
from practice.features import UserFeature, load_features
from practice.judge import Reward, load_reward
from practice.memory import Bank
from practice.model import price_of
from practice.records import (
    RunRow,
    create_run,
    find_runs,
    new_run_id,
)
from practice.store import Database, Store, dumps, now
from practice.task import TaskSet, check_disjoint, load_tasks, near_duplicates, validation_split
from practice.types import Phase, Task

Note = Callable[[str], None]


@dataclass(frozen=True)
class Inputs:
    """All that a run is made of, read and checked."""

    settings: Settings
    workspace: Workspace
    agent: Agent
    reward: Reward
    practice: tuple[Task, ...]
    validation: tuple[Task, ...]
    holdout: tuple[Task, ...]
    bank_path: Path
    fields: Mapping[str, object]
    """What the fingerprint is made of, flat."""
    notes: tuple[str, ...] = ()
    features: tuple[UserFeature, ...] = field(default=())

    @property
    def fingerprint(self) -> str:
        """What makes two runs the same run: a hash of ``fields``."""
        return digest(self.fields)

    @property
    def bank_key(self) -> str:
        """The bank file's name in the database: relative to the workspace where it lies inside."""
        return self.workspace.relative(self.bank_path)

    @property
    def teacher(self) -> ModelSpec:
        """The model that draws lessons: ``teacher.model``, else the agent's own."""
        return self.settings.teacher.model or self.agent.spec.model

    @property
    def holdout_digest(self) -> str:
        """The holdout by content: how often it was read is counted by this, whatever its file is called."""
        return tasks_digest(self.holdout)


def read_inputs(settings: Settings, workspace: Workspace, *, skip_bad: bool = False) -> Inputs:
    """Load and check everything; raises InputError."""
    config.load_env(workspace)
    traces.check(settings.traces)
    sets: dict[str, TaskSet] = {}
    for name in ("practice", "validation", "holdout"):
        ref: str | None = getattr(settings.tasks, name)
        if ref is not None:
            sets[name] = load_tasks(ref, workspace, skip_bad=skip_bad)
    for name in ("practice", "validation"):
        if name in sets and "holdout" in sets:
            check_disjoint(sets[name], sets["holdout"], (f"tasks.{name}", "tasks.holdout"))
    practice, validation, holdout = (
        sets[name].tasks if name in sets else () for name in ("practice", "validation", "holdout")
    )
    heldout = settings.accept.policy == "heldout"
    if heldout and not validation:
        practice, validation = validation_split(practice, settings.accept.fraction, settings.practice.seed)
    if not practice:
        raise InputError(
            "at least one task to practise on after the validation tasks are set aside",
            found=f"{len(validation)} task(s) in all",
            file=settings.tasks.practice,
            key="tasks.practice",
        )
    agent = Agent.from_yaml(workspace.path(settings.agent), workspace=workspace)
    agent = agent.with_seconds(min(agent.spec.limits.seconds, settings.rollouts.timeout))
    reward = load_reward(settings, workspace, (*practice, *validation, *holdout))
    features = load_features(settings.practice.features, workspace)
    _check_prices(settings, agent)
    return Inputs(
        settings=settings,
        workspace=workspace,
        agent=agent,
        reward=reward,
        practice=practice,
        validation=validation if heldout else (),
        holdout=holdout,
        bank_path=workspace.path(settings.memory.bank),
        fields=_fields(settings, agent, reward, practice, validation, holdout, features),
        notes=tuple(_notes(tuple(sets.values()), practice, validation, holdout)),
        features=tuple(features),
    )


def _fields(
    settings: Settings,
    agent: Agent,
    reward: Reward,
    practice: Sequence[Task],
    validation: Sequence[Task],
    holdout: Sequence[Task],
    features: Sequence[Callable[..., object]],
) -> dict[str, object]:
    return {
        **config.fingerprint_fields(settings),
        **{f"agent: {key}": value for key, value in agent.fingerprint().items()},
        **{f"reward: {key}": value for key, value in reward.fingerprint().items()},
        **{f"feature {feature.__name__}": source_digest(feature) for feature in features},
        **{f"prompt {name}": digest for name, digest in prompt.hashes().items()},
        "tasks.practice: content": tasks_digest(practice),
        "tasks.validation: content": tasks_digest(validation),
        "tasks.holdout: content": tasks_digest(holdout),
    }


def source_digest(function: Callable[..., object]) -> str:
    """Hash of the file that a user's function comes from."""
    return hashlib.sha256(Path(function.__code__.co_filename).read_bytes()).hexdigest()[:16]


def digest(value: object) -> str:
    """A short hash of a JSON value."""
    return hashlib.sha256(dumps(value).encode()).hexdigest()[:16]


def tasks_digest(tasks: Sequence[Task]) -> str:
    """A short hash of tasks, in order."""
    return digest([task.model_dump(mode="json") for task in tasks])


def _check_prices(settings: Settings, agent: Agent) -> None:
    """A ceiling in usd can only be kept where every model has a price."""
    if settings.budget.usd is None:
        return
    own = config.load_prices(agent.workspace.root)
    models: list[tuple[str | None, str, ModelSpec | None]] = [
        *((part.file or settings.agent, "model", part.spec.model) for part in agent.team),
        (None, "teacher.model", settings.teacher.model),
        *((None, f"judge.panel.{i}.model", judge.model) for i, judge in enumerate(settings.judge.panel)),
        (None, "judge.holdout.model", settings.judge.holdout.model),
    ]
    for file, key, spec in models:
        if spec is not None and not spec.name.startswith("llamacpp/") and price_of(config.priced(spec, own)) is None:
            raise InputError(
                "a price for every model where budget.usd is set: give the model as a mapping with "
                f"price: {{input: …, output: …}} in usd per million tokens, or write it into {config.PRICES_FILE}",
                found=f"no price known for {spec.name}",
                file=file,
                key=f"{key}.price",
            )


def _notes(
    sets: Sequence[TaskSet], practice: Sequence[Task], validation: Sequence[Task], holdout: Sequence[Task]
) -> Iterator[str]:
    for tasks in sets:
        yield from tasks.notes
    pairs = near_duplicates((*practice, *validation), holdout) if holdout else ()
    if pairs:
        yield f"{len(pairs)} holdout task(s) are near-duplicates of practice tasks; the first: {pairs[0][1].id}"


# ---------------------------------------------------------------------- the run's row


@dataclass(frozen=True)
class Opened:
    """The run that this command is about."""

    row: RunRow
    finished: bool
    resumed: bool


def open_run(store: Store, inputs: Inputs, *, fresh: bool, note: Note, start: Bank | None = None) -> Opened:
    """Find the run of this fingerprint, or begin a new one from ``start``, else from the bank file as it stands."""
    runs = store.now(find_runs)
    same = [row for row in runs if row.fingerprint == inputs.fingerprint]
    if same and not fresh:
        row = same[0]
        if row.status != "done":
            store.now(lambda db: take_up(db, inputs.bank_path, inputs.bank_key, row.id, note))
        return Opened(row, finished=row.status == "done", resumed=row.status != "done")
    if not fresh:
        unfinished = [row for row in runs if row.status != "done" and row.name == inputs.settings.name]
        if unfinished:
            change = config.describe_change(unfinished[0].fields, inputs.fields)
            note(f"a new run, because {change}; unfinished: {unfinished[0].id}")
    bank = start or store.now(lambda db: import_bank(db, inputs.bank_path, inputs.bank_key, note))
    tasks: dict[Phase, Sequence[Task]] = {
        "practice": inputs.practice,
        "validation": inputs.validation,
        "holdout": inputs.holdout,
    }
    name, fields = inputs.settings.name, inputs.fields
    row = store.now(lambda db: begin(db, name, inputs.fingerprint, fields, bank, tasks))
    return Opened(row, finished=False, resumed=False)


async def find_or_begin(
    store: Store,
    name: str,
    fields: Mapping[str, object],
    bank: Bank,
    tasks: Mapping[Phase, Sequence[Task]],
    *,
    fresh: bool,
) -> RunRow:
    """The run of these ``fields``, else a new one: for what has no bank file to take up (an evaluation, a judging)."""
    fingerprint = digest(fields)
    known = await store.do(lambda db: find_runs(db, fingerprint))
    if known and not fresh:
        return known[0]
    return await store.do(lambda db: begin(db, name, fingerprint, fields, bank, tasks))


def begin(
    db: Database,
    name: str,
    fingerprint: str,
    fields: Mapping[str, object],
    bank: Bank,
    tasks: Mapping[Phase, Sequence[Task]],
) -> RunRow:
    """A new run, from ``bank``, with its tasks."""
    row = RunRow(
        id=new_run_id(),
        name=name,
        fingerprint=fingerprint,
        fields=dict(fields),
        status="running",
        created=now(),
        updated=now(),
        seconds=0.0,
        start_bank=bank,
        document=None,
    )
    create_run(db, row, tasks)
    return row
