"""When a lesson gives a task away: words copied from an input, or an answer.

The memory is injected into the prompt of every task, those of validation and holdout among them. A lesson that
holds a task's text or answer measures memory of that task, not skill.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from practice.types import Task

__all__ = ["SHINGLE", "LeakIndex"]

#: So many words in a row from an input are a copy.
SHINGLE = 8
#: Answers shorter than this are too common to be given away.
ANSWER = 4

#: Words as runs of letters and digits; an ideograph or kana is a word of its own.
_IDEOGRAPH = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_IDEOGRAPH}]|[^\W_{_IDEOGRAPH}]+")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")

Words = tuple[str, ...]


class LeakIndex:
    """All tasks of a run, ready to be looked up: built once, each lesson then takes well under a millisecond."""

    def __init__(self, tasks: Iterable[Task], instructions: str = "") -> None:
        """Index every task that the run knows: practice, validation and holdout.

        An answer that the instructions hold already can't be given away.
        """
        known = frozenset(instructions.casefold().split())
        said = _Sayings(_readings(instructions))
        self._shingles: set[int] = set()
        self._answers: dict[int, set[Words]] = {}
        self._signs: set[str] = set()
        for task in tasks:
            self._shingles.update(hash(window) for window in _windows(_words(task.input), SHINGLE))
            answer = (task.answer or "").strip()
            if len(answer) < ANSWER:
                continue
            readings = [words for words in _readings(answer) if words]
            if not readings and answer.casefold() not in known:
                self._signs.add(answer.casefold())
            for words in readings:
                if words not in said:
                    self._answers.setdefault(len(words), set()).add(words)

    def find(self, text: str) -> str:
        """What the text gives away, in a sentence for the log; "" where it gives nothing away."""
        for window in _windows(_words(text), SHINGLE):
            if hash(window) in self._shingles:
                return f"{SHINGLE} words in a row of a task's input: {' '.join(window)!r}"
        for words in _readings(text):
            for length, answers in self._answers.items():
                for window in _windows(words, length):
                    if window in answers:
                        return f"the answer of a task: {' '.join(window)!r}"
        signs = self._signs.intersection(text.casefold().split())
        return f"the answer of a task: {min(signs)!r}" if signs else ""


def _words(text: str) -> Words:
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def _readings(text: str) -> list[Words]:
    """The text's words, and once more with ``1,000`` read as ``1000``."""
    plain = _words(text)
    joined = _words(_THOUSANDS.sub("", text))
    return [plain] if plain == joined else [plain, joined]


def _windows(words: Sequence[str], length: int) -> Iterator[Words]:
    return zip(*(words[start:] for start in range(length)), strict=False)


class _Sayings:
    """Which runs of words a text holds; each length is indexed when it is first asked for."""

    def __init__(self, readings: Sequence[Words]) -> None:
        self._readings = readings
        self._by_length: dict[int, frozenset[Words]] = {}

    def __contains__(self, words: Words) -> bool:
        length = len(words)
        if length not in self._by_length:
            self._by_length[length] = frozenset(
                window for reading in self._readings for window in _windows(reading, length)
            )
        return words in self._by_length[length]
