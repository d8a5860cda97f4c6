"""What the order of a prompt is worth: one practice run, once as the program asks and once with the shared part last.

    python benchmarks/prefix.py [--model llamacpp/qwen2.5-coder-0.5b] [--tasks 12] [--slots 8]

In the second run every request says the same with the first system message and the first user's message exchanged:
the task comes first, instructions and memory last, and no two tasks' prompts begin alike. All else is the same (tasks,
seeds, settings, tokens), and each run has a server of its own that has seen nothing before. A run is G = 5 attempts at
each task and what the teacher is asked after them. Reported for all calls and for the attempts alone:

    from cache      the share of the prompt tokens that the server did not compute, by its own count
    prompt tokens   a second that the server spent on prompts, summed over its slots, by its own clock
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from practice import local
from practice.config import ModelSpec, Workspace, write_yaml
from practice.engine import Options
from practice.errors import RunError
from practice.memory import Bank
from practice.model import Secrets
from practice.model.openai_model import OpenAIModel
from practice.model.wire import fields
from practice.runner import run
from practice.types import Experience, Task

GROUP_SIZE = 5
INSTRUCTIONS = """\
You solve word problems about a warehouse. Read the problem twice before you write anything. Write down which
quantities it names, each with its unit, and which of them the question asks for. Leave out what the question does not
need: some problems name quantities that play no part. Work in steps, one operation a step, and write each step as an
equation on a line of its own. When goods arrive you add them; when goods leave, break or are given away you subtract
them; when the same number comes several times you multiply; when goods are shared out evenly you divide and say what
is left over. Keep whole numbers whole. Check the last step by putting its result back into the problem: a stock can't
be negative, and no more can leave than was there. Do not explain what you are going to do, do it. End with a line
`Answer: <number>` and write nothing after it, no unit and no full stop.
"""
LESSONS = (
    "When crates arrive on several days, add the days up before anything leaves the warehouse.",
    "When a problem names a price beside the quantities, ignore it unless the question is about money.",
    "When something happens to each crate, multiply by the number of crates and not by the number of days.",
    "When a share is given as a half or a third, divide first and subtract the result from the stock.",
    "When the question asks how many are left, subtract everything that left, broken goods included.",
    "When two warehouses are compared, work out both stocks in full before you take the difference.",
    "When goods are returned, add them to the stock on the day on which they came back.",
    "When a number is written as a word, write it in digits in the first step.",
    "When a truck makes several trips, multiply its load by the trips before you add other loads.",
    "When the result is larger than all that ever arrived, look for a subtraction that was left out.",
    "When goods are packed in boxes, give the number of full boxes and not the fraction.",
    "When the last line holds more than one number, rewrite it so that the answer stands alone.",
)


@dataclass
class Count:
    """What the server said of some calls."""

    calls: int = 0
    tokens: int = 0
    """Of prompts."""
    cached: int = 0
    seconds: float = 0.0
    """On prompts."""

    @property
    def share(self) -> float:
        """Of the prompt tokens: those from the cache."""
        return self.cached / self.tokens if self.tokens else 0.0

    @property
    def throughput(self) -> float:
        """Prompt tokens a second of prompt work, those from the cache included."""
        return self.tokens / self.seconds if self.seconds else 0.0


@dataclass
class Seen:
    """One run, by stage."""

    by_stage: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    wall: float = 0.0

    @property
    def all(self) -> Count:
        """Over all stages."""
        counts = self.by_stage.values()
        return Count(*(sum(getattr(count, name) for count in counts) for name in Count.__dataclass_fields__))


class Watched(OpenAIModel):
    """Keeps what the server says of its prompts; ``last``: exchanges the shared part and the task."""

    def __init__(self, served: local.Endpoint, seen: Seen, *, last: bool) -> None:
        super().__init__(
            f"openai/{served.model}",
            wire_name=served.model,
            api_base=served.api_base,
            api_key=served.api_key,
            params={},
            price=None,
            secrets=Secrets(served.api_key),
        )
        self._seen, self._last = seen, last

    async def _post(self, body: dict[str, Any], headers: Mapping[str, str], limit: float) -> object:
        answer = await super()._post(exchanged(body) if self._last else body, headers, limit)
        usage, timings = fields(fields(answer).get("usage")), fields(fields(answer).get("timings"))
        if usage:
            if "prompt_ms" not in timings:
                raise RunError("this server says nothing of the time it takes (timings.prompt_ms)")
            count = self._seen.by_stage[headers["X-Practice-Stage"]]
            count.calls += 1
            count.tokens += int(usage["prompt_tokens"])
            count.cached += int(fields(usage.get("prompt_tokens_details")).get("cached_tokens") or 0)
            count.seconds += float(timings["prompt_ms"]) / 1000
        return answer


def exchanged(body: dict[str, Any]) -> dict[str, Any]:
    """The body with what its system message and its first user's message say exchanged: same tokens, other order."""
    messages: list[dict[str, Any]] = list(body["messages"])
    if [message["role"] for message in messages[:2]] == ["system", "user"]:
        system, user = (message["content"] for message in messages[:2])
        messages[:2] = [{"role": "system", "content": user}, {"role": "user", "content": system}]
    return {**body, "messages": messages}


def problems(n: int, seed: int = 0) -> list[Task]:
    """``n`` word problems, each unlike the others from its first words on."""
    draw = random.Random(seed)
    found: list[Task] = []
    for place in range(n):
        goods = draw.choice(["apples", "bolts", "candles", "drums", "engines", "flags", "globes", "hoses"])
        town = draw.choice(["Aden", "Bergen", "Cork", "Delft", "Essen", "Faro", "Gouda", "Hilo"])
        start, came, times, left = (draw.randint(*bounds) for bounds in ((40, 400), (5, 60), (2, 6), (10, 90)))
        text = (
            f"{goods.capitalize()} are kept in {town}, warehouse {place + 1}. There were {start}. On each of {times} "
            f"days {came} more arrived, and on the last day {left} left. How many {goods} are there now?"
        )
        found.append(Task(id=f"stock-{place}", input=text, answer=str(start + came * times - left)))
    return found


async def arm(folder: Path, served: local.Endpoint, tasks: int, *, last: bool) -> Seen:
    """One practice run in an empty ``folder`` on a server that has seen nothing."""
    for name in ("tasks", "agents", "memory"):
        (folder / name).mkdir(parents=True)
    rows = (task.model_dump_json(include={"id", "input", "answer"}) + "\n" for task in problems(tasks))
    (folder / "tasks/practice.jsonl").write_text("".join(rows))
    agent = {
        "name": "stock",
        "model": {"name": "llamacpp/served", "concurrency": served.slots},
        "instructions": INSTRUCTIONS,
        "limits": {"tokens": 160},
        "strategy": {"kind": "direct"},
    }
    write_yaml(folder / "agents/stock.yaml", agent)
    lessons = tuple(Experience(id=f"e{place + 1}", text=text) for place, text in enumerate(LESSONS))
    write_yaml(folder / "memory/prefix.yaml", Bank(bank="prefix", revision=1, experiences=lessons).to_yaml())
    settings = {
        "name": "prefix",
        "agent": "agents/stock.yaml",
        "tasks": {"practice": "tasks/practice.jsonl"},
        "reward": "number",
        "rollouts": {"group_size": GROUP_SIZE, "concurrency": served.slots},
        "practice": {"epochs": 1, "batch_size": tasks},
        "accept": "always",
    }
    write_yaml(folder / "practice.yaml", settings)
    seen = Seen()

    def connected(_: ModelSpec) -> Watched:
        return Watched(served, seen, last=last)

    begun = time.perf_counter()
    document = await run(workspace=Workspace(folder), options=Options(connect=connected))
    seen.wall = time.perf_counter() - begun
    if document.status != "done":
        raise RunError(f"the run ended as {document.status}")
    return seen


def table(first: Seen, last: Seen) -> str:
    """Both runs, side by side."""
    lines = [f"{'':28}{'shared part first':>20}{'shared part last':>20}{'ratio':>8}"]

    def line(name: str, one: float, two: float, form: str = ",.0f", ratio: bool = False) -> None:
        times = f"{one / two:8.2f}" if ratio and two else ""
        lines.append(f"{name:28}{one:>20{form}}{two:>20{form}}{times}")

    for what, one, two in (
        ("all calls", first.all, last.all),
        ("attempts", first.by_stage["rollout"], last.by_stage["rollout"]),
    ):
        line(what, one.calls, two.calls)
        line("  prompt tokens", one.tokens, two.tokens)
        line("  from cache", one.share, two.share, ".1%")
        line("  prompt tokens a second", one.throughput, two.throughput, ratio=True)
    line("seconds in all", first.wall, last.wall)
    return "\n".join(lines)


async def compare(model: str, tasks: int, slots: int | None) -> str:
    """Both runs, one after the other."""
    seen: list[Seen] = []
    for last in (False, True):
        with tempfile.TemporaryDirectory() as name:
            async with local.serve(model, slots=slots) as served:
                seen.append(await arm(Path(name), served, tasks, last=last))
    return table(*seen)


def main() -> None:
    """Run both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="llamacpp/qwen2.5-coder-0.5b")
    parser.add_argument("--tasks", type=int, default=12)
    parser.add_argument("--slots", type=int, default=None, help="requests at once; by default the model's")
    options = parser.parse_args()
    try:
        print(asyncio.run(compare(options.model, options.tasks, options.slots)))
    except RunError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
