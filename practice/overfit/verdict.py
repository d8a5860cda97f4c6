"""Which link of the chain broke, and how one says it. Pure.

A mixed group, a lesson drawn from it, the lesson in the memory, followed by the agent, the task solved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from practice.document import Document
from practice.overfit.result import ASPECTS, AspectName, AspectResult, Link, Solved, State
from practice.overfit.shown import ALPHA

__all__ = ["NAMES", "STATES", "Chain", "advice_on", "link_of", "sentence"]

NAMES: Mapping[AspectName, str] = {"procedure": "procedure", "tools": "tool use", "checks": "checking"}
STATES: Mapping[State, str] = {
    "found": "found",
    "there_before": "there before",
    "not_followed": "said but not followed",
    "not_said": "not found",
    "no_tools": "does not apply (no tools)",
}


@dataclass(frozen=True)
class Chain:
    """What is known of every link."""

    document: Document
    """Of the practice run."""
    lessons: int
    """How many the teacher drew."""
    before: Solved
    after: Solved | None
    p: float | None
    """Of the difference in what is solved."""
    floor: float | None
    """The least ``p`` that so many attempts can have: none right before, all right after."""
    aspects: Mapping[AspectName, AspectResult]
    """What was said and shown; empty where the run is not done."""

    @property
    def rise(self) -> float:
        """The share of attempts that are right after minus before; 0 where one is not known."""
        if self.after is None or not self.before.attempts or not self.after.attempts:
            return 0.0
        return self.after.right / self.after.attempts - self.before.right / self.before.attempts

    @property
    def chance(self) -> bool:
        """Whether chance alone may do as much."""
        return self.p is None or self.p > ALPHA

    @property
    def few(self) -> bool:
        """Whether there are too few attempts to tell anything from chance."""
        return self.floor is None or self.floor > ALPHA


def link_of(chain: Chain) -> Link:
    """The first broken link; ``expressed`` where more is solved than by chance."""
    document, before, after = chain.document, chain.before, chain.after
    if document.status != "done" or after is None:
        return "unfinished"
    if not before.attempts or not after.attempts:
        return "unscored"
    if before.right == before.attempts and not before.missing:
        return "solved_before"
    if not document.experiences:
        return "no_lesson" if document.groups.mixed or chain.lessons else "no_contrast"
    if chain.few:
        return "too_few"
    if chain.rise > 0 and not chain.chance:
        return "expressed"
    if after.right == after.attempts and chain.rise > 0:
        return "solved_before"  # nearly: what was left to gain is less than chance may do
    states = {aspect.state for aspect in chain.aspects.values()}
    if "found" in states:
        return "not_solved"
    return "not_followed" if "not_followed" in states else "no_lesson"


def sentence(chain: Chain) -> str:
    """The verdict, one sentence: what was reached, or which link is broken and how one knows."""
    link, solved = link_of(chain), _solved(chain)
    found = ", ".join(f"{NAMES[name]} {STATES[chain.aspects[name].state]}" for name in ASPECTS if name in chain.aspects)
    if link == "unfinished":
        return f"Not done ({chain.document.status}): the same command goes on."
    if link == "unscored":
        return f"Nothing to go by: too few attempts have a score; {solved}."
    if link == "solved_before":
        return f"Nothing to learn: {_of(chain.before)} attempts are right without a memory."
    if link == "too_few":
        return f"Too few attempts to tell anything from chance; {solved}; {found}."
    if link == "no_contrast":
        return f"Broken at the contrast: {_groups(chain.document)}, so there was nothing to draw a lesson from."
    if link == "no_lesson":
        return f"Broken at the teacher: {_no_lesson(chain)}; {solved}."
    if link == "not_followed":
        return f"Broken at the agent: the memory says it, and the behaviour does not change; {solved}; {found}."
    if link == "not_solved":
        return f"Broken at the effect: the memory is followed, and that does not solve the tasks; {solved}; {found}."
    return f"The memory can express it: {solved}; {found}."


def advice_on(chain: Chain) -> str:
    """What to try next; empty where nothing is broken."""
    link = link_of(chain)
    if link == "no_contrast":
        groups = chain.document.groups
        if groups.all_right > groups.all_wrong:
            return "Try harder tasks, or a higher rollouts.temperature."
        return "Try easier tasks, a larger rollouts.group_size, or practice.learn_from_all_wrong=true."
    texts: Mapping[Link, str] = {
        "solved_before": "Try harder tasks.",
        "no_lesson": "Try a stronger teacher.model; what it proposed, and why it was refused, is in the report.",
        "not_followed": "Try another model for the agent, fewer or plainer lessons, or shorter instructions.",
        "not_solved": "Read the attempts: the lesson may be beside the point, or what it asks for too hard.",
        "too_few": "Give it more evaluate.trials.",
        "unscored": "Look at the failures in the report: the endpoint, or the reward.",
    }
    unclear = link in ("not_followed", "not_solved") and chain.rise > 0 and chain.chance
    more = " More evaluate.trials would tell the rise from chance." if unclear else ""
    return texts.get(link, "") + more


def _solved(chain: Chain) -> str:
    before, after = chain.before, chain.after
    if after is None:
        return f"solved {_of(before)} attempts before"
    missing = before.missing + after.missing
    text = f"solved {_of(before)} -> {_of(after)} attempts" + (f" ({missing} unscored)" if missing else "")
    if chain.rise == 0 or chain.p is None or not chain.chance:
        return text
    return f"{text}, which chance may do too (p = {chain.p:.2f})"


def _of(solved: Solved) -> str:
    return f"{solved.right} of {solved.attempts}"


def _groups(document: Document) -> str:
    groups = document.groups
    kinds = {
        "all right": groups.all_right,
        "all wrong": groups.all_wrong,
        "abstained": groups.abstained,
        "unscored": groups.unscored,
    }
    return f"none of {groups.total} groups was mixed ({', '.join(f'{n} {kind}' for kind, n in kinds.items() if n)})"


def _no_lesson(chain: Chain) -> str:
    """Why the memory says nothing that could be followed."""
    document, n = chain.document, len(chain.document.experiences)
    if n and any(aspect.said for aspect in chain.aspects.values()):
        return f"the memory ({n} experience(s)) says only what the agent did before"
    if n:
        return f"the memory ({n} experience(s)) names no step, no tool and no check"
    mixed = f"of {document.groups.mixed} mixed group(s)"
    if not chain.lessons:
        return f"{mixed} it drew no lesson"
    refused = document.edits.refused
    counts = f"{refused.invalid} invalid, {refused.leak} leak(s), {refused.duplicate} duplicate(s)"
    return f"{mixed} it drew {chain.lessons} lesson(s), and none passed the checks ({counts})"
