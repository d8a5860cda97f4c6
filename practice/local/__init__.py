"""The embedded default: weights by name, pulled once a user, served by a child process of ours.

``async with local.serve("llamacpp/qwen2.5-coder-1.5b") as endpoint:`` gives ``endpoint.api_base``, ``.model``,
``.api_key`` and ``.slots``.
"""

from __future__ import annotations

from practice.local.fetch import Progress, pull
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
from practice.local.server import Endpoint, LlamaCppServer, serve

__all__ = [
    "DEFAULT_MODEL",
    "MODELS",
    "PREFIX",
    "Endpoint",
    "LlamaCppServer",
    "LocalModel",
    "Progress",
    "Weights",
    "cache_dir",
    "find",
    "models_dir",
    "pull",
    "resolve",
    "serve",
    "weights_of",
]
