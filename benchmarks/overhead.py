"""What the machine itself costs, apart from any model: start-up, and rollouts on an endpoint that answers at once.

The endpoint is a process of its own, so that its time is not counted; CPU time is user plus system of the command
and its children, which a busy machine disturbs less than the clock does.

    python benchmarks/overhead.py [--tasks 200] [--trials 5]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

PRACTICE = [sys.executable, "-c", "from practice.cli import main; main()"]

AGENT = """\
name: bench
model: {{name: openai/fake, api_base: "http://127.0.0.1:{port}/v1"}}
instructions: Answer with the number alone.
"""


class Answers(BaseHTTPRequestHandler):
    """An OpenAI-compatible endpoint whose every completion is ``7``."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Answer a chat completion."""
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {"role": "assistant", "content": "7"}
        body = json.dumps(
            {
                "id": "bench",
                "object": "chat.completion",
                "created": 0,
                "model": "fake",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 20, "completion_tokens": 1, "total_tokens": 21},
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


def serve(pipe: Connection) -> None:
    """Run the endpoint and send its port through ``pipe``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    pipe.send(server.server_address[1])
    server.serve_forever()


@dataclass(frozen=True)
class Cost:
    """Of one command: seconds on the clock, CPU seconds, peak memory in MiB."""

    wall: float
    cpu: float
    memory: float


def measure(arguments: list[str], folder: Path) -> Cost:
    """Run ``practice`` with ``arguments`` in ``folder`` to its end."""
    environment = {**os.environ, "OPENAI_API_KEY": "none"}
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        child = subprocess.Popen([*PRACTICE, *arguments], cwd=folder, env=environment, stdout=said, stderr=said)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            said.seek(0)
            sys.exit(f"practice {' '.join(arguments)} ended with {child.returncode}:\n{said.read().decode()}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> None:
    """Measure and print one line a figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--trials", type=int, default=5)
    options = parser.parse_args()

    ours, theirs = multiprocessing.Pipe()
    endpoint = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    endpoint.start()
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "bench.yaml").write_text(AGENT.format(port=ours.recv()))
            tasks = [json.dumps({"input": f"What is 7 times {n} over {n}?", "answer": "7"}) for n in range(1, 10**4)]
            (folder / "one.jsonl").write_text(tasks[0] + "\n")
            (folder / "all.jsonl").write_text("\n".join(tasks[: options.tasks]) + "\n")
            rest = ["--memory", "none", "--reward", "number", "--json"]
            start = measure(["--help"], folder)
            one = measure(["eval", "bench.yaml", "one.jsonl", "--trials", "1", *rest], folder)
            many = measure(["eval", "bench.yaml", "all.jsonl", "--trials", str(options.trials), *rest], folder)
    finally:
        endpoint.terminate()

    rollouts = options.tasks * options.trials - 1
    print(f"practice --help      {start.cpu * 1000:8.0f} CPU-ms")
    print(f"eval of one rollout  {one.cpu * 1000:8.0f} CPU-ms")
    print(f"each further rollout {(many.cpu - one.cpu) / rollouts * 1000:8.1f} CPU-ms   (of {rollouts})")
    print(f"rollouts a second    {rollouts / max(many.wall - one.wall, 1e-9):8.0f}")
    print(f"peak memory          {many.memory:8.0f} MiB")


if __name__ == "__main__":
    main()
