"""Model cards, and the models installed on this machine."""

from pipeline.weights.card import Card, RuntimeRecord, cards_dir, data_dir, load_cards
from pipeline.weights.store import InstalledModel, ModelStore, StoreRow

__all__ = [
    "Card",
    "InstalledModel",
    "ModelStore",
    "RuntimeRecord",
    "StoreRow",
    "cards_dir",
    "data_dir",
    "load_cards",
]
