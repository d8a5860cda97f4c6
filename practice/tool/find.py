"""Which tools there are for a job: word search (BM25) over names, descriptions and arguments."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Literal, cast

from practice.config import Workspace
from practice.tool.generated import generated_tools
from practice.tool.load import workspace_tools
from practice.types import ToolSpec, Value

__all__ = ["Found", "Status", "find"]

Status = Literal["own", "approved", "quarantined"]
"""``own``: a function of the workspace's ``tools/*.py``; the others are generated tools."""

#: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009, section 3.3: usual values.
K1 = 1.2
B = 0.75

_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
#: Words that say nothing about what a tool does.
_COMMON = frozenset(
    """
    a an and any are as at be by can do does for from get give given gives has have how if in into is it its make me
    not of on one or our return returns so such take takes text that the their them then there this to tool use user
    using value want was we what when which with you your agent assistant need needs should would please function
    python number list string
    """.split()  # noqa: SIM905 (a list of them fills a screen)
)


class Found(Value):
    """A tool that shares words with what was looked for."""

    ref: str
    """What an agent's ``tools:`` names."""
    spec: ToolSpec
    status: Status
    score: float
    """BM25; best first."""
    share: float
    """Which share of the query's words the tool's text holds, rare words counting more, in (0, 1]."""


def find(query: str, workspace: Workspace, k: int = 5) -> tuple[Found, ...]:
    """The k tools of the workspace that fit ``query`` best; ties in the order of their names.

    Words are compared without their endings (``converts``, ``converting`` and ``convert`` are one), and words that
    any tool's text may hold do not count. Raises InputError where a file of ``tools/`` can't be read.
    """
    own: list[tuple[str, ToolSpec, Status]] = [(ref, tool.spec, "own") for ref, tool in workspace_tools(workspace)]
    made: list[tuple[str, ToolSpec, Status]] = [(one.name, one.spec, one.state) for one in generated_tools(workspace)]
    known = own + made
    wanted = set(terms(query))
    documents = [Counter(_text_terms(spec)) for _, spec, _ in known]
    if not wanted or not documents:
        return ()
    mean = sum(counts.total() for counts in documents) / len(documents)
    holding = Counter(term for counts in documents for term in wanted.intersection(counts))
    weight = {
        term: math.log1p((len(documents) - holding[term] + 0.5) / (holding[term] + 0.5)) for term in sorted(wanted)
    }
    found: list[Found] = []
    for (ref, spec, status), counts in zip(known, documents, strict=True):
        shared = [term for term in weight if term in counts]
        length = 1 - B + B * counts.total() / mean
        score = sum(weight[term] * counts[term] * (K1 + 1) / (counts[term] + K1 * length) for term in shared)
        if score > 0:
            share = sum(weight[term] for term in shared) / sum(weight.values())
            found.append(Found(ref=ref, spec=spec, status=status, score=score, share=share))
    return tuple(sorted(found, key=lambda one: (-one.score, one.ref))[:k])


def terms(text: str) -> list[str]:
    """The words that count, casefolded, without common English endings."""
    words = _WORD.findall(unicodedata.normalize("NFKC", _CAMEL.sub(" ", text)).casefold())
    return [_stem(word) for word in words if word not in _COMMON and (len(word) > 1 or word.isdigit())]


# ---------------------------------------------------------------- inside


def _text_terms(spec: ToolSpec) -> Iterable[str]:
    """The name counts twice: it is the shortest description."""
    properties = cast("dict[str, dict[str, object]]", spec.parameters.get("properties", {}))
    said = [spec.name, spec.name, spec.description]
    said += [f"{name} {schema.get('description', '')}" for name, schema in properties.items()]
    return terms("\n".join(said))


def _stem(word: str) -> str:
    """A word without its most common endings; a light form of Porter, An algorithm for suffix stripping, 1980."""
    for ending, put in (("ies", "y"), ("sses", "ss"), ("ations", "ate"), ("ation", "ate"), ("ions", ""), ("ion", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return _bare(word[: -len(ending)] + put)
    for ending in ("ing", "ed", "er", "ers", "es", "s"):
        if word.endswith(ending) and not word.endswith("ss") and len(word) - len(ending) >= 3:
            return _bare(word[: -len(ending)])
    return _bare(word)


def _bare(word: str) -> str:
    """``stopp`` and ``stop``, ``rate`` and ``rat`` are one."""
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiou":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word.endswith("e") else word
