"""Fixed rollouts, judged by every evaluator of a panel: durable, within a budget, ready for the stability analysis.

sources   the groups of a run, or of a file of rollouts that others made
collect   judge them all; :class:`Collected` is the table of scores and the judges' own words
"""

from __future__ import annotations

from practice.judging.collect import Collected, EvaluatorLine, Load, Tally, Told, collect
from practice.judging.sources import JudgedGroup, groups_of_run, read_rollouts

__all__ = [
    "Collected",
    "EvaluatorLine",
    "JudgedGroup",
    "Load",
    "Tally",
    "Told",
    "collect",
    "groups_of_run",
    "read_rollouts",
]
