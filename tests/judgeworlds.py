"""A world for judged rewards: judges that love length, answers of any length, a lesson that makes them longer."""

from __future__ import annotations

import json
from typing import Any

from tests.fakeserver import Asked
from tests.worlds import heading

LONGER = "Write long, detailed answers that take their time."
"""The lesson that only makes answers longer."""
_FILLER = "and so it goes on with a further remark that adds nothing to it"


def attempts(asked: Asked) -> dict[str, str]:
    """Letter -> text of every attempt that a judge is shown."""
    letters = [name for name in (asked.schema or {}).get("properties", {}) if len(name) == 1]
    found = {letter: match for letter in letters if (match := heading(letter, asked.text))}
    ends = [*(match.start() for match in found.values()), len(asked.text)]
    return {
        letter: asked.text[match.end() : min(end for end in ends if end >= match.end())].strip()
        for letter, match in found.items()
    }


def wordy(asked: Asked) -> str:
    """Answers of many lengths, twice as long where the lesson says so; judges count words, the teacher says why."""
    if asked.stage == "judge":
        counts = {letter: len(text.split()) for letter, text in attempts(asked).items()}
        return json.dumps({letter: _mark(min(10, count // 12)) for letter, count in counts.items()})
    if asked.stage == "advantage":
        return json.dumps({"lessons": [{"text": LONGER}]})
    if asked.stage == "merge":
        edits = [] if LONGER in asked.text.split("# Lessons")[0] else [{"op": "add", "id": None, "text": LONGER}]
        return json.dumps({"edits": edits})
    times = 1 + int(3 * asked.chance()) + (3 if LONGER in asked.system else 0)
    return " ".join(["It is a lot of goods.", *[_FILLER] * times])


def _mark(score: int) -> dict[str, Any]:
    return {"reason": "It says a lot.", "score": score}
