"""Embedding: aligned faces through a recognition network, rows brought to unit length.

Normalising features (Wang et al., NormFace, 2017, arXiv:1704.06369; Ranjan et al., L2-Softmax, 2017, arXiv:1703.09507)
makes the inner product of two templates their cosine similarity.
"""

from __future__ import annotations

import numpy as np

from pipeline.blobs import planar
from pipeline.protocols import Session
from pipeline.types import F32, FLIP_SUFFIX, AlignedFaces, Image, Templates


class NetworkEmbedder:
    """A recognition network behind the `Embedder` protocol.

    Args:
        session: The network: (N, 3, S, S) float32 in, (N, D) out.
        model_id: `arch.tag@sha8` of the network.
        dimension: D.
        mean: Subtracted from each pixel, in 0..255.
        std: Divides each pixel.
        bgr: The network wants BGR.
        flip_fusion: Average with the mirrored crop (as in ArcFace, CVPR 2019); changes the model_id.
        max_batch: Faces in one pass through the network.
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
        max_batch: int = 4,
    ) -> None:
        self._session = session
        self._model_id = model_id + (FLIP_SUFFIX if flip_fusion else "")
        self._dimension = dimension
        self._mean, self._std, self._bgr = mean, std, bgr
        self._flip_fusion, self._max_batch = flip_fusion, max_batch

    @property
    def model_id(self) -> str:
        """`arch.tag@sha8`, with `+flip` when mirror images are averaged in."""
        return self._model_id

    @property
    def dimension(self) -> int:
        """Length of a template."""
        return self._dimension

    def embed(self, faces: AlignedFaces) -> Templates:
        """One unit row per face, in their order; norms are those before normalisation."""
        raw = self._raw(faces.crops)
        if self._flip_fusion:
            mirrored: Image = np.ascontiguousarray(faces.crops[:, :, ::-1])
            raw = _unit(raw)[0] + _unit(self._raw(mirrored))[0]
        vectors, norms = _unit(raw)
        return Templates(vectors, norms, self._model_id)

    def _raw(self, crops: Image) -> F32:
        parts = [self._pass(crops[start : start + self._max_batch]) for start in range(0, len(crops), self._max_batch)]
        return np.concatenate(parts) if parts else np.zeros((0, self._dimension), np.float32)

    def _pass(self, crops: Image) -> F32:
        blob = planar(list(crops), bgr=self._bgr, mean=self._mean, std=self._std)
        output = self._session.run({self._session.inputs[0]: blob})[self._session.outputs[0]]
        return output.reshape(len(crops), self._dimension).astype(np.float32, copy=False)


def _unit(rows: F32) -> tuple[F32, F32]:
    """Rows of unit length and their former lengths. A zero row stays zero and is refused by `Templates`."""
    norms: F32 = np.linalg.norm(rows, axis=1).astype(np.float32)
    unit: F32 = (rows / np.where(norms > 0, norms, 1)[:, None]).astype(np.float32)
    return unit, norms
