"""Published function definitions with the calls that answer them: schemas are built from such functions, and every
accepted call is understood however a model writes it.

The Berkeley Function Calling Leaderboard's sets *simple* and *multiple* are read where they are there; a few
definitions of the same form stand here for where they are not.
"""

from __future__ import annotations

import inspect
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, create_model

from practice.agent import Agent, Limits
from practice.config import Workspace
from practice.tool import Tool, call, parse_text_calls, tool_from_function
from practice.tool.fromschema import arguments_from_schema, as_json, parameters
from practice.types import Completion, Request, ToolCall, ToolSpec, Usage

BFCL = next((up / "shared/data/bfcl" for up in Path(__file__).parents if (up / "shared/data/bfcl").is_dir()), None)
"""The published sets, beside the project."""
needs_bfcl = pytest.mark.skipif(BFCL is None, reason="the published function calls are not here")


@dataclass(frozen=True)
class Item:
    """A question's functions and, each written out, the calls that are right."""

    id: str
    functions: tuple[dict[str, Any], ...]
    name: str
    calls: tuple[dict[str, Any], ...]


def item(id: str, functions: Sequence[dict[str, Any]], truth: Mapping[str, Mapping[str, Any]]) -> Item:
    """``truth``: {function: {argument: its accepted values}}; an empty text among them: it may be left out."""
    ((name, arguments),) = truth.items()
    (schema,) = (function["parameters"] for function in functions if function["name"] == name)
    return Item(id, tuple(functions), name, tuple(written(arguments, schema)))


def written(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every accepted combination of arguments."""
    properties, required = schema.get("properties", {}), schema.get("required", [])
    choices: list[list[Any]] = []
    for key, values in arguments.items():
        own = properties.get(key, {})
        options = [inner for value in values for inner in values_of(value, own) if value != "" or own_text(own)]
        if "" in values and key not in required:
            options.append(ABSENT)
        choices.append(options)
    for chosen in itertools.product(*choices):
        yield {key: value for key, value in zip(arguments, chosen, strict=True) if value is not ABSENT}


ABSENT = object()


def own_text(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "string" and "" in schema.get("enum", [])


def values_of(value: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
    """An accepted value; inside objects each key has its own accepted values."""
    if schema.get("type") == "dict" and isinstance(value, dict):
        yield from written(value, schema)
    elif isinstance(value, list) and schema.get("items", {}).get("type") == "dict":
        yield from (list(each) for each in itertools.product(*(values_of(one, schema["items"]) for one in value)))
    else:
        yield value


def fits(value: Any, node: Mapping[str, Any]) -> bool:
    """Whether an accepted value is one that its own definition allows; of the published ones, 13 of 2,075 are not."""
    if "enum" in node and value not in node["enum"]:
        return False
    kind = node.get("type", "any")
    if kind in ("array", "tuple"):
        return isinstance(value, list) and all(fits(each, node.get("items", {})) for each in value)
    if kind == "dict":
        known = node.get("properties", {})
        return isinstance(value, dict) and all(fits(inner, known.get(key, {})) for key, inner in value.items())
    types: dict[str, Any] = {"string": str, "integer": int, "float": (int, float), "boolean": bool}
    return kind == "any" or (isinstance(value, types[kind]) and isinstance(value, bool) == (kind == "boolean"))


def allowed(one: Item) -> list[dict[str, Any]]:
    """The accepted calls that the definition allows too."""
    (definition,) = (each for each in one.functions if each["name"] == one.name)
    return [arguments for arguments in one.calls if fits(arguments, definition["parameters"])]


def dataset() -> list[Item]:
    assert BFCL is not None
    found: list[Item] = []
    for name in ("simple_python", "multiple"):
        rows = [json.loads(line) for line in (BFCL / f"{name}.jsonl").read_text().splitlines()]
        lines = (BFCL / f"{name}.answers.jsonl").read_text().splitlines()
        truths = {row["id"]: row["ground_truth"] for row in map(json.loads, lines)}
        found += [item(row["id"], row["function"], truths[row["id"]][0]) for row in rows]
    return found


# ---------------------------------------------------------------- a few of our own

OWN = [
    item(
        "dotted",
        [
            {
                "name": "kettle.boil",
                "description": "Boil water.",
                "parameters": {
                    "type": "dict",
                    "properties": {
                        "litres": {"type": "float"},
                        "cups": {"type": "array", "items": {"type": "string"}},
                        "quiet": {"type": "boolean", "default": False},
                    },
                    "required": ["litres"],
                },
            },
            {"name": "kettle", "description": "Is there one?", "parameters": {"type": "dict", "properties": {}}},
        ],
        {"kettle.boil": {"litres": [1.5, 2], "cups": [["blue", 'it\'s "red"'], ""], "quiet": [True, ""]}},
    ),
    item(
        "hyphens and keywords",
        [
            {
                "name": "book-train",
                "description": "Book.",
                "parameters": {
                    "type": "dict",
                    "properties": {
                        "from": {"type": "string"},
                        "class": {"type": "integer"},
                        "seats": {"type": "array", "items": {"type": "dict", "properties": {"row": {"type": "any"}}}},
                    },
                    "required": ["from", "class"],
                },
            }
        ],
        {
            "book-train": {
                "from": ["Bonn (from=here)", "class=1, Köln"],
                "class": [-1, 2],
                "seats": [[{"row": [3]}], ""],
            }
        },
    ),
    item(
        "deep",
        [
            {
                "name": "plan",
                "description": "Plan.",
                "parameters": {
                    "type": "dict",
                    "properties": {
                        "budget": {
                            "type": "dict",
                            "properties": {"min": {"type": "integer"}, "unit": {"type": "string", "enum": ["EUR"]}},
                        },
                        "route": {"type": "tuple", "items": {"type": "float"}},
                        "code": {"type": "string", "description": "Code."},
                    },
                    "required": ["budget", "route", "code"],
                },
            }
        ],
        {
            "plan": {
                "budget": [{"min": [1, 10**12], "unit": ["EUR", ""]}],
                "route": [[0.5, -1.25]],
                "code": ["lambda x: {'a': x}\n# ```", 'plan(code="x")', '{"name": "plan"}'],
            }
        },
    ),
]

# ---------------------------------------------------------------- how models write calls


NOTATIONS = {
    "bare JSON": lambda name, arguments: json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False),
    "fenced JSON": lambda name, arguments: (
        f"I call it:\n\n```json\n{json.dumps({'name': name, 'arguments': arguments}, indent=2)}\n```"
    ),
    "tags": lambda name, arguments: f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>",
    "OpenAI's list": lambda name, arguments: json.dumps(
        {
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": name, "arguments": json.dumps(arguments)},
                }
            ]
        }
    ),
    "Python": lambda name, arguments: f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})",
}

_TYPES = {"dict": "object", "float": "number", "tuple": "array"}


def as_schema(node: Any) -> Any:
    """A definition's parameters in JSON schema's words."""
    if not isinstance(node, dict):
        return node
    out: dict[str, Any] = {key: value for key, value in node.items() if key not in ("optional", "default")}
    if node.get("type") == "any":
        del out["type"]
    elif "type" in node:
        out["type"] = _TYPES.get(node["type"], node["type"])
    if "properties" in node:
        out["properties"] = {key: as_schema(value) for key, value in node["properties"].items()}
    if "items" in node:
        out["items"] = as_schema(node["items"])
    return out


def listed_tool(definition: Mapping[str, Any], heard: list[tuple[str, dict[str, Any]]]) -> Tool:
    """A tool of this definition, as a server lists it, that notes what it is called with."""
    name = definition["name"]
    schema = parameters(as_schema(definition["parameters"]))

    def fn(**arguments: Any) -> str:
        heard.append((name, as_json(arguments, schema)))
        return "ok"

    spec = ToolSpec(name=name, description=definition["description"], parameters=schema)
    return Tool(spec=spec, fn=fn, source_hash="", arguments=arguments_from_schema(name, schema))


def misread(items: Sequence[Item], notation: str) -> list[str]:
    """The calls that are understood as something else."""
    wrong: list[str] = []
    for one in items:
        specs = [listed_tool(definition, []).spec for definition in one.functions]
        for arguments in one.calls:
            text = NOTATIONS[notation](one.name, arguments)
            found = [(call.name, json.loads(call.arguments)) for call in parse_text_calls(text, specs)]
            if found != [(one.name, arguments)]:
                wrong.append(f"{one.id}: {text} -> {found}")
    return wrong


async def hear(one: Item, place: Workspace, most: int = 25) -> list[tuple[str, dict[str, Any]]]:
    """What the tools hear where a model writes each of the item's calls in each notation, one a step."""
    heard: list[tuple[str, dict[str, Any]]] = []
    texts = [write(one.name, arguments) for arguments in one.calls for write in NOTATIONS.values()]
    tools = [listed_tool(definition, heard) for definition in one.functions]
    for start in range(0, len(texts), most):
        part = [*texts[start : start + most], "Done."]

        async def complete(step: int, request: Request, part: list[str] = part) -> Completion:
            return Completion(content=part[step], usage=Usage())

        agent = Agent(name="a", model="m", tools=tools, limits=Limits(steps=len(part)), workspace=place)
        rollout = await agent.run("Go.", complete=complete)
        assert (rollout.status, rollout.output) == ("done", "Done."), one.id
    return heard


@pytest.mark.parametrize("notation", NOTATIONS)
def test_our_own_calls_are_understood(notation: str) -> None:
    assert sum(len(one.calls) for one in OWN) == 28
    assert not misread(OWN, notation)


@pytest.mark.parametrize("one", OWN, ids=lambda one: one.id)
async def test_tools_hear_our_own_calls(one: Item, tmp_path: Path) -> None:
    heard = await hear(one, Workspace(tmp_path))
    assert heard == [(one.name, arguments) for arguments in one.calls for _ in NOTATIONS]
    assert allowed(one) == list(one.calls)


@needs_bfcl
@pytest.mark.parametrize("notation", NOTATIONS)
def test_every_accepted_call_is_understood(notation: str) -> None:
    items = dataset()
    assert (len(items), sum(len(one.calls) for one in items)) == (600, 2075)
    assert not misread(items, notation)


@needs_bfcl
@pytest.mark.slow
async def test_tools_hear_every_accepted_call(tmp_path: Path) -> None:
    for one in dataset():
        heard = await hear(one, Workspace(tmp_path))
        assert heard == [(one.name, arguments) for arguments in allowed(one) for _ in NOTATIONS], one.id


# ---------------------------------------------------------------- the same definitions as functions

_PYTHON: dict[str, Any] = {"string": str, "integer": int, "float": float, "boolean": bool, "any": Any}


def annotation(node: Mapping[str, Any]) -> Any:
    """The Python type that says what a definition says."""
    if "enum" in node:
        return Literal[tuple(node["enum"])]
    kind = node.get("type", "any")
    if kind in ("array", "tuple"):
        inner = annotation(node.get("items", {}))
        return list[inner] if kind == "array" else tuple[inner, ...]
    if kind == "dict":
        fields: dict[str, Any] = {
            key: (annotation(value), ...)
            if key in node.get("required", ())
            else (annotation(value) | None if annotation(value) is not Any else Any, None)
            for key, value in node.get("properties", {}).items()
        }
        return create_model("Inner", **fields) if fields else dict[str, Any]
    return _PYTHON[kind]


def as_function(definition: Mapping[str, Any], heard: list[dict[str, Any]]) -> Any:
    """A typed function with a docstring, as somebody would write it for this definition."""
    schema = definition["parameters"]

    def fn(**arguments: Any) -> str:
        heard.append({key: plain(value) for key, value in arguments.items()})
        return "ok"

    hints = {key: annotation(value) for key, value in schema["properties"].items()}
    required = schema.get("required", [])
    fn.__name__ = definition["name"].replace(".", "_").replace("-", "_")
    described = (f"    {key}: {value.get('description', '')}" for key, value in schema["properties"].items())
    fn.__doc__ = "\n".join([definition["description"], "", "Args:", *described])
    fn.__annotations__ = {
        key: hint if key in required or hint is Any or "default" in schema["properties"][key] else hint | None
        for key, hint in hints.items()
    }
    parameters = [
        inspect.Parameter(
            key,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if key in required else schema["properties"][key].get("default"),
        )
        for key in hints
    ]
    fn.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
    return fn


def plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return {key: plain(getattr(value, key)) for key in value.model_fields_set}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def bare(node: Any) -> Any:
    """A schema's types, names and enums alone, without "or null" of what may be left out."""
    if not isinstance(node, dict):
        return node
    parts = [bare(part) for part in node.get("anyOf", []) if part != {"type": "null"}]
    if parts:
        return parts[0] if len(parts) == 1 else parts
    kept: dict[str, Any] = {key: node[key] for key in ("type", "enum") if node.get(key)}
    if node.get("required"):
        kept["required"] = set(node["required"])
    if kept.get("enum") and len(kept["enum"]) == 1:
        kept["const"] = kept.pop("enum")[0]
    if "properties" in node:
        kept["properties"] = {key: bare(value) for key, value in node["properties"].items()}
    if node.get("items"):
        kept["items"] = bare(node["items"])
    return kept | ({"const": node["const"]} if "const" in node else {})


async def check_function(one: Item, definition: Mapping[str, Any]) -> None:
    heard: list[dict[str, Any]] = []
    tool = tool_from_function(as_function(definition, heard))
    expected = bare(as_schema(definition["parameters"]))
    assert bare(tool.spec.parameters) == {"properties": {}, **expected}, one.id
    for key, value in definition["parameters"]["properties"].items():
        said = tool.spec.parameters["properties"][key].get("description", "")
        assert said == " ".join(value.get("description", "").split()), f"{one.id} {key}"
    if definition["name"] == one.name:
        for arguments in one.calls:
            result = await call(tool, ToolCall(id="", name=tool.name, arguments=json.dumps(arguments)))
            assert result.error == (arguments not in allowed(one)), f"{one.id}: {arguments}: {result.content}"
        assert heard == allowed(one), one.id


async def test_functions_of_our_own_become_their_definitions() -> None:
    for one in OWN:
        if one.id != "hyphens and keywords":  # which no Python function can have
            for definition in one.functions:
                await check_function(one, definition)


@needs_bfcl
async def test_functions_become_the_published_definitions() -> None:
    for one in dataset():
        for definition in one.functions:
            await check_function(one, definition)
