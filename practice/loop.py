"""The algorithm, in one function that reads like the paper: :func:`practise`.

    tasks -> rollouts (G each) -> verdicts -> advantage -> memory edits -> prompt -> next rollouts

Training-Free GRPO (arXiv 2510.08191, sections 2 and 3) with two additions: the program itself counts which
behaviours go with reward before a teacher words anything, and a batch of edits is kept only where validation
tasks show that it helps (``accept.py``).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from practice import accept, advantage, duels, prompt, traces
from practice.calls import Ask, gather
from practice.config import Settings
from practice.errors import boundary
from practice.features import UserFeature
from practice.heldout import Scores, trials
from practice.judge import agreement, support
from practice.memory import Bank, Change, LeakIndex, apply_edits, check_edit
from practice.progress import Progress
from practice.records import EditRecord, GroupRecord, Records, StepRecord
from practice.rollout import Roller
from practice.types import (
    CallKey,
    Decision,
    Edit,
    Fact,
    Failure,
    Group,
    Lesson,
    Phase,
    Proposal,
    Refusal,
    Task,
)


@dataclass(frozen=True)
class Batch:
    """Tasks that are practised under one bank and decided on together."""

    index: int
    epoch: int
    number: int
    tasks: tuple[Task, ...]


@dataclass
class Practice:
    """What the algorithm works on. Built by ``practice.run``; everything in it is already checked."""

    settings: Settings
    roller: Roller
    teacher: Ask
    practice: tuple[Task, ...]
    validation: tuple[Task, ...]
    holdout: tuple[Task, ...]
    start: Bank
    records: Records
    leaks: LeakIndex
    progress: Progress
    publish: Callable[[Bank], Awaitable[None]]
    """Writes the bank file; called after a decision is committed."""
    bank_key: str
    reserved: int = 0
    """The highest experience number ever given for this bank."""
    own_features: Sequence[UserFeature] = ()
    judged: bool = False
    """Judges alone score: attempts under two banks are then judged together, see ``duels.py``."""
    gate: accept.Gate = field(default_factory=accept.Gate)
    history: list[Group] = field(default_factory=list[Group])
    """The groups that were practised since the bank last changed."""


@dataclass(frozen=True)
class Practised:
    """What came out."""

    bank: Bank
    before: Scores
    after: Scores
    even: Scores = ()
    """Of a judged reward: ``after`` once more, with each pair brought to one length; empty with an unchanged bank."""


async def practise(p: Practice) -> Practised:
    """Practise on every batch, keep what is shown to help, measure before and after."""
    bank = p.start
    before = await traces.within(measure(p, bank, "before"), "holdout before", known=not p.holdout)
    for batch in batches(p):
        p.progress.enter(f"{named(batch)}: practising", len(batch.tasks) * p.settings.rollouts.group_size)
        with traces.part(named(batch), known=known_step(p, batch) is not None, step=batch.index):
            facts = behaviour(p)  # of earlier batches: a group goes on before its own batch is complete
            studied = await gather(
                *(
                    traces.within(
                        study(p, batch, task, bank, facts),
                        f"group {task.id}",
                        known=(batch.index, task.id) in p.records.groups,
                        task=task.id,
                        phase="practice",
                        epoch=batch.epoch,
                    )
                    for task in batch.tasks
                )
            )
            p.history += [group for group, _ in studied]
            step = known_step(p, batch) or await decide(p, batch, bank, [record for _, record in studied])
            traces.note(outcome=step.decision.outcome)
        p.gate = next_gate(p, step, bank)
        if step.bank.digest() != bank.digest():
            p.history.clear()  # what was done under another bank says little about this one
        bank = step.bank
        if batch.index == len(p.records.steps) - 1:
            await p.publish(bank)
        p.progress.decided(batch.index, step.decision)
    if bank.digest() == p.start.digest():
        return Practised(bank, before, before)
    after = await traces.within(measure(p, bank, "after"), "holdout after", known=not p.holdout)
    if not p.judged:
        return Practised(bank, before, after)
    even = await duels.preferences(p.roller, p.start, bank, p.holdout, "holdout", p.settings.evaluate.trials, even=True)
    return Practised(bank, duels.mirrored(after), after, even)


def batches(p: Practice) -> Iterator[Batch]:
    """Each epoch's tasks in an order that the seed decides (or the file's), cut into batches."""
    settings = p.settings.practice
    index = 0
    for epoch in range(settings.epochs):
        tasks = list(p.practice)
        if settings.shuffle:
            tasks.sort(key=lambda task: hashlib.sha256(f"{settings.seed}/{epoch}/{task.id}".encode()).digest())
        for number, start in enumerate(range(0, len(tasks), settings.batch_size)):
            yield Batch(index, epoch, number, tuple(tasks[start : start + settings.batch_size]))
            index += 1


def named(batch: Batch) -> str:
    """A batch as people are told of it, counted from 1."""
    return f"epoch {batch.epoch + 1}, batch {batch.number + 1}"


def planned_steps(settings: Settings, tasks: int) -> int:
    """How many batches a run has: what the gate shares its error budget over."""
    return settings.practice.epochs * -(-tasks // settings.practice.batch_size)


# ---------------------------------------------------------------------- one group


async def study(p: Practice, batch: Batch, task: Task, bank: Bank, facts: Sequence[Fact]) -> tuple[Group, GroupRecord]:
    """One task: G rollouts, their verdicts, their advantage, and what a teacher draws from the contrast."""
    rollouts = p.settings.rollouts
    group = await p.roller.group(
        task,
        bank,
        epoch=batch.epoch,
        step=batch.index,
        size=rollouts.group_size,
        temperature=rollouts.temperature,
    )
    known = p.records.groups.get((batch.index, task.id))
    if known is not None:
        return group, known
    failures: list[Failure] = []
    lessons: tuple[Lesson, ...] = ()
    note = advantage.why_not(group, p.settings)
    if not note:
        key = CallKey(phase="practice", stage="advantage", epoch=batch.epoch, task=task.id)
        with boundary("advantage", failures.append):
            specs, user = p.roller.agent.tool_specs, p.own_features
            lessons = await advantage.learn(p.teacher, key, group, facts, p.settings, specs=specs, user=user)
    record = GroupRecord(
        task_id=task.id,
        kind=group.kind,
        rewards=group.rewards,
        statuses=tuple(rollout.status for rollout in group.rollouts),
        advantage=advantage.numeric(group),
        lessons=lessons,
        failures=tuple(failures),
        note=note,
        agreement=agreement(group),
    )
    await p.records.save_group(batch.index, record)
    return group, record


def behaviour(p: Practice) -> tuple[Fact, ...]:
    """Which behaviours go with reward under the present bank: counted by the program, not by a model."""
    return advantage.behaviour(p.history, p.settings, specs=p.roller.agent.tool_specs, user=p.own_features)


# ---------------------------------------------------------------------- one batch's decision


@dataclass(frozen=True)
class Arm:
    """A candidate change that survived the checks, and the bank that it would make."""

    label: str
    edits: tuple[Edit, ...]
    bank: Bank
    changes: tuple[Change, ...]


async def decide(p: Practice, batch: Batch, bank: Bank, groups: Sequence[GroupRecord]) -> StepRecord:
    """Merge a batch's lessons into candidate edits, let them race, keep what is shown to help."""
    began = time.monotonic()
    failures: list[Failure] = []
    facts = behaviour(p)
    proposals: tuple[Proposal, ...] = ()
    lessons = [lesson for group in groups for lesson in group.lessons]
    p.progress.enter(f"{named(batch)}: merging {len(lessons)} lesson(s)", 0)
    with boundary("merge", failures.append):
        key = CallKey(phase="practice", stage="merge", epoch=batch.epoch, task=f"batch:{batch.number}")
        specs, user = p.roller.agent.tool_specs, p.own_features
        proposals = await advantage.propose(
            p.teacher, key, bank, lessons, facts, p.history, p.settings, specs=specs, user=user
        )
    arms, refusals = screen(p, bank, proposals)
    decision = await judge_arms(p, batch, bank, arms)
    chosen = arms[decision.winner or 0] if arms else None
    after, edits = conclude(bank, chosen, decision, p.history)
    step = StepRecord(
        index=batch.index,
        epoch=batch.epoch,
        tasks=tuple(task.id for task in batch.tasks),
        facts=facts,
        candidates=tuple(Proposal(edits=arm.edits, label=arm.label) for arm in arms),
        edits=(*edits, *(EditRecord(edit=r.edit, outcome=r.reason, detail=r.detail) for r in refusals)),
        decision=decision,
        bank=after,
        seconds=time.monotonic() - began,
        failures=tuple(failures),
        prompts=prompt.hashes(),
    )
    return await p.records.commit_step(step, p.bank_key, bank)


def screen(p: Practice, bank: Bank, proposals: Sequence[Proposal]) -> tuple[list[Arm], list[Refusal]]:
    """Check every edit against bank, leaks and caps; candidates that would make the same bank are one."""
    arms: list[Arm] = []
    refusals: list[Refusal] = []
    seen: set[str] = set()
    memory = p.settings.memory

    def refuse(refusal: Refusal) -> None:
        edit = refusal.edit
        said = (edit.op, edit.id, edit.ids, edit.text)
        if all(said != (r.edit.op, r.edit.id, r.edit.ids, r.edit.text) for r in refusals):
            refusals.append(refusal)

    for proposal in proposals:
        kept: list[Edit] = []
        after, changes = bank, ()
        for edit in proposal.edits:
            if edit.op == "keep" and bank.get(edit.id or "") is not None:
                continue  # no change: nothing to decide
            refusal = check_edit(edit, after, p.leaks, max_words=memory.max_words, cap=memory.max_experiences)
            if refusal is not None:
                refuse(refusal)
                continue
            kept.append(edit)
            after, changes = apply_edits(bank, kept, reserved=p.reserved)
        if after.digest() == bank.digest():
            for edit in kept:
                refuse(Refusal(edit=edit, reason="invalid", detail="it changes nothing that the agent reads"))
        elif after.digest() not in seen:
            seen.add(after.digest())
            arms.append(Arm(proposal.label, tuple(kept), after, changes))
    return arms, refusals


async def judge_arms(p: Practice, batch: Batch, bank: Bank, arms: Sequence[Arm]) -> Decision:
    """Race the candidates on the validation tasks and put the winner through the gate."""
    if not arms:
        return Decision(outcome="nothing", reason="nothing was proposed that passed the checks", winner=None)
    if p.settings.accept.policy == "always":
        return Decision(outcome="accept", reason="accept.policy is always: not tested", winner=0)
    plan = plan_of(p, [arm.edits for arm in arms], bank)
    incumbent: Scores = tuple(() for _ in p.validation)
    rows: list[Scores] = [incumbent for _ in arms]
    temperature = p.settings.evaluate.temperature

    async def scores(of: Bank, n: int) -> Scores:
        if p.judged:
            return await duels.preferences(p.roller, bank, of, p.validation, "validation", n)
        return await trials(p.roller, of, p.validation, "validation", n, temperature)

    while isinstance(move := plan.next(incumbent, rows), accept.Needs):
        jobs = ([(-1, bank, move.incumbent)] if move.incumbent else []) + [
            (index, arms[index].bank, n) for index, n in sorted(move.arms.items())
        ]
        p.progress.enter(
            f"{named(batch)}: testing {len(arms)} candidate(s)", sum(n for _, _, n in jobs) * len(p.validation)
        )
        if p.judged:
            runs = (duels.attempted(p.roller, [of], p.validation, "validation", n, temperature) for _, of, n in jobs)
            await gather(*runs)
        results = await gather(*(scores(of, n) for _, of, n in jobs))
        for (index, _, _), result in zip(jobs, results, strict=True):
            if index < 0:
                incumbent = result
            else:
                rows[index] = result
    if p.judged and move.outcome == "accept" and not plan.shrink:
        return await duels.at_equal_length(p.roller, bank, arms[move.winner or 0].bank, p.validation, move)
    return move


def plan_of(p: Practice, candidates: Sequence[Sequence[Edit]], bank: Bank) -> accept.Plan:
    """The gate's plan for one proposal: not being worse is enough only where every candidate only shortens.

    What a candidate lesson says is new to the prompt, so only active texts count as already there.
    """
    texts = {experience.id: experience.text for experience in bank.active}
    shrink = all(accept.is_shrink(edits, texts) for edits in candidates)
    return p.gate.plan(candidates=len(candidates), shrink=shrink)


def conclude(
    bank: Bank, arm: Arm | None, decision: Decision, groups: Sequence[Group] = ()
) -> tuple[Bank, list[EditRecord]]:
    """The bank after a decision, and what became of each edit of the proposal, whose evidence is in ``groups``."""
    if arm is None:
        return bank, []
    if decision.outcome == "accept":
        return arm.bank.credit(arm.changes, decision.helpful, decision.harmful), _records(
            arm, "accepted", decision, groups
        )
    if decision.outcome == "indecisive":
        return bank.keep_candidates(arm.changes), _records(arm, "indecisive", decision, groups)
    return bank, _records(arm, "rejected", decision, groups)


def _records(arm: Arm, outcome: str, decision: Decision, groups: Sequence[Group]) -> list[EditRecord]:
    ids = {change.edit: change.id for change in arm.changes}
    return [
        EditRecord.model_validate(
            {
                "edit": edit,
                "outcome": outcome,
                "detail": decision.reason,
                "experience": None if outcome == "rejected" else ids.get(edit),
                "support": support(edit.evidence, groups),
            }
        )
        for edit in arm.edits
    ]


# ---------------------------------------------------------------------- going on after a stop


def known_step(p: Practice, batch: Batch) -> StepRecord | None:
    """The batch's decision where it was already made."""
    return p.records.steps[batch.index] if batch.index < len(p.records.steps) else None


def next_gate(p: Practice, step: StepRecord, before: Bank) -> accept.Gate:
    """The gate with what is left of its error budget after a decision."""
    if step.decision.outcome == "nothing" or p.settings.accept.policy == "always":
        return p.gate.skip()
    plan = plan_of(p, [candidate.edits for candidate in step.candidates], before)
    return p.gate.after(plan, step.decision)


async def measure(p: Practice, bank: Bank, when: str) -> Scores:
    """The holdout under ``bank``; sealed: nothing of it is shown or used before the end.

    Of a judged reward: the share of its attempts that were preferred over those under the start bank.
    """
    if not p.holdout:
        return ()
    evaluate = p.settings.evaluate
    p.progress.enter(f"holdout {when}", len(p.holdout) * evaluate.trials)
    phase: Phase = "holdout"
    if p.judged:
        await duels.attempted(p.roller, [bank], p.holdout, phase, evaluate.trials, evaluate.temperature)
        return await duels.preferences(p.roller, p.start, bank, p.holdout, phase, evaluate.trials)
    return await trials(p.roller, bank, p.holdout, phase, evaluate.trials, evaluate.temperature)
