"""What a tool's result or an agent's answer has to say, decided by a program on its text.

Users accept an answer in many forms, so a check asks for what has to be there and not for a form. What it asks
for must not stand in the question: an echo passes nothing (a test walks all of them).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from practice.types import Value

__all__ = ["Expect", "numbers_in"]

_NUMBER = re.compile(
    r"(?<![\w.])(?<!\d[-/:])(?:(?<![\w)\]])[-−])?[$€£]?(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?"
)
_POWER_OF_TEN = re.compile(r"\s*(?:×|x|\*|·|\\times)\s*10\s*(?:\^|\*\*)\s*[{(]?([-+]?\d+)")
_YES = re.compile(
    r"\b(?:yes|true|are anagrams|is (?:indeed )?(?:an? )?(?:palindrome|anagram))\b|^(?:palindrome|anagrams?)\W*$"
)
_QUESTION = re.compile(r"\b(?:if|whether)\b[^.;:!?]*")
_NO = re.compile(r"\b(?:no|not|false|isn't|aren't|cannot)\b")


class Expect(Value):
    """What must be in a text. Everything that is given has to hold."""

    numbers: tuple[str, ...] = ()
    """Each stands in the text (``a|b``: one of them); one written with decimals is met by whatever rounds to it."""
    within: float = Field(default=0.0, ge=0.0, le=0.05)
    """How far off a number may be, relative to it: for constants that differ between books."""
    has: tuple[str, ...] = ()
    """Each stands in the text, whatever its case; ``a|b``: one of them does."""
    lacks: tuple[str, ...] = ()
    """None stands in the text."""
    sequence: tuple[str, ...] = ()
    """They stand in the text in this order, with nothing but marks, "and" and numbering between them."""
    exact: tuple[str, ...] = ()
    """Each stands in the text, letter by letter."""
    pairs: dict[str, str] = Field(default_factory=dict[str, str])
    """Each name stands beside its number."""
    yes: bool | None = None
    """The text affirms or denies."""

    @model_validator(mode="after")
    def _asks_something(self) -> Expect:
        if not (self.numbers or self.has or self.sequence or self.exact or self.pairs or self.yes is not None):
            raise ValueError("a check asks for something that must be there")
        return self

    def unmet(self, text: str) -> str:
        """What the text lacks, in a few words; "" where it has all."""
        found = numbers_in(text)
        for wanted in self.numbers:
            if not any(self._same(number, one) for one in wanted.split("|") for number in found):
                return f"no {wanted}"
        plain = " ".join(text.split())
        for wanted in self.has:
            if not any(_holds(plain, item) for item in wanted.split("|")):
                return f"no {wanted!r}"
        for unwanted in self.lacks:
            if _holds(plain, unwanted):
                return f"{unwanted!r} is there"
        for wanted in self.exact:
            if not re.search(_bounded(re.escape(" ".join(wanted.split())), wanted), plain):
                return f"no exact {wanted!r}"
        if self.sequence and not re.search(_chain(self.sequence), plain, re.IGNORECASE):
            return f"not in this order: {', '.join(self.sequence)}"
        if self.pairs and not self._paired(plain):
            return f"not beside each other: {self.pairs}"
        if self.yes is not None and _affirms(text) is not self.yes:
            return f"does not say {'yes' if self.yes else 'no'}"
        return ""

    def _same(self, found: float, wanted: str) -> bool:
        value, decimals = float(wanted), len(wanted.partition(".")[2])
        rounding = 0.5 * 10**-decimals if decimals else 0.0
        return abs(found - value) <= max(rounding, self.within * abs(value), 1e-6 * abs(value)) + 1e-12

    def _paired(self, text: str) -> bool:
        """Every number follows its name, or every number stands before it."""
        gap = r"[^\d\n]{0,24}?"
        after = [rf"(?<!\w){re.escape(name)}(?!\w){gap}({_NUMBER.pattern})" for name in self.pairs]
        before = [rf"({_NUMBER.pattern})[^\d\w\n]{{0,4}}(?:x )?{re.escape(name)}(?!\w)" for name in self.pairs]
        return any(
            all(
                any(
                    self._same(number, wanted)
                    for match in re.finditer(pattern, text, re.IGNORECASE)
                    for number in numbers_in(match[1])
                )
                for pattern, wanted in zip(patterns, self.pairs.values(), strict=True)
            )
            for patterns in (after, before)
        )


def numbers_in(text: str) -> list[float]:
    """Every number of a text: 1,234.5  -3  2.5e-3  4.5 × 10^14; a percent sign and a currency count for nothing.

    Of a date or a time only the first part is one, and a dash with a blank behind it is no sign.
    """
    found: list[float] = []
    for match in _NUMBER.finditer(text):
        value = float(re.sub(r"[,\s$€£]", "", match[0]).replace("−", "-"))
        if power := _POWER_OF_TEN.match(text, match.end()):
            value *= 10.0 ** max(-300, min(300, int(power[1])))
        found.append(value)
    return found


# ---------------------------------------------------------------- inside


def _bounded(pattern: str, item: str) -> str:
    """The pattern, not within a longer word."""
    start = r"(?<!\w)" if item[:1].isalnum() else ""
    return start + pattern + (r"(?!\w)" if item[-1:].isalnum() else "")


def _holds(plain: str, item: str) -> bool:
    return re.search(_bounded(re.escape(" ".join(item.split())), item), plain, re.IGNORECASE) is not None


def _chain(items: tuple[str, ...]) -> str:
    between = r"[\W_]{1,12}(?:and\b\W{1,4}|\d{1,3}[.)]\W{0,4})?"
    return between.join(_bounded(re.escape(item), item) for item in items)


def _affirms(text: str) -> bool | None:
    """True, False, or None where the text says neither or both."""
    try:
        value: Any = json.loads(text.lower())
    except ValueError:
        value = None
    if isinstance(value, Mapping):
        flags = [item for item in value.values() if isinstance(item, bool)]  # pyright: ignore[reportUnknownVariableType]
        value = flags[0] if len(flags) == 1 else None
    if isinstance(value, bool):
        return value
    said = _QUESTION.sub("", " ".join(text.lower().replace("’", "'").split()))
    no, yes = _NO.search(said), _YES.search(said)
    if no is None or yes is None:
        return None if no is None and yes is None else no is None
    # "No, it is not a palindrome": a word of denial anywhere wins over "a palindrome"; a plain yes at the front wins.
    return yes.start() < no.start() and yes[0] in ("yes", "true")
