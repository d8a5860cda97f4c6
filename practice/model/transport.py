"""HTTP connections for many calls at once: a lane for each call in flight instead of one pool for all.

httpcore's pool looks at every connection on every request and every response: at 256 calls in flight that is most
of a call's CPU time. A lane is a pool of one, so a call costs the same alone and among hundreds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

#: Below the 5 seconds after which common servers (uvicorn, and vLLM with it) hang up an idle connection.
IDLE_SECONDS = 4.0
MAX_CONNECTIONS, MAX_IDLE = 1024, 256


class Lanes(httpx.AsyncBaseTransport):
    """As many connections as there are calls in flight, the one used last taken first. Limits are the caller's."""

    def __init__(self) -> None:
        self._tls = httpx.create_ssl_context()
        self._free: list[httpx.AsyncHTTPTransport] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send ``request`` on a free lane, which is free again when the response is closed."""
        lane = self._free.pop() if self._free else self._new()
        try:
            response = await lane.handle_async_request(request)
        except BaseException:
            await lane.aclose()
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Lent(response.stream, lane, self._free)
        return response

    async def aclose(self) -> None:
        """Close the lanes that are free."""
        while self._free:
            await self._free.pop().aclose()

    def _new(self) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_SECONDS)
        return httpx.AsyncHTTPTransport(limits=limits, verify=self._tls)


class _Lent(httpx.AsyncByteStream):
    """A response's bytes; gives the lane back when they are read or given up."""

    def __init__(
        self, stream: httpx.AsyncByteStream, lane: httpx.AsyncHTTPTransport, free: list[httpx.AsyncHTTPTransport]
    ) -> None:
        self._stream, self._lane, self._free = stream, lane, free

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()
        self._free.append(self._lane)


def http_client(api_base: str | None, timeout: httpx.Timeout) -> httpx.AsyncClient:
    """The client for one endpoint: lanes, or httpx's own pool where a proxy of the environment is on the way."""
    host = (urlsplit(api_base).hostname or "") if api_base else ""
    here = host in ("localhost", "::1") or host.startswith("127.")  # no proxy is on the way to this machine
    if here or not getproxies() or proxy_bypass(host):
        return httpx.AsyncClient(transport=Lanes(), timeout=timeout, follow_redirects=True, trust_env=False)
    limits = httpx.Limits(
        max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_IDLE, keepalive_expiry=IDLE_SECONDS
    )
    return httpx.AsyncClient(limits=limits, timeout=timeout, follow_redirects=True)
