"""Templates of another model for enrolled samples: from the crop that is kept, or from the original photo.

No face is looked for: the sample says where it is. From a kept crop, and from a photo of one face, the template is the
one that enrolling anew with the same detector would give.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from app.photos import open_source, photos_in
from pipeline.build import build_embedding
from pipeline.config import Settings
from pipeline.errors import PhotoError
from pipeline.types import F32, AlignedFaces, Detections, Image

if TYPE_CHECKING:
    from pipeline.gallery.waiting import Waiting

_PNG = b"\x89PNG\r\n\x1a\n"
_PART = 8  # faces that one thread embeds at a time


class Made(NamedTuple):
    """A template: row of its sample, norm before it was normalised, unit vector (D,) float32."""

    key: int
    norm: float
    vector: F32


@dataclass(frozen=True, slots=True)
class Problem:
    """A sample that cannot be embedded, and why."""

    key: int
    subject: str
    sample_id: str
    photo: str
    reason: str

    def as_document(self) -> dict[str, str]:
        """As it goes into JSON."""
        return {"subject": self.subject, "sample_id": self.sample_id, "photo": self.photo, "reason": self.reason}


class PhotoFolders:
    """The original photos, found by the hash of their bytes.

    Args:
        folders: Searched with their sub-folders; none for no photos.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)
        self._files: dict[str, Path] = {}
        self._unread = [file for folder in folders for file in photos_in(folder)]

    def find(self, samples: Iterable[Waiting]) -> None:
        """Looks for the photos of these samples, those of the same file name first; reads no more than it has to."""
        wanted = {sample.photo_sha256 for sample in samples} - self._files.keys()
        names = {Path(sample.source).name for sample in samples}
        self._unread.sort(key=lambda file: file.name not in names)
        while wanted and self._unread:
            file = self._unread.pop(0)
            if (sha256 := _hash(file)) is not None:
                self._files.setdefault(sha256, file)
                wanted.discard(sha256)

    def of(self, sample: Waiting) -> Path | None:
        """The photo of a sample; None where it is not there."""
        return self._files.get(sample.photo_sha256)


def _hash(file: Path) -> str | None:
    from pipeline.weights.files import sha256_of

    try:
        return sha256_of(file) if file.is_file() else None
    except OSError:
        return None


class Reembedder:
    """Embeds samples with another model.

    Args:
        settings: Which embedder, and the limits of photos.
        photos: Where the originals are.
        workers: Threads.
    """

    def __init__(self, settings: Settings, photos: PhotoFolders, workers: int) -> None:
        self._settings, self.photos, self._workers = settings, photos, workers
        self._aligner, self._embedder = build_embedding(settings)
        self._crop_px = _side_of_crops(self._aligner.views)

    @property
    def model_id(self) -> str:
        """Identity of the templates it makes."""
        return self._embedder.model_id

    def expected(self, samples: Sequence[Waiting]) -> list[Problem]:
        """Which samples cannot be embedded, as far as that can be told without doing it; crops may be heads only."""
        need = [sample for sample in samples if not self._fits(sample)]
        self.photos.find(need)
        return [_problem(sample, self._why(sample)) for sample in need if self.photos.of(sample) is None]

    def embed(self, samples: Sequence[Waiting]) -> list[Made | Problem]:
        """Templates of samples, in their order."""
        self.photos.find([sample for sample in samples if not self._fits(sample)])
        parts = [samples[start : start + _PART] for start in range(0, len(samples), _PART)]
        with ThreadPoolExecutor(self._workers, thread_name_prefix="reembed") as pool:
            return [row for rows in pool.map(self._part, parts) for row in rows]

    def _part(self, samples: Sequence[Waiting]) -> list[Made | Problem]:
        cut = [self._cut(sample) for sample in samples]
        faces = [found for found in cut if isinstance(found, AlignedFaces)]
        templates = self._embedder.embed(AlignedFaces.concatenate(faces, self._aligner.size))
        vectors = iter(zip(templates.norms.tolist(), templates.vectors, strict=True))
        return [
            _problem(sample, found) if isinstance(found, str) else Made(sample.key, *next(vectors))
            for sample, found in zip(samples, cut, strict=True)
        ]

    def _cut(self, sample: Waiting) -> AlignedFaces | str:
        """One face as the network needs it, or why that cannot be had."""
        if self._fits(sample) and (crop := _decoded(sample.crop or b"")) is not None:
            one = AlignedFaces(crop[None], np.zeros((1, 2, 3), np.float32))
            return AlignedFaces(one.crops, one.transforms, (one,) * (len(self._aligner.views) - 1))
        file = self.photos.of(sample)
        if file is None:
            return "the kept crop is damaged, and the photo is not there" if self._fits(sample) else self._why(sample)
        try:
            photo = open_source(file, max_bytes=self._settings.max_bytes, max_pixels=self._settings.max_pixels)
            if photo.image_hw != sample.image_hw or photo.sha256 != sample.photo_sha256:
                return "the photo was changed meanwhile"
            return self._aligner.align(photo, _found(sample))
        except PhotoError as error:
            return error.message

    def _fits(self, sample: Waiting) -> bool:
        return sample.crop is not None and self._crop_px is not None and _side(sample.crop) == self._crop_px

    def _why(self, sample: Waiting) -> str:
        if sample.crop is None:
            crop = "no crop of it is kept"
        elif self._crop_px is None:
            crop = f"{self.model_id} looks at more of a face than the crop that is kept"
        else:
            crop = f"the crop that is kept is not one that {self.model_id} takes"
        where = "is not given" if not self.photos.folders else "is not in the folder"
        return f"{crop}, and its photo {where}{'s' if len(self.photos.folders) > 1 else ''}"


def in_batches(fetch: partial[list[Waiting]]) -> Iterator[list[Waiting]]:
    """All that `fetch(after=row)` gives, from the first row on."""
    after = 0
    while batch := fetch(after=after):
        yield batch
        after = batch[-1].key


def _side_of_crops(views: Sequence[tuple[str, float]]) -> int | None:
    """The side of a kept crop that shows every view of an embedder; None where none does.

    The crop that is kept is that of a template without zoom; its size says of which template, as long as they differ.
    """
    from pipeline.align import TEMPLATES

    names = {template for template, _ in views}
    if len(names) > 1 or any(zoom != 1.0 for _, zoom in views):
        return None
    side = TEMPLATES[names.pop()][1]
    return side if [size for _, size in TEMPLATES.values()].count(side) == 1 else None


def _side(png: bytes) -> int | None:
    """Side of a square PNG by its first bytes; None for anything else."""
    if not png.startswith(_PNG) or len(png) < 24:
        return None
    width, height = struct.unpack(">II", png[16:24])
    return int(width) if width == height else None


def _decoded(png: bytes) -> Image | None:
    """(S, S, 3) uint8 RGB; None where it is damaged."""
    import cv2

    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        return None
    image: Image = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return image


def _found(sample: Waiting) -> Detections:
    boxes = np.array([sample.box], np.float32)
    confidences = np.array([min(max(sample.confidence, 0.0), 1.0)], np.float32)
    return Detections(boxes, confidences, sample.landmarks[None], sample.image_hw)


def _problem(sample: Waiting, reason: str) -> Problem:
    return Problem(sample.key, sample.subject, sample.id, sample.source, reason)
