"""Several implementations of one plan on the same cases, run in the sandbox, and who agrees with whom.

A small model is right about a function more often than about a result that it works out in its head, and independent
implementations that are wrong are seldom wrong alike. So results vote: the one that a case states, and those that
the implementations give (Chen et al., CodeT, arXiv 2207.10397, scores code by such agreement).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from practice.sandbox import Engine, SandboxLimits
from practice.toolsmith.cases import Case, Outcome, same_outcome
from practice.toolsmith.plan import Plan
from practice.toolsmith.suite import outcomes

__all__ = ["Bench"]


@dataclass
class Bench:
    """Implementations x cases. ``table[i][c]``: what case ``c`` comes to with implementation ``i``."""

    plan: Plan
    engine: Engine
    limits: SandboxLimits
    sources: list[str] = field(default_factory=list[str])
    voters: list[int] = field(default_factory=list[int])
    """Implementations that were written without knowledge of a case, one that was written twice stands twice;
    repaired ones have no vote."""
    cases: list[Case] = field(default_factory=list[Case])
    table: list[list[Outcome]] = field(default_factory=list[list[Outcome]])

    async def add_source(self, source: str, *, votes: bool = False) -> int:
        """Run an implementation on all cases; its index. One that is there already is not added again."""
        if source not in self.sources:
            self.sources.append(source)
            self.table.append(await self.run(source, self.cases))
        index = self.sources.index(source)
        if votes:
            self.voters.append(index)
        return index

    async def add_cases(self, cases: Sequence[Case]) -> list[int]:
        """Run all implementations on further cases; the indices of those that are new."""
        known = {case.identity for case in self.cases}
        new = [case for case in cases if case.identity not in known]
        for row, source in zip(self.table, self.sources, strict=True):
            row += await self.run(source, new)
        self.cases += new
        return list(range(len(self.cases) - len(new), len(self.cases)))

    async def run(self, source: str, cases: Sequence[Case], limits: SandboxLimits | None = None) -> list[Outcome]:
        """What the cases come to with a source that is not added."""
        if not cases:
            return []
        return await outcomes(source, self.plan, cases, self.engine, limits=limits or self.limits)

    def votes(self, case: int, outcome: Outcome) -> int:
        """How many independent implementations come to ``outcome``."""
        return sum(same_outcome(self.table[voter][case], outcome) for voter in self.voters)

    def disputed(self) -> bool:
        """Whether an implementation and a case, or two implementations, differ on anything."""
        return len(self.voters) < 2 or not all(
            self.holds(voter, case) for voter in self.voters for case in range(len(self.cases))
        )

    def holds(self, source: int, case: int) -> bool:
        """Whether an implementation gives what the case expects."""
        return same_outcome(self.table[source][case], self.cases[case].expected)

    def best(self) -> int:
        """The one that gives what the wish says, then what cases and most others say; the first of equals."""

        def worth(source: int) -> tuple[int, int]:
            row = self.table[source]
            fixed = sum(self.holds(source, c) for c, case in enumerate(self.cases) if case.fixed)
            stated = sum(self.holds(source, c) for c in range(len(self.cases)))
            return fixed, stated + sum(self.votes(c, outcome) >= 2 for c, outcome in enumerate(row))

        return max(range(len(self.sources)), key=lambda source: (*worth(source), -source))
