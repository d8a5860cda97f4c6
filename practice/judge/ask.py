"""How one judge is asked about a group, in each of its modes: what is sent, and what is read from the replies.

group    all attempts in one call, a score from 0 to 10 each
score    one attempt a call, a score from 0 to 10
pairs    two attempts a call, each pair in both orders: which is better? Two answers that differ are a tie
rubric   one attempt a call, points for each criterion
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model

from practice import prompt
from practice.calls import Ask, gather, structured
from practice.errors import boundary
from practice.judge.judges import Judge
from practice.judge.rubric import Rubric
from practice.judge.show import cut, letters, show
from practice.types import CallKey, Failure, Message, Request, Rollout, Task, Value, Verdict

__all__ = ["Ballot", "Bout", "Sheet", "Word", "ask_judge", "mid_ranks", "scores_of"]

MAX_CHARS = 24_000
"""Of all attempts of a call together, as a judge sees them; what is longer is cut in the middle."""
LEAST_CHARS = 600
"""Of one attempt, however many there are."""

Reply = TypeVar("Reply", bound=BaseModel)


class Bout(Value):
    """Two attempts of a group as they met, by their places in it."""

    first: int
    """Which stood first."""
    second: int
    winner: Literal["first", "second", "tie"] | None
    """None: the call failed."""


@dataclass(frozen=True)
class Word:
    """What a judge said of one attempt."""

    score: float | None = None
    """In [0, 1]; None = unscored."""
    reason: str = ""
    failure: Failure | None = None


@dataclass(frozen=True)
class Ballot:
    """A judge's word on a group: one verdict a rollout, and the bouts behind them where it compared pairs."""

    verdicts: tuple[Verdict, ...]
    bouts: tuple[Bout, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """One judge before one group."""

    judge: Judge
    task: Task
    rollouts: Sequence[Rollout]
    seen: Sequence[int]
    """Places of the attempts that it is shown."""
    ask: Ask
    place: CallKey
    seed: int
    """The run's."""
    both: bool = False
    """Whether the task's rubric and the judge's both count."""
    texts: dict[int, str] = field(default_factory=dict[int, str])
    """What is shown of each attempt."""

    @property
    def rubric(self) -> Rubric:
        """What counts."""
        return self.judge.rubric_of(self.task, both=self.both)

    def request(self, shown: Sequence[tuple[str, int]], reply: str, max_tokens: int) -> Request:
        """The call about the attempts ``shown``, (letter, place) each."""
        limit = max(LEAST_CHARS, MAX_CHARS // len(shown))
        attempts = [
            f"## Attempt {letter}\n{self._made_by(at)}{_quoted(cut(self.texts[at], limit))}" for letter, at in shown
        ]
        rubric, descending = self.rubric, self.judge.descending
        parts = {"task": self.task.input.strip(), "criteria": rubric.text, "attempts": "\n\n".join(attempts)}
        if reply == "rubric":
            parts["scale"] = rubric.ranges(descending=descending)
        elif reply != "pairs":
            parts["scale"] = rubric.options(descending=descending)
        values = {"answer": self.task.answer or ""} if self.judge.sees_answer else {}
        system = f"{prompt.fill(self.judge.wording, **values)}\n\n{prompt.source(f'judge_reply_{reply}')}"
        user = prompt.template("judge_pair" if reply == "pairs" else "judge_group", **parts)
        return Request(
            messages=(Message(role="system", content=system), Message(role="user", content=user)),
            temperature=self.judge.temperature,
            max_tokens=max_tokens,
        )

    async def call(self, request: Request, schema: type[Reply], part: str = "") -> tuple[Reply | None, Failure | None]:
        """The reply, or the failure in its place."""
        failures: list[Failure] = []
        with boundary("judge", failures.append):
            return await structured(self.ask, self.judge.key(self.place, part), request, schema), None
        return None, failures[0]

    def order(self) -> list[int]:
        """The places in the order in which they are shown."""
        order = list(self.seen)
        if self.judge.rollout_order == "reversed":
            order.reverse()
        elif self.judge.rollout_order == "shuffled":
            random.Random(self.judge.key(self.place).seed(self.seed)).shuffle(order)
        return order

    def _made_by(self, at: int) -> str:
        made_by = None if self.judge.blind else self.rollouts[at].made_by
        return f"Made by: {made_by}\n\n" if made_by else ""


async def ask_judge(sheet: Sheet, unseen: Sequence[Verdict | None]) -> Ballot:
    """A judge's word on a group. ``unseen``: the verdicts on attempts that it is not shown, None for the others.

    A call that fails leaves what it was about unscored, never 0.
    """
    judge = sheet.judge
    for at in sheet.seen:
        sheet.texts[at] = show(sheet.rollouts[at])
    bouts: tuple[Bout, ...] = ()
    if not sheet.seen:
        words: dict[int, Word] = {}
    elif judge.mode == "pairs" and len(sheet.seen) > 1:
        words, bouts = await _pairs(sheet, sum(v is not None and v.score is not None for v in unseen))
    elif judge.mode == "rubric":
        words = await _each(sheet, _points)
    elif judge.mode == "group" or len(sheet.seen) == 1:
        words = await _group(sheet)
    else:
        words = await _each(sheet, _score)
    verdicts = [known or _verdict(sheet, at, words[at]) for at, known in enumerate(unseen)]
    ranks = mid_ranks([verdict.score for verdict in verdicts])
    ranked = (verdict.model_copy(update={"rank": rank}) for verdict, rank in zip(verdicts, ranks, strict=True))
    return Ballot(tuple(_marked(verdict, judge) for verdict in ranked), bouts)


def _verdict(sheet: Sheet, at: int, word: Word) -> Verdict:
    return Verdict(
        rollout_id=sheet.rollouts[at].id,
        evaluator=sheet.judge.name,
        score=word.score,
        reason=word.reason,
        failure=word.failure,
        n_words=len(sheet.texts[at].split()),
    )


def _marked(verdict: Verdict, judge: Judge) -> Verdict:
    """Passed or not, where the judge has a pass mark; the rank stays that of the score behind it."""
    if judge.pass_mark is None or verdict.score is None:
        return verdict
    passed = float(verdict.score >= judge.pass_mark - 1e-9)
    reason = f"{100 * verdict.score:.0f} % of the scale. {verdict.reason}".strip()
    return verdict.model_copy(update={"score": passed, "reason": reason})


# ---------------------------------------------------------------- scores


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


async def _group(sheet: Sheet) -> dict[int, Word]:
    """All attempts in one call; a lone one is judged by itself."""
    order = sheet.order()
    shown = list(zip(letters(len(order)), order, strict=True))
    reply = "group" if len(order) > 1 else "score"
    request = sheet.request(shown, reply, 200 + 150 * len(order))
    answer, failure = await sheet.call(request, scores_of(len(order)))
    return {at: _word(answer, letter, failure) for letter, at in shown}


async def _score(sheet: Sheet, at: int) -> Word:
    answer, failure = await sheet.call(sheet.request([("A", at)], "score", 350), scores_of(1), f"attempt-{at}")
    return _word(answer, "A", failure)


def _word(answer: BaseModel | None, letter: str, failure: Failure | None) -> Word:
    if answer is None:
        return Word(failure=failure)
    said = cast("AttemptScore", getattr(answer, letter))
    return Word(said.score / 10, said.reason)


async def _each(sheet: Sheet, judge_one: Any) -> dict[int, Word]:
    words = await gather(*(judge_one(sheet, at) for at in sheet.seen))
    return dict(zip(sheet.seen, words, strict=True))


# ---------------------------------------------------------------- points


@lru_cache(maxsize=64)
def points_of(most: tuple[int, ...]) -> type[BaseModel]:
    """An object with ``{reason, points}`` for each criterion ``c1`` …, of at most so many points."""
    fields: dict[str, Any] = {}
    for number, top in enumerate(most, 1):
        shape = {"type": "integer", "minimum": 0, "maximum": top}
        points = Annotated[float, Field(ge=0.0, le=top), WithJsonSchema(shape)]
        one: Any = create_model(
            f"Points{top}", __config__=ConfigDict(extra="ignore"), reason=(str, ...), points=(points, ...)
        )
        fields[f"c{number}"] = (one, ...)
    return create_model("Points", **fields)


async def _points(sheet: Sheet, at: int) -> Word:
    """The share of the points that an attempt earns; each criterion's points and reason are kept as words."""
    criteria = sheet.rubric.criteria
    request = sheet.request([("A", at)], "rubric", 200 + 120 * len(criteria))
    schema = points_of(tuple(criterion.points for criterion in criteria))
    answer, failure = await sheet.call(request, schema, f"attempt-{at}")
    if answer is None:
        return Word(failure=failure)
    given: list[Any] = [getattr(answer, f"c{number}") for number in range(1, len(criteria) + 1)]
    said = [f"{c.name} {one.points:g}/{c.points}: {one.reason}" for c, one in zip(criteria, given, strict=True)]
    total = sum(criterion.points for criterion in criteria)
    return Word(sum(one.points for one in given) / total, "; ".join(said))


# ---------------------------------------------------------------- pairs


class Better(BaseModel):
    """Which of two attempts is better."""

    model_config = ConfigDict(extra="ignore")

    reason: str
    better: Literal["A", "B", "tie"]


async def _pairs(sheet: Sheet, beaten: int) -> tuple[dict[int, Word], tuple[Bout, ...]]:
    """Every pair in both orders. An attempt's score is the share of the others that it beats, a tie being half.

    ``beaten``: attempts that output nothing and lose to every other one. A failed call leaves its pair open, and
    both attempts unscored: a share of other opponents would be no score on the same scale.
    """
    meetings = [meeting for a, b in itertools.combinations(sheet.seen, 2) for meeting in ((a, b), (b, a))]
    answers = await gather(*(_meet(sheet, first, second) for first, second in meetings))
    bouts = tuple(bout for bout, _, _ in answers)
    reasons: dict[int, list[str]] = {at: [] for at in sheet.seen}
    failed: dict[int, Failure] = {}
    for bout, reason, failure in answers:
        for at in (bout.first, bout.second):
            if failure is not None:
                failed.setdefault(at, failure)
            elif reason and reason not in reasons[at]:
                reasons[at].append(reason)
    shares = _shares(bouts, sheet.seen, beaten)
    return {at: Word(shares[at], "; ".join(reasons[at]), failed.get(at)) for at in sheet.seen}, bouts


async def _meet(sheet: Sheet, first: int, second: int) -> tuple[Bout, str, Failure | None]:
    request = sheet.request([("A", first), ("B", second)], "pairs", 350)
    answer, failure = await sheet.call(request, Better, f"pair-{first}-{second}")
    if answer is None:
        return Bout(first=first, second=second, winner=None), "", failure
    winner: Literal["first", "second", "tie"] = {"A": "first", "B": "second"}.get(answer.better, "tie")  # pyright: ignore
    return Bout(first=first, second=second, winner=winner), answer.reason, None


def _shares(bouts: Sequence[Bout], seen: Sequence[int], beaten: int) -> dict[int, float | None]:
    won: dict[int, float] = dict.fromkeys(seen, float(beaten))
    missing: set[int] = set()
    by_pair: dict[tuple[int, int], list[Bout]] = {}
    for bout in bouts:
        by_pair.setdefault((min(bout.first, bout.second), max(bout.first, bout.second)), []).append(bout)
    for (a, b), both in by_pair.items():
        ends = {None if bout.winner is None else _winner(bout) for bout in both}
        if None in ends:
            missing |= {a, b}
        elif len(ends) == 1 and (winner := ends.pop()) in (a, b):
            won[winner] += 1.0
        else:
            won[a] += 0.5
            won[b] += 0.5
    others = len(seen) - 1 + beaten
    return {at: None if at in missing else won[at] / others for at in seen}


def _winner(bout: Bout) -> int:
    """The winner's place; -1 for a tie."""
    return {"first": bout.first, "second": bout.second}.get(bout.winner or "", -1)


# ---------------------------------------------------------------- pure parts


def mid_ranks(scores: Sequence[float | None]) -> list[float | None]:
    """Ranks from 1 = best; equal scores share the mean of their ranks; None stays None."""
    known = [score for score in scores if score is not None]
    return [
        None if score is None else sum(other > score for other in known) + (known.count(score) + 1) / 2
        for score in scores
    ]


def _quoted(text: str) -> str:
    """Every line marked, so that an attempt can't end itself and begin another."""
    return "\n".join(f"> {line}" for line in text.splitlines())
