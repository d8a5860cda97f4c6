"""How far judges can be trusted: the same rollouts, judged in several ways, and how much the order changes.

table     scores of fixed rollouts by several evaluators, and what evaluators can differ in
result    the report as a document
"""

from __future__ import annotations

from practice.stability.result import StabilityReport
from practice.stability.table import AXES, Duel, EvaluatorKey, ScoreTable, axis_pairs

__all__ = ["AXES", "Duel", "EvaluatorKey", "ScoreTable", "StabilityReport", "axis_pairs"]
