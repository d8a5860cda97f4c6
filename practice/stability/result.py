"""What ``practice judge stability --json`` prints: one frozen document. Every figure has an interval and its n."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from practice.types import Value

__all__ = [
    "Axis",
    "Bias",
    "Component",
    "Consequences",
    "Design",
    "Figure",
    "Panel",
    "Reliability",
    "StabilityReport",
    "Ties",
    "Unstable",
    "Validity",
    "VerdictName",
]

VerdictName = Literal["STABLE", "CAUTION", "NOISE-DRIVEN", "INSUFFICIENT"]


class Figure(Value):
    """One number with its 95 % interval over queries; all None where it is not defined."""

    value: float | None
    ci: tuple[float, float] | None
    n: int
    """Queries that carry it."""


class Design(Value):
    """What was judged by whom."""

    groups: int
    group_size: float
    """Mean rollouts a group."""
    evaluators: tuple[str, ...]
    axes: dict[str, int]
    """Axis -> evaluator pairs that differ in it alone."""
    missing: float
    """Share of cells without a score."""
    mde: float | None
    """The smallest tau_b (over all pairs) that would be told from 0 with probability 0.8."""
    unavailable: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])
    """Axis -> evaluators whose endpoint did not honour it."""
    indicative: bool = False
    """Under 15 groups: the figures are indications."""


class Axis(Value):
    """Rank agreement of evaluators that differ in one axis alone (or, in the row ``all``, of every pair)."""

    tau_b: Figure
    spearman: Figure
    defined_share: Figure
    tau_b_undefined_as_zero: Figure
    gamma: Figure
    strict_flip: Figure
    soft_change: Figure
    acc_eq: Figure
    top_disjoint: Figure
    best_worst_reversal: Figure
    pairs: int
    """Evaluator pairs in this row."""
    tau_b_null: float | None = None
    """The 97.5 % quantile of tau_b where scores are shuffled within (group, evaluator)."""
    p: float | None = None
    """One-sided, of tau_b against that null."""
    q: float | None = None
    """After Holm's correction over the axes."""


class Ties(Value):
    """Shares over (query, evaluator pair) cells, and of rollout pairs."""

    all_tied: float
    """Both sides constant: they agree that there is no signal."""
    one_sided: float
    """One side constant: a tie-break disagreement."""
    pair_tied: float
    """Rollout pairs tied by at least one side."""


class Component(Value):
    """One component of the variance of scores within queries."""

    variance: float
    share: float


class Reliability(Value):
    """Within-query reliability: of telling rollouts of one query apart."""

    single_call: Figure
    panel: Figure
    """Of the mean over all evaluators at hand."""


class Panel(Value):
    """One row of the D-study: a panel, its calls a rollout and its reliability."""

    prompts: int
    """Wordings; where the design varies something else besides the seed, ways of judging that differ in it."""
    seeds: int
    calls: int
    reliability: float
    levels: dict[str, int] = Field(default_factory=dict[str, int])
    """Axis -> how many values of it; ``evaluator`` where the axes that vary are neither crossed nor nested."""


class Bias(Value):
    """What moves a verdict besides worth. A figure is None where the design can't show it; ``named`` says which
    were found.
    """

    position: dict[str, Figure] = Field(default_factory=dict[str, Figure])
    """``consistency`` (same winner after the swap), ``first_slot`` (share of decided duels won by the first); with
    several evaluators also of each, as ``consistency:<evaluator>``."""
    option_order: dict[str, Figure] = Field(default_factory=dict[str, Figure])
    length: dict[str, Figure] = Field(default_factory=dict[str, Figure])
    """Evaluator (and ``all``, and ``truth``) -> within-group tau_b of score and length."""
    blind: dict[str, Figure] = Field(default_factory=dict[str, Figure])
    self_family: dict[str, Figure] = Field(default_factory=dict[str, Figure])
    cycles: Figure | None = None
    """Cyclic triads over all triads."""
    threshold: dict[str, Figure] = Field(default_factory=dict[str, Figure])
    """Axis (and ``all``) -> share of rollouts that an evaluator pair puts on different sides of the pass mark;
    ``truth`` -> share of the verdicts on the wrong side."""
    polarity: dict[str, Figure] = Field(default_factory=dict[str, Figure])
    """Wording (or evaluator) -> its tau_b with the others, or with truth where that is known."""
    family: dict[str, Figure] = Field(default_factory=dict[str, Figure])
    """Model family (or evaluator) -> how much more the others agree than it agrees, as a difference of tau_b."""
    named: tuple[str, ...] = ()
    """In words: each bias whose interval excludes what an unbiased judge would show."""


class Validity(Value):
    """Agreement with truth, where it is known."""

    auroc: Figure
    tpr: Figure
    fpr: Figure
    spurious_signal: Figure
    """Groups that the judge separates and truth does not, of those that truth does not."""
    missed_signal: Figure
    recovery: Figure
    """(E[truth of the judge's top] - mean) / (E[best] - mean)."""


class Consequences(Value):
    """What the loop's gate would do with these verdicts."""

    groups_kept: int
    groups_abstained: int
    pairs_kept: float
    """Share of the strict pairs of the panel's mean that the gate counts."""
    lessons_inverted: float | None = None
    """Share of the strict pairs of one evaluator that another one orders the other way round."""


class Unstable(Value):
    """A group whose order depends on who judges it."""

    group: str
    tau_b: float | None
    """Mean over evaluator pairs."""
    q: float | None = None
    """Benjamini-Hochberg over groups, of its agreement against the null."""
    scores: dict[str, tuple[float | None, ...]]
    """Evaluator -> scores of the rollouts."""
    rollouts: tuple[str, ...]
    reasons: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])
    """Evaluator -> its own words on each rollout."""


class StabilityReport(Value):
    """How far the judges can be trusted."""

    verdict: VerdictName
    reasons: tuple[str, ...]
    sentence: str
    """One sentence that a person can act on."""
    design: Design
    axes: dict[str, Axis]
    ties: Ties
    components: dict[str, Component]
    reliability: Reliability
    d_study: tuple[Panel, ...]
    target: float = 0.8
    """The reliability that the cheapest panel is looked for at (``--cut target``)."""
    agreement: dict[str, float | None] = Field(default_factory=dict[str, float | None])
    """Coefficients over all evaluators: kendall_w, alpha_ordinal, alpha_interval, icc_a1, icc_c1 …"""
    bias: Bias
    validity: Validity | None = None
    consequences: Consequences
    tau_matrix: tuple[tuple[float | None, ...], ...]
    """tau_b by evaluator x evaluator."""
    group_tau: dict[str, float | None]
    """Group -> mean tau_b over evaluator pairs; at most 2,000 groups, the least stable first."""
    coverage: tuple[tuple[float, float], ...] = ()
    """Where truth is known: (share of pairs on which at least k evaluators agree, their share right), by k."""
    unstable: tuple[Unstable, ...] = ()
    caveat: str = "Stable is not correct: judges can agree and all be wrong."
