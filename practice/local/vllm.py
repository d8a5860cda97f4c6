"""vLLM, managed: one server a model and user, shared by every run that wants it, stopped with the last of them.

    resolve ─ required (vLLM, GPUs) ─ plan ─► keeper ─► vllm serve        the first who comes
                                              folder ─► address, key      all others
    every user shares the lock of <folder>/users; the keeper stops the server when nobody holds it

The server's folder is in the user's cache, under ``servers``. Its files: ``lock`` (held while one starts or stops the
server), ``users``, ``keeper`` (held by the keeper while it lives), ``server.json`` (address, key, process id, how it
ended). All locks are the kernel's, so that whoever is killed leaves nothing stale but a file that the next one reads
and replaces.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from practice.errors import InputError, LocalModelError
from practice.local.locks import INTERVAL, grab, is_held, is_shared, locked
from practice.local.logs import how, new_log, tail
from practice.local.registry import cache_dir
from practice.local.server import Endpoint
from practice.local.vllm_env import required
from practice.local.vllm_plan import CPU_CACHE, SLOTS, Plan, facts, flags, plan, remedy, too_big
from practice.types import Value

__all__ = ["PREFIX", "SLOTS", "VllmModel", "VllmServer", "resolve"]

#: How a model of vLLM's server is written: ``vllm/<id on the hub, or path of a folder>``.
PREFIX = "vllm/"
#: Seconds from the start until the server must answer: the weights may have to be fetched first.
START_TIMEOUT = 3600.0
#: Seconds that the last user waits for the server's end: more than the keeper gives it.
STOP_TIMEOUT = 20.0
#: Seconds that somebody else may answer at our address: ours, still loading, will find its port taken and end.
STRANGER_TIMEOUT = 120.0
#: Starts of one server, where the log of the last one says what to do better.
STARTS = 4


class VllmModel(Value):
    """What ``vllm/<id or path>`` stands for."""

    source: str
    """What vLLM is told to serve: an id on the hub, or an absolute path."""
    name: str
    """What the endpoint calls it: the id, or the folder's name."""
    path: Path | None = None
    """The folder, if it is one."""


class Record(Value):
    """``server.json``."""

    api_base: str
    api_key: str
    model: str
    length: int
    log: Path
    pid: int
    ended: int | None
    """The server's exit code, once it has one."""


class Ended(Exception):
    """The server ended before it came up."""


def resolve(model: str, root: Path | None = None) -> VllmModel:
    """An id on the hub (``Qwen/Qwen2.5-7B-Instruct``), or a folder with a ``config.json``.

    A relative path counts from ``root``, by default from here. Raises InputError for a name that is neither.
    """
    name = model.removeprefix(PREFIX)
    path = (root or Path()) / Path(name).expanduser()
    if name and path.is_dir():
        path = path.resolve()
        if not (path / "config.json").is_file():
            raise InputError("a model's folder, with a config.json", found=str(path), key="model")
        return VllmModel(source=str(path), name=path.name, path=path)
    if name.endswith(".gguf"):
        raise InputError(f"a model that vLLM serves; llamacpp/{name} serves a GGUF file", found=model, key="model")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) or name.startswith("."):
        expected = (
            f"{PREFIX} and a model's id on the hub, as {PREFIX}Qwen/Qwen2.5-7B-Instruct, or the path of its folder"
        )
        raise InputError(expected, found=repr(model), key="model")
    return VllmModel(source=name, name=name)


class VllmServer:
    """A share in the server of one model, as an async context manager; the first one starts it.

    Raises InputError where vLLM or a GPU is missing, and LocalModelError, with the end of the log, where the server
    does not come up within ``timeout`` seconds or serves another model.
    """

    def __init__(self, model: VllmModel, *, timeout: float = START_TIMEOUT) -> None:
        self.model = model
        self._timeout = timeout
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        identity = hashlib.sha256(f"{model.source}\n{visible}".encode()).hexdigest()[:16]
        self.folder = cache_dir() / "servers" / f"vllm-{identity}"
        """Where those who share the server meet."""
        self._stack = AsyncExitStack()

    @property
    def endpoint(self) -> Endpoint:
        """What a client needs, once started."""
        found = self._record()
        return Endpoint(
            api_base=found.api_base,
            model=found.model,
            api_key=found.api_key,
            slots=SLOTS,
            context=found.length,
            check=self.check,
        )

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._record().pid

    def check(self) -> None:
        """Raise LocalModelError where the server has ended by itself."""
        if not is_held(self.folder / "keeper"):
            raise self._error(f"ended{self._end()} while it was in use")

    async def __aenter__(self) -> VllmServer:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            async with locked(self.folder / "lock"):
                await self._stack.enter_async_context(locked(self.folder / "users", shared=True))
                async with asyncio.timeout(self._timeout):
                    if is_held(self.folder / "keeper"):
                        await self._join()
                    else:
                        await self._start()
        except BaseException as error:
            await self._leave()
            if isinstance(error, TimeoutError):
                raise self._error(f"did not come up within {self._timeout:g} seconds") from None
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    async def _join(self) -> None:
        try:
            await self._wait_until_ready()
        except Ended:
            raise self._error(f"ended{self._end()}") from None

    async def _start(self) -> None:
        """Start the server, again where its log says how: each time with what it says."""
        (self.folder / "server.json").unlink(missing_ok=True)  # of a server that is no more
        command, gpus = required(f"{PREFIX}{self.model.name}")
        known = await asyncio.to_thread(facts, self.model.name, self.model.path)
        wanted: Plan | None = plan(known, gpus)
        for _ in range(STARTS):
            assert wanted is not None
            try:
                await self._spawn(command.path, wanted)
                await self._wait_until_ready()
            except Ended:
                text = self._record().log.read_text(errors="replace")
                wanted = remedy(text, wanted)
                if wanted is None:
                    why = (
                        ": the memory does not hold it; a smaller or a quantised model may fit" if too_big(text) else ""
                    )
                    raise self._error(f"ended{self._end()} before it came up{why}") from None
            else:
                return
        raise self._error(f"ended{self._end()} at each of {STARTS} starts")

    async def _spawn(self, command: Path, wanted: Plan) -> None:
        """A keeper with a server on a port that is free now; returns when ``server.json`` is there."""
        port, key = _free_port(), secrets.token_urlsafe(24)
        log = new_log("vllm", self.model.name)
        env = {"VLLM_API_KEY": key, "VLLM_NO_USAGE_STATS": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        if wanted.devices:
            env["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, wanted.devices))
        else:
            env["VLLM_CPU_KVCACHE_SPACE"] = os.environ.get("VLLM_CPU_KVCACHE_SPACE", str(CPU_CACHE))
        record = {"api_base": f"http://127.0.0.1:{port}/v1", "api_key": key, "model": self.model.name}
        settings = {
            "folder": str(self.folder),
            "command": [str(command), *flags(wanted, source=self.model.source, name=self.model.name, port=port)],
            "env": env,
            "log": str(log),
            "record": {**record, "length": wanted.length, "log": str(log)},
        }
        # The key goes by the pipe and the environment: a command line can be read by everyone on the machine.
        if not await _uncut(asyncio.to_thread(_run_keeper, settings, log)):
            raise LocalModelError(f"{command} could not be started; the end of {log}:\n{tail(log)}")

    async def _wait_until_ready(self) -> None:
        """Until the server at our address is healthy and serves our model; raises Ended where it ends before that."""
        import httpx

        found, loop = self._record(), asyncio.get_running_loop()
        stranger_since: float | None = None
        headers = {"Authorization": f"Bearer {found.api_key}"}
        async with httpx.AsyncClient(trust_env=False, timeout=5.0, headers=headers) as client:
            while True:
                if not is_held(self.folder / "keeper"):
                    raise Ended
                with suppress(httpx.HTTPError):
                    if (await client.get(f"{found.api_base.removesuffix('/v1')}/health")).status_code == 200:
                        names = _served(await client.get(f"{found.api_base}/models"))
                        if found.model in names:
                            return
                        stranger_since = stranger_since or loop.time()
                        if loop.time() - stranger_since >= STRANGER_TIMEOUT:
                            raise self._error(f"serves {', '.join(names) or 'nothing'} instead")
                await asyncio.sleep(INTERVAL)

    async def _leave(self) -> None:
        """Give the share back; the last one waits until the server is gone and the GPU free."""
        await self._stack.aclose()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT):
                while is_held(self.folder / "keeper"):
                    gate = grab(self.folder / "lock")  # the keeper, too, looks at the users with this lock only
                    if gate is not None:
                        with gate:
                            if is_shared(self.folder / "users"):
                                return
                    await asyncio.sleep(INTERVAL)

    def _record(self) -> Record:
        return Record.model_validate_json((self.folder / "server.json").read_bytes())

    def _end(self) -> str:
        ended = self._record().ended
        return "" if ended is None else f" with {how(ended)}"

    def _error(self, what: str) -> LocalModelError:
        try:
            found = self._record()
        except OSError:
            return LocalModelError(f"the server of {self.model.name} {what}")
        end = tail(found.log).replace(found.api_key, "…")
        return LocalModelError(f"the server of {self.model.name} {what}; the end of its log {found.log}:\n{end}")


async def _uncut(work: Coroutine[Any, Any, bool]) -> bool:
    """The work's result; who is cancelled meanwhile goes only when it is done: a keeper half begun is nobody's."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def _run_keeper(settings: dict[str, Any], log: Path) -> bool:
    """Whether a keeper could start the server; it leaves us at once and outlives us where others use the server."""
    with log.open("ab") as file:
        done = subprocess.run(
            [sys.executable, "-P", str(Path(__file__).with_name("vllm_keeper.py"))],
            input=json.dumps(settings).encode() + b"\n",
            stdout=subprocess.PIPE,
            stderr=file,
            start_new_session=True,  # Ctrl-C is not for it
            check=False,
        )
    return bool(done.stdout)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _served(response: Any) -> list[str]:
    """The names that an endpoint's list of models holds; none where it is no such list."""
    try:
        return [str(model["id"]) for model in response.json()["data"]]
    except (ValueError, KeyError, TypeError):
        return []
