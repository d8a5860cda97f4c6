"""What runs on the other side of a remote sandbox, sent along with every request: stdlib only.

A program that is run anew each time finds no session and makes one; an interpreter that goes on finds the last one.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import sys
import tempfile
import types
from pathlib import Path
from typing import Any


def respond(payload: str) -> None:
    """Answer a request (base64 of JSON), and print the reply between two marks that nobody else knows."""
    told: dict[str, Any] = json.loads(base64.b64decode(payload))
    known = sys.modules.get(told["session"])
    kept: Any = known or types.ModuleType(told["session"])
    out, err = io.StringIO(), io.StringIO()
    main, here = sys.modules["__main__"], os.getcwd()  # noqa: PTH109
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            reply = _begun(kept, told) if known is None else {"ended": "done"}
            sys.modules["__main__"] = kept.session.main
            os.chdir(kept.folder.name)
            if reply["ended"] == "done":
                reply = kept.session.do(told["request"])
    finally:
        sys.modules["__main__"] = main
        os.chdir(here)
    said = {
        "reply": kept.space["_frame"]({"id": told["id"], **reply})[4:].decode(),
        "stdout": _cut(out.getvalue(), told["chars"]),
        "stderr": _cut(err.getvalue(), told["chars"]),
        "fresh": known is None,
    }
    print(f"\n{told['id']}:{base64.b64encode(json.dumps(said).encode()).decode()}:{told['id']}")


def _begun(kept: Any, told: dict[str, Any]) -> dict[str, Any]:
    """A session with its files and what was loaded; what the first load that fails came to, else ``done``."""
    space: dict[str, Any] = {"__name__": "interpreter"}
    exec(compile(told["interpreter"], "<sandbox>", "exec"), space)
    session: Any = space["Session"](told["chars"])
    kept.space, kept.session, kept.folder = space, session, tempfile.TemporaryDirectory(prefix="practice-")
    sys.modules[told["session"]] = kept
    for name, content in told["files"].items():
        path = Path(kept.folder.name, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(content))
    if kept.folder.name not in sys.path:
        sys.path.append(kept.folder.name)
    for name, source in told["loaded"].items():
        reply: dict[str, Any] = session.do({"op": "load", "args": [name, source]})
        if reply["ended"] != "done":
            return reply
    return {"ended": "done"}


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else f"{text[:chars]}\n[cut: {chars:,} of {len(text):,} characters]"
