"""When two lessons say the same.

Precision comes first: a lesson that is wrongly called a duplicate is lost, one that is missed costs a line. So
two lessons are the same where their content words agree in order, up to inflection, fillers, punctuation and a
few words more; and never where a number, a negation, an order word, an operator or a one-letter name differs,
nor where one word stands in the place of another ("when rule 3 applies", "when rule 4 applies").
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache

__all__ = ["says_the_same"]

#: The share of content words that one text may have beyond the other.
SURPLUS = 0.15


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[*/=<>%^+$€£#]|(?<![\w-])-(?=[\s\w(])")
_FILLERS = _set(
    "a an the this that these those of to in on at for with as by from and also then so thus just simply really very"
    " please always should must shall will can you your yours it its is are be been being do does there here such any"
    " sure make remember note important"
)
#: Words that turn a lesson into another one.
_TURNS = _set(
    "not no never none nothing without avoid stop refuse only unless except until instead rather before after while"
    " first last next previous second third once twice again or nor if when both either neither every each all some"
    " more less most least fewer than above below over under up down left right minimum maximum min max true false yes"
    " zero one two three four five six seven eight nine ten eleven twelve half double triple"
)


def says_the_same(a: str, b: str) -> bool:
    """Whether two lessons are the same up to wording that carries no meaning. Symmetric and deterministic."""
    first, second = _content(a), _content(b)
    if first == second:
        return True
    shorter, longer = sorted((first, second), key=lambda words: (len(words), words))
    surplus = len(longer) - len(shorter)
    if not surplus or surplus > SURPLUS * len(longer):
        return False
    extra = _left_over(shorter, longer)
    return extra is not None and all(_plain(word) for word in extra)


@lru_cache(maxsize=4096)
def _content(text: str) -> tuple[str, ...]:
    words: list[str] = []
    tokens = _TOKEN.findall(unicodedata.normalize("NFKC", text))
    for index, token in enumerate(tokens):
        low = token.casefold().replace("’", "'")
        if len(token) == 1 and token.isalpha() and token.isupper() and (index or token not in "AI"):
            words.append(f"={token}")  # a name: option B, variable X
        elif low.endswith("n't") or low == "cannot":
            words.append("not")
        elif low in ("if", "whenever"):
            words.append("when")
        elif low not in _FILLERS:
            words.append(low if low in _TURNS else _stem(low))
    return tuple(words)


def _stem(word: str) -> str:
    """Without the common English inflections: calls, called, calling -> call."""
    word = word.removesuffix("'s")
    for ending in ("ing", "ied", "ies", "ed", "es", "s", "d", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)] + ("y" if ending in ("ied", "ies") else "")
            break
    return word[:-1] if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "ls" else word.removesuffix("e")


def _left_over(shorter: Sequence[str], longer: Sequence[str]) -> list[str] | None:
    """The words that ``longer`` has beyond ``shorter``, or None where it does not hold all of that in order."""
    extra: list[str] = []
    for op, start, end, low, high in SequenceMatcher(None, shorter, longer, autojunk=False).get_opcodes():
        if op == "insert":
            extra += longer[low:high]
        elif op != "equal" or start == end:
            return None
    return extra


def _plain(word: str) -> bool:
    """A word that may be more in one of two same lessons."""
    return len(word) > 2 and word.isalpha() and word not in _TURNS
