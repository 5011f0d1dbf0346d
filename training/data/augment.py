"""What is done to a crop before it is learnt from, as a pure function of the crop and a random generator.

Flipping and the synthetic mask are written here; the rest is albumentations, whose transforms are seeded anew for each
crop, so that worker and order make no difference. albumentations asks the network for a newer version when it is
imported unless an environment variable tells it not to, and it is told.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np

from pipeline.extra import need
from pipeline.types import Image

#: (112, 112, 3) uint8 RGB and a generator of its own -> the same shape and type.
Augmentation = Callable[[Image, np.random.Generator], Image]


def flip(image: Image, random: np.random.Generator) -> Image:
    """Mirrors every second crop, left to right."""
    return np.ascontiguousarray(image[:, ::-1]) if random.random() < 0.5 else image


def masked(image: Image, random: np.random.Generator) -> Image:
    """Draws a face mask in one colour from the bridge of the nose to below the chin, where an aligned face has them."""
    top = 66 + random.uniform(-6, 6)
    left, right = 16 + random.uniform(-5, 5), 96 + random.uniform(-5, 5)
    side, nose = top + random.uniform(2, 8), 56 + random.uniform(-3, 3)
    outline = [(left, side), (nose - 14, top), (nose, top - 4), (nose + 14, top), (right, side), (right - 8, 98)]
    outline += [(nose + 14, 113), (nose - 14, 113), (left + 8, 98)]
    colour = random.integers(0, 256, 3) if random.random() < 0.5 else np.full(3, random.integers(60, 256))
    cover = cv2.fillPoly(
        np.zeros(image.shape[:2], np.uint8), [np.round(np.array(outline) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4
    )
    share = (cover / np.float32(255))[..., None]
    shade = np.linspace(1.0, random.uniform(0.75, 1.0), image.shape[0], dtype=np.float32)[:, None, None]
    result: Image = (image * (1 - share) + colour.astype(np.float32) * shade * share).round().astype(np.uint8)
    return result


@dataclass(frozen=True)
class Sometimes:
    """Does something to a share of the crops.

    Attributes:
        name: One of NAMES but `flip`.
        share: Of the crops, in [0, 1].
    """

    name: str
    share: float

    def __call__(self, image: Image, random: np.random.Generator) -> Image:
        """The crop, changed or not."""
        if random.random() >= self.share:
            return image
        if self.name == "mask":
            return masked(image, random)
        transform = _transform(self.name)
        transform.set_random_seed(int(random.integers(2**31)))
        changed: Image = transform(image=image)["image"]
        return changed


#: All there are, in the order in which they are done: what is in front of the camera, the light, the lens, the file.
NAMES = ("flip", "mask", "occlusion", "colour", "blur", "downscale", "jpeg")


def augmentations(*, flipped: bool, shares: Mapping[str, float]) -> list[Augmentation]:
    """What is done to a crop, in order.

    Args:
        flipped: Whether every second crop is mirrored.
        shares: Share of the crops by the name of what is done to them.

    Raises:
        ExtraMissingError: albumentations is needed and not installed.
    """
    chosen: list[Augmentation] = [flip] if flipped else []
    some = [Sometimes(name, shares[name]) for name in NAMES if shares.get(name, 0) > 0]
    if any(one.name != "mask" for one in some):
        need("train", "albumentations")
    return chosen + some


@cache
def _transform(name: str) -> Any:
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations as alb  # noqa: PLC0415 - of the train extra, and slow to import

    if name == "occlusion":
        size = (0.1, 0.4)
        return alb.CoarseDropout(
            num_holes_range=(1, 2), hole_height_range=size, hole_width_range=size, fill="random_uniform", p=1
        )
    if name == "colour":
        light = (0.6, 1.4)
        jitter = alb.ColorJitter(brightness=light, contrast=light, saturation=light, hue=(-0.03, 0.03), p=1)
        return alb.Compose([jitter, alb.ToGray(p=0.1)])
    if name == "blur":
        return alb.OneOf(
            [alb.GaussianBlur(blur_limit=0, sigma_limit=(0.5, 2.0)), alb.MotionBlur(blur_limit=(3, 9))], p=1
        )
    if name == "downscale":
        sampling = {"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_LINEAR}
        return alb.Downscale(scale_range=(0.2, 0.7), interpolation_pair=sampling, p=1)
    if name == "jpeg":
        return alb.ImageCompression(quality_range=(15, 75), p=1)
    raise KeyError(name)
