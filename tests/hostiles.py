"""The hostile tools of tests/hostile/: what they are given to attack, and what must be so after each.

``python -m tests.hostiles`` runs all of them as the user who runs it and prints, as JSON, what was wrong with each.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import json
import os
import re
import secrets
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import pydantic

from practice.errors import SandboxMissing
from practice.sandbox import Ended, Engine, Ran, SandboxLimits, engine
from practice.types import Value

FOLDER = Path(__file__).parent / "hostile"
TOOLS = sorted(path.stem for path in FOLDER.glob("*.py"))
VARIABLE = "PRACTICE_HOSTILE_KEY"


@functools.cache
def missing() -> str:
    """Why this machine can't run code in the real sandbox, for a skip; nothing where it can."""
    try:
        engine()
    except SandboxMissing as error:
        return f"engine bwrap: {error}"
    return ""


class Expected(Value):
    """A line of the manifest: how a tool must end, what its value (or error) must say, its limits where they matter."""

    ended: Ended
    says: str
    seconds: float = 30
    cpu_seconds: float = 20

    @property
    def limits(self) -> SandboxLimits:
        """Small, so that reaching them is quick."""
        small = SandboxLimits(memory_mb=128, processes=16, file_mb=4, disk_mb=8, output_chars=2000)
        return small.model_copy(update={"seconds": self.seconds, "cpu_seconds": self.cpu_seconds})


MANIFEST = {
    name: Expected.model_validate(line) for name, line in json.loads((FOLDER / "manifest.json").read_text()).items()
}


@dataclass
class World:
    """What there is to attack: a key, a folder, a package, services that listen, a process that does nothing."""

    folder: Path
    mark: str
    tcp: socket.socket
    udp: socket.socket
    unix: socket.socket
    abstract: socket.socket
    bystander: subprocess.Popen[bytes]
    package: Path = field(default_factory=lambda: Path(pydantic.__file__))

    def told(self) -> dict[str, str]:
        """What a tool is told of it: where everything is."""
        return {
            "key": str(self.folder / "key"),
            "mark": self.mark[:8],
            "outside": str(self.folder / "outside"),
            "package": str(self.package),
            "tcp": str(self.tcp.getsockname()[1]),
            "udp": str(self.udp.getsockname()[1]),
            "unix": str(self.folder / "socket"),
            "abstract": self.abstract.getsockname()[1:].decode(),
            "pid": str(os.getpid()),
            "bystander": str(self.bystander.pid),
        }

    def harmed(self) -> list[str]:
        """What is no longer as it was."""
        listening = {self.tcp: "tcp", self.udp: "udp", self.unix: "unix", self.abstract: "abstract"}
        found = [f"{listening[each]} was spoken to" for each in select.select(list(listening), [], [], 0)[0]]
        if (self.folder / "key").read_text() != self.mark or list((self.folder / "outside").iterdir()):
            found.append("a file was written")
        if hashlib.sha256(self.package.read_bytes()).digest() != _PACKAGE:
            found.append("a package was changed")
        if self.bystander.poll() is not None:
            found.append("a bystander was killed")
        children = [
            Path(f"/proc/self/task/{task.name}/children").read_text() for task in Path("/proc/self/task").iterdir()
        ]
        left = set(" ".join(children).split()) - {str(self.bystander.pid)}
        if left:
            found.append(f"processes are left: {left}")
        return found


_PACKAGE = hashlib.sha256(Path(pydantic.__file__).read_bytes()).digest()


@contextlib.contextmanager
def world() -> Generator[World]:
    """A world, with the key in the environment, too."""
    mark = f"{secrets.token_hex(4)}-KEY"
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp")))
        (folder / "outside").mkdir()
        (folder / "key").write_text(mark)
        sockets = {
            "tcp": (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            "udp": (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            "unix": (socket.AF_UNIX, socket.SOCK_STREAM, str(folder / "socket")),
            "abstract": (socket.AF_UNIX, socket.SOCK_STREAM, f"\0practice-{secrets.token_hex(4)}"),
        }
        opened: dict[str, socket.socket] = {}
        for name, (family, kind, address) in sockets.items():
            opened[name] = stack.enter_context(socket.socket(family, kind))
            opened[name].bind(address)
            if kind == socket.SOCK_STREAM:
                opened[name].listen()
        bystander = stack.enter_context(subprocess.Popen(["sleep", "600"]))
        stack.callback(bystander.kill)
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = mark
        try:
            yield World(
                folder, mark, opened["tcp"], opened["udp"], opened["unix"], opened["abstract"], bystander=bystander
            )
        finally:
            del os.environ[VARIABLE]
            if before is not None:
                os.environ[VARIABLE] = before


async def attack(name: str, by: Engine) -> tuple[Ran, list[str]]:
    """Run one tool; what it came to, and all that is not as it must be."""
    wrong: list[str] = []
    expected = MANIFEST[name]
    with world() as around:
        async with by.session(expected.limits) as session:
            loaded = await session.load(name, (FOLDER / f"{name}.py").read_text())
            if not loaded.ok:
                wrong.append(f"did not load: {loaded.error}")
            ran = await session.call(f"{name}.attack", {"world": around.told()})
            said = str(ran.value) if ran.ok else ran.error
            if ran.ended != expected.ended or not re.search(expected.says, said):
                wrong.append(f"ended {ran.ended}: {said[:500]}")
            most = expected.limits.output_chars + 80  # and a line that says what was cut
            if max(len(said), len(ran.stdout), len(ran.stderr)) > most:
                wrong.append("more was kept than is allowed")
            if around.mark in ran.model_dump_json():
                wrong.append("the key came out")
            # The run goes on: the same session answers, with nothing of the attack still running in it.
            after = await session.run("import os\nsorted(pid for pid in os.listdir('/proc') if pid.isdigit())")
            if after.value != "['1', '2']":
                wrong.append(f"afterwards: {after.ended} {after.value} {after.error}")
        wrong += around.harmed()
    return ran, wrong


async def main() -> None:
    """Attack with all, and say what was wrong with each."""
    by = engine()
    told: dict[str, list[str]] = {}
    for name in sys.argv[1:] or TOOLS:
        told[name] = (await attack(name, by))[1]
    print(json.dumps({"engine": by.name, "uid": os.getuid(), "wrong": told}))


if __name__ == "__main__":
    asyncio.run(main())
