"""The measurements of the seam and of the prompt's order, on endpoints that count for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from practice.errors import RunError
from practice.local import Endpoint
from tests.benches import load
from tests.fakeserver import Asked, FakeServer, Reply
from tests.worlds import lessons

prefix, seam = load("prefix"), load("seam")


# ---------------------------------------------------------------- seam.py


@pytest.mark.parametrize("way", ["model", "calls", "journal"])
async def test_every_call_of_a_round_is_made(way: str) -> None:
    with FakeServer(lambda _: "7") as server:
        seen = await seam.measured(way, server.url, seam.Load(calls=12, in_flight=4, looks=3))
    assert len(server.calls) == 24  # as many to warm up
    assert len({call.body["messages"][1]["content"] for call in server.calls}) == 24
    assert seen.cpu > 0 and len(seen.memory) == 3 and min(seen.memory) > 1


def test_the_table_compares_with_the_bare_client() -> None:
    def seen(milliseconds: float) -> Any:
        return seam.Seen(milliseconds / 1000, 1.0, (100.0, 110.0, 111.0, 112.0, 113.0))

    rounds = {"bare": [seen(2.0), seen(1.0)], "model": [seen(1.4), seen(9.0)]}
    text = seam.table(rounds, {"calls": seen(1.0)}, seam.Load(10, 4))
    assert "1.40 x bare" in text and "within 1.5 times" in text and "+3.0 MiB" in text
    assert "ABOVE" in seam.table({**rounds, "model": [seen(1.6)]}, {}, seam.Load(10, 4))
    assert "httpx-aiohttp" in seam.table({"model": [seen(1.0)]}, {}, seam.Load(10, 4))


# ---------------------------------------------------------------- prefix.py


def cached_by_prefix(timed: bool = True) -> Any:
    """An endpoint with one cache: what a prompt shares with the one before it, in characters, costs nothing."""
    before = [""]

    def world(asked: Asked) -> Reply:
        text = json.dumps(asked.body["messages"])
        known = next((i for i, (a, b) in enumerate(zip(text, before[0], strict=False)) if a != b), len(before[0]))
        before[0] = text
        message = {"content": "Answer: 1"} if asked.stage == "rollout" else {"content": lessons(asked)}
        usage = {"prompt_tokens": len(text), "prompt_tokens_details": {"cached_tokens": known}, "completion_tokens": 3}
        data: dict[str, Any] = {"choices": [{"message": message}], "usage": usage}
        timings = {"timings": {"prompt_ms": float(len(text) - known)}}
        return Reply(body=json.dumps({**data, **(timings if timed else {})}).encode())

    return world


async def arm(folder: Path, *, last: bool, timed: bool = True) -> tuple[Any, list[dict[str, Any]]]:
    with FakeServer(cached_by_prefix(timed)) as server:
        served = Endpoint(api_base=server.url, model="fake", api_key="k", slots=1, context=4096)
        return await prefix.arm(folder, served, 4, last=last), [call.body for call in server.calls]


async def test_the_same_run_with_the_shared_part_last(tmp_path: Path) -> None:
    first, asked = await arm(tmp_path / "a", last=False)
    last, turned = await arm(tmp_path / "b", last=True)
    assert first.by_stage["rollout"].calls == last.by_stage["rollout"].calls == 4 * prefix.GROUP_SIZE
    assert [prefix.exchanged(body) for body in asked] == turned
    assert all(body["messages"][0]["content"].startswith(prefix.INSTRUCTIONS.rstrip()) for body in asked[:20])
    assert prefix.LESSONS[-1] in asked[0]["messages"][0]["content"]
    assert first.all.tokens == last.all.tokens and first.all.share > last.all.share
    assert first.all.seconds == pytest.approx((first.all.tokens - first.all.cached) / 1000)
    line = next(line for line in prefix.table(first, last).splitlines() if "a second" in line)
    assert float(line.split()[-1]) == pytest.approx(first.all.throughput / last.all.throughput, abs=0.01)


async def test_a_server_without_timings_is_no_measurement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RunError, match="ended as failed"):
        await arm(tmp_path, last=False, timed=False)
    assert "timings.prompt_ms" in capsys.readouterr().err


def test_problems_have_their_answers() -> None:
    for task in prefix.problems(50):
        numbers = [int(word) for word in task.input.replace(".", "").replace("?", "").split() if word.isdigit()]
        _, start, times, came, left = numbers
        assert task.answer == str(start + times * came - left)
    assert len({task.input for task in prefix.problems(50)}) == 50
    assert prefix.problems(5) == prefix.problems(5)
