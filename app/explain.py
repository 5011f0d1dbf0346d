"""Why is this face not that person? Each face of a photo, held against every photo of one subject."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.photos import Source
from app.services import Services, pick_face
from pipeline.build import build_recognizer
from pipeline.gallery import Enrolled, normalise
from pipeline.recognizer import Faces
from pipeline.types import Decision, OperatingPoint, Templates

#: Where no face is found, it is looked for again with next to no demands, to tell the nearest reason.
_FAINT = {"min_confidence": 0.2, "min_face": 1.0}


@dataclass(frozen=True, slots=True)
class FaceReport:
    """One face of the photo.

    Attributes:
        number: 1 is the most prominent.
        decision: What identify says about it.
        box: x0, y0, x1, y1 in pixels of the photo.
        eye_distance_px: Between the eyes, in pixels of the photo.
        confidence: The detector's.
        norm: The template's: the lower, the poorer the picture.
        scores: (name of the sample's photo, its id, score) for each photo of the subject, best first.
        rank: Place of the subject among all enrolled, 1 is the best; None where it is not searched.
        better: The most similar other subject and its score, None where nobody else is enrolled.
        changes: What would have to be different for the subject to be named, a sentence each; none where it is.
    """

    number: int
    decision: Decision
    box: tuple[float, float, float, float]
    eye_distance_px: float
    confidence: float
    norm: float
    scores: tuple[tuple[str, str, float], ...]
    rank: int | None
    better: tuple[str, float] | None
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What there is to say.

    Attributes:
        photo: What it is called.
        subject: Whom it was held against.
        point: The operating point of identify for this gallery.
        faces: One report per face.
        missed: Where no face was found: what comes nearest to one, and why it was not taken.
    """

    photo: str
    subject: str
    point: OperatingPoint
    faces: tuple[FaceReport, ...]
    missed: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As it goes into JSON."""
        point = self.point
        return {
            "photo": self.photo,
            "subject": self.subject,
            "threshold": point.threshold,
            "margin": point.margin,
            "min_norm": point.min_norm,
            "operating_point": point.origin,
            "faces": [_face_document(face) for face in self.faces],
            "missed": self.missed or None,
        }


def _face_document(face: FaceReport) -> dict[str, Any]:
    decision, better = face.decision, face.better
    return {
        "face": face.number,
        "decision": decision.kind,
        "named": decision.subject,
        "reason": decision.reason,
        "box": [round(value, 1) for value in face.box],
        "eye_distance_px": round(face.eye_distance_px, 1),
        "confidence": face.confidence,
        "norm": face.norm,
        "scores": [{"photo": photo, "sample_id": uid, "score": score} for photo, uid, score in face.scores],
        "rank": face.rank,
        "best_other": {"subject": better[0], "score": better[1]} if better else None,
        "changes": list(face.changes),
    }


def explain(services: Services, source: Source, subject: str) -> Explanation:
    """Holds every face of a photo against a subject.

    Raises:
        SubjectNotFoundError: There is no such subject.
        PhotoError: The photo cannot be used.
    """
    subject = normalise(subject)
    enrolled = services.gallery.templates(subject)
    faces = services.recognizer.analyse(services.open(source))
    point = services.identify_point()
    if not len(faces):
        return Explanation(faces.source, subject, point, (), _nearest(services, source))
    decisions = services.identify_faces(faces, point).decisions
    reports = [
        _report(services, pick_face(faces, number), number, decision, subject, enrolled, point)
        for number, decision in enumerate(decisions, 1)
    ]
    return Explanation(faces.source, subject, point, tuple(reports))


def _report(
    services: Services,
    face: Faces,
    number: int,
    decision: Decision,
    subject: str,
    enrolled: list[Enrolled],
    point: OperatingPoint,
) -> FaceReport:
    scores = sorted(_scores(face, enrolled), key=lambda row: -row[2])
    rank, better = _place(services, face, subject)
    found, landmarks = face.detections, face.detections.landmarks[0]
    x0, y0, x1, y1 = (float(value) for value in found.boxes[0])
    report = FaceReport(
        number,
        decision,
        (x0, y0, x1, y1),
        float(np.linalg.norm(landmarks[1] - landmarks[0])),
        float(found.confidences[0]),
        float(face.templates.norms[0]),
        tuple(scores),
        rank,
        better,
        (),
    )
    return replace(report, changes=tuple(_changes(report, subject, point)))


def _scores(face: Faces, enrolled: list[Enrolled]) -> list[tuple[str, str, float]]:
    if not enrolled:
        return []
    vectors = np.stack([row.vector for row in enrolled])
    norms = np.array([row.norm for row in enrolled], np.float32)
    scores = face.templates.scores(Templates(vectors, norms, face.templates.model_id))[0]
    return [(row.source, row.sample_id, float(score)) for row, score in zip(enrolled, scores, strict=True)]


def _place(services: Services, face: Faces, subject: str) -> tuple[int | None, tuple[str, float] | None]:
    """The subject's rank, and the best other subject; asks for more and more candidates until the subject is there."""
    wanted, size = 10, len(services.gallery)
    while True:
        found = services.gallery.search(face.templates, k=wanted)[0]
        others = [(n, float(s)) for n, s in zip(found.subjects, found.scores, strict=True) if n != subject]
        if subject in found.subjects:
            return found.subjects.index(subject) + 1, others[0] if others else None
        if wanted >= size:
            return None, others[0] if others else None
        wanted *= 10


def _changes(face: FaceReport, subject: str, point: OperatingPoint) -> list[str]:
    if face.decision.subject == subject:
        return []
    if not face.scores:
        return [f"No photo of {subject} has a template of the model in use: enrol one again."]
    best, needed = face.scores[0][2], point.threshold
    said = []
    if best < needed:
        said.append(
            f"The best score with {subject} is {best:.3f}: it is short of the threshold by {needed - best:.3f}."
        )
        if point.min_norm is not None and face.norm < point.min_norm:
            said.append(
                f"The picture is poor (quality {face.norm:.1f}, measured down to {point.min_norm:.1f}): use one in "
                "which the face is larger, sharper or less covered."
            )
        worst = face.scores[-1][2]
        if len(face.scores) == 1:
            said.append(f"Only one photo of {subject} is enrolled: enrol others, at other angles and in other light.")
        elif worst < 0 < best:
            said.append(
                f"The photos of {subject} fit very differently ({best:.3f} to {worst:.3f}): are all of {subject}?"
            )
    elif face.decision.kind == "ambiguous" and face.better:
        name, score = face.better
        said.append(
            f"{name} scores {score:.3f}; the two would have to be more than {point.margin:.3f} apart. If both are one "
            "person, merge them: knownface gallery merge."
        )
    elif face.better and face.better[1] > best:
        said.append(f"{face.better[0]} is more alike ({face.better[1]:.3f} against {best:.3f}).")
    else:
        said.append(f"Another face of this photo is more like {subject}; --allow-repeats lets both have the name.")
    return said


def _nearest(services: Services, source: Source) -> str:
    """What comes nearest to a face where none was found, and why it was not taken."""
    strict = services.settings
    faint = build_recognizer(strict.model_copy(update=_FAINT), expect="few")
    found = faint.analyse(services.open(source)).detections
    if not len(found):
        return "Nothing in this photo resembles a face: is the face turned away, cut off or covered?"
    x0, y0, x1, y1 = found.boxes[0]
    width, height, confidence = float(x1 - x0), float(y1 - y0), float(found.confidences[0])
    what = f"The nearest thing to a face, {width:.0f}x{height:.0f} pixels at ({x0:.0f}, {y0:.0f}), was not taken: "
    if min(width, height) < strict.min_face:
        return f"{what}it is smaller than min_face, {strict.min_face:g} pixels. Use a larger picture."
    return (
        f"{what}the detector's confidence is {confidence:.2f}, and min_confidence is {strict.min_confidence:g}. Use a "
        "sharper or less turned picture."
    )
