"""Stage 2: groups of rollouts, concurrent, durable, within the budget; and their scores (stage 3).

A group is its task's G attempts under one bank. Rollouts start in the order of their tasks and share a limited
number of places; a group goes on to its verdicts the moment its own rollouts are done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from practice import traces
from practice.agent import Agent, StepComplete
from practice.calls import Calls, Endpoint, gather
from practice.config import ModelSpec
from practice.fanout import Fan
from practice.judge import Asks, Reward
from practice.memory import Bank, retrieve
from practice.progress import Progress
from practice.records import Records, Scored
from practice.types import CallKey, Completion, Experience, Group, Phase, Request, Rollout, Task


@dataclass
class Roller:
    """Attempts at tasks: run once, kept for ever, scored."""

    agent: Agent
    endpoint: Endpoint
    calls: Calls
    records: Records
    reward: Reward
    asks: Asks
    progress: Progress
    concurrency: int
    retrieve: int | None = None
    """How many experiences are injected; None: all."""
    endpoints: Callable[[ModelSpec], Endpoint] | None = None
    """The endpoints of the agents that the agent leads."""

    def __post_init__(self) -> None:
        limit = min(self.concurrency, self.endpoint.concurrency or self.concurrency)
        self._places = asyncio.Semaphore(limit)

    async def group(self, task: Task, bank: Bank, *, epoch: int, step: int, size: int, temperature: float) -> Group:
        """G attempts at one task in the practice phase, with their verdicts."""
        first = [CallKey(phase="practice", stage="rollout", epoch=epoch, task=task.id, attempt=n) for n in range(size)]
        # What a graph of the user's own asks first is not known to be the same in every attempt.
        together = size > 1 and self.endpoint.fan_out and self.agent.spec.graph is None
        async with Fan(self.calls, self.endpoint, first) as fan:
            attempts = (
                self.attempt(
                    task,
                    bank,
                    phase="practice",
                    epoch=epoch,
                    attempt=n,
                    temperature=temperature,
                    fan=fan if together else None,
                )
                for n in range(size)
            )
            rollouts = await gather(*attempts)
        key = CallKey(phase="practice", stage="judge", epoch=epoch, task=task.id)
        scored = await self._score(f"group/{step}/{task.id}", task, rollouts, key)
        self.progress.scored(scored.rewards)
        if not epoch:
            await self._audit(step, task, rollouts, key)
        return Group(
            task=task,
            rollouts=tuple(rollouts),
            verdicts=scored.verdicts,
            rewards=scored.rewards,
            counted=scored.counted,
        )

    async def trial(self, task: Task, bank: Bank, phase: Phase, attempt: int, temperature: float) -> float | None:
        """The score of one attempt outside practice; the same bank and attempt are never run twice."""
        known = rollout_id(phase, 0, task.id, attempt, bank) in self.records.scores
        with traces.part(f"trial {task.id}", known=known, task=task.id, phase=phase, attempt=attempt):
            return await self._trial(task, bank, phase, attempt, temperature)

    async def _trial(self, task: Task, bank: Bank, phase: Phase, attempt: int, temperature: float) -> float | None:
        rollout = await self.attempt(task, bank, phase=phase, epoch=0, attempt=attempt, temperature=temperature)
        key = CallKey(phase=phase, stage="judge", task=task.id, attempt=attempt, evaluator=bank_tag(bank))
        scored = await self._score(rollout.id, task, [rollout], key)
        return scored.rewards[0]

    async def attempt(
        self,
        task: Task,
        bank: Bank,
        *,
        phase: Phase,
        epoch: int,
        attempt: int,
        temperature: float,
        fan: Fan | None = None,
    ) -> Rollout:
        """One attempt, its first call by ``fan`` where there is one. What the store has is not run again."""
        tag = "" if phase == "practice" else bank_tag(bank)
        id_ = rollout_id(phase, epoch, task.id, attempt, bank)
        known = self.records.rollouts.get(id_)
        if known is not None:
            self.progress.rolled(known)
            return known

        def through(endpoint: Endpoint) -> StepComplete:
            async def complete(step: int, request: Request) -> Completion:
                key = CallKey(
                    phase=phase, stage="rollout", epoch=epoch, task=task.id, attempt=attempt, step=step, evaluator=tag
                )
                if fan is not None and step == 0 and endpoint is self.endpoint:
                    return await fan.complete(key, request)
                return await self.calls.complete(endpoint, key, request)

            return complete

        others = self.endpoints
        async with self._places:
            done = self.agent.run(
                task.input,
                memory=self.injected(bank, task),
                complete=through(self.endpoint),
                reach=None if others is None else lambda model: through(others(model)),
                temperature=temperature,
                task_id=task.id,
                attempt=attempt,
                rollout_id=id_,
            )
            spec = self.agent.spec
            rollout = await traces.rollout(done, spec.name, spec.model.name, task.input, id_)
        await self.records.save_rollout(rollout, phase)
        self.progress.rolled(rollout)
        return rollout

    def injected(self, bank: Bank, task: Task) -> Sequence[Experience]:
        """The experiences that this task's prompt holds."""
        return bank.active if self.retrieve is None else retrieve(bank, task.input, self.retrieve)

    async def _audit(self, step: int, task: Task, rollouts: Sequence[Rollout], key: CallKey) -> None:
        """In the first epoch: the panel's word on a group that a verifier has scored, to see how often it errs."""
        panel, id_ = self.reward.auditor(task), audit_id(step, task.id)
        if panel is None or id_ in self.records.scores:
            return
        ruling = await panel.score(task, rollouts, self.asks, key.model_copy(update={"evaluator": "audit"}))
        await self.records.save_score(
            id_, Scored(verdicts=ruling.verdicts, rewards=ruling.rewards, counted=ruling.counted)
        )

    async def _score(self, id_: str, task: Task, rollouts: Sequence[Rollout], key: CallKey) -> Scored:
        known = self.records.scores.get(id_)
        if known is not None:
            return known
        verdicts, rewards, counted = await self.reward.score(task, rollouts, self.asks, key)
        scored = Scored(verdicts=tuple(verdicts), rewards=tuple(rewards), counted=counted)
        traces.scored(rollouts, rewards)
        await self.records.save_score(id_, scored)
        return scored


def rollout_id(phase: Phase, epoch: int, task: str, attempt: int, bank: Bank) -> str:
    """An attempt's id; outside practice it names the bank that the prompt saw."""
    place = f"{phase}/{epoch}/{task}/{attempt}"
    return place if phase == "practice" else f"{place}@{bank_tag(bank)}"


def audit_id(step: int, task: str) -> str:
    """Where the panel's word on a verified group is kept."""
    return f"audit/{step}/{task}"


def bank_tag(bank: Bank) -> str:
    """Marks attempts by what the prompt saw: banks of the same active texts share their attempts."""
    return f"bank:{bank.digest()}"
