"""``code``: the model acts by writing Python, which runs in the sandbox."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from practice import prompt
from practice.agent.graph import GraphContext, State
from practice.tool import TextCalls, Tool, python_tool
from practice.types import ToolCall

if TYPE_CHECKING:
    from practice.agent.graph import Compiled

FINAL = "[final answer] "
"""How the result of a block begins that has given the final answer."""
_BLOCK = re.compile(r"```(?:python|py)[ \t]*\n(.*?)(?:\n?```|\Z)", re.S | re.I)
#: Defined anew before every block: a block may have overwritten it, or ended the interpreter.
_PRELUDE = """
class final_answer:
    given = []
    def __new__(cls, value):
        cls.given[:] = [str(value)]
"""
_GIVEN = "final_answer.given[0]"


def act(context: GraphContext) -> Compiled:
    """Python in the sandbox and the model in turn, until a block calls ``final_answer`` or a reply holds no code
    (Wang et al., CodeAct, arXiv 2402.01030, section 2; ``final_answer`` as in smolagents' CodeAgent).

    The first block of a reply is run; what the model wrote behind it, often a guess of its output, it is not shown
    again. Variables are kept from block to block.
    """
    from langgraph.graph import END, START, StateGraph

    name = context.tools[0].name

    async def model(state: State) -> State:
        said = await context.attempt.complete(_plain(state["messages"]), (), reads=lambda text: blocks(text, name))
        return {"messages": [said]}

    async def run(state: State) -> State:
        context.check()
        results = await context.call(state["messages"][-1])
        final = results[0]["content"]
        if not final.startswith(FINAL):
            return {"messages": results}
        output = final.removeprefix(FINAL)
        context.attempt.hold(output)
        return {"messages": [*results, {"role": "assistant", "content": output}]}

    def after_model(state: State) -> str:
        return "run" if context.has_calls(state["messages"][-1]) else END

    def after_run(state: State) -> str:
        return END if state["messages"][-1]["role"] == "assistant" else "model"

    graph: Any = StateGraph(State)
    graph.add_node("model", model)
    graph.add_node("run", run)
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", after_model, ["run", END])
    graph.add_conditional_edges("run", after_run, ["model", END])
    return graph.compile()


def code_tool(tool: Tool | None = None) -> Tool:
    """The built-in tool ``python``, whose blocks can call ``final_answer(value)``.

    Raises SandboxMissing where this machine has no sandbox.
    """
    inner = tool or python_tool()
    assert inner.opening is not None
    opening = inner.opening

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Callable[..., Any]]:
        async with opening() as run:
            assert callable(run)
            yield _with_final_answer(run)

    return replace(inner, opening=opened)


def instructed(instructions: str) -> str:
    """The instructions with how to act by code."""
    return "\n\n".join(part for part in (instructions.rstrip(), prompt.template("strategy_code")) if part)


def blocks(text: str, name: str) -> TextCalls:
    """The first block of Python in a reply, as a call of the tool ``name``."""
    found = _BLOCK.search(text)
    if found is None or not found[1].strip():
        return TextCalls((), text, text)
    call = ToolCall(id="", name=name, arguments=json.dumps({"code": found[1]}, ensure_ascii=False))
    before = text[: found.start()].rstrip()
    rest = "\n".join(part for part in (before, text[found.end() :].strip()) if part)
    return TextCalls((call,), rest, before)


# ---------------------------------------------------------------- inside


def _with_final_answer(run: Callable[..., Any]) -> Callable[..., Any]:
    async def python(code: str) -> str:
        await run(code=_PRELUDE)
        shown = await run(code=code)
        try:
            given = await run(code=_GIVEN)
        except ValueError:
            return shown  # none was given
        return FINAL + _text(given)

    return python


def _text(shown: str) -> str:
    """The text that a prompt shows as a literal; as it stands where it was too long to be shown whole."""
    try:
        return str(ast.literal_eval(shown))
    except (ValueError, SyntaxError):
        return shown


def _plain(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The conversation as the model wrote it: code in its text, results as what the user says."""
    plain: list[dict[str, Any]] = []
    for message in messages:
        if message["role"] == "tool":
            plain.append({"role": "user", "content": f"Output:\n{message['content']}"})
        elif message.get("tool_calls"):
            code = json.loads(message["tool_calls"][0]["function"]["arguments"]).get("code", "")
            text = "\n".join(part for part in (message["content"], f"```python\n{code}\n```") if part)
            plain.append({"role": "assistant", "content": text})
        else:
            plain.append(message)
    return plain
