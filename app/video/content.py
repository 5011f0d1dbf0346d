"""A video as a content of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.runs.row_types import Content, NewFace
from app.video.identify import analysed

if TYPE_CHECKING:
    from app.services import Services


def video_content(path: str | Path, services: Services) -> Content:
    """The appearances in a video, in the order in which they begin, as faces for the ledger.

    Raises:
        PhotoError: It cannot be used.
        NoOperatingPointError: Nothing says when two faces are one person.
    """
    found = analysed(services, path)
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
            )
        )
    return Content(found.sha256, "video", where.image_hw, tuple(made))
