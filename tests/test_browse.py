"""The starter's browser and its reader of documents: what they show, and what they don't reach."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practice.config import Workspace
from practice.tool import load_function

ROOT = Path(__file__).parent.parent

HTML = """<?xml version="1.0"?><!doctype html><html><head><title> The  shop </title><style>p {}</style></head><body>
<!-- a comment --><script>alert("no")</script>
<nav><a href="/">Home</a> <a href="#top">Top</a> <a href="mailto:a@b.c">Write</a></nav>
<h2>Prices <small>of today</small></h2><p>Two <b>words</b>, and
a line.<br>Next</p>
<ul><li>One<li>Two <a href="two.html?x=1&amp;y=2">more</a></li><li>Deep<ul><li>inner</li></ul></li></ul>
<table><tr><th>Item</th><th>Price</th></tr><tr><td>Tea</td><td>2 &euro;</td></tr></table>
<img src="a.png" alt="A cup"><img src="b.png"><a href="http://other.example/">out</a></body></html>"""


class Handler(BaseHTTPRequestHandler):
    """Pages by path."""

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))  # pyright: ignore[reportAttributeAccessIssue]
        path, _, query = self.path.partition("?")
        if path == "/to":
            self.send_response(302)
            self.send_header("Location", query)
            self.end_headers()
        elif path == "/slow":
            self.send_response(200)
            self.end_headers()
            for _ in range(100):
                self.wfile.write(b".")
                self.wfile.flush()
                time.sleep(0.1)
        elif path == "/missing":
            self.send_error(404)
        else:
            kinds: dict[str, tuple[str, bytes]] = {
                "/long": ("text/plain", b"".join(b"line %d\n" % n for n in range(2000))),
                "/huge": ("text/plain", b"x" * 2_000_001),
                "/latin": ("text/html; charset=iso-8859-1", "<p>Köln".encode("latin-1")),
                "/odd": ("text/plain; charset=klingon", "Köln".encode()),
                "/json": ("application/json", b'{"a": 1}'),
                "/picture": ("image/png", b"\x89PNG\0"),
                "/nested": ("text/html", b"<div>" * 5000 + b"deep"),
            }
            kind, body = kinds.get(path, ("text/html; charset=utf-8", HTML.encode()))
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def site() -> Iterator[Any]:
    """A server: ``name`` (host:port), ``url``, and what it was ``asked``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []  # pyright: ignore[reportAttributeAccessIssue]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    name = f"127.0.0.1:{server.server_port}"
    yield SimpleNamespace(name=name, port=server.server_port, url=f"http://{name}", asked=server.asked)  # pyright: ignore
    server.shutdown()
    server.server_close()
    thread.join()


Browse = Callable[..., str]


@pytest.fixture
def browser(tmp_path: Path) -> Any:
    """The module of a workspace's own copy: ``browse`` and its limits."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools/browse.py", tmp_path / "tools")
    fn = load_function("tools/browse.py:browse", Workspace(tmp_path)).fn
    return SimpleNamespace(browse=fn, limits=fn.__globals__)


@pytest.fixture
def browse(browser: Any, site: Any, monkeypatch: pytest.MonkeyPatch) -> Browse:
    monkeypatch.setenv("PRACTICE_HOSTS", f"example.org, {site.name}")
    return browser.browse


def names(monkeypatch: pytest.MonkeyPatch, **addresses: str) -> None:
    """Let names lead to addresses, without a name server."""

    def found(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        address = addresses.get(host.replace(".", "_"), host)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", found)


# ---------------------------------------------------------------- what a page looks like


def test_a_page_as_text_with_links(browse: Browse, site: Any) -> None:
    assert browse(f"{site.url}/a/b.html#x") == (
        f"The shop\n{site.url}/a/b.html\n\n"
        f"[Home]({site.url}/) Top Write\n\n"
        "## Prices of today\n\n"
        "Two words, and a line.\nNext\n\n"
        f"- One\n- Two [more]({site.url}/a/two.html?x=1&y=2)\n- Deep\n\n- inner\n\n"
        "Item | Price\nTea | 2 €\n\n"
        "[image: A cup][out](http://other.example/)"
    )
    assert site.asked[0][0] == "/a/b.html"
    assert site.asked[0][1]["Host"] == site.name


def test_a_long_page_comes_in_parts(browse: Browse, site: Any) -> None:
    parts = [browse(f"{site.url}/long", page=page) for page in (1, 2, 3, 4)]
    assert parts[0].startswith(f"{site.url}/long\n(part 1 of 4)\n\nline 0\n")
    lines = [line for part in parts for line in part.split("\n\n", 1)[1].splitlines()]
    assert lines == [f"line {n}" for n in range(2000)]
    for wrong in (0, 5):
        with pytest.raises(ValueError, match="the page has 4 parts"):
            browse(f"{site.url}/long", page=wrong)


def test_other_texts_are_shown_and_other_files_are_not(browse: Browse, site: Any) -> None:
    assert browse(f"{site.url}/latin").endswith("\n\nKöln")
    assert browse(f"{site.url}/odd").endswith("\n\nKöln")
    assert browse(f"{site.url}/json").endswith('\n\n{"a": 1}')
    assert browse(f"{site.url}/nested").endswith("deep")
    with pytest.raises(ValueError, match="image/png, not a page of text"):
        browse(f"{site.url}/picture")
    with pytest.raises(ValueError, match="answered 404 Not Found"):
        browse(f"{site.url}/missing")


# ---------------------------------------------------------------- what is not reached


def test_no_host_is_allowed_until_a_person_does(browser: Any, site: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"practice tool approve browse --host {site.name}"):
        browser.browse(site.url)
    assert not site.asked
    hosts = tmp_path / ".practice/hosts.json"
    hosts.parent.mkdir()
    for text in ("no JSON", "[]", '{"other": ["127.0.0.1"]}', '{"browse": ["127.0.0.1"]}'):
        hosts.write_text(text)
        with pytest.raises(ValueError, match="is not allowed"):
            browser.browse(site.url)
    hosts.write_text(json.dumps({"browse": [site.name]}))
    assert "The shop" in browser.browse(site.url)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("example.org", "not an address of the web"),
        ("file:///etc/passwd", "not an address of the web"),
        ("ftp://example.org/", "not an address of the web"),
        ("http://", "not an address of the web"),
        ("http://[::1", "not an address"),
        ("http://example.org:99999/", "not an address"),
        ("http://me:word@example.org/", "user or password"),
        ("http://example.org:8080/", "the host example.org:8080 is not allowed"),
        ("http://example.org.evil.example/", "the host example.org.evil.example is not allowed"),
        ("http://sub.example.org/", "is not allowed"),
        ("http://169.254.169.254/latest", "is not allowed"),
    ],
)
def test_addresses_that_are_refused(browse: Browse, site: Any, url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        browse(url)
    assert not site.asked


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.5",
        "192.168.1.1",
        "169.254.169.254",
        "0.0.0.0",
        "::1",
        "::ffff:127.0.0.1",
        "fd00::1",
        "fe80::1",
    ],
)
def test_an_allowed_name_may_not_lead_to_a_private_address(
    browse: Browse, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    names(monkeypatch, example_org=address)
    with pytest.raises(ValueError, match="leads to a private address"):
        browse("http://EXAMPLE.org/")


def test_a_private_address_that_is_named_itself_is_reached(
    browser: Any, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, shop_test="127.0.0.1", localhost="127.0.0.1")
    monkeypatch.setenv("PRACTICE_HOSTS", f"shop.test:{site.port},{site.name}")
    assert "The shop" in browser.browse(f"http://shop.test:{site.port}/")
    assert site.asked[-1][1]["Host"] == f"shop.test:{site.port}"
    monkeypatch.setenv("PRACTICE_HOSTS", f"localhost:{site.port}")
    assert "The shop" in browser.browse(f"http://localhost:{site.port}/")


def test_a_public_address_is_public(browser: Any) -> None:
    public = browser.limits["_public"]
    assert public("93.184.215.14") and public("2606:4700::1111")
    assert not public("224.0.0.1") and not public("fe80::1%eth0")


def test_redirects_are_followed_to_allowed_hosts_alone(browse: Browse, site: Any) -> None:
    assert "The shop" in browse(f"{site.url}/to?/page")
    for target in ("http://elsewhere.example/", "file:///etc/passwd", "http://127.0.0.1:1/"):
        with pytest.raises(ValueError, match=r"is not allowed|not an address"):
            browse(f"{site.url}/to?{target}")
    with pytest.raises(ValueError, match="redirects more than 5 times"):
        browse(f"{site.url}/to?to?to?to?to?to?to?to?/page")


def test_a_page_ends_at_its_limits(browser: Any, browse: Browse, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="larger than 2,000,000 bytes"):
        browse(f"{site.url}/huge")
    monkeypatch.setitem(browser.limits, "SECONDS", 0.5)
    with pytest.raises(ValueError, match=r"no end within 0\.5 seconds"):
        browse(f"{site.url}/slow")


def test_what_does_not_answer_is_said(browse: Browse, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="could not be fetched"):
        browse(f"https://{site.name}/")  # it speaks no TLS
    monkeypatch.setenv("PRACTICE_HOSTS", "127.0.0.1:9")
    with pytest.raises(ValueError, match="could not be fetched"):
        browse("http://127.0.0.1:9/")


# ---------------------------------------------------------------- documents


def pdf(*pages: str) -> bytes:
    """A PDF of pages with one line each."""
    count = len(pages)
    kids = " ".join(f"{3 + 2 * n} 0 R" for n in range(count))
    font = "/Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {count} >>"]
    for n, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET"
        box = "/MediaBox [0 0 612 792]"
        objects += [
            f"<< /Type /Page /Parent 2 0 R {box} /Resources << {font} >> /Contents {4 + 2 * n} 0 R >>",
            f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        ]
    out, places = "%PDF-1.4\n", list[int]()
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    trailer = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return f"{out}xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{trailer}".encode()


@pytest.fixture
def reader(tmp_path: Path) -> Any:
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools/documents.py", tmp_path / "tools")
    fn = load_function("tools/documents.py:read_document", Workspace(tmp_path)).fn
    return SimpleNamespace(read=fn, limits=fn.__globals__, root=tmp_path)


def test_documents_as_text(reader: Any) -> None:
    (reader.root / "docs").mkdir()
    files = {
        "docs/a.pdf": (pdf("Hello there", "Second page"), "[page 1]\nHello there\n\n[page 2]\nSecond page"),
        "docs/a.bin": (pdf("Known by its first bytes"), "[page 1]\nKnown by its first bytes"),
        "a.html": (HTML.encode(), None),
        "plain.html": (b"only text", "only text"),
        "a.csv": (b'name;price\n"Tea; green";2\nMilk;1\n', "name | price\nTea; green | 2\nMilk | 1"),
        "a.tsv": (b"a\tb, c\n1\t2\n", "a | b, c\n1 | 2"),
        "empty.csv": (b"", ""),
        "a.txt": ("\ufeffKöln".encode(), "Köln"),
        "old.txt": ("Köln".encode("cp1252"), "Köln"),
        "wide.txt": ("Köln".encode("utf-16"), "Köln"),
    }
    for name, (data, _) in files.items():
        (reader.root / name).write_bytes(data)
    assert {name: reader.read(name) for name, (_, text) in files.items() if text is not None} == {
        name: text for name, (_, text) in files.items() if text is not None
    }
    html = reader.read("a.html")
    assert "Prices of today" in html and "Item | Price\n\nTea | 2 €" in html
    assert "alert" not in html and "comment" not in html


def test_a_long_document_comes_in_parts(reader: Any) -> None:
    rows = [f"row {n},{n}" for n in range(1500)]
    (reader.root / "long.csv").write_text("name,number\n" + "\n".join(rows))
    first = reader.read("long.csv")
    total = int(first.split(" of ")[1].split(")")[0])
    assert total > 1 and first.startswith(f"(part 1 of {total})\n\nname | number\nrow 0 | 0\n")
    parts = [reader.read("long.csv", page=page).split("\n\n", 1)[1].splitlines() for page in range(1, total + 1)]
    assert all(part[0] == "name | number" for part in parts)
    assert [line for part in parts for line in part[1:]] == [row.replace(",", " | ") for row in rows]
    with pytest.raises(ValueError, match=f"has {total} parts, there is no part {total + 1}"):
        reader.read("long.csv", page=total + 1)


def test_a_changed_document_is_read_anew(reader: Any) -> None:
    file = reader.root / "a.txt"
    file.write_text("old")
    assert reader.read("a.txt") == "old"
    file.write_text("newer")
    os.utime(file, (1, 1))
    assert reader.read("a.txt") == "newer"


def test_what_is_no_document_to_read(reader: Any) -> None:
    for folder in ("tasks", "memory", "reports", ".hidden"):
        (reader.root / folder).mkdir()
        (reader.root / folder / "a.txt").write_text("answer")
    (reader.root / ".env").write_text("KEY=1")
    (reader.root / "link.txt").symlink_to("/etc/hostname")
    (reader.root / "inner.txt").symlink_to(reader.root / "tasks/a.txt")
    (reader.root / "data.bin").write_bytes(b"a\0b")
    (reader.root / "broken.pdf").write_bytes(b"%PDF-1.4\nnothing")
    refused = ["tasks/a.txt", "memory/a.txt", "reports/a.txt", ".hidden/a.txt", ".env", "link.txt", "inner.txt"]
    refused += ["../x", "/etc/hostname", "", "none.txt", "tools", "data.bin", "broken.pdf", "docs/../tasks/a.txt"]
    for path in refused:
        with pytest.raises(ValueError, match=r"outside|not a document|not text|can't be read"):
            reader.read(path)
    reader.limits["MAX_BYTES"] = 10
    (reader.root / "large.txt").write_text("x" * 11)
    with pytest.raises(ValueError, match="larger than 10 bytes"):
        reader.read("large.txt")


@given(st.text(alphabet="ab \n", max_size=400), st.integers(1, 50), st.text(alphabet="hd", max_size=60))
def test_parts_hold_all_lines(text: str, room: int, head: str) -> None:
    parts = load_function("tools/documents.py:read_document", Workspace(ROOT)).fn.__globals__["_parts"]
    scope = parts.__globals__
    scope["PART"], before = room, scope["PART"]
    try:
        found = parts(text, head)
    finally:
        scope["PART"] = before
    assert "".join("".join(part.removeprefix(head).split("\n")) for part in found) == "".join(text.split("\n"))
    assert all(len(part) <= max(room, len(head) + 1) for part in found)
