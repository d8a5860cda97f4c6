"""What a few labels make of many judge scores: the corrected mean, and how often the judges err."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from practice.labels import Item, Label, drawn, words_of
from practice.types import Value

if TYPE_CHECKING:
    from practice.stats import Interval

__all__ = ["Calibrated", "Calibration", "Figure", "calibrate"]

PartName = Literal["all", "practice", "before", "after"]
PARTS: tuple[tuple[PartName, str], ...] = (
    ("all", "all judged attempts"),
    ("practice", "practice"),
    ("before", "holdout before"),
    ("after", "holdout after"),
)
FEWEST = 3
"""Tasks with a label that a corrected figure needs."""


class Figure(Value):
    """A share with its 95 % interval over tasks; None where there is nothing to learn it from."""

    value: float | None
    ci: tuple[float, float] | None
    n: int
    """Tasks."""


class Calibrated(Value):
    """One set of attempts: what judges say, what labels say, and both together."""

    part: PartName
    attempts: int
    labels: int
    judged: Figure
    labelled: Figure
    corrected: Figure
    """Prediction-powered inference: the judges' mean moved by what they got wrong where a person looked."""
    weight: float | None
    """What a judge's point is worth in labels; near 0 the judges say nothing of what the person says."""
    sentence: str


class Calibration(Value):
    """What labels make of a run's judges."""

    labels: int
    """Right or wrong; skips are no labels."""
    skipped: int
    waiting: int
    """Labels whose chance is not known yet: an earlier question is open. They are left out."""
    parts: tuple[Calibrated, ...]
    sensitivity: Figure
    """Share of the attempts labelled right that judges put at 0.5 or above; of those drawn at random alone."""
    specificity: Figure
    rogan_gladen: Figure
    """Share truly right by the judges' passes and these two rates (Rogan and Gladen 1978)."""
    random: int
    """Labels that the rates rest on. Disputes would make the judges look worse than they are."""

    @property
    def says(self) -> tuple[str, ...]:
        """What the labels changed, a sentence each."""
        return tuple(part.sentence for part in self.parts)

    @property
    def rates(self) -> str:
        """How often the judges err, in one line; empty where too little was drawn at random."""
        figures = [("sensitivity", self.sensitivity), ("specificity", self.specificity)]
        figures.append(("share right by these (Rogan-Gladen)", self.rogan_gladen))
        told = [
            f"{name} {figure.value:.2f} [{figure.ci[0]:.2f}, {figure.ci[1]:.2f}]"
            for name, figure in figures
            if figure.value is not None and figure.ci is not None
        ]
        head = f"judges at 0.5 against {self.random} label(s) drawn at random"
        return f"{head}: {', '.join(told)}" if told else ""


def calibrate(items: Sequence[Item], labels: Mapping[str, Label], seed: int) -> Calibration:
    """Combine labels with scores; clusters are tasks, a label counts by the inverse of its chance.

    ``seed`` is the run's, which the random draws came from.
    """
    from practice.stats import calibrated_share

    known = {id_: label for id_, label in labels.items() if label.word != "skip"}
    counted = {id_: label for id_, label in known.items() if label.chance}
    sample = drawn(items, seed, words_of(labels))
    at_random = {id_: label for id_, label in known.items() if id_ in sample}
    parts: list[tuple[PartName, str, list[Item]]] = [
        (name, title, [item for item in items if name in ("all", item.part)]) for name, title in PARTS
    ]
    shares = calibrated_share(
        [float(item.score >= 0.5) for item in items],
        [_truth(at_random.get(item.rollout)) for item in items],
        [item.task.id for item in items],
    )
    whole = len({item.part for item in items}) == 1
    return Calibration(
        labels=len(known),
        skipped=len(labels) - len(known),
        waiting=len(known) - len(counted),
        parts=tuple(
            _part(name, title, of, counted)
            for name, title, of in parts
            if of and (name == "all" or (not whole and _tasks(of, counted) >= FEWEST))
        ),
        sensitivity=_figure(shares.sensitivity),
        specificity=_figure(shares.specificity),
        rogan_gladen=_figure(shares.corrected),
        random=len(at_random),
    )


def _part(name: PartName, title: str, items: Sequence[Item], labels: Mapping[str, Label]) -> Calibrated:
    from practice.stats import ppi_mean

    own = [labels.get(item.rollout) for item in items]
    found = ppi_mean(
        [item.score for item in items],
        [_truth(label) for label in own],
        [item.task.id for item in items],
        chances=[(label.chance or 1.0) if label else 1.0 for label in own],
        low=0.0,
        high=1.0,
    )
    n = sum(label is not None for label in own)
    judged, corrected = _figure(found.judged), _figure(found.corrected)
    return Calibrated(
        part=name,
        attempts=len(items),
        labels=n,
        judged=judged,
        labelled=_figure(found.labelled),
        corrected=corrected,
        weight=None if math.isnan(found.weight) else found.weight,
        sentence=_say(title, judged, corrected, n, _tasks(items, labels)),
    )


def _say(title: str, judged: Figure, corrected: Figure, labels: int, tasks: int) -> str:
    """``practice: judges say 0.71; with 40 labels 0.64 [0.55, 0.73]``."""
    head = f"{title}: judges say {_number(judged.value)}"
    if corrected.value is None or corrected.ci is None:
        return f"{head}; {labels} labels on {tasks} tasks are too few to correct it: at least {FEWEST} tasks are needed"
    low, high = corrected.ci
    text = f"{head}; with {labels} labels {corrected.value:.2f} [{low:.2f}, {high:.2f}]"
    if judged.value is not None and not low <= judged.value <= high:
        return f"{text}: the judges are too {'kind' if judged.value > high else 'strict'}"
    return text


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.2f}"


def _truth(label: Label | None) -> float:
    return math.nan if label is None else float(label.word == "right")


def _tasks(items: Sequence[Item], labels: Mapping[str, Label]) -> int:
    return len({item.task.id for item in items if item.rollout in labels})


def _figure(found: Interval) -> Figure:
    ends = (found.low, found.high)
    return Figure(
        value=None if math.isnan(found.value) else found.value,
        ci=None if any(math.isnan(end) for end in ends) else ends,
        n=found.n,
    )
