"""Models for an agent that is used on its own: connected (a local server started) with it, closed after it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from practice.agent.attempt import StepComplete
from practice.calls import Ask, Calls, Endpoint
from practice.config import ModelSpec
from practice.endpoints import Endpoints
from practice.model import Model
from practice.types import CallKey, Completion, Request


@asynccontextmanager
async def connected(spec: ModelSpec, model: Model | None, root: Path) -> AsyncGenerator[Ask]:
    """A way to ask ``spec``'s model, with retries; ``model``: one that the user made, who also closes it.

    ``root``: the workspace, from which a local model's relative path counts.
    """
    calls = Calls(concurrency=spec.concurrency or 16)
    async with Endpoints(root=root) as endpoints:
        yield calls.ask(
            Endpoint(model, spec.concurrency, spec.rpm, tpm=spec.tpm) if model is not None else endpoints.get(spec)
        )


def step_complete(ask: Ask, task_id: str, attempt: int) -> StepComplete:
    """``ask`` for the steps of one attempt. Seeds follow from task, attempt and step: the same input again gives
    the same calls; another ``attempt`` gives others.
    """

    async def complete(step: int, request: Request) -> Completion:
        return await ask(CallKey(phase="practice", stage="user", task=task_id, attempt=attempt, step=step), request)

    return complete
