"""What an agent is: the schema of ``agents/<name>.yaml``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from practice.config import Closed, McpTools, ModelSpec, wrong


class Limits(Closed):
    """What may end an attempt; it then has status `limit` and is scored on what was output so far."""

    steps: int = Field(default=12, ge=1, description="Most model calls of an attempt.")
    tokens: int = Field(default=2048, ge=1, description="Most output tokens of one call.")
    seconds: float = Field(
        default=300.0, gt=0.0, description="Most seconds of an attempt's own work: in model calls and tools."
    )


class Strategy(Closed):
    """How the agent works."""

    kind: Literal["react", "direct"] = Field(
        default="react",
        description="`react`: calls tools until it answers without a call; `direct`: one model call, no tools.",
    )


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
        if self.strategy.kind == "direct" and self.tools and self.graph is None:
            found = ", ".join(map(_shown, self.tools))
            raise wrong("no tools with strategy direct, which calls none", found=found, key="tools")
        if self.graph is not None and "strategy" in self.model_fields_set:
            raise wrong("either a strategy or a graph of your own", found="both", key="strategy")
        return self


def _shown(ref: str | McpTools) -> str:
    return ref if isinstance(ref, str) else ref.mcp.described


def agent_json_schema() -> dict[str, Any]:
    """The JSON schema of ``agents/<name>.yaml``, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **AgentSpec.model_json_schema()}
