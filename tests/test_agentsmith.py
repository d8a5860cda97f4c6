"""From a description to an agent: every step, both modes, and what is left when a step comes to nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practice import sandbox
from practice.agent import Agent, AgentSpec
from practice.agentsmith import MadeAgent, Order, files, make_agent, steps
from practice.agentsmith.drafts import Request as Wanted
from practice.agentsmith.drafts import draft, missing, stated, verifier_of
from practice.agentsmith.tried import trial_tool
from practice.agentsmith.types import Answered, Drafted, Instructions
from practice.calls import Calls, Endpoint
from practice.config import ModelSpec, Workspace, load_settings, parse, read_yaml, starter_root
from practice.errors import CallFailed, EndpointError, InputError, SandboxMissing
from practice.fakes import ScriptedModel
from practice.sandbox.monty import MontyEngine
from practice.session import read_inputs
from practice.task import load_tasks
from practice.tool import Tool, call, tool_from_function
from practice.tool.trust import approved_hosts, permit_of, state, trust_of
from practice.toolsmith import Unmade
from practice.toolsmith.desk import Desk
from practice.types import Request, Task, ToolCall
from tests.builders import ANSWERS, NEED, NO_MORE, VAT, FakeToolsmith, builder, need, needs, put_tool
from tests.smiths import WISH, Smith, empty_workspace, needs_bwrap

WHAT = "I need an agent that adds VAT to net amounts."
MODEL = ModelSpec(name="openai/fake", api_base="http://127.0.0.1:9/v1")
NO_TOOL = Unmade(stage="tests", reason="only 2 of 6 cases hold")


async def made(
    root: Path,
    *,
    answers: dict[str, Any] | None = None,
    smith: FakeToolsmith | None = None,
    speak: Callable[[Request], str] | None = None,
    what: str = WHAT,
    person: Any = None,
    **order: Any,
) -> tuple[MadeAgent, ScriptedModel, Workspace]:
    (root / "agents").mkdir(exist_ok=True)
    place = Workspace(root)
    model, ask = builder(answers, speak)
    result = await make_agent(
        Order(what=what, model=MODEL, **order),
        ask=ask,
        workspace=place,
        engine=MontyEngine(),
        person=person,
        make=smith or FakeToolsmith(VAT),
    )
    return result, model, place


@pytest.fixture
def anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """What loads an agent with a tool of a model's gets an engine that every machine has."""
    monkeypatch.setattr("practice.sandbox.engine", MontyEngine)


# ---------------------------------------------------------------- the whole way


@pytest.mark.usefixtures("anywhere")
async def test_a_description_becomes_an_agent_that_can_practise(tmp_path: Path) -> None:
    agent, model, place = await made(tmp_path, approve_tested=True)
    assert (agent.agent, agent.path, agent.tasks, agent.config) == (
        *("vat-helper", "agents/vat-helper.yaml", "tasks/vat-helper.jsonl", "vat-helper.yaml"),
    )
    loaded = Agent.from_yaml(place.path(agent.path), workspace=place)
    assert loaded.spec.model == MODEL
    assert [tool.name for tool in loaded.tools] == ["add_vat"]
    assert loaded.spec.instructions == (
        "You add VAT.\n\n1. Call add_vat.\n\n"
        "Do not work out yourself what a tool does; call it and use its result:\n- add_vat: Add VAT to an amount.\n"
        'For the request "What is 100 with 20 % VAT?" the call is '
        '{"name": "add_vat", "arguments": {"amount": 100, "rate": 20}}\n\n'
        "Unless the user says otherwise:\n- Which currency? Euro.\n\n"
        'Give the sum.\nEnd with a line "Answer: " that repeats the result alone, as the tool gave it.\n'
    )
    tasks = load_tasks(str(agent.tasks), place).tasks
    assert [(task.input, task.answer, task.verifier) for task in tasks] == [
        ("What is 250 with 20 % VAT?", "300", "number"),
        ("What is 40 with 20 % VAT?", "48", "number"),
        ("What is 1200 with 20 % VAT?", "1440", "number"),
    ]
    assert tasks[0].tags == ("starter", "computed by add_vat")
    inputs = read_inputs(load_settings(place.root / str(agent.config), [], place), place)
    assert (len(inputs.practice), len(inputs.validation), inputs.settings.reward) == (2, 1, "number")
    assert agent.smoke.passed and agent.smoke.tools == ("add_vat",)
    assert agent.smoke.output == "Answer: 300"
    assert agent.verified == {"number": 3} and "3 tasks are compared as a number" in agent.verify
    assert agent.usage.calls == len(model.requests) + 3  # the toolsmith's own
    assert {request.schema_name for request in model.requests} >= {"ClarifyReply", "NeedReply", "NameReply"}


async def test_the_files_end_as_they_are_said_to(tmp_path: Path) -> None:
    agent, _, place = await made(tmp_path)
    assert parse(AgentSpec, read_yaml(place.path(agent.path))).tools == ("add_vat",)
    written = {place.relative(path) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {
        *(agent.path, str(agent.tasks), str(agent.config)),
        *(f"tools/generated/add_vat/{name}" for name in ("tool.py", "test_tool.py", "card.yaml")),
        ".practice/tested.json",
    }


async def test_without_approval_the_tool_is_tried_and_stays_in_quarantine(tmp_path: Path) -> None:
    agent, _, place = await made(tmp_path)
    assert state(place, "add_vat") == "quarantined"
    assert agent.smoke.passed and agent.verified == {"number": 3}
    assert not agent.tools[0].approved
    assert any("practice tool approve add_vat" in line for line in agent.notes)
    with pytest.raises(InputError, match="quarantine"):
        Agent.from_yaml(place.path(agent.path), workspace=place)


async def test_a_tool_whose_tests_fail_is_not_trusted_whatever_was_ordered(tmp_path: Path) -> None:
    smith = FakeToolsmith(VAT, tests="def test_no():\n    assert False\n")
    agent, _, place = await made(tmp_path, smith=smith, approve_tested=True)
    assert not agent.tools[0].approved and state(place, "add_vat") == "quarantined"
    assert any(line.startswith("add_vat: 1 of its tests fail") for line in agent.notes)


async def test_a_person_answers_and_what_they_say_goes_to_every_step(tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    async def person(question: str, assumption: str) -> str:
        asked.append((question, assumption))
        return "Swiss francs. "

    smith = FakeToolsmith(VAT)
    agent, model, _ = await made(tmp_path, person=person, smith=smith)
    assert asked == [("Which currency?", "Euro.")]
    assert agent.questions == (Answered(question="Which currency?", answer="Swiss francs.", assumed=False),)
    assert "Which currency? Swiss francs." in smith.wishes[0].what
    later = [request for request in model.requests if request.schema_name in ("NeedReply", "InstructionsReply")]
    assert all("Swiss francs." in request.messages[-1].content for request in later)


async def test_assumptions_are_written_down_and_no_tool_is_built_on_them(tmp_path: Path) -> None:
    smith = FakeToolsmith(VAT)
    agent, _, place = await made(tmp_path, smith=smith)
    assert agent.questions[0].assumed
    assert "Euro" not in smith.wishes[0].what
    assert "- Which currency? Euro." in place.path(agent.path).read_text()


async def test_without_a_tool_the_agent_is_judged(tmp_path: Path) -> None:
    agent, _, place = await made(tmp_path, answers={"NeedReply": NO_MORE})
    assert agent.tools == () and agent.verified == {"judge": 2}
    assert load_settings(place.root / str(agent.config), [], place).reward == "judge"
    assert "reward: judge" in agent.verify
    assert "Answer:" not in place.path(agent.path).read_text()


async def test_a_tool_that_could_not_be_made_is_said_and_python_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("practice.sandbox.engine", MontyEngine)
    agent, _, place = await made(tmp_path, smith=FakeToolsmith(NO_TOOL), name="writes")
    assert (agent.tools[0].how, agent.tools[0].ref) == ("fallback", "python")
    assert parse(AgentSpec, read_yaml(place.path(agent.path))).tools == ("python",)
    assert any("only 2 of 6 cases hold" in line for line in agent.notes)
    assert set(agent.verified) == {"judge"}  # an interpreter's requests would be about nothing

    def missing() -> MontyEngine:
        raise SandboxMissing("none here")

    monkeypatch.setattr("practice.sandbox.engine", missing)
    agent, _, place = await made(tmp_path, smith=FakeToolsmith(NO_TOOL), name="plain")
    assert (agent.tools[0].how, agent.tools[0].ref) == ("none", None)
    assert parse(AgentSpec, read_yaml(place.path(agent.path))).tools == ()


@pytest.mark.usefixtures("anywhere")
@pytest.mark.parametrize("broken", [name for name in ANSWERS if name != "SameReply"])
async def test_an_agent_is_valid_whatever_step_comes_to_nothing(tmp_path: Path, broken: str) -> None:
    agent, _, place = await made(tmp_path, answers={broken: "no JSON at all"}, approve_tested=True)
    loaded = Agent.from_yaml(place.path(agent.path), workspace=place)
    assert loaded.spec.instructions.strip() and agent.agent == loaded.spec.name
    assert agent.retries >= 1 or broken == "InputsReply"  # asked only where too little can be verified
    if agent.config is not None:
        read_inputs(load_settings(place.root / agent.config, [], place), place)


@pytest.mark.usefixtures("anywhere")
async def test_hostile_words_of_a_model_stay_words(tmp_path: Path) -> None:
    """YAML in a name, a path, control characters: the program writes the file, so it stays valid."""
    words = "x: [1, {a\n---\n- ../../etc & *a !!python \u2028 \x85 # '\""
    answers = {
        "NameReply": {"description": words, "name": "../../" + words},
        "InstructionsReply": {"role": words, "steps": [words, words], "answer": words},
        "ClarifyReply": {"questions": [{"question": words, "assumption": words}]},
        "InputsReply": {"requests": [words, words + "?", "  "]},
        "RequestsReply": {"requests": []},
    }
    agent, _, place = await made(tmp_path, answers=answers, approve_tested=True)
    assert place.path(agent.path).parent == place.agents
    spec = Agent.from_yaml(place.path(agent.path), workspace=place).spec
    assert steps.one_line(words) in spec.instructions and len(load_tasks(str(agent.tasks), place).tasks) == 2


@given(seed=st.integers(min_value=0, max_value=10_000))
def test_every_agent_file_is_valid(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever the parts are, the file that is made of them reads as they are."""
    rng = random.Random(seed)
    text = "".join(rng.choice("abc:#-[]{}&*!|>'\"%@`\\, \n\t~0é\u2028") for _ in range(rng.randint(0, 60)))
    parts = steps.settled(text, [text, text[::-1]], text, "adds")
    answered = [Answered(question=steps.one_line(text), answer=text[:9], assumed=True)]
    prompt = files.instructions_text(parts, [("f", steps.first_line(text))], answered, Drafted())
    fields = files.agent_fields("a", steps.one_line(text), MODEL, prompt, ("f",))
    root = tmp_path_factory.mktemp("agent")
    path, tasks, config = files.write(Workspace(root), "a", fields, Drafted())
    spec = parse(AgentSpec, read_yaml(root / path))
    assert (spec.instructions, spec.tools, spec.model, tasks, config) == (prompt, ("f",), MODEL, None, None)


# ---------------------------------------------------------------- tools


async def test_an_existing_tool_is_taken_where_the_model_says_that_it_covers_the_need(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/vat.py").write_text(VAT)
    smith = FakeToolsmith()
    answers = {
        "NeedReply": needs(need("Add VAT to an amount.")),
        "SameReply": {"needed": "a", "gives": "a", "covers": "all"},
    }
    agent, _, place = await made(tmp_path, answers=answers, smith=smith)
    assert (agent.tools[0].ref, agent.tools[0].how, agent.tools[0].approved) == ("add_vat", "existing", True)
    assert smith.wishes == [] and agent.verified == {"number": 3}
    assert Agent.from_yaml(place.path(agent.path), workspace=place).tools[0].name == "add_vat"


async def test_needs_that_say_the_same_are_one(tmp_path: Path) -> None:
    again = need("Return the amount with VAT, given a rate and an amount.")
    smith = FakeToolsmith(VAT)
    await made(tmp_path, answers={"NeedReply": needs(NEED, again)}, smith=smith)
    assert len(smith.wishes) == 1


async def test_what_one_function_leaves_a_further_one_does(tmp_path: Path) -> None:
    smith = FakeToolsmith(NO_TOOL, NO_TOOL)
    wanted = needs(NEED, need("Sort invoices by date."), need("Print them in colours."))
    _, model, _ = await made(tmp_path, answers={"NeedReply": wanted}, smith=smith)
    assert [wish.what.splitlines()[0] for wish in smith.wishes] == [NEED["what"], "Sort invoices by date."]
    asked = [request for request in model.requests if request.schema_name == "NeedReply"]
    assert len(asked) == 2 and f"- {NEED['what']}" in asked[1].messages[0].content


@pytest.mark.parametrize("approve", [True, False])
async def test_hosts_and_files_are_the_users_word(tmp_path: Path, approve: bool) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/rates.csv").write_text("de,19\n")
    (tmp_path / ".env").write_text("KEY=1\n")
    what = "Adds VAT by data/rates.csv and http://127.0.0.1:8123/rates.html; never .env, memory/ or ../other.csv."
    web, rates = ("127.0.0.1:8123",), ("data/rates.csv",)
    cases = {
        "web": ("Get the rates from evil.example.", "web", web, ()),
        "files": ("Get the rates from .env.", "files", (), rates),
        "words": ("Fetch the page and the file ../other.csv.", "nothing", web, rates),
        "nothing": ("Add the rate.", "nothing", (), ()),
    }
    for name, (said, reaches, hosts, read) in cases.items():
        smith = FakeToolsmith(VAT.replace("add_vat", f"vat_{name}"), name=f"vat_{name}")
        answers = {"NeedReply": needs(need(said, reaches))}
        agent, _, place = await made(
            tmp_path, answers=answers, smith=smith, what=what, name=name, approve_tested=approve
        )
        assert (smith.wishes[0].hosts, smith.wishes[0].read) == (hosts, read)
        assert agent.tools[0].approved is approve
        trust = trust_of(place, f"vat_{name}")
        assert (trust is not None) is approve
        if trust is not None:
            granted = permit_of(place, trust)
            assert granted.hosts == hosts and granted.read == tuple(str(place.path(path)) for path in read)
        command = " ".join([*(f"--host {host}" for host in hosts), *(f"--read {path}" for path in read)])
        assert any(f"tool approve vat_{name} {command}".strip() in line for line in agent.notes) is not approve


@pytest.mark.parametrize("words", ["the folder data/", "files in data/.", "data/rates.csv and data/new.csv"])
async def test_a_model_is_told_which_files_there_are(tmp_path: Path, words: str) -> None:
    (tmp_path / "data").mkdir()
    for name in ("rates.csv", "new.csv", ".hidden"):
        (tmp_path / "data" / name).write_text("de,19\n")
    _, model, _ = await made(tmp_path, what=f"Adds VAT, by {words}")
    asked = next(request for request in model.requests if request.schema_name == "RequestsReply")
    listed = asked.messages[-1].content.split("Files that there are: ")[1].splitlines()[0]
    assert sorted(listed.split(", ")) == ["data/new.csv", "data/rates.csv"]


@pytest.mark.parametrize("approve", [True, False])
async def test_a_reader_comes_along_and_its_hosts_are_opened_by_approval_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, approve: bool
) -> None:
    monkeypatch.setattr("practice.sandbox.engine", MontyEngine)
    (tmp_path / "tools").mkdir()
    source = 'def browse(url: str) -> str:\n    """Fetch a page."""\n    return url\n'
    (tmp_path / "tools/browse.py").write_text(source)
    agent, _, place = await made(
        tmp_path,
        answers={"NeedReply": needs(need("Fetch the rates.", "web"))},
        smith=FakeToolsmith(NO_TOOL),
        what="Tells VAT rates from https://rates.example.org/all.",
        approve_tested=approve,
    )
    assert [tool.ref for tool in agent.tools] == ["python", "browse"]
    assert approved_hosts(place, "browse") == (("rates.example.org",) if approve else ())
    told = any("practice tool approve browse --host rates.example.org" in line for line in agent.notes)
    assert told is not approve


async def result_of(tool: Tool, arguments: dict[str, Any]) -> str:
    agent = Agent(
        name="a",
        model=ScriptedModel([json.dumps({"name": tool.name, "arguments": arguments}), "done"]),
        tools=[tool],
    )
    return (await agent.run("go")).steps[0].results[0].content


async def test_what_nobody_has_read_is_tried_in_the_sandbox(tmp_path: Path) -> None:
    place, engine = Workspace(tmp_path), MontyEngine()
    (place.tools).mkdir()
    own = 'def mail(to: str) -> str:\n    """Send."""\n    open("sent", "w").write(to)\n    return "sent"\n'
    (place.tools / "mail.py").write_text(own)
    (place.tools / "add.py").write_text('def add(a: int, b: int) -> int:\n    """Add."""\n    return a + b\n')
    (place.tools / "calculator.py").write_bytes((starter_root() / "tools/calculator.py").read_bytes())
    put_tool(tmp_path, "add_vat", VAT)
    assert await result_of(trial_tool("add", place, engine), {"a": 2, "b": 3}) == "5"
    assert "in the sandbox" in await result_of(trial_tool("mail", place, engine), {"to": "me"})
    assert not Path("sent").exists()
    assert trial_tool("calculator", place, engine).opening is None  # the starter's, byte for byte
    assert await result_of(trial_tool("add_vat", place, engine), {"amount": 10, "rate": 10}) == "11"
    assert await result_of(trial_tool("add_vat", place, engine), {"amount": -1, "rate": 1}) == (
        "Error: the amount is negative"
    )
    (place.tools / "calculator.py").write_text((place.tools / "calculator.py").read_text() + "\n# mine\n")
    assert trial_tool("calculator", place, engine).opening is not None


async def test_a_model_that_never_answers_leaves_nothing(tmp_path: Path) -> None:
    async def ask(key: Any, request: Request) -> Any:
        raise CallFailed("connection", "nobody listens")

    order = Order(what=WHAT, model=MODEL)
    for mode in ("workflow", "meta"):
        with pytest.raises(EndpointError, match="nobody listens"):
            await make_agent(
                order.model_copy(update={"mode": mode}), ask=ask, workspace=Workspace(tmp_path), engine=MontyEngine()
            )
    assert not list(tmp_path.rglob("*"))


# ---------------------------------------------------------------- names


@pytest.mark.parametrize("taken", ["agents/vat.yaml", "tasks/vat.jsonl", "vat.yaml"])
async def test_a_name_that_is_taken_is_wrong_input_before_anything_is_asked(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).parent.mkdir(exist_ok=True)
    (tmp_path / taken).write_text("")
    with pytest.raises(InputError, match="which exists"):
        await made(tmp_path, name="vat")


@pytest.mark.parametrize("name", ["practice", "../x", "", ".hidden", "a b"])
async def test_a_name_that_files_can_not_have_is_wrong_input(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="--name"):
        await made(tmp_path, name=name)


def test_a_models_choice_gets_a_number_where_it_is_taken(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    assert files.free_name(place, "vat") == "vat"
    (tmp_path / "vat.yaml").write_text("")
    assert files.free_name(place, "vat") == "vat-2"
    assert files.free_name(place, "practice") == "practice-2"


@given(st.text())
def test_a_slug_is_a_name(text: str) -> None:
    slug = steps.slug(text)
    assert not slug or (slug.isascii() and slug[0].isalnum() and len(slug) <= 40 and steps.slug(slug) == slug)


async def test_an_empty_description_is_wrong_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="what the agent is to do"):
        await made(tmp_path, what="  \n")


# ---------------------------------------------------------------- starter tasks


def vat(amount: float, rate: float, rounded: bool = False) -> float:
    """Add VAT."""
    return amount + amount * rate / 100


async def drafted(tool: Callable[..., Any] | None, *requests: tuple[dict[str, Any], str]) -> Drafted:
    asked = [{"arguments": arguments, "request": text} for arguments, text in requests]
    _, ask = builder({"RequestsReply": {"requests": asked}})
    tools = [] if tool is None else [tool_from_function(tool)]
    return await draft(Desk(ask, "test", 0), "adds VAT", tools)


async def test_what_a_request_leaves_out_is_added_to_it() -> None:
    found = await drafted(vat, ({"amount": 10, "rate": 20}, "Add 20 % please."))
    assert [(task.input, task.answer) for task in found.tasks if task.verifier == "number"] == [
        ("Add 20 % please. (amount: 10)", "12")
    ]


async def test_calls_that_raise_and_calls_twice_are_no_tasks() -> None:
    def picky(number: int) -> int:
        """Refuse."""
        if number > 5:
            raise ValueError("too large")
        return number

    found = await drafted(picky, ({"number": 9}, "9?"), ({"number": 3}, "3?"), ({"number": 3}, "3 again?"))
    assert [task.input for task in found.tasks if task.verifier == "number"] == ["3?"]


async def test_a_tool_that_says_something_else_each_time_verifies_nothing() -> None:
    def chance(number: int) -> float:
        """Be random."""
        return number + random.random()

    found = await drafted(chance, ({"number": 9}, "9?"), ({"number": 3}, "3?"))
    assert {task.verifier for task in found.tasks} == {"judge"}


async def test_lists_are_judged_by_what_the_tool_computed() -> None:
    def split(text: str) -> list[str]:
        """Split."""
        return text.split()

    found = await drafted(split, ({"text": "a b"}, "Split 'a b'."))
    task = found.tasks[0]
    assert (task.verifier, task.answer) == ("rubric", None)
    assert task.rubric == 'The answer gives this result, in whatever form: ["a", "b"]'


async def test_an_example_is_taken_only_where_enough_is_left() -> None:
    few = await drafted(vat, *(({"amount": n, "rate": 20}, f"{n} with 20 %?") for n in range(3)))
    assert not few.example and few.counts() == {"number": 3, "judge": 2}
    many = await drafted(vat, *(({"amount": n, "rate": 20}, f"{n} with 20 %?") for n in range(4)))
    assert many.counts() == {"number": 3} and '"amount": 0' in many.example
    assert all(task.input not in many.example for task in many.tasks)


async def test_a_model_that_fails_leaves_no_tasks() -> None:
    async def ask(key: Any, request: Request) -> Any:
        raise CallFailed("server", "down")

    desk = Desk(ask, "test", 0)
    assert (await draft(desk, "adds VAT", [tool_from_function(vat)])).tasks == ()
    assert any("down" in line for line in desk.log)


@pytest.mark.parametrize(
    ("answer", "verifier"),
    [
        *(("42", "number"), ("-1.5", "number"), ("$1,200.00", "number"), ("10%", "number")),
        *(("true", "exact"), ("Monday", "exact"), ("2026-01-05", "exact"), ("x" * 81, "rubric")),
        *(("[1, 2]", "rubric"), ('{"a": 1}', "rubric"), ("two\nlines", "rubric")),
    ],
)
def test_how_a_result_is_verified(answer: str, verifier: str) -> None:
    assert verifier_of(answer) == verifier


@pytest.mark.parametrize(
    ("arguments", "text", "lacking"),
    [
        ({"amount": 1200, "rate": 19.0}, "Add 19 % to 1,200 please", ()),
        ({"amount": 1200, "rate": 19.0}, "Add 19 % to 120 please", ("amount",)),
        ({"degrees": -5}, "It is 5 below zero.", ()),
        ({"text": "Hello  World"}, 'Reverse "hello world".', ()),
        ({"values": [1, 2, 3]}, "Mean of 1, 2 and 4", ("values",)),
        ({"rows": [{"name": "Ann", "age": 3}]}, "name Ann, age 3", ()),
        ({"strict": True, "note": None}, "Be strict", ("strict",)),
    ],
)
def test_what_a_request_leaves_out(arguments: dict[str, Any], text: str, lacking: tuple[str, ...]) -> None:
    assert missing(arguments, text) == lacking


_VALUES = st.recursive(
    st.integers(-10_000, 10_000) | st.booleans() | st.text(st.characters(codec="ascii"), min_size=1, max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["amount", "text", "values"]), _VALUES, max_size=3), st.text(max_size=20))
def test_a_task_states_everything_that_its_answer_was_computed_from(arguments: dict[str, Any], text: str) -> None:
    task = stated(Wanted(arguments=arguments, request=text))
    assert all(str(abs(value)) in task for value in arguments.values() if type(value) is int)
    assert all(str(value).lower() in task for value in arguments.values() if isinstance(value, bool))
    assert all(name in task for name in missing(arguments, steps.one_line(text)))


# ---------------------------------------------------------------- an agent builds it


def meta_turns(*calls: tuple[str, dict[str, Any]]) -> Callable[[Request], str]:
    """The building agent makes these calls in order, then says that it is done; the agent it built adds VAT."""
    from tests.builders import agent_turn

    def speak(request: Request) -> str:
        if not any(tool.name == "name_agent" for tool in request.tools):
            return agent_turn(request)
        done = sum(message.role == "tool" for message in request.messages)
        if done < len(calls):
            name, arguments = calls[done]
            return json.dumps({"name": name, "arguments": arguments})
        return "It adds VAT."

    return speak


@pytest.mark.usefixtures("anywhere")
async def test_an_agent_builds_an_agent(tmp_path: Path) -> None:
    speak = meta_turns(
        ("ask_user", {"question": "Which rate?", "assumption": "20 percent"}),
        ("find_tools", {"query": "add VAT"}),
        ("make_tool", {"what": "Given an amount and a rate, return the amount with VAT."}),
        ("write_instructions", {"role": "You add tax.", "steps_in_order": ["Call add_vat."], "answer": "The sum."}),
        ("name_agent", {"name": "Tax Adder", "description": "Adds tax."}),
    )
    agent, model, place = await made(tmp_path, mode="meta", speak=speak, approve_tested=True)
    assert (agent.agent, agent.description, agent.mode) == ("tax-adder", "Adds tax.", "meta")
    assert agent.questions == (Answered(question="Which rate?", answer="20 percent", assumed=True),)
    assert Agent.from_yaml(place.path(agent.path), workspace=place).spec.instructions.startswith("You add tax.\n")
    asked = {request.schema_name for request in model.requests if request.json_schema is not None}
    assert asked == {"RequestsReply"}  # no fixed step decided anything
    assert agent.smoke.passed and any(line.startswith("make_tool: the assistant now has add_vat") for line in agent.log)


async def test_what_the_building_agent_leaves_undone_the_fixed_steps_do(tmp_path: Path) -> None:
    speak = meta_turns(("name_agent", {"name": "tax", "description": "Adds tax."}))
    agent, model, _ = await made(tmp_path, mode="meta", speak=speak)
    assert agent.agent == "tax" and agent.tools == ()  # it came to its end, and wanted no tool
    assert "InstructionsReply" in {request.schema_name for request in model.requests}


async def test_a_building_agent_that_does_not_end_is_taken_over_from(tmp_path: Path) -> None:
    speak = meta_turns(*[("find_tools", {"query": "vat"})] * 50)
    agent, _, _ = await made(tmp_path, mode="meta", speak=speak)
    assert agent.agent == "vat-helper" and agent.tools[0].ref == "add_vat"
    assert any("did not come to its end (its limit of steps)" in line for line in agent.notes)


async def test_the_building_agent_is_told_what_it_did_wrong(tmp_path: Path) -> None:
    wrong = [
        ("use_tool", {"ref": "nothing"}),
        ("write_instructions", {"role": " ", "steps_in_order": [], "answer": ""}),
        ("name_agent", {"name": "!!", "description": "x"}),
        *[("ask_user", {"question": "Why?", "assumption": "so"})] * 3,
    ]
    agent, model, _ = await made(tmp_path, mode="meta", speak=meta_turns(*wrong))
    told = [message.content for message in model.requests[len(wrong)].messages if message.role == "tool"]
    assert [text.startswith("Error:") for text in told] == [True, True, True, False, False, True]
    assert len(agent.questions) == 2


# ---------------------------------------------------------------- parts


def test_steps_are_numbered_once() -> None:
    parts = steps.settled("You do.", ["1. Read it.", "Step 2: Call f.", "2) Call f.", "Call f.", ""], " ", "b")
    assert parts.steps == ("Read it.", "Call f.")
    assert files.instructions_text(parts, [], [], Drafted()) == "You do.\n\n1. Read it.\n2. Call f.\n"


def test_a_function_is_told_with_what_its_arguments_mean() -> None:
    def add(a: int, b: int = 2) -> int:
        """Add.

        Args:
            a: The first.
        """
        return a + b

    assert steps.told(tool_from_function(add).spec) == "add(a, b)\nAdd.\n- a: The first.\n- b: integer"


@pytest.mark.parametrize(
    ("given_steps", "tools", "kept"),
    [
        (["Read it.", "Calculate the sum."], [], ["Read it.", "Calculate the sum."]),
        (["Read it.", "Call add.", "Calculate the sum."], ["add"], ["Read it.", "Call add."]),
        (["Calculate the sum with add."], ["add"], ["Calculate the sum with add."]),
        (["Address the user."], ["add"], ["Take from the request what add needs and call it.", "Address the user."]),
        ([], ["add", "sort_lines"], ["Take from the request what add needs and call it."]),
    ],
)
def test_steps_do_not_work_out_by_hand_what_a_tool_does(
    given_steps: list[str], tools: list[str], kept: list[str]
) -> None:
    assert files.procedure(given_steps, tools) == tuple(kept)


def test_one_task_is_not_enough_to_practise_on(tmp_path: Path) -> None:
    one = Drafted(tasks=(Task(id="a", input="1 + 1?", answer="2", verifier="number"),))
    fields = files.agent_fields("a", "", MODEL, "Add.", ())
    agent, tasks, config = files.write(Workspace(tmp_path), "a", fields, one)
    assert (agent, tasks, config) == ("agents/a.yaml", "tasks/a.jsonl", None)


def test_a_model_that_is_a_name_is_written_as_one() -> None:
    assert files.agent_fields("a", "", ModelSpec(name="llamacpp/x"), "Add.", ())["model"] == "llamacpp/x"
    assert files.agent_fields("a", "", MODEL, "Add.", ())["model"] == {
        "name": "openai/fake",
        "api_base": "http://127.0.0.1:9/v1",
    }


async def test_tools_are_called_as_an_agent_calls_them() -> None:
    """The answers of starter tasks are read as a model would read them: 45.0 is 45."""
    wanted = ToolCall(id="1", name="vat", arguments='{"amount": "37.5", "rate": 20}')
    assert (await call(tool_from_function(vat), wanted)).content == "45"
    assert isinstance(Instructions(role="r", steps=()), Instructions)


# ---------------------------------------------------------------- with the toolsmith and the sandbox themselves


@needs_bwrap
async def test_from_a_description_to_an_agent_with_a_tool_of_its_own(tmp_path: Path) -> None:
    place, smith = empty_workspace(tmp_path), Smith()
    requests = [{"arguments": {"number": n}, "request": f"Write {n} in Roman."} for n in (9, 40, 2024, 14, 5000)]
    said = {
        **ANSWERS,
        "RequestsReply": {"requests": requests},
    }
    wanted = needs(need(WISH))

    def reply(request: Request) -> str:
        if request.schema_name == "NeedReply":
            return json.dumps(wanted(request))
        if request.schema_name in said:
            return json.dumps(said[request.schema_name])
        if request.messages[0].role == "user":
            return smith.reply(request)
        last = request.messages[-1]
        if last.role == "tool":
            return f"Answer: {last.content}"
        number = next(int(word) for word in last.content.split() if word.isdigit())
        return json.dumps({"name": "to_roman", "arguments": {"number": number}})

    model = ScriptedModel(reply)
    agent = await make_agent(
        Order(what="Writes Roman numerals.", model=MODEL, approve_tested=True),
        ask=Calls(backoff=0.0).ask(Endpoint(model)),
        workspace=place,
        engine=sandbox.engine(),
    )
    assert (agent.tools[0].ref, agent.tools[0].how, agent.tools[0].approved) == ("to_roman", "made", True)
    tasks = load_tasks(str(agent.tasks), place).tasks
    assert [(task.input, task.answer, task.verifier) for task in tasks] == [
        ("Write 40 in Roman.", "XL", "exact"),
        ("Write 2024 in Roman.", "MMXXIV", "exact"),
        ("Write 14 in Roman.", "XIV", "exact"),
    ]
    assert agent.smoke.passed and agent.smoke.output == "Answer: XL"
    assert agent.usage.calls == len(model.requests)
    inputs = read_inputs(load_settings(place.root / str(agent.config), [], place), place)
    assert [tool.name for tool in inputs.agent.tools] == ["to_roman"]
