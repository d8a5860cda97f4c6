"""Tool calls that a model wrote as text instead of through the API, as small local models do.

Read are JSON objects (bare, fenced, in ``<tool_call>`` tags, several at once, in lists, under ``tool_calls``) with
a name and ``arguments`` or ``parameters``, and, where there are none, calls in Python's notation on lines of their
own. What does not name a tool that the model was offered is text and stays text.
"""

from __future__ import annotations

import ast
import json
import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from practice.model.jsontext import find_json
from practice.types import ToolCall, ToolSpec

_NAMES = ("name", "function", "tool", "tool_name", "function_name", "action")
_ARGUMENTS = ("arguments", "parameters", "args", "params", "input", "tool_input", "action_input", "kwargs")
#: Blocks that a model puts around its calls; the last of each may be left open. A fence within a line is somebody's
#: text: one closes at a line's beginning or end, or behind a bracket.
_BLOCK = re.compile(
    r"<(?P<tag>tool_calls?|function_calls?|tools|toolcall)>(?P<tagged>.*?)(?:</(?P=tag)>|\Z)"
    r"|(?P<fence>```|~~~)[^\n`]*\n(?P<fenced>.*?)"
    r"(?:(?:(?<=\n)[ \t]*|(?<=[)}\]]))(?P=fence)|(?P=fence)(?=[ \t]*(?:\n|\Z))|\Z)"
    r"|`(?P<quoted>[^`\n]+)`",
    re.DOTALL,
)
#: What is left over of such blocks once the calls are taken out.
_MARKS = re.compile(
    r"\[TOOL_CALLS?\]|<\|(?:tool_call|python_tag)\|?>|</?(?:tool_calls?|function_calls?)>", re.IGNORECASE
)
_LEAD = re.compile(r"^(?:[-*]\s+|>>>\s*)?(?:\w+\s*=\s*)?(?:await\s+)?(?=[\w\[(])")


@dataclass(frozen=True)
class TextCalls:
    """A model's text, taken apart."""

    calls: tuple[ToolCall, ...]
    text: str
    """What it wrote besides the calls; all of it where there are none."""
    before: str
    """What it wrote before the first call. What stands behind a call was written without its result."""


@dataclass(frozen=True)
class _Block:
    start: int
    end: int
    inner: int
    text: str
    framed: bool
    """Whether it stands in tags, a fence or backticks, and not among prose."""


def parse_text_calls(content: str, specs: Sequence[ToolSpec]) -> tuple[ToolCall, ...]:
    """The calls of offered tools in ``content``, in order."""
    return split_text_calls(content, specs).calls


def split_text_calls(content: str, specs: Sequence[ToolSpec]) -> TextCalls:
    """The calls of offered tools in ``content`` and the text around them. The calls have no ids."""
    offered = {spec.name: spec for spec in specs}
    if not any(name in content for name in offered):
        return TextCalls((), content, content)
    blocks = list(_blocks(content))
    found = list(_json_calls(blocks, offered))
    if not any(wanted for _, _, wanted in found):
        found = list(_python_calls(blocks, offered))
    if not found:
        return TextCalls((), content, content)
    calls: list[ToolCall] = []
    pieces: list[str] = []
    position = 0
    for start, end, wanted in found:
        pieces.append(content[position:start])
        position = max(position, end)
        for name, arguments in wanted:
            text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
            calls.append(ToolCall(id="", name=name, arguments=text))
    pieces.append(content[position:])
    before = re.sub(r"(?:```[^\n`]*|~~~[^\n`]*|<\w+>|[{\[(`])\s*\Z", "", pieces[0])  # the opening of a frame
    return TextCalls(tuple(calls), _tidy("".join(pieces)), _tidy(before))


Wanted = list[tuple[str, Any]]
"""(tool, arguments): a mapping, or the text that the model gave instead."""


def _tidy(text: str) -> str:
    """Without the marks around calls, without empty fences, without the gaps that calls left."""
    text = re.sub(r"```[^\n`]*\s*```|<(tools?|tool_response)>\s*</\1>", "", _MARKS.sub("", text))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


# ---------------------------------------------------------------- blocks


def _blocks(content: str) -> Iterator[_Block]:
    """Tags, fences, backticks and the prose between them, in order, without overlap."""
    position = 0
    for match in _BLOCK.finditer(content):
        kind = next(kind for kind in ("tagged", "fenced", "quoted") if match[kind] is not None)
        if match.start() > position:
            yield _Block(position, match.start(), position, content[position : match.start()], framed=False)
        yield _Block(match.start(), match.end(), match.start(kind), match[kind], framed=True)
        position = match.end()
    if position < len(content):
        yield _Block(position, len(content), position, content[position:], framed=False)


# ---------------------------------------------------------------- JSON


def _json_calls(blocks: Sequence[_Block], offered: Mapping[str, ToolSpec]) -> Iterator[tuple[int, int, Wanted]]:
    for block in blocks:
        spans: list[tuple[int, int, Wanted]] = []
        for start, end, value in find_json(block.text):
            wanted = _wanted(value, offered)
            if wanted or _defines(value, offered):
                spans.append((start, end, wanted))
        if not spans:
            continue
        rest = block.text[: spans[0][0]] + block.text[spans[-1][1] :]
        if block.framed and not rest.strip("{}[]() \n\t;,"):
            # Nothing but calls in the frame: the frame goes with them.
            yield block.start, block.end, [call for _, _, wanted in spans for call in wanted]
            continue
        for start, end, wanted in spans:
            before, after = block.text[:start].rstrip(), block.text[end:]
            # The doubled braces of some chat templates, {{"name": …}}, which a model copies.
            doubled = before.endswith("{") and after.lstrip().startswith("}")
            left = len(before) - 1 if doubled else start
            right = end + after.index("}") + 1 if doubled else end
            yield block.inner + left, block.inner + right, wanted


def _wanted(value: object, offered: Mapping[str, ToolSpec]) -> Wanted:
    """The calls that a JSON value is; none where it is something else."""
    if isinstance(value, list):
        return [call for item in cast("list[object]", value) for call in _wanted(item, offered)]
    if not isinstance(value, dict):
        return []
    items = cast("dict[str, Any]", value)
    for key in ("tool_calls", "tool_call", "function_call", "function", "calls"):
        if isinstance(items.get(key), dict | list):
            return _wanted(items[key], offered)
    name_key = next((key for key in _NAMES if isinstance(items.get(key), str)), None)
    if name_key is None:
        return []
    name = _offered_name(items[name_key].strip().removesuffix("()"), offered)
    if name is None or _defines(items, offered):
        return []
    for key in _ARGUMENTS:
        if isinstance(items.get(key), dict | str):
            return [(name, _named(items[key], offered[name]))]
        if key in items and items[key] is None:
            return [(name, {})]
    # {"name": "calculator", "expression": "1 + 1"}: the arguments beside the name.
    rest = {key: item for key, item in items.items() if key not in (name_key, "type", "id")}
    properties = offered[name].parameters.get("properties", {})
    if set(rest) <= set(properties) and (rest or not offered[name].parameters.get("required")):
        return [(name, rest)]
    return []


def _offered_name(name: str, offered: Mapping[str, ToolSpec]) -> str | None:
    """The offered tool that a name means; models put the namespace of some templates before it."""
    names = (name, name.removeprefix("functions."), name.removeprefix("tools."))
    return next((each for each in names if each in offered), None)


def _defines(value: object, offered: Mapping[str, ToolSpec]) -> bool:
    """Whether a JSON value repeats an offered tool's definition, as models do that were shown it in their prompt."""
    if not isinstance(value, dict):
        return False
    items = cast("dict[str, Any]", value)
    if isinstance(items.get("function"), dict):
        return _defines(items["function"], offered)
    name, schema = items.get("name"), items.get("parameters")
    if not isinstance(name, str) or name not in offered or not isinstance(schema, dict):
        return False
    own = offered[name].parameters.get("properties", {})
    return "type" in schema and "properties" in schema and "properties" not in own


def _named(arguments: dict[str, Any] | str, spec: ToolSpec) -> dict[str, Any] | str:
    """Plain text where a mapping belongs is the value of the only argument: ``"arguments": "1 + 1"``."""
    properties = list(spec.parameters.get("properties", {}))
    if isinstance(arguments, str) and len(properties) == 1 and not arguments.lstrip().startswith("{"):
        return {properties[0]: arguments}
    return arguments


# ---------------------------------------------------------------- Python


def _python_calls(blocks: Sequence[_Block], offered: Mapping[str, ToolSpec]) -> Iterator[tuple[int, int, Wanted]]:
    """Calls such as ``calculator(expression="1 + 1")`` that fill a line (or a frame) of their own.

    A call inside a sentence is talk about the tool, and so is one inside a larger expression.
    """
    spelling = _Spelling(offered)
    for block in blocks:
        if block.framed and (wanted := _python_line(block.text.strip(), offered, spelling)):
            yield block.start, block.end, wanted
            continue
        position = block.inner
        for line in block.text.splitlines(keepends=True):
            if wanted := _python_line(line.strip(), offered, spelling):
                yield position, position + len(line), wanted
            position += len(line)


class _Spelling:
    """Stand-ins for names that Python can't have: of tools (``get-time``) and of arguments (``from``)."""

    def __init__(self, offered: Mapping[str, ToolSpec]) -> None:
        tools = [name for name in offered if not all(part.isidentifier() for part in name.split("."))]
        arguments = {key for spec in offered.values() for key in spec.parameters.get("properties", {})}
        odd = sorted(key for key in arguments if not key.isidentifier() or keyword.iskeyword(key))
        self._names = {f"odd_{n}_name": name for n, name in enumerate((*tools, *odd))}
        ends = dict.fromkeys(tools, r"(?=\s*\()") | dict.fromkeys(odd, r"(?=\s*=(?!=))")
        self._patterns = [
            (stand_in, re.compile(rf"(?<![\w.-]){re.escape(name)}{ends[name]}"))
            for stand_in, name in self._names.items()
        ]

    def sound(self, source: str) -> str:
        """With stand-ins; also inside texts, where :meth:`own` takes them out again."""
        for stand_in, pattern in self._patterns:
            source = pattern.sub(stand_in, source)
        return source

    def own(self, text: str) -> str:
        """With the names themselves."""
        for stand_in, name in self._names.items():
            text = text.replace(stand_in, name)
        return text


def _python_line(line: str, offered: Mapping[str, ToolSpec], spelling: _Spelling) -> Wanted:
    source = line[match.end() :] if (match := _LEAD.match(line)) else line
    if not source.endswith((")", "]", ";")) or not any(name in source for name in offered):
        return []
    try:
        tree = ast.parse(spelling.sound(source).rstrip(";"), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = spelling.own(node.value)
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id == "print":
        nodes = tree.args
    else:
        nodes = tree.elts if isinstance(tree, ast.List) else [tree]
    wanted = [_python_call(node, offered, spelling) for node in nodes]
    return [call for call in wanted if call is not None] if all(wanted) else []


def _python_call(
    node: ast.expr, offered: Mapping[str, ToolSpec], spelling: _Spelling
) -> tuple[str, dict[str, Any]] | None:
    if isinstance(node, ast.Await):
        node = node.value
    if not isinstance(node, ast.Call):
        return None
    name = _offered_name(spelling.own(ast.unparse(node.func)), offered)
    if name is None:
        return None
    properties: dict[str, Any] = offered[name].parameters.get("properties", {})
    if len(node.args) > len(properties) or any(each.arg is None for each in node.keywords):
        return None
    named = {spelling.own(str(each.arg)): each.value for each in node.keywords}
    given = dict(zip(properties, node.args, strict=False)) | named
    return name, {key: _literal(value) for key, value in given.items()}


def _literal(node: ast.expr) -> Any:
    """A literal's value, else its source as text: ``calculator((12 + 3) * 4)`` is not computed here."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ast.unparse(node)
