"""The verifier ``code``: what is read as code, what tests are, what each outcome scores; HumanEval in the sandbox."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from practice.errors import InputError, RunError, SandboxMissing
from practice.sandbox import Ended, Ran
from practice.types import Rollout, Task
from practice.verifiers import Code
from practice.verifiers.code import LIMITS, Exercise, code_of
from tests.sandboxes import Canned, InProcess

STUB = '''from math import floor


def half(n: int) -> int:
    """The half of a number, rounded down.
    >>> half(5)
    2
    """
'''
TESTS = """
def check(candidate):
    assert candidate(4) == 2
    assert candidate(5) == 2, "rounded down"
"""


def rollout(output: str, **fields: Any) -> Rollout:
    values = {"id": "r", "task_id": "t", "attempt": 0, "steps": (), "output": output, "status": "done"}
    return Rollout.model_validate(values | fields)


def task(input: str = STUB, answer: str | None = TESTS) -> Task:
    return Task(id="t", input=input, answer=answer)


# ---------------------------------------------------------------- where the code is


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ("return 1", "return 1"),
        ("    return 1\n", "    return 1\n"),
        ("So:\n```python\nx = 1\n```\nDone.", "x = 1\n"),
        ("~~~\nx = 1\n~~~", "x = 1\n"),
        ("```\na\n```\nand\n```\nb\n```", "b\n"),
        ("```python\ndef f(n):\n    return n\n```\nUse:\n```python\nf(1)\n```", "def f(n):\n    return n\n"),
        (
            "```python\ndef f(n):\n    return 1\n```\nBetter:\n```\ndef f(n):\n    return n\n```",
            "def f(n):\n    return n\n",
        ),
        ("```python\nx = 1", "x = 1"),
        ("<think>```\nno\n```</think>    return 1", "    return 1"),
        ("````md\n```\nx\n```\n````", "```\nx\n```\n"),
        ("```", "```"),
    ],
)
def test_the_code_of_an_output(output: str, code: str) -> None:
    assert code_of(output, "f") == code


# ---------------------------------------------------------------- what a task asks


@pytest.mark.parametrize(
    ("input", "tests", "entry", "call"),
    [
        (STUB, TESTS, "half", True),
        (STUB, f"{TESTS}\ncheck(half)", "half", False),
        (STUB, "assert half(4) == 2", "half", False),
        (f"Complete this:\n\n{STUB}", TESTS, "half", True),
        (f"Complete this:\n```python\n{STUB}```\nin Python.", TESTS, "half", True),
        ("def helper(n):\n    return n\n\ndef half(n):\n", TESTS, "half", True),
        ("Write `def half(n)`, which halves.", TESTS, "half", True),
        ("Write a function half.", "assert half(4) == 2", "", False),
        ("Write a function half.", f"{TESTS}\nif True:\n    check(half)", "", False),
        (
            'def half(n):\n    """\\d is no escape."""\n',
            "for n in (2, 4):\n    assert half(n) == n // 2",
            "half",
            False,
        ),
    ],
)
def test_what_a_task_asks(input: str, tests: str, entry: str, call: bool) -> None:
    exercise = Exercise.of(task(input, tests))
    assert (exercise.entry, exercise.call) == (entry, call)


@pytest.mark.parametrize(
    ("input", "tests", "words"),
    [
        (STUB, None, "expected tests in Python"),
        (STUB, "42 is  right?", "their line 1"),
        (STUB, "half(4) == 2", "asserts, or a `def check(candidate)`"),
        (STUB, "'half of it'", "asserts, or a `def check(candidate)`"),
        (STUB, "def check():\n    assert half(4) == 2", "asserts, or a `def check(candidate)`"),
        (STUB, "def test_it():\n    assert half(4) == 2", "asserts, or a `def check(candidate)`"),
        ("Write a function half.", TESTS, "no function to call it with"),
    ],
)
async def test_tests_that_are_none(input: str, tests: str | None, words: str) -> None:
    verifier = Code(InProcess())
    with pytest.raises(InputError) as error:
        verifier.check(task(input, tests))
    assert words in str(error.value) and error.value.key == "task t: answer"


# ---------------------------------------------------------------- judging


@pytest.mark.parametrize(
    ("output", "right", "reason"),
    [
        ("    return floor(n / 2)", True, "the tests passed"),
        ("return floor(n / 2)", True, ""),
        ("for _ in range(1):\n        n = n // 2\n    return n", True, ""),
        ("n = n // 2\nreturn n", True, ""),
        ("\n```python\n    half = n // 2\n    return half\n```", True, ""),
        ("```python\ndef half(n):\n    return floor(n / 2)\n```", True, ""),
        ("```python\nfrom __future__ import annotations\n\ndef half(n: int) -> int:\n    return n // 2\n```", True, ""),
        ("```python\nhalf = lambda n: n // 2\n```", True, ""),
        ("```python\ndef half(n):\n    return n // 2\n\nprint(half(3))\nassert half(3) == 1\n```", True, ""),
        ("```python\ndef half(n):\n    return n // 2\n\nif __name__ == '__main__':\n    half(input())\n```", True, ""),
        (
            "```python\nfrom dataclasses import dataclass\n\n@dataclass\nclass Two:\n    by: 'int' = 2\n\n"
            "def half(n):\n    return n // Two().by\n```",
            True,
            "",
        ),
        (
            "    return n / 2",
            False,
            'AssertionError: rounded down, in the tests at `assert candidate(5) == 2, "rounded',
        ),
        ("    return None", False, "AssertionError, in the tests at `assert candidate(4) == 2`"),
        ("    return n / 0", False, "ZeroDivisionError: division by zero, in the solution at `return n / 0`"),
        ("I can't do this.", False, "SyntaxError"),
        ("half = 3", False, "half"),
        ("```python\nhalf = 3\n```", False, "no function half"),
        ("```python\ndef half(n):\n    raise SystemExit(0)\n```", False, "SystemExit: 0"),
        ("```python\nimport sys\nsys.exit()\ndef half(n): return n // 2\n```", False, "SystemExit"),
        ("```python\ndef half(n) return n // 2\n```", False, "SyntaxError"),
        ("```python\ndef check(candidate): pass\n\ndef half(n): return 7\n```", False, "AssertionError"),
        ("", False, "no code in the output"),
    ],
)
async def test_a_solution_passes_its_tests_or_says_why_not(output: str, right: bool, reason: str) -> None:
    engine = InProcess()
    verdict = await Code(engine).verify(task(), rollout(output))
    assert (verdict.score, verdict.failure) == (float(right), None)
    assert reason in verdict.reason, verdict.reason
    assert engine.opened == engine.closed == bool(output)


async def test_tests_see_what_the_solution_and_the_stub_define() -> None:
    stub = "def double(n):\n    return 2 * n\n\ndef four(n):\n"
    tests = "def check(candidate):\n    assert candidate(double(2)) == WANTED"
    verifier = Code(InProcess())
    solution = "WANTED = 16\n\ndef four(n):\n    return double(double(n))"
    assert (await verifier.verify(task(stub, tests), rollout(solution))).score == 1.0
    plain = task("Write a function four.", "assert four(2) == 8")
    assert (await verifier.verify(plain, rollout("def four(n):\n    return 4 * n"))).score == 1.0
    assert (await verifier.verify(plain, rollout("def fore(n):\n    return 4 * n"))).score == 0.0


@pytest.mark.parametrize("ended", ["raised", "timeout", "memory", "output", "crashed"])
async def test_whatever_ends_the_code_is_a_zero(ended: Ended) -> None:
    verdict = await Code(Canned(Ran(ended=ended, error="it ended"))).verify(task(), rollout("    return 1"))
    assert (verdict.score, verdict.reason, verdict.failure) == (0.0, "it ended", None)


async def test_a_crash_is_looked_at_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine may have caused it; code that crashes does so again."""
    outcomes = [Ran(ended="crashed", error="killed"), Ran(ended="done", value={"passed": True, "reason": ""})]
    engine = Canned()

    async def call(_function: str, _arguments: Mapping[str, Any]) -> Ran:
        return outcomes.pop(0)

    monkeypatch.setattr(engine, "call", call)
    assert (await Code(engine).verify(task(), rollout("    return 1"))).score == 1.0
    assert not outcomes


@pytest.mark.parametrize("value", [None, True, {"passed": "yes"}, {"reason": "fine"}])
async def test_a_reply_that_is_not_the_judges_is_a_zero(value: Any) -> None:
    verdict = await Code(Canned(Ran(ended="done", value=value))).verify(task(), rollout("    return 1"))
    assert (verdict.score, verdict.reason) == (0.0, "the code tampered with its tests")


@pytest.mark.parametrize(
    "engine",
    [
        Canned(opening=OSError("no more processes")),
        Canned(opening=RunError("no more processes")),
        Canned(load=Ran(ended="crashed", error="no more processes")),
    ],
)
async def test_a_sandbox_that_does_not_come_up_leaves_the_rollout_unscored(engine: Canned) -> None:
    verdict = await Code(engine).verify(task(), rollout("    return 1"))
    assert verdict.score is None and verdict.failure is not None
    assert verdict.failure.stage == "verifier" and "no more processes" in verdict.failure.message


async def test_a_rollout_that_failed_or_ran_out_needs_no_sandbox() -> None:
    verifier = Code(Canned(opening=AssertionError("asked")))
    assert (await verifier.verify(task(), rollout("", status="limit", limit="steps"))).score == 0.0
    assert (await verifier.verify(task(), rollout("", status="failed"))).score is None


# ---------------------------------------------------------------- in the real sandbox

HUMANEVAL = next(
    (file for up in Path(__file__).parents if (file := up / "shared/data/humaneval/humaneval.jsonl").is_file()),
    None,
)

#: What is wrong with a solution: a body, or what follows a right one, {name} being the function.
BROKEN = [
    "    return None\n",
    "    raise KeyError('no')\n",
    "    import sys\n    sys.exit(0)\n",
    "    import os\n    os._exit(0)\n",
    "    while True:\n        pass\n",
    "    return bytearray(1 << 42)\n",
    "    return (\n",
    "{body}\n\n_right = {name}\n\ndef {name}(*given):\n    return [_right(*given)]\n",
    "{body}\n\nimport time\n{name} = lambda *given: print('1' * 10 ** 6)\n",
    "    import os, signal\n    os.kill(os.getpid(), signal.SIGKILL)\n",
]
#: What is said of each of them.
SAID = """AssertionError  KeyError  SystemExit  exit status 0  processor time  MemoryError  SyntaxError
AssertionError  AssertionError  SIGKILL""".replace("\n", "  ").split("  ")


@pytest.fixture
def verifier() -> Code:
    """``code`` in the sandbox of this machine; two seconds are enough for the tests' own code."""
    try:
        return Code(limits=LIMITS.model_copy(update={"cpu_seconds": 2.0}))
    except SandboxMissing as missing:
        pytest.skip(f"needs the engine bwrap: {missing}")


async def test_in_the_sandbox(verifier: Code) -> None:
    right = ["    return n // 2", "```python\ndef half(n):\n    return n // 2\n```"]
    wrong = [body.format(name="half", body="    return n // 2") for body in BROKEN]
    outputs = [*right, *(STUB + body for body in wrong)]
    verdicts = await asyncio.gather(*(verifier.verify(task(), rollout(output)) for output in outputs))
    assert [verdict.score for verdict in verdicts] == [1.0] * 2 + [0.0] * len(BROKEN)
    reasons = [verdict.reason for verdict in verdicts[2:]]
    for reason, words in zip(reasons, SAID, strict=True):
        assert words in reason, reasons


async def test_a_solution_leaves_nothing_for_the_next(verifier: Code) -> None:
    """Each has a sandbox of its own: a builtin that one has replaced is as it was for the next."""
    cheat = (
        "import builtins\nbuiltins.AssertionError = SystemError\nopen('left', 'w').write('1')\n" + STUB + "    return n"
    )
    honest = STUB + "    import os\n    assert os.listdir() == []\n    return n // 2"
    one = Code(at_once=1)
    assert (await one.verify(task(), rollout(cheat))).score == 0.0
    assert (await one.verify(task(), rollout(honest))).score == 1.0


@pytest.mark.slow
@pytest.mark.skipif(HUMANEVAL is None, reason="HumanEval is not here")
async def test_humaneval(verifier: Code) -> None:
    """The 164 canonical solutions pass, 164 broken ones fail."""
    assert HUMANEVAL is not None
    rows = [json.loads(line) for line in HUMANEVAL.read_text().splitlines()]
    tasks = [Task(id=row["task_id"], input=row["prompt"], answer=row["test"]) for row in rows]
    assert [Exercise.of(task).entry for task in tasks] == [row["entry_point"] for row in rows]
    right = [row["canonical_solution"] for row in rows]
    wrong = [
        row["prompt"] + BROKEN[n % len(BROKEN)].format(name=row["entry_point"], body=row["canonical_solution"])
        for n, row in enumerate(rows)
    ]
    for outputs, score in ((right, 1.0), (wrong, 0.0)):
        verdicts = await asyncio.gather(
            *(verifier.verify(task, rollout(output)) for task, output in zip(tasks, outputs, strict=True))
        )
        off = [(row["task_id"], v.reason, v.failure) for row, v in zip(rows, verdicts, strict=True) if v.score != score]
        assert len(verdicts) == 164 and not off
