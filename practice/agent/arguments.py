"""What ``Agent(…)`` is given and what it gives back, turned into values; errors at their place."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from practice.agent.messages import to_message
from practice.config import McpTools, Workspace, Yaml, parse
from practice.errors import InputError
from practice.tool import Tool, load_mcp, load_tool, tool_from_function

if TYPE_CHECKING:
    from practice.model import Model


def is_model(value: object) -> TypeGuard[Model]:
    """Whether ``value`` answers requests itself, and does not just name a model."""
    return hasattr(value, "complete") and hasattr(value, "name")


Given = Callable[..., Any] | Tool | str | McpTools | Mapping[str, Any]
"""What ``Agent(tools=…)`` takes: functions, tools, and what YAML takes."""


def as_tools(given: Sequence[Given], workspace: Workspace) -> tuple[tuple[Tool, ...], list[Any]]:
    """The tools that are meant, and how a specification refers to them. An MCP server brings several."""
    tools: list[Tool] = []
    refs: list[Any] = []
    for index, item in enumerate(given):
        if isinstance(item, Mapping):
            item = parse(McpTools, Yaml(dict(cast("Mapping[str, Any]", item))), f"tools[{index}]")
        if isinstance(item, str | McpTools):
            tools += load_tools(item, workspace)
            refs.append(plain(item))
        else:
            tools.append(item if isinstance(item, Tool) else tool_from_function(item))
            refs.append(tools[-1].name)
    return tuple(tools), refs


def load_tools(ref: str | McpTools, workspace: Workspace) -> tuple[Tool, ...]:
    """The tools that an entry of an agent's ``tools`` stands for. Raises InputError."""
    return load_mcp(ref.mcp, workspace) if isinstance(ref, McpTools) else (load_tool(ref, workspace),)


def check_names(tools: Sequence[Tool]) -> None:
    """Raise InputError where two tools have one name: a model could not tell them apart."""
    names = [tool.name for tool in tools]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError("tools of different names", found=f"{twice!r} twice", key="tools")


def plain(value: Any) -> Any:
    """Settings given as a pydantic value, as data."""
    return value.model_dump(exclude_unset=True) if hasattr(value, "model_dump") else value


@contextmanager
def located(document: Yaml, path: tuple[str | int, ...], *, below: bool = False) -> Generator[None]:
    """Give an InputError without a file the place in ``document`` that it is about; ``below``: its key is one there."""
    try:
        yield
    except InputError as error:
        if error.file is not None:
            raise
        inner = error.key.split(".", 1) if below and error.key else []
        place = (*path, *(int(part) if part.isdecimal() else part for part in inner))
        file, line = document.where(place)
        key = ".".join(map(str, place))
        raise InputError(
            error.expected, found=error.found, file=file, key=key, line=line, nearest=error.nearest
        ) from error


def last_words(messages: Sequence[object]) -> str:
    """The content of the last assistant message; nothing where there is none."""
    for message in reversed(messages):
        if isinstance(message, Mapping):
            role = cast("Mapping[str, Any]", message).get("role")
        else:
            role = getattr(message, "type", None)
        if role in ("assistant", "ai"):
            return to_message(cast("object", message)).content
    return ""
