"""The schema of ``practice.yaml``: every setting with its default, its range and what it does.

The descriptions here are the documentation: ``docs/settings.md`` and the editors' JSON schema are made from them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal, cast

from pydantic import BaseModel, Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic_core import CoreSchema

from practice.config.panel import JudgeConfig
from practice.config.schema import Closed, Count, ModelSpec, Positive, Share, Temperature, Text, or_text, wrong
from practice.config.traces import TracesConfig
from practice.errors import nearest

__all__ = [
    "REWARDS",
    "AcceptConfig",
    "BudgetConfig",
    "EvaluateConfig",
    "MemoryConfig",
    "PracticeConfig",
    "Retrieve",
    "RolloutsConfig",
    "Settings",
    "TasksConfig",
    "TeacherConfig",
    "check_reward",
    "describe_change",
    "fingerprint_fields",
]

#: The rewards that have a name; any other is a function of the user's, ``path.py:function``.
REWARDS = ("exact", "number", "math", "code", "rubric", "judge")

_FUNCTION = re.compile(r".+\.py:[A-Za-z_]\w*")


def check_reward(name: str, key: str | None = None) -> str:
    """``name`` where it is a reward: one of :data:`REWARDS` or ``path.py:function``; else raises :func:`wrong`."""
    if name in REWARDS or _FUNCTION.fullmatch(name):
        return name
    expected = f"a reward: {', '.join(REWARDS)} or path.py:function"
    raise wrong(expected, found=repr(name), key=key, nearest=nearest(name, REWARDS))


# ---------------------------------------------------------------- sections


class TasksConfig(Closed):
    """Where the tasks are: JSONL, CSV or Parquet files in the workspace, or `hf:owner/set[split]`."""

    practice: Text = Field(description="The tasks to practise on.")
    validation: Text | None = Field(
        default=None, description="The tasks of the gate; null: a share of the practice tasks, `accept.fraction`."
    )
    holdout: Text | None = Field(
        default=None, description="The sealed tasks of before and after; null: no such figures."
    )


class RolloutsConfig(Closed):
    """How the agent tries a task."""

    group_size: Count = Field(default=5, description="Attempts a task (G). 1: self-reflection, no contrast.")
    temperature: Temperature = Field(default=0.7, description="The agent's sampling temperature in practice.")
    concurrency: Count = Field(default=16, description="Attempts at work at the same time.")
    timeout: Positive = Field(
        default=300.0, description="Seconds of an attempt's own work, its wait for a slot not counted."
    )


class PracticeConfig(Closed):
    """How lessons are drawn."""

    epochs: Count = Field(default=3, description="Passes over the practice tasks.")
    batch_size: Count = Field(default=16, description="Tasks between two proposals.")
    experiences_per_group: Count = Field(default=2, description="Most lessons drawn from one group.")
    ground_truth: bool = Field(default=True, description="Whether the teacher is shown answers and rewards.")
    shuffle: bool = Field(default=True, description="Whether each epoch takes the tasks in a new order (seeded).")
    seed: int = Field(default=0, description="The source of every random choice and of every call's seed.")
    learn_from_all_wrong: bool = Field(
        default=False,
        description="Whether groups without a right attempt teach too (only where ground truth is shown).",
    )
    features: tuple[str, ...] = Field(
        default=(),
        description="Your own features of a trajectory for the behavioural contrast, each `path.py:function`.",
    )

    @field_validator("features")
    @classmethod
    def _check_features(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for index, feature in enumerate(value):
            if not _FUNCTION.fullmatch(feature):
                raise wrong("a function as path.py:function", found=repr(feature), key=str(index))
        return value


class EvaluateConfig(Closed):
    """How the holdout is run."""

    temperature: Temperature = Field(default=0.7, description="The agent's sampling temperature on the holdout.")
    trials: Count = Field(default=1, description="Attempts a holdout task.")


class TeacherConfig(Closed):
    """Who words the lessons."""

    model: ModelSpec | None = Field(
        default=None, description="The model that contrasts and proposes; null: the agent's."
    )


class Retrieve(Closed):
    """Show the agent only the experiences that fit the task at hand."""

    retrieve: Count = Field(description="How many experiences an attempt is shown.")


class MemoryConfig(Closed):
    """The bank of experiences."""

    bank: str = Field(default="", min_length=1, description="The bank's file.")
    max_experiences: Count = Field(default=40, description="Most active experiences in the bank.")
    max_words: Count = Field(default=32, description="Most words of an experience.")
    inject: Literal["all"] | Retrieve = Field(
        default="all", description="What the agent is shown: `all`, or the best k for its task, `{retrieve: k}`."
    )

    @field_validator("inject", mode="before")
    @classmethod
    def _check_inject(cls, value: object) -> object:
        if value != "all" and not isinstance(value, dict | Retrieve):
            raise wrong("all or {retrieve: k}", found=repr(value))
        return cast("object", value)


class AcceptConfig(Closed):
    """The gate: which proposals change the bank."""

    policy: Literal["heldout", "always"] = Field(
        default="heldout", description="`heldout`: only on evidence from validation tasks. `always`: every proposal."
    )
    fraction: Share = Field(
        default=0.3, description="The practice tasks' share set aside where `tasks.validation` is null."
    )
    alpha: Share = Field(default=0.05, description="The chance, over the whole run, to accept what changes nothing.")
    trials: Count = Field(default=2, description="Attempts a validation task and bank at the first look.")
    max_trials: Count = Field(default=8, description="Attempts a validation task and bank at the last look.")
    candidates: Count = Field(default=4, description="Wordings of a proposal that race before one is tested.")

    @model_validator(mode="before")
    @classmethod
    def _from_policy(cls, value: Any) -> Any:
        return {"policy": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_trials(self) -> AcceptConfig:
        if self.trials > self.max_trials:
            raise wrong(f"at most accept.max_trials, {self.max_trials}", found=str(self.trials), key="trials")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return or_text(handler.resolve_ref_schema(handler(core_schema)), enum=["heldout", "always"])


class BudgetConfig(Closed):
    """Hard ceilings, cumulative over resumes."""

    usd: Positive | None = Field(
        default=None, description="Most usd to spend; needs the price of every model; null: no ceiling."
    )
    tokens: Count | None = Field(default=None, description="Most tokens, input and output; null: no ceiling.")
    seconds: Positive | None = Field(default=None, description="Most wall seconds of the run; null: no ceiling.")


class Settings(Closed):
    """All of ``practice.yaml``. Only ``agent`` and ``tasks.practice`` are required."""

    name: str = Field(default="", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="What results are called.")
    agent: Text = Field(description="The agent's file.")
    tasks: TasksConfig = Field(description=str(TasksConfig.__doc__))
    reward: str | tuple[str, ...] = Field(
        default="exact",
        description="What scores an attempt: exact, number, math, code, rubric, judge, `path.py:function`, or a list "
        "of such stages.",
    )
    rollouts: RolloutsConfig = Field(default=RolloutsConfig(), description=str(RolloutsConfig.__doc__))
    practice: PracticeConfig = Field(default=PracticeConfig(), description=str(PracticeConfig.__doc__))
    evaluate: EvaluateConfig = Field(default=EvaluateConfig(), description=str(EvaluateConfig.__doc__))
    teacher: TeacherConfig = Field(default=TeacherConfig(), description=str(TeacherConfig.__doc__))
    judge: JudgeConfig = Field(default=JudgeConfig(), description=str(JudgeConfig.__doc__))
    memory: MemoryConfig = Field(default=MemoryConfig(), description=str(MemoryConfig.__doc__))
    accept: AcceptConfig = Field(default=AcceptConfig(), description=str(AcceptConfig.__doc__))
    budget: BudgetConfig = Field(default=BudgetConfig(), description=str(BudgetConfig.__doc__))
    traces: TracesConfig | None = Field(default=None, description=str(TracesConfig.__doc__) + " null: nowhere.")

    @field_validator("reward", mode="before")
    @classmethod
    def _check_reward(cls, value: object) -> object:
        stages: object = (value,) if isinstance(value, str) else value
        if not isinstance(stages, list | tuple) or not stages:
            raise wrong("a reward's name or a list of them", found="an empty list" if stages == [] else repr(value))
        for index, stage in enumerate(cast("tuple[object, ...]", stages)):
            key = None if isinstance(value, str) else str(index)
            if not isinstance(stage, str):
                raise wrong("a reward's name", found=repr(stage), key=key)
            check_reward(stage, key)
        return value if isinstance(value, str) else tuple(cast("tuple[str, ...]", stages))

    def resolved(self, folder: str) -> Settings:
        """With the defaults that depend on others: ``name`` from the folder's name, ``memory.bank`` from ``name``.

        What was set by the user stays known in ``model_fields_set``.
        """
        name = self.name or re.sub(r"[^A-Za-z0-9._-]+", "-", folder).strip("-._") or "practice"
        values: Mapping[str, Any] = {key: getattr(self, key) for key in type(self).model_fields}
        memory = self.memory.model_copy(update={"bank": self.memory.bank or f"memory/{name}.yaml"})
        return Settings.model_construct(
            _fields_set=set(self.model_fields_set), **{**values, "name": name, "memory": memory}
        )


# ---------------------------------------------------------------- the run's fingerprint

#: What a run may be resumed with changed. Keys and an endpoint's host, port and limits are left out by
#: :meth:`ModelSpec.digest_fields`.
_FREE = frozenset({"memory.bank", "rollouts.concurrency", "rollouts.timeout"})


def fingerprint_fields(settings: Settings) -> dict[str, Any]:
    """The settings that make a run what it is, as dotted key -> JSON value.

    Every setting but budget, traces, concurrency, calls a minute, timeouts, keys, output paths, and an endpoint's host
    and port. ``name`` counts where the user gave it: taken from the folder it would tie the run to a path.
    """
    fields: dict[str, Any] = {}
    for section in Settings.model_fields:
        value = getattr(settings, section)
        if section in ("budget", "traces") or (section == "name" and "name" not in settings.model_fields_set):
            continue
        if isinstance(value, BaseModel):
            for key in type(value).model_fields:
                fields[f"{section}.{key}"] = _plain(getattr(value, key))
        else:
            fields[section] = _plain(value)
    return {key: value for key, value in fields.items() if key not in _FREE}


def _plain(value: object) -> Any:
    """A setting's value as JSON knows it."""
    if isinstance(value, ModelSpec):
        fields = value.digest_fields()
        return fields["name"] if len(fields) == 1 else fields
    if isinstance(value, BaseModel):
        return {key: _plain(getattr(value, key)) for key in type(value).model_fields}
    if isinstance(value, tuple):
        return [_plain(item) for item in cast("tuple[object, ...]", value)]
    return value


def describe_change(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """One line that names what changed between two fingerprints: ``rollouts.group_size: 5 -> 8; …``."""
    keys = [*new, *(key for key in old if key not in new)]
    parts = [
        f"{key}: {_short(old, key)} -> {_short(new, key)}"
        for key in keys
        if key not in old or key not in new or old[key] != new[key]
    ]
    return "; ".join(parts[:6]) + (f"; and {len(parts) - 6} more" if len(parts) > 6 else "")


def _short(fields: Mapping[str, Any], key: str, width: int = 40) -> str:
    if key not in fields:
        return "(not set)"
    value = fields[key]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= width else f"{text[: width - 1]}…"
