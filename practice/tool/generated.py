"""Generated tools: ``tools/generated/<name>/{tool.py,test_tool.py,card.yaml}``. They run in a sandbox, never here."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from practice.config import Workspace
from practice.errors import CallFailed, InputError, RunError, nearest
from practice.sandbox import Engine, Permit, Ran, SandboxLimits, Session
from practice.tool.card import Card, read_card
from practice.tool.function import Tool, tool_from_function
from practice.tool.signature import stub
from practice.tool.trust import State, digest, digest_of, permit_of, read_parts, state, trust_of
from practice.types import ToolSpec

if TYPE_CHECKING:
    from practice.sandbox.base import Ended

__all__ = [
    "Generated",
    "generated_names",
    "generated_tool",
    "generated_tools",
    "open_tool",
    "read_generated",
]

LIMITS = SandboxLimits()
"""Of each call of a generated tool."""

NOTHING = Permit()
_JSON: TypeAdapter[Any] = TypeAdapter(Any)
_SAID: dict[Ended, str] = {
    "timeout": "it took longer than it may",
    "memory": "it needed more memory than it may",
    "output": "it gave more than is taken",
    "crashed": "its process ended",
}


@dataclass(frozen=True)
class Generated:
    """A generated tool as it lies on disk."""

    name: str
    folder: Path
    spec: ToolSpec
    card: Card
    state: State

    @property
    def source(self) -> str:
        """``tool.py``."""
        return (self.folder / "tool.py").read_text(encoding="utf-8")

    @property
    def tests(self) -> str:
        """``test_tool.py``."""
        return (self.folder / "test_tool.py").read_text(encoding="utf-8")


def generated_names(workspace: Workspace) -> list[str]:
    """The names of all generated tools, whatever state they are in."""
    found = (file.parent.name for file in (workspace.tools / "generated").glob("*/tool.py"))
    return sorted(name for name in found if name.isidentifier())


def read_generated(name: str, workspace: Workspace) -> Generated:
    """The tool of this name. Raises InputError where there is none, a file is missing, or card or source is wrong."""
    names = generated_names(workspace)
    if name not in names:
        raise InputError("a generated tool", found=repr(name), key="NAME", nearest=nearest(name, names))
    folder = workspace.tools / "generated" / name
    for part in ("test_tool.py", "card.yaml"):
        if not (folder / part).is_file():
            raise InputError("a file", found="none there", file=workspace.relative(folder / part))
    card = read_card(folder / "card.yaml")
    if card.name != name:
        where = workspace.relative(folder / "card.yaml")
        raise InputError(f"the folder's name, {name!r}", found=repr(card.name), file=where, key="name")
    return Generated(name, folder, _tool(name, workspace).spec, card, state(workspace, name))


def generated_tools(workspace: Workspace) -> tuple[Generated, ...]:
    """All generated tools that can be read; those that can't are left out (``practice tool show`` says why)."""
    found: list[Generated] = []
    for name in generated_names(workspace):
        try:
            found.append(read_generated(name, workspace))
        except InputError:
            continue
    return tuple(found)


def generated_tool(name: str, workspace: Workspace, *, engine: Engine | None = None, trial: bool = False) -> Tool:
    """The approved tool ``name`` for an agent: each attempt has a sandbox of its own, opened at its first call; a call
    without an attempt around it has one for itself.

    ``engine``: by default the best sandbox of this machine. ``trial``: also one in quarantine, which then reaches
    nothing; for what a person sees before they decide. Raises InputError for a tool that nobody approved (or
    that changed since), and SandboxMissing (a RunError) where this machine has no sandbox.
    """
    parts = read_parts(workspace.tools / "generated" / name)
    sha256 = digest_of(parts)
    trust = trust_of(workspace, name, sha256)
    if trust is None and not trial:
        raise InputError(
            "an approved tool",
            found=f"{name!r} in quarantine: read it (practice tool show {name}), then practice tool approve {name}",
            key=name,
        )
    if engine is None:
        from practice import sandbox

        engine = sandbox.engine()
    source = parts["tool.py"].decode()
    tool = tool_from_function(stub(source, name, f"tools/generated/{name}/tool.py"), source=sha256)
    chosen = engine
    allowed = permit_of(workspace, trust) if trust is not None else NOTHING

    def opening() -> AbstractAsyncContextManager[Callable[..., Any]]:
        return _opened(name, source, chosen, allowed, workspace)

    async def alone(**arguments: Any) -> Any:
        async with opening() as invoke:
            return await invoke(**arguments)

    return replace(tool, fn=alone, opening=opening)


@asynccontextmanager
async def open_tool(
    engine: Engine,
    modules: Mapping[str, str],
    *,
    limits: SandboxLimits,
    permit: Permit = NOTHING,
    folder: Path | None = None,
) -> AsyncGenerator[tuple[Session, Ran | None]]:
    """A session with ``modules`` (name -> source) loaded in their order; the second is the first load that failed.

    ``folder``: from where relative paths count, where something may be read; by default the session's own folder.
    """
    async with engine.session(limits, permit=permit) as session:
        if folder is not None and permit.read:
            # A module, since what was loaded is loaded again after a call that had to be killed.
            await session.load("practice_place", f"import os\nos.chdir({str(folder)!r})\n")
        for name, source in modules.items():
            ran = await session.load(name, source)
            if not ran.ok:
                yield session, ran
                return
        yield session, None


def reason(ran: Ran) -> str:
    """What a call that gave no value came to, in one line."""
    return ran.error or _SAID.get(ran.ended, ran.ended)


# ---------------------------------------------------------------- inside


def _tool(name: str, workspace: Workspace) -> Tool:
    """What its source says of it; the function does nothing."""
    folder = workspace.tools / "generated" / name
    shown = workspace.relative(folder / "tool.py")
    source = (folder / "tool.py").read_text(encoding="utf-8")
    return tool_from_function(stub(source, name, shown), file=shown, source=digest(folder))


@asynccontextmanager
async def _opened(
    name: str, source: str, engine: Engine, allowed: Permit, workspace: Workspace
) -> AsyncGenerator[Callable[..., Any]]:
    opened = open_tool(engine, {"tool": source}, limits=LIMITS, permit=allowed, folder=workspace.root.resolve())
    with _failing():
        async with opened as (session, broken):

            async def invoke(**arguments: Any) -> Any:
                plain = {key: _JSON.dump_python(value, mode="json") for key, value in arguments.items()}
                with _failing():
                    ran = broken or await session.call(f"tool.{name}", plain)
                if ran.ok:
                    return ran.value
                # A ValueError's message is what a model is shown of it; the type of any other error says something.
                raise ValueError(reason(ran).removeprefix("ValueError: "))

            yield invoke


@contextmanager
def _failing() -> Generator[None]:
    """A sandbox that does not come up fails the attempt: the model had no part in it, and other attempts go on."""
    try:
        yield
    except RunError as error:
        raise CallFailed("error", str(error)) from None
