"""Local servers. The embedded default: weights by name, pulled once a user, served by a child process of ours.
With a GPU: vLLM, in an environment of its own, one server for all who want its model.

``async with local.serve("llamacpp/qwen2.5-coder-1.5b") as endpoint:`` gives ``endpoint.api_base``, ``.model``,
``.api_key`` and ``.slots``.
"""

from __future__ import annotations

from practice.local.fetch import Progress, pull
from practice.local.logs import log_dir
from practice.local.registry import (
    DEFAULT_MODEL,
    MODELS,
    PREFIX,
    LocalModel,
    Weights,
    cache_dir,
    find,
    models_dir,
    resolve,
    weights_of,
)
from practice.local.server import Endpoint, LlamaCppServer
from practice.local.serving import places, serve
from practice.local.vllm import PREFIX as VLLM_PREFIX
from practice.local.vllm_env import install as install_vllm

__all__ = [
    "DEFAULT_MODEL",
    "MODELS",
    "PREFIX",
    "VLLM_PREFIX",
    "Endpoint",
    "LlamaCppServer",
    "LocalModel",
    "Progress",
    "Weights",
    "cache_dir",
    "find",
    "install_vllm",
    "log_dir",
    "models_dir",
    "places",
    "pull",
    "resolve",
    "serve",
    "weights_of",
]
