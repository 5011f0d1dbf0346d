"""The interface of a set of aligned crops with identities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipeline.types import Image

I64 = npt.NDArray[np.int64]
#: Height and width of a crop.
SIDE = 112


class FaceDataset(Protocol):
    """Random access to crops. It is sent to worker processes, so it holds names and offsets, no open files.

    Attributes:
        identities: Names of the C identities; the label of one is its place here.
        labels: (N,) int64 label of each sample, in [0, C).
    """

    identities: Sequence[str]
    labels: I64

    def __len__(self) -> int:
        """N, the number of samples."""

    def read(self, index: int) -> Image:
        """The crop of one sample: (112, 112, 3) uint8 RGB, the caller's own to write to.

        Raises:
            TrainingDataError: It cannot be read; says which and where.
        """

    def encoded(self, index: int) -> bytes:
        """The crop of one sample as it is stored: the bytes of a JPEG, PNG or the like.

        Raises:
            TrainingDataError: It cannot be read; says which and where.
        """

    def name(self, index: int) -> str:
        """What to call a sample in messages and lists."""
