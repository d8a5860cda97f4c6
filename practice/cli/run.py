"""``practice run``: practise, live on stderr, with a closing panel (or one JSON document)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from practice.cli.common import AsJson, Sets, WorkspaceDir, print_json, workspace

if TYPE_CHECKING:
    from practice.config import Settings, Workspace


def run(
    config: Annotated[Path | None, typer.Argument(help="The settings; default: practice.yaml.")] = None,
    sets: Sets = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, say what would be done, call nothing.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="A new run, from the bank file as it stands.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Go on without task lines that can't be read.")] = False,
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Let the agent practise; the same command goes on where it was stopped."""
    from practice.cli.live import watched
    from practice.config import load_settings
    from practice.document import EXIT_CODES
    from practice.engine import Options
    from practice.runner import run as practise

    place = workspace(directory, config)
    settings = load_settings(config, sets or [], place)
    if dry_run:
        _dry_run(settings, place, skip_bad=skip_bad, as_json=as_json)
        return
    options = Options(fresh=fresh, skip_bad=skip_bad)
    work = practise(settings, workspace=place, options=options)
    document = asyncio.run(watched(work, options.progress))
    if as_json:
        print_json(document)
    else:
        from practice.cli.panel import closing_panel

        closing_panel(document, place)
    raise typer.Exit(EXIT_CODES[document.status])


def _dry_run(settings: Settings, place: Workspace, *, skip_bad: bool, as_json: bool) -> None:
    from practice.loop import planned_steps
    from practice.memory import Bank
    from practice.session import read_inputs

    inputs = read_inputs(settings, place, skip_bad=skip_bad)
    Bank.load(inputs.bank_path)
    steps = planned_steps(settings, len(inputs.practice))
    gate = settings.accept
    rollouts = len(inputs.practice) * settings.rollouts.group_size * settings.practice.epochs
    tested = (gate.candidates + 1) * gate.max_trials * len(inputs.validation) * steps
    plan: dict[str, object] = {
        "dry_run": True,
        "agent": inputs.agent.spec.name,
        "model": inputs.agent.spec.model.name,
        "tasks": {
            "practice": len(inputs.practice),
            "validation": len(inputs.validation),
            "holdout": len(inputs.holdout),
        },
        "steps": steps,
        "rollouts": {
            "practice": rollouts,
            "validation_at_most": tested,
            "holdout_at_most": 2 * len(inputs.holdout) * settings.evaluate.trials,
        },
        "memory": inputs.bank_key,
        "notes": list(inputs.notes),
    }
    print_plan(plan, title="What this run would do", as_json=as_json)


def print_plan(plan: Mapping[str, object], *, title: str, as_json: bool) -> None:
    """What ``--dry-run`` says: one JSON document, or a table."""
    if as_json:
        print_json(plan)
        return
    from practice.cli.common import table

    table(["what", "how much"], _flat(plan), title=title)


def _flat(value: Mapping[str, object], prefix: str = "") -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for key, item in value.items():
        if isinstance(item, dict):
            rows += _flat(cast("dict[str, object]", item), f"{prefix}{key} ")
        elif key != "dry_run" and item != []:
            rows.append((prefix + key, item))
    return rows
