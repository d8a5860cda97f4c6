"""Stage 3: what a rollout is worth. Verifiers are programs; a panel of LLM judges scores and ranks a group blind.

    task, rollouts ─ stage 1 ─ stage 2 ─ … ─► verdicts, rewards (the product; a 0 ends it), counted pairs

``reward``  :class:`Reward`, :func:`load_reward`        ``panel``   a panel's word on a group
``judges``  one evaluator and its axes                 ``ask``     how it is asked, in each of its modes
``gate``    which pairs count                          ``rubric``  criteria, points, the scale
``show``    how an attempt is shown to a judge         ``audit``   how often judges err, where truth is known
``practice.verifiers``  exact, number, math, function
"""

from __future__ import annotations

from practice.judge.ask import Bout
from practice.judge.audit import Case, JudgeErrors, judge_errors
from practice.judge.gate import Agreement, Support, agreement, support
from practice.judge.judges import Judge, judges_of
from practice.judge.panel import Panel
from practice.judge.reward import Asks, Reward, Verifier, load_reward

__all__ = [
    "Agreement",
    "Asks",
    "Bout",
    "Case",
    "Judge",
    "JudgeErrors",
    "Panel",
    "Reward",
    "Support",
    "Verifier",
    "agreement",
    "judge_errors",
    "judges_of",
    "load_reward",
    "support",
]
