"""Stage 5: the experience memory. Values and pure functions; of files it reads a bank and writes nothing.

    proposal's edits ─ check_edit ─► Refusal (invalid, leak, duplicate)
                          └──► apply_edits ─► Bank ─► Bank.to_yaml() ─► memory/<bank>.yaml
    memory/<bank>.yaml ─ Bank.load ─► hand_edits ─► Bank + what a person changed
    Bank ─ active, or retrieve(bank, task) ─► prompt.system_prompt

``bank``    the bank, its YAML form        ``edits``   what may change it, and how
``same``    when two lessons say the same  ``leaks``   when a lesson gives a task away
``search``  BM25 over lessons              ``hand``    what a person changed in the file; ``diff``
"""

from __future__ import annotations

from practice.memory.bank import Bank, Change
from practice.memory.edits import apply_edits, check_edit, clean_text
from practice.memory.hand import diff, hand_edits
from practice.memory.leaks import LeakIndex
from practice.memory.same import says_the_same
from practice.memory.search import retrieve, search

__all__ = [
    "Bank",
    "Change",
    "LeakIndex",
    "apply_edits",
    "check_edit",
    "clean_text",
    "diff",
    "hand_edits",
    "retrieve",
    "says_the_same",
    "search",
]
