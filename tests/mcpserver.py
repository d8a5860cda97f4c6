"""A small MCP server of the tests' own, on the standard library alone: over stdio, or over HTTP with ``--http``.

It speaks the handshake of the protocol's 2025 revisions and notes every start and every header in ``$LOG``.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_NUMBER = {"type": "integer"}
TOOLS: list[dict[str, Any]] = [
    {
        "name": "count",
        "description": "Count up.",
        "inputSchema": {"type": "object", "properties": {"by": {**_NUMBER, "title": "By"}}, "required": ["by"]},
    },
    {
        "name": "files.read",
        "description": "Read.",
        "inputSchema": {"type": "object", "properties": {"from": {"type": "string"}, "tool": {"type": "string"}}},
    },
    {"name": "picture", "description": "A picture.", "inputSchema": {"type": "object"}},
    {"name": "refuse", "description": "Refuse.", "inputSchema": {"type": "object"}},
    {"name": "wrong", "description": "A protocol error.", "inputSchema": {"type": "object"}},
    {"name": "secret", "description": "Say the key.", "inputSchema": {"type": "object"}},
    {"name": "sleep", "description": "Say nothing.", "inputSchema": {"type": "object"}},
    {"name": "leave", "description": "Answer, then go.", "inputSchema": {"type": "object"}},
    {"name": "die", "description": "Die.", "inputSchema": {"type": "object"}},
]


class Refused(Exception):
    """Becomes an error of the protocol."""


class Server:
    """Answers messages; ``total`` is its state."""

    def __init__(self, name: str) -> None:
        self.name, self.total = name, 0
        self.lock = threading.Lock()

    def answer(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """The reply, or None for a notification."""
        if "id" not in message:
            return None
        try:
            result = self._result(str(message["method"]), message.get("params") or {})
        except Refused as error:
            problem = {"code": -32601, "message": str(error)}
            return {"jsonrpc": "2.0", "id": message["id"], "error": problem}
        return {"jsonrpc": "2.0", "id": message["id"], "result": result}

    def _result(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        if method == "initialize":
            info = {"name": self.name, "version": "1"}
            version = params["protocolVersion"]
            return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
        if method == "tools/list":  # two pages
            start = int(params.get("cursor", 0))
            page: dict[str, Any] = {"tools": TOOLS[start : start + 5]}
            return page | ({"nextCursor": str(start + 5)} if start + 5 < len(TOOLS) else {})
        if method == "tools/call":
            return self._called(params["name"], params.get("arguments") or {})
        raise Refused(f"no method {method}")

    def _called(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        text = json.dumps(arguments)
        if name == "count":
            with self.lock:
                self.total += arguments["by"]
                text = str(self.total)
        elif name == "picture":
            image = {"type": "image", "data": "AAAA", "mimeType": "image/png"}
            link = {"type": "resource_link", "uri": "file:///a.txt", "name": "a"}
            held = {"type": "resource", "resource": {"uri": "file:///b.txt", "text": "inside"}}
            return {"content": [{"type": "text", "text": "Here:"}, image, link, held]}
        elif name == "refuse":
            return {"content": [{"type": "text", "text": "no such city"}], "isError": True}
        elif name == "wrong":
            raise Refused("wrong indeed")
        elif name == "secret":
            text = f"the key is {os.environ.get('TEST_MCP_KEY', 'unknown')} and {os.environ.get('OTHER_KEY')}"
        elif name == "sleep":
            time.sleep(30)
        elif name == "leave":
            threading.Timer(0.05, leave).start()
        elif name == "die":
            print(f"goodbye {os.environ.get('TEST_MCP_KEY', '')}", file=sys.stderr, flush=True)
            os._exit(3)
        return {"content": [{"type": "text", "text": text}]}


def note(text: str) -> None:
    """A line in the log that the test reads."""
    if log := os.environ.get("LOG"):
        with Path(log).open("a") as file:
            file.write(text + "\n")


def leave() -> None:
    """End this process."""
    note("left")
    os._exit(0)


def stdio(server: Server) -> None:
    """Messages as lines; calls are answered when they are done, in any order."""
    writing = threading.Lock()

    def work(message: Mapping[str, Any]) -> None:
        reply = server.answer(message)
        if reply is not None:
            with writing:
                print(json.dumps(reply), flush=True)

    print("this line is no message", flush=True)
    for line in sys.stdin:
        threading.Thread(target=work, args=(json.loads(line),), daemon=True).start()
    note("stopped")


def http(server: Server) -> ThreadingHTTPServer:
    """The same over streamable HTTP, answers as JSON."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            note(f"authorization {self.headers.get('Authorization')}")
            reply = server.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            body = json.dumps(reply).encode() if reply is not None else b""
            self.send_response(200 if body else 202)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.send_error(405)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


if __name__ == "__main__":
    note("started")
    if "--broken" in sys.argv:
        sys.exit("no license for " + os.environ.get("TEST_MCP_KEY", "nobody"))
    stdio(Server("counter"))
