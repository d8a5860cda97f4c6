"""Documents of the workspace as text: HTML, PDF, CSV and plain text, a part at a time.

The workspace is the folder above the one that holds this file. Folders that hold answers (``tasks``), the machine's own
files (``memory``, ``reports``) and hidden files (``.env``) are not read, and no link leads out of it.
"""

from __future__ import annotations

import csv
import functools
import io
import logging
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLOSED = frozenset({"tasks", "memory", "reports"})
PART = 6000
"""Characters of a part."""
MAX_BYTES = 20_000_000
MAX_PAGES = 500
"""Pages of a PDF that are read."""
MAX_TEXT = 2_000_000
_BLOCKS = ["p", "div", "br", "li", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "section", "title"]


def read_document(path: str, page: int = 1) -> str:
    """Read a document of the workspace (HTML, PDF, CSV or text) and return its text, a part at a time.

    Args:
        path: The document's path in the workspace, such as reports-2024/sales.pdf.
        page: Which part of a long document, from 1.
    """
    file = _file(path)
    stat = file.stat()
    if stat.st_size > MAX_BYTES:
        raise ValueError(f"{path} is larger than {MAX_BYTES:,} bytes")
    parts = _read(str(file), stat.st_mtime_ns, stat.st_size)
    if not 1 <= page <= len(parts):
        raise ValueError(f"{path} has {len(parts)} part{'s' * (len(parts) > 1)}, there is no part {page}")
    head = f"(part {page} of {len(parts)})\n\n" if len(parts) > 1 else ""
    return head + parts[page - 1]


def _file(path: str) -> Path:
    file = (ROOT / path).resolve()
    if not file.is_relative_to(ROOT):
        raise ValueError(f"{path!r} is outside the workspace")
    parts = file.relative_to(ROOT).parts
    if not file.is_file() or any(part.startswith((".", "__")) for part in parts) or parts[0] in CLOSED:
        raise ValueError(f"{path!r} is not a document to read")
    return file


@functools.lru_cache(maxsize=8)
def _read(file: str, _changed: int, _size: int) -> tuple[str, ...]:
    """The parts of a file; kept, so that the second part of a PDF costs nothing."""
    path = Path(file)
    data = path.read_bytes()
    kind = path.suffix.lower()
    if kind == ".pdf" or data.startswith(b"%PDF-"):
        return _parts(_pdf(data))
    if b"\0" in data and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError(f"{path.name} is not text, HTML, CSV or PDF")
    text = _decoded(data)
    if kind in (".html", ".htm", ".xhtml"):
        return _parts(_html(text))
    if kind in (".csv", ".tsv"):
        head, *rows = _table(text, kind) or [""]
        return _parts("\n".join(rows), head + "\n" if head else "")
    return _parts(text)


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _pdf(data: bytes) -> str:
    """The text of each page behind a mark with its number."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it comments on every flaw of a file
    texts: list[str] = []
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise ValueError("the PDF is encrypted")
        for number, page in enumerate(reader.pages[:MAX_PAGES], 1):
            texts.append(f"[page {number}]\n{page.extract_text().strip()}")
            if sum(map(len, texts)) > MAX_TEXT:
                break
        total = len(reader.pages)
    except (PyPdfError, ArithmeticError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"the PDF can't be read ({type(error).__name__}: {error})") from None
    if len(texts) < total:
        texts.append(f"[only the first {len(texts)} of {total} pages]")
    return "\n\n".join(texts)


def _html(text: str) -> str:
    from bs4 import BeautifulSoup

    if "<" not in text:
        return text
    soup = BeautifulSoup(re.sub(r"^\s*<\?xml[^>]*\?>", "", text), "html.parser")
    for node in soup(["script", "style", "noscript", "template", "svg"]):
        node.decompose()
    for row in soup("tr"):
        row.replace_with("\n" + " | ".join(" ".join(cell.get_text(" ").split()) for cell in row(["td", "th"])) + "\n")
    for node in soup(
        ["p", "div", "br", "li", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "section", "title"]
    ):
        node.insert_before("\n")
        node.insert_after("\n")
    lines = (" ".join(line.split()) for line in soup.get_text().splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _table(text: str, kind: str) -> list[str]:
    """The rows, cells parted by " | "; the separator is found in the first lines."""
    sample = "\n".join(text.splitlines()[:20])
    separators = {"\t": sample.count("\t")} if kind == ".tsv" else {each: sample.count(each) for each in ",;\t"}
    separator = max(separators, key=lambda each: separators[each])
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=separator))
    except csv.Error as error:
        raise ValueError(f"the table can't be read ({error})") from None
    return [" | ".join(" ".join(cell.split()) for cell in row) for row in rows if row]


def _parts(text: str, head: str = "") -> tuple[str, ...]:
    """The text in parts of whole lines, ``head`` before each; a line longer than a part is cut."""
    text = text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}\n[cut: {MAX_TEXT:,} of {len(text):,} characters]"
    parts = [head]
    room = max(PART - len(head), 1)
    for line in text.splitlines(keepends=True):
        for start in range(0, len(line), room):
            piece = line[start : start + room]
            if len(parts[-1]) + len(piece) > PART and parts[-1] != head:
                parts.append(head)
            parts[-1] += piece
    return tuple(part.strip("\n") for part in parts)
