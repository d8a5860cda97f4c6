"""A person's word on a few judged attempts: whom to ask about, what was said, and what it does to the judges' figure.

Labels are worth most where evaluators dispute, but a sample of disputes says nothing of the rest. So three of four
questions go down the list of disputes and the fourth to an attempt drawn at random; stopped anywhere, what was
asked is then a *whole* stratum (the most disputed so far, chance 1) and a simple random sample of the others (chance
asked/all). A label counts by the inverse of its chance (Horvitz and Thompson 1952, *JASA* 47:663).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from practice.duels import SWAPPED
from practice.errors import InputError
from practice.judge.show import show
from practice.records import RunRow, Scored, run_tasks
from practice.store import Database, now
from practice.types import Phase, Rollout, Task, Value

__all__ = ["AUDIT", "Item", "Label", "Word", "chances", "drawn", "items_of", "labels_of", "queue", "save_label"]

AUDIT = 4
"""One question in so many is about an attempt drawn at random."""

Word = Literal["right", "wrong", "skip"]
Part = Literal["practice", "before", "after"]


class Item(Value):
    """One judged attempt, as a person is asked about it."""

    rollout: str
    token: str
    """Names it outside the program: tells neither phase nor bank nor attempt."""
    part: Part
    task: Task
    text: str
    """What judges saw of it."""
    scores: dict[str, float]
    """Evaluator -> its mean score."""

    @property
    def score(self) -> float:
        """The judges' mean score."""
        return sum(self.scores.values()) / len(self.scores)

    @property
    def dispute(self) -> float:
        """Standard deviation of the evaluators' scores; 0 for a single one."""
        mean = self.score
        return (sum((score - mean) ** 2 for score in self.scores.values()) / len(self.scores)) ** 0.5


class Label(Value):
    """What a person said of one attempt. Who it was is not kept, and no score was shown to them."""

    rollout: str
    word: Word
    reason: Literal["disputed", "random"]
    """Why it was asked about."""
    chance: float | None
    """How likely it was to be asked about, as of the last question; None while an earlier question is open."""
    seconds: float | None
    source: Literal["terminal", "page"]
    at: str


# ---------------------------------------------------------------- what can be asked about


def items_of(db: Database, row: RunRow) -> tuple[Item, ...]:
    """Every attempt of a finished run that a judge has scored, in the order of their ids.

    Raises InputError for a run that is not done (its holdout is sealed and its disputes still change), and for one
    that no judge has scored.
    """
    if row.status != "done":
        raise InputError(
            "a run that is done: until then its holdout is sealed", found=f"status {row.status}", key="RUN"
        )
    tasks = run_tasks(db, row.id)
    rollouts = {
        str(id_): (phase, Rollout.model_validate_json(data))
        for id_, phase, data in db.execute("SELECT id, phase, data FROM rollouts WHERE run = ?", [row.id]).fetchall()
    }
    given: dict[str, dict[str, list[float]]] = {}
    query = (
        "SELECT data FROM scores WHERE run = ?"
        " AND (id LIKE 'group/%' OR (id LIKE 'holdout/pair/%' AND id NOT LIKE '%/even'))"
    )
    for (data,) in db.execute(query, [row.id]).fetchall():
        for verdict in Scored.model_validate_json(data).verdicts:
            judge = verdict.evaluator.removesuffix(SWAPPED)
            if verdict.score is not None and not _is_program(judge):
                given.setdefault(verdict.rollout_id, {}).setdefault(judge, []).append(verdict.score)
    start = f"@bank:{row.start_bank.digest()}"
    items: list[Item] = []
    for id_ in sorted(given):
        phase, rollout = rollouts.get(id_, (None, None))
        task = tasks.get((phase, rollout.task_id)) if rollout and phase else None
        if rollout is None or task is None or not rollout.output.strip():
            continue
        scores = {judge: sum(said) / len(said) for judge, said in sorted(given[id_].items())}
        items.append(
            Item(
                rollout=id_,
                token=_hash(row.id, id_)[:12],
                part=_part(phase, id_, start),
                task=task,
                text=show(rollout),
                scores=scores,
            )
        )
    if not items:
        raise InputError("a run with attempts that LLM judges have scored", found="none", key="RUN")
    return tuple(items)


def _is_program(evaluator: str) -> bool:
    return evaluator in ("exact", "number", "math") or ".py:" in evaluator


def _part(phase: Phase | None, rollout: str, start: str) -> Part:
    return "practice" if phase == "practice" else "before" if rollout.endswith(start) else "after"


def _hash(*parts: object) -> str:
    return hashlib.sha256("/".join(str(part) for part in parts).encode()).hexdigest()


# ---------------------------------------------------------------- whom to ask about


def queue(items: Sequence[Item], seed: int) -> list[tuple[Item, Literal["disputed", "random"]]]:
    """All attempts in the order in which a person is asked about them, and why: a function of the run alone.

    Disputes in falling order; ties by how undecided the mean is, then at random. One question of every
    :data:`AUDIT`, at a random place among these, is the next of a random order of all.
    """
    disputed, at_random = _orders(items, seed)
    rest = {False: iter(disputed), True: iter(at_random)}
    asked: set[str] = set()
    places: list[tuple[Item, Literal["disputed", "random"]]] = []
    while len(places) < len(items):
        block, place = divmod(len(places), AUDIT)
        is_drawn = int(_hash(seed, "block", block), 16) % AUDIT == place
        item = next(item for item in rest[is_drawn] if item.rollout not in asked)
        asked.add(item.rollout)
        places.append((item, "random" if is_drawn else "disputed"))
    return places


def _orders(items: Sequence[Item], seed: int) -> tuple[list[Item], list[Item]]:
    """By dispute, and at random."""
    disputed = sorted(items, key=lambda item: (-item.dispute, abs(item.score - 0.5), _hash(seed, "tie", item.rollout)))
    return disputed, sorted(items, key=lambda item: _hash(seed, "draw", item.rollout))


def chances(items: Sequence[Item], seed: int, said: Mapping[str, Word]) -> dict[str, float]:
    """How likely each labelled attempt was to be asked about and answered, given all that was said.

    The attempts up to the first dispute without an answer are a stratum that was asked about whole; of the others,
    those up to the first random draw without one are a simple random sample. Skips lower the chance of their
    stratum: whom a person skips must not depend on what is right. An answer out of turn has no chance yet.
    """
    disputed, at_random = _orders(items, seed)
    whole = _prefix(disputed, said)
    sample = [id_ for id_ in _prefix(at_random, said) if id_ not in set(whole)]
    found: dict[str, float] = {}
    for stratum, size in ((whole, len(whole)), (sample, len(items) - len(whole))):
        told = [id_ for id_ in stratum if said[id_] != "skip"]
        found |= dict.fromkeys(told, len(told) / size if size else 0.0)
    return found


def drawn(items: Sequence[Item], seed: int, said: Mapping[str, Word]) -> frozenset[str]:
    """The attempts that are a simple random sample of all: the random order up to the first one without an answer."""
    return frozenset(_prefix(_orders(items, seed)[1], said))


def _prefix(order: Iterable[Item], said: Mapping[str, Word]) -> list[str]:
    found: list[str] = []
    for item in order:
        if item.rollout not in said:
            break
        found.append(item.rollout)
    return found


def why(items: Sequence[Item], n: int) -> str:
    """The selection in one line."""
    judges = max((len(item.scores) for item in items), default=0)
    by = "on which the judges disagree most" if judges > 1 else "on which the judge is least decided"
    return (
        f"{n} of {len(items)} judged attempts: those {by}, and for every {AUDIT - 1} of them one drawn at "
        "random, so that your labels can stand for all; scores and banks are hidden"
    )


# ---------------------------------------------------------------- the table of labels


def labels_of(db: Database, run: str) -> dict[str, Label]:
    """What was said of a run's attempts, by rollout id, in the order in which it was said."""
    query = "SELECT rollout, word, reason, chance, seconds, source, at FROM labels WHERE run = ? ORDER BY number"
    names = tuple(Label.model_fields)
    rows: list[tuple[object, ...]] = db.execute(query, [run]).fetchall()
    return {str(row[0]): Label.model_validate(dict(zip(names, row, strict=True))) for row in rows}


def save_label(
    db: Database,
    row: RunRow,
    items: Sequence[Item],
    item: Item,
    word: Word,
    *,
    seconds: float | None,
    source: Literal["terminal", "page"],
) -> None:
    """Keep one answer, in place of an earlier one on the same attempt, and what it makes of every label's chance."""
    seed = seed_of(row)
    reason = next(reason for asked, reason in queue(items, seed) if asked.rollout == item.rollout)
    db.execute(
        "INSERT OR REPLACE INTO labels (run, rollout, task, number, word, reason, chance, seconds, source, at) VALUES"
        " (?, ?, ?, (SELECT 1 + coalesce(max(number), 0) FROM labels WHERE run = ?), ?, ?, NULL, ?, ?, ?)",
        [row.id, item.rollout, item.task.id, row.id, word, reason, seconds, source, now()],
    )
    said = words_of(labels_of(db, row.id))
    found = chances(items, seed, said)
    for id_ in said:
        db.execute("UPDATE labels SET chance = ? WHERE run = ? AND rollout = ?", [found.get(id_), row.id, id_])


def words_of(labels: Mapping[str, Label]) -> dict[str, Word]:
    """What was said, without the rest."""
    return {id_: label.word for id_, label in labels.items()}


def seed_of(row: RunRow) -> int:
    """The run's seed, which the random draws come from."""
    seed = row.fields.get("practice.seed", 0)
    return seed if isinstance(seed, int) else 0
