"""What a call finds around it in a test: files in its folder, and pages that a server of the test's own gives out.

Tests need no file of the workspace and no network. A tool that fetches pages is tested on pages that its tests hold,
from a server on the sandbox's own loopback; where the tool is used, the addresses are those that were approved.
"""

from __future__ import annotations

from typing import Literal

__all__ = ["ADDRESS", "HELPERS", "World", "prompt_line", "wish_line"]

World = Literal["none", "files", "pages"]

ADDRESS = "http://127.0.0.1:8765/"
"""Where a test's pages are."""

_LINES: dict[World, str] = {
    "none": "",
    "files": (
        '- "files": the files that the call reads, each with its whole content of at most 8 lines. "arguments" name '
        "them as they are named there."
    ),
    "pages": (
        '- "files": the pages that the call fetches, such as page.html, each with its whole content: small HTML of at '
        f"most 12 lines, built as the description says. The address of page.html is {ADDRESS}page.html."
    ),
}

HELPERS = """
SERVERS = []


def put(files):
    \"\"\"The files that a call finds in its folder.\"\"\"
    for name, content in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content)


def serve(files):
    \"\"\"The pages that a call finds at http://127.0.0.1:8765/.\"\"\"
    put(files)
    if not SERVERS:
        SERVERS.append(ThreadingHTTPServer(("127.0.0.1", 8765), Quiet))
        Thread(target=SERVERS[0].serve_forever, daemon=True).start()


class Quiet(SimpleHTTPRequestHandler):
    \"\"\"Gives out the folder and logs nothing.\"\"\"

    def log_message(self, *_):
        pass
"""
IMPORTS = (
    "from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer\n"
    "from pathlib import Path\nfrom threading import Thread\n"
)


def prompt_line(world: World) -> str:
    """What a prompt for cases says of their files."""
    return _LINES[world]


def wish_line(world: World, place: str) -> str:
    """What every prompt says of a tool that reads files or pages; ``place``: a folder, or hosts."""
    if world == "files":
        return f"\nIt is given the path of each file, as {place}/example.txt, and opens it for reading."
    if world == "pages":
        return (
            f"\nIt is given the full address of each page ({place}) as an argument, fetches it with "
            "urllib.request.urlopen and reads HTML with bs4.BeautifulSoup(html, 'html.parser')."
        )
    return ""
