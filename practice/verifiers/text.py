r"""Where in an output the answer stands: reasoning taken off, ``\boxed{…}``, "the answer is …"."""

from __future__ import annotations

import re

__all__ = ["after_marker", "boxes", "normalise", "strip_reasoning", "without_reasoning"]

_TAG = re.compile(r"<(/?)(?:think|thinking|reasoning)>", re.I)
_MARKER = re.compile(
    r"####|\banswer\b[*_`\s]*(?:\([^()\n]{0,40}\)\s*)?(?::|=|\bis\b:?|\bwas\b|\bare\b)|答案\s*(?:是|为|:|：)|^#+\s*(?:final\s+)?answer\s*$",  # noqa: RUF001
    re.I | re.M,
)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BRACE = re.compile(r"(?<!\\)[{}]")
_WRAPPED = re.compile(r"""^(["'`“”‘’«»*_$\s]+)|(["'`“”‘’«»*_$\s.。!]+)$""")  # noqa: RUF001


def strip_reasoning(text: str) -> str:
    """The text without ``<think>`` blocks and without the white space around it."""
    return without_reasoning(text).strip()


def without_reasoning(text: str) -> str:
    """The text without ``<think>`` blocks; one that was never closed goes to the end, one never opened to the start."""
    kept: list[str] = []
    start, inside = 0, False
    for tag in _TAG.finditer(text):
        closes = bool(tag[1])
        if not inside and closes:
            kept.clear()
        elif not inside:
            kept.append(text[start : tag.start()])
        inside = not closes
        start = tag.end()
    if not inside:
        kept.append(text[start:])
    return "".join(kept)


def boxes(text: str) -> list[tuple[int, str]]:
    r"""(position, content) of every ``\boxed{…}`` that is closed and not empty, braces matched, in order."""
    starts = {match.end() - 1: match.start() for match in _BOX.finditer(text)}
    found: list[tuple[int, str]] = []
    opened: list[int] = []
    for brace in _BRACE.finditer(text) if starts else ():
        if brace[0] == "{":
            opened.append(brace.start())
        elif opened:
            start = opened.pop()
            content = text[start + 1 : brace.start()].strip()
            if start in starts and content:
                found.append((starts[start], content))
    return sorted(found)


def after_marker(text: str) -> str | None:
    """All that follows the last "answer is", "Answer:" or "####"; None where there is none of them."""
    matches = list(_MARKER.finditer(text))
    return text[matches[-1].end() :].strip() if matches else None


def first_line(text: str) -> str:
    """The first line that is not blank; "" where all are."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def normalise(text: str) -> str:
    """Trimmed, lower case, white space collapsed, without the quotes, emphasis and final period around it."""
    previous, text = "", " ".join(text.split()).casefold()
    while text != previous:
        previous, text = text, _WRAPPED.sub("", text)
    return text
