"""``practice agent chat``: a conversation in the terminal, tool calls shown as they happen."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from practice.cli.common import AsJson, WorkspaceDir, print_json, workspace
from practice.errors import nearest

if TYPE_CHECKING:
    from practice.agent import Agent, Reach, StepComplete
    from practice.agent.standalone import Asks
    from practice.config import Workspace
    from practice.memory import Bank
    from practice.types import Completion, Message, Request, Rollout

HELP = {
    "/memory on|off": "with or without the experiences of the memory",
    "/history": "what was said so far",
    "/new": "forget the conversation; tools keep their state",
    "/help": "this list",
    "/quit": "end; so does Ctrl-D",
}
SHOWN = 400
"""Characters of a call or a result that the terminal is shown; the model sees all of it."""


@dataclass
class Chat:
    """One conversation: an agent, its memory, what was said."""

    agent: Agent
    bank: Bank | None
    say: Callable[[str], None]
    remembers: bool = False
    """Whether the bank's experiences are in the prompt."""
    history: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    turns: list[tuple[str, Rollout]] = field(default_factory=list["tuple[str, Rollout]"])

    async def turn(self, text: str, complete: StepComplete, reach: Reach | None = None) -> Rollout:
        """One question and its answer. A failed one leaves no trace in the history, so that it can be asked again.

        ``reach``: the models of the agents that the agent leads.
        """
        from practice.agent import conversation

        rollout = await self.agent.run(
            text,
            memory=self.bank if self.remembers else None,
            complete=shown(complete, self.say),
            reach=None if reach is None else lambda model: shown(reach(model), self.say),
            history=self.history,
        )
        self.turns.append((text, rollout))
        if rollout.status != "failed":
            self.history += conversation(text, rollout)
        return rollout

    def command(self, line: str) -> bool:
        """Obey ``/…``; whether the conversation goes on."""
        name, _, rest = line.strip().partition(" ")
        if name == "/quit":
            return False
        if name == "/memory":
            self.say(self._memory(rest.strip()))
        elif name == "/history":
            for message in self.history:
                self.say(f"{message['role']}: {_clip(_said(message))}")
        elif name == "/new":
            self.history.clear()
            self.say("the conversation is forgotten")
        elif name == "/help":
            for word, meaning in HELP.items():
                self.say(f"{word:16} {meaning}")
        else:
            like = nearest(name, [word.split(" ")[0] for word in HELP])
            self.say(f"there is no {name}" + (f"; did you mean {like}?" if like else "; /help lists what there is"))
        return True

    def _memory(self, word: str) -> str:
        if word not in ("", "on", "off"):
            return f"/memory on or /memory off, not {word!r}"
        if word and self.bank is not None:
            self.remembers = word == "on"
        return self.about_memory()

    def about_memory(self) -> str:
        """Whether a memory is in use, and which."""
        if self.bank is None:
            return "no memory (--memory BANK gives one)"
        return f"memory {'on' if self.remembers else 'off'}: {len(self.bank.active)} experience(s) of {self.bank.bank}"

    def document(self) -> dict[str, Any]:
        """The conversation for ``--json``."""
        from practice.types import Usage

        usage = sum((rollout.usage for _, rollout in self.turns), Usage())
        return {
            "agent": self.agent.spec.name,
            "memory": self.bank.bank if self.bank is not None else None,
            "turns": [{"input": text, **rollout.model_dump(mode="json")} for text, rollout in self.turns],
            "usage": usage.model_dump(mode="json"),
        }


def chat(
    name: Annotated[str, typer.Argument(help="An agent's name or file.")],
    memory: Annotated[
        str | None, typer.Option("--memory", metavar="BANK", help="A bank; /memory off and on switch it.")
    ] = None,
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Talk to an agent. Its tool calls are shown; /help lists what else can be typed."""
    from practice.agent import Agent
    from practice.cli.agent import agent_path
    from practice.cli.memory import bank_path
    from practice.memory import Bank

    place = workspace(directory)
    agent = Agent.from_yaml(agent_path(place, name), workspace=place)
    bank = Bank.load(bank_path(place, memory)) if memory else _own_bank(place, agent)
    talk = Chat(agent, bank, say=typer.echo, remembers=memory is not None)
    if sys.stdin.isatty():
        with suppress(ImportError):
            importlib.import_module("readline")  # gives input() arrow keys and a history of lines
        typer.echo(f"{agent.spec.name} ({agent.spec.model.name}); /help, /quit. {talk.about_memory()}")
    _talk(talk, place)
    if as_json:
        print_json(talk.document())


def _own_bank(place: Workspace, agent: Agent) -> Bank | None:
    """The bank of the agent's name, which /memory on takes up."""
    from practice.memory import Bank

    path = place.memory / f"{agent.spec.name}.yaml"
    return Bank.load(path) if path.is_file() else None


def _talk(talk: Chat, place: Workspace) -> None:
    """Read, answer, until the input ends. Ctrl-C ends an answer; at the prompt, the conversation."""
    from practice.agent.lasting import lasting
    from practice.agent.standalone import connections
    from practice.config import load_env

    load_env(place)
    # One loop for all turns, as connections belong to a loop; the prompt waits outside of it.
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            asks = runner.run(stack.enter_async_context(connections(talk.agent.spec.model, None, place.root)))
            tools = talk.agent.tools
            talk.agent = talk.agent.with_tools(lasting(tools, stack))
            while (line := _read()) is not None:
                if line.lstrip().startswith("/"):
                    if not talk.command(line):
                        break
                elif line.strip():
                    try:
                        rollout = runner.run(_turn(talk, line.strip(), asks))
                    except KeyboardInterrupt:
                        rollout = None
                    talk.say("(stopped)" if rollout is None else answer(rollout))
                    if rollout is None or rollout.status == "failed":
                        # A server that is gone, an interpreter in the middle of something: opened anew.
                        talk.agent = talk.agent.with_tools(lasting(tools, stack))
        finally:
            runner.run(stack.aclose())


async def _turn(talk: Chat, text: str, asks: Asks) -> Rollout:
    from practice.agent.standalone import step_complete

    turn = f"chat:{len(talk.turns)}"
    complete = step_complete(asks(talk.agent.spec.model), turn, 0)
    return await talk.turn(text, complete, lambda model: step_complete(asks(model), turn, 0))


def _read() -> str | None:
    """The next line; None at the end of the input."""
    try:
        if sys.stdin.isatty():
            return input("\n> ")
        line = sys.stdin.readline()
        return line or None
    except (EOFError, KeyboardInterrupt):
        return None


def answer(rollout: Rollout) -> str:
    """What the user reads at the end of a turn."""
    if rollout.failure is not None:
        return f"(no answer: {rollout.failure.message})"
    text = rollout.output or "(no answer)"
    return f"{text}\n(stopped by the agent's limit of {rollout.limit})" if rollout.limit else text


def shown(complete: StepComplete, say: Callable[[str], None]) -> StepComplete:
    """``complete``, with what tools were called and what they said told before the next step is asked for."""
    seen: list[tuple[Message, ...]] = []

    async def step(index: int, request: Request) -> Completion:
        # An agent that leads others talks with each of them apart: what is new is new in its own conversation.
        told = [len(one) for one in seen if request.messages[: len(one)] == one]
        for line in trace(request.messages[max(told) :] if told else ()):
            say(line)
        seen.append(request.messages)
        return await complete(index, request)

    return step


def trace(messages: Sequence[Message]) -> list[str]:
    """Calls and results among messages, a line each: ``-> calculator(expression="6 * 7")`` and ``<- 42``."""
    lines: list[str] = []
    for message in messages:
        lines += [f"  -> {call.name}({_clip(_arguments(call.arguments))})" for call in message.tool_calls]
        if message.role == "tool":
            lines.append(f"  <- {_clip(message.content)}")
    return lines


def _arguments(text: str) -> str:
    """JSON arguments as a person writes them."""
    try:
        value: Any = json.loads(text)
    except ValueError:
        return text
    if not isinstance(value, dict):
        return text
    return ", ".join(f"{name}={json.dumps(item, ensure_ascii=False)}" for name, item in value.items())  # pyright: ignore[reportUnknownVariableType]


def _said(message: dict[str, Any]) -> str:
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    told = ", ".join(f"{call['name']}({_arguments(call['arguments'])})" for call in calls)
    return " ".join(part for part in (message["content"], told) if part)


def _clip(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"
