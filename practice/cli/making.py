"""What the commands that make something with a model share: which model, how it is reached, which sandbox."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from practice.errors import InputError

if TYPE_CHECKING:
    from practice.calls import Ask
    from practice.config import ModelSpec, Workspace
    from practice.sandbox import Engine

ModelName = Annotated[
    str | None,
    typer.Option("--model", help="Who writes; default: the teacher of practice.yaml, else its agent's model."),
]
Unsafe = Annotated[
    bool,
    typer.Option("--unsafe-no-sandbox", help="Run what a model wrote without a sandbox, with your rights. Don't."),
]


def model_of(place: Workspace, given: str | None) -> ModelSpec:
    """The model that a command uses. Raises InputError where neither the command nor the workspace names one."""
    from practice.config import ModelSpec, load_settings

    if given is not None:
        return ModelSpec(name=given)
    if not (place.root / "practice.yaml").is_file():
        raise InputError("a model: --model NAME, or a practice.yaml that names one", found="neither", key="--model")
    from practice.agent import Agent

    settings = load_settings(None, [], place)
    return settings.teacher.model or Agent.from_yaml(place.path(settings.agent), workspace=place).spec.model


@asynccontextmanager
async def asking(place: Workspace, spec: ModelSpec, seed: int = 0) -> AsyncGenerator[Ask]:
    """A way to ask a model, with retries; a local server starts at the first call and stops at the end."""
    from practice.calls import Calls
    from practice.config import load_env
    from practice.endpoints import Endpoints

    load_env(place)
    calls = Calls(seed=seed, concurrency=spec.concurrency or 16)
    async with Endpoints(root=place.root) as endpoints:
        yield calls.ask(endpoints.get(spec))


def sandbox_for(unsafe: bool) -> Engine:
    """The sandbox of a command. Raises SandboxMissing where this machine has none and ``unsafe`` is not set."""
    from practice import sandbox

    return sandbox.engine(unsafe=unsafe)
