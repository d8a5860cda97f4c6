"""Rank agreement of every pair of evaluators on every query, gathered a query at a time: by axis, and over all pairs.

A *cell* is a (query, evaluator pair) with at least two rollouts that both scored. Large tables go through in blocks of
queries, so that the cells never lie in memory all at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from practice.stability.result import Axis, Figure, Ties
from practice.stability.table import Floats, ScoreTable, axis_pairs
from practice.stats import cluster
from practice.stats.rank import (
    PairCounts,
    all_tied,
    best_worst_reversal,
    one_sided,
    pair_counts,
    spearman,
    tau_b,
    top_sets,
)

__all__ = ["Grid", "Row", "agreement_grid", "axis_figures", "figure", "mean_figure", "ratio_figure"]

BLOCK = 2_000_000
"""Numbers (query x evaluator pair x rollout) that are looked at together."""

Pairs = tuple[tuple[int, int], ...]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Row:
    """What one axis (or ``all``) says of each query: means over its evaluator pairs, or sums; all of shape (N,)."""

    tau_b: Floats
    """Mean over the pairs for which it is defined; NaN where it is for none."""
    tau_b_zero: Floats
    """Mean over cells with undefined as 0."""
    spearman: Floats
    defined: Floats
    """Share of the cells with a defined tau_b."""
    top_disjoint: Floats
    reversal: Floats
    concordant: Floats
    discordant: Floats
    changed: Floats
    """Q + T_a + T_b."""
    same: Floats
    """P + T_ab."""
    n0: Floats


@dataclass(frozen=True)
class Grid:
    """The agreement of a table's evaluators."""

    pairs: Mapping[str, Pairs]
    """Axis (and ``all``) -> evaluator pairs."""
    rows: Mapping[str, Row]
    tau_matrix: Floats
    """(E, E): mean over queries; NaN where it is defined for none; 1 on the diagonal."""
    ties: Ties
    inverted: float | None
    """Share of the strict pairs of one evaluator that another one orders the other way round."""


@dataclass(frozen=True)
class _Cells:
    """The cells of a block of queries, shape (n, P)."""

    counts: PairCounts
    cell: Bools
    tau: Floats
    rho: Floats
    disjoint: Floats
    reversal: Floats


def agreement_grid(table: ScoreTable) -> Grid:
    """All pairs of evaluators of a table, at least two evaluators or no row has anything to say."""
    pairs = axis_pairs(table.evaluators)
    one, two = (np.array([pair[side] for pair in pairs["all"]], dtype=np.int64) for side in (0, 1))
    place = {pair: index for index, pair in enumerate(pairs["all"])}
    columns = {axis: np.array([place[pair] for pair in of_axis], dtype=np.int64) for axis, of_axis in pairs.items()}
    blocks: dict[str, list[Row]] = {axis: [] for axis in pairs}
    sums = np.zeros((2, len(one)))
    tied = np.zeros(6)
    for scores in _blocks(table.scores, max(1, len(one))):
        cells = _cells(scores[:, one], scores[:, two])
        for axis, chosen in columns.items():
            blocks[axis].append(_row(cells, chosen))
        known = ~np.isnan(cells.tau)
        sums += np.where(known, cells.tau, 0.0).sum(axis=0), known.sum(axis=0)
        tied += _tied(cells)
    rows = {
        axis: Row(*(np.concatenate([getattr(block, name) for block in found]) for name in Row.__dataclass_fields__))
        for axis, found in blocks.items()
    }
    count, everyone, alone, n0, pair_tied, strict = tied
    flipped = float(rows["all"].discordant.sum())
    return Grid(
        pairs=pairs,
        rows=rows,
        tau_matrix=_matrix(sums, one, two, len(table.evaluators)),
        ties=Ties(
            all_tied=everyone / count if count else 0.0,
            one_sided=alone / count if count else 0.0,
            pair_tied=pair_tied / n0 if n0 else 0.0,
        ),
        inverted=2 * flipped / float(strict) if strict else None,
    )


def _blocks(scores: Floats, pairs: int) -> Iterator[Floats]:
    step = max(1, BLOCK // (pairs * scores.shape[2]))
    for start in range(0, max(1, len(scores)), step):
        yield scores[start : start + step]


def _cells(a: Floats, b: Floats) -> _Cells:
    counts = pair_counts(a, b)
    return _Cells(
        counts=counts,
        cell=counts.n0 > 0,
        tau=tau_b(counts),
        rho=spearman(a, b),
        disjoint=top_sets(a, b)[1],
        reversal=best_worst_reversal(a, b),
    )


def _row(cells: _Cells, chosen: NDArray[np.int64]) -> Row:
    counts, cell, tau = cells.counts, cells.cell[:, chosen], cells.tau[:, chosen]
    number = cell.sum(axis=1).astype(np.float64)
    known = ~np.isnan(tau)

    def total(values: Floats) -> Floats:
        found: Floats = values[:, chosen].sum(axis=1)
        return found

    return Row(
        tau_b=mean_known(tau),
        tau_b_zero=_share(np.where(known, tau, 0.0).sum(axis=1), number),
        spearman=mean_known(cells.rho[:, chosen]),
        defined=_share(known.sum(axis=1), number),
        top_disjoint=mean_known(cells.disjoint[:, chosen]),
        reversal=mean_known(cells.reversal[:, chosen]),
        concordant=total(counts.concordant),
        discordant=total(counts.discordant),
        changed=total(counts.discordant + counts.tied_a + counts.tied_b),
        same=total(counts.concordant + counts.tied_ab),
        n0=total(counts.n0),
    )


def _tied(cells: _Cells) -> Floats:
    """Cells, both sides constant, one constant; pairs, pairs tied by a side, strict pairs of either side."""
    counts = cells.counts
    strict = 2 * (counts.concordant + counts.discordant) + counts.tied_a + counts.tied_b
    tied = counts.tied_a + counts.tied_b + counts.tied_ab
    found = (cells.cell, all_tied(counts), one_sided(counts), counts.n0, tied, strict)
    return np.array([np.nansum(values) for values in found], dtype=np.float64)


def _matrix(sums: Floats, one: NDArray[np.int64], two: NDArray[np.int64], evaluators: int) -> Floats:
    matrix = np.full((evaluators, evaluators), np.nan)
    np.fill_diagonal(matrix, 1.0)
    matrix[one, two] = matrix[two, one] = _share(sums[0], sums[1])
    return matrix


def mean_known(values: Floats) -> Floats:
    """Mean along the last axis of what is not NaN; NaN where all is."""
    known = ~np.isnan(values)
    return _share(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1))


def _share(over: NDArray[np.generic], under: NDArray[np.generic]) -> Floats:
    over, under = np.asarray(over, dtype=np.float64), np.asarray(under, dtype=np.float64)
    return np.divide(over, under, out=np.full(under.shape, np.nan), where=under != 0)


# ---------------------------------------------------------------- figures


def figure(interval: cluster.Interval) -> Figure:
    """An interval as the report has it: what is not defined is None."""
    value = None if np.isnan(interval.value) else interval.value
    ci = None if np.isnan(interval.low) or np.isnan(interval.high) else (interval.low, interval.high)
    return Figure(value=value, ci=ci, n=interval.n)


def mean_figure(values: Floats, low: float | None = None, high: float | None = None) -> Figure:
    """Mean over queries of one value a query."""
    return figure(cluster.cluster_mean(values, low=low, high=high))


def ratio_figure(over: Floats, under: Floats, low: float | None = None, high: float | None = None) -> Figure:
    """A ratio of sums over queries."""
    return figure(cluster.cluster_ratio(over, under, low=low, high=high))


def axis_figures(row: Row, pairs: int) -> Axis:
    """The figures of one axis, without its null."""
    strict = row.concordant + row.discordant
    return Axis(
        tau_b=mean_figure(row.tau_b, -1, 1),
        spearman=mean_figure(row.spearman, -1, 1),
        defined_share=mean_figure(row.defined, 0, 1),
        tau_b_undefined_as_zero=mean_figure(row.tau_b_zero, -1, 1),
        gamma=ratio_figure(row.concordant - row.discordant, strict, -1, 1),
        strict_flip=ratio_figure(row.discordant, strict, 0, 1),
        soft_change=ratio_figure(row.changed, row.n0, 0, 1),
        acc_eq=ratio_figure(row.same, row.n0, 0, 1),
        top_disjoint=mean_figure(row.top_disjoint, 0, 1),
        best_worst_reversal=mean_figure(row.reversal, 0, 1),
        pairs=pairs,
    )
