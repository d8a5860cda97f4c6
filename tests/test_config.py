"""Settings, YAML with lines, --set, the workspace, and the documents made from the schema."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from practice.config import (
    Closed,
    Evaluator,
    ModelSpec,
    Settings,
    TasksConfig,
    Workspace,
    choose_workspace,
    describe_change,
    dump_yaml,
    fingerprint_fields,
    json_schemas,
    leaf_keys,
    load_env,
    load_settings,
    parse,
    read_yaml,
    read_yaml_text,
    settings_markdown,
    starter_root,
    write_yaml,
)
from practice.config.load import apply_sets
from practice.errors import InputError
from practice.task import check_disjoint, load_tasks
from wrong_inputs import CASES, SETTINGS, TASKS, WORKSPACE, WrongInput, errors_markdown

ROOT = Path(__file__).parent.parent


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    WrongInput("none", "nothing").write(tmp_path)
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


def load(workspace: Workspace, *sets: str, extra: str = "") -> Settings:
    path = workspace.root / "practice.yaml"
    path.write_text(WORKSPACE["practice.yaml"] + extra)
    return load_settings(None, sets, workspace)


# ---------------------------------------------------------------- wrong inputs


@pytest.mark.parametrize("case", [*SETTINGS, *TASKS], ids=lambda case: case.id)
def test_a_wrong_input_is_named(case: WrongInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    files = [Path(word) for word in case.command if word.endswith(".yaml")]
    sets = [case.command[i + 1] for i, word in enumerate(case.command) if word == "--set"]
    place = Workspace(tmp_path)
    with pytest.raises(InputError) as caught:
        loaded = load_settings(files[0] if files else None, sets, place)
        assert loaded.tasks.holdout is not None
        check_disjoint(load_tasks(loaded.tasks.practice, place), load_tasks(loaded.tasks.holdout, place))
    error = caught.value
    assert (error.key, error.line, error.nearest) == (case.key, case.line, case.nearest)
    assert case.file is None or (error.file or "").endswith(case.file)
    assert case.says in f"{error.expected} {error.found}"
    assert not case.hides or case.hides not in str(error)


def test_the_errors_page_lists_them() -> None:
    assert len(CASES) >= 20
    assert len({case.id for case in CASES}) == len(CASES)
    assert (ROOT / "docs" / "errors.md").read_text() == errors_markdown()


# ---------------------------------------------------------------- defaults and the file


def test_only_agent_and_practice_tasks_are_required(tmp_path: Path) -> None:
    place = Workspace(tmp_path / "sums, two")
    WrongInput("none", "nothing").write(place.root)
    (place.root / "practice.yaml").write_text("agent: agents/solver.yaml\ntasks: {practice: tasks/practice.jsonl}\n")
    settings = load_settings(None, (), place)
    assert settings.model_dump(mode="json") == {
        "name": "sums-two",
        "agent": "agents/solver.yaml",
        "tasks": {"practice": "tasks/practice.jsonl", "validation": None, "holdout": None},
        "reward": "exact",
        "rollouts": {"group_size": 5, "temperature": 0.7, "concurrency": 16, "timeout": 300.0},
        "practice": {
            "epochs": 3,
            "batch_size": 16,
            "experiences_per_group": 2,
            "ground_truth": True,
            "shuffle": True,
            "seed": 0,
            "learn_from_all_wrong": False,
            "features": [],
        },
        "evaluate": {"temperature": 0.7, "trials": 1},
        "teacher": {"model": None},
        "judge": {
            "panel": [
                {"name": None, "model": None, "temperature": 0.0, "seed": None, "prompt": prompt, "rubric": None}
                | {"mode": "group", "option_order": None, "rollout_order": None, "blind": True, "pass_mark": None}
                for prompt in ("default", "strict", "evidence")
            ],
            "gate": True,
            "holdout": {"name": None, "model": None, "temperature": 0.0, "seed": None, "prompt": "referee"}
            | {"rubric": None, "mode": "group", "option_order": None, "blind": True, "pass_mark": None},
        },
        "memory": {"bank": "memory/sums-two.yaml", "max_experiences": 40, "max_words": 32, "inject": "all"},
        "accept": {
            "policy": "heldout",
            "fraction": 0.3,
            "alpha": 0.05,
            "trials": 2,
            "max_trials": 8,
            "candidates": 4,
        },
        "budget": {"usd": None, "tokens": None, "seconds": None},
        "traces": None,
    }


def test_a_name_names_the_bank_unless_it_is_given(workspace: Workspace) -> None:
    assert load(workspace, "name=sums").memory.bank == "memory/sums.yaml"
    assert load(workspace, "name=sums", "memory.bank=memory/b.yaml").memory.bank == "memory/b.yaml"


def test_short_forms(workspace: Workspace) -> None:
    settings = load(workspace, extra="teacher: {model: openai/m}\naccept: always\nmemory: {inject: {retrieve: 8}}\n")
    assert settings.teacher.model == ModelSpec(name="openai/m")
    assert settings.accept.policy == "always"
    assert settings.memory.inject != "all"
    assert settings.memory.inject.retrieve == 8
    assert load(workspace, "reward=[exact, math]").reward == ("exact", "math")


def test_a_panels_judges_get_names_of_their_own() -> None:
    judges = [
        Evaluator(prompt="strict"),
        Evaluator(name="strict-2"),
        Evaluator(prompt="strict"),
        Evaluator(prompt="p/mine.md"),
    ]
    settings = Settings(agent="a", tasks=TasksConfig(practice="p"), judge={"panel": judges})  # pyright: ignore
    assert [judge.name for judge in settings.judge.evaluators()] == ["strict", "strict-2", "strict-3", "mine"]


# ---------------------------------------------------------------- --set


def _value(key: str) -> str:
    """A value, other than the default, that ``key`` takes, as YAML."""
    special = {
        "name": "other",
        "agent": "agents/other.yaml",
        "tasks": "{practice: tasks/holdout.jsonl}",
        "tasks.practice": "tasks/holdout.jsonl",
        "tasks.validation": "tasks/practice.jsonl",
        "tasks.holdout": "tasks/practice.jsonl",
        "reward": "[number, 'tools/calculator.py:calculator']",
        "reward.0": "number",
        "practice.features": "['tools/calculator.py:calculator']",
        "practice.features.0": "tools/calculator.py:calculator",
        "memory.inject": "{retrieve: 3}",
        "accept.policy": "always",
        "judge.panel": "[{prompt: strict}]",
    }
    sections = {
        "rollouts": "{group_size: 2}", "practice": "{epochs: 1}", "evaluate": "{trials: 2}",
        "teacher": "{model: openai/m}",
        "judge": "{gate: false}", "memory": "{max_words: 9}", "accept": "always", "budget": "{tokens: 7}",
        "traces": "http://127.0.0.1:1",
        "judge.panel.0": "{prompt: strict}", "judge.holdout": "{rubric: Be brief.}", "judge.holdout.prompt": "mine.md",
    }  # fmt: skip
    last = key.rsplit(".", 1)[-1]
    by_name = {
        "ground_truth": "false", "shuffle": "false", "fan_out": "true", "gate": "false", "learn_from_all_wrong": "true",
        "bank": "memory/x.yaml",
        "model": "{name: openai/m, price: {input: 1, output: 2.5}}", "name": "openai/m",
        "api_base": "http://127.0.0.1:1/v1", "endpoint": "http://127.0.0.1:1", "headers_env": "MY_HEADERS",
        "content": "true",
        "api_key_env": "MY_KEY", "params": "{top_p: 0.5}", "price": "{input: 1, output: 2}", "prompt": "evidence",
        "rubric": "Be brief.", "mode": "rubric", "option_order": "descending", "rollout_order": "given",
        "blind": "false", "pass_mark": "0.7", "fraction": "0.5", "alpha": "1e-3", "temperature": "1.5",
    }  # fmt: skip
    return special.get(key) or sections.get(key) or by_name.get(last) or "7"


@pytest.mark.parametrize("key", leaf_keys(Settings))
def test_every_key_can_be_set(key: str, workspace: Workspace) -> None:
    (workspace.agents / "other.yaml").write_text("name: other\n")
    sets = [f"{key}={_value(key)}"]
    holder, _, last = key.rpartition(".")
    if key.endswith("model.name") or ".model." in key:  # the rest of what the mapping must have
        model = key[: key.index(".model") + 6]
        sets.insert(0, f"{model}.name=openai/first")
        if ".price." in key:
            sets.insert(1, f"{holder}={{input: 1, output: 2}}")
    if holder == "traces":
        sets.insert(0, "traces=http://127.0.0.1:2")
    if last in ("trials",):
        sets.append("accept.max_trials=9")
    if key == "reward.0":
        sets.insert(0, "reward=[exact]")
    before = load(workspace, *sets[:-1] if last != "trials" else ())
    after = load(workspace, *sets)
    assert after != before


def test_a_set_value_is_yaml_and_lies_in_its_place(workspace: Workspace) -> None:
    settings = load(
        workspace,
        "judge.panel=[{prompt: strict}, {prompt: evidence, temperature: 1}]",
        "judge.panel.1.seed=7",
        "judge.panel.2.prompt=default",
        "teacher.model=openai/m",
        "teacher.model.api_base=http://127.0.0.1:8000/v1",
        "teacher.model.params.stop=[a, b]",
        "tasks.holdout=null",
        "budget.tokens=2e6",
        "accept.alpha=1e-3",
        "memory.inject.retrieve=3",
    )
    assert [(judge.prompt, judge.temperature, judge.seed) for judge in settings.judge.panel] == [
        ("strict", 0.0, None),
        ("evidence", 1.0, 7),
        ("default", 0.0, None),
    ]
    assert settings.teacher.model is not None
    assert settings.teacher.model.params == {"stop": ["a", "b"]}
    assert settings.tasks.holdout is None
    assert (settings.budget.tokens, settings.accept.alpha) == (2_000_000, 0.001)
    # One judge of the default panel is changed, the others stay.
    panel = load(workspace, "judge.panel.0.temperature=1.0").judge.panel
    assert [(judge.prompt, judge.temperature) for judge in panel] == [
        ("default", 1.0),
        ("strict", 0.0),
        ("evidence", 0.0),
    ]


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("group_size=3", "group_size", "rollouts.group_size"),
        ("rollouts.group_sise=3", "rollouts.group_sise", "rollouts.group_size"),
        ("teacher.model.nam=x", "teacher.model.nam", "teacher.model.name"),
        ("judge.panel.0.promt=strict", "judge.panel.0.promt", "judge.panel.0.prompt"),
        ("agent.name=x", "agent.name", "name"),
        ("judge.panel.9.prompt=strict", "judge.panel.9.prompt", None),
        ("=3", None, None),
        ("zzzz=3", "zzzz", None),
    ],
)
def test_an_unknown_set_key_is_named(text: str, key: str | None, nearest: str | None, workspace: Workspace) -> None:
    with pytest.raises(InputError) as caught:
        load(workspace, text)
    assert (caught.value.file, caught.value.key, caught.value.nearest) == ("--set", key, nearest)


def test_a_set_value_is_refused_as_the_files_is_but_names_set(workspace: Workspace) -> None:
    with pytest.raises(InputError, match=r"--set: rollouts: expected a mapping"):
        load(workspace, "rollouts=5")
    with pytest.raises(InputError, match=r"practice\.yaml:8: judge\.panel: expected a list, found 3"):
        load(workspace, "judge.panel.0.seed=1", extra="judge: {panel: 3}\n")
    with pytest.raises(InputError) as caught:
        load(workspace, "teacher.model={name: openai/m, params: {headers: {Authorization: Bearer abc}}}")
    assert "Bearer" not in str(caught.value)
    assert caught.value.key == "teacher.model.params.headers.Authorization"


def test_sets_do_not_change_the_document() -> None:
    document = read_yaml_text("agent: a\nrollouts: {group_size: 2}\n", "f")
    changed = apply_sets(document, ["rollouts.group_size=3"])
    assert (document.data["rollouts"], changed.data["rollouts"]) == ({"group_size": 2}, {"group_size": 3})


# ---------------------------------------------------------------- models


@pytest.mark.parametrize(
    ("model", "key", "says"),
    [
        ("{name: m, api_base: 'localhost:8000/v1'}", "api_base", "http://127.0.0.1"),
        ("{name: m, api_base: 'http://me:secretword@host/v1'}", "api_base", "without user and password"),
        ("{name: m, params: {temperature: 1}}", "params.temperature", "does not set itself"),
        ("{name: m, params: {a: {api_key: secretword}}}", "params.a.api_key", "no secret"),
        ("{name: m, password: secretword}", "password", "no secret"),
        ("{name: two words}", "name", "of the form"),
        ("{name: m, price: {input: 1}}", "price.output", "this key"),
        ("{name: m, price: {input: .inf, output: 1}}", "price.input", "a finite number"),
        ("{name: m, rpm: 0}", "rpm", "at least 1"),
        ("5", None, "a mapping"),
    ],
)
def test_a_wrong_model_is_refused_without_showing_secrets(
    model: str, key: str | None, says: str, workspace: Workspace
) -> None:
    with pytest.raises(InputError) as caught:
        load(workspace, extra=f"teacher:\n  model: {model}\n")
    error = caught.value
    assert error.key == ".".join(filter(None, ["teacher.model", key]))
    assert error.line == 9
    assert says in error.expected
    assert "secretword" not in str(error)


# ---------------------------------------------------------------- fingerprint


def test_the_fingerprint_holds_every_setting_but_those_a_run_may_go_on_with(workspace: Workspace) -> None:
    free = {
        "budget", "budget.usd", "budget.tokens", "budget.seconds", "traces", "memory.bank", "rollouts.concurrency",
        "rollouts.timeout",
        "teacher.model.api_base", "teacher.model.api_key_env", "teacher.model.concurrency", "teacher.model.rpm",
        "teacher.model.tpm", "traces.endpoint", "traces.headers_env", "traces.content",
    }  # fmt: skip
    start = [
        "teacher.model={name: openai/first, api_base: 'http://127.0.0.1:9/v1', price: {input: 3, output: 3}}",
        "reward=[exact]",
        "traces=http://127.0.0.1:2",
    ]
    (workspace.agents / "other.yaml").write_text("name: other\n")
    before = fingerprint_fields(load(workspace, *start))
    json.dumps(before)
    for key in leaf_keys(Settings):
        if key.startswith(("judge.panel.0.model.", "judge.holdout.model.")) or key == "practice.features.0":
            continue  # a deeper key of what is set as a whole
        sets = [*start, f"{key}={_value(key)}", *(["accept.max_trials=9"] if key == "accept.trials" else [])]
        after = fingerprint_fields(load(workspace, *sets))
        assert (after == before) == (key in free), key


def test_the_folder_and_the_endpoints_place_are_no_part_of_the_fingerprint(tmp_path: Path) -> None:
    fields: list[dict[str, Any]] = []
    for name, port in (("one", 8001), ("two", 8002)):
        place = Workspace(tmp_path / name)
        WrongInput("none", "nothing").write(place.root)
        fields.append(
            fingerprint_fields(load(place, f"teacher.model={{name: m, api_base: 'http://127.0.0.1:{port}/v1'}}"))
        )
    assert fields[0] == fields[1]
    assert fields[0]["teacher.model"] == {"name": "m", "api_base": "/v1"}


def test_a_change_is_described_in_one_line() -> None:
    old = {"rollouts.group_size": 5, "reward": "exact", "teacher.model": None, "gone": 1, "same": 0}
    new = {"rollouts.group_size": 8, "reward": "exact", "teacher.model": {"name": "m" * 99}, "came": "a\nb", "same": 0}
    text = describe_change(old, new)
    assert text.startswith("rollouts.group_size: 5 -> 8; teacher.model: null -> {")
    assert "came: (not set) -> a b" in text
    assert text.endswith("gone: 1 -> (not set)")
    assert "\n" not in text
    assert len(text) < 200
    assert describe_change({}, {f"k{i}": i for i in range(9)}).endswith("; and 3 more")


# ---------------------------------------------------------------- YAML


def test_scalars_follow_yaml_1_2() -> None:
    text = "[no, on, 010, 0x1f, 1e-3, 2e6, 1:30, 2026-01-02, 1_000, ~, .inf, true, 1., -.5, '7', =]"
    assert read_yaml_text(text, "f").data == [
        "no", "on", 10, 31, 0.001, 2_000_000, "1:30", "2026-01-02", "1_000", None, float("inf"), True, 1.0, -0.5, "7",
        "=",
    ]  # fmt: skip


def test_lines_of_every_key() -> None:
    document = read_yaml_text("a: 1\nb:\n  - x\n  - c: 2\n    d:\n      3\n", "f")
    assert document.lines == {("a",): 1, ("b",): 2, ("b", 0): 3, ("b", 1): 4, ("b", 1, "c"): 4, ("b", 1, "d"): 5}
    assert document.where(("b", 1, "missing")) == ("f", 4)


def test_anchors_and_merges_work_and_circles_do_not() -> None:
    document = read_yaml_text("base: &b {x: 1, y: 2}\nmine: {<<: *b, y: 3}\n", "f")
    assert document.data["mine"] == {"x": 1, "y": 3}
    with pytest.raises(InputError, match="no anchor inside itself"):
        read_yaml_text("a: &a [*a]\n", "f")


@pytest.mark.parametrize(
    "text",
    [
        "a: b: c",
        "\ta: 1",
        "a: 1\n---\nb: 2",
        "? [x]\n: 1",
        "!!python/object:os.system x",
        "a: &x 1\nb: *y",
        "'",
        "\x00",
    ],
)
def test_what_is_not_plain_yaml_is_one_error(text: str) -> None:
    with pytest.raises(InputError) as caught:
        read_yaml_text(text, "f.yaml")
    assert caught.value.file == "f.yaml"
    assert "\n" not in str(caught.value)


def test_a_document_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    for data, says in ((b"- a\n", "a mapping"), (b"\xff\xfe", "UTF-8"), (b"", "this key")):
        path.write_bytes(data)
        with pytest.raises(InputError, match=says):
            parse(Settings, read_yaml(path))
    path.write_bytes(b"\xef\xbb\xbfagent: a\r\ntasks: {practice: p}\r\n")
    assert parse(Settings, read_yaml(path)).agent == "a"
    with pytest.raises(InputError, match="a folder"):
        read_yaml(tmp_path)


class Strict(Closed):
    count: int = 0
    share: float = 0.0
    flag: bool = False
    names: tuple[str, ...] = ()
    free: dict[str, Any] = Field(default={})


@pytest.mark.parametrize(
    "text", ["count: '3'", "count: 3.0", "count: true", "share: '1'", "flag: 1", "flag: 'true'", "names: [1]"]
)
def test_nothing_is_converted_in_silence(text: str) -> None:
    with pytest.raises(InputError, match=r"f:1: \w+"):
        parse(Strict, read_yaml_text(text, "f"))


def test_a_whole_number_is_a_number_and_a_free_mapping_stays_as_it_is() -> None:
    value = parse(Strict, read_yaml_text("share: 1\nfree: {a: 'x', b: 1, c: [true]}", "f"))
    assert value == Strict(share=1.0, free={"a": "x", "b": 1, "c": [True]})


_TEXT = st.text() | st.sampled_from(
    ["no", "1e5", "010", "1_0", "~", "", " x", "a: b", "- a", "#", "1:30", "<<", "=", "a\n\nb ", "\x85"]
)
_DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(_TEXT.filter(lambda key: key != "<<"), inner),
    max_leaves=8,
)


@settings(max_examples=50)
@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), _DATA))
def test_what_is_written_is_read_back(data: dict[str, Any]) -> None:
    assert read_yaml_text(dump_yaml(data), "f").data == data


def test_writing_replaces_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "memory" / "b.yaml"
    write_yaml(path, {"bank": "b", "experiences": [{"id": "e1", "text": "When … " + "long " * 60 + "end."}]})
    assert len(path.read_text().splitlines()) == 4
    before = path.read_text()

    def fail(self: Path, target: Path) -> Path:
        raise OSError("no space")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        write_yaml(path, {"bank": "c"})
    assert path.read_text() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["b.yaml"]


# ---------------------------------------------------------------- workspace


def test_the_workspace_of_a_command(tmp_path: Path) -> None:
    one, two, plain = tmp_path / "one", tmp_path / "two", tmp_path / "plain"
    WrongInput("none", "nothing").write(one)
    WrongInput("none", "nothing").write(two)
    (one / "deep" / "er").mkdir(parents=True)
    plain.mkdir()
    (plain / "mine.yaml").write_text("agent: a\n")
    assert choose_workspace(None, None, one / "deep" / "er").root == one
    assert choose_workspace(two, one / "practice.yaml", one).root == two
    assert choose_workspace(None, two / "practice.yaml", one).root == two
    assert choose_workspace(None, plain / "mine.yaml", one).root == one
    assert choose_workspace(None, plain / "mine.yaml", plain).root == plain
    with pytest.raises(InputError, match="practice init"):
        choose_workspace(None, None, plain)
    with pytest.raises(InputError, match="--workspace"):
        choose_workspace(tmp_path / "nowhere", None, one)


def test_paths(tmp_path: Path) -> None:
    place = Workspace(tmp_path / "w")
    assert place.path("tasks/t.jsonl") == place.root / "tasks" / "t.jsonl"
    assert place.path("/etc/hosts").is_absolute()
    assert not place.holds(place.path("../out"))
    assert place.relative(place.root / "memory" / "b.yaml") == "memory/b.yaml"
    assert place.db == place.root / "memory" / "practice.db"
    assert (starter_root() / "agents").is_dir()


def test_env_fills_what_the_environment_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Workspace(tmp_path)
    assert load_env(place) == ()
    for name in ("PRACTICE_A", "PRACTICE_B", "PRACTICE_C", "PRACTICE_D"):
        monkeypatch.setenv(name, "kept")
        if name != "PRACTICE_D":
            monkeypatch.delenv(name)
    text = "# keys\nPRACTICE_A=one # note\n\nexport PRACTICE_B='two # two'\r\nPRACTICE_C=a=b\nPRACTICE_D=new\n"
    (tmp_path / ".env").write_text(text)
    assert load_env(place) == ("PRACTICE_A", "PRACTICE_B", "PRACTICE_C")
    values = [os.environ.pop(f"PRACTICE_{letter}") for letter in "ABCD"]
    assert values == ["one", "two # two", "a=b", "kept"]
    (tmp_path / ".env").write_text("PRACTICE_A=1\nsk-12345678\n")
    monkeypatch.setenv("PRACTICE_A", "")
    with pytest.raises(InputError) as caught:
        load_env(place)
    assert caught.value.line == 2
    assert "sk-" not in str(caught.value)


# ---------------------------------------------------------------- what the schema says of itself


def test_the_settings_page_is_the_schemas() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == settings_markdown()


def test_every_setting_is_described() -> None:
    page = settings_markdown()
    for key in leaf_keys(Settings):
        if ".model." not in key and not key.endswith(".0") and key not in Settings.model_fields:
            assert f"| `{key.replace('.0.', '.<i>.')}` |" in page or key == "memory.inject.retrieve", key
    assert "None |" not in page


def test_the_json_schema_takes_what_the_loader_takes() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json_schemas()["practice"]
    check = jsonschema.Draft202012Validator(schema)
    full = "teacher: {model: openai/m}\naccept: always\nmemory: {inject: {retrieve: 8}}\nreward: [exact]\n"
    good = read_yaml_text(WORKSPACE["practice.yaml"].replace("reward: exact\n", "") + full, "f").data
    check.validate(good)
    for bad in (
        {"budgets": {}},
        {"rollouts": {"group_size": "4"}},
        {"teacher": {"model": {"nam": "x"}}},
        {"accept": "sometimes"},
    ):
        assert not check.is_valid({**good, **bad})
