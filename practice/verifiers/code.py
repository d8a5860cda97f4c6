"""``code``: the output is code that passes the task's tests, run in the sandbox."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from practice import sandbox
from practice.errors import CallFailed, InputError, RunError, boundary
from practice.sandbox import Engine, Ran, SandboxLimits
from practice.types import Failure, Rollout, Task, Verdict
from practice.verifiers.base import settled, unscored
from practice.verifiers.text import without_reasoning

__all__ = ["LIMITS", "Code", "Exercise", "code_of"]

LIMITS = SandboxLimits(seconds=120.0, cpu_seconds=10.0)
"""Of a solution and its tests. Processor time decides: a busy machine makes no solution wrong."""

_WORKER = Path(__file__).with_name("code_worker.py")
_FENCE = re.compile(r"^[ \t]*(?P<mark>```+|~~~+)[^\n`]*\n(?P<code>.*?)(?:^[ \t]*(?P=mark)[ \t]*$|\Z)", re.M | re.S)
_DEF = re.compile(r"\bdef\s+(\w+)\s*\(")
_BEGINS = re.compile(r"^(?:def|async def|class|from|import|@)\b|^@", re.M)


@dataclass(frozen=True)
class Exercise:
    """What a task asks of code."""

    tests: str
    """The task's answer: asserts, or a ``def check(candidate)``."""
    entry: str
    """The function that is asked for; "" where the task's text begins none."""
    stub: str
    """The code that the task's text begins and the output completes; "" where there is none."""
    call: bool
    """Whether ``check`` is to be called with the function: the tests do not do so by themselves."""

    @classmethod
    def of(cls, task: Task) -> Exercise:
        """Raises InputError where the answer is no tests, or leaves open which function they are for."""
        key = f"task {task.id}: answer"
        tests = task.answer or ""
        if not tests.strip():
            raise InputError("tests in Python, which the verifier code runs", found="no answer", key=key)
        try:
            tree = _parse(tests)
        except SyntaxError as error:
            raise InputError("tests in Python", found=f"{error.msg} in their line {error.lineno}", key=key) from None
        runs = [node for node in tree.body if _does_something(node)]
        checks = any(_is_check(node) for node in tree.body)
        if not runs and not checks:
            raise InputError("tests that check something: asserts, or a `def check(candidate)`", key=key)
        stub = _stub(task.input)
        named = _functions(_parse(stub)) if stub else _DEF.findall(task.input)
        entry = named[-1] if named else ""
        call = checks and not any(_calls_check(node) for node in runs)
        if call and not entry:
            expected = "a call such as `check(add)` at the tests' end, or a `def add(…):` in the task's input"
            raise InputError(expected, found="a check(candidate) and no function to call it with", key=key)
        return cls(tests, entry, stub, call)


class Code:
    """Right where the task's tests, its ``answer``, pass on the output's code.

    The code is the last fenced block, or the whole output without one; where it is only a function's body, it is
    put under the function that the task's text begins. Every rollout has a sandbox of its own. What the code does
    wrong, up to a crash or a limit, is a 0; a sandbox that does not come up leaves the rollout unscored.
    """

    name = "code"

    def __init__(
        self, engine: Engine | None = None, limits: SandboxLimits = LIMITS, at_once: int | None = None
    ) -> None:
        """``engine``: by default the best of this machine; raises SandboxMissing where there is none.

        ``at_once``: sandboxes at a time, by default one a core.
        """
        self._engine = engine or sandbox.engine()
        self._limits = limits
        self._places = asyncio.Semaphore(at_once or os.cpu_count() or 1)
        self._worker = _WORKER.read_text(encoding="utf-8")

    def check(self, task: Task) -> None:
        """Raise InputError where the task's answer is no tests."""
        Exercise.of(task)

    async def verify(self, task: Task, rollout: Rollout) -> Verdict:
        """The score of one rollout: 1 or 0, or unscored with the failure that prevented it."""
        verdict = settled(rollout, self.name)
        if verdict is not None:
            return verdict
        exercise = Exercise.of(task)
        failures: list[Failure] = []
        with boundary("verifier", failures.append):
            passed, reason = await self._judge(exercise, code_of(rollout.output, exercise.entry))
            words = len(rollout.output.split())
            score = 1.0 if passed else 0.0
            return Verdict(rollout_id=rollout.id, evaluator=self.name, score=score, reason=reason, n_words=words)
        return unscored(rollout, self.name, failures[0])

    async def _judge(self, exercise: Exercise, code: str) -> tuple[bool, str]:
        if not code.strip():
            return False, "no code in the output"
        arguments = {
            "stub": exercise.stub,
            "code": code,
            "entry": exercise.entry,
            "tests": exercise.tests,
            "call": exercise.call,
        }
        ran = await self._call(arguments)
        if ran.ended == "crashed":  # by the code, or by a machine that is out of memory: code crashes again
            ran = await self._call(arguments)
        return _outcome(ran)

    async def _call(self, arguments: Mapping[str, object]) -> Ran:
        """What one sandbox says. Raises CallFailed where it does not come up."""
        try:
            async with self._places, self._engine.session(self._limits) as session:
                loaded = await session.load("code_worker", self._worker)
                if not loaded.ok:
                    raise CallFailed("error", f"the sandbox did not start: {loaded.error or loaded.ended}")
                return await session.call("code_worker.judge", arguments)
        except RunError as error:  # others came up on this machine: no reason to end the run
            raise CallFailed("error", str(error)) from None


def code_of(output: str, entry: str = "") -> str:
    """The code of an output: the last fenced block that defines ``entry``, else the last one, else all of it."""
    text = without_reasoning(output)
    blocks = [match["code"] for match in _FENCE.finditer(text)]
    if not blocks:
        return text
    own = [block for block in blocks if entry and entry in _DEF.findall(block)]
    return (own or blocks)[-1]


# ---------------------------------------------------------------- inside


def _outcome(ran: Ran) -> tuple[bool, str]:
    """What the call in the sandbox says; whatever else it came to than a result is the code's own doing."""
    if not ran.ok:
        return False, ran.error or f"ended: {ran.ended}"
    given: object = ran.value
    value: dict[str, object] = cast("dict[str, object]", given) if isinstance(given, dict) else {}
    passed = value.get("passed")
    if not isinstance(passed, bool):
        return False, "the code tampered with its tests"
    return passed, str(value.get("reason", ""))


def _parse(source: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd escape in somebody's docstring
        return ast.parse(source)


def _stub(text: str) -> str:
    """The code that a task's text is, holds in a fence, or ends with, where it defines a function."""
    pieces = [match["code"] for match in _FENCE.finditer(text)][::-1]
    begins = _BEGINS.search(text)
    pieces += [text, *([text[begins.start() :]] if begins else [])]
    for piece in pieces:
        for source in (piece, f"{piece.rstrip()}\n    pass\n"):
            try:
                if _functions(_parse(source)):
                    return source
            except (SyntaxError, ValueError):
                continue
    return ""


def _functions(tree: ast.Module) -> list[str]:
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def _does_something(node: ast.stmt) -> bool:
    """Whether a statement at the tests' top can fail by what the solution does."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call)  # `add(1, 2) == 3` on its own asserts nothing
    quiet = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)
    return not isinstance(node, (*quiet, ast.Pass))


def _is_check(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "check" and bool(node.args.args)


def _calls_check(node: ast.stmt) -> bool:
    calls = (part.func for part in ast.walk(node) if isinstance(part, ast.Call))
    return any(isinstance(called, ast.Name) and called.id == "check" for called in calls)
