"""The house's rules, walked: who may import what, what start-up may load, what is public, what no file may say."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import practice
from practice import errors

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "practice"

#: Rooms from the bottom to the top. A room imports from rooms below it and beside it, never from above.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"types", "errors"}),
    frozenset({"stats", "prompt", "config", "task", "budget"}),
    frozenset({"model", "local", "sandbox", "store", "fakes"}),
    frozenset({"traces"}),
    frozenset({"calls", "endpoints", "fanout", "pace"}),
    frozenset({"tool", "agent", "memory", "features", "judge", "verifiers"}),
    frozenset({"records", "history", "progress"}),
    frozenset({"rollout", "advantage", "bankfile", "session", "toolsmith"}),
    frozenset({"agentsmith"}),
    frozenset({"accept", "heldout", "duels", "judged", "labels", "calibration", "prediction", "stability"}),
    frozenset({"loop", "document", "report", "inspectlog"}),
    frozenset({"engine"}),
    frozenset({"evaluation", "judging", "comparison", "runner"}),
    frozenset({"overfit", "sampling"}),
    frozenset({"cli"}),
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}

#: Third-party package -> the rooms that may import it, so that its next version is dealt with in one place.
#: Naming a type under ``if TYPE_CHECKING`` is free to all.
OWNERS: dict[str, set[str]] = {
    "litellm": {"model"},
    "openai": {"model"},
    "httpx": {"model", "local"},
    "langgraph": {"agent"},
    "sqlite_utils": {"store"},
    "typer": {"cli"},
    "rich": {"cli"},
    "yaml": {"config"},
    "jinja2": {"report"},
    "xllamacpp": {"local"},
    "opentelemetry": {"traces"},
    "math_verify": {"verifiers"},
    "mcp": {"tool", "sandbox"},
    "pydantic_monty": {"sandbox"},
    "scipy": {"stats", "accept"},
    "numpy": {"stats", "accept", "stability"},
    "pydantic": set(LEVEL),  # the language in which values are written
    "pydantic_core": set(LEVEL),
}

#: Packages that the user installs, by an extra, where a file of theirs needs them; an error says so. Never a
#: dependency, never in the lock, and imported inside the function that reads such a file.
OPTIONAL: dict[str, set[str]] = {"pyarrow": {"task"}, "datasets": {"task"}}

#: What `practice --help` may not load: seconds of imports for one screen of text.
SLOW = {"litellm", "langgraph", "openai", "scipy", "numpy", "mcp", "pydantic_monty", "bs4", "pypdf", "opentelemetry"}

PUBLIC = {"Agent", "Bank", "Task", "__version__", "evaluate", "run", "stability"}

#: Public names that are rooms: there is more than one thing to call in them, and the name is the room's own.
PUBLIC_ROOMS = {"stability"}


# ---------------------------------------------------------------- imports


def modules() -> dict[str, Path]:
    """Dotted name -> file of every module of the package, the package's own ``__init__`` left out."""
    found: dict[str, Path] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name != "practice":
            found[name] = file
    return found


MODULES = modules()


def room(module: str) -> str:
    """``practice.cli.run`` lives in ``cli``."""
    return module.split(".")[1]


class WithoutTyping(ast.NodeTransformer):
    """Drops the bodies of ``if TYPE_CHECKING:``."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        return node.orelse if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)


def imports(module: str, file: Path, *, typing: bool = True) -> Iterator[tuple[str, int]]:
    """Every import of a file, wherever it stands, as (full name of module or of the name in it, line)."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree if typing else WithoutTyping().visit(tree)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) in {"importlib.import_module", "import_module"}
            and isinstance(name := node.args[0], ast.Constant)
        ):
            yield str(name.value), node.lineno


def own_imports(module: str) -> set[str]:
    """The modules of the package that a module imports."""
    found: set[str] = set()
    for name, _ in imports(module, MODULES[module]):
        target = name if name in MODULES else name.rpartition(".")[0]
        if target in MODULES and target != module:
            found.add(target)
    return found


def test_every_room_has_a_layer() -> None:
    assert {room(module) for module in MODULES} <= set(LEVEL), "add the new room to LAYERS, where it belongs"


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    wrong = [
        f"line {line}: {room(module)} imports {name}"
        for name, line in imports(module, MODULES[module])
        if name.startswith("practice.")
        and name != "practice.__version__"
        and LEVEL.get(room(name), len(LAYERS)) > LEVEL[room(module)]
    ]
    assert not wrong


def test_imports_make_no_circle() -> None:
    rooms: dict[str, set[str]] = {room(module): set() for module in MODULES}
    for module in MODULES:
        rooms[room(module)] |= {room(target) for target in own_imports(module)} - {room(module)}
    TopologicalSorter(rooms).prepare()  # raises CycleError with the circle


@pytest.mark.parametrize("module", MODULES)
def test_each_third_party_package_has_one_owner(module: str) -> None:
    wrong = [
        f"line {line}: {name}"
        for name, line in imports(module, MODULES[module], typing=False)
        if (top := name.split(".")[0]) != "practice"
        and top not in sys.stdlib_module_names
        and room(module) not in (OWNERS | OPTIONAL).get(top, ())
    ]
    assert not wrong


# ---------------------------------------------------------------- start-up


@pytest.mark.parametrize("arguments", [None, ["--help"], ["run", "--help"]], ids=["import", "help", "run-help"])
def test_start_up_loads_nothing_slow(arguments: list[str] | None) -> None:
    start = "import practice" if arguments is None else f"sys.argv[1:] = {arguments!r}; from practice.cli import main"
    call = "" if arguments is None else "main()"
    code = f"""
import sys
{start}
try:
    {call or "pass"}
finally:
    print("loaded:", *sorted(set(sys.modules) & {SLOW!r}), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].strip() == "loaded:"
    assert arguments is None or "Usage" in done.stdout


# ---------------------------------------------------------------- public names


def test_public_names_are_locked() -> None:
    assert set(practice.__all__) == PUBLIC
    assert set(dir(practice)) >= PUBLIC
    for name in PUBLIC:
        assert getattr(practice, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Agnet'"):
        _ = practice.Agnet  # pyright: ignore


def test_no_module_is_spelled_like_a_public_name() -> None:
    """The first import of a module binds it on its package and would hide the public name.

    A public name that is the room itself can't be hidden by it.
    """
    assert PUBLIC & {room(module) for module in MODULES} == PUBLIC_ROOMS
    for name in PUBLIC_ROOMS:
        assert getattr(practice, name) is importlib.import_module(f"practice.{name}")


# ---------------------------------------------------------------- errors


def test_the_error_tree_is_the_drawn_one() -> None:
    """Name, parent and exit code of every error class, as errors.py draws them."""
    drawn: dict[str, tuple[str, str | None]] = {}
    path: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        if not (match := re.match(r"^(    (?:[│├└─ ]*))([A-Z]\w+)(?:\s+(\d|-))?\s{2,}", line)):
            continue
        column, name = len(match[1]), match[2]
        while path and path[-1][0] >= column:
            path.pop()
        drawn[name] = (path[-1][1] if path else "Exception", match[3])
        path.append((column, name))
    defined = {
        name: cls
        for name, cls in vars(errors).items()
        if inspect.isclass(cls) and issubclass(cls, BaseException) and cls.__module__ == errors.__name__
    }
    assert {name: parent for name, (parent, _) in drawn.items()} == {
        name: cls.__bases__[0].__name__ for name, cls in defined.items()
    }
    for name, (_, code) in drawn.items():
        assert code in (None, "-") or getattr(defined[name], "exit_code", None) == int(code), name


# ---------------------------------------------------------------- files


def project_files() -> list[Path]:
    """Every file that is, or would be, committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("module", MODULES)
def test_a_file_fits_a_reader(module: str) -> None:
    assert len(MODULES[module].read_text().splitlines()) <= 400


def test_workspace_folders_are_no_packages() -> None:
    """Import packages named agents, tools or memory would overwrite those of other distributions."""
    found = [str(f) for folder in ("agents", "tools", "memory") for f in (ROOT / folder).rglob("__init__.py")]
    assert not found


#: Where a project was made says nothing about it, and a registry's host is the user's own setting.
FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.~}-])/(?:root|work|opt|home/\w+)/"),
    "a registry's host": re.compile(r"\bpypi[.]org\b|\bpythonhosted[.]org\b|--(?:extra-)?index-url\b"),
}


def test_no_file_names_a_machine_or_a_registry() -> None:
    wrong = [
        f"{file.relative_to(ROOT)}:{number}: {what}"
        for file in project_files()
        if file != Path(__file__)
        for number, line in enumerate(file.read_text(errors="ignore").splitlines(), 1)
        for what, pattern in FORBIDDEN.items()
        if pattern.search(line)
    ]
    assert not wrong


# ---------------------------------------------------------------- dependencies


def locked() -> dict[str, list[str]]:
    """Distribution -> its locked versions (several where they depend on the Python version)."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([\w.!+]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE):
        found.setdefault(name, []).append(version)
    return found


def declared() -> set[str]:
    """The distributions that pyproject.toml asks for, extras included, development left out."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]
    return {distribution(line) for line in asked}


def distribution(requirement: str) -> str:
    """``pyarrow`` of ``pyarrow>=17``."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()


def test_every_dependency_is_used_and_declared() -> None:
    spelled = {"pyyaml": "yaml", "beautifulsoup4": "bs4"}
    spelled |= dict.fromkeys(("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"), "opentelemetry")
    names = {spelled.get(name, name.replace("-", "_")) for name in declared()}
    files = [*MODULES.items(), *((file.stem, file) for file in (ROOT / "tools").glob("*.py"))]
    used = {name.split(".")[0] for module, file in files for name, _ in imports(module, file)}
    parts = {"practice", "pydantic_core"}  # of this project, of pydantic
    assert names == used - set(sys.stdlib_module_names) - parts


def test_optional_packages_are_extras_and_imported_where_they_are_used() -> None:
    """Without them everything else works: no dependency names them and no import stands at a module's top."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {distribution(line) for lines in project["optional-dependencies"].values() for line in lines}
    assert set(OPTIONAL) <= extras - {distribution(line) for line in project["dependencies"]}
    at_top = {
        name.split(".")[0]
        for module, file in MODULES.items()
        for name, line in imports(module, file)
        if name.split(".")[0] in OPTIONAL and line not in inner_lines(file)
    }
    assert not at_top


def inner_lines(file: Path) -> set[int]:
    """The lines of a file that lie inside a function."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, functions)]
    return {line for node in nodes for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}


def test_the_lock_holds_what_is_asked_for_and_nothing_heavy() -> None:
    versions = locked()
    assert declared() - set(OPTIONAL) <= set(versions)
    assert not set(OPTIONAL) & set(versions)
    assert not {"torch", "tensorflow", "jax", "vllm"} & set(versions)
    assert not {"1.82.7", "1.82.8"} & set(versions["litellm"])


def test_constraints_are_the_lock_without_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pins = [line.removesuffix(" \\") for line in lock.splitlines() if not line.startswith(" ")]
    assert (ROOT / "constraints.txt").read_text().splitlines() == pins
