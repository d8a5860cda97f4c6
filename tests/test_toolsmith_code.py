"""The toolsmith's pure parts: plans, code out of answers, cases, tests as text, broken versions."""

from __future__ import annotations

import ast
import json
from typing import Any, get_args

import pytest
from hypothesis import given, strategies

from practice import prompt
from practice.tool.signature import stub
from practice.toolsmith import cases
from practice.toolsmith.cases import Case, Outcome
from practice.toolsmith.code import allowed, imported, read_code
from practice.toolsmith.desk import Unusable
from practice.toolsmith.mutants import mutants
from practice.toolsmith.plan import SCHEMAS, Argument, Plan, PlanReply, Type, header, planned, snake
from practice.toolsmith.sharpen import enough, neighbours
from practice.toolsmith.suite import test_names as names_of_tests
from tests.smiths import PLAN, RIGHT, ROMAN, fenced

MODULES = allowed(files=False, net=False)
COUNT = Plan(
    name="count_word",
    purpose="Count a word.",
    arguments=(
        Argument(name="text", type="str", about="The text."),
        Argument(name="word", type="str", about="A word."),
    ),
    returns="int",
    returns_about="How often.",
)


def function(source: str, name: str) -> Any:
    """The function of a source that is known to be harmless."""
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    return namespace[name]


# ---------------------------------------------------------------- the plan


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("to roman", "to_roman"),
        ("convertMilesToKm", "convert_miles_to_km"),
        ("Count-Words!", "count_words"),
        ("3d volume", "n_3d_volume"),
        ("***", ""),
    ],
)
def test_names_are_spelled_as_python_spells_them(text: str, spelled: str) -> None:
    assert snake(text) == spelled


def test_a_plan_has_free_names_and_each_argument_once() -> None:
    reply = PlanReply.model_validate(
        {
            **PLAN,
            "name": "calculator",
            "errors": "Never.",
            "arguments": [
                {"name": "list", "type": "list[int]", "about": "Numbers."},
                {"name": "from", "type": "str", "about": 'As """x""" \\n.'},
                {"name": "list", "type": "int", "about": "Again."},
            ],
        }
    )
    made = planned(reply, name=None, taken={"calculator", "calculator_2"})
    assert made.name == "calculator_3" and made.errors == ""
    assert made.names == ("list_", "from_") and made.arguments[0].type == "list[int]"
    tree = ast.parse(header(made))
    assert isinstance(tree.body[0], ast.FunctionDef)
    assert "Raises" not in header(made)


def test_what_is_measured_is_no_whole_number() -> None:
    arguments = [
        {"name": name, "type": kind, "about": ""} for name, kind in (("tip_percent", "int"), ("people", "int"))
    ]
    arguments.append({"name": "prices", "type": "list[int]", "about": ""})
    made = planned(PlanReply.model_validate({**PLAN, "arguments": arguments}), name="x", taken=())
    assert [argument.type for argument in made.arguments] == ["float", "int", "list[float]"]


def test_every_type_of_a_plan_has_a_schema_and_is_an_annotation_that_tools_know() -> None:
    assert set(SCHEMAS) == set(get_args(Type))
    for kind in SCHEMAS:
        assert callable(stub(f"def f(x: {kind}): return x", "f"))


# ---------------------------------------------------------------- code


def test_code_is_taken_out_of_its_wrapping_and_put_under_the_planned_header() -> None:
    answer = fenced(RIGHT + "\nprint(to_roman(4))\nfor n in range(3):\n    print(n)\nassert to_roman(1) == 'I'")
    source = read_code(answer, ROMAN, MODULES)
    assert header(ROMAN) in source and "print" not in source and "assert" not in source
    assert function(source, "to_roman")(number=1994) == "MCMXCIV"


@pytest.mark.parametrize(
    ("answer", "call", "result"),
    [
        # Another name, an import that was forgotten, prose behind it and no fence.
        ("def count(text, word):\n    return Counter(text.split())[word]\n\nThis counts.", ("a b a", "a"), 2),
        # A helper, a constant with its comment, a changed docstring.
        (
            "import re\n# words\nPATTERN = r'\\w+'  # any\n\ndef words(t):\n    return re.findall(PATTERN, t)\n\n"
            'def count_word(text: str, word: str) -> int:\n    """Other."""\n    return words(text).count(word)',
            ("a b a", "b"),
            1,
        ),
        # A string over lines that indenting would change.
        ("def count_word(text, word):\n  x = '''\na'''\n  return x.count(word) + text.count(word)", ("aa", "a"), 3),
        # Two blocks: the function is in the second.
        ("```\npip install x\n```\n```py\ndef count_word(text, word):\n    return math.floor(2.5)\n```", ("", ""), 2),
        # The date of datetime, by either way of writing it.
        ("def count_word(text, word):\n    return datetime.strptime(text, '%Y').year", ("2024", ""), 2024),
        ("def count_word(text, word):\n    return datetime.date(2024, 1, 1).year", ("", ""), 2024),
        # A print in the function that changes nothing.
        ("def count_word(text, word):\n    print('hm')\n    return 7", ("", ""), 7),
    ],
)
def test_answers_that_are_nearly_right_are_put_right(answer: str, call: tuple[str, str], result: int) -> None:
    source = read_code(answer if "```" in answer or answer.startswith("def") else fenced(answer), COUNT, MODULES)
    assert function(source, "count_word")(*call) == result
    assert header(COUNT) in source and "print" not in source


def test_comments_of_the_model_stay() -> None:
    source = read_code(
        fenced("def count_word(text, word):\n    n = 1  # one\n    # then\n    return n"), COUNT, MODULES
    )
    assert "# one" in source and "# then" in source


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("I can't do that.", "no Python function"),
        ("```python\ndef count_word(text, word:\n    return 1\n```", "not valid Python in line 1"),
        ("```python\ndef other(a):\n    return 1\n```", "no function count_word(text, word)"),
        ("```python\ndef count_word(text):\n    return 1\n```", "arguments must be text, word"),
        ("```python\ndef count_word(text, word):\n    print(1)\n```", "returns nothing"),
        ("```python\ndef count_word(text, word):\n    def f():\n        return 1\n    f()\n```", "returns nothing"),
        ("```python\nimport requests\ndef count_word(text, word):\n    return 1\n```", "module requests is not there"),
        ("```python\ndef count_word(text, word):\n    import os\n    return 1\n```", "module os is not there"),
        ("```python\nfrom urllib import request\ndef count_word(text, word):\n    return 1\n```", "urllib.request"),
        ("```python\ndef count_word(text, word):\n    return eval(text)\n```", "eval()"),
        ("```python\ndef count_word(text, word):\n    return open(text).read()\n```", "open()"),
    ],
)
def test_what_can_not_be_put_right_is_said(answer: str, says: str) -> None:
    with pytest.raises(Unusable) as problem:
        read_code(answer, COUNT, MODULES)
    assert says in str(problem.value)


def test_files_and_network_have_their_modules_where_they_are_wished() -> None:
    both = allowed(files=True, net=True)
    answer = "import os\nfrom urllib import request\ndef count_word(text, word):\n    return len(open(text).read())"
    source = read_code(fenced(answer), COUNT, both)
    assert imported(source) == ("os", "urllib")


# ---------------------------------------------------------------- cases


def case(value: Any, result: Any = None, kind: str = "usual", **fields: Any) -> Case:
    expected = Outcome(kind="error") if kind == "error" else Outcome(kind="value", value=result)
    return Case.model_validate(
        {"kind": kind, "why": "", "arguments": {"number": value}, "expected": expected, **fields}
    )


JSON = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats(allow_nan=False)
    | strategies.text(max_size=5),
    lambda inner: strategies.lists(inner, max_size=3) | strategies.dictionaries(strategies.text(max_size=3), inner),
    max_leaves=6,
)


@given(JSON)
def test_a_value_is_the_same_as_itself_and_as_its_json(value: Any) -> None:
    assert cases.same(value, value)
    assert cases.same(json.loads(json.dumps(value)), value)


@given(JSON, JSON)
def test_sameness_goes_both_ways_and_tests_have_the_same_idea_of_it(left: Any, right: Any) -> None:
    assert cases.same(left, right) == cases.same(right, left)
    namespace: dict[str, Any] = {}
    exec(cases.render(ROMAN, []).replace("from tool import to_roman", ""), namespace)
    assert namespace["same"](left, right) == cases.same(left, right)


def test_truth_is_no_number_and_small_noise_no_difference() -> None:
    assert not cases.same(True, 1) and not cases.same(0, False)
    assert cases.same(0.1 + 0.2, 0.3) and cases.same(2, 2.0) and not cases.same(1.001, 1.0)
    assert not cases.same([1], [1, 2]) and not cases.same({"a": 1}, {"b": 1})


@pytest.mark.parametrize(
    ("value", "kind", "right"),
    [
        (1, "float", True),
        (1.5, "int", False),
        (True, "int", False),
        (["a"], "list[str]", True),
        ([1], "list[str]", False),
        ([[1.0]], "list[list[float]]", True),
        ({"a": 1}, "dict[str, int]", True),
        ({"a": "b"}, "dict[str, int]", False),
        ([{}], "list[dict]", True),
        (None, "str", False),
    ],
)
def test_values_are_checked_against_the_plan(value: Any, kind: str, right: bool) -> None:
    assert cases.fits(value, kind) is right


@pytest.mark.parametrize(
    ("value", "kind", "called"),
    [
        (1, "float", 1.0),
        (1, "int", 1),
        (True, "bool", True),
        ([1, 2.5], "list[float]", [1.0, 2.5]),
        ([[1]], "list[list[float]]", [[1.0]]),
        ({"a": 1}, "dict[str, float]", {"a": 1.0}),
        ("1", "float", "1"),
        (None, "list[float]", None),
    ],
)
def test_tests_call_a_tool_as_an_agent_does(value: Any, kind: str, called: Any) -> None:
    assert repr(cases.as_called(value, kind)) == repr(called)


@pytest.mark.parametrize(
    ("value", "result", "is_given"),
    [(14, "XIV", True), (14, "XV", False), (15, "XIV", False), (1, "XIV", False)],
)
def test_an_example_of_the_description_is_known_by_call_and_result(value: int, result: str, is_given: bool) -> None:
    assert cases.given(case(value, result), "Roman numerals, for example 14 is XIV.") is is_given


def test_tests_are_valid_python_with_one_test_a_case() -> None:
    made = [
        case(1, 'it\'s "quoted"\n'),
        case(2, {"a": [1.5, None, True]}, why='newline\nand `odd` "marks"'),
        case(0, kind="error"),
        case(3, "x", kind="edge", files={"a/b.txt": "line\n"}),
    ]
    text = cases.render(ROMAN, made)
    names = names_of_tests(text)
    assert names == ("test_01_usual", "test_02_usual", "test_03_error", "test_04_edge")
    assert "put({'a/b.txt': 'line\\n'})" in text and "def put" in text
    assert "def put" not in cases.render(ROMAN, made[:3])


def test_a_shape_asks_for_arguments_by_name_and_type() -> None:
    shape = cases.cases_shape(COUNT, 4, results=True, world="none")
    items = shape["properties"]["cases"]["items"]
    assert items["properties"]["arguments"]["required"] == ["text", "word"]
    assert items["properties"]["result"] == {"type": "integer"} and list(items["properties"])[-1] == "result"
    assert shape["properties"]["cases"]["minItems"] == 4
    assert (
        "result"
        not in cases.cases_shape(COUNT, 2, results=False, world="files")["properties"]["cases"]["items"]["required"]
    )


# ---------------------------------------------------------------- broken versions


def test_broken_versions_differ_from_the_tool_and_from_each_other() -> None:
    source = read_code(fenced(RIGHT), ROMAN, MODULES)
    made = mutants(source, "to_roman", [case(1, "I"), case(2, "I"), case(3, "X")], 30)
    sources = [mutant.source for mutant in made]
    assert len(set(sources)) == len(sources) and ast.unparse(ast.parse(source)) not in sources
    certain = [mutant.what for mutant in made if mutant.certain]
    assert len(certain) == 4 and any("'I'" in what for what in certain)
    assert sum(not mutant.certain for mutant in made) <= 30
    for mutant in made:
        ast.parse(mutant.source)
    assert made == mutants(source, "to_roman", [case(1, "I"), case(2, "I"), case(3, "X")], 30)


@pytest.mark.parametrize(
    ("body", "broken"),
    [
        ("return x + 1", ["return x - 1", "return x + 2", "return None"]),
        ("return x < 3 and x != 2", ["x <= 3", "x == 2", "or"]),
        ("return [y for y in range(x) if y]", ["[y for y in range(x)]"]),
        ("return max(x, -1)", ["min(", "+1"]),
        ("while x > 2:\n        x -= 2\n    return x", ["while not x > 2", "x += 2"]),
        ("if x:\n        raise ValueError('x')\n    return 1", ["RuntimeError", "if not x"]),
    ],
)
def test_the_operators_of_mutation(body: str, broken: list[str]) -> None:
    source = f"def f(x: int) -> int:\n    '''Docstring 1.'''\n    {body}\n"
    made = [m.source for m in mutants(source, "f", [], 100) if not m.certain]
    for part in broken:
        assert any(part in text for text in made), (part, made)
    assert all("Docstring 1." in text for text in made)


def test_what_is_enough() -> None:
    source = read_code(fenced(RIGHT), ROMAN, MODULES)
    made = mutants(source, "to_roman", [case(1, "I")], 9)
    small = [mutant for mutant in made if not mutant.certain]
    assert enough([], made, 0.34) and enough(small[:3], made, 0.34)
    assert not enough(small[:4], made, 0.34)
    assert not enough(made[:1], made, 1.0)
    assert enough(small[:1], made, 0.0)  # some changes change nothing


def test_neighbours_change_one_argument() -> None:
    base = Case(
        kind="usual",
        why="",
        arguments={"a": 3, "b": "Two words", "c": [1.5, 2.0], "d": {"x": True}},
        expected=Outcome(kind="value", value=1),
    )
    near = list(neighbours(base))
    assert len(near) > 15
    for one in near:
        assert sum(one.arguments[name] != base.arguments[name] for name in base.arguments) <= 1
        assert one.arguments.keys() == base.arguments.keys()


def test_every_prompt_of_the_toolsmith_is_short() -> None:
    names = [path.stem for path in prompt.PROMPTS.glob("tool_*.md")]
    assert len(names) == 9
    assert all(len(prompt.source(name).split()) < 260 for name in names)
