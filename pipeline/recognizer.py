"""The pipeline as one object: photo -> detect -> refine landmarks -> align -> embed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from pipeline.errors import DegenerateLandmarksError, NoFaceError, PhotoError
from pipeline.images import Photo
from pipeline.protocols import Aligner, Detector, Embedder, Eyes, LandmarkRefiner, Liveness
from pipeline.quality import assess, generic_fit
from pipeline.streams import Work, in_order
from pipeline.types import F32, AlignedFaces, Detections, Qualities, QualityFit, Templates

Source = TypeVar("Source")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """All faces of one photo, row i of each part being the same face; most prominent first.

    Attributes:
        source: What the photo is called.
        photo_sha256: Hash of the photo's bytes.
        detections: Where the faces are.
        aligned: Their crops.
        templates: Their templates.
        jpeg_quality: Of the photo, 1 to 100; None where it is no JPEG.
        live: (N,) float32 in [0, 1], how surely each face is a live one; None where liveness is off.
        eyes: (N,) float32 in [0, 1], how surely an eye is open; None where that is not looked at.
    """

    source: str
    photo_sha256: str
    detections: Detections
    aligned: AlignedFaces
    templates: Templates
    jpeg_quality: float | None = None
    live: F32 | None = None
    eyes: F32 | None = None

    def __len__(self) -> int:
        return len(self.detections)


class Recognizer:
    """Composes the stages through their protocols. Holds no state between calls; safe to share between threads.

    Args:
        detector: Finds faces.
        refiner: Improves landmarks, or None.
        aligner: Cuts faces out.
        embedder: Makes templates.
        quality: How its templates tell the quality of a face; by default what holds for any embedder.
        liveness: Tells live faces from pictures of faces, or None.
        eyes: Tells whether eyes are open, or None.
    """

    def __init__(
        self,
        detector: Detector,
        refiner: LandmarkRefiner | None,
        aligner: Aligner,
        embedder: Embedder,
        quality: QualityFit | None = None,
        liveness: Liveness | None = None,
        eyes: Eyes | None = None,
    ) -> None:
        self._detector, self._refiner, self._aligner, self._embedder = detector, refiner, aligner, embedder
        self._quality, self._liveness, self._eyes = quality or generic_fit(), liveness, eyes

    @property
    def model_id(self) -> str:
        """The identity of the templates this recognizer makes."""
        return self._embedder.model_id

    @property
    def dimension(self) -> int:
        """Length of a template."""
        return self._embedder.dimension

    @property
    def runtimes(self) -> dict[str, str]:
        """Runtime, provider and precision of each stage that runs a network, e.g. `openvino/cpu fp32`."""
        stages = {"detector": self._detector, "refiner": self._refiner, "embedder": self._embedder}
        said = {name: getattr(stage, "runtime", "") for name, stage in stages.items()}
        return {name: runtime for name, runtime in said.items() if runtime}

    @property
    def crop_size(self) -> int:
        """Side of an aligned crop in pixels."""
        return self._aligner.size

    def analyse(self, photo: Photo) -> Faces:
        """All faces of one photo; possibly none.

        Raises:
            PhotoError: The photo cannot be decoded, or the landmarks of every face in it are degenerate.
        """
        return self._finish([photo], self._find([photo]))[0]

    def analyse_batch(self, photos: Sequence[Photo]) -> list[Faces | PhotoError]:
        """The same for several photos at once; a photo that fails gives its error and the others go on."""
        try:
            return list(self._finish(photos, self._find(photos)))
        except PhotoError as error:
            if len(photos) == 1:
                return [error]
            return [result for photo in photos for result in self.analyse_batch([photo])]

    def best_face(self, photo: Photo) -> Faces:
        """The most prominent face of a photo, alone.

        Raises:
            NoFaceError: There is none.
            PhotoError: The photo cannot be used.
        """
        (found,) = self._find([photo])
        if not len(found):
            raise no_face(photo.source)
        return self._finish([photo], [found[[0]]])[0]

    def align(self, photo: Photo, detections: Detections) -> AlignedFaces:
        """The crops of faces whose landmarks are known.

        Raises:
            PhotoError: The photo cannot be decoded, or the landmarks of a face are degenerate.
        """
        return self._aligner.align(photo, detections)

    def embed_aligned(self, faces: AlignedFaces) -> Templates:
        """Templates of faces that are aligned already."""
        return self._embedder.embed(faces)

    def assess(self, faces: Faces) -> Qualities:
        """How good each face of a photo is for recognition; see `pipeline.quality`."""
        return assess(faces.detections, faces.aligned, faces.templates, self._quality, faces.jpeg_quality, faces.eyes)

    def stream(
        self, sources: Iterable[Source], open_source: Callable[[Source], Photo], *, workers: int, chunk: int = 8
    ) -> Iterator[tuple[Source, Faces | PhotoError]]:
        """Analyses many photos in parallel streams; results come in the order of the sources.

        Each worker decodes, detects, aligns and embeds a chunk of photos on one thread, no more than 16 megapixels of
        them together, and one photo of more than 32 megapixels at a time among all workers. At most 2 × workers chunks
        are under way. So the memory is bounded whatever the number and size of the sources.

        Args:
            sources: Anything that `open_source` turns into a photo.
            open_source: Opens one; a PhotoError it raises becomes that source's result.
            workers: Parallel streams.
            chunk: Photos that share passes through the networks.
        """
        return self.stream_as(sources, open_source, lambda _, faces: faces, workers=workers, chunk=chunk)

    def stream_as(
        self,
        sources: Iterable[Source],
        open_source: Callable[[Source], Photo],
        finish: Callable[[Photo, Faces], Result],
        *,
        workers: int,
        chunk: int = 8,
        weight: Callable[[Source], int] | None = None,
        max_weight: int = 0,
    ) -> Generator[tuple[Source, Result | PhotoError], None, None]:
        """The same, with what `finish` makes of each photo and its faces, on the worker, while its pixels are at hand.

        Args:
            sources: As in `stream`. The next is asked for only when a chunk can be started, in the caller's thread.
            open_source: As in `stream`.
            finish: Makes the result; a PhotoError it raises becomes that source's result.
            workers: As in `stream`.
            chunk: As in `stream`.
            weight: How heavy a source is that waits for its worker (the bytes it holds).
            max_weight: A chunk takes no further source once it weighs so much.
        """
        work = Work(open_source, self.analyse_batch, finish)
        weigh = weight or (lambda _: 0)
        return in_order(sources, work, workers=workers, chunk=chunk, weigh=weigh, max_weight=max_weight)

    def _find(self, photos: Sequence[Photo]) -> list[Detections]:
        found = self._detector.detect_batch(photos)
        return self._refiner.refine_batch(photos, found) if self._refiner else found

    def _finish(self, photos: Sequence[Photo], found: Sequence[Detections]) -> list[Faces]:
        pairs = [self._align(photo, detections) for photo, detections in zip(photos, found, strict=True)]
        together = AlignedFaces.concatenate([aligned for _, aligned in pairs if len(aligned)], self._aligner.size)
        templates = self._embedder.embed(together)
        faces, start = [], 0
        for photo, (detections, aligned) in zip(photos, pairs, strict=True):
            rows = slice(start, start + len(aligned))
            live = self._liveness.live_scores(photo, detections) if self._liveness else None
            eyes = self._eyes.open_scores(photo, detections) if self._eyes else None
            parts = detections, aligned, templates[rows]
            faces.append(Faces(photo.source, photo.sha256, *parts, photo.jpeg_quality, live, eyes))
            start += len(aligned)
        return faces

    def _align(self, photo: Photo, detections: Detections) -> tuple[Detections, AlignedFaces]:
        """Aligns all faces; one with degenerate landmarks is left out, unless none remains."""
        try:
            return detections, self._aligner.align(photo, detections)
        except DegenerateLandmarksError:
            good = [row for row in range(len(detections)) if self._can_align(photo, detections[[row]])]
            if not good:
                raise
            return detections[good], self._aligner.align(photo, detections[good])

    def _can_align(self, photo: Photo, one: Detections) -> bool:
        try:
            self._aligner.align(photo, one)
        except DegenerateLandmarksError:
            return False
        return True


def no_face(source: str) -> NoFaceError:
    """The error for a photo in which no face was found."""
    return NoFaceError(f"{source}: no face was found: use a photo in which the face is larger, sharper or less turned")


def compare(a: Templates, b: Templates) -> float:
    """Score of the first template of each: cosine similarity in [-1, 1].

    Raises:
        ModelMismatchError: They come from different models.
    """
    return float(np.float64(a[[0]].scores(b[[0]])[0, 0]))
