"""One task that an agent must get through: does it answer, does it call its tools without errors, is it right?"""

from __future__ import annotations

from practice.agent import Agent, Reach, StepComplete
from practice.calls import Ask
from practice.config import ModelSpec, Settings, TasksConfig, Workspace
from practice.judge import load_reward
from practice.task import load_tasks, task_id
from practice.types import Rollout, Task, Value

__all__ = ["HELLO", "Smoke", "first_task", "smoke_of", "smoke_task"]

HELLO = "Say in one sentence what you can do for me."
"""What an agent without a task file is asked."""


class Smoke(Value):
    """What became of a smoke task."""

    passed: bool | None
    """None: it was not run."""
    input: str = ""
    output: str = ""
    reason: str
    """Why it passed or not, in one sentence."""
    tools: tuple[str, ...] = ()
    """The tools that were called, in order."""


def smoke_of(text: str) -> Task:
    """A task that nothing but an answer is asked of."""
    return Task(id=task_id(text), input=text)


def first_task(place: Workspace, name: str) -> Task:
    """The first task of ``tasks/<name>.jsonl``; where there is no such file, :data:`HELLO`. Raises InputError."""
    path = place.tasks / f"{name}.jsonl"
    return load_tasks(place.relative(path), place).tasks[0] if path.is_file() else smoke_of(HELLO)


async def smoke_task(agent: Agent, task: Task, complete: StepComplete, reach: Reach | None = None) -> Smoke:
    """Run ``task`` once at temperature 0; ``reach``: the models of the agents that it leads.

    It passes where the agent answers within its limits and, for a task whose answer a program can check, rightly.
    A judge's word is not asked for.
    """
    rollout = await agent.run(task.input, complete=complete, reach=reach, temperature=0.0, task_id=task.id)
    passed, reason = await _word(agent.workspace, task, rollout)
    called = tuple(result.call.name for step in rollout.steps for result in step.results)
    wrong = [result for step in rollout.steps for result in step.results if result.error]
    if wrong:
        reason += f"; {wrong[-1].call.name} said: {wrong[-1].content[:200]}"
    return Smoke(passed=passed, input=task.input, output=rollout.output, reason=reason, tools=called)


async def _word(place: Workspace, task: Task, rollout: Rollout) -> tuple[bool, str]:
    if rollout.failure is not None:
        return False, f"no answer: {rollout.failure.message}"
    if rollout.limit is not None:
        return False, f"stopped by its limit of {rollout.limit}"
    if not rollout.output.strip():
        return False, "it said nothing"
    name = task.verifier or ("exact" if task.answer is not None else "judge")
    settings = Settings(agent="-", tasks=TasksConfig(practice="-"), reward=name)
    reward = load_reward(settings, place, [task])
    if reward.judged or name == "rubric":
        return True, "it answered"
    try:
        verdicts, rewards, _ = await reward.score(task, [rollout], _nobody)
    finally:
        await reward.aclose()
    return bool(rewards[0]), verdicts[-1].reason or f"scored {rewards[0]} by {name}"


def _nobody(spec: ModelSpec | None) -> Ask:
    raise RuntimeError(f"a program verifies this, and no model ({spec}) is asked")
