"""What differs between two banks, in words; and a file that a person edited, as a new revision."""

from __future__ import annotations

from practice.memory.bank import PLACEHOLDER, Bank, number_of
from practice.types import Experience

__all__ = ["diff", "hand_edits"]


def diff(a: Bank, b: Bank) -> tuple[str, ...]:
    """What it takes to get from ``a`` to ``b``: one line an experience, then one for another order."""
    before = {experience.id: experience for experience in a.experiences}
    lines: list[str] = []
    for new in b.experiences:
        lines += _line(before.pop(new.id, None), new)
    lines += [f"removed {old.id}: {old.text}" for old in before.values()]
    shared = {e.id for e in a.active} & {e.id for e in b.active}
    if [e.id for e in a.active if e.id in shared] != [e.id for e in b.active if e.id in shared]:
        lines.append("another order")
    return tuple(lines)


def hand_edits(known: Bank, file: Bank, *, reserved: int = 0) -> tuple[Bank, tuple[str, ...]]:
    """The bank after a person edited its file, and their changes in words.

    Args:
        known: the bank as the program last wrote it.
        file: the bank as its file stands (:meth:`Bank.load`).
        reserved: the highest number that the history ever gave to an experience of this bank.

    An entry that is gone retires; another text is a revision; an entry without an id, or with a number that the
    history has used, is new and gets a new id; order and status are the file's; counts and evidence are the
    program's, whatever the file says. Where nothing is known yet the file's bank is taken as it is, without
    changes to tell of. Where nothing was changed, ``known`` itself comes back.
    """
    fresh = not known.experiences and not known.revision
    merged: list[Experience] = []
    taken = {experience.id for experience in (*known.experiences, *file.experiences)}
    top = max([reserved, *(number_of(id) for id in taken)])
    for entry in file.experiences:
        old = known.get(entry.id)
        if old is not None:
            merged.append(old.model_copy(update={"text": entry.text, "status": entry.status}))
        elif entry.id.startswith(PLACEHOLDER) or 0 < number_of(entry.id) <= reserved:
            top += 1
            merged.append(entry.model_copy(update={"id": f"e{top}"}))
        else:
            merged.append(entry)
    left = {experience.id for experience in merged}
    merged += [old.model_copy(update={"status": "retired"}) for old in known.experiences if old.id not in left]
    bank = known.model_copy(update={"bank": file.bank, "experiences": tuple(merged)})
    if fresh:
        return bank.model_copy(update={"revision": file.revision}), ()
    changes = diff(known, bank)
    if not changes and bank.experiences != known.experiences:
        # Entries that are not active stand in another place: nothing that a prompt or a person would notice.
        return known, ()
    return (bank.revised_from(known) if changes else known), changes


def _line(old: Experience | None, new: Experience) -> list[str]:
    if old is None:
        return [f"added {new.id}: {new.text}"]
    lines: list[str] = []
    if old.text != new.text:
        lines.append(f"revised {new.id}: {new.text}")
    if old.status != new.status:
        words = {"active": "made active", "candidate": "made a candidate", "retired": "retired"}
        lines.append(f"{words[new.status]} {new.id}")
    if (old.helpful, old.harmful) != (new.helpful, new.harmful):
        lines.append(f"counts of {new.id}: +{new.helpful} -{new.harmful} (were +{old.helpful} -{old.harmful})")
    return lines
