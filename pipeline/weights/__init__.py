"""Model cards, the models installed on this machine, and the sample photos."""

from pipeline.weights.card import Card, RuntimeRecord, cards_dir, data_dir, load_cards
from pipeline.weights.records import Added, InstalledModel, StoreRow
from pipeline.weights.samples import Sample, pull_samples
from pipeline.weights.store import ModelStore

__all__ = [
    "Added",
    "Card",
    "InstalledModel",
    "ModelStore",
    "RuntimeRecord",
    "Sample",
    "StoreRow",
    "cards_dir",
    "data_dir",
    "load_cards",
    "pull_samples",
]
