"""What attempts did before and after, counted: does the behaviour show what the memory says? Pure.

The features are those of practice (``practice/features``), and one more: whether an attempt's own words are those of
a lesson that it was given, which shows a procedure that calls no tool.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from practice.features import UserFeature, binarise, features, phrase, prose
from practice.overfit.result import ASPECTS, AspectName, AspectResult, Behaviour, Count, State
from practice.overfit.said import content, expresses, forbids, names_tool, own_words, speaks_of
from practice.stats import holm, mantel_haenszel
from practice.types import Experience, Feature, Rollout, ToolSpec

__all__ = ["ALPHA", "WORDS", "aspects", "behaviour", "columns", "judge"]

ALPHA = 0.05
"""The familywise error of one aspect: a change is named only where it is more than chance over all looked at."""
HALF = 0.5
"""The share of a lesson's own words from which on an attempt speaks of doing what it says."""
MOSTLY = 0.8
"""The share of attempts, before and after alike, from which on a behaviour was there before."""
WORDS = "words"
"""The feature of an attempt that says at least half of a lesson's own words."""
_WORDS_SAYS = "said in its own replies what a lesson says to do"

_TOOL_USE = ("called", "once", "again", "whole", "failed")
_PROCEDURE = ("opening", "only_call", "chained", "reports")
_IN_TEXT = ("calculates", "list")
"""A lesson may ask for these or forbid them: a change either way counts. So it is with features of the user's."""
_DOWN = frozenset({"failed"})


@dataclass(frozen=True)
class Columns:
    """Attempts as yes/no behaviours; all tuples are aligned, those before first."""

    task: tuple[str, ...]
    after: tuple[bool, ...]
    shown: Mapping[str, tuple[bool, ...]]


def columns(
    before: Sequence[Rollout],
    after: Sequence[Rollout],
    lessons: Sequence[frozenset[str]],
    specs: Sequence[ToolSpec] = (),
    user: Sequence[UserFeature] = (),
) -> Columns:
    """Every yes/no behaviour of attempts that were not failed; numbers are split as :func:`binarise` does.

    ``lessons``: the own words of each lesson that tells a procedure.
    """
    sides = [(rollout, side) for side, of in ((False, before), (True, after)) for rollout in of]
    tried = [(rollout, side) for rollout, side in sides if rollout.status != "failed"]
    rows: list[tuple[Feature, ...]] = []
    for rollout, _ in tried:
        own = [Feature(name=WORDS, value=float(_follows(rollout, lessons)))] if any(lessons) else []
        rows.append((*features(rollout, specs, user), *own))
    names = {feature.name for row in rows for feature in row if not feature.name.startswith("n:")}
    table = [{feature.name: feature.value for feature in row} for row in rows]
    constant = {
        name: tuple(row.get(name, 0.0) == 1.0 for row in table)
        for name in sorted(names)
        if {row.get(name, 0.0) for row in table} <= {0.0, 1.0}
    }
    return Columns(
        task=tuple(rollout.task_id for rollout, _ in tried),
        after=tuple(side for _, side in tried),
        shown={**constant, **binarise(rows)},
    )


def behaviour(table: Columns, name: str) -> Behaviour:
    """One behaviour before and after, with an exact test that permutes within tasks."""
    sides: dict[str, tuple[list[float], list[float]]] = {task: ([], []) for task in table.task}
    for task, after, shown in zip(table.task, table.after, table.shown[name], strict=True):
        sides[task][0 if after else 1].append(float(shown))
    strata = [both for both in sides.values() if all(both)]
    found = mantel_haenszel(strata) if strata else None
    after, before = ([shown for both in sides.values() for shown in both[place]] for place in (0, 1))
    return Behaviour(
        feature=name,
        says=_WORDS_SAYS if name == WORDS else phrase(name).says,
        before=Count(shown=int(sum(before)), n=len(before)),
        after=Count(shown=int(sum(after)), n=len(after)),
        difference=found.difference if found else None,
        p=found.p if found else None,
    )


def aspects(
    memory: Sequence[Experience],
    before: Sequence[Rollout],
    after: Sequence[Rollout],
    known: Collection[str],
    specs: Sequence[ToolSpec] = (),
    user: Sequence[UserFeature] = (),
) -> dict[AspectName, AspectResult]:
    """The three aspects, in words and in deeds.

    Args:
        memory: The experiences that the prompt held after.
        before: Attempts without them.
        after: Attempts with them, at the same tasks.
        known: The words of the tasks and the instructions: to say these shows nothing.
        specs: The agent's tools.
        user: The user's own features.
    """
    calls = {call.name for rollout in (*before, *after) for step in rollout.steps for call in step.tool_calls}
    tools = sorted({spec.name for spec in specs} | calls)
    said = {experience.id: expresses(experience.text, tools) for experience in memory}
    lessons = [own_words(e.text, {*known, *_parts(tools)}) for e in memory if "procedure" in said[e.id]]
    table = columns(before, after, lessons, specs, user)
    result: dict[AspectName, AspectResult] = {}
    for name in ASPECTS:
        texts = {experience.id: experience.text for experience in memory if name in said[experience.id]}
        result[name] = judge(name, texts, table, tools)
    return result


def judge(name: AspectName, texts: Mapping[str, str], table: Columns, tools: Sequence[str]) -> AspectResult:
    """One aspect: ``texts`` are the experiences that express it, ``tools`` the agent's tools."""
    family = _family(name, texts, table, tools)
    found = {feature: behaviour(table, feature) for feature in family}
    q = _adjusted(table, found)
    changed = tuple(f for f in family if q.get(f, 1.0) <= ALPHA and _as_asked(found[f], family[f]))
    state: State
    if name == "tools" and not tools:
        state = "no_tools"
    elif not texts:
        state = "not_said"
    elif changed:
        state = "found"
    else:
        state = "there_before" if _there(name, found, family) else "not_followed"
    ordered = sorted(found.values(), key=lambda b: (1.0 if b.p is None else b.p, -abs(b.difference or 0.0)))
    return AspectResult(state=state, said=tuple(texts), behaviours=tuple(ordered), changed=changed)


Directions = frozenset[int]
"""Which way the memory may ask a behaviour to go: 1 more, -1 less."""
UP, DOWN, BOTH = frozenset({1}), frozenset({-1}), frozenset({1, -1})


def _family(name: AspectName, texts: Mapping[str, str], table: Columns, tools: Sequence[str]) -> dict[str, Directions]:
    """The behaviours that could show an aspect; of tools, those that its lessons speak of."""
    meant = {tool for text in texts.values() for tool in speaks_of(text, tools)} if texts else set(tools)
    banned = {tool for tool in meant if _banned(tool, texts)}
    family: dict[str, Directions] = {}
    if name == "tools":
        for tool in sorted(meant):
            kinds = ("called",) if tool in banned else _TOOL_USE
            family |= {f"{kind}:{tool}": DOWN if tool in banned or kind in _DOWN else UP for kind in kinds}
    elif name == "checks":
        family |= {"checks": UP, **{f"{kind}:{tool}": UP for tool in tools for kind in ("repeated", "again")}}
    else:
        family |= {WORDS: UP, **dict.fromkeys(_IN_TEXT, BOTH)}
        family |= {f"{kind}:{tool}": UP for tool in sorted(meant - banned) for kind in _PROCEDURE}
        family |= {f"order:{a}>{b}": UP for a in sorted(meant) for b in sorted(meant)}
        family |= {feature: BOTH for feature in table.shown if feature.startswith("user:")}
    return {feature: directions for feature, directions in family.items() if feature in table.shown}


def _banned(tool: str, texts: Mapping[str, str]) -> bool:
    mentions = [text for text in texts.values() if names_tool(text, tool)]
    return bool(mentions) and all(forbids(text, tool) for text in mentions)


def _there(name: AspectName, found: Mapping[str, Behaviour], family: Mapping[str, Directions]) -> bool:
    """Whether what an aspect asks for was done (or left) by most attempts, before and after alike."""
    index = {"procedure": (WORDS, "opening", "order"), "tools": ("called",), "checks": ("checks", "repeated")}[name]
    of = [feature for feature in found if feature.partition(":")[0] in index]
    shown = [all(_mostly(side, family[f]) for side in (found[f].before, found[f].after)) for f in of]
    return bool(shown) and (all(shown) if name == "tools" else any(shown))


def _mostly(count: Count, directions: Directions) -> bool:
    doing = count.shown if 1 in directions else count.n - count.shown
    return count.n > 0 and doing >= MOSTLY * count.n


def _adjusted(table: Columns, found: Mapping[str, Behaviour]) -> dict[str, float]:
    """Holm's p of every behaviour that varies; columns that are the same, or opposite, are one test."""
    tests: dict[tuple[bool, ...], list[str]] = {}
    for feature in found:
        column = table.shown[feature]
        if len(set(column)) > 1 and found[feature].p is not None:
            tests.setdefault(tuple(shown == column[0] for shown in column), []).append(feature)
    adjusted = holm([found[same[0]].p or 0.0 for same in tests.values()])
    return {feature: p for same, p in zip(tests.values(), adjusted, strict=True) for feature in same}


def _as_asked(found: Behaviour, directions: Directions) -> bool:
    return found.difference is not None and (1 if found.difference > 0 else -1) in directions


def _follows(rollout: Rollout, lessons: Sequence[frozenset[str]]) -> bool:
    said = set(content("\n".join(prose(step) for step in rollout.steps)))
    return any(words and len(words & said) >= HALF * len(words) for words in lessons)


def _parts(tools: Sequence[str]) -> set[str]:
    return {word for tool in tools for word in content(tool.replace("_", " "))}
