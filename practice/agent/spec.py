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


Kind = Literal[
    "react",
    "direct",
    "best_of_n",
    "self_consistency",
    "self_correct",
    "budget_forcing",
    "code",
    "tree_search",
    "router",
    "orchestrator",
    "plan_execute",
]
Aggregate = Literal["min", "product"]
SCORES: dict[Kind, tuple[str, ...]] = {"best_of_n": ("judge", "process"), "tree_search": ("judge",)}
"""What may score, beside a function of the user's."""

KEYS: dict[Kind, tuple[str, ...]] = {
    "react": (),
    "direct": (),
    "best_of_n": ("n", "score", "aggregate"),
    "self_consistency": ("n",),
    "self_correct": ("rounds",),
    "budget_forcing": ("floor", "ceiling", "waits"),
    "code": (),
    "tree_search": ("width", "expansions", "span", "score"),
    "router": ("agents",),
    "orchestrator": ("agents",),
    "plan_execute": ("agents", "plans"),
}
"""The settings of each strategy."""

TOOLLESS: dict[Kind, str] = {
    "direct": "which calls none",
    "budget_forcing": "which calls none",
    "code": "whose actions are Python",
    "router": "which only chooses an agent",
    "plan_execute": "whose agents act",
}
"""Strategies that take no tools, and why."""

_OWN_SCORES = ("judge", "process")
"""Scores by the agent's own model."""
TEAMS: dict[Kind, int] = {"router": 2, "orchestrator": 1, "plan_execute": 1}
"""Strategies that lead other agents, and the fewest that they lead."""


class Strategy(Closed):
    """How the agent works; a key of another strategy than its own is refused."""

    kind: Kind = Field(
        default="react",
        description="`react`: calls tools until it answers without a call; `direct`: one model call, no tools; "
        "`best_of_n`: several attempts, the best-scored is the answer; `self_consistency`: several attempts, the "
        "answer that most give; `self_correct`: answers, checks itself, revises; `budget_forcing`: thinks for at "
        "least and at most so many tokens, no tools; `code`: acts by Python in the sandbox; `tree_search`: tries "
        "several next steps where it looks most promising, the best-scored line of them is the answer; `router`: "
        "chooses one of its agents, which answers; `orchestrator`: calls its agents like tools; `plan_execute`: "
        "plans, its agents carry the plan out, it answers.",
    )
    n: int = Field(default=5, ge=2, le=64, description="Attempts side by side (`best_of_n`, `self_consistency`).")
    score: str = Field(
        default="judge",
        description="What scores an attempt (`best_of_n`) or one so far (`tree_search`): `judge`, the agent's own "
        "model; `process`, the same step by step (`best_of_n`); or `path.py:function`, a check of yours that needs no "
        "answer.",
    )
    aggregate: Aggregate = Field(
        default="min",
        description="How scores of steps become an attempt's (`best_of_n` with `score: process`): the worst step's, "
        "`min`, or the `product` of all.",
    )
    rounds: int = Field(default=2, ge=1, description="Most revisions (`self_correct`).")
    floor: int = Field(
        default=256, ge=0, description="Tokens below which the model is made to think on (`budget_forcing`)."
    )
    ceiling: int = Field(default=2048, ge=1, description="Tokens at which its thought is closed (`budget_forcing`).")
    waits: int = Field(default=2, ge=1, description="How often it is made to think on at most (`budget_forcing`).")
    width: int = Field(default=2, ge=2, le=16, description="Next steps tried at each expansion (`tree_search`).")
    expansions: int = Field(default=2, ge=1, le=64, description="Attempts so far that are expanded (`tree_search`).")
    span: int = Field(default=64, ge=1, description="Most tokens of a step of an agent without tools (`tree_search`).")
    agents: tuple[str, ...] = Field(
        default=(),
        description="The agents that it leads, files of the workspace (`router`, `orchestrator`, `plan_execute`).",
    )
    plans: int = Field(
        default=2, ge=1, description="Most plans; from the second on, of what is still missing (`plan_execute`)."
    )

    @field_validator("score")
    @classmethod
    def _check_score(cls, value: str) -> str:
        if value not in _OWN_SCORES and not (value.rpartition(":")[0].endswith(".py") and value.rpartition(":")[2]):
            near = nearest(value, _OWN_SCORES)
            raise wrong("judge, process or path.py:function", found=repr(value), nearest=near)
        return value

    @field_validator("agents")
    @classmethod
    def _check_agents(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for index, ref in enumerate(value):
            if not ref.strip() or ref in value[:index]:
                raise wrong("each agent once", found=repr(ref), key=str(index))
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
        if self.score in _OWN_SCORES and self.score not in SCORES.get(self.kind, _OWN_SCORES):
            expected = f"{' or '.join(SCORES[self.kind])} or path.py:function with strategy {self.kind}"
            raise wrong(expected, found=repr(self.score), key="score")
        if "aggregate" in self.model_fields_set and self.score != "process":
            raise wrong("no aggregate but with score: process", found=f"score: {self.score}", key="aggregate")
        if len(self.agents) < TEAMS.get(self.kind, 0):
            expected = f"at least {TEAMS[self.kind]} agent(s) to lead with strategy {self.kind}, as agents/name.yaml"
            raise wrong(expected, found=str(len(self.agents)), key="agents")
        return self

    @property
    def settings(self) -> dict[str, Any]:
        """The kind and its own settings: what makes this strategy another one to a run."""
        keys = {key for key in KEYS[self.kind] if key != "aggregate" or self.score == "process"}
        return self.model_dump(mode="json", include={"kind", *keys})

    @property
    def check(self) -> str | None:
        """The user's scoring function, ``path.py:function``; None where the agent's own model scores, or nothing."""
        return self.score if "score" in KEYS[self.kind] and self.score not in _OWN_SCORES else None

    def least_steps(self, tools: bool) -> int:
        """The fewest model calls an attempt must be allowed for the strategy's settings to have their effect.

        Of a strategy that leads agents: its own, one more for each reply that may have to be asked for twice.
        """
        each = 2 if tools else 1
        judged = self.check is None
        return {
            "best_of_n": self.n * (each + judged),
            "self_consistency": self.n * each,
            "self_correct": each + self.rounds * (each + 1),
            "budget_forcing": self.waits + 2,
            "tree_search": self.expansions * self.width * (1 + judged) + each,
            "router": 2,
            "orchestrator": 2,
            "plan_execute": 2 * self.plans + 1,
        }.get(self.kind, 1)


class AgentSpec(Closed):
    """An agent: `agents/<name>.yaml`."""

    name: str = Field(min_length=1, description="Its name in lists and reports.")
    description: str = Field(default="", description="What it is for: for people, and for an agent that leads it.")
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
        if kind == "tree_search" and self.tools and "span" in self.strategy.model_fields_set:
            expected = "no span where there are tools: a step is then a turn with its calls"
            raise wrong(expected, found=str(self.strategy.span), key="strategy.span")
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
