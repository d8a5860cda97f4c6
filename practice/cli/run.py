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
    from practice.engine import Options
    from practice.session import Inputs


def run(
    config: Annotated[Path | None, typer.Argument(help="The settings; default: practice.yaml.")] = None,
    sets: Sets = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, say what would be done, call nothing.")
    ] = False,
    sample: Annotated[
        int | None,
        typer.Option(
            "--sample",
            min=2,
            metavar="N",
            help="With --dry-run: try N practice tasks as whole groups and predict calls, tokens, usd and time.",
        ),
    ] = None,
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
    from practice.errors import InputError
    from practice.runner import run as practise

    place = workspace(directory, config)
    settings = load_settings(config, sets or [], place)
    options = Options(fresh=fresh, skip_bad=skip_bad)
    if sample is not None and not dry_run:
        raise InputError("--dry-run beside it", found="--sample alone", key="--sample")
    if dry_run:
        raise typer.Exit(_dry_run(settings, place, options, sample=sample, as_json=as_json))
    work = practise(settings, workspace=place, options=options)
    document = asyncio.run(watched(work, options.progress))
    if as_json:
        print_json(document)
    else:
        from practice.cli.panel import closing_panel

        closing_panel(document, place)
    raise typer.Exit(EXIT_CODES[document.status])


def _dry_run(settings: Settings, place: Workspace, options: Options, *, sample: int | None, as_json: bool) -> int:
    """Say what the run would do, predicted from a sample where one is asked for; returns the exit code."""
    from practice.loop import planned_steps
    from practice.memory import Bank
    from practice.session import read_inputs

    inputs = read_inputs(settings, place, skip_bad=options.skip_bad)
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
    code = 0
    if sample is not None:
        code, found = _sampled(inputs, sample, options, as_json=as_json)
        plan |= found
    print_plan(plan, title="What this run would do", as_json=as_json)
    return code


def _sampled(inputs: Inputs, n: int, options: Options, *, as_json: bool) -> tuple[int, dict[str, object]]:
    """The exit code, and what the sample says for the plan."""
    from practice.cli.live import watched
    from practice.cli.predicted import prediction_rows
    from practice.document import EXIT_CODES
    from practice.sampling import sample

    document, prediction = asyncio.run(watched(sample(inputs, n, options), options.progress))
    code = EXIT_CODES[document.status]
    if as_json:
        of = {"run_id": document.run_id, "status": document.status, "usage": document.usage.model_dump(mode="json")}
        return code, {"sample": of, "prediction": None if prediction is None else prediction.model_dump(mode="json")}
    if prediction is None:
        return code, {"sample": f"{document.run_id}: {document.status}; the same command goes on"}
    return code, dict(prediction_rows(prediction, document))


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
