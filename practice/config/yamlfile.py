"""YAML files with the line of every key. The only importer of yaml.

A file is composed into nodes first, so that a value refused later can be named with its line. Scalars follow YAML
1.2's core schema: ``no`` is text, ``010`` is ten, ``1e-3`` is a number, a date is text. Two keys alike are an error.
"""

# yaml comes without types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from practice.config.workspace import shown
from practice.errors import InputError, nearest

__all__ = ["KeyPath", "Yaml", "dotted", "dump_yaml", "neighbour", "read_yaml", "read_yaml_text", "write_yaml"]

#: Where a value stands: keys of mappings and indices of lists, from the top.
KeyPath = tuple[str | int, ...]


def dotted(path: KeyPath) -> str | None:
    """A key path as messages and ``--set`` write it: ``judge.panel.0.prompt``; None for the top."""
    return ".".join(str(part) for part in path) or None


def neighbour(path: Path) -> str | None:
    """The file beside ``path`` whose name is nearest, as messages name it, or None."""
    try:
        names = [entry.name for entry in path.parent.iterdir() if not entry.name.startswith(".")]
    except OSError:
        return None
    name = nearest(path.name, names)
    return None if name is None else shown(path.with_name(name))


@dataclass(frozen=True)
class Yaml:
    """A YAML document: its data, and the line (from 1) of each key path."""

    data: Any
    lines: Mapping[KeyPath, int] = field(default_factory=dict[KeyPath, int])
    file: str = ""
    given: frozenset[KeyPath] = frozenset()
    """Key paths whose value comes from ``--set``."""

    def where(self, path: KeyPath) -> tuple[str, int | None]:
        """The file and line of ``path``, or of the nearest key above it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.given:
                return "--set", None
            if path[:length] in self.lines:
                return self.file, self.lines[path[:length]]
        return self.file, None


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalars of YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (yaml's own design)

    def number(self, node: yaml.ScalarNode) -> int | float:
        text = str(self.construct_scalar(node))
        if text[:2] in ("0x", "0o"):
            return int(text, 0)
        if re.fullmatch(r"[-+]?[0-9]+", text):
            return int(text)
        if re.fullmatch(r"[-+]?[0-9]+[eE]\+?[0-9]{1,2}", text):
            return int(float(text))  # 2e6 is a count, as people write one
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


class _Dumper(yaml.SafeDumper):
    """SafeDumper that quotes what either YAML 1.1 or 1.2 would read as something else than text."""


_NUMBER = re.compile(
    r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_SCALARS = (
    ("null", re.compile(r"~|null|Null|NULL|"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE"), list("tTfF")),
    ("float", re.compile(rf"(?:{_NUMBER.pattern})\Z"), list("-+.0123456789")),
    ("merge", re.compile(r"<<"), ["<"]),
)
for _tag, _pattern, _first in _SCALARS:
    _whole = re.compile(rf"(?:{_pattern.pattern})\Z")
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _whole, _first)
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _whole, _first)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.number)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.number)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # yaml takes these for line breaks and would fold them; in double quotes it escapes them.
    odd = any(mark in text for mark in "\r\x85\u2028\u2029\ufeff")
    style = '"' if odd else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def read_yaml(path: Path) -> Yaml:
    """Read one YAML document. Raises InputError where there is no file, or it is not UTF-8 or not YAML."""
    name = shown(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        raise InputError("a file", found="none there", file=name, nearest=neighbour(path)) from None
    except IsADirectoryError:
        raise InputError("a file", found="a folder", file=name) from None
    except PermissionError:
        raise InputError("a file that may be read", found="no permission", file=name) from None
    except UnicodeDecodeError as error:
        raise InputError("UTF-8 text", found=f"byte {error.start} is not", file=name) from None
    return read_yaml_text(text, name)


def read_yaml_text(text: str, file: str) -> Yaml:
    """As :func:`read_yaml`, from text; ``file`` is what errors name."""
    lines: dict[KeyPath, int] = {}
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        data = None if node is None else _build(loader, node, (), lines, file, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else None
        said = error.problem or error.context or "no more"
        raise InputError(f"valid YAML (the reader says: {said})", file=file, line=line) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"valid YAML (the reader says: {' '.join(str(error).split())})", file=file) from None
    return Yaml(data, lines, file)


def _build(
    loader: _Loader, node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], file: str, above: tuple[yaml.Node, ...]
) -> Any:
    """The data of ``node``; fills ``lines``. Refuses a key that stands twice, which yaml would let pass."""
    if node in above:
        raise InputError("no anchor inside itself", file=file, line=node.start_mark.line + 1, key=dotted(path))
    above = (*above, node)
    if isinstance(node, yaml.MappingNode):
        data: dict[str, Any] = {}
        _refuse_twins(node, path, file)
        loader.flatten_mapping(node)  # resolves <<: merged keys come first, so those written here win
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise InputError("a name as a key", found="a list or mapping", file=file, line=line, key=dotted(path))
            here = (*path, str(key_node.value))
            data[str(key_node.value)] = _build(loader, value_node, here, lines, file, above)
            lines[here] = line
        return data
    if isinstance(node, yaml.SequenceNode):
        items: list[Any] = []
        for index, item in enumerate(node.value):
            lines[(*path, index)] = item.start_mark.line + 1
            items.append(_build(loader, item, (*path, index), lines, file, above))
        return items
    return loader.construct_object(node)


def _refuse_twins(node: yaml.MappingNode, path: KeyPath, file: str) -> None:
    """Raise InputError where a key stands twice in a mapping, which yaml would let pass."""
    first: dict[str, int] = {}
    for key_node, _ in node.value:
        line = key_node.start_mark.line + 1
        if isinstance(key_node, yaml.ScalarNode) and key_node.tag != "tag:yaml.org,2002:merge":
            key = str(key_node.value)
            if key in first:
                found = f"it again, first in line {first[key]}"
                raise InputError("each key once", found=found, file=file, line=line, key=dotted((*path, key)))
            first[key] = line


def dump_yaml(data: object) -> str:
    """``data`` as readable YAML in block style, keys in their own order."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**20, default_flow_style=False)


def write_yaml(path: Path, data: object) -> None:
    """Replace ``path`` in one step: after a crash it holds either the old text or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(dump_yaml(data))
            file.flush()
            os.fsync(file.fileno())
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
