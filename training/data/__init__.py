"""Training photos: readers behind one interface, an order that depends on the seed alone, batches for a rank.

dataset   the interface            folder   a folder per identity
order     which sample when        loader   batches, by worker processes
augment   what is done to a crop
"""

from __future__ import annotations

from training.data.dataset import FaceDataset
from training.data.folder import FolderDataset
from training.data.loader import Batches
from training.data.order import Plan

__all__ = ["Batches", "FaceDataset", "FolderDataset", "Plan"]
