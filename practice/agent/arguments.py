"""What ``Agent(…)`` is given and what it gives back, turned into values; errors at their place."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar, cast

from practice.agent.messages import to_message
from practice.config import Workspace, Yaml
from practice.errors import InputError
from practice.tool import Tool, load_tool, tool_from_function

if TYPE_CHECKING:
    from practice.model import Model

T = TypeVar("T")


def is_model(value: object) -> TypeGuard[Model]:
    """Whether ``value`` answers requests itself, and does not just name a model."""
    return hasattr(value, "complete") and hasattr(value, "name")


def as_tool(tool: Callable[..., Any] | Tool | str, workspace: Workspace) -> Tool:
    """A reference, a function or a tool, as a tool."""
    if isinstance(tool, Tool):
        return tool
    return load_tool(tool, workspace) if isinstance(tool, str) else tool_from_function(tool)


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
def located(document: Yaml, path: tuple[str | int, ...]) -> Generator[None]:
    """Give an InputError without a file the place in ``document`` that it is about."""
    try:
        yield
    except InputError as error:
        if error.file is not None:
            raise
        file, line = document.where(path)
        key = ".".join(map(str, path))
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


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run on a loop of its own: here, or in a thread where this thread already runs one."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    outcome: concurrent.futures.Future[T] = concurrent.futures.Future()

    def work() -> None:
        try:
            outcome.set_result(asyncio.run(coroutine))
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=work, name="practice-invoke", daemon=True).start()
    return outcome.result()
