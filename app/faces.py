"""Which face of a photo is meant, and what of it is enrolled."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.errors import SeveralFacesError
from pipeline.recognizer import Faces, no_face

if TYPE_CHECKING:
    from pipeline.gallery import NewSample
    from pipeline.types import AlignedFaces


def pick_face(faces: Faces, number: int) -> Faces:
    """One face of a photo; 1 is the most prominent.

    Raises:
        NoFaceError: There is none.
        SeveralFacesError: There are fewer than `number`.
    """
    if not len(faces):
        raise no_face(faces.source)
    if not 1 <= number <= len(faces):
        raise SeveralFacesError(f"{faces.source}: shows {len(faces)} faces, so there is no face {number}")
    row = number - 1
    rows = slice(row, row + 1)
    return replace(
        faces,
        detections=faces.detections[[row]],
        aligned=faces.aligned[rows],
        templates=faces.templates[rows],
        live=None if faces.live is None else faces.live[rows],
    )


def only_face(faces: Faces, number: int | None) -> Faces:
    """The one face of an enrolment photo, or the one whose number is given.

    Raises:
        NoFaceError: There is none.
        SeveralFacesError: There are several and no number was given; the message says where each is.
    """
    if len(faces) > 1 and number is None:
        places = "; ".join(
            f"{row}: {x1 - x0:.0f}x{y1 - y0:.0f} pixels at ({x0:.0f}, {y0:.0f})"
            for row, (x0, y0, x1, y1) in enumerate(faces.detections.boxes, 1)
        )
        raise SeveralFacesError(
            f"{faces.source}: shows {len(faces)} faces ({places}): name one with --face N, or crop the photo"
        )
    return pick_face(faces, number or 1)


def sample_of(faces: Faces, *, keep_crop: bool, quality: float | None = None) -> NewSample:
    """The first face as a sample to enrol; its aligned crop goes along, as PNG, where that is kept."""
    from pipeline.gallery import NewSample

    found = faces.detections
    x0, y0, x1, y1 = (float(v) for v in found.boxes[0])
    return NewSample(
        source=faces.source,
        photo_sha256=faces.photo_sha256,
        box=(x0, y0, x1, y1),
        landmarks=found.landmarks[0],
        confidence=float(found.confidences[0]),
        image_hw=found.image_hw,
        vector=faces.templates.vectors[0],
        norm=float(faces.templates.norms[0]),
        crop=png_of(faces.aligned) if keep_crop else None,
        quality=quality,
    )


def png_of(aligned: AlignedFaces) -> bytes:
    """The first crop as PNG."""
    import cv2

    done, data = cv2.imencode(".png", cv2.cvtColor(aligned.crops[0], cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError("the crop could not be encoded")
    return bytes(data)
