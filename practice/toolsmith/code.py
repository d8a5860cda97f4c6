"""From a model's answer to a tool's source: the function is taken out of its wrapping and put under the planned header.

Small models are right about the body more often than about what stands around it: examples below the function, a
forgotten import, a changed docstring. All that can be put right by rule is put right here; the rest is said to the
model (:class:`~practice.toolsmith.desk.Unusable`). None of this is for safety: that is the sandbox's.
"""

from __future__ import annotations

import ast
import builtins
import re
import textwrap
from collections.abc import Iterator

from practice.toolsmith.desk import Unusable
from practice.toolsmith.plan import Plan, header

__all__ = ["MODULES", "allowed", "imported", "read_code", "shown"]

USUAL: tuple[str, ...] = (
    *("math", "statistics", "re", "json", "csv", "datetime", "calendar", "collections", "itertools", "string"),
    *("decimal", "fractions", "textwrap", "unicodedata", "hashlib", "html", "urllib.parse", "bs4"),
)
"""What a model is told of: a longer list makes a small one neither better nor more obedient."""
MODULES: tuple[str, ...] = (
    *USUAL,
    *("io", "functools", "random", "base64", "difflib", "heapq", "bisect", "operator", "typing", "dataclasses"),
    *("enum", "copy", "cmath", "colorsys", "struct", "binascii", "zlib", "uuid", "xml.etree.ElementTree"),
    *("zoneinfo", "numbers", "ipaddress", "locale", "time"),
)
"""What a tool may import."""
FILE_MODULES: tuple[str, ...] = ("pathlib", "os", "glob", "fnmatch")
"""Also, where it has to read files."""
NET_MODULES: tuple[str, ...] = ("urllib.request", "urllib.error")
"""Also, where it has to speak to a host."""

_FENCE = re.compile(r"```[ \t]*(?:python3?|py)?[ \t]*\r?\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)
_FORBIDDEN = frozenset({"eval", "exec", "compile", "__import__", "input", "breakpoint", "globals", "locals", "vars"})

#: Names that are used without their import, and the import that is meant.
_FROM: dict[str, str] = {
    **dict.fromkeys(("Counter", "defaultdict", "deque", "OrderedDict", "namedtuple"), "collections"),
    **dict.fromkeys(("date", "timedelta", "timezone"), "datetime"),
    **dict.fromkeys(("Decimal", "ROUND_HALF_UP", "ROUND_HALF_EVEN"), "decimal"),
    **dict.fromkeys(("List", "Dict", "Any", "Optional", "Union", "Tuple", "Set"), "typing"),
    **dict.fromkeys(("sqrt", "gcd", "factorial", "floor", "ceil", "pi", "log", "log10", "radians"), "math"),
    **dict.fromkeys(("reduce", "lru_cache"), "functools"),
    **dict.fromkeys(("combinations", "permutations", "product", "groupby", "accumulate"), "itertools"),
    **dict.fromkeys(("ascii_lowercase", "ascii_uppercase", "ascii_letters", "punctuation"), "string"),
    **dict.fromkeys(("mean", "median", "mode", "stdev", "pstdev", "variance"), "statistics"),
    **dict.fromkeys(("urlparse", "parse_qs", "urljoin", "quote", "unquote"), "urllib.parse"),
    "Fraction": "fractions",
    "StringIO": "io",
    "BeautifulSoup": "bs4",
    "Path": "pathlib",
}


def allowed(*, files: bool, net: bool) -> tuple[str, ...]:
    """The modules that a tool may import."""
    return (*MODULES, *(FILE_MODULES if files else ()), *(NET_MODULES if net else ()))


def shown(modules: tuple[str, ...]) -> str:
    """The modules for a prompt."""
    return ", ".join(module for module in modules if module in USUAL or module not in MODULES)


def read_code(answer: str, plan: Plan, modules: tuple[str, ...]) -> str:
    """The source of ``tool.py`` that an answer holds. Raises Unusable, saying what the model should do."""
    text = _block(answer, plan.name)
    tree = _parsed(text)
    function = _function(tree, plan)
    _check_body(function)
    planned = ast.parse(header(plan)).body[0]
    assert isinstance(planned, ast.FunctionDef)
    source = _assembled(text, tree, function, planned, plan)
    _check_imports(ast.parse(source), modules)
    _check_calls(ast.parse(source), files="pathlib" in modules)
    return source


def imported(source: str) -> tuple[str, ...]:
    """The modules that a source imports, sorted."""
    return tuple(sorted({name for name, _ in _imports(ast.parse(source))}))


# ---------------------------------------------------------------- taking it out


def _block(answer: str, name: str) -> str:
    """The fenced block that defines the function; without a fence, the text from its first code line on."""
    blocks: list[str] = _FENCE.findall(answer)
    for block in [*(b for b in blocks if re.search(rf"\bdef\s+{name}\b", b)), *(b for b in blocks if "def " in b)]:
        return textwrap.dedent(block)
    start = re.search(r"^(import |from \w|def )", answer, re.MULTILINE)
    if start is None:
        raise Unusable("there is no Python function in it.")
    return answer[start.start() :]


def _parsed(text: str) -> ast.Module:
    """The module, or its longest beginning that parses: what follows the code is often prose."""
    lines = text.rstrip().split("\n")
    first: SyntaxError | ValueError | None = None
    for end in range(len(lines), max(0, len(lines) - 40), -1):
        try:
            return ast.parse("\n".join(lines[:end]))
        except (SyntaxError, ValueError) as error:
            first = first or error
            # Only lines that are no part of the function may be left out.
            if re.match(r"\s+\S", lines[end - 1]):
                break
    line = f" in line {first.lineno}: {first.msg}" if isinstance(first, SyntaxError) else ""
    raise Unusable(f"it is not valid Python{line}.")


def _function(tree: ast.Module, plan: Plan) -> ast.FunctionDef:
    """The planned function, by its name or as the only one that takes the planned arguments."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    named = [node for node in functions if node.name == plan.name]
    fitting = named or [node for node in functions if _names(node) == list(plan.names)]
    if not fitting:
        raise Unusable(f"there is no function {plan.name}({', '.join(plan.names)}) in it.")
    function = fitting[-1]
    if _names(function) != list(plan.names):
        raise Unusable(f"its arguments must be {', '.join(plan.names)}, as they were given.")
    return function


def _names(node: ast.FunctionDef) -> list[str]:
    spec = node.args
    return [argument.arg for argument in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)]


def _check_body(function: ast.FunctionDef) -> None:
    own = list(_own_nodes(function))
    if not any(isinstance(node, ast.Return) and node.value is not None for node in own):
        raise Unusable("the function returns nothing; it must return its result.")
    body = function.body[1:] if _is_docstring(function.body[0]) else function.body
    if all(isinstance(node, ast.Pass) or _is_ellipsis(node) for node in body):
        raise Unusable("the function is empty.")


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function, without those of functions inside it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield child
            yield from _own_nodes(child)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_ellipsis(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and node.value.value is ...


# ---------------------------------------------------------------- putting it together


def _assembled(text: str, tree: ast.Module, function: ast.FunctionDef, planned: ast.FunctionDef, plan: Plan) -> str:
    """Imports, helpers, then the planned header with the function's body; examples and prints are left out."""
    kept = [node for node in tree.body if node is not function and _belongs(node, function.name)]
    body = function.body[1:] if _is_docstring(function.body[0]) else function.body
    body = [node for node in body if not _is_print(node)]
    wanted = ast.FunctionDef(
        name=plan.name,
        args=planned.args,
        body=[*planned.body, *body],
        decorator_list=[],
        returns=planned.returns,
        type_comment=None,
    )
    imports = [ast.unparse(node) for node in kept if isinstance(node, ast.Import | ast.ImportFrom)]
    whole = ast.fix_missing_locations(ast.Module(body=[*kept, wanted], type_ignores=[]))
    imports += _missing_imports(whole)
    others = [_statement(text, node) for node in kept if not isinstance(node, ast.Import | ast.ImportFrom)]
    parts = ["\n".join(dict.fromkeys(imports)), "\n\n".join(others), f"{header(plan)}\n{_body(text, body)}"]
    head = f'"""{plan.name}: a generated tool; see card.yaml."""'
    top = f"{head}\n\n{parts[0]}" if parts[0] else head
    return "\n\n\n".join([top, *(part for part in parts[1:] if part)]) + "\n"


def _belongs(node: ast.stmt, name: str) -> bool:
    """Whether a statement beside the function is part of the tool: an import, a helper, a constant."""
    if isinstance(node, ast.Import | ast.FunctionDef | ast.ClassDef):
        return True
    if isinstance(node, ast.ImportFrom):
        return node.module != "__future__"
    if isinstance(node, ast.Assign | ast.AnnAssign):
        called = {ast.unparse(inner.func) for inner in ast.walk(node) if isinstance(inner, ast.Call)}
        return not called & {name, "input", "print"}
    return False


def _is_print(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "print"


def _written(text: str, nodes: list[ast.stmt]) -> str:
    """The lines of statements that follow each other, without their common indentation."""
    first = min([nodes[0].lineno, *(one.lineno for one in getattr(nodes[0], "decorator_list", ()))])
    return textwrap.dedent("\n".join(text.split("\n")[first - 1 : nodes[-1].end_lineno]))


def _statement(text: str, node: ast.stmt) -> str:
    """A statement at the top as the model wrote it; as Python writes it where something else stands in its lines."""
    written = _written(text, [node])
    try:
        return written if ast.dump(ast.parse(written)) == ast.dump(ast.Module([node], [])) else ast.unparse(node)
    except SyntaxError:
        return ast.unparse(node)


def _body(text: str, body: list[ast.stmt]) -> str:
    """The body as the model wrote it, comments included; as Python writes it where that would change its meaning."""
    written = textwrap.indent(_written(text, body), "    ")
    plain = textwrap.indent("\n".join(ast.unparse(node) for node in body), "    ")
    try:
        same = ast.dump(ast.parse(f"def f():\n{written}")) == ast.dump(ast.parse(f"def f():\n{plain}"))
    except SyntaxError:
        return plain
    return written if same else plain


def _missing_imports(tree: ast.Module) -> list[str]:
    """Imports for well-known names that are used and defined nowhere."""
    used: dict[str, None] = {}
    defined: set[str] = set(dir(builtins))
    attributes: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                used.setdefault(node.id)
            else:
                defined.add(node.id)
        elif isinstance(node, ast.arg):
            defined.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.alias):
            defined.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            defined.add(node.name)
        elif isinstance(node, ast.Attribute):
            attributes.add(ast.unparse(node))
    lines: list[str] = []
    for name in used:
        if name in defined:
            continue
        if name == "datetime" and not attributes & {"datetime.datetime", "datetime.date", "datetime.timedelta"}:
            lines.append("from datetime import datetime")
        elif name in MODULES or name in FILE_MODULES:
            lines.append(f"import {name}")
        elif name in _FROM:
            lines.append(f"from {_FROM[name]} import {name}")
    return lines


# ---------------------------------------------------------------- what it may use


def _imports(tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ".", node


def _check_imports(tree: ast.Module, modules: tuple[str, ...]) -> None:
    roots = {module.split(".")[0] for module in modules if module.split(".")[0] not in ("urllib", "xml")}
    for name, node in _imports(tree):
        names = [name]
        if isinstance(node, ast.ImportFrom) and name in ("urllib", "xml", "xml.etree"):
            names = [f"{name}.{alias.name}" for alias in node.names]
        for one in names:
            if one not in modules and one.split(".")[0] not in roots:
                raise Unusable(f"the module {one} is not there; use only {shown(modules)}.")


def _check_calls(tree: ast.Module, *, files: bool) -> None:
    forbidden = _FORBIDDEN if files else _FORBIDDEN | {"open"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in forbidden:
            raise Unusable(f"it must not use {node.func.id}().")
