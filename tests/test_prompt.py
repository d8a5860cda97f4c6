"""Experiences in the prompt, and the templates."""

from __future__ import annotations

import hashlib

import pytest

from practice import prompt
from practice.types import Experience


def lesson(id: str, text: str, status: str = "active") -> Experience:
    return Experience.model_validate({"id": id, "text": text, "status": status})


INSTRUCTIONS = "You solve problems.\nEnd with a line.\n"


def test_without_a_lesson_the_instructions_are_unchanged() -> None:
    assert prompt.system_prompt(INSTRUCTIONS, []) == INSTRUCTIONS
    hidden = [lesson("e1", "one", "candidate"), lesson("e2", "two", "retired")]
    assert prompt.system_prompt(INSTRUCTIONS, hidden) == INSTRUCTIONS


def test_lessons_follow_the_instructions_verbatim_in_order_and_without_ids() -> None:
    texts = ["Use {{braces}} and $1.", "When *two* agree, stop — at once."]
    text = prompt.system_prompt(INSTRUCTIONS, [lesson("e9", texts[0]), lesson("e2", texts[1])])
    head, heading, *lines = [line for line in text.splitlines() if line][1:]
    assert text.startswith(INSTRUCTIONS.rstrip())
    assert head == "End with a line." and heading.endswith(":")
    assert lines == [f"- {text}" for text in texts]
    assert "e9" not in text and not text.endswith("\n")


def test_lessons_without_instructions_are_the_whole_prompt() -> None:
    assert prompt.system_prompt("", [lesson("e1", "one")]).endswith(":\n- one")


def test_a_value_is_text_and_never_a_template() -> None:
    filled = prompt.template("judge_group", task="{{attempts}}", criteria=r"\1 {{task}}", scale="", attempts="x")
    assert "{{attempts}}" in filled and r"\1 {{task}}" in filled


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("memory", {}, "no value for experiences"),
        ("memory", {"experiences": "", "more": ""}, "holds no more"),
        ("nothing", {}, "no such template"),
    ],
)
def test_missing_and_extra_values_are_errors(name: str, values: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        prompt.template(name, **values)


def test_hashes_cover_every_template_that_a_run_may_use() -> None:
    hashes = prompt.hashes()
    files = {path.stem: path for path in prompt.PROMPTS.iterdir() if not path.name.startswith(("agent_", "tool_"))}
    assert set(hashes) == set(files) >= {"memory", "judge_default", "judge_strict", "judge_evidence", "judge_group"}
    assert hashes["memory"] == hashlib.sha256(files["memory"].read_bytes()).hexdigest()


@pytest.mark.parametrize("wording", ["default", "strict", "evidence"])
def test_every_wording_has_the_same_scale_and_polarity(wording: str) -> None:
    text = " ".join(prompt.source(f"judge_{wording}").split())
    assert "Reply" not in text  # how to reply depends on the mode alone
    assert "10 is the best" in text or "10 (best:" in text or "10 is best" in text
    assert "0 is worthless" in text or "0 (worst:" in text or "0 is worst" in text
    assert all('"score": <0 to 10>' in prompt.source(f"judge_reply_{mode}") for mode in ("group", "score"))
    assert prompt.keys(text) == ()
