"""What goes into a gallery and what it tells about itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pipeline.types import F32

ProblemKind = Literal[
    "damaged_page",
    "bad_value",
    "foreign_program",
    "older_than_seen",
    "broken_reference",
    "template_without_sample",
    "bad_vector",
    "sample_without_template",
    "index_disagrees",
    "index_damaged",
    "orphan_file",
    "no_consent",
    "time_is_over",
    "no_certificate",
    "rights_forged",
    "rights_not_bound",
]


@dataclass(frozen=True, slots=True, eq=False)
class NewSample:
    """One face to enrol.

    Attributes:
        source: Where the photo came from, as shown to people (a path, or the name of an upload).
        photo_sha256: SHA-256 of the photo's bytes, 64 lower-case hex digits.
        box: x0, y0, x1, y1 of the face in pixels of the original photo.
        landmarks: (5, 2) float32, pixels of the original photo.
        confidence: The detector's confidence in [0, 1].
        image_hw: Height and width of the original photo in pixels.
        vector: (D,) float32 of unit length.
        norm: Length of the vector before it was normalised.
        crop: PNG of the aligned face, or None where the operator does not keep crops.
        quality: Quality score, higher is better, or None where it was not measured.
    """

    source: str
    photo_sha256: str
    box: tuple[float, float, float, float]
    landmarks: F32
    confidence: float
    image_hw: tuple[int, int]
    vector: F32
    norm: float
    crop: bytes | None = None
    quality: float | None = None


@dataclass(frozen=True, slots=True)
class SubjectInfo:
    """One line of the list of subjects.

    Attributes:
        name: The subject's name.
        samples: Photos enrolled.
        created: When the subject was first enrolled (UTC).
    """

    name: str
    samples: int
    created: datetime


@dataclass(frozen=True, slots=True, eq=False)
class SampleInfo:
    """One enrolled photo of a subject.

    Attributes:
        id: Opaque identity of the sample.
        source: Where the photo came from.
        photo_sha256: SHA-256 of the photo's bytes.
        box: x0, y0, x1, y1 in pixels of the original photo.
        landmarks: (5, 2) float32, pixels of the original photo.
        confidence: The detector's confidence in [0, 1].
        image_hw: Height and width of the original photo in pixels.
        quality: Quality score, or None.
        created: When it was enrolled (UTC).
        has_template: Whether there is a template of the model in use; without one the sample is never found.
    """

    id: str
    source: str
    photo_sha256: str
    box: tuple[float, float, float, float]
    landmarks: F32
    confidence: float
    image_hw: tuple[int, int]
    quality: float | None
    created: datetime
    has_template: bool


@dataclass(frozen=True, slots=True, eq=False)
class SubjectDetail:
    """A subject and the photos enrolled of it.

    Attributes:
        info: Name, number of samples, time of creation.
        samples: The enrolled photos, oldest first.
    """

    info: SubjectInfo
    samples: tuple[SampleInfo, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Enrolled:
    """One template of the gallery.

    Attributes:
        subject: Whose it is.
        sample_id: Identity of its sample.
        source: Where the photo came from.
        vector: (D,) float32 of unit length.
        norm: Length of the vector before it was normalised.
    """

    subject: str
    sample_id: str
    source: str
    vector: F32
    norm: float


@dataclass(frozen=True, slots=True)
class Problem:
    """Something `check` found.

    Attributes:
        kind: What sort of problem.
        message: One line: what is wrong and what to do.
        repaired: Whether this call put it right.
    """

    kind: ProblemKind
    message: str
    repaired: bool = False
