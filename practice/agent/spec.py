"""What an agent is: the schema of ``agents/<name>.yaml``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from practice.config import Closed, McpTools, ModelSpec, wrong
from practice.errors import nearest


class Limits(Closed):
    """What may end an attempt; it then has status `limit` and is scored on what was output so far."""

    steps: int = Field(default=12, ge=1, description="Most model calls of an attempt.")
    tokens: int = Field(default=2048, ge=1, description="Most output tokens of one call.")
    seconds: float = Field(
        default=300.0, gt=0.0, description="Most seconds of an attempt's own work: in model calls and tools."
    )


Kind = Literal["react", "direct", "best_of_n", "self_consistency", "self_correct", "budget_forcing", "code"]

KEYS: dict[Kind, tuple[str, ...]] = {
    "react": (),
    "direct": (),
    "best_of_n": ("n", "score"),
    "self_consistency": ("n",),
    "self_correct": ("rounds",),
    "budget_forcing": ("floor", "ceiling", "waits"),
    "code": (),
}
"""The settings of each strategy."""

TOOLLESS: dict[Kind, str] = {
    "direct": "which calls none",
    "budget_forcing": "which calls none",
    "code": "whose actions are Python",
}
"""Strategies that take no tools, and why."""


class Strategy(Closed):
    """How the agent works; a key of another strategy than its own is refused."""

    kind: Kind = Field(
        default="react",
        description="`react`: calls tools until it answers without a call; `direct`: one model call, no tools; "
        "`best_of_n`: several attempts, the best-scored is the answer; `self_consistency`: several attempts, the "
        "answer that most give; `self_correct`: answers, checks itself, revises; `budget_forcing`: thinks for at "
        "least and at most so many tokens, no tools; `code`: acts by Python in the sandbox.",
    )
    n: int = Field(default=5, ge=2, le=64, description="Attempts side by side (`best_of_n`, `self_consistency`).")
    score: str = Field(
        default="judge",
        description="What scores an attempt (`best_of_n`): `judge`, the agent's own model; or `path.py:function`, a "
        "check of yours that needs no answer.",
    )
    rounds: int = Field(default=2, ge=1, description="Most revisions (`self_correct`).")
    floor: int = Field(
        default=256, ge=0, description="Tokens below which the model is made to think on (`budget_forcing`)."
    )
    ceiling: int = Field(default=2048, ge=1, description="Tokens at which its thought is closed (`budget_forcing`).")
    waits: int = Field(default=2, ge=1, description="How often it is made to think on at most (`budget_forcing`).")

    @field_validator("score")
    @classmethod
    def _check_score(cls, value: str) -> str:
        if value != "judge" and not (value.rpartition(":")[0].endswith(".py") and value.rpartition(":")[2]):
            near = nearest(value, ["judge"])
            raise wrong("judge or path.py:function", found=repr(value), nearest=near)
        return value

    @model_validator(mode="after")
    def _check_keys(self) -> Strategy:
        own = KEYS[self.kind]
        for key in type(self).model_fields:
            if key == "kind" or key in own or key not in self.model_fields_set:
                continue
            takes = f"{', '.join(own)}" if own else "no key but kind"
            kinds = " and ".join(kind for kind, keys in KEYS.items() if key in keys)
            expected = f"{takes} with strategy {self.kind}; {key} belongs to {kinds}"
            raise wrong(expected, found=repr(key), key=key, nearest=nearest(key, own))
        if self.kind == "budget_forcing" and self.floor > self.ceiling:
            raise wrong(f"at most the ceiling, {self.ceiling}", found=str(self.floor), key="floor")
        return self

    @property
    def settings(self) -> dict[str, Any]:
        """The kind and its own settings: what makes this strategy another one to a run."""
        return {key: getattr(self, key) for key in ("kind", *KEYS[self.kind])}

    def least_steps(self, tools: bool) -> int:
        """The fewest model calls an attempt must be allowed for the strategy's settings to have their effect."""
        each = 2 if tools else 1
        judged = self.kind == "best_of_n" and self.score == "judge"
        return {
            "best_of_n": self.n * (each + judged),
            "self_consistency": self.n * each,
            "self_correct": each + self.rounds * (each + 1),
            "budget_forcing": self.waits + 2,
        }.get(self.kind, 1)


class AgentSpec(Closed):
    """An agent: `agents/<name>.yaml`."""

    name: str = Field(min_length=1, description="Its name in lists and reports.")
    description: str = Field(default="", description="What it is for, for people; no model is shown it.")
    model: ModelSpec = Field(description="The model: a name, or a mapping.")
    instructions: str = Field(default="", description="The system prompt; the memory's experiences follow it.")
    tools: tuple[str | McpTools, ...] = Field(
        default=(),
        description="Tools: a name of the workspace's (`calculator`), `tools/file.py:function`, or an MCP server's, "
        "`{mcp: {command: …}}` or `{mcp: {url: …}}`.",
    )
    limits: Limits = Field(default=Limits(), description="What may end an attempt.")
    strategy: Strategy = Field(default=Strategy(), description="How it works.")
    graph: str | None = Field(
        default=None,
        description="A LangGraph graph of your own: `module:function` or `file.py:function`; it replaces the strategy.",
    )

    @field_validator("tools")
    @classmethod
    def _check_tools(cls, value: tuple[str | McpTools, ...]) -> tuple[str | McpTools, ...]:
        for index, ref in enumerate(value):
            if (isinstance(ref, str) and not ref.strip()) or ref in value[:index]:
                raise wrong("each tool once", found=repr(_shown(ref)), key=str(index))
        return value

    @field_validator("graph")
    @classmethod
    def _check_graph(cls, value: str | None) -> str | None:
        if value is not None and not all(value.rpartition(":")):
            raise wrong("module:function or file.py:function", found=repr(value))
        return value

    @model_validator(mode="after")
    def _check_effect(self) -> AgentSpec:
        """A setting without effect is refused, so that nobody believes in it."""
        kind = self.strategy.kind
        if kind in TOOLLESS and self.tools and self.graph is None:
            found = ", ".join(map(_shown, self.tools))
            raise wrong(f"no tools with strategy {kind}, {TOOLLESS[kind]}", found=found, key="tools")
        least = self.strategy.least_steps(bool(self.tools))
        if self.limits.steps < least and self.graph is None:
            settings = ", ".join(f"{key}: {value}" for key, value in self.strategy.settings.items())
            found = f"{self.limits.steps}, where strategy {{{settings}}} makes up to {least} calls"
            raise wrong(f"at least {least}", found=found, key="limits.steps")
        if self.graph is not None and "strategy" in self.model_fields_set:
            raise wrong("either a strategy or a graph of your own", found="both", key="strategy")
        return self


def _shown(ref: str | McpTools) -> str:
    return ref if isinstance(ref, str) else ref.mcp.described


def agent_json_schema() -> dict[str, Any]:
    """The JSON schema of ``agents/<name>.yaml``, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **AgentSpec.model_json_schema()}
