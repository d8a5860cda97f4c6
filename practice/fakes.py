"""Models and a verifier for tests: yours, and ours. Nothing here reaches a network or costs anything.

>>> import asyncio
>>> from practice.fakes import ScriptedModel
>>> from practice.types import Message, Request
>>> model = ScriptedModel(["four", lambda request: request.messages[-1].content])
>>> ask = Request(messages=(Message(role="user", content="2 + 2?"),))
>>> asyncio.run(model.complete(ask)).content
'four'
>>> asyncio.run(model.complete(ask)).content
'2 + 2?'
>>> len(model.requests)
2
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from practice.errors import RunError
from practice.types import Completion, Request, Rollout, Task, Usage, Verdict

__all__ = ["FixedVerifier", "ReplayModel", "ScriptedModel"]

Answer = Completion | str | Exception
"""A completion as it is, a text as its content, an exception to be raised."""
Reply = Answer | Callable[[Request], Answer]


class ScriptedModel:
    """A model that says what you tell it to.

    Args:
        replies: A list, taken in order of the calls, or one function of the request for all of them. A reply is a
            :class:`~practice.types.Completion`, a text, an exception (which is raised) or a function of the request.
        name: The model's name.
        ticks: How many turns of the event loop an answer takes, a number or a function of the request: lets
            answers overtake one another without a clock.

    ``requests`` and ``headers`` hold what was asked, in order of arrival. Where the list is at its end,
    :class:`~practice.errors.RunError` is raised, which no stage takes for a failed call.

        >>> from practice.errors import CallFailed
        >>> busy = CallFailed("rate_limit", "busy", status=429, retriable=True)
        >>> model = ScriptedModel([busy, "hello"], ticks=lambda request: len(request.messages))
    """

    def __init__(
        self,
        replies: Iterable[Reply] | Callable[[Request], Answer],
        *,
        name: str = "scripted",
        ticks: int | Callable[[Request], int] = 0,
    ) -> None:
        self.name = name
        self.requests: list[Request] = []
        self.headers: list[dict[str, str]] = []
        self.closed = False
        self._function = replies if callable(replies) else None
        self._list: Sequence[Reply] = () if callable(replies) else tuple(replies)
        self._ticks = ticks

    async def complete(
        self, request: Request, *, headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Completion:
        """The next reply. ``timeout`` is the caller's business: a scripted answer has no clock."""
        del timeout
        place = len(self.requests)
        self.requests.append(request)
        self.headers.append(dict(headers or {}))
        reply: Reply
        if self._function is not None:
            reply = self._function
        elif place < len(self._list):
            reply = self._list[place]
        else:
            raise RunError(f"{self.name}: the script holds {len(self._list)} replies, this is call {place + 1}")
        for _ in range(self._ticks(request) if callable(self._ticks) else self._ticks):
            await asyncio.sleep(0)
        answer = reply(request) if callable(reply) else reply
        if isinstance(answer, Exception):
            raise answer
        return _said(answer, request, self.name) if isinstance(answer, str) else answer

    async def aclose(self) -> None:
        """Remember that the model was closed (``closed``)."""
        self.closed = True


def _said(text: str, request: Request, model: str) -> Completion:
    """A text as a completion that counts a token every four characters and costs nothing."""
    prompt = sum(len(message.content) // 4 + 4 for message in request.messages)
    usage = Usage(calls=1, input_tokens=prompt, output_tokens=min(len(text) // 4 + 1, request.max_tokens), usd=0.0)
    return Completion(content=text, usage=usage, model=model)


class ReplayModel:
    """Gives recorded answers again: a run's journal becomes a test.

    Args:
        rows: Either completions alone, given in order; or pairs of (request, completion); or rows of the journal,
            mappings with ``prompt`` (the hash of the request without its seed) and ``completion`` (JSON). With
            requests, each gets its own answers, in the order of the rows where it was asked several times.
        name: The model's name.

    A request that was never recorded raises :class:`~practice.errors.RunError`: the code under test has begun to
    ask something else.

        >>> model = ReplayModel([Completion(content="first"), Completion(content="second")])
    """

    def __init__(
        self,
        rows: Iterable[Completion | tuple[Request, Completion] | Mapping[str, Any]],
        *,
        name: str = "replay",
    ) -> None:
        self.name = name
        self.requests: list[Request] = []
        self._by_prompt: defaultdict[str, deque[Completion]] = defaultdict(deque)
        for row in rows:
            if isinstance(row, Completion):
                self._by_prompt[""].append(row)
            elif isinstance(row, tuple):
                self._by_prompt[prompt_hash(row[0])].append(row[1])
            elif row["completion"] is not None:
                self._by_prompt[row["prompt"]].append(Completion.model_validate_json(row["completion"]))
        self._in_order = set(self._by_prompt) <= {""}

    async def complete(
        self, request: Request, *, headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Completion:
        """The recorded answer to ``request``, whatever its seed."""
        del headers, timeout
        self.requests.append(request)
        left = self._by_prompt.get("" if self._in_order else prompt_hash(request))
        if not left:
            last = request.messages[-1].content
            raise RunError(f"{self.name}: no recorded answer is left for the request that ends in {last[-80:]!r}")
        return left.popleft()

    async def aclose(self) -> None:
        """Nothing to close."""


def prompt_hash(request: Request) -> str:
    """The journal's ``prompt`` column: 16 hex digits of sha256 over the request's JSON without its seed."""
    return hashlib.sha256(request.model_dump_json(exclude={"seed"}).encode()).hexdigest()[:16]


class FixedVerifier:
    """A verifier whose scores are given beforehand.

    Args:
        scores: One score for all; or a mapping of task id to a score, or to a list with one score an attempt; or a
            function of (task, rollout). None means unscored. A task that is not in the mapping is unscored.
        name: The evaluator's name in its verdicts.

        >>> verifier = FixedVerifier({"t1": [1.0, 0.0, None]})
        >>> verifier = FixedVerifier(lambda task, rollout: float(rollout.output == task.answer))
    """

    def __init__(
        self,
        scores: float | Mapping[str, float | Sequence[float | None] | None] | Callable[[Task, Rollout], float | None],
        *,
        name: str = "fixed",
    ) -> None:
        self.name = name
        self.seen: list[tuple[Task, Rollout]] = []
        self._scores = scores

    async def verify(self, task: Task, rollout: Rollout) -> Verdict:
        """The given score, on whatever the rollout says; a failed rollout is unscored."""
        self.seen.append((task, rollout))
        score = None if rollout.status == "failed" else self._score(task, rollout)
        words = len(rollout.output.split())
        return Verdict(rollout_id=rollout.id, evaluator=self.name, score=score, n_words=words)

    def _score(self, task: Task, rollout: Rollout) -> float | None:
        if callable(self._scores):
            return self._scores(task, rollout)
        if isinstance(self._scores, Mapping):
            given = self._scores.get(task.id)
            return given[rollout.attempt] if isinstance(given, Sequence) else given
        return self._scores
