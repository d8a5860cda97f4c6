"""The engine ``bwrap``: bubblewrap builds the sandbox out of kernel namespaces; the worker inside binds the rest.

What the code sees: its own processes and nobody else's, no network but a loopback of its own, ``/usr``, the Python
that runs the program and its installed packages (all read-only), and one private file system in memory of
``disk_mb``. No home, no workspace, no environment, no keys.

Started by an ordinary user, the sandbox is a user namespace, in which the kernel counts processes apart. Started by
root, it is none: the worker becomes a user that nobody else is, with a number drawn for each session, because the
kernel exempts root's own number from the limit of processes wherever it is.

What this is NOT. It is no virtual machine: code and program share a kernel, and a hole in the kernel is a way out;
a seccomp filter keeps the rarer system calls from it, no more. It hides no side channels: time, caches and the
machine's load can be observed, and processor, memory bandwidth and disk cache are shared. It bounds memory of the
kernel's own (sockets, pipes) only through the number of descriptors. It can't keep to itself what a permit allows:
code that may read a file and speak to a host can send the one to the other. And it says nothing about what the code
answers: a value from a sandbox is the code's word.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath

from practice.errors import InputError, RunError, SandboxMissing
from practice.sandbox.base import Permit, SandboxLimits, Session
from practice.sandbox.process import Plan
from practice.sandbox.proxy import Proxy
from practice.sandbox.seccomp import program
from practice.sandbox.session import ProcessSession, checked_files

INSTALL = "install it with: sudo apt-get install bubblewrap (or dnf, pacman, apk)"

FOLDER = "/tmp/work"
"""The session's folder, as the code sees it; also its home."""

WORKER = "/worker.py"

_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": FOLDER,
    "TMPDIR": "/tmp",
    "LANG": "C.UTF-8",
    # Numeric libraries start a thread for each processor otherwise, past the limit on a large machine.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
_RESERVED = ("/proc", "/dev", "/tmp", WORKER)
_SYSTEM = (
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/ssl/certs",
    "/etc/pki/tls/certs",
    "/etc/alternatives",
    "/nix/store",
)


class BwrapEngine:
    """Sandboxes by ``bwrap``. Made by :func:`practice.sandbox.engine`, which knows that it works here."""

    name = "bwrap"

    def __init__(self, bwrap: str) -> None:
        self.bwrap = bwrap
        self.as_root = os.geteuid() == 0 and _own_users() > 1

    @staticmethod
    async def probed() -> BwrapEngine:
        """The engine, after it has run something. Raises SandboxMissing with what to install or what it said."""
        bwrap = shutil.which("bwrap")
        if bwrap is None:
            raise SandboxMissing(
                f"code that nobody has read runs in a sandbox only, and bubblewrap is missing; {INSTALL}"
            )
        engine = BwrapEngine(bwrap)
        try:
            async with engine.session(SandboxLimits(seconds=30)) as session:
                ran = await session.run("1 + 1")
        except RunError as error:
            raise SandboxMissing(f"bubblewrap is installed, but {error}{_forbidden()}") from None
        if ran.value != "2":
            raise SandboxMissing(f"bubblewrap is installed, but code does not run in it: {ran.ended}, {ran.error}")
        return engine

    @asynccontextmanager
    async def session(
        self,
        limits: SandboxLimits | None = None,
        *,
        permit: Permit | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> AsyncGenerator[Session]:
        """See :class:`~practice.sandbox.base.Engine`. Raises InputError for a permit that can't be given."""
        limits, permit = limits or SandboxLimits(), permit or Permit()
        proxy = Proxy(permit.hosts) if permit.hosts else None
        readable = checked_reads(permit)
        uid = _drawn_user() if self.as_root else None

        def start(channel: int, stdout: int, stderr: int) -> subprocess.Popen[bytes]:
            with tempfile.TemporaryFile() as rules:
                rules.write(program())
                rules.seek(0)
                command = [self.bwrap, *self.arguments(limits, readable, rules.fileno()), *python(channel)]
                return subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    pass_fds=(channel, rules.fileno()),
                    env={},
                    cwd="/",
                    start_new_session=True,  # Ctrl-C is the program's to handle
                )

        plan = Plan(self.name, start, limits, FOLDER, uid, packages(), checked_files(files or {}, limits), proxy)
        async with ProcessSession(plan) as session:
            yield session

    def arguments(self, limits: SandboxLimits, readable: Mapping[str, str], rules: int) -> list[str]:
        """The options of ``bwrap``. ``readable``: place inside -> file or folder outside."""
        spaces = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
        if self.as_root:
            rights = [*spaces, "--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        else:
            rights = ["--unshare-user", *spaces, "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"]
        made = [*rights, "--die-with-parent", "--new-session", "--as-pid-1", "--clearenv", "--hostname", "sandbox"]
        for name, value in _ENVIRONMENT.items():
            made += ["--setenv", name, value]
        made += ["--proc", "/proc", "--tmpfs", "/dev", "--symlink", "/tmp", "/dev/shm"]
        for device in ("null", "zero", "full", "random", "urandom"):
            made += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
        for name, fd in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
            made += ["--symlink", f"/proc/self/fd{fd}", f"/dev/{name}"]
        made += ["--perms", "1777", "--size", str(limits.disk_mb << 20), "--tmpfs", "/tmp"]
        made += ["--perms", "0777", "--dir", FOLDER]
        for inside, outside in {**system(), **readable}.items():
            made += [*_parents(inside), "--ro-bind", outside, inside]
        for inside, target in _links().items():
            made += ["--symlink", target, inside]
        made += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/", "--seccomp", str(rules)]
        return made


# ---------------------------------------------------------------- what is inside


def system() -> dict[str, str]:
    """Place inside -> place outside of all that Python needs."""
    base = os.path.realpath(sys.base_prefix)
    seen = {"/usr": "/usr", **{name: name for name in _SYSTEM if Path(name).exists()}}
    for name in ("/lib", "/lib32", "/lib64", "/bin", "/sbin"):
        if Path(name).is_dir() and not Path(name).is_symlink():
            seen[name] = name
    for place in (base, *packages()):
        if not _within(place, seen):
            seen[place] = place
    seen[WORKER] = str(Path(__file__).with_name("worker.py"))
    return seen


def packages() -> tuple[str, ...]:
    """The folders of the installed packages of the Python that runs the program."""
    paths = sysconfig.get_paths()
    return tuple(dict.fromkeys(os.path.realpath(paths[key]) for key in ("purelib", "platlib")))


def python(channel: int) -> list[str]:
    """The command that starts the worker: the interpreter itself, without site and without the environment."""
    return [os.path.realpath(sys.executable), "-I", "-S", "-B", "-X", "utf8", WORKER, str(channel)]


def checked_reads(permit: Permit) -> dict[str, str]:
    """Place inside -> real place outside. Raises InputError for what is not there or hides the sandbox itself."""
    found: dict[str, str] = {}
    for name in permit.read:
        path = PurePosixPath(name)
        if not path.is_absolute() or ".." in path.parts:
            raise InputError("an absolute path that may be read", found=name)
        place = str(path)
        if place in ("/", *_RESERVED) or place in system():
            raise InputError("a file or folder that is not the system's own", found=name)
        if not Path(place).exists():
            raise InputError("a file or folder that is there", found=name)
        found[place] = os.path.realpath(place)
    return found


def _parents(inside: str) -> Iterator[str]:
    """Options that make the folders above a place open to the sandbox's user."""
    for folder in reversed(PurePosixPath(inside).parents):
        if str(folder) not in ("/", *_RESERVED):
            yield from ("--perms", "0755", "--dir", str(folder))


def _links() -> dict[str, str]:
    """``/lib`` and its like where they point into ``/usr``."""
    names = ("/lib", "/lib32", "/lib64", "/bin", "/sbin")
    return {name: str(Path(name).readlink()) for name in names if Path(name).is_symlink()}


def _forbidden() -> str:
    """The setting that keeps ordinary users from namespaces, where this system has it so."""
    for name, closed in (("apparmor_restrict_unprivileged_userns", "1"), ("unprivileged_userns_clone", "0")):
        setting = Path("/proc/sys/kernel") / name
        if os.geteuid() != 0 and setting.exists() and setting.read_text().strip() == closed:
            return f" (kernel.{name} is {closed}: ordinary users may not make namespaces here)"
    return ""


def _within(place: str, folders: Mapping[str, str]) -> bool:
    return any(place == folder or place.startswith(folder + "/") for folder in folders)


# ---------------------------------------------------------------- users


def _own_users() -> int:
    """How many user numbers this user namespace has: all, or what a container was given."""
    try:
        return sum(int(line.split()[2]) for line in Path("/proc/self/uid_map").read_text().splitlines())
    except (OSError, ValueError, IndexError):
        return 1


def _drawn_user() -> int:
    """A number that no other session and nobody on the machine has, in all likelihood: one of 2 ** 28."""
    users = _own_users()
    if users > 1 << 31:
        return (6 << 28) | secrets.randbits(28)
    return users // 2 + secrets.randbelow(max(1, users // 2 - 1))
