"""Plots as inline SVG: pure functions of figures that return markup with everything escaped.

All are 400 units wide, so that they read alike on a phone and beside each other on a wide screen. Colours and
fonts are the page's: marks carry classes, the style sheet knows light and dark. Shape says what colour says.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby

from practice.report import words
from practice.report.values import Change, CostLine, HoldoutTask, StepView
from practice.types import Delta, Estimate

WIDTH = 400
LEFT, RIGHT = 66, 16
"""Room for labels on both sides of a plot's area."""
SQUARE, COLUMNS = 16, 24
MANY = 24
"""Steps above which a curve has no whiskers and fewer labels."""


def before_after(before: Estimate | None, after: Estimate | None, delta: Delta | None, *, single: bool) -> str:
    """Means before and after with their intervals, and the change with its own; empty where nothing was measured.

    ``single``: both are one measurement, drawn once.
    """
    if before is None or before.mean is None:
        return ""
    rows = [("score" if single else "before", before, "old")]
    if not single and after is not None:
        rows.append(("after", after, "new"))
    parts: list[str] = []
    y = 22.0
    for name, found, kind in rows:
        if found.mean is not None:
            parts += _interval(name, found.mean, found.ci, y, kind, words.percent(found.mean), (0.0, 1.0))
            y += 38
    parts += _axis(y - 14, (0.0, 1.0), [(v, f"{100 * v:.0f}") for v in (0, 0.25, 0.5, 0.75, 1.0)], "%")
    y += 14
    if delta is not None and not single:
        widest = max(abs(delta.ci[0]), abs(delta.ci[1]), abs(delta.mean), 0.01)
        reach = next(limit for limit in (0.1, 0.25, 0.5, 1.0) if widest <= limit + 1e-9)
        y += 24
        kind = "new" if delta.ci[0] > 0 else "bad" if delta.ci[1] < 0 else "old"
        zero = _x(0.0, (-reach, reach))
        parts.append(f'<line class="zero" x1="{zero:.1f}" x2="{zero:.1f}" y1="{y - 20:.1f}" y2="{y + 24:.1f}"/>')
        parts += _interval("change", delta.mean, delta.ci, y, kind, words.points(delta.mean), (-reach, reach))
        ticks = [
            (v, words.points(v).removesuffix(".0") if v else "0") for v in (-reach, -reach / 2, 0, reach / 2, reach)
        ]
        parts += _axis(y + 24, (-reach, reach), ticks, "points")
        y += 52
    return _svg(y + 8, parts, "Before and after on the holdout, with 95 % intervals")


def learning_curve(steps: Sequence[StepView]) -> str:
    """Mean practice reward of each step, and what each step's proposal did on the validation tasks."""
    if not steps:
        return ""
    parts: list[str] = []
    first, last = steps[0].number, max(step.number for step in steps)

    def x(step: StepView) -> float:
        room = WIDTH - LEFT - RIGHT - 20
        return LEFT + 10 + (room / 2 if last == first else room * (step.number - first) / (last - first))

    parts += _panel(28, "reward in practice")
    known = [(x(step), step) for step in steps if step.mean.mean is not None]
    line = " ".join(f"{px:.1f},{_y(step.mean.mean or 0.0, 28):.1f}" for px, step in known)
    parts.append(f'<polyline class="curve" points="{line}"/>')
    for px, step in known:
        parts += _practised(px, step, whisker=len(steps) <= MANY)
    parts += _panel(178, "validation, without and with the proposal")
    tested = False
    for step in steps:
        decision = step.record.decision if step.record else None
        if decision is not None and decision.before is not None and decision.after is not None:
            parts += _proposal(x(step), step.number, decision.outcome, decision.before, decision.after)
            tested = True
    if not tested:
        parts.append(f'<text class="faint" x="{LEFT + 10}" y="228">no proposal was tested</text>')
    every = math.ceil(len(steps) / 12)
    for place, step in enumerate(steps):
        if place % every == 0:
            parts.append(_text(x(step), 296, str(step.number), "tick mid"))
            if len(steps) <= 8:
                parts.append(_text(x(step), 146, f"n={step.scored}", "tick mid"))
    parts.append(_text(LEFT - 8, 296, "step", "tick end"))
    return _svg(304, parts, "Reward in practice and validation of each step")


def task_matrix(tasks: Sequence[HoldoutTask], *, single: bool, judged: bool = False) -> str:
    """One square a holdout task, sorted by what became of it; the task's text is its tooltip."""
    if not tasks:
        return ""
    names = change_names(tasks, single=single, judged=judged)
    parts: list[str] = []
    y = 0.0
    ordered = sorted(tasks, key=lambda task: list(names).index(task.change))
    for _, of in groupby(ordered, key=lambda task: task.change):
        group = list(of)
        parts.append(_text(0, y + 14, f"{names[group[0].change]}: {len(group)}", "label"))
        y += 22
        for place, task in enumerate(group):
            column, line = place % COLUMNS, place // COLUMNS
            parts.append(_square(task, 2 + column * (SQUARE + 0.5), y + line * (SQUARE + 0.5)))
        y += math.ceil(len(group) / COLUMNS) * (SQUARE + 0.5) + 8
    return _svg(y, parts, "Holdout tasks before and after")


def change_names(tasks: Iterable[HoldoutTask], *, single: bool, judged: bool = False) -> dict[Change, str]:
    """What each kind of change is called: plainly where every task is right or wrong, or was measured once."""
    binary = all(score in (None, 0.0, 1.0) for task in tasks for score in (task.before, task.after))
    right, wrong = ("Right", "Wrong") if binary else ("0.5 or more", "less than 0.5")
    if not single:
        form = "{} both times" if binary else "Same score: {}"
        right, wrong = form.format(right), form.format(wrong)
    better, worse = ("Fixed", "Broken") if binary else ("Better", "Worse")
    if judged:
        tied = "Nothing to compare" if single else "Tied"
        return {"better": "Preferred after", "worse": "Preferred before", "tied": tied, "unscored": "Without a verdict"}
    return {"better": better, "worse": worse, "right": right, "wrong": wrong, "unscored": "Without a score"}


def cost_bars(costs: Sequence[CostLine]) -> str:
    """Calls, tokens and seconds of each stage and phase, each on its own scale."""
    if not costs:
        return ""
    columns = ("calls", "tokens", "seconds")
    figures = [(c.usage.calls, c.usage.input_tokens + c.usage.output_tokens, c.usage.seconds) for c in costs]
    most = [max(row[i] for row in figures) or 1 for i in range(3)]
    parts = [_text(130 + 92 * i, 12, name, "tick") for i, name in enumerate(columns)]
    for place, (cost, row) in enumerate(zip(costs, figures, strict=True)):
        y = 22.0 + 22 * place
        parts.append(_text(0, y + 12, f"{cost.stage}, {cost.phase}", "tick"))
        for i, value in enumerate(row):
            left, width = 130 + 92 * i, 44 * value / most[i]
            parts.append(
                f'<rect class="bar" x="{left}" y="{y + 1:.1f}" width="{max(width, 0.8):.1f}" height="13" rx="2"/>'
            )
            parts.append(_text(left + max(width, 0.8) + 4, y + 12, compact(value), "tick"))
    return _svg(24.0 + 22 * len(costs), parts, "Calls, tokens and seconds by stage")


def compact(value: float) -> str:
    """12345 -> ``12.3k``."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}" if value < 10 and value != int(value) else f"{value:.0f}"


# ---------------------------------------------------------------- marks


def _svg(height: float, parts: Iterable[str], label: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _x(value: float, domain: tuple[float, float]) -> float:
    low, high = domain
    return LEFT + (WIDTH - LEFT - RIGHT - 30) * (value - low) / (high - low)


def _interval(
    name: str, mean: float, ci: tuple[float, float] | None, y: float, kind: str, value: str, domain: tuple[float, float]
) -> list[str]:
    """A labelled dot on its interval, the figure above it."""
    low, high = (_x(v, domain) for v in (ci or (mean, mean)))
    at = _x(mean, domain)
    return [
        _text(LEFT - 12, y + 4, name, "label end"),
        f'<line class="whisker {kind}" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>',
        f'<circle class="dot {kind}" cx="{at:.1f}" cy="{y}" r="6"/>',
        _text(at, y - 11, value, "value mid"),
    ]


def _axis(y: float, domain: tuple[float, float], ticks: Sequence[tuple[float, str]], unit: str) -> list[str]:
    parts = [
        f'<line class="axis" x1="{_x(domain[0], domain):.1f}" x2="{_x(domain[1], domain):.1f}" y1="{y}" y2="{y}"/>'
    ]
    for value, name in ticks:
        at = _x(value, domain)
        parts.append(f'<line class="axis" x1="{at:.1f}" x2="{at:.1f}" y1="{y}" y2="{y + 4}"/>')
        parts.append(_text(at, y + 17, name, "tick mid"))
    parts.append(_text(LEFT - 22, y + 17, unit, "tick end"))
    return parts


def _panel(top: int, title: str) -> list[str]:
    """A plot's area from 0 to 100 %, 100 units high."""
    parts = [_text(LEFT, top - 12, title, "label")]
    for value in (0.0, 0.5, 1.0):
        y = _y(value, top)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{100 * value:.0f}" + (words.SPACE + "%" if value else ""), "tick end"))
    return parts


def _y(value: float, top: int) -> float:
    return top + 100 * (1 - value)


def _practised(x: float, step: StepView, *, whisker: bool) -> list[str]:
    mean = step.mean.mean or 0.0
    title = f"step {step.number}: {words.estimate(step.mean)}, {step.scored} of {step.attempts} attempts scored"
    parts: list[str] = []
    if whisker and step.mean.ci is not None:
        low, high = (_y(v, 28) for v in step.mean.ci)
        parts.append(f'<line class="thin" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>')
    parts.append(
        f'<circle class="dot old" cx="{x:.1f}" cy="{_y(mean, 28):.1f}" r="4"><title>{escape(title)}</title></circle>'
    )
    return parts


def _proposal(x: float, number: int, outcome: str, before: float, after: float) -> list[str]:
    """From the bank's score to the proposal's: filled where it was accepted, hollow where it was not."""
    one, two = _y(before, 178), _y(after, 178)
    kind = {"accept": "new", "reject": "bad hollow"}.get(outcome, "old hollow")
    title = f"step {number}: {words.percent(before)} without, {words.percent(after)} with; {outcome}"
    return [
        f'<line class="thin" x1="{x:.1f}" x2="{x:.1f}" y1="{one:.1f}" y2="{two:.1f}"/>',
        f'<line class="tickmark" x1="{x - 5:.1f}" x2="{x + 5:.1f}" y1="{one:.1f}" y2="{one:.1f}"/>',
        f'<circle class="dot {kind}" cx="{x:.1f}" cy="{two:.1f}" r="5"><title>{escape(title)}</title></circle>',
    ]


_MARKS: dict[Change, str] = {
    "better": "M4 9 L7 12 L12 4",
    "worse": "M4.5 4.5 L11.5 11.5 M11.5 4.5 L4.5 11.5",
    "right": "M4 9 L7 12 L12 4",
    "wrong": "M4.5 4.5 L11.5 11.5 M11.5 4.5 L4.5 11.5",
    "tied": "M4 6 L12 6 M4 10 L12 10",
    "unscored": "M4 8 L12 8",
}


def _square(task: HoldoutTask, x: float, y: float) -> str:
    scores = f"{words.percent(task.before)} before, {words.percent(task.after)} after"
    title = escape(f"{words.one_line(task.input, 160) or task.id} ({scores})")
    return (
        f'<g class="square {task.change}" transform="translate({x:.1f} {y:.1f})"><title>{title}</title>'
        f'<rect width="{SQUARE - 1.5}" height="{SQUARE - 1.5}" rx="2.5"/>'
        f'<path transform="translate(-0.75 -0.75)" d="{_MARKS[task.change]}"/></g>'
    )
