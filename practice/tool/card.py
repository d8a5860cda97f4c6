"""The card of a generated tool: what it is, what it may reach, how it was made and how well its tests hold."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from practice.config import Closed, dump_yaml, parse, read_yaml

__all__ = ["Card", "CardInput", "CardTests", "Making", "Permissions", "read_card"]


class CardInput(Closed):
    """One argument."""

    name: str = Field(description="Its name.")
    type: str = Field(description="Its Python type, as `list[float]`.")
    about: str = Field(default="", description="What it means.")


class Permissions(Closed):
    """What the tool asks to reach. It gets what a person approves of it, never more."""

    hosts: tuple[str, ...] = Field(default=(), description="Hosts, `api.example.org` or `127.0.0.1:8000`.")
    read: tuple[str, ...] = Field(default=(), description="Folders or files of the workspace that it reads.")


class Making(Closed):
    """How the tool came to be, and what that cost."""

    model: str = Field(default="", description="The model that wrote it.")
    seed: int = Field(default=0, description="The seed of every call.")
    prompts: dict[str, str] = Field(default={}, description="sha256 of each prompt template that was used.")
    calls: int = Field(default=0, description="Model calls.")
    retries: int = Field(default=0, description="Calls that were repeated, as the answer could not be used.")
    candidates: int = Field(default=0, description="Independent implementations that were usable.")
    repairs: int = Field(default=0, description="Corrections of the code from failing tests.")
    input_tokens: int = Field(default=0, description="Tokens of all prompts.")
    output_tokens: int = Field(default=0, description="Tokens of all answers.")
    usd: float | None = Field(default=None, description="What the calls cost; null where a price is unknown.")
    seconds: float = Field(default=0.0, description="Seconds in model calls.")


class CardTests(Closed):
    """How the tests came by the results that they expect, and which broken tools they notice."""

    cases: int = Field(default=0, description="Tests.")
    errors: int = Field(default=0, description="Those that expect an error.")
    said: int = Field(default=0, description="The model stated the result and the code gave it.")
    agreed: int = Field(default=0, description="Independent implementations gave the result; the model said another.")
    judged: int = Field(default=0, description="Asked which is right, the model took the code's result.")
    observed: int = Field(default=0, description="Taken from the code, to notice changes: nobody vouches for it.")
    dropped: int = Field(default=0, description="Cases left out, as it stayed open what is right.")
    mutants: int = Field(default=0, description="Broken versions of the tool that the tests were run on.")
    survived: tuple[str, ...] = Field(default=(), description="Those that the tests let pass.")


class Card(Closed):
    """`tools/generated/<name>/card.yaml`."""

    name: str = Field(description="The tool's name: its folder's and its function's.")
    what: str = Field(description="What it does, in one sentence.")
    wish: str = Field(default="", description="The description that it was made from.")
    inputs: tuple[CardInput, ...] = Field(default=(), description="Its arguments.")
    output: CardInput = Field(default=CardInput(name="result", type="str"), description="What it returns.")
    permissions: Permissions = Field(default=Permissions(), description="What it asks to reach.")
    dependencies: tuple[str, ...] = Field(default=(), description="Modules that it imports.")
    made: Making = Field(default=Making(), description="How it was made.")
    tests: CardTests = Field(default=CardTests(), description="What its tests are worth.")

    def yaml(self) -> str:
        """The text of ``card.yaml``."""
        return dump_yaml(self.model_dump(mode="json"))


def read_card(path: Path) -> Card:
    """The card in a file. Raises InputError with file, line and key for whatever is wrong in it."""
    return parse(Card, read_yaml(path))
