from __future__ import annotations

import json

import pytest

from practice.errors import InputError
from practice.features import actions, answer_of, binarise, features, numbers, phrase, prose
from practice.types import Feature, Rollout, Step, ToolCall, ToolResult, ToolSpec

SPEC = ToolSpec(name="lookup", description="Looks a price up.", parameters={"type": "object"})


def call(expression: str, name: str = "calculator") -> ToolCall:
    return ToolCall(id=f"id-{expression}", name=name, arguments=json.dumps({"expression": expression}))


def calls(*pairs: tuple[str, str], content: str = "", index: int = 0, error: bool = False) -> Step:
    """One reply with calls (expression, result)."""
    made = tuple(call(expression) for expression, _ in pairs)
    results = tuple(ToolResult(call=c, content=r, error=error) for c, (_, r) in zip(made, pairs, strict=True))
    return Step(index=index, content=content, tool_calls=made, results=results)


def rollout(*steps: Step | str, status: str = "done", attempt: int = 0, task: str = "t") -> Rollout:
    made = tuple(
        Step(index=place, content=step) if isinstance(step, str) else step.model_copy(update={"index": place})
        for place, step in enumerate(steps)
    )
    output = made[-1].content if made else ""
    return Rollout.model_validate(
        {
            "id": f"practice/0/{task}/{attempt}",
            "task_id": task,
            "attempt": attempt,
            "steps": made,
            "output": output,
            "status": status,
            "limit": "steps" if status == "limit" else None,
        }
    )


def shown(of: Rollout, specs: tuple[ToolSpec, ...] = ()) -> set[str]:
    return {feature.name for feature in features(of, specs) if feature.value and not feature.name.startswith("n:")}


GOOD = rollout(calls(("53*42*0.08 + 53*2.26", "297.86")), "The total is 297.86 euros.\nAnswer: 297.86")


def test_one_clean_call_and_its_result_as_the_answer() -> None:
    assert shown(GOOD) >= {
        "called:calculator", "once:calculator", "opening:calculator", "only_call:calculator", "whole:calculator",
        "reports:calculator", "marker", "one_number",
    }  # fmt: skip
    assert not shown(GOOD) & {"again:calculator", "beside:calculator", "calculates", "limit", "no_answer"}


def test_calls_on_its_own_result_in_pieces() -> None:
    chained = rollout(calls(("53*42", "2226")), calls(("2226*0.08", "178.08")), "Answer: 178.08")
    assert shown(chained) >= {"again:calculator", "chained:calculator", "piecewise:calculator", "reports:calculator"}
    assert not shown(chained) & {"once:calculator", "whole:calculator", "repeated:calculator"}


def test_a_small_whole_number_in_a_later_call_is_no_chain() -> None:
    assert "chained:calculator" not in shown(rollout(calls(("4/2", "2")), calls(("2+5", "7")), "7"))


def test_repeated_failed_and_unanswered_calls() -> None:
    failed = rollout(calls(("5 eur", "error"), error=True), calls(("5 eur", "error"), error=True), status="limit")
    assert shown(failed) >= {"repeated:calculator", "failed:calculator", "no_answer", "limit"}
    assert not shown(failed) & {"reports:calculator"}


@pytest.mark.parametrize(
    "content", ["I call it now.", 'I call it now. {"name": "calculator", "arguments": {"expression": "1"}}']
)
def test_text_beside_a_call_is_seen_and_the_call_itself_is_no_text(content: str) -> None:
    spoken = rollout(calls(("1+1", "2"), content=content), "2")
    assert "beside:calculator" in shown(spoken) and "only_call:calculator" not in shown(spoken)
    assert prose(spoken.steps[0]) == "I call it now."


@pytest.mark.parametrize("wrap", ["{}", "```json\n{}\n```", "<tool_call>\n{}\n</tool_call>", "[{}]"])
def test_a_call_written_as_text_stands_alone(wrap: str) -> None:
    content = wrap.replace("{}", '{"name": "calculator", "arguments": {"expression": "1+1"}}')
    assert "only_call:calculator" in shown(rollout(calls(("1+1", "2"), content=content), "2"))


def test_a_tool_never_called_has_its_features_too() -> None:
    values = {feature.name: feature.value for feature in features(rollout("12"), (SPEC,))}
    assert values["called:lookup"] == 0 and values["once:lookup"] == 0


def test_order_of_tools() -> None:
    first = Step(index=0, content="", tool_calls=(call("x", "lookup"),))
    assert "order:lookup>calculator" in shown(rollout(first, calls(("1+1", "2")), "2"))


@pytest.mark.parametrize(
    ("text", "calculates"),
    [("12 + 3 = 15", True), ("3 × 4 crates", True), ("The total cost = $58.82", False), ("Answer: 12", False),
     ("50 euros * 0.05 gives", True)],
)  # fmt: skip
def test_a_calculation_in_the_text(text: str, calculates: bool) -> None:
    assert ("calculates" in shown(rollout(text))) is calculates


def test_form_and_checks() -> None:
    text = "1. I verify it.\n```\nx\n```\n| a |\n\\boxed{3} \\(x\\)\nsorry, is it 3?"
    assert shown(rollout(text)) >= {"list", "fence", "table", "boxed", "latex", "checks", "declines", "asks"}
    assert "json" in shown(rollout('{"a": 1}'))


def test_numbers_and_answers() -> None:
    assert numbers("−3 of 1,200.50, v2 and 4.") == [-3.0, 1200.5, 4.0]
    assert answer_of(rollout("x = 1,200.00")) == answer_of(rollout("1200")) == "1200"
    assert answer_of(rollout("a\nParis.\n")) == "paris"
    assert answer_of(rollout("")) == ""


def test_the_users_own_features() -> None:
    def polite(of: Rollout) -> bool:
        return "please" in of.output

    def counts(of: Rollout) -> dict[str, float]:
        return {"letters": len(of.output)}

    def broken(of: Rollout) -> str:
        return of.output

    values = {feature.name: feature.value for feature in features(rollout("please"), user=(polite, counts))}
    assert values["user:polite"] == 1 and values["user:counts.letters"] == 6
    with pytest.raises(InputError, match="broken"):
        features(rollout("x"), user=(broken,))


def test_numbers_are_split_at_the_median_and_constants_left_out() -> None:
    rows = [(Feature(name="n:words", value=v), Feature(name="same", value=1.0)) for v in (1, 2, 9, 9, 9)]
    assert binarise(rows) == {"n:words <= 2": (True, True, False, False, False)}
    sparse = [(Feature(name="called:f", value=1.0),), ()]
    assert binarise(sparse) == {"called:f": (True, False)}


def test_every_feature_has_words() -> None:
    every = shown(GOOD, (SPEC,)) | {feature.name for feature in features(GOOD, (SPEC,))}
    for name in every:
        words = phrase(name + " <= 7" if name.startswith("n:") else name)
        for text in (words.says, words.do, words.avoid):
            assert text and "{" not in text.replace("\\boxed{}", "") and "user" not in text
    assert phrase("called:lookup").says == "called lookup"
    assert phrase("n:words <= 40").do == "write at most 40 words in all"
    assert phrase("order:a>b").do == "call a before b"
    assert "too long" in phrase("user:too_long <= 3").says


def test_actions_in_words() -> None:
    assert actions(GOOD) == (
        "replied with only a call: calculator(53*42*0.08 + 53*2.26), which returned 297.86",
        'only answered: "The total is 297.86 euros. Answer: 297.86"',
    )
    assert "limit on steps" in actions(rollout(calls(("1", "1")), status="limit"))[-1]
