"""Model cards, and the models installed on this machine. The sample photos: `pipeline.weights.samples`."""

from pipeline.weights.card import Card, Licence, Member, RuntimeRecord, cards_dir, data_dir, load_cards
from pipeline.weights.records import Added, InstalledModel, StoreRow
from pipeline.weights.store import ModelStore

__all__ = [
    "Added",
    "Card",
    "InstalledModel",
    "Licence",
    "Member",
    "ModelStore",
    "RuntimeRecord",
    "StoreRow",
    "cards_dir",
    "data_dir",
    "load_cards",
]
