"""The stage: faces in, their qualities out."""

from __future__ import annotations

import numpy as np

from pipeline.quality.fit import unified
from pipeline.quality.measures import native
from pipeline.types import F32, QUALITY_COMPONENTS, AlignedFaces, Detections, Qualities, QualityFit, Templates

#: log10 of the variance of the Laplacian that is worth 0 and 100: below 0.7 lies 1 in 20 of the photos it was measured
#: on, half of them blurred; half of the sharp ones lie above 1.9.
_BLURRED, _SHARP = 0.7, 1.9
#: Pixels between the eyes that are worth 100: more than twice what a 112x112 crop can use.
_EYES_PX = 80.0


def assess(
    detections: Detections,
    faces: AlignedFaces,
    templates: Templates,
    fit: QualityFit,
    jpeg_quality: float | None = None,
    eyes: F32 | None = None,
) -> Qualities:
    """The quality of the faces of one photo.

    Args:
        detections: N faces.
        faces: Their crops.
        templates: Their templates; only the norms are looked at.
        fit: Of the model that made them.
        jpeg_quality: Of the photo; None where it is no JPEG.
        eyes: (N,) how surely an eye is open, in [0, 1]; None where that is not looked at.
    """
    measured = native(detections, faces, jpeg_quality, eyes)
    components = component_values(measured)
    return Qualities(unified(fit, components, templates.norms, detections.confidences), components, measured)


def component_values(measured: F32) -> F32:
    """Every component from 0 to 100.

    Args:
        measured: (N, C) as `measures.native` gives them.

    Returns:
        (N, C) float32; NaN where it is not known.
    """
    by_name = dict(zip(QUALITY_COMPONENTS, measured.T.astype(np.float64), strict=True))
    turned = {name: 100 * np.maximum(0, np.cos(np.radians(by_name[name]))) ** 2 for name in ("yaw", "pitch", "roll")}
    scaled = {
        "sharpness": 100 * (by_name["sharpness"] - _BLURRED) / (_SHARP - _BLURRED),
        "dynamic_range": 12.5 * by_name["dynamic_range"],  # 8 bits are worth 100 (OFIQ, dynamic range)
        "under_exposure": 100 * (1 - by_name["under_exposure"]),
        "over_exposure": 100 * (1 - by_name["over_exposure"]),
        "illumination": 100 * by_name["illumination"],
        **turned,  # 100 · cos² (OFIQ, head pose)
        "inter_eye": 100 * by_name["inter_eye"] / _EYES_PX,
        "completeness": 100 * by_name["completeness"],
        "compression": by_name["compression"],
        "eyes_open": 100 * by_name["eyes_open"],
    }
    columns = np.stack([scaled[name] for name in QUALITY_COMPONENTS], axis=1)
    values: F32 = np.clip(columns, 0, 100).astype(np.float32)
    return values
