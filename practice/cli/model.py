"""``practice model``: the embedded models' weights, and whether a local model answers."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from practice.cli.common import AsJson, print_json, table
from practice.errors import InputError, nearest

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """The models that can be pulled by name, and which are here."""
    from practice import local

    rows = [
        {
            "name": f"{local.PREFIX}{weights.name}",
            "mb": round(weights.size / 1e6),
            "licence": weights.licence,
            "here": local.find(weights.name) is not None,
            "about": weights.about,
        }
        for weights in local.MODELS.values()
    ]
    if as_json:
        print_json(rows)
        return
    table(
        ["model", "MB", "licence", "here", "about"],
        [(row["name"], row["mb"], row["licence"], "yes" if row["here"] else "no", row["about"]) for row in rows],
    )


@app.command("pull")
def pull(
    name: Annotated[str, typer.Argument(help="A name of `practice model list`.")] = "qwen2.5-coder-1.5b",
    as_json: AsJson = False,
) -> None:
    """Fetch a model's weights once for this user; goes on where it was cut off."""
    from practice import local

    short = name.removeprefix(local.PREFIX)
    if short not in local.MODELS:
        raise InputError(
            "the name of a model that can be pulled",
            found=repr(name),
            key="NAME",
            nearest=nearest(short, local.MODELS),
        )
    path = asyncio.run(_pull(short))
    if as_json:
        print_json({"model": f"{local.PREFIX}{short}", "path": str(path)})
    else:
        typer.echo(f"{local.PREFIX}{short} is at {path}")


async def _pull(name: str) -> object:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from practice import local

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), disable=not sys.stderr.isatty()
    ) as bar:
        task = bar.add_task(name, total=local.MODELS[name].size)
        spoken = 0

        def progress(done: int, total: int) -> None:
            nonlocal spoken
            bar.update(task, completed=done, total=total)
            if bar.disable and done * 10 // total > spoken:
                spoken = done * 10 // total
                print(f"{name}: {done / 1e6:.0f} of {total / 1e6:.0f} MB", file=sys.stderr)

        return await local.pull(name, progress)


@app.command("check")
def check(
    name: Annotated[
        str, typer.Argument(help="A model as agents name it: llamacpp/<name or path> or vllm/<id or path>.")
    ],
    as_json: AsJson = False,
) -> None:
    """Start a local model, ask it one thing, stop it."""
    from practice import local

    prefixed = name.startswith((local.PREFIX, local.VLLM_PREFIX))
    answer, seconds = asyncio.run(_check(name if prefixed else f"{local.PREFIX}{name}"))
    if as_json:
        print_json({"model": name, "answer": answer, "seconds": seconds})
    else:
        typer.echo(f"{name} answers {answer!r} after {seconds:.1f} s")


async def _check(name: str) -> tuple[str, float]:
    import time

    from practice.config import ModelSpec
    from practice.endpoints import Endpoints
    from practice.types import Message, Request

    started = time.monotonic()
    async with Endpoints() as endpoints:
        endpoint = endpoints.get(ModelSpec(name=name))
        request = Request(messages=(Message(role="user", content="Reply with the word ready."),), max_tokens=8)
        completion = await endpoint.model.complete(request)
    return completion.content.strip(), round(time.monotonic() - started, 2)
