"""Models for an agent that is used on its own: connected (a local server started) with it, closed after it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from practice.agent.attempt import StepComplete
from practice.calls import Ask, Calls, Endpoint
from practice.config import ModelSpec
from practice.endpoints import Endpoints
from practice.model import Model
from practice.types import CallKey, Completion, Request

Asks = Callable[[ModelSpec], Ask]
"""How to ask any model that an agent or one that it leads has."""


@asynccontextmanager
async def connections(spec: ModelSpec, model: Model | None, root: Path) -> AsyncGenerator[Asks]:
    """Ways to ask models, with retries; ``model``: one that the user made, who also closes it, for ``spec``.

    ``root``: the workspace, from which a local model's relative path counts.
    """
    calls = Calls(concurrency=spec.concurrency or 16)
    own = Endpoint(model, spec.concurrency, spec.rpm, tpm=spec.tpm) if model is not None else None
    async with Endpoints(root=root) as endpoints:

        def asks(wanted: ModelSpec) -> Ask:
            return calls.ask(own if own is not None and wanted == spec else endpoints.get(wanted))

        yield asks


@asynccontextmanager
async def connected(spec: ModelSpec, model: Model | None, root: Path) -> AsyncGenerator[Ask]:
    """A way to ask ``spec``'s model, as :func:`connections` gives it."""
    async with connections(spec, model, root) as asks:
        yield asks(spec)


def step_complete(ask: Ask, task_id: str, attempt: int) -> StepComplete:
    """``ask`` for the steps of one attempt. Seeds follow from task, attempt and step: the same input again gives
    the same calls; another ``attempt`` gives others.
    """

    async def complete(step: int, request: Request) -> Completion:
        return await ask(CallKey(phase="practice", stage="user", task=task_id, attempt=attempt, step=step), request)

    return complete
