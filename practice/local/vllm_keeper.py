"""The process that holds a vLLM server for all who use it: this file run as a script, by :mod:`.vllm` alone.

It reads one line of settings from stdin, starts the server, writes ``server.json``, says ``{"pid": N}`` on stdout and
then looks after two things: whether the server has ended, and whether anybody still uses it. Users share the lock of
the file ``users``; the kernel counts them, and forgets those who were killed. With the last one gone the server is
stopped, and until it is the lock of ``lock`` is held, so that the next one finds the GPU's memory free.

It imports nothing of the package.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

#: Seconds between two looks at the server and its users.
INTERVAL = 0.2
#: Seconds that the server has to end by itself before it is killed.
STOP_TIMEOUT = 10.0
#: ``prctl``'s option: the signal that a process gets when its parent dies (linux/prctl.h).
PR_SET_PDEATHSIG = 1


def main() -> None:
    """Keep the server until it ends or nobody uses it."""
    settings: dict[str, Any] = json.loads(sys.stdin.readline())
    # Nobody's child: whoever started this goes on, and may end long before.
    if os.fork():
        os._exit(0)
    asked_to_stop: list[int] = []
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _frame: asked_to_stop.append(number))
    folder = Path(settings["folder"])
    with (folder / "keeper").open("a") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        server = start(settings)
        record = {**settings["record"], "pid": server.pid}
        write_record(folder, {**record, "ended": None})
        print(json.dumps({"pid": server.pid}), flush=True)
        _close_streams()
        gate: IO[str] | None = None
        while server.poll() is None and not asked_to_stop and gate is None:
            time.sleep(INTERVAL)
            gate = unused(folder)
        stop(server)
        write_record(folder, {**record, "ended": server.returncode})
        if gate is not None:
            gate.close()


def start(settings: dict[str, Any]) -> subprocess.Popen[bytes]:
    """The server, in a process group of its own, its output in the log; it gets SIGTERM where this process dies."""
    with Path(settings["log"]).open("ab") as log:
        return subprocess.Popen(
            settings["command"],
            env=os.environ | settings["env"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )


def stop(server: subprocess.Popen[bytes]) -> None:
    """End the server and all its workers; those that don't end by themselves are killed."""
    _signal(server, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(STOP_TIMEOUT)
    _signal(server, signal.SIGKILL)
    server.wait()


def unused(folder: Path) -> IO[str] | None:
    """Where nobody uses the server, the lock that keeps newcomers out until it is closed; else None."""
    gate = (folder / "lock").open("a")
    try:
        fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with (folder / "users").open("a") as users:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        gate.close()
        return None
    return gate


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """``server.json``, whole or not at all, for its owner's eyes: it holds the server's key."""
    new = folder / "server.json.new"
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(record, file)
    new.replace(folder / "server.json")


def _signal(server: subprocess.Popen[bytes], number: int) -> None:
    """To the whole group: workers live on where only the server is told."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(server.pid, number)


def _close_streams() -> None:
    """Nobody reads on, and a pipe that stays open keeps its reader waiting."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    main()
