"""Every other provider, through LiteLLM, with its retries, cache, logging and downloads switched off."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from practice.config import Price
from practice.errors import CallFailed, InputError
from practice.model.attempt import OneAttempt
from practice.model.faults import Refusal, Secrets, read_refusal
from practice.model.wire import Dialect, Shape
from practice.types import Request


class LiteLLMModel(OneAttempt):
    """A model by LiteLLM's name (``anthropic/…``, ``ollama/…``).

    A provider that takes no seed or no schema is known beforehand from LiteLLM's own tables. The program's
    request headers are not sent: there is no endpoint of the user's behind this.
    """

    def __init__(
        self, name: str, *, api_key: str | None, params: Mapping[str, Any], price: Price | None, secrets: Secrets
    ) -> None:
        where = f"the provider of {name}"
        super().__init__(name, wire_name=name, where=where, params=params, price=price, secrets=secrets)
        self._litellm = _litellm()
        self._key = {"api_key": api_key} if api_key else {}
        try:
            bare, provider, _, _ = self._litellm.get_llm_provider(model=name)
        except Exception:
            expected = "a model of a provider that LiteLLM knows (provider/model), or an api_base"
            raise InputError(expected, found=name, key="model.name") from None
        takes: list[str] | None = self._litellm.get_supported_openai_params(bare, provider)
        self._takes = frozenset(takes or ())
        self.dialect = Dialect(
            seed="seed" in self._takes, temperature="temperature" in self._takes, n="n" in self._takes
        )

    async def aclose(self) -> None:
        """Close LiteLLM's connections (all of the process: it keeps them in one cache)."""
        from litellm.llms.custom_httpx.async_client_cleanup import close_litellm_async_clients

        await close_litellm_async_clients()

    def _first_dialect(self, request: Request) -> Dialect:
        """What was learned so far, and no schema where LiteLLM knows that the provider takes none."""
        if request.json_schema is None or "response_format" in self._takes:
            return self.dialect
        plain: dict[str, Shape] = {request.schema_name: "plain"}
        return self.dialect.merged(Dialect(shapes=plain))

    async def _post(self, body: dict[str, Any], headers: Mapping[str, str], limit: float) -> object | Refusal:
        import openai

        del headers
        try:
            answer = await self._litellm.acompletion(**body, **self._key, timeout=limit, num_retries=0, max_retries=0)
        except openai.APITimeoutError:
            raise CallFailed("timeout", f"no answer within {limit:g} s", retriable=True) from None
        except openai.APIConnectionError as error:  # LiteLLM's word for any failure that it can't name
            raise CallFailed("connection", str(error), retriable=True) from None
        except Exception as error:
            return self._refusal(error)
        return answer.model_dump()

    def _refusal(self, error: Exception) -> Refusal:
        """LiteLLM's exception, read. What is no provider's answer at all is a fault of this call alone."""
        status, message = getattr(error, "status_code", None), str(error)
        if not isinstance(status, int):
            raise CallFailed("error", f"{type(error).__name__}: {message}") from None
        own: Mapping[str, str] = getattr(getattr(error, "response", None), "headers", None) or {}
        headers = getattr(error, "litellm_response_headers", None) or own
        read = read_refusal(status, message, headers)
        too_long = isinstance(error, self._litellm.ContextWindowExceededError)
        code = "context_length_exceeded" if too_long else str(getattr(error, "code", None) or "")
        return Refusal(status, read.message, str(getattr(error, "param", None) or ""), code, read.retry_after)


def _litellm() -> Any:
    """LiteLLM, imported where it is first used (seconds of CPU time) and made quiet."""
    # Without these it fetches its price map from the network and loads ./.env while it is imported.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["LITELLM_MODE"] = "PRODUCTION"
    import litellm

    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    litellm.disable_aiohttp_transport = True  # its aiohttp sessions outlive the loop that opened them
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return litellm
