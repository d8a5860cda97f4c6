"""The arguments of a tool that comes with a JSON schema and no function, as :mod:`practice.tool.schema` makes those
of a function: a closed pydantic model that checks and coerces what a model wrote.

Read are types, required names, items, enums, alternatives and nested objects: what a model gets wrong. The rest of a
schema (patterns, ranges, formats) is left to who wrote it, and what is unknown here allows anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from practice.tool.schema import PREFIX, inlined

_JSON: TypeAdapter[Any] = TypeAdapter(Any)
_SCALARS: dict[str, Any] = {"string": str, "integer": int, "number": int | float, "boolean": bool, "null": None}


def parameters(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What a model is shown of a server's schema: an object, without titles and references where that can be."""
    return {"type": "object", "properties": {}, **inlined(schema)}


def arguments_from_schema(name: str, schema: Mapping[str, Any]) -> type[BaseModel]:
    """The model of ``schema``'s properties. An unknown argument is an error unless the schema names none, or says
    itself that it takes more.
    """
    more = schema.get("additionalProperties") if schema.get("properties") else True
    return _object(name, schema, "forbid" if more in (None, False) else "allow")


def as_json(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Checked arguments as JSON values. Null for an argument that may be left out and can't be null is left out:
    so small models say that they have nothing to say.
    """
    plain = cast("dict[str, Any]", _JSON.dump_python(dict(arguments), mode="json", by_alias=True, exclude_unset=True))
    required = _list(schema.get("required"))
    properties = _mapping(schema.get("properties"))
    return {
        key: value
        for key, value in plain.items()
        if value is not None or key in required or _nullable(_mapping(properties.get(key)))
    }


# ---------------------------------------------------------------- inside


def _object(name: str, schema: Mapping[str, Any], extra: Literal["forbid", "allow"]) -> type[BaseModel]:
    required = _list(schema.get("required"))
    fields: dict[str, Any] = {}
    for key, inner in _mapping(schema.get("properties")).items():
        annotation = _type(f"{name}.{key}", inner)
        if key in required:
            fields[PREFIX + key] = (annotation, Field(alias=key))
        else:
            fields[PREFIX + key] = (_union([annotation, None]), Field(default=None, alias=key))
    config = ConfigDict(extra=extra, coerce_numbers_to_str=True, protected_namespaces=())
    return create_model(name, __config__=config, **fields)


def _type(name: str, schema: object) -> Any:
    """The annotation of a schema."""
    if not isinstance(schema, dict):
        return Any
    items = cast("dict[str, Any]", schema)
    values = [items["const"]] if "const" in items else _list(items.get("enum"))
    if values:
        plain = all(value is None or isinstance(value, str | int) for value in values)
        return Literal[tuple(values)] if plain else Any
    for key in ("anyOf", "oneOf"):
        if parts := _list(items.get(key)):
            return _union([_type(name, part) for part in parts])
    if isinstance(items.get("type"), list):
        return _union([_type(name, {**items, "type": kind}) for kind in items["type"]])
    kind = items.get("type", "object" if "properties" in items else None)
    if kind == "array":
        return list[_type(name, items.get("items"))]
    if kind == "object":
        return _nested(name, items)
    return _SCALARS.get(str(kind), Any)


def _nested(name: str, schema: Mapping[str, Any]) -> Any:
    more = schema.get("additionalProperties")
    if not schema.get("properties"):
        return dict[str, _type(name, more)]
    return _object(name, schema, "forbid" if more is False else "allow")


def _union(types: Sequence[Any]) -> Any:
    """``a | b``; anything where one alternative is."""
    if Any in types:
        return Any
    known = [kind for kind in types if kind is not None]
    union: Any = known[0] if known else None
    for kind in known[1:]:
        union = union | kind
    return union | None if known and len(known) < len(types) else union


def _nullable(schema: Mapping[str, Any]) -> bool:
    kinds = schema.get("type")
    if kinds is None and "enum" not in schema and "anyOf" not in schema and "oneOf" not in schema:
        return True
    alternatives = [*_list(schema.get("anyOf")), *_list(schema.get("oneOf"))]
    return (
        kinds == "null"
        or "null" in _list(kinds)
        or None in _list(schema.get("enum"))
        or any(_nullable(_mapping(part)) for part in alternatives)
    )


def _mapping(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
