"""Where the toolsmith asks a model: one prompt at a time, each call in its place, all of it counted for the card."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel

from practice import prompt
from practice.calls import Ask, structured
from practice.errors import CallFailed
from practice.types import CallKey, Completion, Message, Request, Usage

__all__ = ["USELESS", "Desk", "Unusable"]

#: How a question fails that one can go on without: no usable answer, none at all, or a prompt that is too long.
USELESS = frozenset({"unparsable", "empty", "context"})

T = TypeVar("T", bound=BaseModel)
R = TypeVar("R")

_STRIDE = 4
"""Steps of one question: the call itself and its repetitions."""


class Unusable(Exception):
    """An answer that can't be worked with; the message is for the model."""


class Desk:
    """Asks, and keeps count. Calls have the stage ``generate``; their seeds follow from the wish and their place."""

    def __init__(self, ask: Ask, wish: str, seed: int, told: Callable[[str], None] | None = None) -> None:
        self.usage = Usage(usd=0.0)
        self.model = ""
        self.retries = 0
        self.prompts: dict[str, str] = {}
        """sha256 of every template that was used."""
        self.log: list[str] = []
        self.seed = seed
        self._ask, self._told = ask, told
        self._task = f"tool:{hashlib.sha256(wish.encode()).hexdigest()[:16]}"
        self._asked = 0

    def say(self, line: str) -> None:
        """Note what is being done."""
        self.log.append(line)
        if self._told is not None:
            self._told(line)

    async def fill(
        self,
        template: str,
        schema: type[T],
        *,
        shape: dict[str, Any],
        temperature: float,
        max_tokens: int,
        **values: str,
    ) -> T:
        """The answer to a template as an object. Raises CallFailed, also where it is unusable twice."""
        request = self._request(template, values, temperature, max_tokens)
        before = self.usage.calls
        try:
            return await structured(self._counted, self._key(template), request, schema, shape=shape)
        finally:
            self.retries += max(0, self.usage.calls - before - 1)

    async def text(
        self,
        template: str,
        read: Callable[[str], R],
        *,
        name: str,
        temperature: float,
        max_tokens: int,
        tries: int = 2,
        **values: str,
    ) -> R:
        """What ``read`` makes of the answer to a template; where it raises Unusable the model is told why.

        Raises CallFailed("unparsable") after ``tries`` answers that can't be used.
        """
        key, request = self._key(template), self._request(template, values, temperature, max_tokens)
        problem = ""
        for attempt in range(tries):
            completion = await self._counted(key.model_copy(update={"step": key.step + attempt}), request)
            try:
                return read(completion.content)
            except Unusable as error:
                problem = str(error)
            if attempt + 1 < tries:
                self.retries += 1
                request = self._again(request, completion.content, problem, name)
        raise CallFailed("unparsable", f"{template}: {problem}")

    # ------------------------------------------------------------------ inside

    def _request(self, template: str, values: dict[str, str], temperature: float, max_tokens: int) -> Request:
        self._used(template)
        content = prompt.template(template, **values)
        message = Message(role="user", content=content)
        return Request(messages=(message,), temperature=temperature, max_tokens=max_tokens)

    def _again(self, request: Request, said: str, problem: str, name: str) -> Request:
        self._used("tool_again")
        content = prompt.template("tool_again", problem=problem, function=name)
        answer = (Message(role="assistant", content=said or "(empty)"), Message(role="user", content=content))
        return request.model_copy(update={"messages": (*request.messages, *answer)})

    def _used(self, template: str) -> None:
        self.prompts[template] = hashlib.sha256((prompt.PROMPTS / f"{template}.md").read_bytes()).hexdigest()

    def _key(self, template: str) -> CallKey:
        step, self._asked = self._asked * _STRIDE, self._asked + 1
        return CallKey(phase="practice", stage="generate", task=self._task, step=step, evaluator=template)

    async def _counted(self, key: CallKey, request: Request) -> Completion:
        completion = await self._ask(key, request.model_copy(update={"seed": key.seed(self.seed)}))
        self.usage += completion.usage
        self.model = completion.model or self.model
        return completion
