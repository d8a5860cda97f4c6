"""``practice overfit``: practise on a few tasks on purpose, with a closing panel (or one JSON document)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from practice.cli.common import AsJson, Sets, WorkspaceDir, print_json, workspace

if TYPE_CHECKING:
    from practice.config import Workspace
    from practice.overfit import AspectResult, Overfit, Solved
    from practice.session import Inputs


def overfit(
    n: Annotated[int, typer.Argument(metavar="N", min=1, help="How many practice tasks: two or three.")],
    config: Annotated[Path | None, typer.Argument(help="The settings; default: practice.yaml.")] = None,
    sets: Sets = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, say what would be done, call nothing.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Again from an empty memory, even where it was done.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Go on without task lines that can't be read.")] = False,
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Practise on N tasks on purpose: can the memory express what they need at all, and if not, which link breaks?"""
    from practice import overfit as room
    from practice.cli.live import watched
    from practice.document import EXIT_CODES
    from practice.engine import Options

    place = workspace(directory, config)
    if dry_run:
        _dry_run(room.choose(n, config, workspace=place, sets=sets or [], skip_bad=skip_bad), as_json=as_json)
        return
    options = Options(fresh=fresh, skip_bad=skip_bad)
    work = room.overfit(n, config, workspace=place, sets=sets or [], options=options)
    document = asyncio.run(watched(work, options.progress))
    if as_json:
        print_json(document)
    else:
        panel(document, place)
    raise typer.Exit(EXIT_CODES[document.status])


def _dry_run(inputs: Inputs, *, as_json: bool) -> None:
    from practice.cli.run import print_plan
    from practice.loop import planned_steps

    settings, n = inputs.settings, len(inputs.practice)
    plan: dict[str, object] = {
        "dry_run": True,
        "agent": inputs.agent.spec.name,
        "model": inputs.agent.spec.model.name,
        "tasks": [task.id for task in inputs.practice],
        "steps": planned_steps(settings, n),
        "rollouts": {
            "before": n * settings.evaluate.trials,
            "practice": n * settings.rollouts.group_size * settings.practice.epochs,
            "after": n * settings.evaluate.trials,
        },
        "memory": inputs.bank_key,
        "notes": list(inputs.notes),
    }
    print_plan(plan, title="What this overfit would do", as_json=as_json)


def panel(document: Overfit, place: Workspace) -> None:
    """The verdict, the tasks before and after, the three aspects with their counts, the experiences."""
    from practice.cli.panel import cost_line, rows_panel
    from practice.overfit.verdict import NAMES, STATES

    rows: list[tuple[str, str]] = [("verdict", document.verdict)]
    rows += [("next", document.advice)] if document.advice else []
    rows.append(("", ""))
    rows += [(f"task {task.id[:16]}", _change(task.before, task.after)) for task in document.tasks]
    rows.append(("all tasks", _change(document.before, document.after)))
    rows.append(("", ""))
    for name, aspect in document.aspects.items():
        rows.append((NAMES[name], "\n".join([STATES[aspect.state] + _said(aspect), *_counts(aspect)])))
    rows.append(("", ""))
    rows += [(experience.id, experience.text) for experience in document.experiences] or [("memory", "empty")]
    rows.append(("", ""))
    rows += [("cost", cost_line(document.usage))]
    rows += [("bank", document.memory)] if document.memory else []
    rows += [("report", str(place.root / document.report))] if document.report else []
    rows_panel(rows, title=f"{document.run_id}: overfit, {document.status}")


def _change(before: Solved, after: Solved | None) -> str:
    sides = [side for side in (before, after) if side is not None]
    text = " -> ".join(f"{side.right} of {side.attempts}" for side in sides) + " attempts solved"
    missing = sum(side.missing for side in sides)
    return text + (f", {missing} unscored" if missing else "")


def _said(aspect: AspectResult) -> str:
    return f" (in the memory: {', '.join(aspect.said)})" if aspect.said else ""


def _counts(aspect: AspectResult) -> list[str]:
    """What changed, and the most telling of what did not."""
    shown = [b for b in aspect.behaviours if b.feature in aspect.changed] or list(aspect.behaviours[:2])
    return [
        f"  {b.says}: {b.before.shown} of {b.before.n} -> {b.after.shown} of {b.after.n}"
        + (f"  (p = {b.p:.2g})" if b.p is not None and b.difference else "")
        for b in shown
    ]
