"""What the report says of a judged holdout: its pairs, the sentence, who judged, and what length did to it."""

from __future__ import annotations

from collections.abc import Mapping

from practice.judged import CAVEAT, Judged
from practice.memory import Bank
from practice.records import Scored
from practice.report import words
from practice.report.rows import rows
from practice.stats import LengthFit
from practice.store import Database
from practice.types import Delta, Estimate

__all__ = ["length_rows", "outcomes", "say", "who"]

_LEAD = CAVEAT[0].upper() + CAVEAT[1:]


def outcomes(db: Database, run: str, one: Bank, two: Bank) -> Mapping[tuple[str, int], float]:
    """(task, attempt) -> how ``two``'s attempt came out against ``one``'s; pairs without an outcome are not kept."""
    tag = f"@bank:{one.digest()}~bank:{two.digest()}"
    query = "SELECT id, data FROM scores WHERE run = ? AND id LIKE 'holdout/pair/%' AND substr(id, -length(?)) = ?"
    found: dict[tuple[str, int], float] = {}
    for id_, data in rows(db, query, run, tag, tag):
        task, attempt = str(id_).removesuffix(tag).removeprefix("holdout/pair/").rsplit("/", 1)
        won = Scored.model_validate_json(data).rewards[1]
        if won is not None:
            found[task, int(attempt)] = won
    return found


def say(before: Estimate, after: Estimate | None, delta: Delta | None) -> tuple[str, str]:
    """Headline and sentence of a judged run."""
    n = words.count(before.n, "holdout task")
    if delta is None or after is None or after.mean is None:
        return "Not measured", f"{_LEAD}: no pair of attempts has a verdict, so before and after can't be compared."
    if delta.test == "unchanged bank":
        return "Unchanged", (
            f"No change of the memory was accepted, so the agent is what it was, and its judges had nothing to compare "
            f"on {n}."
        )
    text = (
        f"{_LEAD}: on {n} the attempts with what was learnt were preferred in {words.percent(after.mean)} of the "
        f"pairs, those without in {words.percent(before.mean)}, ties counting half for each: a net preference of "
        f"{words.points(delta.mean)} points ({words.change(delta)})."
    )
    if delta.ci[0] > 0:
        return "Better", text
    return ("Worse", text) if delta.ci[1] < 0 else ("No difference shown", f"{text} The interval holds 0.")


def who(found: Judged) -> list[str]:
    """Who judged, and what speaks against trusting it."""
    name, many = ", ".join(found.by), len(found.by) > 1
    text = (
        f"The holdout was judged by {name} on {found.model}, which took no part in practice: it saw both attempts of "
    )
    text += "a pair together, in both orders, and not which was which. No answer was checked against truth."
    notes = [text.replace("it saw", "they saw") if many else text]
    if found.shares_model:
        notes.append(
            "The judges of practice run on the same model, so an error of that model can be in the lessons and in this "
            "figure alike: name another one under judge.holdout.model."
        )
    if found.turned is not None:
        share = words.percent(found.turned)
        notes.append(f"{share} of the judge's answers changed with the order of the attempts; these count as ties.")
    return notes


def length_rows(found: Judged) -> list[tuple[str, str]]:
    """What length did to the preference: (what, figure)."""
    length = found.length
    if length is None:
        return []
    lines = [
        ("pairs won, tied, lost", f"{found.won}, {found.tied}, {found.lost}"),
        ("words after over words before", f"{length.ratio:.2f}"),
        ("pairs whose attempt after is longer, shorter", f"{_share(length.longer)}, {_share(length.shorter)}"),
        ("net preference as it is", f"{words.points(length.raw)} points"),
        ("at equal length, by the fit on these pairs", _fitted(length)),
        ("added by a doubling of the length, by that fit", _interval(length.slope, length.slope_ci)),
    ]
    if found.even is not None:
        lines.append(("judged again, brought to equal length", _interval(found.even.mean, found.even.ci)))
    return lines


def _fitted(length: LengthFit) -> str:
    if length.at_equal is None and length.slope is not None:
        return "not to be told: no pair comes near equal length"
    return _interval(length.at_equal, length.at_equal_ci)


def _interval(value: float | None, ci: tuple[float, float] | None) -> str:
    if value is None:
        return "not to be told: lengths do not vary"
    text = f"{words.points(value)} points"
    return text if ci is None else f"{text} ({words.point_span(ci)})"


def _share(value: float) -> str:
    return words.percent(value)
