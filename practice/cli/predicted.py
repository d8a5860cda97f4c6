"""What a sample says of a run, and what came of it, in words."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from practice.document import Document
    from practice.prediction import Foretold, Prediction


def prediction_rows(prediction: Prediction, document: Document) -> list[tuple[str, str]]:
    """(Name, text) of what was sampled, what that cost and what it says; ``document`` is the sample's own."""
    from practice.cli.panel import cost_line

    rows = [
        ("sample", f"{document.run_id}: {prediction.tasks} tasks, {prediction.attempts} attempts"),
        ("the sample took", cost_line(document.usage)),
    ]
    for name in ("calls", "tokens", "usd", "seconds"):
        said = getattr(prediction, name)
        if said is None:
            rows.append((f"predicted {name}", "price unknown"))
            continue
        middle, low, high, worst = (amount(name, value) for value in (said.middle, said.low, said.high, said.worst))
        rows.append((f"predicted {name}", f"{middle} [{low}, {high}], at worst {worst}"))
    return rows


def foretold_text(found: Foretold) -> str:
    """What the sample had said, and how far off it was: a line a figure, then what the sample took."""
    lines = [
        f"{one.figure}: {amount(one.figure, one.predicted)} [{amount(one.figure, one.low)}, "
        f"{amount(one.figure, one.high)}] said, {amount(one.figure, one.actual)} came"
        + ("" if one.error is None else f" ({one.error:+.0%})")
        + ("" if one.inside else ", outside the interval")
        for one in found.figures
    ]
    tokens = found.sampled.input_tokens + found.sampled.output_tokens
    took = f"{found.sampled.calls:,} calls, {tokens:,} tokens"
    lines.append(f"by {found.tasks} tasks tried before ({found.sample}), which took {took} besides")
    return "\n".join(lines)


def amount(name: str, value: float) -> str:
    """A predicted figure: usd with four places, seconds as a time, counts as they are."""
    if name == "usd":
        return f"{value:.4f}"
    return str(timedelta(seconds=round(value))) if name == "seconds" else f"{value:,.0f}"
