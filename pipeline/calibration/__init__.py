"""Thresholds with error rates that hold on people who were not used to find them."""

from pipeline.calibration.fit import Calibration, Wanted, calibrate, require_support
from pipeline.calibration.halves import Compared, Photos, compare
from pipeline.calibration.look import Look, Shares, look
from pipeline.calibration.thresholds import Comparison

__all__ = [
    "Calibration",
    "Compared",
    "Comparison",
    "Look",
    "Photos",
    "Shares",
    "Wanted",
    "calibrate",
    "compare",
    "look",
    "require_support",
]
