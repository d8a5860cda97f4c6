"""What a person approved: generated tools byte for byte, and the hosts that a tool may speak to.

The records lie in the workspace's ``.practice/`` folder, on this machine alone. No YAML file can grant trust, and a
tool of which one byte changed is quarantined again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from pydantic import ValidationError

from practice.config import Workspace
from practice.errors import InputError
from practice.sandbox import Permit
from practice.types import Value

__all__ = [
    "PARTS",
    "Approver",
    "State",
    "Tested",
    "Trust",
    "approve",
    "approve_hosts",
    "approved_hosts",
    "digest",
    "digest_of",
    "forget",
    "last_test",
    "permit_of",
    "read_parts",
    "record_test",
    "state",
    "trust_of",
]

PARTS = ("tool.py", "test_tool.py", "card.yaml")
"""What a generated tool consists of; trust covers every byte of them."""

Approver = Literal["person", "--approve-tested"]
State = Literal["approved", "quarantined"]
V = TypeVar("V", bound=Value)

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}(?::\d{{1,5}})?")


class Trust(Value):
    """One approval."""

    sha256: str
    """Of the files that were approved, see :func:`digest`."""
    hosts: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    """Folders or files of the workspace, relative to it."""
    when: str
    """UTC, ISO 8601."""
    by: Approver


class Tested(Value):
    """The last run of a generated tool's tests."""

    sha256: str
    when: str
    engine: str
    passed: int
    failed: dict[str, str]
    """Test -> what happened."""


def read_parts(folder: Path) -> dict[str, bytes]:
    """The tool's files, read once, so that what is checked is what is run."""
    return {part: (folder / part).read_bytes() for part in PARTS if (folder / part).is_file()}


def digest(folder: Path) -> str:
    """:func:`digest_of` the files that lie there now."""
    return digest_of(read_parts(folder))


def digest_of(parts: Mapping[str, bytes]) -> str:
    """sha256 over name, length and content of the tool's three files; a missing one counts as such."""
    whole = hashlib.sha256()
    for part in PARTS:
        data = parts.get(part)
        whole.update(f"{part}\0{'missing' if data is None else len(data)}\0".encode() + (data or b""))
    return whole.hexdigest()


def state(workspace: Workspace, name: str) -> State:
    """Whether the generated tool, as it lies on disk now, is approved."""
    return "quarantined" if trust_of(workspace, name) is None else "approved"


def trust_of(workspace: Workspace, name: str, sha256: str | None = None) -> Trust | None:
    """The approval that holds for the tool as it lies on disk now, or for the files of this digest."""
    trust = _read(workspace, "trust", Trust).get(name)
    known = trust.sha256 if trust is not None else None
    return trust if known == (sha256 or digest(workspace.tools / "generated" / name)) else None


def permit_of(workspace: Workspace, trust: Trust) -> Permit:
    """What was approved, as a sandbox takes it: hosts, and absolute paths. Raises InputError for a path that has
    gone, or that leads out of the workspace by now.
    """
    for path in trust.read:
        check_inside(workspace, path)
        if not workspace.path(path).exists():
            raise InputError("a file or folder of the workspace that may be read", found="none there", file=path)
    return Permit(hosts=trust.hosts, read=tuple(str(workspace.path(path)) for path in trust.read))


def approve(
    workspace: Workspace, name: str, *, by: Approver, hosts: Sequence[str] = (), read: Sequence[str] = ()
) -> Trust:
    """Trust the generated tool as it lies on disk now, with these hosts and paths. Whether its tests pass is the
    caller's to know (``practice.toolsmith.run_tests``).

    Raises InputError for a host or path that its card does not ask for.
    """
    from practice.tool.card import read_card

    folder = workspace.tools / "generated" / name
    asked = read_card(folder / "card.yaml").permissions
    for key, wanted, known in (("--host", hosts, asked.hosts), ("--read", read, asked.read)):
        for one in wanted:
            if one not in known:
                said = ", ".join(known) or "none"
                raise InputError(f"what the card of {name} asks for ({said})", found=one, key=key)
    for path in read:
        check_inside(workspace, path)
    trust = Trust(sha256=digest(folder), hosts=tuple(hosts), read=tuple(read), when=_now(), by=by)
    _write(workspace, "trust", {**_read(workspace, "trust", Trust), name: trust})
    return trust


def forget(workspace: Workspace, name: str) -> None:
    """Drop all that is recorded about a tool."""
    for file, cls in (("trust", Trust), ("tested", Tested)):
        known = dict(_read(workspace, file, cls))
        if known.pop(name, None) is not None:
            _write(workspace, file, known)


def record_test(workspace: Workspace, name: str, *, engine: str, passed: int, failed: Mapping[str, str]) -> Tested:
    """Write down what a run of the tool's tests came to."""
    folder = workspace.tools / "generated" / name
    tested = Tested(sha256=digest(folder), when=_now(), engine=engine, passed=passed, failed=dict(failed))
    _write(workspace, "tested", {**_read(workspace, "tested", Tested), name: tested})
    return tested


def last_test(workspace: Workspace, name: str) -> Tested | None:
    """The last run of its tests, where nothing of it changed since."""
    tested = _read(workspace, "tested", Tested).get(name)
    return tested if tested and tested.sha256 == digest(workspace.tools / "generated" / name) else None


def check_inside(workspace: Workspace, path: str) -> None:
    """Raise InputError for a path that does not lie in the workspace, or is one of its own records."""
    full = workspace.path(path)
    if Path(path).is_absolute() or not workspace.holds(full) or full == workspace.root.resolve():
        raise InputError("a folder or file inside the workspace, relative to it", found=repr(path), key="--read")
    if any(part.startswith(".") for part in Path(workspace.relative(full)).parts) or full == workspace.memory.resolve():
        raise InputError("no hidden file and not the memory", found=repr(path), key="--read")


# ---------------------------------------------------------------- hosts of tools that are no generated ones


def approved_hosts(workspace: Workspace, tool: str) -> tuple[str, ...]:
    """The hosts that a person allowed a tool of the workspace's own: ``.practice/hosts.json``, tool -> hosts."""
    data = _json(workspace.root / ".practice" / "hosts.json")
    hosts = data.get(tool, [])
    if not isinstance(hosts, list):
        raise InputError("a list of hosts", found=type(hosts).__name__, file=".practice/hosts.json", key=tool)
    return tuple(str(host) for host in cast("list[object]", hosts))


def approve_hosts(workspace: Workspace, tool: str, hosts: Sequence[str]) -> tuple[str, ...]:
    """Allow a tool of the workspace's own these hosts beside those it has; all of them are returned."""
    for host in hosts:
        check_host(host)
    path = workspace.root / ".practice" / "hosts.json"
    known = approved_hosts(workspace, tool)
    added = (*known, *(host for host in dict.fromkeys(hosts) if host not in known))
    _replace(path, {**_json(path), tool: list(added)})
    return added


def check_host(host: str) -> None:
    """Raise InputError for what is no bare host name (with or without a port)."""
    if not _HOST.fullmatch(host):
        raise InputError("a host, as example.org or 127.0.0.1:8000", found=repr(host), key="--host")


# ---------------------------------------------------------------- inside


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _read(workspace: Workspace, file: str, cls: type[V]) -> dict[str, V]:
    path = workspace.root / ".practice" / f"{file}.json"
    try:
        return {name: cls.model_validate(value) for name, value in _json(path).items()}
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise InputError("what the program wrote there", found=f"something else in {where}", file=str(path)) from None


def _write(workspace: Workspace, file: str, values: Mapping[str, Value]) -> None:
    plain = {name: values[name].model_dump(mode="json") for name in sorted(values)}
    _replace(workspace.root / ".practice" / f"{file}.json", plain)


def _json(path: Path) -> dict[str, Any]:
    try:
        data: object = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InputError("JSON", found=str(error), file=str(path)) from None
    if not isinstance(data, dict):
        raise InputError("a JSON object", found=type(data).__name__, file=str(path))
    return cast("dict[str, Any]", data)


def _replace(path: Path, data: Mapping[str, Any]) -> None:
    """Write in one step: a reader sees the old records or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    Path(name).replace(path)
