"""JSON out of what a model wrote: parse, else find it, else repair it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import cast

from practice.model.wire import split_reasoning

_FENCE = re.compile(r"```[ \t]*(?:json5?|jsonc|python)?[ \t]*\r?\n(.*?)```", re.DOTALL | re.IGNORECASE)
_OPENING = re.compile(r"[{\[]")
_MAX_DEPTH = 64
_MAX_STARTS = 32
_SPACE = re.compile(r"(?:\s+|//[^\n]*|#[^\n]*|/\*.*?\*/)+", re.DOTALL)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_WORD = re.compile(r"[A-Za-z_][\w-]*")
_UNICODE = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")
_WORDS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
_QUOTES = {'"': '"', "'": "'", "“": "”", "\u2018": "\u2019"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def parse_json(text: str) -> object | None:
    """The JSON object or array in ``text``, or None where there is none.

    Takes, in this order: the text as it is; a fenced block; an object or array with prose around it (the longest
    one, an object before an array). Each is repaired where it does not parse: trailing commas, comments, single
    or typographic quotes, bare keys, Python's literals, raw newlines and unescaped quotes in strings, closing
    brackets missing after a complete value. A text that breaks off inside a value is not completed: half a
    sentence is not what the model meant.
    """
    text = split_reasoning(text)[0].strip().lstrip("\ufeff")
    value = _strict(text)
    if value is not None:
        return value
    for block in reversed(_FENCE.findall(text)):
        value = _strict(block) or _repaired(block.strip())
        if value is not None:
            return value
    best: tuple[bool, int, object] | None = None
    for start, end, found in _found(text):
        rank = (isinstance(found, dict), end - start)
        if best is None or rank >= best[:2]:
            best = (*rank, found)
    return None if best is None else best[2]


def find_json(text: str) -> Iterator[tuple[int, int, object]]:
    """Every outermost object or array in ``text`` as (start, end, value), each repaired as ``parse_json`` does."""
    return _found(text)


def _strict(text: str) -> object | None:
    try:
        value: object = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    return cast("object", value) if isinstance(value, dict | list) else None


def _repaired(text: str) -> object | None:
    if text[:1] not in ("{", "["):
        return None
    try:
        return _Lenient(text).value(0)[0]
    except _Broken:
        return None


def _found(text: str) -> Iterator[tuple[int, int, object]]:
    """Every outermost object or array in ``text`` with its span."""
    position, starts = 0, 0
    lenient = _Lenient(text)
    while starts < _MAX_STARTS:
        opening = _OPENING.search(text, position)
        if opening is None:
            return
        starts += 1
        try:
            value, position = lenient.value(opening.start())
        except _Broken:
            position = opening.end()
            continue
        yield opening.start(), position, value


class _Broken(Exception):
    """No value can be read here."""


class _Lenient:
    """A recursive-descent reader of almost-JSON; every method returns (value, position after it)."""

    def __init__(self, text: str) -> None:
        self.text = text

    def value(self, at: int, depth: int = 0) -> tuple[object, int]:
        at = self._skip(at)
        char = self.text[at : at + 1]
        if depth > _MAX_DEPTH or not char:
            raise _Broken
        if char == "{":
            return self._object(at + 1, depth)
        if char == "[":
            return self._array(at + 1, depth)
        if char in _QUOTES:
            return self._string(at)
        if number := _NUMBER.match(self.text, at):
            digits = number.group()
            return (int(digits) if digits.lstrip("+-").isdigit() and len(digits) < 400 else float(digits)), number.end()
        word = _WORD.match(self.text, at)
        if word is None or word.group() not in _WORDS:
            raise _Broken
        return _WORDS[word.group()], word.end()

    def _object(self, at: int, depth: int) -> tuple[dict[str, object], int]:
        result: dict[str, object] = {}
        while True:
            at = self._skip(at)
            char = self.text[at : at + 1]
            if char == "}":
                return result, at + 1
            if not char and result:
                return result, at
            key, at = self._key(at)
            at = self._skip(at)
            if self.text[at : at + 1] != ":":
                raise _Broken
            result[key], at = self.value(at + 1, depth + 1)
            at = self._comma(at, "}")

    def _array(self, at: int, depth: int) -> tuple[list[object], int]:
        result: list[object] = []
        while True:
            at = self._skip(at)
            char = self.text[at : at + 1]
            if char == "]":
                return result, at + 1
            if not char and result:
                return result, at
            item, at = self.value(at, depth + 1)
            result.append(item)
            at = self._comma(at, "]")

    def _comma(self, at: int, closing: str) -> int:
        """Past a comma; before ``closing`` or the end there need be none."""
        at = self._skip(at)
        char = self.text[at : at + 1]
        if char == ",":
            return at + 1
        if char in (closing, ""):
            return at
        raise _Broken

    def _key(self, at: int) -> tuple[str, int]:
        if self.text[at : at + 1] in _QUOTES:
            return self._string(at)
        word = _WORD.match(self.text, at)
        if word is None:
            raise _Broken
        return word.group(), word.end()

    def _string(self, at: int) -> tuple[str, int]:
        closing, out, at = _QUOTES[self.text[at]], list[str](), at + 1
        while at < len(self.text):
            char = self.text[at]
            if char == "\\" and at + 1 < len(self.text):
                piece, at = self._escape(at + 1)
                out.append(piece)
                continue
            if char == closing and self._closes(at + 1):
                return "".join(out), at + 1
            out.append(char)
            at += 1
        raise _Broken

    def _closes(self, at: int) -> bool:
        """Whether a quote before ``at`` ends its string: what follows goes on with the structure."""
        at = self._skip(at)
        return self.text[at : at + 1] in (",", ":", "}", "]", "")

    def _escape(self, at: int) -> tuple[str, int]:
        char = self.text[at]
        if points := _UNICODE.match(self.text, at - 1):
            # A run of escapes at once: a character outside the basic plane is a pair of them.
            return json.loads(f'"{points.group()}"').encode("utf-8", "replace").decode(), points.end()
        return _ESCAPES.get(char, char), at + 1

    def _skip(self, at: int) -> int:
        space = _SPACE.match(self.text, at)
        return space.end() if space else at
