"""Broken versions of a tool, made by rule from its syntax tree: tests that let them pass test nothing.

The operators are the usual ones (constants, arithmetic, comparisons, conditions, returned values, dropped raises;
Jia and Harman, An analysis and survey of the development of mutation testing, 2011), and four that are broken for sure:
it returns None, its first argument, the most common expected result, or always raises.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from practice.toolsmith.cases import Case
from practice.types import Value

__all__ = ["Mutant", "mutants"]

_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_NAMES = {
    **{"min": "max", "max": "min", "sum": "len", "any": "all", "all": "any", "sorted": "list", "ceil": "floor"},
    **{"upper": "lower", "lower": "upper", "floor": "ceil", "lstrip": "rstrip", "rstrip": "lstrip"},
    **{"startswith": "endswith", "endswith": "startswith", "median": "mean", "mean": "median", "abs": "float"},
}

Change = tuple[str, Callable[[Any], None]]
"""What is changed, and how it is done to a copy of the node."""


class Mutant(Value):
    """A broken version."""

    what: str
    """``line 7: a < b became a <= b``."""
    source: str
    certain: bool
    """Broken whatever the tool does: tests have to notice it."""


def mutants(source: str, name: str, cases: Sequence[Case], most: int) -> tuple[Mutant, ...]:
    """The certain ones, then at most ``most`` others spread evenly over the source; the same for the same input."""
    tree = ast.parse(source)
    found = list(dict.fromkeys(_small(tree, source)))
    step = max(1.0, len(found) / most)
    spread = [found[int(place * step)] for place in range(min(most, len(found)))]
    certain = [Mutant(what=what, source=text, certain=True) for what, text in _certain(tree, name, cases)]
    return (*certain, *(Mutant(what=what, source=text, certain=False) for what, text in spread))


# ---------------------------------------------------------------- broken for sure


def _certain(tree: ast.Module, name: str, cases: Sequence[Case]) -> Iterator[tuple[str, str]]:
    values = [repr(case.expected.value) for case in cases if case.expected.kind == "value"]
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
    arguments = [argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)]
    bodies = {"return None": "it returns None, whatever it is given"}
    if arguments:
        bodies[f"return {arguments[0]}"] = f"it returns {arguments[0]} as it is"
    if values:
        usual = Counter(values).most_common(1)[0][0]
        bodies.setdefault(f"return {usual}", f"it returns {usual[:80]}, whatever it is given")
        bodies["raise ValueError('no')"] = "it raises ValueError, whatever it is given"
    for body, what in bodies.items():
        changed = copy.deepcopy(tree)
        target = next(node for node in changed.body if isinstance(node, ast.FunctionDef) and node.name == name)
        target.body = ast.parse(body).body
        yield what, ast.unparse(ast.fix_missing_locations(changed))


# ---------------------------------------------------------------- one small change


def _small(tree: ast.Module, source: str) -> Iterator[tuple[str, str]]:
    """(what was changed, source) of every single change inside functions."""
    original = ast.unparse(tree)
    lines = source.split("\n")
    skipped = _skipped(tree)
    for place, node in enumerate(ast.walk(tree)):
        if id(node) in skipped:
            continue
        for what, change in _changes(node):
            changed = copy.deepcopy(tree)
            change(list(ast.walk(changed))[place])
            text = ast.unparse(ast.fix_missing_locations(changed))
            if text != original:
                line = getattr(node, "lineno", 0)
                where = f"line {line}, {_cut(lines[line - 1].strip())}: " if line else ""
                yield where + what, text


def _cut(line: str) -> str:
    return line if len(line) <= 60 else f"{line[:60]} …"


def _skipped(tree: ast.Module) -> set[int]:
    """What decides nothing: docstrings, annotations, the words of errors."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found.add(id(node.value))
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            found |= {id(inner) for argument in node.exc.args for inner in ast.walk(argument)}
        elif isinstance(node, ast.arg) and node.annotation is not None:
            found |= {id(inner) for inner in ast.walk(node.annotation)}
        elif isinstance(node, ast.FunctionDef) and node.returns is not None:
            found |= {id(inner) for inner in ast.walk(node.returns)}
        elif isinstance(node, ast.AnnAssign):
            found |= {id(inner) for inner in ast.walk(node.annotation)}
        elif isinstance(node, ast.JoinedStr):
            found |= {
                id(part) for part in node.values if isinstance(part, ast.Constant) and not str(part.value).strip()
            }
    return found


def _changes(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Constant(value=bool() as value):
            yield f"{value} became {not value}", lambda n: setattr(n, "value", not value)
        case ast.Constant(value=int() | float() as number):
            yield f"{number} became {number + 1}", lambda n: setattr(n, "value", number + 1)
        case ast.Constant(value=str() as text):
            put = "" if text else "x"
            yield f"{text!r} became {put!r}", lambda n: setattr(n, "value", put)
        case ast.Compare(ops=[op, *_]) if type(op) in _COMPARE:
            new = _COMPARE[type(op)]()
            yield f"{type(op).__name__} became {type(new).__name__}", lambda n: n.ops.__setitem__(0, new)
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in _BINARY:
            other = _BINARY[type(op)]()
            yield f"{type(op).__name__} became {type(other).__name__}", lambda n: setattr(n, "op", other)
        case ast.BoolOp(op=op):
            joined = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield f"{type(op).__name__} became {type(joined).__name__}", lambda n: setattr(n, "op", joined)
        case ast.UnaryOp(op=ast.USub()):
            yield "the minus sign is gone", lambda n: setattr(n, "op", ast.UAdd())
        case ast.If() | ast.IfExp() | ast.While():
            yield "the condition is turned round", _turn
        case ast.comprehension(ifs=[_, *_]):
            yield "the filter is gone", lambda n: setattr(n, "ifs", [])
        case ast.Return(value=ast.expr()):
            yield "it returns None", lambda n: setattr(n, "value", ast.Constant(None))
        case ast.Name(id=name, ctx=ast.Load()) if name in _NAMES:
            yield f"{name} became {_NAMES[name]}", lambda n: setattr(n, "id", _NAMES[name])
        case ast.Attribute(attr=name, ctx=ast.Load()) if name in _NAMES:
            yield f"{name} became {_NAMES[name]}", lambda n: setattr(n, "attr", _NAMES[name])
        case ast.Raise(exc=ast.expr()):
            # It can't become a statement of another kind in place; an error of another type is no refusal.
            error = ast.parse("RuntimeError('broken')", mode="eval").body
            yield "the error is another one", lambda n: setattr(n, "exc", error)
        case _:
            return


def _turn(node: Any) -> None:
    # A loop whose condition is turned round either ends at once or never; the clock takes care of the latter.
    node.test = ast.UnaryOp(op=ast.Not(), operand=node.test)
