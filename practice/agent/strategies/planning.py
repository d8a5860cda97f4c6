"""``plan_execute``: a plan, the agents that carry it out, and the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from practice import prompt
from practice.agent.attempt import Errand
from practice.agent.graph import GraphContext, State
from practice.agent.messages import calls_of
from practice.agent.strategies.errands import (
    asked,
    decide,
    lent,
    refused,
    reported,
    request_of,
    require_time,
    result_of,
    spoken,
)
from practice.agent.team import by_handle, told
from practice.model import parse_json
from practice.types import ToolCall

if TYPE_CHECKING:
    from practice.agent.builder import Agent
    from practice.agent.graph import Compiled

STEPS = 8
"""Most steps of one plan."""


@dataclass(frozen=True)
class Done:
    """A step of a plan and what came of it."""

    agent: str
    task: str
    result: str


class _Planning(State):
    request: str
    before: list[dict[str, Any]]
    """What was said before the request."""
    plan: dict[str, Any]
    """The latest plan as its message, calls and all."""
    plans: int
    done: list[Done]
    """All steps so far."""
    reported: int
    """How many of them the leader was told of."""
    next: Literal["plan", "act", "answer", "end"]


def plan_execute(context: GraphContext) -> Compiled:
    """A plan is made, its steps are carried out by agents one after another, and the results make the answer (Wang
    et al., Plan-and-Solve, arXiv 2305.04091, section 2; planner, workers and solver apart: Xu et al., ReWOO, arXiv
    2305.18323, section 2).

    Each step's agent is shown the request, the steps before it with their results, and its own. Then the leader plans
    what is still missing, until that is nothing or ``plans`` is reached, and answers.
    """
    from langgraph.graph import END, START, StateGraph

    agents, most = by_handle(context.parts), context.spec.strategy.plans
    schema = _schema(list(agents))

    async def plan(state: _Planning) -> dict[str, Any]:
        made, done = state.get("plans", 0), state.get("done", [])
        ask = [_user("strategy_replan", _news(state))] if made else []
        seen = [*spoken(state["messages"]), *ask]
        message, calls = await decide(context, seen, schema, lambda text: read_plan(text, list(agents)))
        unread = calls is None and not made
        if unread:
            context.attempt.hold(message["content"])  # then what was said is the answer
        begun = {} if made else dict(zip(("request", "before"), request_of(state["messages"]), strict=True))
        return {
            **begun,
            "messages": [*ask, {"role": "assistant", "content": message["content"]}],
            "plan": message,
            "plans": made + 1,
            "done": done,
            "reported": len(done),
            "next": "act" if calls else "end" if unread else "answer",
        }

    async def act(state: _Planning) -> dict[str, Any]:
        attempt, done, calls = context.attempt, list(state["done"]), calls_of(state["plan"])
        later = 2 * (most - state["plans"]) + 1  # the calls that plans and the answer need
        errands: dict[str, Errand] = {}
        for place, call in enumerate(calls):
            require_time(attempt)
            kept = later + sum(agents[other.name].least_steps for other in calls[place + 1 :])
            agent, share, task = agents[call.name], attempt.left - kept, read_task(call)
            if (part := lent(agent, attempt, share)) is None:
                result = refused(call, share)
            else:
                asked_for = _step(state["request"], done, task)
                result = reported(call, await agent.work(part, asked_for, state["before"]))
                attempt.hold(result.content)
            done.append(Done(call.name, task, result.content))
            errands[call.id] = result_of(result)
        await attempt.answer(state["plan"], errands)
        return {"done": done, "next": "answer" if state["plans"] == most else "plan"}

    async def answer(state: _Planning) -> State:
        ask = _user("strategy_answer", _news(state))
        said = await context.complete([*spoken(state["messages"]), ask])
        cut = context.attempt.own_steps[-1].finish == "length"
        context.attempt.hold(said["content"], "tokens" if cut else None)
        return {"messages": [ask, said]}

    def after(state: _Planning) -> str:
        return state["next"]

    graph: Any = StateGraph(_Planning)
    graph.add_node("plan", plan)
    graph.add_node("act", act)
    graph.add_node("answer", answer)
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", after, {"act": "act", "answer": "answer", "end": END})
    graph.add_conditional_edges("act", after, ["plan", "answer"])
    graph.add_edge("answer", END)
    return graph.compile()


def how_to_plan(parts: Sequence[Agent]) -> str:
    """What stands behind a planner's instructions."""
    several = len(parts) > 1
    step = '{"agent": its name, "task": what it is to do}' if several else "a sentence that says what is to be done"
    return prompt.template("strategy_plan", agents=told(parts), most=str(STEPS), step=step)


def read_plan(text: str, names: Sequence[str]) -> tuple[ToolCall, ...] | None:
    """The steps of a plan as calls, at most :data:`STEPS`; None where it can't be read or names an unknown agent."""
    said = parse_json(text)
    steps = cast("dict[str, object]", said).get("steps") if isinstance(said, dict) else None
    if not isinstance(steps, list):
        return None
    calls = [_planned(step, names) for step in cast("list[object]", steps)[:STEPS]]
    known = tuple(call for call in calls if call is not None)
    return known if len(known) == len(calls) else None


def read_task(call: ToolCall) -> str:
    """What a step of a plan says is to be done."""
    said = parse_json(call.arguments)
    return str(cast("dict[str, object]", said).get("task", "")) if isinstance(said, dict) else ""


# ---------------------------------------------------------------- inside


def _planned(step: object, names: Sequence[str]) -> ToolCall | None:
    only = names[0] if len(names) == 1 else None
    fields = cast("dict[str, object]", step) if isinstance(step, dict) else {"task": step}
    task, name = fields.get("task"), fields.get("agent", only)
    if not isinstance(task, str) or not task.strip() or not isinstance(name, str):
        return None
    wanted = name.strip().casefold()
    found = next((known for known in names if known.casefold() == wanted), only)
    return None if found is None else asked(found, task=task.strip())


def _step(input: str, done: Sequence[Done], task: str) -> str:
    """What an agent is asked that carries out one step."""
    return prompt.template("strategy_step", input=input, done=_listed(done) or "(nothing yet)", task=task)


def _news(state: _Planning) -> str:
    """What came of the steps that the leader was not told of yet."""
    return _listed(state["done"][state["reported"] :])


def _listed(done: Sequence[Done]) -> str:
    return "\n".join(f"{n}. {step.agent}: {step.task}\nResult: {step.result}" for n, step in enumerate(done, 1))


def _user(template: str, news: str) -> dict[str, Any]:
    told = f"What came of the plan:\n{news}" if news else ""
    return {"role": "user", "content": "\n\n".join(part for part in (told, prompt.template(template)) if part)}


def _schema(names: Sequence[str]) -> dict[str, Any]:
    task: dict[str, Any] = {"type": "string"}
    if len(names) > 1:
        parts: dict[str, Any] = {"agent": {"type": "string", "enum": list(names)}, "task": task}
        task = {"type": "object", "properties": parts, "required": list(parts), "additionalProperties": False}
    return {
        "type": "object",
        "properties": {"reason": {"type": "string"}, "steps": {"type": "array", "items": task, "maxItems": STEPS}},
        "required": ["reason", "steps"],
        "additionalProperties": False,
    }
