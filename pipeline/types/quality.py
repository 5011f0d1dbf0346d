"""What a face image is worth: a unified score and named components."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite, isnan

import numpy as np

from pipeline.types.arrays import F32, check

QUALITY_COMPONENTS = (
    "sharpness",
    "dynamic_range",
    "under_exposure",
    "over_exposure",
    "illumination",
    "yaw",
    "pitch",
    "roll",
    "inter_eye",
    "completeness",
    "compression",
    "eyes_open",
)
"""The components by name, in the order of the columns; what each is stands in `pipeline.quality`."""


@dataclass(frozen=True, slots=True, eq=False)
class Qualities:
    """The quality of N faces, after ISO/IEC 29794-5: higher is better, 0 to 100 throughout.

    Attributes:
        unified: (N,) float32 in [0, 100]: the chance in a hundred that the face is recognised in a good photo of the
            same person at FMR 1e-3, as fitted on other people.
        components: (N, C) float32 in [0, 100], a column for each of QUALITY_COMPONENTS; NaN where it cannot be known.
        natives: (N, C) float32, the same in units of their own: degrees, pixels, shares, bits; NaN likewise.
    """

    unified: F32
    components: F32
    natives: F32

    def __post_init__(self) -> None:
        n = len(self.unified)
        check("unified", self.unified, np.float32, (n,))
        for name in ("components", "natives"):
            values = getattr(self, name)
            if values.dtype != np.float32 or values.shape != (n, len(QUALITY_COMPONENTS)):
                raise ValueError(f"{name} must be float32 of shape ({n}, {len(QUALITY_COMPONENTS)})")
        known = self.components[~np.isnan(self.components)]
        if np.any(self.unified < 0) or np.any(self.unified > 100) or np.any(known < 0) or np.any(known > 100):
            raise ValueError("quality lies in [0, 100]")

    def __len__(self) -> int:
        return len(self.unified)

    def row(self, number: int) -> dict[str, float | None]:
        """Unified score and components of one face by name, as they go into JSON; None where not known."""
        values = zip(QUALITY_COMPONENTS, self.components[number].tolist(), strict=True)
        named = {name: None if isnan(value) else round(value, 1) for name, value in values}
        return {"unified": round(float(self.unified[number]), 1), **named}


@dataclass(frozen=True, slots=True)
class QualityFit:
    """A logistic regression on whether mated comparisons with a good photo reach the threshold of FMR 1e-3.

    unified = 100 / (1 + exp(-z)), z = offset + Σ weight · feature. No weight is below 0: a better feature never makes
    a face worse.

    Attributes:
        offset: Of z.
        norm: Weight of the template's norm; 0 where the fit is for any model. Norms predict recognition (Meng et al.,
            MagFace, CVPR 2021, arXiv:2103.06627), of networks that were not trained to, too.
        confidence: Weight of -log10(1 - c), c the detector's confidence.
        sharpness, dynamic_range, under_exposure, illumination, yaw, pitch: Weights of components / 100.
        basis: Which data, which protocol, and when.
    """

    offset: float
    norm: float = 0.0
    confidence: float = 0.0
    sharpness: float = 0.0
    dynamic_range: float = 0.0
    under_exposure: float = 0.0
    illumination: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    basis: str = ""

    def __post_init__(self) -> None:
        if not all(isfinite(value) for value in (self.offset, *self.weights.values())):
            raise ValueError("the weights of a quality fit must be finite numbers")
        if min(self.weights.values()) < 0:
            raise ValueError("the weights of a quality fit must be at least 0")

    @property
    def weights(self) -> dict[str, float]:
        """Every weight by the name of its feature."""
        return {
            field.name: getattr(self, field.name) for field in fields(self) if field.name not in ("offset", "basis")
        }
