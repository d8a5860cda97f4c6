"""Network by host: the only way out of a sandbox that may speak to somebody, and only to those it may.

A sandbox has a network of its own with nothing on it. Where a permit names hosts, the sandbox opens a port there,
hands the listening socket out, and this proxy answers on it: HTTP requests and CONNECT tunnels to permitted hosts
pass, all others get a 403 and are noted. Names are looked up here, never inside.

What it does not see: what a tunnel carries. A host that answers for others behind one address (a shared front) can
be asked for those, and whatever the code can read it can send to a permitted host.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from practice.errors import InputError

__all__ = ["Proxy", "place_of"]

PORTS = (80, 443)
"""Of a permitted host that names no port."""

HEAD_BYTES = 65_536
HEAD_SECONDS = 30.0
"""Within which a request must have said what it wants."""
CONNECT_SECONDS = 30.0
PART_SECONDS = 2.0
"""Within which the other side is to hang up once it has its answer."""
CONNECTIONS = 64
"""At a time."""
NOTED = 100
"""Refusals that are kept."""

_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIRST = (_TOKEN, re.compile(rb"[!-~]+"), re.compile(rb"HTTP/1\.[01]"))
"""Method, target and version of a request."""
#: Headers between two neighbours of a connection, which go no further.
_HOP = {"connection", "keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer", "upgrade", "expect"}
_REASONS = {400: "Bad Request", 403: "Forbidden", 411: "Length Required", 502: "Bad Gateway", 503: "Unavailable"}


class _Answer(Exception):
    """A request that goes nowhere: status and what is said."""

    def __init__(self, status: int, text: str) -> None:
        self.status, self.text = status, text
        super().__init__(text)


@dataclass(frozen=True)
class _Wanted:
    """What the first lines of a connection ask for."""

    host: str
    port: int
    forward: bytes
    """What is said to the host first; empty for a tunnel."""
    body: int
    """Bytes of the request that follow its head; -1 for a tunnel, which has no end of its own."""


class Proxy:
    """Who may be spoken to, and who was asked for in vain. One for a session, however often its sandbox restarts."""

    def __init__(self, hosts: Iterable[str]) -> None:
        """``hosts``: as in a :class:`~practice.sandbox.Permit`. Raises InputError for what is no host."""
        self._permitted = {place for entry in hosts for place in permitted(entry)}
        self._refused: dict[str, None] = {}
        self._busy = 0

    @property
    def refused(self) -> tuple[str, ...]:
        """``host:port`` of all that was asked for and not permitted, each once, in order; the first 100."""
        return tuple(self._refused)

    @asynccontextmanager
    async def answering(self, listener: socket.socket) -> AsyncGenerator[None]:
        """Answer what connects to ``listener``, which is closed at the end with all that came of it."""
        tasks: set[asyncio.Task[None]] = set()

        def accepted(reader: StreamReader, writer: StreamWriter) -> None:
            task = asyncio.create_task(self._serve(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(accepted, sock=listener, limit=HEAD_BYTES)
        try:
            yield
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------------ one connection

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._busy += 1
        try:
            with contextlib.suppress(OSError, EOFError):  # either side may hang up at any time
                try:
                    await self._pass(reader, writer)
                except _Answer as answer:
                    await _say(writer, answer)
                await _part(reader, writer)
        finally:
            self._busy -= 1
            writer.close()

    async def _pass(self, reader: StreamReader, writer: StreamWriter) -> None:
        if self._busy > CONNECTIONS:
            raise _Answer(503, f"more than {CONNECTIONS} connections at a time")
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                wanted = read_head(await reader.readuntil(b"\r\n\r\n"))
        except asyncio.LimitOverrunError:
            raise _Answer(400, f"a request's head of more than {HEAD_BYTES:,} bytes") from None
        there, back = await self._connect(wanted.host, wanted.port)
        try:
            if wanted.body < 0:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                back.write(wanted.forward)
            # A plain request's bytes are counted: a second one on the connection might name another host.
            await _both(_pump(reader, back, wanted.body), _pump(there, writer, -1))
        finally:
            back.close()

    async def _connect(self, host: str, port: int) -> tuple[StreamReader, StreamWriter]:
        if (host, port) not in self._permitted:
            if len(self._refused) < NOTED:
                self._refused[f"{host}:{port}"] = None
            raise _Answer(403, f"this sandbox may not speak to {host}:{port}")
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                loop = asyncio.get_running_loop()
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
                # Who owns a name can point it at this machine or its neighbours; a person who means those says so.
                open_to_all = [address for address in addresses if _local(host) or _public(address)]
                if not open_to_all:
                    raise _Answer(403, f"{host} has an address on a private network, which only a number permits")
                return await _first(open_to_all, port)
        except (OSError, UnicodeError) as error:  # a TimeoutError is an OSError
            raise _Answer(502, f"{host}:{port} can't be reached: {error or 'no answer'}") from None


async def _first(addresses: Sequence[str], port: int) -> tuple[StreamReader, StreamWriter]:
    """A connection to the first address that takes one. Raises the last one's OSError."""
    *others, last = addresses
    for address in others:
        with contextlib.suppress(OSError):
            return await asyncio.open_connection(address, port, limit=HEAD_BYTES)
    return await asyncio.open_connection(last, port, limit=HEAD_BYTES)


async def handed_out(channel: socket.socket) -> socket.socket:
    """The listening socket that a sandbox sends as its first word. Raises EOFError where it sends something else."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(channel, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(channel)
    _, descriptors, *_ = socket.recv_fds(channel, 1, 1)
    if not descriptors:
        raise EOFError
    return socket.socket(fileno=descriptors[0])


# ---------------------------------------------------------------- hosts


def permitted(entry: str) -> tuple[tuple[str, int], ...]:
    """(host, port) of what a permit's entry allows. Raises InputError where it is no host."""
    expected = "a host such as api.example.org, with a port where it is not 80 or 443"
    try:
        host, port = place_of(entry, default=0)
    except ValueError:
        raise InputError(expected, found=repr(entry)) from None
    return ((host, port),) if port else tuple((host, port) for port in PORTS)


def place_of(text: str, default: int) -> tuple[str, int]:
    """(host in lower case, port) of ``host`` or ``host:port``. Raises ValueError for anything else."""
    if text != text.strip() or any(sign in text for sign in "/@?#\\%"):
        raise ValueError(text)
    split = urlsplit(f"//{text}")
    host, port = (split.hostname or "").rstrip("."), split.port
    if not host or port == 0 or text.endswith(":"):
        raise ValueError(text)
    try:
        return ipaddress.ip_address(host).compressed, port or default
    except ValueError:
        name = host.encode("idna").decode().lower()  # raises UnicodeError, which is a ValueError
    if not _NAME.fullmatch(name) or name.rpartition(".")[2].isdigit():
        raise ValueError(text)
    return name, port or default


def _local(host: str) -> bool:
    """Whether a permit for ``host`` says by itself that a machine of one's own is meant."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def _public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    return found.is_global and not found.is_multicast


# ---------------------------------------------------------------- HTTP


def read_head(head: bytes) -> _Wanted:
    """What a request's head asks for. Raises _Answer with a 400 or 411 where that can't be told for certain."""
    first, *lines = head[:-4].split(b"\r\n")
    parts = first.split(b" ")
    if len(parts) != 3 or not all(form.fullmatch(part) for form, part in zip(_FIRST, parts, strict=True)):
        raise _Answer(400, "no HTTP/1.1 request")
    method, target = parts[0], parts[1].decode()
    try:
        if method == b"CONNECT":
            host, port = place_of(target, default=443)
            return _Wanted(host, port, b"", -1)
        split = urlsplit(target)
        if split.scheme.lower() != "http":
            raise _Answer(400, f"a request without a host: {target[:100]}")
        host, port = place_of(split.netloc.rpartition("@")[2], default=80)
    except ValueError:
        raise _Answer(400, f"no host: {target[:100]}") from None
    headers = [_header(line) for line in lines]
    sizes = {value for name, value in headers if name == "content-length"}
    if any(name == "transfer-encoding" for name, _ in headers):
        raise _Answer(411, "a request's body must say its length")
    if len(sizes) > 1 or not all(size.isdigit() for size in sizes):
        raise _Answer(400, "a request's body must have one length")
    path = (split.path or "/") + (f"?{split.query}" if split.query else "")
    where = f"[{host}]" if ":" in host else host
    named = {option.strip().lower() for name, value in headers if name == "connection" for option in value.split(b",")}
    kept = [(name, value) for name, value in headers if name not in {*_HOP, "host"} and name.encode() not in named]
    sent = [b"%b %b HTTP/1.1" % (method, path.encode())]
    sent += [b"Host: %b" % (where if port == 80 else f"{where}:{port}").encode()]
    sent += [b"%b: %b" % (name.encode(), value) for name, value in kept]
    return _Wanted(host, port, b"\r\n".join([*sent, b"Connection: close", b"", b""]), int(next(iter(sizes), b"0")))


def _header(line: bytes) -> tuple[str, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or not _TOKEN.fullmatch(name) or b"\n" in value or b"\r" in value:
        raise _Answer(400, "a header that can't be read")
    return name.decode().lower(), value.strip()


async def _say(writer: StreamWriter, answer: _Answer) -> None:
    text = f"{answer.text}\n".encode()
    head = f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}\r\nContent-Type: text/plain; charset=utf-8\r\n"
    writer.write(f"{head}Content-Length: {len(text)}\r\nConnection: close\r\n\r\n".encode() + text)
    await writer.drain()


async def _part(reader: StreamReader, writer: StreamWriter) -> None:
    """Say that nothing more comes, and let the other side end: closing on bytes not read would take the answer back."""
    if writer.can_write_eof():
        writer.write_eof()
    async with asyncio.timeout(PART_SECONDS):
        while await reader.read(HEAD_BYTES):
            continue


async def _pump(reader: StreamReader, writer: StreamWriter, size: int) -> None:
    """Pass on ``size`` bytes, or all there are where it is -1, and then that there are no more."""
    while size and (data := await reader.read(min(size, HEAD_BYTES) if size > 0 else HEAD_BYTES)):
        size = max(0, size - len(data)) if size > 0 else size
        writer.write(data)
        await writer.drain()
    if size < 0 and writer.can_write_eof():
        writer.write_eof()


async def _both(*ways: Coroutine[None, None, None]) -> None:
    """Both directions to their ends; where one fails, the other is of no use."""
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end
