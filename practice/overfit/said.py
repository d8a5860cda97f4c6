"""What a lesson expresses, read off its words: steps in an order, the use of a tool, a check. Pure.

Nobody is asked: a text is cut into clauses, and words decide. So a lesson that only wishes ("be careful and think
step by step") expresses nothing, however well it sounds.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from practice.overfit.result import AspectName

__all__ = ["content", "expresses", "forbids", "names_tool", "own_words", "speaks_of"]


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_SITUATION = re.compile(r"^\s*(?:when(?:ever)?|if|for|in|on|with|once|before|after)\b[^,:;]*[,:]\s*", re.IGNORECASE)
_CUT = re.compile(
    r"[;:,!?]|\.(?=\s|$)|\b(?:and|or|then|next|finally|before|after(?:wards)?|until|instead of)\b", re.IGNORECASE
)
_NOUN = re.compile(r"^\s*(?:an?|the|its?|your|their|any|each|every|all|no|one|both)\b", re.IGNORECASE)
_CHECK = re.compile(
    r"\b(?:(?:double|cross|re)[- ]?check\w*|verif(?:y|ies|ied|ying|ication)|confirm(?:s|ed|ing)?|validat(?:e|es|ing)"
    r"|compar(?:e|es|ing)|checking|checks?(?=\s+(?:the|your|its?|their|that|whether|if|each|every|all|both|again|by"
    r"|against|with|for|this|these|results?|answers?|units?)\b|\s*(?:[.,;:!]|$)))\b",
    re.IGNORECASE,
)
_NOT = re.compile(r"\b(?:not|never|avoid|without|stop|n['’]t|no need to)\s+(?:\w+\s+){0,2}$", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]{3,}")
_STOP = _set(
    "the and for with from this that these those its your you are not but any all each every into onto when then than"
    " only also such there here has have had was were will can may must should would could before after first next last"
    " finally once until which what who how out off over per one two use using used instead yourself never"
)
_WISHES = _set(
    "careful carefully attention pay detail details think thinking thoroughly thought accurate accurately accuracy"
    " correct correctly correctness ensure sure make remember important note always task tasks problem problems"
    " question questions understand understanding properly best good well close closely precise precisely step steps"
    " solve solving solution right about approach consider focus read work through"
)
_ANSWERING = _set("answer answers answering answered reply replies final result results give")
STEP_WORDS = 3
"""Words of its own that a text needs to say what to do."""


def expresses(text: str, tools: Collection[str]) -> frozenset[AspectName]:
    """Which of the three a lesson expresses; ``tools``: the names of those that the agent has.

    ``tools``: it names one (or says "tool"). ``checks``: it tells to check, verify, confirm or compare, not to leave
    that. ``procedure``: what to do beyond its situation, in at least two steps, or in one step that is neither a call
    nor a check nor only a form of the answer.
    """
    found: set[AspectName] = set()
    if speaks_of(text, tools):
        found.add("tools")
    if _checks(text):
        found.add("checks")
    steps = _steps(text)
    plain = [step for step in steps if not _CHECK.search(step) and not any(names_tool(step, tool) for tool in tools)]
    words = {word for step in steps for word in content(step)}
    alone = any(len(set(content(step)) - _ANSWERING) >= STEP_WORDS for step in plain)
    if len(words) >= STEP_WORDS and (len(steps) > 1 or alone):
        found.add("procedure")
    return frozenset(found)


def names_tool(text: str, tool: str) -> bool:
    """Whether a text names a tool, whatever stands between the parts of its name."""
    return _tool(tool).search(text) is not None


def speaks_of(text: str, tools: Collection[str]) -> tuple[str, ...]:
    """The tools that a text names; all of them where it says "tool" and names none."""
    named = tuple(tool for tool in tools if names_tool(text, tool))
    return named or (tuple(tools) if re.search(r"\btools?\b", text, re.IGNORECASE) else ())


def forbids(text: str, tool: str) -> bool:
    """Whether every mention of a tool in a text is a prohibition: "do not call f", "answer without f"."""
    mentions = [match.start() for match in _tool(tool).finditer(text)]
    return bool(mentions) and all(_NOT.search(text[:start]) for start in mentions)


def content(text: str) -> tuple[str, ...]:
    """The words that carry meaning, in lower case and in order: no fillers, no wishes, no numbers."""
    words = (word.lower() for word in _WORD.findall(text))
    return tuple(word for word in words if word not in _STOP and word not in _WISHES)


def own_words(text: str, known: Collection[str]) -> frozenset[str]:
    """The words of what a lesson tells to do, without those of ``known`` and without talk of answering.

    Empty where fewer than three are left: then nobody could tell from an attempt's words whether it followed.
    """
    said = {word for step in _steps(text) for word in content(step)} - set(known) - _ANSWERING
    return frozenset(said) if len(said) >= STEP_WORDS else frozenset()


def _steps(text: str) -> Sequence[str]:
    """The clauses that say what to do, the situation left out."""
    parts: list[str] = []
    for part in _CUT.split(_SITUATION.sub("", text)):
        if not content(part):
            continue
        if parts and _NOUN.match(part):  # "a number and its unit": one clause, cut at a list
            parts[-1] = f"{parts[-1]} {part}"
        else:
            parts.append(part.strip())
    return parts


def _checks(text: str) -> bool:
    return any(not _NOT.search(text[: match.start()]) for match in _CHECK.finditer(text))


def _tool(name: str) -> re.Pattern[str]:
    parts = [re.escape(part) for part in re.split(r"[\W_]+", name) if part]
    return re.compile(r"(?<![^\W_])" + r"[\W_]*".join(parts) + r"(?![^\W_])", re.IGNORECASE)
