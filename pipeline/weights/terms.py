"""Under which terms a model is installed, and what the user has to run for it."""

from __future__ import annotations

from pipeline.errors import LicenceError
from pipeline.weights.card import Card


def require_licence(card: Card, *, accepted: bool) -> None:
    """Refuses weights that may not be used commercially until the user has accepted that.

    Raises:
        LicenceError: They may not, and the user has not.
    """
    if not card.licence.commercial_use and not accepted:
        raise LicenceError(
            f"{card.name}: its weights may not be used commercially ({card.licence.weights}); if that suits you, run "
            f"`knownface models pull {card.pack or card.name} --accept-licence`"
        )


def install_command(card: Card) -> str:
    """What to run to install the model of a card, for a message."""
    if not card.sources or all(source.kind == "file" for source in card.sources):
        return "`knownface models add` with its file"
    accept = "" if card.licence.commercial_use else " --accept-licence"
    return f"`knownface models pull {card.pack or card.name}{accept}`"
