"""Web pages as text with links, a part at a time, from hosts that a person allowed.

The allowed hosts are the entries ``browse`` of ``.practice/hosts.json`` in the workspace, the folder above the one that
holds this file (``practice tool approve browse --host example.org`` writes it), and the environment variable
``PRACTICE_HOSTS`` (names, with commas between). An entry is a host (its usual ports) or ``host:port``. An address of
this machine or of a private network is reached only where it is named itself: a name that leads there is not enough.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import os
import re
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bs4.element import Tag

HOSTS = Path(__file__).resolve().parent.parent / ".practice" / "hosts.json"
VARIABLE = "PRACTICE_HOSTS"
PART = 6000
"""Characters of a part."""
MAX_BYTES = 2_000_000
MAX_REDIRECTS = 5
SECONDS = 20.0
"""For one answer, from the first byte sent to the last one read."""
PORTS = {"http": 80, "https": 443}


def browse(url: str, page: int = 1) -> str:
    """Fetch a web page and return its text with its links as [text](address), a part at a time.

    Args:
        url: The page's address, such as https://example.org/news.
        page: Which part of a long page, from 1.
    """
    answer = _fetch(url)
    title, text = _read(answer)
    parts = _parts(text)
    if not 1 <= page <= len(parts):
        raise ValueError(f"the page has {len(parts)} part{'s' * (len(parts) > 1)}, there is no part {page}")
    head = [line for line in (title, answer.place.url) if line]
    if len(parts) > 1:
        head.append(f"(part {page} of {len(parts)})")
    return "\n".join(head) + f"\n\n{parts[page - 1]}"


# ---------------------------------------------------------------- who may be asked


@dataclass(frozen=True)
class _Place:
    """Where an address leads."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def name(self) -> str:
        """As a person would allow it."""
        return _named(self.host, self)

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.name}{self.path}"


def _named(host: str, place: _Place) -> str:
    """A name or an IP address with the place's port, where that is not the usual one."""
    shown = f"[{host}]" if ":" in host else host
    return shown if place.port == PORTS[place.scheme] else f"{shown}:{place.port}"


def _place(url: str) -> _Place:
    try:
        parts = urllib.parse.urlsplit(url.strip())
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode()
    except (ValueError, UnicodeError):
        raise ValueError(f"{url!r} is not an address, such as https://example.org/news") from None
    if parts.scheme not in PORTS or not host:
        raise ValueError(f"{url!r} is not an address of the web, such as https://example.org/news")
    if "@" in parts.netloc:
        raise ValueError("an address with a user or password is not fetched")
    path = urllib.parse.quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    query = urllib.parse.quote(parts.query, safe="/%:@!$&'()*+,;=~?")
    return _Place(parts.scheme, host, port or PORTS[parts.scheme], path + (f"?{query}" if query else ""))


def _allowed() -> set[str]:
    names = {name.strip() for name in os.environ.get(VARIABLE, "").split(",")}
    try:
        data = json.loads(HOSTS.read_text(encoding="utf-8"))
        names |= {str(name) for name in data["browse"]}
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no such file, or nothing in it for this tool: nobody is allowed by it
    return {name.lower() for name in names if name}


def _addresses(place: _Place) -> list[str]:
    """The IP addresses that may be connected to. Raises ValueError where there are none."""
    allowed = _allowed()
    if place.name.lower() not in allowed:
        raise ValueError(
            f"the host {place.name} is not allowed; a person allows it with: "
            f"practice tool approve browse --host {place.name}"
        )
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ValueError(f"the host {place.host} is not known ({error})") from None
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    named = place.host.lower() == "localhost"
    reachable = [each for each in addresses if named or _public(each) or _named(each, place) in allowed]
    if not reachable:
        raise ValueError(f"the host {place.host} leads to a private address, which is not allowed")
    return reachable


def _public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    ip = mapped or ip
    return ip.is_global and not ip.is_multicast


# ---------------------------------------------------------------- the web


@dataclass(frozen=True)
class _Answer:
    place: _Place
    kind: str
    """The media type, such as text/html."""
    charset: str | None
    body: bytes


def _fetch(url: str) -> _Answer:
    """The page behind redirects, each of which must lead to an allowed host."""
    place = _place(url)
    for _ in range(MAX_REDIRECTS + 1):
        try:
            found = _ask(place)
        except (OSError, http.client.HTTPException) as error:
            raise ValueError(f"{place.url} could not be fetched: {type(error).__name__}: {error}") from None
        if isinstance(found, _Answer):
            return found
        place = _place(urllib.parse.urljoin(place.url, found))
    raise ValueError(f"{url} redirects more than {MAX_REDIRECTS} times")


def _ask(place: _Place) -> _Answer | str:
    """One request: an answer, or where it redirects to."""
    connection = http.client.HTTPConnection(place.host, place.port, timeout=SECONDS)
    connection.sock = sock = _connect(place)
    # Shut down, not only timed out: a server that sends a byte now and then never times out.
    late = threading.Event()
    watch = threading.Timer(SECONDS, _end, (sock, late))
    watch.daemon = True
    watch.start()
    try:
        headers = {"Host": place.name, "User-Agent": "practice-browse", "Accept": "text/html, text/*;q=0.9, */*;q=0.1"}
        connection.request("GET", place.path, headers={**headers, "Accept-Encoding": "identity"})
        response = connection.getresponse()
        location = response.getheader("Location")
        if response.status in (301, 302, 303, 307, 308) and location:
            return location
        if response.status >= 400:
            raise ValueError(f"{place.url} answered {response.status} {response.reason}")
        if response.getheader("Content-Encoding", "identity") != "identity":
            raise ValueError(f"{place.url} is compressed, which was not asked for")
        body = response.read(MAX_BYTES + 1)
        if late.is_set():
            raise TimeoutError(f"no end within {SECONDS:g} seconds")
        if len(body) > MAX_BYTES:
            raise ValueError(f"{place.url} is larger than {MAX_BYTES:,} bytes")
        return _Answer(place, response.headers.get_content_type(), response.headers.get_content_charset(), body)
    except (OSError, http.client.HTTPException):
        if late.is_set():
            raise TimeoutError(f"no end within {SECONDS:g} seconds") from None
        raise
    finally:
        watch.cancel()
        connection.close()


def _connect(place: _Place) -> socket.socket:
    """A connection to an address that was looked at: the name is not looked up again."""
    problem: OSError | None = None
    for address in _addresses(place):
        try:
            sock = socket.create_connection((address, place.port), timeout=SECONDS)
        except OSError as error:
            problem = error
            continue
        if place.scheme == "http":
            return sock
        try:
            return ssl.create_default_context().wrap_socket(sock, server_hostname=place.host)
        except OSError:
            sock.close()
            raise
    raise problem or OSError("no address")


def _end(sock: socket.socket, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(OSError):  # it ended in the same moment
        sock.shutdown(socket.SHUT_RDWR)


# ---------------------------------------------------------------- a page as text

_SKIPPED = frozenset({"script", "style", "noscript", "template", "svg", "iframe", "head", "object", "select"})
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "body", "dd", "details", "div", "dl", "dt", "fieldset", "figcaption"}
    | {"figure", "footer", "form", "header", "hr", "html", "main", "nav", "ol", "p", "pre", "section", "summary"}
    | {"table", "tbody", "tfoot", "thead", "ul"}
)


def _read(answer: _Answer) -> tuple[str, str]:
    """(title, text) of a page; (nothing, text) of plain text."""
    if answer.kind in ("text/html", "application/xhtml+xml") and b"<" in answer.body:
        return _page(answer)
    plain = answer.kind.startswith("text/") or answer.kind.endswith(("json", "xml"))
    if not plain or b"\0" in answer.body:
        raise ValueError(f"{answer.place.url} is {answer.kind}, not a page of text")
    try:
        return "", answer.body.decode(answer.charset or "utf-8", errors="replace")
    except LookupError:  # a charset that nobody knows
        return "", answer.body.decode("utf-8", errors="replace")


def _page(answer: _Answer) -> tuple[str, str]:
    from bs4 import BeautifulSoup

    body = re.sub(rb"^\s*<\?xml[^>]*\?>", b"", answer.body)
    soup = BeautifulSoup(body, "html.parser", from_encoding=answer.charset)
    title = " ".join(soup.title.get_text().split()) if soup.title is not None else ""
    base = soup.find("base", href=True)
    root = urllib.parse.urljoin(answer.place.url, str(base["href"])) if base is not None else answer.place.url
    try:
        text = "".join(_pieces(soup, root))
    except RecursionError:  # nested a thousandfold
        text = soup.get_text("\n")
    lines = (" ".join(line.split()) for line in text.splitlines())
    return title, re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _pieces(node: Tag, base: str) -> Iterator[str]:
    """The text below a node, blocks on lines of their own."""
    from bs4.element import NavigableString, Tag

    for child in node.children:
        if not isinstance(child, Tag):
            if type(child) is NavigableString:  # not a comment or a doctype
                yield str(child) if node.name == "pre" else re.sub(r"\s+", " ", str(child))
            continue
        name = child.name
        if name in _SKIPPED:
            continue
        if name == "a":
            yield _link(child, base)
        elif name == "img":
            yield f"[image: {child['alt']}]" if child.get("alt") else ""
        elif name == "br":
            yield "\n"
        elif re.fullmatch(r"h[1-6]", name):
            yield f"\n\n{'#' * int(name[1])} {_flat(child, base)}\n\n"
        elif name == "li":
            yield f"\n- {_flat(child, base) if child.find(['ul', 'ol']) is None else ''.join(_pieces(child, base))}"
        elif name == "tr":
            yield "\n" + " | ".join(_flat(cell, base) for cell in child.find_all(["td", "th"], recursive=False))
        elif name in _BLOCKS:
            gap = "\n\n" if name in ("p", "pre", "table", "ul", "ol", "blockquote") else "\n"
            yield gap
            yield from _pieces(child, base)
            yield gap
        else:
            yield from _pieces(child, base)


def _flat(node: Tag, base: str) -> str:
    return " ".join("".join(_pieces(node, base)).split())


def _link(node: Tag, base: str) -> str:
    text = _flat(node, base)
    target = urllib.parse.urljoin(base, str(node.get("href") or ""))
    to_itself = target.partition("#")[0] == base.partition("#")[0]
    return f"[{text}]({target})" if text and target.startswith(("http://", "https://")) and not to_itself else text


def _parts(text: str) -> list[str]:
    """The text in parts of whole lines; a line longer than a part is cut."""
    parts = [""]
    for line in text.splitlines(keepends=True):
        for start in range(0, len(line), PART):
            piece = line[start : start + PART]
            if len(parts[-1]) + len(piece) > PART:
                parts.append("")
            parts[-1] += piece
    return [part.strip("\n") for part in parts]
