"""A workspace for tests: an agent on an endpoint, tasks of a world, settings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from practice.config import Workspace, write_yaml
from practice.document import Document
from practice.engine import Options
from practice.runner import run
from practice.types import Task
from tests.worlds import make_tasks, write_tasks

ROOT = Path(__file__).parent.parent
INSTRUCTIONS = "You work out codes of lots. Say how you did it, and end with a line `Answer: <code>`."


def make(
    root: Path,
    url: str,
    *,
    tasks: Sequence[Task] | None = None,
    validation: Sequence[Task] = (),
    holdout: Sequence[Task] | None = None,
    agent: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Workspace:
    """A workspace on the endpoint ``url``: 16 practice and 8 holdout tasks unless given."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "tasks").mkdir(exist_ok=True)
    files = {"practice": "tasks/practice.jsonl"}
    write_tasks(root / "tasks/practice.jsonl", make_tasks(16) if tasks is None else tasks)
    if validation:
        files["validation"] = "tasks/validation.jsonl"
        write_tasks(root / "tasks/validation.jsonl", validation)
    held = make_tasks(8, start=1000) if holdout is None else holdout
    if held:
        files["holdout"] = "tasks/holdout.jsonl"
        write_tasks(root / "tasks/holdout.jsonl", held)
    spec = {"name": "solver", "model": {"name": "openai/fake", "api_base": url}, "instructions": INSTRUCTIONS}
    write_yaml(root / "agents/solver.yaml", {**spec, **(agent or {})})
    plain = {"name": "test", "agent": "agents/solver.yaml", "tasks": files, "reward": "number"}
    write_yaml(root / "practice.yaml", {**plain, **settings})
    return Workspace(root)


async def practise(place: Workspace, *sets: str, **options: Any) -> Document:
    """``practice run`` in process, quiet and without long pauses between tries."""
    quiet = Options(note=lambda _: None, backoff=0.01)
    return await run(workspace=place, sets=sets, options=replace(quiet, **options))


def command(place: Path, *arguments: str) -> subprocess.Popen[str]:
    """The ``practice`` command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", "from practice.cli import main; main()", *arguments],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def bank_of(document: Document) -> list[tuple[str, str, int, int]]:
    """What must be the same after a kill: the ordered active experiences."""
    return [(e.id, e.text, e.helpful, e.harmful) for e in document.experiences]
