"""80 descriptions, three figures: is the agent's file valid, does its tool do what was asked, are its tasks completed?

    python -m benchmarks.agentgen.run --model llamacpp/qwen2.5-coder-1.5b       # 4 of each family: some hours
    python -m benchmarks.agentgen.run --model … --only all                      # all 80
    python -m benchmarks.agentgen.run --model … --only math-03,file-07 --mode meta

Each description is given to ``practice agent new`` as a user would, in a workspace of its own; what comes of it is
then measured by checks that it never saw. ``rows.jsonl`` gets a line as soon as a description is through, and the
same command continues behind the last one. ``report.md`` and ``report.json`` are written anew after each.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import sys
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.agentgen.binding import Site
from benchmarks.agentgen.described import Described, choose, load, placed
from benchmarks.agentgen.measure import load_agent, run_tasks, tool_marks
from benchmarks.agentgen.newagent import new_agent
from benchmarks.agentgen.report import Row, Task, markdown, read_rows, report
from benchmarks.agentgen.serving import PORT, page, served
from practice import sandbox
from practice.agent.standalone import connected
from practice.calls import gather
from practice.config import ModelSpec, Workspace
from practice.errors import InputError, PracticeError
from practice.model import LOCAL_PREFIXES
from practice.types import CallKey, Message, Request, Usage

ROOT = Path(__file__).parents[2]
MODES = ("workflow", "meta")


@dataclass(frozen=True)
class Options:
    """One run of the benchmark."""

    model: str
    out: Path
    mode: str = "workflow"
    workers: int = 1
    """Descriptions at the same time; each has a model server of its own where the model is a local one."""
    minutes: float = 45.0
    """What ``practice agent new`` may take for one description."""

    @property
    def rows(self) -> Path:
        """One JSON line a description."""
        return self.out / "rows.jsonl"


async def run(chosen: Sequence[Described], options: Options, base: str) -> tuple[Row, ...]:
    """Do what is left of ``chosen``; returns all rows of them, those of earlier runs too, in the order of their end.

    Raises InputError where the folder holds rows of another model or mode, RunError where sandbox or model are
    missing, EndpointError where the model's endpoint gives up: what is on disk by then stays.
    """
    done = kept_rows(options)
    left = [one for one in chosen if one.id not in {row.id for row in done}]
    if left:
        await preflight(options.model)
    places = asyncio.Semaphore(options.workers)

    async def one(described: Described) -> None:
        async with places:
            row = await measured(placed(described, base), options)
        with options.rows.open("a", encoding="utf-8") as file:
            file.write(row.model_dump_json() + "\n")
        write_report(chosen, options)
        say(row, len(rows_of(chosen, options)), len(chosen))

    await gather(*(one(described) for described in left))
    return rows_of(chosen, options)


async def measured(described: Described, options: Options) -> Row:
    """One description, from its text to its row."""
    started = time.monotonic()
    place = Workspace(options.out / "workspaces" / described.id)
    new = await new_agent(described, place, model=options.model, mode=options.mode, seconds=options.minutes * 60)
    agent, reason = load_agent(place, new.path)
    reasons = [new.status] if new.status != "made" else []
    runs = executable = False
    tool, spent = "", Usage()
    tasks = tuple(
        Task(input=one.input, passed=False, reason="no agent", output="", called=()) for one in described.tasks
    )
    if agent is None:
        reasons.append(f"not valid: {reason}")
    else:
        marks = await tool_marks(agent, described, new.tools, Site(place.root, page))
        runs, executable, tool = marks.runs, marks.executable, marks.tool
        reasons.append(marks.reason)
        tasks, spent = await run_tasks(agent, described)
    return Row(
        id=described.id,
        family=described.family,
        model=options.model,
        mode=options.mode,
        status=new.status,
        valid=agent is not None,
        runs=runs,
        executable=executable,
        tool=tool,
        tools=new.tools,
        reasons=tuple(reasons),
        tasks=tasks,
        retries=new.retries,
        making=new.usage,
        using=spent,
        seconds=round(time.monotonic() - started, 1),
    )


async def preflight(model: str) -> None:
    """Raise RunError where there is no sandbox or no model: that would be no finding about descriptions."""
    sandbox.engine()
    async with connected(ModelSpec(name=model), None, ROOT) as ask:
        request = Request(messages=(Message(role="user", content="Reply with the word ready."),), max_tokens=8)
        await ask(CallKey(phase="practice", stage="user", task="preflight"), request)


def kept_rows(options: Options) -> tuple[Row, ...]:
    """The rows of earlier runs; what a kill left of a line is cut off."""
    rows = read_rows(options.rows)
    other = [row for row in rows if (row.model, row.mode) != (options.model, options.mode)]
    if other:
        wanted = f"rows of {options.model}, mode {options.mode}"
        raise InputError(wanted, found=f"{other[0].model}, mode {other[0].mode}", file=str(options.rows), key="--out")
    options.out.mkdir(parents=True, exist_ok=True)
    options.rows.write_text("".join(row.model_dump_json() + "\n" for row in rows), encoding="utf-8")
    return rows


def rows_of(chosen: Sequence[Described], options: Options) -> tuple[Row, ...]:
    """The rows that are there of the chosen descriptions."""
    wanted = {one.id for one in chosen}
    return tuple(row for row in read_rows(options.rows) if row.id in wanted)


def write_report(chosen: Sequence[Described], options: Options) -> str:
    """Both forms of the report of what is there; returns the Markdown."""
    whole = report(rows_of(chosen, options), len(chosen))
    (options.out / "report.json").write_text(whole.model_dump_json(indent=2) + "\n", encoding="utf-8")
    text = markdown(whole)
    (options.out / "report.md").write_text(text, encoding="utf-8")
    return text


def say(row: Row, done: int, asked: int) -> None:
    """One line on stderr."""
    marks = {"valid": row.valid, "runs": row.runs, "executable": row.executable, "completed": row.completed}
    words = " ".join(f"{'+' if mark else '-' if mark is not None else '?'}{name}" for name, mark in marks.items())
    print(f"{done}/{asked} {row.id} {words} {row.seconds:.0f} s | {' | '.join(row.reasons)[:300]}", file=sys.stderr)


def rooted(model: str) -> str:
    """A local model's file by its absolute path: each workspace would count a relative one from itself."""
    prefix = next((prefix for prefix in LOCAL_PREFIXES if model.startswith(prefix)), None)
    file = Path(model.removeprefix(prefix or ""))
    return f"{prefix}{file.resolve()}" if prefix and file.exists() else model


async def stoppable(work: Coroutine[Any, Any, object]) -> None:
    """The work, which SIGTERM ends like Ctrl-C: with the command that is under way, and its model's server."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await task


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="the model that makes the agents, and that they use")
    parser.add_argument("--only", default="stratified20", help="stratified20, all, or ids with commas")
    parser.add_argument("--mode", default=MODES[0], choices=MODES, help="of practice agent new")
    parser.add_argument("--out", type=Path, help="folder of rows, reports and workspaces; default: reports/agentgen/…")
    parser.add_argument("--workers", type=int, default=1, help="descriptions at the same time")
    parser.add_argument("--minutes", type=float, default=45.0, help="what practice agent new may take a description")
    parser.add_argument("--port", type=int, default=PORT, help="of the local pages")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is left, print the table."""
    given = arguments(argv)
    model = rooted(given.model)
    folder = f"{re.sub(r'[^A-Za-z0-9.]+', '-', model.rpartition('/')[2])}-{given.mode}"
    options = Options(
        model=model,
        out=(given.out or ROOT / "reports" / "agentgen" / folder).resolve(),
        mode=given.mode,
        workers=given.workers,
        minutes=given.minutes,
    )
    try:
        chosen = choose(load(), given.only)
        with served(given.port) as base:
            asyncio.run(stoppable(run(chosen, options, base)))
    except PracticeError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 4
    print(write_report(chosen, options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
