"""The whole way from a wish to a tool."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from practice.calls import Ask
from practice.config import Workspace
from practice.errors import CallFailed, InputError
from practice.sandbox import Engine
from practice.tool import available_tools
from practice.tool.card import Card, CardInput, CardTests, Making, Permissions
from practice.tool.generated import generated_names
from practice.tool.python import NAME as BUILT_IN
from practice.tool.trust import check_host, check_inside, forget
from practice.toolsmith import asking
from practice.toolsmith.bench import Bench
from practice.toolsmith.cases import Case, Kind, render
from practice.toolsmith.code import allowed, imported
from practice.toolsmith.desk import USELESS, Desk
from practice.toolsmith.look import look
from practice.toolsmith.mutants import Mutant, mutants
from practice.toolsmith.plan import Plan
from practice.toolsmith.settle import Settled, settle
from practice.toolsmith.sharpen import enough, sharpen, survivors
from practice.toolsmith.suite import run_suite, test_names
from practice.toolsmith.types import Made, MakeLimits, Unmade, Wish
from practice.toolsmith.world import World, wish_line

__all__ = ["make"]

LIMITS = MakeLimits()
KINDS: tuple[Kind, ...] = ("usual", "edge", "more", "error")
"""The order of the tests in their file."""
FEWEST = 5
"""Cases that a tool has to have."""
MOST_LOST = (1 / 3, 1 / 2)
"""Which share of the cases may stay open, at the first set of cases and with the second."""


class _Given(Exception):
    """The tool is given up: (stage, reason)."""


async def make(
    wish: Wish,
    *,
    ask: Ask,
    workspace: Workspace,
    engine: Engine,
    limits: MakeLimits = LIMITS,
    seed: int = 0,
    look: bool = True,
    told: Callable[[str], None] | None = None,
) -> Made | Unmade:
    """A tool that does what ``wish`` says: an existing one, or a new one in ``tools/generated/`` (quarantined).

    Args:
        wish: What is wanted.
        ask: How to reach the model that writes; every call has the stage ``generate``.
        workspace: Whose tools are looked at, and where the new one goes.
        engine: The sandbox in which everything that the model wrote is run.
        limits: How much is tried.
        seed: With the wish it decides the seed of every call.
        look: Whether an existing tool will do.
        told: Is given one line a step, for a live display.

    Returns :class:`Unmade` with the reason where no tool came of it; then nothing is left on disk. A model that can't
    be reached is such a reason too, unless most calls fail (EndpointError). Raises InputError for a wish that
    can't be granted (an empty one, a name that is taken or no identifier, a path outside the workspace).
    """
    taken = {*available_tools(workspace), *generated_names(workspace), BUILT_IN}
    _check(wish, workspace, taken)
    desk = Desk(ask, wish.model_dump_json(), seed, told)
    work = _Work(wish, desk, workspace, engine, limits, taken)
    try:
        return await work.do(look=look)
    except _Given as end:
        stage, reason = end.args
    except CallFailed as error:
        usable = error.kind != "unparsable"
        stage, reason = ("model", str(error)) if usable else (work.stage, f"the model gave no usable answer, {error}")
    desk.say(f"given up: {reason}")
    return Unmade(
        stage=stage,
        reason=reason,
        name=work.plan.name if work.plan is not None else wish.name or "",
        code=work.code,
        usage=desk.usage,
        retries=desk.retries,
        log=tuple(desk.log),
    )


def _check(wish: Wish, workspace: Workspace, taken: set[str]) -> None:
    if len(wish.what.split()) < 2:
        raise InputError("a description of the tool, in words", found=repr(wish.what), key="what")
    if wish.name is not None:
        if not wish.name.isidentifier() or wish.name.startswith("_"):
            raise InputError("a name in letters, digits and _", found=repr(wish.name), key="--name")
        if wish.name in taken:
            raise InputError("a name that no tool has", found=repr(wish.name), key="--name")
    for host in wish.hosts:
        check_host(host)
    for path in wish.read:
        check_inside(workspace, path)


@dataclass
class _Work:
    """One wish under way."""

    wish: Wish
    desk: Desk
    workspace: Workspace
    engine: Engine
    limits: MakeLimits
    taken: set[str]
    stage: str = "plan"
    plan: Plan | None = None
    code: str = ""

    @property
    def what(self) -> str:
        """The wish for prompts, with what comes of its permissions."""
        first = (*self.wish.read, "")[0]
        folder = Path(first).parent.as_posix() if first and self.workspace.path(first).is_file() else first
        place = ", ".join(self.wish.hosts) if self.world == "pages" else folder
        return self.wish.what.strip() + wish_line(self.world, place)

    @property
    def world(self) -> World:
        """What a call finds around it."""
        return "pages" if self.wish.hosts else "files" if self.wish.read else "none"

    async def do(self, *, look: bool) -> Made:
        """All stages in their order. Raises _Given, CallFailed."""
        if look and (made := await self.look()) is not None:
            return made
        self.plan = await asking.plan(self.desk, self.what, name=self.wish.name, taken=self.taken)
        modules = allowed(files=bool(self.wish.read), net=bool(self.wish.hosts))
        bench = Bench(self.plan, self.engine, self.limits.sandbox)
        self.stage = "code"
        await self.candidates(bench, modules, range(min(2, self.limits.candidates)))
        self.code = bench.sources[0]
        self.stage = "cases"
        state = await self.cases(bench, modules)
        self.code = bench.sources[state.source]
        self.stage = "mutants"
        broken, alive = await self.broken(bench, state, modules)
        self.stage = "tests"
        return await self.write(bench, state, broken, alive)

    async def candidates(self, bench: Bench, modules: tuple[str, ...], places: Sequence[int]) -> None:
        """Independent implementations."""
        for source in await asking.code(self.desk, self.what, bench.plan, modules, places):
            await bench.add_source(source, votes=True)

    async def look(self) -> Made | None:
        """An existing tool."""
        found = await look(self.desk, self.wish.what, self.workspace)
        if found is None:
            return None
        self.desk.say(f"{found.ref} does it")
        generated = found.status != "own"
        return Made(
            name=found.spec.name,
            ref=found.ref,
            existing=True,
            folder=f"{self.workspace.relative(self.workspace.tools)}/generated/{found.ref}" if generated else "",
            why=found.spec.description,
            usage=self.desk.usage,
            log=tuple(self.desk.log),
        )

    async def cases(self, bench: Bench, modules: tuple[str, ...]) -> Settled:
        """Cases that the best implementation, repaired where need be, fulfils."""
        limits = self.limits
        state = Settled(0)
        wanted = limits.cases
        for attempt in range(len(MOST_LOST)):
            first = not bench.cases
            try:
                found = await asking.cases(self.desk, self.what, bench.plan, wanted, world=self.world, attempt=attempt)
            except CallFailed as error:
                if error.kind not in USELESS or attempt + 1 == len(MOST_LOST):
                    raise
                wanted = FEWEST  # a shorter answer is cut off less often
                continue
            if bench.plan.errors and first:
                found += await asking.errors(self.desk, self.what, bench.plan, limits.errors, world=self.world)
            await bench.add_cases(found)
            self.stage = "tests"
            if first:
                if bench.disputed():
                    await self.candidates(bench, modules, range(2, limits.candidates))
                state.source = bench.best()
            await settle(
                self.desk,
                bench,
                state,
                wish=self.what,
                modules=modules,
                repairs=limits.repairs,
                questions=limits.questions,
            )
            self.code = bench.sources[state.source]
            lost = [bench.cases[c] for c in sorted(state.dropped)]
            wrong = [case for case in lost if case.fixed]
            if wrong:
                call = bench.plan.call(wrong[0].arguments)
                raise _Given("tests", f"the code could not be made to fulfil the example of the description, {call}")
            share = len(lost) / max(1, len(bench.cases))
            if len(state.kept(bench)) >= FEWEST and share <= MOST_LOST[attempt]:
                self.desk.say(f"{len(state.kept(bench))} cases hold")
                return state
            wanted = FEWEST + 1
        kept = len(state.kept(bench))
        raise _Given("tests", f"only {kept} of {len(bench.cases)} cases hold; it stays open what the tool should do")

    async def broken(
        self, bench: Bench, state: Settled, modules: tuple[str, ...]
    ) -> tuple[Sequence[Mutant], Sequence[Mutant]]:
        """Broken versions, and those of them that the tests let pass after further cases."""
        kept = [bench.cases[c] for c in state.kept(bench)]
        made = mutants(bench.sources[state.source], bench.plan.name, kept, self.limits.mutants)
        alive = await survivors(bench, kept, made)
        # First what costs no call; the model's own cases where that is too little.
        for attempt in range(self.limits.rounds + 2):
            fine = enough(alive, made, self.limits.accepted_share)
            self.desk.say(f"{len(made) - len(alive)} of {len(made)} broken versions are noticed")
            if not alive or (fine and attempt > 0):
                return made, alive
            if attempt == 0:
                found = await sharpen(bench, state.source, state.kept(bench), alive, observed=not fine)
                await bench.add_cases(found)
            elif attempt <= self.limits.rounds:
                await self.more(bench, state, modules, alive[0])
            else:
                break
            alive = await survivors(bench, [bench.cases[c] for c in state.kept(bench)], alive)
        raise _Given("mutants", f"the tests let {len(alive)} of {len(made)} broken versions pass: {alive[0].what}")

    async def more(self, bench: Bench, state: Settled, modules: tuple[str, ...], mutant: Mutant) -> None:
        """Cases that the model makes against one broken version; those that the code does not fulfil are left out."""
        found = await asking.more(self.desk, self.what, bench, state.kept(bench), mutant, world=self.world)
        await bench.add_cases(found)
        await settle(self.desk, bench, state, wish=self.what, modules=modules, repairs=0, questions=0)

    async def write(self, bench: Bench, state: Settled, broken: Sequence[Mutant], alive: Sequence[Mutant]) -> Made:
        """The three files, once the tests pass as they will be run, twice."""
        plan, source = bench.plan, bench.sources[state.source]
        kept = [bench.cases[c] for c in state.kept(bench)]
        kept.sort(key=lambda case: KINDS.index(case.kind))
        tests = render(plan, kept)
        names = test_names(tests)
        for order in (names, names[::-1]):  # in the other order too: a call may not depend on those before it
            ran = await run_suite(source, tests, self.engine, limits=self.limits.sandbox, names=order)
            if not ran.ok:
                test, what = next(iter(ran.failed.items()))
                raise _Given("tests", f"{test} does not hold each time it is run: {what}")
        card = self.card(bench, state, kept, broken, alive)
        folder = self.workspace.tools / "generated" / plan.name
        put(folder, {"tool.py": source, "test_tool.py": tests, "card.yaml": card.yaml()})
        forget(self.workspace, plan.name)  # what an earlier tool of this name had
        self.desk.say(f"{plan.name}: {len(kept)} tests, {len(broken) - len(alive)} of {len(broken)} mutants noticed")
        return Made(
            name=plan.name,
            ref=plan.name,
            existing=False,
            folder=self.workspace.relative(folder),
            card=card,
            usage=self.desk.usage,
            log=tuple(self.desk.log),
        )

    def card(
        self,
        bench: Bench,
        state: Settled,
        kept: Sequence[Case],
        broken: Sequence[Mutant],
        alive: Sequence[Mutant],
    ) -> Card:
        """What is known of the tool."""
        plan, desk, origins = bench.plan, self.desk, Counter(case.origin for case in kept)
        return Card(
            name=plan.name,
            what=plan.purpose,
            wish=self.wish.what,
            inputs=tuple(CardInput(name=a.name, type=a.type, about=a.about) for a in plan.arguments),
            output=CardInput(name="result", type=plan.returns, about=plan.returns_about),
            permissions=Permissions(hosts=self.wish.hosts, read=self.wish.read),
            dependencies=imported(bench.sources[state.source]),
            made=Making(
                model=desk.model,
                seed=desk.seed,
                prompts=dict(sorted(desk.prompts.items())),
                calls=desk.usage.calls,
                retries=desk.retries,
                candidates=len(bench.voters),
                repairs=state.repairs,
                input_tokens=desk.usage.input_tokens,
                output_tokens=desk.usage.output_tokens,
                usd=desk.usage.usd,
                seconds=round(desk.usage.seconds, 1),
            ),
            tests=CardTests(
                cases=len(kept),
                errors=sum(case.expected.kind == "error" for case in kept),
                said=origins["said"],
                agreed=origins["agreed"],
                judged=origins["judged"],
                observed=origins["observed"],
                dropped=len(state.dropped),
                mutants=len(broken),
                survived=tuple(mutant.what for mutant in alive),
            ),
        )


def put(folder: Path, files: dict[str, str]) -> None:
    """Make ``folder`` with ``files`` in one step: there is never half a tool."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".new-"))
    try:
        for name, text in files.items():
            (made / name).write_text(text, encoding="utf-8")
        made.chmod(0o755)
        made.rename(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
