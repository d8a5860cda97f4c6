"""From ``reward:`` in practice.yaml to verdicts and rewards of a group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from practice.calls import Ask
from practice.config import REWARDS, ModelSpec, Settings, Workspace
from practice.errors import InputError, boundary, nearest
from practice.judge.gate import Pairs
from practice.judge.judges import Judge, judges_of
from practice.judge.panel import Panel, Ruling
from practice.tool import load_function
from practice.types import CallKey, Failure, Phase, Rollout, Task, Verdict
from practice.verifiers import Code, Exact, FunctionVerifier, Math, NumberVerifier, settled
from practice.verifiers.base import unscored

__all__ = ["Asks", "Reward", "Verifier", "load_reward"]

Asks = Callable[[ModelSpec | None], Ask]
"""Gives a judge its model; None is the model that the run uses where a judge names none."""


@runtime_checkable
class Verifier(Protocol):
    """What scores one rollout. Your own needs no more than this; ``practice.fakes.FixedVerifier`` is one for tests."""

    name: str

    async def verify(self, task: Task, rollout: Rollout) -> Verdict:
        """The score of one rollout; what it raises makes the rollout unscored."""
        ...


@runtime_checkable
class _Checks(Protocol):
    def check(self, task: Task) -> None: ...


@runtime_checkable
class _Closes(Protocol):
    async def aclose(self) -> None: ...


Stage = Verifier | Panel


@dataclass(frozen=True)
class Reward:
    """Stages in order: the reward is the product of their scores, and the first 0 ends it."""

    stages: tuple[Stage, ...]
    by_task: Mapping[str, tuple[Stage, ...]] = field(default_factory=dict[str, tuple[Stage, ...]])
    """The stages of tasks whose ``verifier`` names another reward, by that name."""
    sources: Mapping[str, str] = field(default_factory=dict[str, str])
    """Hashes of what the user wrote for it: functions, wordings."""
    sealed: Mapping[str, Panel] = field(default_factory=dict[str, Panel])
    """Who judges the holdout alone, by the name of the panel that it stands beside."""

    @property
    def judged(self) -> bool:
        """Whether it can be had without ground truth: from judges alone who are shown no answers."""
        every = (*self.stages, *(stage for stages in self.by_task.values() for stage in stages))
        return all(isinstance(stage, Panel) and not stage.sees_answer for stage in every)

    def jury(self, task: Task, phase: Phase) -> tuple[Panel, ...]:
        """Who compares attempts at ``task``: the panel, or on the holdout the judge that was kept out of practice."""
        panels = [stage for stage in self._of(task) if isinstance(stage, Panel)]
        return tuple(self.sealed.get(panel.name, panel) if phase == "holdout" else panel for panel in panels)

    def auditor(self, task: Task) -> Panel | None:
        """The panel whose errors this task's verifier can tell: that of the run, where the task itself is verified."""
        panel = next((stage for stage in self.stages if isinstance(stage, Panel)), None)
        own = self.by_task.get(task.verifier or "", ())
        verified = bool(own) and not any(isinstance(stage, Panel) for stage in own)
        return panel if verified else None

    def fingerprint(self) -> dict[str, str]:
        """What, beside the settings, makes this reward another one."""
        return dict(self.sources)

    def check(self, tasks: Iterable[Task]) -> None:
        """Raise InputError for the first task that can't be scored: no answer, no number in it, no rubric."""
        for task in tasks:
            for stage in self._of(task):
                if isinstance(stage, _Checks):
                    stage.check(task)

    async def score(
        self, task: Task, rollouts: Sequence[Rollout], asks: Asks, key: CallKey | None = None
    ) -> tuple[tuple[Verdict, ...], tuple[float | None, ...], Pairs | None]:
        """(verdicts, rewards, counted pairs) of a task's rollouts.

        Verdicts: one a stage and rollout (a judge's: one a judge), as far as the stages went. Rewards: aligned
        with ``rollouts``, None = unscored. Counted: None without a gate; with one, the pairs (better, worse)
        that all judges agree on, and those that a verifier decided. ``key`` is the place in the run that the
        judges' calls get theirs from.
        """
        key = key or CallKey(phase="practice", stage="judge", task=task.id)
        rewards: list[float | None] = [1.0] * len(rollouts)
        verdicts: list[Verdict] = []
        gates: list[tuple[tuple[int, ...], Pairs]] = []
        for number, stage in enumerate(self._of(task)):
            alive = tuple(index for index, reward in enumerate(rewards) if reward)
            if not alive:
                break
            place = key if not number else key.model_copy(update={"evaluator": f"{key.evaluator}/stage:{number}"})
            ruling = await _rule(stage, task, [rollouts[index] for index in alive], asks, place)
            verdicts += ruling.verdicts
            if ruling.counted is not None:
                gates.append((alive, tuple((alive[a], alive[b]) for a, b in ruling.counted)))
            for index, score in zip(alive, ruling.rewards, strict=True):
                before = rewards[index]
                rewards[index] = None if score is None or before is None else before * score
        return tuple(verdicts), tuple(rewards), _counted(rewards, gates)

    async def aclose(self) -> None:
        """End what the stages hold open (worker processes)."""
        every = (*self.stages, *(stage for stages in self.by_task.values() for stage in stages))
        for stage in dict.fromkeys(every):
            if isinstance(stage, _Closes):
                await stage.aclose()

    def _of(self, task: Task) -> tuple[Stage, ...]:
        return self.by_task.get(task.verifier or "", self.stages)


async def _rule(stage: Stage, task: Task, rollouts: Sequence[Rollout], asks: Asks, place: CallKey) -> Ruling:
    if isinstance(stage, Panel):
        return await stage.score(task, rollouts, asks, place)
    verdicts = [await _verify(stage, task, rollout) for rollout in rollouts]
    return Ruling(tuple(verdicts), tuple(verdict.score for verdict in verdicts), None)


async def _verify(verifier: Verifier, task: Task, rollout: Rollout) -> Verdict:
    verdict = settled(rollout, verifier.name)
    if verdict is not None:
        return verdict
    failures: list[Failure] = []
    with boundary("verifier", failures.append):
        return await verifier.verify(task, rollout)
    return unscored(rollout, verifier.name, failures[0])


def _counted(rewards: Sequence[float | None], gates: Sequence[tuple[tuple[int, ...], Pairs]]) -> Pairs | None:
    """Pairs of different rewards on which every gate that saw both of them agrees."""
    if not gates:
        return None
    pairs: list[tuple[int, int]] = []
    for a, high in enumerate(rewards):
        for b, low in enumerate(rewards):
            if high is None or low is None or high <= low:
                continue
            if all((a, b) in agreed for saw, agreed in gates if a in saw and b in saw):
                pairs.append((a, b))
    return tuple(pairs)


# ---------------------------------------------------------------- from the settings


def load_reward(settings: Settings, workspace: Workspace, tasks: Sequence[Task] = ()) -> Reward:
    """The reward of a run, and of every task that names its own (``verifier``).

    Raises InputError for an unknown reward, a function or wording that can't be loaded, and a task that can't be
    scored by it; SandboxMissing where ``code`` finds no sandbox on this machine.
    """
    loader = _Loader(settings, workspace)
    names = (settings.reward,) if isinstance(settings.reward, str) else settings.reward
    stages = tuple(loader.stage(name, "reward") for name in names)
    own = {task.verifier: task.id for task in reversed(tasks) if task.verifier is not None}
    by_task = {name: (loader.stage(name, f"task {id}: verifier"),) for name, id in own.items()}
    reward = Reward(stages, by_task, loader.sources, loader.sealed)
    reward.check(tasks)
    return reward


class _Loader:
    """Builds stages, each name once."""

    def __init__(self, settings: Settings, workspace: Workspace) -> None:
        self.settings, self.workspace = settings, workspace
        self.sources: dict[str, str] = {}
        self.sealed: dict[str, Panel] = {}
        self._stages: dict[str, Stage] = {}

    def stage(self, name: str, key: str) -> Stage:
        if name not in self._stages:
            self._stages[name] = self._make(name, key)
        return self._stages[name]

    def _make(self, name: str, key: str) -> Stage:
        if name == "exact":
            return Exact()
        if name == "number":
            return NumberVerifier()
        if name == "math":
            return Math()
        if name in ("judge", "rubric"):
            return self._panel(name)
        if name == "code":
            return Code()
        if ".py:" in name:
            function = load_function(name, self.workspace)
            self.sources[name] = function.source_hash
            return FunctionVerifier(name, function.fn)
        raise InputError(
            f"a reward: {', '.join(REWARDS)} or path.py:function",
            found=repr(name),
            key=key,
            nearest=nearest(name, REWARDS),
        )

    def _panel(self, name: str) -> Panel:
        judges, sources = judges_of(self.settings.judge.evaluators(), self.workspace, "judge.panel")
        self.sources.update(sources)
        seed, rubric = self.settings.practice.seed, name == "rubric"
        self.sealed[name] = Panel(self._sealed(), gate=False, rubric=rubric, seed=seed, name=name)
        return Panel(judges, gate=self.settings.judge.gate, rubric=rubric, seed=seed, name=name)

    def _sealed(self) -> tuple[Judge, ...]:
        """The judge that alone judges the holdout."""
        key = "judge.holdout"
        try:
            judges, sources = judges_of([self.settings.judge.sealed()], self.workspace, key)
        except InputError as error:
            own = (error.key or "").replace(f"{key}.0", key)
            raise InputError(
                error.expected, found=error.found, file=error.file, key=own, nearest=error.nearest
            ) from None
        self.sources.update(sources)
        return judges
