"""One run of an agent under way: every model call and tool call of a graph goes through here.

It asks for completions by step, records what was said and done, counts the attempt's own work and ends it at its
limits. A graph, ours or a user's, can therefore neither lose a step nor run on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

from practice import traces
from practice.agent.messages import assistant_dict, calls_of, result_dict, to_message
from practice.agent.spec import Limits
from practice.calls import gather
from practice.config import ModelSpec
from practice.errors import CallFailed, nearest
from practice.tool import Opened, Opening, TextCalls, Tool, call, split_text_calls
from practice.types import Completion, Experience, Request, Step, ToolCall, ToolResult, ToolSpec, Usage

StepComplete = Callable[[int, Request], Awaitable[Completion]]
"""(step, request) -> completion: how an attempt talks to its model."""

Reach = Callable[[ModelSpec], StepComplete]
"""How an attempt talks to the models of the agents that its own agent leads."""

Errand = Callable[[ToolCall], Awaitable[ToolResult]]
"""Answers a call that is no tool's: it is given to another agent, whose work counts as its own."""


class LimitReached(Exception):
    """An attempt is at its end: ``steps``, ``tokens``, ``seconds`` or ``context``."""

    def __init__(self, limit: str) -> None:
        self.limit = limit
        super().__init__(f"the attempt's limit of {limit} is reached")


@dataclass(frozen=True)
class Outcome:
    """What an attempt, or a part of one, came to."""

    output: str
    limit: str | None = None
    """Which limit ended it."""


NOTHING = Usage()


@dataclass
class Work:
    """What an attempt has spent, its parts' share included."""

    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    whole: Work | None = None
    """The work that this is a part of, where it is also counted by itself."""

    def add(self, usage: Usage = NOTHING, seconds: float = 0.0) -> None:
        """Count more work, here and in what it is a part of."""
        self.usage += usage
        self.seconds += seconds
        if self.whole is not None:
            self.whole.add(usage, seconds)


Reads = Callable[[str], TextCalls]
"""How calls that stand in a model's text are found."""


class Attempt:
    """The state of one run. Times are seconds of own work: in model calls and in tools, not waiting for a slot."""

    def __init__(
        self,
        limits: Limits,
        tools: Mapping[str, Tool],
        complete: StepComplete,
        temperature: float,
        *,
        reach: Reach | None = None,
        experiences: Sequence[Experience] = (),
    ) -> None:
        """``reach``: how to talk to the models of other agents; ``experiences``: what every prompt holds of them."""
        self.limits, self.tools, self.temperature = limits, tools, temperature
        self.reach: Reach = reach if reach is not None else _always(complete)
        self.experiences = tuple(experiences)
        self.agent = ""
        """Which agent of a team this is a part for; empty: the one that was asked."""
        self.held: Outcome | None = None
        """What the output is so far, where that is not what was said last."""
        self._complete = complete
        self._steps: dict[int, Step] = {}
        self._parts: list[Attempt] = []
        self._above: Attempt | None = None
        self._first = 0
        self._started = 0
        self._returned = 0
        self._work = Work()
        self._open: dict[Opening, asyncio.Task[Opened]] = {}
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Attempt:
        """Everything that its tools open goes with the attempt."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for opening in self._open.values():
            opening.cancel()
        await asyncio.gather(*self._open.values(), return_exceptions=True)
        await self._opened.aclose()

    @property
    def usage(self) -> Usage:
        """What its calls have cost so far."""
        return self._work.usage

    @property
    def steps(self) -> tuple[Step, ...]:
        """What happened so far, in order; what its parts did stands where they were forked."""
        found = [*self._steps.values(), *(step for part in self._parts for step in part.steps)]
        return tuple(sorted(found, key=lambda step: step.index))

    @property
    def left(self) -> int:
        """How many model calls it may still make."""
        return self.limits.steps - self._started + self._returned

    @property
    def seconds_left(self) -> float:
        """Seconds of work that it may still do, as a part of other attempts too."""
        left = self.limits.seconds - self._work.seconds
        return left if self._above is None else min(left, self._above.seconds_left)

    @property
    def own_steps(self) -> tuple[Step, ...]:
        """What its own agent did, in order, without its parts."""
        return tuple(self._steps[index] for index in sorted(self._steps))

    def hold(self, output: str, limit: str | None = None) -> None:
        """Make ``output`` what the attempt comes to, should nothing better follow."""
        self.held = Outcome(output, limit)

    def fork(self, steps: int) -> Attempt:
        """A part of this attempt that makes at most ``steps`` of its calls, with tools opened for itself.

        The numbers of those calls are set aside now, so parts may run side by side and make several calls each:
        which call has which number, and so which seed, does not depend on who is faster.
        """
        limits = self.limits.model_copy(update={"steps": steps})
        complete, experiences = self._complete, self.experiences
        part = Attempt(limits, self.tools, complete, self.temperature, reach=self.reach, experiences=experiences)
        part._first, part._work = self._first + self._started, self._work
        part._above, part.agent = self, self.agent
        self._started += steps
        self._parts.append(part)
        return part

    def lend(self, steps: int, agent: str, limits: Limits, tools: Sequence[Tool], model: ModelSpec) -> Attempt:
        """A part, as :meth:`fork` makes it, for another agent: with its name, limits, tools and model.

        At most ``steps`` calls, or the agent's own limit where that is lower. What it does counts for itself and for
        the whole. :meth:`give_back` returns the calls that it did not make.
        """
        part = self.fork(min(steps, limits.steps))
        part.agent = f"{self.agent}/{agent}" if self.agent else agent
        part.limits = limits.model_copy(update={"steps": part.limits.steps})
        part.tools = {tool.name: tool for tool in tools}
        part._complete, part._work = self.reach(model), Work(whole=self._work)
        return part

    def give_back(self) -> None:
        """Return the calls that it was lent and did not make; their numbers stay unused.

        Which numbers later calls have then depends on what was done, never on who was faster.
        """
        if self._above is not None:
            self._above._returned += self.left
            self._returned -= self.left

    def check(self) -> None:
        """Raise LimitReached where no further model call is allowed."""
        if self.left <= 0:
            raise LimitReached("steps")
        if self.seconds_left <= 0:
            raise LimitReached("seconds")

    async def complete(
        self,
        messages: Sequence[object],
        specs: Sequence[ToolSpec],
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        json_schema: dict[str, Any] | None = None,
        reads: Reads | None = None,
    ) -> dict[str, Any]:
        """The model's answer as a message; one step. Raises LimitReached, or CallFailed after its retries.

        ``temperature`` and ``max_tokens`` are the attempt's unless given; ``reads`` finds calls in the answer's text
        where the model is offered no tools.
        """
        self.check()
        index, self._started = self._first + self._started, self._started + 1
        request = Request(
            messages=tuple(to_message(message) for message in messages),
            tools=tuple(specs),
            temperature=self.temperature if temperature is None else temperature,
            max_tokens=self.limits.tokens if max_tokens is None else min(max_tokens, self.limits.tokens),
            json_schema=json_schema,
        )
        try:
            completion = await self._complete(index, request)
        except CallFailed as error:
            if error.kind == "context":
                raise LimitReached("context") from None
            raise
        self._work.add(completion.usage, completion.usage.seconds)
        if not completion.content and not completion.tool_calls and completion.finish != "length":
            raise CallFailed("empty", "the answer holds neither content nor a tool call")
        return self._record(index, completion, reads or _reader(specs))

    async def answer(self, message: object, errands: Mapping[str, Errand] | None = None) -> list[dict[str, Any]]:
        """Run all calls of an assistant's message at the same time; their results as messages, in call order.

        ``errands``: by the call's id, who answers those that are given to other agents.
        """
        calls = calls_of(message)
        if not calls:
            return []
        step = self._asked(calls)
        calls = step.tool_calls if step is not None else calls
        left, given = self.seconds_left, errands or {}
        if left <= 0:
            raise LimitReached("seconds")
        own = [wanted for wanted in calls if wanted.id not in given]
        sent = [_sent(given[wanted.id], wanted) for wanted in calls if wanted.id in given]
        from_tools, *others = await gather(self._run_tools(own, left), *sent)
        told, errands_told = iter(from_tools), iter(others)
        results = [next(errands_told)[0] if wanted.id in given else next(told) for wanted in calls]
        done = tuple(result for result in results if result is not None)
        if step is not None:
            self._steps[step.index] = step.model_copy(update={"results": done})
        if len(done) < len(results):
            raise LimitReached("seconds")
        return [result_dict(result) for result in done]

    # ------------------------------------------------------------------ inside

    async def _run_tools(self, calls: Sequence[ToolCall], seconds: float) -> list[ToolResult | None]:
        """What the tools said; their time counts once, as they run side by side."""
        started = time.monotonic()
        results = await asyncio.gather(
            *(traces.tool(self._answer(wanted, seconds), wanted, self._about(wanted.name)) for wanted in calls)
        )
        self._work.add(seconds=time.monotonic() - started)
        return results

    def _about(self, name: str) -> str:
        tool = self.tools.get(name)
        return "" if tool is None else tool.spec.description

    async def _answer(self, wanted: ToolCall, seconds: float) -> ToolResult | None:
        """What the tool said; None where it did not end within ``seconds``."""
        tool = self.tools.get(wanted.name)
        if tool is None:
            close = nearest(wanted.name, self.tools)
            hint = f"did you mean {close!r}?" if close else f"there are: {', '.join(self.tools) or 'none'}"
            return ToolResult(call=wanted, content=f"Error: there is no tool {wanted.name!r}; {hint}", error=True)
        started = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                tool = await self._ready(tool)
            return await call(tool, wanted, timeout=max(0.0, seconds - (time.monotonic() - started)))
        except TimeoutError:
            return None

    async def _ready(self, tool: Tool) -> Tool:
        """The tool with what it opens around it: once an attempt, however many calls come at the same time."""
        if tool.opening is None:
            return tool
        if tool.opening not in self._open:
            self._open[tool.opening] = asyncio.create_task(self._opened.enter_async_context(tool.opening()))
        opened = await asyncio.shield(self._open[tool.opening])
        return replace(tool, fn=opened[tool.name] if isinstance(opened, Mapping) else opened, opening=None)

    def _record(self, index: int, completion: Completion, reads: Reads | None) -> dict[str, Any]:
        calls, content = completion.tool_calls, completion.content
        shown = content
        if not calls and reads is not None:
            found = reads(content)
            calls, content, shown = found.calls, found.text, found.before
        calls = _numbered(calls, index)
        self._steps[index] = Step(
            index=index,
            content=content,
            reasoning=completion.reasoning,
            tool_calls=calls,
            finish=completion.finish,
            agent=self.agent,
        )
        return assistant_dict(shown, calls)

    def _asked(self, calls: Sequence[ToolCall]) -> Step | None:
        """The latest step that asked for these calls and has no results; None for a message that no model wrote."""
        names = [(wanted.id, wanted.name) for wanted in calls]
        for index in sorted(self._steps, reverse=True):
            step = self._steps[index]
            if not step.results and names == [(wanted.id, wanted.name) for wanted in step.tool_calls]:
                return step
        return None


def _always(complete: StepComplete) -> Reach:
    """Reaches every model in the same way."""

    def reach(_: ModelSpec) -> StepComplete:
        return complete

    return reach


async def _sent(errand: Errand, wanted: ToolCall) -> list[ToolResult | None]:
    """What another agent answered to a call, as tools' results are given."""
    return [await errand(wanted)]


def _reader(specs: Sequence[ToolSpec]) -> Reads | None:
    """Finds calls of these tools; None where there are none."""
    return (lambda content: split_text_calls(content, specs)) if specs else None


def _numbered(calls: tuple[ToolCall, ...], index: int) -> tuple[ToolCall, ...]:
    """Calls with ids of their own: those in text have none, and some servers give every call the same one."""
    ids = [call.id for call in calls]
    if all(ids) and len(set(ids)) == len(ids):
        return calls
    return tuple(call.model_copy(update={"id": f"call-{index}-{n}"}) for n, call in enumerate(calls))
