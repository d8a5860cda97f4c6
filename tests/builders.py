"""A model that builds agents, scripted by what is asked of it; and a toolsmith that writes what a test gives it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from practice.calls import Ask, Calls, Endpoint
from practice.config import Workspace
from practice.fakes import ScriptedModel
from practice.sandbox import Engine
from practice.tool.card import Card, Permissions
from practice.toolsmith import Made, Unmade, Wish
from practice.types import Request, Usage

VAT = '''\
def add_vat(amount: float, rate: float) -> float:
    """Add VAT to an amount.

    Args:
        amount: The net amount.
        rate: The rate in percent.
    """
    if amount < 0:
        raise ValueError("the amount is negative")
    return amount + amount * rate / 100
'''


def need(what: str, reaches: str = "nothing") -> dict[str, str]:
    """A function that is needed."""
    return {"work": what, "what": what, "reaches": reaches}


NEED = need("Given an amount and a rate, return the amount with VAT.")
NO_MORE = {"work": "nothing", "what": "", "reaches": "nothing"}


def needs(*wanted: dict[str, str]) -> Callable[[Request], dict[str, str]]:
    """These functions one after the other, then no more."""
    left = list(wanted)
    return lambda request: left.pop(0) if left else NO_MORE


PASSING = "def test_nothing():\n    assert True\n"

#: What the building model says, by the name of the schema that it is asked for.
ANSWERS: Mapping[str, Any] = {
    "ClarifyReply": {"questions": [{"question": "Which currency?", "assumption": "Euro."}]},
    "NeedReply": lambda request: NEED if "It has these functions" not in request.messages[0].content else NO_MORE,
    "SameReply": {"needed": "a", "gives": "b", "covers": "nothing"},
    "InstructionsReply": {"role": "You add VAT.", "steps": ["1. Call add_vat."], "answer": "Give the sum."},
    "NameReply": {"description": "Adds VAT to net amounts.", "name": "VAT helper"},
    "RequestsReply": {
        "requests": [
            {"arguments": {"amount": amount, "rate": 20}, "request": f"What is {amount} with 20 % VAT?"}
            for amount in (100, 250, 40, 1200, -5)
        ]
    },
    "InputsReply": {"requests": ["Explain VAT to me.", "What is VAT for?"]},
}


def builder(
    answers: Mapping[str, Any] | None = None, speak: Callable[[Request], str] | None = None
) -> tuple[ScriptedModel, Ask]:
    """A scripted model and the way to ask it. ``speak`` answers what is asked without a schema: the agent's turns."""
    said = {**ANSWERS, **(answers or {})}

    def reply(request: Request) -> str:
        if request.json_schema is None:
            return (speak or agent_turn)(request)
        answer = said[request.schema_name]
        return answer if isinstance(answer, str) else json.dumps(answer(request) if callable(answer) else answer)

    model = ScriptedModel(reply)
    return model, Calls(backoff=0.0).ask(Endpoint(model))


def agent_turn(request: Request) -> str:
    """The agent that was made: calls its tool with the numbers of the request, then gives the result."""
    last = request.messages[-1]
    if last.role == "tool":
        return f"Answer: {last.content}"
    words = [word.strip("?%,.") for word in last.content.split()]
    numbers = [float(word) for word in words if word.replace(".", "").lstrip("-").isdigit()]
    if not request.tools or len(numbers) < 2:
        return "I add VAT."
    arguments = dict(zip(request.tools[0].parameters["properties"], numbers, strict=False))
    return json.dumps({"name": request.tools[0].name, "arguments": arguments})


class FakeToolsmith:
    """``make`` with a script: a source for each wish, or the reason why there is none."""

    def __init__(self, *outcomes: str | Unmade, name: str = "add_vat", tests: str = PASSING) -> None:
        self.outcomes, self.name, self.tests = list(outcomes), name, tests
        self.wishes: list[Wish] = []

    async def __call__(
        self,
        wish: Wish,
        *,
        ask: Ask,
        workspace: Workspace,
        engine: Engine,
        seed: int = 0,
        look: bool = True,
        told: Callable[[str], None] | None = None,
    ) -> Made | Unmade:
        self.wishes.append(wish)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Unmade):
            return outcome
        asked = Permissions(hosts=wish.hosts, read=wish.read)
        card = put_tool(workspace.root, self.name, outcome, asked, tests=self.tests)
        usage = Usage(calls=3, input_tokens=30, output_tokens=3)
        folder = f"tools/generated/{self.name}"
        return Made(name=self.name, ref=self.name, existing=False, folder=folder, card=card, usage=usage)


def put_tool(
    root: Path, name: str, source: str, permissions: Permissions | None = None, *, tests: str = PASSING
) -> Card:
    """A generated tool on disk, in quarantine."""
    folder = root / "tools/generated" / name
    folder.mkdir(parents=True)
    card = Card(name=name, what="Adds VAT to an amount.", permissions=permissions or Permissions())
    (folder / "tool.py").write_text(source)
    (folder / "test_tool.py").write_text(tests)
    (folder / "card.yaml").write_text(card.yaml())
    return card
