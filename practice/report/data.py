"""A run's rows, read for its report: everything that the page shows, and nothing of a sealed holdout."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import cast, get_args

from practice import labels, stats
from practice.calibration import Calibration, calibrate
from practice.document import Document
from practice.errors import InputError
from practice.records import GroupRecord, RunRow, Scored, StepRecord, find_run, run_tasks
from practice.report import words
from practice.report.answer import answer
from practice.report.lessons import lessons
from practice.report.rows import rows
from practice.report.values import CostLine, FailureLine, Heading, ModelLine, Page, RolloutLine, StepView, TaskLine
from practice.store import Database, usage_by
from practice.types import Failure, Phase, Stage, Task, Usage

Tasks = Mapping[tuple[Phase, str], Task]

PHASES: tuple[Phase, ...] = get_args(Phase)
STAGES: tuple[Stage, ...] = get_args(Stage)
_STATUS = {
    "running": "not finished",
    "done": "done",
    "budget": "stopped by the budget",
    "interrupted": "interrupted",
    "failed": "failed",
}


def collect(db: Database, run_id: str) -> Page:
    """Everything that the report of a run shows. Raises InputError for an unknown run."""
    row = find_run(db, run_id)
    if row is None:
        raise InputError("the id of one run of this workspace", found=repr(run_id), key="run")
    tasks = run_tasks(db, row.id)
    steps = [
        StepRecord.model_validate_json(data)
        for (data,) in rows(db, "SELECT data FROM steps WHERE run = ? ORDER BY step", row.id)
    ]
    groups = _groups(db, row.id)
    planned = _planned(row, tasks)
    bank = steps[-1].bank if steps else row.start_bank
    shown: tuple[Phase, ...] = PHASES if row.status == "done" else ("practice", "validation")
    settings, hashes = _settings(row.fields)
    return Page(
        heading=_heading(row),
        answer=answer(db, row, steps, planned, tasks),
        lessons=lessons(db, row, bank, steps, groups, tasks),
        candidates=bank.candidates,
        retired=len(bank.of("retired")),
        texts={experience.id: experience.text for experience in bank.experiences},
        bank=bank.bank,
        steps=tuple(_steps(steps, groups, tasks)),
        planned=planned,
        costs=_costs(db, row.id),
        models=_models(db, row),
        rollouts=_rollouts(db, row.id, shown),
        failures=_failures(db, row.id, shown, steps, groups),
        settings=settings,
        hashes=hashes,
        calibration=_calibration(db, row),
        judges=_judges(row),
        predicted=None if row.document is None else Document.model_validate(row.document).predicted,
    )


def _calibration(db: Database, row: RunRow) -> Calibration | None:
    """Of a finished run; what was labelled of one that goes on again waits until it is done."""
    said = labels.labels_of(db, row.id)
    if not said or row.status != "done":
        return None
    return calibrate(labels.items_of(db, row), said, labels.seed_of(row))


def _judges(row: RunRow) -> str:
    errors = None if row.document is None else Document.model_validate(row.document).judges
    return "" if errors is None else f"The judges {errors.sentence}."


def _heading(row: RunRow) -> Heading:
    model, teacher = row.fields.get("agent: model"), row.fields.get("teacher.model")
    return Heading(
        id=row.id,
        name=row.name,
        status=row.status,
        words=_STATUS[row.status],
        agent=str(row.fields.get("agent: name", "")),
        model=_model(model),
        teacher=_model(teacher) if teacher else "",
        created=words.moment(row.created),
        seconds=row.seconds,
        evaluation=row.fields.get("kind") == "eval",
    )


def _model(field: object) -> str:
    """A model's name, given as text or as a mapping."""
    if isinstance(field, Mapping):
        return str(cast("Mapping[str, object]", field).get("name", ""))
    return "" if field is None else str(field)


def _planned(row: RunRow, tasks: Tasks) -> int | None:
    """Steps that the run is planned for: epochs x batches."""
    epochs, size = row.fields.get("practice.epochs"), row.fields.get("practice.batch_size")
    n = sum(phase == "practice" for phase, _ in tasks)
    if not isinstance(epochs, int) or not isinstance(size, int) or size < 1 or n < 1:
        return None
    return epochs * -(-n // size)


def _settings(fields: Mapping[str, object]) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """What a person set, and the hashes that only a program compares."""
    settings: list[tuple[str, str]] = []
    hashes: list[tuple[str, str]] = []
    for name, value in fields.items():
        is_hash = name.startswith(("prompt ", "feature ", "agent: tool ", "reward: ")) or name.endswith(": content")
        (hashes if is_hash else settings).append((name, words.setting(name, value)))
    return tuple(settings), tuple(hashes)


# ---------------------------------------------------------------- steps


def _groups(db: Database, run: str) -> dict[int, list[GroupRecord]]:
    found: dict[int, list[GroupRecord]] = defaultdict(list)
    for step, data in rows(db, "SELECT step, data FROM groups WHERE run = ? ORDER BY step, task", run):
        found[int(step)].append(GroupRecord.model_validate_json(data))
    return found


def _steps(
    steps: Sequence[StepRecord], groups: Mapping[int, Sequence[GroupRecord]], tasks: Tasks
) -> Iterable[StepView]:
    """The decided steps, then the batch under way, as far as it got."""
    for step in steps:
        place = {task: n for n, task in enumerate(step.tasks)}
        own = sorted(groups.get(step.index, ()), key=lambda group: place.get(group.task_id, len(place)))
        yield _step(step.index, step, own, tasks)
    for index in sorted(groups):
        if index >= len(steps):
            yield _step(index, None, groups[index], tasks)


def _step(index: int, record: StepRecord | None, groups: Sequence[GroupRecord], tasks: Tasks) -> StepView:
    kinds = Counter(group.kind for group in groups)
    order = ("mixed", "all_right", "all_wrong", "abstained", "unscored")
    rewards = [reward for group in groups for reward in group.rewards]
    return StepView(
        number=index + 1,
        record=record,
        groups=tuple(groups),
        kinds=tuple((kind, kinds[kind]) for kind in order if kinds[kind]),
        mean=stats.estimate([group.rewards for group in groups], metric="reward"),
        scored=sum(reward is not None for reward in rewards),
        attempts=len(rewards),
        tasks=tuple(_task_line(group, tasks.get(("practice", group.task_id))) for group in groups),
        failures=_tally([*(f for group in groups for f in group.failures), *(record.failures if record else ())]),
    )


def _task_line(group: GroupRecord, task: Task | None) -> TaskLine:
    return TaskLine(
        id=group.task_id,
        input=task.input if task else "",
        kind=group.kind,
        rewards=group.rewards,
        note=group.note,
    )


# ---------------------------------------------------------------- costs and failures


def _costs(db: Database, run: str) -> tuple[CostLine, ...]:
    """What calls cost, by stage and phase; ``usd`` is None where a price is unknown."""
    query = (
        "SELECT stage, phase, sum(state = 'done'), total(input_tokens), total(output_tokens), total(cached_tokens),"
        " total(usd), sum((state = 'done' AND usd IS NULL) OR lost_usd IS NULL), total(seconds),"
        " sum(state != 'done'), total(lost_tokens), total(reasoning_tokens)"
        " FROM calls WHERE run = ? GROUP BY stage, phase"
    )
    lines = [
        CostLine(
            stage=row[0],
            phase=row[1],
            usage=Usage(
                calls=row[2],
                input_tokens=int(row[3]),
                output_tokens=int(row[4]),
                cached_tokens=int(row[5]),
                reasoning_tokens=int(row[11]),
                usd=None if row[7] else float(row[6]),
                seconds=float(row[8]),
            ),
            lost=row[9],
            lost_tokens=int(row[10]),
        )
        for row in rows(db, query, run)
    ]
    return tuple(sorted(lines, key=lambda line: (STAGES.index(line.stage), PHASES.index(line.phase))))


def _models(db: Database, row: RunRow) -> tuple[ModelLine, ...]:
    """What answered calls cost, by model and by who asked it: the agent by name, else the stage."""
    agent = str(row.fields.get("agent: name", "")) or "rollout"
    return tuple(
        ModelLine(model=model, who=f"agent {agent}" if stage == "rollout" else stage, usage=usage)
        for (model, stage), usage in usage_by(db, row.id, "model", "stage")
    )


def _rollouts(db: Database, run: str, shown: Sequence[Phase]) -> tuple[RolloutLine, ...]:
    query = (
        "SELECT phase, status, CASE status WHEN 'limit' THEN json_extract(data, '$.limit') END, count(*)"
        " FROM rollouts WHERE run = ? GROUP BY 1, 2, 3"
    )
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    limits: dict[str, Counter[str]] = defaultdict(Counter)
    for phase, status, limit, n in rows(db, query, run):
        counts[phase][status] += n
        if status == "limit":
            limits[phase][str(limit or "unnamed")] += n
    return tuple(
        RolloutLine(
            phase=phase,
            done=counts[phase]["done"],
            limit=counts[phase]["limit"],
            failed=counts[phase]["failed"],
            limits=", ".join(f"{name} {n}" for name, n in limits[phase].most_common()),
        )
        for phase in shown
        if phase in counts
    )


def _failures(
    db: Database,
    run: str,
    shown: Sequence[Phase],
    steps: Sequence[StepRecord],
    groups: Mapping[int, Sequence[GroupRecord]],
) -> tuple[FailureLine, ...]:
    """Failures of rollouts, verdicts and teacher calls, counted by stage and kind."""
    found: list[Failure] = [failure for step in steps for failure in step.failures]
    found += [failure for of in groups.values() for group in of for failure in group.failures]
    marks = ", ".join("?" * len(shown))
    query = (
        "SELECT json_extract(data, '$.failure') FROM rollouts"
        f" WHERE run = ? AND status = 'failed' AND phase IN ({marks})"
    )
    failed = rows(db, query, run, *shown)
    found += [Failure.model_validate_json(data) for (data,) in failed if data is not None]
    query = "SELECT id, data FROM scores WHERE run = ? AND data LIKE '%\"failure\":{%'"
    for id_, data in rows(db, query, run):
        if "holdout" in shown or not str(id_).startswith("holdout/"):
            verdicts = Scored.model_validate_json(data).verdicts
            found += [verdict.failure for verdict in verdicts if verdict.failure is not None]
    return _tally(found)


def _tally(failures: Iterable[Failure]) -> tuple[FailureLine, ...]:
    """Counted by stage and kind, the most frequent first."""
    kinds: dict[tuple[str, str], list[Failure]] = defaultdict(list)
    for failure in failures:
        kinds[failure.stage, failure.kind].append(failure)
    lines = [
        FailureLine(stage=stage, kind=kind, n=len(alike), example=alike[0].message)
        for (stage, kind), alike in kinds.items()
    ]
    return tuple(sorted(lines, key=lambda line: (-line.n, line.stage, line.kind)))
