"""What a judged holdout says beyond before and after: who judged it, how pairs came out, what length did to it."""

from __future__ import annotations

from collections.abc import Sequence

from practice import stats
from practice.config import ModelSpec
from practice.duels import SWAPPED, log_ratios, mirrored, pair_id
from practice.heldout import Scores, metric_name
from practice.judge import Panel, Reward
from practice.memory import Bank
from practice.records import Scored
from practice.rollout import Roller
from practice.types import Delta, Estimate, Task, Value

__all__ = ["CAVEAT", "Judged", "judged", "preference", "preferred"]

CAVEAT = "judged, not verified"


class Judged(Value):
    """The holdout's judgement. Nothing in it was checked against truth."""

    says: str = CAVEAT
    by: tuple[str, ...]
    """The judges that were kept out of practice and alone judged the holdout."""
    model: str
    shares_model: bool
    """A judge of practice runs on the same model: errors of that model are shared."""
    won: int = 0
    """Pairs in which the attempt after practice was preferred."""
    tied: int = 0
    lost: int = 0
    missing: int = 0
    turned: float | None = None
    """Share of answers that changed with the order of the two attempts; they count as ties."""
    length: stats.LengthFit | None = None
    """What goes with length among the pairs as they are: better attempts may simply be longer."""
    even: Delta | None = None
    """Net preference where the shorter attempt of a pair was repeated to the length of the longer: what length does."""


def preferred(n: int) -> str:
    """The metric's name: the share of pairs won, ties half, over ``n`` pairs a task."""
    return metric_name(n).replace("mean", "preferred")


def preference(wins: Scores, metric: str, *, same_bank: bool) -> tuple[Estimate, Estimate, Delta | None]:
    """Before, after and their difference of judged pairs: the shares preferred, and the net preference.

    With an unchanged bank nothing was judged: both sides are the same attempts, 0.5 by definition.
    """
    before, after = stats.estimate(mirrored(wins), metric=metric), stats.estimate(wins, metric=metric)
    if same_bank:
        level = {"ci": None if before.mean is None else (0.5, 0.5)}
        unchanged = Delta(mean=0.0, ci=(0.0, 0.0), p=1.0, test="unchanged bank")
        return before.model_copy(update=level), after.model_copy(update=level), unchanged
    try:
        return before, after, stats.preference_delta(wins)
    except ValueError:
        return before, after, None


def judged(
    roller: Roller,
    default: ModelSpec,
    banks: tuple[Bank, Bank],
    tasks: Sequence[Task],
    wins: Scores,
    even: Scores,
) -> Judged:
    """The closing word on a finished run's holdout. ``default`` is the model of judges that name none.

    ``wins`` and ``even``: the pairs as they are, and brought to one length; a row a task.
    """
    reward = roller.reward
    sealed = [judge for panel in _panels(reward, tasks) for judge in panel.judges]
    models = [(judge.model or default).name for judge in sealed]
    panels = [stage for stages in (reward.stages, *reward.by_task.values()) for stage in stages]
    used = {(judge.model or default).name for panel in panels if isinstance(panel, Panel) for judge in panel.judges}
    told = Judged(
        by=tuple(dict.fromkeys(judge.name for judge in sealed)),
        model=", ".join(dict.fromkeys(models)),
        shares_model=bool(used & set(models)),
    )
    if banks[0].digest() == banks[1].digest():
        return told
    flat = [win for row in wins for win in row]
    n = max((len(row) for row in wins), default=0)
    ratios = log_ratios(roller, *banks, tasks, "holdout", n)
    fit = stats.length_fit(stats.as_table(wins), stats.as_table(ratios))
    pairs = [
        scored
        for task in tasks
        for attempt in range(n)
        if (scored := roller.records.scores.get(pair_id("holdout", task.id, attempt, *banks))) is not None
    ]
    return told.model_copy(
        update={
            "won": flat.count(1.0),
            "tied": flat.count(0.5),
            "lost": flat.count(0.0),
            "missing": flat.count(None),
            "turned": turned(pairs),
            "even": stats.preference_delta(even) if any(win is not None for row in even for win in row) else None,
            "length": fit,
        }
    )


def _panels(reward: Reward, tasks: Sequence[Task]) -> list[Panel]:
    return list(dict.fromkeys(panel for task in tasks for panel in reward.jury(task, "holdout")))


def turned(pairs: Sequence[Scored]) -> float | None:
    """Share of (pair, judge) whose preference changed with the order; None where no judge answered twice."""
    same: list[bool] = []
    for pair in pairs:
        by_judge: dict[str, dict[str, float]] = {}
        for verdict in pair.verdicts:
            if verdict.score is not None:
                by_judge.setdefault(verdict.evaluator, {})[verdict.rollout_id] = verdict.score
        for name, scores in by_judge.items():
            other = by_judge.get(name + SWAPPED, {})
            if name.endswith(SWAPPED) or not len(scores) == len(other) == 2:
                continue
            one, two = sorted(scores)
            same.append(_sign(scores[one] - scores[two]) == _sign(other[one] - other[two]))
    return 1.0 - sum(same) / len(same) if same else None


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
