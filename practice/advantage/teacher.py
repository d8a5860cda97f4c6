"""What a teacher model draws from one group: evidence first, words second.

The teacher sees the best and the worst attempt side by side, told in words by the program, and the facts that the
program counted. It sees no reward where ``practice.ground_truth`` is false: attempts are then set against the
answer that most of them gave (:func:`~practice.advantage.numeric.silver`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from practice.advantage.contrast import ALPHA, sentence, within, worth_telling
from practice.advantage.numeric import settled, silver
from practice.calls import Ask, structured
from practice.config import Settings
from practice.errors import CallFailed
from practice.features import UserFeature, actions, features
from practice.judge import agreement
from practice.prompt import template
from practice.types import CallKey, Fact, Group, Lesson, Message, Request, Rollout, Task, ToolSpec

__all__ = ["LONG", "Reply", "contrast_group", "learn", "summarise", "why_not"]

LONG = 1500
"""Characters: a trajectory beyond this is summarised before it is compared."""
MOST_TEXT = 4000
"""Characters of one attempt's own text that a prompt holds; the middle of a longer one is left out."""
TEACHER_TOKENS = 400
"""``max_tokens`` of a teacher's reply."""
SHOWN_FACTS = 4
MOST_ACTIONS = 3
"""Actions of one lesson."""


class Reply(BaseModel):
    """The base of what a teacher replies: every field is asked for, extra ones are ignored, missing ones are empty."""

    model_config = ConfigDict(extra="ignore", json_schema_extra=lambda schema: _require_all(schema))


class LessonText(Reply):
    """One lesson: its parts first, so that the sentence follows from them."""

    when: str = ""
    do: list[str] = Field(default_factory=list[str])
    text: str = ""


class SummaryReply(Reply):
    """The stage ``summary``."""

    summary: str = Field(min_length=1)


class ContrastReply(Reply):
    """The stage ``advantage`` on a mixed group."""

    better: str = ""
    worse: str = ""
    lessons: list[LessonText]


class ReflectReply(Reply):
    """The stage ``advantage`` where there is nothing to compare."""

    did: str = ""
    cause: str = ""
    lessons: list[LessonText]


def why_not(group: Group, settings: Settings) -> str:
    """Why a group teaches nothing, in words; empty where it does."""
    practice = settings.practice
    if group.kind == "unscored":
        return "no attempt was scored"
    if len(group.rollouts) == 1 or settings.rollouts.group_size == 1:
        return ""
    if not practice.ground_truth:
        seen = silver(group)
        return (
            "" if seen.kind == "mixed" else "without ground truth: no answer that most attempts gave and some did not"
        )
    if group.kind == "all_right":
        return "every attempt succeeded"
    if group.kind == "all_wrong":
        return "" if practice.learn_from_all_wrong else "no attempt succeeded"
    if group.kind == "abstained":
        return "the judges' order is not to be trusted"
    return ""


async def learn(
    ask: Ask,
    key: CallKey,
    group: Group,
    facts: Sequence[Fact],
    settings: Settings,
    *,
    specs: Sequence[ToolSpec] = (),
    user: Sequence[UserFeature] = (),
) -> tuple[Lesson, ...]:
    """The lessons of one group, by contrast where it is mixed, else by reflection where the settings allow it.

    Args:
        ask: The teacher.
        key: The group's place; summaries, contrast and repairs take their own places below it.
        group: A group for which :func:`why_not` is empty.
        facts: Facts over the groups of earlier batches.
        settings: ``practice.ground_truth``, ``practice.experiences_per_group``, ``memory.max_words``.
        specs: The agent's tools.
        user: The user's own features.

    Raises:
        CallFailed: the teacher gave no usable reply.
    """
    if not settings.practice.ground_truth:
        group = silver(group) if len(group.rollouts) > 1 else _blind(group)
    if len(set(group.scored)) > 1:
        return await contrast_group(ask, key, group, facts, settings, specs=specs, user=user)
    return await _reflect(ask, key, group, settings)


async def contrast_group(
    ask: Ask,
    key: CallKey,
    group: Group,
    facts: Sequence[Fact],
    settings: Settings,
    *,
    specs: Sequence[ToolSpec] = (),
    user: Sequence[UserFeature] = (),
) -> tuple[Lesson, ...]:
    """What the better attempt of a mixed group did that the worse did not, as lessons with their evidence."""
    own = worth_telling(within(settled(group), specs, user), settings)
    facts = worth_telling(facts, settings)
    better, worse = pair(group, (*facts, *own), specs, user)
    shown = [f"- in this group: {sentence(fact)}" for fact in own if abs(fact.difference) >= 0.5][:SHOWN_FACTS]
    shown += [f"- over all tasks so far: {sentence(fact)}" for fact in facts if fact.q <= ALPHA][:SHOWN_FACTS]
    text = template(
        "contrast",
        task=group.task.input,
        truth=_truth(group.task),
        better_actions=numbered(group.rollouts[better]),
        better=await shown_text(ask, key, group.task, group.rollouts[better]),
        worse_actions=numbered(group.rollouts[worse]),
        worse=await shown_text(ask, key, group.task, group.rollouts[worse]),
        facts="\n".join(shown) or "(none)",
        count=str(settings.practice.experiences_per_group),
        words=str(settings.memory.max_words),
    )
    reply = await structured(ask, key, request(text), ContrastReply, shape=_shape(ContrastReply, settings))
    evidence = (group.rollouts[better].id, group.rollouts[worse].id)
    return _lessons(reply.lessons, group, evidence, settings)


async def summarise(ask: Ask, key: CallKey, task: Task, rollout: Rollout) -> str:
    """A long trajectory in a few sentences. Where the teacher gives none: the actions as the program tells them."""
    place = key.model_copy(update={"stage": "summary", "attempt": rollout.attempt, "step": 0})
    text = template("summary", task=task.input, attempt=_clip(transcript(rollout), 4 * MOST_TEXT))
    try:
        return (await structured(ask, place, request(text, 400), SummaryReply)).summary.strip()
    except CallFailed as error:
        if error.kind != "unparsable":
            raise
        return numbered(rollout)


async def _reflect(ask: Ask, key: CallKey, group: Group, settings: Settings) -> tuple[Lesson, ...]:
    """Lessons from one attempt alone: a group of one, or the first of a group that is all wrong."""
    index = next(index for index, reward in enumerate(group.rewards) if reward is not None)
    rollout, reward = group.rollouts[index], group.rewards[index]
    if not settings.practice.ground_truth:
        situation = "it is the only attempt, and nobody knows yet whether it is right"
    elif len(group.rollouts) == 1:
        situation = f"it is the only attempt, and it was {'right' if (reward or 0) >= 0.5 else 'wrong'}"
    else:
        situation = f"all {len(group.scored)} attempts were wrong, and this is one of them"
    text = template(
        "reflect",
        situation=situation,
        task=group.task.input,
        truth=_truth(group.task),
        actions=numbered(rollout),
        attempt=await shown_text(ask, key, group.task, rollout),
        count=str(settings.practice.experiences_per_group),
        words=str(settings.memory.max_words),
    )
    reply = await structured(ask, key, request(text), ReflectReply, shape=_shape(ReflectReply, settings))
    return _lessons(reply.lessons, group, (rollout.id,), settings)


def pair(
    group: Group, facts: Sequence[Fact], specs: Sequence[ToolSpec] = (), user: Sequence[UserFeature] = ()
) -> tuple[int, int]:
    """Indices of the attempts to set side by side: (better, worse).

    Of the pairs that the judge gate counts (all pairs where there is no gate) the widest in reward; among equals
    the pair that differs most in the behaviours which the facts name, then the first in order of attempt.
    """
    rewards = [-1.0 if reward is None else reward for reward in group.rewards]
    scored = [index for index, reward in enumerate(group.rewards) if reward is not None]
    pairs = group.counted or [(a, b) for a in scored for b in scored if rewards[a] > rewards[b]]
    shown = [{f.name for f in features(rollout, specs, user) if f.value == 1.0} for rollout in group.rollouts]

    def told(index: int) -> float:
        return sum(fact.difference * (1 if fact.feature in shown[index] else -1) for fact in facts)

    return min(pairs, key=lambda p: (rewards[p[1]] - rewards[p[0]], told(p[1]) - told(p[0]), p))


async def shown_text(ask: Ask, key: CallKey, task: Task, rollout: Rollout) -> str:
    """An attempt as a teacher sees it: verbatim, or a summary and the output verbatim where it is long."""
    full = transcript(rollout)
    if len(full) <= LONG:
        return full
    return f"{await summarise(ask, key, task, rollout)}\nIt ended with:\n{_clip(rollout.output, MOST_TEXT)}"


def transcript(rollout: Rollout) -> str:
    """Everything that an attempt said, verbatim, with its calls and their results. Reasoning is left out."""
    lines: list[str] = []
    for number, step in enumerate(rollout.steps, 1):
        who = f" of {step.agent}" if step.agent else ""
        lines.append(f"[reply {number}{who}] {step.content}".rstrip())
        results = {result.call.id: result.content for result in step.results}
        lines += [
            f"[call {call.name} {call.arguments}] {results.get(call.id, '(no result)')}" for call in step.tool_calls
        ]
    if not rollout.steps:
        lines.append(rollout.output)
    return "\n".join(lines)


def numbered(rollout: Rollout) -> str:
    """The attempt's actions in words, one a line."""
    return "\n".join(f"{place}. {line}" for place, line in enumerate(actions(rollout), 1)) or "(nothing)"


def request(text: str, max_tokens: int = TEACHER_TOKENS, temperature: float = 0.0) -> Request:
    """One user message to the teacher; temperature 0 unless several wordings are wanted."""
    return Request(messages=(Message(role="user", content=text),), max_tokens=max_tokens, temperature=temperature)


def _lessons(
    texts: Sequence[LessonText], group: Group, evidence: tuple[str, ...], settings: Settings
) -> tuple[Lesson, ...]:
    flat = dict.fromkeys(worded(item, settings.memory.max_words) for item in texts)
    kept = [text for text in flat if text][: settings.practice.experiences_per_group]
    return tuple(Lesson(task_id=group.task.id, text=text, evidence=evidence, weight=_weight(group)) for text in kept)


def worded(item: LessonText, max_words: int) -> str:
    """The lesson as one sentence: the teacher's where it says when and keeps to the length, else made of its parts.

    Small models put the actions well and then drown them in a long sentence. Where the parts make none that is
    short enough either, the teacher's stays as it is: the memory's check refuses and logs it.
    """
    own = " ".join(item.text.split())
    when = re.sub(r"^when(ever)?\s+", "", " ".join(item.when.split()), flags=re.IGNORECASE).rstrip(" .,:;")
    actions = [" ".join(action.split()).rstrip(" .,;") for action in item.do if action.strip()][:MOST_ACTIONS]
    if own.lower().startswith("when") and len(own.split()) <= max_words:
        return own
    while when and actions:
        steps = ", then ".join(action[0].lower() + action[1:] for action in actions)
        sentence = f"When {when[0].lower() + when[1:]}, {steps}."
        if len(sentence.split()) <= max_words:
            return sentence
        actions.pop()
    return own


def _shape(reply: type[Reply], settings: Settings) -> dict[str, Any]:
    """The reply's schema with as many lessons and actions as are wanted: a small model under a grammar then stops."""
    shape = reply.model_json_schema()
    shape["properties"]["lessons"]["maxItems"] = settings.practice.experiences_per_group
    shape["$defs"]["LessonText"]["properties"]["do"]["maxItems"] = MOST_ACTIONS
    return shape


def _weight(group: Group) -> float:
    """How many of the pairs that differ in reward the judge gate counts; 1 without a gate."""
    found = agreement(group)
    return 1.0 if found is None else found.weight


def _truth(task: Task) -> str:
    return f"Correct answer: {task.answer}\n" if task.answer is not None else ""


def _blind(group: Group) -> Group:
    task = group.task.model_copy(update={"answer": None, "rubric": None})
    return group.model_copy(update={"task": task, "rewards": (0.0,) * len(group.rewards), "verdicts": ()})


def _clip(text: str, length: int) -> str:
    half = length // 2
    return text if len(text) <= length else f"{text[:half]}\n[…]\n{text[-half:]}"


def _require_all(schema: dict[str, Any]) -> None:
    """Fields with a default are asked for all the same: a model that may leave reasoning out leaves it out."""
    schema["required"] = list(schema.get("properties", {}))
    schema["additionalProperties"] = False
