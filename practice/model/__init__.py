"""The one narrow seam to models: ``connect(spec)`` gives a :class:`Model`, ``Model.complete(request)`` an answer.

    request ─ encode ─► openai's client (api_base, or an OpenAI name) ─ decode ─► Completion
                   └──► LiteLLM (all else)                            └─ faults ─► CallFailed, EndpointError

One attempt a call: retries, rate limits, budget and journal are ``practice.calls``' business. The body is a
function of the request, the spec and what the endpoint refuses; of nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from practice.config import ModelSpec
from practice.errors import InputError, nearest
from practice.model.choices import split
from practice.model.faults import Secrets
from practice.model.jsontext import parse_json
from practice.model.prices import LOCAL_PREFIXES, cost, is_openai_name, price_of, worst_cost
from practice.model.wire import checked_params, request_tokens_bound
from practice.types import Completion, Request

__all__ = [
    "LOCAL_PREFIXES",
    "Fanning",
    "Model",
    "Secrets",
    "connect",
    "cost",
    "parse_json",
    "price_of",
    "request_tokens_bound",
    "split",
    "worst_cost",
]

#: What a local server without a key is sent: openai's client insists on one.
NO_KEY = "no-key"
#: Taken off the name before it is sent; one only, so that ``hosted_vllm/openai/gpt-oss-20b`` keeps its own.
_PREFIXES = ("openai/", "hosted_vllm/", *LOCAL_PREFIXES)


class Model(Protocol):
    """What answers a request. ``practice.fakes`` has two for tests; your own needs no more than this."""

    name: str

    async def complete(
        self, request: Request, *, headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Completion:
        """One attempt within ``timeout`` seconds. Raises CallFailed, or EndpointError where no call can succeed."""
        ...

    async def aclose(self) -> None:
        """Give connections back. A model serves one event loop."""
        ...


@runtime_checkable
class Fanning(Model, Protocol):
    """A model that can give several answers to one request."""

    async def choices(
        self, request: Request, n: int, *, headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> dict[int, Completion]:
        """One attempt at ``n`` answers: the usable ones by their place, at least one; place i has the seed + i.

        The usage of the whole is shared out among them. Raises as ``complete`` does, and CallFailed("client") where
        the endpoint gives one answer a call.
        """
        ...


def connect(spec: ModelSpec, *, api_key: str | None = None) -> Fanning:
    """The model that ``spec`` names. Sends nothing yet.

    OpenAI's client where ``api_base`` is set or the name is OpenAI's (``openai/…``, ``gpt-…``), LiteLLM for all
    else. The key is ``api_key``, else the variable that ``api_key_env`` names, else ``OPENAI_API_KEY`` (for
    LiteLLM: the provider's own variable); an ``api_base`` needs none.

    Raises InputError where a key is missing, a name is unknown or ``params`` holds what the program sets itself.
    """
    params, reserved = checked_params(spec.params)
    if reserved:
        expected = "parameters that the program does not set itself from the request"
        raise InputError(expected, found=reserved[0], key=f"model.params.{reserved[0]}")
    if spec.api_base is None and spec.name.startswith(LOCAL_PREFIXES):
        raise InputError("an api_base, or a local server started before", found=spec.name, key="model.name")
    key = api_key or _key(spec)
    secrets = Secrets(key, url=spec.api_base)
    if spec.api_base is None and not is_openai_name(spec.name):
        from practice.model.litellm_model import LiteLLMModel

        return LiteLLMModel(spec.name, api_key=key, params=params, price=price_of(spec), secrets=secrets)
    from practice.model.openai_model import OpenAIModel

    prefix = next((prefix for prefix in _PREFIXES if spec.name.startswith(prefix)), "")
    return OpenAIModel(
        spec.name,
        wire_name=spec.name.removeprefix(prefix),
        api_base=spec.api_base,
        api_key=key or NO_KEY,
        params=params,
        price=price_of(spec),
        secrets=secrets,
    )


def _key(spec: ModelSpec) -> str | None:
    if spec.api_key_env is not None:
        key = os.environ.get(spec.api_key_env)
        if not key:
            near = nearest(spec.api_key_env, [name for name in os.environ if name.endswith(("_KEY", "_TOKEN"))])
            expected = f"a key in the environment variable {spec.api_key_env} (or in .env)"
            raise InputError(expected, found="no such variable", key="model.api_key_env", nearest=near)
        return key
    if spec.api_base is None and not is_openai_name(spec.name):
        return None
    key = os.environ.get("OPENAI_API_KEY")
    if not key and spec.api_base is None and not os.environ.get("OPENAI_BASE_URL"):
        expected = "a key in the environment variable OPENAI_API_KEY (or in .env), or an api_base"
        raise InputError(expected, found="neither", key="model.api_key_env")
    return key
