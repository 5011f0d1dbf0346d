"""Face detection: a network's head (`heads`) over the scales of a photo (`scales`)."""

from __future__ import annotations

from pipeline.detect.heads import HEADS, Head, Raw, ScrfdHead, YuNetHead
from pipeline.detect.scales import DetectionSettings, MultiScaleDetector

__all__ = ["HEADS", "DetectionSettings", "Head", "MultiScaleDetector", "Raw", "ScrfdHead", "YuNetHead"]
