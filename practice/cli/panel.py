"""What a person reads at the end of a run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from practice.cli.common import stdout
from practice.cli.predicted import foretold_text

if TYPE_CHECKING:
    from practice.config import Workspace
    from practice.document import Document, UsageReport
    from practice.judged import Judged
    from practice.types import Estimate

MOST_EDITS = 12
"""Proposed edits that the panel lists."""


def percent(value: float) -> str:
    """0.5421 -> ``54.2 %``."""
    return f"{100 * value:.1f} %"


def figure(estimate: Estimate | None) -> str:
    """An estimate in one line: mean, interval, tasks, missing."""
    if estimate is None:
        return "not measured"
    if estimate.mean is None or estimate.ci is None:
        return f"nothing was scored ({estimate.missing} attempt(s) missing)"
    low, high = estimate.ci
    text = f"{percent(estimate.mean)}  [{percent(low)}, {percent(high)}]  {estimate.n} tasks"
    if estimate.trials > 1:
        text += f" x {estimate.trials} trials"
    return text + (f", {estimate.missing} attempt(s) unscored" if estimate.missing else "")


def closing_panel(document: Document, place: Workspace) -> None:
    """Before, after, interval, cost, and the experiences with their evidence."""
    rows = [*_lines(document), *_proposed(document, place), ("", "")]
    if not document.experiences:
        rows.append(("memory", "no experience is active"))
    for experience in document.experiences:
        said = f"{experience.text}\n"
        tested = f"{experience.helpful} validation tasks better, {experience.harmful} worse; "
        rows.append((experience.id, f"{said}  ({tested}drawn from {len(experience.evidence)} rollouts)"))
    rows += [("", ""), ("bank", document.memory)]
    if document.report:
        rows.append(("report", str(place.root / document.report)))
    title = {"done": "done", "budget": "stopped by the budget", "interrupted": "interrupted", "failed": "failed"}
    rows_panel(rows, title=f"{document.run_id}: {title[document.status]}")


def _proposed(document: Document, place: Workspace) -> list[tuple[str, str]]:
    """What was proposed and what became of it, in order: (outcome, the edit and why)."""
    from practice.cli.common import open_store
    from practice.records import proposed_edits

    if not place.db.exists():
        return []
    with open_store(place) as store:
        edits = store.now(lambda db: proposed_edits(db, document.run_id))
    lines: list[tuple[str, str]] = []
    for place_, edit in enumerate(edits):
        said = f"{edit.edit.op}: {edit.edit.text or edit.edit.id}"
        last = place_ + 1 == len(edits) or edits[place_ + 1].detail != edit.detail
        lines.append((edit.outcome, f"{said}\n  ({edit.detail})" if last else said))
    more = len(lines) - MOST_EDITS
    return lines[:MOST_EDITS] + ([("", f"and {more} more edits, in the report")] if more > 0 else [])


def _lines(document: Document) -> list[tuple[str, str]]:
    groups, edits, refused = document.groups, document.edits, document.edits.refused
    rollouts = document.rollouts
    lines = [("agent", document.agent)]
    if document.tasks.holdout:
        lines += [("before", figure(document.before)), ("after", figure(document.after))]
    if document.delta is not None:
        low, high = document.delta.ci
        gain = f"{100 * document.delta.mean:+.1f} points  [{100 * low:+.1f}, {100 * high:+.1f}]"
        lines.append(("change", f"{gain}  p = {document.delta.p:.2g} ({document.delta.test})"))
    if document.judged is not None:
        lines.append(("", _judged(document.judged)))
    lines += [
        (
            "practice",
            f"{rollouts.total} rollouts ({rollouts.done} done, {rollouts.limit} at a limit, {rollouts.failed} failed)"
            f" in {groups.total} groups: {groups.mixed} mixed, {groups.all_right} all right,"
            f" {groups.all_wrong} all wrong, {groups.abstained} abstained, {groups.unscored} unscored",
        ),
        (
            "edits",
            f"{edits.proposed} proposed: {edits.accepted} accepted, {edits.rejected} rejected,"
            f" {edits.indecisive} indecisive, refused {refused.invalid} invalid, {refused.leak} leaks,"
            f" {refused.duplicate} duplicates",
        ),
    ]
    if document.judges is not None:
        lines.append(("judges", document.judges.sentence))
    lines.append(("cost", cost_line(document.usage)))
    return [*lines, ("predicted", foretold_text(document.predicted))] if document.predicted else lines


def _judged(found: Judged) -> str:
    """Who judged the holdout, how its pairs came out, and what length did to it."""
    who = f"{', '.join(found.by)} on {found.model}, kept out of practice"
    text = f"{found.says}: by {who}" + (" (the model judges there too)" if found.shares_model else "")
    if not found.won + found.tied + found.lost:
        return text
    text += f"\n{found.won} pairs won, {found.tied} tied, {found.lost} lost"
    if found.missing:
        text += f", {found.missing} without a verdict"
    if found.length is not None:
        text += f"; {found.length.ratio:.2f} times the words"
    if found.even is not None:
        low, high = found.even.ci
        text += f"\nat equal length: {100 * found.even.mean:+.1f} points  [{100 * low:+.1f}, {100 * high:+.1f}]"
    return text


def cost_line(usage: UsageReport) -> str:
    """Calls, tokens, money, time."""
    money = "price unknown" if usage.usd is None else f"{usage.usd:.4f} usd"
    share = f", {usage.cached_tokens / usage.input_tokens:.0%}" if usage.cached_tokens else ""
    tokens = f"{usage.input_tokens:,} tokens in ({usage.cached_tokens:,} cached{share}), {usage.output_tokens:,} out"
    return f"{usage.calls:,} calls, {tokens}, {money}, {timedelta(seconds=round(usage.seconds))}"


def rows_panel(rows: Sequence[tuple[str, str]], *, title: str) -> None:
    """(Name, text) rows in a frame."""
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in rows:
        grid.add_row(name, Text(text))
    stdout().print(Panel(grid, title=title, title_align="left"))


def evaluation_panel(document: Document) -> None:
    """The score with its interval, and what it cost."""
    rollouts = document.rollouts
    rows = [
        ("agent", document.agent),
        ("score", figure(document.after)),
        ("memory", f"{document.memory} ({len(document.experiences)} active experiences)"),
        ("rollouts", f"{rollouts.done} done, {rollouts.limit} at a limit, {rollouts.failed} failed"),
        ("cost", cost_line(document.usage)),
    ]
    rows_panel(rows, title=f"{document.run_id}: {document.status}")
