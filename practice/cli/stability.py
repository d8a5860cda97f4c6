"""What a person reads at the end of ``practice judge stability``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from practice.cli.common import stdout, table

if TYPE_CHECKING:
    from practice.stability import StabilityReport
    from practice.stability.result import Figure

MOST_EVALUATORS = 12
"""Evaluators whose tau_b with each other is shown as a matrix."""
MOST_GROUPS = 5
"""Unstable groups that are listed; the report has more."""


def show(report: StabilityReport, name: str) -> None:
    """Verdict, sentence and reasons; agreement by axis; biases; what a loop would learn; the least stable groups."""
    _verdict(report, name)
    _axes(report)
    if 2 <= len(report.design.evaluators) <= MOST_EVALUATORS:
        _matrix(report)
    _unstable(report)


def number(value: float | None) -> str:
    """Two decimals, or a dash where it is not defined."""
    return "-" if value is None else f"{value:.2f}"


def figure(found: Figure | None, *, percent: bool = False) -> str:
    """``0.46 [0.35, 0.56]`` or ``16 % [11, 22]``; a dash where it is not defined."""
    if found is None or found.value is None:
        return "-"
    factor, form, unit = (100, ".0f", " %") if percent else (1, ".2f", "")
    text = f"{factor * found.value:{form}}{unit}"
    return text if found.ci is None else f"{text} [{factor * found.ci[0]:{form}}, {factor * found.ci[1]:{form}}]"


def _verdict(report: StabilityReport, name: str) -> None:
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("verdict", Text(report.verdict, style="bold"))
    for place, reason in enumerate(report.reasons):
        grid.add_row("" if place else "because", Text(reason))
    grid.add_row("so", Text(report.sentence))
    for title, text in _lines(report):
        grid.add_row(title, Text(text))
    for place, bias in enumerate(report.bias.named):
        grid.add_row("" if place else "biases", Text(bias))
    if not report.bias.named:
        grid.add_row("biases", Text("none was found in what this design can show"))
    grid.add_row("note", Text(report.caveat))
    stdout().print(Panel(grid, title=f"stability of {name}", title_align="left"))


def _lines(report: StabilityReport) -> Iterable[tuple[str, str]]:
    design, kept = report.design, report.consequences
    judged = f"{design.groups:,} groups of {design.group_size:.3g} rollouts by {len(design.evaluators)} evaluators"
    mde = "" if design.mde is None else f", a tau_b of {design.mde:.2f} would be found"
    yield "judged", f"{judged}, {100 * design.missing:.1f} % missing{mde}"
    for axis, names in design.unavailable.items():
        yield "not honoured", f"{axis} by {', '.join(names)}"
    if report.reliability.panel.value is not None:
        single, panel = figure(report.reliability.single_call), figure(report.reliability.panel)
        yield "reliability", f"one call {single}, all {len(design.evaluators)} together {panel}"
    if report.components:
        shares = sorted(report.components.items(), key=lambda item: -item[1].share)
        yield "variance", ", ".join(f"{name} {100 * part.share:.0f} %" for name, part in shares)
    if report.agreement:
        yield "coefficients", ", ".join(f"{name} {number(value)}" for name, value in report.agreement.items())
    gate = f"{kept.groups_kept:,} of {design.groups:,} groups hold a pair that all evaluators order alike"
    share = kept.lessons_inverted
    inverted = "" if share is None else f"; another evaluator inverts {100 * share:.0f} % of one's strict pairs"
    yield "gate", f"{gate}, {100 * kept.pairs_kept:.0f} % of the pairs count{inverted}"
    if report.validity is not None:
        found = report.validity
        yield (
            "truth",
            (
                f"AUROC {figure(found.auroc)}, right passed {figure(found.tpr, percent=True)},"
                f" wrong passed {figure(found.fpr, percent=True)}"
            ),
        )
        yield (
            "",
            (
                f"invented differences {figure(found.spurious_signal, percent=True)},"
                f" missed {figure(found.missed_signal, percent=True)}, recovery {figure(found.recovery)}"
            ),
        )


def _axes(report: StabilityReport) -> None:
    table(
        ["changed alone", "tau_b", "defined", "null", "strict flip", "top replaced"],
        [
            (
                axis if axis != "all" else "every pair",
                figure(row.tau_b),
                figure(row.defined_share, percent=True),
                number(row.tau_b_null),
                figure(row.strict_flip, percent=True),
                figure(row.top_disjoint, percent=True),
            )
            for axis, row in report.axes.items()
        ],
        title="agreement",
    )


def _matrix(report: StabilityReport) -> None:
    names = report.design.evaluators
    rows = [(name, *map(number, row)) for name, row in zip(names, report.tau_matrix, strict=True)]
    table(["tau_b", *names], rows)


def _unstable(report: StabilityReport) -> None:
    if not report.unstable:
        return
    table(
        ["group", "tau_b", "scores, an evaluator a line"],
        [
            (
                group.group,
                number(group.tau_b),
                "\n".join(
                    f"{name}: {', '.join('-' if score is None else f'{score:g}' for score in scores)}"
                    for name, scores in list(group.scores.items())[:MOST_EVALUATORS]
                ),
            )
            for group in report.unstable[:MOST_GROUPS]
        ],
        title="least stable groups",
    )
