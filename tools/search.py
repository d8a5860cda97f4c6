"""Text search in the workspace's files: bounded in files, bytes and answers, and kept inside the folder.

The workspace is the folder above the one that holds this file. Folders that hold answers (``tasks``), the
machine's own files (``memory``, ``reports``) and hidden files (``.env``) are not searched.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLOSED = frozenset({"tasks", "memory", "reports"})
MAX_FILES = 2000
MAX_BYTES = 1_000_000
"""Larger files are skipped, as are those with a NUL byte (not text)."""
MAX_MATCHES = 20
MAX_LINE = 200


def search_files(query: str, folder: str = ".") -> str:
    """Find the lines of the workspace's text files that hold all words of a query.

    Args:
        query: Words to look for, in any case and order; a line must hold all of them.
        folder: The folder to search, inside the workspace.
    """
    words = query.lower().split()
    if not words:
        raise ValueError("the query is empty")
    start = _folder(folder)
    matches: list[str] = []
    for path in _text_files(start):
        for number, line in enumerate(_lines(path), start=1):
            if all(word in line.lower() for word in words):
                matches.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:MAX_LINE]}")
                if len(matches) == MAX_MATCHES:
                    return "\n".join([*matches, f"(the first {MAX_MATCHES} matches; narrow the query for others)"])
    return "\n".join(matches) or f"no line holds all of: {' '.join(words)}"


def _folder(name: str) -> Path:
    start = (ROOT / name).resolve()
    if not start.is_relative_to(ROOT):
        raise ValueError(f"{name!r} is outside the workspace")
    parts = start.relative_to(ROOT).parts
    if not start.is_dir() or any(_hidden(part) for part in parts) or (parts and parts[0] in CLOSED):
        raise ValueError(f"{name!r} is not a folder to search")
    return start


def _hidden(name: str) -> bool:
    return name.startswith((".", "__"))


def _text_files(start: Path) -> Iterator[Path]:
    """Files below ``start`` in a fixed order, without links: os.walk enters none, and files that are one are left."""
    seen = 0
    for folder, folders, files in os.walk(start):
        closed = CLOSED if Path(folder) == ROOT else frozenset[str]()
        folders[:] = sorted(name for name in folders if not _hidden(name) and name not in closed)
        for name in sorted(files):
            path = Path(folder, name)
            if _hidden(name) or path.is_symlink():
                continue
            seen += 1
            if seen > MAX_FILES:
                return
            yield path


def _lines(path: Path) -> list[str]:
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return []
        data = path.read_bytes()
    except OSError:
        return []
    return [] if b"\0" in data else data.decode("utf-8", errors="replace").splitlines()
