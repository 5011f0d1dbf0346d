"""Calibration: thresholds fitted on one half of the people, error rates reported on the other.

No person is in both halves. What is reported is an honest measurement of that very threshold, with the upper end of its
95 % interval; it may come out a little above or below the rate that was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil, log, sqrt
from typing import Literal

import numpy as np

from pipeline.calibration.bounds import miss_rate
from pipeline.calibration.comparisons import Fuse, Part, Rows
from pipeline.calibration.halves import Compared, Photos, compare
from pipeline.calibration.likelihood import cllr, fit_likelihood
from pipeline.calibration.tail import SMALLEST_TAIL, Tail, per_comparison
from pipeline.calibration.thresholds import Comparison, fit_identify, fit_verify
from pipeline.counting import counted
from pipeline.errors import CalibrationError
from pipeline.types import F32, F64, LikelihoodRatio, OperatingPoint

RULE_OF_THREE = 3.0
REACH = 100.0
"""How far below what can be counted the tail of the scores is continued at most."""
LARGEST_RATE = 0.1


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to calibrate.

    Attributes:
        fmrs: False match rates for verify.
        fpirs: False positive identification rates for identify.
        sizes: Gallery sizes for identify.
        enrolled: Photos of a subject in the gallery.
        fuse: As in `compare_all`.
        source, basis, when: As the operating points will say.
    """

    fmrs: Sequence[float] = ()
    fpirs: Sequence[float] = ()
    sizes: Sequence[int] = ()
    enrolled: int = 1
    fuse: Fuse | None = None
    source: Literal["card", "calibration"] = "calibration"
    basis: str = ""
    when: str = ""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What came out.

    Attributes:
        points: One operating point per rate (and gallery size).
        cllr: Cost of the likelihood ratios in bits, on the half that was not fitted.
        people: People compared.
        photos, failed: Photos, and how many of them failed.
        comparisons: How the continuation beyond the data was chosen, one per identify point that needed one.
    """

    points: tuple[OperatingPoint, ...]
    cllr: float
    people: int
    photos: int
    failed: int
    comparisons: tuple[Comparison, ...] = field(default=())


def calibrate(photos: Photos, wanted: Wanted, compared: Compared | None = None) -> Calibration:
    """Fits and reports operating points.

    Args:
        photos: What is known.
        wanted: Which rates.
        compared: What `compare` gave for these photos, where that is known already.

    Raises:
        CalibrationError: The data cannot support a rate; the message says how many people it would take.
    """
    known = compared or compare(photos, wanted.enrolled, wanted.fuse)
    rows, halves, fit, check = known.rows, known.halves, known.fit, known.check
    people = fit.verify.subjects + check.verify.subjects
    for rate in wanted.fmrs:
        require_support(rate, 1, fit.verify.subjects, check.verify.subjects, people)
    for rate in wanted.fpirs:
        for size in wanted.sizes:
            require_support(rate, size, fit.verify.subjects, check.verify.subjects, people)
    likelihood = fit_likelihood(fit.mated, fit.verify)
    if not np.isfinite(check.mated.scores).any():
        raise CalibrationError(
            "nobody in the half that checks has two usable photos: give more people with two photos each"
        )
    norms = _norms(photos, rows, halves)
    made = _Maker(photos, wanted, people, fit, check, likelihood, norms)
    points = [made.verify(rate) for rate in wanted.fmrs]
    points += [made.identify(rate, size) for size in wanted.sizes for rate in wanted.fpirs]
    cost = cllr(likelihood, check.mated, check.verify)
    failed = int((~photos.usable[rows]).sum())
    return Calibration(tuple(points), cost, people, len(rows), failed, tuple(made.comparisons))


def require_support(rate: float, size: int, fit: int, check: int, people: int) -> None:
    """Refuses a rate that this many people cannot show.

    Args:
        rate: FMR, or FPIR for a gallery of `size`.
        size: Subjects in the gallery; 1 for verify.
        fit: People in the half that is fitted.
        check: People in the other half.
        people: In all.

    Raises:
        CalibrationError: It is not supported; the message says how many comparisons and people it would take.
    """
    name = "false match rate" if size == 1 else f"false positive identification rate in a gallery of {size:,}"
    if not 0 < rate <= LARGEST_RATE:
        raise CalibrationError(f"a {name} of {rate:g} is none that is calibrated: ask for one up to {LARGEST_RATE:g}")
    smallest = min(fit, check)
    pairs = smallest * (smallest - 1) / 2
    reach = 1.0 if size == 1 else REACH
    p = rate if size == 1 else per_comparison(rate, size)
    needed = max(RULE_OF_THREE / p / reach, 0.0 if size == 1 else SMALLEST_TAIL)
    if pairs >= needed:
        return
    half = ceil((1 + sqrt(1 + 8 * needed)) / 2)
    rest = ""
    supported = RULE_OF_THREE / reach / pairs if pairs else 1.0
    if size == 1 and supported <= LARGEST_RATE:
        rest = f"; these support {supported:.1g} or more"
    who = counted(people, "person", "people")
    raise CalibrationError(
        f"{who} cannot show a {name} of {rate:g}: half of them, {smallest}, make {counted(round(pairs), 'pair')}, "
        f"and it takes {ceil(needed):,} pairs of different people in each half, that is about {2 * half:,} people{rest}"
    )


def _norms(photos: Photos, rows: Rows, halves: tuple[Rows, Rows]) -> tuple[F64, F32]:
    """(best mated score, norm) of each usable photo with another usable one of its person."""
    chosen = rows[np.concatenate(halves)]
    chosen = chosen[photos.usable[chosen]]
    owners, vectors = photos.owners[chosen], photos.vectors[chosen]
    best = np.full(len(chosen), -np.inf)
    order = np.argsort(owners, kind="stable")
    for mine in np.split(order, np.nonzero(np.diff(owners[order]))[0] + 1):
        if len(mine) > 1:
            scores = vectors[mine] @ vectors[mine].T
            np.fill_diagonal(scores, -np.inf)
            best[mine] = scores.max(axis=1)
    return best, photos.norms[chosen]


@dataclass(slots=True)
class _Maker:
    photos: Photos
    wanted: Wanted
    people: int
    fit: Part
    check: Part
    likelihood: LikelihoodRatio
    norms: tuple[F64, F32]
    comparisons: list[Comparison] = field(default_factory=list)

    def verify(self, rate: float) -> OperatingPoint:
        threshold, found = fit_verify(self.fit.verify, self.check.verify, rate)
        point = OperatingPoint(
            task="verify",
            threshold=threshold,
            fmr=found.value,
            fnmr=miss_rate(self.check.mated, threshold),
            non_mated=round(self.check.verify.pairs),
            mated=len(self.check.mated.scores),
            fmr_upper=found.upper,
            model_id=self.photos.model_id,
            measured_on=self._how("every photo with every other"),
            target=rate,
        )
        return self._shared(point)

    def identify(self, rate: float, size: int) -> OperatingPoint:
        fitted = fit_identify(self.fit.search, self.check.search, rate, size)
        self.comparisons += [fitted.compared] if fitted.compared else []
        enrolled = f"up to {self.wanted.enrolled} photo(s) a subject{', fused' if self.wanted.fuse else ''}"
        point = OperatingPoint(
            task="identify",
            threshold=fitted.threshold,
            fmr=fitted.rate.value,
            fnmr=miss_rate(self.check.found, fitted.threshold, ranked=True),
            non_mated=self.check.search.subjects,
            mated=len(self.check.found.scores),
            fmr_upper=fitted.rate.upper,
            model_id=self.photos.model_id,
            measured_on=self._how(f"every photo searched in galleries of {size} with {enrolled}"),
            gallery_size=size,
            target=rate,
            method=fitted.method,
            subject_score="fused" if self.wanted.fuse else "best",
            margin=min(2.0, Tail.of(self.fit.search).mean_excess * log(1 / rate)),
        )
        return self._shared(point)

    def _how(self, comparisons: str) -> str:
        count = f"{len(self.photos.owners)} photos of {self.people} people"
        return (
            f"{self.photos.data}: {count}; threshold from one half of the people, rates from the other; {comparisons}; "
            f"{self.wanted.when}"
        )

    def _shared(self, point: OperatingPoint) -> OperatingPoint:
        best, norms = self.norms
        recognised = norms[self.likelihood.log_ratios(best) > 0]  # more like one person than like two
        return replace(
            point,
            source=self.wanted.source,
            basis=self.wanted.basis,
            min_norm=float(recognised.min()) if len(recognised) else None,
            likelihood=self.likelihood,
        )
