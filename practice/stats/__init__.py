"""Statistics of scored attempts: pure functions of arrays, each with its source.

A *table of scores* (``Scores``) is one row a task and one entry an attempt, each in [0, 1], None or NaN where the
attempt has no score. Tasks are the sampling unit: attempts of one task are correlated, so every interval here is
over tasks. Means are over scored attempts; what is missing is reported and bounded, never filled in. Intervals are
built so that *all right* and *all wrong* have a width, and the p-values of permutation tests are exact.

    means         the table, mean@k, pass@k, pass^k, Wilson, bounds for missing scores
    paired        before/after on the same tasks: Tango, McNemar, t over tasks, sign flips
    strata        Mantel-Haenszel over groups; Holm, Benjamini-Hochberg
    permutation   exact permutation distributions by convolution
    compare       two tables on the same tasks, or pairs that judges compared, as a look of the gate sees them
    length        how a preference depends on the ratio of lengths
    sequential    what a test with several looks can find; non-inferiority variance

Of judges, in arrays of scores with NaN for what is missing:

    rank          two evaluators on the same rollouts: pair counts, tau_b and its companions, top sets
    agreement     all evaluators at once: Kendall's W, Krippendorff's alpha, Fleiss' kappa, ICC
    cluster       means and ratios over queries, with intervals; shuffles within a query
    components    variance within queries by its sources, reliability, what a larger panel would give
    validity      against known truth: AUROC, errors, spurious and missed signal, best-of-G, cycles
    calibrate     few labels and many judge scores: prediction-powered inference, Rogan-Gladen
"""

from __future__ import annotations

from practice.stats.agreement import ICC, Level, fleiss_kappa, icc, kendall_w, krippendorff_alpha
from practice.stats.calibrate import PredictionPowered, RoganGladen, calibrated_share, ppi_mean, rogan_gladen
from practice.stats.cluster import (
    Interval,
    cluster_mean,
    cluster_ratio,
    minimal_detectable,
    permutation_p,
    shuffle_within,
)
from practice.stats.compare import Comparison, Preference, compare, compare_pairs
from practice.stats.components import Component, Components, PanelSize, cheapest, d_study, variance_components
from practice.stats.length import NEAR, LengthFit, length_fit
from practice.stats.means import (
    Bounds,
    Floats,
    Scores,
    as_table,
    estimate,
    missing_bounds,
    missing_share,
    pass_at_k,
    pass_hat_k,
    task_means,
    wilson,
)
from practice.stats.paired import delta_bounds, mcnemar_exact, paired_delta, preference_delta, sign_flip, tango
from practice.stats.permutation import Stratum, permutation_tails, stratified_tails, table_tails
from practice.stats.rank import (
    PairCounts,
    acc_eq,
    all_tied,
    best_worst_reversal,
    gamma,
    one_sided,
    pair_counts,
    soft_change,
    somers_d,
    spearman,
    strict_flip,
    tau_b,
    top_sets,
)
from practice.stats.sequential import crossing_probability, predictive_power, restricted_variance
from practice.stats.strata import Association, benjamini_hochberg, holm, mantel_haenszel
from practice.stats.validity import (
    PerQuery,
    auroc,
    auroc_interval,
    cyclic_triads,
    false_positives,
    missed_signal,
    recovery,
    spurious_signal,
    true_positives,
)

__all__ = [
    "ICC",
    "NEAR",
    "Association",
    "Bounds",
    "Comparison",
    "Component",
    "Components",
    "Floats",
    "Interval",
    "LengthFit",
    "Level",
    "PairCounts",
    "PanelSize",
    "PerQuery",
    "PredictionPowered",
    "Preference",
    "RoganGladen",
    "Scores",
    "Stratum",
    "acc_eq",
    "all_tied",
    "as_table",
    "auroc",
    "auroc_interval",
    "benjamini_hochberg",
    "best_worst_reversal",
    "calibrated_share",
    "cheapest",
    "cluster_mean",
    "cluster_ratio",
    "compare",
    "compare_pairs",
    "crossing_probability",
    "cyclic_triads",
    "d_study",
    "delta_bounds",
    "estimate",
    "false_positives",
    "fleiss_kappa",
    "gamma",
    "holm",
    "icc",
    "kendall_w",
    "krippendorff_alpha",
    "length_fit",
    "mantel_haenszel",
    "mcnemar_exact",
    "minimal_detectable",
    "missed_signal",
    "missing_bounds",
    "missing_share",
    "one_sided",
    "pair_counts",
    "paired_delta",
    "pass_at_k",
    "pass_hat_k",
    "permutation_p",
    "permutation_tails",
    "ppi_mean",
    "predictive_power",
    "preference_delta",
    "recovery",
    "restricted_variance",
    "rogan_gladen",
    "shuffle_within",
    "sign_flip",
    "soft_change",
    "somers_d",
    "spearman",
    "spurious_signal",
    "stratified_tails",
    "strict_flip",
    "table_tails",
    "tango",
    "task_means",
    "tau_b",
    "top_sets",
    "true_positives",
    "variance_components",
    "wilson",
]
