"""One attempt of an agent with a strategy, at a scripted model."""

from __future__ import annotations

from typing import Any

from practice import Agent
from practice.fakes import ScriptedModel
from practice.types import Request, Rollout

HEAD = "name: a\nmodel: openai/m\n"


def double(number: int) -> int:
    """Double a number."""
    return 2 * number


async def attempt(replies: Any, strategy: dict[str, Any], **kwargs: Any) -> tuple[Rollout, list[Request]]:
    """What came of it, and what the model was asked."""
    model = ScriptedModel(replies)
    fields: dict[str, Any] = {"name": "a", "instructions": "Be right.", "limits": {"steps": 40}}
    built = Agent(model=model, strategy=strategy, **(fields | kwargs))
    return await built.run("How many?"), model.requests
