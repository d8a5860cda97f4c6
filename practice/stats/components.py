"""Where the variance of scores within a query comes from, how reliable judging is, and what a larger panel would give.

Within a query, a score is the rollout's worth, plus what the wording, the seed and so on add to every rollout alike,
plus what they add to this rollout (the interactions): X = mean + r + p + s + rp + rs + ps + rps. All are random
effects. Only what interacts with the rollout can change the order within a query; that is the noise of a contrast.
Sources: Brennan, *Generalizability Theory*, 2001, chapters 3 and 4; Cronbach et al., *The Dependability of Behavioral
Measurements*, 1972.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from practice.stats.cluster import CONFIDENCE, Interval, degrees
from practice.stats.means import Floats, wilson_at, z_quantile

Bools = NDArray[np.bool_]

ROLLOUT = "rollout"
SEED = "seed"
Facets = tuple[str, ...]  # of an effect: "rollout" first where it is one of them


@dataclass(frozen=True, slots=True)
class Component:
    """One variance component of scores within queries."""

    name: str
    """``rollout_in_group`` (the signal), ``rollout_x_prompt``, ``prompt_in_group`` ...; the residual of a design with
    seeds is ``seed``, what a call differs by when nothing but its seed changes.
    """
    facets: Facets
    variance: float
    """In squared units of score; 0 where the estimate is negative."""
    raw: float
    """The estimate as it came out; a negative one says that the component is about 0."""
    share: float
    """Of the sum of all components; NaN where all are 0."""


@dataclass(frozen=True, slots=True)
class Components:
    """Variance components pooled over queries, and the within-query reliability of the mean of several calls."""

    parts: tuple[Component, ...]
    factors: tuple[tuple[str, int], ...]
    """Factors with more than one level, in the order given, and their levels."""
    nested: bool
    """The second factor's levels differ from one level of the first to the next."""
    single_call: Interval
    panel: Interval
    """Of the mean over all evaluators at hand."""
    groups: int
    """Queries that carry the figures."""
    groups_dropped: int
    """Queries with fewer than two rollouts that every evaluator scored."""
    rollouts_dropped: int
    """Rollouts that some evaluator scored and another did not."""

    def part(self, name: str) -> Component:
        """The component of that name; KeyError where the design has none."""
        for part in self.parts:
            if part.name == name:
                return part
        raise KeyError(name)

    def reliability(self, levels: Mapping[str, int]) -> float:
        """Within-query reliability of the mean over a panel with so many levels of each factor, 1 where not named.

        s_r/(s_r + sum over interactions of s/(product of its factors' levels)), Brennan 2001, eq. 4.20 ff., relative
        decisions: rollouts of one query are compared, so a level that is added to all of them does no harm. Negative
        estimates count as 0, which in designs of many factors makes it a little too low. NaN where nothing varies.
        """
        noise = sum(
            part.variance / math.prod(levels.get(facet, 1) for facet in part.facets[1:])
            for part in self.parts
            if part.facets[0] == ROLLOUT and len(part.facets) > 1
        )
        signal = self.part("rollout_in_group").variance
        return signal / (signal + noise) if signal + noise > 0.0 else math.nan


@dataclass(frozen=True, slots=True)
class PanelSize:
    """One row of a D-study."""

    levels: tuple[tuple[str, int], ...]
    """Factor and how many levels of it."""
    calls: int
    """A rollout."""
    reliability: float

    def of(self, factor: str) -> int:
        """Levels of a factor; 1 for one that the design did not vary."""
        return dict(self.levels).get(factor, 1)


# ---------------------------------------------------------------- variance components


def variance_components(scores: Floats, factors: Mapping[str, Sequence[Hashable]]) -> Components:
    """Variance components of scores, shape (N, E, G), by the ANOVA of every query, pooled over queries.

    ``factors`` labels the E evaluators, as ``{"prompt": ["a", "a", "b", "b"], "seed": [0, 1, 0, 1]}``: crossed, every
    combination once; or the second's labels all within one label of the first, equally many in each (nested). Factors
    with one level are left out. Sums of squares and degrees of freedom are summed over queries, and expected mean
    squares are solved for the components (Brennan 2001, section 3.4.3). Rollouts that not every evaluator scored are
    left out, then queries with fewer than two; both are counted. Figures are NaN where no query is left.

    The reliabilities' intervals: jackknife over queries of -log(1 - reliability), the log of a variance ratio (Miller
    1968, *Ann. Math. Stat.* 39:567), with degrees of freedom from its kurtosis as in ``cluster_mean``, and cut at 0.
    Without any noise the reliability is 1, with Wilson's lower bound at the number of queries.

    Raises:
        ValueError: labels of another length, one evaluator, or labels that are neither crossed nor nested.
    """
    design = _Design.of(factors, scores.shape[1])
    grid = scores[:, design.order, :].reshape(scores.shape[0], *design.levels, scores.shape[2])
    axes = tuple(range(1, 1 + len(design.levels)))
    calls = np.count_nonzero(~np.isnan(grid), axis=axes)
    some, scored = calls > 0, calls == scores.shape[1]
    kept = np.count_nonzero(scored, axis=1) >= 2
    squares, freedom, size = _sums_of_squares(design, grid[kept], scored[kept])
    raw = design.solve(squares.sum(axis=0), freedom.sum(axis=0), size)
    return Components(
        parts=_parts(design, raw),
        factors=tuple(zip(design.names, design.levels, strict=True)),
        nested=design.nested,
        single_call=_interval(design, squares, freedom, size, [1] * len(design.levels)),
        panel=_interval(design, squares, freedom, size, design.levels),
        groups=int(kept.sum()),
        groups_dropped=int((np.count_nonzero(some, axis=1) > 0).sum() - kept.sum()),
        rollouts_dropped=int((some & ~scored).sum()),
    )


def _parts(design: _Design, raw: Floats) -> tuple[Component, ...]:
    values = [float(value) for value in raw]
    whole = sum(max(0.0, value) for value in values)
    return tuple(
        Component(
            name=design.name(facets),
            facets=facets,
            variance=max(0.0, value) if value == value else value,
            raw=value,
            share=max(0.0, value) / whole if whole > 0.0 else math.nan,
        )
        for facets, value in zip(design.effects, values, strict=True)
    )


@dataclass(frozen=True, slots=True)
class _Design:
    """Which evaluator stands where, and which effects can be told apart."""

    names: tuple[str, ...]
    levels: tuple[int, ...]
    order: tuple[int, ...]
    """Evaluators in the order of the grid, the last factor fastest."""
    nested: bool

    @staticmethod
    def of(factors: Mapping[str, Sequence[Hashable]], evaluators: int) -> _Design:
        """Raises ValueError as told in :func:`variance_components`."""
        for name, labels in factors.items():
            if len(labels) != evaluators:
                raise ValueError(f"{name}: {len(labels)} labels for {evaluators} evaluators")
        labels = {name: tuple(column) for name, column in factors.items() if len(set(column)) > 1}
        if not labels:
            raise ValueError("variance components need a factor with two levels or more")
        names, columns = tuple(labels), list(labels.values())
        nested = False
        if len(columns) == 2 and (inner := _within(columns[0], columns[1])):
            columns, nested = [columns[0], inner], True
        known = [list(dict.fromkeys(column)) for column in columns]
        places = {cell: index for index, cell in enumerate(zip(*columns, strict=True))}
        levels = tuple(len(column) for column in known)
        if len(places) != evaluators or math.prod(levels) != evaluators:
            raise ValueError(f"{' x '.join(names)} is neither crossed nor nested: not every combination, once each")
        return _Design(names, levels, tuple(places[cell] for cell in itertools.product(*known)), nested)

    @property
    def effects(self) -> tuple[Facets, ...]:
        """Every combination of rollout and factors; one with a nested factor holds the factor it lies in."""
        facets = (ROLLOUT, *self.names)
        alone = self.names[1] if self.nested else None
        return tuple(c for c in _subsets(facets) if alone not in c or self.names[0] in c)

    def name(self, facets: Facets) -> str:
        """What an effect is called."""
        if len(facets) == 1 + len(self.names) and SEED in facets:
            return SEED
        if facets == (ROLLOUT,):
            return "rollout_in_group"
        return "_x_".join(facets) + ("" if facets[0] == ROLLOUT else "_in_group")

    def solve(self, squares: Floats, freedom: Floats, size: float) -> Floats:
        """Components from sums of squares and degrees of freedom, shape (..., effects); ``size`` is the mean G.

        The expected mean square of an effect is the sum over the effects that hold it, each times the number of scores
        that share one value of it.
        """
        counts = {ROLLOUT: size, **dict(zip(self.names, self.levels, strict=True))}
        expected = np.array(
            [
                [
                    math.prod(n for facet, n in counts.items() if facet not in other) if set(one) <= set(other) else 0.0
                    for other in self.effects
                ]
                for one in self.effects
            ]
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            mean_squares = squares / freedom
        return np.linalg.solve(expected, mean_squares[..., None])[..., 0].astype(np.float64)


def _within(outer: Sequence[Hashable], inner: Sequence[Hashable]) -> tuple[Hashable, ...] | None:
    """Places of the inner labels within their outer one, where each lies in one outer label; else None."""
    pairs = list(dict.fromkeys(zip(outer, inner, strict=True)))
    per_outer = {label: [i for o, i in pairs if o == label] for label in outer}
    if len(pairs) != len(set(inner)) or max(map(len, per_outer.values())) < 2:
        return None
    return tuple(per_outer[o].index(i) for o, i in zip(outer, inner, strict=True))


def _sums_of_squares(design: _Design, grid: Floats, scored: Bools) -> tuple[Floats, Floats, float]:
    """Sums of squares and degrees of freedom, both shape (queries, effects), and the mean number of rollouts."""
    facets = (ROLLOUT, *design.names)
    sizes = scored.sum(axis=1).astype(np.float64)
    ones = np.ones(len(sizes))
    counts = {ROLLOUT: sizes, **{n: ones * level for n, level in zip(design.names, design.levels, strict=True)}}
    between = _squares_of_totals(facets, _centred(grid, scored), counts)
    squares, freedom = np.zeros((2, len(sizes), len(design.effects)))
    for subset in between:
        own = sum((between[c] * (-1.0) ** (len(subset) - len(c)) for c in _subsets(subset)), 0.0 * ones)
        # A nested factor's own effect, and its interaction with the outer factor, can't be told apart.
        held = subset if subset in design.effects else tuple(f for f in facets if f in {*subset, design.names[0]})
        place = design.effects.index(held)
        squares[:, place] += np.maximum(own, 0.0)  # below 0 by rounding only
        freedom[:, place] += math.prod((counts[facet] - 1.0 for facet in subset), start=ones)
    return squares, freedom, float(sizes.mean()) if len(sizes) else math.nan


def _centred(grid: Floats, scored: Bools) -> Floats:
    """Scores less their query's mean, 0 where a rollout is left out: squares of totals then lose no digits."""
    axes = tuple(range(1, grid.ndim))
    shown = np.broadcast_to(scored.reshape(len(grid), *[1] * (grid.ndim - 2), grid.shape[-1]), grid.shape)
    mean = np.mean(grid, axis=axes, where=shown, keepdims=True) if len(grid) else 0.0
    return np.where(shown, grid - mean, 0.0)


def _squares_of_totals(facets: Facets, x: Floats, counts: Mapping[str, Floats]) -> dict[Facets, Floats]:
    """For each subset of facets: the sum over its cells of (total over the others)^2/(scores in a cell)."""
    axis = {facet: place or x.ndim - 1 for place, facet in enumerate(facets)}  # the grid is (query, *factors, rollout)
    found: dict[Facets, Floats] = {}
    for subset in _subsets(facets):
        others = [facet for facet in facets if facet not in subset]
        totals = x.sum(axis=tuple(axis[facet] for facet in others))
        shared = math.prod((counts[facet] for facet in others), start=np.ones(len(x)))
        found[subset] = (totals**2).sum(axis=tuple(range(1, x.ndim - len(others)))) / shared
    return found


def _subsets(facets: Facets) -> list[Facets]:
    """All but the empty one, the smaller first."""
    return [c for size in range(1, len(facets) + 1) for c in itertools.combinations(facets, size)]


def _interval(design: _Design, squares: Floats, freedom: Floats, size: float, levels: Sequence[int]) -> Interval:
    """Reliability of the mean over a panel of these levels, with its interval over queries."""
    n = len(squares)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    counts = dict(zip(design.names, levels, strict=True))
    noisy = [place for place, facets in enumerate(design.effects) if facets[0] == ROLLOUT and len(facets) > 1]
    weights = np.array([1.0 / math.prod(counts[facet] for facet in design.effects[place][1:]) for place in noisy])

    def parts(total: Floats, freedom: Floats) -> tuple[Floats, Floats]:
        solved = design.solve(total, freedom, size)
        return solved[..., 0], (np.maximum(solved[..., noisy], 0.0) * weights).sum(axis=-1)

    signal, noise = (float(one) for one in parts(squares.sum(axis=0), freedom.sum(axis=0)))
    if max(signal, 0.0) + noise <= 1e-15:
        return Interval(math.nan, math.nan, math.nan, n)
    value = max(signal, 0.0) / (max(signal, 0.0) + noise)
    if noise <= 1e-12 * signal:
        return Interval(1.0, wilson_at(1.0, float(n), z_quantile(CONFIDENCE))[0], 1.0, n)
    if n < 2:
        return Interval(value, math.nan, math.nan, n)
    without, left = parts(squares.sum(axis=0) - squares, freedom.sum(axis=0) - freedom)
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(np.maximum(without + left, 1e-15) / np.maximum(left, 1e-15))
    deviations = (logs - logs.mean()) ** 2
    half = float(special.stdtrit(degrees(deviations), 0.5 + CONFIDENCE / 2))
    half *= math.sqrt(float(deviations.sum()) * (n - 1) / n)
    middle = math.log(max(signal + noise, 1e-15) / noise)
    low, high = (max(0.0, -math.expm1(-(middle + side))) for side in (-half, half))
    return Interval(value, min(low, value), max(high, value), n)


# ---------------------------------------------------------------- what a panel would give


def d_study(components: Components, calls: int = 12) -> tuple[PanelSize, ...]:
    """Reliability of every panel of at most ``calls`` calls a rollout, cheapest first, at equal cost the best first.

    Brennan 2001, section 4.1. The levels at hand are taken as a sample of those that could be used.
    """
    names = [name for name, _ in components.factors]
    panels: list[PanelSize] = []
    for levels in _within_cost(len(names), calls):
        named = tuple(zip(names, levels, strict=True))
        panels.append(PanelSize(named, math.prod(levels), components.reliability(dict(named))))
    return tuple(sorted(panels, key=lambda panel: (panel.calls, -panel.reliability, panel.levels)))


def _within_cost(factors: int, calls: int) -> Iterator[tuple[int, ...]]:
    """Levels of each factor whose product is at most ``calls``."""
    if factors == 0:
        yield ()
        return
    for first in range(1, calls + 1):
        for others in _within_cost(factors - 1, calls // first):
            yield (first, *others)


def cheapest(components: Components, target: float = 0.8, calls: int = 64) -> PanelSize | None:
    """The panel with the fewest calls a rollout that reaches ``target``; None where none of ``calls`` calls does."""
    return next((panel for panel in d_study(components, calls) if panel.reliability >= target), None)
