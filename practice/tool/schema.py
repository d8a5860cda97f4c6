"""What a function's signature and docstring say, as a pydantic model and the JSON schema that a model is shown."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

from practice.errors import InputError

PREFIX = "arg_"
"""Fields carry the argument's name as alias: a field named ``copy`` or ``model_x`` would collide with BaseModel's."""

_SECTION = re.compile(r"^(Args|Arguments|Parameters|Returns?|Raises|Yields?|Examples?|Notes?|Attributes):\s*$")
_ARGUMENT = re.compile(r"^\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)$")


class _Schema(GenerateJsonSchema):
    """Leaves a default that JSON can't express out of the schema without a word; the function still has it."""

    def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None:
        if kind != "non-serializable-default":
            super().emit_warning(kind, detail)


def arguments_model(fn: Callable[..., Any], name: str, file: str | None) -> type[BaseModel]:
    """The arguments of ``fn`` as a closed pydantic model whose field aliases are the argument names.

    Values are coerced as pydantic's lax mode does ("3" -> 3), and numbers become text where text is asked for.
    Raises InputError for an argument without annotation, of a type that JSON can't express, or without a name.
    """
    _, described = parse_docstring(inspect.getdoc(fn) or "")
    hints = _hints(fn, name, file)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(fn).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise InputError("arguments that can be given by name", found=f"{parameter} of {name}", file=file, key=name)
        if parameter.name not in hints:
            raise InputError(
                "a type annotation on every argument",
                found=f"{parameter.name!r} of {name} without",
                file=file,
                key=name,
            )
        default = ... if parameter.default is parameter.empty else parameter.default
        # An absent description is not passed: it would hide one that the annotation holds.
        said: dict[str, Any] = {"description": described[parameter.name]} if parameter.name in described else {}
        field = Field(default, alias=parameter.name, **said)
        fields[PREFIX + parameter.name] = (hints[parameter.name], field)
    try:
        return create_model(name, __config__=ConfigDict(extra="forbid", coerce_numbers_to_str=True), **fields)
    except PydanticSchemaGenerationError as error:
        raise _inexpressible(error, name, file) from None


def field_value(arguments: BaseModel, name: str) -> Any:
    """The checked value of the argument ``name``."""
    known = PREFIX + name
    return getattr(arguments, known) if known in type(arguments).model_fields else (arguments.model_extra or {})[name]


def json_schema(model: type[BaseModel], name: str, file: str | None) -> dict[str, Any]:
    """The JSON schema of the arguments: without titles, and without ``$ref`` where nothing refers to itself."""
    try:
        schema = model.model_json_schema(schema_generator=_Schema)
    except PydanticInvalidForJsonSchema as error:
        raise _inexpressible(error, name, file) from None
    return {"type": "object", "properties": {}, **inlined(schema)}


def inlined(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema without titles, its definitions where they are referred to, but for those that refer to themselves.

    One whose references lead elsewhere keeps them all.
    """
    definitions: dict[str, Any] = schema.get("$defs", {})
    rest = {key: value for key, value in schema.items() if key not in ("$defs", "$schema")}
    if not set(_references(dict(schema))) <= set(definitions):
        return dict(schema)
    recursive = {key for key in definitions if _reaches(definitions, key, key, set())}
    plain = _plain(rest, definitions, recursive)
    if recursive:
        plain["$defs"] = {key: _plain(definitions[key], definitions, recursive) for key in sorted(recursive)}
    return plain


def parse_docstring(text: str) -> tuple[str, dict[str, str]]:
    """(what stands before the first section, {argument: description}) of a Google-style docstring."""
    summary: list[str] = []
    arguments: dict[str, str] = {}
    section, current, indent = "", "", 0
    for line in text.splitlines():
        if match := _SECTION.match(line):
            section, current = match[1], ""
        elif not section:
            summary.append(line)
        elif section in ("Args", "Arguments", "Parameters") and line.strip():
            depth = len(line) - len(line.lstrip())
            found = _ARGUMENT.match(line.strip())
            if found and (not current or depth <= indent):
                current, indent = found[1], depth
                arguments[current] = found[2]
            elif current:
                arguments[current] += " " + line.strip()
    return " ".join(" ".join(summary).split()), {key: value.strip() for key, value in arguments.items()}


# ---------------------------------------------------------------- inside


def _hints(fn: Callable[..., Any], name: str, file: str | None) -> Mapping[str, Any]:
    target = fn if inspect.isroutine(fn) else type(fn).__call__
    try:
        return typing.get_type_hints(target, include_extras=True)
    except NameError as error:
        raise InputError(
            "annotations that name known types", found=f"{error.name!r} in {name}", file=file, key=name
        ) from None


def _inexpressible(error: Exception, name: str, file: str | None) -> InputError:
    first = str(error).splitlines()[0]
    return InputError("argument types that JSON can express", found=f"in {name}: {first}", file=file, key=name)


def _reaches(definitions: Mapping[str, Any], start: str, goal: str, seen: set[str]) -> bool:
    """Whether the definition ``start`` refers, over any number of steps, to ``goal``."""
    for target in _references(definitions[start]):
        if target == goal:
            return True
        if target not in seen:
            seen.add(target)
            if _reaches(definitions, target, goal, seen):
                return True
    return False


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        items = typing.cast("dict[str, Any]", node)
        own = [str(items["$ref"]).removeprefix("#/$defs/")] if "$ref" in items else []
        return own + [name for value in items.values() for name in _references(value)]
    if isinstance(node, list):
        return [name for value in typing.cast("list[Any]", node) for name in _references(value)]
    return []


def _plain(node: Any, definitions: Mapping[str, Any], recursive: set[str], *, names: bool = False) -> Any:
    """``node`` without titles and with references resolved; ``names``: the keys are names of properties."""
    if isinstance(node, list):
        return [_plain(value, definitions, recursive) for value in typing.cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    items = typing.cast("dict[str, Any]", node)
    reference = str(items.get("$ref", "")).removeprefix("#/$defs/")
    if not names and reference and reference not in recursive:
        # Keywords beside a reference (a description, a default) override those of its target.
        rest = {key: value for key, value in items.items() if key != "$ref"}
        return _plain({**definitions[reference], **rest}, definitions, recursive)
    return {
        key: value
        if key in ("default", "enum", "const") and not names
        else _plain(value, definitions, recursive, names=key == "properties" and not names)
        for key, value in items.items()
        if names or key != "title"
    }
