r"""Where in an output the answer stands: reasoning taken off, ``\boxed{…}``, "the answer is …"."""

from __future__ import annotations

import re

__all__ = ["after_marker", "boxes", "normalise", "strip_reasoning"]

_THINK = re.compile(r"<(think|thinking|reasoning)>.*?</\1>", re.S | re.I)
_OPEN = re.compile(r"<(?:think|thinking|reasoning)>.*\Z", re.S | re.I)
_CLOSE = re.compile(r"\A.*</(?:think|thinking|reasoning)>", re.S | re.I)
_MARKER = re.compile(
    r"####|\banswer\b[*_`\s]*(?:\([^()\n]{0,40}\)\s*)?(?::|=|\bis\b:?|\bwas\b|\bare\b)|答案\s*(?:是|为|:|：)|^#+\s*(?:final\s+)?answer\s*$",  # noqa: RUF001
    re.I | re.M,
)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_WRAPPED = re.compile(r"""^(["'`“”‘’«»*_$\s]+)|(["'`“”‘’«»*_$\s.。!]+)$""")  # noqa: RUF001


def strip_reasoning(text: str) -> str:
    """The text without ``<think>`` blocks; one that was never closed goes to the end, one never opened to the start."""
    text = _THINK.sub("", text)
    return _CLOSE.sub("", _OPEN.sub("", text)).strip()


def boxes(text: str) -> list[tuple[int, str]]:
    r"""(position, content) of every ``\boxed{…}`` that is closed and not empty, braces matched."""
    found: list[tuple[int, str]] = []
    for match in _BOX.finditer(text):
        depth, end = 1, match.end()
        while end < len(text) and depth:
            if text[end] in "{}" and text[end - 1] != "\\":
                depth += 1 if text[end] == "{" else -1
            end += 1
        content = text[match.end() : end - 1].strip()
        if not depth and content:
            found.append((match.start(), content))
    return found


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
