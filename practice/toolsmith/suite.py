"""Tests of generated tools, run in the sandbox: each test is a call of its own, with its own limits.

``test_tool.py`` holds plain ``def test_…()`` functions with asserts. The program calls them one by one: a test that
hangs, kills its process or prints what looks like a result fails alone, and no test can speak for another.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from contextlib import AsyncExitStack

from pydantic import Field

from practice.config import Workspace
from practice.errors import InputError
from practice.sandbox import Engine, Ran, SandboxLimits
from practice.tool import trust
from practice.tool.generated import open_tool, read_generated, reason
from practice.toolsmith.cases import Case, Outcome
from practice.toolsmith.plan import Plan
from practice.toolsmith.world import HELPERS, IMPORTS
from practice.types import Value

__all__ = ["TestRun", "outcomes", "run_suite", "run_tests", "test_names"]


class TestRun(Value):
    """What a run of a tool's tests came to."""

    __test__ = False  # pytest takes it for a class of tests

    name: str
    engine: str
    passed: tuple[str, ...] = ()
    failed: dict[str, str] = Field(default={})
    """Test -> what happened."""

    @property
    def ok(self) -> bool:
        """Whether there were tests, and all passed."""
        return bool(self.passed) and not self.failed


def test_names(source: str, file: str | None = None) -> tuple[str, ...]:
    """The tests of a file, read without running it. Raises InputError for source that does not parse."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        raise InputError("Python source", found=str(error), file=file, line=line) from None
    return tuple(node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))


test_names.__test__ = False  # pyright: ignore[reportFunctionMemberAccess] (nor this for a test)


async def run_tests(
    name: str,
    workspace: Workspace,
    engine: Engine,
    *,
    limits: SandboxLimits | None = None,
) -> TestRun:
    """Run the tests of a generated tool and write down what they came to.

    They reach nothing, whatever is approved for the tool: files and pages are the tests' own. Raises InputError where
    the tool is not there or its files can't be read.
    """
    made = read_generated(name, workspace)
    names = test_names(made.tests, workspace.relative(made.folder / "test_tool.py"))
    ran = await run_suite(
        made.source,
        made.tests,
        engine,
        limits=limits or SandboxLimits(),
        names=names,
        name=name,
    )
    trust.record_test(workspace, name, engine=ran.engine, passed=len(ran.passed), failed=ran.failed)
    return ran


async def run_suite(
    source: str,
    tests: str,
    engine: Engine,
    *,
    limits: SandboxLimits,
    names: Sequence[str] | None = None,
    name: str = "",
    first: bool = False,
) -> TestRun:
    """Run ``tests`` on ``source`` in a session of its own; with ``first`` only until one fails."""
    names = test_names(tests) if names is None else names
    passed: list[str] = []
    failed: dict[str, str] = {}
    modules = {"tool": source, "test_tool": tests}
    async with open_tool(engine, modules, limits=limits) as (session, broken):
        for test in names:
            ran = broken or await session.call(f"test_tool.{test}", {})
            if ran.ok:
                passed.append(test)
                continue
            failed[test] = reason(ran)
            if first or broken is not None:
                break
    if not names:
        failed["test_tool.py"] = "it holds no test"
    return TestRun(name=name, engine=engine.name, passed=tuple(passed), failed=failed)


async def outcomes(
    source: str, plan: Plan, cases: Sequence[Case], engine: Engine, *, limits: SandboxLimits
) -> list[Outcome]:
    """What each case's call comes to with ``source``, whatever is expected of it."""
    files = any(case.files or case.served for case in cases)
    async with AsyncExitStack() as stack:
        modules = {"tool": source, **({"placing": PLACING} if files else {})}
        session, broken = await stack.enter_async_context(open_tool(engine, modules, limits=limits))
        found: list[Outcome] = []
        for case in cases:
            if broken is None and (case.files or case.served):
                await session.call(f"placing.{'serve' if case.served else 'put'}", {"files": case.files})
            ran = broken or await session.call(f"tool.{plan.name}", case.arguments)
            found.append(_outcome(ran))
    return found


PLACING = IMPORTS + HELPERS


# ---------------------------------------------------------------- inside


def _outcome(ran: Ran) -> Outcome:
    if ran.ok:
        return Outcome(kind="value", value=ran.value)
    head, _, said = ran.error.partition(": ")
    if ran.ended == "raised" and head in _REFUSALS:
        return Outcome(kind="error", said=said)
    return Outcome(kind="broken", said=reason(ran))


#: ValueError and OSError with those of their subclasses that the modules of tools raise: an error is known by name.
_REFUSALS = frozenset(
    {"ValueError", "JSONDecodeError", "UnicodeDecodeError", "UnicodeEncodeError", "StatisticsError"}
    | {"OSError", "FileNotFoundError", "IsADirectoryError", "PermissionError", "HTTPError", "URLError"}
)
