"""What runs inside a sandbox: a supervisor, and the interpreter that it forks for the code.

Stdlib only; started with ``-I -S`` and one argument, the descriptor of a socket to the program. The supervisor
alone holds that socket. It is process 1 of its namespace and not dumpable, so the code, although of the same user,
can neither signal nor trace it nor open what it has open. It passes one request to the interpreter, watches the
clock and all processes, takes one reply, stops the interpreter, ends every other process, and only then answers.
Between calls nothing of the code runs.

Frames are 4 bytes of length (big-endian) and that many bytes of JSON. To the program a frame begins with a letter:
``R``, the interpreter's reply, unread, which may be anything; ``E``, the supervisor's own word of what ended it.
"""

from __future__ import annotations

import binascii
import builtins
import ctypes
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any, NoReturn

TICK = 0.05
"""Seconds between two looks at what the processes use."""

MAX_FILES = 20_000
"""Files in the private file system; each costs kernel memory that its size doesn't count."""

_PAGE = resource.getpagesize()
_HERTZ = os.sysconf("SC_CLK_TCK")
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 1, 4, 36
_LIBC = ctypes.CDLL(None, use_errno=True)


class Ended(Exception):
    """A limit was passed or the interpreter is gone: (``timeout``, ``memory``, ``crashed``; why)."""


# ---------------------------------------------------------------- frames


def pack(payload: bytes) -> bytes:
    """A frame."""
    return len(payload).to_bytes(4, "big") + payload


def read_frame(channel: socket.socket) -> bytes:
    """The next frame. Raises EOFError at the end of the stream."""
    return _read(channel, int.from_bytes(_read(channel, 4), "big"))


def _read(channel: socket.socket, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = channel.recv(min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


# ---------------------------------------------------------------- the supervisor


class Supervisor:
    """Forks the interpreter and stands between it and the program."""

    def __init__(self, host: socket.socket, config: dict[str, Any]) -> None:
        self.host, self.config, self.limits = host, config, config["limits"]
        self.alone = os.getpid() == 1
        self.spared = {os.getpid()}
        """Processes of the sandbox itself, which no call may leave behind or be charged for."""

    def serve(self) -> NoReturn:
        """Answer requests until the program hangs up or a limit ends it; all other processes end with this one."""
        try:
            self.fork()
            self.host.sendall(pack(b"R" + self.exchange(b"", self.config["start_seconds"])))
            while True:
                self.host.sendall(pack(b"R" + self.exchange(read_frame(self.host), self.limits["seconds"])))
        except Ended as end:
            ended, error = end.args
            self.clear(set())
            self.host.sendall(pack(b"E" + json.dumps({"ended": ended, "error": error}).encode()))
        except (EOFError, OSError):
            self.clear(set())
        os._exit(0)

    def fork(self) -> None:
        """Start the interpreter, stopped as between calls."""
        self.channel, theirs = socket.socketpair()
        self.child = os.fork()
        if self.child == 0:
            self.host.close()
            self.channel.close()
            from_fork(theirs, self.config)
        theirs.close()
        self.spared.add(self.child)
        self.ended = os.pidfd_open(self.child)
        self.channel.setblocking(False)

    def exchange(self, request: bytes, seconds: float) -> bytes:
        """One request, one reply, within the limits; b"" asks for nothing and waits for the first word."""
        deadline, used = time.monotonic() + seconds, self.cpu(self.processes())
        os.kill(self.child, signal.SIGCONT)
        waiting, got, wanted = memoryview(pack(request) if request else b""), bytearray(), 4
        poll = select.poll()
        poll.register(self.host, select.POLLIN)
        poll.register(self.ended, select.POLLIN)
        poll.register(self.channel, select.POLLIN | (select.POLLOUT if waiting else 0))
        look = time.monotonic() + TICK
        while len(got) < wanted:
            now = time.monotonic()
            if now >= deadline:
                raise Ended("timeout", f"it ran for more than {seconds:g} s")
            if now >= look:
                self.watch(used)
                look = now + TICK
            ready = dict(poll.poll(max(1, int(1000 * (min(look, deadline) - now)))))
            if self.host.fileno() in ready:  # nothing is sent while a call runs: the program has hung up
                raise EOFError
            events = ready.get(self.channel.fileno(), 0)
            if waiting and events & select.POLLOUT:
                waiting = waiting[self.channel.send(waiting) :]
                if not waiting:
                    poll.modify(self.channel, select.POLLIN)
            if events & (select.POLLIN | select.POLLHUP):
                part = self.channel.recv(min(wanted - len(got), 1 << 20))
                if not part:
                    self.crashed()
                got += part
                if wanted == 4 and len(got) == 4:
                    wanted += int.from_bytes(got, "big")
                    if wanted > self.limits["reply_bytes"]:
                        raise Ended("crashed", "its reply can't be read")
            elif self.ended in ready:
                self.crashed()
        os.kill(self.child, signal.SIGSTOP)
        self.clear({self.child})
        return bytes(got[4:])

    def crashed(self) -> NoReturn:
        """The interpreter is gone, or has let go of its channel."""
        pid, status = 0, 0
        for _ in range(20):  # it has closed the channel: is it ending?
            pid, status = os.waitpid(self.child, os.WNOHANG)
            if pid:
                break
            time.sleep(0.01)
        if not pid:
            raise Ended("crashed", "its process no longer answers")
        code = os.waitstatus_to_exitcode(status)
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit status {code}"
        raise Ended("crashed", f"its process ended {how}")

    # -------------------------------------------------------------- processes

    def processes(self) -> dict[int, list[str]]:
        """By pid, the fields of /proc/<pid>/stat from the state on, of this process and all below it."""
        found: dict[int, list[str]] = {}
        for pid in pids():
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                    found[pid] = file.read().rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended
        return found if self.alone else _below(found, os.getpid())

    def cpu(self, processes: dict[int, list[str]]) -> float:
        """Processor seconds of all of them and of those they have waited for."""
        return sum(sum(map(int, fields[11:15])) for fields in processes.values()) / _HERTZ

    def watch(self, used: float) -> None:
        """Raise Ended where all processes together are past a limit; each one alone is bound by its rlimits."""
        limits, processes = self.limits, self.processes()
        if self.cpu(processes) - used > limits["cpu_seconds"]:
            raise Ended("timeout", f"it used more than {limits['cpu_seconds']:g} s of processor time")
        others = [pid for pid in processes if pid not in self.spared or pid == self.child]
        threads = sum(int(processes[pid][17]) for pid in others)
        if threads > limits["processes"] + 1:
            raise Ended("memory", f"it ran more than {limits['processes']} processes and threads")
        most = limits["memory_bytes"]
        if sum(int(processes[pid][21]) * _PAGE for pid in others) > most and sum(map(_share, others)) > most:
            raise Ended("memory", f"its processes held more than {most >> 20} MB together")
        if self.alone:
            room = os.statvfs(self.config["folder"])
            if room.f_files - room.f_ffree > MAX_FILES:
                raise Ended("memory", f"it made more than {MAX_FILES:,} files")

    def clear(self, kept: set[int]) -> None:
        """End all processes but the sandbox's own and ``kept``. Raises Ended where they come back faster."""
        spared = (self.spared - {self.child}) | kept
        for _ in range(1000):
            there = pids() if self.alone else self.processes()
            left = [pid for pid in there if pid not in spared and _runs(pid)]
            if not left:
                return
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    continue
            time.sleep(0.0005)
            self.reap()
        if kept:
            raise Ended("crashed", "processes that it left behind could not be ended")

    def reap(self) -> None:
        """Bury orphans, which are this process's children by now. The interpreter's own are its own to bury."""
        for pid in list(pids() if self.alone else self.processes()):
            if pid not in self.spared:
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    continue


def _runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def pids() -> Iterator[int]:
    """Every process that /proc shows."""
    return (int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208


def _below(processes: dict[int, list[str]], top: int) -> dict[int, list[str]]:
    """Those of ``processes`` whose line of parents reaches ``top``, and ``top``."""
    inside, seen = {top}, -1
    while seen != len(inside):
        seen = len(inside)
        inside |= {pid for pid, fields in processes.items() if int(fields[1]) in inside}
    return {pid: fields for pid, fields in processes.items() if pid in inside}


def _share(pid: int) -> int:
    """Bytes that a process holds, shared pages divided by those who share them; all of them where that is hidden."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:  # noqa: PTH123
            return next(int(line.split()[1]) << 10 for line in file if line.startswith("Pss:"))
    except (OSError, StopIteration):
        try:
            with open(f"/proc/{pid}/statm") as file:  # noqa: PTH123
                return int(file.read().split()[1]) * _PAGE
        except OSError:
            return 0


# ---------------------------------------------------------------- becoming unprivileged


def prctl(option: int, value: int) -> None:
    """Raises OSError where the kernel refuses."""
    if _LIBC.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def drop(uid: int | None) -> None:
    """Become an unprivileged user for good (None: it is one already), and nothing that others of it can reach."""
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a change of user takes back that it ends with its parent
    prctl(_PR_SET_DUMPABLE, 0)
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def bind_limits(limits: dict[str, Any], alone: bool) -> None:
    """The kernel's limits of this process and of all that it starts."""
    hard = {
        resource.RLIMIT_AS: limits["memory_bytes"],
        resource.RLIMIT_FSIZE: limits["file_bytes"],
        resource.RLIMIT_CORE: 1,  # 0 would still start the machine's crash reporter, outside; 1 does not
        resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_MEMLOCK: 0,
    }
    if alone:  # outside a namespace of its own the kernel would count all that the user runs
        hard[resource.RLIMIT_NPROC] = limits["processes"] + 2  # the supervisor, and the interpreter's main thread
    for which, value in hard.items():
        most = resource.getrlimit(which)[1]
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(which, (value, value))


def from_fork(channel: socket.socket, config: dict[str, Any]) -> NoReturn:
    """The interpreter's side of the fork: its folder, its limits, then requests until the channel closes."""
    status = 1
    try:
        os.setsid()
        prctl(_PR_SET_DUMPABLE, 1)  # its own children may look at it, as anywhere
        os.chdir(config["folder"])
        for path, content in config["files"].items():
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)  # noqa: PTH103, PTH120
            with open(path, "xb") as file:  # noqa: PTH123
                file.write(binascii.a2b_base64(content))
        config["files"] = {}
        bind_limits(config["limits"], os.getppid() == 1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write past the limit fails instead
        sys.path += [*config["paths"], config["folder"]]
        # Builtins of its own: code that replaces one, as a test may, replaces it for itself.
        interpreter: dict[str, Any] = {"__name__": "interpreter", "__builtins__": dict(vars(builtins))}
        exec(compile(config["interpreter"], "<sandbox>", "exec"), interpreter)
        interpreter["answer"](channel, config["limits"]["chars"])
        status = 0
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(status)


def open_way_out(host: socket.socket) -> None:
    """Listen on the loopback and hand the socket to the program, whose proxy answers there; say so in the environment.

    The socket is of this sandbox's network, wherever it is held, and nothing of the code's gets hold of it.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        socket.send_fds(host, [b"L"], [listener.fileno()])
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    for name in ("http_proxy", "https_proxy"):
        os.environ[name] = os.environ[name.upper()] = address


def main() -> NoReturn:
    """Read the configuration, give up all privilege, serve."""
    host = socket.socket(fileno=int(sys.argv[1]))
    host.set_inheritable(False)
    config = json.loads(read_frame(host))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for which Python has a handler: process 1 ignores all others
    drop(config["uid"])
    if config["network"]:
        open_way_out(host)
    Supervisor(host, config).serve()


if __name__ == "__main__":
    main()
