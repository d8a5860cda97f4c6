"""Verifiers: programs that score one rollout. Each has ``name`` and ``async verify(task, rollout) -> Verdict``.

``exact``     the answer's text                        ``number``  the number that the output ends with
``math``      mathematically equal (math-verify)       ``function``  a function of the user's, by path
``code``      the task's tests pass on the output's code, in the sandbox
"""

from __future__ import annotations

from practice.verifiers.base import AnswerVerifier, settled
from practice.verifiers.code import Code
from practice.verifiers.exact import Exact
from practice.verifiers.function import FunctionVerifier
from practice.verifiers.math import Math
from practice.verifiers.number import NumberVerifier

__all__ = ["AnswerVerifier", "Code", "Exact", "FunctionVerifier", "Math", "NumberVerifier", "settled"]
