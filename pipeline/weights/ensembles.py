"""Ensembles among the models: a card that names other cards, and is installed when they are."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

from pipeline.errors import CardError
from pipeline.weights.card import LABEL, Card, Member
from pipeline.weights.records import InstalledModel


def ensemble_sha256(card: Card, member_hashes: Sequence[str]) -> str:
    """Hash of what decides an ensemble's templates: its members' networks, what they see, and the weights.

    Args:
        card: Of the ensemble.
        member_hashes: SHA-256 of the members' files, in the order of the card.
    """
    parts = [
        [member.label, sha256, repr(member.weight)] for member, sha256 in zip(card.members, member_hashes, strict=True)
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def read_label(label: str) -> Member:
    """A member from its label: `sface.2021dec`, `sface.2021dec+flip`, `sface.2021dec+flip+zoom0.94_1.06`.

    Raises:
        CardError: It has another form.
    """
    found = re.fullmatch(LABEL, label)
    try:
        if not found:
            raise ValueError
        zooms = tuple(float(zoom) for zoom in found["zooms"].split("_")) if found["zooms"] else ()
        return Member(name=found["name"], weight=1.0, flip=bool(found["flip"]), zooms=zooms)
    except (ValueError, ValidationError) as error:
        raise CardError(
            f"{label}: is no member of an ensemble; write a model's name, with +flip or +zoom0.94_1.06 if it shall see "
            "the mirror image or further crops"
        ) from error


def assemble(card: Card, folder: Path, installed: Callable[[str], InstalledModel]) -> InstalledModel:
    """An ensemble as an installed model.

    Args:
        card: Of the ensemble.
        folder: Of all models.
        installed: Gives a member by name, or raises.

    Raises:
        CardError: A member is no embedder with a network of its own, or its dimension does not fit.
        ModelMissingError, ModelDamagedError: A member is not installed, or damaged.
    """
    members = tuple(installed(member.name) for member in card.members)
    for member in members:
        if member.card.task != "embedder" or member.members:
            raise CardError(f"{card.name}: its member {member.card.name} is not a single embedder")
    if card.dimension != sum(member.card.dimension or 0 for member in members):
        raise CardError(f"{card.name}: its dimension is not the sum of its members'")
    return InstalledModel(
        card,
        folder,
        ensemble_sha256(card, [member.sha256 for member in members]),
        origin="; ".join(dict.fromkeys(member.origin for member in members)),
        installed_at=max(member.installed_at for member in members),
        members=members,
    )
