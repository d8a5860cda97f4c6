"""Task files in all their forms, bad lines, content hashes, the split, and what the sets may not share."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practice.config import Workspace
from practice.errors import InputError, RunError
from practice.task import TaskSet, check_disjoint, load_tasks, near_duplicates, task_id, validation_split
from practice.task.record import BadRecord, check_names
from practice.types import Task


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


def load(workspace: Workspace, content: str | bytes, name: str = "t.jsonl", **options: Any) -> TaskSet:
    path = workspace.root / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_tasks(name, workspace, **options)


def refused(workspace: Workspace, content: str | bytes, name: str = "t.jsonl", **options: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        load(workspace, content, name, **options)
    return caught.value


# ---------------------------------------------------------------- records


def test_a_full_record(workspace: Workspace) -> None:
    (workspace.root / "a.txt").write_text("x")
    line = {"id": 7, "input": "What is in the file?", "answer": "x", "verifier": "math", "rubric": "Be brief."}
    line |= {"tags": ["a", "b"], "minutes": 1.5, "files": ["a.txt"]}
    assert load(workspace, json.dumps(line)).tasks == (
        Task(
            id="7",
            input="What is in the file?",
            answer="x",
            verifier="math",
            rubric="Be brief.",
            tags=("a", "b"),
            minutes=1.5,
            files=("a.txt",),
        ),
    )


@pytest.mark.parametrize("name", ["input", "question", "problem", "prompt", "context"])
@pytest.mark.parametrize("answer", ["answer", "target", "label"])
def test_aliases(name: str, answer: str, workspace: Workspace) -> None:
    (task,) = load(workspace, json.dumps({name: "1 + 1?", answer: "2"})).tasks
    assert (task.input, task.answer) == ("1 + 1?", "2")


def test_a_fields_own_name_goes_before_its_aliases_and_two_aliases_are_refused(workspace: Workspace) -> None:
    tasks = load(workspace, '{"input": "a", "context": "b", "answer": "1", "label": "maths"}')
    assert (tasks.tasks[0].input, tasks.tasks[0].answer, tasks.ignored) == ("a", "1", ("context", "label"))
    assert refused(workspace, '{"question": "a", "context": "b"}').found == "both question and context"
    # Two aliases of which one is null leave nothing open.
    assert load(workspace, '{"question": "a", "context": null}').tasks[0].input == "a"


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        ("204", "204"),
        ("2.0", "2.0"),
        ("2.50", "2.50"),
        ("1e400", "1e400"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("true", "true"),
        ("null", None),
        ('"  x"', "  x"),
    ],
)
def test_answers_are_text_as_they_were_written(written: str, answer: str | None, workspace: Workspace) -> None:
    (task,) = load(workspace, f'{{"input": "q", "answer": {written}}}').tasks
    assert task.answer == answer
    assert answer is None or type(task.answer) is str


@pytest.mark.parametrize(
    ("line", "key", "says"),
    [
        ('{"input": 5}', "input", "text"),
        ('{"input": null}', "input", "nothing"),
        ('{"input": ["a"]}', "input", "a list"),
        ('{"question": {"a": 1}}', "question", "an object"),
        ('{"input": "a", "answer": ["x"]}', "answer", "a list"),
        ('{"input": "a", "target": ""}', "target", "not empty"),
        ('{"input": "a", "tags": ["x", 3]}', "tags", "text"),
        ('{"input": "a", "tags": {"x": 1}}', "tags", "a list of texts"),
        ('{"input": "a", "tags": [null]}', "tags", "null in it"),
        ('{"input": "a", "minutes": "soon"}', "minutes", "'soon'"),
        ('{"input": "a", "minutes": 0}', "minutes", "above 0"),
        ('{"input": "a", "minutes": true}', "minutes", "true"),
        ('{"input": "a", "id": true}', "id", "true"),
        ('{"input": "a", "id": "x\\ny"}', "id", "printable"),
        ('{"input": "a", "files": ["../out.txt"]}', "files", "outside"),
        ('{"input": "a", "files": ["none.txt"]}', "files", "not there"),
        ('{"input": "a", "verifier": "check.py:f"}', "verifier", "not there"),
        ('{"input": "a", "verifier": "numbr"}', "verifier", "a reward"),
        ('{"input": "\\ud800"}', "input", "surrogate"),
        ('{"input": "a", "answer": Infinity}', None, "Infinity"),
        ('{"input": "a", "input": "b"}', "input", "twice"),
        ('["a"]', None, "a list"),
        ('"a"', None, "a text"),
        ("12", None, "12"),
        ("{", None, "one JSON object"),
        ("[" * 100_000, None, "too deep"),
        ("{}", "input", "an empty record"),
    ],
)
def test_bad_records(line: str, key: str | None, says: str, workspace: Workspace) -> None:
    error = refused(workspace, f'{{"input": "fine"}}\n\n{line}\n')
    assert (error.file, error.line, error.key) == ("t.jsonl", 3, key)
    assert says in f"{error.expected} {error.found}"


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        (["input", "anwser"], "answer"),
        (["input", "answr"], "answer"),
        (["input", "Answer"], "answer"),
        (["imput", "answer"], "input"),
        (["Question"], "question"),
        (["input", "tag"], "tags"),
        (["input", "verifer"], "verifier"),
        (["input", "ID"], "id"),
    ],
)
def test_a_misspelling_is_named(names: list[str], meant: str) -> None:
    with pytest.raises(BadRecord) as caught:
        check_names(names)
    assert caught.value.nearest == meant


@pytest.mark.parametrize(
    "extra", ["answer_type", "topic", "solution", "task_id", "idx", "entry_point", "answers", "contest", "Best Answer"]
)
def test_other_columns_are_left_aside(extra: str, workspace: Workspace) -> None:
    tasks = load(workspace, json.dumps({"problem": "a", "answer": "b", extra: [1, {"x": None}]}) + '\n{"problem": "c"}')
    assert tasks.ignored == (extra,)
    assert tasks.notes == (f"t.jsonl: columns that are no field of a task are ignored: {extra}",)


# ---------------------------------------------------------------- files


def test_byte_order_mark_crlf_and_line_separators(workspace: Workspace) -> None:
    tasks = load(workspace, '\ufeff{"input": "é"}\r\n\r\n{"input": "a\u2028b"}'.encode())
    assert [task.input for task in tasks.tasks] == ["é", "a\u2028b"]
    assert tasks.lines == (1, 3)


def test_every_bad_line_is_listed_up_to_ten(workspace: Workspace) -> None:
    lines = ['{"input": "fine"}', "{", '{"input": 3}', "{", *(f'{{"input": "{n}", "answer": []}}' for n in range(9))]
    error = refused(workspace, "\n".join(lines))
    assert error.line == 2
    text = str(error)
    assert "12 bad lines; line 3: input: expected text, found 3; line 4: the same; line 5, 6, 7, 8, 9, 10, 11: " in text
    assert text.endswith("; 2 more)")
    kept = load(workspace, "\n".join(lines), skip_bad=True)
    assert [task.input for task in kept.tasks] == ["fine"]
    assert [bad.line for bad in kept.skipped] == list(range(2, 14))
    assert "12 bad line(s) skipped (line 2: " in kept.notes[-1]


def test_a_bad_line_hides_no_good_one(workspace: Workspace) -> None:
    kept = load(workspace, b'{"input": "a"}\n{"input": "caf\xe9"}\n{"input": "b"}\n', skip_bad=True)
    assert [task.input for task in kept.tasks] == ["a", "b"]
    assert kept.skipped[0].line == 2


def test_files_that_hold_no_task(workspace: Workspace) -> None:
    assert "an empty file" in str(refused(workspace, ""))
    assert "2 bad lines" in str(refused(workspace, "{\n{\n", skip_bad=True))
    assert "UTF-16" in str(refused(workspace, '{"input": "a"}'.encode("utf-16")))
    assert refused(workspace, "[]", "t.json").found == "'.json'"
    with pytest.raises(InputError) as caught:
        load_tasks("t.jsnl", workspace)
    assert (caught.value.found, caught.value.nearest) == ("none there", "t.jsonl")
    with pytest.raises(InputError, match="a folder"):
        load_tasks(".", workspace)


def test_repeats_count_once_and_one_id_has_one_content(workspace: Workspace) -> None:
    lines = ['{"input": "a", "answer": 1, "tags": ["x"]}', '{"input": "a", "answer": 1}', '{"input": "a", "answer": 2}']
    tasks = load(workspace, "\n".join([*lines, '{"id": "n", "input": "a", "answer": "1"}']))
    assert [(task.answer, task.tags) for task in tasks.tasks] == [("1", ("x",)), ("2", ())]
    assert tasks.repeated == 2
    assert tasks.notes == ("t.jsonl: 2 lines repeat an earlier task; each task counts once",)
    error = refused(workspace, '{"id": "n", "input": "a"}\n{"id": "m", "input": "b"}\n{"id": "n", "input": "c"}\n')
    assert (error.line, error.key, error.found) == (3, "id", "'n' with another task in line 1")


def test_ids_are_content_hashes(workspace: Workspace) -> None:
    one = load(workspace, '{"input": "a", "answer": 1, "minutes": 3}').tasks[0]
    other = load(workspace, "question,label,tags\na,1,x;y\n", "t.csv").tasks[0]
    content = json.dumps(["a", "1", None, None, []])
    assert one.id == other.id == task_id("a", "1") == hashlib.sha256(content.encode()).hexdigest()[:12]
    variants = {task_id("a", "1"), task_id("a", "1", verifier="math"), task_id("a", "1", rubric="math")}
    assert len(variants | {task_id("a"), task_id("a", "None"), task_id("a", "1", files=["f"])}) == 6


def test_the_digest_is_of_the_tasks_not_of_the_place(workspace: Workspace) -> None:
    text = '{"input": "a"}\n{"input": "b"}\n'
    first = load(workspace, text)
    assert load(workspace, "\n" + text, "other.jsonl").digest == first.digest
    assert load(workspace, '{"input": "b"}\n{"input": "a"}\n').digest != first.digest
    assert load(workspace, '{"input": "a", "tags": ["x"]}\n{"input": "b"}\n').digest != first.digest


# ---------------------------------------------------------------- CSV, Parquet, the hub


def test_csv(workspace: Workspace) -> None:
    text = (
        '\ufeffquestion,answer,tags,minutes,topic\r\n"two\nlines, and ""quotes""",2.0,"x; y,z",1.5,t\r\n\r\nb,,,,\r\n'
    )
    tasks = load(workspace, text, "t.csv")
    assert tasks.lines == (2, 5)
    first, second = tasks.tasks
    assert first.input == 'two\nlines, and "quotes"'
    assert (first.answer, first.tags, first.minutes) == ("2.0", ("x", "y", "z"), 1.5)
    assert (second.answer, second.tags, second.minutes) == (None, (), None)
    assert tasks.ignored == ("topic",)
    assert load(workspace, "input\n" + "x" * 200_000, "t.csv").tasks[0].input == "x" * 200_000


@pytest.mark.parametrize(
    ("text", "line", "key", "says"),
    [
        (b"input,answer\na,1\nb\n", 3, None, "2 cells"),
        (b"input,input\na,1\n", 1, "input", "twice"),
        (b"Input,answer\na,1\n", 1, "Input", "a field"),
        (b"topic,answer\na,1\n", 1, "input", "the input"),
        (b'input\na\n"b\n', 3, None, "CSV"),
        (b"input\na\ncaf\xe9\n", 3, None, "0xe9"),
        (b"input,answer\n,1\n", 2, "input", "nothing"),
        (b"input,answer\n", None, None, "an empty file"),
    ],
)
def test_bad_csv(text: bytes, line: int | None, key: str | None, says: str, workspace: Workspace) -> None:
    error = refused(workspace, text, "t.csv")
    assert (error.line, error.key) == (line, key)
    assert says in f"{error.expected} {error.found}"


def test_parquet_and_the_hub_name_their_extra(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert "agent-practice[parquet]" in str(refused(workspace, b"PAR1", "t.parquet"))
    with pytest.raises(InputError, match=r"agent-practice\[hf\]"):
        load_tasks("hf:owner/set[test]", workspace)


def test_parquet(workspace: Workspace) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = {"question": ["a", "b", "c"], "answer": [2.0, None, 3.5], "tags": [["x"], None, []], "topic": [1, 2, 3]}
    parquet.write_table(arrow.table(rows), workspace.root / "t.parquet")
    tasks = load_tasks("t.parquet", workspace)
    assert [(task.input, task.answer, task.tags) for task in tasks.tasks] == [
        ("a", "2.0", ("x",)),
        ("b", None, ()),
        ("c", "3.5", ()),
    ]
    assert (tasks.lines, tasks.ignored) == ((1, 2, 3), ("topic",))
    parquet.write_table(arrow.table({"question": ["a", "b"], "answer": [1.0, math.nan]}), workspace.root / "t.parquet")
    with pytest.raises(InputError, match=r"t\.parquet:2: answer: .*NaN"):
        load_tasks("t.parquet", workspace)
    assert "a Parquet file" in str(refused(workspace, b"PAR1", "t.parquet"))


class Hub(ModuleType):
    """Stands in for ``datasets``: remembers what it was asked, and answers or raises."""

    def __init__(self, answer: object) -> None:
        super().__init__("datasets")
        self.asked: tuple[object, ...] = ()
        self.answer = answer

    def load_dataset(self, *names: object, split: str) -> object:
        self.asked = (*names, split)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Rows(list[dict[str, Any]]):
    """Rows with ``column_names``, as a Dataset has them."""

    @property
    def column_names(self) -> list[str]:
        return list(self[0])


@pytest.mark.parametrize(
    ("ref", "asked"),
    [
        ("hf:owner/set[test]", ("owner/set", None, "test")),
        ("hf:owner/set", ("owner/set", None, "train")),
        ("hf:openai/gsm8k:main[train[:10]]", ("openai/gsm8k", "main", "train[:10]")),
    ],
)
def test_the_hub(ref: str, asked: tuple[object, ...], workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(Rows([{"question": "a", "answer": 1}, {"question": "b", "answer": 0.5}]))
    monkeypatch.setitem(sys.modules, "datasets", hub)
    tasks = load_tasks(ref, workspace)
    assert hub.asked == asked
    assert [(task.input, task.answer) for task in tasks.tasks] == [("a", "1"), ("b", "0.5")]
    assert tasks.path == ref


def test_the_hubs_failures_are_told_apart(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", Hub(FileNotFoundError("no such set")))
    with pytest.raises(InputError, match="no such set"):
        load_tasks("hf:owner/set", workspace)
    monkeypatch.setitem(sys.modules, "datasets", Hub(ConnectionError("no network")))
    with pytest.raises(RunError, match="no network"):
        load_tasks("hf:owner/set", workspace)
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace())
    with pytest.raises(InputError, match="owner/set"):
        load_tasks("hf:set[test]", workspace)


# ---------------------------------------------------------------- sets


def numbered(n: int) -> list[Task]:
    return [Task(id=f"t{i}", input=f"task {i}") for i in range(n)]


@given(st.integers(2, 60), st.integers(1, 99), st.integers(0, 5), st.randoms(use_true_random=False))
def test_the_split_is_of_its_size_and_of_no_order(n: int, percent: int, seed: int, random: Any) -> None:
    tasks = numbered(n)
    fraction = percent / 100
    count = -(-n * percent // 100)
    if count >= n:
        with pytest.raises(InputError, match=r"accept\.policy: always"):
            validation_split(tasks, fraction, seed)
        return
    practice, validation = validation_split(tasks, fraction, seed)
    assert len(validation) == count
    assert sorted((*practice, *validation), key=tasks.index) == tasks
    assert list(practice) == sorted(practice, key=tasks.index)
    mixed = random.sample(tasks, n)
    assert set(validation_split(mixed, fraction, seed)[1]) == set(validation)


def test_the_split_is_the_one_the_page_promises() -> None:
    practice, validation = validation_split(numbered(10), 0.3, 0)
    draws = sorted((hashlib.sha256(json.dumps([0, f"t{i}"]).encode()).hexdigest(), f"t{i}") for i in range(10))
    assert {task.id for task in validation} == {id for _, id in draws[:3]}
    assert len(practice) == 7
    assert len(validation_split(numbered(100), 0.07, 0)[1]) == 7  # 0.07 * 100 is a little more than 7 in floats
    assert validation_split(numbered(10), 0.3, 1)[1] != validation


def test_the_same_input_in_practice_and_holdout_is_refused(workspace: Workspace) -> None:
    practice = load(workspace, '{"input": "a"}\n\n{"input": "What  is\\n1 + 1?"}\n{"input": "c"}', "p.jsonl")
    other = load(workspace, '{"input": "What is 1 - 1?"}\n{"input": "A"}', "h.jsonl")
    check_disjoint(practice, other)
    holdout = load(workspace, '{"input": "b"}\n{"input": " What is 1 + 1?", "answer": 2}\n{"input": "c"}', "h.jsonl")
    with pytest.raises(InputError) as caught:
        check_disjoint(practice, holdout)
    error = caught.value
    assert (error.file, error.line, error.key) == ("h.jsonl", 2, "tasks.holdout")
    assert error.found == "the input of p.jsonl:3 (and 1 more such inputs)"


_WORDS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=14).map(" ".join)


@given(st.lists(_WORDS, max_size=8), st.lists(_WORDS, max_size=8), st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_near_duplicates_are_all_pairs_above_the_threshold(left: list[str], right: list[str], threshold: float) -> None:
    a = [Task(id=f"a{i}", input=text) for i, text in enumerate(left)]
    b = [Task(id=f"b{i}", input=text) for i, text in enumerate(right)]

    def grams(text: str) -> set[tuple[str, ...]]:
        words = text.split()
        return {tuple(words[i : i + 3]) for i in range(max(1, len(words) - 2))}

    expected = [
        (x.id, y.id)
        for x in a
        for y in b
        if len(grams(x.input) & grams(y.input)) / len(grams(x.input) | grams(y.input)) >= threshold
    ]
    found = near_duplicates(a, b, threshold=threshold, words=3)
    assert [(pair.a.id, pair.b.id) for pair in found] == expected


def test_near_duplicates_see_through_case_and_marks() -> None:
    text = "A truck carries 39 parcels of 8 kg and 19 parcels of 9 kg. What do the parcels weigh together, in kg?"
    changed = text.replace("truck", "lorry")
    other = text.replace("39", "40").replace("19", "20").replace("9 kg", "7 kg")
    a = [Task(id="a", input=text)]
    b = [Task(id=str(i), input=x) for i, x in enumerate([text.upper().replace(",", ""), changed, other, "", "short"])]
    assert [pair.b.id for pair in near_duplicates(a, b)] == ["0", "1"]


def test_near_duplicates_do_not_compare_all_with_all_for_shared_boilerplate() -> None:
    head = "Use the formula to answer the question with two decimals and with no other text at all please. "
    tasks = [Task(id=str(i), input=head + " ".join(str(i * 31 + j) for j in range(20))) for i in range(3000)]
    seen: list[int] = []

    class Counted(frozenset[str]):
        def __and__(self, other: object) -> frozenset[str]:  # pyright: ignore
            seen.append(1)
            return frozenset.__and__(self, other)  # pyright: ignore

    from practice.task import split

    original = split._shingles
    split._shingles = lambda text, words: Counted(original(text, words))
    try:
        near_duplicates(tasks[:2500], tasks[2500:])
    finally:
        split._shingles = original
    assert len(seen) < 25_000  # of 1,250,000 pairs
