"""What all verifiers share: what is settled before anything is read, and the shape of a verdict."""

from __future__ import annotations

from abc import ABC, abstractmethod

from practice.errors import InputError, boundary
from practice.types import Failure, Rollout, Task, Verdict


def settled(rollout: Rollout, evaluator: str) -> Verdict | None:
    """The verdict that a rollout's status decides, or None where its output must be read.

    ``failed`` is unscored, and keeps its failure. ``limit`` without output is a 0.
    """
    if rollout.status == "failed":
        failure = rollout.failure or Failure(stage="rollout", kind="error", message="failed without a reason")
        return Verdict(rollout_id=rollout.id, evaluator=evaluator, failure=failure)
    if rollout.status == "limit" and not rollout.output.strip():
        reason = f"stopped by its {rollout.limit or 'limits'} limit without an answer"
        return Verdict(rollout_id=rollout.id, evaluator=evaluator, score=0.0, reason=reason, n_words=0)
    return None


def unscored(rollout: Rollout, evaluator: str, failure: Failure) -> Verdict:
    """A verdict without a score: something went wrong that is not the agent's fault."""
    return Verdict(rollout_id=rollout.id, evaluator=evaluator, failure=failure, n_words=len(rollout.output.split()))


class AnswerVerifier(ABC):
    """Compares a rollout's output with the task's answer."""

    name: str

    @abstractmethod
    async def compare(self, output: str, answer: str) -> tuple[bool, str]:
        """Whether the output is right, and what decided it. Raises CallFailed where that can't be told."""

    def check(self, task: Task) -> None:
        """Raise InputError where the task can't be verified."""
        if task.answer is None or not task.answer.strip():
            raise InputError(f"an answer, which the verifier {self.name} compares with", key=f"task {task.id}: answer")

    async def verify(self, task: Task, rollout: Rollout) -> Verdict:
        """The score of one rollout: 1 or 0, or unscored with the failure that prevented it."""
        verdict = settled(rollout, self.name)
        if verdict is not None:
            return verdict
        self.check(task)
        failures: list[Failure] = []
        with boundary("verifier", failures.append):
            right, reason = await self.compare(rollout.output, task.answer or "")
            words = len(rollout.output.split())
            score = 1.0 if right else 0.0
            return Verdict(rollout_id=rollout.id, evaluator=self.name, score=score, reason=reason, n_words=words)
        return unscored(rollout, self.name, failures[0])
