"""Contact sheets: crops in rows on one picture, with a word above each row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from pipeline.types import Image
from training.data.dataset import SIDE

_GAP, _TEXT = 4, 18


def contact_sheet(rows: Sequence[tuple[str, Sequence[Image]]]) -> Image:
    """A picture of rows of crops.

    Args:
        rows: What stands above a row, and its (112, 112, 3) uint8 RGB crops.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    columns = max((len(crops) for _, crops in rows), default=1)
    step = SIDE + _GAP
    sheet = np.full((len(rows) * (step + _TEXT) + _GAP, columns * step + _GAP, 3), 255, np.uint8)
    for number, (text, crops) in enumerate(rows):
        top = number * (step + _TEXT)
        words = text.encode("ascii", "replace").decode()  # OpenCV's fonts have no other letters
        cv2.putText(sheet, words, (_GAP, top + 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (60, 60, 60), 1, cv2.LINE_AA)
        for place, crop in enumerate(crops):
            left = _GAP + place * step
            sheet[top + _TEXT : top + _TEXT + SIDE, left : left + SIDE] = crop
    return sheet


def write_sheet(file: Path, sheet: Image) -> None:
    """Writes it as a PNG."""
    done, data = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError("OpenCV cannot write png")
    file.write_bytes(bytes(data))
