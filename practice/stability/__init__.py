"""How far judges can be trusted: the same rollouts, judged in several ways, and how much the order changes.

From Python::

    from practice import stability

    table = stability.read_scores("scores.csv")
    report = stability.analyse(table)
    report.verdict, report.sentence

table         scores of fixed rollouts by several evaluators, and what evaluators can differ in
result        the report as a document
read          a CSV file of scores or pairwise verdicts to a table; ``csvfile`` its rows, ``duels`` both orders as one
grid          rank agreement of every pair of evaluators; ``null`` the same of shuffled scores
spread        variance components, reliability, the D-study, coefficients over all evaluators
truth         agreement with truth, where it is known; ``consequences`` what a loop would learn
bias          what moves a verdict besides worth; ``position``, ``odd``, ``looks``
verdict       the word, the reasons, the sentence: pure, its cuts are settings
analyse       all of it, in the order of the report
"""

from __future__ import annotations

from practice.stability.analyse import Reasons, analyse
from practice.stability.read import read_scores
from practice.stability.result import StabilityReport
from practice.stability.table import AXES, Duel, EvaluatorKey, ScoreTable, axis_pairs
from practice.stability.verdict import Cuts, parse_cuts

__all__ = [
    "AXES",
    "Cuts",
    "Duel",
    "EvaluatorKey",
    "Reasons",
    "ScoreTable",
    "StabilityReport",
    "analyse",
    "axis_pairs",
    "parse_cuts",
    "read_scores",
]
