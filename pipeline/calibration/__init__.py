"""Thresholds with error rates that hold on people who were not used to find them."""

from pipeline.calibration.fit import Calibration, Photos, Wanted, calibrate, require_support
from pipeline.calibration.thresholds import Comparison

__all__ = ["Calibration", "Comparison", "Photos", "Wanted", "calibrate", "require_support"]
