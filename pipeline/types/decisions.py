"""What a score means: operating points, likelihood ratios, and the decisions that rest on them."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Literal

import numpy as np

from pipeline.types.arrays import F64
from pipeline.types.search import SubjectScore

_LARGEST_LOG = 500.0  # of a likelihood ratio; exp() of it is still a number
_STEEPEST = 1e6

DecisionKind = Literal["match", "non_match", "unknown", "ambiguous", "poor_image", "no_face", "not_live"]


@dataclass(frozen=True, slots=True)
class LikelihoodRatio:
    """What a score says about whether two photos show one person: log LR = offset + slope · score, within limits.

    Attributes:
        slope: Above 0; a higher score never speaks less for one person.
        offset: Log likelihood ratio of the score 0.
        low, high: Smallest and largest log likelihood ratio that the data support (natural logarithms).
    """

    slope: float
    offset: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not all(np.isfinite([self.slope, self.offset, self.low, self.high])) or self.slope <= 0:
            raise ValueError("a likelihood ratio needs finite numbers and a slope above 0")
        if max(map(abs, (self.low, self.high))) > _LARGEST_LOG or max(self.slope, abs(self.offset)) > _STEEPEST:
            raise ValueError("a likelihood ratio so large is none that data can support")
        if not self.low < self.high:
            raise ValueError("low must lie below high")

    def log_ratios(self, scores: F64) -> F64:
        """Natural log likelihood ratio of each score."""
        ratios: F64 = np.clip(self.offset + self.slope * np.asarray(scores, np.float64), self.low, self.high)
        return ratios

    def log_ratio(self, score: float) -> float:
        """The same for one score."""
        return float(self.log_ratios(np.array([score]))[0])

    def probability(self, score: float, prior: float) -> float:
        """Probability that both photos show one person, for somebody who thought `prior` (in (0, 1)) before."""
        odds = self.log_ratio(score) + float(np.log(prior) - np.log1p(-prior))
        return float(1 / (1 + np.exp(-odds)))


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Which score is a match, and what is known about the errors that makes.

    Attributes:
        task: `verify` (1:1; fmr and fnmr) or `identify` (1:N; then fmr is FPIR, fnmr is FNIR, at `gallery_size`).
        threshold: A score is a match iff score >= threshold.
        fmr: Measured false match rate (identify: FPIR) in [0, 1].
        fnmr: Measured false non-match rate (identify: FNIR) in [0, 1].
        non_mated: Comparisons (identify: non-mated probes) behind fmr.
        mated: Comparisons (identify: mated probes) behind fnmr.
        fmr_upper: Upper end of the 95 % interval of fmr.
        model_id: The model whose scores these are.
        measured_on: Which data, which protocol, and when.
        gallery_size: Subjects enrolled when it was measured; None for verify.
        target: The rate that was asked for; None where the threshold was not chosen for one.
        source: `card` (the model's), `calibration` (the user's own) or `chosen` (the card's, by the user).
        basis: The data in a word or two; for a calibration its date and people.
        method: How the threshold for a gallery was found: counted, or continued beyond what can be counted.
        margin: A match is ambiguous where the runner-up also matches and trails by less than this (score units).
        min_norm: Lowest template norm for which the rates hold; None where that is not known.
        likelihood: What a score says; None where that is not known.
        subject_score: What a subject's score was when it was measured (identify); scores of the two kinds differ.
    """

    task: Literal["verify", "identify"]
    threshold: float
    fmr: float
    fnmr: float
    non_mated: int
    mated: int
    fmr_upper: float
    model_id: str
    measured_on: str
    gallery_size: int | None = None
    target: float | None = None
    source: Literal["card", "calibration", "chosen"] = "card"
    basis: str = ""
    method: str = ""
    margin: float = 0.0
    min_norm: float | None = None
    likelihood: LikelihoodRatio | None = None
    subject_score: SubjectScore = "best"

    def __post_init__(self) -> None:
        if not -1.0 <= self.threshold <= 1.0:
            raise ValueError("threshold must lie in [-1, 1]")
        for name in ("fmr", "fnmr", "fmr_upper"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in [0, 1]")
        if (self.task == "identify") != (self.gallery_size is not None):
            raise ValueError("gallery_size belongs to identify, and only there")
        if self.target is not None and not 0.0 < self.target < 1.0:
            raise ValueError("target must lie in (0, 1)")
        if not 0.0 <= self.margin <= 2.0:
            raise ValueError("margin must lie in [0, 2]")
        if self.fmr > self.fmr_upper:
            raise ValueError("fmr_upper must not lie below fmr")
        if min(self.non_mated, self.mated) < 0:
            raise ValueError("non_mated and mated must be at least 0")
        if self.gallery_size is not None and self.gallery_size < 1:
            raise ValueError("gallery_size must be at least 1")
        if self.min_norm is not None and not (isfinite(self.min_norm) and self.min_norm >= 0):
            raise ValueError("min_norm must be finite and at least 0")

    @property
    def wanted(self) -> float:
        """The rate the threshold was chosen for, or else the one that was measured."""
        return self.fmr if self.target is None else self.target

    @property
    def origin(self) -> str:
        """Where it comes from, in words."""
        if self.source == "calibration":
            return f"your calibration of {self.basis}"
        card = f"the model card, {self.basis}" if self.basis else "the model card"
        return f"{card}, chosen for this gallery" if self.source == "chosen" else card


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about one face or pair, and why.

    Attributes:
        kind: match, non_match (verify); match, unknown, ambiguous (identify); poor_image, no_face;
            not_live where liveness was asked for.
        score: The score the decision rests on, None where there is none.
        threshold: The threshold it was held against, None where there is none.
        subject: The named subject; None unless identify found a match.
        runner_up: Second best subject and its score, None where there is none.
        reason: One sentence with the numbers behind it.
        model_id: The model whose scores these are.
        log_ratio: Natural log likelihood ratio of the score, where the operating point has one.
        probability: Probability of one person at the prior of the settings (verify), likewise.
        origin: Where the operating point comes from, in words.
        best: The subject whose score it is (identify), named or not, and that score; None where there is none.
    """

    kind: DecisionKind
    score: float | None
    threshold: float | None
    reason: str
    model_id: str
    subject: str | None = None
    runner_up: tuple[str, float] | None = None
    log_ratio: float | None = None
    probability: float | None = None
    origin: str = ""
    best: tuple[str, float] | None = None
