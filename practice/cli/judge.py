"""``practice judge``: how far the judges can be trusted."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from practice.cli.common import AsJson, WorkspaceDir, note, open_store, print_json, workspace
from practice.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from practice.config import Workspace
    from practice.stability import ScoreTable, StabilityReport
    from practice.stability.result import VerdictName

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

EXIT_CODES: dict[VerdictName, int] = {"STABLE": 0, "CAUTION": 0, "NOISE-DRIVEN": 5, "INSUFFICIENT": 6}


@app.callback()
def root() -> None:
    """How far the judges can be trusted."""


@app.command("stability")
def stability(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="A run whose practised rollouts are judged again: its id, or `last`."),
    ] = None,
    rollouts: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Rollouts to judge, JSONL: group_id, rollout_id, input, output, truth?"),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Scores that others made: a CSV file, long or pairwise (docs/stability.md)."),
    ] = None,
    panel: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Who judges: a panel file; default: three wordings at two seeds each."),
    ] = None,
    cut: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Move one cut of the verdict, e.g. stable_flip=0.15. Repeatable."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where the report goes; default: reports/ of the workspace, else beside the scores."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The seed of every call and of every shuffle.")] = 0,
    concurrency: Annotated[int, typer.Option(min=1, help="Calls in flight.")] = 16,
    tokens: Annotated[int | None, typer.Option(min=1, help="A ceiling on tokens.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Judge again, even where it was done before.")] = False,
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """How much the order of the same rollouts changes with who judges; exits 5 on NOISE-DRIVEN, 6 on INSUFFICIENT."""
    from practice.stability import analyse, parse_cuts

    cuts = parse_cuts(cut or [])
    if sum(source is not None for source in (run, rollouts, scores)) != 1:
        given = [name for name, value in (("RUN", run), ("--rollouts", rollouts), ("--scores", scores)) if value]
        raise InputError(
            "one of RUN, --rollouts FILE, --scores FILE", found=" and ".join(given) or "nothing", key="RUN"
        )
    if scores is None:
        load = _Load(seed, concurrency, tokens, fresh)
        judged, name, table, reasons = _judged(run, rollouts, panel, load, directory, as_json=as_json)
    else:
        judged, name, table, reasons = _given(scores, panel)
    found = analyse(table, cuts=cuts, reasons=reasons, seed=seed)
    if judged is not None:
        _keep(found, name, judged, workspace(directory))
    files = _write(found, name, _reports(report, scores, directory))
    if as_json:
        print_json(found)
    else:
        from practice.cli.stability import show

        show(found, name)
    note(f"report: {files[-1]}")
    raise typer.Exit(EXIT_CODES[found.verdict])


class _Load(NamedTuple):
    seed: int
    concurrency: int
    tokens: int | None
    fresh: bool


Source = tuple[str | None, str, "ScoreTable", "Mapping[str, Mapping[str, tuple[str, ...]]] | None"]
"""What is analysed: the run that judged, a name, scores, and the judges' words where they are at hand."""


def _given(scores: Path, panel: Path | None) -> Source:
    from practice.stability import read_scores

    if panel is not None:
        raise InputError("no --panel beside --scores: who judged stands in the file", found=str(panel), key="--panel")
    return None, scores.stem, read_scores(scores), None


def _judged(
    run: str | None, rollouts: Path | None, panel: Path | None, load: _Load, directory: Path | None, *, as_json: bool
) -> Source:
    """Judge first. Where that was stopped there is nothing to analyse yet: the command ends as the judging did."""
    from practice.cli.judging import collect_for
    from practice.config import BudgetConfig
    from practice.document import EXIT_CODES as STOPPED
    from practice.engine import Options
    from practice.judging import Load

    found = collect_for(
        workspace(directory),
        run=run,
        rollouts=rollouts,
        panel=panel,
        load=Load(concurrency=load.concurrency, budget=BudgetConfig(tokens=load.tokens)),
        seed=load.seed,
        options=Options(fresh=load.fresh),
    )
    document = found.document
    if document.status != "done":
        note(f"{document.run_id}: {document.status} after {len(found.told)} verdicts; the same command goes on")
        if as_json:
            print_json({"run_id": document.run_id, "status": document.status, "usage": document.usage.model_dump()})
        raise typer.Exit(STOPPED[document.status])
    name = rollouts.stem if rollouts is not None else document.run_id
    return document.run_id, name, found.table, found.reasons


def _keep(found: StabilityReport, name: str, run: str, place: Workspace) -> None:
    """With the run that judged, where ``practice runs show`` finds it."""
    from practice.records import save_note

    kept = {"name": name, "report": json.loads(found.model_dump_json())}
    with open_store(place) as store:
        store.now(lambda db: save_note(db, run, "stability", kept))


def _reports(given: Path | None, scores: Path | None, directory: Path | None) -> Path:
    """The folder that the report goes to: as given, the workspace's, else that of the scores."""
    from practice.config import Workspace, choose_workspace

    if given is not None:
        return given
    place = Workspace.find(Path.cwd()) if directory is None else choose_workspace(directory, None, Path.cwd())
    if place is not None:
        return place.reports
    return scores.parent if scores is not None else Path()


def _write(found: StabilityReport, name: str, folder: Path) -> tuple[Path, Path, Path]:
    """The report as JSON, Markdown and one self-contained page, in this order."""
    from practice.report import write
    from practice.report.stability_page import stability_html, stability_markdown

    stem = f"stability-{re.sub(r'[^A-Za-z0-9._-]+', '-', name)}"
    texts = {
        ".json": found.model_dump_json(indent=2) + "\n",
        ".md": stability_markdown(found),
        ".html": stability_html(found),
    }
    paths = [folder / f"{stem}{suffix}" for suffix in texts]
    try:
        for path, text in zip(paths, texts.values(), strict=True):
            write(path, text)
    except OSError as error:
        raise InputError(
            "a folder that can be written to", found=error.strerror, file=str(folder), key="--report"
        ) from None
    return paths[0], paths[1], paths[2]
