"""What runs inside the sandbox for ``code``: a solution, then its tests, in one namespace.

Loaded there as a module of its own, so it needs nothing but the standard library. Solution and tests share a process,
as tests must be able to call the solution: code that sets out to fool its tests can.
"""

from __future__ import annotations

import ast
import linecache
import os
import sys
import textwrap
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAME = "solution"
FILES = {"<solution>": "the solution", "<tests>": "the tests"}
CHARS = 300
"""Of what an error says."""


def judge(stub: str, code: str, entry: str, tests: str, call: bool) -> dict[str, Any]:
    """``{"passed": bool, "reason": str}`` of ``code``: a whole function ``entry``, or only the body of ``stub``'s last.

    ``call``: the tests define ``check(candidate)``, which is called with the function ``entry``.
    """
    warnings.simplefilter("ignore")
    sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - what the code prints is nobody's answer
    module = types.ModuleType(NAME)
    sys.modules[NAME] = module  # dataclasses look their module up
    space = module.__dict__
    try:
        for source in _parts(stub, code, entry):
            _run(source, "<solution>", space)
        if entry and not callable(space.get(entry)):
            return {"passed": False, "reason": f"the code defines no function {entry}"}
        _run(tests, "<tests>", space)
        if call:
            space["check"](space[entry])
    except BaseException as error:  # SystemExit too: a solution that ends the program has not passed
        return {"passed": False, "reason": _told(error)}
    return {"passed": True, "reason": "the tests passed"}


def _parts(stub: str, code: str, entry: str) -> tuple[str, ...]:
    """The sources to run, in order."""
    whole = _parse(code)
    if whole is not None and (not entry or entry in _names(whole)):
        # The stub first: it may hold imports and other functions that the code needs. They stand apart because a
        # `from __future__` must come first in a source.
        return (stub, code) if stub else (code,)
    if stub:
        for body in _bodies(code):
            if _parse(f"{stub}\n{body}\n") is not None:
                return (f"{stub}\n{body}\n",)
    return (stub, code)  # which says by itself what is wrong


def _bodies(code: str) -> Iterator[str]:
    """How a function's body may have been meant: as it stands, without its indent, with that of its first line lost."""
    lines = code.strip("\n").splitlines()
    if lines and lines[0][:1].isspace():
        yield "\n".join(lines)
    yield textwrap.indent(textwrap.dedent("\n".join(lines)), "    ")
    yield "    " + "\n".join(lines)


def _names(tree: ast.Module) -> set[str]:
    """What a module defines at its top."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
    return found


def _parse(source: str) -> ast.Module | None:
    try:
        compile(source, "<solution>", "exec", dont_inherit=True)  # finds a `return` outside a function, too
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _run(source: str, file: str, space: dict[str, Any]) -> None:
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    exec(compile(source, file, "exec", dont_inherit=True), space)


def _told(error: BaseException) -> str:
    """The error in one line, with the line of the solution or the tests that it came from."""
    try:
        said = " ".join(str(error).split())[:CHARS]
    except BaseException:
        said = ""
    text = type(error).__name__ + (f": {said}" if said else "")
    if isinstance(error, SyntaxError):
        return text
    frames: list[tuple[str, int]] = []
    trace = error.__traceback__
    while trace is not None:
        frames.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    for file, number in reversed(frames):
        if file in FILES:
            line = linecache.getline(file, number).strip()[:CHARS]
            return f"{text}, in {FILES[file]} at `{line}`"
    return text
