"""Photos shown to a camera as prints: flat or bent around a cylinder, turning, with a camera's noise and JPEG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.types import F32, Image

RATE = 15
_STILL, _TURN, _REST = 8, 16, 3  # frames: before the first turn, of a turn, and after it
_SHAKE_PX, _NOISE, _JPEG = 0.3, 2.0, 80
_WALL = (110, 110, 100)


@dataclass(frozen=True)
class Way:
    """How a print is shown.

    Attributes:
        degrees: It is turned so far, to each side.
        distance: Of the camera, in widths of the face.
        radius: Of the cylinder it is bent around, in widths of the face; None for a flat one.
    """

    degrees: float
    distance: float
    radius: float | None = None


WAYS = {
    "flat, 45 degrees": Way(45, 2.0),
    "flat, 58 degrees": Way(58, 2.0),
    "flat, 66 degrees": Way(66, 2.5),
    "bent, radius 1, 45 degrees": Way(45, 3.0, 1.0),
    "bent, radius 0.5, 40 degrees": Way(40, 3.0, 0.5),
}


def seen(photo: Image, box: F32, way: Way, yaw_deg: float, shift: Sequence[float] = (0.0, 0.0)) -> Image:
    """What a camera sees of a print that is turned about the middle of the face.

    Args:
        photo: (H, W, 3) uint8 RGB; seen straight it is seen as it is.
        box: (4,) of the face in it.
        way: How it is shown.
        yaw_deg: The turn.
        shift: Of the axis, in pixels.
    """
    height, width = photo.shape[:2]
    wide = float(box[2] - box[0])
    centre = (float(box[0] + box[2]) / 2 + shift[0], float(box[1] + box[3]) / 2 + shift[1])
    v, u = np.mgrid[:height, :width].astype(np.float64)
    across, down = (u - centre[0]) / wide / way.distance, (v - centre[1]) / wide / way.distance
    yaw = np.radians(yaw_deg)
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    camera = turn.T @ np.array([0.0, 0.0, -way.distance])
    rays = np.stack([across, down, np.ones_like(across)], axis=-1) @ turn
    x, y = _flat(camera, rays) if way.radius is None else _bent(camera, rays, way.radius)
    places = [(axis * wide + middle).astype(np.float32) for axis, middle in zip((x, y), centre, strict=True)]
    made: Image = cv2.remap(photo, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=_WALL)
    return made


def _flat(camera: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where rays meet the plane, in widths of the face; NaN where they do not."""
    far = -camera[2] / rays[..., 2]
    far = np.where(far > 0, far, np.nan)
    return camera[0] + far * rays[..., 0], camera[1] + far * rays[..., 1]


def _bent(camera: np.ndarray, rays: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Where rays meet the near side of the upright cylinder, along its surface; NaN where they do not."""
    x, z = camera[0], camera[2] - radius  # the surface begins at z = 0
    a = rays[..., 0] ** 2 + rays[..., 2] ** 2
    b = 2 * (x * rays[..., 0] + z * rays[..., 2])
    root = b * b - 4 * a * (x * x + z * z - radius * radius)
    far = np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / (2 * a), np.nan)
    along = radius * np.arctan2(x + far * rays[..., 0], -(z + far * rays[..., 2]))
    return along, camera[1] + far * rays[..., 1]


def turning(photo: Image, box: F32, way: Way, rng: np.random.Generator) -> Iterator[Image]:
    """Frames, RATE a second: still, then turned to one side and back, and to the other and back."""
    one = np.sin(np.linspace(0, np.pi, _TURN))
    parts = [np.zeros(_STILL), -one, np.zeros(_REST), one, np.zeros(_REST)]
    for yaw in (np.concatenate(parts) * way.degrees).tolist():
        clean = seen(photo, box, way, yaw, rng.normal(0, _SHAKE_PX, 2).tolist()).astype(np.float32)
        noisy = np.clip(clean + rng.normal(0, _NOISE, clean.shape), 0, 255).astype(np.uint8)
        _, data = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, _JPEG])
        yield cv2.imdecode(data, cv2.IMREAD_COLOR)
