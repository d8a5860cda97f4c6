"""Two runs on the same tasks, paired: the holdout scores that each ended with."""

from __future__ import annotations

from practice.errors import InputError
from practice.heldout import difference
from practice.records import RunRow, Scored
from practice.store import Database
from practice.types import Delta, Value


class TaskPair(Value):
    """One task's mean score in both runs; None where it has no score."""

    task: str
    a: float | None
    b: float | None


class Comparison(Value):
    """The contract's document of ``compare --json``."""

    a: str
    b: str
    n: int
    """Tasks that both runs were measured on."""
    metric: str
    delta: Delta
    per_task: tuple[TaskPair, ...]


def final_scores(db: Database, row: RunRow) -> dict[str, tuple[float | None, ...]]:
    """Task id -> holdout scores in attempt order, with the bank that the run ended with."""
    last = db.execute("SELECT bank FROM steps WHERE run = ? ORDER BY step DESC LIMIT 1", [row.id]).fetchone()
    bank = row.start_bank if last is None else type(row.start_bank).model_validate_json(last[0])
    query = (
        "SELECT r.task, r.id, s.data FROM rollouts r JOIN scores s ON s.run = r.run AND s.id = r.id"
        " WHERE r.run = ? AND r.phase = 'holdout' AND r.id LIKE ?"
    )
    rows = db.execute(query, [row.id, f"%@bank:{bank.digest()}"]).fetchall()
    scores: dict[str, dict[int, float | None]] = {}
    for task, id_, data in rows:
        attempt = int(str(id_).rsplit("@", 1)[0].rsplit("/", 1)[1])
        scores.setdefault(str(task), {})[attempt] = Scored.model_validate_json(data).rewards[0]
    return {task: tuple(found[attempt] for attempt in sorted(found)) for task, found in scores.items()}


def compare(db: Database, a: RunRow, b: RunRow) -> Comparison:
    """B minus A over their common tasks. Raises InputError where they have none."""
    one, two = final_scores(db, a), final_scores(db, b)
    tasks = sorted(set(one) & set(two))
    delta = difference(tuple(one[t] for t in tasks), tuple(two[t] for t in tasks), same_bank=False) if tasks else None
    if delta is None:
        found = f"{len(one)} and {len(two)} scored tasks, {len(tasks)} of them common"
        if any((row.document or {}).get("judged") for row in (a, b)):
            found += "; a judged holdout compares a run's end with its own start and scores no attempt by itself"
        raise InputError("two runs with scores on the same holdout tasks", found=found, key="RUN_A RUN_B")
    pairs = tuple(TaskPair(task=task, a=_mean(one[task]), b=_mean(two[task])) for task in tasks)
    return Comparison(a=a.id, b=b.id, n=len(tasks), metric="mean", delta=delta, per_task=pairs)


def _mean(scores: tuple[float | None, ...]) -> float | None:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known else None
