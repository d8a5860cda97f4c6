"""The memory as it is now: what each experience says, how it came in, and the attempts that it was drawn from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from practice.memory import Bank
from practice.records import GroupRecord, RunRow, Scored, StepRecord
from practice.report import words
from practice.report.rows import rows
from practice.report.values import Lesson, Transcript
from practice.store import Database
from practice.types import Experience, Phase, Rollout, Task

_DID = {"add": "added", "revise": "revised", "merge": "merged", "retire": "retired", "keep": "kept"}


class _Evidence:
    """Where an evidence id leads: its group, its step, its reward."""

    def __init__(self, steps: Sequence[StepRecord], groups: Mapping[int, Sequence[GroupRecord]]) -> None:
        self.rewards: dict[str, float | None] = {}
        self.places: dict[str, tuple[int, str]] = {}
        for step in steps:
            for group in groups.get(step.index, ()):
                for attempt, reward in enumerate(group.rewards):
                    id_ = f"practice/{step.epoch}/{group.task_id}/{attempt}"
                    self.rewards[id_] = reward
                    self.places[id_] = (step.index, group.task_id)

    def choose(self, ids: Sequence[str]) -> list[tuple[str, str]]:
        """Up to two of ``ids`` with a label: a better and a worse attempt, at the same task where there are two."""
        known = [(id_, reward) for id_ in ids if (reward := self.rewards.get(id_)) is not None]
        by_task: dict[tuple[int, str], list[tuple[str, float]]] = {}
        for id_, reward in known:
            by_task.setdefault(self.places[id_], []).append((id_, reward))
        pairs = [pair for pair in (_extremes(of) for of in (*by_task.values(), known)) if pair]
        if pairs:
            better, worse = pairs[0]
            return [(better, "A better attempt"), (worse, "A worse attempt")]
        rest = [id_ for id_, _ in known] or [id_ for id_ in ids if id_ in self.rewards]
        return [(rest[0], "An attempt")] if rest else []


def _extremes(attempts: Sequence[tuple[str, float]]) -> tuple[str, str] | None:
    """The ids of the best and the worst, where they differ."""
    if not attempts:
        return None
    best, worst = max(attempts, key=lambda item: item[1]), min(attempts, key=lambda item: item[1])
    return (best[0], worst[0]) if best[1] > worst[1] else None


def lessons(
    db: Database,
    row: RunRow,
    bank: Bank,
    steps: Sequence[StepRecord],
    groups: Mapping[int, Sequence[GroupRecord]],
    tasks: Mapping[tuple[Phase, str], Task],
) -> tuple[Lesson, ...]:
    """The active experiences in the order in which the prompt holds them."""
    evidence = _Evidence(steps, groups)
    return tuple(_lesson(db, row, experience, steps, evidence, tasks) for experience in bank.active)


def _lesson(
    db: Database,
    row: RunRow,
    experience: Experience,
    steps: Sequence[StepRecord],
    evidence: _Evidence,
    tasks: Mapping[tuple[Phase, str], Task],
) -> Lesson:
    own = _own_evidence(experience, steps)
    foreign = len(set(experience.evidence) - set(own))
    drawn = [words.count(len(own), "attempt") + " of this run"] if own else []
    drawn += [words.count(foreign, "attempt") + " of earlier runs"] if foreign else []
    return Lesson(
        experience=experience,
        counts=_counts(experience),
        story=_story(row, experience, steps),
        transcripts=tuple(_transcripts(db, row.id, evidence, own, tasks)),
        drawn_from="drawn from " + " and ".join(drawn) + _agreed(experience, steps)
        if drawn
        else "no attempts behind it: written by hand",
    )


def _own_evidence(experience: Experience, steps: Sequence[StepRecord]) -> tuple[str, ...]:
    """The attempts of this run behind an experience. Ids of earlier runs look alike and lead nowhere here."""
    edits = [record.edit for step in steps for record in step.edits if record.experience == experience.id]
    return tuple(dict.fromkeys(id_ for edit in edits for id_ in edit.evidence))


def _agreed(experience: Experience, steps: Sequence[StepRecord]) -> str:
    """How far judges agreed on what this run drew it from; empty where none decided."""
    found = [r.support for step in steps for r in step.edits if r.experience == experience.id and r.support is not None]
    if not found:
        return ""
    last = found[-1]
    pairs, groups = words.count(last.pairs, "pair"), words.count(last.practised, "group")
    return f"; its judges agreed on {last.counted} of {pairs}, and abstained on {last.abstained} of {groups}"


def _counts(experience: Experience) -> str:
    """``14 validation tasks went better with it, 2 went worse``."""
    if not experience.helpful and not experience.harmful:
        return "no validation task counted for or against it"
    return f"{words.count(experience.helpful, 'validation task')} went better with it, {experience.harmful} went worse"


def _story(row: RunRow, experience: Experience, steps: Sequence[StepRecord]) -> str:
    """``added in step 2, revised in step 5``."""
    before = row.start_bank.get(experience.id)
    parts: list[str] = []
    if before is not None:
        parts.append("in the bank before this run" + ("" if before.status == "active" else f", as {before.status}"))
    for step in steps:
        for record in step.edits:
            if record.experience == experience.id and record.outcome in ("accepted", "indecisive"):
                verb = _DID[record.edit.op] if record.outcome == "accepted" else "kept as a candidate"
                parts.append(f"{verb} in step {step.index + 1}")
    return ", ".join(dict.fromkeys(parts)) or "by hand"


def _transcripts(
    db: Database,
    run: str,
    evidence: _Evidence,
    ids: Sequence[str],
    tasks: Mapping[tuple[Phase, str], Task],
) -> Iterator[Transcript]:
    for id_, label in evidence.choose(ids):
        found = rows(db, "SELECT data FROM rollouts WHERE run = ? AND id = ?", run, id_)
        if not found:
            continue
        rollout = Rollout.model_validate_json(found[0][0])
        task = tasks.get(("practice", rollout.task_id))
        step, task_id = evidence.places[id_]
        yield Transcript(
            rollout=rollout,
            label=label,
            input=task.input if task else "",
            answer=(task.answer or "") if task else "",
            reward=evidence.rewards[id_],
            reason=_reason(db, run, f"group/{step}/{task_id}", id_),
        )


def _reason(db: Database, run: str, score: str, rollout: str) -> str:
    """What the verdicts on an attempt gave as their reasons."""
    found = rows(db, "SELECT data FROM scores WHERE run = ? AND id = ?", run, score)
    if not found:
        return ""
    verdicts = Scored.model_validate_json(found[0][0]).verdicts
    return "; ".join(v.reason for v in verdicts if v.rollout_id == rollout and v.reason)
