"""``practice.yaml`` and ``--set`` to :class:`Settings`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from pydantic_core import PydanticCustomError

from practice.config.parse import describe, one_of, parse
from practice.config.settings import Settings, TasksConfig, check_reward
from practice.config.walk import nearest_key, siblings, wrong_part
from practice.config.workspace import SETTINGS_FILE, Workspace
from practice.config.yamlfile import KeyPath, Yaml, dotted, neighbour, read_yaml, read_yaml_text
from practice.errors import InputError

__all__ = ["apply_sets", "load_settings", "require_reward"]

#: Keys whose value may be a bare text that stands for a mapping: the key of that mapping it stands for.
_SHORT = {"model": "name", "accept": "policy", "traces": "endpoint"}


def load_settings(path: Path | None, sets: Sequence[str], workspace: Workspace) -> Settings:
    """The settings of a run: ``path`` (default: the workspace's ``practice.yaml``), changed by ``--set key=value``.

    Raises InputError for a file that can't be read, an unknown key, a wrong type or range, and for an agent, task
    or function file that is not there. Paths in it are relative to the workspace's root.
    """
    file = workspace.root / SETTINGS_FILE if path is None else path
    try:
        document = read_yaml(file)
    except InputError as error:
        if error.found == "none there":
            expected = "a settings file (practice init makes one)"
            raise InputError(expected, found="none there", file=error.file, nearest=error.nearest) from None
        raise
    document = apply_sets(document, sets)
    settings = parse(Settings, document).resolved(file.resolve().parent.name)
    _check_files(settings, document, workspace)
    return settings


def require_reward(name: str, *, key: str) -> str:
    """As ``check_reward``, for a word of the command line: raises InputError that names ``key``."""
    try:
        return check_reward(name)
    except PydanticCustomError as error:
        context = error.context or {}
        raise InputError(context["expected"], found=context["found"], key=key, nearest=context["nearest"]) from None


def apply_sets(document: Yaml, sets: Sequence[str]) -> Yaml:
    """``document`` with each ``key=value`` put in its place; a value is read as YAML.

    Raises InputError naming ``--set`` for a key that does not exist (with the nearest) or a value that isn't YAML.
    """
    data: object = {} if document.data is None else _copy(document.data)
    given = set(document.given)
    for text in sets:
        key, equals, value_text = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise InputError("key=value", found=repr(key), file="--set", nearest=None)
        parts = tuple(key.split("."))
        _check_key(parts)
        try:
            value = read_yaml_text(value_text, "--set").data
        except InputError as error:
            raise InputError(error.expected, found=error.found, file="--set", key=key) from None
        place = _assign(data, parts, value)
        if place is not None:
            given.add(place)
    return replace(document, data=data, given=frozenset(given))


def _check_key(parts: tuple[str, ...]) -> None:
    wrong = wrong_part(Settings, parts)
    if wrong is None:
        return
    known, rest = parts[: wrong + 1], parts[wrong + 1 :]
    like = nearest_key(Settings, known)
    if like is not None and rest and wrong_part(Settings, (*like, *rest)) is None:
        like = (*like, *rest)
    raise InputError(
        one_of(siblings(Settings, known)),
        found=repr(known[-1]),
        file="--set",
        key=".".join(parts),
        nearest=None if like is None else ".".join(like),
    )


def _assign(data: object, parts: tuple[str, ...], value: object) -> KeyPath | None:
    """Put ``value`` at ``parts``, making the mappings on the way; returns the path.

    None where the file holds something else on the way, which parse() then refuses at the file's line.
    """
    path: list[str | int] = []
    holder = data
    for index, part in enumerate(parts):
        if isinstance(holder, list):
            items = cast("list[object]", holder)
            if not part.isdecimal() or int(part) > len(items):
                raise InputError(
                    f"an index from 0 to {len(items)}", found=repr(part), file="--set", key=".".join(parts)
                )
            where: Any = int(part)
            items.extend([{}] * (where == len(items)))
        elif isinstance(holder, dict):
            where = part
        else:
            return None
        path.append(where)
        slots = cast("Any", holder)
        if index == len(parts) - 1:
            slots[where] = value
        else:
            old = cast("object", slots.get(where) if isinstance(holder, dict) else slots[where])
            slots[where] = holder = _opened(tuple(path), old)
    return tuple(path)


def _opened(path: KeyPath, value: object) -> object:
    """``value`` as something that a deeper key can be set in."""
    name = path[-1]
    if value is None:
        default = _default(path)
        return cast("object", default) if isinstance(default, list) else dict[str, object]()
    if isinstance(value, str) and name in _SHORT:
        return {_SHORT[str(name)]: value}
    if value == "all" and name == "inject":
        return dict[str, object]()
    return value


def _default(path: KeyPath) -> object:
    """The default at ``path`` as JSON has it, or None."""
    value: object = Settings(agent="-", tasks=TasksConfig(practice="-")).model_dump(mode="json")
    for part in path:
        value = cast("dict[object, object]", value).get(part) if isinstance(value, dict) else None
    return value


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_copy(inner) for inner in cast("list[Any]", value)]
    return value


def _check_files(settings: Settings, document: Yaml, workspace: Workspace) -> None:
    """Raise InputError where a file that the settings name is not there."""
    wanted: list[tuple[KeyPath, str]] = [(("agent",), settings.agent)]
    for name in ("practice", "validation", "holdout"):
        reference = getattr(settings.tasks, name)
        if reference is not None and not reference.startswith("hf:"):
            wanted.append((("tasks", name), reference))
    rewards = [settings.reward] if isinstance(settings.reward, str) else settings.reward
    for index, reward in enumerate(rewards):
        if ".py:" in reward:
            place: KeyPath = ("reward",) if isinstance(settings.reward, str) else ("reward", index)
            wanted.append((place, reward.rpartition(":")[0]))
    for index, feature in enumerate(settings.practice.features):
        wanted.append((("practice", "features", index), feature.rpartition(":")[0]))
    for index, judge in enumerate(settings.judge.panel):
        for key in ("prompt", "rubric"):
            name: str | None = getattr(judge, key)
            if name is not None and name.endswith(".md") and len(name.split()) == 1:
                wanted.append((("judge", "panel", index, key), name))
    for path, reference in wanted:
        target = workspace.path(reference)
        if not target.is_file():
            file, line = document.where(path)
            found = f"{describe(reference)}, which is {'a folder' if target.is_dir() else 'not there'}"
            like = neighbour(target)
            like = None if like is None else workspace.relative(target.with_name(Path(like).name))
            raise InputError(
                "a file in the workspace", found=found, file=file, line=line, key=dotted(path), nearest=like
            )
