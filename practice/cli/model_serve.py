"""``practice model serve`` and ``practice model install``: local servers that stay, and the engine they need."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from practice.cli.common import AsJson, note, print_json
from practice.errors import InputError, nearest

if TYPE_CHECKING:
    from practice.local import Endpoint

#: Seconds between two looks at whether the server still lives.
INTERVAL = 1.0


def serve(
    name: Annotated[str, typer.Argument(help="A model as agents name it: vllm/<id or path> or llamacpp/<name>.")],
    as_json: AsJson = False,
) -> None:
    """Serve a local model until Ctrl-C. Runs that name the same vllm/ model share the server."""
    asyncio.run(_serve(name, as_json))


async def _serve(name: str, as_json: bool) -> None:
    from practice import local

    if not name.startswith((local.PREFIX, local.VLLM_PREFIX)):
        valid = [f"{local.VLLM_PREFIX}{name}", *(f"{local.PREFIX}{known}" for known in local.MODELS)]
        expected = f"a model whose name begins with {local.VLLM_PREFIX} or {local.PREFIX}"
        raise InputError(expected, found=repr(name), key="NAME", nearest=nearest(name, valid))
    task = asyncio.ensure_future(_hold(name, as_json))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        note("stopped")  # by Ctrl-C, which is how this ends


async def _hold(name: str, as_json: bool) -> None:
    """Raises LocalModelError where the server ends by itself."""
    from practice import local

    note(f"{name} is starting; its log is in {local.log_dir()}")
    async with local.serve(name) as endpoint:
        _say(endpoint, as_json)
        while True:
            endpoint.check()
            await asyncio.sleep(INTERVAL)


def _say(endpoint: Endpoint, as_json: bool) -> None:
    shown = {"api_base": endpoint.api_base, "model": endpoint.model, "api_key": endpoint.api_key}
    if as_json:
        print_json({**shown, "slots": endpoint.slots, "context": endpoint.context})
        return
    typer.echo("\n".join(f"{key}: {value}" for key, value in shown.items()))
    note(f"{endpoint.slots} requests at once, {endpoint.context} tokens each; Ctrl-C stops it")


def install(
    engine: Annotated[str, typer.Argument(help="What to install: vllm.")],
    as_json: AsJson = False,
) -> None:
    """Make an environment with vLLM under your data folder: its GPU build, or the CPU build where there is no GPU."""
    from practice import local

    if engine != "vllm":
        raise InputError("vllm", found=repr(engine), key="ENGINE", nearest=nearest(engine, ["vllm"]))
    note("some gigabytes are fetched where vLLM is not there yet; this takes minutes")
    found = asyncio.run(local.install_vllm())
    if as_json:
        print_json({"path": str(found.path), "cpu": found.cpu})
    else:
        typer.echo(f"vLLM{' (CPU build)' if found.cpu else ''} is at {found.path}")
