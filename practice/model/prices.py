"""What calls cost in usd. A price that nobody knows is None, never 0."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from practice.config import ModelSpec, Price
from practice.types import Usage

#: OpenAI's list prices, with their date and source inside.
TABLE = Path(__file__).with_name("prices.json")
LOCAL_PREFIXES = ("llamacpp/", "vllm/")
"""Models whose server the program starts and stops."""
#: LiteLLM's own map, read from its folder: the price of a name must not cost LiteLLM's import.
_LITELLM_MAP = "model_prices_and_context_window_backup.json"


def price_of(spec: ModelSpec) -> Price | None:
    """The price of a model in usd per million tokens, or None where it is unknown.

    ``spec.price`` comes first (``config.priced`` puts the user's own table there). Without it OpenAI's own endpoint is
    priced from the table in ``prices.json``, LiteLLM's providers from LiteLLM's map, and a server that the program
    starts itself at 0. An ``api_base`` of another host has no known price, whatever the model is called: who sells a
    known name sets his own price.
    """
    if spec.price is not None:
        return spec.price
    if spec.api_base is None and spec.name.startswith(LOCAL_PREFIXES):
        return Price(input=0.0, output=0.0)
    if spec.api_base is not None and urlsplit(spec.api_base).hostname != "api.openai.com":
        return None
    if is_openai_name(spec.name) or spec.api_base is not None:
        bare = spec.name.removeprefix("openai/")
        return _table().get(bare) or _litellm_price(f"openai/{bare}")
    return _litellm_price(spec.name)


def cost(usage: Usage, price: Price | None) -> float | None:
    """Usd of ``usage`` (tokens / 1e6 x price), cached input and reasoning at their own prices where there are any."""
    if price is None:
        return None
    cached = price.input if price.cached is None else price.cached
    reasoning = price.output if price.reasoning is None else price.reasoning
    fresh, said = usage.input_tokens - usage.cached_tokens, usage.output_tokens - usage.reasoning_tokens
    paid_in = fresh * price.input + usage.cached_tokens * cached
    return (paid_in + said * price.output + usage.reasoning_tokens * reasoning) / 1e6


def worst_cost(input_tokens: int, output_tokens: int, price: Price | None) -> float | None:
    """The most usd that a call of these tokens can cost: whatever is cached, whatever is reasoning."""
    if price is None:
        return None
    dearest = max(price.input, price.cached or 0.0), max(price.output, price.reasoning or 0.0)
    return (input_tokens * dearest[0] + output_tokens * dearest[1]) / 1e6


def is_openai_name(name: str) -> bool:
    """``openai/…``, or a bare name of OpenAI's own families (``gpt-…``, ``o3…``, ``chatgpt-…``)."""
    if name.startswith("openai/"):
        return True
    family = name[:1] == "o" and name[1:2].isdigit()
    return "/" not in name and (family or name.startswith(("gpt-", "chatgpt-")))


@cache
def _table() -> dict[str, Price]:
    data = json.loads(TABLE.read_text(encoding="utf-8"))
    return {name: Price(input=row[0], output=row[1], cached=row[2]) for name, row in data["models"].items()}


@cache
def _litellm_map() -> dict[str, dict[str, Any]]:
    found = importlib.util.find_spec("litellm")
    for folder in (found.submodule_search_locations or ()) if found else ():
        path = Path(folder) / _LITELLM_MAP
        if path.is_file():
            return json.loads(path.read_text(encoding="utf-8"))
    return {}


def _litellm_price(name: str) -> Price | None:
    provider, _, bare = name.partition("/")
    row = _litellm_map().get(name)
    if row is None:
        row = _litellm_map().get(bare, {})
        if row.get("litellm_provider") != provider:
            return None
    tokens_in, tokens_out = row.get("input_cost_per_token"), row.get("output_cost_per_token")
    if tokens_in is None or tokens_out is None:
        return None
    cached, reasoning = row.get("cache_read_input_token_cost"), row.get("output_cost_per_reasoning_token")
    # Rounded to 1e-9 usd a million: 4e-07 x 1e6 is not 0.4 in binary.
    rates = [None if rate is None else round(rate * 1e6, 9) for rate in (tokens_in, tokens_out, cached, reasoning)]
    return Price(input=rates[0] or 0.0, output=rates[1] or 0.0, cached=rates[2], reasoning=rates[3])
