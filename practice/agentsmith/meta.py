"""The mode ``meta``: an agent of our own builds the agent, with the steps as its tools.

It may ask, look for tools, have some made, and change its mind; what it settles goes to the same bench that the fixed
steps work at, checked in the same way. What it leaves undone, the fixed steps do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from practice.agent import Agent, Limits
from practice.agentsmith import steps
from practice.agentsmith.bench import Bench
from practice.agentsmith.types import Need, Reach
from practice.errors import InputError
from practice.prompt import template
from practice.tool.find import find

__all__ = ["let_build"]

LIMITS = Limits(steps=20, tokens=1024, seconds=7200.0)
"""Of the building agent: a tool takes a small model minutes to make."""
MOST_TOOLS = 3


async def let_build(bench: Bench) -> bool:
    """Run the building agent; whether it came to its end. Where not, that is noted, and the fixed steps go on."""
    agent = Agent(
        name="agentsmith",
        model=bench.order.model,
        instructions=template("agent_meta"),
        tools=_tools(bench),
        limits=LIMITS,
        workspace=bench.place,
    )
    bench.desk.say("an agent builds it, with the steps as its tools")
    complete = bench.complete(bench.ask, f"meta:{bench.order.what}", "generate")
    rollout = await agent.run(bench.order.what, complete=complete, temperature=0.0)
    for step in rollout.steps:
        for result in step.results:
            bench.desk.say(f"{result.call.name}: {steps.one_line(result.content)[:160]}")
    if rollout.status != "done":
        why = rollout.failure.message if rollout.failure is not None else f"its limit of {rollout.limit}"
        bench.notes.append(f"the building agent did not come to its end ({why}); the fixed steps did the rest")
    return rollout.status == "done"


def _tools(bench: Bench) -> list[Callable[..., Any]]:
    """The steps, as functions that an agent can call. A ValueError is what the agent is told it did wrong."""

    async def ask_user(question: str, assumption: str) -> str:
        """Ask the user something on which the answers depend.

        Args:
            question: The question, at most 15 words.
            assumption: What holds where the user does not say.
        """
        if len(bench.answered) >= steps.QUESTIONS:
            raise ValueError("enough has been asked; go on with what is known")
        one = await bench.settle(steps.one_line(question), steps.one_line(assumption))
        return f"assume: {one.answer}" if one.assumed else one.answer

    def find_tools(query: str) -> str:
        """Look for functions that exist already.

        Args:
            query: A few words that say what the function does.
        """
        found = find(query, bench.place)
        lines = [f"{one.ref}: {steps.first_line(one.spec.description)}" for one in found]
        return "\n".join(lines) or "none; make_tool makes one"

    def use_tool(ref: str) -> str:
        """Give the assistant a function that find_tools named.

        Args:
            ref: As find_tools wrote it.
        """
        _room(bench)
        try:
            one = bench.take(ref.strip(), bench.order.what)
        except InputError as error:
            raise ValueError(str(error)) from None
        return f"the assistant now has {one.ref}"

    async def make_tool(what: str, reaches: Reach = "nothing") -> str:
        """Have a function written and tested for the assistant. It takes some minutes.

        Args:
            what: What the function does, "Given ..., return ...", with every rule or formula.
            reaches: web where it must fetch a page, files where it must read a file.
        """
        _room(bench)
        one = await bench.equip(Need(what=steps.one_line(what), reaches=reaches))
        return f"the assistant now has {one.ref}: {one.reason}" if one.ref else one.reason

    def write_instructions(role: str, steps_in_order: list[str], answer: str) -> str:
        """Write the assistant's instructions.

        Args:
            role: One sentence that begins with "You".
            steps_in_order: Two to four steps; one that uses a tool names it.
            answer: What the answer to the user holds.
        """
        if not role.strip():
            raise ValueError("role: one sentence that says what the assistant does")
        bench.instructions = steps.settled(role, steps_in_order, answer, bench.brief)
        return "written"

    def name_agent(name: str, description: str) -> str:
        """Name the assistant.

        Args:
            name: Two or three words in lower case with a hyphen between.
            description: What it is for, in at most 12 words.
        """
        if not steps.slug(name):
            raise ValueError("name: two or three words in lower case with a hyphen between")
        bench.name, bench.description = steps.slug(name), steps.one_line(description)
        return f"it is called {bench.name}"

    return [ask_user, find_tools, use_tool, make_tool, write_instructions, name_agent]


def _room(bench: Bench) -> None:
    if len(bench.refs) >= MOST_TOOLS:
        raise ValueError(f"it has enough: {', '.join(bench.refs)}")
