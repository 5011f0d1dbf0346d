"""How components and norm become one number: the features of the regression, and a fit for any model."""

from __future__ import annotations

import numpy as np

from pipeline.types import F32, F64, QUALITY_COMPONENTS, QualityFit

_SUREST = 1e-3


def unified(fit: QualityFit, components: F32, norms: F32, confidences: F32) -> F32:
    """The unified score of each face.

    Args:
        fit: The coefficients.
        components: (N, C) as in `Qualities`; a component that is not known counts as 100.
        norms: (N,) of the templates.
        confidences: (N,) of the detector.

    Returns:
        (N,) float32 in [0, 100].
    """
    values = features(components, norms, confidences)
    used = ((name, weight) for name, weight in fit.weights.items() if weight)
    z = fit.offset + sum((weight * values[name] for name, weight in used), np.zeros(len(norms)))
    result: F32 = (100 / (1 + np.exp(-np.clip(z, -60, 60)))).astype(np.float32)
    return result


def features(components: F32, norms: F32, confidences: F32) -> dict[str, F64]:
    """What the regression sees, (N,) float64 by name: the higher, the better."""
    known = np.where(np.isnan(components), 100.0, components).astype(np.float64) / 100
    columns = {name: known[:, QUALITY_COMPONENTS.index(name)] for name in QUALITY_COMPONENTS}
    surely = -np.log10(np.clip(1 - np.asarray(confidences, np.float64), _SUREST, 1))
    return {"norm": np.asarray(norms, np.float64), "confidence": surely, **columns}


#: For models whose card has no fit of their own: it does without the norm. Printed by `scripts/bench quality`.
_GENERIC = QualityFit(
    offset=-8.90967,
    confidence=6.11661,
    sharpness=1.11755,
    dynamic_range=2.05949,
    under_exposure=0.873857,
    illumination=0.503333,
    pitch=1.31416,
    basis="lfw-dev, with SFace: 1549 photos of 963 people, each once more degraded; 2026-11-23",
)


def generic_fit() -> QualityFit:
    """The fit for any model: of the components and the detector's confidence alone."""
    return _GENERIC
