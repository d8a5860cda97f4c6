"""Inspect's log of one evaluation (``EvalLog``, version 2), as far as a run can fill it.

Names and meanings are those of Inspect's own log format (inspect.aisi.org.uk, "Log Files"); what has no value is left
out of the file.
"""

from __future__ import annotations

from typing import Any, Literal

from practice.types import Value

VERSION = 2


class ToolUse(Value):
    """A tool call of the model."""

    id: str
    function: str
    arguments: dict[str, Any]
    type: Literal["function"] = "function"
    parse_error: str | None = None
    """What the model wrote, where that is no JSON object."""


class ToolProblem(Value):
    """Why a tool gave no result."""

    type: Literal["unknown"] = "unknown"
    message: str


class Content(Value):
    """A part of a message."""

    type: Literal["text", "reasoning"]
    text: str | None = None
    reasoning: str | None = None


class ChatMessage(Value):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str | tuple[Content, ...]
    source: Literal["input", "generate"] | None = None
    tool_calls: tuple[ToolUse, ...] | None = None
    model: str | None = None
    tool_call_id: str | None = None
    function: str | None = None
    error: ToolProblem | None = None


class ModelUsage(Value):
    """Tokens and money of one model."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_cache_read: int | None = None
    reasoning_tokens: int | None = None
    total_cost: float | None = None


class Choice(Value):
    """What the agent answered."""

    message: ChatMessage
    stop_reason: Literal["stop", "max_tokens", "model_length", "unknown"]


class ModelOutput(Value):
    """The output of a sample."""

    model: str
    choices: tuple[Choice, ...]
    completion: str


class Score(Value):
    """What a sample scored."""

    value: float
    answer: str | None = None
    explanation: str | None = None
    metadata: dict[str, Any] | None = None


class Limit(Value):
    """What ended a sample early. ``limit`` is 0 where the run does not keep it."""

    type: Literal["context", "time", "token", "custom"]
    limit: float
    reason: str


class Problem(Value):
    """Why a sample has no result."""

    message: str
    traceback: str = ""
    traceback_ansi: str = ""


class Sample(Value):
    """One attempt at one task."""

    id: str
    epoch: int
    """From 1."""
    input: str
    target: str
    messages: tuple[ChatMessage, ...]
    output: ModelOutput
    scores: dict[str, Score] | None = None
    metadata: dict[str, Any]
    model_usage: dict[str, ModelUsage]
    working_time: float
    """Seconds spent waiting for models."""
    uuid: str
    limit: Limit | None = None
    error: Problem | None = None


class Dataset(Value):
    """The tasks."""

    name: str
    samples: int
    sample_ids: tuple[str, ...]
    shuffled: bool = False


class Config(Value):
    """How samples were run."""

    epochs: int
    epochs_reducer: tuple[str, ...] = ("mean",)


class Scorer(Value):
    """Who scored."""

    name: str


class Spec(Value):
    """What was evaluated."""

    eval_id: str
    run_id: str
    created: str
    task: str
    task_id: str
    task_version: int = 0
    task_attribs: dict[str, Any]
    task_args: dict[str, Any]
    solver: str
    dataset: Dataset
    model: str
    model_generate_config: dict[str, Any]
    model_args: dict[str, Any]
    config: Config
    packages: dict[str, str]
    metadata: dict[str, Any]
    scorers: tuple[Scorer, ...] | None = None


class PlanStep(Value):
    """One step of how a sample is solved."""

    solver: str
    params: dict[str, Any]


class Plan(Value):
    """How a sample is solved."""

    name: str = "plan"
    steps: tuple[PlanStep, ...]
    config: dict[str, Any]


class Metric(Value):
    """A figure over all samples."""

    name: str
    value: float
    params: dict[str, Any]


class EvalScore(Value):
    """What a scorer found over all samples."""

    name: str
    scorer: str
    reducer: str = "mean"
    scored_samples: int
    unscored_samples: int
    params: dict[str, Any]
    metrics: dict[str, Metric]
    metadata: dict[str, Any] | None = None


class Results(Value):
    """The figures."""

    total_samples: int
    completed_samples: int
    scores: tuple[EvalScore, ...]


class SampleScore(Value):
    """A task's mean over its attempts."""

    value: float
    sample_id: str


class Reductions(Value):
    """Every task's mean."""

    scorer: str
    reducer: str = "mean"
    samples: tuple[SampleScore, ...]


class Stats(Value):
    """When, and at what cost."""

    started_at: str
    completed_at: str
    model_usage: dict[str, ModelUsage]


class EvalLog(Value):
    """One evaluation. Fields stand in the order in which Inspect writes them: its header is read without the rest."""

    version: int = VERSION
    status: Literal["started", "success", "cancelled", "error"]
    eval: Spec
    plan: Plan
    results: Results
    stats: Stats
    samples: tuple[Sample, ...]
    reductions: tuple[Reductions, ...] | None = None
