"""``exact``: the output is the answer, letter by letter."""

from __future__ import annotations

from practice.verifiers.base import AnswerVerifier
from practice.verifiers.text import after_marker, boxes, first_line, normalise, strip_reasoning


class Exact(AnswerVerifier):
    r"""Right where the answer is the whole output, its last line, what follows "Answer:", or the last box.

    Compared trimmed, in lower case, with white space collapsed and without quotes, emphasis and a final period
    around it. Nothing else is forgiven: ``4.0`` is not ``4`` (see ``number``).
    """

    name = "exact"

    async def compare(self, output: str, answer: str) -> tuple[bool, str]:
        """See the class."""
        wanted = normalise(answer)
        readings = list(dict.fromkeys(normalise(reading) for reading in _readings(strip_reasoning(output))))
        if wanted in readings:
            return True, f"{answer.strip()!r} as expected"
        return False, f"expected {answer.strip()!r}, found {readings[-1][:80]!r}"


def _readings(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip()]
    readings = [text, lines[-1] if lines else ""]
    marked = after_marker(text)
    if marked is not None:
        readings += [marked, first_line(marked)]
    found = boxes(text)
    return [*readings, *([found[-1][1]] if found else [])]
