"""The agentsmith's bench: the steps to an agent, and what they have settled so far. Both modes work at it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from practice.agent import StepComplete
from practice.agentsmith import steps
from practice.agentsmith.tried import trial_tool
from practice.agentsmith.types import Answered, Chosen, Instructions, Need, Order
from practice.calls import Ask
from practice.config import Workspace
from practice.errors import InputError, PracticeError
from practice.sandbox import Engine
from practice.tool import Tool, load_tool
from practice.tool.generated import generated_names, read_generated
from practice.tool.trust import approve, approve_hosts, approved_hosts, check_host, check_inside, state
from practice.toolsmith import Made, Unmade, Wish, make, run_tests
from practice.toolsmith.desk import Desk
from practice.toolsmith.look import look
from practice.types import CallKey, Completion, Request, Stage, Usage

__all__ = ["Bench", "Make", "Person"]

Person = Callable[[str, str], Awaitable[str]]
"""(question, assumption) -> what a person says; empty: the assumption holds."""

#: A general tool that stands in for one that could not be made, and those that reach what a function can't.
FALLBACK = "python"
READERS = {"web": "browse", "files": "read_document"}
LISTED = 12
"""Most files that a model is told of."""

_URL = re.compile(r"https?://([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?)")
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]*)*")
#: Small models do not always say what a function reaches; where the user named a host or file, these words say it too.
_WORDS = {
    "web": re.compile(r"\b(?:web|pages?|urls?|sites?|websites?|https?|html|fetch\w*|download\w*)\b", re.IGNORECASE),
    "files": re.compile(r"\b(?:files?|folders?|paths?|csv|director(?:y|ies))\b", re.IGNORECASE),
}


class Make(Protocol):
    """``practice.toolsmith.make``, or what stands in for it in a test."""

    def __call__(
        self,
        wish: Wish,
        *,
        ask: Ask,
        workspace: Workspace,
        engine: Engine,
        seed: int = 0,
        look: bool = True,
        told: Callable[[str], None] | None = None,
    ) -> Awaitable[Made | Unmade]:
        """A tool, or why there is none."""
        ...


@dataclass
class Bench:
    """What an agent is made of, as far as it is settled."""

    order: Order
    place: Workspace
    ask: Ask
    engine: Engine
    desk: Desk
    seed: int = 0
    person: Person | None = None
    """Who answers questions; None: nobody, the assumptions hold."""
    make: Make = make
    answered: list[Answered] = field(default_factory=list[Answered])
    chosen: list[Chosen] = field(default_factory=list[Chosen])
    instructions: Instructions | None = None
    name: str = ""
    description: str = ""
    notes: list[str] = field(default_factory=list[str])
    spent: Usage = field(default_factory=Usage)
    """What tools and agents cost that were made or run here; the desk counts its own."""
    retried: int = 0
    """Calls that were repeated for tools of which nothing came; a tool's card counts its own."""

    @property
    def brief(self) -> str:
        """The description with what a person answered."""
        return steps.brief(self.order.what, self.answered)

    @property
    def refs(self) -> tuple[str, ...]:
        """What the agent's ``tools:`` will hold."""
        return tuple(dict.fromkeys(one.ref for one in self.chosen if one.ref is not None))

    def trial_tools(self) -> tuple[Tool, ...]:
        """The agent's tools as they are tried, in a sandbox where they were made by a model or may do anything."""
        return tuple(trial_tool(ref, self.place, self.engine) for ref in self.refs)

    def complete(self, ask: Ask, task: str, stage: Stage = "user") -> StepComplete:
        """How an agent that is run here reaches the model; what it uses counts."""

        async def asked(step: int, request: Request) -> Completion:
            key = CallKey(phase="practice", stage=stage, task=task, step=step)
            completion = await ask(key, request.model_copy(update={"seed": key.seed(self.seed)}))
            self.spent += completion.usage
            return completion

        return asked

    # ------------------------------------------------------------------ steps

    async def settle(self, question: str, assumption: str) -> Answered:
        """Ask the person; where nobody says anything, the assumption holds."""
        said = (await self.person(question, assumption)).strip() if self.person is not None else ""
        one = Answered(question=question, answer=said or assumption, assumed=not said)
        self.answered.append(one)
        return one

    async def equip(self, need: Need) -> Chosen:
        """Find or make the tool for a need."""
        self.desk.say(f"a tool for: {need.what}")
        known = await look(self.desk, need.what, self.place)
        one = self.take(known.ref, need.what) if known is not None else await self._made(need)
        self._reader(need, one)
        return one

    def take(self, ref: str, need: str) -> Chosen:
        """Give the agent a tool that exists. Raises InputError where there is none of that name."""
        tool = trial_tool(ref, self.place, self.engine)
        about = steps.first_line(tool.spec.description)
        one = Chosen(need=need, ref=ref, how="existing", approved=self._approved(ref), reason=about)
        self.chosen.append(one)
        return one

    # ------------------------------------------------------------------ what the description names

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts that the user named: the model's word opens no network."""
        return tuple(dict.fromkeys(host for host in _URL.findall(self.brief) if _passes(check_host, host)))

    @property
    def files(self) -> tuple[str, ...]:
        """Files and folders of the workspace that the user named, and that a tool may ask to read."""
        found: list[str] = []
        for word in _PATH.findall(_URL.sub(" ", self.brief)):
            name = word.rstrip("./")
            path = self.place.path(name)
            if ("/" in word or "." in name) and path.exists() and _passes(check_inside, self.place, name):
                found.append(self.place.relative(path))
        return tuple(dict.fromkeys(found))

    @property
    def listed(self) -> tuple[str, ...]:
        """Files of the workspace that the user named, or that lie in a folder that they named."""
        found: list[str] = []
        for name in self.files:
            path = self.place.path(name)
            inside = sorted(path.iterdir()) if path.is_dir() else [path]
            found += [self.place.relative(file) for file in inside if file.is_file() and file.name[0] != "."]
        return tuple(found[:LISTED])

    # ------------------------------------------------------------------ inside

    def to_approve(self, ref: str) -> str:
        """The command that releases a tool from quarantine, with what its card asks to reach."""
        asked = read_generated(ref, self.place).card.permissions
        options = [f"--host {host}" for host in asked.hosts] + [f"--read {path}" for path in asked.read]
        return " ".join([f"practice tool approve {ref}", *options])

    def _approved(self, ref: str) -> bool:
        """Whether an agent may name the tool: one of the workspace's own, or a generated one that somebody approved."""
        return ref not in generated_names(self.place) or state(self.place, ref) == "approved"

    async def _made(self, need: Need) -> Chosen:
        """A tool of its own. The whole description goes along: it may hold the rule that the need leaves out."""
        reach = self._reach(need)
        wish = Wish(
            what=f"{need.what}\n\nThe assistant that calls it was described so:\n{self.brief}",
            hosts=self.hosts if "web" in reach else (),
            read=self.files if "files" in reach else (),
        )
        outcome = await self.make(
            wish,
            ask=self.ask,
            workspace=self.place,
            engine=self.engine,
            seed=self.seed,
            look=False,
            told=self.desk.say,
        )
        self.spent += outcome.usage
        if isinstance(outcome, Unmade):
            self.retried += outcome.retries
            one = self._instead(need, outcome)
        else:
            about = outcome.card.what if outcome.card is not None else ""
            trusted = await self._trusted(outcome.name)
            one = Chosen(need=need.what, ref=outcome.ref, how="made", approved=trusted, reason=about)
        self.chosen.append(one)
        return one

    async def _trusted(self, name: str) -> bool:
        """Run a new tool's tests as ``practice tool approve`` would; trust it where the order says so and they pass."""
        ran = await run_tests(name, self.place, self.engine)
        if not ran.ok:
            self.notes.append(f"{name}: {len(ran.failed)} of its tests fail: practice tool test {name}")
        if not (ran.ok and self.order.approve_tested):
            return False
        asked = read_generated(name, self.place).card.permissions
        approve(self.place, name, by="--approve-tested", hosts=asked.hosts, read=asked.read)
        return True

    def _reach(self, need: Need) -> set[str]:
        """What the need's function has to reach: by the model's word, and by its own where the user named something."""
        named = {"web": self.hosts, "files": self.files}
        said = {name for name, words in _WORDS.items() if named[name] and words.search(need.what)}
        return {need.reaches, *said} - {"nothing"}

    def _instead(self, need: Need, unmade: Unmade) -> Chosen:
        why = f"no tool came of it ({unmade.stage}): {unmade.reason}"
        self.notes.append(f"{need.what}: {why}")
        try:
            load_tool(FALLBACK, self.place)
        except PracticeError:
            return Chosen(need=need.what, ref=None, how="none", reason=why)
        return Chosen(need=need.what, ref=FALLBACK, how="fallback", reason=f"{why}; it can write Python instead")

    def _reader(self, need: Need, one: Chosen) -> None:
        """What fetches pages or reads files comes along where the need's own tool can't: it gets the text in a call."""
        for reach in sorted(self._reach(need)):
            reader = READERS[reach]
            itself = one.how == "made" and (self.hosts if reach == "web" else self.files)
            if reader in self.refs or itself:
                continue
            try:
                self.take(reader, f"what {one.ref or 'the agent'} works on")
            except InputError:
                self.notes.append(f"the workspace has no tool {reader}, which would reach the {reach}")
                continue
            if reach == "web":
                self._open_hosts(reader)

    def _open_hosts(self, reader: str) -> None:
        """Hosts that the description names are opened to the reader by ``--approve-tested`` alone."""
        closed = [host for host in self.hosts if host not in approved_hosts(self.place, reader)]
        if closed and self.order.approve_tested:
            approve_hosts(self.place, reader, closed)
        elif closed:
            options = " ".join(f"--host {host}" for host in closed)
            self.notes.append(
                f"{reader} may not reach {', '.join(closed)} yet: practice tool approve {reader} {options}"
            )


def _passes(check: Callable[..., None], *values: object) -> bool:
    """Whether a check lets something pass."""
    try:
        check(*values)
    except InputError:
        return False
    return True


def tool_lines(tools: Sequence[Tool]) -> tuple[tuple[str, str], ...]:
    """(name, first line of what it does) of each tool."""
    return tuple((tool.name, steps.first_line(tool.spec.description)) for tool in tools)
