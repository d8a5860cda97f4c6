"""Figures and trajectories as a person reads them. Pure functions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from typing import cast

from practice.types import Delta, Edit, Estimate, ToolCall

SPACE = "\u00a0"
"""Keeps a figure and its unit on one line."""
MINUS = "−"
HIDDEN = "(hidden)"
SHORTEST_KEY = 12
"""Characters; a shorter value of such a variable is no key, and may be any word."""

_SECRET_NAME = re.compile(r"(api[-_]?key|access[-_]?key|authorization|secret|password|token)$", re.IGNORECASE)


def percent(value: float | None) -> str:
    """0.5421 -> ``54.2 %``; None -> ``not scored``."""
    return "not scored" if value is None else f"{100 * value:.1f}{SPACE}%"


def points(value: float, *, sign: bool = True) -> str:
    """0.325 -> ``+32.5``, in percentage points, with a true minus."""
    text = f"{100 * value:+.1f}" if sign else f"{100 * value:.1f}"
    return ("0.0" if float(text) == 0 else text).replace("-", MINUS)


def span(ci: tuple[float, float] | None) -> str:
    """An interval of a mean: ``42.2 to 71.5 %``."""
    return "no interval" if ci is None else f"{100 * ci[0]:.1f} to {percent(ci[1])}"


def point_span(ci: tuple[float, float]) -> str:
    """An interval of a difference: ``+15.1 to +48.2``."""
    return f"{points(ci[0])} to {points(ci[1])}"


def p_value(p: float) -> str:
    """``p = 0.013``, ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def change(delta: Delta) -> str:
    """A paired difference with its interval, p-value and test, for a sentence's brackets."""
    return f"95{SPACE}% interval {point_span(delta.ci)}, {p_value(delta.p)}, {delta.test}"


def estimate(found: Estimate | None) -> str:
    """A mean with its interval."""
    if found is None:
        return "not measured"
    return percent(found.mean) if found.ci is None else f"{percent(found.mean)} ({span(found.ci)})"


def count(n: int, one: str, many: str | None = None) -> str:
    """``1 task``, ``1,200 tasks``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """``3.4 s``, ``42 s``, ``12 min``, ``1 h 05 min``."""
    if seconds < 59.5:
        return f"{seconds:.1f}{SPACE}s" if 0 < seconds < 9.95 else f"{seconds:.0f}{SPACE}s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours}{SPACE}h {minutes:02d}{SPACE}min" if hours else f"{minutes}{SPACE}min"


def money(usd: float | None) -> str:
    """``0.0312 usd``; None is not 0."""
    return "price unknown" if usd is None else f"{usd:.4f}{SPACE}usd"


def moment(iso: str) -> str:
    """``2026-01-02T03:04:05Z`` -> ``2026-01-02 03:04 UTC``; anything else as it is."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\dZ", iso)
    return f"{match[1]} {match[2]} UTC" if match else iso


def figure(value: float) -> str:
    """A count that may be a sum of scores: ``41``, ``40.5``."""
    return f"{value:g}" if value == int(value) else f"{value:.1f}"


def reward(value: float | None) -> str:
    """One attempt's reward: ``1``, ``0.33``, and a dash where it has none."""
    return "–" if value is None else f"{value:.3g}"


def clip(text: str, limit: int) -> str:
    """``text``, or its first ``limit`` characters and how many are left out."""
    return text if len(text) <= limit else f"{text[:limit].rstrip()} … [{len(text) - limit:,} more characters]"


def one_line(text: str, limit: int) -> str:
    """White space collapsed, cut to ``limit`` characters."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def tool_call(call: ToolCall) -> str:
    """``calculator(expression="3 * 4")``; arguments that are no JSON object stand as the model wrote them."""
    try:
        arguments = json.loads(call.arguments)
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        return f"{call.name}({call.arguments})"
    given = cast("dict[str, object]", arguments).items()
    return f"{call.name}({', '.join(f'{key}={json.dumps(value, ensure_ascii=False)}' for key, value in given)})"


def edit_target(edit: Edit) -> str:
    """What an edit is about: ``add``, ``revise e3``, ``merge e1, e2``."""
    return " ".join((edit.op, ", ".join(edit.ids or ((edit.id,) if edit.id else ())))).strip()


def without_secrets(value: object) -> object:
    """A setting's value with everything under a key's or a header's name taken out."""
    if isinstance(value, Mapping):
        found = cast("Mapping[str, object]", value)
        return {key: HIDDEN if _SECRET_NAME.search(key) else without_secrets(item) for key, item in found.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in cast("list[object]", value)]
    return value


def without_keys(page: str, environment: Mapping[str, str]) -> str:
    """A page without the keys that the environment holds, wherever a tool or a model may have repeated them."""
    keys = {v for name, v in environment.items() if _SECRET_NAME.search(name) and len(v) >= SHORTEST_KEY}
    for key in sorted(keys, key=len, reverse=True):
        for form in (key, escape(key)):
            page = page.replace(form, HIDDEN)
    return page


def setting(name: str, value: object) -> str:
    """A setting as YAML would have it, on one line; texts as they are."""
    safe = HIDDEN if _SECRET_NAME.search(name) else without_secrets(value)
    return safe if isinstance(safe, str) else json.dumps(safe, ensure_ascii=False)
