"""Edits of the bank: what may not become a proposal, and what an edit does."""

from __future__ import annotations

import re
from collections.abc import Sequence

from practice.errors import nearest
from practice.memory.bank import Bank, Change
from practice.memory.leaks import LeakIndex
from practice.memory.same import says_the_same
from practice.types import Edit, Experience, Refusal

__all__ = ["apply_edits", "check_edit", "clean_text"]

_BULLET = re.compile(r"^(?:[-*•]|\d{1,2}[.)])\s+")


def clean_text(text: str) -> str:
    """A model's lesson as one line: white space collapsed, a list's bullet or number taken off."""
    return _BULLET.sub("", " ".join(text.split())).strip()


def check_edit(edit: Edit, bank: Bank, leaks: LeakIndex, *, max_words: int, cap: int) -> Refusal | None:
    """Why an edit may not become a proposal against ``bank``, or None.

    ``invalid``: an unknown or retired id, no text, more than ``max_words`` words, more than ``cap`` active lessons
    after it. ``leak``: the text gives a task away. ``duplicate``: another lesson says it already. Edits of one
    proposal are checked in order, each against the bank that those before it make.
    """
    problem = _invalid(edit, bank, max_words, cap)
    if problem:
        return Refusal(edit=edit, reason="invalid", detail=problem)
    if edit.op in ("retire", "keep"):
        return None
    text = clean_text(edit.text)
    found = leaks.find(text)
    if found:
        return Refusal(edit=edit, reason="leak", detail=found)
    own = _targets(edit)
    for experience in bank.of("active") if edit.op == "add" else bank.of("active", "candidate"):
        if experience.id not in own and says_the_same(text, experience.text):
            return Refusal(edit=edit, reason="duplicate", detail=f"{experience.id} says the same: {experience.text}")
        if own == (experience.id,) and experience.status == "active" and text == experience.text:
            return Refusal(edit=edit, reason="duplicate", detail=f"{experience.id} reads like that already")
    return None


def apply_edits(bank: Bank, edits: Sequence[Edit], *, reserved: int = 0) -> tuple[Bank, tuple[Change, ...]]:
    """The bank after the edits, in order, and what each did (``keep`` does nothing).

    A new lesson goes to the end under a new id; one that says what a candidate says makes that candidate active
    instead. A merger keeps the first id in its place: counts and evidence add up there, the other ids retire.
    The revision goes up by one. ``reserved`` is the highest number that the history ever gave.
    Raises ValueError for an edit that :func:`check_edit` would call invalid for its id.
    """
    after = bank
    changes: list[Change] = []
    for edit in edits:
        if edit.op == "keep":
            continue
        missing = _unknown(edit, after)
        if missing:
            raise ValueError(missing)
        change = _add(after, edit, reserved) if edit.op == "add" else _change(after, edit)
        others = [after.get(id) for id in change.retired if id != change.id]
        retired = [other.model_copy(update={"status": "retired"}) for other in others if other is not None]
        after = after.replace((change.after, *retired))
        changes.append(change)
    return after.revised_from(bank), tuple(changes)


# ---------------------------------------------------------------- inside


def _targets(edit: Edit) -> tuple[str, ...]:
    """The ids that an edit is about, the survivor first. A new lesson has none: the program gives its id."""
    if edit.op == "add":
        return ()
    first = (edit.id,) if edit.id else ()
    return tuple(dict.fromkeys((*first, *edit.ids)))


def _unknown(edit: Edit, bank: Bank) -> str:
    known = {experience.id for experience in bank.of("active", "candidate")}
    targets = _targets(edit)
    for id in targets:
        if id not in known:
            gone = bank.get(id) is not None
            near = nearest(id, sorted(known))
            hint = f" (did you mean {near!r}?)" if near and not gone else ""
            return f"{edit.op} of {id!r}, which {'is retired' if gone else 'the bank does not hold'}{hint}"
    if edit.op == "merge" and len(targets) < 2:
        return "a merge needs at least two different ids"
    if edit.op in ("revise", "retire") and not targets:
        return f"a {edit.op} needs an id"
    if edit.op == "revise" and len(targets) > 1:
        return "a revise has one id; several become one by a merge"
    return ""


def _invalid(edit: Edit, bank: Bank, max_words: int, cap: int) -> str:
    missing = _unknown(edit, bank)
    if missing or edit.op in ("retire", "keep"):
        return missing
    words = len(clean_text(edit.text).split())
    if not words:
        return f"a {edit.op} needs a text"
    if words > max_words:
        return f"{words} words; at most {max_words}"
    active = {experience.id for experience in bank.active}
    if len(active - set(_targets(edit))) + 1 > max(cap, len(active)):
        return f"the bank is full ({len(active)} of {cap}): merge or retire first"
    return ""


def _add(bank: Bank, edit: Edit, reserved: int) -> Change:
    text = clean_text(edit.text)
    waiting = next((candidate for candidate in bank.candidates if says_the_same(text, candidate.text)), None)
    if waiting is None:
        new = Experience(id=bank.next_id(reserved), text=text, evidence=_union(edit.evidence))
        return Change(edit=edit, id=new.id, before=None, after=new)
    evidence = _union(waiting.evidence, edit.evidence)
    promoted = waiting.model_copy(update={"text": text, "status": "active", "evidence": evidence})
    return Change(edit=edit, id=waiting.id, before=waiting, after=promoted)


def _change(bank: Bank, edit: Edit) -> Change:
    ids = _targets(edit)
    parts = [experience for id in ids if (experience := bank.get(id)) is not None]
    first = parts[0]
    if edit.op == "retire":
        after = first.model_copy(update={"status": "retired"})
        return Change(edit=edit, id=first.id, before=first, after=after, retired=ids)
    after = first.model_copy(
        update={
            "text": clean_text(edit.text),
            "status": "active",
            "helpful": sum(part.helpful for part in parts),
            "harmful": sum(part.harmful for part in parts),
            "evidence": _union(*(part.evidence for part in parts), edit.evidence),
        }
    )
    return Change(edit=edit, id=first.id, before=first, after=after, retired=ids[1:])


def _union(*evidence: tuple[str, ...]) -> tuple[str, ...]:
    """Each rollout id once, in the order of first mention."""
    return tuple(dict.fromkeys(id for ids in evidence for id in ids))
