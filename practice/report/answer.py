"""The one sentence of a report: how much better the agent is on tasks that nothing was learnt from.

The holdout is sealed until a run is done: before that nothing of it is read here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from practice import stats
from practice.document import Document
from practice.judged import Judged
from practice.memory import Bank
from practice.records import RunRow, Scored, StepRecord
from practice.report import pairs, words
from practice.report.rows import rows
from practice.report.values import Answer, Change, HoldoutTask
from practice.stats import Bounds
from practice.store import Database
from practice.types import Delta, Estimate, Phase, Task

Row = tuple[float | None, ...]
Attempts = dict[str, dict[int, tuple[float | None, str]]]
"""Task id -> attempt -> (score, output)."""


def answer(
    db: Database,
    row: RunRow,
    steps: Sequence[StepRecord],
    planned: int | None,
    tasks: Mapping[tuple[Phase, str], Task],
) -> Answer:
    """What a finished run's holdout says, or what is missing of an unfinished run."""
    if row.status != "done" or row.document is None:
        return _unfinished(row, len(steps), planned)
    document = Document.model_validate(row.document)
    if row.fields.get("kind") == "overfit":
        return _overfit(document)
    if document.tasks.holdout == 0 or document.before is None:
        return _no_holdout(steps)
    before, after, delta = document.before, document.after, document.delta
    end = steps[-1].bank if steps else row.start_bank
    unchanged = row.start_bank.digest() == end.digest()
    one = _attempts(db, row.id, row.start_bank)
    two = one if unchanged else _attempts(db, row.id, end)
    if document.judged is not None:
        one, two = _of_pairs(one, two, pairs.outcomes(db, row.id, row.start_bank, end), unchanged=unchanged)
    ids = sorted(one.keys() | two.keys())
    tables = tuple(_scores(one, id_) for id_ in ids), tuple(_scores(two, id_) for id_ in ids)
    binary = all(score in (None, 0.0, 1.0) for table in tables for scores in table for score in scores)
    headline, sentence = _say(before, after, delta, binary=binary, evaluation=row.fields.get("kind") == "eval")
    notes: list[str] = []
    if document.judged is not None:
        headline, sentence = pairs.say(before, after, delta)
        notes = [] if unchanged else pairs.who(document.judged)
    reads = _reads(db, row.id)
    bounds = None if unchanged else stats.delta_bounds(*tables)
    return Answer(
        headline=headline,
        sentence=sentence,
        notes=(*notes, *_missing(before, after, tables, bounds, unchanged=unchanged), *_read_often(reads)),
        before=before,
        after=after,
        delta=delta,
        unchanged=unchanged,
        bounds=bounds,
        reads=reads,
        tasks=tuple(_task(id_, one, two, tasks.get(("holdout", id_)), document.judged) for id_ in ids),
        judged=document.judged,
        length=tuple(pairs.length_rows(document.judged)) if document.judged else (),
    )


# ---------------------------------------------------------------- sentences

_STOPPED = {
    "running": "It is still running, or its process was killed.",
    "budget": "It was stopped by the budget.",
    "interrupted": "It was interrupted.",
    "failed": "It stopped because the endpoint or a part that it needs failed.",
    "done": "Its closing document is missing.",
}


def _unfinished(row: RunRow, done: int, planned: int | None) -> Answer:
    of = f" of {planned}" if planned else ""
    how = "The same command under a larger budget goes on" if row.status == "budget" else "The same command goes on"
    if row.fields.get("kind") == "eval":
        far, sealed = "", " No score is shown before all tasks were tried."
    else:
        far = f" Steps decided so far: {done}{of}."
        sealed = " The holdout is sealed until the end: nothing of it is shown before."
    return Answer(
        headline="Not done yet",
        sentence=f"{_STOPPED[row.status]}{far} {how} where it stopped: everything paid for is kept.{sealed}",
    )


def _overfit(document: Document) -> Answer:
    n = words.count(document.tasks.practice, "task")
    return Answer(
        headline="On purpose",
        sentence=f"This run practised on {n} on purpose, to see whether the memory can express what they need. How "
        "good the agent is on others it can't say. The same `practice overfit` command prints the verdict again.",
    )


def _no_holdout(steps: Sequence[StepRecord]) -> Answer:
    accepted = [step.decision for step in steps if step.decision.outcome == "accept"]
    tested = [decision for decision in accepted if decision.before is not None and decision.after is not None]
    text = (
        "This run had no holdout tasks, so it can't say how much better the agent is on tasks that nothing was learnt "
        "from: set tasks.holdout."
    )
    if accepted:
        text += f" {words.count(len(accepted), 'proposal was', 'proposals were')} accepted"
        text += f", {len(tested)} of them on evidence from validation tasks." if tested else ", untested."
    else:
        text += " No proposal was accepted."
    return Answer(headline="Not measured", sentence=text)


def _say(
    before: Estimate, after: Estimate | None, delta: Delta | None, *, binary: bool, evaluation: bool
) -> tuple[str, str]:
    """Headline and sentence."""
    kind = "tasks" if evaluation else "holdout tasks"
    n = words.count(before.n, kind[:-1], kind)
    what = "success" if binary else "the mean score"
    if before.mean is None or after is None or after.mean is None or delta is None:
        return "Not measured", "The holdout could not be compared: too few of its attempts have a score."
    interval = f"95{words.SPACE}% interval {words.span(before.ci)}"
    if evaluation:
        return words.percent(before.mean), f"On {n} {what} is {words.percent(before.mean)} ({interval})."
    if delta.test == "unchanged bank":
        return "Unchanged", (
            f"No change of the memory was accepted, so the agent is what it was: {what} on {n} is "
            f"{words.percent(before.mean)} ({interval})."
        )
    went = f"{what} on {n} went from {words.percent(before.mean)} to {words.percent(after.mean)}"
    by = f"{words.points(delta.mean)} points ({words.change(delta)})"
    if delta.ci[0] > 0:
        return "Better", f"The agent got better: {went}, {by}."
    if delta.ci[1] < 0:
        return "Worse", f"The agent got worse: {went}, {by}."
    return "No difference shown", f"No difference is shown: {went}, {by}; the interval holds 0."


def _missing(
    before: Estimate,
    after: Estimate | None,
    tables: tuple[Sequence[Row], Sequence[Row]],
    bounds: Bounds | None,
    *,
    unchanged: bool,
) -> list[str]:
    """The missing share of each side, and the bounds of what passes 5 %."""
    notes: list[str] = []
    sides = [("", before, tables[0])] if unchanged else [(" before", before, tables[0]), (" after", after, tables[1])]
    for when, found, table in sides:
        total = sum(len(row) for row in table)
        if found is None or not found.missing or not total:
            continue
        text = f"{found.missing} of {words.count(total, 'attempt')}{when} ({words.percent(found.missing / total)})"
        text += " has no score and is left out" if found.missing == 1 else " have no score and are left out"
        side = stats.missing_bounds(table)
        if side is not None:
            text += f"; had all of them been wrong or right, the mean would be {words.span((side.low, side.high))}"
        notes.append(text + ".")
    if bounds is not None:
        low, high = words.points(bounds.low), words.points(bounds.high)
        notes.append(f"Whatever the missing attempts had scored, the change lies between {low} and {high} points.")
    return notes


def _read_often(reads: int) -> list[str]:
    if reads < 2:
        return []
    return [
        f"This holdout has been read by {reads} runs of this workspace. Who chooses among runs by what a holdout says "
        "makes its figures too good: let tasks that no run has seen decide."
    ]


# ---------------------------------------------------------------- rows


def _reads(db: Database, run: str) -> int:
    """How many runs of this workspace have read this run's holdout."""
    query = (
        "SELECT count(DISTINCT run) FROM holdout_reads WHERE holdout IN"
        " (SELECT holdout FROM holdout_reads WHERE run = ?)"
    )
    return int(rows(db, query, run)[0][0])


def _attempts(db: Database, run: str, bank: Bank) -> Attempts:
    """The holdout's attempts under ``bank``."""
    query = (
        "SELECT r.task, json_extract(r.data, '$.attempt'), json_extract(r.data, '$.output'), s.data"
        " FROM rollouts r LEFT JOIN scores s ON s.run = r.run AND s.id = r.id"
        " WHERE r.run = ? AND r.phase = 'holdout' AND substr(r.id, -length(?)) = ?"
    )
    tag = f"@bank:{bank.digest()}"
    found: Attempts = {}
    for task, attempt, output, data in rows(db, query, run, tag, tag):
        score = None if data is None else Scored.model_validate_json(data).rewards[0]
        found.setdefault(str(task), {})[int(attempt)] = (score, str(output))
    return found


def _of_pairs(
    one: Attempts, two: Attempts, won: Mapping[tuple[str, int], float], *, unchanged: bool
) -> tuple[Attempts, Attempts]:
    """The attempts with what their pairs came to; with an unchanged bank each is level with itself."""

    def scored(of: Attempts, sign: float) -> Attempts:
        return {
            task: {
                n: (0.5 if unchanged else None if (task, n) not in won else 0.5 + sign * (won[task, n] - 0.5), output)
                for n, (_, output) in attempts.items()
            }
            for task, attempts in of.items()
        }

    return scored(one, -1.0), scored(two, 1.0)


def _scores(attempts: Attempts, task: str) -> Row:
    return tuple(score for _, (score, _) in sorted(attempts.get(task, {}).items()))


def _mean(scores: Row) -> float | None:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known else None


def _task(id_: str, one: Attempts, two: Attempts, task: Task | None, judged: Judged | None) -> HoldoutTask:
    before, after = _mean(_scores(one, id_)), _mean(_scores(two, id_))
    return HoldoutTask(
        id=id_,
        input=task.input if task else "",
        answer=(task.answer or "") if task else "",
        before=before,
        after=after,
        said_before=one.get(id_, {}).get(0, (None, ""))[1],
        said_after=two.get(id_, {}).get(0, (None, ""))[1],
        change="tied" if judged and before is not None and before == after else _change(before, after),
    )


def _change(before: float | None, after: float | None) -> Change:
    if before is None or after is None:
        return "unscored"
    if abs(after - before) > 1e-9:
        return "better" if after > before else "worse"
    return "right" if after >= 0.5 else "wrong"
