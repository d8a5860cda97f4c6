"""What the model is asked on the way: a plan, code, calls with their results, calls that must be refused."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import get_args

from practice.errors import CallFailed
from practice.toolsmith.bench import Bench
from practice.toolsmith.cases import (
    Case,
    CaseReply,
    CasesReply,
    Kind,
    Outcome,
    as_called,
    cases_shape,
    fits,
    given,
    unique,
)
from practice.toolsmith.code import read_code, shown
from practice.toolsmith.desk import USELESS, Desk
from practice.toolsmith.mutants import Mutant
from practice.toolsmith.plan import Plan, PlanReply, Type, header, planned
from practice.toolsmith.settle import call_text
from practice.toolsmith.world import World, prompt_line

__all__ = ["cases", "code", "errors", "more", "plan"]

_TEXT = {"type": "string"}
_PLAN = {
    "type": "object",
    "properties": {
        "purpose": _TEXT,
        "name": _TEXT,
        "arguments": {
            "type": "array",
            "minItems": 1,
            "maxItems": 5,
            "items": {
                "type": "object",
                "properties": {"name": _TEXT, "type": {"enum": list(get_args(Type))}, "about": _TEXT},
                "required": ["name", "type", "about"],
                "additionalProperties": False,
            },
        },
        "returns": {"enum": list(get_args(Type))},
        "returns_about": _TEXT,
        "errors": _TEXT,
    },
    "required": ["purpose", "name", "arguments", "returns", "returns_about", "errors"],
    "additionalProperties": False,
}


async def plan(desk: Desk, what: str, *, name: str | None, taken: Collection[str]) -> Plan:
    """The function from outside. Raises CallFailed."""
    reply = await desk.fill("tool_plan", PlanReply, shape=_PLAN, temperature=0.2, max_tokens=600, what=what)
    made = planned(reply, name=name, taken=taken)
    desk.say(f"planned {made.name}({', '.join(made.names)}) -> {made.returns}")
    return made


async def code(desk: Desk, what: str, target: Plan, modules: tuple[str, ...], places: Sequence[int]) -> list[str]:
    """Independent implementations. Raises CallFailed where place 0 is among ``places`` and none is usable."""
    found: list[str] = []
    failure: CallFailed | None = None
    for place in places:
        try:
            source = await desk.text(
                "tool_code",
                lambda said: read_code(said, target, modules),
                name=target.name,
                temperature=0.1 if place == 0 else 0.8,  # the first is the likeliest, the others differ from it
                max_tokens=1024,
                what=what,
                modules=shown(modules),
                header=header(target),
            )
        except CallFailed as error:
            if error.kind not in USELESS:
                raise
            failure = error
            continue
        found.append(source)
    desk.say(f"{len(found)} of {len(places)} implementations are usable")
    if not found and 0 in places and failure is not None:
        raise failure
    return found


async def cases(desk: Desk, what: str, target: Plan, count: int, *, world: World, attempt: int) -> list[Case]:
    """Calls with results: half of them usual ones, then edge cases. Raises CallFailed."""
    usual = (count + 1) // 2
    kinds = (
        f"first {usual} usual ones, then {count - usual} edge cases (the smallest or an empty input that is still "
        "right, a single element, zero, repetitions, upper and lower case, ties: what fits this function)"
    )
    reply = await desk.fill(
        "tool_cases",
        CasesReply,
        shape=cases_shape(target, count, results=True, world=world),
        temperature=0.3 if attempt == 0 else 0.8,
        max_tokens=_room(count, world),
        what=what,
        header=header(target),
        count=str(count),
        kinds=kinds,
        files=prompt_line(world),
    )
    made = _made(reply.cases[:usual], target, "usual") + _made(reply.cases[usual:], target, "edge")
    found = [case.model_copy(update={"fixed": given(case, what)}) for case in unique(made)]
    desk.say(f"{len(found)} cases, {sum(case.fixed for case in found)} of them from the description")
    return found


async def errors(desk: Desk, what: str, target: Plan, count: int, *, world: World) -> list[Case]:
    """Calls that must be refused; none where the model's answer can't be used."""
    try:
        reply = await desk.fill(
            "tool_errors",
            CasesReply,
            shape=cases_shape(target, count, results=False, world=world),
            temperature=0.3,
            max_tokens=_room(count, world),
            what=what,
            header=header(target),
            count=str(count),
            errors=target.errors,
            files=prompt_line(world),
        )
    except CallFailed as error:
        if error.kind not in USELESS:
            raise
        return []
    return _made(reply.cases, target, "error")


async def more(
    desk: Desk, what: str, bench: Bench, kept: Sequence[int], mutant: Mutant, *, world: World, count: int = 3
) -> list[Case]:
    """Calls that would notice a broken version; none where the model's answer can't be used."""
    target = bench.plan
    try:
        reply = await desk.fill(
            "tool_more",
            CasesReply,
            shape=cases_shape(target, count, results=True, world=world),
            temperature=0.6,
            max_tokens=_room(count, world),
            what=what,
            header=header(target),
            calls="\n".join(f"- {call_text(bench, bench.cases[c])}" for c in kept[:8]),
            broken=mutant.what,
            files=prompt_line(world),
            count=str(count),
        )
    except CallFailed as error:
        if error.kind not in USELESS:
            raise
        return []
    return _made(reply.cases, target, "more")


def _room(count: int, world: World) -> int:
    """Tokens for an answer of ``count`` cases. Twice that and the prompt, as after a repetition, fit in 4,096."""
    return min(1500, 300 + count * (150 if world == "none" else 250))


def _made(replies: Sequence[CaseReply], target: Plan, kind: Kind) -> list[Case]:
    """Cases of replies that fit the plan's types: an endpoint that knows no JSON schema may send others."""
    results = kind != "error"
    found: list[Case] = []
    for reply in replies:
        arguments = {a.name: as_called(reply.arguments.get(a.name), a.type) for a in target.arguments}
        right = all(fits(arguments[argument.name], argument.type) for argument in target.arguments)
        if not right or (results and not fits(reply.result, target.returns)):
            continue
        expected = Outcome(kind="value", value=reply.result) if results else Outcome(kind="error")
        files = {file.name: file.content for file in reply.files if _is_inside(file.name)}
        found.append(Case(kind=kind, why=reply.why[:200], arguments=arguments, files=files, expected=expected))
    return unique(found)


def _is_inside(name: str) -> bool:
    """Whether a test's file stays in its folder."""
    return bool(name) and not name.startswith("/") and ".." not in name.split("/")
