"""``self_correct``: answer, check the answer, revise it, stop."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from practice import prompt
from practice.agent.graph import GraphContext, State

if TYPE_CHECKING:
    from practice.agent.graph import Compiled

_VERDICT = re.compile(r"verdict\W{0,6}(correct|right|wrong|incorrect)\b", re.I)


class _Correcting(State):
    revised: int
    wrong: bool


def self_correct(context: GraphContext) -> Compiled:
    """Answer, check oneself, revise until the check passes or the rounds are used (Madaan et al., arXiv 2303.17651,
    section 2; that the model's own verdict decides when to stop: Xiong et al., arXiv 2502.19613, section 3).

    The check is a turn of the same conversation, without tools; answers and revisions may call tools. A check without
    a verdict ends the attempt with the answer as it is: nothing was found wrong with it.
    """
    from langgraph.graph import END, START, StateGraph

    rounds = context.spec.strategy.rounds

    async def model(state: _Correcting) -> dict[str, Any]:
        message = await context.complete(state["messages"], context.tools)
        if not context.has_calls(message):
            cut = context.attempt.steps[-1].finish == "length"
            context.attempt.hold(message["content"], "tokens" if cut else None)
        return {"messages": [message]}

    async def tools(state: _Correcting) -> State:
        context.check()
        return {"messages": await context.call(state["messages"][-1])}

    async def check(state: _Correcting) -> dict[str, Any]:
        ask = {"role": "user", "content": prompt.template("strategy_check")}
        said = await context.complete([*state["messages"], ask])
        if not finds_fault(said["content"]):
            return {"wrong": False}
        revise = {"role": "user", "content": prompt.template("strategy_revise")}
        return {"wrong": True, "revised": state.get("revised", 0) + 1, "messages": [ask, said, revise]}

    def after_model(state: _Correcting) -> str:
        if context.has_calls(state["messages"][-1]):
            return "tools"
        return "check" if state.get("revised", 0) < rounds else END

    def after_check(state: _Correcting) -> str:
        return "model" if state["wrong"] else END

    graph: Any = StateGraph(_Correcting)
    graph.add_node("model", model)
    graph.add_node("tools", tools)
    graph.add_node("check", check)
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", after_model, ["tools", "check", END])
    graph.add_edge("tools", "model")
    graph.add_conditional_edges("check", after_check, ["model", END])
    return graph.compile()


def finds_fault(text: str) -> bool:
    """Whether a check's last verdict is that the answer is wrong."""
    verdicts = _VERDICT.findall(text)
    return bool(verdicts) and verdicts[-1].lower() in ("wrong", "incorrect")
