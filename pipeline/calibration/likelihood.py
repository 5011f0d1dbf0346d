"""From a score to a likelihood ratio: how many times more often one person gives this score than two people do.

log LR = offset + slope · score, by logistic regression weighted for an effective prior (Brümmer and du Preez 2006,
"Application-independent evaluation of speaker detection"). Targets are smoothed as in Platt (1999), so that kinds that
do not overlap give a finite slope. What the sample cannot show is not claimed: with N comparisons of different people,
none of which scores as high, their share may still be 3/N, so no ratio above N/3 is stated, and none below 3/M for M
people with mated comparisons (the idea of the empirical bounds of Vergeer et al. 2016, with the rule of three).
"""

from __future__ import annotations

import numpy as np

from pipeline.calibration.comparisons import Mated, NonMated
from pipeline.errors import CalibrationError
from pipeline.types import F64, LikelihoodRatio

PRIOR = 0.01
"""The effective prior: decisions fall where few strangers score, so that is where the fit has to be good."""
_STEPS = 100
_RULE_OF_THREE = 3.0


def fit_likelihood(mated: Mated, non_mated: NonMated) -> LikelihoodRatio:
    """Fits the likelihood ratio; comparisons that failed are left out.

    Raises:
        CalibrationError: There are fewer than four people with two photos, or mated scores are not the higher ones.
    """
    real = np.isfinite(mated.scores)
    people = len(np.unique(mated.subject[real]))
    if people <= _RULE_OF_THREE:
        raise CalibrationError(
            f"{people} people with two usable photos in the part that is fitted cannot show how people resemble "
            "themselves: it takes at least 8 such people in all"
        )
    slope, offset = logistic(
        mated.scores[real], mated.weights[real], people, non_mated.scores, non_mated.weights, non_mated.pairs
    )
    if slope <= 0:
        raise CalibrationError("photos of one person do not score higher than photos of two: are they sorted wrongly?")
    low, high = np.log(_RULE_OF_THREE / people), np.log(max(_RULE_OF_THREE, non_mated.pairs) / _RULE_OF_THREE)
    return LikelihoodRatio(float(slope), float(offset), float(low), float(high))


def logistic(
    mated: F64, mated_weights: F64, people: float, non_mated: F64, non_mated_weights: F64, pairs: float
) -> tuple[float, float]:
    """Slope and offset of the log likelihood ratio of a score, by Newton's method.

    Minimises the cross-entropy of the posterior at PRIOR: PRIOR · mean over mated + (1 - PRIOR) · mean over non-mated.

    Args:
        mated: Scores of one person's photos.
        mated_weights: One per score; only their proportions matter.
        people: How many independent cases these are, n, for Platt's target (n+1)/(n+2).
        non_mated: Scores of different people.
        non_mated_weights: Likewise.
        pairs: How many independent cases these are, for the target 1/(n+2).
    """
    x = np.concatenate([mated, non_mated])
    target = np.concatenate(
        [np.full(len(mated), (people + 1) / (people + 2)), np.full(len(non_mated), 1 / (pairs + 2))]
    )
    shares = PRIOR / mated_weights.sum(), (1 - PRIOR) / non_mated_weights.sum()
    weight = np.concatenate([mated_weights * shares[0], non_mated_weights * shares[1]])
    design = np.stack([x, np.ones_like(x)], axis=1)
    prior_odds = float(np.log(PRIOR / (1 - PRIOR)))
    theta = np.array([0.0, prior_odds])
    loss = _loss(design @ theta, target, weight)
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(design @ theta, -700, 700)))
        gradient = design.T @ (weight * (p - target))
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design
        step = np.linalg.lstsq(hessian, gradient, rcond=None)[0]
        scale = 1.0
        while (new := _loss(design @ (theta - scale * step), target, weight)) > loss and scale > 1e-9:
            scale /= 2
        theta = theta - scale * step
        if loss - new <= 1e-15 * abs(loss):
            break
        loss = new
    return float(theta[0]), float(theta[1]) - prior_odds


def _loss(log_odds: F64, target: F64, weight: F64) -> float:
    return float(np.sum(weight * (np.logaddexp(0, log_odds) - target * log_odds)))


def cllr(likelihood: LikelihoodRatio, mated: Mated, non_mated: NonMated) -> float:
    """Cost of log likelihood ratios in bits (Brümmer and du Preez 2006, eq. 5): 0 is perfect, 1 says nothing.

    Cllr = 1/2 (mean over mated of log2(1 + 1/LR) + mean over non-mated of log2(1 + LR)).
    """
    real = np.isfinite(mated.scores)
    same = np.logaddexp(0, -likelihood.log_ratios(mated.scores[real]))
    different = np.logaddexp(0, likelihood.log_ratios(non_mated.scores))
    mean_same = np.average(same, weights=mated.weights[real])
    mean_different = np.average(different, weights=non_mated.weights)
    return float((mean_same + mean_different) / 2 / np.log(2))
