"""One evaluation of a run as Inspect's log of it. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, cast

import practice
from practice import prompt, stats
from practice.features import answer_in
from practice.inspectlog.format import (
    ChatMessage,
    Choice,
    Config,
    Content,
    Dataset,
    EvalLog,
    EvalScore,
    Limit,
    Metric,
    ModelOutput,
    ModelUsage,
    Plan,
    PlanStep,
    Problem,
    Reductions,
    Results,
    Sample,
    SampleScore,
    Score,
    Scorer,
    Spec,
    Stats,
    ToolProblem,
    ToolUse,
)
from practice.inspectlog.read import Attempt, Evaluation
from practice.memory import retrieve
from practice.records import RunRow, RunStatus
from practice.types import Failure, Step, ToolCall, Usage

__all__ = ["build"]

PREFERRED = "preferred"
"""The scorer where judges compared two attempts: 1 won, 0.5 tied, 0 lost."""

_STATUS: Mapping[RunStatus, Literal["started", "success", "cancelled", "error"]] = {
    "running": "started",
    "done": "success",
    "budget": "cancelled",
    "interrupted": "cancelled",
    "failed": "error",
}
_LIMITS: Mapping[str, Literal["context", "time", "token", "custom"]] = {
    "context": "context",
    "seconds": "time",
    "tokens": "token",
}


def build(row: RunRow, evaluation: Evaluation) -> EvalLog:
    """The log of one evaluation of the run ``row``."""
    scorer = PREFERRED if evaluation.preferred else _scorer(row.fields.get("reward"))
    samples = tuple(_sample(row, attempt, scorer) for attempt in evaluation.attempts)
    spent = Counter(name for sample in samples for name in sample.model_usage)
    return EvalLog(
        status=_STATUS[row.status],
        eval=_spec(row, evaluation, scorer),
        plan=Plan(steps=(PlanStep(solver=_solver(row), params=_mapping(row, "strategy")),), config={}),
        results=_results(evaluation, samples, scorer),
        stats=Stats(
            started_at=_moment(row.created),
            completed_at=_moment(row.updated),
            model_usage={
                name: _sum(sample.model_usage[name] for sample in samples if name in sample.model_usage)
                for name in sorted(spent)
            },
        ),
        samples=samples,
        reductions=_reductions(evaluation, scorer),
    )


# ---------------------------------------------------------------- what was evaluated


def _spec(row: RunRow, evaluation: Evaluation, scorer: str) -> Spec:
    fields, phase = row.fields, evaluation.phase
    ids = tuple(dict.fromkeys(attempt.task.id for attempt in evaluation.attempts))
    model = _mapping(row, "model")
    reference = fields.get(f"tasks.{phase}") or row.name
    config = {
        "temperature": fields.get("rollouts.temperature" if phase == "practice" else "evaluate.temperature"),
        "max_tokens": fields.get("agent: limits.tokens"),
    }
    bank = evaluation.bank
    held = {} if bank is None else {"bank": bank.digest(), "experiences": [one.text for one in bank.active]}
    return Spec(
        eval_id=f"{row.id}-{evaluation.name}",
        run_id=row.id,
        created=_moment(row.created),
        task=row.name if evaluation.name == row.name else f"{row.name}-{evaluation.name}",
        task_id=f"{row.id}-{evaluation.name}",
        task_attribs={},
        task_args={},
        solver=_solver(row),
        dataset=Dataset(name=str(reference), samples=len(ids), sample_ids=ids),
        model=str(model.get("name", "unknown")),
        model_generate_config={key: value for key, value in config.items() if value is not None},
        model_args=cast("dict[str, Any]", model.get("params", {})),
        config=Config(epochs=max((attempt.number for attempt in evaluation.attempts), default=1)),
        packages={"agent-practice": practice.__version__},
        metadata={"practice_run": row.id, "agent": fields.get("agent: name"), "phase": phase, **held},
        scorers=(Scorer(name=scorer),),
    )


def _scorer(reward: object) -> str:
    """The reward's name, its stages joined."""
    if isinstance(reward, list | tuple):
        return " + ".join(str(stage) for stage in cast("Sequence[object]", reward))
    return str(reward or "reward")


def _solver(row: RunRow) -> str:
    graph = row.fields.get("agent: graph")
    return str(graph or _mapping(row, "strategy").get("kind", "react"))


def _mapping(row: RunRow, key: str) -> dict[str, Any]:
    """A part of the agent's fingerprint; a model may stand there by its name alone."""
    value = row.fields.get(f"agent: {key}")
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {} if value is None else {"name": value}


# ---------------------------------------------------------------- the figures


def _results(evaluation: Evaluation, samples: Sequence[Sample], scorer: str) -> Results:
    found = stats.estimate(evaluation.scores, metric="accuracy")
    tasks = len(evaluation.scores)
    scores: tuple[EvalScore, ...] = ()
    if found.mean is not None:
        metric = Metric(name="accuracy", value=found.mean, params={})
        about = {"ci": list(found.ci or ()), "missing_attempts": found.missing}
        scores = (
            EvalScore(
                name=scorer,
                scorer=scorer,
                scored_samples=found.n,
                unscored_samples=tasks - found.n,
                params={},
                metrics={"accuracy": metric},
                metadata=about,
            ),
        )
    done = sum(sample.error is None for sample in samples)
    return Results(total_samples=len(samples), completed_samples=done, scores=scores)


def _reductions(evaluation: Evaluation, scorer: str) -> tuple[Reductions, ...] | None:
    by_task: dict[str, list[float]] = {}
    for attempt in evaluation.attempts:
        if attempt.reward is not None:
            by_task.setdefault(attempt.task.id, []).append(attempt.reward)
    means = tuple(SampleScore(value=sum(of) / len(of), sample_id=id_) for id_, of in by_task.items())
    return (Reductions(scorer=scorer, samples=means),) if means else None


# ---------------------------------------------------------------- one attempt


def _sample(row: RunRow, attempt: Attempt, scorer: str) -> Sample:
    rollout, task = attempt.rollout, attempt.task
    model = str(_mapping(row, "model").get("name", "unknown"))
    said = ChatMessage(role="assistant", content=rollout.output, source="generate", model=model)
    cut = rollout.limit if rollout.limit in ("tokens", "context") else None
    stop = {"tokens": "max_tokens", "context": "model_length"}.get(cut or "", "stop" if rollout.output else "unknown")
    about = task.model_dump(mode="json", include={"tags", "rubric", "minutes", "verifier"}, exclude_none=True)
    return Sample(
        id=task.id,
        epoch=attempt.number,
        input=task.input,
        target=task.answer or "",
        messages=(*_prompt(row, attempt), *(message for step in rollout.steps for message in _turn(step, model))),
        output=ModelOutput(
            model=model,
            choices=(Choice.model_validate({"message": said, "stop_reason": stop}),) if rollout.output else (),
            completion=rollout.output,
        ),
        scores=None if attempt.reward is None else {scorer: _score(attempt)},
        metadata={**about, "rollout": rollout.id, "status": rollout.status},
        model_usage={name or model: _usage(usage) for name, usage in attempt.usage.items()},
        working_time=round(rollout.usage.seconds, 3),
        uuid=f"{row.id}/{rollout.id}",
        limit=None if rollout.limit is None else _limit(row, rollout.limit),
        error=None if rollout.failure is None else _problem(rollout.failure),
    )


def _prompt(row: RunRow, attempt: Attempt) -> Iterable[ChatMessage]:
    """Instructions with the memory, then the task. Rebuilt: a run keeps what its prompts are made of, not each one."""
    instructions, inject = str(row.fields.get("agent: instructions") or ""), row.fields.get("memory.inject")
    shown = () if attempt.bank is None else attempt.bank.active
    if attempt.bank is not None and isinstance(inject, dict):
        count = cast("dict[str, int]", inject).get("retrieve", 0)
        shown = retrieve(attempt.bank, attempt.task.input, count)
    system = prompt.system_prompt(instructions, shown)
    if system:
        yield ChatMessage(role="system", content=system, source="input")
    yield ChatMessage(role="user", content=attempt.task.input, source="input")


def _turn(step: Step, model: str) -> Iterable[ChatMessage]:
    """What the model said in one step, and what its tools answered."""
    content: str | tuple[Content, ...] = step.content
    if step.reasoning:
        content = (Content(type="reasoning", reasoning=step.reasoning), Content(type="text", text=step.content))
    calls = tuple(map(_tool_use, step.tool_calls)) or None
    yield ChatMessage(role="assistant", content=content, source="generate", tool_calls=calls, model=model)
    for result in step.results:
        yield ChatMessage(
            role="tool",
            content=result.content,
            tool_call_id=result.call.id,
            function=result.call.name,
            error=ToolProblem(message=result.content) if result.error else None,
        )


def _tool_use(call: ToolCall) -> ToolUse:
    try:
        arguments: object = json.loads(call.arguments)
    except ValueError:
        arguments = None
    if isinstance(arguments, dict):
        return ToolUse(id=call.id, function=call.name, arguments=cast("dict[str, Any]", arguments))
    problem = f"the arguments are no JSON object: {call.arguments}"
    return ToolUse(id=call.id, function=call.name, arguments={}, parse_error=problem)


def _score(attempt: Attempt) -> Score:
    verdicts = [
        verdict.model_dump(mode="json", include={"evaluator", "score", "rank", "reason"}, exclude_none=True)
        for verdict in attempt.verdicts
    ]
    reasons = " | ".join(verdict.reason for verdict in attempt.verdicts if verdict.reason)
    assert attempt.reward is not None
    return Score(
        value=attempt.reward,
        answer=answer_in(attempt.rollout.output) or None,
        explanation=reasons or None,
        metadata={"verdicts": verdicts},
    )


def _problem(failure: Failure) -> Problem:
    return Problem(message=f"{failure.kind}: {failure.message}")


def _limit(row: RunRow, limit: str) -> Limit:
    value = row.fields.get(f"agent: limits.{limit}")
    kept = float(value) if isinstance(value, int | float) else 0.0
    return Limit(type=_LIMITS.get(limit, "custom"), limit=kept, reason=limit)


def _usage(usage: Usage) -> ModelUsage:
    return ModelUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.input_tokens + usage.output_tokens,
        input_tokens_cache_read=usage.cached_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        total_cost=usage.usd,
    )


def _sum(usages: Iterable[ModelUsage]) -> ModelUsage:
    of = list(usages)
    costs = [usage.total_cost for usage in of]
    known = [cost for cost in costs if cost is not None]
    return ModelUsage(
        input_tokens=sum(usage.input_tokens for usage in of),
        output_tokens=sum(usage.output_tokens for usage in of),
        total_tokens=sum(usage.total_tokens for usage in of),
        input_tokens_cache_read=sum(usage.input_tokens_cache_read or 0 for usage in of),
        reasoning_tokens=sum(usage.reasoning_tokens or 0 for usage in of),
        total_cost=sum(known) if len(known) == len(costs) else None,
    )


def _moment(at: str) -> str:
    """UTC as Inspect writes it."""
    return at.replace("Z", "+00:00")
