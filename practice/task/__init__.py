"""Tasks: read a file or a hub's set, give each a content hash, split, and keep practice and holdout apart."""

from __future__ import annotations

from practice.task.load import BadLine, TaskSet, load_tasks
from practice.task.record import FIELDS, task_id
from practice.task.split import NearDuplicate, check_disjoint, draw, near_duplicates, validation_split

__all__ = [
    "FIELDS",
    "BadLine",
    "NearDuplicate",
    "TaskSet",
    "check_disjoint",
    "draw",
    "load_tasks",
    "near_duplicates",
    "task_id",
    "validation_split",
]
