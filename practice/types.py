"""Every value that crosses a stage. Frozen; an unknown field is an error; None means "not known", never 0."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Stage = Literal["rollout", "judge", "summary", "advantage", "merge", "generate", "user"]
Phase = Literal["practice", "validation", "holdout"]
Status = Literal["done", "limit", "failed"]
Op = Literal["add", "revise", "merge", "retire", "keep"]
ExperienceStatus = Literal["active", "candidate", "retired"]
FailureKind = Literal[
    "timeout", "connection", "rate_limit", "server", "client", "cut", "empty", "unparsable", "context", "error"
]


class Value(BaseModel):
    """The base of all values: frozen, closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# ---------------------------------------------------------------- failures


class Failure(Value):
    """Why something has no result. Data on a rollout or a verdict, never a score of 0."""

    stage: str
    """What was being done: ``rollout``, ``judge``, ``verifier``, ``tool:<name>``, a teacher's stage."""
    kind: FailureKind
    message: str
    """One sentence without secrets."""
    status: int | None = None
    """The HTTP status, where there was one."""


# ---------------------------------------------------------------- talking to models


class ToolCall(Value):
    """A model's wish to call a tool."""

    id: str
    name: str
    arguments: str
    """JSON text as the model wrote it; it may not parse, which is the model's error and goes back to it."""


class Message(Value):
    """One chat message, in the OpenAI order of things."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    """For ``role='tool'``: which call this answers."""
    name: str | None = None
    """For ``role='tool'``: the tool's name."""


class ToolSpec(Value):
    """What a model is told of a tool."""

    name: str
    description: str
    parameters: dict[str, Any]
    """JSON schema of the arguments, ``type: object``."""


class Usage(Value):
    """What calls cost. Tokens are the endpoint's own counts."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """Of the input tokens: those that the endpoint read from its cache."""
    reasoning_tokens: int = 0
    """Of the output tokens: those of reasoning, where the endpoint counts them."""
    usd: float | None = 0.0
    """None where a price is unknown; None plus anything is None."""
    seconds: float = 0.0
    """Seconds spent waiting for the endpoint, summed over calls."""

    def __add__(self, other: Usage) -> Usage:
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        counts = [name for name in Usage.model_fields if name != "usd"]
        return Usage(usd=usd, **{name: getattr(self, name) + getattr(other, name) for name in counts})


class Request(Value):
    """One call of a model, complete: nothing else decides the body that is sent."""

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    temperature: float = 0.0
    max_tokens: int = 2048
    seed: int | None = None
    """31 bits, from :meth:`CallKey.seed`."""
    json_schema: dict[str, Any] | None = None
    """Ask for an object of this schema; falls back to json_object, then to parse-and-repair."""
    schema_name: str = "answer"


class Completion(Value):
    """One answer of a model."""

    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    finish: str = "stop"
    """The endpoint's finish reason: ``stop``, ``length``, ``tool_calls`` …"""
    usage: Usage = Usage(calls=1)
    model: str = ""
    seed_honoured: bool = True
    temperature_honoured: bool = True
    """False where the endpoint refused the parameter of this name."""
    usage_known: bool = True
    """False where the answer came without a ``usage`` field; the caller settles such a call at its bound."""


class CallKey(Value):
    """A call's place in a run: the journal's key, and with the run's seed the source of the call's seed."""

    phase: Phase
    stage: Stage
    epoch: int = 0
    task: str = ""
    """The task's id; for a batch's merge ``batch:<index>``."""
    attempt: int = 0
    step: int = 0
    evaluator: str = ""
    """Who is asked: an evaluator's name, a teacher's stage, or ``bank:<digest>`` in validation and holdout."""

    def seed(self, run_seed: int) -> int:
        """The first 31 bits of sha256(run seed, phase, epoch, task, attempt, step, evaluator)."""
        place = [run_seed, self.phase, self.epoch, self.task, self.attempt, self.step, self.evaluator]
        digest = hashlib.sha256(json.dumps(place, ensure_ascii=False).encode()).digest()
        return int.from_bytes(digest[:4], "big") >> 1


# ---------------------------------------------------------------- tasks and rollouts


class Task(Value):
    """One thing to do. ``id`` is a content hash unless the file gives one."""

    id: str
    input: str
    answer: str | None = None
    verifier: str | None = None
    """Overrides the run's ``reward`` for this task."""
    rubric: str | None = None
    tags: tuple[str, ...] = ()
    minutes: float | None = None
    """How long a competent person takes, in minutes."""
    files: tuple[str, ...] = ()


class ToolResult(Value):
    """What a tool answered."""

    call: ToolCall
    content: str
    error: bool = False
    """True where the arguments did not parse, the tool is unknown or it raised."""


class Step(Value):
    """One turn: what the model said, and what its tools answered."""

    index: int
    content: str
    """The visible text; reasoning is kept apart."""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    results: tuple[ToolResult, ...] = ()
    finish: str = "stop"
    agent: str = ""
    """Which agent of a team did it; empty: the one that was asked."""


class Rollout(Value):
    """One attempt at a task.

    ``done``: the agent answered. ``limit``: a step, token or time limit ended it; it is scored on what it
    output. ``failed``: infrastructure, retries exhausted; unscored.
    """

    id: str
    """``<phase>/<epoch>/<task>/<attempt>`` and, outside practice, the bank's digest: unique in a run."""
    task_id: str
    attempt: int
    steps: tuple[Step, ...]
    output: str
    status: Status
    usage: Usage = Usage()
    failure: Failure | None = None
    limit: str | None = None
    """Which limit ended it: ``steps``, ``tokens``, ``seconds``, ``context``."""
    made_by: str | None = None
    """Its model and reasoning effort, in words; shown only to a judge that is not blind."""


class Verdict(Value):
    """One scorer's word on one rollout."""

    rollout_id: str
    evaluator: str
    score: float | None = Field(default=None, ge=0.0, le=1.0)
    """None = unscored. A judge that crashed or can't be parsed is unscored, never 0."""
    rank: float | None = None
    """1 = best; mid-ranks on ties."""
    reason: str = ""
    failure: Failure | None = None
    n_words: int | None = None
    """Length of what was judged, in words."""


class Group(Value):
    """A task's G rollouts with their verdicts."""

    task: Task
    rollouts: tuple[Rollout, ...]
    verdicts: tuple[Verdict, ...]
    rewards: tuple[float | None, ...]
    """One a rollout, aligned with ``rollouts``; None = unscored."""
    counted: tuple[tuple[int, int], ...] | None = None
    """Pairs (better, worse) that the judge gate counts; None = all pairs (no gate)."""

    @property
    def scored(self) -> tuple[float, ...]:
        """The rewards that exist."""
        return tuple(r for r in self.rewards if r is not None)

    @property
    def kind(self) -> Literal["mixed", "all_right", "all_wrong", "abstained", "unscored"]:
        """``mixed``: scored rewards differ (and the gate counts a pair). All alike: right from 0.5 on."""
        scored = self.scored
        if not scored:
            return "unscored"
        if max(scored) > min(scored):
            return "abstained" if self.counted is not None and not self.counted else "mixed"
        return "all_right" if scored[0] >= 0.5 else "all_wrong"


# ---------------------------------------------------------------- advantage


class Feature(Value):
    """One thing that a trajectory did or did not do, as a number or a yes/no (1, 0)."""

    name: str
    """Stable and generic, ``called:calculator``."""
    value: float


class Fact(Value):
    """A behavioural contrast: a yes/no behaviour against reward, pooled over groups (stratified)."""

    feature: str
    """The feature's name, with a threshold where it was numeric (``calls:calculator = 1``)."""
    says: str
    """The behaviour in words, as a person would say it: "called calculator"."""
    do: str
    """The imperative on the better side, "call calculator": what to avoid where the difference is negative."""
    with_right: float
    with_n: int
    without_right: float
    without_n: int
    difference: float
    """Mantel-Haenszel risk difference over groups, in [-1, 1]."""
    ci: tuple[float, float]
    p: float
    """Two-sided, before correction."""
    q: float
    """After Holm's correction over all features tested."""


class Advantage(Value):
    """Numeric advantages of a group (GRPO, arXiv 2402.03300, eq. 4 region): (r - mean) / std."""

    task_id: str
    values: tuple[float | None, ...]


class Lesson(Value):
    """What a teacher draws from one group."""

    task_id: str
    text: str
    evidence: tuple[str, ...]
    """Rollout ids, attached by the program."""
    weight: float = 1.0
    """Agreement of the judges behind it, in [0, 1]; 1 for a verifier."""


class Experience(Value):
    """One lesson in the memory. The id is stable and never reused."""

    id: str
    text: str
    status: ExperienceStatus = "active"
    helpful: int = 0
    """Validation tasks that went better with it than without, at the gate that judged it."""
    harmful: int = 0
    evidence: tuple[str, ...] = ()
    """Ids of the rollouts that it was drawn from; attached by the program."""


class Edit(Value):
    """A proposed change of the memory, as a model gives it (``op, id, ids, text``), with its evidence."""

    op: Op
    id: str | None = None
    ids: tuple[str, ...] = ()
    text: str = ""
    evidence: tuple[str, ...] = ()
    origin: str = "teacher"
    """``teacher`` or ``facts``: who worded it."""


class Refusal(Value):
    """An edit that never became a proposal, and why."""

    edit: Edit
    reason: Literal["invalid", "leak", "duplicate"]
    detail: str


class Proposal(Value):
    """One candidate change of the bank: edits that stand or fall together."""

    edits: tuple[Edit, ...]
    label: str
    """``teacher-1``, ``facts-1``: who worded it."""


Outcome = Literal["accept", "reject", "indecisive", "nothing"]
"""``nothing``: nothing was proposed (or nothing survived the checks)."""


class Look(Value):
    """One look of the gate at one comparison."""

    trials: int
    """Trials a task and bank so far."""
    difference: float
    """Mean over tasks of success with the edits minus success without."""
    p: float
    alpha: float
    """What this look may spend."""


class Decision(Value):
    """What became of a proposal."""

    outcome: Outcome
    reason: str
    winner: int | None
    """Index of the winning candidate, where there were candidates."""
    looks: tuple[Look, ...] = ()
    tasks: int = 0
    """Validation tasks."""
    before: float | None = None
    after: float | None = None
    helpful: int = 0
    harmful: int = 0
    power: str = ""
    """In words: what this gate could have found."""


# ---------------------------------------------------------------- results


class Estimate(Value):
    """A mean over ``n`` tasks with its interval, as ``run --json`` prints it."""

    metric: str
    mean: float | None
    ci: tuple[float, float] | None
    n: int
    trials: int
    missing: int
    """Attempts without a score."""


class Delta(Value):
    """A paired difference; ``test`` names what gave ``p``."""

    mean: float
    ci: tuple[float, float]
    p: float
    test: str
