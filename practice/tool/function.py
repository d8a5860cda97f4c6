"""A typed function as a tool: how a model is told of it, and how its calls are checked, run and answered."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import inspect
import json
import math
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import BaseModel, TypeAdapter, ValidationError

from practice.errors import CallFailed, InputError, nearest
from practice.tool.schema import arguments_model, field_value, json_schema, parse_docstring
from practice.types import ToolCall, ToolResult, ToolSpec

MAX_RESULT = 8000
"""Characters of a result that a model is shown."""

Opened = Callable[..., Any] | Mapping[str, Callable[..., Any]]
Opening = Callable[[], AbstractAsyncContextManager[Opened]]
"""What a tool with state needs around its calls: a connection, a sandbox's session. It gives the function to call,
or, where several tools have this opening in common, each one's by its name."""

_JSON: TypeAdapter[Any] = TypeAdapter(Any)


@dataclass(frozen=True)
class Tool:
    """A function that a model can call."""

    spec: ToolSpec
    fn: Callable[..., Any]
    source_hash: str
    """sha256 of its source: of the whole file where it was loaded by path, so that helpers count."""
    arguments: type[BaseModel] = field(repr=False)
    """Checks and coerces the arguments."""
    opening: Opening | None = field(default=None, repr=False)
    """Entered at the first call in an attempt of a tool that has it, left when the attempt ends: no attempt sees
    another's state. What it gives is called in place of ``fn``. A CallFailed that it or a call raises fails the
    attempt: the tool itself is gone, and the model had no part in it."""

    @property
    def name(self) -> str:
        """What a model calls it."""
        return self.spec.name


class _Refused(Exception):
    """Arguments that the function is not called with; the message is for the model."""


def tool_from_function(fn: Callable[..., Any], *, file: str | None = None, source: str | None = None) -> Tool:
    """A tool from a typed function (sync or async) with a Google-style docstring.

    Annotations may be str, int, float, bool, list, dict, Literal, Optional, Enum, pydantic models and whatever
    else pydantic knows. Raises InputError where an argument has no annotation or one that JSON can't express.
    """
    name = getattr(fn, "__name__", type(fn).__name__)
    if not name.isidentifier():
        raise InputError("a function with a name", found=name, file=file)
    model = arguments_model(fn, name, file)
    description, _ = parse_docstring(inspect.getdoc(fn) or "")
    spec = ToolSpec(name=name, description=description, parameters=json_schema(model, name, file))
    return Tool(spec=spec, fn=fn, source_hash=source or source_hash(fn), arguments=model)


async def call(tool: Tool, call: ToolCall, *, timeout: float | None = None) -> ToolResult:
    """Run one call. What goes wrong in it is an answer with ``error`` set, for the model to read.

    A sync function runs in a thread of its own. Raises TimeoutError after ``timeout`` seconds; the thread, which
    can't be stopped, is left behind and does not keep the process alive. Raises CallFailed where the tool does.
    """
    arguments = arguments_of(tool, call)
    if isinstance(arguments, ToolResult):
        return arguments
    async with asyncio.timeout(timeout):
        value, error = await _run(tool.fn, arguments)
    if isinstance(error, CallFailed):
        raise error
    if error is not None:
        text = str(error) if isinstance(error, ValueError) and str(error) else f"{type(error).__name__}: {error}"
        return ToolResult(call=call, content=_cut(f"Error: {text}"), error=True)
    try:
        return ToolResult(call=call, content=_cut(to_text(value)))
    except Exception as problem:  # a result with a broken __str__, or one that refers to itself
        return ToolResult(call=call, content=f"Error: {tool.name} gave no readable result: {problem}", error=True)


def arguments_of(tool: Tool, call: ToolCall) -> dict[str, Any] | ToolResult:
    """The checked arguments of a call, or the answer that tells the model what is wrong with them."""
    try:
        return _arguments(tool, call.arguments)
    except _Refused as error:
        return ToolResult(call=call, content=f"Error: {error}", error=True)


def to_text(value: Any) -> str:
    """What a model reads of a result: text as it is, numbers without binary noise, all else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return _tidy(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return repr(value)
    plain = _JSON.dump_python(value, mode="json", fallback=str)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def source_hash(fn: Callable[..., Any]) -> str:
    """sha256 of a function's source, or of its bytecode where there is none (typed at a prompt, built in)."""
    try:
        source = inspect.getsource(fn if inspect.isroutine(fn) else type(fn))
    except (OSError, TypeError):
        code = getattr(fn, "__code__", None)
        source = f"{getattr(fn, '__qualname__', fn)!s} {code.co_code.hex() if code else ''}"
    return hashlib.sha256(source.encode()).hexdigest()


# ---------------------------------------------------------------- inside


def _arguments(tool: Tool, text: str) -> dict[str, Any]:
    """The checked arguments of a call. Raises _Refused with what the model should do differently."""
    given = _parse(tool, text)
    try:
        checked = tool.arguments.model_validate(given)
    except ValidationError as error:
        given = _unquoted(given, error)
        try:
            checked = tool.arguments.model_validate(given)
        except ValidationError as final:
            raise _Refused(_complaint(tool, final, given)) from None
    return {name: field_value(checked, name) for name in given}


def _parse(tool: Tool, text: str) -> dict[str, Any]:
    try:
        # strict=False: a raw line break inside a string is no reason to send the call back.
        value: Any = json.loads(text, strict=False) if text.strip() else {}
        if isinstance(value, str):  # JSON in JSON
            value = json.loads(value, strict=False)
    except (ValueError, RecursionError) as error:
        raise _Refused(
            f"the arguments of {tool.name} are not valid JSON ({error}): {text[:200]}; {_expects(tool)}"
        ) from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _Refused(f"the arguments of {tool.name} must be a JSON object; {_expects(tool)}")
    return cast("dict[str, Any]", value)


def _unquoted(given: dict[str, Any], error: ValidationError) -> dict[str, Any]:
    """Small models quote lists and objects, ``"[1, 2]"``: those arguments that failed are read once more as JSON."""
    out = dict(given)
    for name in {str(problem["loc"][0]) for problem in error.errors(include_url=False) if problem["loc"]}:
        if isinstance(out.get(name), str):
            try:
                out[name] = json.loads(out[name])
            except ValueError:
                continue
    return out


def _complaint(tool: Tool, error: ValidationError, given: dict[str, Any]) -> str:
    known = list(tool.spec.parameters["properties"])
    parts: list[str] = []
    for problem in error.errors(include_url=False, include_context=False):
        where = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "missing":
            parts.append(f"argument {where!r} is missing")
        elif problem["type"] == "extra_forbidden" and len(problem["loc"]) == 1:
            close = nearest(where, [name for name in known if name not in given])
            parts.append(f"there is no argument {where!r}" + (f" (did you mean {close!r}?)" if close else ""))
        else:
            parts.append(f"argument {where!r}: {problem['msg']}")
    return f"{tool.name}: {'; '.join(parts)}; {_expects(tool)}"


def _expects(tool: Tool) -> str:
    properties = cast("dict[str, dict[str, Any]]", tool.spec.parameters["properties"])
    required = cast("list[str]", tool.spec.parameters.get("required", []))
    described = [
        f"{name}{'' if name in required else ' (optional)'}: {_kind(schema)}" for name, schema in properties.items()
    ]
    return "expected {" + ", ".join(described) + "}"


def _kind(schema: dict[str, Any]) -> str:
    """The type of an argument in a word; that it may be null too is said by `optional`."""
    kinds = [_kind(part) for part in schema.get("anyOf", ()) if part.get("type") != "null"]
    return " or ".join(dict.fromkeys(kinds)) or str(schema.get("type", "any"))


async def _run(fn: Callable[..., Any], arguments: dict[str, Any]) -> tuple[Any, BaseException | None]:
    """(result, None) or (None, what it raised); ``sys.exit()`` in a tool is one of those."""
    if not _is_async(fn):
        value, error = await _in_thread(fn, arguments)
        if error is not None or not inspect.isawaitable(value):
            return value, error
        waiting = value
    else:
        waiting = fn(**arguments)
    try:
        return await waiting, None
    except (Exception, SystemExit) as error:
        return None, error


def _is_async(fn: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(getattr(fn, "__call__", None))  # noqa: B004


async def _in_thread(fn: Callable[..., Any], arguments: dict[str, Any]) -> tuple[Any, BaseException | None]:
    """Run in a daemon thread. asyncio.to_thread's pool would be used up, and kept from ending, by tools that hang."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
    context = contextvars.copy_context()

    def deliver(outcome: tuple[Any, BaseException | None]) -> None:
        if not done.done():
            done.set_result(outcome)

    def work() -> None:
        try:
            outcome = (context.run(fn, **arguments), None)
        except BaseException as error:
            outcome = (None, error)
        try:
            loop.call_soon_threadsafe(deliver, outcome)
        except RuntimeError:
            return  # the loop has closed: nobody waits any more

    threading.Thread(target=work, name=f"tool-{getattr(fn, '__name__', 'call')}", daemon=True).start()
    return await done


def _tidy(number: float) -> str:
    """45.0 -> 45, 0.30000000000000004 -> 0.3; nan and inf as Python writes them."""
    if not math.isfinite(number):
        return repr(number)
    rounded = float(f"{number:.15g}")
    return str(int(rounded)) if rounded.is_integer() and abs(rounded) < 1e16 else repr(rounded)


def _cut(text: str) -> str:
    if len(text) <= MAX_RESULT:
        return text
    return f"{text[:MAX_RESULT]}\n[cut: {MAX_RESULT:,} of {len(text):,} characters]"
