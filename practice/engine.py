"""What any run needs while it works: journal, budget, calls, endpoints, roller; and how it ends."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeVar

from practice.agent import Agent
from practice.budget import Budget
from practice.calls import Ask, Calls
from practice.config import BudgetConfig, ModelSpec
from practice.document import Document, DocumentStatus
from practice.endpoints import Endpoints
from practice.errors import BudgetExhausted, InputError, RunError
from practice.judge import Reward
from practice.model import Model
from practice.progress import Progress
from practice.records import Records, RunRow
from practice.rollout import Roller
from practice.store import RunJournal, Store

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
        self._clock = asyncio.create_task(self._tick())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clock.cancel()
        await self.work.reward.aclose()
        await self.endpoints.__aexit__(kind, error, trace)

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
        try:
            result = await work()
            self._clock.cancel()  # nothing may write "running" over the end
            return await end("done", result)
        except BudgetExhausted as error:
            note(f"stopped by the budget: {error}. The same command under a larger one goes on.")
            self._clock.cancel()
            return await end("budget", None)
        except asyncio.CancelledError:
            note(f"interrupted. The same command goes on with run {run}.")
            self._clock.cancel()
            return await end("interrupted", None)
        except InputError:
            raise
        except Exception as error:
            what = str(error) if isinstance(error, RunError) else f"{type(error).__name__}: {error}"
            note(f"stopped: {what}. The same command goes on with run {run}.")
            self._clock.cancel()
            return await end("failed", None)

    async def _tick(self) -> None:
        """Keep the run's seconds in the database, so that a kill loses at most a few of them."""
        while True:
            await asyncio.sleep(5)
            await self.records.update("running", self.budget.elapsed)
