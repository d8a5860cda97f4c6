"""The files of a new agent: written at the end, from checked values, and read back by what will read them later."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from practice.agent import AgentSpec, Limits
from practice.agentsmith.types import NAME, Answered, Drafted, Instructions
from practice.config import ModelSpec, Workspace, dump_yaml, load_settings, parse, read_yaml, read_yaml_text, write_yaml
from practice.errors import InputError
from practice.task import load_tasks

__all__ = ["agent_fields", "check_name", "free_name", "instructions_text", "paths", "procedure", "write"]

LIMITS = Limits(steps=8, tokens=1024)
"""Of a new agent: what lets a small model neither ramble nor call for ever."""
LEAST = 2
"""Tasks that a run needs at least: one to practise on, one for the gate."""
_BY_HAND = re.compile(
    r"(?:add|apply|calculate|compare|compute|convert|count|determine|divide|evaluate|find|multiply"
    r"|parse|reverse|round|sort|subtract|sum|transform|work out)\b",
    re.IGNORECASE,
)
"""How a step begins that does by hand what a tool is for."""
_RESERVED = ("practice",)
"""Names whose files belong to the workspace."""


def paths(place: Workspace, name: str) -> tuple[Path, Path, Path]:
    """Where an agent of this name, its tasks and its run's settings lie."""
    return place.agents / f"{name}.yaml", place.tasks / f"{name}.jsonl", place.root / f"{name}.yaml"


def check_name(place: Workspace, name: str) -> None:
    """Raise InputError for a name given by the user that is taken, or that files and settings can't have."""
    if not re.fullmatch(NAME, name) or name in _RESERVED:
        expected = "letters, digits, dots, hyphens and underscores, beginning with a letter or digit, and not practice"
        raise InputError(expected, found=repr(name), key="--name")
    for path in paths(place, name):
        if path.exists():
            raise InputError("a name that is free", found=f"{place.relative(path)}, which exists", key="--name")


def free_name(place: Workspace, wanted: str) -> str:
    """``wanted``, or with a number behind it where a file of that name exists."""
    number, name = 1, wanted
    while name in _RESERVED or any(path.exists() for path in paths(place, name)):
        number += 1
        name = f"{wanted}-{number}"
    return name


def instructions_text(
    parts: Instructions, tools: Sequence[tuple[str, str]], answered: Sequence[Answered], drafted: Drafted
) -> str:
    """The system prompt. What the program knows for sure (tools, the answer's form) it says itself.

    ``tools``: (name, what it does) of each.
    """
    steps = procedure(parts.steps, [name for name, _ in tools])
    lines = [parts.role, "", *(f"{number}. {step}" for number, step in enumerate(steps, 1))]
    if tools:
        lines += ["", "Do not work out yourself what a tool does; call it and use its result:"]
        lines += [f"- {name}: {what}" for name, what in tools]
    if drafted.example:
        lines.append(drafted.example)
    settled = [f"- {one.question} {one.answer}" for one in answered]
    if settled:
        lines += ["", "Unless the user says otherwise:", *settled]
    checked = {"number", "exact"} & set(drafted.counts())
    last = ['End with a line "Answer: " that repeats the result alone, as the tool gave it.'] if checked else []
    closing = [line for line in (parts.answer, *last) if line]
    return "\n".join([*lines, *([""] if closing else []), *closing]).strip() + "\n"


def procedure(steps: Sequence[str], tools: Sequence[str]) -> tuple[str, ...]:
    """The steps as they suit an agent with ``tools``.

    A model that writes steps likes to say "calculate the sum" where a tool does that, and the agent then obeys: such
    steps go, and where no step that is left names a tool, one that does comes first.
    """
    if not tools:
        return tuple(steps)
    named = {step: [name for name in tools if re.search(rf"\b{re.escape(name)}\b", step)] for step in steps}
    kept = [step for step in steps if named[step] or not _BY_HAND.match(step)]
    if not any(named[step] for step in kept):
        kept.insert(0, f"Take from the request what {tools[0]} needs and call it.")
    return tuple(kept)


def agent_fields(
    name: str, description: str, model: ModelSpec, instructions: str, tools: Sequence[str]
) -> dict[str, Any]:
    """What stands in ``agents/<name>.yaml``; read back once, so that what is written is valid.

    Raises InputError where it is not, which would be an error of the program.
    """
    spec = model.model_dump(mode="json", exclude_defaults=True)
    fields: dict[str, Any] = {
        "name": name,
        "description": description,
        "model": spec["name"] if len(spec) == 1 else spec,
        "instructions": instructions,
        "tools": list(tools),
        "limits": LIMITS.model_dump(include={"steps", "tokens"}),
    }
    if not tools:
        del fields["tools"]
    parse(AgentSpec, read_yaml_text(dump_yaml(fields), f"agents/{name}.yaml"))
    return fields


def write(place: Workspace, name: str, fields: dict[str, Any], drafted: Drafted) -> tuple[str, str | None, str | None]:
    """Write agent, tasks and a run's settings, and read each back. Relative paths: (agent, tasks, settings).

    No settings where there are fewer than :data:`LEAST` tasks, no task file where there is none.
    """
    agent, tasks, config = paths(place, name)
    write_yaml(agent, fields)
    parse(AgentSpec, read_yaml(agent))
    if not drafted.tasks:
        return place.relative(agent), None, None
    lines = [task.model_dump(mode="json", exclude_defaults=True, exclude={"id"}) for task in drafted.tasks]
    tasks.parent.mkdir(parents=True, exist_ok=True)
    tasks.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    load_tasks(place.relative(tasks), place)
    if len(drafted.tasks) < LEAST:
        return place.relative(agent), place.relative(tasks), None
    settings = {
        "name": name,
        "agent": place.relative(agent),
        "tasks": {"practice": place.relative(tasks)},
        "reward": next(iter(drafted.counts())),
    }
    write_yaml(config, settings)
    load_settings(config, [], place)
    return place.relative(agent), place.relative(tasks), place.relative(config)
