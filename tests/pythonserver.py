"""An MCP server that runs Python, on top of the tests' small one: ``run_code(code)`` answers with what was printed.

It keeps its interpreter from call to call; ``--anew`` starts one for each. ``--wrapped`` answers as hosted
sandboxes do, with a JSON document around what was printed. ``--deaf`` answers with something else.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from mcpserver import Server, note, stdio

TEXT = {"type": "string"}
RUN = {
    "name": "run_code",
    "description": "Run Python.",
    "inputSchema": {"type": "object", "properties": {"code": TEXT, "language": TEXT}},
}
OTHER = {"name": "ping", "description": "Nothing to run.", "inputSchema": {"type": "object"}}


class PythonServer(Server):
    """Runs what it is told."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.space: dict[str, Any] = {"__name__": "__main__"}

    def _result(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        if method == "tools/list":
            return {"tools": [RUN, OTHER]}
        if method != "tools/call":
            return super()._result(method, params)
        code = params["arguments"]["code"]
        if "--deaf" in sys.argv:
            text = "42"
        elif "--anew" in sys.argv:
            text = subprocess.run(
                [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False
            ).stdout
        else:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(code, self.space)
            text = printed.getvalue()
        if "--wrapped" in sys.argv:
            text = json.dumps({"results": [], "logs": {"stdout": text.splitlines(keepends=True), "stderr": []}})
        return {"content": [{"type": "text", "text": text}]}


if __name__ == "__main__":
    note(f"started {os.getpid()}")
    stdio(PythonServer("python"))
