"""A run as logs of Inspect: one file an evaluation, which ``inspect view`` and Inspect's readers take for their own.

evaluations(db, row)    what there is: practice, validation by bank, the holdout before and after
build(row, evaluation)  one of them as an ``EvalLog``
text(log), name(log)    the file and what it is called
"""

from __future__ import annotations

import re

from practice.inspectlog.build import build
from practice.inspectlog.format import EvalLog
from practice.inspectlog.read import Evaluation, evaluations
from practice.model import Secrets

__all__ = ["EvalLog", "Evaluation", "build", "evaluations", "name", "text"]


def text(log: EvalLog) -> str:
    """The file: JSON, with keys that a tool or a model repeated taken out."""
    return Secrets().hide(log.model_dump_json(exclude_none=True, indent=2)) + "\n"


def name(log: EvalLog) -> str:
    """``<when>_<run's name>-<evaluation>_<run>.json``: Inspect lists only files that begin with a time."""
    task = re.sub(r"[^A-Za-z0-9.-]+", "-", log.eval.task)
    return f"{log.eval.created.replace(':', '-')}_{task}_{log.eval.run_id}.json"
