"""What the agentsmith asks of a model: one thing at a time, under a JSON schema, each with an answer to fall back on.

Nothing that a model says goes into a file as it is: the program writes YAML from values that it has checked, so that
a small model can make a poor agent but not a broken one.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict

from practice.agentsmith.types import Answered, Instructions, Need, Question, Reach
from practice.errors import CallFailed, EndpointError
from practice.tool.find import terms
from practice.toolsmith.desk import Desk
from practice.types import ToolSpec

__all__ = ["brief", "clarify", "describe", "instruct", "needs", "one_line", "signature", "slug", "told"]

QUESTIONS = 2
"""Most questions about a description."""
FUNCTIONS = 2
"""Most functions that an agent is given: each is a place where a small model can go wrong."""
_NOTHING = re.compile(r"\W*(?:nothing|none|no|n/?a)?\W*", re.IGNORECASE)
ALIKE = 0.6
"""Two needs of which so large a share of the words is the same are one."""

T = TypeVar("T")


class _Reply(BaseModel):
    """What a model may add beside what is asked is no reason to ask again."""

    model_config = ConfigDict(extra="ignore")


class QuestionReply(_Reply):
    """A question as a model states it."""

    question: str
    assumption: str


class ClarifyReply(_Reply):
    """The answer to ``agent_clarify``."""

    questions: list[QuestionReply]


class NeedReply(_Reply):
    """The answer to ``agent_needs`` and to ``agent_more``; ``work`` comes first, so that a model thinks first."""

    work: str
    what: str
    reaches: Reach


class InstructionsReply(_Reply):
    """The answer to ``agent_instructions``."""

    role: str
    steps: list[str]
    answer: str


class NameReply(_Reply):
    """The answer to ``agent_name``."""

    description: str
    name: str


async def clarify(desk: Desk, what: str) -> tuple[Question, ...]:
    """What the description leaves open; nothing where the model finds nothing."""
    shape = _listed(
        "questions", QUESTIONS, {"question": {"type": "string"}, "assumption": {"type": "string", "maxLength": 120}}
    )
    asked = desk.fill(
        "agent_clarify", ClarifyReply, shape=shape, temperature=0.0, max_tokens=300, what=what, count=str(QUESTIONS)
    )
    reply = await _or_else(desk, asked, ClarifyReply(questions=[]), "no questions")
    questions = (Question(question=one_line(q.question), assumption=one_line(q.assumption)) for q in reply.questions)
    return tuple(q for q in questions if q.question and q.assumption)[:QUESTIONS]


async def needs(desk: Desk, brief: str) -> tuple[Need, ...]:
    """The functions that the agent needs: one for the whole work, and a further one for what it leaves.

    One is asked for first, since a small model asked for a list takes the work apart. Where the model gives no answer
    to that, a function that does what the description says.
    """
    whole = NeedReply(work=one_line(brief), what=one_line(brief), reaches="nothing")
    instead = "the description itself is taken for what a function must do"
    found: list[Need] = []
    while len(found) < FUNCTIONS:
        if found:
            have = "\n".join(f"- {need.what}" for need in found)
            asked = _need(desk, "agent_more", brief=brief, functions=have)
            reply = await _or_else(desk, asked, NeedReply(work="", what="", reaches="nothing"), "no further function")
        else:
            reply = await _or_else(desk, _need(desk, "agent_needs", brief=brief), whole, instead)
        what = one_line(reply.what) or one_line(reply.work)
        if _NOTHING.fullmatch(reply.work) or not what or any(_alike(what, need.what) for need in found):
            break
        found.append(Need(what=what, reaches=reply.reaches))
    return tuple(found)


def _need(desk: Desk, template: str, **values: str) -> Awaitable[NeedReply]:
    text = {"type": "string", "maxLength": 500}
    reaches = {"type": "string", "enum": list(get_args(Reach))}
    shape = _object({"work": {"type": "string", "maxLength": 160}, "what": text, "reaches": reaches})
    return desk.fill(template, NeedReply, shape=shape, temperature=0.0, max_tokens=300, **values)


async def instruct(desk: Desk, brief: str, tools: Sequence[ToolSpec]) -> Instructions:
    """The parts of the system prompt; from the description alone where the model gives none."""
    text = {"type": "string", "maxLength": 300}
    steps = {"type": "array", "items": {"type": "string", "maxLength": 200}, "minItems": 1, "maxItems": 4}
    shape = _object({"role": text, "steps": steps, "answer": text})
    shown = "\n".join(f"- {signature(tool)}: {first_line(tool.description)}" for tool in tools) or "none"
    asked = desk.fill(
        "agent_instructions",
        InstructionsReply,
        shape=shape,
        temperature=0.0,
        max_tokens=500,
        brief=brief,
        tools=shown,
    )
    plain = InstructionsReply(role=f"You are an assistant. {one_line(brief)}", steps=[], answer="")
    reply = await _or_else(desk, asked, plain, "the description is taken for the instructions")
    return settled(reply.role, reply.steps, reply.answer, brief)


def settled(role: str, steps: Sequence[str], answer: str, brief: str) -> Instructions:
    """Instructions as they may stand: one line a part, each step once, the role never empty."""
    numbered = (re.sub(r"^(?:step\s*)?\d+[.):]\s*", "", one_line(step), flags=re.IGNORECASE) for step in steps)
    kept = tuple(dict.fromkeys(step for step in numbered if step))
    return Instructions(
        role=one_line(role) or f"You are an assistant. {one_line(brief)}", steps=kept[:6], answer=one_line(answer)
    )


async def describe(desk: Desk, brief: str) -> tuple[str, str]:
    """(name, description); made of the description's own words where the model gives none."""
    shape = _object({"description": {"type": "string", "maxLength": 160}, "name": {"type": "string", "maxLength": 40}})
    asked = desk.fill("agent_name", NameReply, shape=shape, temperature=0.0, max_tokens=120, brief=brief)
    words = NameReply(description=one_line(brief)[:120], name="-".join(terms(brief)[:2]))
    reply = await _or_else(desk, asked, words, "a name of the description's words")
    return slug(reply.name) or slug(words.name) or "agent", one_line(reply.description) or words.description


# ---------------------------------------------------------------- text


def brief(what: str, answered: Sequence[Answered]) -> str:
    """The description with what a person answered. Assumptions stay out: no tool is built on a guess."""
    lines = [f"{one.question} {one.answer}" for one in answered if not one.assumed]
    return "\n".join([what.strip(), *lines])


def slug(text: str) -> str:
    """``Unit Converter!`` -> ``unit-converter``; at most four words, empty where nothing is left."""
    words = re.findall(r"[a-z0-9]+", text.casefold())
    return "-".join(words[:4])[:40].rstrip("-")


def one_line(text: str) -> str:
    """Text without line breaks and with single blanks."""
    return " ".join(text.split())


def first_line(text: str) -> str:
    """The first line of a docstring."""
    return text.strip().splitlines()[0] if text.strip() else ""


def signature(tool: ToolSpec) -> str:
    """``convert(value, from_unit, to_unit)``."""
    properties: dict[str, Any] = tool.parameters.get("properties", {})
    return f"{tool.name}({', '.join(properties)})"


def told(tool: ToolSpec) -> str:
    """A function for a prompt: signature, what it does, what its arguments mean. A grammar shows a model none of it."""
    properties: dict[str, dict[str, Any]] = tool.parameters.get("properties", {})
    lines = [f"- {name}: {schema.get('description') or schema.get('type', '')}" for name, schema in properties.items()]
    return "\n".join([signature(tool), tool.description.strip(), *lines])


# ---------------------------------------------------------------- inside


async def _or_else(desk: Desk, asked: Awaitable[T], instead: T, consequence: str) -> T:
    """What was asked for; where the call came to nothing, ``instead``, and a line that says so.

    Raises EndpointError where the model never answered at all: then nothing that is made would be worth anything.
    """
    try:
        return await asked
    except CallFailed as error:
        if not desk.usage.calls:
            raise EndpointError(f"the model does not answer: {error}") from error
        desk.say(f"{error}; {consequence}")
        return instead


def _alike(a: str, b: str) -> bool:
    first, second = set(terms(a)), set(terms(b))
    return len(first & second) >= ALIKE * max(1, len(first | second))


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _listed(name: str, most: int, properties: dict[str, Any]) -> dict[str, Any]:
    """An object that holds one list of at most ``most`` objects: a small model under a grammar then stops."""
    return _object({name: {"type": "array", "items": _object(properties), "maxItems": most}})
