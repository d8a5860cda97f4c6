"""Engines for tests: one that runs trusted code here, one that says what it was told to, and who has the real one."""

from __future__ import annotations

import ast
import sys
import types
import warnings
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from practice.sandbox import Permit, Ran, SandboxLimits, Session


class InProcess:
    """Runs the tests' own code in this process, in a namespace a session."""

    name = "here"

    def __init__(self) -> None:
        self.opened = self.closed = 0

    @asynccontextmanager
    async def session(
        self,
        limits: SandboxLimits | None = None,
        *,
        permit: Permit | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> AsyncGenerator[Session]:
        """Nothing is enforced."""
        self.opened += 1
        try:
            yield _Here()
        finally:
            self.closed += 1


class _Here:
    def __init__(self) -> None:
        self.modules: dict[str, types.ModuleType] = {}
        self.space: dict[str, Any] = {"__name__": "__main__"}

    async def load(self, module: str, source: str) -> Ran:
        self.modules[module] = types.ModuleType(module)
        return _ran(lambda: exec(compile(source, module, "exec"), self.modules[module].__dict__))

    async def call(self, function: str, arguments: Mapping[str, Any]) -> Ran:
        module, _, name = function.partition(".")
        return _ran(lambda: getattr(self.modules[module], name)(**arguments))

    async def run(self, source: str) -> Ran:
        return _ran(lambda: _as_at_a_prompt(source, self.space))


def _as_at_a_prompt(source: str, space: dict[str, Any]) -> str | None:
    tree = ast.parse(source)
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        exec(compile(tree, "<run>", "exec"), space)
        return None
    exec(compile(ast.Module(tree.body[:-1], []), "<run>", "exec"), space)
    value = eval(compile(ast.Expression(last.value), "<run>", "eval"), space)
    return None if value is None else repr(value)


def _ran(work: Callable[[], Any]) -> Ran:
    out, err, solution = sys.stdout, sys.stderr, sys.modules.get("solution")
    try:
        with warnings.catch_warnings():
            return Ran(ended="done", value=work(), engine="here")
    except Exception as error:
        return Ran(ended="raised", error=f"{type(error).__name__}: {error}", engine="here")
    finally:
        for stream in {sys.stdout, sys.stderr} - {out, err}:
            stream.close()
        sys.stdout, sys.stderr = out, err
        if solution is None:
            sys.modules.pop("solution", None)


class Canned:
    """Every call comes to the same; ``load`` and opening can be made to fail."""

    name = "canned"

    def __init__(self, ran: Ran | None = None, *, load: Ran | None = None, opening: Exception | None = None) -> None:
        self.ran = ran or Ran(ended="done")
        self.loaded = load or Ran(ended="done")
        self.opening = opening

    @asynccontextmanager
    async def session(
        self,
        limits: SandboxLimits | None = None,
        *,
        permit: Permit | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> AsyncGenerator[Session]:
        """A session, or the failure to have one."""
        if self.opening is not None:
            raise self.opening
        yield self

    async def load(self, module: str, source: str) -> Ran:
        """See the class."""
        return self.loaded

    async def call(self, function: str, arguments: Mapping[str, Any]) -> Ran:
        """See the class."""
        return self.ran

    async def run(self, source: str) -> Ran:
        """See the class."""
        return self.ran
