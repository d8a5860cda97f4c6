"""What the fake server knows: small worlds in which a lesson helps, or does not.

A world sees what an endpoint sees: the messages and the stage header, nothing of the program. It finds tasks,
transcripts, lessons and the bank in the prompt by the sentences that it said itself, never by the prompt's wording.

    lessons   8 rules; success 0.3, or 0.9 where the system prompt holds the rule's method
    null      the same talk, but success is 0.5 whatever the prompt says
    right     always right
    tools     sums with a calculator: who calls it is right; called at 0.3, or 0.9 where a lesson says so
    text      the same, with the call written as JSON text
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from practice.types import Task

if TYPE_CHECKING:
    from tests.fakeserver import Asked, World

WITHOUT, WITH = 0.3, 0.9
"""Success without and with the lesson."""

METHODS = (
    "reverse the digits before adding both halves",
    "drop the leading letter and double what remains",
    "read the groups from right to left and join them",
    "subtract the check digit from the lot number",
    "count the vowels first and multiply by the crates",
    "take every second digit and sum those",
    "round down to whole dozens before dividing",
    "swap first and last position, then negate",
)
"""Rule k's method; an answer needs it, and a good attempt says it."""
CALCULATOR = "call the calculator with the whole expression before answering"

_TASK = re.compile(r"\[rule (\d+)\] Work out the code of lot [A-Z]-\d+\.")
_SUM = re.compile(r"\[sum\] What is ([\d +*-]+)\?")
_DONE = re.compile(r"Marked rule (\d+): I chose to ([a-z ,]+)\.")
_LESSON = re.compile(r"When a task (?:is marked rule \d+|holds a sum), [a-z ,]+\.")
#: On a line of the bank a lesson stands behind its id.
_HELD = re.compile(r"(?m)^\W*(?:id\W+)?[A-Za-z]{1,6}[-_]?\d+\W.*$")


def lesson(rule: int) -> str:
    """What a teacher says of rule ``rule`` (1 to 8)."""
    return f"When a task is marked rule {rule}, {METHODS[rule - 1]}."


SUM_LESSON = f"When a task holds a sum, {CALCULATOR}."


def make_tasks(n: int, rules: int = len(METHODS), *, start: int = 0) -> tuple[Task, ...]:
    """``n`` tasks of the worlds lessons, null and right, the rules in turn; ``start`` sets sets apart.

    Their answers are numbers of four digits: ``reward: number``.
    """
    inputs = [
        f"[rule {index % rules + 1}] Work out the code of lot {chr(65 + index % 26)}-{1000 + index}."
        for index in range(start, start + n)
    ]
    return tuple(Task(id=f"lot-{start + place}", input=text, answer=code(text)) for place, text in enumerate(inputs))


def make_sums(n: int, *, start: int = 0) -> tuple[Task, ...]:
    """``n`` tasks of the worlds tools and text; ``reward: number``."""
    texts = [f"{17 + 3 * index} * {23 + index % 7} + {index % 11}" for index in range(start, start + n)]
    return tuple(
        Task(id=f"sum-{start + place}", input=f"[sum] What is {text}?", answer=str(_value(text)))
        for place, text in enumerate(texts)
    )


def write_tasks(path: Path, tasks: Sequence[Task]) -> Path:
    """As JSONL: id, input, answer."""
    rows = [json.dumps({"id": task.id, "input": task.input, "answer": task.answer}) for task in tasks]
    path.write_text("".join(row + "\n" for row in rows), encoding="utf-8")
    return path


def code(text: str) -> str:
    """The right answer, which a program that has only the input can't guess."""
    return str(1000 + int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) % 9000)


# ---------------------------------------------------------------- rollouts


def lessons(asked: Asked) -> str:
    """Success 0.3 without and 0.9 with the rule's method in the system prompt."""
    return _staged(asked) or _attempt(asked, lambda rule: WITH if METHODS[rule - 1] in asked.system else WITHOUT)


def null(asked: Asked) -> str:
    """Success 0.5; right or wrong, an attempt says a method, so there are lessons, worth nothing."""
    return _staged(asked) or _attempt(asked, lambda _rule: 0.5, tells=True)


def right(asked: Asked) -> str:
    """Always right."""
    return _staged(asked) or _attempt(asked, lambda _rule: 1.0)


def _attempt(asked: Asked, success: Callable[[int], float], *, tells: bool = False) -> str:
    found = list(_TASK.finditer(asked.text))
    if not found:
        return "I see no task."
    task, rule = found[-1].group(), int(found[-1].group(1))
    good = asked.chance() < success(rule)
    how = f"I chose to {METHODS[rule - 1]}" if good or tells else "I went by feel"
    answer = code(task) if good else str(int(code(task)) + 1)
    return f"Marked rule {rule}: {how}.\nAnswer: {answer}"


def tools(asked: Asked) -> str | dict[str, Any]:
    """A sum: the calculator is called through the API."""
    return _staged(asked) or _sum(asked, as_text=False)


def text_tools(asked: Asked) -> str | dict[str, Any]:
    """A sum: the call is written as JSON text."""
    return _staged(asked) or _sum(asked, as_text=True)


def _sum(asked: Asked, *, as_text: bool) -> str | dict[str, Any]:
    found = list(_SUM.finditer(asked.text))
    if not found:
        return "I see no sum."
    expression = found[-1].group(1).strip()
    last = asked.body["messages"][-1]
    if last["role"] == "tool" or len(asked.body["messages"]) > 2:  # a result is back, as a tool's or as text
        return f"The calculator says {re.findall(r'-?[0-9]+', str(last['content']))[-1]}."
    if asked.chance() >= (WITH if CALCULATOR in asked.system else WITHOUT):
        return f"In my head that is {_value(expression) + 1}."
    arguments = {"expression": expression}
    if as_text:
        return json.dumps({"name": "calculator", "arguments": arguments})
    function = {"name": "calculator", "arguments": json.dumps(arguments)}
    call = hashlib.sha256(asked.raw).hexdigest()[:8]
    return {"content": None, "tool_calls": [{"id": f"call_{call}", "type": "function", "function": function}]}


def _value(expression: str) -> int:
    """A sum of products of whole numbers."""
    total = 0
    for term in expression.replace("-", "+-").split("+"):
        product = 1
        for factor in term.split("*"):
            product *= int(factor.replace(" ", ""))
        total += product
    return total


# ---------------------------------------------------------------- the other stages


def _staged(asked: Asked) -> str:
    """What a teacher or a judge says; nothing for a rollout or a call without a stage."""
    if asked.stage == "advantage":
        return json.dumps({"lessons": [{"text": text} for text in _lessons_in(asked.text)]})
    if asked.stage == "merge":
        return json.dumps({"edits": [{"op": "add", "id": None, "text": text} for text in _new_lessons(asked.text)]})
    if asked.stage == "summary":
        told = dict.fromkeys(match.group() for match in _DONE.finditer(asked.text))
        return " ".join(told) or "The attempt went by feel."
    if asked.stage == "judge":
        return json.dumps(_scores(asked))
    return "Understood." if asked.stage == "generate" else ""


def _lessons_in(text: str) -> list[str]:
    """One lesson for each method that an attempt in ``text`` says it used, and one for a calculator that was asked."""
    found = [lesson(int(match.group(1))) for match in _DONE.finditer(text)]
    if "The calculator says" in text:
        found.append(SUM_LESSON)
    return list(dict.fromkeys(found))


def _new_lessons(text: str) -> list[str]:
    """The lessons in ``text`` without those that stand behind an id: the bank holds these already."""
    held = {match.group() for line in _HELD.finditer(text) for match in _LESSON.finditer(line.group())}
    return [found for found in dict.fromkeys(match.group() for match in _LESSON.finditer(text)) if found not in held]


def _scores(asked: Asked) -> dict[str, Any]:
    """A score of 0 to 10 for each attempt that the schema names, by what stands behind its letter."""
    letters = [name for name in (asked.schema or {}).get("properties", {}) if len(name) == 1]
    spots = {letter: match.end() for letter in letters if (match := heading(letter, asked.text))}
    ends = sorted([*spots.values(), len(asked.text)])
    result: dict[str, Any] = {}
    for letter in letters:
        start = spots.get(letter, len(asked.text))
        end = next((spot for spot in ends if spot > start), len(asked.text))
        good = bool(_DONE.search(asked.text[start:end]))
        result[letter] = {"reason": "It says how." if good else "It does not say how.", "score": 9 if good else 2}
    return result


def heading(letter: str, text: str) -> re.Match[str] | None:
    """The line on which attempt ``letter`` begins."""
    return re.search(rf"(?m)^\W*(?:[Aa]ttempt\W+)?{letter}\b.{{0,12}}$", text)


WORLDS: dict[str, World] = {"lessons": lessons, "null": null, "right": right, "tools": tools, "text": text_tools}
