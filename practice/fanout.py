"""A group's first calls as one request: its prompt is read once and answered G times.

    attempts 0 to G-1, step 0 ─► one request, n = G, seed s ─► choice i is attempt i's first answer (seed s + i)

The attempts of a group begin with the same request. Who comes first asks for all of them; the others find their answer
when they come, so that no attempt waits for another one's turn. Attempt i's first call has the seed s + i whichever
way it goes, where s is the seed of attempt 0's: where the endpoint refuses ``n``, a choice is not usable, the whole
does not fit the budget or a part was answered by an earlier process, calls are made one by one, with those seeds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType

from practice.budget import Cost
from practice.calls import Calls, Endpoint, worst
from practice.errors import CallFailed
from practice.model import Fanning
from practice.types import CallKey, Completion, Request


class Fan:
    """The first calls of one group, at the places ``keys``, one an attempt: ``async with Fan(…) as fan``."""

    def __init__(self, calls: Calls, endpoint: Endpoint, keys: Sequence[CallKey]) -> None:
        self._calls, self._endpoint, self._keys = calls, endpoint, tuple(keys)
        self._seed = self._keys[0].seed(calls.seed)
        self._asked: Request | None = None
        self._answers: asyncio.Task[dict[CallKey, Completion]] | None = None

    async def __aenter__(self) -> Fan:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._answers is not None:
            self._answers.cancel()  # nothing where it is done
            await asyncio.gather(self._answers, return_exceptions=True)

    async def complete(self, key: CallKey, request: Request) -> Completion:
        """The first call of the attempt at ``key``. Raises as ``Calls.complete`` does."""
        own = request.model_copy(update={"seed": self._seed + self._keys.index(key)})
        if self._answers is None:
            self._asked = request
            self._answers = asyncio.create_task(self._ask(request))
        answers = await asyncio.shield(self._answers)
        if key in answers and request == self._asked:
            return answers[key]
        return await self._calls.complete(self._endpoint, key, own)

    async def _ask(self, request: Request) -> dict[CallKey, Completion]:
        """The usable answers of one request for all; none where the calls are to be made one by one."""
        calls, whole = self._calls, request.model_copy(update={"seed": self._seed})
        greedy = request.temperature == 0  # one answer G times, which vLLM refuses to give
        if greedy or not isinstance(self._endpoint.model, Fanning):
            return {}
        if calls.journal is not None:
            for key in self._keys:
                if await calls.journal.get(key) is not None:
                    return {}
        if not calls.budget.room(sum(worst(self._endpoint, whole, len(self._keys)), Cost())):
            return {}
        try:
            return await calls.complete_all(self._endpoint, self._keys, whole)
        except CallFailed as error:
            if error.kind != "client":
                raise
            return {}  # perhaps for the sake of ``n``: what is wrong with the rest of it shows when it is sent alone
