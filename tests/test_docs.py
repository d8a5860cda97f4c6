"""README and docs against the code: commands, options, links, files, code blocks, and the page of all commands.

``docs/commands.md`` is made here: ``python -m tests.test_docs`` writes it anew.
"""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from practice.agent.spec import AgentSpec
from practice.cli import app
from practice.config import Workspace, load_settings, read_yaml
from practice.memory import Bank

ROOT = Path(__file__).parent.parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", *DOCS]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
_LINK = re.compile(r"\]\(([^)\s]+)\)")

#: Files that the docs name because they are not there, or that are the user's.
NOT_OURS = {"practice/evaluate.py", "path.py", "test_tool.py"}


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    """A page's fenced blocks in ``language``."""
    return [code for name, code in _FENCE.findall(page.read_text()) if name == language]


def inline(page: Path) -> list[str]:
    """What a page sets in backticks within its text, each on one line."""
    return [" ".join(code.split()) for code in _INLINE.findall(_FENCE.sub("", page.read_text()))]


# ---------------------------------------------------------------- the commands


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that does something, as ``practice memory show`` and its parser."""
    for name, command in _children(get_command(app)):
        yield from ([(name, command)] if not isinstance(command, TyperGroup) else _prefixed(name, command))


def _prefixed(prefix: str, group: TyperGroup) -> Iterator[tuple[str, Any]]:
    for name, command in _children(group):
        yield f"{prefix} {name.removeprefix('practice ')}", command


def _children(group: Any) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        yield f"practice {name}", command


def options(command: Any) -> set[str]:
    """The option names of a command, help included."""
    return {name for parameter in command.params for name in parameter.opts if name.startswith("-")} | {"-h", "--help"}


COMMANDS = dict(commands())
#: Told once on the page; which commands lack one is said there too.
COMMON = ("--json", "--workspace")

_HEAD = """# Commands

Every command works on the workspace around the current folder, or on `--workspace DIR`. Every command takes `--json`:
one JSON document on stdout, all else on stderr, also for an error. Exit codes and errors are in [errors](errors.md),
the keys of `--set` in [settings](settings.md). `practice --version` prints the version, `--help` (`-h`) after any
command what is on this page.

A run is named by its id, by the beginning of its id, or as `last`. `practice run`, `practice overfit` and
`practice eval` keep all that they paid for: after a stop the same command goes on, and a finished one prints its
result again without a call.
`--fresh` begins anew each time, so leave it out to go on with what it began.

This page is made from the commands (`tests/test_docs.py`).
"""


def commands_markdown() -> str:
    """``docs/commands.md``."""
    without = [f"`{name}`" for name, command in COMMANDS.items() if "--workspace" not in options(command)]
    parts = [_HEAD, f"\nWithout `--workspace`: {', '.join(without)}.\n"]
    for name, command in COMMANDS.items():
        context = command.make_context(name, [], resilient_parsing=True)
        told = [parameter for parameter in command.params if not set(parameter.opts) & set(COMMON)]
        usage = " ".join([name, *(_argument(parameter) for parameter in told if not _is_option(parameter))])
        parts.append(f"\n## {name}\n\n`{usage}`\n\n{_plain(command.help)}\n")
        rows = [parameter.get_help_record(context) for parameter in told]
        if rows:
            lines = [f"| `{_plain(_unranged(left))}` | {_plain(right)} |" for left, right in rows]
            parts.append("\n| argument or option | meaning |\n|---|---|\n" + "\n".join(lines) + "\n")
    return "".join(parts)


def _is_option(parameter: Any) -> bool:
    return parameter.opts[0].startswith("-")


def _argument(parameter: Any) -> str:
    name = str(parameter.metavar or parameter.name).upper()
    return name if parameter.required else f"[{name}]"


def _unranged(left: str) -> str:
    """``--trials <int range>`` -> ``--trials <int>``; an argument by the name that the usage line has."""
    left = left.replace(" range>", ">")
    return left if left.startswith("-") else left.split(" ")[0].upper()


def _plain(text: str | None) -> str:
    """One line in Markdown: reST's double backticks are single, Typer's brackets are round."""
    line = " ".join((text or "").split()).replace("``", "`")
    line = line.removesuffix(" [required]")  # the usage line says so
    return re.sub(r" \[((?:default|x|\d)[^\]]*)\]", r" (\1)", line)


def test_the_page_of_commands_is_made_from_the_commands() -> None:
    assert (ROOT / "docs/commands.md").read_text() == commands_markdown()


def test_every_command_and_option_is_on_the_page() -> None:
    page = (ROOT / "docs/commands.md").read_text()
    for name, command in COMMANDS.items():
        assert "--json" in options(command), name
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        for option in options(command) - {"-h", "--help", *COMMON}:
            assert f"`{option}" in section, f"{name} {option}"


# ---------------------------------------------------------------- what the pages tell people to type


def typed(page: Path) -> list[list[str]]:
    """The command lines of a page's shell blocks and indented blocks, split into words."""
    text = page.read_text()
    lines = [line for code in blocks(page, "sh") for line in code.splitlines()]
    lines += re.findall(r"^ {4}((?:practice|make) .+)$", text, re.MULTILINE)
    return [words for line in lines for words in _parts(line)]


def _parts(line: str) -> list[list[str]]:
    """The commands of one line, its comment off: ``a && b`` is two."""
    found: list[list[str]] = [[]]
    for word in shlex.split(line, comments=True):
        if word in ("&&", "|", ";"):
            found.append([])
        else:
            found[-1].append(word)
    return [words for words in found if words]


def mentioned(page: Path) -> list[list[str]]:
    """The command lines that a page mentions within its text; ``[--open]`` is an option like others."""
    lines = [code for code in inline(page) if re.match(r"(practice|make) [a-z-]", code)]
    return [words for line in lines for words in _parts(re.sub(r"\[(-[^\]]*)\]", r"\1", line)) if len(words) > 1]


def resolve(words: list[str]) -> tuple[Any, list[str]]:
    """The command that ``practice …`` names, and its arguments. Raises KeyError where there is no such command."""
    command: Any = get_command(app)
    rest = words[1:]
    while isinstance(command, TyperGroup) and rest and not rest[0].startswith("-"):
        command, rest = cast("Any", command.commands)[rest[0]], rest[1:]
    return command, rest


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_that_a_page_names_exist(page: Path) -> None:
    for words in [*typed(page), *mentioned(page)]:
        if words[0] == "make":
            assert words[1] in make_targets(), words
        elif words[0] == "practice":
            command, rest = resolve(words)
            wrong = {word.split("=")[0] for word in rest if word.startswith("--")} - options(command) - {"--version"}
            assert not wrong, f"{' '.join(words)}: no {wrong}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_that_a_page_tells_to_type_are_complete(page: Path) -> None:
    for words in typed(page):
        if words[0] == "practice":
            command, rest = resolve(words)
            assert not isinstance(command, TyperGroup), f"{' '.join(words)} lacks a verb"
            command.make_context(words[0], rest)  # raises on a missing argument and on a value of another type


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_settings_that_a_page_sets_are_settings(page: Path) -> None:
    for words in [*typed(page), *mentioned(page)]:
        sets = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
        load_settings(None, [item for item in sets if item != "key=value"], Workspace(ROOT))


def test_the_readme_uses_the_bank_that_the_starter_fills() -> None:
    named = re.findall(r'Bank\.load\("([^"]+)"\)', (ROOT / "README.md").read_text())
    assert named == [load_settings(None, [], Workspace(ROOT)).memory.bank]


# ---------------------------------------------------------------- links and files


def slugs(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_resolve(page: Path) -> None:
    for link in _LINK.findall(page.read_text()):
        path, _, anchor = link.partition("#")
        if path.startswith(("https://", "http://")):
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), f"{link}: no such file"
        assert not anchor or anchor in slugs(target), f"{link}: no such heading"


def test_every_page_is_linked_from_the_readme() -> None:
    links = set(_LINK.findall((ROOT / "README.md").read_text()))
    assert {page_id(page) for page in DOCS} <= links


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    modules = {path.name for path in (ROOT / "practice").rglob("*.py")}
    for code in inline(page):
        if code in NOT_OURS:
            continue
        if re.fullmatch(r"(practice|tests|benchmarks|docs)/[\w./-]+", code):
            assert (ROOT / code).exists(), code
        elif re.fullmatch(r"\w+\.py", code):
            assert code in modules, code


# ---------------------------------------------------------------- code blocks


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_python_blocks_compile_and_import_what_is_there(page: Path) -> None:
    for code in blocks(page, "python"):
        compile(code, page_id(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "practice":
                module = importlib.import_module(str(node.module))
                assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_yaml_blocks_hold_known_keys(page: Path, tmp_path: Path) -> None:
    for code in blocks(page, "yaml"):
        path = tmp_path / "block.yaml"
        path.write_text(code)
        keys = set(cast("dict[str, object]", read_yaml(path).data))
        if "experiences" in keys:
            assert Bank.load(path).experiences
        else:
            assert keys <= set(AgentSpec.model_fields), keys


if __name__ == "__main__":
    (ROOT / "docs/commands.md").write_text(commands_markdown())
