"""``practice judge score``: fixed rollouts before a panel; and the judging behind ``practice judge stability``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from practice.cli.common import AsJson, WorkspaceDir, find_run, note, open_store, print_json, table, workspace
from practice.errors import InputError

if TYPE_CHECKING:
    from practice.config import Evaluator, ModelSpec, Workspace
    from practice.document import Document
    from practice.engine import Options
    from practice.judging import Collected, JudgedGroup, Load, Tally, Told


def score(
    rollouts: Annotated[
        Path, typer.Argument(help="JSONL: group_id, rollout_id, input, output, steps?, truth?, model?")
    ],
    panel: Annotated[
        Path | None, typer.Option("--panel", help="A panel file; default: judge.panel of practice.yaml.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the verdicts go, as JSON lines; default: in reports/.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The seed of every call.")] = 0,
    concurrency: Annotated[int, typer.Option(min=1, help="Calls in flight.")] = 16,
    tokens: Annotated[int | None, typer.Option(min=1, help="A ceiling on tokens.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Again, even where it was done before.")] = False,
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Judge the rollouts of a file by every evaluator of a panel."""
    from practice.config import BudgetConfig
    from practice.document import EXIT_CODES
    from practice.engine import Options
    from practice.judging import Load

    place = workspace(directory)
    found = collect_for(
        place,
        rollouts=rollouts,
        evaluators=_panel(place, panel),
        load=Load(concurrency=concurrency, budget=BudgetConfig(tokens=tokens)),
        seed=seed,
        options=Options(fresh=fresh),
    )
    path = out or place.reports / f"judge-{found.document.run_id}.jsonl"
    lines = [verdict_line(told) for told in found.told]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    if as_json:
        print_json(_document(found, lines))
    else:
        tally_table(found.tally, found.document)
    note(f"verdicts: {path}")
    raise typer.Exit(EXIT_CODES[found.document.status])


def collect_for(
    place: Workspace,
    *,
    run: str | None = None,
    rollouts: Path | None = None,
    panel: Path | None = None,
    evaluators: Sequence[Evaluator] | None = None,
    load: Load | None = None,
    seed: int = 0,
    options: Options | None = None,
) -> Collected:
    """Judge a run's practised groups, or those of a rollouts file, with a live display.

    The panel is ``evaluators``, else the file ``panel``, else :func:`default_panel`. Raises InputError where neither a
    run nor a file is given, or both are.
    """
    from practice.cli.live import watched
    from practice.config import load_env, load_panel
    from practice.engine import Options
    from practice.judging import collect

    options = options or Options()
    load_env(place)
    groups = _groups(place, run, rollouts)
    chosen = evaluators or (load_panel(panel) if panel is not None else default_panel())
    model = _model(place) if any(evaluator.model is None for evaluator in chosen) else None
    key = "judge.panel" if panel is None else "evaluators"
    work = collect(groups, chosen, place, model=model, key=key, seed=seed, load=load, options=options)
    return asyncio.run(watched(work, options.progress))


def default_panel() -> tuple[Evaluator, ...]:
    """Three wordings at two seeds each: what it takes to tell the wording's share of the noise from the seed's."""
    from practice.config import Grid, JudgeConfig, PanelFile

    wordings = tuple(judge.prompt for judge in JudgeConfig().panel)
    return PanelFile(grid=Grid(prompt=wordings, seed=(0, 1), temperature=(0.7,))).panel()


def verdict_line(told: Told) -> dict[str, Any]:
    """One verdict as a JSON line; a missing score is null and says why."""
    verdict = told.verdict
    failure = None if verdict.failure is None else verdict.failure.model_dump(mode="json")
    return {
        "group_id": told.group,
        "rollout_id": told.rollout,
        "evaluator": told.evaluator,
        "score": verdict.score,
        "rank": verdict.rank,
        "reason": verdict.reason,
        "n_words": verdict.n_words,
        "failure": failure,
    }


# ---------------------------------------------------------------- inside


def _groups(place: Workspace, run: str | None, rollouts: Path | None) -> tuple[JudgedGroup, ...]:
    from practice.judging import groups_of_run, read_rollouts

    if (run is None) == (rollouts is None):
        found = "neither" if run is None else "both"
        raise InputError("a run, or a file of rollouts (--rollouts FILE)", found=found, key="RUN")
    if rollouts is not None:
        return read_rollouts(rollouts)
    with open_store(place) as store:
        row = find_run(store, str(run))
        return store.now(lambda db: groups_of_run(db, row))


def _panel(place: Workspace, panel: Path | None) -> tuple[Evaluator, ...]:
    """The panel file's evaluators, else those that a run of this workspace would have."""
    from practice.config import JudgeConfig, load_panel, load_settings

    if panel is not None:
        return load_panel(panel)
    if (place.root / "practice.yaml").is_file():
        return load_settings(None, [], place).judge.evaluators()
    return JudgeConfig().evaluators()


def _model(place: Workspace) -> ModelSpec | None:
    """Who judges where an evaluator names no model: the workspace's teacher, else its agent's model."""
    from practice.agent import Agent
    from practice.config import load_settings

    if not (place.root / "practice.yaml").is_file():
        return None
    settings = load_settings(None, [], place)
    return settings.teacher.model or Agent.from_yaml(place.path(settings.agent), workspace=place).spec.model


def _document(found: Collected, lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    document = found.document
    return {
        "run_id": document.run_id,
        "status": document.status,
        "evaluators": [key.model_dump(mode="json") for key in found.table.evaluators],
        "verdicts": list(lines),
        "usage": document.usage.model_dump(mode="json"),
    }


def tally_table(tally: Tally, document: Document) -> None:
    """One line an evaluator: how many verdicts, their mean, what is missing or was not honoured."""
    rows: list[tuple[object, ...]] = []
    for line in tally.evaluators:
        mean = "none" if line.mean is None else f"{line.mean:.3f}"
        rows.append((line.name, line.model, line.scored, line.missing, mean, ", ".join(line.unavailable)))
    title = f"{document.run_id}: {document.status}, {tally.groups} groups, {document.usage.calls:,} calls"
    table(["evaluator", "model", "scored", "missing", "mean score", "not honoured"], rows, title=title)
