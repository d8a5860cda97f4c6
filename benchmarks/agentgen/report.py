"""What a run of the benchmark came to: one row a description, figures with intervals, Markdown and JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import mean

from benchmarks.agentgen.described import FAMILIES, Family
from practice.stats import wilson
from practice.types import Usage, Value

__all__ = ["FIGURES", "Figure", "Report", "Row", "Task", "markdown", "read_rows", "report"]


class Task(Value):
    """One task of the new agent."""

    input: str
    passed: bool | None
    """None: unscored, an infrastructure failure."""
    reason: str
    """What the answer lacked; "" where it passed."""
    output: str
    called: tuple[str, ...]
    """The tools that it called, in order."""


class Row(Value):
    """One description."""

    id: str
    family: Family
    model: str
    mode: str
    status: str
    """``made``, or how ``practice agent new`` ended: its error, or that it took too long."""
    valid: bool
    """An agent file is there and loads: the schema holds, every tool that it names is found and trusted."""
    runs: bool
    """The implied tool gives a value in every hidden call."""
    executable: bool
    """It gives what the description asks for in every hidden call."""
    tool: str
    """Which tool that is; "" where none is executable."""
    tools: dict[str, str]
    """All that the agent has: reference -> ``made``, ``existing`` or ``fallback``."""
    reasons: tuple[str, ...]
    """Why a figure is not met, one line each."""
    tasks: tuple[Task, ...]
    retries: int
    """Repairs of tools, and calls that were repeated because their answer could not be used."""
    making: Usage
    """Model calls of ``practice agent new``."""
    using: Usage
    """Model calls of the tasks."""
    seconds: float
    """Wall clock of it all."""

    @property
    def completed(self) -> bool | None:
        """All tasks pass. None: what was scored passed, but a task is unscored."""
        marks = [task.passed for task in self.tasks]
        if False in marks or not marks:
            return False
        return None if None in marks else True


FIGURES: dict[str, tuple[str, Callable[[Row], bool | None]]] = {
    "valid": ("config valid", lambda row: row.valid),
    "runs": ("tool runs", lambda row: row.runs),
    "executable": ("tool executable", lambda row: row.executable),
    "completed": ("task completed", lambda row: row.completed),
}
"""Name -> (title, what a row says). *Runs* is the weaker form of *executable*: values, whatever they are."""


class Figure(Value):
    """One share with Wilson's 95 % interval."""

    passed: int
    n: int
    """Descriptions with a word on it."""
    share: float
    low: float
    high: float

    @classmethod
    def of(cls, marks: Iterable[bool | None]) -> Figure | None:
        """None where nothing has a word."""
        scored = [mark for mark in marks if mark is not None]
        if not scored:
            return None
        low, high = wilson(sum(scored), len(scored))
        return cls(passed=sum(scored), n=len(scored), share=sum(scored) / len(scored), low=low, high=high)

    def __str__(self) -> str:
        return f"{self.passed}/{self.n} = {self.share:.1%} [{self.low:.0%}, {self.high:.0%}]"


class Line(Value):
    """One family, or all of them."""

    name: str
    n: int
    figures: dict[str, Figure | None]
    generated: int
    """Agents with a tool that was written for them."""
    existing: int
    """Descriptions whose executable tool was there before."""
    retries: float
    """Mean, as all that follow."""
    calls: float
    input_tokens: float
    output_tokens: float
    seconds: float


class Report(Value):
    """The whole run, so far."""

    model: str
    mode: str
    asked: int
    """Descriptions that the run was asked for."""
    lines: tuple[Line, ...]
    """Families, then ``all``."""
    tasks: Figure | None
    """Single tasks, whatever description they belong to."""
    unscored: int
    """Single tasks without a score."""


def report(rows: Sequence[Row], asked: int) -> Report:
    """Figures by family and in all. Raises ValueError without rows, or with rows of several models or modes."""
    kinds = {(row.model, row.mode) for row in rows}
    if len(kinds) != 1:
        raise ValueError(f"rows of one model and mode, not of {sorted(kinds)}")
    ((model, mode),) = kinds
    lines = [_line(family, [row for row in rows if row.family == family]) for family in FAMILIES]
    marks = [task.passed for row in rows for task in row.tasks]
    return Report(
        model=model,
        mode=mode,
        asked=asked,
        lines=(*(line for line in lines if line.n), _line("all", rows)),
        tasks=Figure.of(marks),
        unscored=marks.count(None),
    )


def markdown(whole: Report) -> str:
    """The report as a table."""
    titles = [title for title, _ in FIGURES.values()]
    head = ["family", "n", *titles, "generated", "existing", "retries", "calls", "tokens in", "tokens out", "seconds"]
    done = whole.lines[-1].n
    text = [
        f"`{whole.model}`, mode {whole.mode}: {done} of {whole.asked} descriptions. Passed/n, share and Wilson's 95 % "
        "interval; the last five columns are means a description.",
        "",
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
    ]
    for line in whole.lines:
        cells = [line.name, str(line.n), *(str(line.figures[name] or "none scored") for name in FIGURES)]
        cells += [str(line.generated), str(line.existing), f"{line.retries:.1f}", f"{line.calls:.1f}"]
        cells += [f"{line.input_tokens:,.0f}", f"{line.output_tokens:,.0f}", f"{line.seconds:.0f}"]
        text.append(f"| {' | '.join(cells)} |")
    text += ["", f"Single tasks: {whole.tasks or 'none scored'}; {whole.unscored} unscored.", ""]
    return "\n".join(text)


def read_rows(path: Path) -> tuple[Row, ...]:
    """The rows that are there; a last line that was cut by a kill is left out, and so made again."""
    rows: list[Row] = []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    for line in lines:
        if line.endswith("\n"):
            rows.append(Row.model_validate_json(line))
    return tuple(rows)


def _line(name: str, rows: Sequence[Row]) -> Line:
    def average(values: Iterable[float]) -> float:
        return mean(values) if rows else 0.0

    spent = [row.making + row.using for row in rows]
    return Line(
        name=name,
        n=len(rows),
        figures={key: Figure.of(said(row) for row in rows) for key, (_, said) in FIGURES.items()},
        generated=sum("made" in row.tools.values() for row in rows),
        existing=sum(row.tools.get(row.tool) == "existing" for row in rows),
        retries=average(row.retries for row in rows),
        calls=average(usage.calls for usage in spent),
        input_tokens=average(usage.input_tokens for usage in spent),
        output_tokens=average(usage.output_tokens for usage in spent),
        seconds=average(row.seconds for row in rows),
    )
