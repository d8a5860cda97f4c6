"""The engine ``none``: a plain child process with limits and no walls, for a person who asked for it by name.

The code runs as the user who runs the program: it can read what they can read, keys too, write where they can write
and speak to any host. Limits of memory, processor, file size and time hold; ``disk_mb`` does not, a process that
gets away from its parent is not found again, and permits are not looked at, since nothing is withheld.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from practice.sandbox.base import Permit, SandboxLimits, Session
from practice.sandbox.process import Plan
from practice.sandbox.session import ProcessSession, checked_files

WARNING = "WARNING: no sandbox: code that nobody has read runs with all that you may do (--unsafe-no-sandbox)"


class BareEngine:
    """Child processes without a sandbox."""

    name = "none"

    @asynccontextmanager
    async def session(
        self,
        limits: SandboxLimits | None = None,
        *,
        permit: Permit | None = None,  # noqa: ARG002
        files: Mapping[str, bytes] | None = None,
    ) -> AsyncGenerator[Session]:
        """See :class:`~practice.sandbox.base.Engine`. Says on stderr what it is, each time."""
        limits = limits or SandboxLimits()
        print(WARNING, file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="practice-unsafe-", ignore_cleanup_errors=True) as folder:
            work = Path(folder, "work")

            def start(channel: int, stdout: int, stderr: int) -> subprocess.Popen[bytes]:
                shutil.rmtree(work, ignore_errors=True)  # of a worker that is gone
                work.mkdir(exist_ok=True)
                return _start(channel, stdout, stderr)

            plan = Plan(
                self.name,
                start,
                limits,
                str(work),
                paths=tuple(path for path in sys.path if path.endswith("site-packages")),
                files=checked_files(files or {}, limits),
            )
            async with ProcessSession(plan) as session:
                yield session


def _start(channel: int, stdout: int, stderr: int) -> subprocess.Popen[bytes]:
    worker = str(Path(__file__).with_name("worker.py"))
    return subprocess.Popen(
        [os.path.realpath(sys.executable), "-I", "-S", "-B", "-X", "utf8", worker, str(channel)],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        pass_fds=(channel,),
        env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8"},
        start_new_session=True,
    )
