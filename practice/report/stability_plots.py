"""Plots of the stability report as inline SVG: pure functions of figures that return markup with everything escaped.

As in :mod:`practice.report.plots` all are 400 units wide and carry classes, not colours. Each has a title and a
description for readers who hear it; every value that matters is also a number, in the plot or in a table beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from practice.report import stability_words as terms
from practice.report import words
from practice.report.plots import WIDTH

if TYPE_CHECKING:
    from practice.stability.result import Axis, Component, Figure, Panel

FROM, TO = 112.0, 346.0
"""Where a row's scale begins and ends; its label stands before, its value after."""
FAINT = 0.0005
"""A share below this has no bar."""
BINS = 40
DOTS = 18
"""Groups in one bin up to which each is a dot of its own."""


def axis_forest(axes: Mapping[str, Axis], measure: str) -> str:
    """One row an axis: the figure ``measure`` (``tau_b`` or ``strict_flip``) on its interval.

    Beside tau_b, an upright mark says what shuffled scores would reach. Empty where no axis has the figure.
    """
    share = measure == "strict_flip"
    rows: list[tuple[str, Figure, float | None]] = [
        (terms.name(terms.AXES, key), getattr(axis, measure), None if share else axis.tau_b_null)
        for key, axis in axes.items()
    ]
    rows = [row for row in rows if terms.defined(row[1].value)]
    if not rows:
        return ""
    lowest = min(min(found.value or 0.0, *(found.ci or (0.0,)), null or 0.0) for _, found, null in rows)
    low = 0.0 if share or lowest >= 0 else -0.5 if lowest >= -0.5 else -1.0
    high = 1.0
    if share:
        highest = max(max(found.value or 0.0, *(found.ci or (0.0,))) for _, found, _ in rows)
        high = next(limit for limit in (0.25, 0.5, 1.0) if highest <= limit or limit == 1.0)
    kind: terms.Kind = "share" if share else "number"
    parts: list[str] = []
    y = 14.0
    for label, found, null in rows:
        parts += _row(label, found, null, y, (low, high), kind)
        y += 26
    parts += _scale(y - 6, (low, high), kind)
    what = "Reversed pairs" if share else "Rank agreement"
    said = "; ".join(f"{label} {terms.figure(found, kind)}" for label, found, _ in rows)
    return _svg(y + 18, parts, f"{what} by what was changed", said, f"axes-{measure}")


def group_strip(group_tau: Mapping[str, float | None], mean: float | None) -> str:
    """One dot a group at its mean tau_b over evaluator pairs; many groups are bars. Undefined ones are not drawn."""
    found = {group: tau for group, tau in group_tau.items() if tau is not None and math.isfinite(tau)}
    if not found:
        return ""
    low = -1.0 if min(found.values()) < -0.5 else -0.5 if min(found.values()) < 0 else 0.0
    bins: dict[int, list[str]] = {}
    for group, tau in sorted(found.items(), key=lambda item: item[1]):
        bins.setdefault(min(BINS - 1, max(0, int((tau - low) / (1 - low) * BINS))), []).append(group)
    most = max(len(of) for of in bins.values())
    base = 30.0 + 7 * min(most, DOTS)
    parts: list[str] = []
    for place, of in sorted(bins.items()):
        x = 10 + (place + 0.5) * (WIDTH - 20) / BINS
        middle = low + (place + 0.5) * (1 - low) / BINS
        kind = "new" if middle >= 0 else "bad"
        if most <= DOTS:
            for height, group in enumerate(of):
                tip = f"{group}: {terms.number(found[group])}"
                parts.append(
                    f'<circle class="mark {kind}" cx="{x:.1f}" cy="{base - 5 - 7 * height:.1f}" r="3.2">'
                    f"<title>{_safe(tip)}</title></circle>"
                )
        else:
            height = 7 * DOTS * len(of) / most
            tip = f"{len(of):,} groups around {terms.number(middle)}"
            parts.append(
                f'<rect class="mark {kind}" x="{x - 3.9:.1f}" y="{base - height:.1f}" width="7.8" '
                f'height="{max(height, 1):.1f}"><title>{_safe(tip)}</title></rect>'
            )
            if len(of) == most:
                parts.append(_text(x, base - height - 5, f"{most:,}", "tick mid"))

    def at(value: float) -> float:
        return 10 + (WIDTH - 20) * (value - low) / (1 - low)

    if terms.defined(mean) and mean is not None and mean >= low:
        x = at(mean)
        parts.append(f'<line class="zero" x1="{x:.1f}" x2="{x:.1f}" y1="16" y2="{base:.1f}"/>')
        anchor = "end" if x > WIDTH - 70 else "mid" if x > 60 else ""
        parts.append(_text(x, 11, f"mean {terms.number(mean)}", f"value {anchor}"))
    parts.append(f'<line class="axis" x1="10" x2="{WIDTH - 10}" y1="{base:.1f}" y2="{base:.1f}"/>')
    for value in (-1.0, -0.5, 0.0, 0.5, 1.0):
        if value >= low:
            parts.append(f'<line class="axis" x1="{at(value):.1f}" x2="{at(value):.1f}" y1="{base}" y2="{base + 4}"/>')
            parts.append(_text(at(value), base + 17, f"{value:g}".replace("-", words.MINUS), "tick mid"))
    below = sum(tau <= 0 for tau in found.values())
    said = f"{len(found)} groups from {terms.number(min(found.values()))} to {terms.number(max(found.values()))}"
    return _svg(
        base + 34, [*parts, *_ends(base + 30)], "Agreement of each group", f"{said}; {below} at 0 or below", "s"
    )


def d_study(panels: Sequence[Panel], goal: float) -> str:
    """Reliability against calls a rollout, the cheapest panel that reaches ``goal`` ringed.

    Two lines: the best panel of one seed at each number of calls, and more seeds alone. Other panels are hollow.
    """
    known = [panel for panel in panels if math.isfinite(panel.reliability)]
    if not known:
        return ""
    lines = {
        "words": _frontier(panel for panel in known if panel.seeds == 1),
        "seeds": _frontier(panel for panel in known if panel.prompts == 1),
    }
    marks = _legend(known, lines)
    plane = _Plane(top=15 + 8.5 * len(marks), most=max(2, *(panel.calls for panel in known)))
    parts = _levels(plane, goal)
    for kind, of in reversed(lines.items()):
        if len(of) > 1:
            points = " ".join(f"{plane.x(panel.calls):.1f},{plane.y(panel.reliability):.1f}" for panel in of)
            parts.append(f'<polyline class="curve {kind}" points="{points}"/>')
    for panel in sorted(known, key=lambda panel: panel in lines["words"]):  # the line's marks on top of others
        kind = _kind(panel, lines)
        parts.append(_panel_mark(kind, plane.x(panel.calls), plane.y(panel.reliability), terms.panel(panel)))
    best = cheapest(known, goal)
    if best is not None:
        parts += _ring(best, plane)
    said = f"The cheapest at {goal:g}: {terms.panel(best)}." if best else f"No panel reaches {goal:g}."
    return _svg(plane.base + 42, [*parts, *marks], "Reliability against calls a rollout", said, "d-study")


def cheapest(panels: Iterable[Panel], goal: float) -> Panel | None:
    """The panel of the fewest calls that reaches the goal, of these the most reliable; None where none does."""
    reach = [panel for panel in panels if panel.reliability >= goal]
    return min(reach, key=lambda panel: (panel.calls, -panel.reliability)) if reach else None


def coverage(points: Sequence[tuple[float, float]]) -> str:
    """Share of pairs on which at least k evaluators agree, against how many of these are right. Labels are k."""
    known = [(k, *point) for k, point in enumerate(points, 1) if all(math.isfinite(value) for value in point)]
    if not known:
        return ""
    lowest = min(right for _, _, right in known)
    low = 0.5 if lowest >= 0.5 else 0.0
    top, base, left, right = 18.0, 190.0, 44.0, WIDTH - 20.0

    def x(share: float) -> float:
        return left + (right - left) * share

    def y(share: float) -> float:
        return base - (base - top) * (share - low) / (1 - low)

    parts: list[str] = []
    for step in range(6):
        value = low + (1 - low) * step / 5
        parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(_text(left - 6, y(value) + 4, f"{100 * value:.0f}", "tick end"))
        parts.append(_text(x(step / 5), base + 17, f"{20 * step}", "tick mid"))
    line = " ".join(f"{x(share):.1f},{y(accuracy):.1f}" for _, share, accuracy in known)
    parts.append(f'<polyline class="curve words" points="{line}"/>')
    last = WIDTH
    for k, share, accuracy in known:
        tip = f"at least {k}: {terms.number(accuracy, 'share')} right on {terms.number(share, 'share')} of the pairs"
        px, py = x(share), y(accuracy)
        parts.append(f'<circle class="dot new" cx="{px:.1f}" cy="{py:.1f}" r="4"><title>{_safe(tip)}</title></circle>')
        if last - px >= 16:  # labels that would touch are left out; the table has them all
            parts.append(_text(px, py - 9, str(k), "value mid"))
            last = px
    parts.append(_text((left + right) / 2, base + 34, "% of the pairs are decided", "tick mid"))
    parts.append(_text(0, 10, "% right", "tick"))
    said = "; ".join(f"{k}: {terms.number(a, 'share')} right on {terms.number(s, 'share')}" for k, s, a in known)
    return _svg(base + 42, parts, "Coverage against accuracy", said, "coverage")


def components(found: Mapping[str, Component]) -> str:
    """One bar a component of the variance within queries: its share, and in words what it stands for.

    Shares that would be written 0.0 % have no bar; the description has them all.
    """
    known = {key: item for key, item in found.items() if math.isfinite(item.share)}
    drawn = {key: item for key, item in known.items() if key == terms.SIGNAL or item.share >= FAINT}
    if not drawn:
        return ""
    parts: list[str] = []
    y = 12.0
    for key, item in drawn.items():
        width = max(1.0, 330 * min(1.0, item.share))
        kind = "new" if key == terms.SIGNAL else "old" if terms.harmless(key) else "bad"
        parts.append(_text(0, y, terms.component(key, known), "label"))
        parts.append(f'<rect class="mark {kind}" x="0" y="{y + 6:.1f}" width="{width:.1f}" height="12" rx="2"/>')
        parts.append(_text(width + 6, y + 16.5, terms.number(item.share, "share"), "value"))
        y += 40
    said = "; ".join(
        f"{terms.component(key, known)} {terms.number(item.share, 'share')}" for key, item in known.items()
    )
    return _svg(y - 14, parts, "What scores of one query vary with", said, "components")


# ---------------------------------------------------------------- marks


def _svg(height: float, parts: Iterable[str], title: str, said: str, slug: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-labelledby="{slug}-t" aria-describedby="{slug}-d">'
        f'<title id="{slug}-t">{escape(title)}</title><desc id="{slug}-d">{_safe(said)}</desc>{"".join(parts)}</svg>'
    )


def _safe(text: str) -> str:
    """Escaped, and without characters that steer a line's direction: an SVG text has no isolation of its own."""
    return escape("".join(char for char in text if char.isprintable() or char == words.SPACE))


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{_safe(text)}</text>'


def _row(
    label: str, found: Figure, null: float | None, y: float, domain: tuple[float, float], kind: terms.Kind
) -> list[str]:
    """A labelled dot on its interval, the value at the end of the row."""

    def at(value: float) -> float:
        share = (min(domain[1], max(domain[0], value)) - domain[0]) / (domain[1] - domain[0])
        return FROM + (TO - FROM) * share

    value = found.value or 0.0
    low, high = (at(end) for end in (found.ci or (value, value)))
    parts = [
        _text(FROM - 10, y + 4, label, "label end"),
        f'<line class="grid" x1="{FROM}" x2="{TO}" y1="{y}" y2="{y}"/>',
        f'<line class="whisker new" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>',
    ]
    if null is not None and math.isfinite(null):
        parts.append(
            f'<line class="tickmark" x1="{at(null):.1f}" x2="{at(null):.1f}" y1="{y - 8}" y2="{y + 8}">'
            f"<title>shuffled scores reach {terms.number(null)}</title></line>"
        )
    parts.append(f'<circle class="dot new" cx="{at(value):.1f}" cy="{y}" r="4.5"/>')
    parts.append(_text(WIDTH, y + 4, terms.number(value, kind), "value end"))
    return parts


def _scale(y: float, domain: tuple[float, float], kind: terms.Kind) -> list[str]:
    parts = [f'<line class="axis" x1="{FROM}" x2="{TO}" y1="{y}" y2="{y}"/>']
    low, high = domain
    steps = 3 if high - low == 1.5 else 4 if high - low >= 1 else 5  # so that every tick is a round number
    for step in range(steps + 1):
        value = low + (high - low) * step / steps
        at = FROM + (TO - FROM) * step / steps
        text = f"{100 * value:.0f}" if kind == "share" else f"{value:g}".replace("-", words.MINUS)
        parts.append(f'<line class="axis" x1="{at:.1f}" x2="{at:.1f}" y1="{y}" y2="{y + 4}"/>')
        parts.append(_text(at, y + 17, text, "tick mid"))
    parts.append(_text(FROM - 18, y + 17, "% of pairs" if kind == "share" else "tau_b", "tick end"))
    return parts


def _ends(y: float) -> list[str]:
    return [_text(10, y, "judges disagree", "tick"), _text(WIDTH - 10, y, "judges agree", "tick end")]


@dataclass(frozen=True)
class _Plane:
    """Where calls (on a logarithmic scale) and reliability (0 to 1) stand."""

    top: float
    most: int
    """Calls at the right end."""
    left: float = 34.0
    right: float = WIDTH - 14.0

    @property
    def base(self) -> float:
        return self.top + 160

    def x(self, calls: int) -> float:
        return self.left + 8 + (self.right - self.left - 16) * math.log(max(1, calls)) / math.log(self.most)

    def y(self, reliability: float) -> float:
        return self.base - (self.base - self.top) * min(1.0, max(0.0, reliability))


def _frontier(panels: Iterable[Panel]) -> list[Panel]:
    """The most reliable panel at each number of calls, the fewest calls first."""
    best: dict[int, Panel] = {}
    for panel in panels:
        if panel.calls not in best or panel.reliability > best[panel.calls].reliability:
            best[panel.calls] = panel
    return [best[calls] for calls in sorted(best)]


def _kind(panel: Panel, lines: Mapping[str, Sequence[Panel]]) -> str:
    """Which line a panel is on, the longer one where it begins both; ``other`` where on none."""
    on = [kind for kind in sorted(lines, key=lambda kind: -len(lines[kind])) if panel in lines[kind]]
    return next(iter(on), "other")


def _levels(plane: _Plane, goal: float) -> list[str]:
    """Lines at 0, 0.2 … 1 and at the goal, which replaces one that its figure would touch; and the numbers of calls."""
    parts: list[str] = []
    for value in (*(fifth / 5 for fifth in range(6) if abs(fifth / 5 - goal) > 0.07), goal):
        line, text = ("goal", "value end") if value == goal else ("grid", "tick end")
        y = plane.y(value)
        parts.append(f'<line class="{line}" x1="{plane.left}" x2="{plane.right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(plane.left - 6, y + 4, f"{value:g}", text))
    doubled = [2**power for power in range(11)]
    for calls in range(1, plane.most + 1) if plane.most <= 6 else doubled:
        if calls <= plane.most:
            parts.append(_text(plane.x(calls), plane.base + 17, str(calls), "tick mid"))
    return [*parts, _text(WIDTH / 2, plane.base + 34, "calls a rollout", "tick mid")]


def _ring(best: Panel, plane: _Plane) -> list[str]:
    x, y = plane.x(best.calls), plane.y(best.reliability)
    text, shift = ("value end", -8) if x > WIDTH / 2 else ("value", 8)
    said = f"{terms.number(best.reliability)} for {words.count(best.calls, 'call')}"
    return [
        f'<line class="zero" x1="{x:.1f}" x2="{x:.1f}" y1="{y + 9:.1f}" y2="{plane.base}"/>',
        f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="9"/>',
        _text(x + shift, plane.base - 8, said, text),
    ]


def _panel_mark(kind: str, x: float, y: float, said: str) -> str:
    """A dot for the best of one seed, a square for more seeds, a hollow dot for others."""
    tip = f"<title>{_safe(said)}</title>"
    if kind == "words":
        return f'<circle class="dot new" cx="{x:.1f}" cy="{y:.1f}" r="4">{tip}</circle>'
    if kind == "seeds":
        return f'<rect class="dot old" x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7">{tip}</rect>'
    return f'<circle class="dot old hollow" cx="{x:.1f}" cy="{y:.1f}" r="3.5">{tip}</circle>'


def _legend(known: Sequence[Panel], lines: Mapping[str, Sequence[Panel]]) -> list[str]:
    """What the marks are; of seeds nothing where none varies."""
    shown: list[tuple[str, str]] = []
    if len(lines["words"]) > 1:
        seeds = ", one seed" if len(lines["seeds"]) > 1 else ""
        shown.append(("words", f"more {terms.ways(known)}{seeds}"))
    if len(lines["seeds"]) > 1:
        shown.append(("seeds", "more seeds alone"))
    if any(_kind(panel, lines) == "other" for panel in known):
        shown.append(("other", "other panels"))
    parts: list[str] = []
    for place, (kind, label) in enumerate(shown):
        y = 10.0 + 17 * place
        parts += [_panel_mark(kind, 42, y - 4, label), _text(54, y, label, "tick")]
    return parts
