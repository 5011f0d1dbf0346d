"""From scores to decisions, each with its reason. Thresholds come from operating points, never from code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.assign import assign
from pipeline.errors import NoOperatingPointError
from pipeline.types import Candidates, Decision, OperatingPoint

_LEAST_GAIN = 1e-9  # of a score that just reaches the threshold: still better than no name


def choose_verify_point(points: Sequence[OperatingPoint], model_id: str, max_fmr: float) -> OperatingPoint:
    """The operating point for 1:1: the one for the largest false match rate that is at most `max_fmr`.

    The user's own calibration comes before the card; where it is only for laxer rates, its strictest one is used, since
    whoever calibrates has chosen.

    Args:
        points: What the model's card and a calibration offer.
        model_id: The model whose scores will be judged.
        max_fmr: The false match rate that is wanted at most, in [0, 1].

    Raises:
        NoOperatingPointError: None was measured for this model, or none is that strict.
    """
    usable = _usable([p for p in points if p.task == "verify" and p.model_id == model_id], max_fmr)
    if not usable:
        raise NoOperatingPointError(
            f"no operating point of {model_id} has a false match rate of at most {max_fmr:g}: "
            "choose another verify_fmr in the settings, measure one with `knownface calibrate`, or use a model whose "
            "card states one"
        )
    return max(usable, key=lambda p: (p.wanted, -p.threshold))


def choose_identify_point(
    points: Sequence[OperatingPoint], model_id: str, max_fpir: float, gallery_size: int
) -> OperatingPoint:
    """The operating point for 1:N: the smallest measured gallery that is not smaller than this one.

    A larger gallery offers more chances of a false match, so a 1:1 threshold, or that of a smaller gallery, does not
    carry over. Beyond the largest measured gallery the largest is used, and the reason of each decision says so. The
    user's own calibration comes first, as in `choose_verify_point`.

    Raises:
        NoOperatingPointError: None was measured for this model, or none is that strict.
    """
    usable = _usable([p for p in points if p.task == "identify" and p.model_id == model_id], max_fpir)
    if not usable:
        raise NoOperatingPointError(
            f"no operating point of {model_id} has a false positive identification rate of at most {max_fpir:g}: "
            "choose another identify_fpir in the settings, measure one with `knownface calibrate`, or use a model "
            "whose card states one"
        )
    large_enough = [p for p in usable if (p.gallery_size or 0) >= gallery_size]
    pool = large_enough or usable
    size = (min if large_enough else max)(p.gallery_size or 0 for p in pool)
    return max((p for p in pool if p.gallery_size == size), key=lambda p: p.wanted)


def _usable(points: Sequence[OperatingPoint], largest: float) -> list[OperatingPoint]:
    own = [p for p in points if p.source != "card"]
    strict = [p for p in own or points if p.wanted <= largest]
    if own and not strict:
        strictest = min(p.wanted for p in own)
        return [p for p in own if p.wanted == strictest]
    return strict


def decide_verify(score: float, point: OperatingPoint, *, norm: float | None = None, prior: float = 0.5) -> Decision:
    """1:1: a match iff score >= threshold; without a match, a photo that is too poor says nothing.

    Args:
        score: Cosine similarity of the two templates, in [-1, 1].
        point: A `verify` operating point.
        norm: The smaller of the two templates' norms; None where quality does not matter.
        prior: Probability of one person before the comparison, in (0, 1).
    """
    match = score >= point.threshold
    relation = "reaches" if match else "stays below"
    reason = (
        f"The score {score:.3f} {relation} the threshold {point.threshold:.3f} ({point.origin}), at which "
        f"{_rate(point.fmr)} of pairs of different people were taken for one person (upper bound "
        f"{_rate(point.fmr_upper)}) and {_rate(point.fnmr)} of pairs of one person were missed"
    )
    said = Decision("match" if match else "non_match", score, point.threshold, "", point.model_id, origin=point.origin)
    if point.likelihood is not None:
        probability = point.likelihood.probability(score, prior)
        said = replace(said, log_ratio=point.likelihood.log_ratio(score), probability=probability)
        reason += f"; with a prior of {_rate(prior)} the probability of one person is {_probability(probability)}"
    if not match and (poor := _poor(norm, point)):
        return replace(said, kind="poor_image", reason=f"{poor} {reason}.")
    return replace(said, reason=f"{reason}.")


def decide_identify(
    candidates: Candidates, point: OperatingPoint, gallery_size: int, *, norm: float | None = None
) -> Decision:
    """1:N, open-set: names the best subject, or nobody.

    Two subjects are ambiguous when both reach the threshold and are no further apart than the point's margin.

    Args:
        candidates: The most similar subjects, best first.
        point: An `identify` operating point.
        gallery_size: Subjects enrolled now.
        norm: The template's norm; None where quality does not matter.
    """
    return _Face(candidates, point, gallery_size, norm).decide(0 if len(candidates) else None, {})


def decide_photo(
    candidates: Sequence[Candidates],
    point: OperatingPoint,
    gallery_size: int,
    *,
    norms: Sequence[float] | None = None,
    allow_repeats: bool = False,
) -> tuple[Decision, ...]:
    """1:N for all faces of one photo, in which nobody appears twice.

    The names are given so that the scores' excess over the threshold adds up to the most. A face that loses its best
    subject to another gets the next one that reaches the threshold, or is unknown; its reason says so.

    Args:
        candidates: Of each face, at least as many subjects as there are faces, where the gallery has so many.
        point: An `identify` operating point.
        gallery_size: Subjects enrolled now.
        norms: Each face's template norm; None where quality does not matter.
        allow_repeats: Decide on each face alone (a collage, a mirror, frames of a film).
    """
    quality: list[float | None] = [None] * len(candidates) if norms is None else [float(norm) for norm in norms]
    faces = [_Face(c, point, gallery_size, norm) for c, norm in zip(candidates, quality, strict=True)]
    if allow_repeats or len(faces) < 2:
        return tuple(face.decide(0 if len(face.candidates) else None, {}) for face in faces)
    given = _given(faces, point.threshold)
    taken = {
        face.candidates.subjects[row]: (number, float(face.candidates.scores[row]))
        for number, (face, row) in enumerate(zip(faces, given, strict=True), 1)
        if row is not None
    }
    return tuple(
        face.decide(row, {name: claim for name, claim in taken.items() if claim[0] != number})
        for number, (face, row) in enumerate(zip(faces, given, strict=True), 1)
    )


def _given(faces: Sequence[_Face], threshold: float) -> list[int | None]:
    """Row of the subject that each face gets, among its candidates that reach the threshold."""
    columns: dict[str, int] = {}
    for face in faces:
        for name in face.reaching():
            columns.setdefault(name, len(columns))
    gains = np.full((len(faces), len(columns)), -np.inf)
    for row, face in enumerate(faces):
        for name, score in face.reaching().items():
            gains[row, columns[name]] = score - threshold + _LEAST_GAIN
    names = list(columns)
    return [
        None if column is None else face.candidates.subjects.index(names[column])
        for face, column in zip(faces, assign(gains), strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Face:
    """One face to decide on."""

    candidates: Candidates
    point: OperatingPoint
    gallery_size: int
    norm: float | None

    def reaching(self) -> dict[str, float]:
        """The subjects that reach the threshold, best first, with their scores."""
        scored = zip(self.candidates.subjects, (float(s) for s in self.candidates.scores), strict=True)
        return {name: score for name, score in scored if score >= self.point.threshold}

    def decide(self, given: int | None, taken: Mapping[str, tuple[int, float]]) -> Decision:
        """The decision for the candidate it was given, knowing whom the other faces are (face number and score)."""
        point, subjects = self.point, self.candidates.subjects
        if not len(self.candidates):
            reason = self._nobody()
            return Decision("unknown", None, point.threshold, reason, point.model_id, origin=point.origin)
        row = given or 0
        score, subject = float(self.candidates.scores[row]), subjects[row]
        rest = [(name, float(s)) for name, s in zip(subjects, self.candidates.scores, strict=True) if name != subject]
        ratio = point.likelihood.log_ratio(score) if point.likelihood else None
        said = Decision(
            *("unknown", score, point.threshold, "", point.model_id, None, rest[0] if rest else None, ratio, None),
            origin=point.origin,
            best=(subject, score),
        )
        if score < point.threshold:
            return self._below(said, subject)
        if given is None:
            number, other = taken[subject]
            reason = (
                f"The score {_score(score)} ({subject}) reaches the threshold {_score(point.threshold)}, but "
                f"{subject} is face {number} of this photo ({_score(other)}), and nobody is in a photo twice."
            )
            return replace(said, reason=reason)
        rivals = [(name, s) for name, s in rest if s >= point.threshold and not taken.get(name, (0, -2.0))[1] >= s]
        if rivals and score - rivals[0][1] <= point.margin:
            return self._ambiguous(replace(said, runner_up=rivals[0]), subject, rivals[0])
        reason = f"The score {_score(score)} reaches the threshold {_score(point.threshold)} ({self._basis()})"
        passed = [name for name in subjects[:row] if name in taken]
        if passed:
            reason += f"; {passed[0]}, who is more alike, is face {taken[passed[0]][0]} of this photo"
        return replace(said, kind="match", subject=subject, reason=f"{reason}.")

    def _nobody(self) -> str:
        if not self.gallery_size:
            return "Nobody is enrolled in this gallery."
        return (
            f"Nobody enrolled in this gallery ({self.gallery_size}) has a template of the model in use, "
            f"{self.point.model_id}: enrol their photos again, or go back to the model they were enrolled with "
            "(knownface models use)."
        )

    def _below(self, said: Decision, subject: str) -> Decision:
        score, point = said.score or 0.0, self.point
        reason = (
            f"The best score, {_score(score)} ({subject}), stays below the threshold {_score(point.threshold)} "
            f"({self._basis()})."
        )
        if poor := _poor(self.norm, point):
            return replace(said, kind="poor_image", reason=f"{poor} {reason}")
        return replace(said, reason=reason)

    def _ambiguous(self, said: Decision, subject: str, rival: tuple[str, float]) -> Decision:
        reason = (
            f"Two subjects reach the threshold {_score(self.point.threshold)} with scores no more than "
            f"{_score(self.point.margin)} apart: {subject} ({_score(said.score or 0.0)}) and {rival[0]} "
            f"({_score(rival[1])}); {self.point.origin}."
        )
        return replace(said, kind="ambiguous", reason=reason)

    def _basis(self) -> str:
        point = self.point
        said = (
            f"{point.origin}; for a gallery of {point.gallery_size}: {_rate(point.fmr)} of strangers were given a "
            f"name, upper bound {_rate(point.fmr_upper)}"
        )
        if point.gallery_size is not None and self.gallery_size > point.gallery_size:
            said += f"; this gallery is larger ({self.gallery_size}), so more are to be expected"
        return said


def _poor(norm: float | None, point: OperatingPoint) -> str:
    """Why a missing match says nothing, where the photo is worse than those the point was measured on; else ""."""
    if norm is None or point.min_norm is None or norm >= point.min_norm:
        return ""
    return (
        f"The face is too small, blurred or covered to say no: the quality of its template is {norm:.1f}, and nobody "
        f"was recognised below {point.min_norm:.1f}."
    )


def _score(value: float) -> str:
    return f"{value:.3f}"


def _rate(value: float) -> str:
    return f"{value * 100:.3g} %"


def _probability(value: float) -> str:
    """A probability in percent that never rounds to certainty: digits of what is missing to 0 or 1."""
    missing = min(value, 1 - value)
    digits = max(1, int(np.ceil(-np.log10(max(100 * missing, 1e-9)))))
    return f"{value * 100:.{digits}f} %"
