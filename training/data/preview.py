"""What training will see of a set: crops before and after augmentation."""

from __future__ import annotations

import numpy as np

from pipeline.types import Image
from training.data.augment import NAMES, Augmentation, Sometimes, flip
from training.data.loader import augmented
from training.data.open import open_dataset
from training.data.stats import chosen
from training.engine.config import TrainConfig


def preview_rows(config: TrainConfig, *, rows: int, columns: int, each: bool) -> list[tuple[str, list[Image]]]:
    """A text and crops for each row of a contact sheet; the first crop of a row is as it stands in the set.

    Args:
        config: Whose set, seed and augmentation.
        rows: Crops, evenly chosen.
        columns: Epochs, the same as in the run.
        each: A row for each augmentation alone, at full share, of one crop.
    """
    from training.engine.setup import build_augmentations  # noqa: PLC0415 - setup imports this package's loader

    data = config.data
    dataset = open_dataset(data.path, image_feature=data.image_feature, label_feature=data.label_feature)
    samples = [int(index) for index in chosen(dataset, rows)]
    if each:
        alone: dict[str, Augmentation] = {name: flip if name == "flip" else Sometimes(name, 1.0) for name in NAMES}
        plans: list[tuple[str, int, tuple[Augmentation, ...]]] = [
            (name, samples[number % len(samples)], (one,)) for number, (name, one) in enumerate(alone.items())
        ]
    else:
        every = tuple(build_augmentations(data.augment))
        plans = [(dataset.name(index), index, every) for index in samples]
    found = []
    for text, index, changes in plans:
        drawn = [augmented(dataset, (epoch, index), config.seed, changes) for epoch in range(columns)]
        found.append((text, [dataset.read(index), *(np.ascontiguousarray(image) for image in drawn)]))
    return found
