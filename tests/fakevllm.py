"""Stand-ins for ``vllm`` and ``nvidia-smi``: commands on a PATH of the test's own, which behave as the test says.

``vllm serve`` writes what it was given to a file, loads for a while, says on its log what the real one says where it
can't go on, and serves ``/health``, ``/v1/models`` and chat completions to those who have its key.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_VLLM = """#!{python}
import http.server, json, os, pathlib, socket, sys, threading, time
here = pathlib.Path({here!r})
mode = json.loads((here / "mode.json").read_text())
starts = here / "starts.jsonl"
number = len(starts.read_text().splitlines()) if starts.exists() else 0
flags = sys.argv[1:]
def of(name): return flags[flags.index(name) + 1]
shown = {{k: os.environ.get(k) for k in ("CUDA_VISIBLE_DEVICES", "VLLM_CPU_KVCACHE_SPACE", "VLLM_API_KEY")}}
with starts.open("a") as file:
    file.write(json.dumps({{"flags": flags, "env": shown, "pid": os.getpid()}}) + "\\n")
print("loading", of("--served-model-name"), "for", shown["VLLM_API_KEY"], flush=True)
time.sleep(mode.get("slow", 0))
until = mode.get("until")
while until and not (here / until).exists():
    time.sleep(0.02)
said = mode.get("says", [])
if number < len(said):
    print(said[number], file=sys.stderr, flush=True)
    os._exit(mode.get("code", 1))
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/health":
            return self.answer({{}})
        self.allowed() and self.answer({{"data": [{{"id": mode.get("serves", of("--served-model-name"))}}]}})
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = {{"role": "assistant", "content": "ready"}}
        usage = {{"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}}
        usage["prompt_tokens_details"] = {{"cached_tokens": 4}}
        self.allowed() and self.answer({{"id": "1", "object": "chat.completion", "created": 1, "model": body["model"],
            "choices": [{{"index": 0, "message": message, "finish_reason": "stop"}}], "usage": usage}})
    def allowed(self):
        if self.headers.get("Authorization") == "Bearer " + shown["VLLM_API_KEY"]:
            return True
        self.answer({{"error": "Unauthorized"}}, 401)
    def answer(self, value, status=200):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(data)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(of("--port"))), Handler).serve_forever()
"""

_SMI = """#!{python}
print({lines!r})
"""


@dataclass(frozen=True)
class Start:
    """One start of the fake server."""

    flags: list[str]
    env: Mapping[str, str | None]
    pid: int

    def flag(self, name: str) -> str | None:
        """The word after a flag, or None where it was not given."""
        return self.flags[self.flags.index(name) + 1] if name in self.flags else None


class FakeVllm:
    """A folder for the PATH with a fake ``vllm`` in it; ``mode`` says how it behaves from its next start on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._write("vllm", _VLLM.format(python=sys.executable, here=str(folder)))
        self.mode()

    def mode(self, **how: Any) -> None:
        """``slow`` seconds of loading, ``until`` a file is in the folder, ``says`` (the last words of the first
        starts, one each), their exit ``code``, and the name that it ``serves``.
        """
        (self.folder / "mode.json").write_text(json.dumps(how))

    def gpus(self, *lines: str) -> None:
        """Put a fake ``nvidia-smi`` there that prints these lines; without any, none is there."""
        if lines:
            self._write("nvidia-smi", _SMI.format(python=sys.executable, lines="\n".join(lines)))
        else:
            (self.folder / "nvidia-smi").unlink(missing_ok=True)

    @property
    def starts(self) -> list[Start]:
        """All starts so far."""
        path = self.folder / "starts.jsonl"
        return [Start(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked for does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def gpu(index: int, *, total: int = 81559, free: int = 81000, name: str = "NVIDIA H100 80GB HBM3") -> str:
    """A line of ``nvidia-smi``; memory in MiB."""
    return f"{index}, GPU-{index}abc, {total}, {free}, {name}"
