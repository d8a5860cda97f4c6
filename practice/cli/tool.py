"""``practice tool``: the tools of the workspace."""

from __future__ import annotations

from typing import Annotated

import typer

from practice.cli.common import AsJson, WorkspaceDir, print_json, table, workspace

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_tools(directory: WorkspaceDir = None, as_json: AsJson = False) -> None:
    """The functions that an agent's ``tools:`` can name."""
    from practice.tool import workspace_tools

    found = workspace_tools(workspace(directory))
    if as_json:
        print_json([{"ref": ref, "description": tool.spec.description} for ref, tool in found])
        return
    table(["tool", "what it does"], [(ref, tool.spec.description.splitlines()[0]) for ref, tool in found])


@app.command("show")
def show(
    ref: Annotated[str, typer.Argument(help="A tool's name or tools/file.py:function.")],
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """A tool as a model sees it: name, description, JSON schema of its arguments."""
    from practice.tool import load_tool

    tool = load_tool(ref, workspace(directory))
    print_json(tool.spec) if as_json else _print(tool.spec.name, tool.spec.description, tool.spec.parameters)


def _print(name: str, description: str, parameters: dict[str, object]) -> None:
    import json

    typer.echo(f"{name}: {description}\n{json.dumps(parameters, indent=2, ensure_ascii=False)}")
