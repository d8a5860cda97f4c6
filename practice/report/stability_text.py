"""The stability report as Markdown. Names and words of others stand as text: whatever they hold is not markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from practice.report import stability_plots, words
from practice.report import stability_words as terms

if TYPE_CHECKING:
    from practice.stability import StabilityReport
    from practice.stability.result import Unstable

LARGEST_MATRIX = 12
"""Evaluators up to which the matrix of tau_b is a table; a larger one is for the page and the JSON document."""
GROUPS = 5
WORDS = 280
"""Unstable groups listed, and characters of one reason."""

_MARKUP = re.compile(r"[\\`*~<>|#]|(?<!\w)_|_(?!\w)|(?<=\])[(:\[]|!(?=\[)")


def markdown(report: StabilityReport) -> str:
    """The whole report: verdict, design, axes, agreement, biases, validity, consequences, the least stable groups."""
    parts = [*_head(report), *_design(report), *_axes(report), *_matrix(report), *_calls(report)]
    parts += [*_biases(report), *_validity(report), *_consequences(report), *_unstable(report.unstable)]
    return "\n\n".join(parts) + "\n"


def text(data: str, limit: int | None = None) -> str:
    """Data as text on one line: every character that Markdown or HTML would act on is escaped."""
    line = " ".join("".join(c if c.isprintable() else " " for c in data).split())
    line = line if limit is None else words.one_line(line, limit)
    line = _MARKUP.sub(lambda found: "&lt;" if found[0] == "<" else f"\\{found[0]}", line.replace("&", "&amp;"))
    return re.sub(r"^(\d+)([.)])|^([-+=])", r"\1\\\2\\\3" if line[:1].isdigit() else r"\\\3", line)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> str:
    """A table, numbers to the right but in the first ``left`` columns. Cells are Markdown already."""
    lines = [head, ["---" if at < left else "---:" for at in range(len(head))], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _axis(key: str) -> str:
    return text(terms.name(terms.AXES, key))


def _head(report: StabilityReport) -> list[str]:
    parts = [
        "# How far the judges can be trusted",
        f"**{report.verdict}.** {terms.VERDICTS[report.verdict]}",
        text(report.sentence),
    ]
    if report.reasons:
        parts.append("\n".join(f"- {text(reason)}" for reason in report.reasons))
    if report.design.indicative:
        parts.append("Under 15 groups every figure here is indicative: a hint, no finding.")
    return [part for part in (*parts, f"*{text(report.caveat)}*") if part]


def _design(report: StabilityReport) -> list[str]:
    design = report.design
    lines = [
        f"{words.count(design.groups, 'group')} of {words.figure(design.group_size)} rollouts on average, "
        f"{terms.number(design.missing, 'share')} of the scores missing",
        f"{words.count(len(design.evaluators), 'evaluator')}: {', '.join(text(name) for name in design.evaluators)}",
    ]
    axes = [f"{_axis(k)} {words.count(n, 'pair')}" for k, n in design.axes.items() if k != "all"]
    if axes:
        lines.append(f"Evaluators that differ in one thing alone: {', '.join(axes)}")
    if terms.defined(design.mde):
        lines.append(f"A rank agreement of {terms.number(design.mde)} or more would be told from none, 8 times in 10")
    for axis, names in design.unavailable.items():
        by = ", ".join(text(name) for name in names)
        lines.append(f"Not honoured: {_axis(axis)}, by {by}")
    return ["## What was judged, by whom", "\n".join(f"- {line}" for line in lines)]


def _axes(report: StabilityReport) -> list[str]:
    if not report.axes:
        return []
    head = ["figure", "what it says", *(_axis(key) for key in report.axes)]
    rows = [
        [m.name, m.meaning, *(terms.figure(getattr(axis, m.key), m.kind) for axis in report.axes.values())]
        for m in terms.MEASURES
    ]
    rows = [row for row in rows if set(row[2:]) != {terms.DASH}]
    axes = report.axes.values()
    pairs = [f"{axis.pairs:,} in {axis.tau_b.n:,}" for axis in axes]
    rows.append(["compared", "evaluator pairs, in how many groups", *pairs])
    if any(axis.tau_b_null is not None for axis in axes):
        nulls = [terms.number(axis.tau_b_null) for axis in axes]
        rows.append(["by shuffling alone", "the tau_b that shuffled scores stay under, 39 times in 40", *nulls])
    if any(axis.q is not None for axis in axes):
        corrected = [terms.corrected(axis.q) for axis in axes]
        rows.append(["corrected p", "that shuffled scores agree as much; Holm's, over the columns", *corrected])
    ties = ", ".join(f"{t.name} {terms.number(getattr(report.ties, t.key), 'share')}" for t in terms.TIES)
    return ["## What changes when one thing changes", table(head, rows, left=2), f"Ties: {ties}."]


def _matrix(report: StabilityReport) -> list[str]:
    n = len(report.tau_matrix)
    if not 2 <= n <= LARGEST_MATRIX:
        return []
    names = report.design.evaluators
    rows: list[list[str]] = []
    for at, row in enumerate(report.tau_matrix):
        cells = ["·" if at == other else terms.number(tau) for other, tau in enumerate(row)]
        rows.append([f"{at + 1} {text(names[at], 40)}", *cells])
    return ["## Who agrees with whom", table(["tau_b", *(str(at + 1) for at in range(n))], rows)]


def _calls(report: StabilityReport) -> list[str]:
    found = report.reliability
    lines = [f"Reliability of one call {terms.figure(found.single_call)}, of all together {terms.figure(found.panel)}."]
    best = stability_plots.cheapest(report.d_study, report.target)
    if best is not None:
        lines.append(f"The cheapest panel that reaches {report.target:g}: {text(terms.panel(best))}.")
    elif report.d_study:
        lines.append(f"No panel here reaches {report.target:g}.")
    parts = ["## Where it comes from, what would help", " ".join(lines)]
    if report.components:
        rows = [
            [
                text(terms.component(key, report.components)),
                terms.number(item.share, "share"),
                terms.number(item.variance),
            ]
            for key, item in report.components.items()
        ]
        parts.append(table(["scores of one query vary with", "share", "variance"], rows))
    if report.coverage:
        points = enumerate(report.coverage, 1)
        rows = [[str(k), terms.number(share, "share"), terms.number(right, "share")] for k, (share, right) in points]
        parts.append(table(["evaluators that agree, at least", "pairs decided", "of these right"], rows))
    known = [f"{text(terms.name(terms.AGREEMENT, k))} {terms.number(v)}" for k, v in report.agreement.items()]
    return [*parts, *([f"Over all evaluators: {', '.join(known)}."] if known else [])]


def _biases(report: StabilityReport) -> list[str]:
    rows = [
        [
            f"{row.name}: {text(what)}",
            terms.number(found.value, row.kind),
            terms.interval(found.ci, row.kind),
            f"{found.n:,}",
        ]
        for row in terms.bias_rows(report)
        for what, found in row.figures
    ]
    parts = ["## What moves a verdict besides worth"]
    if report.bias.named:
        parts.append("\n".join(f"- **{text(bias)}**" for bias in report.bias.named))
    else:
        parts.append("No bias was found in what this design can show." if rows else "This design can show no bias.")
    return [*parts, *([table(["what was looked at", "figure", "95 % interval", "groups"], rows)] if rows else [])]


def _validity(report: StabilityReport) -> list[str]:
    if report.validity is None:
        return []
    rows = [[m.name, m.meaning, terms.figure(getattr(report.validity, m.key), m.kind)] for m in terms.VALIDITY]
    return ["## Against the truth, where it is known", table(["figure", "what it says", "value"], rows, left=2)]


def _consequences(report: StabilityReport) -> list[str]:
    found = report.consequences
    line = (
        f"{words.count(found.groups_kept, 'group')} would teach, {found.groups_abstained:,} would not; "
        f"{terms.number(found.pairs_kept, 'share')} of the pairs count"
    )
    if terms.defined(found.lessons_inverted):
        line += f"; another evaluator turns {terms.number(found.lessons_inverted, 'share')} of one's pairs round"
    return ["## What a loop would learn from this", f"{line}."]


def _unstable(groups: Sequence[Unstable]) -> list[str]:
    parts = ["## The least stable groups"] if groups else []
    for group in groups[:GROUPS]:
        parts.append(f"### {text(group.group, WORDS)}: tau_b {terms.number(group.tau_b)}")
        head = ["evaluator", *(str(at + 1) for at in range(len(group.rollouts)))]
        rows = [
            [text(name), *(words.reward(s if terms.defined(s) else None) for s in scores)]
            for name, scores in group.scores.items()
        ]
        parts.append(table(head, rows))
        said = [
            f"- {text(name)} on {at}: {text(reason, WORDS)}"
            for name, reasons in group.reasons.items()
            for at, reason in enumerate(reasons, 1)
            if reason.strip()
        ]
        parts += ["\n".join(said)] if said else []
    if len(groups) > GROUPS:
        parts.append(f"{words.count(len(groups) - GROUPS, 'more group')} left out.")
    return parts
