"""Thresholds with error rates that hold on people who were not used to find them."""

from pipeline.calibration.fit import Calibration, Comparison, Photos, Wanted, calibrate, require_support

__all__ = ["Calibration", "Comparison", "Photos", "Wanted", "calibrate", "require_support"]
