"""Endpoints of a run: one an equal spec, one server a file of local weights, started when it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from practice import endpoints, local
from practice.calls import Calls
from practice.config import ModelSpec
from practice.endpoints import Endpoints
from practice.errors import InputError
from practice.fakes import ScriptedModel
from practice.types import CallKey, Completion, Message, Request, Usage

ASK = Request(messages=(Message(role="user", content="2 + 2?"),), max_tokens=16)


class Servers:
    """Stands in for ``local.serve`` and ``connect``: how many servers are up, which specs were connected to them."""

    def __init__(self) -> None:
        self.started: list[tuple[str, Path | None]] = []
        self.up = self.flying = self.peak = 0
        self.connected: list[ModelSpec] = []

    @asynccontextmanager
    async def serve(self, model: str, *, root: Path | None = None) -> AsyncGenerator[local.Endpoint]:
        self.started.append((model, root))
        self.up += 1
        await asyncio.sleep(0.01)
        yield local.Endpoint(api_base="http://127.0.0.1:1/v1", model="own", api_key="k", slots=4, context=512)
        self.up -= 1

    def connect(self, spec: ModelSpec, *, api_key: str | None = None) -> ScriptedModel:
        assert api_key == "k"
        self.connected.append(spec)
        return Answering(self)


class Answering(ScriptedModel):
    def __init__(self, servers: Servers) -> None:
        super().__init__([])
        self.servers = servers

    async def complete(self, *args: object, **options: object) -> Completion:
        self.servers.flying += 1
        self.servers.peak = max(self.servers.peak, self.servers.flying)
        await asyncio.sleep(0.001)
        self.servers.flying -= 1
        return Completion(content="4", usage=Usage(calls=1, input_tokens=3, output_tokens=1))


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Servers:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/own.gguf").write_bytes(b"GGUF....")
    stand_in = Servers()
    monkeypatch.setattr(local, "serve", stand_in.serve)
    monkeypatch.setattr(endpoints, "connect", stand_in.connect)
    return stand_in


async def test_specs_of_one_file_share_one_server_and_its_places(tmp_path: Path, servers: Servers) -> None:
    near, far = ModelSpec(name="llamacpp/models/own.gguf"), ModelSpec(name=f"llamacpp/{tmp_path}/models/own.gguf")
    warm = near.model_copy(update={"params": {"top_p": 0.9}})
    calls = Calls(concurrency=32)
    async with Endpoints(root=tmp_path) as known:
        assert known.get(near) is known.get(ModelSpec(name=near.name)) is not known.get(warm)
        assert servers.started == []  # nothing was asked yet
        work = [
            calls.complete(known.get(spec), CallKey(phase="practice", stage="rollout", task=f"{i}/{n}"), ASK)
            for i, spec in enumerate((near, far, warm))
            for n in range(8)
        ]
        assert {completion.content for completion in await asyncio.gather(*work)} == {"4"}
        assert servers.started == [(near.name, tmp_path)] and servers.up == 1
        assert sorted(str(spec.params) for spec in servers.connected) == ["{'top_p': 0.9}", "{}", "{}"]
        assert {(spec.name, spec.api_base) for spec in servers.connected} == {("openai/own", "http://127.0.0.1:1/v1")}
        assert servers.peak == known.get(near).concurrency == local.MODELS[local.DEFAULT_MODEL].slots
    assert servers.up == 0


async def test_a_model_of_vllm_stays_one_behind_its_server(
    tmp_path: Path, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known of vLLM goes by the name: how it continues an answer, that it fans out."""
    monkeypatch.setattr(local, "places", lambda name, root: (name, 8))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    async with Endpoints(root=tmp_path) as known:
        endpoint = known.get(ModelSpec(name="vllm/org/some"))
        await Calls().complete(endpoint, CallKey(phase="practice", stage="rollout"), ASK)
        assert [spec.name for spec in servers.connected] == ["vllm/own"] and endpoint.fan_out


async def test_a_spec_may_ask_for_fewer_places_and_never_gets_more(tmp_path: Path, servers: Servers) -> None:
    async with Endpoints(root=tmp_path) as known:
        places = [known.get(ModelSpec(name="llamacpp/models/own.gguf", concurrency=n)).concurrency for n in (1, 3, 64)]
    assert places == [1, 3, local.MODELS[local.DEFAULT_MODEL].slots]
    assert servers.started == []


async def test_a_relative_path_counts_from_the_root(
    tmp_path: Path, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = ModelSpec(name="llamacpp/models/own.gguf")
    async with Endpoints(root=tmp_path / "models") as known:
        with pytest.raises(InputError, match=r"own\.gguf"):
            known.get(spec)
    monkeypatch.chdir(tmp_path)
    async with Endpoints() as known:
        assert known.get(spec).concurrency
