"""Experiences -> prompt text, and the templates that are asked of models. Pure but for reading its own package.

The system prompt holds the fixed instructions first and the memory block after them, in practice and in use
alike: an endpoint that caches prompt prefixes then computes the instructions once, and the agent never sees a
lesson in another place than the one where it was tried.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from practice.types import Experience

PROMPTS = Path(__file__).parent / "prompts"
_MAKING = ("agent_", "tool_")
"""How the templates begin that make agents and tools: no run uses them."""
_KEY = re.compile(r"\{\{\s*([a-z_]+)\s*\}\}")


def system_prompt(instructions: str, experiences: Sequence[Experience]) -> str:
    """The instructions, then one ``- text`` line for every active experience, in the order given.

    Texts are verbatim and without ids. Candidates and retired experiences are left out. Without an active
    experience the instructions come back unchanged, byte for byte.
    """
    return "\n\n".join(system_messages(instructions, experiences, apart=False))


def system_messages(instructions: str, experiences: Sequence[Experience], *, apart: bool) -> tuple[str, ...]:
    """The system messages: instructions and memory block in one, or the memory block ``apart``, in a second one.

    Apart where a chat template puts the tools behind the first system message: small models hardly heed a lesson
    that stands before pages of JSON schema, and the block still follows what is fixed and comes before the task.
    """
    lines = [f"- {experience.text}" for experience in experiences if experience.status == "active"]
    if not lines:
        return (instructions,) if instructions else ()
    block = template("memory", experiences="\n".join(lines))
    if not instructions.strip():
        return (block,)
    return (instructions, block) if apart else (f"{instructions.rstrip()}\n\n{block}",)


def template(name: str, **values: str) -> str:
    """``practice/prompts/<name>.md`` with every ``{{key}}`` replaced; raises ValueError as :func:`fill` does."""
    return fill(source(name), f"prompts/{name}.md", **values)


def fill(text: str, origin: str = "template", /, **values: str) -> str:
    """``text`` with every ``{{key}}`` replaced by its value.

    Values are put in as they are: braces inside a value are text, not a key. Raises ValueError, naming
    ``origin``, where a key of the text has no value or a value has no key.
    """
    wanted = set(keys(text))
    if missing := sorted(wanted - values.keys()):
        raise ValueError(f"{origin}: no value for {', '.join(missing)}")
    if extra := sorted(values.keys() - wanted):
        raise ValueError(f"{origin}: holds no {', '.join(extra)}")
    return _KEY.sub(lambda match: values[match[1]], text)


def keys(text: str) -> tuple[str, ...]:
    """The names between double braces, each once, in order."""
    return tuple(dict.fromkeys(_KEY.findall(text)))


@cache
def source(name: str) -> str:
    """The template as it stands. Raises ValueError where there is none of this name."""
    path = PROMPTS / f"{name}.md"
    if not path.is_file():
        raise ValueError(f"prompts/{name}.md: there is no such template")
    return path.read_text(encoding="utf-8").rstrip("\n")


def hashes() -> dict[str, str]:
    """sha256 of every template that a run may use, by name: part of its fingerprint."""
    paths = (path for path in sorted(PROMPTS.glob("*.md")) if not path.name.startswith(_MAKING))
    return {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
