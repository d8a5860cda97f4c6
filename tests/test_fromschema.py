"""Arguments of tools that come with a JSON schema: checked, coerced, and handed on as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from practice.tool import Tool, call
from practice.tool.fromschema import arguments_from_schema, as_json, parameters
from practice.tool.schema import field_value
from practice.types import ToolCall, ToolSpec


def read(schema: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """What a tool of this schema would hear."""
    checked = arguments_from_schema("t", schema).model_validate(given)
    return as_json({name: field_value(checked, name) for name in given}, schema)


def one(schema: Any, value: Any) -> Any:
    return read({"type": "object", "properties": {"x": schema}, "required": ["x"]}, {"x": value})["x"]


@pytest.mark.parametrize(
    ("schema", "value", "heard"),
    [
        ({"type": "integer"}, "3", 3),
        ({"type": "number"}, "3.5", 3.5),
        ({"type": "number"}, 3, 3),
        ({"type": "string"}, 7, "7"),
        ({"type": "boolean"}, "true", True),
        ({"type": "array", "items": {"type": "integer"}}, ["1", 2], [1, 2]),
        ({"type": "array"}, [1, "a"], [1, "a"]),
        ({"type": ["integer", "null"]}, None, None),
        ({"type": ["string", "null"]}, "a", "a"),
        ({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]}, [1], [1]),
        ({"oneOf": [{"type": "null"}]}, None, None),
        ({"enum": ["a", 1, None]}, None, None),
        ({"enum": [0.5]}, 0.5, 0.5),
        ({"const": "a"}, "a", "a"),
        ({"type": "object"}, {"k": [1]}, {"k": [1]}),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"k": "1"}, {"k": 1}),
        ({"properties": {"from": {"type": "integer"}}}, {"from": "1", "more": 2}, {"from": 1, "more": 2}),
        ({}, {"any": "thing"}, {"any": "thing"}),
        (True, "x", "x"),
        ({"$ref": "#/elsewhere"}, 1, 1),
        ({"type": "unheard of"}, 1, 1),
    ],
)
def test_values_are_coerced(schema: Any, value: Any, heard: Any) -> None:
    assert one(schema, value) == heard
    assert type(one(schema, value)) is type(heard)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, "many"),
        ({"type": "integer"}, 1.5),
        ({"type": "array", "items": {"type": "integer"}}, ["a"]),
        ({"enum": ["a", "b"]}, "c"),
        ({"const": "a"}, "b"),
        ({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, {}),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": False}, {"a": 1, "b": 2}),
        ({"type": ["integer", "null"]}, "x"),
    ],
)
def test_values_are_refused(schema: Any, value: Any) -> None:
    with pytest.raises(ValidationError):
        one(schema, value)


def test_null_for_what_may_be_left_out_is_left_out() -> None:
    properties = {"a": {"type": "integer"}, "b": {"type": ["integer", "null"]}, "c": {}, "d": {"anyOf": [{}]}}
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    assert read(schema, {"a": None, "b": None, "c": None, "d": None}) == {"b": None, "c": None, "d": None}
    assert read(schema, {}) == {}


def test_unknown_arguments() -> None:
    closed: dict[str, Any] = {"type": "object", "properties": {"a": {}}}
    with pytest.raises(ValidationError):
        read(closed, {"b": 1})
    assert read({**closed, "additionalProperties": True}, {"b": 1}) == {"b": 1}
    assert read({"type": "object"}, {"b": 1}) == {"b": 1}


def test_what_a_model_is_shown() -> None:
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tArguments",
        "type": "object",
        "$defs": {
            "P": {"type": "object", "title": "P", "properties": {"title": {"type": "string", "title": "Title"}}},
            "Tree": {"type": "object", "properties": {"below": {"$ref": "#/$defs/Tree"}}},
        },
        "properties": {"p": {"$ref": "#/$defs/P"}, "tree": {"$ref": "#/$defs/Tree"}},
    }
    tree = {"type": "object", "properties": {"below": {"$ref": "#/$defs/Tree"}}}
    assert parameters(schema) == {
        "type": "object",
        "properties": {
            "p": {"type": "object", "properties": {"title": {"type": "string"}}},
            "tree": {"$ref": "#/$defs/Tree"},
        },
        "$defs": {"Tree": tree},
    }
    assert parameters({}) == {"type": "object", "properties": {}}
    odd: dict[str, Any] = {"properties": {"a": {"$ref": "#/definitions/A"}}, "definitions": {"A": {"type": "string"}}}
    assert parameters(odd) == {"type": "object", **odd}


async def test_a_model_is_told_what_was_wrong() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"from": {"type": "string"}, "class": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
        "required": ["from"],
    }
    spec = ToolSpec(name="book-train", description="", parameters=schema)
    tool = Tool(spec=spec, fn=lambda **_: "ok", source_hash="", arguments=arguments_from_schema(spec.name, schema))
    result = await call(tool, ToolCall(id="", name=spec.name, arguments='{"form": "Bonn"}'))
    assert result.content == (
        "Error: book-train: argument 'from' is missing; there is no argument 'form' (did you mean 'from'?); "
        "expected {from: string, class (optional): integer}"
    )


_SCHEMAS = st.recursive(
    st.sampled_from(
        [{"type": kind} for kind in ("string", "integer", "number", "boolean", "null")] + [{}, {"enum": ["a", 1]}]
    ),
    lambda inner: st.one_of(
        inner.map(lambda each: {"type": "array", "items": each}),
        st.dictionaries(st.sampled_from(["a", "from", "model_config", "arg_a", "ö-1"]), inner, max_size=3).map(
            lambda each: {"type": "object", "properties": each, "required": sorted(each)}
        ),
    ),
    max_leaves=6,
)


def example(schema: dict[str, Any], draw: Any) -> Any:
    """A value that the schema allows."""
    if "enum" in schema:
        return draw(st.sampled_from(schema["enum"]))
    kind = schema.get("type")
    if kind == "array":
        return [example(schema["items"], draw) for _ in range(draw(st.integers(0, 3)))]
    if kind == "object":
        return {key: example(value, draw) for key, value in schema["properties"].items()}
    scalars: dict[Any, Any] = {
        "string": st.text(max_size=5),
        "integer": st.integers(),
        "number": st.integers() | st.floats(allow_nan=False, allow_infinity=False),
        "boolean": st.booleans(),
        "null": st.none(),
    }
    return draw(scalars.get(kind, st.integers() | st.text(max_size=3) | st.none()))


@given(_SCHEMAS, st.data())
def test_what_a_schema_allows_is_heard_as_it_was_written(schema: dict[str, Any], data: Any) -> None:
    value = example(schema, data.draw)
    heard = one(schema, value)
    assert heard == value
    assert json.dumps(heard) == json.dumps(value)
