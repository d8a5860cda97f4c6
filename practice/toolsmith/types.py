"""What the toolsmith is asked for, and what it gives back."""

from __future__ import annotations

from pydantic import Field

from practice.sandbox import SandboxLimits
from practice.tool.card import Card
from practice.types import Usage, Value

__all__ = ["Made", "MakeLimits", "Unmade", "Wish"]


class Wish(Value):
    """The tool that somebody wants."""

    what: str
    """In plain words: what it takes, what it gives, examples where there are some."""
    name: str | None = None
    """Its name; by default the model's choice."""
    hosts: tuple[str, ...] = ()
    """Hosts that it has to speak to: the user's word, never the model's."""
    read: tuple[str, ...] = ()
    """Folders or files of the workspace that it has to read, relative to it: the user's word too."""


class MakeLimits(Value):
    """How much is tried before a tool is given up."""

    candidates: int = Field(default=3, ge=1)
    """Independent implementations that are asked for; where they agree, they outvote a stated result."""
    cases: int = Field(default=6, ge=5)
    """Calls with results that are asked for, errors apart."""
    errors: int = Field(default=2, ge=1)
    """Calls that must raise, where there is such a thing."""
    repairs: int = Field(default=3, ge=0)
    """Corrections of the code."""
    questions: int = Field(default=4, ge=0)
    """How often the model is asked who is right, a test or the code."""
    mutants: int = Field(default=24, ge=1)
    """Most broken versions that the tests are run on."""
    accepted_share: float = Field(default=0.34, ge=0.0, le=1.0)
    """The share of them that the tests may let pass."""
    rounds: int = Field(default=2, ge=0)
    """How often more cases are asked for where the tests let too many pass."""
    sandbox: SandboxLimits = SandboxLimits(seconds=3.0, cpu_seconds=3.0, output_chars=8_000)
    """Of each call while the tool is made."""


class Made(Value):
    """A tool that serves: one that was there, or a new one, on disk and quarantined."""

    name: str
    ref: str
    """What an agent's ``tools:`` names."""
    existing: bool
    """Whether it was there before."""
    folder: str = ""
    """``tools/generated/<name>`` of a generated one, relative to the workspace."""
    why: str = ""
    """For an existing one: what it does."""
    card: Card | None = None
    """Of a generated one."""
    usage: Usage = Usage()
    log: tuple[str, ...] = ()
    """What was done, one line a step."""


class Unmade(Value):
    """No tool, and why. Nothing of it is left on disk."""

    stage: str
    """``plan``, ``code``, ``cases``, ``tests``, ``mutants`` or ``model``: where it ended."""
    reason: str
    """One or two sentences for a person."""
    name: str = ""
    code: str = ""
    """The last version of the code, for whoever wants to go on by hand."""
    usage: Usage = Usage()
    retries: int = 0
    """Calls that were repeated, as the answer could not be used."""
    log: tuple[str, ...] = ()
