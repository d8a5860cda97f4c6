"""The bank: lessons in order, with stable ids, and their form in YAML."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from practice.config import Closed, Yaml, parse, read_yaml, wrong
from practice.errors import InputError
from practice.types import Edit, Experience, ExperienceStatus, Value

__all__ = ["MAX_CANDIDATES", "PLACEHOLDER", "Bank", "Change", "number_of"]

#: Candidates that a bank keeps beside its active lessons; beyond it the oldest retire.
MAX_CANDIDATES = 40
#: How the id begins that a lesson without one has between the file and :func:`~practice.memory.hand.hand_edits`.
PLACEHOLDER = "+"

_ID = re.compile(r"[A-Za-z0-9][\w.-]*")
_OWN_ID = re.compile(r"e([1-9][0-9]{0,8})")


class Change(Value):
    """What one edit did to the bank."""

    edit: Edit
    id: str
    """The experience that was added, revised, merged into or retired."""
    before: Experience | None
    """None where the edit added it."""
    after: Experience
    retired: tuple[str, ...] = ()
    """Ids that the edit retired."""


class Bank(Value):
    """An ordered set of experiences. Retired ones stay in it, so that their ids are not given again."""

    bank: str
    """The bank's name."""
    revision: int = 0
    """Goes up by one with every decision that changed the bank."""
    experiences: tuple[Experience, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Bank:
        seen: set[str] = set()
        for experience in self.experiences:
            if experience.id in seen:
                raise ValueError(f"the id {experience.id!r} stands twice")
            if not experience.text.strip() or len(experience.text.splitlines()) > 1:
                raise ValueError(f"the text of {experience.id!r} is not one line")
            seen.add(experience.id)
        return self

    # ------------------------------------------------------------------ reading

    @classmethod
    def load(cls, path: Path | str) -> Bank:
        """The bank in a YAML file; a file that does not exist is an empty bank of the file's name.

        A lesson without an id gets one that begins with ``+``: which number it may have, the history decides
        (:func:`~practice.memory.hand.hand_edits`). Raises InputError with file, line and key.
        """
        path = Path(path)
        if not path.exists():
            return cls(bank=path.stem)
        return cls.from_yaml(read_yaml(path), name=path.stem)

    @classmethod
    def from_yaml(cls, yaml: Yaml, *, name: str) -> Bank:
        """The bank in a YAML document; ``name`` is used where the document gives none."""
        if yaml.data is None:
            return cls(bank=name)
        content = parse(_File, yaml)
        first: dict[str, int] = {}
        experiences: list[Experience] = []
        for index, entry in enumerate(content.experiences):
            if entry.id is not None and first.setdefault(entry.id, index) != index:
                _, before = yaml.where(("experiences", first[entry.id], "id"))
                file, line = yaml.where(("experiences", index, "id"))
                key = f"experiences.{index}.id"
                found = f"{entry.id!r} twice, first in line {before}"
                raise InputError("an id of its own", found=found, file=file, line=line, key=key)
            values = entry.model_dump(exclude={"id"})
            experiences.append(Experience(id=entry.id or f"{PLACEHOLDER}{index + 1}", **values))
        return cls(bank=content.bank or name, revision=content.revision, experiences=tuple(experiences))

    def to_yaml(self) -> dict[str, Any]:
        """The bank as the file's data: ``bank, revision, experiences: [{id, text, status, …}]``.

        A lesson that has no number yet is written without an id.
        """
        unnumbered = {experience.id for experience in self.experiences if experience.id.startswith(PLACEHOLDER)}
        return {
            "bank": self.bank,
            "revision": self.revision,
            "experiences": [
                experience.model_dump(mode="json", exclude={"id"} if experience.id in unnumbered else None)
                for experience in self.experiences
            ],
        }

    # ------------------------------------------------------------------ asking

    @property
    def active(self) -> tuple[Experience, ...]:
        """What the prompt may hold, in order."""
        return self.of("active")

    @property
    def candidates(self) -> tuple[Experience, ...]:
        """Lessons that were tested without a clear result; never injected."""
        return self.of("candidate")

    def of(self, *statuses: ExperienceStatus) -> tuple[Experience, ...]:
        """The experiences of these statuses, in order."""
        return tuple(experience for experience in self.experiences if experience.status in statuses)

    def get(self, id: str) -> Experience | None:
        """The experience of this id, whatever its status."""
        return next((experience for experience in self.experiences if experience.id == id), None)

    def digest(self) -> str:
        """16 hex digits of what the prompt sees: the active texts in order. Ids and counts are not part of it."""
        texts = json.dumps([experience.text for experience in self.active], ensure_ascii=False)
        return hashlib.sha256(texts.encode()).hexdigest()[:16]

    def next_id(self, reserved: int = 0) -> str:
        """An id that was never given: above every number in the bank and above ``reserved``, the history's highest."""
        return f"e{max([reserved, *(number_of(experience.id) for experience in self.experiences)]) + 1}"

    # ------------------------------------------------------------------ changing

    def replace(self, changed: Iterable[Experience]) -> Bank:
        """With these experiences in the places of their ids, new ones at the end. The revision stays."""
        fresh = {experience.id: experience for experience in changed}
        kept = [fresh.pop(experience.id, experience) for experience in self.experiences]
        return self.model_copy(update={"experiences": (*kept, *fresh.values())})

    def revised_from(self, before: Bank) -> Bank:
        """With the revision after ``before``'s, or ``before`` itself where nothing differs."""
        if self.experiences == before.experiences:
            return before
        return self.model_copy(update={"revision": before.revision + 1})

    def credit(self, changes: Sequence[Change], helpful: int, harmful: int) -> Bank:
        """Add a gate's counts to the lessons that the changes brought in. Part of the same revision."""
        ids = {change.id for change in changes}
        return self.replace(
            experience.model_copy(
                update={"helpful": experience.helpful + helpful, "harmful": experience.harmful + harmful}
            )
            for experience in self.active
            if experience.id in ids
        )

    def keep_candidates(self, changes: Sequence[Change]) -> Bank:
        """The bank before the changes, with the lessons that they added kept as candidates.

        Only a new text can be a candidate: a revision, merger or retirement that was not accepted leaves its
        experience as it was. Beyond :data:`MAX_CANDIDATES` the oldest candidates retire.
        """
        kept = [
            change.after.model_copy(update={"status": "candidate"})
            for change in changes
            if change.edit.op == "add" and (change.before is None or change.before.status == "candidate")
        ]
        bank = self.replace(kept)
        surplus = bank.candidates[: max(0, len(bank.candidates) - MAX_CANDIDATES)]
        bank = bank.replace(experience.model_copy(update={"status": "retired"}) for experience in surplus)
        return bank.revised_from(self)


def number_of(id: str) -> int:
    """The n of an id ``e<n>``; 0 for any other id."""
    match = _OWN_ID.fullmatch(id)
    return int(match[1]) if match else 0


# ---------------------------------------------------------------- the file


class _Entry(Closed):
    """One lesson as the file has it."""

    id: str | None = None
    text: str
    status: Literal["active", "candidate", "retired"] = "active"
    helpful: int = Field(default=0, ge=0)
    harmful: int = Field(default=0, ge=0)
    evidence: tuple[str, ...] = ()

    @field_validator("id")
    @classmethod
    def _check_id(cls, value: str | None) -> str | None:
        if value is not None and not _ID.fullmatch(value):
            raise wrong("an id of letters, digits, '.', '_' and '-'", found=repr(value))
        return value

    @field_validator("text")
    @classmethod
    def _check_text(cls, value: str) -> str:
        lines = value.strip().splitlines()
        if len(lines) != 1:
            raise wrong("one line of text", found=f"{len(lines)} lines" if lines else "an empty text")
        return " ".join(value.split())


class _File(Closed):
    """A bank's file."""

    bank: str | None = None
    revision: int = Field(default=0, ge=0)
    experiences: tuple[_Entry, ...] = ()

    @field_validator("experiences", mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:
        return () if value is None else value  # "experiences:" after a person deleted all of them
