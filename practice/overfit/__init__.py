"""``overfit``: practise on two or three tasks on purpose. Can the memory express what they need at all?

    before ─ practise (accept: always) ─ after ─► solved?  said in the memory?  shown in behaviour? ─► the broken link

``run``      opens, measures, practises, measures, resumes    ``said``     what a lesson's words express
``result``   the document                                     ``shown``    what attempts did, before against after
``verdict``  which link of the chain broke, in words
"""

from __future__ import annotations

from practice.overfit.result import ASPECTS, AspectName, AspectResult, Behaviour, Link, Overfit, Solved, State
from practice.overfit.run import choose, overfit, overfit_settings

__all__ = [
    "ASPECTS",
    "AspectName",
    "AspectResult",
    "Behaviour",
    "Link",
    "Overfit",
    "Solved",
    "State",
    "choose",
    "overfit",
    "overfit_settings",
]
