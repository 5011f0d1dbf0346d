"""Error rates as pure functions of scores (terms of ISO/IEC 2382-37, ISO/IEC 19795-1 and NIST FRTE).

    curves          1:1: FMR, FNMR, DET, EER, TAR at FMR, area under the ROC curve
    accuracy        1:1: accuracy at the best threshold, and by folds (the LFW protocol)
    identification  1:N: ranks, CMC, FPIR, FNIR, FNIR at FPIR
    intervals       Wilson, Clopper-Pearson, the rule of three
    bootstrap       intervals of anything by resampling subjects, and of the difference of two systems
    discard         error versus discard: what a quality measure is worth
    bcubed          clusterings: BCubed and pairwise precision, recall and F

A score is a cosine similarity; a comparison is a match iff score >= threshold. Failures to acquire and to enrol count
as errors: a failed comparison has the score -inf (`failures_as_errors`), so that at every threshold a mated one is
missed and a non-mated one is not matched.
"""

from pipeline.metrics.accuracy import Accuracy, best_accuracy_threshold, k_fold_accuracy
from pipeline.metrics.bcubed import Agreement, bcubed, pairwise
from pipeline.metrics.bootstrap import pair_weights, subject_bootstrap
from pipeline.metrics.curves import (
    Bools,
    ErrorCurve,
    ScoreSweep,
    area_under_roc,
    equal_error_rate,
    error_curve,
    failures_as_errors,
    match_rate,
    tar_at_fmr,
    threshold_at_fmr,
)
from pipeline.metrics.discard import DiscardCurve, error_versus_discard
from pipeline.metrics.identification import (
    cmc,
    fnir,
    fnir_at_fpir,
    fpir,
    identification_curve,
    mate_ranks,
    threshold_at_fpir,
)
from pipeline.metrics.intervals import clopper_pearson_interval, rule_of_three, wilson_interval

__all__ = [
    "Accuracy",
    "Agreement",
    "Bools",
    "DiscardCurve",
    "ErrorCurve",
    "ScoreSweep",
    "area_under_roc",
    "bcubed",
    "best_accuracy_threshold",
    "clopper_pearson_interval",
    "cmc",
    "equal_error_rate",
    "error_curve",
    "error_versus_discard",
    "failures_as_errors",
    "fnir",
    "fnir_at_fpir",
    "fpir",
    "identification_curve",
    "k_fold_accuracy",
    "match_rate",
    "mate_ranks",
    "pair_weights",
    "pairwise",
    "rule_of_three",
    "subject_bootstrap",
    "tar_at_fmr",
    "threshold_at_fmr",
    "threshold_at_fpir",
    "wilson_interval",
]
