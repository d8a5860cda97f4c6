"""LLM judges. Each scores a whole group blind in one structured call; a pair counts where all of them agree.

Scoring a group at once makes scores comparable within it, which is all that an advantage needs. Three wordings of
the question are better than one wording asked five times: their mistakes differ (Gu et al., A Survey on
LLM-as-a-Judge, arXiv 2411.15594, on prompt sensitivity).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, cast

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model

from practice import prompt
from practice.calls import Ask, gather, structured
from practice.config import ModelSpec
from practice.errors import InputError, boundary
from practice.judge.show import cut, letters, show
from practice.types import CallKey, Failure, Message, Request, Rollout, Task, Verdict
from practice.verifiers.base import settled

__all__ = ["CRITERIA", "Judge", "Panel", "Ruling"]

CRITERIA = "Whether the final output is correct and does all that the task asks for."
"""What counts where neither the panel nor the task has a rubric."""
MAX_CHARS = 24_000
"""Of all attempts of a group together, as a judge sees them; what is longer is cut in the middle."""
LEAST_CHARS = 600
"""Of one attempt, however many there are."""

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Judge:
    """One evaluator of a panel."""

    name: str
    wording: str
    """Its instructions, whole. ``{{answer}}`` in them is replaced by the task's answer: only so it sees one."""
    model: ModelSpec | None = None
    """None: the one that the run's ``asks`` gives for None."""
    temperature: float = 0.0
    seed: int | None = None
    """Enters its calls' seeds and its orders: sets apart judges that are alike otherwise."""
    rubric: str | None = None
    """What it looks for; None: the task's rubric, else :data:`CRITERIA`."""

    @property
    def sees_answer(self) -> bool:
        """Whether its wording asks for the task's answer."""
        return "answer" in prompt.keys(self.wording)

    def key(self, place: CallKey) -> CallKey:
        """Its place in the run: from it come the call's seed and the order of the attempts."""
        who = self.name if self.seed is None else f"{self.name}#{self.seed}"
        return place.model_copy(
            update={"stage": "judge", "step": 0, "evaluator": f"{who}@{place.evaluator}" if place.evaluator else who}
        )


@dataclass(frozen=True)
class Ruling:
    """A panel's word on a group, each field aligned with the rollouts it was given."""

    verdicts: tuple[Verdict, ...]
    """One a judge and rollout, judge by judge."""
    rewards: tuple[float | None, ...]
    """The mean of the scores that there are; None = unscored."""
    counted: Pairs | None
    """Pairs (better, worse) that all judges agree on; None without a gate."""


class Panel:
    """The judges of a run."""

    def __init__(
        self, judges: Sequence[Judge], *, gate: bool = True, rubric: bool = False, seed: int = 0, name: str = "judge"
    ) -> None:
        """``rubric``: every task must have a rubric of its own, and judges are shown it beside theirs.

        ``seed`` is the run's: the order in which a judge sees the attempts of a group is drawn from its call's seed.
        """
        self.name = name
        self.judges = tuple(judges)
        self.gate = gate
        self.seed = seed
        self._rubric = rubric

    @property
    def sees_answer(self) -> bool:
        """Whether any judge is shown the tasks' answers."""
        return any(judge.sees_answer for judge in self.judges)

    def check(self, task: Task) -> None:
        """Raise InputError where a task lacks what the panel needs."""
        if self._rubric and not (task.rubric or "").strip():
            raise InputError("a rubric, which the reward rubric judges by", key=f"task {task.id}: rubric")
        for judge in self.judges:
            if judge.sees_answer and task.answer is None:
                found = f"none, and the wording of the judge {judge.name} asks for it"
                raise InputError("an answer", found=found, key=f"task {task.id}: answer")

    async def score(
        self,
        task: Task,
        rollouts: Sequence[Rollout],
        asks: Callable[[ModelSpec | None], Ask],
        place: CallKey,
        *,
        as_given: bool = False,
    ) -> Ruling:
        """Judge a group. All judges are asked at the same time; one that fails leaves its verdicts unscored.

        ``as_given``: attempts are shown in this order, not in one drawn from the call's seed.
        """
        self.check(task)
        seen = [index for index, rollout in enumerate(rollouts) if _readable(rollout)]
        jobs = (self._judge(judge, task, rollouts, seen, asks, place, as_given) for judge in self.judges)
        rows = await gather(*jobs)
        scores = [[verdict.score for verdict in row] for row in rows]
        return Ruling(
            verdicts=tuple(verdict for row in rows for verdict in row),
            rewards=tuple(_mean(column) for column in zip(*scores, strict=True)),
            counted=agreed(scores) if self.gate else None,
        )

    async def _judge(
        self,
        judge: Judge,
        task: Task,
        rollouts: Sequence[Rollout],
        seen: Sequence[int],
        asks: Callable[[ModelSpec | None], Ask],
        place: CallKey,
        as_given: bool,
    ) -> list[Verdict]:
        verdicts = [_unread(rollout, judge.name) for rollout in rollouts]
        if not seen:
            return verdicts
        key = judge.key(place)
        order = list(seen)
        if not as_given:
            random.Random(key.seed(self.seed)).shuffle(order)
        labels = letters(len(order))
        texts = [show(rollouts[index]) for index in order]
        request = self._request(judge, task, list(zip(labels, texts, strict=True)))
        failures: list[Failure] = []
        answers: list[BaseModel] = []
        with boundary("judge", failures.append):
            answers.append(await structured(asks(judge.model), key, request, scores_of(len(order))))
        for index, label, text in zip(order, labels, texts, strict=True):
            word = cast("AttemptScore", getattr(answers[0], label)) if answers else None
            verdicts[index] = Verdict(
                rollout_id=rollouts[index].id,
                evaluator=judge.name,
                score=None if word is None else word.score / 10,
                reason="" if word is None else word.reason,
                failure=failures[0] if failures else None,
                n_words=len(text.split()),
            )
        ranks = mid_ranks([verdict.score for verdict in verdicts])
        return [v.model_copy(update={"rank": rank}) for v, rank in zip(verdicts, ranks, strict=True)]

    def _request(self, judge: Judge, task: Task, attempts: Sequence[tuple[str, str]]) -> Request:
        limit = max(LEAST_CHARS, MAX_CHARS // len(attempts))
        shown = (f"## Attempt {label}\n{_quoted(cut(text, limit))}" for label, text in attempts)
        own = judge.rubric or (None if self._rubric else task.rubric)
        criteria = [text.strip() for text in (task.rubric if self._rubric else None, own) if text]
        user = prompt.template(
            "judge_group",
            task=task.input.strip(),
            criteria="\n".join(criteria) or CRITERIA,
            attempts="\n\n".join(shown),
        )
        values = {"answer": task.answer or ""} if judge.sees_answer else {}
        return Request(
            messages=(
                Message(role="system", content=prompt.fill(judge.wording, **values)),
                Message(role="user", content=user),
            ),
            temperature=judge.temperature,
            max_tokens=200 + 150 * len(attempts),
        )


# ---------------------------------------------------------------- what is asked


class AttemptScore(BaseModel):
    """One attempt's score. The reason stands first, so that the score follows from it."""

    model_config = ConfigDict(extra="ignore")

    reason: str
    # The schema asks for whole numbers, which every constrained decoder can be held to; a half is taken as well.
    score: Annotated[float, Field(ge=0.0, le=10.0), WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 10})]


@lru_cache(maxsize=64)
def scores_of(count: int) -> type[BaseModel]:
    """An object with one :class:`AttemptScore` for each of ``count`` attempts, by letter: none can be left out."""
    fields = dict.fromkeys(letters(count), (AttemptScore, ...))
    return cast("type[BaseModel]", create_model("Scores", **cast("dict[str, tuple[type, object]]", fields)))  # pyright: ignore


# ---------------------------------------------------------------- pure parts


def mid_ranks(scores: Sequence[float | None]) -> list[float | None]:
    """Ranks from 1 = best; equal scores share the mean of their ranks; None stays None."""
    known = [score for score in scores if score is not None]
    return [
        None if score is None else sum(other > score for other in known) + (known.count(score) + 1) / 2
        for score in scores
    ]


def agreed(scores: Sequence[Sequence[float | None]]) -> Pairs:
    """Pairs (better, worse) where every judge has scored both and strictly prefers the first.

    ``scores`` has a row a judge and a column a rollout. A judge without a score agrees with nobody.
    """
    columns = list(zip(*scores, strict=True))
    return tuple(
        (better, worse)
        for better, high in enumerate(columns)
        for worse, low in enumerate(columns)
        if all(a is not None and b is not None and a > b for a, b in zip(high, low, strict=True))
    )


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known else None


def _readable(rollout: Rollout) -> bool:
    return rollout.status != "failed" and bool(rollout.output.strip())


def _unread(rollout: Rollout, name: str) -> Verdict:
    """The verdict on an attempt that no judge is asked about: failed, or nothing was output."""
    verdict = settled(rollout, name)
    if verdict is not None:
        return verdict
    return Verdict(rollout_id=rollout.id, evaluator=name, score=0.0, reason="no output", n_words=0)


def _quoted(text: str) -> str:
    """Every line marked, so that an attempt can't end itself and begin another."""
    return "\n".join(f"> {line}" for line in text.splitlines())
