"""A scripted model for the toolsmith, and the tool that it writes in most tests."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from practice.calls import Ask, Calls, Endpoint
from practice.config import Workspace
from practice.fakes import ScriptedModel
from practice.tool.card import Card, CardInput, Permissions
from practice.toolsmith.plan import Argument, Plan
from practice.types import Request

needs_bwrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="runs in the engine bwrap, which is missing")

WISH = "Convert a number to a Roman numeral, for example 14 is XIV."
PLAN = {
    "purpose": "Convert an integer from 1 to 3999 to a Roman numeral in capital letters.",
    "name": "to roman",
    "arguments": [{"name": "number", "type": "int", "about": "The number, 1 to 3999."}],
    "returns": "str",
    "returns_about": "The numeral, as 'XIV'.",
    "errors": "the number is not from 1 to 3999",
}
ROMAN = Plan(
    name="to_roman",
    purpose="Convert an integer from 1 to 3999 to a Roman numeral in capital letters.",
    arguments=(Argument(name="number", type="int", about="The number, 1 to 3999."),),
    returns="str",
    returns_about="The numeral, as 'XIV'.",
    errors="the number is not from 1 to 3999",
)
RIGHT = """
def to_roman(number):
    if not 1 <= number <= 3999:
        raise ValueError("the number must be from 1 to 3999")
    pairs = [(1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL")]
    pairs += [(10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")]
    out = ""
    for value, letters in pairs:
        count = min(number // value, 4000)
        out += letters * count
        number -= value * count
    return out
"""
#: Without subtraction: IIII for four.
WRONG = RIGHT.replace('(4, "IV"), ', "").replace('(9, "IX"), ', "")
CASES: list[tuple[int, str]] = [(14, "XIV"), (1, "I"), (2024, "MMXXIV"), (4, "IV"), (3999, "MMMCMXCIX"), (40, "XL")]


def fenced(source: str) -> str:
    return f"Here it is:\n```python\n{source}\n```\nIt is done."


def case_reply(cases: Sequence[tuple[Any, Any]], name: str = "number") -> str:
    return json.dumps({"cases": [{"why": f"gives {r}", "arguments": {name: a}, "result": r} for a, r in cases]})


ERRORS = json.dumps({"cases": [{"why": "wrong", "arguments": {"number": number}} for number in (0, 4000)]})


def truthful(prompt: str) -> str:
    """Who is right about a Roman numeral, worked out."""
    namespace: dict[str, Any] = {}
    exec(RIGHT, namespace)
    number = int(re.findall(r"number=(-?\d+)", prompt)[-1])
    try:
        truth = f"the result {namespace['to_roman'](number)!r}"
    except ValueError:
        truth = "a ValueError"
    sides = dict(re.findall(r"^([AB]): (.*)$", prompt, re.MULTILINE))
    return next((letter for letter, said in sides.items() if said.startswith(truth)), "neither")


class Smith:
    """Answers each kind of question; lists are used up, their last answer stays."""

    def __init__(
        self,
        *,
        plan: Any = None,
        code: Sequence[str] = (RIGHT,),
        cases: Sequence[str] = (case_reply(CASES),),
        errors: str = ERRORS,
        repair: Sequence[str] = (RIGHT,),
        right: Callable[[str], str] = truthful,
        more: str = '{"cases": []}',
        covers: str = "nothing",
    ) -> None:
        self.answers: dict[str, list[str]] = {
            "Plan one Python": [json.dumps(plan or PLAN)],
            "Write one Python": [fenced(source) for source in code],
            "Write calls that test": list(cases),
            "A Python function must refuse": [errors],
            "Correct a Python": [fenced(source) for source in repair],
            "Tests of a Python function are too weak": [more],
            "An assistant needs a tool": [json.dumps({"needed": "x", "gives": "y", "covers": covers})],
        }
        self.right = right
        self.asked: list[str] = []
        self.model = ScriptedModel(self.reply)

    def reply(self, request: Request) -> str:
        prompt = request.messages[0].content
        if prompt.startswith("Two people disagree"):
            self.asked.append("Two people disagree")
            return json.dumps({"steps": "so", "right": self.right(prompt)})
        kind = next(kind for kind in self.answers if prompt.startswith(kind))
        self.asked.append(kind)
        answers = self.answers[kind]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    @property
    def ask(self) -> Ask:
        return Calls(backoff=0.0).ask(Endpoint(self.model))

    def count(self, kind: str) -> int:
        return sum(asked.startswith(kind) for asked in self.asked)


def empty_workspace(root: Path) -> Workspace:
    for folder in ("agents", "tools"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    return Workspace(root)


DOUBLE = '''"""Doubles."""


def double(number: int) -> int:
    """Double a number.

    Args:
        number: Any whole number.
    """
    return 2 * number
'''
DOUBLE_TESTS = "from tool import double\n\n\ndef test_two():\n    assert double(number=2) == 4\n"


def put_tool(
    place: Workspace,
    name: str = "double",
    source: str = DOUBLE,
    tests: str = DOUBLE_TESTS,
    permissions: Permissions | None = None,
) -> Path:
    """A generated tool on disk, as somebody else's workspace may hold one."""
    folder = place.tools / "generated" / name
    folder.mkdir(parents=True, exist_ok=True)
    card = Card(
        name=name,
        what="Double a number.",
        inputs=(CardInput(name="number", type="int"),),
        permissions=permissions or Permissions(),
    )
    for part, text in (("tool.py", source), ("test_tool.py", tests), ("card.yaml", card.yaml())):
        (folder / part).write_text(text)
    return folder
