"""Where a workspace's files lie: its folders, its ``.env``, and the starter that ``practice init`` copies."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from practice.errors import InputError

__all__ = ["Workspace", "choose_workspace", "load_env", "shown", "starter_root"]

SETTINGS_FILE = "practice.yaml"


@dataclass(frozen=True)
class Workspace:
    """A folder with ``practice.yaml`` or ``agents/``, and the paths below it. Nothing is created here."""

    root: Path

    @property
    def agents(self) -> Path:
        """Agent files, ``<name>.yaml``."""
        return self.root / "agents"

    @property
    def tools(self) -> Path:
        """Tool files, plain functions."""
        return self.root / "tools"

    @property
    def memory(self) -> Path:
        """Banks, ``<bank>.yaml``."""
        return self.root / "memory"

    @property
    def tasks(self) -> Path:
        """Task files."""
        return self.root / "tasks"

    @property
    def db(self) -> Path:
        """The database: journal, history, runs."""
        return self.memory / "practice.db"

    @property
    def reports(self) -> Path:
        """HTML reports, one a run."""
        return self.root / "reports"

    @classmethod
    def find(cls, start: Path) -> Workspace | None:
        """The nearest workspace from ``start`` upwards, or None."""
        start = start.resolve()
        for folder in (start, *start.parents):
            if (folder / SETTINGS_FILE).is_file() or (folder / "agents").is_dir():
                return cls(folder)
        return None

    def path(self, reference: str | Path) -> Path:
        """An absolute path: ``reference`` itself (``~`` expanded) or, where it is relative, below the root.

        A path outside the workspace is the user's own wish and is returned as it is; what may only lie inside
        (a task's ``files``) asks :meth:`holds`.
        """
        return (self.root / Path(reference).expanduser()).resolve()

    def holds(self, path: Path) -> bool:
        """Whether ``path`` lies inside the workspace, links resolved."""
        return path.resolve().is_relative_to(self.root.resolve())

    def relative(self, path: Path) -> str:
        """How the workspace names ``path``: relative to the root where it lies inside."""
        resolved, root = path.resolve(), self.root.resolve()
        return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else str(resolved)


def choose_workspace(given: Path | None, config: Path | None, cwd: Path) -> Workspace:
    """The workspace of a command.

    In order: ``--workspace``; the settings file's folder where that holds ``agents/``; the nearest workspace from
    the current folder upwards; the settings file's folder. Raises InputError where there is none of them.
    """
    if given is not None:
        if not given.is_dir():
            raise InputError("a folder", found="none there", file=str(given), key="--workspace")
        return Workspace(given.resolve())
    folder = config.resolve().parent if config is not None else None
    if folder is not None and (folder / "agents").is_dir():
        return Workspace(folder)
    found = Workspace.find(cwd)
    if found is None and folder is not None and folder.is_dir():
        found = Workspace(folder)
    if found is None:
        raise InputError(
            f"a workspace: a folder with {SETTINGS_FILE} or agents/ (practice init makes one)",
            found="neither here nor in a folder above",
            file=str(cwd),
        )
    return found


def load_env(workspace: Workspace) -> tuple[str, ...]:
    """Read the workspace's ``.env`` (``KEY=VALUE`` lines) for names that the environment lacks.

    Returns the names that were set. Values are put into ``os.environ`` and nowhere else; an error names the
    line, never what stands in it.
    """
    path = workspace.root / ".env"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ()
    except UnicodeDecodeError:
        raise InputError("UTF-8 text", found="other bytes (not shown)", file=shown(path)) from None
    names: list[str] = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip().removeprefix("export ").strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise InputError("KEY=VALUE", found="something else (not shown)", file=shown(path), line=number)
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        else:
            value = re.split(r"\s+#", value, maxsplit=1)[0]
        if name not in os.environ:
            os.environ[name] = value
            names.append(name)
    return tuple(names)


def starter_root() -> Path:
    """The files that ``practice init`` copies: ``practice/starter`` in a wheel, else the project's root."""
    package = Path(__file__).parents[1]
    packed = package / "starter"
    return packed if packed.is_dir() else package.parent


def shown(path: Path) -> str:
    """A path as messages name it: relative to the current folder where it lies below it."""
    absolute, cwd = Path(os.path.abspath(path)), Path.cwd()  # noqa: PTH100 (links stay as the user wrote them)
    return absolute.relative_to(cwd).as_posix() if absolute.is_relative_to(cwd) else str(absolute)
