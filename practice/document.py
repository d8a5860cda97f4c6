"""What ``run --json`` and ``eval --json`` print: one frozen document, built from the rows of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer

from practice.heldout import Scores, difference, estimate, metric_name
from practice.judge import Case, JudgeErrors, judge_errors
from practice.judged import Judged, preference, preferred
from practice.memory import Bank
from practice.prediction import Foretold
from practice.records import Records, StepRecord
from practice.types import Delta, Estimate, Stage, Usage, Value

DocumentStatus = Literal["done", "budget", "interrupted", "failed"]
EXIT_CODES: Mapping[DocumentStatus, int] = {"done": 0, "failed": 1, "budget": 3, "interrupted": 4}


class TaskCounts(Value):
    """Tasks of each set, after the validation tasks were set aside."""

    practice: int
    validation: int
    holdout: int


class RolloutCounts(Value):
    """Rollouts of the practice phase."""

    total: int
    done: int
    limit: int
    failed: int


class GroupCounts(Value):
    """Groups of the practice phase."""

    total: int
    mixed: int
    all_right: int
    all_wrong: int
    abstained: int
    unscored: int


class RefusedCounts(Value):
    """Edits that the checks refused before any test, by the reason."""

    invalid: int
    leak: int
    duplicate: int


class EditCounts(Value):
    """``proposed`` is the sum of the rest."""

    proposed: int
    accepted: int
    rejected: int
    indecisive: int
    refused: RefusedCounts


class ExperienceLine(Value):
    """One experience of the active bank."""

    id: str
    text: str
    helpful: int
    harmful: int
    evidence: tuple[str, ...]


class UsageReport(Value):
    """Cumulative over all processes of the run."""

    calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    usd: float | None
    """None where a price is unknown."""
    seconds: float
    """Wall seconds of the run's processes."""
    by_stage: dict[Stage, Usage]


class Document(Value):
    """The contract's document of a run."""

    run_id: str
    status: DocumentStatus
    agent: str
    steps: int
    tasks: TaskCounts
    rollouts: RolloutCounts
    groups: GroupCounts
    edits: EditCounts
    experiences: tuple[ExperienceLine, ...]
    before: Estimate | None
    after: Estimate | None
    delta: Delta | None
    usage: UsageReport
    judges: JudgeErrors | None = None
    """The panel against verifiers, where some of the tasks have one and judges decide the others."""
    memory: str
    report: str | None
    judged: Judged | None = None
    """Who judged the holdout and how, where judges alone score; before, after and delta are then preferences."""
    predicted: Foretold | None = None
    """What a sample had predicted (``--dry-run --sample``) and what came, where the run is done and was sampled."""

    @model_serializer(mode="wrap")
    def _without_judges(self, rest: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The contract's fields; what judges and a sample add is there only where there were any."""
        written: dict[str, Any] = rest(self)
        return {
            key: value
            for key, value in written.items()
            if value is not None or key not in ("judges", "judged", "predicted")
        }


class Outcome(Value):
    """What the holdout said, where there was one and it was read."""

    before: Estimate | None = None
    after: Estimate | None = None
    delta: Delta | None = None


def outcome(before: Scores, after: Scores, n: int, *, same_bank: bool, judged: bool = False) -> Outcome:
    """Estimates before and after and their paired difference; all None without a holdout.

    ``judged``: ``after`` holds the outcomes of pairs, so the estimates are shares preferred.
    """
    if not before:
        return Outcome()
    if judged:
        one, two, net = preference(after, preferred(n), same_bank=same_bank)
        return Outcome(before=one, after=two, delta=net)
    metric = metric_name(n)
    return Outcome(
        before=estimate(before, metric),
        after=estimate(after, metric) if after else None,
        delta=difference(before, after, same_bank=same_bank) if after else None,
    )


def rollout_counts(records: Records) -> RolloutCounts:
    """The practice phase's attempts by status; validation and holdout are left out."""
    statuses = Counter(rollout.status for id_, rollout in records.rollouts.items() if id_.startswith("practice/"))
    return RolloutCounts(
        total=statuses.total(), done=statuses["done"], limit=statuses["limit"], failed=statuses["failed"]
    )


def group_counts(records: Records) -> GroupCounts:
    """The practised groups by kind (see ``Group.kind``)."""
    kinds = Counter(group.kind for group in records.groups.values())
    return GroupCounts(
        total=kinds.total(),
        mixed=kinds["mixed"],
        all_right=kinds["all_right"],
        all_wrong=kinds["all_wrong"],
        abstained=kinds["abstained"],
        unscored=kinds["unscored"],
    )


def judge_figures(records: Records) -> JudgeErrors | None:
    """How often the panel erred on the groups that a verifier scored as well."""
    cases: list[Case] = []
    for id_, scored in sorted(records.scores.items()):
        truth = records.scores.get(f"group/{id_.removeprefix('audit/')}")
        if id_.startswith("audit/") and truth is not None:
            cases.append(Case(truth.rewards, scored.verdicts, scored.counted, scored.rewards))
    return judge_errors(cases)


def edit_counts(steps: Sequence[StepRecord]) -> EditCounts:
    """What became of every edit that was proposed, over all batches."""
    outcomes = Counter(edit.outcome for step in steps for edit in step.edits)
    return EditCounts(
        proposed=outcomes.total(),
        accepted=outcomes["accepted"],
        rejected=outcomes["rejected"],
        indecisive=outcomes["indecisive"],
        refused=RefusedCounts(invalid=outcomes["invalid"], leak=outcomes["leak"], duplicate=outcomes["duplicate"]),
    )


def experience_lines(bank: Bank) -> tuple[ExperienceLine, ...]:
    """The active experiences in the bank's order; candidates and retired ones are not shown to an agent."""
    return tuple(
        ExperienceLine(id=e.id, text=e.text, helpful=e.helpful, harmful=e.harmful, evidence=e.evidence)
        for e in bank.active
    )


def usage_report(by_stage: Mapping[Stage, Usage], seconds: float) -> UsageReport:
    """The spend of all stages and their sum; ``seconds``: wall time of all the run's processes."""
    total = sum(by_stage.values(), Usage())
    return UsageReport(
        calls=total.calls,
        input_tokens=total.input_tokens,
        output_tokens=total.output_tokens,
        cached_tokens=total.cached_tokens,
        usd=total.usd,
        seconds=round(seconds, 3),
        by_stage=dict(by_stage),
    )
