"""What any run needs while it works: journal, budget, calls, endpoints, roller; and how it ends."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from practice.agent import Agent
from practice.budget import Budget
from practice.calls import Ask, Calls
from practice.config import BudgetConfig, ModelSpec, TracesConfig
from practice.document import Document, DocumentStatus
from practice.endpoints import Endpoints
from practice.errors import BudgetExhausted, InputError, RunError
from practice.judge import Reward
from practice.model import Model
from practice.progress import Progress
from practice.records import Records, RunRow
from practice.rollout import Roller
from practice.store import RunJournal, Store

if TYPE_CHECKING:
    from practice.traces.spans import Spans

Note = Callable[[str], None]
Result = TypeVar("Result")


def to_stderr(text: str) -> None:
    """The default note."""
    print(text, file=sys.stderr)


@dataclass(frozen=True)
class Options:
    """How to run, as against what: none of these is part of a run's fingerprint."""

    fresh: bool = False
    skip_bad: bool = False
    connect: Callable[[ModelSpec], Model] | None = None
    """Replaces ``practice.model.connect``: how tests and offline runs bring their own model."""
    backoff: float = 0.5
    """Seconds before a failed call is sent again the first time; doubles from there."""
    note: Note = to_stderr
    progress: Progress = field(default_factory=Progress)


@dataclass(frozen=True)
class Work:
    """What a run works with and how hard."""

    agent: Agent
    reward: Reward
    teacher: ModelSpec
    seed: int
    concurrency: int
    timeout: float
    retrieve: int | None
    budget: BudgetConfig
    traces: TracesConfig | None = None


class Engine:
    """One process's share of a run: ``async with Engine(…) as engine``."""

    def __init__(self, store: Store, row: RunRow, work: Work, options: Options) -> None:
        self.store, self.row, self.work, self.options = store, row, work, options

    async def __aenter__(self) -> Engine:
        work, row = self.work, self.row
        self.records = await Records.load(self.store, row.id, retry_failed=row.status == "failed")
        journal, spent = await RunJournal.open(self.store, row.id)
        self.budget = Budget(work.budget.usd, work.budget.tokens, work.budget.seconds, spent, row.seconds)
        await self.records.update("running", self.budget.elapsed)
        self.calls = Calls(
            seed=work.seed,
            run_id=row.id,
            journal=journal,
            budget=self.budget,
            concurrency=work.concurrency,
            timeout=work.timeout,
            backoff=self.options.backoff,
        )
        self.options.progress.calls = self.calls
        self.endpoints = await Endpoints(self.options.connect, work.agent.workspace.root).__aenter__()
        self.roller = Roller(
            agent=work.agent,
            endpoint=self.endpoints.get(work.agent.spec.model),
            calls=self.calls,
            records=self.records,
            reward=work.reward,
            asks=self.ask,
            progress=self.options.progress,
            concurrency=work.concurrency,
            retrieve=work.retrieve,
            endpoints=self.endpoints.get,
        )
        self._spans = await self._send_spans()
        self._clock = asyncio.create_task(self._tick())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clock.cancel()
        await self.work.reward.aclose()
        try:
            await self.endpoints.__aexit__(kind, error, trace)
        finally:
            if self._spans is not None:
                await self._spans.__aexit__(kind, error, trace)

    async def _send_spans(self) -> Spans | None:
        """From here on what the run does is told to a collector, where the settings name one."""
        work = self.work
        if work.traces is None:
            return None
        from practice.traces.spans import Spans

        names = {spec.api_key_env for spec in (work.agent.spec.model, work.teacher)}
        keys = [os.environ.get(name) for name in names if name is not None]
        return await Spans(work.traces, self.row.id, self.row.name, keys).__aenter__()

    def ask(self, spec: ModelSpec | None) -> Ask:
        """How a stage talks to a model; None is the teacher's."""
        return self.calls.ask(self.endpoints.get(spec or self.work.teacher))

    async def finish(
        self,
        work: Callable[[], Awaitable[Result]],
        end: Callable[[DocumentStatus, Result | None], Awaitable[Document]],
    ) -> Document:
        """Do the work; whatever stops it, end with a document that says so."""
        note, run = self.options.note, self.row.id

        async def close(status: DocumentStatus, result: Result | None = None) -> Document:
            self._clock.cancel()  # nothing may write "running" over the end
            if self._spans is not None:
                self._spans.ended(status)
            return await end(status, result)

        try:
            result = await work()
            return await close("done", result)
        except BudgetExhausted as error:
            note(f"stopped by the budget: {error}. The same command under a larger one goes on.")
            return await close("budget")
        except asyncio.CancelledError:
            note(f"interrupted. The same command goes on with run {run}.")
            return await close("interrupted")
        except InputError:
            raise
        except Exception as error:
            what = str(error) if isinstance(error, RunError) else f"{type(error).__name__}: {error}"
            note(f"stopped: {what}. The same command goes on with run {run}.")
            return await close("failed")

    async def _tick(self) -> None:
        """Keep the run's seconds in the database, so that a kill loses at most a few of them."""
        while True:
            await asyncio.sleep(5)
            await self.records.update("running", self.budget.elapsed)
