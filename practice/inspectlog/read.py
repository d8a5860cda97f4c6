"""A run's rows as evaluations: every phase, and outside practice every bank, with its attempts and their scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from practice.memory import Bank, apply_edits
from practice.records import RunRow, Scored, StepRecord, run_tasks
from practice.report import pairs
from practice.rollout import bank_tag
from practice.store import Database
from practice.types import Phase, Rollout, Task, Usage, Verdict

__all__ = ["Attempt", "Evaluation", "evaluations"]


@dataclass(frozen=True)
class Attempt:
    """One rollout, what it scored and what it cost."""

    rollout: Rollout
    task: Task
    number: int
    """From 1, within its evaluation."""
    reward: float | None
    verdicts: tuple[Verdict, ...]
    bank: Bank | None
    """What its prompt held; None where the run did not keep it."""
    usage: Mapping[str, Usage]
    """By model."""


@dataclass(frozen=True)
class Evaluation:
    """The attempts of one phase under one bank (in practice: under the banks as they were)."""

    name: str
    phase: Phase
    attempts: tuple[Attempt, ...]
    bank: Bank | None
    preferred: bool = False
    """Scores say which of two attempts a judge preferred."""

    @property
    def scores(self) -> tuple[tuple[float | None, ...], ...]:
        """One row a task, in the order of tasks."""
        rows: dict[str, list[float | None]] = defaultdict(list)
        for attempt in self.attempts:
            rows[attempt.task.id].append(attempt.reward)
        return tuple(map(tuple, rows.values()))


def evaluations(db: Database, row: RunRow) -> list[Evaluation]:
    """All evaluations of a run that can be shown; the last is the one that the run ends with.

    Practice, validation by bank, the holdout before, the holdout after. The holdout is sealed until the run is done.
    """
    return _Reader(db, row).read()


class _Reader:
    def __init__(self, db: Database, row: RunRow) -> None:
        self.db, self.row = db, row
        self.tasks = run_tasks(db, row.id)
        self.steps = [StepRecord.model_validate_json(data) for (data,) in self._rows("steps", "data", "ORDER BY step")]
        self.scores = {id_: Scored.model_validate_json(data) for id_, data in self._rows("scores", "id, data")}
        self.end = self.steps[-1].bank if self.steps else row.start_bank
        self.banks = {bank_tag(bank): bank for bank in self._banks()}
        self.usage = self._usage()

    def read(self) -> list[Evaluation]:
        by_place: dict[tuple[Phase, str], list[Rollout]] = defaultdict(list)
        for phase, data in self._rows("rollouts", "phase, data"):
            rollout = Rollout.model_validate_json(data)
            by_place[phase, rollout.id.rpartition("@")[2] if phase != "practice" else ""].append(rollout)
        sealed = self.row.status != "done"
        found = [
            self._evaluation(phase, tag, rollouts)
            for (phase, tag), rollouts in by_place.items()
            if not (sealed and phase == "holdout")
        ]
        order = {"practice": 0, "validation": 1, "holdout": 2}
        last = f"holdout-{'after' if self.changed else 'before'}"
        return sorted(found, key=lambda one: (order[one.phase], one.name == last, one.name))

    @property
    def changed(self) -> bool:
        return bank_tag(self.end) != bank_tag(self.row.start_bank)

    def _banks(self) -> Iterator[Bank]:
        """Every bank that an attempt was made under: those of the run, and those of the candidates it tested."""
        bank = self.row.start_bank
        for step in self.steps:
            yield from (apply_edits(bank, candidate.edits)[0] for candidate in step.candidates)
            bank = step.bank
            yield bank
        yield self.row.start_bank

    def _rows(self, table: str, columns: str, tail: str = "") -> Sequence[tuple[Any, ...]]:
        return self.db.execute(f"SELECT {columns} FROM {table} WHERE run = ? {tail}", [self.row.id]).fetchall()

    def _evaluation(self, phase: Phase, tag: str, rollouts: Sequence[Rollout]) -> Evaluation:
        attempts = [self._attempt(phase, tag, rollout) for rollout in rollouts]
        won = self._preferences(tag) if phase == "holdout" else None
        if won is not None:
            attempts = [_with(attempt, won.get((attempt.task.id, attempt.rollout.attempt))) for attempt in attempts]
        place = {id_: n for n, (of, id_) in enumerate(self.tasks) if of == phase}
        attempts.sort(key=lambda attempt: (place.get(attempt.task.id, len(place)), attempt.number))
        bank = None if phase == "practice" else self.banks.get(tag)
        return Evaluation(self._name(phase, tag), phase, tuple(attempts), bank, preferred=won is not None)

    def _name(self, phase: Phase, tag: str) -> str:
        if phase == "practice":
            return "practice"
        digest = tag.removeprefix("bank:")[:8]
        if phase == "validation":
            return f"validation-{digest}"
        if self.row.fields.get("kind") == "eval":
            return "eval"
        known = {bank_tag(self.end): "after", bank_tag(self.row.start_bank): "before"}
        return f"holdout-{known.get(tag, digest)}"

    def _attempt(self, phase: Phase, tag: str, rollout: Rollout) -> Attempt:
        task = self.tasks.get((phase, rollout.task_id)) or Task(id=rollout.task_id, input="")
        usage = self.usage.get((phase, _epoch(rollout), rollout.task_id, rollout.attempt, tag), {})
        if phase != "practice":
            scored = self.scores.get(rollout.id)
            reward, verdicts = (scored.rewards[0], scored.verdicts) if scored else (None, ())
            return Attempt(rollout, task, rollout.attempt + 1, reward, verdicts, self.banks.get(tag), usage)
        step = self._step(rollout)
        scored = self.scores.get(f"group/{step}/{task.id}")
        rewards = scored.rewards if scored else ()
        reward = rewards[rollout.attempt] if rollout.attempt < len(rewards) else None
        verdicts = tuple(v for v in scored.verdicts if v.rollout_id == rollout.id) if scored else ()
        size = self.row.fields.get("rollouts.group_size")
        number = _epoch(rollout) * (size if isinstance(size, int) else 1) + rollout.attempt + 1
        return Attempt(rollout, task, number, reward, verdicts, self._bank_of(step), usage)

    def _step(self, rollout: Rollout) -> int:
        """The batch in which a practice task was tried: the decided one that held it, else the one at work."""
        epoch = _epoch(rollout)
        held = (step.index for step in self.steps if step.epoch == epoch and rollout.task_id in step.tasks)
        return next(held, len(self.steps))

    def _bank_of(self, step: int) -> Bank:
        return self.steps[step - 1].bank if step else self.row.start_bank

    def _preferences(self, tag: str) -> Mapping[tuple[str, int], float] | None:
        """Of a judged reward: how the holdout's attempts under this bank came out against the other bank's."""
        if not self.changed or tag not in (bank_tag(self.end), bank_tag(self.row.start_bank)):
            return None
        won = pairs.outcomes(self.db, self.row.id, self.row.start_bank, self.end)
        if not won:
            return None
        return won if tag == bank_tag(self.end) else {place: 1.0 - value for place, value in won.items()}

    def _usage(self) -> Mapping[tuple[Any, ...], dict[str, Usage]]:
        """What attempts cost, by their place and by model."""
        by = "phase, epoch, task, attempt, evaluator, model"
        columns = f"{by}, count(*), total(input_tokens), total(output_tokens), total(cached_tokens)"
        columns += ", total(reasoning_tokens), total(usd), sum(usd IS NULL), total(seconds)"
        found: dict[tuple[Any, ...], dict[str, Usage]] = defaultdict(dict)
        for line in self._rows("calls", columns, f"AND stage = 'rollout' AND state = 'done' GROUP BY {by}"):
            calls, tokens_in, tokens_out, cached, reasoning, usd, unpriced, seconds = line[6:]
            found[tuple(line[:5])][line[5]] = Usage(
                calls=calls,
                input_tokens=int(tokens_in),
                output_tokens=int(tokens_out),
                cached_tokens=int(cached),
                reasoning_tokens=int(reasoning),
                usd=None if unpriced else float(usd),
                seconds=float(seconds),
            )
        return found


def _epoch(rollout: Rollout) -> int:
    return int(rollout.id.split("/")[1])


def _with(attempt: Attempt, reward: float | None) -> Attempt:
    return Attempt(attempt.rollout, attempt.task, attempt.number, reward, attempt.verdicts, attempt.bank, attempt.usage)
