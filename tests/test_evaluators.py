"""Evaluators as data: panel files and grids; wordings and rubrics that keep polarity and scale; blind and labelled."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from practice import prompt
from practice.calls import Ask
from practice.config import RUBRICS, Evaluator, ModelSpec, PanelFile, Workspace, load_panel, write_yaml
from practice.errors import InputError
from practice.judge import Panel, judges_of
from practice.judge.rubric import SCALE, parse_rubric, rubric_text
from practice.types import CallKey, Completion, Request, Rollout, Task

PLACE = CallKey(phase="practice", stage="judge", task="t")
TASK = Task(id="t", input="What is 2 + 2?", answer="4444", rubric="The shorter the better.")
WORDINGS = ("default", "strict", "evidence")


def attempt(n: int, output: str, made_by: str | None = None) -> Rollout:
    return Rollout(id=f"r{n}", task_id="t", attempt=n, steps=(), output=output, status="done", made_by=made_by)


GROUP = [
    attempt(n, f"output-{n}", made_by) for n, made_by in enumerate(["openai/one", "x/two, reasoning effort high", None])
]


# ---------------------------------------------------------------- panel files


def panel(path: Path, content: dict[str, Any]) -> tuple[Evaluator, ...]:
    write_yaml(path / "panel.yaml", content)
    return load_panel(path / "panel.yaml")


def test_a_panel_file_lists_evaluators(tmp_path: Path) -> None:
    found = panel(
        tmp_path,
        {
            "evaluators": [
                {"name": "a", "model": "openai/m", "temperature": 0.5, "seed": 3, "prompt": "strict", "blind": False},
                {"rubric": "points", "mode": "rubric", "option_order": "descending"},
                {"rubric": "Be kind.", "rollout_order": "reversed"},
                {"mode": "pairs"},
            ]
        },
    )
    assert [judge.name for judge in found] == ["a", "default", "default-2", "default-3"]
    assert found[0].model == ModelSpec(name="openai/m") and (found[0].seed, found[0].blind) == (3, False)
    # In a grid an order of its own would set each evaluator apart from every other one.
    assert [judge.rollout_order for judge in found] == ["given", None, "reversed", None]


def test_a_grid_is_every_combination(tmp_path: Path) -> None:
    axes: dict[str, list[Any]] = {
        "model": ["openai/m", {"name": "openai/n", "params": {"reasoning_effort": "low"}}],
        "temperature": [0.0, 0.7],
        "seed": [1, 2],
        "prompt": ["default", "strict"],
        "rubric": ["result", "Be kind to all."],
        "option_order": ["ascending", "descending"],
        "rollout_order": ["given", "reversed", "shuffled"],
        "blind": [True, False],
    }
    found = panel(tmp_path, {"grid": axes})
    assert len(found) == 2**7 * 3 == len({judge.name for judge in found})
    assert found[0].name == "m/t0/s1/default/result/ascending/given/blind"
    assert found[-1].name == "n/t0.7/s2/strict/rubric2/descending/shuffled/labelled"
    for axis, values in axes.items():
        seen = {str(getattr(judge, axis)) for judge in found}
        assert len(seen) == len(values), axis
    combinations = {judge.model_dump_json(exclude={"name"}) for judge in found}
    assert len(combinations) == len(found)
    assert [judge.name for judge in panel(tmp_path, {"grid": {"prompt": ["strict"], "seed": [4]}})] == ["strict"]


@pytest.mark.parametrize(
    ("content", "words", "near"),
    [
        ({"evaluators": [{"promt": "strict"}]}, "evaluators.0.promt", "prompt"),
        ({"evaluators": [{"prompt": "strickt"}]}, "evaluators.0.prompt", "strict"),
        ({"evaluators": []}, "at least one judge", None),
        ({"evaluators": [{"name": "a"}, {"name": "a"}]}, "different names", None),
        ({"evaluators": [{"mode": "pairs", "option_order": "ascending"}]}, "option_order", None),
        ({"evaluators": [{"mode": "score", "rollout_order": "given"}]}, "rollout_order", None),
        ({"evaluators": [{"mode": "pairs", "pass_mark": 0.7}]}, "pass_mark", None),
        ({"evaluators": [{"pass_mark": 7}]}, "pass_mark", None),
        ({"grid": {"prompt": []}}, "grid.prompt", None),
        ({"grid": {"prompt": ["strict", "strict"]}}, "different values", None),
        ({"grid": {"prompt": ["strict", "evidance"]}}, "grid.prompt", "evidence"),
        ({"grid": {"wording": ["strict"]}}, "grid.wording", None),
        ({"grid": {"mode": ["group", "pairs"], "rollout_order": ["given"]}}, "rollout_order", None),
        ({"grid": {"seed": [1]}, "evaluators": [{}]}, "found both", None),
        ({}, "found neither", None),
    ],
)
def test_what_is_wrong_in_a_panel_file_is_named(
    tmp_path: Path, content: dict[str, Any], words: str, near: str | None
) -> None:
    with pytest.raises(InputError) as error:
        panel(tmp_path, content)
    assert words in str(error.value) and "panel.yaml" in str(error.value) and error.value.nearest == near


# ---------------------------------------------------------------- wordings and rubrics


class Reader:
    """A judge that knows nothing but what it is told: it looks the score of a good and of a bad attempt up in the scale
    that is printed, whichever way round, and trusts that the last word on polarity is the wording's.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def asks(self, model: object) -> Ask:
        return self.ask

    async def ask(self, key: CallKey, request: Request) -> Completion:
        self.requests.append(request)
        system, user = (" ".join(message.content.split()) for message in request.messages)
        best_is_ten = re.search(r"10 (?:is the best|is best|\(best)", system) and re.search(
            r"0 (?:is wor|\(worst)", system
        )
        options = re.findall(r"^(\d+) = (.+)$", request.messages[1].content, re.M)
        assert best_is_ten and len(options) >= 3
        good = [int(n) for n, text in options if re.search(r"right and complete|every point|could be better", text)]
        bad = [int(n) for n, text in options if re.search(r"wrong in what matters|no point|Nothing", text)]
        assert len(good) == len(bad) == 1, user
        parts = re.split(r"^## Attempt (\w+)\n", request.messages[1].content, flags=re.M)[1:]
        said = {
            letter: {"reason": "as printed", "score": good[0] if "output-1" in text else bad[0]}
            for letter, text in zip(parts[::2], parts[1::2], strict=True)
        }
        return Completion(content=json.dumps(said))


def judged(tmp_path: Path, *evaluators: Evaluator) -> Panel:
    return Panel(judges_of(evaluators, Workspace(tmp_path), "evaluators")[0], gate=False)


@pytest.mark.parametrize("mode", ["group", "score"])
@pytest.mark.parametrize(
    ("wording", "rubric", "order"), list(itertools.product(WORDINGS, [None, *RUBRICS], ["ascending", "descending"]))
)
async def test_ten_is_best_in_every_wording_rubric_and_order(
    tmp_path: Path, wording: str, rubric: str | None, order: Any, mode: Any
) -> None:
    reader = Reader()
    evaluator = Evaluator(name="x", prompt=wording, rubric=rubric, option_order=order, mode=mode)
    ruling = await judged(tmp_path, evaluator).score(TASK, GROUP, reader.asks, PLACE)
    assert ruling.rewards == (0.0, 1.0, 0.0)
    printed = re.findall(r"^(\d+) = ", reader.requests[0].messages[1].content, re.M)
    numbers = [int(n) for n in printed]
    assert numbers == sorted(numbers, reverse=order == "descending") and {0, 10} <= set(numbers)


@pytest.mark.parametrize("name", RUBRICS)
def test_our_rubrics_are_scales_from_worst_to_best(name: str) -> None:
    rubric = parse_rubric(prompt.source(f"rubric_{name}"))
    assert rubric.scale[0][0] == 0 and rubric.scale[-1][0] == 10 and len(rubric.scale) >= 5
    assert "scale" not in rubric.text.lower()
    if name == "points":
        assert [(c.name, c.points) for c in rubric.criteria] == [("Result", 5), ("Completeness", 3), ("Soundness", 2)]
        assert sum(criterion.points for criterion in rubric.criteria) == 10


def test_a_rubric_of_ones_own(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    text = (
        "Kindness.\n\n- Warm (4): it greets.\n* Brief (1 point): it ends.\n\n# Scale\n10: kind\n0: rude\n- 5 = so so\n"
    )
    (tmp_path / "kind.md").write_text(text)
    found = parse_rubric(rubric_text("kind.md", place, "rubric")[0])
    assert [(c.name, c.points, c.what) for c in found.criteria] == [("Warm", 4, "it greets."), ("Brief", 1, "it ends.")]
    assert found.scale == ((0, "rude"), (5, "so so"), (10, "kind")) and found.text.startswith("Kindness.")
    assert found.options(descending=True) == "10 = kind\n5 = so so\n0 = rude"
    assert parse_rubric("Be kind.").scale == SCALE and parse_rubric("Be kind.").text == "Be kind."
    _, sources = judges_of([Evaluator(name="k", rubric="kind.md")], place, "evaluators")
    assert list(sources) == ["kind.md"] and judges_of([Evaluator(name="k", rubric="points")], place, "e")[1] == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x\nScale:\n0: bad\n5: fair", "a scale from 0"),
        ("x\nScale:\n0: bad\n10: good\n10: great", "10: great"),
        ("x\nScale:\n0: bad\n11: good", "11: good"),
        ("x\nScale:\nbad to good", "bad to good"),
        ("- Warm (0): it greets.", "at least 1 point"),
    ],
)
def test_a_scale_that_is_none_is_refused(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(words)):
        rubric_text(text, Workspace(tmp_path), "evaluators.0.rubric")
    with pytest.raises(InputError, match="an existing file"):
        rubric_text("none.md", Workspace(tmp_path), "evaluators.0.rubric")


# ---------------------------------------------------------------- what is shown


async def shown(tmp_path: Path, **fields: Any) -> str:
    reader = Reader()
    evaluator = Evaluator.model_validate({"name": "x", "rubric": "result", **fields})
    await judged(tmp_path, evaluator).score(TASK, GROUP, reader.asks, PLACE)
    return reader.requests[0].messages[1].content


async def test_blind_hides_who_made_it_and_labelled_shows_what_is_known(tmp_path: Path) -> None:
    blind, labelled = await shown(tmp_path), await shown(tmp_path, blind=False, rollout_order="given")
    for word in ("openai/one", "x/two", "reasoning effort", "Made by"):
        assert word not in blind
    parts = re.split(r"^## Attempt \w\n", labelled, flags=re.M)[1:]
    assert "Made by: openai/one\n" in parts[0] and "Made by: x/two, reasoning effort high\n" in parts[1]
    assert "Made by" not in parts[2]


async def test_orders_of_attempts(tmp_path: Path) -> None:
    async def order(**fields: Any) -> list[str]:
        return re.findall(r"output-\d", await shown(tmp_path, **fields))

    given = await order(rollout_order="given")
    assert given == ["output-0", "output-1", "output-2"]
    assert await order(rollout_order="reversed") == given[::-1]
    shuffles = {tuple(await order(seed=seed)) for seed in range(12)}
    assert len(shuffles) > 2 and await order(seed=3) == await order(seed=3, rollout_order="shuffled")


def test_a_models_effort_is_part_of_its_description() -> None:
    assert ModelSpec(name="openai/m").described == "openai/m"
    for params in ({"reasoning_effort": "high"}, {"reasoning": {"effort": "high"}}):
        assert ModelSpec(name="openai/m", params=params).described == "openai/m, reasoning effort high"


def test_a_grid_of_settings_is_a_panel_file_too() -> None:
    made = PanelFile.model_validate({"grid": {"prompt": list(WORDINGS), "seed": [0, 1], "temperature": [0.7]}}).panel()
    assert len(made) == 6 and {judge.temperature for judge in made} == {0.7}
