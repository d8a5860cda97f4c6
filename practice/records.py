"""A run's rows: what was done, scored, learnt and decided. Read back whole when a run goes on.

The database comes first, the bank file second: a decision is one transaction (its step, its edits, the bank's
new revision), and only then is the YAML file written.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from practice.history import Revision as Revision
from practice.history import bank_at as bank_at
from practice.history import bank_history as bank_history
from practice.history import highest_id as highest_id
from practice.history import load_bank as load_bank
from practice.history import save_bank as save_bank
from practice.judge import Agreement, Bout, Support
from practice.memory import Bank
from practice.store import Database, Store, dumps, now
from practice.types import (
    Advantage,
    Decision,
    Edit,
    Fact,
    Failure,
    Lesson,
    Phase,
    Proposal,
    Rollout,
    Task,
    Value,
    Verdict,
)

EditOutcome = Literal["accepted", "rejected", "indecisive", "invalid", "leak", "duplicate"]
RunStatus = Literal["running", "done", "budget", "interrupted", "failed"]


class Scored(Value):
    """The verdicts on a group (or on one rollout) and the rewards that follow from them."""

    verdicts: tuple[Verdict, ...]
    rewards: tuple[float | None, ...]
    counted: tuple[tuple[int, int], ...] | None = None
    bouts: tuple[Bout, ...] = ()
    """Pairs as they met, where one judge compared them."""


class GroupRecord(Value):
    """What one practised group gave."""

    task_id: str
    kind: Literal["mixed", "all_right", "all_wrong", "abstained", "unscored"]
    rewards: tuple[float | None, ...]
    statuses: tuple[str, ...]
    advantage: Advantage | None = None
    lessons: tuple[Lesson, ...] = ()
    failures: tuple[Failure, ...] = ()
    """Teacher calls that failed: the group then teaches less, and says so."""
    note: str = ""
    agreement: Agreement | None = None
    """How far its judges agreed; None where no gate was at work."""


class EditRecord(Value):
    """One proposed edit and what became of it."""

    edit: Edit
    outcome: EditOutcome
    detail: str = ""
    experience: str | None = None
    """The id that the edit made or changed."""
    support: Support | None = None
    """How far judges agreed on its evidence; None where a verifier decided."""


class StepRecord(Value):
    """One batch: what it saw, what was proposed, what was decided, and the bank that follows."""

    index: int
    epoch: int
    tasks: tuple[str, ...]
    facts: tuple[Fact, ...] = ()
    candidates: tuple[Proposal, ...] = ()
    edits: tuple[EditRecord, ...] = ()
    decision: Decision
    bank: Bank
    seconds: float = 0.0
    failures: tuple[Failure, ...] = ()
    prompts: dict[str, str] = Field(default_factory=dict)
    """Hashes of the prompt templates used."""


class RunRow(Value):
    """One row of ``runs``."""

    id: str
    name: str
    fingerprint: str
    fields: dict[str, object]
    status: RunStatus
    created: str
    updated: str
    seconds: float
    start_bank: Bank
    document: dict[str, object] | None


def new_run_id() -> str:
    """``20260102-030405-ab12``: sorts by time, unique in a workspace. Nothing that is sent depends on it."""
    return time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + secrets.token_hex(2)


_RUN = "id, name, fingerprint, fields, status, created, updated, seconds, start_bank, document"


def _row(row: Sequence[object]) -> RunRow:
    values = dict(zip(_RUN.split(", "), row, strict=True))
    for key in ("fields", "document", "start_bank"):
        text = values[key]
        values[key] = None if text is None else json.loads(str(text))
    return RunRow.model_validate(values)


def find_runs(db: Database, fingerprint: str | None = None) -> list[RunRow]:
    """The runs of this workspace, newest first."""
    where, values = ("WHERE fingerprint = ?", [fingerprint]) if fingerprint else ("", [])
    rows = db.execute(f"SELECT {_RUN} FROM runs {where} ORDER BY rowid DESC", values).fetchall()
    return [_row(row) for row in rows]


def find_run(db: Database, run: str) -> RunRow | None:
    """The run of this id, or of this unambiguous beginning of an id.

    ``last`` is the newest that practised or evaluated: judgings and samples are left out.
    """
    runs = find_runs(db)
    if run == "last":
        return next((row for row in runs if row.fields.get("kind") not in ("judge", "sample")), None)
    matches = [row for row in runs if row.id == run] or [row for row in runs if row.id.startswith(run)]
    return matches[0] if len(matches) == 1 else None


def create_run(db: Database, row: RunRow, tasks: Mapping[Phase, Sequence[Task]] | None = None) -> None:
    """Begin a run. Its tasks are kept with it, so that what was done can be read without the task files."""
    db.execute(
        f"INSERT INTO runs ({_RUN}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
        [
            *(row.id, row.name, row.fingerprint, dumps(row.fields), row.status, row.created, row.updated),
            *(row.seconds, row.start_bank.model_dump_json()),
        ],
    )
    for phase, of in (tasks or {}).items():
        for task in of:
            values = (row.id, phase, task.id, task.model_dump_json())
            db.execute("INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?)", values)


def run_tasks(db: Database, run: str) -> dict[tuple[Phase, str], Task]:
    """A run's tasks by phase and id; empty for a run of a database that did not keep them."""
    rows = db.execute("SELECT phase, id, data FROM tasks WHERE run = ?", [run]).fetchall()
    return {(phase, id_): Task.model_validate_json(data) for phase, id_, data in rows}


def save_note(db: Database, run: str, key: str, value: object) -> None:
    """Keep a JSON value with a run, beside its document; it replaces what stood under ``key``."""
    db.execute("UPDATE runs SET notes = json_set(notes, '$.' || ?, json(?)) WHERE id = ?", [key, dumps(value), run])


def find_notes(db: Database, run: str) -> dict[str, Any]:
    """All that :func:`save_note` kept with a run, by key."""
    row = db.execute("SELECT notes FROM runs WHERE id = ?", [run]).fetchone()
    return {} if row is None else json.loads(row[0])


def save_prediction(db: Database, run: str, of: str, prediction: Mapping[str, object]) -> None:
    """Keep what the sample ``run`` says of the run whose fingerprint is ``of``."""
    save_note(db, run, "of", of)
    save_note(db, run, "prediction", prediction)


def find_prediction(db: Database, run: str) -> tuple[str, dict[str, object]] | None:
    """(The sample's id, its prediction) for ``run``: the newest that was made before the run began; None without."""
    row = db.execute(
        "SELECT sample.id, json_extract(sample.notes, '$.prediction') FROM runs AS sample, runs AS run"
        " WHERE run.id = ? AND json_extract(sample.notes, '$.of') = run.fingerprint AND sample.rowid < run.rowid"
        " ORDER BY sample.rowid DESC LIMIT 1",
        [run],
    ).fetchone()
    return None if row is None else (str(row[0]), json.loads(row[1]))


def remove_run(db: Database, run: str) -> None:
    """Forget a run's rows; the bank's history stays."""
    for table in ("calls", "rollouts", "scores", "groups", "steps", "edits", "tasks", "labels"):
        db.execute(f"DELETE FROM {table} WHERE run = ?", [run])
    db.execute("DELETE FROM runs WHERE id = ?", [run])


class Records:
    """One run's rows, held in memory as far as they are read again."""

    def __init__(self, store: Store, run: str) -> None:
        self.store, self.run = store, run
        self.rollouts: dict[str, Rollout] = {}
        self.scores: dict[str, Scored] = {}
        self.groups: dict[tuple[int, str], GroupRecord] = {}
        self.steps: list[StepRecord] = []

    @classmethod
    async def load(cls, store: Store, run: str, *, retry_failed: bool = False) -> Records:
        """All that a run has done. ``retry_failed``: forget rollouts that failed after the last decision.

        A run that stopped because the endpoint was down tries those again; those of decided batches stay.
        """
        records = cls(store, run)

        def read(db: Database) -> None:
            for step, task, data in db.execute("SELECT step, task, data FROM groups WHERE run = ?", [run]):
                records.groups[step, task] = GroupRecord.model_validate_json(data)
            for (data,) in db.execute("SELECT data FROM steps WHERE run = ? ORDER BY step", [run]):
                records.steps.append(StepRecord.model_validate_json(data))
            for id_, data in db.execute("SELECT id, data FROM rollouts WHERE run = ?", [run]):
                records.rollouts[id_] = Rollout.model_validate_json(data)
            for id_, data in db.execute("SELECT id, data FROM scores WHERE run = ?", [run]):
                records.scores[id_] = Scored.model_validate_json(data)

        await store.do(read)
        if retry_failed:
            await records._forget_failed()
        return records

    async def _forget_failed(self) -> None:
        decided = len(self.steps)
        epoch = self.steps[-1].epoch if self.steps else 0
        grouped = {(step, task) for step, task in self.groups if step >= decided}
        settled = {(str(step.epoch), task) for step in self.steps for task in step.tasks}
        failed = [
            rollout.id
            for rollout in self.rollouts.values()
            if rollout.status == "failed"
            and not (rollout.id.startswith("practice/") and (rollout.id.split("/")[1], rollout.task_id) in settled)
        ]
        redone = {self.rollouts[id_].task_id for id_ in failed}
        stale = [
            id_ for id_ in self.scores if id_.startswith(("group/", "audit/")) and int(id_.split("/", 2)[1]) >= decided
        ]

        def delete(db: Database) -> None:
            for id_ in failed:
                db.execute("DELETE FROM rollouts WHERE run = ? AND id = ?", [self.run, id_])
                db.execute("DELETE FROM scores WHERE run = ? AND id = ?", [self.run, id_])
            for step, task in grouped:
                db.execute("DELETE FROM groups WHERE run = ? AND step = ? AND task = ?", [self.run, step, task])
            for id_ in stale:
                db.execute("DELETE FROM scores WHERE run = ? AND id = ?", [self.run, id_])
            for task in redone:  # what was said of a group with a failed attempt was said of another group
                db.execute(
                    "UPDATE calls SET state = 'forgotten' WHERE run = ? AND task = ? AND state = 'done'"
                    " AND phase = 'practice' AND epoch >= ? AND stage IN ('judge', 'summary', 'advantage')",
                    [self.run, task, epoch],
                )

        await self.store.do(delete)
        for id_ in failed:
            del self.rollouts[id_]
            self.scores.pop(id_, None)
        for place in grouped:
            del self.groups[place]
        for id_ in stale:
            del self.scores[id_]

    async def save_rollout(self, rollout: Rollout, phase: Phase) -> None:
        """Commit an attempt; once it is here it is never run again."""
        values = (self.run, rollout.id, phase, rollout.task_id, rollout.status, rollout.model_dump_json())
        await self.store.do(lambda db: db.execute("INSERT OR REPLACE INTO rollouts VALUES (?, ?, ?, ?, ?, ?)", values))
        self.rollouts[rollout.id] = rollout

    async def save_score(self, id_: str, scored: Scored) -> None:
        """Commit the verdicts on ``id_``: a rollout's id, or ``group/<step>/<task>`` for a practised group."""
        values = (self.run, id_, scored.model_dump_json())
        await self.store.do(lambda db: db.execute("INSERT OR REPLACE INTO scores VALUES (?, ?, ?)", values))
        self.scores[id_] = scored

    async def save_group(self, step: int, record: GroupRecord) -> None:
        """Commit what the group of one task gave in batch ``step``, its lessons included."""
        values = (self.run, step, record.task_id, record.kind, record.model_dump_json())
        await self.store.do(lambda db: db.execute("INSERT OR REPLACE INTO groups VALUES (?, ?, ?, ?, ?)", values))
        self.groups[step, record.task_id] = record

    async def commit_step(self, step: StepRecord, bank_path: str, before: Bank) -> StepRecord:
        """The decision, its edits and the bank's revision, in one transaction; the step as it was written.

        Where another run has written this bank since, its lessons show as retired and the revision goes on from
        its: no two banks of a history have one number.
        """

        def write(db: Database) -> StepRecord:
            head, written = before, step
            row = db.execute("SELECT data, run FROM banks WHERE path = ?", [bank_path]).fetchone()
            if row is not None and row[1] not in (None, self.run):
                head = Bank.model_validate_json(row[0])
                if head.experiences != step.bank.experiences:
                    bank = step.bank.model_copy(update={"revision": head.revision + 1})
                    written = step.model_copy(update={"bank": bank})
            _write_step(db, self.run, written)
            save_bank(db, bank_path, head, written.bank, run=self.run)
            return written

        written = await self.store.do(write)
        self.steps.append(written)
        return written

    async def read_holdout(self, digest: str, when: Literal["before", "after"]) -> None:
        """Note that this run has looked at this holdout."""
        row = (digest, self.run, when, now())
        await self.store.do(lambda db: db.execute("INSERT OR IGNORE INTO holdout_reads VALUES (?, ?, ?, ?)", row))

    async def holdout_reads(self, digest: str) -> int:
        """How many runs of this workspace have read this holdout."""
        query = "SELECT count(DISTINCT run) FROM holdout_reads WHERE holdout = ?"
        return await self.store.do(lambda db: int(db.execute(query, [digest]).fetchone()[0]))

    async def update(self, status: RunStatus, seconds: float, document: Mapping[str, object] | None = None) -> None:
        """Note the run's status and its wall ``seconds`` over all processes; a document replaces the one before."""
        text = None if document is None else dumps(document)
        await self.store.do(
            lambda db: db.execute(
                "UPDATE runs SET status = ?, updated = ?, seconds = ?, document = coalesce(?, document) WHERE id = ?",
                [status, now(), seconds, text, self.run],
            )
        )


# ---------------------------------------------------------------------- edits


def _write_step(db: Database, run: str, step: StepRecord) -> None:
    values = (run, step.index, step.decision.outcome, step.model_dump_json(), step.bank.model_dump_json())
    db.execute("INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?)", values)
    for position, record in enumerate(step.edits):
        target = record.experience or record.edit.id
        row = (run, step.index, position, record.edit.op, target, record.edit.text, record.outcome)
        db.execute(
            "INSERT OR REPLACE INTO edits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, record.detail, record.model_dump_json()),
        )


def proposed_edits(db: Database, run: str) -> list[EditRecord]:
    """Every edit that a run proposed, in order, with what became of it."""
    rows = db.execute("SELECT data FROM edits WHERE run = ? ORDER BY step, position", [run]).fetchall()
    return [EditRecord.model_validate_json(row[0]) for row in rows]


def experience_support(db: Database, path: str) -> dict[str, tuple[Support, ...]]:
    """How far judges agreed on what each experience of the bank at ``path`` was drawn from, oldest first."""
    query = (
        "SELECT edits.target, edits.data FROM edits JOIN (SELECT DISTINCT run, id FROM revisions WHERE bank = ?) AS r"
        " ON r.run = edits.run AND r.id = edits.target ORDER BY edits.run, edits.step, edits.position"
    )
    found: dict[str, tuple[Support, ...]] = {}
    for id_, data in db.execute(query, [path]).fetchall():
        support = EditRecord.model_validate_json(data).support
        if support is not None:
            found[id_] = (*found.get(id_, ()), support)
    return found
