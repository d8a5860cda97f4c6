"""``evaluate``: how good is an agent on tasks, with or without a memory? Durable like a practice run."""

from __future__ import annotations

from pathlib import Path

from practice import config, prompt, traces
from practice.agent import Agent
from practice.config import BudgetConfig, EvaluateConfig, RolloutsConfig, Settings, TasksConfig, Workspace
from practice.document import (
    Document,
    DocumentStatus,
    EditCounts,
    GroupCounts,
    RefusedCounts,
    RolloutCounts,
    TaskCounts,
    experience_lines,
    outcome,
    usage_report,
)
from practice.engine import Engine, Options, Work
from practice.heldout import Scores, trials
from practice.judge import Reward, load_reward
from practice.memory import Bank
from practice.session import find_or_begin, tasks_digest
from practice.store import Store, usage_by_stage
from practice.task import load_tasks
from practice.types import Task

NO_EDITS = EditCounts(
    proposed=0, accepted=0, rejected=0, indecisive=0, refused=RefusedCounts(invalid=0, leak=0, duplicate=0)
)
NO_GROUPS = GroupCounts(total=0, mixed=0, all_right=0, all_wrong=0, abstained=0, unscored=0)


async def evaluate(
    agent: str | Path,
    tasks: str | Path,
    *,
    workspace: Workspace | Path | str | None = None,
    memory: Bank | str | Path | None = None,
    reward: str = "exact",
    settings: EvaluateConfig | None = None,
    rollouts: RolloutsConfig | None = None,
    budget: BudgetConfig | None = None,
    limit: int | None = None,
    seed: int = 0,
    options: Options | None = None,
) -> Document:
    """Run every task ``settings.trials`` times and report the mean over tasks with its 95 % interval.

    The document is that of a run without edits; ``before`` and ``after`` are the same estimate. The same call
    on a finished evaluation makes no model call. Raises InputError for wrong input.
    """
    options = options or Options()
    settings, rollouts = settings or EvaluateConfig(), rollouts or RolloutsConfig()
    if isinstance(workspace, Workspace):
        place = workspace
    else:
        place = config.choose_workspace(None if workspace is None else Path(workspace), None, Path.cwd())
    config.load_env(place)
    told = config.load_traces(place)
    traces.check(told)
    loaded = load_tasks(str(tasks), place, skip_bad=options.skip_bad).tasks[:limit]
    built = Agent.from_yaml(place.path(agent), workspace=place)
    built = built.with_seconds(min(built.spec.limits.seconds, rollouts.timeout))
    bank = memory if isinstance(memory, Bank) else Bank.load(place.path(memory)) if memory else Bank(bank="none")
    full = Settings(
        agent=str(agent), tasks=TasksConfig(practice=str(tasks)), reward=reward, evaluate=settings, rollouts=rollouts
    )
    scorer = load_reward(full, place, loaded)
    fields = {"reward": reward, **_fields(built, scorer, bank, loaded, settings, seed)}
    work = Work(
        agent=built,
        reward=scorer,
        teacher=built.spec.model,
        seed=seed,
        concurrency=rollouts.concurrency,
        timeout=rollouts.timeout,
        retrieve=None,
        budget=budget or BudgetConfig(),
        traces=told,
    )
    async with Store(place.db) as store:
        row = await find_or_begin(store, "eval", fields, bank, {"holdout": loaded}, fresh=options.fresh)
        if row.status == "done" and row.document is not None:
            return Document.model_validate(row.document)
        async with Engine(store, row, work, options) as engine:
            return await _Evaluation(engine, loaded, bank, settings).go()


def _fields(
    agent: Agent, reward: Reward, bank: Bank, tasks: tuple[Task, ...], settings: EvaluateConfig, seed: int
) -> dict[str, object]:
    return {
        "kind": "eval",
        **{f"agent: {key}": value for key, value in agent.fingerprint().items()},
        **{f"reward: {key}": value for key, value in reward.fingerprint().items()},
        "evaluate.temperature": settings.temperature,
        "evaluate.trials": settings.trials,
        "seed": seed,
        "memory": bank.digest(),
        "tasks": tasks_digest(tasks),
        **{f"prompt {name}": digest for name, digest in prompt.hashes().items()},
    }


class _Evaluation:
    def __init__(self, engine: Engine, tasks: tuple[Task, ...], bank: Bank, settings: EvaluateConfig) -> None:
        self.engine, self.tasks, self.bank, self.settings = engine, tasks, bank, settings

    async def go(self) -> Document:
        return await self.engine.finish(self._work, self._end)

    async def _work(self) -> Scores:
        n = self.settings.trials
        self.engine.options.progress.enter("evaluating", len(self.tasks) * n)
        scores = await trials(self.engine.roller, self.bank, self.tasks, "holdout", n, self.settings.temperature)
        await self.engine.records.read_holdout(tasks_digest(self.tasks), "before")
        return scores

    async def _end(self, status: DocumentStatus, scores: Scores | None = None) -> Document:
        engine = self.engine
        found = outcome(scores or (), scores or (), self.settings.trials, same_bank=True)
        usage = await engine.store.do(lambda db: usage_by_stage(db, engine.row.id))
        statuses = [rollout.status for rollout in engine.records.rollouts.values()]
        document = Document(
            run_id=engine.row.id,
            status=status,
            agent=engine.work.agent.spec.name,
            steps=0,
            tasks=TaskCounts(practice=0, validation=0, holdout=len(self.tasks)),
            rollouts=RolloutCounts(
                total=len(statuses),
                done=statuses.count("done"),
                limit=statuses.count("limit"),
                failed=statuses.count("failed"),
            ),
            groups=NO_GROUPS,
            edits=NO_EDITS,
            experiences=experience_lines(self.bank),
            before=found.before,
            after=found.after,
            delta=found.delta,
            usage=usage_report(usage, engine.budget.elapsed),
            memory=self.bank.bank,
            report=None,
        )
        await engine.records.update(status, engine.budget.elapsed, document.model_dump(mode="json"))
        return document
