"""A video as a content of a run."""

from __future__ import annotations

from pathlib import Path

from app.runs.row_types import QUALITY_DECIMALS, Content, NewFace
from app.video.appearances import analyse_video
from pipeline.config import Settings
from pipeline.recognizer import Recognizer
from pipeline.tracks import TrackSettings


def video_content(
    path: str | Path, recognizer: Recognizer, settings: Settings, tracking: TrackSettings, *, workers: int = 1
) -> Content:
    """The appearances in a video, in the order in which they begin, as faces for the ledger.

    Args and errors: as `analyse_video`.
    """
    found = analyse_video(path, recognizer, settings, tracking, workers=workers)
    where = found.detections
    made = []
    for row, (start_s, end_s) in enumerate(found.spans):
        x0, y0, x1, y1 = where.boxes[row].tolist()
        made.append(
            NewFace(
                box=(x0, y0, x1, y1),
                landmarks=tuple((x, y) for x, y in where.landmarks[row].tolist()),
                confidence=float(where.confidences[row]),
                vector=found.templates.vectors[row],
                norm=float(found.templates.norms[row]),
                thumbnail=found.thumbnails[row],
                start_s=start_s,
                end_s=end_s,
                quality=round(found.qualities[row], QUALITY_DECIMALS),
            )
        )
    return Content(found.sha256, "video", where.image_hw, tuple(made))
