"""The grid: every evaluator's word on every group, kept the moment it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from practice import prompt, traces
from practice.agent import Agent
from practice.calls import gather
from practice.config import BudgetConfig, Evaluator, ModelSpec, Workspace, load_traces
from practice.document import Document, DocumentStatus, RolloutCounts, TaskCounts, usage_report
from practice.engine import Engine, Options, Work
from practice.errors import InputError
from practice.evaluation import NO_EDITS, NO_GROUPS
from practice.judge import Judge, Panel, Reward, judges_of
from practice.judging.sources import JudgedGroup
from practice.memory import Bank
from practice.records import Records, Scored, save_note
from practice.session import digest, find_or_begin
from practice.stability import Duel, EvaluatorKey, ScoreTable
from practice.stability.build import build_table
from practice.store import Database, Store, usage_by_stage
from practice.types import CallKey, Phase, Task, Value, Verdict

__all__ = ["Collected", "EvaluatorLine", "Load", "Tally", "Told", "collect"]


@dataclass(frozen=True)
class Load:
    """How hard to work."""

    concurrency: int = 16
    timeout: float = 300.0
    budget: BudgetConfig = field(default_factory=BudgetConfig)


@dataclass(frozen=True)
class Told:
    """One verdict with its place in the grid."""

    group: str
    rollout: str
    evaluator: str
    verdict: Verdict


class EvaluatorLine(Value):
    """What one evaluator said, in one line."""

    name: str
    model: str | None
    scored: int
    missing: int
    mean: float | None
    """Of its scores; None where it gave none."""
    unavailable: tuple[str, ...]
    """Axes that the endpoint, or the rollouts, do not give effect to."""


class Tally(Value):
    """What a panel said, a line an evaluator; kept with the run."""

    groups: int
    evaluators: tuple[EvaluatorLine, ...]


@dataclass(frozen=True)
class Collected:
    """What the evaluators said."""

    table: ScoreTable
    reasons: Mapping[str, Mapping[str, tuple[str, ...]]]
    """Group -> evaluator -> its words on each rollout, in the table's order; "" where it said nothing."""
    told: tuple[Told, ...]
    document: Document
    """Of the run that judged: its id, status and usage. Not ``done``: the table lacks what is not yet judged."""

    @property
    def tally(self) -> Tally:
        """One line an evaluator: how many verdicts, their mean, what is missing or was not honoured."""
        return Tally(groups=len(self.table.groups), evaluators=tuple(map(self._line, self.table.evaluators)))

    def _line(self, key: EvaluatorKey) -> EvaluatorLine:
        said = [told.verdict.score for told in self.told if told.evaluator == key.name]
        known = [score for score in said if score is not None]
        return EvaluatorLine(
            name=key.name,
            model=key.model,
            scored=len(known),
            missing=len(said) - len(known),
            mean=sum(known) / len(known) if known else None,
            unavailable=key.unavailable,
        )


async def collect(
    groups: Sequence[JudgedGroup],
    evaluators: Sequence[Evaluator],
    workspace: Workspace,
    *,
    model: ModelSpec | None = None,
    key: str = "evaluators",
    seed: int = 0,
    load: Load | None = None,
    options: Options | None = None,
) -> Collected:
    """Judge every group by every evaluator.

    Args:
        groups: What is judged.
        evaluators: The panel, each with a name of its own.
        workspace: Where wordings and rubrics are looked up, and whose database keeps the run.
        model: Who judges where an evaluator names no model.
        key: Where the evaluators stand, for errors.
        seed: The source of every call's seed and of every shuffle.
        load: Concurrency, timeout and budget: no part of what makes the run.
        options: ``fresh``, a model of the caller's own, notes, progress.

    Each call has its own place in the run (group, evaluator, attempt or pair), so a grid that was stopped goes on
    with the same call and repeats nothing; a finished one makes no call. What a call that failed was about stays
    missing. Raises InputError where an evaluator has no model or a group lacks what one needs.
    """
    options, load, told = options or Options(), load or Load(), load_traces(workspace)
    traces.check(told)
    judges, sources = judges_of(evaluators, workspace, key)
    spare = model or next((e.model for e in evaluators if e.model is not None), None)
    for index, evaluator in enumerate(evaluators):
        if spare is None or (evaluator.model is None and model is None):
            raise InputError(
                "a model (or a practice.yaml whose model is taken)", found="none", key=f"{key}.{index}.model"
            )
    for group in groups:
        for judge in judges:
            judge.check(group.task, both=False)
    assert spare is not None
    work = Work(
        # Nothing is attempted; the engine's endpoints are what is needed, and who judges where none is named.
        agent=Agent(name="judges", model=spare, workspace=workspace),
        reward=Reward(()),
        teacher=spare,
        seed=seed,
        concurrency=load.concurrency,
        timeout=load.timeout,
        retrieve=None,
        budget=load.budget,
        traces=told,
    )
    fields = _fields(groups, evaluators, sources, model, seed)
    async with Store(workspace.db) as store:
        tasks: dict[Phase, list[Task]] = {"practice": [group.task for group in groups]}
        row = await find_or_begin(store, "judge", fields, Bank(bank="none"), tasks, fresh=options.fresh)
        if row.status == "done" and row.document is not None:
            document, records = Document.model_validate(row.document), await Records.load(store, row.id)
        else:
            async with Engine(store, row, work, options) as engine:
                document = await _Grid(engine, groups, judges, again=row.status == "failed").go()
                records = engine.records
        honoured = await store.do(lambda db: _refused(db, row.id))
        keys = tuple(_key(e, j, model, honoured, groups) for e, j in zip(evaluators, judges, strict=True))
        found = _collected(groups, keys, records, document)
        await store.do(lambda db: save_note(db, row.id, "tally", found.tally.model_dump(mode="json")))
    return found


def _fields(
    groups: Sequence[JudgedGroup],
    evaluators: Sequence[Evaluator],
    sources: Mapping[str, str],
    model: ModelSpec | None,
    seed: int,
) -> dict[str, object]:
    plain = [
        {**e.model_dump(mode="json", exclude={"model"}), "model": e.model.digest_fields() if e.model else None}
        for e in evaluators
    ]
    return {
        "kind": "judge",
        "evaluators": plain,
        "model": model.digest_fields() if model else None,
        "groups": digest([group.model_dump(mode="json", exclude={"truth"}) for group in groups]),
        "seed": seed,
        **{f"source {name}": value for name, value in sources.items()},
        **{f"prompt {n}": d for n, d in prompt.hashes().items() if n.startswith(("judge", "rubric"))},
    }


class _Grid:
    """One process's share of the work."""

    def __init__(self, engine: Engine, groups: Sequence[JudgedGroup], judges: Sequence[Judge], *, again: bool) -> None:
        self.engine, self.groups, self.judges, self.again = engine, groups, judges, again
        self.panel = Panel(judges, gate=False, seed=engine.work.seed)

    async def go(self) -> Document:
        return await self.engine.finish(self._work, self._end)

    async def _work(self) -> None:
        progress = self.engine.options.progress
        progress.unit = "verdicts on groups"
        progress.enter("judging", len(self.groups) * len(self.judges))
        await gather(*(self._judge(group, judge) for group in self.groups for judge in self.judges))

    async def _judge(self, group: JudgedGroup, judge: Judge) -> None:
        id_, records = place_of(judge.name, group.id), self.engine.records
        known = records.scores.get(id_)
        # Where the endpoint was down, what it failed at is asked again; a finished grid keeps what is missing.
        if known is None or (self.again and any(verdict.failure for verdict in known.verdicts)):
            at = CallKey(phase="practice", stage="judge", task=group.id)
            ballot = await self.panel.ballot(judge, group.task, group.rollouts, self.engine.ask, at)
            rewards = tuple(verdict.score for verdict in ballot.verdicts)
            await records.save_score(id_, Scored(verdicts=ballot.verdicts, rewards=rewards, bouts=ballot.bouts))
        self.engine.options.progress.done += 1

    async def _end(self, status: DocumentStatus, _: object = None) -> Document:
        engine = self.engine
        usage = await engine.store.do(lambda db: usage_by_stage(db, engine.row.id))
        document = Document(
            run_id=engine.row.id,
            status=status,
            agent="judges",
            steps=0,
            tasks=TaskCounts(practice=len(self.groups), validation=0, holdout=0),
            rollouts=RolloutCounts(total=0, done=0, limit=0, failed=0),
            groups=NO_GROUPS,
            edits=NO_EDITS,
            experiences=(),
            before=None,
            after=None,
            delta=None,
            usage=usage_report(usage, engine.budget.elapsed),
            memory="none",
            report=None,
        )
        await engine.records.update(status, engine.budget.elapsed, document.model_dump(mode="json"))
        return document


def place_of(evaluator: str, group: str) -> str:
    """Where an evaluator's word on a group is kept."""
    return f"grid/{evaluator}/{group}"


# ---------------------------------------------------------------- who judged, as it turned out


def _refused(db: Database, run: str) -> dict[str, tuple[bool, bool]]:
    """Evaluator of a call's place -> (whether its seed, whether its temperature was refused by the endpoint)."""
    rows = db.execute(
        "SELECT evaluator, min(coalesce(json_extract(completion, '$.seed_honoured'), 1)),"
        " min(coalesce(json_extract(completion, '$.temperature_honoured'), 1))"
        " FROM calls WHERE run = ? AND state = 'done' GROUP BY evaluator",
        [run],
    ).fetchall()
    found: dict[str, tuple[bool, bool]] = {}
    for name, seeded, warm in rows:
        who = str(name).rsplit(":", 1)[0] if ":attempt-" in name or ":pair-" in name else str(name)
        before = found.get(who, (False, False))
        found[who] = (before[0] or not seeded, before[1] or not warm)
    return found


def _key(
    evaluator: Evaluator,
    judge: Judge,
    model: ModelSpec | None,
    refused: Mapping[str, tuple[bool, bool]],
    groups: Sequence[JudgedGroup],
) -> EvaluatorKey:
    """The evaluator on its axes; one that the endpoint, or the rollouts, do not give effect to is unavailable."""
    no_seed, no_temperature = refused.get(judge.key(CallKey(phase="practice", stage="judge")).evaluator, (False, False))
    unavailable: list[str] = []
    if no_temperature:
        unavailable.append("temperature")
    if no_seed and evaluator.seed is not None:
        unavailable.append("seed")
    if not evaluator.blind and not any(rollout.made_by for group in groups for rollout in group.rollouts):
        unavailable.append("blind")
    who = evaluator.model or model
    axes: dict[str, str | None] = {
        "model": None if who is None else who.described,
        "temperature": f"{evaluator.temperature:g}",
        "seed": None if evaluator.seed is None else str(evaluator.seed),
        "prompt": evaluator.prompt,
        "rubric": " ".join((evaluator.rubric or "the task's").split())[:60],
        "option_order": None if evaluator.mode == "pairs" else evaluator.option_order or "ascending",
        "rollout_order": judge.rollout_order if evaluator.mode == "group" else None,
        "blind": "blind" if evaluator.blind else "labelled",
    }
    known = {axis: None if axis in unavailable else value for axis, value in axes.items()}
    return EvaluatorKey(name=judge.name, unavailable=tuple(unavailable), **known)


# ---------------------------------------------------------------- the table


_WON = {"first": "a", "second": "b", "tie": "tie"}


def _collected(
    groups: Sequence[JudgedGroup], keys: Sequence[EvaluatorKey], records: Records, document: Document
) -> Collected:
    scores: dict[tuple[str, str], list[float | None]] = {}
    reasons: dict[str, dict[str, tuple[str, ...]]] = {}
    told: list[Told] = []
    duels: list[Duel] = []
    words: dict[str, list[float | None]] = {}
    for group in groups:
        reasons[group.id] = {}
        for key in keys:
            scored = records.scores.get(place_of(key.name, group.id))
            if scored is None:
                continue
            scores[group.id, key.name] = [verdict.score for verdict in scored.verdicts]
            reasons[group.id][key.name] = tuple(verdict.reason for verdict in scored.verdicts)
            words.setdefault(group.id, [verdict.n_words for verdict in scored.verdicts])
            told += [Told(group.id, id_, key.name, v) for id_, v in zip(group.names, scored.verdicts, strict=True)]
            for bout in scored.bouts:
                a, b = group.names[bout.first], group.names[bout.second]
                winner = None if bout.winner is None else _WON[bout.winner]
                duels.append(Duel(group=group.id, a=a, b=b, winner=winner, evaluator=key.name))
    table = build_table(
        {group.id: group.names for group in groups},
        keys,
        scores,
        truth={group.id: group.truth for group in groups},
        n_words=words,
        rollout_models={group.id: [rollout.made_by for rollout in group.rollouts] for group in groups},
        duels=duels,
    )
    return Collected(table, reasons, tuple(told), document)
