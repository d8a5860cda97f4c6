"""How vLLM should serve a model on these GPUs: pure functions from what is known to the server's flags.

Weights and lengths are read from the model's files where they are on this machine, else guessed from its name. A
guess that is wrong costs a second start: vLLM says which length it can do, and :func:`remedy` takes it at its word.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from practice.errors import LocalModelError
from practice.local.vllm_families import parsers
from practice.local.vllm_gpu import Gpu
from practice.types import Value

__all__ = ["SLOTS", "Facts", "Plan", "facts", "flags", "plan", "remedy", "too_big"]

#: Requests that one server works on at once; the rest wait their turn.
SLOTS = 128
#: Of a GPU's memory, the part that vLLM takes at most (its own default).
UTILIZATION = 0.9
#: Of that, the part that weights may take: what they leave is for the KV cache and the activations.
WEIGHTS_SHARE = 0.75
#: A GPU with less of its memory free than this is somebody else's.
FREE_SHARE = 0.5
#: GiB that the weights leave -> tokens of prompt and answer. A longer context leaves room for fewer requests at once.
LENGTHS = ((40.0, 32768), (16.0, 16384), (6.0, 8192), (0.0, 4096))
#: A context shorter than this is of no use to an agent.
SHORTEST = 1024
#: Tokens without a GPU, and GiB of main memory for the cache.
CPU_LENGTH, CPU_CACHE = 4096, 4

GIB = 2**30


class Facts(Value):
    """What is known of a model before it is loaded."""

    name: str
    weights: float | None = None
    """GiB; None where neither files nor name tell."""
    length: int | None = None
    """The longest context that it was made for, in tokens."""
    heads: int | None = None
    """Attention heads, which tensor parallelism has to divide."""


class Plan(Value):
    """How the server is started."""

    devices: tuple[int, ...] = ()
    """The GPUs by their numbers; none for the CPU build."""
    tensor: int = 1
    data: int = 1
    length: int = CPU_LENGTH
    """Tokens of prompt and answer together."""
    utilization: float | None = None
    tool_parser: str | None = None
    reasoning_parser: str | None = None


def facts(name: str, path: Path | None = None) -> Facts:
    """Of the model in the folder ``path``, or of a hub's id, whose files may be in the hub's cache."""
    folder = path or _cached(name)
    weights, length, heads = _size_by_name(name), None, None
    if folder is not None:
        files = [file for kind in ("*.safetensors", "*.bin") for file in folder.glob(kind)]
        weights = sum(file.stat().st_size for file in files) / GIB or weights
        config = _config(folder)
        length = _count(config, "max_position_embeddings", "n_positions", "seq_length")
        heads = _count(config, "num_attention_heads", "n_head")
    return Facts(name=name, weights=weights, length=length, heads=heads)


def plan(model: Facts, gpus: Sequence[Gpu]) -> Plan:
    """Tensor parallel over as few GPUs as hold the weights, data parallel over the rest; without GPUs the CPU's plan.

    Raises LocalModelError where every GPU is in use, or where the weights don't fit into all of them.
    """
    tool, reasoning = parsers(model.name)
    if not gpus:
        return Plan(length=_bounded(CPU_LENGTH, model), tool_parser=tool, reasoning_parser=reasoning)
    free = [gpu for gpu in gpus if gpu.free >= FREE_SHARE * gpu.total]
    if not free:
        raise LocalModelError(
            f"no GPU has half of its memory free for {model.name}: {_described(gpus)}; wait, or stop what uses them"
        )
    utilization = min(UTILIZATION, math.floor(100 * min(gpu.free / gpu.total for gpu in free) - 2) / 100)
    room = utilization * min(gpu.total for gpu in free)
    tensor = _tensor(model, free, room)
    data = len(free) // tensor
    left = room * tensor - (model.weights or 0.0)
    return Plan(
        devices=tuple(gpu.index for gpu in free[: tensor * data]),
        tensor=tensor,
        data=data,
        length=_bounded(next(length for gib, length in LENGTHS if left >= gib), model),
        utilization=utilization,
        tool_parser=tool,
        reasoning_parser=reasoning,
    )


def flags(found: Plan, *, source: str, name: str, port: int) -> list[str]:
    """What follows ``vllm``: the model's id or path ``source``, served as ``name``, on 127.0.0.1 alone."""
    given = ["serve", source, "--host", "127.0.0.1", "--port", str(port), "--served-model-name", name]
    given += ["--max-model-len", str(found.length), "--max-num-seqs", str(SLOTS), "--seed", "0"]
    # Said though it is the default: groups of attempts live on it. Without the second the share is not reported.
    given += ["--enable-prefix-caching", "--enable-prompt-tokens-details"]
    if found.utilization is not None:
        given += ["--gpu-memory-utilization", f"{found.utilization:.2f}"]
    if found.tensor > 1:
        given += ["--tensor-parallel-size", str(found.tensor)]
    if found.data > 1:
        given += ["--data-parallel-size", str(found.data)]
    if found.tool_parser is not None:  # vLLM refuses to start with the first and without the second
        given += ["--enable-auto-tool-choice", "--tool-call-parser", found.tool_parser]
    if found.reasoning_parser is not None:
        given += ["--reasoning-parser", found.reasoning_parser]
    return given


def remedy(log: str, failed: Plan) -> Plan | None:
    """The plan to try after a start that ended with this log; None where nothing is known to help.

    A port that somebody took in between wants the same plan on another port; a context that is longer than the model
    or the memory allows, the length that vLLM says.
    """
    if re.search(r"address already in use", log, re.IGNORECASE):
        return failed
    said = re.search(r"estimated maximum model length is ([\d,]+)", log) or re.search(
        r"derived max_model_len \(\w+=([\d,]+)", log
    )
    length = int(said[1].replace(",", "")) if said else 0
    return failed.model_copy(update={"length": length}) if SHORTEST <= length < failed.length else None


def too_big(log: str) -> bool:
    """Whether the log of a failed start says that memory was lacking."""
    return bool(re.search(r"out of memory|No available memory|is less than desired|larger than the available", log))


# ---------------------------------------------------------------- inside


def _tensor(model: Facts, gpus: Sequence[Gpu], room: float) -> int:
    """The fewest GPUs, by powers of two, that hold the weights; all of them where their size is unknown."""
    sizes = [2**power for power in range(len(gpus).bit_length()) if 2**power <= len(gpus)]
    sizes = [size for size in sizes if model.heads is None or model.heads % size == 0]
    if model.weights is None:
        return sizes[-1]
    fitting = [size for size in sizes if model.weights <= WEIGHTS_SHARE * room * size]
    if fitting:
        return fitting[0]
    if model.weights > room * sizes[-1]:
        raise LocalModelError(
            f"{model.name} has about {model.weights:.0f} GiB of weights, which the memory here does not hold:"
            f" {_described(gpus)}; a smaller or a quantised model does it"
        )
    return sizes[-1]


def _bounded(length: int, model: Facts) -> int:
    return min(length, model.length or length)


def _described(gpus: Sequence[Gpu]) -> str:
    return ", ".join(f"{gpu.name} with {gpu.free:.0f} of {gpu.total:.0f} GiB free" for gpu in gpus)


def _cached(name: str) -> Path | None:
    """The latest snapshot of a hub's repository in the user's cache, if it was ever fetched."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    snapshots = hub.joinpath(f"models--{name.replace('/', '--')}", "snapshots").glob("*/config.json")
    latest = max(snapshots, key=lambda file: file.stat().st_mtime, default=None)
    return None if latest is None else latest.parent


def _config(folder: Path) -> dict[str, Any]:
    """``config.json``, the part that is about text; empty where there is none that can be read."""
    try:
        found: object = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    whole = cast("dict[str, Any]", found)
    text: object = whole.get("text_config")
    return cast("dict[str, Any]", text) if isinstance(text, dict) else whole


def _count(config: dict[str, Any], *names: str) -> int | None:
    values = (config.get(name) for name in names)
    return next((value for value in values if isinstance(value, int) and value > 0), None)


def _size_by_name(name: str) -> float | None:
    """GiB of ``…-7B-…``: billions (millions) of parameters times the bytes of one; ``8x7B`` counts all experts."""
    low = name.rsplit("/", 1)[-1].lower()
    found = re.search(r"(?<![\w.])(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", low)
    if found is None:
        return None
    parameters = int(found[1] or 1) * float(found[2]) * (1e9 if found[3] == "b" else 1e6)
    if re.search(r"awq|gptq|int4|4bit|w4a|fp4|gpt-oss", low):
        size = 0.6
    else:
        size = 1.0 if re.search(r"fp8|int8|w8a|8bit", low) else 2.0
    return parameters * size / GIB
