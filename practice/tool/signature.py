"""What a tool's source says of its arguments, read without running a line of it.

Code that nobody has read runs in a sandbox alone. What a model is shown of it (name, description, JSON schema) is
therefore read from the source: annotations of a small known set, defaults that are literals, the docstring.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any, Literal, Optional, Union, cast

from practice.errors import InputError

__all__ = ["TYPES", "function_node", "stub", "type_of"]

#: Names that an annotation may be made of.
TYPES: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "list": list,
    "dict": dict,
    "List": list,
    "Dict": dict,
    "Any": Any,
    "None": None,
}
_SPECIAL = {"Optional": Optional, "Union": Union, "Literal": Literal}


def function_node(tree: ast.Module, name: str, file: str | None = None) -> ast.FunctionDef:
    """The function ``name`` at the top of a module. Raises InputError where there is none, or it is async."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
        if isinstance(node, ast.AsyncFunctionDef) and node.name == name:
            raise InputError("a plain function", found="an async one", file=file, line=node.lineno, key=name)
    raise InputError(f"a function {name!r}", found="none", file=file, key=name)


def stub(source: str, name: str, file: str | None = None) -> Callable[..., Any]:
    """A function with the signature and docstring of ``name`` in ``source`` that does nothing.

    Raises InputError, with file and line, for source that does not parse, an argument without annotation or with one
    that is not made of :data:`TYPES`, Optional, Union and Literal, and a default that is no literal.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        raise InputError("Python source", found=str(error), file=file, line=line) from None
    node = function_node(tree, name, file)
    parameters = _parameters(node, name, file)

    def nothing(**arguments: Any) -> None:
        raise RuntimeError(f"{name} runs in a sandbox only; {len(arguments)} arguments were given to its signature")

    nothing.__name__ = nothing.__qualname__ = name
    nothing.__doc__ = ast.get_docstring(node) or ""
    nothing.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    cast("Any", nothing).__signature__ = inspect.Signature(parameters)
    return nothing


def type_of(node: ast.expr) -> Any:
    """The type that an annotation means. Raises ValueError for one that is not in the known set."""
    match node:
        case ast.Constant(value=None):
            return None
        case ast.Constant(value=str() as text):  # a quoted annotation
            return type_of(ast.parse(text, mode="eval").body)
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in TYPES:
            return TYPES[name]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return Union[type_of(left), type_of(right)]  # noqa: UP007 (of types that are known at run time only)
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
            return _subscripted(name, inner)
        case _:
            raise ValueError(ast.unparse(node))


# ---------------------------------------------------------------- inside


def _subscripted(name: str, inner: ast.expr) -> Any:
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if name == "Literal":
        return Literal[tuple(ast.literal_eval(part) for part in parts)]  # pyright: ignore[reportInvalidTypeForm]
    types = tuple(type_of(part) for part in parts)
    if name in _SPECIAL:
        return _SPECIAL[name][types if name == "Union" else types[0]]
    if TYPES.get(name) is list and len(types) == 1:
        return list[types[0]]
    if TYPES.get(name) is dict and len(types) == 2:
        return dict[types[0], types[1]]
    raise ValueError(f"{name}[{ast.unparse(inner)}]")


def _parameters(node: ast.FunctionDef, name: str, file: str | None) -> list[inspect.Parameter]:
    spec = node.args
    if spec.vararg or spec.kwarg or spec.posonlyargs:
        raise InputError(
            "arguments that can be given by name",
            found=f"{ast.unparse(spec)} of {name}",
            file=file,
            line=node.lineno,
            key=name,
        )
    missing = len(spec.args) - len(spec.defaults)
    defaults: list[ast.expr | None] = [*([None] * missing), *spec.defaults, *spec.kw_defaults]
    kind = inspect.Parameter.KEYWORD_ONLY  # every tool is called by name
    found: list[inspect.Parameter] = []
    for argument, default in zip([*spec.args, *spec.kwonlyargs], defaults, strict=True):
        where: dict[str, Any] = {"file": file, "line": argument.lineno, "key": name}
        if argument.annotation is None:
            raise InputError("a type annotation on every argument", found=f"{argument.arg!r} without", **where)
        try:
            annotation = type_of(argument.annotation)
            value = inspect.Parameter.empty if default is None else ast.literal_eval(default)
        except (ValueError, TypeError, SyntaxError) as error:
            known = "an annotation of str, int, float, bool, list, dict, Literal and a literal default"
            raise InputError(known, found=f"{argument.arg}: {error}", **where) from None
        found.append(inspect.Parameter(argument.arg, kind, default=value, annotation=annotation))
    return found
