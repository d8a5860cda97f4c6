"""From a table of scores to the report: every statistic once, in the order in which a reader meets them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from practice.stability.bias import biases, pass_mark
from practice.stability.consequences import consequences, coverage, votes
from practice.stability.grid import Grid, agreement_grid, axis_figures
from practice.stability.null import Null, permutation_null
from practice.stability.result import Axis, Design, StabilityReport, Unstable
from practice.stability.spread import coefficients, spread
from practice.stability.table import AXES, Floats, ScoreTable
from practice.stability.truth import validity
from practice.stability.verdict import Cuts, judge, sentence
from practice.stats import benjamini_hochberg, holm, minimal_detectable

__all__ = ["Reasons", "analyse"]

Reasons = Mapping[str, Mapping[str, Sequence[str]]]
"""Group -> evaluator -> its own words on each rollout, in the table's order of rollouts."""

INDICATIVE = 15
"""Under so many groups figures are indications."""
MOST_GROUPS = 2_000
"""Groups whose tau_b is listed."""
LEAST_STABLE = 10
"""Groups that are shown with all their scores."""


def analyse(
    table: ScoreTable, *, cuts: Cuts | None = None, reasons: Reasons | None = None, seed: int = 0
) -> StabilityReport:
    """The stability report of a table.

    ``seed`` draws the shuffles of the null and, on very many groups, the groups it is computed on; the same table, cuts
    and seed give the same report.
    """
    cuts = cuts or Cuts()
    grid = agreement_grid(table)
    null = permutation_null(table.scores, grid.pairs, seed)
    axes = _axes(grid, null)
    design = _design(table, grid)
    spreads = spread(table, cuts.target)
    mark = pass_mark(table, cuts.pass_mark)
    truths = validity(table, mark)
    cast = votes(table.scores)
    verdict, why = judge(design, axes, spreads.reliability, truths, cuts)
    return StabilityReport(
        verdict=verdict,
        reasons=why,
        sentence=sentence(axes, spreads.d_study, cuts, groups=len(table.groups) if design.indicative else None),
        design=design,
        axes=axes,
        ties=grid.ties,
        components=spreads.components,
        reliability=spreads.reliability,
        d_study=spreads.d_study,
        target=cuts.target,
        agreement=coefficients(table),
        bias=biases(table, grid.rows["all"], margin=cuts.margin, mark=mark, seed=seed),
        validity=truths,
        consequences=consequences(table, cast, grid.inverted),
        tau_matrix=tuple(tuple(_known(value) for value in row) for row in grid.tau_matrix),
        group_tau=_group_tau(table, grid),
        coverage=coverage(table, cast),
        unstable=_unstable(table, grid, null, reasons or {}),
    )


def _axes(grid: Grid, null: Null) -> dict[str, Axis]:
    """Figures, null, p, and q: Holm over the axes; ``all`` is not one of them and has its p."""
    single = [axis for axis in grid.pairs if axis != "all" and not math.isnan(null.p[axis])]
    corrected = dict(zip(single, holm([null.p[axis] for axis in single]), strict=True)) if single else {}
    return {
        axis: axis_figures(grid.rows[axis], len(pairs)).model_copy(
            update={
                "tau_b_null": _known(null.quantile[axis]),
                "p": _known(null.p[axis]),
                "q": _known(corrected.get(axis, null.p[axis])),
            }
        )
        for axis, pairs in grid.pairs.items()
    }


def _design(table: ScoreTable, grid: Grid) -> Design:
    unavailable = {axis: tuple(key.name for key in table.evaluators if axis in key.unavailable) for axis in AXES}
    return Design(
        groups=len(table.groups),
        group_size=float(np.mean([len(row) for row in table.rollouts])),
        evaluators=tuple(key.name for key in table.evaluators),
        axes={axis: len(pairs) for axis, pairs in grid.pairs.items() if axis != "all"},
        missing=table.missing,
        mde=_known(minimal_detectable(grid.rows["all"].tau_b)),
        unavailable={axis: names for axis, names in unavailable.items() if names},
        indicative=len(table.groups) < INDICATIVE,
    )


# ---------------------------------------------------------------- groups


def _order(taus: Floats) -> list[int]:
    """Groups, the least stable first; those without a tau_b last."""
    return [int(place) for place in np.argsort(taus, kind="stable")]  # NaN sorts to the end


def _group_tau(table: ScoreTable, grid: Grid) -> dict[str, float | None]:
    taus = grid.rows["all"].tau_b
    return {table.groups[place]: _known(taus[place]) for place in _order(taus)[:MOST_GROUPS]}


def _unstable(table: ScoreTable, grid: Grid, null: Null, reasons: Reasons) -> tuple[Unstable, ...]:
    """The groups with the lowest agreement, with all their scores. None of full agreement."""
    taus = grid.rows["all"].tau_b
    tested = np.flatnonzero(~np.isnan(null.group_p))
    q = dict(zip((int(null.groups[place]) for place in tested), _bh(null.group_p[tested]), strict=True))
    worst = [place for place in _order(taus)[:LEAST_STABLE] if taus[place] < 1 - 1e-9]
    return tuple(
        Unstable(
            group=table.groups[place],
            tau_b=_known(taus[place]),
            q=q.get(place),
            scores={
                key.name: tuple(_known(score) for score in table.scores[place, who, : len(table.rollouts[place])])
                for who, key in enumerate(table.evaluators)
            },
            rollouts=table.rollouts[place],
            reasons={name: tuple(words) for name, words in reasons.get(table.groups[place], {}).items()},
        )
        for place in worst
    )


def _bh(p: Floats) -> tuple[float, ...]:
    return benjamini_hochberg([float(value) for value in p]) if p.size else ()


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
