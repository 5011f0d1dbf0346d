"""What a stage must offer to be used in the pipeline. Structural: implement the methods, inherit nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.types import F32, AlignedFaces, Detections, Templates

if TYPE_CHECKING:  # OpenCV is not needed to name what a stage takes
    from pipeline.images import Photo

Array = npt.NDArray[Any]


class Session(Protocol):
    """A network loaded into a runtime; safe to call from several threads."""

    @property
    def runtime(self) -> str:
        """Name of the runtime, its device and the precision of the network, e.g. `openvino/cpu int8`."""
        ...

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in the network's order."""
        ...

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs, in the network's order."""
        ...

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the network once; returns every output by name."""
        ...


class Detector(Protocol):
    """Finds faces."""

    def detect(self, photo: Photo) -> Detections:
        """The faces of one photo, in pixels of the original photo, most prominent first."""
        ...

    def detect_batch(self, photos: Sequence[Photo]) -> list[Detections]:
        """The same for several photos, one result each."""
        ...


class LandmarkRefiner(Protocol):
    """Improves the five landmarks of detected faces."""

    def refine(self, photo: Photo, detections: Detections) -> Detections:
        """The same faces with better landmarks."""
        ...

    def refine_batch(self, photos: Sequence[Photo], detections: Sequence[Detections]) -> list[Detections]:
        """The same for several photos in one pass through the network."""
        ...


class Aligner(Protocol):
    """Cuts faces out and turns them upright."""

    @property
    def size(self) -> int:
        """Side of the square crop in pixels."""
        ...

    def align(self, photo: Photo, detections: Detections) -> AlignedFaces:
        """One crop per detection, in their order.

        Raises:
            DegenerateLandmarksError: The landmarks of a face do not determine a similarity.
        """
        ...


class Liveness(Protocol):
    """Tells live faces from pictures of faces (presentation attack detection, ISO/IEC 30107-3)."""

    @property
    def model_id(self) -> str:
        """The model whose scores these are."""
        ...

    def live_scores(self, photo: Photo, detections: Detections) -> F32:
        """(N,) float32 in [0, 1] for the faces of one photo; the higher, the more surely live."""
        ...


class Eyes(Protocol):
    """Tells whether eyes are open."""

    @property
    def model_id(self) -> str:
        """The model whose scores these are."""
        ...

    def open_scores(self, photo: Photo, detections: Detections) -> F32:
        """(N,) float32 in [0, 1] for the faces of one photo; the higher, the more surely an eye is open."""
        ...


class Embedder(Protocol):
    """Turns aligned faces into templates."""

    @property
    def model_id(self) -> str:
        """`arch.tag@sha8`, the identity of its templates."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a template."""
        ...

    def embed(self, faces: AlignedFaces) -> Templates:
        """One unit row per face, in their order."""
        ...


class Index(Protocol):
    """Nearest neighbours by cosine similarity. Derived from the gallery's truth; can be rebuilt at any time."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    def __len__(self) -> int:
        """Vectors held."""
        ...

    def add(self, vectors: F32, ids: npt.NDArray[np.int64]) -> None:
        """Adds (N, D) float32 unit rows under N new, distinct ids.

        Raises:
            ValueError: A row is not finite or not unit, a shape does not fit, or an id is there already.
        """
        ...

    def remove(self, ids: npt.NDArray[np.int64]) -> int:
        """Removes what is there of the ids; returns how many were."""
        ...

    def search(self, vectors: F32, k: int) -> tuple[F32, npt.NDArray[np.int64]]:
        """The k most similar of each of (Q, D) rows.

        Returns:
            scores (Q, min(k, len)) float32 descending and ids of the same shape, int64; equal scores by ascending id.

        Raises:
            ValueError: A row is not finite or not unit, or a shape does not fit.
        """
        ...
