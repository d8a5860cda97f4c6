"""Does a tool whose names nobody knows beforehand do what its description asks?

A hidden call gives values by role (``old``: 80, ``new``: 100). A *binding* says which argument of the tool takes
which role and in what form: a list or a comma-separated text, a path or the file's content. Every binding that the
tool's own schema allows is tried, the likeliest first, and the tool is right where **one** binding gives what is
expected in **all** calls. The values are chosen so that a mixed-up binding does not.
"""

from __future__ import annotations

import csv
import difflib
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from benchmarks.agentgen.described import Call, Described, Given, Kind, KnownCall
from practice.tool import Tool, call
from practice.types import ToolCall

__all__ = ["Binding", "Site", "Tried", "bindings", "try_known", "try_tool"]

MOST = 240
"""Bindings that are tried of one tool."""
SECONDS = 30.0
"""One call; a tool's sandbox has a limit of its own below this."""
SLOW = 5.0
"""Seconds from which on a call counts as one that hangs: in a sandbox it is ended before ours is."""
HANGS = 3
"""After so many calls that hang, the tool is given up."""


@dataclass(frozen=True)
class Site:
    """What a form of a value may need: the workspace, and how a page is read."""

    root: Path
    page: Callable[[str], str]
    """Address -> HTML."""


@dataclass(frozen=True)
class Binding:
    """Argument -> (role, which of the role's forms), and values that the tool insists on having.

    Roles joined by ``+`` are given as one list.
    """

    roles: tuple[tuple[str, str, int], ...]
    fixed: tuple[tuple[str, Any], ...] = ()

    def arguments(self, tool: Tool, described: Described, given: Given, site: Site) -> Given | None:
        """The arguments of one call; None where a value has no such form for this tool."""
        found = dict[str, Any](self.fixed)
        for argument, role, form in self.roles:
            if "+" in role:
                found[argument] = _together([given[name] for name in role.split("+")])[form]
                continue
            options = forms(described.roles[role], given[role], _schema(tool, argument), site)
            if form >= len(options):
                return None
            found[argument] = options[form]
        return found

    def __str__(self) -> str:
        return ", ".join(
            [f"{argument}={role}" for argument, role, _ in self.roles] + [f"{a}={v}" for a, v in self.fixed]
        )


@dataclass(frozen=True)
class Tried:
    """What a tool's calls came to."""

    tool: str
    runs: bool
    """Under one binding, every call gave a value."""
    right: bool
    """Under one binding, every call gave the value that was expected."""
    reason: str
    """The binding where it is right; else what went wrong under the likeliest one."""


async def try_tool(tool: Tool, described: Described, site: Site) -> Tried:
    """Make the hidden calls of ``described`` through the schema of ``tool``."""
    options = list(itertools.islice(bindings(tool, described, site), MOST))
    if not options:
        return Tried(tool.name, False, False, f"its arguments {_names(tool)} do not take {', '.join(described.roles)}")
    runs, hangs, first = False, 0, ""
    async with AsyncExitStack() as stack:
        try:
            tool = await _opened(tool, stack)
        except Exception as error:  # a sandbox or a server that does not start is this tool's failure
            return Tried(tool.name, False, False, f"it does not open: {error}")
        for binding in options:
            ran, problem = True, ""
            for hidden in described.calls:
                said = await _one(tool, binding, described, hidden, site)
                hangs += said.hung
                ran, problem = ran and said.ran, problem or said.problem
                if not said.ran:
                    break
            runs, first = runs or ran, first or f"{problem} ({binding})"
            if not problem:
                return Tried(tool.name, True, True, str(binding))
            if hangs >= HANGS:
                break
    return Tried(tool.name, runs, False, first)


async def try_known(tool: Tool, calls: Sequence[KnownCall]) -> Tried:
    """Calls of a tool whose schema is known."""
    runs, problem = True, ""
    async with AsyncExitStack() as stack:
        try:
            tool = await _opened(tool, stack)
        except Exception as error:
            return Tried(tool.name, False, False, f"it does not open: {error}")
        for known in calls:
            said = await _said(tool, known.arguments)
            runs = runs and said.ran
            problem = problem or said.problem or known.expect.unmet(said.text)
    return Tried(tool.name, runs, not problem, problem or "as the starter's own")


# ---------------------------------------------------------------- bindings


def bindings(tool: Tool, described: Described, site: Site) -> Iterator[Binding]:
    """Every way to bind the roles to the tool's arguments, the likeliest first."""
    properties = cast("dict[str, Any]", tool.spec.parameters["properties"])
    required = set(cast("list[str]", tool.spec.parameters.get("required", [])))
    sample, roles = described.calls[0].given, list(described.roles)
    places = itertools.permutations(properties, len(roles))
    scored = sorted(places, key=lambda names: -sum(_alike(a, r) for a, r in zip(names, roles, strict=True)))
    for names in scored:
        rest = sorted(required - set(names))
        fixed = [_fixed(properties[name], name, described) for name in rest]
        if not all(fixed):
            continue
        counts = [
            range(len(forms(described.roles[role], sample[role], properties[name], site)))
            for name, role in zip(names, roles, strict=True)
        ]
        for ways in sorted(itertools.product(*counts), key=sum):
            for values in itertools.product(*fixed):
                given = tuple(zip(rest, values, strict=True))
                yield Binding(tuple(zip(names, roles, ways, strict=True)), given)
    yield from _joined(described, properties, required, sample)


def _joined(described: Described, properties: Given, required: set[str], sample: Given) -> Iterator[Binding]:
    """Bindings that give several roles of one kind as a list: two numbers, or latitude and longitude of each place."""
    roles = list(described.roles)
    if len(roles) < 2 or set(described.roles.values()) not in ({"number"}, {"text"}, {"numbers"}):
        return
    arrays = [name for name, schema in properties.items() if "array" in _types(schema)]
    for count in range(1, len(roles) // 2 + 1):
        size = len(roles) // count
        parts = [roles[start : start + size] for start in range(0, len(roles), size)]
        for names in itertools.permutations(arrays, count) if len(roles) % count == 0 else ():
            if required <= set(names):
                for form in range(len(_together([sample[role] for role in parts[0]]))):
                    joined = ("+".join(part) for part in parts)
                    yield Binding(tuple((name, role, form) for name, role in zip(names, joined, strict=True)))


def _together(values: list[Any]) -> list[list[Any]]:
    """All values as one list; several lists also as a list of points."""
    return [values, [list(point) for point in zip(*values, strict=True)]] if isinstance(values[0], list) else [values]


def _fixed(schema: Given, name: str, described: Described) -> list[Any]:
    """Values for an argument that no role fills and the tool insists on; none: it can't be called."""
    if "enum" in schema:
        return list(schema["enum"])
    kinds = _types(schema)
    if "boolean" in kinds:
        return [False, True]
    near = difflib.get_close_matches(name, described.also, n=1, cutoff=0.0)
    return [described.also[near[0]]] if near and kinds & {"number", "integer", "any"} else []


def _alike(argument: str, role: str) -> float:
    """How much two names look alike, 0 to 2."""
    one, two = argument.lower(), role.lower()
    shared = set(one.split("_")) & set(two.split("_"))
    return difflib.SequenceMatcher(None, one, two).ratio() + bool(shared) + 0.001 * (one[0] == two[0])


# ---------------------------------------------------------------- forms


def forms(kind: Kind, value: Any, schema: Given, site: Site) -> list[Any]:
    """The forms in which an argument of this schema can take a value, the likeliest first; none: it can't."""
    kinds = _types(schema)
    if "enum" in schema:
        words = str(value).split("|") if kind == "choice" else [str(value)]
        return [option for option in schema["enum"] if str(option).lower() in {word.lower() for word in words}]
    found: list[Any] = []
    if kinds & {"number", "integer", "any"} and kind == "number":
        found.append(value)
    if kinds & {"array", "any"}:
        found += _lists(kind, value, site)
    if kinds & {"string", "any"}:
        found += _texts(kind, value, site)
    return found


def _lists(kind: Kind, value: Any, site: Site) -> list[Any]:
    match kind:
        case "numbers" | "words":
            return [value]
        case "text":
            return [str(value).split()]
        case "table":
            return _tables(str(value))
        case "file":
            text = (site.root / str(value)).read_text(encoding="utf-8")
            return [text.splitlines(), *(_tables(text) if str(value).endswith(".csv") else [])]
        case _:
            return []


def _tables(text: str) -> list[Any]:
    """CSV as records, as rows, and as rows with the header."""
    rows = list(csv.reader(text.splitlines()))
    plain = [[_number(cell) for cell in row] for row in rows]
    return [[dict(zip(rows[0], row, strict=True)) for row in plain[1:]], plain[1:], plain]


def _texts(kind: Kind, value: Any, site: Site) -> list[str]:
    match kind:
        case "number":
            return [str(value)]
        case "choice":
            return str(value).split("|")
        case "numbers" | "words":
            parts = [str(part) for part in value]
            return [", ".join(parts), "\n".join(parts), " ".join(parts), json.dumps(value)]
        case "file":
            file = site.root / str(value)
            return [str(value), str(file), file.read_text(encoding="utf-8")]
        case "url":
            return [str(value), site.page(str(value))]
        case _:
            return [str(value)]


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def _types(schema: Given) -> set[str]:
    """The JSON types that a schema allows; ``any`` where it says nothing."""
    if "anyOf" in schema:
        return set[str]().union(*(_types(option) for option in schema["anyOf"])) - {"null"}
    said = schema.get("type", "any")
    return set(cast("list[str]", said)) if isinstance(said, list) else {str(said)}


def _schema(tool: Tool, argument: str) -> Given:
    return cast("dict[str, Given]", tool.spec.parameters["properties"])[argument]


def _names(tool: Tool) -> str:
    return ", ".join(cast("dict[str, Any]", tool.spec.parameters["properties"])) or "(none)"


# ---------------------------------------------------------------- calls


@dataclass(frozen=True)
class _Said:
    ran: bool
    text: str = ""
    problem: str = ""
    hung: bool = False


async def _opened(tool: Tool, stack: AsyncExitStack) -> Tool:
    """The tool with what it opens around its calls, which goes with the stack."""
    if tool.opening is None:
        return tool
    return replace(tool, fn=await stack.enter_async_context(tool.opening()), opening=None)


async def _one(tool: Tool, binding: Binding, described: Described, hidden: Call, site: Site) -> _Said:
    arguments = binding.arguments(tool, described, hidden.given, site)
    if arguments is None:
        return _Said(False, problem="a value has no form that it takes")
    said = await _said(tool, arguments)
    unmet = "" if said.problem else hidden.expect.unmet(said.text)
    return replace(said, problem=f"{unmet} in {said.text[:120]!r}") if unmet else said


async def _said(tool: Tool, arguments: Given) -> _Said:
    wanted = ToolCall(id="hidden", name=tool.name, arguments=json.dumps(arguments))
    started = time.monotonic()
    try:
        result = await call(tool, wanted, timeout=SECONDS)
    except TimeoutError:
        return _Said(False, problem=f"no end within {SECONDS:.0f} s", hung=True)
    hung = time.monotonic() - started >= SLOW
    if result.error:
        return _Said(False, problem=result.content[:200], hung=hung)
    if result.content.strip() in ("", "null", "None"):
        return _Said(False, problem="it gave nothing", hung=hung)
    return _Said(True, result.content, hung=hung)
