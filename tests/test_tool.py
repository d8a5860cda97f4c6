"""Functions as tools: schema, checked arguments, loading by name and path, and calls that a model wrote as text."""

from __future__ import annotations

import asyncio
import enum
import json
import threading
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from practice.config import Workspace
from practice.errors import InputError
from practice.tool import (
    MAX_RESULT,
    Tool,
    call,
    load_function,
    load_tool,
    parse_text_calls,
    split_text_calls,
    tool_from_function,
    workspace_tools,
)
from practice.types import ToolCall, ToolResult, ToolSpec


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Box(BaseModel):
    width: float
    colour: Colour = Colour.RED


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


async def answer(tool: Tool, arguments: object) -> ToolResult:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return await call(tool, ToolCall(id="1", name=tool.name, arguments=text))


def order(
    item: str,
    count: int = 1,
    price: float = 0.5,
    gift: bool = False,
    tags: list[str] | None = None,
    size: Literal["s", "m"] = "s",
    note: Optional[str] = None,  # noqa: UP045 (as users write it)
) -> str:
    """Order an item
    from the shop.

    More words.

    Args:
        item: What to order:
            its name.
        count (int): How many.
        tags: Labels.

    Returns:
        A receipt.
    """
    return f"{item} {count!r} {price!r} {gift!r} {tags!r} {size} {note!r}"


# ---------------------------------------------------------------- schema


def test_a_function_says_its_schema() -> None:
    spec = tool_from_function(order).spec
    assert spec.name == "order"
    assert spec.description == "Order an item from the shop. More words."
    assert spec.parameters == {
        "type": "object",
        "properties": {
            "item": {"description": "What to order: its name.", "type": "string"},
            "count": {"default": 1, "description": "How many.", "type": "integer"},
            "price": {"default": 0.5, "type": "number"},
            "gift": {"default": False, "type": "boolean"},
            "tags": {
                "anyOf": [{"items": {"type": "string"}, "type": "array"}, {"type": "null"}],
                "default": None,
                "description": "Labels.",
            },
            "size": {"default": "s", "enum": ["s", "m"], "type": "string"},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        },
        "required": ["item"],
        "additionalProperties": False,
    }


def test_models_and_enums_stand_in_the_schema_itself() -> None:
    def pack(box: Box, title: Annotated[str, Field(description="On the lid.", min_length=2)]) -> str:
        return f"{type(box).__name__} {box.width} {box.colour} {title}"

    tool = tool_from_function(pack)
    properties = tool.spec.parameters["properties"]
    assert "$defs" not in tool.spec.parameters
    assert properties["box"]["properties"]["colour"] == {"default": "red", "enum": ["red", "blue"], "type": "string"}
    assert properties["title"] == {"description": "On the lid.", "minLength": 2, "type": "string"}
    assert asyncio.run(answer(tool, {"box": {"width": "2"}, "title": "ab"})).content == "Box 2.0 Colour.RED ab"


def test_a_type_that_holds_itself_keeps_its_reference() -> None:
    def plant(tree: Tree) -> str:
        return tree.children[0].name

    tool = tool_from_function(plant)
    assert tool.spec.parameters["properties"]["tree"]["$ref"] == "#/$defs/Tree"
    assert tool.spec.parameters["$defs"]["Tree"]["properties"]["children"]["items"]["$ref"] == "#/$defs/Tree"
    assert asyncio.run(answer(tool, {"tree": {"name": "a", "children": [{"name": "b"}]}})).content == "b"


def test_argument_names_may_be_those_of_pydantic() -> None:
    def f(copy: int, json: str, model_dump: int = 1, title: str = "", _hidden: int = 2) -> str:
        return f"{copy}{json}{model_dump}{title}{_hidden}"

    tool = tool_from_function(f)
    assert list(tool.spec.parameters["properties"]) == ["copy", "json", "model_dump", "title", "_hidden"]
    assert asyncio.run(answer(tool, {"copy": 1, "json": "x", "title": "t"})).content == "1x1t2"


def test_a_default_that_json_lacks_is_the_functions_own() -> None:
    marker = object()

    def f(x: int, y: Any = marker) -> bool:
        return y is marker

    assert asyncio.run(answer(tool_from_function(f), {"x": 1})).content == "true"


def test_a_tool_without_arguments() -> None:
    def now() -> str:
        """Tell the time."""
        return "noon"

    tool = tool_from_function(now)
    assert tool.spec.parameters == {"type": "object", "properties": {}, "additionalProperties": False}
    for arguments in ("", "{}", "null"):
        assert asyncio.run(answer(tool, arguments)).content == "noon"


def bare(x) -> str:  # type: ignore[no-untyped-def]
    return str(x)


def unknown(x: Nowhere) -> str:  # type: ignore[name-defined]  # noqa: F821
    return str(x)


def stars(*xs: int) -> int:
    return sum(xs)


def positional(x: int, /) -> int:
    return x


def thread(x: threading.Thread) -> str:
    return str(x)


@pytest.mark.parametrize(
    ("fn", "says"),
    [
        (bare, "expected a type annotation on every argument, found 'x' of bare without"),
        (unknown, "expected annotations that name known types, found 'Nowhere' in unknown"),
        (stars, "expected arguments that can be given by name, found *xs: 'int' of stars"),
        (positional, "expected arguments that can be given by name"),
        (thread, "expected argument types that JSON can express, found in thread:"),
        (lambda: 1, "expected a function with a name"),
    ],
)
def test_functions_that_can_not_be_tools(fn: Any, says: str) -> None:
    with pytest.raises(InputError) as error:
        tool_from_function(fn)
    assert says in str(error.value)


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("arguments", "content"),
    [
        ({"item": "pen"}, "pen 1 0.5 False None s None"),
        ({"item": "pen", "count": "3", "price": "2"}, "pen 3 2.0 False None s None"),
        ({"item": 7, "count": 3.0, "gift": "yes"}, "7 3 0.5 True None s None"),
        ({"item": "pen", "tags": '["a", "b"]'}, "pen 1 0.5 False ['a', 'b'] s None"),
        (json.dumps(json.dumps({"item": "pen"})), "pen 1 0.5 False None s None"),
        ('{"item": "two\nlines"}', "two\nlines 1 0.5 False None s None"),
    ],
)
async def test_arguments_are_coerced(arguments: object, content: str) -> None:
    assert await answer(tool_from_function(order), arguments) == ToolResult(
        call=ToolCall(
            id="1", name="order", arguments=arguments if isinstance(arguments, str) else json.dumps(arguments)
        ),
        content=content,
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("{item: pen", "Error: the arguments of order are not valid JSON"),
        ("[1]", "Error: the arguments of order must be a JSON object; expected {item: string, count (optional)"),
        ({}, "Error: order: argument 'item' is missing"),
        ({"itme": "pen"}, "there is no argument 'itme' (did you mean 'item'?)"),
        ({"item": "pen", "count": "three"}, "argument 'count': Input should be a valid integer"),
        ({"item": "pen", "count": 1.5}, "argument 'count': Input should be a valid integer"),
        ({"item": "pen", "size": "xl"}, "argument 'size': Input should be 's' or 'm'"),
        ({"item": "pen", "tags": [1, {}]}, "argument 'tags.1': Input should be a valid string"),
        ('{"a":' * 2000, "not valid JSON"),
    ],
)
async def test_wrong_arguments_go_back_to_the_model(arguments: object, says: str) -> None:
    result = await answer(tool_from_function(order), arguments)
    assert result.error
    assert says in result.content


@given(st.text(max_size=80))
def test_no_arguments_raise(text: str) -> None:
    result = asyncio.run(answer(tool_from_function(order), text))
    assert result.error == result.content.startswith("Error: ")


# ---------------------------------------------------------------- results


@dataclass
class Point:
    x: int
    when: date


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("text as it is\n", "text as it is\n"),
        (45.0, "45"),
        (0.1 + 0.2, "0.3"),
        (1e300, "1e+300"),
        (float("nan"), "nan"),
        (10**30, "1" + "0" * 30),
        (True, "true"),
        (None, "null"),
        ({"é": [1, 2.5]}, '{"é": [1, 2.5]}'),
        ((1, "a"), '[1, "a"]'),
        (Colour.RED, "red"),
        (date(2024, 2, 29), "2024-02-29"),
        (Point(1, date(2024, 1, 1)), '{"x": 1, "when": "2024-01-01"}'),
        (Box(width=1), '{"width": 1.0, "colour": "red"}'),
        (KeyError("odd"), "'odd'"),
    ],
)
async def test_results_become_text(value: object, content: str) -> None:
    def give() -> Any:
        return value

    assert (await answer(tool_from_function(give), {})).content == content


async def test_a_long_result_is_cut_with_a_note() -> None:
    def long(n: int) -> str:
        return "x" * n

    tool = tool_from_function(long)
    assert (await answer(tool, {"n": MAX_RESULT})).content == "x" * MAX_RESULT
    assert (await answer(tool, {"n": 12345})).content == "x" * MAX_RESULT + "\n[cut: 8,000 of 12,345 characters]"


async def test_what_a_tool_raises_goes_back_to_the_model() -> None:
    def fail(how: str) -> str:
        if how == "exit":
            raise SystemExit(3)
        if how == "stop":
            raise StopIteration
        if how == "value":
            raise ValueError("no such town")
        return str({}[how])

    async def afail(how: str) -> str:
        return fail(how)

    for tool in (tool_from_function(fail), tool_from_function(afail)):
        for how, content in [("value", "Error: no such town"), ("town", "Error: KeyError: 'town'")]:
            result = await answer(tool, {"how": how})
            assert (result.error, result.content) == (True, content)
        assert (await answer(tool, {"how": "exit"})).content == "Error: SystemExit: 3"
    assert (await answer(tool_from_function(fail), {"how": "stop"})).content.startswith("Error: StopIteration")


async def test_a_result_that_can_not_be_read() -> None:
    def loop() -> Any:
        own: list[Any] = []
        own.append(own)
        return own

    result = await answer(tool_from_function(loop), {})
    assert result.error
    assert "no readable result" in result.content


async def test_async_functions_and_callables_are_tools() -> None:
    async def later(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    class Adder:
        """Add to a number."""

        def __init__(self, n: int) -> None:
            self.n = n

        def __call__(self, x: int) -> int:
            return x + self.n

    assert (await answer(tool_from_function(later), {"x": 1})).content == "2"
    assert (await answer(tool_from_function(Adder(5)), {"x": 1})).content == "6"


async def test_sync_tools_run_beside_one_another_and_the_loop() -> None:
    meet = threading.Barrier(8, timeout=30)

    def wait() -> int:
        return meet.wait()

    tool = tool_from_function(wait)
    results = await asyncio.gather(*(answer(tool, {}) for _ in range(8)))
    assert sorted(result.content for result in results) == list("01234567")


async def test_a_tool_that_hangs_is_left_behind() -> None:
    free = threading.Event()

    def hang() -> str:
        free.wait()
        return "late"

    async def ahang() -> None:
        await asyncio.Event().wait()

    for fn in (hang, ahang):
        tool = tool_from_function(fn)
        with pytest.raises(TimeoutError):
            await call(tool, ToolCall(id="1", name=tool.name, arguments="{}"), timeout=0.02)
    free.set()


# ---------------------------------------------------------------- loading


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "double.py").write_text(
        "from __future__ import annotations\nimport dataclasses\n\n"
        "@dataclasses.dataclass\nclass Twice:\n    n: int\n\n"
        'def double(n: int) -> int:\n    """Double a number."""\n    return Twice(2 * n).n\n\n'
        "def _helper(n: int) -> int:\n    return n\n"
    )
    (tools / "many.py").write_text("def halve(n: float) -> float:\n    return n / 2\n\nNUMBER = 3\n")
    (tools / "bare.py").write_text("def bare(n):\n    return n\n")
    (tools / "broken.py").write_text("x = 1\ndef broken(:\n")
    (tools / "raises.py").write_text("x = 1\n\nimport nowhere_at_all\n")
    (tools / "one.py").write_text("def same(n: int) -> int:\n    return n\n")
    (tools / "two.py").write_text("def same(n: int) -> int:\n    return n\n")
    return Workspace(tmp_path)


async def test_tools_load_by_name_and_by_path(place: Workspace) -> None:
    for ref in ("double", "tools/double.py:double", "tools/double.py", str(place.root / "tools/double.py:double")):
        tool = load_tool(ref, place)
        assert tool.spec.description == "Double a number."
        assert (await answer(tool, {"n": 4})).content == "8"
    assert load_tool("halve", place).name == "halve"
    assert not list(place.root.rglob("__pycache__"))


@pytest.mark.parametrize(
    ("ref", "says"),
    [
        ("dubble", "expected a tool of the workspace, found 'dubble' (did you mean 'double'?)"),
        ("tools/duble.py:double", "expected an existing file, found tools/duble.py (did you mean 'tools/double.py'?)"),
        ("tools/many.py:half", "tools/many.py: half: expected a function 'half', found no 'half' (did you mean 'halv"),
        ("tools/many.py:NUMBER", "tools/many.py: NUMBER: expected a function 'NUMBER', found 'NUMBER', which is"),
        ("bare", "tools/bare.py: bare: expected a type annotation on every argument, found 'n' of bare without"),
        ("broken", "tools/broken.py:2: expected a Python file that can be imported, found SyntaxError"),
        ("tools/raises.py:f", "tools/raises.py:3: expected a Python file that can be imported, found ModuleNotFound"),
        ("same", "expected one tool of that name, or a path such as tools/one.py:same, found one.py, two.py"),
        ("nowhere.module:f", "expected an importable module or a path that ends in .py"),
    ],
)  # fmt: skip
def test_what_can_not_be_loaded(place: Workspace, ref: str, says: str) -> None:
    with pytest.raises(InputError) as error:
        load_tool(ref, place)
    assert says in str(error.value)


def test_all_tools_of_a_workspace(place: Workspace) -> None:
    with pytest.raises(InputError, match=r"tools/broken\.py:2: expected a Python file"):
        workspace_tools(place)
    (place.tools / "broken.py").unlink()
    with pytest.raises(InputError, match=r"tools/raises\.py:3: expected a Python file"):
        workspace_tools(place)
    (place.tools / "raises.py").unlink()
    assert [(ref, tool.name) for ref, tool in workspace_tools(place)] == [
        ("double", "double"),
        ("halve", "halve"),
        ("tools/one.py:same", "same"),
        ("tools/two.py:same", "same"),
    ]


def test_a_changed_file_is_another_tool(place: Workspace) -> None:
    before = load_tool("halve", place)
    assert load_tool("halve", place).source_hash == before.source_hash
    (place.tools / "many.py").write_text(
        "def halve(n: float) -> float:\n    return n / 2 + helper()\n\ndef helper():\n    return 1\n"
    )
    after = load_tool("halve", place)
    assert after.source_hash != before.source_hash
    assert (before.fn(4), after.fn(4)) == (2, 3)


def test_functions_of_modules_load_too(place: Workspace) -> None:
    function = load_function("json:dumps", place)
    assert function.fn is json.dumps
    assert len(function.source_hash) == 64


# ---------------------------------------------------------------- calls in text

CALCULATOR = ToolSpec(
    name="calculator",
    description="",
    parameters={"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]},
)
CONVERT = ToolSpec(
    name="convert",
    description="",
    parameters={"type": "object", "properties": {"value": {}, "to": {}}, "required": ["value", "to"]},
)
NOW = ToolSpec(name="now", description="", parameters={"type": "object", "properties": {}})
SPECS = (CALCULATOR, CONVERT, NOW)
ONE = '{"name": "calculator", "arguments": {"expression": "1 + 1"}}'


def found(content: str) -> list[tuple[str, object]]:
    return [(each.name, json.loads(each.arguments)) for each in parse_text_calls(content, SPECS)]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (ONE, ""),
        (f"```json\n{ONE}\n```", ""),
        (f"```\n{ONE}\n```", ""),
        (f"```json\n{ONE}", ""),
        (f"<tool_call>\n{ONE}\n</tool_call>", ""),
        (f"<tool_call>\n{ONE}", ""),
        (f"<tool_call>{ONE[:-1]}</tool_call>", ""),
        (f"```json\n{ONE[:-1]}\n```", ""),
        (f"<tool_call>\n{{{ONE}}}\n</tool_call>", ""),
        (f"{{{ONE}}}", ""),
        (f"`{ONE}`", ""),
        (f"[TOOL_CALLS] [{ONE}]", ""),
        (f"I will compute.\n\n{ONE}\n\nThen I answer.", "I will compute.\n\nThen I answer."),
        (f"I will compute.\n```json\n{ONE}\n```\nAnswer: 2", "I will compute.\n\nAnswer: 2"),
        ('{"name": "calculator", "parameters": {"expression": "1 + 1"}}', ""),
        ('{"function": {"name": "calculator", "arguments": {"expression": "1 + 1"}}}', ""),
        ('{"type": "function", "function": "calculator", "args": {"expression": "1 + 1"}}', ""),
        ('{"tool": "calculator", "tool_input": {"expression": "1 + 1"}}', ""),
        (json.dumps({"tool_calls": [{"function": json.loads(ONE) | {"arguments": '{"expression": "1 + 1"}'}}]}), ""),
        ('{"name": "calculator", "arguments": "1 + 1"}', ""),
        ('{"name": "calculator", "expression": "1 + 1"}', ""),
        ("{'name': 'calculator', 'arguments': {'expression': '1 + 1',},}", ""),
        ('{\n  "name": "functions.calculator",\n  "arguments": {\n    "expression": "1 + 1"\n  }\n}', ""),
        ('calculator(expression="1 + 1")', ""),
        ("calculator('1 + 1')", ""),
        ("calculator(1 + 1)", ""),
        ("result = calculator(1 + 1)", ""),
        ("print(calculator('1 + 1'))", ""),
        ("[calculator(expression='1 + 1')]", ""),
        ("First:\n```python\ncalculator('1 + 1')\n```\nDone.", "First:\n\nDone."),
        ("First the sum.\ncalculator('1 + 1')\nThen more.", "First the sum.\nThen more."),
        ("<tool_call>calculator('1 + 1')</tool_call>", ""),
    ],
)  # fmt: skip
def test_a_call_in_text_is_read(content: str, text: str) -> None:
    split = split_text_calls(content, SPECS)
    assert [(each.name, json.loads(each.arguments)) for each in split.calls] == [
        ("calculator", {"expression": "1 + 1"})
    ]
    assert split.text == text


@pytest.mark.parametrize(
    "content",
    [
        "The answer is 2.",
        "I used the calculator(1 + 1) and got 2.",
        "Use `calculator` for sums.",
        '{"answer": 2, "by": "calculator"}',
        '{"name": "calculator"}',
        '{"name": "calc", "arguments": {"expression": "1 + 1"}}',
        '{"name": "calculator", "arguments": {"expression": "1 +',
        '{"name": "calculator", "colour": "red"}',
        "calculator(1 + 1) + 2",
        "def calculator(expression):\n    return 2",
        "calculator(**{'expression': '1'})",
        "calculator(1, 2, 3)",
        "calculator",
        "",
    ],
)
def test_other_text_stays_text(content: str) -> None:
    split = split_text_calls(content, SPECS)
    assert split.calls == ()
    assert split.text == content


def test_several_calls_keep_their_order() -> None:
    other = '{"name": "convert", "arguments": {"value": 3, "to": "km"}}'
    expected = [("calculator", {"expression": "1 + 1"}), ("convert", {"value": 3, "to": "km"})]
    for content in (
        f"{ONE}\n{other}",
        f"[{ONE}, {other}]",
        f"<tool_call>{ONE}</tool_call>\n<tool_call>{other}</tool_call>",
        f"```json\n{ONE}\n```\nand\n```json\n{other}\n```",
        f"<tool_call>\n{ONE}\n{other}\n</tool_call>",
        "[calculator('1 + 1'), convert(3, to='km')]",
        "calculator('1 + 1')\nconvert(value=3, to='km')",
    ):
        assert found(content) == expected, content


DEFINITION = json.dumps(
    {"type": "function", "function": {"name": "calculator", "description": "", "parameters": CALCULATOR.parameters}}
)


def test_a_definition_that_is_repeated_is_no_call() -> None:
    assert parse_text_calls(f"<tools>\n{DEFINITION}\n</tools>", SPECS) == ()
    for content in (
        f"<tools>\n{DEFINITION}\n</tools>\n\n{{{ONE}}}\n\nAnswer: 3",
        f"<tools>\n{DEFINITION}\n{ONE}\n</tools>\nAnswer: 3",
        f"<tools></tools>\n\n{{{ONE}}}\n\nAnswer: 3",
    ):
        split = split_text_calls(content, SPECS)
        assert [each.arguments for each in split.calls] == ['{"expression": "1 + 1"}'], content
        assert (split.text, split.before) == ("Answer: 3", "")
    split = split_text_calls(f"{DEFINITION}\ncalculator('1 + 1')", SPECS)
    assert (len(split.calls), split.text) == (1, DEFINITION)


def test_a_tool_without_arguments_is_called_by_name() -> None:
    assert found('{"name": "now"}') == found('{"name": "now", "arguments": null}') == found("now()") == [("now", {})]


@pytest.mark.parametrize(
    "frame", ["{}", "```json\n{}\n```", "<tool_call>{}</tool_call>", "```json\n{}\n\nmore\n```", "`{}`"]
)
def test_what_stands_before_the_first_call(frame: str) -> None:
    content = f"First.\n{frame.format(ONE)}\nThen.\n{frame.format(ONE)}\nAnswer: 3"
    split = split_text_calls(content, SPECS)
    assert (len(split.calls), split.before) == (2, "First.")
    assert "Then." in split.text


def test_only_offered_tools_are_called() -> None:
    assert parse_text_calls(ONE, (CONVERT,)) == ()
    assert parse_text_calls(ONE, ()) == ()


@given(st.text(alphabet="{}[]()\"':,` \n\\<>/calcultornme_expsi0=", max_size=120))
def test_reading_calls_never_raises(content: str) -> None:
    split = split_text_calls(content + ' "calculator"', SPECS)
    assert bool(split.calls) or split.text == content + ' "calculator"'
