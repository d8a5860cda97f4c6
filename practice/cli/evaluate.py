"""``practice eval``: an agent on tasks, with or without a memory."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from practice.cli.common import AsJson, WorkspaceDir, print_json, workspace


def evaluate(
    agent: Annotated[str, typer.Argument(help="An agent's name or file.")],
    tasks: Annotated[str, typer.Argument(help="The tasks: a JSONL, CSV or Parquet file, or hf:owner/set[split].")],
    trials: Annotated[int, typer.Option(min=1, help="Attempts a task.")] = 1,
    memory: Annotated[str, typer.Option(help="A bank's file, or none.")] = "none",
    temperature: Annotated[float, typer.Option(min=0.0, max=2.0, help="Sampling temperature.")] = 0.7,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N tasks.")] = None,
    reward: Annotated[str, typer.Option(help="exact, number, math, judge, rubric or path.py:function.")] = "exact",
    concurrency: Annotated[int, typer.Option(min=1, help="Rollouts in flight.")] = 16,
    timeout: Annotated[float, typer.Option(min=0.001, help="A rollout's own work, in seconds.")] = 300.0,
    seed: Annotated[int, typer.Option(help="The seed of every call.")] = 0,
    tokens: Annotated[int | None, typer.Option(min=1, help="A ceiling on tokens.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Again, even where it was done before.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Go on without task lines that can't be read.")] = False,
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """How good is an agent on tasks, with or without a memory?"""
    from practice import evaluation
    from practice.cli.agent import agent_path
    from practice.cli.live import watched
    from practice.cli.memory import bank_path
    from practice.cli.panel import evaluation_panel
    from practice.config import BudgetConfig, EvaluateConfig, RolloutsConfig, require_reward
    from practice.document import EXIT_CODES
    from practice.engine import Options

    place = workspace(directory)
    bank = None if memory == "none" else bank_path(place, memory)
    require_reward(reward, key="--reward")
    options = Options(fresh=fresh, skip_bad=skip_bad)
    work = evaluation.evaluate(
        agent_path(place, agent),
        tasks,
        workspace=place,
        memory=bank,
        reward=reward,
        settings=EvaluateConfig(temperature=temperature, trials=trials),
        rollouts=RolloutsConfig(concurrency=concurrency, timeout=timeout),
        budget=BudgetConfig(tokens=tokens),
        limit=limit,
        seed=seed,
        options=options,
    )
    document = asyncio.run(watched(work, options.progress))
    if as_json:
        print_json(document.model_dump(mode="json", exclude={"edits"}))
    else:
        evaluation_panel(document)
    raise typer.Exit(EXIT_CODES[document.status])
