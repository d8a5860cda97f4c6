"""Spans of a run: what they say, what they never say, and that no collector can harm a run."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from practice import traces
from practice.calls import Calls, Endpoint
from practice.config import TracesConfig, Workspace, load_settings, load_traces
from practice.document import Document
from practice.engine import Options
from practice.errors import CallFailed, InputError
from practice.evaluation import evaluate
from practice.fakes import ScriptedModel
from practice.traces import sender as sending
from practice.traces.attributes import answer_attributes, message_json, model_of, provider_of
from practice.traces.sender import Sender
from practice.traces.spans import Spans
from practice.types import CallKey, Completion, Message, Request, ToolCall, ToolResult, Usage
from tests.collector import Collector, Seen
from tests.fakeserver import Asked, FakeServer
from tests.house import ROOT, bank_of, make, practise
from tests.worlds import make_sums, make_tasks
from tests.worlds import tools as calculator_world

SMALL = ("practice.epochs=1", "practice.batch_size=6", "rollouts.group_size=3", "accept.max_trials=2")
KEY = "sk-planted-0123456789abcdef"
HEADER = "planted-header-0123456789"
REQUEST = Request(messages=(Message(role="user", content="2 + 2?"),), seed=7)
PLACE = CallKey(phase="practice", stage="rollout", task="t")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector is on this machine."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")


async def traced(root: Path, collector: str | None, *sets: str, world: Any = "lessons", **agent: Any) -> Document:
    with FakeServer(world) as server:
        sums = world != "lessons"
        tasks = make_sums(6) if sums else make_tasks(6, rules=2)
        held = make_sums(3, start=50) if sums else make_tasks(3, rules=2, start=1000)
        place = make(root, server.url, tasks=tasks, holdout=held, agent=agent)
        if "tools" in agent:
            (root / "tools").mkdir(exist_ok=True)
            shutil.copy(ROOT / "tools/calculator.py", root / "tools")
        told = () if collector is None else (f"traces.endpoint={collector}",)
        document = await practise(place, *SMALL, *told, *sets)
        assert server.count(fault=None) == document.usage.calls
        return document


def named(collector: Collector, operation: str) -> list[Seen]:
    return [span for span in collector.spans if span.attributes.get("gen_ai.operation.name") == operation]


# ---------------------------------------------------------------- what a run's spans are


async def test_a_run_is_one_tree_of_batches_groups_rollouts_calls_and_tools(tmp_path: Path) -> None:
    with Collector() as collector:
        document = await traced(tmp_path, collector.url, world=calculator_world, tools=["calculator"])
        [whole] = named(collector, "invoke_workflow")
        calls, attempts, used = (named(collector, name) for name in ("chat", "invoke_agent", "execute_tool"))

        assert set(collector.paths) == {"/v1/traces"}
        assert {span.trace for span in collector.spans} == {whole.trace}
        assert [span.name for span in collector.spans if not span.parent] == ["invoke_workflow test"]
        assert whole.attributes["practice.run"] == whole.resource["practice.run"] == document.run_id
        assert whole.attributes["practice.status"] == "done"
        assert whole.resource["service.name"] == "practice"

        paths = [collector.path(span) for span in attempts]
        assert {path[1] for path in paths} >= {"holdout before", "epoch 1, batch 1"}
        assert all(path[2].startswith("group ") or path[2].startswith("trial ") for path in paths)
        assert all(path[3:] == ["invoke_agent solver"] for path in paths)
        groups = Counter(path[2] for path in paths if path[2].startswith("group "))
        assert sum(groups.values()) == document.rollouts.total and set(groups.values()) == {3}
        assert used and all(collector.path(span)[3] == "invoke_agent solver" for span in used)
        assert {span.name for span in used} == {"execute_tool calculator"}
        told = {tuple(collector.path(span)[2:4]) for span in calls if span.attributes["practice.stage"] == "rollout"}
        assert told == {tuple(path[2:4]) for path in paths}

        assert len(calls) == document.usage.calls
        for name in ("input_tokens", "output_tokens"):
            counted = sum(span.attributes[f"gen_ai.usage.{name}"] for span in calls)
            assert counted == getattr(document.usage, name)


async def test_calls_attempts_and_scores_speak_the_conventions(tmp_path: Path) -> None:
    with Collector() as collector:
        await traced(tmp_path, f"{collector.url}/v1/traces", world=calculator_world, tools=["calculator"])
        call = next(span for span in named(collector, "chat") if span.attributes["practice.stage"] == "rollout")
        assert call.name == "chat fake" and call.kind == 3  # CLIENT
        expected = {
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "fake",
            "gen_ai.request.temperature": 0.7,
            "gen_ai.request.max_tokens": 2048,
            "gen_ai.response.model": "fake",
        }
        assert expected.items() <= call.attributes.items()
        assert call.attributes["gen_ai.response.finish_reasons"] in (["stop"], ["tool_calls"])
        asked = (span.attributes for span in named(collector, "chat"))
        seeds = [(about["practice.stage"], about["gen_ai.request.seed"]) for about in asked]
        assert len(set(seeds)) == len(seeds)
        tool = named(collector, "execute_tool")[0]
        assert tool.attributes["gen_ai.tool.name"] == "calculator" and tool.attributes["gen_ai.tool.call.id"]
        assert tool.kind == named(collector, "invoke_agent")[0].kind == 1  # INTERNAL
        scores = [
            attributes["gen_ai.evaluation.score.value"]
            for span in collector.spans
            if span.name.startswith(("group", "trial"))
            for name, attributes in span.events
            if name == "gen_ai.evaluation.result"
        ]
        assert len(scores) == len(named(collector, "invoke_agent")) and set(scores) == {0.0, 1.0}


async def test_what_is_said_goes_along_only_where_it_is_asked_for(tmp_path: Path) -> None:
    with Collector() as without, Collector() as with_it:
        await traced(tmp_path / "a", without.url, world=calculator_world, tools=["calculator"])
        await traced(tmp_path / "b", with_it.url, "traces.content=true", world=calculator_world, tools=["calculator"])
        for said in (b"What is 17", b"The calculator says", b"You work out codes", b'"expression"'):
            assert not any(said in body for body in without.bodies)
            assert any(said in body for body in with_it.bodies), said
        call = next(span for span in named(with_it, "chat") if span.attributes["practice.stage"] == "rollout")
        asked = json.loads(call.attributes["gen_ai.input.messages"])
        assert [message["role"] for message in asked][:2] == ["system", "user"]
        assert asked[1]["parts"][0]["type"] == "text"
        [answer] = json.loads(call.attributes["gen_ai.output.messages"])
        assert answer["role"] == "assistant" and answer["finish_reason"] in ("stop", "tool_calls")
        tool = named(with_it, "execute_tool")[0]
        assert "expression" in json.loads(tool.attributes["gen_ai.tool.call.arguments"])
        assert tool.attributes["gen_ai.tool.call.result"].lstrip("-").isdigit()
        attempt = named(with_it, "invoke_agent")[0]
        assert "What is" in attempt.attributes["gen_ai.input.messages"]
        assert "gen_ai.output.messages" in attempt.attributes


async def test_keys_are_in_no_span_and_headers_reach_the_collector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENDPOINT_PASS", KEY)
    monkeypatch.setenv("COLLECTOR_HEADERS", f"Authorization=Basic%20{HEADER},x-project=7")

    def tattler(asked: Asked) -> str:
        return f"My key is {KEY}, yours {HEADER}.\nAnswer: 1"

    model = {"name": "openai/fake", "api_key_env": "ENDPOINT_PASS"}
    with Collector() as collector, FakeServer(tattler, key=KEY) as server:
        place = make(tmp_path, server.url, tasks=make_tasks(2), holdout=[], agent={"model": model})
        model["api_base"] = server.url
        place = make(tmp_path, server.url, tasks=make_tasks(2), holdout=[], agent={"model": model})
        told = f"traces={{endpoint: '{collector.url}', headers_env: COLLECTOR_HEADERS, content: true}}"
        await practise(place, *SMALL, "accept=always", told)
    assert b"My key is ***" in b"".join(collector.bodies)
    for secret in (KEY, HEADER):
        assert not any(secret.encode() in body for body in collector.bodies)
    assert all(headers["authorization"] == f"Basic {HEADER}" for headers in collector.headers)
    assert all(headers["x-project"] == "7" for headers in collector.headers)


async def test_each_process_tells_what_it_did_and_nothing_twice(tmp_path: Path) -> None:
    with Collector() as collector:
        first = await traced(tmp_path, collector.url, "budget.tokens=3000")
        assert first.status == "budget"
        asked = len(named(collector, "chat"))
        assert [span.attributes["practice.status"] for span in named(collector, "invoke_workflow")] == ["budget"]
        with FakeServer() as server:
            # Another port is no other run.
            again = await practise(
                make(tmp_path, server.url, tasks=make_tasks(6, rules=2), holdout=make_tasks(3, rules=2, start=1000)),
                *(*SMALL, f"traces={collector.url}"),
            )
            assert again.status == "done" and again.run_id == first.run_id
            assert len(named(collector, "chat")) - asked == server.count()
        one, two = named(collector, "invoke_workflow")
        assert one.trace != two.trace
        attempts = Counter(span.attributes["practice.rollout"] for span in named(collector, "invoke_agent"))
        finished = {
            span.attributes["practice.rollout"]
            for span in named(collector, "invoke_agent")
            if "error.type" not in span.attributes and "practice.status" in span.attributes
        }
        assert finished == set(attempts)


async def test_an_evaluation_heeds_the_traces_of_its_workspace(tmp_path: Path) -> None:
    with Collector() as collector, FakeServer("right") as server:
        place = make(tmp_path, server.url, holdout=make_tasks(3), traces={"endpoint": collector.url})
        quiet = Options(note=lambda _: None)
        document = await evaluate(
            "agents/solver.yaml", "tasks/holdout.jsonl", workspace=place, reward="number", options=quiet
        )
        assert len(named(collector, "chat")) == document.usage.calls == 3


# ---------------------------------------------------------------- a run is the same with and without


@pytest.mark.parametrize("collector", ["absent", "hang", 500, 503])
async def test_no_collector_harms_a_run_or_says_a_word(
    collector: str | int, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "AT_END", 0.2)
    without = await traced(tmp_path / "without", None)
    if collector == "absent":
        document = await traced(tmp_path / "with", "http://127.0.0.1:9")
    else:
        with Collector(collector) as server:
            document = await traced(tmp_path / "with", server.url)
            assert server.bodies
    assert document.status == "done" and bank_of(document) == bank_of(without)
    assert (document.before, document.after) == (without.before, without.after)
    assert capfd.readouterr() == ("", "")


async def test_traces_are_no_part_of_what_a_run_is(tmp_path: Path) -> None:
    with Collector() as collector, FakeServer() as server:
        place = make(tmp_path, server.url, tasks=make_tasks(6, rules=2), holdout=[])
        first = await practise(place, *SMALL)
        calls = server.count()
        second = await practise(place, *SMALL, f"traces={collector.url}")
        assert second == first and server.count() == calls
        assert not collector.bodies


def test_without_traces_nothing_of_opentelemetry_is_loaded() -> None:
    code = (
        "import asyncio, sys\n"
        "import practice.runner, practice.traces\n"
        "from practice.calls import Calls, Endpoint\n"
        "from practice.fakes import ScriptedModel\n"
        "from practice.types import CallKey, Message, Request\n"
        "ask = Calls().ask(Endpoint(ScriptedModel(['4'])))\n"
        "request = Request(messages=(Message(role='user', content='2 + 2?'),))\n"
        "asyncio.run(ask(CallKey(phase='practice', stage='user'), request))\n"
        "practice.traces.check(None)\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_without_a_run_that_sends_spans_answers_pass_through() -> None:
    async def answer() -> dict[int, Completion]:
        return {0: Completion(content="4")}

    assert traces.part("a") is traces.part("b", known=True)
    traces.note(outcome="x")
    traces.scored([], [])
    assert (await traces.within(answer(), "group"))[0].content == "4"
    assert (await traces.chat(answer(), "openai/x", [PLACE], REQUEST))[0].content == "4"


# ---------------------------------------------------------------- what goes wrong is on its span


async def spans_of(collector: Collector, **config: Any) -> Spans:
    return Spans(TracesConfig(endpoint=collector.url, **config), "run-1", "test")


async def test_a_call_that_is_sent_again_is_two_spans_and_the_first_says_why() -> None:
    busy = CallFailed("rate_limit", "rate limit (429): wait", status=429, retriable=True)
    model = ScriptedModel([busy, "4"])
    with Collector() as collector:
        async with await spans_of(collector):
            await Calls(backoff=0.0).ask(Endpoint(model))(PLACE, REQUEST)
        one, two = named(collector, "chat")
        assert one.attributes["error.type"] == "rate_limit" and one.status == 2 and "429" in one.message
        assert "error.type" not in two.attributes and two.status == 0


async def test_a_tool_that_fails_and_one_that_is_cut_off_say_so() -> None:
    call = ToolCall(id="c1", name="look", arguments="{}")

    async def failing() -> ToolResult | None:
        return ToolResult(call=call, content="Error: a private matter", error=True)

    async def late() -> ToolResult | None:
        return None

    with Collector() as collector:
        async with await spans_of(collector):
            await traces.tool(failing(), call, "Looks.")
            await traces.tool(late(), call)
        one, two = named(collector, "execute_tool")
        assert (one.attributes["error.type"], two.attributes["error.type"]) == ("tool_error", "timeout")
        assert one.attributes["gen_ai.tool.description"] == "Looks."
        assert one.message == ""  # what a tool says is content


async def test_a_part_that_raises_is_marked_and_the_error_goes_on() -> None:
    with Collector() as collector:
        async with await spans_of(collector):
            with pytest.raises(ZeroDivisionError), traces.part("merge", task="t"):
                _ = 1 / 0
        part = next(span for span in collector.spans if span.name == "merge")
        assert part.attributes["error.type"] == "ZeroDivisionError" and part.attributes["practice.task"] == "t"
        assert traces.active.get() is None


async def test_ids_leave_the_random_numbers_of_the_program_alone() -> None:
    random.seed(3)
    expected = [random.random() for _ in range(4)]
    random.seed(3)
    with Collector() as collector:
        async with await spans_of(collector):
            with traces.part("a"), traces.part("b"):
                found = [random.random() for _ in range(4)]
    assert found == expected


# ---------------------------------------------------------------- the sender


class Exporter(SpanExporter):
    """Takes what it is given as it is told to."""

    def __init__(self, *answers: bool | Exception | threading.Event) -> None:
        self.answers, self.sizes = list(answers), list[int]()
        self.entered = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.sizes.append(len(spans))
        self.entered.set()
        answer = self.answers.pop(0) if self.answers else True
        if isinstance(answer, threading.Event):
            answer.wait(30)
            return SpanExportResult.SUCCESS
        if isinstance(answer, Exception):
            raise answer
        return SpanExportResult.SUCCESS if answer else SpanExportResult.FAILURE


def tracer_of(sender: Sender) -> Any:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(sender)
    return provider.get_tracer("test")


async def test_the_end_waits_for_no_collector_that_hangs() -> None:
    held = threading.Event()
    exporter = Exporter(held)
    sender = Sender(exporter, every=0.01)
    tracer_of(sender).start_span("a").end()
    await asyncio.to_thread(exporter.entered.wait, 20)
    await sender.aclose(0.05)
    assert sender.sent == 0  # it is still being sent
    held.set()


@pytest.mark.parametrize("answer", [False, RuntimeError("broken")])
async def test_a_collector_that_fails_is_left_alone_for_a_while(answer: bool | Exception) -> None:
    clock = [0.0]
    exporter = Exporter(answer)
    sender = Sender(exporter, every=0.01, clock=lambda: clock[0])
    for n, now in enumerate((0.0, sending.PAUSE - 1, sending.PAUSE + 1), 1):
        clock[0] = now
        tracer_of(sender).start_span("a").end()
        while sender.sent + sender.lost < n:
            await asyncio.sleep(0.01)
    await sender.aclose(20)
    assert exporter.sizes == [1, 1]
    assert (sender.sent, sender.lost) == (1, 2)


async def test_what_waits_is_bounded_and_the_newest_stay() -> None:
    held = threading.Event()
    exporter = Exporter(held)
    sender = Sender(exporter, every=0.01)
    tracer = tracer_of(sender)
    tracer.start_span("first").end()
    await asyncio.to_thread(exporter.entered.wait, 20)
    for _ in range(sending.QUEUE + 10):
        tracer.start_span("a").end()
    assert sender.lost == 10 and len(sender._queue) == sending.QUEUE
    held.set()
    await sender.aclose(20)
    assert sender.sent == sending.QUEUE + 1


# ---------------------------------------------------------------- settings and names


def test_the_address_and_its_mapping() -> None:
    for given, url in {
        "http://localhost:4318": "http://localhost:4318/v1/traces",
        "https://eu.example/api/public/otel/": "https://eu.example/api/public/otel/v1/traces",
        "http://localhost:6006/v1/traces": "http://localhost:6006/v1/traces",
        "https://host.example/intake/traces?team=a": "https://host.example/intake/traces?team=a",
    }.items():
        assert TracesConfig.model_validate(given).url == url


@pytest.mark.parametrize(
    ("given", "key", "hidden"),
    [
        ("ftp://host", "traces", ""),
        ("http://me:hunter2secret@host", "traces", "hunter2secret"),
        ("http://host/v1/traces?api_key=hunter2secret", "traces", "hunter2secret"),
        ("{endpoint: 'http://host', headers_env: 'Basic hunter2secret'}", "traces.headers_env", "hunter2secret"),
        ("{endpoint: 'http://host', header_env: X}", "traces.header_env", ""),
        ("{endpoint: 'ftp://host'}", "traces.endpoint", ""),
        ("{content: true}", "traces.endpoint", ""),
    ],
)
def test_wrong_traces_are_one_error(given: str, key: str, hidden: str, tmp_path: Path) -> None:
    place = make(tmp_path, "http://127.0.0.1:9/v1", tasks=make_tasks(2), holdout=[])
    with pytest.raises(InputError) as caught:
        load_settings(None, [f"traces={given}"], place)
    assert caught.value.key == key
    assert not hidden or hidden not in str(caught.value)
    (tmp_path / "practice.yaml").write_text(f"nonsense: 1\ntraces: {given}\n")
    with pytest.raises(InputError) as caught:
        load_traces(place)
    assert caught.value.key == key and caught.value.line == 2


def test_no_settings_no_traces(tmp_path: Path) -> None:
    assert load_traces(Workspace(tmp_path)) is None
    (tmp_path / "practice.yaml").write_text("agent: a.yaml\n")
    assert load_traces(Workspace(tmp_path)) is None


def test_headers_come_from_the_variable_that_is_named() -> None:
    config = TracesConfig(endpoint="http://host", headers_env="MY_HEADERS")
    given = {"MY_HEADERS": "Authorization=Basic%20YTpi==, x-team = a"}
    assert traces.headers_of(config, given) == {"authorization": "Basic YTpi==", "x-team": "a"}
    with pytest.raises(InputError, match="did you mean 'MY_HEADER'"):
        traces.headers_of(config, {"MY_HEADER": "a=b"})
    with pytest.raises(InputError, match="not shown") as caught:
        traces.headers_of(config, {"MY_HEADERS": "hunter2secret"})
    assert "hunter2secret" not in str(caught.value)


async def test_missing_packages_are_said_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"pip install 'agent-practice\[traces\]'"):
        traces.check(TracesConfig(endpoint="http://host"), found=lambda _: None)
    monkeypatch.delenv("NO_SUCH_HEADERS", raising=False)
    with FakeServer() as server:
        place = make(tmp_path, server.url)
        with pytest.raises(InputError) as caught:
            await practise(place, "traces={endpoint: 'http://h', headers_env: NO_SUCH_HEADERS}")
        assert caught.value.key == "traces.headers_env"
        assert not server.calls and not place.db.exists()


def test_providers_by_the_names_of_the_conventions() -> None:
    names = {
        "openai/gpt-4.1-mini": ("openai", "gpt-4.1-mini"),
        "gpt-4.1": ("openai", "gpt-4.1"),
        "anthropic/claude": ("anthropic", "claude"),
        "gemini/flash": ("gcp.gemini", "flash"),
        "hosted_vllm/Qwen/Qwen3-8B": ("hosted_vllm", "Qwen/Qwen3-8B"),
        "scripted": ("unknown", "scripted"),
    }
    assert {name: (provider_of(name), model_of(name)) for name in names} == names


def test_messages_in_the_form_of_the_conventions() -> None:
    call = ToolCall(id="c1", name="add", arguments='{"a": 1}')
    broken = ToolCall(id="c2", name="add", arguments="{a")
    assert message_json(Message(role="assistant", content="So:", tool_calls=(call, broken))) == {
        "role": "assistant",
        "parts": [
            {"type": "text", "content": "So:"},
            {"type": "tool_call", "id": "c1", "name": "add", "arguments": {"a": 1}},
            {"type": "tool_call", "id": "c2", "name": "add", "arguments": "{a"},
        ],
    }
    assert message_json(Message(role="tool", content="3", tool_call_id="c1")) == {
        "role": "tool",
        "parts": [{"type": "tool_call_response", "id": "c1", "response": "3"}],
    }
    usage = Usage(calls=1, input_tokens=9, output_tokens=2, cached_tokens=4, reasoning_tokens=1, usd=0.5)
    told = answer_attributes([Completion(content="3", reasoning="hm", usage=usage)], content=True)
    assert json.loads(str(told["gen_ai.output.messages"]))[0]["parts"][0] == {"type": "reasoning", "content": "hm"}
    assert told["gen_ai.usage.cache_read.input_tokens"] == 4 and told["gen_ai.usage.reasoning.output_tokens"] == 1
    assert told["practice.usd"] == 0.5
    unknown = answer_attributes([Completion(content="3", usage=usage, usage_known=False)], content=False)
    assert not any(name.startswith("gen_ai.usage") for name in unknown)
    # A group's first calls in one request: what they took together, and every answer.
    both = answer_attributes([Completion(content=text, usage=usage) for text in "34"], content=True)
    assert both["gen_ai.usage.input_tokens"] == 18 and both["gen_ai.response.finish_reasons"] == ("stop", "stop")
    assert [said["parts"][0]["content"] for said in json.loads(str(both["gen_ai.output.messages"]))] == ["3", "4"]
