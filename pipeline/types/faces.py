"""From the photo to its templates: what detector, aligner and embedder hand on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.errors import ModelMismatchError
from pipeline.types.arrays import F32, Image, check

UNIT_TOLERANCE = 1e-3
#: In the model_id of templates in which the mirrored crop was averaged in.
FLIP_SUFFIX = "+flip"


def fusion_suffix(flip: bool, zooms: Sequence[float] = ()) -> str:
    """What a model_id says about the views of a face that were averaged: `+flip`, `+zoom0.94_1.06`, both, or ""."""
    zoom = "+zoom" + "_".join(f"{zoom:g}" for zoom in zooms) if zooms else ""
    return (FLIP_SUFFIX if flip else "") + zoom


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
        check("boxes", self.boxes, np.float32, (None, 4))
        check("confidences", self.confidences, np.float32, (n,))
        check("landmarks", self.landmarks, np.float32, (n, 5, 2))
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
        check("crops", self.crops, np.uint8, (None, None, None, 3))
        check("transforms", self.transforms, np.float32, (len(self.crops), 2, 3))
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
        check("vectors", self.vectors, np.float32, (None, None))
        check("norms", self.norms, np.float32, (len(self.vectors),))
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
