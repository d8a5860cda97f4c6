"""The schema of judges: one evaluator, ``judge:`` of ``practice.yaml``, and a panel file of its own."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from practice.config.parse import parse
from practice.config.schema import Closed, ModelSpec, Share, Temperature, Text, wrong
from practice.config.yamlfile import read_yaml
from practice.errors import nearest

__all__ = [
    "MODES",
    "RUBRICS",
    "WORDINGS",
    "Evaluator",
    "Grid",
    "HoldoutJudge",
    "JudgeConfig",
    "PanelFile",
    "load_panel",
]

#: The wordings of a judge's prompt that have a name; any other is a text file, ``path.md``.
WORDINGS = ("default", "strict", "evidence", "referee")
#: The rubrics that have a name; any other is a text file, ``path.md``, or the words themselves.
RUBRICS = ("result", "points")
MODES = ("group", "score", "pairs", "rubric")

Mode = Literal["group", "score", "pairs", "rubric"]
OptionOrder = Literal["ascending", "descending"]
RolloutOrder = Literal["shuffled", "given", "reversed"]


class Reader(Closed):
    """One way of judging, whatever it is shown."""

    name: str | None = Field(
        default=None, pattern=r"^\S+$", description="Its name in verdicts; null: made of its prompt's."
    )
    model: ModelSpec | None = Field(default=None, description="The model that judges; null: the teacher's.")
    temperature: Temperature = Field(default=0.0, description="Its sampling temperature.")
    seed: int | None = Field(
        default=None, description="Part of its calls' seeds: sets apart judges that are alike otherwise."
    )
    prompt: str = Field(
        default="default", description="Its wording: `default`, `strict`, `evidence`, `referee` or a file `path.md`."
    )
    rubric: Text | None = Field(
        default=None,
        description="What it looks for: `result`, `points`, a file `path.md` or the words themselves; null: the "
        "task's rubric, if any.",
    )
    mode: Mode = Field(
        default="group",
        description="`group`: scores a whole group in one call; `score`: one attempt a call; `pairs`: which of two, in "
        "both orders; `rubric`: points for each criterion.",
    )
    option_order: OptionOrder | None = Field(
        default=None, description="The order in which the scale is printed; null: ascending."
    )
    blind: bool = Field(
        default=True, description="Whether the model and reasoning effort behind an attempt are hidden from it."
    )
    pass_mark: Share | None = Field(
        default=None, description="The share of the scale from which an attempt has passed: 1, below it 0; null: none."
    )

    @field_validator("prompt")
    @classmethod
    def _check_prompt(cls, value: str) -> str:
        if value not in WORDINGS and not value.endswith(".md"):
            expected = f"a wording: {', '.join(WORDINGS)} or a file path.md"
            raise wrong(expected, found=repr(value), nearest=nearest(value, WORDINGS))
        return value

    @model_validator(mode="after")
    def _check_mode(self) -> Reader:
        """A key that a mode has no use for is an error, not a setting without effect."""
        idle = {"pairs": ("option_order", "rollout_order", "pass_mark")}.get(self.mode, ())
        idle = idle or {"score": ("rollout_order",), "rubric": ("rollout_order",)}.get(self.mode, ())
        for key in idle:
            if getattr(self, key, None) is not None:
                raise wrong(f"no {key} where mode is {self.mode}", found=repr(getattr(self, key)), key=key)
        return self


class Evaluator(Reader):
    """One judge of a panel: one way of judging."""

    rollout_order: RolloutOrder | None = Field(
        default=None,
        description="The order in which a group's attempts are shown; null: shuffled, and in a panel file as given.",
    )


def named(evaluators: Sequence[Evaluator]) -> tuple[Evaluator, ...]:
    """The evaluators with a unique name each: the given one, else the prompt's, numbered where it is taken."""
    taken = {judge.name for judge in evaluators if judge.name is not None}
    found: list[Evaluator] = []
    for judge in evaluators:
        name = judge.name
        if name is None:
            stem = judge.prompt.rsplit("/", 1)[-1].removesuffix(".md")
            choices = (stem if number == 1 else f"{stem}-{number}" for number in range(1, len(evaluators) + 2))
            name = next(choice for choice in choices if choice not in taken)
            taken.add(name)
        found.append(judge.model_copy(update={"name": name}))
    return tuple(found)


def check_names(evaluators: Sequence[Evaluator], key: str) -> None:
    """Raise :func:`wrong` where there is no evaluator, or two of one name."""
    if not evaluators:
        raise wrong("at least one judge", found="an empty list", key=key)
    names = [judge.name for judge in evaluators if judge.name is not None]
    for name in names:
        if names.count(name) > 1:
            raise wrong("judges of different names", found=f"{name!r} twice", key=key)


class HoldoutJudge(Reader):
    """The judge of a judged run's holdout; it sees two attempts in both orders."""

    prompt: str = Field(
        default="referee", description="Its wording: `default`, `strict`, `evidence`, `referee` or a file `path.md`."
    )


class JudgeConfig(Closed):
    """The judges, where `reward` asks for them."""

    panel: tuple[Evaluator, ...] = Field(
        default=(Evaluator(prompt="default"), Evaluator(prompt="strict"), Evaluator(prompt="evidence")),
        description="The judges, each a mapping of the keys under `judge.panel.<i>`.",
    )
    gate: bool = Field(
        default=True,
        description="Whether only pairs on whose order the panel agrees count; judges beyond the third are then asked "
        "where one of three ties.",
    )

    holdout: HoldoutJudge = Field(
        default=HoldoutJudge(),
        description="The judge that is kept out of practice and alone judges the holdout, where judges alone decide.",
    )

    @model_validator(mode="after")
    def _check_names(self) -> JudgeConfig:
        check_names(self.panel, "panel")
        if _who(self.holdout) in [_who(judge) for judge in self.panel]:
            expected = "a judge that is not in judge.panel: another prompt, model or rubric"
            raise wrong(expected, found=f"the prompt {self.holdout.prompt!r} that the panel has too", key="holdout")
        return self

    def evaluators(self) -> tuple[Evaluator, ...]:
        """The panel with a unique name each."""
        return named(self.panel)

    def sealed(self) -> Evaluator:
        """The holdout's judge with its name: the given one, else its prompt's."""
        return named([Evaluator.model_construct(**dict(self.holdout))])[0]


def _who(judge: Reader) -> tuple[str, ModelSpec | None, str | None]:
    """What makes judges different readers; temperature, seed and the orders do not."""
    return judge.prompt, judge.model, judge.rubric


class Grid(Closed):
    """Values by axis; the evaluators are all their combinations, the first axis changing slowest."""

    model: tuple[ModelSpec, ...] | None = None
    temperature: tuple[Temperature, ...] | None = None
    seed: tuple[int, ...] | None = None
    prompt: tuple[str, ...] | None = None
    rubric: tuple[Text, ...] | None = None
    option_order: tuple[OptionOrder, ...] | None = None
    rollout_order: tuple[RolloutOrder, ...] | None = None
    blind: tuple[bool, ...] | None = None
    mode: tuple[Mode, ...] | None = None

    @model_validator(mode="after")
    def _check_values(self) -> Grid:
        for axis, values in self.axes().items():
            if not values:
                raise wrong("at least one value", found="an empty list", key=axis)
            for value in values:
                if values.count(value) > 1:
                    raise wrong("different values", found=f"{value!r} twice", key=axis)
        self.evaluators()  # each combination must be one
        return self

    def axes(self) -> dict[str, tuple[object, ...]]:
        """The axes that were given."""
        return {name: values for name in type(self).model_fields if (values := getattr(self, name)) is not None}

    def evaluators(self) -> tuple[Evaluator, ...]:
        """Every combination, named after its values on the axes that have several."""
        axes = self.axes()
        found: list[Evaluator] = []
        for values in itertools.product(*axes.values()):
            fields = dict(zip(axes, values, strict=True))
            words = [_word(axis, value, axes[axis]) for axis, value in fields.items() if len(axes[axis]) > 1]
            try:
                found.append(Evaluator.model_validate({**fields, "name": "/".join(words) or None}))
            except ValidationError as error:
                detail = error.errors(include_url=False)[0]
                told: dict[str, Any] = detail.get("ctx") or {}
                expected = str(told.get("expected") or detail["msg"])
                key = ".".join(str(part) for part in detail["loc"]) or str(told.get("key") or "")
                raise wrong(expected, found=told.get("found"), key=key, nearest=told.get("nearest")) from None
        return named(found)


def _word(axis: str, value: object, values: Sequence[object]) -> str:
    """A value as a part of a name: short, without white space, another one for each value of its axis."""
    if axis == "temperature":
        return f"t{value:g}"
    if axis == "seed":
        return f"s{value}"
    if axis == "blind":
        return "blind" if value else "labelled"
    text = value.name if isinstance(value, ModelSpec) else str(value)
    short = text.rsplit("/", 1)[-1].removesuffix(".md")
    others = [other.name if isinstance(other, ModelSpec) else str(other) for other in values]
    alike = sum(other.rsplit("/", 1)[-1].removesuffix(".md") == short for other in others)
    if alike > 1 or len(short.split()) > 1 or len(short) > 40:
        return f"{axis}{values.index(value) + 1}"
    return short


class PanelFile(Closed):
    """A panel file: a list of evaluators, or a grid of them."""

    evaluators: tuple[Evaluator, ...] | None = None
    grid: Grid | None = None

    @model_validator(mode="after")
    def _check_one(self) -> PanelFile:
        if (self.evaluators is None) == (self.grid is None):
            found = "neither" if self.grid is None else "both"
            raise wrong("either evaluators, a list, or grid, a mapping of axes to lists of values", found=found)
        if self.evaluators is not None:
            check_names(self.evaluators, "evaluators")
        return self

    def panel(self) -> tuple[Evaluator, ...]:
        """The evaluators with their names; attempts are shown as given unless an evaluator says otherwise.

        So two evaluators that differ in one axis differ in it alone: a shuffle of its own would set each apart
        from every other one.
        """
        found = named(self.evaluators) if self.evaluators is not None else self.grid.evaluators() if self.grid else ()
        return tuple(
            judge.model_copy(update={"rollout_order": "given"})
            if judge.mode == "group" and judge.rollout_order is None
            else judge
            for judge in found
        )


def load_panel(path: Path) -> tuple[Evaluator, ...]:
    """The evaluators of a panel file. Raises InputError with file, line and key."""
    return parse(PanelFile, read_yaml(path)).panel()
