"""The values that pass between stages: frozen, slotted, columnar, checked once on construction.

Images are uint8 (H, W, 3) RGB. Boxes and landmarks are in pixels of the original, upright photo (EXIF orientation
applied, full resolution); the centre of the top left pixel is (0, 0), as in OpenCV.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipeline.errors import ModelMismatchError

Image = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
DecisionKind = Literal["match", "non_match", "unknown", "ambiguous", "poor_image", "no_face"]

IndexKind = Literal["local", "pgvector", "milvus"]
"""Who searches a gallery: this process, its PostgreSQL, or Milvus."""

IndexMethod = Literal["exact", "hnsw"]
"""How an engine elsewhere searches: every template, or a graph that may miss somebody."""

SubjectScore = Literal["best", "fused"]
"""What a probe is compared with: the best sample of each subject, or one template fused over its samples."""

UNIT_TOLERANCE = 1e-3
#: In the model_id of templates in which the mirrored crop was averaged in.
FLIP_SUFFIX = "+flip"


def fusion_suffix(flip: bool, zooms: Sequence[float] = ()) -> str:
    """What a model_id says about the views of a face that were averaged: `+flip`, `+zoom0.94_1.06`, both, or ""."""
    zoom = "+zoom" + "_".join(f"{zoom:g}" for zoom in zooms) if zooms else ""
    return (FLIP_SUFFIX if flip else "") + zoom


def _check(name: str, array: npt.NDArray[Any], dtype: type[np.generic], shape: tuple[int | None, ...]) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        raise ValueError(f"{name} must be a {np.dtype(dtype).name} array, not {getattr(array, 'dtype', type(array))}")
    if array.ndim != len(shape) or any(
        want is not None and want != got for want, got in zip(shape, array.shape, strict=True)
    ):
        wanted = "(" + ", ".join("N" if s is None else str(s) for s in shape) + ")"
        raise ValueError(f"{name} must have shape {wanted}, not {array.shape}")


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The faces of one photo, most prominent first.

    Attributes:
        boxes: (N, 4) float32, x0 y0 x1 y1 in pixels of the original photo; may reach past its edges.
        confidences: (N,) float32 in [0, 1]; the detector's own, never a match score.
        landmarks: (N, 5, 2) float32, x y: left eye, right eye, nose, left and right mouth corner, as the viewer sees
            them.
        image_hw: height and width of the original photo.
    """

    boxes: F32
    confidences: F32
    landmarks: F32
    image_hw: tuple[int, int]

    def __post_init__(self) -> None:
        n = len(self.boxes)
        _check("boxes", self.boxes, np.float32, (None, 4))
        _check("confidences", self.confidences, np.float32, (n,))
        _check("landmarks", self.landmarks, np.float32, (n, 5, 2))
        if n and not (np.all(self.confidences >= 0) and np.all(self.confidences <= 1)):
            raise ValueError("confidences must lie in [0, 1]")

    @classmethod
    def empty(cls, image_hw: tuple[int, int]) -> Detections:
        """No face in a photo of this height and width."""
        zeros = np.zeros
        return cls(zeros((0, 4), np.float32), zeros(0, np.float32), zeros((0, 5, 2), np.float32), image_hw)

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, rows: Sequence[int] | npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Detections:
        """The chosen rows, as new Detections."""
        rows = np.asarray(rows, dtype=None if len(rows) else np.intp)
        return Detections(self.boxes[rows], self.confidences[rows], self.landmarks[rows], self.image_hw)

    def with_landmarks(self, landmarks: F32) -> Detections:
        """The same faces with other landmarks, (N, 5, 2) float32."""
        return Detections(self.boxes, self.confidences, landmarks, self.image_hw)


@dataclass(frozen=True, slots=True, eq=False)
class AlignedFaces:
    """Faces cut out and turned upright.

    Attributes:
        crops: (N, S, S, 3) uint8 RGB; S is the template's size, 112 for the usual one.
        transforms: (N, 2, 3) float32, the similarity that takes pixels of the original photo to pixels of the crop.
        others: The same N faces cut out in other ways, for embedders that look at each face more than once.
    """

    crops: Image
    transforms: F32
    others: tuple[AlignedFaces, ...] = ()

    def __post_init__(self) -> None:
        _check("crops", self.crops, np.uint8, (None, None, None, 3))
        _check("transforms", self.transforms, np.float32, (len(self.crops), 2, 3))
        if any(len(other) != len(self) or other.others for other in self.others):
            raise ValueError("others must hold the same faces, each cut out once")

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, rows: slice) -> AlignedFaces:
        """The chosen rows, as new AlignedFaces."""
        return AlignedFaces(self.crops[rows], self.transforms[rows], tuple(other[rows] for other in self.others))

    @property
    def views(self) -> tuple[AlignedFaces, ...]:
        """Every way the faces were cut out: these crops, then the others."""
        return self, *self.others

    @classmethod
    def concatenate(cls, parts: Sequence[AlignedFaces], size: int = 112) -> AlignedFaces:
        """All faces of several photos, in order; `size` is the side of the crop when there are none."""
        if not parts:
            return cls(np.zeros((0, size, size, 3), np.uint8), np.zeros((0, 2, 3), np.float32))
        others = tuple(cls.concatenate(same) for same in zip(*(part.others for part in parts), strict=True))
        return cls(np.concatenate([p.crops for p in parts]), np.concatenate([p.transforms for p in parts]), others)


@dataclass(frozen=True, slots=True, eq=False)
class Templates:
    """What an embedder makes of faces.

    Attributes:
        vectors: (N, D) float32, rows of unit length.
        norms: (N,) float32, length of each vector before it was normalised (a weak sign of image quality).
        model_id: `arch.tag@sha8`. Templates of different model_ids are never compared.
    """

    vectors: F32
    norms: F32
    model_id: str

    def __post_init__(self) -> None:
        _check("vectors", self.vectors, np.float32, (None, None))
        _check("norms", self.norms, np.float32, (len(self.vectors),))
        if len(self.vectors):
            lengths = np.linalg.norm(self.vectors, axis=1)
            if not np.all(np.abs(lengths - 1) < UNIT_TOLERANCE):  # also catches NaN
                raise ValueError("the rows of vectors must have unit length")

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, rows: Sequence[int] | slice | npt.NDArray[np.intp]) -> Templates:
        """The chosen rows, as new Templates."""
        return Templates(self.vectors[rows], self.norms[rows], self.model_id)

    def scores(self, other: Templates) -> F32:
        """Cosine similarity of every row with every row of `other`, (N, M) float32 in [-1, 1].

        Raises:
            ModelMismatchError: The templates come from different models.
        """
        if self.model_id != other.model_id:
            raise ModelMismatchError(
                f"templates of {self.model_id} cannot be compared with templates of {other.model_id}: "
                "embed both with one model"
            )
        clipped: F32 = np.clip(self.vectors @ other.vectors.T, -1.0, 1.0)
        return clipped


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The subjects most like one probe.

    Attributes:
        subjects: Names of K different subjects.
        scores: (K,) float32, descending: each subject's score.
    """

    subjects: tuple[str, ...]
    scores: F32

    def __post_init__(self) -> None:
        _check("scores", self.scores, np.float32, (len(self.subjects),))
        if np.any(np.diff(self.scores) > 0):
            raise ValueError("scores must be descending")

    def __len__(self) -> int:
        return len(self.subjects)


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
        kind: match, non_match (verify); match, unknown, ambiguous (identify); poor_image, no_face.
        score: The score the decision rests on, None where there is none.
        threshold: The threshold it was held against, None where there is none.
        subject: The named subject; None unless identify found a match.
        runner_up: Second best subject and its score, None where there is none.
        reason: One sentence with the numbers behind it.
        model_id: The model whose scores these are.
        log_ratio: Natural log likelihood ratio of the score, where the operating point has one.
        probability: Probability of one person at the prior of the settings (verify), likewise.
        origin: Where the operating point comes from, in words.
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
