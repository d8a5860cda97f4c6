"""The pages, served on this machine alone."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from benchmarks.agentgen.described import HERE
from practice.errors import InputError

__all__ = ["PORT", "page", "served"]

PORT = 8731
"""Fixed, as the address is part of what the model is told: another port would be another benchmark."""
PAGES = HERE / "pages"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def served(port: int = PORT) -> Generator[str]:
    """The address of the pages while the block lasts; port 0 takes a free one. Raises InputError for a taken port."""
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Quiet, directory=str(PAGES)))
    except OSError as error:
        raise InputError("a free port", found=f"{port}: {error}", key="--port") from None
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def page(address: str) -> str:
    """The source of a page by its address, read from disk."""
    return (PAGES / urlsplit(address).path.lstrip("/")).read_text(encoding="utf-8")
