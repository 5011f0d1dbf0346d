"""What a photo is worth for enrolment, in plain words. Nothing here draws; every line is (tone, HTML)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.lookalikes import Likeness
from app.services import Services, pick_face
from app.web.markup import fill
from app.web.texts import words
from pipeline.errors import SubjectNotFoundError
from pipeline.quality import advice
from pipeline.recognizer import Faces, compare

#: Two pictures whose templates are this close are all but one picture: no threshold of recognition, only a hint.
NEARLY_ONE = 0.9
_MOST_ADVICE = 3  # of one photo: more is not read

Line = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to say about one photo.

    Attributes:
        usable: A face is there and chosen.
        lines: What to say, (tone, HTML) each.
        already: The other person it looks like, if any.
    """

    usable: bool
    lines: tuple[Line, ...]
    already: str | None = None


def judge(service: Services, faces: Faces, chosen: int | None, subject: str | None) -> Verdict:
    """Judges one photo of a person to enrol.

    Args:
        service: Whose gallery is asked.
        faces: What the photo shows.
        chosen: Number of the face to enrol; None while nobody has chosen among several.
        subject: The name it will be enrolled under, normalised; None while there is none.
    """
    if not len(faces):
        return Verdict(False, (("bad", fill(words.judge_no_face)),))
    if chosen is None:
        return Verdict(False, (("warn", fill(words.judge_several, count=len(faces))),))
    face = pick_face(faces, chosen)
    x0, _, x1, _ = face.detections.boxes[0]
    width = round(float(x1 - x0))
    poor = _quality(service, face)
    alone = words.judge_face if poor else words.judge_good
    sentence = alone if len(faces) == 1 else words.judge_chosen
    lines = [("info" if poor else "good", fill(sentence, width=width, number=chosen)), *poor]
    alike, already = _alike(service, face, subject)
    return Verdict(True, (*lines, *alike), already)


def _quality(service: Services, face: Faces) -> list[Line]:
    """What would make the photo better, worst first."""
    poor = advice(service.recognizer.assess(face), 0)
    return [("warn", fill(words.judge_advice[name])) for name in poor[:_MOST_ADVICE]]


def _alike(service: Services, face: Faces, subject: str | None) -> tuple[list[Line], str | None]:
    """Whom the face looks like, as identify decides it; and how it fits the photos of the subject, as verify does."""
    if service.policy.enrolment.lookalikes == "off" or (found := service.likeness(face, subject)) is None:
        return [], None
    lines: list[Line] = []
    others = found.others
    if found.decision.kind == "ambiguous" and found.decision.best and found.decision.runner_up:
        names = {"name": found.decision.best[0], "other": found.decision.runner_up[0]}
        lines.append(("warn", fill(words.judge_ambiguous, **names)))
    elif others:
        (other,) = others
        scores = {"score": f"{other.score:.3f}", "threshold": f"{other.threshold:.3f}"}
        lines.append(("warn", fill(words.judge_already, name=other.subject, **scores)))
    if subject is not None and found.own is not None:
        lines.append(_own(found, subject, found.own))
    return lines, others[0].subject if others and found.decision.kind == "match" else None


def _own(found: Likeness, subject: str, score: float) -> Line:
    shown = f"{score:.3f}"
    if found.unlike is not None:
        return "warn", fill(words.judge_unlike, name=subject, score=shown, threshold=f"{found.unlike.threshold:.3f}")
    if score >= NEARLY_ONE:
        return "info", fill(words.judge_repeats, name=subject, score=shown)
    return "good", f"{fill(words.judge_fits, name=subject, score=shown)} {fill(words.judge_adds)}"


def samples_of(service: Services, subject: str) -> int:
    """How many photos of a subject are enrolled; 0 if there is no such subject."""
    try:
        return service.gallery.subject(subject).info.samples
    except SubjectNotFoundError:
        return 0


def apart(faces: Sequence[Faces], threshold: float) -> list[bool]:
    """Which of several single faces match none of the others (all of them False where there is only one).

    Args:
        faces: One face each.
        threshold: Of verify.
    """
    if len(faces) < 2:
        return [False] * len(faces)
    return [
        all(compare(one.templates, other.templates) < threshold for other in faces if other is not one) for one in faces
    ]
