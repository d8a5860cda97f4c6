"""One self-contained HTML page a run: what it learnt, how much better the agent is, and what it cost.

    render(db, run_id)      the page of a run, from its rows
    write(path, page)       put it in its place, whole or not at all

The page loads nothing and runs nothing: styles and plots are inline, there is no script, and a content security
policy says so to the browser. Everything that models, tools and tasks wrote is escaped by the template. A large run
is listed in part, with what is left out counted, so that a page stays under :data:`LARGEST` bytes.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from practice.report import plots, words
from practice.report.data import collect
from practice.report.values import Limits, Page, StepView
from practice.store import Database
from practice.types import Usage

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["LARGEST", "render", "template", "write"]

LARGEST = 2_000_000
"""Bytes of a page. Above it the page is made again with half of everything listed."""


def render(db: Database, run_id: str) -> str:
    """The report of a run as one HTML document; of an unfinished run as far as it got, without its holdout.

    Raises InputError for an unknown run.
    """
    page, limits = collect(db, run_id), Limits()
    while True:
        text = words.without_keys(_fill(page, limits), os.environ)
        if len(text.encode(errors="replace")) <= LARGEST or limits.text == 1:
            return text
        limits = limits.half()


def write(path: Path, page: str) -> None:
    """Write ``page`` to ``path``, whole or not at all; the folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(page)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _fill(page: Page, limits: Limits) -> str:
    answer = page.answer
    drawn = {
        "answer": plots.before_after(answer.before, answer.after, answer.delta, single=answer.unchanged),
        "curve": plots.learning_curve(page.steps),
        "tasks": plots.task_matrix(answer.tasks[: limits.squares], single=answer.unchanged, judged=bool(answer.judged)),
        "cost": plots.cost_bars(page.costs),
    }
    return template("page.html.jinja").render(
        page=page,
        plots=drawn,
        limits=limits,
        names=plots.change_names(answer.tasks, single=answer.unchanged, judged=bool(answer.judged)),
        shown_steps=_ends(page.steps, limits.steps),
        total=sum((line.usage for line in page.costs), Usage()),
    )


def _ends(steps: Sequence[StepView], limit: int) -> tuple[StepView, ...]:
    """The first and the last steps, ``limit`` of them together."""
    if len(steps) <= limit:
        return tuple(steps)
    last = limit // 2
    return (*steps[: limit - last], *steps[len(steps) - last :])


@cache
def template(name: str) -> Template:
    """A page's template, which escapes all that it is given."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = ("percent", "points", "span", "point_span", "p_value", "duration", "money", "figure", "estimate")
    names += ("reward", "clip", "one_line", "tool_call", "edit_target")
    filters: dict[str, Any] = {"plural": words.count, **{name: getattr(words, name) for name in names}}
    environment.filters.update(filters)
    return environment.get_template(name)
