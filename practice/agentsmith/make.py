"""From a description to an agent on disk.

    order -> clarify -> tools (found, or made) -> instructions, name -> starter tasks -> files -> smoke task

The first four are what ``workflow`` does in this order and ``meta`` leaves to an agent; what such an agent leaves
undone is done here. The rest is the program's in both: tasks, files and the smoke task decide nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from practice.agent import Agent
from practice.agentsmith import files, steps
from practice.agentsmith.bench import READERS, Bench, Make, Person, tool_lines
from practice.agentsmith.drafts import draft
from practice.agentsmith.meta import let_build
from practice.agentsmith.smoke import HELLO, Smoke, smoke_of, smoke_task
from practice.agentsmith.types import Drafted, MadeAgent, Order
from practice.calls import Ask
from practice.config import Workspace
from practice.errors import InputError, RunError
from practice.sandbox import Engine
from practice.tool import Tool
from practice.toolsmith import make as make_tool
from practice.toolsmith.desk import Desk

__all__ = ["check_order", "make_agent"]


async def make_agent(
    order: Order,
    *,
    ask: Ask,
    own: Ask | None = None,
    workspace: Workspace,
    engine: Engine,
    person: Person | None = None,
    seed: int = 0,
    told: Callable[[str], None] | None = None,
    make: Make = make_tool,
) -> MadeAgent:
    """An agent that does what ``order`` says, with tools, starter tasks and a run's settings.

    Args:
        order: What is wanted.
        ask: The model that builds; every call has the stage ``generate``.
        own: The agent's own model, for the smoke task; by default the one that builds.
        workspace: Where the files go, and whose tools may serve.
        engine: The sandbox in which all code runs that nobody has read.
        person: Answers questions; without one the assumptions hold.
        seed: With the description it decides the seed of every call.
        told: Is given one line a step, for a live display.
        make: What makes a tool.

    Where a step comes to nothing the program goes on without it and says so in ``notes``: the agent's file is valid
    in any case. Nothing but tools is written before the end. Raises InputError for an empty description and a name
    that is taken, EndpointError where the model can't be reached.
    """
    check_order(order, workspace)
    desk = Desk(ask, f"agent: {order.what}", seed, told)
    bench = Bench(order, workspace, ask, engine, desk, seed, person, make)
    built = order.mode == "meta" and await let_build(bench)
    await _build(bench, alone=not built)
    tools = bench.trial_tools()
    drafted = await _drafted(bench, tools)
    assert bench.instructions is not None  # _build saw to it
    text = files.instructions_text(bench.instructions, tool_lines(tools), bench.answered, drafted)
    name = order.name or files.free_name(workspace, bench.name)
    fields = files.agent_fields(name, bench.description, order.model, text, bench.refs)
    smoke = await _smoke(bench, own or ask, name, text, tools, drafted)
    path, tasks, config = files.write(workspace, name, fields, drafted)
    _closing_notes(bench, drafted, config)
    return MadeAgent(
        agent=name,
        path=path,
        config=config,
        tasks=tasks,
        verified=drafted.counts(),
        verify=_verify(drafted),
        mode=order.mode,
        model=order.model.described,
        description=bench.description,
        questions=tuple(bench.answered),
        tools=tuple(bench.chosen),
        smoke=smoke,
        notes=tuple(bench.notes),
        log=tuple(desk.log),
        retries=desk.retries + bench.retried,
        usage=desk.usage + bench.spent,
    )


def check_order(order: Order, workspace: Workspace) -> None:
    """Raise InputError for an order without words, and for a name that is taken or that files can't have."""
    if not order.what.strip():
        raise InputError("what the agent is to do, in words", found="nothing", key="WHAT")
    if order.name is not None:
        files.check_name(workspace, order.name)


async def _build(bench: Bench, *, alone: bool) -> None:
    """The fixed steps: all of them where they work ``alone``, else those that a building agent left undone."""
    desk = bench.desk
    if alone and not bench.answered:
        desk.say("what does the description leave open?")
        for question in await steps.clarify(desk, bench.order.what):
            await bench.settle(question.question, question.assumption)
    if alone and not bench.chosen:
        desk.say("which functions does it need?")
        for need in await steps.needs(desk, bench.brief):
            await bench.equip(need)
    if bench.instructions is None:
        desk.say("instructions")
        specs = [tool.spec for tool in bench.trial_tools()]
        bench.instructions = await steps.instruct(desk, bench.brief, specs)
    if not bench.name:
        desk.say("a name")
        bench.name, bench.description = await steps.describe(desk, bench.brief)


async def _drafted(bench: Bench, tools: tuple[Tool, ...]) -> Drafted:
    """Starter tasks from the tools that compute; a reader's or an interpreter's requests would be about nothing."""
    bench.desk.say("starter tasks")
    general = {one.ref for one in bench.chosen if one.how == "fallback"} | set(READERS.values())
    computing = [tool for ref, tool in zip(bench.refs, tools, strict=True) if ref not in general]
    there = f"\nFiles that there are: {', '.join(bench.listed)}" if bench.listed else ""
    return await draft(bench.desk, bench.brief + there, computing)


async def _smoke(bench: Bench, own: Ask, name: str, text: str, tools: tuple[Tool, ...], drafted: Drafted) -> Smoke:
    """Let the agent do its first task, with its tools as they are tried."""
    task = drafted.tasks[0] if drafted.tasks else smoke_of(HELLO)
    bench.desk.say(f"smoke task: {task.input}")
    agent = Agent(
        name=name,
        model=bench.order.model,
        instructions=text,
        tools=tools,
        limits=files.LIMITS,
        workspace=bench.place,
    )
    try:
        return await smoke_task(agent, task, bench.complete(own, f"smoke:{task.id}"))
    except (InputError, RunError) as error:  # a tool that can't be opened, a model that is gone: the files are good
        return Smoke(passed=False, input=task.input, reason=str(error))


def _verify(drafted: Drafted) -> str:
    """How the agent can be verified, in words."""
    counts = drafted.counts()
    words = {
        "number": "compared as a number with what its tool computed in the sandbox",
        "exact": "compared letter by letter with what its tool computed in the sandbox",
        "rubric": "judged by a model, which is shown what its tool computed in the sandbox",
        "judge": "judged by a model alone, as no program can tell what is right (reward: judge)",
    }
    if not counts:
        return "no starter task could be drafted: write some into a tasks file, with answers where there are any"
    parts = [f"{number} {'task is' if number == 1 else 'tasks are'} {words[name]}" for name, number in counts.items()]
    return "; ".join(parts)


def _closing_notes(bench: Bench, drafted: Drafted, config: str | None) -> None:
    """What a person has to do or should know before they rely on it."""
    waiting = [one.ref for one in bench.chosen if one.ref is not None and not one.approved]
    for ref in dict.fromkeys(waiting):
        bench.notes.append(f"{ref} is in quarantine: practice tool show {ref}, then {bench.to_approve(ref)}")
    if {"number", "exact", "rubric"} & set(drafted.counts()):
        bench.notes.append("computed answers are as right as the tool: read a few before you rely on them")
    if config is not None:
        few = f"{len(drafted.tasks)} tasks are a start; the gate needs some dozens to tell a better memory from luck"
        bench.notes.append(few)
