"""What a trajectory did: pure functions of a rollout, for any agent and any tool.

    rollout ─ features ─► numbers and yes/no ─ binarise ─► yes/no columns ─ phrase ─► words
            └ actions ──► what it did, a line a reply

``observe``  rollout -> features, columns, actions    ``words``  a feature's name in words
"""

from __future__ import annotations

from practice.features.observe import (
    UserFeature,
    actions,
    answer_in,
    answer_of,
    binarise,
    features,
    load_features,
    numbers,
    prose,
)
from practice.features.words import ANSWER, CALLS, MANNER, OPENING, Phrase, phrase

__all__ = [
    "ANSWER",
    "CALLS",
    "MANNER",
    "OPENING",
    "Phrase",
    "UserFeature",
    "actions",
    "answer_in",
    "answer_of",
    "binarise",
    "features",
    "load_features",
    "numbers",
    "phrase",
    "prose",
]
