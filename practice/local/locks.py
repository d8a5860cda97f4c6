"""Locks on files: the kernel lets go of them when their holder dies, however it dies, so that none is ever stale."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import IO

__all__ = ["grab", "is_held", "is_shared", "locked"]

#: Seconds between two tries at a lock that somebody else holds.
INTERVAL = 0.2


@contextlib.asynccontextmanager
async def locked(path: Path, *, shared: bool = False) -> AsyncGenerator[None]:
    """Hold the file's lock, alone or with others who share it; waits for it as long as it takes."""
    while (file := grab(path, shared=shared)) is None:
        await asyncio.sleep(INTERVAL)
    with file:
        yield


def grab(path: Path, *, shared: bool = False) -> IO[str] | None:
    """The open file that holds the lock until it is closed; None where somebody else holds it."""
    file = path.open("a")
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    except BaseException:
        file.close()
        raise
    return file


def is_held(path: Path) -> bool:
    """Whether somebody holds the file's lock alone. Looks never collide: the look takes a share."""
    return not _can_grab(path, shared=True)


def is_shared(path: Path) -> bool:
    """Whether somebody holds a share. The look takes the lock alone: no two may look at once."""
    return not _can_grab(path, shared=False)


def _can_grab(path: Path, *, shared: bool) -> bool:
    file = grab(path, shared=shared)
    if file is not None:
        file.close()
    return file is not None
