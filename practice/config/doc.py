"""What the schema says of itself: ``docs/settings.md`` and the JSON schema for editors."""

from __future__ import annotations

import json
import types
from typing import Any, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from practice.config.panel import Evaluator, HoldoutJudge
from practice.config.schema import ModelSpec, Price
from practice.config.settings import Settings
from practice.config.traces import TracesConfig

__all__ = ["json_schemas", "settings_markdown"]

_DEFAULTS = {"name": "the file's folder", "judge.holdout": "`{prompt: referee}`", "memory.bank": "`memory/<name>.yaml`"}
_TYPES = {int: "whole number", float: "number", bool: "true or false", str: "text", ModelSpec: "model", Price: "price"}

_HEAD = """# Settings

`practice.yaml` holds the settings of a run. Only `agent` and `tasks.practice` are required. Paths are relative to the
workspace's root. An unknown key is an error that names the nearest one; so is a value of another type, and a number
in quotes is text.

Any key can be set on the command line, as often as needed: `--set key=value`. The key is dotted, an item of a list
goes by its index, and the value is read as YAML:

    practice run --set rollouts.group_size=8 --set tasks.holdout=null
    practice run --set 'judge.panel=[{prompt: strict}, {prompt: strict, temperature: 1.0}]' --set judge.panel.0.seed=7
    practice run --set teacher.model=openai/gpt-4.1-mini --set teacher.model.params.top_p=0.9

YAML is read by the rules of YAML 1.2: `true` and `false` are the only truth values (`yes` and `no` are text), `1e-3`
is a number, and `2e6` is a whole one.

Changing `budget`, `traces`, `name` where it was not given, `memory.bank`, `rollouts.concurrency`, `rollouts.timeout`, a
model's `api_key_env`, `concurrency`, `rpm`, `tpm` or the host and port of its `api_base` lets a run go on; changing any
other setting starts a new run.

This page is made from the schema (`settings_markdown` in `practice/config/doc.py`).
"""


def settings_markdown() -> str:
    """``docs/settings.md``: every key with its type, default and meaning."""
    parts = [_HEAD, "## Top level\n", _table(Settings, "", sections=False)]
    for name, info in Settings.model_fields.items():
        section = _model(info.annotation)
        if section is not None:
            parts += [f"## {name}\n", f"{info.description}\n", _table(section, f"{name}.")]
        if name == "judge":
            parts += ["Each judge of the panel:\n", _table(Evaluator, "judge.panel.<i>.")]
            parts += ["The judge of the holdout:\n", _table(HoldoutJudge, "judge.holdout.")]
    parts += ["`traces` is an address, or a mapping (see [traces](traces.md)):\n", _table(TracesConfig, "traces.")]
    parts += [
        "## Models\n",
        "A model (`teacher.model`, `judge.panel.<i>.model`, an agent's `model`) is a bare name, or a mapping. A key "
        "(the secret) comes from the environment or the workspace's `.env`, never from YAML.\n",
        _table(ModelSpec, ""),
        "`price` is a mapping:\n",
        _table(Price, "price."),
    ]
    return "\n".join(parts)


def json_schemas() -> dict[str, dict[str, Any]]:
    """JSON schemas for editors, by the kind of file: ``practice`` is ``practice.yaml``'s."""
    schema = Settings.model_json_schema()
    return {"practice": {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}}


def _model(annotation: object) -> type[BaseModel] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _table(model: type[BaseModel], prefix: str, *, sections: bool = True) -> str:
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, info in model.model_fields.items():
        if sections or _model(info.annotation) is None:
            key = prefix + name
            rows.append(f"| `{key}` | {_type(info)} | {_default(key, info)} | {info.description} |")
    return "\n".join(rows) + "\n"


def _type(info: FieldInfo) -> str:
    limits = {
        name: getattr(item, name)
        for item in _metadata(info)
        for name in ("ge", "gt", "le", "lt")
        if hasattr(item, name)
    }
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    tail = " and ".join(f"{words[name]} {value:g}" for name, value in limits.items())
    return _name(info.annotation) + (f", {tail}" if tail else "")


def _metadata(info: FieldInfo) -> list[Any]:
    """The limits of a field, those of an Annotated alternative (``Count | None``) included."""
    found = [*info.metadata]
    for argument in get_args(info.annotation):
        found += [
            piece for item in getattr(argument, "__metadata__", ()) for piece in getattr(item, "metadata", (item,))
        ]
    return found


def _name(annotation: object) -> str:
    known = next((name for kind, name in _TYPES.items() if annotation is kind), None)
    if known is not None:
        return known
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{argument}`" for argument in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join("null" if argument is type(None) else _name(argument) for argument in arguments)
    if origin is tuple:
        inner = _name(arguments[0])
        return {"text": "list of texts"}.get(inner, f"list of {inner}s")
    if hasattr(annotation, "__metadata__"):
        return _name(arguments[0])
    model = _model(annotation)
    if model in (Evaluator, HoldoutJudge):
        return "judge"
    return "mapping" if model is not None or origin is dict else str(annotation)


def _default(key: str, info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    if key in _DEFAULTS:
        return _DEFAULTS[key]
    return f"`{_shown(info.default)}`"


def _shown(value: object) -> str:
    """A default as YAML would write it."""
    if isinstance(value, BaseModel):
        pairs = ((name, getattr(value, name)) for name in value.model_fields_set)
        return "{" + ", ".join(f"{name}: {_shown(inner)}" for name, inner in pairs) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(_shown(item) for item in cast("tuple[object, ...]", value)) + "]"
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)
