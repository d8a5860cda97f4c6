"""Test-time strategies at equal tokens: what is right, with intervals, when each may spend the same on a task.

    python -m benchmarks.strategies --model llamacpp/qwen2.5-coder-0.5b --tasks gsm8k.jsonl
    python -m benchmarks.strategies --model … --sums 20 --limit 0        # twenty sums, no file

100 sums made from a seed, and 60 tasks of a file whose answers are numbers. One agent without tools, one temperature;
only its ``strategy`` differs. Tokens are all tokens of all calls, prompts and answers, scores and checks, cached or
not, as the endpoint counts them: what ``budget.tokens`` counts.

Each strategy has one setting by which it spends more, its *size*: attempts, revisions, forced continuations,
expansions. The budget of a set is ``--times`` what a direct answer takes there. A strategy's size is the one whose
tokens come nearest to that budget on a straight line through two sizes that are tried on the first ``--pilot`` tasks.
The choice sees tokens alone, never what was right, and the pilot's attempts do not count. A strategy that stops by
itself, whose cost bends, or whose smallest size is too dear (a judge's prompt can be longer than a short answer) spends
more or less than it may: the table gives what was spent and its share of the budget; read a row with another share as
another budget. ``direct`` can't spend more than one answer. Who wants to know what a strategy adds to plain repetition
looks at the column against self_consistency.

Intervals are Wilson's, by task where there are several trials; differences are paired by task, with Tango's interval
and McNemar's exact test (several trials: Student's t and sign flips). The p-values are not corrected for their number.
Only tasks that every strategy has finished count, so the table is fair at any moment. ``rows.jsonl`` gets a line as
soon as an attempt is through; the same command goes on behind the last one. ``report.md`` holds the tables.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import random
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.strategies_table import ENTRANTS, PILOT_ATTEMPT, Row, Setup, chosen, table
from practice.agent import Agent, Strategy
from practice.agent.standalone import connected, step_complete
from practice.calls import Ask, gather
from practice.config import ModelSpec, Workspace
from practice.errors import InputError, PracticeError
from practice.model import Model
from practice.task import draw, load_tasks
from practice.types import Task
from practice.verifiers import NumberVerifier

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Options:
    """One run of the benchmark."""

    setup: Setup
    out: Path
    trials: int = 1
    workers: int = 4

    @property
    def rows(self) -> Path:
        """One JSON line an attempt."""
        return self.out / "rows.jsonl"


Sets = Mapping[str, Sequence[Task]]
Job = tuple[str, str, int, Task, int]
"""Set, entrant, size, task, attempt."""


# ---------------------------------------------------------------- what is asked


def make_sums(count: int, seed: int = 0) -> tuple[Task, ...]:
    """``count`` different sums of two to four numbers between 10 and 999."""
    rng = random.Random(seed)
    sums: dict[str, int] = {}
    while len(sums) < count:
        terms = [rng.randint(10, 999) for _ in range(rng.randint(2, 4))]
        sums.setdefault(f"What is {' + '.join(map(str, terms))}?", sum(terms))
    return tuple(Task(id=f"sum-{place}", input=text, answer=str(sums[text])) for place, text in enumerate(sums))


def read_tasks(path: Path, limit: int) -> tuple[Task, ...]:
    """``limit`` tasks of a file, drawn by their ids. Raises InputError where an answer is no number."""
    tasks = draw(load_tasks(str(path.resolve()), Workspace(path.resolve().parent)).tasks, limit, 0)
    for task in tasks:
        NumberVerifier().check(task)
    return tasks


def digest(tasks: Sequence[Task]) -> str:
    """12 hex digits of what is asked."""
    return hashlib.sha256("\n".join(task.model_dump_json() for task in tasks).encode()).hexdigest()[:12]


# ---------------------------------------------------------------- the run


async def run(sets: Sets, options: Options, model: Model | None = None) -> str:
    """Do what is left; returns the report. ``model``: one of the caller's own, in place of the named one.

    Raises InputError where the folder holds rows of another setup, EndpointError where the endpoint gives up: what is
    on disk by then stays.
    """
    rows = kept_rows(options)
    async with connected(ModelSpec(name=options.setup.model), model, Path.cwd()) as ask:
        await work(pilot_jobs(sets, options), rows, ask, options)
        jobs = [job for name, tasks in sets.items() for job in main_jobs(name, tasks, rows, options)]
        try:
            await work(jobs, rows, ask, options)
        finally:
            report = write_report(sets, rows, options)
    return report


async def work(jobs: Iterable[Job], rows: list[Row], ask: Ask, options: Options) -> None:
    """Make the attempts that have no row yet, in order; each row is on disk before the next attempt takes its place."""
    done = {row.key for row in rows}
    left = [job for job in jobs if (job[0], job[1], job[2], job[3].id, job[4]) not in done]
    places = asyncio.Semaphore(options.workers)

    async def one(job: Job) -> None:
        async with places:
            row = await attempted(job, ask, options.setup)
            with options.rows.open("a", encoding="utf-8") as file:
                file.write(row.model_dump_json() + "\n")
            rows.append(row)
        mark = "?" if row.passed is None else "+" if row.passed else "-"
        print(f"{mark} {row.set} {row.entrant} {row.size} {row.task} {row.tokens} tokens", file=sys.stderr)

    await gather(*(one(job) for job in left))


async def attempted(job: Job, ask: Ask, setup: Setup) -> Row:
    """One attempt and whether it is right."""
    name, entrant, size, task, attempt = job
    settings = ENTRANTS[entrant].settings(size)
    steps = Strategy.model_validate(settings).least_steps(False)
    agent = Agent(
        name="solver",
        model=setup.model,
        instructions=setup.instructions,
        limits={"steps": steps, "tokens": setup.tokens, "seconds": 3600},
        strategy=settings,
        workspace=Workspace(ROOT),
    )
    complete = step_complete(ask, task.id, attempt)
    rollout = await agent.run(
        task.input, complete=complete, temperature=setup.temperature, task_id=task.id, attempt=attempt
    )
    verdict = await NumberVerifier().verify(task, rollout)
    return Row(
        set=name,
        entrant=entrant,
        size=size,
        task=task.id,
        attempt=attempt,
        passed=None if verdict.score is None else verdict.score == 1.0,
        output=rollout.output,
        status=rollout.status,
        usage=rollout.usage,
    )


def pilot_jobs(sets: Sets, options: Options) -> list[Job]:
    """What is tried to see what a size costs."""
    return [
        (name, entrant, size, task, PILOT_ATTEMPT)
        for name, tasks in sets.items()
        for task in tasks[: options.setup.pilot]
        for entrant, it in ENTRANTS.items()
        for size in it.pilot or (1,)
    ]


def main_jobs(name: str, tasks: Sequence[Task], rows: Sequence[Row], options: Options) -> list[Job]:
    """What counts: task by task, all strategies of one after another."""
    _, sizes = chosen(name, rows, options.setup)
    return [
        (name, entrant, sizes[entrant], task, trial)
        for trial in range(options.trials)
        for task in tasks
        for entrant in ENTRANTS
    ]


# ---------------------------------------------------------------- what came of it


def write_report(sets: Sets, rows: Sequence[Row], options: Options) -> str:
    """``report.md``, one table a set; returns it."""
    setup = options.setup
    head = f"`{setup.model}`, temperature {setup.temperature:g}, at most {setup.tokens} tokens a call."
    parts = [head, *(table(name, tasks, rows, setup, options.trials) for name, tasks in sets.items() if tasks)]
    text = "\n\n".join(parts) + "\n"
    (options.out / "report.md").write_text(text, encoding="utf-8")
    return text


# ---------------------------------------------------------------- files and the command line


def kept_rows(options: Options) -> list[Row]:
    """The rows of earlier runs; what a kill left of a line is cut off. Raises InputError for another setup's."""
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "setup.json"
    if file.is_file():
        other = Setup.model_validate_json(file.read_text(encoding="utf-8"))
        differs = [key for key in Setup.model_fields if getattr(other, key) != getattr(options.setup, key)]
        if differs:
            wanted = ", ".join(f"{key} {getattr(options.setup, key)}" for key in differs)
            found = ", ".join(f"{key} {getattr(other, key)}" for key in differs)
            raise InputError(f"rows with {wanted}", found=found, file=str(file), key="--out")
    file.write_text(options.setup.model_dump_json(indent=2) + "\n", encoding="utf-8")
    path = options.rows
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    whole = [text for text in lines if text.endswith("\n")]
    path.write_text("".join(whole), encoding="utf-8")
    return [Row.model_validate_json(text) for text in whole]


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="as in an agent's file")
    parser.add_argument("--tasks", type=Path, help="a file of tasks whose answers are numbers")
    parser.add_argument("--limit", type=int, default=60, help="tasks drawn from it")
    parser.add_argument("--sums", type=int, default=100, help="sums made")
    parser.add_argument("--times", type=float, default=8.0, help="the budget, in direct answers")
    parser.add_argument("--pilot", type=int, default=8, help="tasks on which sizes are chosen")
    parser.add_argument("--trials", type=int, default=1, help="attempts of each strategy at each task")
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--tokens", type=int, default=512, help="most output tokens of a call")
    parser.add_argument("--workers", type=int, default=4, help="attempts at the same time")
    parser.add_argument("--out", type=Path, help="folder of rows and report; default: reports/strategies/<model>")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Do what is left, print the tables."""
    given = arguments(argv)
    try:
        sets: dict[str, Sequence[Task]] = {"sums": make_sums(given.sums)} if given.sums else {}
        if given.tasks is not None and given.limit:
            sets[given.tasks.stem] = read_tasks(given.tasks, given.limit)
        setup = Setup(
            model=given.model,
            temperature=given.temperature,
            tokens=given.tokens,
            times=given.times,
            pilot=given.pilot,
            tasks="; ".join(f"{len(tasks)} of {name}, {digest(tasks)}" for name, tasks in sets.items()),
        )
        folder = given.model.rpartition("/")[2]
        out = (given.out or ROOT / "reports" / "strategies" / folder).resolve()
        print(asyncio.run(run(sets, Options(setup, out, given.trials, given.workers))))
    except PracticeError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
