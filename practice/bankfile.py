"""The bank's YAML file: read at the start of a run, written after a decision, never at the cost of a person's edits.

The database owns the bank. The file is its picture, and a person's way to change it: what the program last read or
wrote is remembered by its hash, so that any other content is known to be a person's.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from practice import config
from practice.errors import RunError
from practice.memory import Bank, hand_edits
from practice.records import highest_id, load_bank, save_bank
from practice.store import Database

Note = Callable[[str], None]


def import_bank(db: Database, path: Path, key: str, note: Note) -> Bank:
    """The bank that a new run begins with: the file as it stands; a person's changes become revisions."""
    known = load_bank(db, key)
    if known is not None and not _touched(db, path, key):
        return known  # also where a kill came between a commit and the file: the database is ahead
    file = Bank.load(path)
    before = known or Bank(bank=file.bank)
    bank, changes = hand_edits(before, file, reserved=highest_id(db, key))
    if changes:
        note(f"{path.name}: {len(changes)} change(s) made by hand: {'; '.join(changes[:3])}")
    if known != bank:
        save_bank(db, key, before, bank, run=None, change="hand" if changes else "")
    _remember(db, path, key)
    return bank


def publish(db: Database, path: Path, key: str, bank: Bank, note: Note) -> None:
    """Write ``bank`` as the file. What a person wrote there meanwhile is set aside first."""
    if path.exists() and _touched(db, path, key) and Bank.load(path).experiences != bank.experiences:
        set_aside(path, note, "was changed by hand while its run was under way")
    config.write_yaml(path, bank.to_yaml())
    _remember(db, path, key)


def take_up(db: Database, path: Path, key: str, run: str, note: Note) -> None:
    """Before a run goes on with its own bank: set aside what a person, or another run, put into the file."""
    if not path.exists():
        return
    row = db.execute("SELECT run FROM banks WHERE path = ?", [key]).fetchone()
    if row is not None and row[0] not in (None, run):
        set_aside(path, note, f"holds what run {row[0]} learnt since")
    elif _touched(db, path, key):
        set_aside(path, note, "was changed by hand while its run was under way")
    else:
        return
    _remember(db, path, key)


def set_aside(path: Path, note: Note, why: str) -> Path:
    """Keep a copy of the file where no run writes, under a name that is not taken."""
    folder = path.parent / "aside"
    folder.mkdir(exist_ok=True)
    number = 1
    while (copy := folder / f"{path.stem}-{number}.yaml").exists():
        number += 1
    shutil.copyfile(path, copy)
    note(f"{path.name} {why}: kept as aside/{copy.name}; `practice memory import` takes it up again")
    return copy


@contextmanager
def bank_lock(path: Path) -> Generator[None]:
    """One run at a time practises on a bank."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock: IO[str]
    with (path.parent / f".{path.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunError(f"{path}: another run is practising on this bank") from None
        yield


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def _touched(db: Database, path: Path, key: str) -> bool:
    """Whether the file differs from what the program last read or wrote; a deleted file does."""
    row = db.execute("SELECT digest FROM bank_files WHERE path = ?", [key]).fetchone()
    return _digest(path) != ("" if row is None else row[0])


def _remember(db: Database, path: Path, key: str) -> None:
    db.execute("INSERT OR REPLACE INTO bank_files VALUES (?, ?)", (key, _digest(path)))
