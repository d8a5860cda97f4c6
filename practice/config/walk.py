"""Walking a closed schema: which keys it has, and which of them a wrong one was meant to be."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from practice.errors import nearest

__all__ = ["children", "leaf_keys", "nearest_key", "siblings", "wrong_part"]

#: Below this, any key is allowed (a free mapping, ``params``).
ANYTHING: dict[str, object] = {}


def children(annotation: object) -> dict[str, object] | None:
    """What keys a value of this type has: name -> type; for a list ``{"0": item}``; None for a scalar; ANYTHING."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {name: info.annotation for name, info in annotation.model_fields.items()}
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return children(arguments[0])
    if origin in (Union, types.UnionType):
        found: dict[str, object] = {}
        for argument in arguments:
            below = children(argument)
            if below is ANYTHING:
                return ANYTHING
            found.update(below or {})
        return found or None
    if origin in (tuple, list):
        return {"0": arguments[0]}
    if origin is dict or annotation in (dict, Any):
        return ANYTHING
    return None


def leaf_keys(schema: type[BaseModel]) -> tuple[str, ...]:
    """All dotted keys of a schema, sections and a list's items (``0``) included, in the order of the schema."""
    return tuple(_keys(schema, ""))


def _keys(annotation: object, prefix: str) -> Iterator[str]:
    below = children(annotation)
    for name, inner in (below or {}).items():
        yield prefix + name
        yield from _keys(inner, f"{prefix}{name}.")


def wrong_part(schema: type[BaseModel], path: tuple[str, ...]) -> int | None:
    """The index of the first part of ``path`` that the schema does not have, or None where it has them all."""
    annotation: object = schema
    for index, part in enumerate(path):
        below = children(annotation)
        if below is ANYTHING:
            return None
        if below is None:
            return index
        name = "0" if part.isdecimal() and set(below) == {"0"} else part
        if name not in below:
            return index
        annotation = below[name]
    return None


def siblings(schema: type[BaseModel], path: tuple[str, ...]) -> tuple[str, ...]:
    """The keys that may stand where the last part of ``path`` stands."""
    annotation: object = schema
    for part in path[:-1]:
        below = children(annotation) or {}
        annotation = below.get("0" if part.isdecimal() else part)
    return tuple(children(annotation) or ())


def nearest_key(schema: type[BaseModel], path: tuple[str, ...]) -> tuple[str, ...] | None:
    """The key path that ``path``, whose last part is unknown, was most likely meant to be.

    In order: the same name elsewhere in the schema; a like name beside it; a very like name elsewhere.
    """
    names: dict[str, str] = {}
    for key in leaf_keys(schema):
        if not key.endswith(".0"):
            names.setdefault(key.rsplit(".", 1)[-1], key)
    name, beside = path[-1], siblings(schema, path)
    like = nearest(name, beside)
    if name in names and (like is None or like.lower() != name.lower()):
        return tuple(names[name].split("."))
    if like is not None:
        return (*path[:-1], like)
    like = nearest(name, names, cutoff=0.75)  # a slip of the pen: among so many names a looser likeness means nothing
    return None if like is None else tuple(names[like].split("."))
