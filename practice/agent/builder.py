"""``Agent``: from YAML or Python, run with ``await agent.run(input)`` or ``agent.invoke(input)``."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from practice import prompt
from practice.agent import graph as graphs
from practice.agent import strategies
from practice.agent.arguments import Given, as_tools, check_names, is_model, load_tools, located, plain
from practice.agent.attempt import Attempt, Outcome, StepComplete
from practice.agent.spec import AgentSpec, Limits, Strategy
from practice.config import McpTools, ModelSpec, Workspace, Yaml, load_env, parse, read_yaml
from practice.errors import boundary
from practice.memory import Bank
from practice.task import task_id as content_id
from practice.tool import Function, Tool, load_function, run_sync
from practice.types import Experience, Failure, Rollout, Status, ToolSpec

if TYPE_CHECKING:
    from practice.agent.graph import Build, Compiled
    from practice.calls import Ask
    from practice.model import Model

EMBEDDED = "llamacpp/"
TEMPERATURE = 0.7
"""Where ``run`` is given none: what practice and evaluation use by default, so that what was measured is what runs."""


class Agent:
    """An agent that can be run, any number of times at once.

    >>> from practice.fakes import ScriptedModel
    >>> def double(number: int) -> int:
    ...     '''Double a number.'''
    ...     return 2 * number
    >>> model = ScriptedModel(['{"name": "double", "arguments": {"number": 21}}', "It is 42."])
    >>> agent = Agent(name="doubler", model=model, instructions="You double numbers.", tools=[double])
    >>> rollout = agent.invoke("Double 21.")
    >>> rollout.output, rollout.status, rollout.steps[0].results[0].content
    ('It is 42.', 'done', '42')

    Args:
        name: Its name in reports.
        model: A name, a mapping, a ModelSpec, or a model of your own (``practice.model.Model``).
        instructions: The system prompt.
        tools: Typed functions, :class:`~practice.tool.Tool` values, or what YAML takes: references, ``{"mcp": …}``.
        limits: Steps, tokens a call, seconds.
        strategy: A kind (``react``, ``best_of_n`` …), or its settings as in YAML.
        description: What it is for, for people.
        graph: A function ``(context) -> compiled LangGraph graph``, or a reference to one as in YAML.
        workspace: Where references are looked up; by default the one around the current folder.
    """

    def __init__(
        self,
        *,
        name: str,
        model: str | Mapping[str, Any] | ModelSpec | Model,
        instructions: str = "",
        tools: Sequence[Given] = (),
        limits: Limits | Mapping[str, Any] | None = None,
        strategy: Strategy | Mapping[str, Any] | str | None = None,
        description: str = "",
        graph: str | Build | None = None,
        workspace: Workspace | None = None,
    ) -> None:
        place = workspace or Workspace.find(Path.cwd()) or Workspace(Path.cwd())
        built, refs = as_tools(tools, place)
        own = model if is_model(model) else None
        fields: dict[str, Any] = {
            "name": name,
            "description": description,
            "model": {"name": own.name} if own is not None else plain(model),
            "instructions": instructions,
            "tools": refs,
            "limits": plain(limits) or {},
        }
        if strategy is not None:
            fields["strategy"] = {"kind": strategy} if isinstance(strategy, str) else plain(strategy)
        if graph is not None:
            fields["graph"] = graph if isinstance(graph, str) else f"{graph.__module__}:{graph.__name__}"
        spec = parse(AgentSpec, Yaml(fields), f"Agent({name!r})")
        self._set(spec, built, place, None if isinstance(graph, str) else graph)
        self._model = own

    @classmethod
    def from_yaml(cls, path: Path | str, *, workspace: Workspace | None = None) -> Agent:
        """The agent of ``agents/<name>.yaml``; references are looked up in the file's workspace.

        Raises InputError with file, line and key for anything that is wrong in it, its tools included.
        """
        file = Path(path)
        document = read_yaml(file)
        spec = parse(AgentSpec, document)
        place = workspace or Workspace.find(file.resolve().parent) or Workspace(file.resolve().parent)
        tools: list[Tool] = []
        for index, ref in enumerate(spec.tools):
            mcp = isinstance(ref, McpTools)
            with located(document, ("tools", index, "mcp") if mcp else ("tools", index), below=mcp):
                tools += load_tools(ref, place)
        agent = cls.__new__(cls)
        with located(document, ("tools",)):
            check_names(tools)
        with located(document, ("strategy", "score") if spec.graph is None else ("graph",)):
            agent._set(spec, tuple(tools), place, None)
        return agent

    def _set(self, spec: AgentSpec, tools: tuple[Tool, ...], place: Workspace, own: Build | None) -> None:
        check_names(tools)
        self.spec, self.tools, self.workspace = spec, tools, place
        if spec.strategy.kind == "code" and spec.graph is None:
            self.tools = (strategies.code_tool(),)
        scored = spec.strategy.kind == "best_of_n" and spec.strategy.score != "judge"
        self._check = strategies.load_check(spec.strategy.score, place) if scored else None
        self._own, self._own_hash = own, ""
        if spec.graph is not None:
            function = Function.of(own) if own is not None else load_function(spec.graph, place)
            self._own, self._own_hash = function.fn, function.source_hash
        self._graph: Compiled | None = None
        self._model: Model | None = None
        self._session: tuple[asyncio.AbstractEventLoop, Ask, AsyncExitStack] | None = None

    # ------------------------------------------------------------------ what it is

    @property
    def tool_specs(self) -> tuple[ToolSpec, ...]:
        """What the model is told of the tools."""
        return tuple(tool.spec for tool in self.tools)

    @property
    def graph(self) -> Compiled:
        """The compiled LangGraph graph; compiled at first use, once."""
        if self._graph is None:
            self._graph = strategies.build(graphs.GraphContext(self.spec, self.tools, self._check), self._own)
        return self._graph

    def with_seconds(self, seconds: float) -> Agent:
        """The same agent with another limit of seconds."""
        agent = copy.copy(self)
        limits = self.spec.limits.model_copy(update={"seconds": seconds})
        agent.spec = self.spec.model_copy(update={"limits": limits})
        agent._graph, agent._session = None, None
        return agent

    def with_tools(self, tools: Sequence[Tool]) -> Agent:
        """The same agent with other tools of the same names, where those it has are to run elsewhere or for longer."""
        agent = copy.copy(self)
        agent.tools = tuple(tools)
        agent._graph, agent._session = None, None
        return agent

    def fingerprint(self) -> dict[str, Any]:
        """What makes this agent another one to a run, flat: all but its description, its time limit, and the
        model's address and keys. Tools and a graph of one's own count with the sha256 of their source.
        """
        spec = self.spec
        fields: dict[str, Any] = {
            "name": spec.name,
            "model": spec.model.digest_fields(),
            "instructions": spec.instructions,
            "limits.steps": spec.limits.steps,
            "limits.tokens": spec.limits.tokens,
            "strategy": spec.strategy.settings,
            "tools": [tool.name for tool in self.tools],
        }
        fields |= {f"tool {tool.name}": tool.source_hash for tool in self.tools}
        if self._check is not None:
            fields["strategy score source"] = self._check.source_hash
        if spec.graph is not None:
            fields |= {"graph": spec.graph, "graph source": self._own_hash}
        return fields

    # ------------------------------------------------------------------ running it

    async def run(
        self,
        input: str,
        *,
        memory: Bank | Sequence[Experience] | None = None,
        complete: StepComplete | None = None,
        temperature: float | None = None,
        task_id: str = "",
        attempt: int = 0,
        rollout_id: str = "",
        history: Sequence[Mapping[str, Any]] = (),
    ) -> Rollout:
        """One attempt at ``input``.

        Args:
            input: What the user says.
            memory: A bank, or the experiences to inject; they follow the instructions in the system prompt.
            complete: How to reach the model, (step, request) -> completion. Without it the agent connects to its
                model for this run (or for all runs inside ``async with agent:``), with retries.
            temperature: The sampling temperature; :data:`TEMPERATURE` by default.
            task_id: The task's id; by default the input's content hash.
            attempt: Which attempt at the task this is: it decides the seeds.
            rollout_id: The rollout's id; by default made of task and attempt.
            history: What was said before, as messages in OpenAI's form; they stand before ``input``.

        Returns a rollout whose status is ``failed`` where a call failed after its retries. Raises InputError,
        EndpointError (a refused key, an unknown model) and what ends a run as a whole.
        """
        task = task_id or content_id(input)
        if complete is None:
            return await self._run_connected(input, memory, temperature, task, attempt, rollout_id, history)
        state = Attempt(
            self.spec.limits,
            {tool.name: tool for tool in self.tools},
            complete,
            TEMPERATURE if temperature is None else temperature,
        )
        outcome, failures = Outcome(""), list[Failure]()
        with boundary("rollout", failures.append):
            messages = self._messages(input, memory, history)
            outcome = await graphs.finish(self.graph, state, messages, own=self._own is not None)
        status: Status = "failed" if failures else "limit" if outcome.limit else "done"
        return Rollout(
            id=rollout_id or f"user/0/{task}/{attempt}",
            task_id=task,
            attempt=attempt,
            steps=state.steps,
            output="" if failures else outcome.output,
            status=status,
            usage=state.usage,
            failure=failures[0] if failures else None,
            limit=None if failures else outcome.limit,
            made_by=self.spec.model.described,
        )

    def invoke(
        self,
        input: str,
        *,
        memory: Bank | Sequence[Experience] | None = None,
        temperature: float | None = None,
        attempt: int = 0,
    ) -> Rollout:
        """:meth:`run` for those without an event loop; inside one (a notebook) it runs in a thread of its own.

        Every call connects to the model anew: a client does not survive its loop.
        """
        return run_sync(self.run(input, memory=memory, temperature=temperature, attempt=attempt))

    async def __aenter__(self) -> Agent:
        """Connect to the model (a local server starts with the first call) for all runs inside ``async with``."""
        from practice.agent.standalone import connected

        if self._session is not None:
            raise RuntimeError("this agent is connected already; one `async with` serves all runs inside it")
        load_env(self.workspace)
        stack = AsyncExitStack()
        ask = await stack.enter_async_context(connected(self.spec.model, self._model, self.workspace.root))
        self._session = (asyncio.get_running_loop(), ask, stack)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            _, _, stack = self._session
            self._session = None
            await stack.aclose()

    async def _run_connected(
        self,
        input: str,
        memory: Bank | Sequence[Experience] | None,
        temperature: float | None,
        task: str,
        attempt: int,
        rollout_id: str,
        history: Sequence[Mapping[str, Any]],
    ) -> Rollout:
        from practice.agent.standalone import connected, step_complete

        async with AsyncExitStack() as stack:
            if self._session is not None and self._session[0] is asyncio.get_running_loop():
                ask = self._session[1]
            else:
                load_env(self.workspace)
                ask = await stack.enter_async_context(connected(self.spec.model, self._model, self.workspace.root))
            return await self.run(
                input,
                memory=memory,
                complete=step_complete(ask, task, attempt),
                temperature=temperature,
                task_id=task,
                attempt=attempt,
                rollout_id=rollout_id,
                history=history,
            )

    def _messages(
        self, input: str, memory: Bank | Sequence[Experience] | None, history: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        experiences = memory.active if isinstance(memory, Bank) else memory or ()
        acts = self.spec.strategy.kind == "code" and self.spec.graph is None
        instructions = strategies.instructed(self.spec.instructions) if acts else self.spec.instructions
        texts = prompt.system_messages(instructions, experiences, apart=self._template_has_tools)
        system = ({"role": "system", "content": text} for text in texts)
        return [*system, *map(dict, history), {"role": "user", "content": input}]

    @property
    def _template_has_tools(self) -> bool:
        """Whether the chat template puts the tools behind the first system message, as the embedded server's do."""
        return bool(self.spec.tools) and self.spec.model.name.startswith(EMBEDDED)
