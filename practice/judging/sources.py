"""What is judged: groups of rollouts, from a run of the workspace or from a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, Field, ValidationError, field_validator

from practice.config import Closed, neighbour
from practice.errors import InputError, nearest
from practice.records import RunRow, Scored, run_tasks
from practice.store import Database
from practice.types import Rollout, Step, Task, Value

__all__ = ["JudgedGroup", "groups_of_run", "read_rollouts"]


class JudgedGroup(Value):
    """One query's rollouts."""

    id: str
    task: Task
    rollouts: tuple[Rollout, ...]
    truth: tuple[float | None, ...]
    """Aligned with ``rollouts``; None where it is not known."""

    @property
    def names(self) -> tuple[str, ...]:
        """The rollouts' ids without what they share: unique in the group."""
        return tuple(rollout.id.removeprefix(f"{self.id}/") for rollout in self.rollouts)


# ---------------------------------------------------------------- a run of the workspace


def groups_of_run(db: Database, run: RunRow) -> tuple[JudgedGroup, ...]:
    """The groups that a run practised in its first epoch, in task order: one a task, so that queries are independent.

    Truth is the reward of a verifier; where judges gave it, it is not known. Raises InputError for a run without
    practised groups.
    """
    tasks = {id_: task for (phase, id_), task in run_tasks(db, run.id).items() if phase == "practice"}
    rows = db.execute("SELECT id, data FROM rollouts WHERE run = ? AND phase = 'practice'", [run.id]).fetchall()
    by_task: dict[str, list[Rollout]] = {}
    for id_, data in rows:
        rollout = Rollout.model_validate_json(data)
        if str(id_).startswith(f"practice/0/{rollout.task_id}/"):
            made_by = rollout.made_by or _made_by(run)
            by_task.setdefault(rollout.task_id, []).append(rollout.model_copy(update={"made_by": made_by}))
    truth = _truth(db, run, tasks)
    groups: list[JudgedGroup] = []
    for id_, task in tasks.items():
        rollouts = tuple(sorted(by_task.get(id_, ()), key=lambda rollout: rollout.attempt))
        if len(rollouts) > 1:
            known = truth.get(id_, {})
            truths = tuple(known.get(rollout.id) for rollout in rollouts)
            groups.append(JudgedGroup(id=id_, task=task, rollouts=rollouts, truth=truths))
    if not groups:
        raise InputError("a run with practised groups of two attempts or more", found=f"none in {run.id}", key="RUN")
    return tuple(groups)


def _truth(db: Database, run: RunRow, tasks: Mapping[str, Task]) -> dict[str, dict[str, float | None]]:
    """Task -> rollout -> reward, for the tasks whose reward no judge gave."""
    reward = run.fields.get("reward")
    stages = [reward] if isinstance(reward, str) else cast("list[str]", reward or [])
    found: dict[str, dict[str, float | None]] = {}
    for id_, data in db.execute("SELECT id, data FROM scores WHERE run = ? AND id LIKE 'group/%'", [run.id]).fetchall():
        name = str(id_).split("/", 2)[2]
        task = tasks.get(name)
        deciding = [task.verifier] if task is not None and task.verifier else stages
        if task is None or not deciding or {"judge", "rubric"} & set(deciding):
            continue
        scored = Scored.model_validate_json(data)
        ids = dict.fromkeys(verdict.rollout_id for verdict in scored.verdicts)
        if name not in found and len(ids) == len(scored.rewards):
            found[name] = dict(zip(ids, scored.rewards, strict=True))
    return found


def _made_by(run: RunRow) -> str | None:
    """The model of a run whose rollouts do not name it."""
    model: object = run.fields.get("agent: model")
    return str(cast("dict[str, object]", model).get("name")) if isinstance(model, dict) else None


# ---------------------------------------------------------------- a file of rollouts


class _Line(Closed):
    """One rollout as a file has it."""

    group_id: str | int
    rollout_id: str | int
    input: str = Field(min_length=1)
    output: str
    steps: tuple[str | dict[str, Any], ...] = ()
    truth: bool | float | None = Field(default=None)
    rubric: str | None = None
    model: str | None = None

    @field_validator("truth")
    @classmethod
    def _check_truth(cls, value: bool | float | None) -> float | None:
        if value is not None and not 0 <= value <= 1:
            raise ValueError("a number from 0 to 1, true, false or null")
        return None if value is None else float(value)


def read_rollouts(path: Path) -> tuple[JudgedGroup, ...]:
    """The groups of a JSONL file, in the order in which they begin; lines of one group may stand anywhere.

    A line holds ``group_id, rollout_id, input, output`` and, where they are known, ``steps`` (texts, or mappings of
    ``content, tool_calls, results``), ``truth`` (0 to 1), ``rubric`` and ``model`` (who made it). Raises InputError
    with the line for anything else, for an id that stands twice and for a group with two inputs.
    """
    if not path.is_file():
        raise InputError("a JSONL file of rollouts", found="none there", file=str(path), nearest=neighbour(path))
    lines: dict[str, list[_Line]] = {}
    for number, raw in enumerate(path.read_bytes().splitlines(), 1):
        if raw.strip():
            line = _line(raw, str(path), number)
            known = lines.setdefault(str(line.group_id), [])
            _check_twins(line, known, str(path), number)
            known.append(line)
    if not lines:
        raise InputError("at least one rollout", found="an empty file", file=str(path))
    return tuple(_group(id_, rows) for id_, rows in lines.items())


def _line(raw: bytes, file: str, number: int) -> _Line:
    try:
        data: object = json.loads(raw)
    except ValueError:
        raise InputError("a JSON object a line", found=repr(raw[:40])[1:], file=file, line=number) from None
    if not isinstance(data, dict):
        raise InputError("a JSON object a line", found=type(data).__name__, file=file, line=number)
    try:
        line = _Line.model_validate(data)
    except ValidationError as error:
        raise _wrong(error, _Line, "", file, number) from None
    for index, step in enumerate(line.steps):
        try:
            _step(index, step)
        except ValidationError as error:
            raise _wrong(error, Step, f"steps.{index}.", file, number) from None
    return line


def _wrong(error: ValidationError, schema: type[BaseModel], prefix: str, file: str, number: int) -> InputError:
    """The first thing that is wrong; an unknown key first, since a misspelled key is also a missing one."""
    details = error.errors(include_url=False)
    first = min(details, key=lambda detail: detail["type"] != "extra_forbidden")
    name = ".".join(str(part) for part in first["loc"] if part not in ("str", "int", "bool", "float"))
    fields = list(schema.model_fields)
    if first["type"] == "extra_forbidden":
        expected, found = f"one of {', '.join(fields)}", repr(name)
        return InputError(
            expected, found=found, file=file, line=number, key=prefix + name, nearest=nearest(name, fields)
        )
    found = "nothing" if first["type"] == "missing" else repr(first.get("input"))[:60]
    return InputError(first["msg"], found=found, file=file, line=number, key=prefix + name)


def _check_twins(line: _Line, known: list[_Line], file: str, number: int) -> None:
    for other in known:
        if str(other.rollout_id) == str(line.rollout_id):
            found = f"{line.rollout_id} twice in group {line.group_id}"
            raise InputError("a rollout_id of its own", found=found, file=file, line=number, key="rollout_id")
        if (other.input, other.rubric) != (line.input, line.rubric):
            key = "input" if other.input != line.input else "rubric"
            expected = f"one {key} for all rollouts of group {line.group_id}"
            raise InputError(expected, found="another one", file=file, line=number, key=key)


def _step(index: int, step: str | dict[str, Any]) -> Step:
    fields = {"content": step} if isinstance(step, str) else step
    return Step.model_validate({"index": index, **fields})


def _group(id_: str, lines: list[_Line]) -> JudgedGroup:
    rollouts = tuple(
        Rollout(
            id=f"{id_}/{line.rollout_id}",
            task_id=id_,
            attempt=attempt,
            steps=tuple(_step(index, step) for index, step in enumerate(line.steps)),
            output=line.output,
            status="done",
            made_by=line.model,
        )
        for attempt, line in enumerate(lines)
    )
    task = Task(id=id_, input=lines[0].input, rubric=lines[0].rubric)
    truth = tuple(cast("float | None", line.truth) for line in lines)
    return JudgedGroup(id=id_, task=task, rollouts=rollouts, truth=truth)
