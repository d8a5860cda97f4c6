"""Arithmetic on text, without eval: the expression is parsed and walked, nothing in it is ever executed."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation, localcontext
from typing import Any

Number = int | float

MAX_LENGTH = 1000
MAX_BITS = 8192
"""No integer grows beyond this: a tower of powers would eat the machine."""


def calculator(expression: str) -> str:
    """Evaluate an arithmetic expression and return the number.

    Args:
        expression: For example "(12 + 3) * 4", "15% * 1,200", "sqrt(2) ^ 3" or "round(10 / 3, 2)".
    """
    if len(expression) > MAX_LENGTH:
        raise ValueError(f"the expression is longer than {MAX_LENGTH} characters")
    source = _normalise(expression)
    if not source:
        raise ValueError("the expression is empty")
    try:
        tree = ast.parse(source, mode="eval")
        return _format(_value(tree.body))
    except SyntaxError:
        raise ValueError(f"{expression!r} is not an arithmetic expression, such as (12 + 3) * 4") from None
    except ZeroDivisionError:
        raise ValueError("division by zero") from None
    except (OverflowError, RecursionError, MemoryError, InvalidOperation):
        raise ValueError("the result is too large") from None


# ---------------------------------------------------------------- from what people write to what Python parses

_SIGNS = str.maketrans({"×": "*", "·": "*", "⋅": "*", "÷": "/", "−": "-", "–": "-", "π": "pi"})
_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)"
_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (rf"√\s*({_NUMBER})", r"sqrt(\1)"),
        (r"√", "sqrt"),
        (r"\^", "**"),
        (r"[$€£](?=\s*[\d.(])", ""),
        # 3 x 4 is a product, 0x10 stays what it is (and is refused).
        (r"(?<=[\d)])(?<!\b0)\s*[xX]\s*(?=[\d.(])|(?<=[\d)])\s+[xX]\s+(?=[\d.(])", "*"),
        (r"(?i)%\s*of\b", "/100 *"),
        # A percent sign is a percentage unless a number, a name or a bracket follows: then it is the remainder.
        (rf"(?<![\w.])({_NUMBER})\s*%(?!\s*[\w.(])", r"percent(\1)"),
        (r"%(?!\s*[\w.(])", "/100"),
        # 007 -> 7, which Python would refuse.
        (r"(?<![\w.])0+(?=\d)", ""),
        # Implied products: 2(3 + 4), (1 + 2)(3 + 4).
        (rf"((?<![\w.]){_NUMBER}|\))\s*\((?!\s*\))", r"\1*("),
    )
)
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")


def _normalise(expression: str) -> str:
    text = expression.strip().strip("`").strip().removeprefix("=").rstrip("=").strip()
    text = _join_thousands(text.translate(_SIGNS))
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return text.strip()


def _join_thousands(text: str) -> str:
    """Drop the commas of 1,200 but not those between arguments: round(1,200) and max(1,200, 3) keep theirs."""
    out: list[str] = []
    last = 0
    for match in _THOUSANDS.finditer(text):
        if _inside_call(text, match.start()):
            continue
        out += [text[last : match.start()], match.group().replace(",", "")]
        last = match.end()
    return "".join(out) + text[last:]


def _inside_call(text: str, position: int) -> bool:
    """Whether the innermost open bracket before ``position`` belongs to a function."""
    depth = 0
    for index in range(position - 1, -1, -1):
        if text[index] == ")":
            depth += 1
        elif text[index] == "(":
            if depth == 0:
                return bool(re.search(r"[A-Za-z_]\w*\s*$", text[:index]))
            depth -= 1
    return False


# ---------------------------------------------------------------- evaluation


def _power(base: Number, exponent: Number) -> Number:
    if (
        isinstance(base, int)
        and isinstance(exponent, int)
        and exponent >= 0
        and max(base.bit_length(), 1) * exponent > MAX_BITS
        and base not in (-1, 0, 1)
    ):
        raise OverflowError
    result = base**exponent
    if isinstance(result, complex):
        raise ValueError("a root of a negative number is not real")
    return result


def _factorial(n: Number) -> int:
    if n != int(n) or n < 0:
        raise ValueError("only whole numbers from 0 on")
    if n > 500:
        raise OverflowError
    return math.factorial(int(n))


def _round(x: Number, digits: Number = 0) -> Number:
    """Halves away from zero, as people round by hand: Python's own round takes 2.5 to 2 and 1.005 to 1.0."""
    with localcontext(prec=3000):
        rounded = Decimal(repr(x)).quantize(Decimal(1).scaleb(-int(digits)), ROUND_HALF_UP)
    return int(rounded) if isinstance(x, int) else float(rounded)


def _percent(x: Number) -> float:
    return x / 100


_BINARY: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_UNARY: dict[type[ast.unaryop], Callable[[Number], Number]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_CONSTANTS: dict[str, float] = {"pi": math.pi, "e": math.e, "tau": math.tau}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "ceil": math.ceil,
    "cos": math.cos,
    "exp": math.exp,
    "factorial": _factorial,
    "floor": math.floor,
    "gcd": math.gcd,
    "lcm": math.lcm,
    "ln": math.log,
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "max": max,
    "min": min,
    "percent": _percent,
    "pow": _power,
    "round": _round,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "sum": lambda *terms: sum(terms),
    "tan": math.tan,
    "acos": math.acos,
    "asin": math.asin,
    "atan": math.atan,
    "degrees": math.degrees,
    "radians": math.radians,
}


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=bool()):
            raise ValueError("True and False are not numbers")
        case ast.Constant(value=int() | float() as number):
            return _bounded(number)
        case ast.Name(id=name) if name.lower() in _CONSTANTS:
            return _CONSTANTS[name.lower()]
        case ast.Name(id=name):
            raise ValueError(f"{name!r} is not a number; write the numbers themselves")
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right) if _of_what(left, right):
            raise ValueError("adding a percentage does not say of what; write 200 * (1 + 10%) for 200 and 10 % of it")
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _bounded(_BINARY[type(op)](_value(left), _value(right)))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _UNARY[type(op)](_value(operand))
        case ast.Call(func=func, args=args, keywords=[]):
            return _call(func, args)
        case _:
            raise ValueError(f"{ast.unparse(node)!r} is not arithmetic: only numbers, + - * / // % ^ and functions are")


def _of_what(left: ast.expr, right: ast.expr) -> bool:
    """Whether ``left + right`` is as unclear as 200 + 10%; 5% + 10% and 1 + 10% mean the same to all."""
    return _is_percent(right) and not _is_percent(left) and _value(left) != 1


def _is_percent(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "percent"


def _call(func: ast.expr, args: list[ast.expr]) -> Number:
    name = ast.unparse(func).removeprefix("math.").lower()
    function = _FUNCTIONS.get(name)
    if function is None:
        raise ValueError(f"there is no function {name!r}; there are {', '.join(sorted(_FUNCTIONS))}")
    # min([1, 2]) and sum((1, 2)): one list stands for its elements.
    parts = args[0].elts if len(args) == 1 and isinstance(args[0], ast.List | ast.Tuple) else args
    values = [_value(part) for part in parts]
    try:
        return _bounded(function(*values))
    except TypeError:
        raise ValueError(f"{name} does not take {len(parts)} such arguments") from None
    except ValueError as error:
        raise ValueError(f"{name}({', '.join(map(_format, values))}) has no real value") from error


def _bounded(number: Number) -> Number:
    if isinstance(number, int):
        if number.bit_length() > MAX_BITS:
            raise OverflowError
    elif math.isnan(number) or math.isinf(number):
        raise OverflowError
    return number


def _format(number: Number) -> str:
    """45.0 -> 45, 0.1 + 0.2 -> 0.3: the digits kept hide binary fractions and nothing else."""
    if isinstance(number, int):
        return str(number)
    digits = 12 if abs(number) < 1e9 else 15
    rounded = float(f"{number:.{digits}g}")
    return str(int(rounded)) if rounded.is_integer() and abs(rounded) < 1e16 else repr(rounded)
