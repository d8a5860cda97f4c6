"""One evaluator of a panel: who it is, how it is told to judge, and how an attempt is put before it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from practice import prompt
from practice.config import WORDINGS, Evaluator, ModelSpec, Workspace
from practice.errors import InputError
from practice.judge.rubric import Rubric, parse_rubric, rubric_text
from practice.types import CallKey, Task

__all__ = ["Judge", "judges_of"]


@dataclass(frozen=True)
class Judge:
    """One evaluator of a panel."""

    name: str
    wording: str
    """Its instructions; how to reply is added. ``{{answer}}`` in them is the task's answer: only so it sees one."""
    model: ModelSpec | None = None
    """None: the one that the run's ``asks`` gives for None."""
    temperature: float = 0.0
    seed: int | None = None
    """Enters its calls' seeds and its orders: sets apart judges that are alike otherwise."""
    rubric: str | None = None
    """What it looks for; None: the task's rubric, else :data:`~practice.judge.rubric.CRITERIA`."""
    mode: str = "group"
    """``group``, ``score``, ``pairs`` or ``rubric``."""
    descending: bool = False
    """Whether the scale is printed from the best option down."""
    rollout_order: str = "shuffled"
    """``shuffled`` (by its call's seed), ``given`` or ``reversed``."""
    blind: bool = True
    """Whether it is kept from it who made an attempt."""
    pass_mark: float | None = None
    """The share of the scale from which an attempt has passed."""

    @property
    def sees_answer(self) -> bool:
        """Whether its wording asks for the task's answer."""
        return "answer" in prompt.keys(self.wording)

    def key(self, place: CallKey, part: str = "") -> CallKey:
        """Its place in the run: from it come the call's seed and the order of the attempts.

        ``part`` names one of several calls about a group: an attempt, or two that meet.
        """
        who = (self.name if self.seed is None else f"{self.name}#{self.seed}") + (f":{part}" if part else "")
        return place.model_copy(
            update={"stage": "judge", "step": 0, "evaluator": f"{who}@{place.evaluator}" if place.evaluator else who}
        )

    def rubric_of(self, task: Task, *, both: bool) -> Rubric:
        """What counts for ``task``: the judge's rubric, else the task's; ``both``: the task's and then the judge's."""
        texts = [task.rubric, self.rubric] if both else [self.rubric or task.rubric]
        read = [parse_rubric(text, f"task {task.id}: rubric") for text in texts if text and text.strip()]
        if len(read) < 2:
            return read[0] if read else parse_rubric("")
        own = read[-1]  # its scale and criteria are the ones that its judge was given
        return own.model_copy(
            update={
                "text": "\n".join(rubric.text for rubric in read),
                "criteria": own.criteria or read[0].criteria,
                "scale": own.scale if "scale" in own.model_fields_set else read[0].scale,
            }
        )

    def check(self, task: Task, *, both: bool) -> None:
        """Raise InputError where ``task`` lacks what this judge needs."""
        if self.sees_answer and task.answer is None:
            found = f"none, and the wording of the judge {self.name} asks for it"
            raise InputError("an answer", found=found, key=f"task {task.id}: answer")
        if self.mode == "rubric" and not self.rubric_of(task, both=both).criteria:
            expected = f"criteria as lines `- name (points): what`, which the judge {self.name} gives points for"
            raise InputError(expected, found="none", key=f"task {task.id}: rubric")


def judges_of(
    evaluators: Sequence[Evaluator], workspace: Workspace, key: str
) -> tuple[tuple[Judge, ...], dict[str, str]]:
    """The judges that a panel's settings describe, and hashes of the user's files among them.

    Raises InputError below ``key`` for a wording or rubric that is not there or can't be read.
    """
    judges: list[Judge] = []
    sources: dict[str, str] = {}
    for index, evaluator in enumerate(evaluators):
        wording = _wording(evaluator.prompt, workspace, f"{key}.{index}.prompt", sources)
        rubric = None
        if evaluator.rubric is not None:
            rubric, own = rubric_text(evaluator.rubric, workspace, f"{key}.{index}.rubric")
            if own:
                sources[evaluator.rubric] = hashlib.sha256(rubric.encode()).hexdigest()
        judge = Judge(
            name=evaluator.name or evaluator.prompt,
            wording=wording,
            model=evaluator.model,
            temperature=evaluator.temperature,
            seed=evaluator.seed,
            rubric=rubric,
            mode=evaluator.mode,
            descending=evaluator.option_order == "descending",
            rollout_order=evaluator.rollout_order or "shuffled",
            blind=evaluator.blind,
            pass_mark=evaluator.pass_mark,
        )
        judges.append(judge)
    return tuple(judges), sources


def _wording(name: str, workspace: Workspace, key: str, sources: dict[str, str]) -> str:
    if name in WORDINGS:
        return prompt.source(f"judge_{name}")
    path = workspace.path(name)
    if not path.is_file():
        raise InputError("an existing file", found=name, key=key)
    text = path.read_text(encoding="utf-8").strip()
    unknown = [found for found in prompt.keys(text) if found != "answer"]
    if unknown:
        raise InputError("no key but {{answer}}", found=f"{{{{{unknown[0]}}}}}", file=name, key=key)
    sources[name] = hashlib.sha256(text.encode()).hexdigest()
    return text
