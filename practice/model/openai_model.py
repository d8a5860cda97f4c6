"""Models behind OpenAI's chat completions API: OpenAI itself, vLLM, llama.cpp and whoever else speaks it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from practice.config import Price
from practice.errors import CallFailed, EndpointError
from practice.model.attempt import DEFAULT_TIMEOUT, OneAttempt
from practice.model.faults import Refusal, Secrets, read_refusal
from practice.model.wire import dumps

if TYPE_CHECKING:
    import httpx
    import openai

CONNECT_TIMEOUT = 10.0
"""Seconds."""


class OpenAIModel(OneAttempt):
    """``openai``'s client is the transport; bodies and answers are converted by hand.

    Belongs to the event loop that makes its first call.
    """

    def __init__(
        self,
        name: str,
        *,
        wire_name: str,
        api_base: str | None,
        api_key: str,
        params: Mapping[str, Any],
        price: Price | None,
        secrets: Secrets,
    ) -> None:
        where = f"the endpoint of {name}" + (f" at {api_base}" if api_base else "")
        super().__init__(name, wire_name=wire_name, where=where, params=params, price=price, secrets=secrets)
        self._own_host = api_base is not None
        self._client = _client(api_base, api_key)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _post(self, body: dict[str, Any], headers: Mapping[str, str], limit: float) -> object | Refusal:
        import httpx
        import openai

        timeout = httpx.Timeout(limit, connect=min(CONNECT_TIMEOUT, limit))
        try:
            response: httpx.Response = await self._client.post(
                "/chat/completions",
                cast_to=httpx.Response,
                content=dumps(body),
                options={"headers": dict(headers) if self._own_host else {}, "timeout": timeout},
            )
        except openai.APIStatusError as error:
            return read_refusal(error.status_code, error.response.text, error.response.headers)
        except openai.APITimeoutError as error:
            if isinstance(error.__cause__, httpx.ConnectTimeout):  # it was never asked
                text = f"{self._where} can't be reached: no connection within {min(CONNECT_TIMEOUT, limit):g} s"
                raise CallFailed("connection", text, retriable=True) from None
            raise CallFailed("timeout", f"no answer within {limit:g} s", retriable=True) from None
        except openai.APIConnectionError as error:
            raise self._broken(error.__cause__ or error) from None
        return self._parse(response)

    def _parse(self, response: httpx.Response) -> object:
        try:
            return json.loads(response.content)
        except ValueError:
            text = response.content.lstrip()
        if text[:1] == b"<":
            message = f"{self._where} answered with a web page, not with JSON; does api_base end in /v1?"
            raise CallFailed("client", message, status=response.status_code)
        what = "is cut off or not JSON" if text else "is empty"
        raise CallFailed("cut", f"the body of the answer {what}", retriable=True)

    def _broken(self, error: BaseException) -> CallFailed | EndpointError:
        """What a failure below HTTP means."""
        import httpx

        text, where = f"{type(error).__name__}: {error}", self._where
        if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
            return EndpointError(f"{where} can't be reached, check api_base: {text}")
        if "CERTIFICATE_VERIFY_FAILED" in text:
            return EndpointError(f"{where} has a certificate that can't be verified: {text}")
        if isinstance(error, httpx.DecodingError) or "complete message body" in text:
            return CallFailed("cut", f"the answer was cut off: {text}", retriable=True)
        return CallFailed("connection", f"{where} can't be reached: {text}", retriable=True)


def _client(api_base: str | None, api_key: str) -> openai.AsyncOpenAI:
    import httpx
    import openai

    from practice.model.transport import http_client

    timeout = httpx.Timeout(DEFAULT_TIMEOUT, connect=CONNECT_TIMEOUT)
    transport = http_client(api_base, timeout)
    return openai.AsyncOpenAI(api_key=api_key, base_url=api_base, max_retries=0, timeout=timeout, http_client=transport)
