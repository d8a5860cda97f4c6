"""What the agentsmith is asked for, what it settles on the way, and what it gives back."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from practice.agentsmith.smoke import Smoke
from practice.config import ModelSpec
from practice.types import Task, Usage, Value

__all__ = [
    "NAME",
    "Answered",
    "Chosen",
    "Drafted",
    "Instructions",
    "MadeAgent",
    "Mode",
    "Need",
    "Order",
    "Question",
    "Reach",
]

Mode = Literal["workflow", "meta"]
"""``workflow``: fixed steps, in code. ``meta``: an agent decides, with these steps as its tools."""

Reach = Literal["nothing", "web", "files"]
"""What a function has to reach beyond its arguments."""

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""What an agent's name may be: it names files, and a run's settings ask for the same."""


class Order(Value):
    """The agent that somebody wants."""

    what: str
    """In plain words."""
    model: ModelSpec
    """The model that the agent is to use."""
    mode: Mode = "workflow"
    name: str | None = None
    """Its name; by default the model's choice."""
    approve_tested: bool = False
    """Whether a tool that passed its tests is trusted at once, with the hosts and files that ``what`` names."""


class Question(Value):
    """Something that the description leaves open."""

    question: str
    assumption: str
    """What holds where nobody says otherwise."""


class Answered(Value):
    """A question with what was settled."""

    question: str
    answer: str
    assumed: bool
    """True where no person answered: the model's assumption holds."""


class Need(Value):
    """Something that a function must do for the agent."""

    what: str
    reaches: Reach = "nothing"


class Chosen(Value):
    """What became of a need."""

    need: str
    ref: str | None
    """What the agent's ``tools:`` names; None: it goes without."""
    how: Literal["existing", "made", "fallback", "none"]
    """``fallback``: a general tool in place of one that could not be made."""
    approved: bool = True
    """False: a generated tool in quarantine, which ``practice tool approve`` releases."""
    reason: str = ""
    """What it does, or why there is none."""


class Instructions(Value):
    """The system prompt in parts; the program puts them together."""

    role: str
    steps: tuple[str, ...]
    answer: str = ""
    """What an answer looks like."""


class Drafted(Value):
    """The starter tasks."""

    tasks: tuple[Task, ...] = ()
    example: str = ""
    """A request and the call that it needs, for the instructions; not among the tasks."""

    def counts(self) -> dict[str, int]:
        """Verifier -> number of tasks, the most frequent first."""
        names = [task.verifier or "judge" for task in self.tasks]
        return {name: names.count(name) for name in sorted(set(names), key=lambda name: (-names.count(name), name))}


class MadeAgent(Value):
    """An agent on disk, with all that is worth knowing about it."""

    agent: str
    """Its name."""
    path: str
    """``agents/<name>.yaml``; as all paths here relative to the workspace."""
    config: str | None
    """``<name>.yaml``, what ``practice run`` takes; None where there are too few tasks to practise on."""
    tasks: str | None
    """``tasks/<name>.jsonl``; None where no task was drafted."""
    verified: dict[str, int] = Field(default_factory=dict[str, int])
    """How many tasks are scored by which verifier."""
    verify: str
    """How the agent can be verified, in words."""
    mode: Mode
    model: str
    description: str
    questions: tuple[Answered, ...] = ()
    tools: tuple[Chosen, ...] = ()
    smoke: Smoke
    notes: tuple[str, ...] = ()
    """What a person should know or do, a sentence each."""
    log: tuple[str, ...] = ()
    """What was done, one line a step."""
    retries: int = 0
    """Calls that were repeated, as the answer could not be used."""
    usage: Usage = Usage()
