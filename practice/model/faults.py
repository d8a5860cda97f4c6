"""What went wrong at an endpoint, as the program's own errors, in sentences without secrets."""

from __future__ import annotations

import email.utils
import json
import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from practice.errors import CallFailed, EndpointError
from practice.model.wire import fields, items

_SECRET_NAME = re.compile(r"(API_KEY|ACCESS_KEY|_TOKEN|_SECRET|_PASSWORD|_PAT)$")
_SHAPES = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=*-]{4,}"), r"\1 ***"),
    (re.compile(r"\b(sk|pk|gsk|hf|AIza)[-_][\w*.-]{6,}"), r"\1-***"),
    (re.compile(r"(?i)\b(authorization|api[-_]key)(['\"]?\s*[:=]\s*['\"]?)(?!bearer|basic)[^\s'\",}]+"), r"\1\2***"),
    (re.compile(r"://[^/@\s]+@"), "://***@"),
)
_CONTEXT = re.compile(
    r"context[ _](length|window|size)|maximum context|exceed_context|prompt is too long|too many (input )?tokens"
    r"|input (is )?too long|longer than the (maximum )?(model )?length",
    re.IGNORECASE,
)
_REFUSED = {
    401: "refused the key",
    402: "asks for payment",
    403: "does not allow this call",
    404: "does not know this model or path",
}


class Secrets:
    """Takes keys out of texts: those it is given, those in the environment, and what looks like one."""

    def __init__(self, *values: str | None, url: str | None = None) -> None:
        known = {value for value in values if value and len(value) > 2}
        known |= {value for name, value in os.environ.items() if _SECRET_NAME.search(name) and len(value) > 7}
        known |= {part for part in _userinfo(url) if len(part) > 2}
        forms = {form for value in known for form in (value, quote(value, safe=""), json.dumps(value)[1:-1])}
        self._forms = sorted(forms, key=len, reverse=True)

    def hide(self, text: str) -> str:
        """``text`` as it is, without secrets."""
        for form in self._forms:
            text = text.replace(form, "***")
        for pattern, harmless in _SHAPES:
            text = pattern.sub(harmless, text)
        return text

    def scrub(self, text: str, limit: int = 300) -> str:
        """``text`` on one line, without secrets, at most ``limit`` characters."""
        text = " ".join(self.hide(text).split())
        return text if len(text) <= limit else text[: limit - 1] + "…"


def _userinfo(url: str | None) -> Iterable[str]:
    if not url:
        return ()
    parts = urlsplit(url)
    return tuple(part for part in (parts.username, parts.password) if part)


@dataclass(frozen=True)
class Refusal:
    """An answer with an error status, read."""

    status: int
    message: str
    """The endpoint's own words, not yet scrubbed."""
    param: str = ""
    code: str = ""
    retry_after: float | None = None
    """Seconds."""


def read_refusal(status: int, text: str, headers: Mapping[str, str]) -> Refusal:
    """The error in the body ``text``: OpenAI's ``{"error": {...}}``, vLLM's flat one, FastAPI's ``detail``."""
    wait = retry_after(headers)
    try:
        data: object = json.loads(text)
    except ValueError:
        return Refusal(status, "" if "<html" in text[:500].lower() else text, retry_after=wait)
    error = fields(data).get("error", data)
    said = fields(error)
    if not said:
        return Refusal(status, str(error), retry_after=wait)
    detail = said.get("detail")
    if first := fields(items(detail)[0] if items(detail) else None):
        path = [str(part) for part in items(first.get("loc")) if part != "body"]
        return Refusal(status, f"{'.'.join(path)}: {first.get('msg')}", param=path[0] if path else "")
    code = str(said.get("code") or said.get("type") or "")
    if said.get("type") == "exceed_context_size_error":  # llama.cpp puts the status into ``code``
        code = "context_length_exceeded"
    return Refusal(status, str(said.get("message") or detail or text), str(said.get("param") or ""), code, wait)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: ``retry-after-ms``, else ``Retry-After`` in seconds or as a date; None where unreadable."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) / unit
        except ValueError:
            try:
                seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
            except (ValueError, OverflowError):
                continue
        if seconds == seconds and abs(seconds) != float("inf"):
            return max(0.0, seconds)
    return None


def is_context(refusal: Refusal) -> bool:
    """Whether the prompt is too long for the model."""
    if refusal.status not in (400, 413, 422):
        return False
    return refusal.code == "context_length_exceeded" or bool(_CONTEXT.search(refusal.message))


def failure(refusal: Refusal, where: str, secrets: Secrets) -> CallFailed | EndpointError:
    """The error to raise for an answer with an error status; the endpoint's words in it are scrubbed and shortened.

    ``where`` names the endpoint at the beginning of a sentence.
    """
    status, said = refusal.status, secrets.scrub(refusal.message)
    tail = f": {said}" if said else ""
    if status in _REFUSED:
        hint = "; check the key's variable" if status == 401 else "; check model and api_base" if status == 404 else ""
        return EndpointError(f"{where} {_REFUSED[status]} ({status}{hint}){tail}")
    if status == 429 and refusal.code == "insufficient_quota":
        return EndpointError(f"{where} has no quota left for this key (429){tail}")
    wait = refusal.retry_after
    if status == 429:
        return CallFailed("rate_limit", f"rate limit (429){tail}", status=status, retriable=True, retry_after=wait)
    if status >= 500:
        return CallFailed("server", f"server error ({status}){tail}", status=status, retriable=True, retry_after=wait)
    if is_context(refusal):
        return CallFailed("context", f"the prompt is too long for the model ({status}){tail}", status=status)
    if status == 408:
        text = f"the endpoint timed out (408){tail}"
        return CallFailed("timeout", text, status=status, retriable=True, retry_after=wait)
    again, text = status in (409, 425), f"the endpoint refused the call ({status}){tail}"
    return CallFailed("client", text, status=status, retriable=again, retry_after=wait)
