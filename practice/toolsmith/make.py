"""The whole way from a wish to a tool."""

from __future__ import annotations

from collections.abc import Callable

from practice.calls import Ask
from practice.config import Workspace
from practice.sandbox import Engine
from practice.toolsmith.types import Made, MakeLimits, Unmade, Wish

__all__ = ["make"]

LIMITS = MakeLimits()


async def make(
    wish: Wish,
    *,
    ask: Ask,
    workspace: Workspace,
    engine: Engine,
    limits: MakeLimits = LIMITS,
    seed: int = 0,
    look: bool = True,
    told: Callable[[str], None] | None = None,
) -> Made | Unmade:
    """A tool that does what ``wish`` says: an existing one, or a new one in ``tools/generated/`` (quarantined).

    Args:
        wish: What is wanted.
        ask: How to reach the model that writes; every call has the stage ``generate``.
        workspace: Whose tools are looked at, and where the new one goes.
        engine: The sandbox in which everything that the model wrote is run.
        limits: How much is tried.
        seed: With the wish it decides the seed of every call.
        look: Whether an existing tool will do.
        told: Is given one line a step, for a live display.

    Returns :class:`Unmade` with the reason where no tool came of it; then nothing is left on disk. A model that can't
    be reached is such a reason too, unless most calls fail (EndpointError). Raises InputError for a wish that
    can't be granted (an empty one, a name that is taken or no identifier, a path outside the workspace).
    """
    raise NotImplementedError  # the signature, for those who call it
