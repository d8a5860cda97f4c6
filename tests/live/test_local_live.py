"""The embedded server with the real engine and real weights (``make test-live``)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from practice import local

pytestmark = pytest.mark.live

MODEL = "qwen2.5-coder-0.5b"


@pytest.fixture
async def endpoint() -> AsyncIterator[local.Endpoint]:
    await local.pull(MODEL)
    async with local.serve(f"llamacpp/{MODEL}", slots=2, context=1024) as endpoint:
        yield endpoint


async def ask(endpoint: local.Endpoint, content: str, **body: Any) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {endpoint.api_key}"}
    async with httpx.AsyncClient(trust_env=False, timeout=300, headers=headers) as client:
        body = {"model": endpoint.model, "messages": [{"role": "user", "content": content}], "max_tokens": 40} | body
        answer = await client.post(f"{endpoint.api_base}/chat/completions", json=body)
    return answer.status_code, answer.json()


async def test_it_answers_counts_and_remembers_the_prompt(endpoint: local.Endpoint) -> None:
    question = "List three colours. " + "Answer briefly. " * 40
    status, first = await ask(endpoint, question, temperature=0.0, seed=1)
    assert status == 200
    assert first["choices"][0]["message"]["content"].strip()
    assert first["model"] == MODEL
    status, again = await ask(endpoint, question, temperature=0.0, seed=1)
    assert again["usage"]["prompt_tokens"] == first["usage"]["prompt_tokens"] > 100
    assert again["usage"]["prompt_tokens_details"]["cached_tokens"] > 100


async def test_the_seed_decides(endpoint: local.Endpoint) -> None:
    """Without the prompt cache and one at a time the same body gives the same text, and another seed another."""
    question = "Write one sentence about the sea."
    texts = [
        (await ask(endpoint, question, temperature=1.0, seed=seed, cache_prompt=False))[1]["choices"][0]["message"][
            "content"
        ]
        for seed in (7, 7, 8)
    ]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


async def test_a_json_schema_is_kept(endpoint: local.Endpoint) -> None:
    schema = {
        "type": "object",
        "properties": {"score": {"type": "number"}, "reason": {"type": "string", "maxLength": 60}},
        "required": ["score", "reason"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}}
    _, body = await ask(endpoint, "Is 2 + 2 = 4? Score it from 0 to 1.", response_format=wanted, max_tokens=120)
    answer = json.loads(body["choices"][0]["message"]["content"])
    assert set(answer) == {"score", "reason"}


async def test_limits_of_length_and_context(endpoint: local.Endpoint) -> None:
    _, short = await ask(endpoint, "Count from one to one hundred.", max_tokens=5)
    assert short["choices"][0]["finish_reason"] == "length"
    assert short["usage"]["completion_tokens"] == 5
    status, error = await ask(endpoint, "word " * 1100)
    assert status == 400
    assert error["error"]["type"] == "exceed_context_size_error"


async def test_more_requests_than_slots_wait_their_turn(endpoint: local.Endpoint) -> None:
    answers = await asyncio.gather(*[ask(endpoint, f"Say {i}.", max_tokens=8) for i in range(6)])
    assert [status for status, _ in answers] == [200] * 6


async def test_only_the_key_opens_it(endpoint: local.Endpoint) -> None:
    status, _ = await ask(endpoint.model_copy(update={"api_key": "guess"}), "Hi.")
    assert status == 401
