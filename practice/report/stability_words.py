"""What the figures of a stability report mean, in plain words, and how each is written. Pure functions and tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from practice.report import words

if TYPE_CHECKING:
    from practice.stability import StabilityReport
    from practice.stability.result import Figure, VerdictName

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

AXES: Mapping[str, str] = {
    "model": "model",
    "temperature": "temperature",
    "seed": "seed",
    "prompt": "wording",
    "rubric": "rubric",
    "option_order": "option order",
    "rollout_order": "rollout order",
    "blind": "blind",
    "all": "every pair",
}

ONLY: Mapping[str, str] = {
    "model": "another model judges",
    "temperature": "another sampling temperature",
    "seed": "the same judge, drawn again with another seed",
    "prompt": "the same question in other words",
    "rubric": "the same criteria in other words",
    "option_order": "the rubric's options in another order",
    "rollout_order": "the rollouts shown in another order",
    "blind": "the name and the effort of the judged model hidden or shown",
    "all": "any two evaluators, whatever they differ in",
}

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
        "comparable cells",
        "cells in which both sides tell rollouts apart; tau_b stands on these",
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

SIGNAL = "rollout_in_group"
"""The component that is worth: what rollouts of one query differ in, whoever judges."""

COMPONENTS: Mapping[str, str] = {
    SIGNAL: "the rollouts differ",
    "rollout_x_prompt": "wordings prefer other rollouts",
    "rollout_x_model": "models prefer other rollouts",
    "rollout_x_rubric": "rubrics prefer other rollouts",
    "rollout_x_seed": "chance",
    "rollout_x_prompt_x_seed": "chance",
    "prompt": "wordings are milder or stricter",
    "model": "models are milder or stricter",
    "rubric": "rubrics are milder or stricter",
    "seed": "chance, alike for all rollouts",
    "prompt_x_seed": "a wording's mood of the day",
    "residual": "chance",
}

BIASES: Mapping[str, tuple[str, str, Kind]] = {
    "position": ("Position", "does the place of a rollout decide?", "share"),
    "option_order": ("Option order", "does the order of the rubric's options decide?", "number"),
    "length": (
        "Length",
        "do longer answers score higher? tau_b of score and words within a group; unbiased is 0",
        "number",
    ),
    "blind": ("Labels", "does it matter that the judge sees who answered?", "number"),
    "self_family": ("Own family", "does a judge favour models of its own family?", "number"),
    "cycles": ("Circles", "A over B, B over C, C over A: triads without a winner, of all triads", "share"),
    "threshold": ("Pass mark", "rollouts that two evaluators put on different sides of it", "share"),
}

PARTS: Mapping[str, str] = {
    "consistency": "same winner after the swap; unbiased is 100 %",
    "first_slot": "decided duels won by the first; unbiased is 50 %",
    "all": "all evaluators",
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


def bias_kind(bias: str, part: str) -> Kind:
    """How a figure of a bias is written; shares by nature are shares wherever they stand."""
    return "share" if part in ("consistency", "first_slot") else BIASES[bias][2]


def bias_rows(report: StabilityReport) -> list[tuple[str, str, list[tuple[str, Figure, Kind]]]]:
    """(name, question, figures) of every bias that the design shows; a figure is (what, figure, how it is written)."""
    rows: list[tuple[str, str, list[tuple[str, Figure, Kind]]]] = []
    for key, (title, question, _) in BIASES.items():
        found: Mapping[str, Figure] | Figure | None = getattr(report.bias, key)
        if not found:
            continue
        figures = found.items() if isinstance(found, Mapping) else [("all", found)]
        rows.append((title, question, [(PARTS.get(part, part), item, bias_kind(key, part)) for part, item in figures]))
    return rows
