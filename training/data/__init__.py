"""Training photos: readers behind one interface, an order that depends on the seed alone, batches for a rank.

dataset   the interface            open      finds out what kind of set it is
folder    a folder per identity    recordio  InsightFace's .rec
tfrecord  tf.Example               tar       WebDataset, and what `data build` makes
order     which sample when        loader    batches, by worker processes (torch)
augment   what is done to a crop (albumentations)

Only `loader` needs torch, so that sets can be built, cleaned and looked at without it.
"""

from __future__ import annotations

from training.data.dataset import FaceDataset
from training.data.folder import FolderDataset
from training.data.open import open_dataset
from training.data.order import Plan

__all__ = ["FaceDataset", "FolderDataset", "Plan", "open_dataset"]
