"""The database: commits before answers, one writer, two processes, another schema version."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from practice.errors import RunError
from practice.store import SCHEMA, Store


async def test_many_writers_share_commits_and_an_error_is_only_its_own(tmp_path: Path) -> None:
    async with Store(tmp_path / "db") as store:
        await store.do(lambda db: db.execute("CREATE TABLE n (n INTEGER PRIMARY KEY)"))
        writes = [store.do(lambda db, n=n: db.execute("INSERT INTO n VALUES (?)", [n // 2])) for n in range(40)]
        results = await asyncio.gather(*writes, return_exceptions=True)
        assert sum(isinstance(result, sqlite3.IntegrityError) for result in results) == 20
        assert await store.do(lambda db: db.execute("SELECT count(*) FROM n").fetchone()[0]) == 20


def test_what_was_answered_is_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "db"
    code = (
        "import os, sys, pathlib\nfrom practice.store import Store\n"
        "store = Store(pathlib.Path(sys.argv[1])).__enter__()\n"
        "store.now(lambda db: db.execute('CREATE TABLE n (n)'))\n"
        "store.now(lambda db: db.execute('INSERT INTO n VALUES (1)'))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    with Store(path) as store:
        assert store.now(lambda db: db.execute("SELECT n FROM n").fetchone()[0]) == 1


def test_two_processes_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with Store(path) as store:
        store.now(lambda db: db.execute("CREATE TABLE n (n)"))
    code = (
        "import sys, pathlib\nfrom practice.store import Store\n"
        "with Store(pathlib.Path(sys.argv[1])) as store:\n"
        "    for _ in range(50):\n"
        "        store.now(lambda db: db.execute('INSERT INTO n SELECT count(*) FROM n'))\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    with Store(path) as store:
        rows = store.now(lambda db: db.execute("SELECT n FROM n ORDER BY n").fetchall())
    assert [row[0] for row in rows] == list(range(100))


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with Store(path):
        pass
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(SCHEMA) + 1}")
    connection.close()
    with pytest.raises(RunError, match="newer version"), Store(path):
        pass


def test_a_file_that_is_no_database_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "db"
    path.write_text("not a database at all, and longer than a header of SQLite would be" * 20)
    with pytest.raises(RunError, match="can't be opened"), Store(path):
        pass
