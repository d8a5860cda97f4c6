"""What a trajectory did, as numbers and yes/no: pure functions of a rollout.

Everything here is generic: it reads steps, tool calls and results, never a task's subject. Each feature's name says
all there is to know of it (``once:calculator``), and ``words.phrase`` turns a name into words. Numeric features
(``n:words``) become yes/no by :func:`binarise`, which looks at the features alone and never at a reward, so that a
later test over them needs no further correction.

User-defined features are functions of a rollout that give a number, a bool, or a dict of those.
"""

from __future__ import annotations

import itertools
import json
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from practice.config import Workspace
from practice.errors import InputError
from practice.tool import load_function
from practice.types import Feature, Rollout, Step, ToolCall, ToolResult, ToolSpec

__all__ = [
    "UserFeature",
    "actions",
    "answer_in",
    "answer_of",
    "binarise",
    "features",
    "load_features",
    "numbers",
    "prose",
]

UserFeature = Callable[..., object]
"""A user's function of a rollout; it returns a number, a bool, or a dict of those."""

_NUMBER = re.compile(r"(?<![\w.])[-−]?\d+(?:,\d{3})*(?:\.\d+)?")
_OPERATOR = re.compile(r"[\d)]\s*(?:\*\*|[-+*/^%×÷])\s*(?=[-\d(.])")
_CALCULATION = re.compile(
    r"\d[^\n=]{0,60}=\s*[^\d\n=]{0,3}\d|\d(?:\s+\w+)?\s*(?:[*×÷]|\\(?:times|cdot|div)\b)\s*[^\d\n]{0,3}\d|\\frac\{"
)
_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_TAG = re.compile(r"</?[A-Za-z_]{2,20}>")
_MARKER = re.compile(r"\banswer\b[^\w\n]{0,4}(?:is\b)?[^\n]{0,40}\Z", re.IGNORECASE)


def numbers(text: str) -> list[float]:
    """Every number in ``text``, thousands separators taken out."""
    return [float(match.group().replace(",", "").replace("−", "-")) for match in _NUMBER.finditer(text)]


def prose(step: Step) -> str:
    """What a step says besides its tool calls (a model without native calls writes them into its text)."""
    text = _TAG.sub("", step.content)
    if not step.tool_calls:
        return text.strip()
    names = [call.name for call in step.tool_calls]
    text = _FENCE.sub(lambda m: "" if any(f'"{name}"' in m.group() for name in names) else m.group(), text)
    for start, end in reversed(_objects(text)):
        if any(f'"{name}"' in text[start:end] for name in names):
            text = text[:start] + text[end:]
    return text.strip(" \t\r\n,[]")


def answer_of(rollout: Rollout) -> str:
    """What a rollout answered, normalised for comparison: its last number, else its last line in lower case."""
    return answer_in(rollout.output)


def answer_in(output: str) -> str:
    """The answer that an output gives, normalised as :func:`answer_of` does; "" where it is empty."""
    found = numbers(output)
    if found:
        return f"{round(found[-1], 6):g}"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1].lower().rstrip(".") if lines else ""


def features(rollout: Rollout, specs: Sequence[ToolSpec] = (), user: Sequence[UserFeature] = ()) -> tuple[Feature, ...]:
    """The features of one rollout.

    Args:
        rollout: A trajectory that was done or ended by a limit.
        specs: The tools that the agent was offered; each gets its features, called or not.
        user: Functions of the user's; what they raise is the user's to see, so it passes through.

    Raises:
        InputError: a user's function returned something else than a number, a bool or a dict of those.
    """
    calls = [call for step in rollout.steps for call in step.tool_calls]
    offered = sorted({spec.name for spec in specs} | {call.name for call in calls})
    found: dict[str, float] = {}
    for name in offered:
        found |= _tool_features(name, rollout)
    found |= _text_features(rollout)
    if len(offered) > 1:
        found["called"] = bool(calls)
        firsts = list(dict.fromkeys(call.name for call in calls))
        found |= {f"order:{a}>{b}": 1.0 for a, b in itertools.combinations(firsts, 2)}
    for function in user:
        found |= _user_features(function, rollout)
    return tuple(Feature(name=name, value=float(value)) for name, value in sorted(found.items()))


def load_features(refs: Sequence[str], workspace: Workspace) -> list[UserFeature]:
    """The user's functions at ``path.py:function``. Raises InputError where one can't be loaded."""
    return [load_function(ref, workspace).fn for ref in refs]


def binarise(rows: Sequence[tuple[Feature, ...]]) -> dict[str, tuple[bool, ...]]:
    """Columns of yes/no behaviours over ``rows``; a feature that a row lacks is 0, one that never varies is left out.

    A number is split at its median over all rows (``n:words <= 40``); a split that puts everything on one side is
    tried just below the median, and else left out.
    """
    table = [{feature.name: feature.value for feature in row} for row in rows]
    columns: dict[str, tuple[bool, ...]] = {}
    for name in sorted({name for row in table for name in row}):
        values = [row.get(name, 0.0) for row in table]
        if not name.startswith("n:") and set(values) <= {0.0, 1.0}:
            columns[name] = tuple(value == 1.0 for value in values)
        elif len(set(values)) > 1:
            below = [value for value in values if value < max(values)]
            cut = min(statistics.median_low(values), max(below))
            columns[f"{name} <= {cut:g}"] = tuple(value <= cut for value in values)
    return {name: column for name, column in columns.items() if len(set(column)) > 1}


def _user_features(function: UserFeature, rollout: Rollout) -> dict[str, float]:
    value, label = function(rollout), function.__name__
    items = cast("Mapping[object, object]", value) if isinstance(value, Mapping) else {"": value}
    found: dict[str, float] = {}
    for key, item in items.items():
        if not isinstance(item, (int, float)):
            raise InputError(
                "a number, a bool, or a dict of those", found=repr(item)[:80], key=f"practice.features: {label}"
            )
        found[f"user:{label}.{key}" if key != "" else f"user:{label}"] = float(item)
    return found


def _tool_features(name: str, rollout: Rollout) -> dict[str, float]:
    """Of one tool: whether, how often, how first, on what and to what end it was called."""
    first = next((step for step in rollout.steps if any(call.name == name for call in step.tool_calls)), None)
    pairs = [(call, result) for step in rollout.steps for call, result in _paired(step) if call.name == name]
    texts = [_argument_text(call) for call, _ in pairs]
    good = [result.content for _, result in pairs if result and not result.error]
    opening = bool(rollout.steps) and first is rollout.steps[0]
    alone = first is not None and not prose(first) and len(first.tool_calls) == 1
    return {
        f"called:{name}": bool(pairs),
        f"once:{name}": len(pairs) == 1,
        f"again:{name}": len(pairs) > 1,
        f"opening:{name}": opening,
        f"only_call:{name}": opening and alone,
        f"beside:{name}": first is not None and bool(prose(first)),
        f"whole:{name}": any(len(_OPERATOR.findall(text)) >= 2 for text in texts),
        f"piecewise:{name}": len(pairs) > 1 and all(len(_OPERATOR.findall(text)) <= 1 for text in texts),
        f"chained:{name}": _chained(texts, [result.content if result else "" for _, result in pairs]),
        f"repeated:{name}": len(set(texts)) < len(texts),
        f"failed:{name}": any(result is not None and result.error for _, result in pairs),
        f"reports:{name}": bool(good) and _reports(rollout.output, good[-1]),
    }


def _text_features(rollout: Rollout) -> dict[str, float]:
    """Of what was said: calculations, checks, form, length, and how it ended."""
    said = [prose(step) for step in rollout.steps]
    text = "\n".join(said)
    last = rollout.steps[-1] if rollout.steps else None
    answer = prose(last) if last is not None and not last.tool_calls else ""
    lower = text.lower()
    return {
        "calculates": bool(_CALCULATION.search(text)),
        "checks": bool(re.search(r"\b(?:double[- ]check|check(?:ed|ing)?|verif(?:y|ied|ying))\b", lower)),
        "declines": bool(re.search(r"\b(?:i can(?:no|')t|i am unable|i'm unable|sorry)\b", lower)),
        "asks": answer.rstrip().endswith("?"),
        "marker": bool(_MARKER.search(answer.strip())),
        "one_number": len(set(numbers(answer))) == 1,
        "no_answer": last is not None and bool(last.tool_calls),
        "limit": rollout.status == "limit",
        "list": bool(re.search(r"^\s*(?:[-*•]|\d+[.)])\s+\S", text, re.MULTILINE)),
        "fence": "```" in text,
        "boxed": "\\boxed" in text,
        "latex": bool(re.search(r"\\\(|\\\[|\\frac|\\times|\$\$", text)),
        "json": bool(re.match(r"\s*[\[{].*[\]}]\s*\Z", answer, re.DOTALL)),
        "table": bool(re.search(r"^\s*\|.*\|\s*$", text, re.MULTILINE)),
        "n:words": len(text.split()),
        "n:answer_words": len(answer.split()),
        "n:steps": len(rollout.steps),
    }


def _paired(step: Step) -> list[tuple[ToolCall, ToolResult | None]]:
    """Each call of a step with its result, by id, else by place."""
    by_id = {result.call.id: result for result in step.results}
    return [(call, by_id.get(call.id)) for call in step.tool_calls]


def _argument_text(call: ToolCall) -> str:
    """The leaves of a call's arguments as one text; the raw text where they do not parse."""
    try:
        value: object = json.loads(call.arguments)
    except ValueError:
        return call.arguments
    leaves: list[str] = []
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(cast("dict[str, object]", item).values())
        elif isinstance(item, list):
            stack.extend(cast("list[object]", item))
        else:
            leaves.append(str(item))
    return " ".join(reversed(leaves))


def _chained(arguments: Sequence[str], results: Sequence[str]) -> bool:
    """Whether a call was given what an earlier call returned: a telling number, or a text of some length."""
    for later, text in enumerate(arguments):
        inside = {abs(number) for number in numbers(text)}
        for result in results[:later]:
            if any(abs(n) in inside for n in numbers(result) if abs(n) >= 10 or n != int(n)):
                return True
            if len(result.strip()) >= 12 and result.strip() in text:
                return True
    return False


def _reports(output: str, result: str) -> bool:
    """Whether the answer is what the tool returned: the same last number (to half a cent), else its text."""
    returned, answered = numbers(result), numbers(output)
    if len(returned) == 1:
        return bool(answered) and abs(answered[-1] - returned[0]) <= 0.005 + 1e-9
    wanted = " ".join(result.split()).lower()
    return bool(wanted) and wanted[:200] in " ".join(output.split()).lower()


def _objects(text: str) -> list[tuple[int, int]]:
    """Spans of the balanced ``{…}`` at top level."""
    spans: list[tuple[int, int]] = []
    depth, start = 0, 0
    for place, letter in enumerate(text):
        if letter == "{":
            start = place if depth == 0 else start
            depth += 1
        elif letter == "}" and depth:
            depth -= 1
            if depth == 0:
                spans.append((start, place + 1))
    return spans


def actions(rollout: Rollout) -> tuple[str, ...]:
    """What a rollout did, a line a reply, in words: "a reply that held only a call of f(…), which returned …"."""
    lines: list[str] = []
    for step in rollout.steps:
        said = prose(step)
        if not step.tool_calls:
            kind = "wrote out a calculation and" if _CALCULATION.search(said) else "only"
            lines.append(f'{kind} answered: "{_clip(said, 160)}"')
            continue
        beside = "wrote text and beside it called" if said else "replied with only a call:"
        calls = [
            f"{call.name}({_clip(_argument_text(call), 80)}), which "
            + ("failed" if result is None or result.error else "returned")
            + (f" {_clip(result.content, 60)}" if result else "")
            for call, result in _paired(step)
        ]
        lines.append(f"{beside} {' and '.join(calls)}")
    if rollout.status == "limit":
        lines.append(f"was ended by the limit on {rollout.limit or 'its work'}")
    return tuple(lines)


def _clip(text: str, length: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1] + "…"
