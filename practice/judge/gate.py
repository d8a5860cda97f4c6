"""Which pairs of a group count: the gate on the agreement of a panel.

Three judges are asked first. A pair counts where all three strictly prefer the same attempt (3-0). Where two do and
the third is silent (it ties, or failed), the judges beyond the third are asked as well, and the pair counts where
nobody objects and at most one is silent: 4-0 or better of five. Everything else abstains. A panel of one or two has
nobody to fall back on: all of it must agree. ``docs/rewards.md`` has what the rule lets through, by simulation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from practice.judge.judges import Judge
from practice.types import Group, Value

__all__ = ["FIRST", "RESERVE", "Agreement", "Pairs", "Support", "agreed", "agreement", "open_pairs", "seats", "support"]

FIRST = 3
"""Judges of a gated panel that are asked about every group."""
RESERVE = 2
"""Judges that are asked at least where a pair is open."""

Pairs = tuple[tuple[int, int], ...]
Row = Sequence[float | None]
"""One judge's scores of a group."""


def seats(judges: Sequence[Judge]) -> tuple[tuple[Judge, ...], tuple[Judge, ...]]:
    """(those asked first, those in reserve) of a gated panel.

    Judges beyond the third are the reserve. Where the panel names fewer than two of them, the first of its judges
    are asked a second time in another way: the scale printed the other way round, the attempts in another order.
    """
    if len(judges) < FIRST:
        return tuple(judges), ()
    reserve = list(judges[FIRST:])
    for judge in judges[: max(0, RESERVE - len(reserve))]:
        reserve.append(turned(judge, {other.name for other in (*judges, *reserve)}))
    return tuple(judges[:FIRST]), tuple(reserve)


def turned(judge: Judge, taken: set[str]) -> Judge:
    """``judge`` on the other side of its own axes, under a name that is not ``taken``."""
    name = f"{judge.name}-turned"
    while name in taken:
        name += "+"
    other = {"given": "reversed", "reversed": "given"}.get(judge.rollout_order, judge.rollout_order)
    return replace(
        judge,
        name=name,
        descending=not judge.descending,
        rollout_order=other,
        seed=1 if judge.seed is None else judge.seed + 1,
    )


def votes(rows: Sequence[Row], a: int, b: int) -> tuple[int, int]:
    """(judges that strictly prefer a to b, judges that strictly prefer b to a); who lacks a score is in neither."""
    scored = [(x, y) for row in rows if (x := row[a]) is not None and (y := row[b]) is not None]
    return sum(x > y for x, y in scored), sum(x < y for x, y in scored)


def open_pairs(rows: Sequence[Row]) -> Pairs:
    """The pairs (better, worse) on which all but one of the first judges agree and that one is silent."""
    if len(rows) < FIRST:
        return ()
    return _pairs(rows, lambda ayes, noes: noes == 0 and ayes == len(rows) - 1)


def agreed(rows: Sequence[Row], reserve: Sequence[Row] = ()) -> Pairs:
    """The pairs (better, worse) that count.

    Args:
        rows: The scores of the judges asked first, a row a judge and a column a rollout. None = unscored.
        reserve: The same of the reserve, where it was asked.
    """
    settled = _pairs(rows, lambda ayes, _noes: ayes == len(rows))
    if not reserve:
        return settled
    everyone = (*rows, *reserve)
    enough = len(everyone) - 1
    later = [pair for pair in open_pairs(rows) if (said := votes(everyone, *pair))[1] == 0 and said[0] >= enough]
    return tuple(sorted({*settled, *later}))


def _pairs(rows: Sequence[Row], counts: Callable[[int, int], bool]) -> Pairs:
    size = len(rows[0]) if rows else 0
    return tuple((a, b) for a in range(size) for b in range(size) if a != b and counts(*votes(rows, a, b)))


# ---------------------------------------------------------------- what is kept of it


class Agreement(Value):
    """How far the judges of one group agreed."""

    evaluators: tuple[str, ...]
    """Who judged, those in reserve (where they were asked) last."""
    pairs: int
    """Pairs of rollouts whose mean scores differ."""
    counted: int
    """Of these, pairs that the gate counts."""

    @property
    def weight(self) -> float:
        """The share of the pairs that counts, in [0, 1]; 1 where there was nothing to agree on."""
        return self.counted / self.pairs if self.pairs else 1.0


def agreement(group: Group) -> Agreement | None:
    """How far a group's judges agreed; None where no gate was at work."""
    if group.counted is None:
        return None
    scored = group.scored
    return Agreement(
        evaluators=tuple(dict.fromkeys(verdict.evaluator for verdict in group.verdicts)),
        pairs=sum(a > b for a in scored for b in scored),
        counted=len(group.counted),
    )


class Support(Value):
    """What judges said of the groups that an experience was drawn from: kept with the edit that made it."""

    evaluators: tuple[str, ...]
    """The grid: every evaluator that was asked about one of them."""
    groups: int
    """Groups that the evidence comes from."""
    pairs: int
    counted: int
    """Pairs of these groups whose mean scores differ, and how many of them the gate counts."""
    abstained: int
    practised: int
    """Of all judged groups that were practised under the same bank (``practised``), those that abstained."""

    @property
    def agreement(self) -> float:
        """The share of the pairs that counts; 1 where there was none."""
        return self.counted / self.pairs if self.pairs else 1.0


def support(evidence: Sequence[str], groups: Sequence[Group]) -> Support | None:
    """How far judges agreed on ``evidence``, rollout ids of ``groups``; None where no gate was at work."""
    ids = set(evidence)
    of = [found for group in groups if ids & {r.id for r in group.rollouts} and (found := agreement(group))]
    if not of:
        return None
    return Support(
        evaluators=tuple(dict.fromkeys(name for found in of for name in found.evaluators)),
        groups=len(of),
        pairs=sum(found.pairs for found in of),
        counted=sum(found.counted for found in of),
        abstained=sum(group.kind == "abstained" for group in groups),
        practised=sum(group.counted is not None for group in groups),
    )
