"""The values that pass between stages: frozen, slotted, columnar, checked once on construction.

Images are uint8 (H, W, 3) RGB. Boxes and landmarks are in pixels of the original, upright photo (EXIF orientation
applied, full resolution); the centre of the top left pixel is (0, 0), as in OpenCV.
"""

from pipeline.types.arrays import F32, F64, Image
from pipeline.types.decisions import Decision, DecisionKind, LikelihoodRatio, OperatingPoint
from pipeline.types.faces import FLIP_SUFFIX, UNIT_TOLERANCE, AlignedFaces, Detections, Templates, fusion_suffix
from pipeline.types.liveness import AttackRate, LivenessPoint
from pipeline.types.quality import QUALITY_COMPONENTS, Qualities, QualityFit
from pipeline.types.search import Candidates, IndexKind, IndexMethod, SubjectScore

__all__ = [
    "F32",
    "F64",
    "FLIP_SUFFIX",
    "QUALITY_COMPONENTS",
    "UNIT_TOLERANCE",
    "AlignedFaces",
    "AttackRate",
    "Candidates",
    "Decision",
    "DecisionKind",
    "Detections",
    "Image",
    "IndexKind",
    "IndexMethod",
    "LikelihoodRatio",
    "LivenessPoint",
    "OperatingPoint",
    "Qualities",
    "QualityFit",
    "SubjectScore",
    "Templates",
    "fusion_suffix",
]
