"""The database of a workspace: SQLite in WAL mode, one writer thread, group commits.

Everything that costs money is in here before it is used. All access goes through one thread that owns the
connection: operations that queue up while a transaction is being committed share the next one
(BEGIN IMMEDIATE, each operation in its own savepoint), so that a thousand concurrent calls cost a few commits.
"""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from practice.budget import Cost
from practice.errors import RunError
from practice.types import CallKey, Completion, Request, Stage, Usage

if TYPE_CHECKING:
    import sqlite3

    import sqlite_utils

T = TypeVar("T")

SCHEMA: tuple[str, ...] = (
    """
    CREATE TABLE runs (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, fingerprint TEXT NOT NULL, fields TEXT NOT NULL,
        status TEXT NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL, seconds REAL NOT NULL DEFAULT 0,
        start_bank TEXT NOT NULL, document TEXT, notes TEXT NOT NULL DEFAULT '{}');
    CREATE INDEX runs_fingerprint ON runs (fingerprint);
    CREATE TABLE calls (
        run TEXT NOT NULL, phase TEXT NOT NULL, stage TEXT NOT NULL, epoch INTEGER NOT NULL, task TEXT NOT NULL,
        attempt INTEGER NOT NULL, step INTEGER NOT NULL, evaluator TEXT NOT NULL,
        state TEXT NOT NULL, sends INTEGER NOT NULL, prompt TEXT NOT NULL, request TEXT, completion TEXT,
        reserved_tokens INTEGER NOT NULL, reserved_usd REAL,
        lost_tokens INTEGER NOT NULL DEFAULT 0, lost_usd REAL DEFAULT 0,
        input_tokens INTEGER, output_tokens INTEGER, cached_tokens INTEGER, usd REAL, seconds REAL,
        PRIMARY KEY (run, phase, stage, epoch, task, attempt, step, evaluator)) WITHOUT ROWID;
    CREATE TABLE rollouts (
        run TEXT NOT NULL, id TEXT NOT NULL, phase TEXT NOT NULL, task TEXT NOT NULL, status TEXT NOT NULL,
        data TEXT NOT NULL, PRIMARY KEY (run, id)) WITHOUT ROWID;
    CREATE TABLE scores (
        run TEXT NOT NULL, id TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (run, id)) WITHOUT ROWID;
    CREATE TABLE groups (
        run TEXT NOT NULL, step INTEGER NOT NULL, task TEXT NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL,
        PRIMARY KEY (run, step, task)) WITHOUT ROWID;
    CREATE TABLE steps (
        run TEXT NOT NULL, step INTEGER NOT NULL, outcome TEXT NOT NULL, data TEXT NOT NULL,
        bank TEXT NOT NULL, PRIMARY KEY (run, step)) WITHOUT ROWID;
    CREATE TABLE edits (
        run TEXT NOT NULL, step INTEGER NOT NULL, position INTEGER NOT NULL, op TEXT NOT NULL, target TEXT,
        text TEXT NOT NULL, outcome TEXT NOT NULL, detail TEXT NOT NULL, data TEXT NOT NULL,
        PRIMARY KEY (run, step, position)) WITHOUT ROWID;
    CREATE TABLE revisions (
        bank TEXT NOT NULL, revision INTEGER NOT NULL, id TEXT NOT NULL, change TEXT NOT NULL, text TEXT NOT NULL,
        status TEXT NOT NULL, helpful INTEGER NOT NULL, harmful INTEGER NOT NULL, evidence TEXT NOT NULL,
        run TEXT, at TEXT NOT NULL);
    CREATE INDEX revisions_bank ON revisions (bank, id, revision);
    CREATE TABLE banks (path TEXT PRIMARY KEY, data TEXT NOT NULL, run TEXT, at TEXT NOT NULL);
    CREATE TABLE holdout_reads (holdout TEXT NOT NULL, run TEXT NOT NULL, name TEXT NOT NULL, at TEXT NOT NULL,
        PRIMARY KEY (holdout, run, name));
    """,
    """
    CREATE TABLE tasks (
        run TEXT NOT NULL, phase TEXT NOT NULL, id TEXT NOT NULL, data TEXT NOT NULL,
        PRIMARY KEY (run, phase, id)) WITHOUT ROWID;
    """,
    """
    CREATE TABLE bank_files (path TEXT PRIMARY KEY, digest TEXT NOT NULL);
    """,
    """
    CREATE TABLE labels (
        run TEXT NOT NULL, rollout TEXT NOT NULL, task TEXT NOT NULL, number INTEGER NOT NULL, word TEXT NOT NULL,
        reason TEXT NOT NULL, chance REAL, seconds REAL, source TEXT NOT NULL, at TEXT NOT NULL,
        PRIMARY KEY (run, rollout)) WITHOUT ROWID;
    """,
    """
    ALTER TABLE calls ADD COLUMN model TEXT NOT NULL DEFAULT '';
    ALTER TABLE calls ADD COLUMN reasoning_tokens INTEGER NOT NULL DEFAULT 0;
    """,
)
"""One string a schema version, applied in order; never edited, only appended to."""


def now() -> str:
    """UTC, seconds, ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Database(Protocol):
    """What an operation is given: the part of ``sqlite_utils.Database`` that it needs, fully typed."""

    def execute(self, sql: str, parameters: Sequence[object] | dict[str, Any] | None = None, /) -> sqlite3.Cursor:
        """Run one statement inside the current transaction; its ``?`` are filled in order, ``:name`` by key."""
        ...


class Store:
    """Open with ``async with Store(path)``, or ``with Store(path)`` outside a loop."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._queue: queue.SimpleQueue[tuple[Callable[[Database], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="practice-store", daemon=True)

    def __enter__(self) -> Store:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        opened: Future[None] = Future()
        self._opened = opened
        self._thread.start()
        opened.result()
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()

    async def __aenter__(self) -> Store:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.__exit__)

    def submit(self, operation: Callable[[Database], T]) -> Future[T]:
        """Queue one operation; its result comes after the commit that holds it."""
        future: Future[T] = Future()
        self._queue.put((operation, future))
        return future

    def now(self, operation: Callable[[Database], T]) -> T:
        """Run one operation and wait for it (outside an event loop)."""
        return self.submit(operation).result()

    async def do(self, operation: Callable[[Database], T]) -> T:
        """Run one operation and wait for its commit."""
        return await asyncio.shield(asyncio.wrap_future(self.submit(operation)))

    # ------------------------------------------------------------------ the writer thread

    def _work(self) -> None:
        try:
            db = _open(self.path)
        except Exception as error:
            self._opened.set_exception(RunError(f"{self.path}: the database can't be opened: {error}"))
            return
        self._opened.set_result(None)
        going = True
        while going:
            item = self._queue.get()
            batch = [item]
            while not self._queue.empty() and len(batch) < 512:
                batch.append(self._queue.get())
            going = None not in batch
            _transaction(db, [entry for entry in batch if entry is not None])
        db.close()


def _open(path: Path) -> sqlite_utils.Database:
    import sqlite3

    import sqlite_utils

    connection = sqlite3.connect(path, isolation_level=None, timeout=30.0)
    db = sqlite_utils.Database(connection)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("BEGIN IMMEDIATE")
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(SCHEMA):
        raise RunError(
            f"it was written by a newer version of practice (schema {version}, this one knows {len(SCHEMA)})"
        )
    for number, script in enumerate(SCHEMA[version:], start=version + 1):
        for statement in script.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
    connection.execute("COMMIT")
    return db


def _transaction(db: sqlite_utils.Database, batch: Sequence[tuple[Callable[[Database], Any], Future[Any]]]) -> None:
    if not batch:
        return
    outcomes: list[tuple[Future[Any], Any, BaseException | None]] = []
    try:
        db.conn.execute("BEGIN IMMEDIATE")
        for operation, future in batch:
            db.conn.execute("SAVEPOINT op")
            try:
                outcomes.append((future, operation(db), None))
            except Exception as error:
                db.conn.execute("ROLLBACK TO op")
                outcomes.append((future, None, error))
            db.conn.execute("RELEASE op")
        db.conn.execute("COMMIT")
    except Exception as error:
        if db.conn.in_transaction:
            db.conn.execute("ROLLBACK")
        outcomes = [(future, None, RunError(f"the database can't be written: {error}")) for _, future in batch]
    for future, result, error in outcomes:
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)


# ---------------------------------------------------------------------- the journal of model calls

_KEY = "run = ? AND phase = ? AND stage = ? AND epoch = ? AND task = ? AND attempt = ? AND step = ? AND evaluator = ?"


def _place(run: str, key: CallKey) -> tuple[str | int, ...]:
    return (run, key.phase, key.stage, key.epoch, key.task, key.attempt, key.step, key.evaluator)


class RunJournal:
    """The journal of one run (``practice.calls.Journal``)."""

    def __init__(self, store: Store, run: str, known: frozenset[tuple[str | int, ...]]) -> None:
        self._store, self._run, self._known = store, run, known

    @classmethod
    async def open(cls, store: Store, run: str) -> tuple[RunJournal, Cost]:
        """The journal and what was spent so far; calls that were sent and never answered are charged in full."""

        def recover(db: Database) -> tuple[frozenset[tuple[str | int, ...]], Cost]:
            db.execute(
                "UPDATE calls SET state = 'lost', lost_tokens = lost_tokens + reserved_tokens,"
                " lost_usd = lost_usd + reserved_usd WHERE run = ? AND state = 'sent'",
                [run],
            )
            columns = "run, phase, stage, epoch, task, attempt, step, evaluator"
            rows = db.execute(f"SELECT {columns} FROM calls WHERE run = ? AND state = 'done'", [run]).fetchall()
            return frozenset(tuple(row) for row in rows), _spent(db, run)

        known, spent = await store.do(recover)
        return cls(store, run, known), spent

    async def get(self, key: CallKey) -> Completion | None:
        """The answer that an earlier process of the run committed, or None."""
        place = _place(self._run, key)
        if place not in self._known:
            return None
        row = await self._store.do(
            lambda db: db.execute(f"SELECT completion FROM calls WHERE {_KEY}", place).fetchone()
        )
        return Completion.model_validate_json(row[0])

    async def sent(self, key: CallKey, request: Request, reserved: Cost, *, model: str = "") -> None:
        """Note a call before it goes out, with what is reserved for it; a kill then charges it in full."""
        body = request.model_dump_json(exclude={"seed"})
        kept = None if key.stage == "rollout" else body  # a rollout's steps hold its messages already
        values = (*_place(self._run, key), prompt_digest(body), kept, reserved.tokens, reserved.usd, model)
        await self._store.do(
            lambda db: db.execute(
                "INSERT INTO calls (run, phase, stage, epoch, task, attempt, step, evaluator, state, sends, prompt,"
                " request, reserved_tokens, reserved_usd, model)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'sent', 1, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET state = 'sent', sends = sends + 1,"
                " reserved_tokens = excluded.reserved_tokens, reserved_usd = excluded.reserved_usd,"
                " model = excluded.model",
                values,
            )
        )

    async def done(self, answers: Sequence[tuple[CallKey, Completion]]) -> None:
        """Commit answers and what they cost, all or none; from now on these calls are never made again."""
        rows: list[tuple[object, ...]] = []
        for key, completion in answers:
            usage = completion.usage
            counts = (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens)
            rows.append((completion.model_dump_json(), *counts, usage.usd, usage.seconds, *_place(self._run, key)))

        def write(db: Database) -> None:
            for values in rows:
                db.execute(
                    "UPDATE calls SET state = 'done', completion = ?, input_tokens = ?, output_tokens = ?,"
                    f" cached_tokens = ?, reasoning_tokens = ?, usd = ?, seconds = ? WHERE {_KEY}",
                    values,
                )

        await self._store.do(write)

    async def unanswered(self, key: CallKey, charged: Cost) -> None:
        """Note that a call failed, and what it is charged (tokens, usd); nothing where the endpoint did no work."""
        values = (charged.tokens, charged.usd, *_place(self._run, key))
        await self._store.do(
            lambda db: db.execute(
                "UPDATE calls SET state = 'failed', lost_tokens = lost_tokens + ?, lost_usd = lost_usd + ?"
                f" WHERE {_KEY}",
                values,
            )
        )


def prompt_digest(body: str) -> str:
    """A short hash of a call's prompt, for the log."""
    import hashlib

    return hashlib.sha256(body.encode()).hexdigest()[:16]


def _spent(db: Database, run: str) -> Cost:
    row = db.execute(
        "SELECT total(input_tokens) + total(output_tokens) + total(lost_tokens), total(usd) + total(lost_usd),"
        " sum((state = 'done' AND usd IS NULL) OR lost_usd IS NULL) FROM calls WHERE run = ?",
        [run],
    ).fetchone()
    return Cost(int(row[0]), None if row[2] else float(row[1]))


def usage_by_stage(db: Database, run: str) -> dict[Stage, Usage]:
    """What a run's answered calls cost so far, by stage, over all its processes."""
    return {stage: usage for (stage,), usage in usage_by(db, run, "stage")}


def usage_by(
    db: Database, run: str, *columns: Literal["stage", "phase", "model", "task"]
) -> list[tuple[tuple[Any, ...], Usage]]:
    """What a run's answered calls cost so far, by the values of these columns, in their order."""
    by = ", ".join(columns)
    rows = db.execute(
        f"SELECT {by}, count(*), total(input_tokens), total(output_tokens), total(cached_tokens),"
        " total(reasoning_tokens), total(usd), sum(usd IS NULL), total(seconds)"
        f" FROM calls WHERE run = ? AND state = 'done' GROUP BY {by} ORDER BY {by}",
        [run],
    ).fetchall()
    found: list[tuple[tuple[Any, ...], Usage]] = []
    for row in rows:
        calls, tokens_in, tokens_out, cached, reasoning, usd, unpriced, seconds = row[len(columns) :]
        usage = Usage(
            calls=calls,
            input_tokens=int(tokens_in),
            output_tokens=int(tokens_out),
            cached_tokens=int(cached),
            reasoning_tokens=int(reasoning),
            usd=None if unpriced else float(usd),
            seconds=float(seconds),
        )
        found.append((tuple(row[: len(columns)]), usage))
    return found


def dumps(value: object) -> str:
    """Compact JSON that keeps order and non-ASCII text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
