r"""``number``: the number that an output ends with.

Where it stands: in the last ``\boxed{…}``; else after the last "answer is", "Answer:" or "####"; else the last
number of the text. How it is read: 1,234.5  1 234 (with a no-break or thin space)  1'234  1.234,56  $5  -€3
3/4  2 1/2  \frac{3}{4}  ½  1.5e3  1.5 × 10^3  2^10  25 %  5 million. A comma alone is never a decimal sign.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

from practice.errors import InputError
from practice.types import Task
from practice.verifiers.base import AnswerVerifier
from practice.verifiers.text import after_marker, boxes, first_line, strip_reasoning

__all__ = ["Number", "NumberVerifier", "find_number", "read_number", "same_number"]

TOLERANCE = Fraction(1, 10**6)
"""Relative."""
#: Longer numbers, and powers beyond this, are not read: they would cost time and memory without end.
MAX_DIGITS = 400

_CURRENCY = r"[$€£¥₹]"
_DIGITS = r"(?:\d{1,3}(?:,\d{3})++(?!\d)|\d{1,2}(?:,\d{2})+,\d{3}(?!\d)|\d++)"
_NUMBER = re.compile(
    rf"""
    (?<![\w^])(?<!\d[.,])
    (?:(?<![\w)\]}}])(?P<sign>[-+]))?
    (?:{_CURRENCY}\s?)?
    (?:(?P<sign2>(?<![\w)\]}}\s])[-+])(?=[\d.]))?
    (?:(?P<whole>\d{{1,6}})\ +(?=\d+\s*/\s*\d))?
    (?P<digits>{_DIGITS}(?:\.\d++)?|\.\d++)
    (?!(?:st|nd|rd|th)\b)
    (?P<exp>[eE][-+]?\d++(?!\w))?
    (?:\s*\*\s*10\s*\^\s*[{{(]?\s*(?P<ten>[-+]?\d++)[}})]?)?
    (?:\s*\^\s*[{{(]?\s*(?P<power>[-+]?\d++)[}})]?)?
    (?:\s*/\s*(?P<under>\d+(?:\.\d+)?)(?![\d/]))?
    (?:\s*(?P<percent>%|percent\b|per\s+cent\b))?
    (?:[\s-]+(?P<scale>thousand|million|billion|trillion)\b)?
    """,
    re.X | re.I,
)
_SCALES = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_EXPRESSION = re.compile(r"\s*[-+*/÷]\s*[(\d$]")
_HEDGE = re.compile(r"\s*,?\s*\bor\b\s*[-+$]?\d", re.I)


@dataclass(frozen=True)
class Number:
    """A number as it was written."""

    value: Fraction
    unit: Fraction | None = None
    """Half of this is how far the writer may have rounded: the last decimal's place. None: no rounding shown."""
    percent: bool = False

    def __str__(self) -> str:
        try:
            text = f"{float(self.value):.12g}"
        except OverflowError:
            text = f"a number of {len(str(int(self.value)))} digits"
        return text + ("%" if self.percent else "")


class NumberVerifier(AnswerVerifier):
    """Right where the output's number is the answer: within 1e-6 of it, or within the answer's own rounding.

    An answer with decimals, as 0.33, is met by every number that rounds to it; one without decimals or with a
    bare ``.0`` is exact. ``25 %`` is met by 25 and by 0.25, and the other way round.
    """

    name = "number"

    def check(self, task: Task) -> None:
        """Raise InputError where the answer holds no number."""
        super().check(task)
        if find_number(task.answer or "") is None:
            raise InputError("an answer with one number", found=repr(task.answer), key=f"task {task.id}: answer")

    async def compare(self, output: str, answer: str) -> tuple[bool, str]:
        """See the class."""
        wanted, found = find_number(answer), find_number(output)
        if wanted is None:
            raise InputError("an answer with one number", found=repr(answer))
        if found is None:
            return False, "no number where the answer should stand"
        return same_number(found, wanted), f"read {found}, expected {answer.strip()}"


def same_number(found: Number, wanted: Number, *, rounding: bool = True) -> bool:
    """Whether ``found`` is ``wanted``; with ``rounding`` also where it rounds to the decimals of ``wanted``."""
    if _close(found.value, wanted, rounding):
        return True
    if found.percent == wanted.percent:
        return False
    return any(_close(found.value * factor, wanted, rounding) for factor in (Fraction(1, 100), Fraction(100)))


def _close(value: Fraction, wanted: Number, rounding: bool) -> bool:
    gap = abs(value - wanted.value)
    if gap <= TOLERANCE * abs(wanted.value):
        return True
    return rounding and wanted.unit is not None and gap <= wanted.unit / 2


def find_number(text: str) -> Number | None:
    """The number that an output gives as its answer, or None where it gives none, or several."""
    text = strip_reasoning(text)
    found = boxes(text)
    if found:
        return _only(_clean(found[-1][1]))
    marked = after_marker(text)
    if marked:
        line = _clean(first_line(marked))
        if _NUMBER.search(line):
            return _stated(line)
        tail = _clean(marked)
        if re.search(r"[^\W_]", tail):
            return _last(tail)
    return _last(_clean(text))


def read_number(text: str) -> Number | None:
    """The number that the whole text is, or None."""
    cleaned = _clean(text).strip().rstrip(".")
    match = _NUMBER.fullmatch(cleaned)
    return _value(match) if match else None


# ---------------------------------------------------------------- which number


def _last(text: str) -> Number | None:
    values = [value for match in _NUMBER.finditer(text) if (value := _value(match)) is not None]
    return values[-1] if values else None


def _only(text: str) -> Number | None:
    """The one number of a box, after its last "=" where it has one."""
    matches = list(_NUMBER.finditer(text.rpartition("=")[2]))
    return _value(matches[0]) if len(matches) == 1 else None


def _stated(line: str) -> Number | None:
    """The first number of "answer is …"; where an equation stands there, the number after its last "="."""
    first = _NUMBER.search(line)
    assert first is not None  # the caller has seen it
    end = re.compile(r"[;(]|, |\. ").search(line, first.end())
    clause = line[: end.start()] if end else line
    if "=" in clause:
        result = _NUMBER.search(clause.rpartition("=")[2])
        return _value(result) if result else None
    if _EXPRESSION.match(line, first.end()) or _HEDGE.match(line, first.end()):
        return None  # a sum that was not worked out, or two answers
    return _value(first)


# ---------------------------------------------------------------- reading


def _value(match: re.Match[str]) -> Number | None:
    digits = match["digits"].replace(",", "")
    exponents = ((match["exp"] or "e0")[1:], match["ten"] or "0", match["power"] or "0")
    if len(digits) > MAX_DIGITS or len(match["under"] or "") > MAX_DIGITS or any(len(e) > 5 for e in exponents):
        return None
    first, ten, power = (int(exponent) for exponent in exponents)
    exponent = first + ten + _SCALES.get((match["scale"] or "").lower(), 0)
    if abs(exponent) > MAX_DIGITS:
        return None
    scale = Fraction(10) ** exponent
    value = Fraction(digits) * scale
    decimals = len(digits.partition(".")[2])
    unit = scale / 10**decimals if decimals and not digits.endswith(".0") else None
    if match["power"] is not None:
        if abs(power) * len(digits) > MAX_DIGITS or (not value and power < 0):
            return None
        value, unit = value**power, None
    if match["under"] is not None:
        under = Fraction(match["under"])
        if not under:
            return None
        value, unit = int(match["whole"] or 0) + value / under, None
    if (match["sign"] or match["sign2"]) == "-":
        value = -value
    return Number(value, unit, percent=match["percent"] is not None)


_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, flags), replacement)
    for pattern, replacement, flags in (
        (r"\\(?:left|right|displaystyle|,|!|;|:|quad|qquad)(?![A-Za-z])", "", 0),
        (r"\{,\}", ",", 0),
        (r"\\([$%€£])", r"\1", 0),
        (r"\\(?:text|mathrm|mathbf|textbf|operatorname|mbox)\s*\{([^{}]*)\}", r" \1", 0),
        (r"(?<=\d)\s*(?:×|·|⋅|\\times|\\cdot|[xX])\s*(?=10\s*\^)", "*", 0),
        (r"×|·|⋅|\\times|\\cdot", "*", 0),
        (r"(?<=\d)\s*\*\*\s*(?=[-+]?\d)", "^", 0),  # a power in Python; elsewhere ** is emphasis
        (r"\*\*|__|`", "", 0),
        (r"(?<!\w)_(?=[-+$\d])|(?<=\d)_(?!\w)", "", 0),
        # sqrt and pi are no numbers: what they stand beside is not the number either
        (r"(\d)\s*\\[dt]?frac", r"\1 \\frac", 0),
        (r"\\[dt]?frac\s*\{\s*([-+]?[\d.,]+)\s*\}\s*\{\s*([\d.,]+)\s*\}", r"\1/\2", 0),
        (r"\\[dt]?frac\s*(\d)\s*(\d)", r"\1/\2", 0),
        (r"(?<=[A-Za-z)}\]])\s*\^\s*\{?[-+]?\d+\}?", "", 0),  # cm^2: a unit's power
        (r"(?<=\d)[\u00a0\u2007\u2009\u202f'’](?=\d{3}(?!\d))", "", 0),
        (r"(?<=\d)_(?=\d{3}(?!\d))", "", 0),
        (r"\b(?:usd|eur|gbp|chf|inr|rs\.?|us)\s?(?=\$?[-+]?\d)", " ", re.I),
        (r"[\u00a0\u2007\u2009\u202f]", " ", 0),
    )
)
_EUROPEAN = re.compile(r"(?<![\d.,])(\d{1,3}(?:\.\d{3})+),(\d{1,2})(?![\d,])")
_VULGAR = re.compile(r"[¼½¾⅐-⅞]")
_POWERS = re.compile(r"(?<=[\w)])([⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+)")


def _clean(text: str) -> str:
    """The text with every way of writing a number brought to the few that :data:`_NUMBER` reads."""
    text = _POWERS.sub(lambda match: "^" + match[1].translate(_SUPERSCRIPTS), text)
    text = _VULGAR.sub(lambda match: " " + unicodedata.normalize("NFKC", match[0]).replace("\u2044", "/"), text)
    text = text.translate(_FOLD)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return _EUROPEAN.sub(lambda match: match[1].replace(".", "") + "." + match[2], text)


#: Full-width forms, and the minus and the two dashes that are written for it.
_FOLD = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {ord(sign): "-" for sign in "−–‒"}  # noqa: RUF001
