"""``practice tool``: the tools of the workspace, and the trust in those that a model wrote."""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import TYPE_CHECKING, Annotated, Any

import typer

from practice.cli.common import AsJson, WorkspaceDir, note, print_json, table, workspace
from practice.cli.making import Unsafe, sandbox_for
from practice.errors import CheckFailed, InputError

if TYPE_CHECKING:
    from practice.config import Workspace
    from practice.tool.trust import Approver, Tested
    from practice.toolsmith import TestRun

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="A generated tool's name.")]
Hosts = Annotated[
    list[str] | None,
    typer.Option("--host", metavar="HOST", help="A host that it may speak to, as example.org or 127.0.0.1:8000."),
]
Reads = Annotated[
    list[str] | None,
    typer.Option("--read", metavar="PATH", help="A folder or file of the workspace that it may read."),
]


@app.command("list")
def list_tools(directory: WorkspaceDir = None, as_json: AsJson = False) -> None:
    """The tools that an agent's ``tools:`` can name, and whether generated ones are approved."""
    from practice.errors import SandboxMissing
    from practice.tool import built_in_tools, load_tool, workspace_tools
    from practice.tool.generated import generated_names, read_generated

    place = workspace(directory)
    rows = [{"ref": ref, "status": "own", "description": tool.spec.description} for ref, tool in workspace_tools(place)]
    for name in built_in_tools(place):
        try:
            rows.append({"ref": name, "status": "built in", "description": load_tool(name, place).spec.description})
        except SandboxMissing as error:
            rows.append({"ref": name, "status": "no sandbox", "description": str(error)})
    for name in generated_names(place):
        try:
            made = read_generated(name, place)
            rows.append({"ref": name, "status": made.state, "description": made.spec.description})
        except InputError as error:
            rows.append({"ref": name, "status": "broken", "description": str(error)})
    if as_json:
        print_json(rows)
        return
    lines = [(row["ref"], row["status"], (row["description"].splitlines() or [""])[0]) for row in rows]
    table(["tool", "status", "what it does"], lines)


@app.command("show")
def show(
    ref: Annotated[str, typer.Argument(help="A tool's name or tools/file.py:function.")],
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """A tool as a model sees it; of a generated one also status, card, code and last test."""
    from practice.tool import available_tools, load_tool
    from practice.tool.generated import generated_names

    place = workspace(directory)
    if ref in generated_names(place) and ref not in available_tools(place):
        _show_generated(ref, place, as_json=as_json)
        return
    tool = load_tool(ref, place)
    print_json(tool.spec) if as_json else _print(tool.spec.name, tool.spec.description, tool.spec.parameters)


@app.command("test")
def test(name: Name, unsafe: Unsafe = False, directory: WorkspaceDir = None, as_json: AsJson = False) -> None:
    """Run a generated tool's tests in the sandbox; exits 5 where one fails."""
    ran = _test(workspace(directory), name, unsafe=unsafe)
    if as_json:
        print_json(ran)
    else:
        lines = [*((test, "passed", "") for test in ran.passed), *((t, "FAILED", why) for t, why in ran.failed.items())]
        table(["test", "", "what happened"], lines, title=f"{name}, run by {ran.engine}")
    raise typer.Exit(0 if ran.ok else CheckFailed.exit_code)


@app.command("approve")
def approve(
    name: Annotated[str, typer.Argument(help="A generated tool's name; with --host also one of your own tools.")],
    host: Hosts = None,
    read: Reads = None,
    unsafe: Unsafe = False,
    directory: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Trust a generated tool, byte for byte as it is now, once its tests pass (else exit 5)."""
    from practice.tool.generated import generated_names

    place = workspace(directory)
    if name not in generated_names(place) and host:
        _approve_hosts(place, name, host, read, as_json=as_json)
        return
    given = trust_tested(place, name, by="person", hosts=host or (), read=read or (), unsafe=unsafe)
    if as_json:
        print_json({"tool": name, **given})
        return
    typer.echo(f"{name} is approved: sha256 {given['sha256'][:16]}…, {_reach(given['hosts'], given['read'])}")


@app.command("remove")
def remove(name: Name, directory: WorkspaceDir = None, as_json: AsJson = False) -> None:
    """Delete a generated tool, its card, its tests and what was approved."""
    from practice.errors import nearest
    from practice.tool import trust
    from practice.tool.generated import generated_names

    place = workspace(directory)
    names = generated_names(place)
    if name not in names:
        raise InputError("a generated tool", found=repr(name), key="NAME", nearest=nearest(name, names))
    for agent in _agents_with(place, name):
        note(f"{agent} names it and will not load any more")
    trust.forget(place, name)
    shutil.rmtree(place.tools / "generated" / name)
    print_json({"removed": name}) if as_json else typer.echo(f"{name} is removed")


# ---------------------------------------------------------------- shared with the commands that make tools


def trust_tested(
    place: Workspace,
    name: str,
    *,
    by: Approver,
    hosts: list[str] | tuple[str, ...] = (),
    read: list[str] | tuple[str, ...] = (),
    unsafe: bool = False,
) -> dict[str, Any]:
    """Approve a generated tool if its tests pass; the approval. Raises CheckFailed where one fails."""
    from practice.tool import trust
    from practice.tool.generated import read_generated

    asked = read_generated(name, place).card.permissions
    ran = _test(place, name, unsafe=unsafe)
    if not ran.ok:
        test, why = next(iter(ran.failed.items()))
        raise CheckFailed(f"{name} is not approved: {len(ran.failed)} tests fail, {test}: {why}")
    given = trust.approve(place, name, by=by, hosts=hosts, read=read)
    left = [one for one in (*asked.hosts, *asked.read) if one not in (*given.hosts, *given.read)]
    if left:
        note(f"{name} asks for {', '.join(left)} as well, and does not get it (--host, --read)")
    return given.model_dump(mode="json")


def _test(place: Workspace, name: str, *, unsafe: bool) -> TestRun:
    from practice.tool.generated import read_generated
    from practice.toolsmith import run_tests

    read_generated(name, place)  # a wrong name is told before a sandbox is looked for
    return asyncio.run(run_tests(name, place, sandbox_for(unsafe)))


# ---------------------------------------------------------------- inside


def _approve_hosts(place: Workspace, name: str, hosts: list[str], read: list[str] | None, *, as_json: bool) -> None:
    from practice.tool import trust, workspace_tools

    if read:
        raise InputError("no --read for a tool of your own: it has your rights", found=", ".join(read), key="--read")
    own = [ref for ref, _ in workspace_tools(place)]
    if name not in own:
        from practice.errors import nearest

        raise InputError("a tool of the workspace", found=repr(name), key="NAME", nearest=nearest(name, own))
    known = trust.approve_hosts(place, name, hosts)
    print_json({"tool": name, "hosts": known}) if as_json else typer.echo(f"{name} may speak to {', '.join(known)}")


def _show_generated(name: str, place: Workspace, *, as_json: bool) -> None:
    from practice.tool.generated import read_generated
    from practice.tool.trust import last_test

    made, tested = read_generated(name, place), last_test(place, name)
    if as_json:
        last = None if tested is None else tested.model_dump(mode="json")
        card = made.card.model_dump(mode="json")
        said = {"status": made.state, "card": card, "source": made.source, "tests": made.tests, "tested": last}
        print_json({**made.spec.model_dump(mode="json"), **said})
        return
    _print(made.spec.name, made.spec.description, made.spec.parameters)
    typer.echo(f"\nstatus: {made.state}\n{_tested(tested)}")
    for part, text in (("card.yaml", made.card.yaml()), ("tool.py", made.source), ("test_tool.py", made.tests)):
        typer.echo(f"\n# {place.relative(made.folder / part)}\n{text.rstrip()}")


def _tested(tested: Tested | None) -> str:
    if tested is None:
        return "tests: not run since it was last changed"
    said = f"tests: {tested.passed} passed, {len(tested.failed)} failed, {tested.when}, run by {tested.engine}"
    return "\n".join([said, *(f"  {test}: {why}" for test, why in tested.failed.items())])


def _reach(hosts: list[str], read: list[str]) -> str:
    network = f"may speak to {', '.join(hosts)}" if hosts else "no network"
    return f"{network}, {'may read ' + ', '.join(read) if read else 'no files of the workspace'}"


def _agents_with(place: Workspace, name: str) -> list[str]:
    """The agent files that name a tool."""
    from practice.config import read_yaml

    found: list[str] = []
    for path in sorted(place.agents.glob("*.yaml")):
        try:
            data: Any = read_yaml(path).data
        except InputError:
            continue
        if isinstance(data, dict) and name in (data.get("tools") or ()):  # pyright: ignore[reportUnknownMemberType]
            found.append(place.relative(path))
    return found


def _print(name: str, description: str, parameters: dict[str, object]) -> None:
    typer.echo(f"{name}: {description}\n{json.dumps(parameters, indent=2, ensure_ascii=False)}")
