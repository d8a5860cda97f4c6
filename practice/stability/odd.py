"""Who stands apart: a wording whose polarity is inverted, a model family that does not judge as the others do.

Where truth is known, a wording or family is compared with it; else with the others, over pairs of evaluators that
differ in that axis alone where there are such pairs. The most distant one is looked at first and then set aside, so
that one inverted wording does not make the others look inverted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from practice.stability.grid import mean_known
from practice.stability.looks import Look, apart, mean_look
from practice.stability.null import cell_taus, subsample
from practice.stability.table import EvaluatorKey, Floats, ScoreTable, axis_pairs
from practice.stats import pair_counts, tau_b

__all__ = ["family", "odd_looks"]

CELLS = 40_000_000
"""tau_b's that are held at once; above it a seeded subsample of the groups is looked at."""

#: Name of a family -> how the names of its models begin.
FAMILIES: Mapping[str, str] = {
    "gpt": r"(chat)?gpt|o[1-9]\b|o[1-9]-|davinci|text-davinci",
    "claude": r"claude",
    "gemini": r"gemini|gemma|palm|bard",
    "llama": r"(meta-)?llama|codellama|vicuna|alpaca",
    "qwen": r"qwen|qwq",
    "mistral": r"mi[sx]tral|ministral|codestral|magistral",
    "deepseek": r"deepseek",
    "falcon": r"falcon",
    "phi": r"phi-?\d",
    "command": r"command",
    "grok": r"grok",
    "smollm": r"smollm",
}


def family(model: str) -> str:
    """The family of a model by its name (``openai/gpt-4.1-mini`` -> ``gpt``); an unknown name is its own family."""
    name = model.lower().rsplit("/", 1)[-1]
    return next((known for known, begins in FAMILIES.items() if re.match(begins, name)), name)


@dataclass(frozen=True)
class _Taus:
    """tau_b of evaluators with each other, (N, E, E), and with truth, (N, E), where there is any."""

    each_other: Floats
    truth: Floats | None


@dataclass(frozen=True)
class _Kind:
    """What is looked at: the unit of every evaluator, and the pairs that compare units."""

    axis: str
    units: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]


def odd_looks(table: ScoreTable, margin: float, seed: int) -> tuple[dict[str, Look], dict[str, Look]]:
    """(polarity, family): unit -> a look at it, the most distant unit first."""
    taus = _taus(table, seed)
    kinds = _kinds(table.evaluators)
    polarity: dict[str, Look] = {}
    apart: dict[str, Look] = {}
    for kind in kinds:
        if kind.axis != "model":
            polarity |= _chain(kind, taus, _polarity)
        if kind.axis != "prompt":
            apart |= _chain(kind, taus, lambda kind, unit, taus: _distance(kind, unit, taus, margin))
    return polarity, apart


def _taus(table: ScoreTable, seed: int) -> _Taus:
    n, e, _ = table.scores.shape
    chosen = subsample(n, max(1, CELLS // (e * e)), np.random.default_rng(seed))
    scores = table.scores[chosen]
    truth = None
    if table.truth is not None:
        truth = tau_b(pair_counts(scores, table.truth[chosen][:, None, :]))
        truth = truth if int((~np.isnan(truth)).any(axis=1).sum()) >= 15 else None
    return _Taus(cell_taus(scores), truth)


def _kinds(evaluators: Sequence[EvaluatorKey]) -> list[_Kind]:
    """Wordings and model families where there are several; evaluators where nothing is known of them but names."""
    pairs = axis_pairs(tuple(evaluators))
    kinds: list[_Kind] = []
    for axis in ("prompt", "model"):
        values = [key.axis(axis) or "not given" for key in evaluators]
        units = tuple(values if axis == "prompt" else map(family, values))
        if len(set(units)) > 1:
            kinds.append(_Kind(axis, units, pairs.get(axis, pairs["all"])))
    if not kinds and len(evaluators) > 1:
        kinds.append(_Kind("evaluator", tuple(key.name for key in evaluators), pairs["all"]))
    return kinds


def _chain(kind: _Kind, taus: _Taus, look: Callable[[_Kind, str, _Taus], Look | None]) -> dict[str, Look]:
    """Looks at all units, each time at the most distant one of those that are left."""
    found: dict[str, Look] = {}
    left = list(dict.fromkeys(kind.units))
    while len(left) > 1:
        inside = _Kind(
            kind.axis,
            kind.units,
            tuple(pair for pair in kind.pairs if kind.units[pair[0]] in left and kind.units[pair[1]] in left),
        )
        looks = [(unit, made) for unit in left if (made := look(inside, unit, taus)) is not None]
        if not looks:
            break
        unit, worst = max(looks, key=lambda item: apart(item[1]))
        found[unit] = replace(worst, follows=bool(found))
        left.remove(unit)
    return found


def _over(taus: _Taus, pairs: Sequence[tuple[int, int]]) -> Floats:
    """Mean tau_b over some pairs of evaluators, (N,)."""
    one, two = ([pair[side] for pair in pairs] for side in (0, 1))
    return mean_known(taus.each_other[:, one, two])


_NOUN = {"prompt": "the wording", "model": "the model family", "evaluator": "the evaluator"}


def _polarity(kind: _Kind, unit: str, taus: _Taus) -> Look | None:
    """Its tau_b with truth, or with the others: below 0 where it takes good for bad."""
    mine = [who for who, name in enumerate(kind.units) if name == unit]
    if taus.truth is not None:
        values, whom = mean_known(taus.truth[:, mine]), "truth"
    else:
        crossing = [pair for pair in kind.pairs if (kind.units[pair[0]] == unit) != (kind.units[pair[1]] == unit)]
        others = sorted({kind.units[who] for pair in crossing for who in pair} - {unit})
        values, whom = _over(taus, crossing), "the others" if len(others) > 1 else f"{others[0]!r}" if others else ""
    if np.isnan(values).all():
        return None
    words = f"{_NOUN[kind.axis]} {unit!r} orders rollouts the other way round: tau_b with {whom} {{}}"
    return mean_look("inverted", words, values, (0.0, 1.0), (-1, 1))


def _distance(kind: _Kind, unit: str, taus: _Taus, margin: float) -> Look | None:
    """How much more the others agree among themselves (or with truth) than this one agrees."""
    if taus.truth is not None:
        mine = [name == unit for name in kind.units]
        own = mean_known(taus.truth[:, np.array(mine)])
        rest = mean_known(taus.truth[:, ~np.array(mine)])
        reference = "with truth"
    else:
        pairs = kind.pairs
        if len({kind.units[who] for pair in pairs for who in pair}) == 2:
            # Of two families each is the other's only measure, but for how well it agrees with itself.
            units = {kind.units[who] for pair in pairs for who in pair}
            inside = [who for who, name in enumerate(kind.units) if name in units]
            pairs = tuple(combinations(inside, 2))
        own = _over(taus, [pair for pair in pairs if unit in (kind.units[pair[0]], kind.units[pair[1]])])
        rest = _over(taus, [pair for pair in pairs if unit not in (kind.units[pair[0]], kind.units[pair[1]])])
        reference = "with the others than these with each other"
    values = rest - own
    if np.isnan(values).all():
        return None
    words = f"{_NOUN[kind.axis]} {unit!r} agrees less {reference}: tau_b lower by {{}}"
    return mean_look("family", words, values, (-2.0, margin), (-2, 2))
