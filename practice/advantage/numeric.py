"""Advantages as figures, and rewards where nobody may look at the truth."""

from __future__ import annotations

import statistics
from collections import Counter

from practice.features import answer_of
from practice.judge import agreement
from practice.types import Advantage, Group

__all__ = ["numeric", "settled", "silver"]


def numeric(group: Group) -> Advantage:
    """Group-relative advantages, w (r - mean) / std over the scored attempts (GRPO, arXiv 2402.03300, section 4.1.2).

    std is the population's. Where it is 0 every scored attempt has 0; an unscored attempt has None. w weighs the
    advantage by the judges' agreement: the share of the pairs that their gate counts, 1 for a verifier, 0 where the
    group abstains.
    """
    found = agreement(group)
    weight = 1.0 if found is None else found.weight
    scored = group.scored
    mean = statistics.fmean(scored) if scored else 0.0
    std = statistics.pstdev(scored) if scored else 0.0
    values = tuple(None if r is None else weight * (r - mean) / std if std > 0 else 0.0 for r in group.rewards)
    return Advantage(task_id=group.task.id, values=values)


def settled(group: Group) -> Group:
    """The group without the rewards that a gate does not let count: of attempts that no counted pair holds.

    Unchanged where no gate was at work. A group that abstains has no reward left.
    """
    if group.counted is None:
        return group
    held = {index for pair in group.counted for index in pair}
    rewards = tuple(reward if index in held else None for index, reward in enumerate(group.rewards))
    return group.model_copy(update={"rewards": rewards})


def silver(group: Group) -> Group:
    """The group as one sees it without ground truth: reward 1 for the answer that most attempts gave, else 0.

    The answer is the last number of the output, else its last line. Where no answer was given twice, or two were
    given equally often, nothing can be said and every reward is None. The task's answer and the verdicts, whose
    reasons may give it away, are taken out. Self-consistency: Wang et al., arXiv 2203.11171.
    """
    answers = [
        answer_of(rollout) if reward is not None else ""
        for rollout, reward in zip(group.rollouts, group.rewards, strict=True)
    ]
    common = Counter(answer for answer in answers if answer).most_common(2)
    settled = bool(common) and common[0][1] > 1 and (len(common) == 1 or common[0][1] > common[1][1])
    rewards = tuple(
        float(answer == common[0][0]) if settled and reward is not None else None
        for answer, reward in zip(answers, group.rewards, strict=True)
    )
    task = group.task.model_copy(update={"answer": None, "rubric": None})
    return group.model_copy(update={"task": task, "rewards": rewards, "verdicts": (), "counted": None})
