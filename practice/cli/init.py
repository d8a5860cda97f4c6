"""``practice init``: a workspace that runs as it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer

from practice.cli.common import AsJson, note, print_json

COPIED = ("practice.yaml", "agents", "tools", "tasks", "memory")
LEFT_OUT = shutil.ignore_patterns("*.db", "*.db-*", "__pycache__", "*.pyc", ".*.lock", "generated")

#: What belongs to this machine alone; the trust in tools too.
IGNORED = "memory/practice.db*\nmemory/.*.lock\nreports/\n.env\n.practice/*.json\n"


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where; it may exist.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Make a workspace: an agent, tools, tasks, settings. What is there already stays as it is."""
    from practice.agent import agent_json_schema
    from practice.config import json_schemas, starter_root

    source, target = starter_root(), directory.resolve()
    made: list[str] = []
    kept: list[str] = []
    for name in COPIED:
        _copy(source / name, target / name, target, made, kept)
    _write(target / ".gitignore", IGNORED, target, made, kept)
    for name, schema in {**json_schemas(), "agent": agent_json_schema()}.items():
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        _write(target / ".practice" / "schema" / f"{name}.json", text, target, made, kept)
    if as_json:
        print_json({"workspace": str(target), "made": made, "kept": kept})
        return
    for path in kept:
        note(f"kept {path}")
    typer.echo(f"{target}: {len(made)} files made, {len(kept)} kept")
    typer.echo("next: practice model pull, then practice run")


def _copy(source: Path, target: Path, root: Path, made: list[str], kept: list[str]) -> None:
    if source.is_dir():
        ignored = LEFT_OUT(str(source), [path.name for path in source.iterdir()])
        for path in sorted(source.iterdir()):
            if path.name not in ignored:
                _copy(path, target / path.name, root, made, kept)
    elif source.is_file():
        _write(target, source.read_bytes(), root, made, kept)


def _write(path: Path, content: str | bytes, root: Path, made: list[str], kept: list[str]) -> None:
    """Write a file that is not there yet."""
    name = path.relative_to(root).as_posix()
    if path.exists():
        kept.append(name)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    made.append(name)
