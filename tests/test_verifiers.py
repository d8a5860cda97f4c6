"""Verifiers: tables of what is right and what is not, and the processes behind ``math``."""

from __future__ import annotations

import asyncio
import os
from fractions import Fraction
from typing import Any

import pytest

from practice.errors import InputError
from practice.types import Failure, Rollout, Status, Task, Verdict
from practice.verifiers import Exact, FunctionVerifier, Math, NumberVerifier
from practice.verifiers.number import find_number, read_number
from practice.verifiers.text import boxes, strip_reasoning


def rollout(output: str, status: Status = "done", **fields: Any) -> Rollout:
    return Rollout(id="r", task_id="t", attempt=0, steps=(), output=output, status=status, **fields)


def task(answer: str | None, **fields: Any) -> Task:
    return Task(id="t", input="q", answer=answer, **fields)


# ---------------------------------------------------------------- exact


@pytest.mark.parametrize(
    ("output", "answer", "right"),
    [
        ("Paris", "Paris", True),
        ("  paris.\n", "Paris", True),
        ('"Paris"', "Paris", True),
        ("**Paris**", "Paris", True),
        ("It is in France.\n\nParis", "Paris", True),
        ("It is in France.\nAnswer: Paris.", "paris", True),
        ("The answer is: Paris", "Paris", True),
        ("Answer:\nParis", "Paris", True),
        ("**Answer:** `x = 1`", "x = 1", True),
        (r"So \boxed{Paris}. Done, as you can see.", "Paris", True),
        ("new   york", "New York", True),
        ("<think>Answer: Rome</think>Paris", "Paris", True),
        ("yes", "Yes.", True),
        ("#### 72", "72", True),
        ("Paris, France", "Paris", False),
        ("Answer: Rome", "Paris", False),
        ("Paris\nor Rome", "Paris", False),
        ("<think>Paris</think>", "Paris", False),
        ("<think>I guess\nParis", "Paris", False),
        ("4.0", "4", False),
        ("", "Paris", False),
        ("not Paris", "Paris", False),
        ("x²", "x2", False),
    ],
)
async def test_exact(output: str, answer: str, right: bool) -> None:
    verdict = await Exact().verify(task(answer), rollout(output))
    assert verdict.score == float(right), verdict.reason
    assert verdict.n_words == len(output.split())


# ---------------------------------------------------------------- number


NUMBERS = [
    # the plain ones
    ("42", "42", True),
    ("The total is 42.", "42", True),
    ("We have 12 and 30, so 42 in all.", "42", True),
    ("42 apples of 50", "42", False),
    ("-42", "-42", True),
    ("−42", "-42", True),
    ("42", "-42", False),
    ("+5", "5", True),
    ("0", "0", True),
    ("0.0001", "0", False),
    # where it stands
    ("Answer: 7", "7", True),
    ("**Answer:** 7\n\nI used 3 steps.", "7", True),
    ("Answer: 7 (because 3 + 4 = 7, not 8)", "7", True),
    ("The answer is 12 + 5 = 17", "17", True),
    ("The answer is x = 17.", "17", True),
    ("Answer: 12 - 5", "12", False),
    ("Answer: 5 or 7", "5", False),
    ("Answer: 60 km/h, since 120 / 2 = 60 and 30 + 30 = 60", "60", True),
    ("First the answer is 5. No: the answer is 6.", "6", True),
    ("### Answer\n\n42", "42", True),
    ("#### 1,234", "1234", True),
    ("The final answer (in euros): 12.50 euros", "12.5", True),
    ("12 + 30 = 42. That is the answer:", "42", True),
    ("Answer: none", "7", False),
    ("答案是 42。", "42", True),
    (r"\boxed{42}", "42", True),
    (r"\boxed{41} no, \boxed{42}. I took 3 steps", "42", True),
    (r"x = \boxed{x = 42}", "42", True),
    (r"\boxed{5, 7}", "5", False),
    (r"\boxed{\text{none}} after 5 steps", "5", False),
    (r"Answer: 3 \boxed{}", "3", True),
    ("<think>the answer is 5</think>The answer is 6", "6", True),
    ("<think>the answer is 5", "5", False),
    ("it may be 5</think> 6", "6", True),
    ("1. Take 5\n2. Add 6\n- 11", "11", True),
    # signs that are none
    ("5-3", "3", True),
    ("range 10–12", "12", True),
    ("Total: -$5", "-5", True),
    ("Total: $-5", "-5", True),
    # how it is written
    ("1,234,567", "1234567", True),
    ("1,234", "1.234", False),
    ("12,34,567", "1234567", True),
    ("1.234,56 €", "1234.56", True),
    ("1\u00a0234", "1234", True),
    ("1'234.5", "1234.5", True),
    ("1_000", "1000", True),
    (r"12{,}500", "12500", True),
    (r"$12\,500$", "12500", True),
    ("$1,000.00", "1000", True),
    ("USD 12", "12", True),
    ("EUR5", "5", True),
    ("25%", "25", True),
    ("25 percent", "0.25", True),
    ("0.25", "25%", True),
    ("25%", "25%", True),
    ("0.25%", "25%", False),
    (r"25\%", "25", True),
    ("3/4", "0.75", True),
    (r"\frac{3}{4}", "0.75", True),
    (r"-\frac{3}{4}", "-0.75", True),
    (r"\dfrac34", "3/4", True),
    ("2 1/2", "2.5", True),
    (r"2\frac{1}{2}", "2.5", True),
    ("2½", "2.5", True),
    ("1/0", "1", False),
    ("1.5e3", "1500", True),
    ("1.5E-3", "0.0015", True),
    ("1.5 x 10^3", "1500", True),
    (r"1.5 \times 10^{3}", "1500", True),
    ("1.5 × 10³", "1500", True),
    ("10^6", "1000000", True),
    ("2**10", "1024", True),
    ("2^(-2)", "0.25", True),
    ("5 million", "5000000", True),
    (".5", "0.5", True),
    ("\uff15\uff10", "50", True),
    ("1e999999999", "1", False),
    ("9" * 5000, "9", False),
    ("9^99999", "9", False),
    ("9" * 350, "9", False),
    ("9e390", "9", False),
    # what stands beside it
    ("25 cm²", "25", True),
    ("25 cm^2", "25", True),
    (r"25 \text{ m}^{3}", "25", True),
    ("5kg", "5", True),
    ("42 on the 3rd", "42", True),
    ("42 of CO2", "42", True),
    ("x_5 = 42", "42", True),
    ("_42_", "42", True),
    ("no number here", "1", False),
    ("", "1", False),
    # precision
    ("0.3333", "0.33", True),
    ("0.336", "0.33", False),
    ("0.3", "0.33", False),
    ("33.33%", "33.3%", True),
    ("2.04", "2.0", False),
    ("2", "2.0", True),
    ("330.2", "330", False),
    ("1000000.5", "1000000", True),
    ("617.50", "617.5", True),
    ("3.1416", "3.14", True),
    ("3.2", "3.14", False),
]


@pytest.mark.parametrize(("output", "answer", "right"), NUMBERS)
async def test_number(output: str, answer: str, right: bool) -> None:
    verdict = await NumberVerifier().verify(task(answer), rollout(output))
    assert verdict.failure is None
    assert verdict.score == float(right), verdict.reason


def test_numbers_are_exact() -> None:
    found = find_number("0.1")
    assert found is not None and found.value == Fraction(1, 10)
    assert read_number("1/3").value == Fraction(1, 3)  # type: ignore[union-attr]
    assert read_number("3 apples") is None
    assert read_number("1 + 2") is None


@pytest.mark.parametrize(("answer", "key"), [(None, "answer"), (" ", "answer"), ("a dozen", "one number")])
def test_an_answer_without_a_number_is_an_input_error(answer: str | None, key: str) -> None:
    with pytest.raises(InputError, match=key):
        NumberVerifier().check(task(answer))


def test_boxes_match_braces_and_leave_out_the_unclosed() -> None:
    assert [content for _, content in boxes(r"\boxed{\frac{1}{2}} \boxed{} \boxed{a")] == [r"\frac{1}{2}"]
    assert [content for _, content in boxes(r"\boxed{1} \fbox{\{2\}}")] == ["1", r"\{2\}"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a<think>b</think>c<Thinking>d", "ac"),
        ("b</think> c", "c"),
        ("<think>a<think>b</think>c</think>d", "d"),
        ("a < b", "a < b"),
    ],
)
def test_reasoning_is_taken_off(text: str, left: str) -> None:
    assert strip_reasoning(text) == left


@pytest.mark.parametrize("unit", [r"\boxed{", "<think>", "answer is ", "1,", "1/", "- ", "{}"])
def test_reading_a_model_that_repeats_itself_takes_linear_time(unit: str) -> None:
    find_number(unit * 20_000)  # quadratic readings ran for minutes here: the suite's timeout is the check


# ---------------------------------------------------------------- status


@pytest.mark.parametrize("verifier", [Exact(), NumberVerifier(), FunctionVerifier("f", lambda output: True)])
async def test_failed_is_unscored_and_empty_limit_is_zero(verifier: Any) -> None:
    failure = Failure(stage="rollout", kind="timeout", message="slow")
    verdict = await verifier.verify(task("1"), rollout("1", "failed", failure=failure))
    assert (verdict.score, verdict.failure) == (None, failure)
    verdict = await verifier.verify(task("1"), rollout(" ", "limit", limit="steps"))
    assert verdict.score == 0.0 and "steps" in verdict.reason
    verdict = await verifier.verify(task("1"), rollout("1", "limit", limit="steps"))
    assert verdict.score == 1.0


# ---------------------------------------------------------------- function


async def score(function: Any, seconds: float = 60.0) -> Verdict:
    return await FunctionVerifier("check.py:f", function, seconds).verify(task("4"), rollout("4 5"))


async def test_a_function_gets_what_its_parameters_name() -> None:
    async def both(task: Task, rollout: Rollout) -> tuple[float, str]:
        await asyncio.sleep(0)
        return 0.5, f"{task.id} {rollout.id}"

    assert (await score(lambda output, answer: answer in output)).score == 1.0
    assert (await score(lambda answer, output, strict=False: output == answer)).score == 0.0
    verdict = await score(both)
    assert (verdict.score, verdict.reason, verdict.evaluator) == (0.5, "t r", "check.py:f")
    assert (await score(lambda input: 0.25)).score == 0.25


async def test_none_is_unscored_without_a_failure() -> None:
    verdict = await score(lambda output: (None, "can't tell"))
    assert (verdict.score, verdict.failure, verdict.reason) == (None, None, "can't tell")


@pytest.mark.parametrize("result", [1.5, -0.1, float("nan"), "1", (1, 2, 3), [1.0], ("x", "y")])
async def test_what_is_no_score_is_unscored_with_a_failure(result: Any) -> None:
    verdict = await score(lambda output: result)
    assert verdict.score is None and verdict.failure is not None and verdict.failure.stage == "verifier"


def _exits(output: str) -> None:
    raise SystemExit(3)


def _times_out(output: str) -> None:
    raise TimeoutError("the database")


@pytest.mark.parametrize(
    ("function", "words"), [(lambda output: 1 / 0, "ZeroDivision"), (_exits, "SystemExit"), (_times_out, "database")]
)
async def test_what_a_function_raises_is_a_failure(function: Any, words: str) -> None:
    verdict = await score(function)
    assert verdict.score is None and verdict.failure is not None and words in verdict.failure.message


async def test_a_function_that_takes_too_long_is_unscored() -> None:
    async def slow(output: str) -> float:
        await asyncio.sleep(3600)
        return 1.0

    verdict = await score(slow, seconds=0.05)
    assert verdict.score is None and verdict.failure is not None and verdict.failure.kind == "timeout"


async def test_plain_functions_run_one_at_a_time() -> None:
    inside = [0, 0]

    def check(output: str) -> bool:
        inside[0] += 1
        inside[1] = max(inside)
        inside[0] -= 1
        return True

    verifier = FunctionVerifier("f", check)
    verdicts = await asyncio.gather(*(verifier.verify(task("1"), rollout("1")) for _ in range(20)))
    assert all(verdict.score == 1.0 for verdict in verdicts) and inside[1] == 1


@pytest.mark.parametrize("function", [lambda outputs: 1, lambda: 1, lambda output, gold: 1, lambda *rest: 1])
def test_a_signature_that_asks_for_something_else_is_an_input_error(function: Any) -> None:
    with pytest.raises(InputError, match="parameter") as error:
        FunctionVerifier("f", function)
    assert error.value.found is not None


def test_a_function_that_takes_an_answer_needs_one() -> None:
    with pytest.raises(InputError, match="answer"):
        FunctionVerifier("f", lambda output, answer: 1).check(task(None))
    FunctionVerifier("f", lambda output, answer=None: 1).check(task(None))


# ---------------------------------------------------------------- math


MATH = [
    (r"\boxed{\frac{1}{2}}", "0.5", True),
    (r"The answer is $\sqrt{12}$.", r"2\sqrt{3}", True),
    (r"\boxed{(x+1)^2}", "x^2+2x+1", True),
    (r"x = \boxed{1} or x = \boxed{2}", "1, 2", True),
    (r"\boxed{1} \boxed{2}", r"\frac{4}{2}", True),
    (r"<think>\boxed{5}</think>\boxed{6}", "5", False),
    (r"\boxed{(3, \frac{\pi}{2})}", r"\left( 3, \frac{\pi}{2} \right)", True),
    (r"\boxed{\text{Evelyn}}", r"\text{Evelyn}", True),
    (r"\boxed{2\sqrt{4}}", "4", True),
    (r"\boxed{2\sqrt{5}}", "4", False),
    ("42", "42", True),
    ("It is 1,000.", "1000", True),
    ("41", "42", False),
    ("3.14", "3.1416", False),
    (r"\boxed{90^\circ}", "90", True),
    (r"\boxed{[1, 2)}", "[1,2]", False),
    ("Answer: \\frac{2}{4}", r"\frac{1}{2}", True),
    ("", "42", False),
    ("I give up", r"\sqrt{2}", False),
]


async def test_math() -> None:
    verifier = Math(workers=1)
    try:
        for output, answer, right in MATH:
            verdict = await verifier.verify(task(answer), rollout(output))
            assert verdict.failure is None, (output, verdict.failure)
            assert verdict.score == float(right), (output, answer, verdict.reason)
        assert verifier.workers.started == 1
    finally:
        await verifier.aclose()


async def test_plain_numbers_start_no_process() -> None:
    verifier = Math()
    for output, answer in [("42", "42"), (r"\boxed{7}", "8"), ("Answer: 1,000", "1000.0")]:
        await verifier.verify(task(answer), rollout(output))
    assert verifier.workers.started == 0
    await verifier.aclose()


async def test_math_workers_are_bounded_and_leave_the_loop_free() -> None:
    """Fifty expressions at once and a tower of powers among them: it alone is unscored, the loop goes on."""
    verifier = Math(workers=2, seconds=1.0)
    outputs = [rf"\boxed{{{n} + \sqrt{{2}}}}" for n in range(50)]
    outputs[25] = r"\boxed{9^{9^{9^9}} + x}"
    turns = 0

    async def ticks() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.001)

    clock = asyncio.create_task(ticks())
    jobs = (
        verifier.verify(task(rf"\sqrt{{2}} + {n}" if n % 2 else r"\pi"), rollout(text))
        for n, text in enumerate(outputs)
    )
    try:
        verdicts = await asyncio.gather(*jobs)
    finally:
        clock.cancel()
        await verifier.aclose()
    kinds = {n: verdict.failure.kind for n, verdict in enumerate(verdicts) if verdict.failure is not None}
    assert kinds == {25: "timeout"}
    assert [verdict.score for n, verdict in enumerate(verdicts) if n != 25] == [
        float(n % 2) for n in range(50) if n != 25
    ]
    assert verifier.workers.started <= 3
    assert turns > 50


async def test_workers_that_are_killed_or_cancelled_answer_nobody_else() -> None:
    verifier = Math(workers=1, seconds=20.0)
    root, same = task(r"\sqrt{2}"), rollout(r"\boxed{2^{1/2}}")
    try:
        assert (await verifier.verify(root, same)).score == 1.0
        (worker,) = verifier.workers._idle
        os.kill(worker.pid, 9)
        await worker.wait()
        lost = await verifier.verify(root, same)
        assert lost.score is None and lost.failure is not None

        assert (await verifier.verify(root, same)).score == 1.0
        assert verifier.workers.started == 2
        slow = asyncio.create_task(verifier.verify(root, rollout(r"\boxed{9^{9^{9^9}} + x}")))
        await asyncio.sleep(0.2)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        assert not verifier.workers._idle and not verifier.workers._all
        assert (await verifier.verify(task(r"\sqrt{3}"), rollout(r"\boxed{3^{1/2}}"))).score == 1.0
    finally:
        await verifier.aclose()
