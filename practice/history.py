"""Banks in the database: as they stand, and every change that made them so."""

from __future__ import annotations

import json

from practice.memory import Bank
from practice.store import Database, dumps, now
from practice.types import Experience, ExperienceStatus, Value

__all__ = ["Revision", "bank_at", "bank_history", "highest_id", "load_bank", "save_bank"]


def load_bank(db: Database, path: str) -> Bank | None:
    """The bank at ``path`` as the program last wrote it, or None."""
    row = db.execute("SELECT data FROM banks WHERE path = ?", [path]).fetchone()
    return None if row is None else Bank.model_validate_json(row[0])


def save_bank(db: Database, path: str, before: Bank, after: Bank, *, run: str | None, change: str = "") -> None:
    """Write ``after`` as the bank at ``path``, and a revision for every experience that differs from ``before``."""
    at = now()
    db.execute("INSERT OR REPLACE INTO banks VALUES (?, ?, ?, ?)", (path, after.model_dump_json(), run, at))
    old = {experience.id: experience for experience in before.experiences}
    kept = {experience.id for experience in after.experiences}
    gone = [e.model_copy(update={"status": "retired"}) for e in before.experiences if e.id not in kept]
    for experience in (*gone, *after.experiences):
        known = old.get(experience.id)
        if known == experience:
            continue
        if known is None:
            what = "add" if experience.status == "active" else experience.status
        elif known.status != experience.status:
            what = {"active": "accept", "candidate": "candidate", "retired": "retire"}[experience.status]
        else:
            what = "revise" if known.text != experience.text else "count"
        row = (path, after.revision, experience.id, change or what, experience.text, experience.status)
        counts = (experience.helpful, experience.harmful, dumps(experience.evidence), run, at)
        db.execute("INSERT INTO revisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, *counts))


def highest_id(db: Database, path: str) -> int:
    """The highest number that an experience of this bank ever had: ids are never given twice."""
    row = db.execute("SELECT max(CAST(substr(id, 2) AS INTEGER)) FROM revisions WHERE bank = ?", [path]).fetchone()
    return int(row[0] or 0)


class Revision(Value):
    """One change of one experience."""

    revision: int
    id: str
    change: str
    text: str
    status: ExperienceStatus
    helpful: int
    harmful: int
    evidence: tuple[str, ...]
    run: str | None
    """None: by hand."""
    at: str


def bank_history(db: Database, path: str, experience: str | None = None) -> list[Revision]:
    """Every change of a bank (or of one experience), oldest first."""
    columns = "revision, id, change, text, status, helpful, harmful, evidence, run, at"
    where, values = "bank = ?", [path]
    if experience is not None:
        where, values = f"{where} AND id = ?", [path, experience]
    rows = db.execute(f"SELECT {columns} FROM revisions WHERE {where} ORDER BY rowid", values).fetchall()
    names = columns.split(", ")
    return [
        Revision.model_validate({**dict(zip(names, row, strict=True)), "evidence": json.loads(row[7])}) for row in rows
    ]


def bank_at(db: Database, path: str, revision: int) -> Bank | None:
    """The bank as it stood at a revision, from its history; None where there was no such revision."""
    history = [row for row in bank_history(db, path) if row.revision <= revision]
    known = db.execute("SELECT max(revision) FROM revisions WHERE bank = ?", [path]).fetchone()[0]
    if known is None or revision > known or revision < 0:
        return None
    latest: dict[str, Experience] = {}
    for row in history:
        latest[row.id] = Experience(
            id=row.id,
            text=row.text,
            status=row.status,
            helpful=row.helpful,
            harmful=row.harmful,
            evidence=row.evidence,
        )
    return Bank(
        bank=path.rsplit("/", 1)[-1].removesuffix(".yaml"), revision=revision, experiences=tuple(latest.values())
    )
