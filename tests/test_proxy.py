"""Network by host: who passes, who is refused and noted, and what can't be smuggled past."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from practice import sandbox
from practice.errors import InputError, SandboxMissing
from practice.sandbox import Engine, Permit
from practice.sandbox import proxy as proxying
from practice.sandbox.proxy import Proxy, permitted


@dataclass
class Origin:
    """A server on this machine that keeps what it is told and answers once a connection."""

    port: int = 0
    heard: list[bytes] = field(default_factory=list[bytes])
    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        heard = await reader.readuntil(b"\r\n\r\n")
        if b"content-length: " in heard:
            heard += await reader.readexactly(int(heard.split(b"content-length: ")[1].split(b"\r\n")[0]))
        self.heard.append(heard)
        writer.write(self.answer)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def origin() -> AsyncGenerator[Origin]:
    made = Origin()
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as server:
        made.port = server.sockets[0].getsockname()[1]
        yield made


@asynccontextmanager
async def answering(proxy: Proxy) -> AsyncGenerator[int]:
    """The port on which ``proxy`` answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    async with proxy.answering(listener):
        yield listener.getsockname()[1]


async def said(port: int, request: bytes, *, more: bytes = b"") -> bytes:
    """All that is answered to ``request``; ``more`` is sent once something came back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        first = await reader.read(65_536)
        writer.write(more)
        return first + await reader.read()
    finally:
        writer.close()


async def through(proxy: Proxy, request: bytes, *, more: bytes = b"") -> bytes:
    async with answering(proxy) as port:
        return await said(port, request, more=more)


# ---------------------------------------------------------------- hosts


@pytest.mark.parametrize(
    ("entry", "places"),
    [
        ("api.example.org", {("api.example.org", 80), ("api.example.org", 443)}),
        ("API.Example.org.", {("api.example.org", 80), ("api.example.org", 443)}),
        ("api.example.org:8443", {("api.example.org", 8443)}),
        ("127.0.0.1:8000", {("127.0.0.1", 8000)}),
        ("[::1]:8000", {("::1", 8000)}),
        ("[0:0::1]:8000", {("::1", 8000)}),
        ("localhost:80", {("localhost", 80)}),
        ("bücher.example", {("xn--bcher-kva.example", 80), ("xn--bcher-kva.example", 443)}),
    ],
)
def test_a_permitted_host(entry: str, places: set[tuple[str, int]]) -> None:
    assert set(permitted(entry)) == places


@pytest.mark.parametrize(
    "entry",
    [
        "",
        " ",
        "https://example.org",
        "example.org/path",
        "*.example.org",
        "example.org:",
        "example.org:0",
        "a b",
        "me@example.org",
        "example.org:99999",
        "example.org:http",
        "127.1",
        "0x7f.0.0.1",
        "-a.org",
        "a..org",
        "::1",
        "?",
        "example.org%0a",
    ],
)
def test_what_is_no_host(entry: str) -> None:
    with pytest.raises(InputError, match="a host such as"):
        Proxy([entry])


# ---------------------------------------------------------------- what passes


async def test_a_plain_request_passes_in_its_own_words() -> None:
    async with origin() as server:
        where = f"127.0.0.1:{server.port}"
        request = (
            f"POST http://{where}/a;b?c=d HTTP/1.1\r\nHost: elsewhere.example\r\nX-Mine: 1\r\nX-Hop: 2\r\n"
            "Connection: keep-alive, x-hop\r\nProxy-Authorization: secret\r\nContent-Length: 3\r\n\r\nabc"
        )
        proxy = Proxy([where])
        answer = await through(proxy, request.encode())
    assert answer.endswith(b"\r\n\r\nhi") and proxy.refused == ()
    head = f"POST /a;b?c=d HTTP/1.1\r\nHost: {where}\r\nx-mine: 1\r\ncontent-length: 3\r\nConnection: close\r\n\r\nabc"
    assert server.heard == [head.encode()]


async def test_a_tunnel_passes_both_ways() -> None:
    async with origin() as server:
        where = f"127.0.0.1:{server.port}"
        proxy = Proxy([where])
        answer = await through(proxy, f"CONNECT {where} HTTP/1.1\r\n\r\n".encode(), more=b"anything\r\n\r\n")
    assert answer == b"HTTP/1.1 200 Connection established\r\n\r\n" + server.answer
    assert server.heard == [b"anything\r\n\r\n"]


async def test_a_second_request_on_a_connection_goes_nowhere() -> None:
    """It might name another host, which answers at the same address."""
    async with origin() as server:
        where = f"127.0.0.1:{server.port}"
        first = f"GET http://{where}/ HTTP/1.1\r\n\r\n"
        answer = await through(Proxy([where]), (first + "GET / HTTP/1.1\r\nHost: other.example\r\n\r\n").encode())
        assert answer == server.answer
        assert len(server.heard) == 1 and b"other" not in server.heard[0]


# ---------------------------------------------------------------- what does not


@pytest.mark.parametrize(
    "request_line",
    [
        "CONNECT {other} HTTP/1.1",
        "GET http://{other}/ HTTP/1.1",
        "CONNECT localhost:{port} HTTP/1.1",
        "GET http://127.0.0.1:{port}@{other}/ HTTP/1.1",
    ],
)
async def test_who_is_not_permitted_is_refused_and_noted(request_line: str) -> None:
    async with origin() as server:
        line = request_line.format(other="other.example:81", port=server.port)
        proxy = Proxy([f"127.0.0.1:{server.port}"])
        for _ in range(2):
            answer = await through(proxy, f"{line}\r\n\r\n".encode())
            assert answer.startswith(b"HTTP/1.1 403 ") and b"may not speak to" in answer
        assert proxy.refused == ((f"localhost:{server.port}" if "localhost" in line else "other.example:81"),)
        assert not server.heard


async def test_a_name_that_points_at_this_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with origin() as server:
        loop = asyncio.get_running_loop()

        async def found(host: str, port: int, **_: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
            assert host == "innocent.example"
            return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]

        proxy = Proxy([f"innocent.example:{server.port}"])
        async with answering(proxy) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            monkeypatch.setattr(loop, "getaddrinfo", found)
            writer.write(f"CONNECT innocent.example:{server.port} HTTP/1.1\r\n\r\n".encode())
            answer = await reader.read()
            writer.close()
        assert answer.startswith(b"HTTP/1.1 403 ") and b"private network" in answer
        assert not server.heard


async def test_another_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    async with origin() as server:

        async def found(_host: str, port: int, **_: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
            return [(0, 0, 0, "", (address, port)) for address in ("::1", "127.0.0.1")]

        request = f"GET http://localhost:{server.port}/ HTTP/1.1\r\n\r\n".encode()
        async with answering(Proxy([f"localhost:{server.port}"])) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found)
            writer.write(request)
            assert await reader.read() == server.answer
            writer.close()


async def test_localhost_by_name_is_a_permit_that_says_so() -> None:
    async with origin() as server:
        answer = await through(
            Proxy([f"localhost:{server.port}"]), f"GET http://localhost:{server.port}/ HTTP/1.1\r\n\r\n".encode()
        )
        assert answer == server.answer


async def test_a_host_that_is_not_there_is_a_bad_gateway() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{unused.getsockname()[1]}"
        answer = await through(Proxy([where]), f"CONNECT {where} HTTP/1.1\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 502 ")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET / HTTP/1.1\r\nHost: 127.0.0.1", 400),
        ("GET ftp://127.0.0.1/ HTTP/1.1", 400),
        ("GET https://127.0.0.1/ HTTP/1.1", 400),
        ("GET http:///path HTTP/1.1", 400),
        ("CONNECT 127.0.0.1:x HTTP/1.1", 400),
        ("hello", 400),
        ("GET http://127.0.0.1/ HTTP/2", 400),
        ("GET http://127.0.0.1/\x00 HTTP/1.1", 400),
        ("GET http://127.0.0.1/ HTTP/1.1\r\nX: 1\r\n folded", 400),
        ("GET http://127.0.0.1/ HTTP/1.1\r\nX : 1", 400),
        ("GET http://127.0.0.1/ HTTP/1.1\r\nX: 1\nY: 2", 400),
        ("POST http://127.0.0.1/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2", 400),
        ("POST http://127.0.0.1/ HTTP/1.1\r\nContent-Length: -1", 400),
        ("POST http://127.0.0.1/ HTTP/1.1\r\nTransfer-Encoding: chunked", 411),
        ("GET http://127.0.0.1/ HTTP/1.1\r\nX: " + "x" * 70_000, 400),
    ],
)
async def test_what_can_be_read_in_two_ways_is_not_passed_on(request_: str, status: int) -> None:
    answer = await through(Proxy(["127.0.0.1"]), f"{request_}\r\n\r\n".encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


async def test_refusals_are_noted_to_a_number() -> None:
    proxy = Proxy([])
    async with answering(proxy) as port:
        for n in range(proxying.NOTED + 5):
            await said(port, f"CONNECT h{n}.example:443 HTTP/1.1\r\n\r\n".encode())
    assert len(proxy.refused) == proxying.NOTED


async def test_connections_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxying, "CONNECTIONS", 1)
    async with answering(Proxy([])) as port:
        _, waiting = await asyncio.open_connection("127.0.0.1", port)
        waiting.write(b"CONNECT ")
        await waiting.drain()
        answer = await said(port, b"CONNECT a.example:443 HTTP/1.1\r\n\r\n")
        waiting.close()
    assert answer.startswith(b"HTTP/1.1 503 ")


async def test_the_end_closes_what_is_open() -> None:
    async with answering(Proxy([])) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"CONNECT ")
        await writer.drain()
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)


# ---------------------------------------------------------------- from inside a sandbox

ASK = """
import urllib.error, urllib.request

def ask(url, data=None):
    try:
        with urllib.request.urlopen(url, data, timeout=20) as answer:
            return [answer.status, answer.read().decode()]
    except urllib.error.HTTPError as error:
        return [error.code, error.read().decode()]

def ask_directly(host, port):
    import socket
    try:
        with socket.create_connection((host, port), timeout=5):
            return "connected"
    except OSError as error:
        return type(error).__name__

def look_up(host):
    import socket
    try:
        return socket.getaddrinfo(host, 80)[0][4][0]
    except OSError as error:
        return type(error).__name__
"""


@pytest.fixture
def engine() -> Engine:
    """The real one; where there is none, the refusal is what is tested elsewhere."""
    try:
        return sandbox.engine()
    except SandboxMissing as missing:
        pytest.skip(f"needs the engine bwrap: {missing}")


async def test_code_in_a_sandbox_reaches_permitted_hosts_and_no_others(engine: Engine) -> None:
    async with origin() as server, origin() as other:
        here, there = f"127.0.0.1:{server.port}", f"127.0.0.1:{other.port}"
        async with engine.session(permit=Permit(hosts=(here,))) as session:
            assert (await session.load("asking", ASK)).ok
            ran = await session.call("asking.ask", {"url": f"http://{here}/path"})
            assert (ran.value, ran.refused) == ([200, "hi"], ()), ran
            ran = await session.call("asking.ask", {"url": f"http://{there}/"})
            assert ran.value == [403, f"this sandbox may not speak to {there}\n"]
            assert ran.refused == (there,)
            # Without the proxy there is nothing: another network, and nobody to ask for names.
            assert (await session.call("asking.ask_directly", {"host": "127.0.0.1", "port": server.port})).value in (
                "ConnectionRefusedError",
                "OSError",
            )
            assert (await session.call("asking.look_up", {"host": "example.org"})).value == "gaierror"
        assert len(server.heard) == 1 and server.heard[0].startswith(b"GET /path HTTP/1.1\r\n")
        assert not other.heard


async def test_the_way_out_is_there_again_after_a_crash(engine: Engine) -> None:
    async with origin() as server:
        here = f"127.0.0.1:{server.port}"
        async with engine.session(permit=Permit(hosts=(here,))) as session:
            await session.load("asking", ASK)
            await session.call("asking.ask", {"url": "http://other.example/"})
            assert (await session.run("import os; os._exit(1)")).ended == "crashed"
            ran = await session.call("asking.ask", {"url": f"http://{here}/"})
            assert (ran.value, ran.refused) == ([200, "hi"], ("other.example:80",))


async def test_without_a_permit_there_is_no_way_out(engine: Engine) -> None:
    async with origin() as server, engine.session() as session:
        await session.load("asking", ASK)
        ran = await session.call("asking.ask", {"url": f"http://127.0.0.1:{server.port}/"})
        assert ran.ended == "raised" and "URLError" in ran.error
        assert not server.heard


async def test_a_permit_for_what_is_no_host_is_an_input_error(engine: Engine) -> None:
    with pytest.raises(InputError, match="a host such as"):
        async with engine.session(permit=Permit(hosts=("https://example.org",))):
            raise AssertionError("it opened")
