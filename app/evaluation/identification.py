"""1:N evaluation, open-set: some probes show people who are not enrolled, and must not be given a name."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.evaluation import figures
from app.evaluation.cache import EmbeddingCache
from app.evaluation.embed import embed
from app.evaluation.pairs import Watch
from app.evaluation.plans import Plan
from app.services import Services
from pipeline.errors import PhotoError
from pipeline.gallery import private
from pipeline.gallery.fusion import fuse_groups
from pipeline.metrics import (
    Bools,
    ScoreSweep,
    cmc,
    fnir_at_fpir,
    identification_curve,
    mate_ranks,
    subject_bootstrap,
    threshold_at_fpir,
    wilson_interval,
)
from pipeline.types import F32, F64, SubjectScore

#: From scores (P, S) of probes with subjects to scores of the same shape (score normalisation).
Normalise = Callable[[F32], F32]
_CMC_DEPTH = 20
_PROBES = 512  # searched at a time


@dataclass(frozen=True, eq=False)
class IdentificationReport:
    """What searching every probe gave.

    Attributes:
        enrolled: (subject, photo) of each photo to be enrolled.
        probes: (subject, photo) of each of the P probes.
        mated: (P,) whether the probe's subject is in the gallery (enrolled, or meant to be).
        mate_scores: (P,) float64, score of its own subject; -inf where there is none or something failed.
        ranks: (P,) int64, rank of its own subject; 0 for non-mated probes.
        tops: (P,) float64, highest score; -inf where the probe failed.
        named: (P,) the subject with the highest score; "" where the probe failed.
        failures: (P,) the error's code where the probe failed, else "".
        subjects: Subjects in the gallery.
        enrolment_failures: Error's code of each photo that could not be enrolled, by subject and photo.
        not_enrolled: Subjects of whom no photo could be enrolled (failures to enrol).
        model_id: The model that made the scores.
    """

    enrolled: Sequence[tuple[str, str]]
    probes: Sequence[tuple[str, str]]
    mated: Bools
    mate_scores: F64
    ranks: npt.NDArray[np.int64]
    tops: F64
    named: Sequence[str]
    failures: Sequence[str]
    subjects: int
    enrolment_failures: Mapping[tuple[str, str], str]
    not_enrolled: Sequence[str]
    model_id: str

    def as_dict(self, max_rank: int = 1) -> dict[str, Any]:
        """The figures, as `knownface evaluate identify --json` prints them."""
        mated, total = self.mated, int(self.mated.sum())
        shares = cmc(self.ranks[mated], min(_CMC_DEPTH, self.subjects))
        rates = figures.supported(figures.RATES, int((~mated).sum()))
        ends = self._intervals(rates, max_rank)
        people = len(np.unique(self._codes[mated]))
        low, high = wilson_interval(int((self.ranks[mated] != 1).sum()), total)
        second = figures.subject_interval(ends[:, 0], 1 - float(shares[0]), people)
        return {
            "subjects": self.subjects,
            "samples": len(self.enrolled),
            "fte": len(self.not_enrolled),
            "fte_photos": len(self.enrolment_failures),
            "probes": len(self.probes),
            "mated": total,
            "non_mated": int((~mated).sum()),
            "fta": sum(1 for code in self.failures if code),
            "failures": dict(sorted(Counter(code for code in self.failures if code).items())),
            "rank_1": float(shares[0]) if total else None,
            "rank_1_interval": [1 - high, 1 - low],
            "rank_1_subject_interval": second and [1 - second[1], 1 - second[0]],
            "cmc": [float(share) for share in shares] if total else [],
            "max_rank": max_rank,
            "fnir_at_fpir": [
                self._at_fpir(rate, ends[:, column], people, max_rank) for column, rate in enumerate(rates, 1)
            ],
            "model_id": self.model_id,
        }

    def curves(self, max_rank: int = 1) -> dict[str, Any]:
        """What the plots of a report show."""
        mated = self.mated
        curve = identification_curve(self.mate_scores[mated], self.ranks[mated], self.tops[~mated], max_rank)
        scores = np.where(mated, self.mate_scores, self.tops)
        return {"det": figures.curve_points(curve), "histogram": figures.histogram(scores, mated)}

    @cached_property
    def _codes(self) -> npt.NDArray[np.intp]:
        numbers: dict[str, int] = {}
        return np.array([numbers.setdefault(subject, len(numbers)) for subject, _ in self.probes], np.intp)

    def _at_fpir(self, rate: float, ends: F64, people: int, max_rank: int) -> dict[str, Any]:
        own, ranks, tops = self.mate_scores[self.mated], self.ranks[self.mated], self.tops[~self.mated]
        threshold = threshold_at_fpir(tops, rate)
        missed = int(((ranks > max_rank) | ~(own >= threshold) | (own == -np.inf)).sum())
        share = fnir_at_fpir(own, ranks, tops, rate, max_rank) if len(own) else None
        return {
            "fpir": rate,
            "fnir": share,
            "threshold": threshold,
            "interval": list(wilson_interval(missed, len(own))),
            "subject_interval": None if share is None else figures.subject_interval(ends, share, people),
        }

    def _intervals(self, rates: Sequence[float], max_rank: int) -> F64:
        """(2, 1 + K) 95 % intervals of 1 - rank-1 rate and of FNIR at each rate; the gallery is held fixed."""
        within = np.where(self.mated & (self.ranks <= max_rank), self.mate_scores, -np.inf)
        sweep = ScoreSweep(np.where(self.mated, within, self.tops), self.mated)
        not_first = self.mated & (self.ranks != 1)

        def statistic(weights: npt.NDArray[np.int64]) -> F64:
            total = int(weights[self.mated].sum())
            wrong = weights[not_first].sum() / total if total else np.nan
            return np.array([wrong, *figures.rates_of(sweep.curve(weights), rates)[1:]])

        return subject_bootstrap(self._codes, self._codes, statistic, draws=figures.draws_for(len(self.probes)))


def evaluate_identification(
    services: Services,
    plan: Plan,
    watch: Watch = lambda names: names,
    *,
    search: SubjectScore = "best",
    normalise: Normalise | None = None,
    aligned: bool = False,
    cache: EmbeddingCache | None = None,
) -> IdentificationReport:
    """Embeds, enrols and searches everything of a plan.

    Args:
        services: Recognizer and settings.
        plan: Who is enrolled and who is searched.
        watch: Passes the names of the photos through, to show progress.
        search: A subject's score is that of its `best` sample, or of the template `fused` over them, as in the gallery.
        normalise: Applied to the scores of probes with all subjects, (P, S).
        aligned: The photos are aligned crops.
        cache: Where templates are kept between runs.
    """
    names = sorted({photo for _, photo in (*plan.enrolled, *plan.probes)})
    opener = lambda name: services.open(plan.files[name])  # noqa: E731
    found = embed(services, watch(names), opener, aligned=aligned, cache=cache)
    recognizer = services.recognizer
    return search_found(plan, found, recognizer.model_id, search=search, normalise=normalise)


def gallery_of(
    enrolled: Sequence[tuple[str, str]], found: Mapping[str, F32 | PhotoError]
) -> tuple[list[str], F32, npt.NDArray[np.intp]]:
    """Subjects, and the samples that could be embedded: (M, D) templates and (M,) the subject of each."""
    subjects = list(dict.fromkeys(subject for subject, _ in enrolled))
    number = {subject: row for row, subject in enumerate(subjects)}
    rows = [(number[s], vector) for s, photo in enrolled if not isinstance(vector := found[photo], PhotoError)]
    vectors = np.stack([vector for _, vector in rows]) if rows else np.zeros((0, 0), np.float32)
    return subjects, vectors, np.array([row for row, _ in rows], np.intp)


def subject_scores(
    probes: F32, samples: F32, owners: npt.NDArray[np.intp], subjects: int, search: SubjectScore = "best"
) -> F32:
    """Score of each probe with each subject.

    Args:
        probes: (P, D) templates.
        samples: (M, D) templates of those enrolled.
        owners: (M,) the subject of each sample, in 0..S-1.
        subjects: S.
        search: As in `evaluate_identification`.

    Returns:
        (P, S) float32; -inf for a subject without samples.
    """
    scores = np.full((len(probes), subjects), -np.inf, np.float32)
    if not len(samples):
        return scores
    order = np.argsort(owners, kind="stable")
    present, starts = np.unique(owners[order], return_index=True)
    if search == "fused":
        unknown = np.full(len(samples), np.nan)
        _, fused = fuse_groups(samples, np.arange(len(samples)), owners.astype(np.int64), unknown)
        scores[:, present] = probes @ fused.T
    else:
        scores[:, present] = np.maximum.reduceat(probes @ samples[order].T, starts, axis=1)
    return scores


def _batches(
    probes: Sequence[tuple[str, str]], found: Mapping[str, F32 | PhotoError]
) -> Iterator[tuple[npt.NDArray[np.intp], F32]]:
    """The probes that have a template, some at a time: their places, and their templates."""
    for start in range(0, len(probes), _PROBES):
        here = [(row, found[probes[row][1]]) for row in range(start, min(start + _PROBES, len(probes)))]
        rows = [(row, result) for row, result in here if not isinstance(result, PhotoError)]
        if rows:
            yield np.array([row for row, _ in rows], np.intp), np.stack([vector for _, vector in rows])


def search_found(
    plan: Plan,
    found: Mapping[str, F32 | PhotoError],
    model_id: str,
    *,
    search: SubjectScore = "best",
    normalise: Normalise | None = None,
) -> IdentificationReport:
    """The same for templates that are there already, all made by one model."""
    subjects, samples, owners = gallery_of(plan.enrolled, found)
    number = {subject: row for row, subject in enumerate(subjects)}
    mates = np.array([number.get(subject, -1) for subject, _ in plan.probes], np.intp)
    count = len(plan.probes)
    own, tops, ranks = np.full(count, -np.inf), np.full(count, -np.inf), np.zeros(count, np.int64)
    ranks[mates >= 0] = len(subjects) + 1
    named = [""] * count
    for places, vectors in _batches(plan.probes, found) if len(samples) else ():
        scores = subject_scores(vectors, samples, owners, len(subjects), search)
        scores = normalise(scores) if normalise else scores
        best = scores.argmax(axis=1)
        tops[places] = scores[np.arange(len(places)), best]
        for row, column in zip(places, best, strict=True):
            named[row] = subjects[column]
        mated = mates[places] >= 0
        own[places[mated]], ranks[places[mated]] = mate_ranks(scores[mated], mates[places[mated]])
    enrolled = set(owners.tolist())
    return IdentificationReport(
        plan.enrolled,
        plan.probes,
        mates >= 0,
        own,
        ranks,
        tops,
        named,
        [e.code if isinstance(e := found[probe], PhotoError) else "" for _, probe in plan.probes],
        subjects=len(subjects),
        enrolment_failures={(s, p): e.code for s, p in plan.enrolled if isinstance(e := found[p], PhotoError)},
        not_enrolled=[subject for row, subject in enumerate(subjects) if row not in enrolled],
        model_id=model_id,
    )


def write_searches(file: Path, report: IdentificationReport) -> None:
    """CSV: a row per probe with its subject, whether that is enrolled, its score and rank, and who came first.

    Where it is new, only its owner may read it.
    """
    private.touch(file)
    with file.open("w", newline="", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(searches_csv(report))


def searches_csv(report: IdentificationReport) -> str:
    """The text of that CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["probe", "subject", "mated", "mate_score", "mate_rank", "top_subject", "top_score", "failure"])
    for row, (subject, photo) in enumerate(report.probes):
        mated = bool(report.mated[row])
        rank = report.ranks[row] if mated else ""
        who = (photo, subject, int(mated), _text(report.mate_scores[row]), rank)
        writer.writerow([*who, report.named[row], _text(report.tops[row]), report.failures[row]])
    return text.getvalue()


def _text(score: float) -> str:
    return repr(float(score)) if np.isfinite(score) else ""
