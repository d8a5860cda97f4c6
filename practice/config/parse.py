"""From a YAML document to a frozen value; every refusal becomes one InputError with file, line, key and nearest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from practice.config.schema import is_secret
from practice.config.walk import nearest_key, siblings
from practice.config.yamlfile import KeyPath, Yaml, dotted
from practice.errors import InputError, nearest

__all__ = ["describe", "one_of", "parse"]

Model = TypeVar("Model", bound=BaseModel)

_NO_SECRET = "no secret in YAML: name the environment variable that holds it in {}"
_KINDS = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "dict": "a mapping",
    "model": "a mapping",
    "mapping": "a mapping",
}
_LIMITS = {
    "greater_than": ("gt", "a number above {}"),
    "greater_than_equal": ("ge", "a number of at least {}"),
    "less_than": ("lt", "a number below {}"),
    "less_than_equal": ("le", "a number of at most {}"),
}


def parse(cls: type[Model], document: Yaml, file: str | None = None) -> Model:
    """``document`` as a ``cls``.

    Raises InputError (file, dotted key, line, expected, found, nearest) for the first thing that is wrong;
    unknown keys come first, since a misspelled key is also a missing one. Quoted numbers are not numbers.
    """
    source = document if file is None else Yaml(document.data, document.lines, file, document.given)
    data: object = {} if source.data is None else source.data
    if not isinstance(data, dict):
        raise InputError("a mapping, key: value", found=describe(data), file=source.file, line=1)
    try:
        value = cls.model_validate(data)
    except ValidationError as error:
        raise _input_error(cls, source, error) from None
    coerced = _coerced(cast("dict[str, Any]", data), value, ())
    if coerced is not None:
        path, found, expected = coerced
        raise _at(source, path, expected, found=describe(found, path))
    return value


def describe(value: object, path: KeyPath = ()) -> str:
    """What was found, as a person would name it, shortened; never the value of a key that holds secrets."""
    if any(isinstance(part, str) and is_secret(part) for part in path):
        return "a value (not shown)"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value) if isinstance(value, str) else f"{value}"
    return text if len(text) <= 60 else f"{text[:56]}…{text[-1]}"


def _at(source: Yaml, path: KeyPath, expected: str, *, found: str | None = None, like: str | None = None) -> InputError:
    file, line = source.where(path)
    return InputError(expected, found=found, file=file, key=dotted(path), line=line, nearest=like)


def _input_error(cls: type[BaseModel], source: Yaml, error: ValidationError) -> InputError:
    errors = [(_real_path(item, source.data), item) for item in error.errors(include_url=False)]
    # A union reports each of its alternatives: what lies deepest is what was meant.
    paths = [path for path, _ in errors]
    errors = [
        (path, item) for path, item in errors if not any(len(p) > len(path) and p[: len(path)] == path for p in paths)
    ]
    rank = {"extra_forbidden": 0, "missing": 2}
    path, item = min(errors, key=lambda pair: (rank.get(pair[1]["type"], 1), source.where(pair[0])[1] or 0))
    kind, context = item["type"], item.get("ctx", {})
    if kind == "practice":
        inner = tuple(str(context["key"]).split(".")) if context["key"] is not None else ()
        return _at(source, (*path, *inner), context["expected"], found=context["found"], like=context["nearest"])
    if kind == "extra_forbidden":
        return _unknown(cls, source, path)
    if kind == "missing":
        return _at(source, path, "this key", found="nothing")
    expected, like = _expected(item)
    return _at(source, path, expected, found=describe(item["input"], path), like=like)


def _unknown(cls: type[BaseModel], source: Yaml, path: KeyPath) -> InputError:
    name = str(path[-1])
    names = tuple(str(part) for part in path)
    if is_secret(name):
        place = "headers_env" if "headers_env" in siblings(cls, names) else "api_key_env"
        return _at(source, path, _NO_SECRET.format(place), found=f"the key {name!r}", like=place)
    like = nearest_key(cls, names)
    # A key beside is named as it would be written there, one from elsewhere with its place.
    near = None if like is None else like[-1] if like[:-1] == names[:-1] else ".".join(like)
    return _at(source, path, one_of(siblings(cls, names)), found=f"{name!r}", like=near)


def one_of(names: Sequence[str]) -> str:
    """The keys that may stand in a place, for a message."""
    return f"one of {', '.join(names)}" if names else "a key that exists"


def _expected(item: ErrorDetails) -> tuple[str, str | None]:
    """What pydantic wanted, in words, and the nearest of the names it allows."""
    kind, context = item["type"], item.get("ctx", {})
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return words.format(f"{context[name]:g}"), None
    if kind == "literal_error":
        allowed = str(context["expected"])
        names = re.findall(r"'([^']*)'", allowed)
        return allowed.replace("'", ""), nearest(str(item["input"]), names)
    if kind == "string_too_short":
        return "text that is not empty", None
    if kind == "string_pattern_mismatch":
        return f"text of the form {context['pattern']}", None
    if kind == "finite_number":
        return "a finite number", None
    stem = kind.removesuffix("_type").removesuffix("_parsing").removesuffix("_from_float").removesuffix("_attributes")
    if stem in _KINDS:
        return _KINDS[stem], None
    return item["msg"][:1].lower() + item["msg"][1:], None


def _real_path(item: ErrorDetails, data: object) -> KeyPath:
    """``loc`` without the names of a union's alternatives, which are no keys of the document."""
    path: list[str | int] = []
    for index, part in enumerate(item["loc"]):
        last = index == len(item["loc"]) - 1
        if isinstance(data, dict) and part in data:
            data = cast("dict[object, object]", data)[part]
        elif isinstance(data, list) and isinstance(part, int) and part < len(cast("list[object]", data)):
            data = cast("list[object]", data)[part]
        elif not (last and item["type"] in ("missing", "extra_forbidden")):
            continue
        path.append(part)
    return tuple(path)


def _coerced(data: object, value: object, path: KeyPath) -> tuple[KeyPath, object, str] | None:
    """The first scalar that pydantic turned into another type (a quoted number, 1 for true), and what it should be."""
    pairs: list[tuple[str | int, object, object]] = []
    if isinstance(data, dict):
        for key, inner in cast("dict[str, object]", data).items():
            below = cast("dict[str, object]", value).get(key) if isinstance(value, dict) else getattr(value, key, None)
            pairs.append((key, inner, below))
    elif isinstance(data, list):
        if isinstance(value, tuple | list):
            inner_values = zip(cast("list[object]", data), cast("list[object]", value), strict=False)
            pairs = [(index, inner, below) for index, (inner, below) in enumerate(inner_values)]
    elif isinstance(value, bool | int | float) and type(data) is not type(value):
        expected = {bool: "true or false", int: "a whole number", float: "a number"}[type(value)]
        return None if isinstance(value, float) and type(data) is int else (path, data, expected)
    return next(filter(None, (_coerced(inner, below, (*path, key)) for key, inner, below in pairs)), None)
