"""Which lessons fit a query: BM25 in pure Python, since a bank holds tens of lessons of tens of words."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter

from practice.memory.bank import Bank
from practice.types import Experience, ExperienceStatus

__all__ = ["retrieve", "search"]

#: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009, section 3.3: usual values.
K1 = 1.2
B = 0.75

_WORD = re.compile(r"[^\W_]+")


def search(
    bank: Bank, query: str, k: int = 10, *, statuses: tuple[ExperienceStatus, ...] = ("active", "candidate")
) -> tuple[tuple[Experience, float], ...]:
    """The k lessons that fit best, with their scores (> 0), best first; ties in the bank's order."""
    documents = [(experience, _terms(experience.text)) for experience in bank.of(*statuses)]
    wanted = set(_terms(query))
    if not documents or not wanted:
        return ()
    mean = sum(len(terms) for _, terms in documents) / len(documents)
    holding = Counter(term for _, terms in documents for term in wanted.intersection(terms))
    scored: list[tuple[Experience, float]] = []
    for experience, terms in documents:
        counts = Counter(terms)
        score = 0.0
        for term in sorted(wanted.intersection(counts)):  # floats add up to the same in one order only
            idf = math.log1p((len(documents) - holding[term] + 0.5) / (holding[term] + 0.5))
            length = 1 - B + B * len(terms) / mean
            score += idf * counts[term] * (K1 + 1) / (counts[term] + K1 * length)
        if score > 0:
            scored.append((experience, score))
    return tuple(sorted(scored, key=lambda pair: -pair[1])[:k])  # sorted() keeps the bank's order on ties


def retrieve(bank: Bank, query: str, k: int) -> tuple[Experience, ...]:
    """At most k active lessons for a task, in the bank's order.

    Those that share words with the task come first; places left are filled with the lessons that helped most
    (helpful minus harmful), since a general lesson shares words with no task.
    """
    fitting = [experience for experience, _ in search(bank, query, k, statuses=("active",))]
    rest = sorted((e for e in bank.active if e not in fitting), key=lambda e: e.harmful - e.helpful)
    chosen = {experience.id for experience in (*fitting, *rest)[:k]}
    return tuple(experience for experience in bank.active if experience.id in chosen)


def _terms(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
