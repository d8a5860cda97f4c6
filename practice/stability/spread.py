"""Where the variance within queries comes from, what a panel would reach, and coefficients over all evaluators."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from practice.stability.grid import figure
from practice.stability.result import Component, Figure, Panel, Reliability
from practice.stability.table import AXES, EvaluatorKey, Floats, ScoreTable
from practice.stats import components as room
from practice.stats.agreement import fleiss_kappa, icc, kendall_w, krippendorff_alpha

__all__ = ["Spread", "coefficients", "spread"]

CALLS = 12
"""Panels up to so many calls a rollout are listed."""
MOST_CALLS = 64
"""Panels up to so many are looked at for the cheapest."""
CATEGORIES = 12
"""Up to so many different scores, kappa and nominal alpha say something."""

NOTHING = Figure(value=None, ci=None, n=0)


@dataclass(frozen=True)
class Spread:
    """Variance components, reliability, D-study."""

    components: dict[str, Component]
    reliability: Reliability
    d_study: tuple[Panel, ...]


def spread(table: ScoreTable, target: float) -> Spread:
    """Of a table's scores: by the axes that vary, where these are crossed or nested; else evaluators as one factor.

    The D-study lists panels of up to 12 calls and the cheapest of up to 64 that reaches ``target``.
    """
    if len(table.evaluators) < 2:
        return Spread({}, Reliability(single_call=NOTHING, panel=NOTHING), ())
    try:
        found = room.variance_components(table.scores, _factors(table.evaluators))
    except ValueError:  # neither crossed nor nested
        found = room.variance_components(table.scores, {"evaluator": [key.name for key in table.evaluators]})
    panels = list(room.d_study(found, CALLS))
    best = room.cheapest(found, target, MOST_CALLS)
    if best is not None and best.calls > CALLS:
        panels.append(best)
    return Spread(
        components={
            part.name: Component(variance=part.variance, share=0.0 if math.isnan(part.share) else part.share)
            for part in found.parts
            if not math.isnan(part.variance)
        },
        reliability=Reliability(single_call=figure(found.single_call), panel=figure(found.panel)),
        d_study=tuple(_panel(panel) for panel in panels if not math.isnan(panel.reliability)),
    )


def _factors(evaluators: Sequence[EvaluatorKey]) -> dict[str, Sequence[Hashable]]:
    """The axes that vary, less those that vary only together with an earlier one."""
    factors: dict[str, Sequence[Hashable]] = {}
    seen: set[tuple[int, ...]] = set()
    for axis in AXES:
        values = [key.axis(axis) for key in evaluators]
        split = tuple(values.index(value) for value in values)
        if len(set(values)) > 1 and split not in seen:
            seen.add(split)
            factors[axis] = values
    return factors or {"evaluator": [key.name for key in evaluators]}


def _panel(panel: room.PanelSize) -> Panel:
    seeds = panel.of("seed")
    return Panel(
        prompts=panel.calls // seeds,
        seeds=seeds,
        calls=panel.calls,
        reliability=panel.reliability,
        levels=dict(panel.levels),
    )


def coefficients(table: ScoreTable) -> dict[str, float | None]:
    """Coefficients over all evaluators: W within groups (their mean), the others over all rollouts of all groups.

    Over all rollouts means that a judge gains by telling easy groups from hard ones, which within-group figures leave
    out. Kappa and nominal alpha only where there are at most 12 different scores.
    """
    if len(table.evaluators) < 2:
        return {}
    ratings = table.scores.transpose(1, 0, 2).reshape(len(table.evaluators), -1)
    ratings = ratings[:, ~np.isnan(ratings).all(axis=0)]
    within = icc(ratings)
    found = {
        "kendall_w": float(_mean(kendall_w(table.scores))),
        "alpha_ordinal": krippendorff_alpha(ratings, "ordinal"),
        "alpha_interval": krippendorff_alpha(ratings, "interval"),
        "icc_11": within.one_way,
        "icc_a1": within.agreement,
        "icc_c1": within.consistency,
    }
    if np.unique(ratings[~np.isnan(ratings)]).size <= CATEGORIES:
        found |= {"alpha_nominal": krippendorff_alpha(ratings, "nominal"), "fleiss_kappa": fleiss_kappa(ratings)}
    return {name: None if math.isnan(value) else value for name, value in found.items()}


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan
