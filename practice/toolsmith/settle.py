"""Where the code and a case do not agree: who is right, and the code's correction where it is not the code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict

from practice.errors import CallFailed
from practice.toolsmith.bench import Bench
from practice.toolsmith.cases import Case, digest
from practice.toolsmith.code import read_code, shown
from practice.toolsmith.desk import USELESS, Desk
from practice.toolsmith.plan import header

__all__ = ["Settled", "settle"]

Right = Literal["code", "case", "open"]
_TEMPERATURES = (0.2, 0.6, 0.9)


class RightReply(BaseModel):
    """Who is right."""

    model_config = ConfigDict(extra="ignore")

    steps: str = ""
    right: Literal["A", "B", "neither"]


_RIGHT = {
    "type": "object",
    "properties": {"steps": {"type": "string"}, "right": {"enum": ["A", "B", "neither"]}},
    "required": ["steps", "right"],
    "additionalProperties": False,
}


@dataclass
class Settled:
    """How things stand: which implementation is taken, which cases are out, what was spent on it."""

    source: int
    dropped: set[int] = field(default_factory=set[int])
    repairs: int = 0
    questions: int = 0
    ruled: dict[tuple[int, str], Right] = field(default_factory=dict[tuple[int, str], Right])
    """(case, result of the code) -> who was found right."""

    def kept(self, bench: Bench) -> list[int]:
        """The cases that count."""
        return [c for c in range(len(bench.cases)) if c not in self.dropped]

    def faults(self, bench: Bench) -> list[int]:
        """Cases that the code does not fulfil."""
        return [c for c in self.kept(bench) if not bench.holds(self.source, c)]


async def settle(
    desk: Desk,
    bench: Bench,
    state: Settled,
    *,
    wish: str,
    modules: tuple[str, ...],
    repairs: int,
    questions: int,
) -> None:
    """Bring ``state`` to where the code fulfils every case that is kept.

    A case against which the implementations agree is corrected to their result (``agreed``); otherwise the model is
    asked who is right, at most ``questions`` times; where it is the case, and the code stands alone, the code is
    repaired, at most ``repairs`` times, and a repair stays only where it fails fewer cases. What stays open is dropped.
    """
    while True:
        for case in state.faults(bench):
            right = await _who(desk, bench, state, case, wish, questions)
            if right == "code":
                continue  # the case was corrected
            if right == "open":
                state.dropped.add(case)
        faults = state.faults(bench)
        if not faults:
            return
        if state.repairs >= repairs:
            desk.say(f"{len(faults)} of {len(bench.cases)} cases stay open and are left out")
            state.dropped |= set(faults)
            return
        # What the wish itself says first, then what does not even run.
        faults.sort(key=lambda c: (not bench.cases[c].fixed, bench.table[state.source][c].kind != "broken"))
        await _repair(desk, bench, state, faults[state.repairs % len(faults)], wish, modules)


# ---------------------------------------------------------------- who is right


async def _who(desk: Desk, bench: Bench, state: Settled, index: int, wish: str, questions: int) -> Right:
    case, actual = bench.cases[index], bench.table[state.source][index]
    ours = bench.votes(index, actual)
    if case.fixed and ours >= max(2, len(bench.voters)):
        # All of them against what looked like the description's own example: it may have been read wrongly.
        case = bench.cases[index] = case.model_copy(update={"fixed": False})
    elif case.fixed or actual.kind == "broken":
        return "case"
    key = (index, actual.model_dump_json())
    if key in state.ruled:
        return state.ruled[key]
    if case.expected.kind == "value" and ours >= 2 and ours > 1 + bench.votes(index, case.expected):
        state.ruled[key] = "code"
        bench.cases[index] = case.model_copy(update={"expected": actual, "origin": "agreed"})
        desk.say(f"{bench.plan.call(case.arguments)}: {ours} implementations agree on {actual.words()}")
        return "code"
    if state.questions >= questions:
        right: Right = "open"
    else:
        state.questions += 1
        right = await _asked(desk, bench, index, state.source, wish)
        if right == "case" and ours >= 2 and case.expected.kind == "value":
            right = "open"  # a repair would follow one word of the model against several of its programs
    state.ruled[key] = right
    if right == "code":
        if actual.kind == "value" and case.expected.kind == "error":
            state.dropped.add(index)  # no error case then; its result was never what was asked for
            return "open"
        bench.cases[index] = case.model_copy(update={"expected": actual, "origin": "judged"})
    return right


async def _asked(desk: Desk, bench: Bench, index: int, source: int, wish: str) -> Right:
    """The model's word, with the two results in an order that the call decides."""
    case, actual = bench.cases[index], bench.table[source][index]
    turned = digest(case.identity) % 2 == 1
    words = (actual.words(), case.expected.words())
    try:
        reply = await desk.fill(
            "tool_right",
            RightReply,
            shape=_RIGHT,
            temperature=0.0,
            max_tokens=300,
            what=wish,
            header=header(bench.plan),
            call=call_text(bench, case),
            a=words[turned],
            b=words[not turned],
        )
    except CallFailed as error:
        if error.kind not in USELESS:
            raise
        return "open"
    if reply.right == "neither":
        return "open"
    right: Right = "code" if (reply.right == "A") != turned else "case"
    desk.say(f"{bench.plan.call(case.arguments)}: asked who is right, the {right} is")
    return right


# ---------------------------------------------------------------- repair


async def _repair(desk: Desk, bench: Bench, state: Settled, index: int, wish: str, modules: tuple[str, ...]) -> None:
    """Ask for a correction; it is taken where it fails fewer cases than what there is."""
    case, actual = bench.cases[index], bench.table[state.source][index]
    kept = [c for c in state.kept(bench) if bench.holds(state.source, c)]
    right = [f"- {call_text(bench, bench.cases[c])} gives {bench.cases[c].expected.words()}" for c in kept[:4]]
    temperature = _TEMPERATURES[min(state.repairs, len(_TEMPERATURES) - 1)]
    state.repairs += 1
    try:
        source = await desk.text(
            "tool_repair",
            lambda said: read_code(said, bench.plan, modules),
            name=bench.plan.name,
            temperature=temperature,
            max_tokens=1024,
            what=wish,
            modules=shown(modules),
            code=bench.sources[state.source].partition("\n\n")[2].strip(),
            call=call_text(bench, case),
            expected=case.expected.words(),
            actual=actual.words(),
            others="These calls are right and must stay so:\n" + "\n".join(right) if right else "",
        )
    except CallFailed as error:
        if error.kind not in USELESS:
            raise
        desk.say(f"repair {state.repairs}: no usable code")
        return
    before = len(state.faults(bench))
    new = await bench.add_source(source)
    after = sum(not bench.holds(new, c) for c in state.kept(bench))
    better = after < before
    desk.say(f"repair {state.repairs}: {after} cases fail, before {before}{'' if better else '; not taken'}")
    if better:
        state.source = new


def call_text(bench: Bench, case: Case) -> str:
    """A call in Python's notation, with the files that it finds."""
    files = "".join(f" (with the file {name} that holds {content[:300]!r})" for name, content in case.files.items())
    return bench.plan.call(case.arguments) + files
