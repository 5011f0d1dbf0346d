"""What a run is made of: its files and its faces, as rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.types import F32, DecisionKind

Kind = Literal["photo", "video"]
Box = tuple[float, float, float, float]
Landmarks = tuple[tuple[float, float], ...]
#: What is written of a quality from 0 to 100.
QUALITY_DECIMALS = 1


@dataclass(frozen=True, slots=True)
class FileRow:
    """One file of a run.

    Attributes:
        path: Where it is: absolute, bytes that are no text as surrogates (`os.fsdecode`).
        sha256: Hash of its content, None where it could not be read.
        kind: `photo` or `video`.
        state: `done`, or `failed` where it could not be used.
        error: Code of the error; `no_face` (of a file that is done) where nobody is in it; None where all is well.
        message: What the error says, in one line.
        image_hw: Height and width in pixels, upright; None where that is not known.
        faces: How many faces it shows.
    """

    path: str
    sha256: str | None
    kind: Kind
    state: Literal["done", "failed"]
    error: str | None
    message: str | None
    image_hw: tuple[int, int] | None
    faces: int


@dataclass(frozen=True, slots=True)
class FaceRow:
    """One face of a photo, or one appearance in a video.

    Attributes:
        face_id: `sha256[:16]-number`, of a video `sha256[:16]-tnumber`: the same in every run.
        photo: The first path, in their order, that has this content.
        other_paths: Further paths with the same content, in order.
        sha256: Hash of the content.
        number: Of the face in the photo; 1 is the most prominent one. Of the appearance in a video; 1 is the first.
        box: x0, y0, x1, y1 in pixels of the upright photo; may reach past its edges.
        landmarks: Five points x, y in those pixels, as in `Detections`.
        confidence: The detector's, in [0, 1].
        image_hw: Height and width of the photo in pixels.
        decision: Who it is: match, unknown, ambiguous, poor_image; None before the run was decided.
        subject: The name, for a match.
        score, threshold: What the decision rests on.
        runner_up, best: A subject and its score, as in `Decision`.
        reason: One sentence.
        origin: Where the operating point comes from, in words.
        model_id: The model whose template it has.
        norm: Length of the vector before it was normalised.
        cluster: Which unknown person it belongs to (`U-0001`), once they are clustered; None unless it is unknown.
        quality: Unified quality, 0 to 100 (`pipeline.quality`), of a video's best shot; None where it was not kept.
        start_s, end_s: When the appearance in a video begins and ends, in seconds; None for photos.
    """

    face_id: str
    photo: str
    other_paths: tuple[str, ...]
    sha256: str
    number: int
    box: Box
    landmarks: Landmarks
    confidence: float
    image_hw: tuple[int, int]
    decision: DecisionKind | None
    subject: str | None
    score: float | None
    threshold: float | None
    runner_up: tuple[str, float] | None
    best: tuple[str, float] | None
    reason: str
    origin: str
    model_id: str
    norm: float
    cluster: str | None = None
    quality: float | None = None
    start_s: float | None = None
    end_s: float | None = None

    @property
    def kind(self) -> Kind:
        """Of what it is a face."""
        return "photo" if self.start_s is None else "video"


def face_id(sha256: str, number: int, *, video: bool = False) -> str:
    """What a face is called, in every run."""
    return f"{sha256[:16]}-{'t' if video else ''}{number}"


@dataclass(frozen=True, slots=True, eq=False)
class NewFace:
    """One face that was found in a content, before it is in the ledger.

    Attributes:
        box, landmarks, confidence, norm, quality, start_s, end_s: As in `FaceRow`.
        vector: Its template, (D,) float32 of unit length.
        thumbnail: JPEG.
    """

    box: Box
    landmarks: Landmarks
    confidence: float
    vector: F32
    norm: float
    thumbnail: bytes
    quality: float | None = None
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """What was made of one content: its faces, most prominent (in a video: earliest) first, or an error.

    Attributes:
        sha256: Its hash.
        kind: Photo or video.
        image_hw: Height and width in pixels, upright; None where that is not known.
        faces: What it shows.
        error, message: Code and words where it cannot be used; the words without the file's name in front.
    """

    sha256: str
    kind: Kind
    image_hw: tuple[int, int] | None
    faces: tuple[NewFace, ...] = ()
    error: str | None = None
    message: str | None = None
