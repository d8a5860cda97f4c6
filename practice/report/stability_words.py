"""What the figures of a stability report mean, in plain words, and how each is written. Pure functions and tables."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from practice.report import words
from practice.stability.verdict import NOUNS

if TYPE_CHECKING:
    from practice.stability import StabilityReport
    from practice.stability.result import Figure, Panel, VerdictName

DASH = "–"
"""Stands where a figure is not defined or was not measured."""

Kind = Literal["number", "share"]


@dataclass(frozen=True)
class Measure:
    """A figure's name in the document, its name and its meaning for a reader, and how it is written."""

    key: str
    name: str
    meaning: str
    kind: Kind = "number"


VERDICTS: Mapping[VerdictName, str] = {
    "STABLE": "Which rollout wins hardly depends on who judges.",
    "CAUTION": "Which rollout wins depends in part on who judges.",
    "NOISE-DRIVEN": "Which rollout wins depends on who judges: lessons drawn from these verdicts would be noise.",
    "INSUFFICIENT": "There is too little to go by: these figures do not say whether the judges can be trusted.",
}

AXES: Mapping[str, str] = {**NOUNS, "blind": "blind", "all": "every pair"}

MEASURES: tuple[Measure, ...] = (
    Measure(
        "tau_b", "rank agreement, tau_b", "1: the same order, 0: unrelated, −1: upside down; where both sides order"
    ),
    Measure(
        "strict_flip",
        "reversed pairs",
        "of the pairs that both sides order, those ordered the other way round",
        "share",
    ),
    Measure("top_disjoint", "another winner", "groups in which the two sides share no best rollout", "share"),
    Measure(
        "best_worst_reversal", "best becomes worst", "groups in which one side's best is the other's worst", "share"
    ),
    Measure("soft_change", "changed pairs", "pairs reversed, or tied by one side and not by the other", "share"),
    Measure("acc_eq", "same relation", "pairs that both sides order alike or both tie", "share"),
    Measure("gamma", "gamma", "rank agreement on the pairs that both sides order"),
    Measure("spearman", "Spearman's rho", "correlation of the ranks"),
    Measure(
        "defined_share",
        "comparable groups",
        "groups in which both sides tell rollouts apart; tau_b stands on these",
        "share",
    ),
    Measure("tau_b_undefined_as_zero", "tau_b, else 0", "rank agreement with 0 where a side sees no difference"),
)

TIES: tuple[Measure, ...] = (
    Measure("all_tied", "both sides see no difference", "they agree that the group holds no signal", "share"),
    Measure("one_sided", "one side sees no difference", "the other's order is a tie-break", "share"),
    Measure("pair_tied", "tied pairs", "pairs of rollouts that at least one side ties", "share"),
)

VALIDITY: tuple[Measure, ...] = (
    Measure("auroc", "right above wrong", "how often a right rollout scores above a wrong one (AUROC; 0.5 is chance)"),
    Measure("tpr", "right called right", "right rollouts that pass", "share"),
    Measure("fpr", "wrong called right", "wrong rollouts that pass", "share"),
    Measure(
        "spurious_signal",
        "invented difference",
        "groups that are all alike in truth and that the judge separates",
        "share",
    ),
    Measure(
        "missed_signal",
        "missed difference",
        "groups that differ in truth and that the judge does not separate",
        "share",
    ),
    Measure(
        "recovery",
        "what choosing is worth",
        "gain of the judge's best over a random rollout; 1 is that of the truly best",
    ),
)

AGREEMENT: Mapping[str, str] = {
    "kendall_w": "Kendall's W",
    "alpha_nominal": "Krippendorff's alpha, nominal",
    "alpha_ordinal": "Krippendorff's alpha, ordinal",
    "alpha_interval": "Krippendorff's alpha, interval",
    "fleiss_kappa": "Fleiss' kappa",
    "icc_11": "ICC(1,1)",
    "icc_1": "ICC(1,1)",
    "icc_a1": "ICC(A,1)",
    "icc_c1": "ICC(C,1)",
    "somers_d": "Somers' D",
}

SINGULARS: Mapping[str, str] = {**NOUNS, "all": "every pair"}

SIGNAL = "rollout_in_group"
"""The component that is worth: what rollouts of one query differ in, whoever judges."""
CHANCE = "seed"
"""What a call differs by when nothing but its seed changes."""

PLURALS: Mapping[str, str] = {
    "prompt": "wordings",
    "model": "models",
    "temperature": "temperatures",
    "seed": "seeds",
    "rubric": "rubrics",
    "option_order": "option orders",
    "rollout_order": "rollout orders",
    "blind": "ways of blinding",
    "evaluator": "evaluators",
}


@dataclass(frozen=True)
class Question:
    """What is asked of one kind of bias, how its figures are written, and what those are of that no data names."""

    name: str
    question: str
    kind: Kind
    parts: Mapping[str, str]
    unbiased: Mapping[str, float] = field(default_factory=dict[str, float])
    """What an unbiased judge shows, by part; ``""`` is any other, and 0 where nothing is said."""

    def distance(self, part: str, found: Figure) -> float:
        """How far a figure lies from what an unbiased judge shows; -1 where it is not defined."""
        expected = self.unbiased.get(part.partition(":")[0], self.unbiased.get("", 0.0))
        return -1.0 if found.value is None else abs(found.value - expected)


BIASES: Mapping[str, Question] = {
    "position": Question(
        "Position",
        "Does the place of a rollout decide? From pairs that were judged in both orders.",
        "share",
        {
            "consistency": "same answer after the swap; unbiased is close to 100 %",
            "first_slot": "decided comparisons won by the first; unbiased is 50 %",
        },
        {"consistency": 1.0, "first_slot": 0.5},
    ),
    "option_order": Question(
        "Option order",
        "Score with the rubric's options in this order, less that in the others; unbiased is 0.",
        "number",
        {},
    ),
    "length": Question(
        "Length",
        "Do longer answers score higher? tau_b of score and words; unbiased is what truth shows, else 0.",
        "number",
        {"all": "all evaluators", "truth": "truth itself"},
    ),
    "blind": Question(
        "Labels",
        "Score where the maker is named, less that where it is hidden; unbiased is 0.",
        "number",
        {"shift": "all rollouts"},
    ),
    "self_family": Question(
        "Own family",
        "How much more often its judges prefer its own rollouts than others do; unbiased is 0.",
        "share",
        {},
    ),
    "polarity": Question(
        "Polarity",
        "Does one judge upside down? tau_b with the others, or with truth; below 0 is inverted.",
        "number",
        {},
        {"": 1.0},
    ),
    "family": Question(
        "Standing apart",
        "How much more the others agree with each other than with it, in tau_b; unbiased is about 0.",
        "number",
        {},
    ),
    "cycles": Question(
        "Circles",
        "A over B, B over C, C over A: of all triads; a coin shows 25 %.",
        "share",
        {"all": "all evaluators"},
    ),
    "threshold": Question(
        "Pass mark",
        "Rollouts that two evaluators put on different sides of it; unbiased is 0.",
        "share",
        {**AXES, "truth": "verdicts on the wrong side, by the truth"},
    ),
}


def plain(key: str) -> str:
    """A key without a name of its own, as words: ``rollout_x_tool`` -> ``rollout x tool``."""
    return key.replace("_", " ")


def name(names: Mapping[str, str], key: str) -> str:
    """The name of a key, or the key as words."""
    return names.get(key, plain(key))


def defined(value: float | None) -> bool:
    """Whether there is a number at all: neither None nor NaN."""
    return value is not None and math.isfinite(value)


def number(value: float | None, kind: Kind = "number") -> str:
    """0.4632 -> ``0.46``, or as a share ``46.3 %``; a dash where it is not defined."""
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{100 * value:.1f}" if kind == "share" else f"{value:.2f}"
    text = (text.removeprefix("-") if float(text) == 0 else text).replace("-", words.MINUS)
    return f"{text}{words.SPACE}%" if kind == "share" else text


def short(value: float) -> str:
    """A coefficient in a narrow cell: ``.46``, ``−.12``, ``1``."""
    text = number(value)
    return {"1.00": "1", f"{words.MINUS}1.00": f"{words.MINUS}1"}.get(text, text.replace("0.", ".", 1))


def middle(text: str, limit: int) -> str:
    """``text``, or its two ends with a mark between: names of evaluators often differ at their ends alone."""
    return text if len(text) <= limit else f"{text[: limit // 3]}…{text[len(text) - (limit - limit // 3 - 1) :]}"


def interval(ci: tuple[float, float] | None, kind: Kind = "number") -> str:
    """``0.43 to 0.49``, ``12.1 to 18.0 %``; empty where there is none."""
    if ci is None or not (defined(ci[0]) and defined(ci[1])):
        return ""
    low = number(ci[0], kind).removesuffix(f"{words.SPACE}%")
    return f"{low} to {number(ci[1], kind)}"


def figure(found: Figure, kind: Kind = "number") -> str:
    """A figure with its interval, in one line."""
    between = interval(found.ci, kind)
    return f"{number(found.value, kind)} ({between})" if between else number(found.value, kind)


def corrected(p: float | None) -> str:
    """``0.013``, ``< 0.001``, a dash."""
    return DASH if p is None or not math.isfinite(p) else words.p_value(p).removeprefix("p ").removeprefix("= ")


def component(key: str, keys: Collection[str]) -> str:
    """A variance component in words; ``keys`` are all of the design: without seeds chance hides in the last of them."""
    if key == SIGNAL:
        return "the rollouts differ"
    if key == CHANCE:
        return "chance: the same call with another seed"
    facets = key.removesuffix("_in_group").split("_x_")
    who = " and ".join(PLURALS.get(facet, plain(facet)) for facet in facets if facet != "rollout")
    if harmless(key):
        return f"{who}: milder or stricter with all alike"
    most = max(len(other.split("_x_")) for other in keys)
    return f"{who} prefer other rollouts{', or chance' if CHANCE not in keys and len(facets) == most else ''}"


def harmless(key: str) -> bool:
    """Whether a component is added to all rollouts of a query alike, so that it changes no order."""
    return key not in (SIGNAL, CHANCE) and not key.startswith("rollout_x_")


def ways(panels: Iterable[Panel]) -> str:
    """What panels differ in besides the seed: ``wordings``, ``models``; ``ways of judging`` where it is several."""
    axes = {axis for panel in panels for axis in panel.levels if axis != CHANCE}
    return "wordings" if not axes else PLURALS.get(axes.pop(), "ways") if len(axes) == 1 else "ways of judging"


def panel(found: Panel) -> str:
    """``3 wordings x 1 seed, 3 calls a rollout: 0.82``."""
    levels = found.levels or {"prompt": found.prompts, CHANCE: found.seeds}
    parts = [f"{n:,} {name(SINGULARS if n == 1 else PLURALS, axis)}" for axis, n in levels.items()]
    calls = words.count(found.calls, "call")
    return f"{' x '.join(parts) or 'one evaluator'}, {calls} a rollout: {number(found.reliability)}"


@dataclass(frozen=True)
class BiasRow:
    """One bias and its figures, each with what it is of; those over all evaluators first."""

    name: str
    question: str
    kind: Kind
    figures: tuple[tuple[str, Figure], ...]


def bias_rows(report: StabilityReport) -> list[BiasRow]:
    """Every bias that the design shows; of many evaluators those that show it the most come first."""
    rows: list[BiasRow] = []
    for key, asked in BIASES.items():
        found: Mapping[str, Figure] | Figure | None = getattr(report.bias, key)
        figures = dict(found) if isinstance(found, Mapping) else {"all": found} if found else {}
        known = [part for part in figures if part in asked.parts]
        others = [part for part in figures if part not in asked.parts]
        others.sort(key=lambda part: -asked.distance(part, figures[part]))
        shown = tuple((_part(asked.parts, part), figures[part]) for part in (*known, *others))
        if shown:
            rows.append(BiasRow(asked.name, asked.question, asked.kind, shown))
    return rows


def _part(parts: Mapping[str, str], key: str) -> str:
    """What a figure is of: ``first_slot:judge 2`` -> ``judge 2, decided comparisons …``; a name as it is."""
    kind, colon, whose = key.partition(":")
    return f"{whose}, {parts[kind]}" if colon and kind in parts else parts.get(key, key)
