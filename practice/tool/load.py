"""Functions by name or by path: ``calculator``, ``tools/dates.py:weekday``, ``package.module:function``."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from practice.config import Workspace
from practice.errors import InputError, nearest
from practice.tool.function import Tool, source_hash, tool_from_function
from practice.tool.generated import generated_names, generated_tool
from practice.tool.python import NAME as PYTHON
from practice.tool.python import python_tool


@dataclass(frozen=True)
class Function:
    """A function of the user's, with what it was read from."""

    fn: Callable[..., Any]
    file: str | None
    """Where it stands: relative to the workspace where it lies inside."""
    source_hash: str
    """sha256 of the whole file: a helper that changes changes what the function does."""

    @classmethod
    def of(cls, fn: Callable[..., Any]) -> Function:
        """A function at hand; its hash is that of its own source."""
        return cls(fn, None, source_hash(fn))


def load_tool(ref: str, workspace: Workspace) -> Tool:
    """The tool that ``ref`` names.

    ``calculator`` is ``tools/calculator.py:calculator``, or else the one function of that name in any file of
    ``tools/``, or else the generated tool of that name, which runs in a sandbox; ``tools/x.py:f`` is what it says, and
    ``tools/x.py`` alone means ``tools/x.py:x``. ``python`` is built in, unless the workspace has a tool of that name.
    Raises InputError naming the nearest tool, file or function there is, and for a generated tool in quarantine, and
    SandboxMissing where ``python`` or a generated tool finds no sandbox on this machine.
    """
    known = available_tools(workspace)
    if ref not in known and ref in generated_names(workspace):
        return generated_tool(ref, workspace)
    if ref not in known and ref == PYTHON:
        return python_tool()
    function = load_function(_place(ref, workspace), workspace)
    return tool_from_function(function.fn, file=function.file, source=function.source_hash)


def load_function(ref: str, workspace: Workspace) -> Function:
    """The function at ``path.py:function`` (in the workspace) or ``module:function`` (importable).

    Raises InputError where the file, the module or the function is missing, or the file can't be imported; and for a
    file of ``tools/generated/``: what a model wrote is never run in this process.
    """
    target, colon, name = ref.rpartition(":")
    if not colon:
        target, name = ref, Path(ref).stem
    if not target.endswith(".py"):
        return _from_module(target, name, ref, workspace)
    file = workspace.path(target)
    if not file.is_file():
        near = nearest(target, _python_files(workspace))
        raise InputError("an existing file", found=target, key=ref, nearest=near)
    _refuse_generated(file, ref, workspace)
    data = file.read_bytes()
    shown = workspace.relative(file)
    module = _run_file(file, data, shown)
    return Function(_function(module, name, shown), shown, hashlib.sha256(data).hexdigest())


def available_tools(workspace: Workspace) -> dict[str, str]:
    """{name: "tools/file.py:function"} of the public functions of ``tools/*.py``, read without running them.

    A name that several files define is left out unless one of them is the file of that name.
    """
    found: dict[str, list[str]] = {}
    for file in sorted(workspace.tools.glob("*.py")):
        for name in _public_functions(file):
            found.setdefault(name, []).append(f"{workspace.relative(file)}:{name}")
    tools: dict[str, str] = {}
    for name, places in found.items():
        own = [place for place in places if place.endswith(f"/{name}.py:{name}")]
        if own or len(places) == 1:
            tools[name] = (own or places)[0]
    return tools


def built_in_tools(workspace: Workspace) -> tuple[str, ...]:
    """The names of the tools that are there without a file, but for those that a tool of the workspace has taken."""
    taken = {*available_tools(workspace), *generated_names(workspace)}
    return tuple(name for name in (PYTHON,) if name not in taken)


def workspace_tools(workspace: Workspace) -> tuple[tuple[str, Tool], ...]:
    """(reference, tool) of every function in ``tools/*.py`` that can be a tool; a bare name where that is enough.

    Functions that lack annotations are somebody's helpers and are left out. Raises InputError for a file that can't
    be imported.
    """
    names = {place: name for name, place in available_tools(workspace).items()}
    found: list[tuple[str, Tool]] = []
    for file in sorted(workspace.tools.glob("*.py")):
        shown = workspace.relative(file)
        _run_file(file, file.read_bytes(), shown)
        for name in _public_functions(file):
            place = f"{shown}:{name}"
            function = load_function(place, workspace)
            try:
                tool = tool_from_function(function.fn, file=function.file, source=function.source_hash)
            except InputError:
                continue
            found.append((names.get(place, place), tool))
    return tuple(found)


# ---------------------------------------------------------------- inside


def _place(ref: str, workspace: Workspace) -> str:
    """``path.py:function`` of a tool reference."""
    if ":" in ref or ref.endswith(".py"):
        return ref
    if (workspace.tools / f"{ref}.py").is_file():
        return f"{workspace.relative(workspace.tools / f'{ref}.py')}:{ref}"
    known = available_tools(workspace)
    if ref not in known:
        places = sorted(file.name for file in workspace.tools.glob("*.py") if ref in _public_functions(file))
        if places:
            raise InputError(
                f"one tool of that name, or a path such as tools/{places[0]}:{ref}", found=", ".join(places)
            )
        near = nearest(ref, [*known, *generated_names(workspace), PYTHON])
        raise InputError("a tool of the workspace", found=repr(ref), nearest=near)
    return known[ref]


def _public_functions(file: Path) -> list[str]:
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError, OSError):
        return []  # loading it says what is wrong, where it is asked for
    defined = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [node.name for node in defined if not node.name.startswith("_")]


def _refuse_generated(file: Path, ref: str, workspace: Workspace) -> None:
    """Raise InputError for a file that may only run in a sandbox."""
    folder = (workspace.tools / "generated").resolve()
    if file.resolve().is_relative_to(folder):
        name = file.resolve().relative_to(folder).parts[0]
        raise InputError(f"the name of a generated tool, {name!r}, which runs in a sandbox", found=repr(ref), key=ref)


def _from_module(target: str, name: str, ref: str, workspace: Workspace) -> Function:
    try:
        found = importlib.util.find_spec(target)
        if found is not None and found.origin is not None:
            _refuse_generated(Path(found.origin), ref, workspace)
        module = importlib.import_module(target)
    except ImportError as error:
        raise InputError(
            "an importable module or a path that ends in .py", found=f"{ref!r} ({error})", key=ref
        ) from None
    except Exception as error:
        raise _broken(error, target) from error
    origin = getattr(module, "__file__", None)
    data = Path(origin).read_bytes() if origin else target.encode()
    shown = workspace.relative(Path(origin)) if origin else target
    return Function(_function(module, name, shown), shown, hashlib.sha256(data).hexdigest())


def _run_file(file: Path, data: bytes, shown: str) -> ModuleType:
    """Import a file under a name that its path and content decide: a changed file is a new module."""
    identity = hashlib.sha256(str(file.resolve()).encode() + b"\0" + data).hexdigest()[:16]
    name = f"_practice_workspace_{file.stem}_{identity}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_loader(name, loader=None, origin=str(file))
    assert spec is not None  # with a name it always is
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(file)
    # Compiled here, not by a loader: a loader would leave __pycache__ in the user's folder. The module must be
    # known before it runs, as dataclasses and pydantic look their module up.
    sys.modules[name] = module
    try:
        exec(compile(data, str(file), "exec", dont_inherit=True), module.__dict__)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise _broken(error, shown) from error
    return module


def _broken(error: BaseException, shown: str) -> InputError:
    """A file of the user's that does not import, with the line of the file where it went wrong."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    if line is None and error.__traceback__ is not None:
        inner = [
            frame.lineno for frame in inspect.getinnerframes(error.__traceback__) if frame.filename.endswith(shown)
        ]
        line = inner[-1] if inner else None
    return InputError(
        "a Python file that can be imported", found=f"{type(error).__name__}: {error}", file=shown, line=line
    )


def _function(module: ModuleType, name: str, shown: str) -> Callable[..., Any]:
    fn = getattr(module, name, None)
    if callable(fn) and not inspect.isclass(fn):
        return fn
    known = [key for key, value in vars(module).items() if inspect.isroutine(value) and not key.startswith("_")]
    found = f"no {name!r}" if fn is None else f"{name!r}, which is no function"
    raise InputError(f"a function {name!r}", found=found, file=shown, key=name, nearest=nearest(name, known))


def _python_files(workspace: Workspace) -> list[str]:
    return [workspace.relative(file) for file in sorted(workspace.tools.glob("*.py"))]
