"""A batch's lessons and facts become candidate edits of the memory, in several wordings.

A wording decides much of what a lesson is worth, and nobody can tell by reading: so there are several candidates,
and validation tasks choose. Some are worded by the teacher, who merges the batch's lessons into the bank; some are
composed by the program from the recipe that it counted, so that a weak teacher can't lose a strong signal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from practice.advantage.contrast import ALPHA, sentence, visible, worth_telling
from practice.advantage.recipe import Recipe, find_recipe, opened, render
from practice.advantage.teacher import Reply, request
from practice.calls import Ask, gather, structured
from practice.config import Settings
from practice.errors import CallFailed
from practice.features import UserFeature
from practice.memory import Bank
from practice.prompt import template
from practice.types import CallKey, Edit, Fact, Group, Lesson, Proposal, ToolSpec

__all__ = ["propose"]

TEMPERATURE = 0.7
"""Of the merge: several wordings are wanted."""
MERGE_TOKENS = 700
MOST_EDITS = 8
"""Edits that one merge may hold: a batch that wants more says the same thing twice."""
SHOWN_FACTS = 6
ALIKE = 0.6
"""Token overlap (Jaccard) from which an edit is taken to come from a lesson."""

#: What each merge is asked for besides: another angle gives another wording.
ANGLES = (
    "Write each text as an order of actions: first this, then that.",
    "In each text say first what not to do, then what to do instead, in order.",
    "Write each text as you would tell a new colleague at the desk: which step comes first, and what to reply last.",
    "Write each text as short as you can: actions only.",
)


class EditReply(Reply):
    """One edit, as a model gives it."""

    op: Literal["add", "revise", "merge", "retire", "keep"]
    id: str | None = None
    ids: list[str] | None = None
    text: str | None = ""


class EditsReply(Reply):
    """The stage ``merge``."""

    edits: list[EditReply]


async def propose(
    ask: Ask,
    key: CallKey,
    bank: Bank,
    lessons: Sequence[Lesson],
    facts: Sequence[Fact],
    history: Sequence[Group],
    settings: Settings,
    *,
    specs: Sequence[ToolSpec] = (),
    user: Sequence[UserFeature] = (),
) -> tuple[Proposal, ...]:
    """Candidate changes of ``bank``, at most ``accept.candidates`` of them, the program's own first.

    Args:
        ask: The teacher.
        key: The batch's place; attempt k is the k-th merge.
        bank: What the agent reads now.
        lessons: The batch's lessons in task order; those that judges agree on more are read first.
        facts: Facts over ``history``.
        history: The groups that the recipe is looked for in: those sampled since the bank last changed.
        settings: ``accept.candidates``, ``memory.max_words``, ``practice.ground_truth``.
        specs: The agent's tools.
        user: The user's own features.

    A merge that fails is left out; CallFailed is raised only where every merge failed and the program found no
    recipe. Identical proposals are one. An edit over ``memory.max_words`` is shortened by one more call, and left
    as it is where that does not help: the memory's check refuses and logs it.
    """
    most = settings.accept.candidates
    lessons = sorted(lessons, key=lambda lesson: -lesson.weight)  # stable: equal weights stay in task order
    recipe = find_recipe(visible(history, settings), specs, user)
    found: list[Proposal] = []
    if recipe is not None:
        found += await _from_facts(ask, key, bank, recipe, facts, history, settings, most=(most + 1) // 2)
    failures: list[CallFailed] = []

    async def merge(attempt: int) -> Proposal | None:
        try:
            return await _from_teacher(ask, key, attempt, bank, lessons, facts, recipe, settings)
        except CallFailed as error:
            failures.append(error)
            return None

    merges = range(max(0, most - len(found)) if lessons else 0)
    found += [proposal for proposal in await gather(*map(merge, merges)) if proposal is not None]
    distinct: dict[object, Proposal] = {}
    for proposal in found:
        if proposal.edits:
            distinct.setdefault(tuple((e.op, e.id, e.ids, _plain(e.text)) for e in proposal.edits), proposal)
    if failures and not distinct:
        raise failures[0]
    return tuple(distinct.values())


# ---------------------------------------------------------------- worded by the program


async def _from_facts(
    ask: Ask,
    key: CallKey,
    bank: Bank,
    recipe: Recipe,
    facts: Sequence[Fact],
    history: Sequence[Group],
    settings: Settings,
    *,
    most: int,
) -> list[Proposal]:
    """The recipe as one new lesson each: the situation in the program's words and in the teacher's."""
    words = settings.memory.max_words
    known = {_plain(experience.text) for experience in bank.experiences}
    recipe = opened(recipe, facts)
    texts = [render(recipe, max_words=words)]
    if most > 1:
        when = await _situation(ask, key, recipe, history)
        texts.append(render(recipe, when=when, instead=True, max_words=words))
    lessons = list(dict.fromkeys(text for text in texts if text and _plain(text) not in known))
    return [
        Proposal(edits=(Edit(op="add", text=text, evidence=recipe.evidence, origin="facts"),), label=f"facts-{number}")
        for number, text in enumerate(lessons, 1)
    ]


class SituationReply(Reply):
    """When a lesson applies."""

    when: str = ""


SITUATION_WORDS = 8
LEAST_WORDS = 3
"""Of a situation: who or what, and what it does; "calculate" alone is none."""


async def _situation(ask: Ask, key: CallKey, recipe: Recipe, history: Sequence[Group]) -> str:
    """The teacher's words for the tasks at hand ("a problem needs arithmetic"); general ones where it finds none."""
    tasks = list(dict.fromkeys(group.task.input for group in history))[:4]
    text = template(
        "situation",
        tasks="\n".join(f"- {' '.join(task.split())[:300]}" for task in tasks),
        do=" ".join((render(recipe) or "").split(", ", 1)[-1:]).rstrip("."),
        words=str(SITUATION_WORDS),
    )
    place = key.model_copy(update={"evaluator": "situation", "attempt": 0, "step": 0})
    try:
        reply = await structured(ask, place, request(text, 100), SituationReply)
    except CallFailed:
        return "you get a task"
    when = re.sub(r"^when(ever)?\s+", "", " ".join(reply.when.split()), flags=re.IGNORECASE).rstrip(" .,:;…")
    general = LEAST_WORDS <= len(when.split()) <= SITUATION_WORDS and not re.search(r"\d", when)
    return when if general else "you get a task"


# ---------------------------------------------------------------- worded by the teacher


async def _from_teacher(
    ask: Ask,
    key: CallKey,
    attempt: int,
    bank: Bank,
    lessons: Sequence[Lesson],
    facts: Sequence[Fact],
    recipe: Recipe | None,
    settings: Settings,
) -> Proposal:
    """One merge of the batch's lessons into the bank."""
    place = key.model_copy(update={"attempt": attempt})
    shown = [f"- {sentence(fact)}" for fact in worth_telling(facts, settings) if fact.q <= ALPHA][:SHOWN_FACTS]
    text = template(
        "merge",
        facts="\n".join(shown) or "(none that is more than chance)",
        procedure=_procedure(recipe),
        bank="\n".join(f"{e.id}: {e.text}" for e in bank.experiences if e.status != "retired") or "(none yet)",
        lessons="\n".join(f"- {text}" for text in dict.fromkeys(lesson.text for lesson in lessons)),
        words=str(settings.memory.max_words),
        angle=ANGLES[attempt % len(ANGLES)],
    )
    wanted = request(text, MERGE_TOKENS, TEMPERATURE)
    reply = await structured(ask, place, wanted, EditsReply, shape=edits_shape(bank))
    edits: list[Edit] = []
    for number, item in enumerate(reply.edits):
        words = " ".join((item.text or "").split())
        if len(words.split()) > settings.memory.max_words and item.op != "retire":
            words = await _shorten(ask, place.model_copy(update={"step": 2 + 2 * number}), words, settings)
        edits.append(
            Edit(
                op=item.op,
                id=None if item.op == "add" else item.id,
                ids=tuple(item.ids or ()),
                text=words,
                evidence=_evidence(words, lessons),
            )
        )
    return Proposal(edits=tuple(dict.fromkeys(edits)), label=f"teacher-{attempt + 1}")


def edits_shape(bank: Bank) -> dict[str, Any]:
    """The contract's schema of edits, narrowed to what can be done with ``bank``.

    An empty bank can only be added to, and only ids that exist can be named: a small model under a grammar can
    then not lose itself in ids that it makes up.
    """
    ids = [experience.id for experience in bank.experiences if experience.status != "retired"]
    fields: dict[str, Any] = {"op": {"type": "string", "enum": ["add"]}, "id": {"type": "null"}}
    if ids:
        name = {"type": "string", "enum": ids}
        fields["op"]["enum"] = ["add", "revise", "retire", "keep", *(["merge"] if len(ids) > 1 else [])]
        fields["id"] = {"anyOf": [name, {"type": "null"}]}
        fields["ids"] = {"type": "array", "items": name, "maxItems": len(ids)}
    fields["text"] = {"type": "string"}
    item = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    return {
        "type": "object",
        "properties": {"edits": {"type": "array", "items": item, "maxItems": MOST_EDITS}},
        "required": ["edits"],
        "additionalProperties": False,
    }


async def _shorten(ask: Ask, place: CallKey, text: str, settings: Settings) -> str:
    """``text`` within ``memory.max_words``, or as it was where the teacher does not manage."""
    words = settings.memory.max_words
    asked = template("shorten", words=str(words), text=text)
    try:
        reply = await structured(ask, place, request(asked, 200), EditsReply)
    except CallFailed:
        return text
    shorter = " ".join((reply.edits[0].text or "").split()) if reply.edits else ""
    usable = shorter and len(shorter.split()) <= words and not _echo(shorter, asked.replace(text, ""))
    return shorter if usable else text


def _echo(text: str, instruction: str) -> bool:
    """Whether a reply says back what was asked: most of its words stand in the instruction, in the same order."""
    said, asked = _plain(text).split(), f" {_plain(instruction)} "
    runs = [f" {' '.join(said[place : place + 3])} " in asked for place in range(len(said) - 2)]
    return bool(runs) and sum(runs) >= len(runs) / 2


def _procedure(recipe: Recipe | None) -> str:
    if recipe is None:
        return "(no procedure that is more than chance)"
    steps = [f"{place}. {part.do}" for place, part in enumerate(recipe.parts, 1)]
    counts = f"Right: {recipe.right:g} of {recipe.n}; all others: {recipe.other_right:g} of {recipe.other_n}."
    return "\n".join([*steps, counts])


def _evidence(text: str, lessons: Sequence[Lesson]) -> tuple[str, ...]:
    """The rollouts of the lessons that an edit says again; of all the batch's where it resembles none."""
    mine = set(_plain(text).split())

    def alike(lesson: Lesson) -> float:
        other = set(_plain(lesson.text).split())
        return len(mine & other) / len(mine | other) if mine | other else 0.0

    near = [lesson for lesson in lessons if alike(lesson) >= ALIKE]
    return tuple(dict.fromkeys(name for lesson in near or lessons for name in lesson.evidence))[:10]


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
