"""The logs of local servers: where they lie, which of them stay, what of them an error shows."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from practice.local.registry import cache_dir

__all__ = ["how", "log_dir", "new_log", "tail"]

#: Logs that are kept of each kind of server.
KEPT_LOGS = 10
#: Lines of the log that an error shows.
TAIL_LINES = 8


def log_dir() -> Path:
    """Where servers write their logs."""
    return cache_dir() / "logs"


def new_log(kind: str, name: str) -> Path:
    """A fresh log's path for a server of this kind and model; of the old ones of its kind the latest few stay."""
    folder = log_dir()
    folder.mkdir(parents=True, exist_ok=True)
    old = sorted(folder.glob(f"{kind}-*.log"), key=lambda path: path.stat().st_mtime)
    for path in old[: max(0, len(old) - KEPT_LOGS + 1)]:
        path.unlink(missing_ok=True)
    plain = re.sub(r"[^\w.-]+", "-", name)
    return folder / f"{kind}-{plain}-{os.getpid()}-{secrets.token_hex(3)}.log"


def tail(log: Path | None) -> str:
    """The last lines that say something, or ``(empty)``."""
    if log is None or not log.is_file():
        return "(empty)"
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return "\n".join(lines[-TAIL_LINES:]) or "(empty)"


def how(code: int) -> str:
    """A process's end in words."""
    return f"exit code {code}" if code >= 0 else f"signal {-code}"
