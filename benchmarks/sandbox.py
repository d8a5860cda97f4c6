"""What running code apart costs: a call in a session that is warm, and a session from nothing to its first answer.

The overhead of a warm call is its wall clock as the program sees it, less what the function itself takes (nothing).
Medians, since a busy machine lengthens the rest; the processor time beside them does not wait for anybody.

    python benchmarks/sandbox.py [--warm 500] [--cold 20] [--engine bwrap|monty|none] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import sys
import time
from dataclasses import asdict, dataclass

from practice.sandbox import Engine, engine

SOURCE = "def same(x):\n    return x\n"


@dataclass(frozen=True)
class Costs:
    """Milliseconds."""

    engine: str
    warm_calls: int
    warm_median: float
    warm_p95: float
    cold_sessions: int
    cold_median: float
    cold_p95: float
    cold_cpu: float
    """Processor time of one cold session, of the program and of what it started."""


async def warm(by: Engine, calls: int) -> list[float]:
    """Seconds of each call of a function that returns its argument."""
    took: list[float] = []
    async with by.session() as session:
        await session.load("bench", SOURCE)
        for number in range(calls + 10):
            started = time.perf_counter()
            ran = await session.call("bench.same", {"x": number})
            took.append(time.perf_counter() - started)
            if ran.value != number:
                raise SystemExit(f"wrong answer: {ran}")
    return took[10:]


async def cold(by: Engine, sessions: int) -> list[float]:
    """Seconds from asking for a session to its first answer."""
    took: list[float] = []
    for _ in range(sessions):
        started = time.perf_counter()
        async with by.session() as session:
            ran = await session.run("1 + 1")
            took.append(time.perf_counter() - started)
        if ran.value != "2":
            raise SystemExit(f"wrong answer: {ran}")
    return took


def cpu() -> float:
    """Processor seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def measure(by: Engine, calls: int, sessions: int) -> Costs:
    """Both, on this machine, now."""
    warmed = asyncio.run(warm(by, calls))
    before = cpu()
    chilled = asyncio.run(cold(by, sessions))
    return Costs(
        engine=by.name,
        warm_calls=calls,
        warm_median=1000 * statistics.median(warmed),
        warm_p95=1000 * statistics.quantiles(warmed, n=20)[-1],
        cold_sessions=sessions,
        cold_median=1000 * statistics.median(chilled),
        cold_p95=1000 * statistics.quantiles(chilled, n=20)[-1],
        cold_cpu=1000 * (cpu() - before) / sessions,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--warm", type=int, default=500)
    parser.add_argument("--cold", type=int, default=20)
    parser.add_argument("--engine", choices=["bwrap", "monty", "none"], default="bwrap")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    by = engine(unsafe=True) if given.engine == "none" else engine(kind=given.engine)
    costs = measure(by, given.warm, given.cold)
    if given.json:
        json.dump(asdict(costs), sys.stdout, indent=2)
        print()
        return
    print(f"engine {costs.engine}")
    print(f"warm call     {costs.warm_median:7.2f} ms median {costs.warm_p95:8.2f} ms p95   ({costs.warm_calls} calls)")
    print(f"cold session  {costs.cold_median:7.1f} ms median {costs.cold_p95:8.1f} ms p95   ({costs.cold_sessions})")
    print(f"              {costs.cold_cpu:7.1f} ms of processor time each")


if __name__ == "__main__":
    main()
