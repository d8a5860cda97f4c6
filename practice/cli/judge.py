"""``practice judge``: how far the judges can be trusted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from practice.cli.common import AsJson, WorkspaceDir, note, print_json
from practice.errors import InputError

if TYPE_CHECKING:
    from practice.stability import ScoreTable, StabilityReport
    from practice.stability.result import VerdictName

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

EXIT_CODES: dict[VerdictName, int] = {"STABLE": 0, "CAUTION": 0, "NOISE-DRIVEN": 5, "INSUFFICIENT": 6}


@app.callback()
def root() -> None:
    """How far the judges can be trusted."""


@app.command("stability")
def stability(
    scores: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Scores that others made: a CSV file, long or pairwise (docs/stability.md)."),
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
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """How much the order of the same rollouts changes with who judges; exits 5 on NOISE-DRIVEN, 6 on INSUFFICIENT."""
    from practice.stability import analyse, parse_cuts

    cuts = parse_cuts(cut or [])
    name, table = _source(scores)
    found = analyse(table, cuts=cuts)
    files = _write(found, name, _reports(report, scores, directory))
    if as_json:
        print_json(found)
    else:
        from practice.cli.stability import show

        show(found, name)
    note(f"report: {files[-1]}")
    raise typer.Exit(EXIT_CODES[found.verdict])


def _source(scores: Path | None) -> tuple[str, ScoreTable]:
    """What is analysed, and its name."""
    from practice.stability import read_scores

    if scores is None:
        raise InputError("--scores FILE: the scores to analyse", found="nothing", key="--scores")
    return scores.stem, read_scores(scores)


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
