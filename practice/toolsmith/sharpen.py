"""Tests against broken versions of the tool: how many they notice, and further cases where they notice too few."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from practice.sandbox import SandboxLimits, Session
from practice.toolsmith.bench import Bench
from practice.toolsmith.cases import Case, Origin, Outcome, render, same_outcome
from practice.toolsmith.mutants import Mutant
from practice.toolsmith.suite import test_names

__all__ = ["enough", "neighbours", "sharpen", "survivors"]

MOST_INPUTS = 40
MOST_ADDED = 4
QUICK = SandboxLimits(seconds=1.0, cpu_seconds=1.0, output_chars=8_000)
"""Of each test of a broken version: many of them never end, and that is noticed soon enough."""


def enough(alive: Sequence[Mutant], all_of_them: Sequence[Mutant], share: float) -> bool:
    """Whether few enough live: none of the certain ones, and of the others at most ``share`` (but one is allowed: some
    changes change nothing).
    """
    small = sum(not mutant.certain for mutant in all_of_them)
    left = sum(not mutant.certain for mutant in alive)
    return not any(mutant.certain for mutant in alive) and left <= max(1, int(share * small))


async def survivors(bench: Bench, cases: Sequence[Case], broken: Sequence[Mutant]) -> list[Mutant]:
    """Those that pass all the tests that ``cases`` become. They share a session: each is loaded over the last."""
    tests = render(bench.plan, cases)
    names = test_names(tests)
    alive: list[Mutant] = []
    async with bench.engine.session(QUICK) as session:
        for mutant in broken:
            if await _passes(session, {"tool": mutant.source, "test_tool": tests}, names):
                alive.append(mutant)
    return alive


async def _passes(session: Session, modules: dict[str, str], names: Sequence[str]) -> bool:
    for name, source in modules.items():
        if not (await session.load(name, source)).ok:
            return False
    for name in names:
        if not (await session.call(f"test_tool.{name}", {})).ok:
            return False
    return True


async def sharpen(
    bench: Bench, source: int, kept: Sequence[int], alive: Sequence[Mutant], *, observed: bool
) -> list[Case]:
    """Cases with inputs near those that there are, which tell the tool from most of the broken versions.

    Their results are the tool's own: ``agreed`` where other implementations give them too, else ``observed``, which
    are taken only if ``observed``. Values are preferred to errors.
    """
    known = {case.identity for case in bench.cases}
    inputs = {near.identity: near for index in kept for near in neighbours(bench.cases[index])}
    tried = [case for identity, case in inputs.items() if identity not in known]
    tried = tried[:: max(1, len(tried) // MOST_INPUTS)][:MOST_INPUTS]
    ours = await bench.run(bench.sources[source], tried)
    others = [await bench.run(bench.sources[voter], tried) for voter in sorted({*bench.voters} - {source})]
    usable = [n for n, outcome in enumerate(ours) if outcome.kind != "broken"]
    notices: dict[int, set[int]] = {n: set() for n in usable}
    for number, mutant in enumerate(alive):
        theirs = await bench.run(mutant.source, [tried[n] for n in usable], QUICK)
        for n, outcome in zip(usable, theirs, strict=True):
            if not same_outcome(outcome, ours[n]):
                notices[n].add(number)
    twice = bench.voters.count(source) > 1  # two independent implementations, word for word the same
    origins: dict[int, Origin] = {n: _origin(ours[n], [row[n] for row in others], twice) for n in usable}
    usable = [n for n in usable if observed or origins[n] == "agreed"]
    added: list[Case] = []
    left = set(range(len(alive)))
    while left and len(added) < MOST_ADDED:
        best = max(usable, default=None, key=lambda n: _worth(len(notices[n] & left), origins[n], ours[n], n))
        if best is None or not notices[best] & left:
            break
        left -= notices[best]
        case = tried[best].model_copy(update={"expected": ours[best], "origin": origins[best]})
        added.append(case.model_copy(update={"kind": "error"}) if ours[best].kind == "error" else case)
    return added


def _origin(ours: Outcome, others: Sequence[Outcome], twice: bool) -> Origin:
    return "agreed" if twice or any(same_outcome(ours, theirs) for theirs in others) else "observed"


def _worth(noticed: int, origin: Origin, outcome: Outcome, place: int) -> tuple[int, int, int, int]:
    return (noticed > 0, (origin == "agreed") + (outcome.kind == "value"), noticed, -place)


# ---------------------------------------------------------------- inputs near others


def neighbours(case: Case) -> Iterator[Case]:
    """The case with one argument changed a little, each in turn; its expected outcome is open and not to be used."""
    for name, value in case.arguments.items():
        for near in _near(value):
            arguments = {**case.arguments, name: near}
            yield case.model_copy(
                update={"kind": "more", "why": f"{name} changed", "arguments": arguments, "fixed": False}
            )


def _near(value: Any) -> list[Any]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1, 2 * value + 3, -value, 0]
    if isinstance(value, float):
        return [value + 0.5, value * 3 + 1, -value, 0.0, value - 1]
    if isinstance(value, str):
        return _near_text(value)
    if isinstance(value, list):
        return _near_list(cast("list[Any]", value))
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value)
        first = next(iter(items), None)
        changed = [{**items, first: near} for near in _near(items[first])[:2]] if first is not None else []
        return [{}, dict(list(items.items())[1:]), *changed]
    return []


def _near_text(text: str) -> list[str]:
    words = text.split()
    swapped = " ".join(reversed(words)) if len(words) > 1 else text[::-1]
    return [text.swapcase(), swapped, f"{text} {text}", "", f" {text} ", text[:-1], f"{text}!", f"{text}7"]


def _near_list(items: list[Any]) -> list[list[Any]]:
    if not items:
        return []
    changed = [[near, *items[1:]] for near in _near(items[0])[:3]]
    return [items[::-1], [*items, items[0]], items[:1], items[1:], [], *changed]
