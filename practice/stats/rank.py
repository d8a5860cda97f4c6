"""How far two evaluators put the same rollouts in the same order: pair counts, and the statistics made of them.

Scores are arrays ``(..., G)``: the last axis holds a group's rollouts, NaN where a score is missing, and the leading
axes (queries, evaluator pairs) broadcast. Every function gives one number a *cell*, shape ``(...)``, NaN where it is
not defined. Ties are exact equality: scores that were computed, such as means over criteria, are rounded before.

A side that is constant gives no order. Both sides constant (``all_tied``): they agree that there is no signal. One
side constant (``one_sided``): one orders where the other doesn't, a tie-break disagreement. Neither is a tau of 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from practice.stats.means import Floats

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class PairCounts:
    """Pairs of rollouts by what two evaluators a and b say of them: whole numbers, all of one shape ``(...)``."""

    concordant: Floats
    """P: both prefer the same rollout."""
    discordant: Floats
    """Q: they prefer opposite ones."""
    tied_a: Floats
    """T_a: tied in a only."""
    tied_b: Floats
    """T_b: tied in b only."""
    tied_ab: Floats
    """T_ab: tied in both."""

    @property
    def n0(self) -> Floats:
        """All pairs, G(G-1)/2 where no score is missing."""
        return self.concordant + self.discordant + self.tied_a + self.tied_b + self.tied_ab


def pair_counts(a: ArrayLike, b: ArrayLike) -> PairCounts:
    """Counts of the rollout pairs of each cell: scores ``(..., G)``, leading axes broadcast, to counts ``(...)``.

    A pair counts where all four scores are there. Takes G - 1 passes over the arrays, and about as much memory again
    as they have.

    Raises:
        ValueError: a and b have not the same G, or don't broadcast.
    """
    one, two = _common(a, b)
    untied_a, untied_b, untied, net = (np.zeros(one.shape[1:]) for _ in range(4))
    for first in range(len(one) - 1):
        sign_a, sign_b = _signs(one, first, first + 1), _signs(two, first, first + 1)
        product = sign_a * sign_b
        untied_a += np.count_nonzero(sign_a, axis=0)
        untied_b += np.count_nonzero(sign_b, axis=0)
        untied += np.count_nonzero(product, axis=0)
        net += product.sum(axis=0, dtype=np.int64)
    rollouts = np.count_nonzero(~np.isnan(one), axis=0)
    return PairCounts(
        concordant=np.asarray((untied + net) / 2),
        discordant=np.asarray((untied - net) / 2),
        tied_a=np.asarray(untied_b - untied),
        tied_b=np.asarray(untied_a - untied),
        tied_ab=np.asarray(rollouts * (rollouts - 1) / 2 - untied_a - untied_b + untied),
    )


# ---------------------------------------------------------------- of pair counts


def tau_b(c: PairCounts) -> Floats:
    """Kendall's tau_b, (P - Q)/sqrt((P + Q + T_a)(P + Q + T_b)) (Kendall 1945, *Biometrika* 33:239).

    NaN where a side is constant or there is no pair.
    """
    strict = c.concordant + c.discordant
    return ratio(c.concordant - c.discordant, np.sqrt((strict + c.tied_a) * (strict + c.tied_b)))


def gamma(c: PairCounts) -> Floats:
    """Goodman and Kruskal's gamma, (P - Q)/(P + Q) (1954, *JASA* 49:732). NaN where no pair is strict in both."""
    return ratio(c.concordant - c.discordant, c.concordant + c.discordant)


def strict_flip(c: PairCounts) -> Floats:
    """Share of the pairs strict in both that are reversed, Q/(P + Q). NaN where there is none."""
    return ratio(c.discordant, c.concordant + c.discordant)


def soft_change(c: PairCounts) -> Floats:
    """Share of the pairs of which a and b say different things, a tie being one: (Q + T_a + T_b)/n0."""
    return ratio(c.discordant + c.tied_a + c.tied_b, c.n0)


def acc_eq(c: PairCounts) -> Floats:
    """Tie-aware pairwise accuracy, (P + T_ab)/n0 (Deutsch, Foster and Freitag 2023, arXiv 2305.14324)."""
    return ratio(c.concordant + c.tied_ab, c.n0)


def somers_d(c: PairCounts) -> Floats:
    """Somers' D of b given a, (P - Q)/(P + Q + T_b) (1962, *Am. Sociol. Rev.* 27:799): over pairs not tied in a.

    NaN where a is constant. D of a given b is that of ``pair_counts(b, a)``; their product is the square of tau_b.
    """
    return ratio(c.concordant - c.discordant, c.concordant + c.discordant + c.tied_b)


def all_tied(c: PairCounts) -> Floats:
    """1 where both sides are constant, else 0; NaN where there is no pair.

    With ``one_sided`` and the cells in which tau_b is defined this makes 1: no cell is two of the three.
    """
    return _flags(c.tied_ab == c.n0, c.n0 > 0)


def one_sided(c: PairCounts) -> Floats:
    """1 where exactly one side is constant, else 0; NaN where there is no pair."""
    constant_a = c.tied_a + c.tied_ab == c.n0
    constant_b = c.tied_b + c.tied_ab == c.n0
    return _flags(constant_a != constant_b, c.n0 > 0)


# ---------------------------------------------------------------- of scores


def spearman(a: ArrayLike, b: ArrayLike) -> Floats:
    """Spearman's rho: the correlation of mid-ranks over the rollouts that both scored (1904, *Am. J. Psychol.* 15:72).

    NaN where a side is constant or under two rollouts are common.
    """
    one, two = (centred_ranks(side) for side in _common(a, b))
    product = np.sqrt((one * one).sum(axis=0) * (two * two).sum(axis=0))
    return ratio((one * two).sum(axis=0), product)


def top_sets(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    """Jaccard index of the two top sets, and 1 where these have no rollout in common, else 0.

    A top set is every rollout at a side's highest score, so a constant side has the whole group as its top: it
    replaces nothing and lowers the Jaccard index. Over the rollouts that both scored; NaN under two of them.
    """
    one, two = _common(a, b)
    top_a, top_b = one == _highest(one), two == _highest(two)
    both, either = (top_a & top_b).sum(axis=0), (top_a | top_b).sum(axis=0)
    known = np.count_nonzero(~np.isnan(one), axis=0) >= 2
    return ratio(both, np.where(known, either, 0)), _flags(both == 0, known)


def best_worst_reversal(a: ArrayLike, b: ArrayLike) -> Floats:
    """1 where the one best rollout of a side is the one worst of the other, either way round, else 0.

    A best or worst that is shared is none: with a tie at the top it depends on the tie-break which rollout would be
    held against which. Over the rollouts that both scored; NaN where a side is constant on them.
    """
    one, two = _common(a, b)
    top_a, top_b = _highest(one), _highest(two)
    bottom_a, bottom_b = _lowest(one), _lowest(two)
    down = _sole(one == top_a) & _sole(two == bottom_b)
    up = _sole(one == bottom_a) & _sole(two == top_b)
    return _flags((down | up).any(axis=0), (top_a > bottom_a) & (top_b > bottom_b))


# ---------------------------------------------------------------- shared


def centred_ranks(scores: Floats) -> Floats:
    """Twice the mid-rank less its mean along the *first* axis: whole numbers that sum to 0, 0 where missing.

    r_i - mean(r) is half the sum over j of sign(x_i - x_j), ties and all, so no sorting and no tie correction is
    needed.
    """
    ranks = np.zeros(scores.shape)
    for index in range(len(scores)):
        ranks[index] = -_signs(scores, index, 0).sum(axis=0, dtype=np.int64)
    return ranks


def _common(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    """Both sides broadcast, rollouts first ``(G, ...)``, NaN in both where either is missing."""
    one, two = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if not one.ndim or not two.ndim or one.shape[-1] != two.shape[-1]:
        raise ValueError(f"one score a rollout on both sides: shapes {one.shape} and {two.shape}")
    one, two = np.broadcast_arrays(one, two)
    missing = np.isnan(one) | np.isnan(two)
    # Rollouts first, and in this order in memory: sums over rollouts are then sums of whole rows, several times as
    # fast as along a short last axis.
    one, two = (np.moveaxis(np.where(missing, np.nan, side), -1, 0) for side in (one, two))
    return np.ascontiguousarray(one), np.ascontiguousarray(two)


def _signs(scores: Floats, index: int, start: int) -> NDArray[np.int8]:
    """sign(x_j - x_index) for j from ``start`` on; 0 where one is missing."""
    later = scores[start:]
    return (later > scores[index]).astype(np.int8) - (later < scores[index]).astype(np.int8)


def _highest(scores: Floats) -> Floats:
    return np.fmax.reduce(scores, axis=0, initial=-np.inf)


def _lowest(scores: Floats) -> Floats:
    return np.fmin.reduce(scores, axis=0, initial=np.inf)


def _sole(mask: Bools) -> Bools:
    """Only what is alone along the first axis."""
    return mask & (mask.sum(axis=0) == 1)


def ratio(over: ArrayLike, under: ArrayLike) -> Floats:
    """``over/under``, NaN where ``under`` is 0."""
    under = np.asarray(under, dtype=np.float64)
    return np.divide(over, under, out=np.full(under.shape, np.nan), where=under != 0)


def _flags(true: ArrayLike, known: ArrayLike) -> Floats:
    """1 and 0 for yes and no, NaN where not known."""
    return np.where(known, np.asarray(true, dtype=np.float64), np.nan)
