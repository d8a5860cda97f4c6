"""One way to every local server: ``async with serve(model) as endpoint``, whichever engine the name asks for."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

from practice.local import registry, vllm
from practice.local.server import Endpoint, LlamaCppServer

__all__ = ["places", "serve"]


@contextlib.asynccontextmanager
async def serve(
    model: str,
    *,
    root: Path | None = None,
    slots: int | None = None,
    context: int | None = None,
    threads: int | None = None,
    port: int = 0,
    api_key: str | None = None,
) -> AsyncGenerator[Endpoint]:
    """Serve ``llamacpp/<name or path>`` or ``vllm/<id or path>`` for the length of the block.

    A relative path counts from ``root``. vLLM's server, which others may share, gets its settings from the GPU and
    takes none of these. Raises what :func:`~practice.local.registry.resolve` and :class:`LlamaCppServer` raise, or
    what :func:`~practice.local.vllm.resolve` and :class:`~practice.local.vllm.VllmServer` do.
    """
    if model.startswith(vllm.PREFIX):
        async with vllm.VllmServer(vllm.resolve(model, root)) as shared:
            yield shared.endpoint
        return
    found = registry.resolve(model, root)
    server = LlamaCppServer(found, slots=slots, context=context, threads=threads, port=port, api_key=api_key)
    async with server:
        yield server.endpoint


def places(model: str, root: Path | None = None) -> tuple[str, int]:
    """What names of one server have in common, and how many requests that server works on at once.

    Starts and probes nothing: a run whose every answer is in the journal needs no GPU. Raises InputError for a name
    that stands for nothing.
    """
    if model.startswith(vllm.PREFIX):
        shared = vllm.resolve(model, root)
        return f"{vllm.PREFIX}{shared.source}", vllm.SLOTS
    found = registry.resolve(model, root)
    return f"{registry.PREFIX}{found.path.resolve()}", found.slots
