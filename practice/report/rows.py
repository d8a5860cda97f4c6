"""Reading the database: plain rows of one query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from practice.store import Database


def rows(db: Database, query: str, *values: str) -> Sequence[tuple[Any, ...]]:
    """All rows of ``query`` with its ``?`` filled in order."""
    return db.execute(query, list(values)).fetchall()
