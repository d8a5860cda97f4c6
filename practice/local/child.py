"""The child process of the embedded server: this file run as a script, by :mod:`.server` alone.

It reads one line of settings from stdin, loads the weights, says ``{"port": N}`` on stdout and serves. It ends when
its stdin is closed, or when its parent is gone, however that died; Ctrl-C is the parent's business. It
imports nothing of the package, so that the child holds the weights and little else.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
import time
from typing import Any

#: Seconds between two looks at whether the parent is still there. The closed stdin says so at once; but a process
#: that the parent forked holds the other end of that pipe too, and may live on.
PARENT_INTERVAL = 1.0
#: MiB for prompts that left their slot. The engine's own default of 8192 would fill a small machine in a long run;
#: this holds some tens of prompts, enough for going to and fro between a judge, a teacher and an agent.
PROMPT_CACHE_MIB = 512


def main() -> None:
    """Serve until the parent is done or dead."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    settings: dict[str, Any] = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    # llama.cpp logs to both streams: the log gets both, and what is said to the parent goes through a copy.
    answer = os.dup(1)
    os.dup2(2, 1)
    server = start(settings)
    port = int(str(server.listening_address).rsplit(":", 1)[1])
    with os.fdopen(answer, "w") as stream:
        stream.write(json.dumps({"port": port}) + "\n")
    while os.getppid() == parent:
        time.sleep(PARENT_INTERVAL)
    os._exit(0)


def start(settings: dict[str, Any]) -> Any:
    """Load the weights and start listening; returns the running server, which stops when it is collected."""
    engine: Any = importlib.import_module("xllamacpp")
    params = engine.CommonParams()
    params.model.path = settings["path"]
    params.model_alias = {settings["name"]}
    params.n_parallel = settings["slots"]
    params.n_ctx = settings["slots"] * settings["context"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings["threads"]
    params.hostnames = ["127.0.0.1"]
    params.port = settings["port"]
    params.api_keys = [settings["api_key"]]
    params.use_jinja = True
    params.ui = False
    params.endpoint_slots = False
    params.cache_ram_mib = PROMPT_CACHE_MIB
    return engine.Server(params)


def _end_with_stdin() -> None:
    while sys.stdin.readline():
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
