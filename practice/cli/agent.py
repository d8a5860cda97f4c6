"""``practice agent``: the agents of the workspace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from practice.cli.agent_chat import chat
from practice.cli.agent_check import check
from practice.cli.agent_new import new
from practice.cli.common import AsJson, WorkspaceDir, print_json, table, workspace
from practice.errors import InputError, PracticeError, nearest

if TYPE_CHECKING:
    from practice.agent import Agent
    from practice.config import Workspace
    from practice.memory import Bank

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def agent_path(place: Workspace, name: str) -> Path:
    """The file of an agent, by name or by path; what looks like a path is taken as one, so that its error is too."""
    known = place.agents / f"{name}.yaml"
    if known.is_file() or place.path(name).is_file() or name.endswith(".yaml"):
        return known if known.is_file() else place.path(name)
    names = [path.stem for path in sorted(place.agents.glob("*.yaml"))]
    raise InputError("an agent", found=repr(name), key="AGENT", nearest=nearest(name, names))


@app.command("list")
def list_agents(directory: WorkspaceDir = None, as_json: AsJson = False) -> None:
    """The agents, their models and tools."""
    from practice.agent import Agent

    place = workspace(directory)
    rows: list[dict[str, object]] = []
    for path in sorted(place.agents.glob("*.yaml")):
        row: dict[str, object] = {"agent": path.stem, "model": "", "tools": [], "about": ""}
        try:
            agent = Agent.from_yaml(path, workspace=place)
            row |= {
                "model": agent.spec.model.name,
                "tools": [spec.name for spec in agent.tool_specs],
                "about": agent.spec.description,
            }
        except PracticeError as error:
            row["about"] = f"can't be loaded: {error}"
        rows.append(row)
    if as_json:
        print_json(rows)
        return
    table(
        ["agent", "model", "tools", "about"],
        [(row["agent"], row["model"], ", ".join(map(str, _list(row["tools"]))), row["about"]) for row in rows],
    )


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="An agent's name or file.")],
    memory: Annotated[str | None, typer.Option(help="Show the prompt with this bank.")] = None,
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """An agent as a model sees it: system prompt and tools; then the agents that it leads."""
    from practice.agent import Agent
    from practice.cli.memory import bank_path
    from practice.memory import Bank

    place = workspace(directory)
    agent = Agent.from_yaml(agent_path(place, name), workspace=place)
    bank = Bank.load(bank_path(place, memory)) if memory else Bank(bank="none")
    if as_json:
        led = [_seen(part, bank) for part in agent.team[1:]]
        print_json(_seen(agent, bank) | ({"agents": led} if led else {}))
        return
    for member in agent.team:
        if agent.parts:
            typer.echo(f"# {member.spec.name} ({member.spec.model.name})\n")
        typer.echo("\n\n".join(member.system(bank.active)))
        table(["tool", "what it does"], [(tool.name, tool.spec.description) for tool in member.tools])


def _seen(agent: Agent, bank: Bank) -> dict[str, object]:
    return {
        "agent": agent.spec.model_dump(mode="json"),
        "system_prompt": "\n\n".join(agent.system(bank.active)),
        "tools": [tool.spec.model_dump(mode="json") for tool in agent.tools],
    }


app.command("new")(new)
app.command("check")(check)
app.command("chat")(chat)
