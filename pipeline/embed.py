"""Embedding: aligned faces through a recognition network, rows brought to unit length.

Normalising features (Wang et al., NormFace, 2017, arXiv:1704.06369; Ranjan et al., L2-Softmax, 2017, arXiv:1703.09507)
makes the inner product of two templates their cosine similarity.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.blobs import planar
from pipeline.errors import CropError
from pipeline.protocols import Embedder, Session
from pipeline.types import F32, AlignedFaces, Image, Templates, fusion_suffix


class NetworkEmbedder:
    """A recognition network behind the `Embedder` protocol.

    Args:
        session: The network: (N, 3, S, S) float32 in, (N, D) out; see `folded`.
        model_id: `arch.tag@sha8` of the network.
        dimension: D.
        mean: Subtracted from each pixel, in 0..255.
        std: Divides each pixel.
        bgr: The network wants BGR.
        flip_fusion: Average with the mirrored crop (as in ArcFace, CVPR 2019); changes the model_id.
        zooms: Average with that many further views of each face, cut out larger by these factors; likewise.
        first_view: Which of the views of a face is the first of this network's.
        size: Side of the crops the network takes, None for any.
        max_batch: Faces in one pass through the network.
        folded: The network takes (N, S, S, 3) uint8 RGB, and gives unit vectors and their former lengths.
    """

    def __init__(
        self,
        session: Session,
        *,
        model_id: str,
        dimension: int,
        mean: float = 0.0,
        std: float = 1.0,
        bgr: bool = False,
        flip_fusion: bool = False,
        zooms: Sequence[float] = (),
        first_view: int = 0,
        size: int | None = None,
        max_batch: int = 4,
        folded: bool = False,
    ) -> None:
        self._session = session
        self._model_id = model_id + fusion_suffix(flip_fusion, zooms)
        self._dimension = dimension
        self._mean, self._std, self._bgr = mean, std, bgr
        self._views = range(first_view, first_view + 1 + len(zooms))
        self._flip_fusion, self._size, self._max_batch = flip_fusion, size, max_batch
        self._folded = folded

    @property
    def model_id(self) -> str:
        """`arch.tag@sha8`, with `+flip` or `+zoom…` when more views of a face are averaged in."""
        return self._model_id

    @property
    def dimension(self) -> int:
        """Length of a template."""
        return self._dimension

    @property
    def runtime(self) -> str:
        """What runs it, and in which precision."""
        return self._session.runtime

    def embed(self, faces: AlignedFaces) -> Templates:
        """One unit row per face, in their order; norms are those before normalisation.

        Raises:
            CropError: The faces were not cut out the way this network needs them.
        """
        passes = [self._raw(crops) for crops in self._crops(faces)]
        raw = passes[0] if len(passes) == 1 else sum((_unit(rows)[0] for rows in passes[1:]), _unit(passes[0])[0])
        vectors, norms = _unit(raw)
        return Templates(vectors, norms, self._model_id)

    def _crops(self, faces: AlignedFaces) -> Iterator[Image]:
        """What goes through the network: each of its views, and the mirror image of each."""
        if not len(faces):
            yield faces.crops
            return
        if len(faces.views) < self._views.stop:
            raise CropError(f"{self._model_id} needs {self._views.stop} views of each face, not {len(faces.views)}")
        for view in faces.views[self._views.start : self._views.stop]:
            height, width = view.crops.shape[1:3]
            if self._size is not None and (height, width) != (self._size, self._size):
                wanted = f"{self._size}x{self._size}"
                raise CropError(f"{self._model_id} takes crops of {wanted} pixels, not {width}x{height}")
            yield view.crops
            if self._flip_fusion:
                yield np.ascontiguousarray(view.crops[:, :, ::-1])

    def _raw(self, crops: Image) -> F32:
        parts = [self._pass(crops[start : start + self._max_batch]) for start in range(0, len(crops), self._max_batch)]
        return np.concatenate(parts) if parts else np.zeros((0, self._dimension), np.float32)

    def _pass(self, crops: Image) -> F32:
        if self._folded:
            outputs = self._session.run({self._session.inputs[0]: np.ascontiguousarray(crops)})
            unit, norm = (outputs[name].reshape(len(crops), -1) for name in self._session.outputs[:2])
            return (unit * norm).astype(np.float32, copy=False)
        blob = planar(list(crops), bgr=self._bgr, mean=self._mean, std=self._std)
        output = self._session.run({self._session.inputs[0]: blob})[self._session.outputs[0]]
        return output.reshape(len(crops), self._dimension).astype(np.float32, copy=False)


class EnsembleEmbedder:
    """Several embedders as one: their templates side by side, scaled so that scores add up.

    With weights w that sum to one, a template is (√w₁·t₁, √w₂·t₂, …): it has unit length, and the cosine similarity of
    two of them is the weighted mean of the members' (score-level fusion by a weighted sum, e.g. Ross and Jain, 2003).

    Args:
        members: Embedders with their weights, each above 0; the weights sum to 1.
        model_id: Identity of the fused templates.
    """

    def __init__(self, members: Sequence[tuple[Embedder, float]], *, model_id: str) -> None:
        self._members = [(embedder, np.float32(np.sqrt(weight))) for embedder, weight in members]
        self._model_id = model_id

    @property
    def model_id(self) -> str:
        """The members' names, and a hash of members, options and weights."""
        return self._model_id

    @property
    def dimension(self) -> int:
        """Length of a template: the members' together."""
        return sum(embedder.dimension for embedder, _ in self._members)

    @property
    def runtime(self) -> str:
        """What runs its members, and in which precision; each different one once."""
        return ", ".join(dict.fromkeys(str(getattr(embedder, "runtime", "unknown")) for embedder, _ in self._members))

    def embed(self, faces: AlignedFaces) -> Templates:
        """One unit row per face, in their order; norms are those of the first member.

        Raises:
            CropError: The faces were not cut out the way a member needs them.
        """
        parts = [(embedder.embed(faces), scale) for embedder, scale in self._members]
        vectors: F32 = np.concatenate([part.vectors * scale for part, scale in parts], axis=1)
        return Templates(vectors, parts[0][0].norms, self._model_id)


class NoEmbedder:
    """Stands in where only crops are wanted: gives every face the one-dimensional template 1, at no cost."""

    model_id = "none"
    dimension = 1

    def embed(self, faces: AlignedFaces) -> Templates:
        """(N, 1) ones."""
        return Templates(np.ones((len(faces), 1), np.float32), np.ones(len(faces), np.float32), self.model_id)


def _unit(rows: F32) -> tuple[F32, F32]:
    """Rows of unit length and their former lengths. A zero row stays zero and is refused by `Templates`."""
    norms: F32 = np.linalg.norm(rows, axis=1).astype(np.float32)
    unit: F32 = (rows / np.where(norms > 0, norms, 1)[:, None]).astype(np.float32)
    return unit, norms
