"""Makes an ensemble: embeds photos of known people with each member, fits the weights, and writes the card."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from app.evaluation.cache import EmbeddingCache, recipe_of
from app.evaluation.embed import embed
from app.evaluation.folders import people_in
from app.kept import cache_file
from app.services import Services
from pipeline.config import Settings
from pipeline.errors import ConfigError, PhotoError
from pipeline.fusion import FusionFit, fit_weights
from pipeline.types import F32
from pipeline.weights import Card, Licence, Member, ModelStore
from pipeline.weights.add import write_card
from pipeline.weights.ensembles import read_label

Watch = Callable[[Sequence[str], str], Iterable[str]]


def fuse(settings: Settings, labels: Sequence[str], folder: Path, watch: Watch) -> tuple[Card, FusionFit]:
    """Fits the weights of an ensemble on a folder and keeps its card among the user's.

    Args:
        settings: Detector, refiner and runtime; where models and cards are kept.
        labels: Of two to four embedders, with what each sees: `sface.2021dec+flip`.
        folder: Photos with a sub-folder per person.
        watch: Passes the names of photos through, and is told for which embedder, to show progress.

    Raises:
        CardError: A label names no embedder.
        ConfigError: The folder holds too few photos or people, or a member adds nothing.
        ModelMissingError: A member is not installed.
    """
    store = ModelStore(settings.models_dir)
    members = [read_label(label) for label in labels]
    cards = [store.installed(member.name).card for member in members]
    people = people_in(folder)
    owner = {name: person for person, names in people.items() for name in names}
    found = [_embedded(settings, member, folder, list(owner), watch) for member in members]
    names = [name for name in owner if not any(isinstance(one[name], PhotoError) for one in found)]
    if not names:
        raise ConfigError(f"{folder}: no photo in it shows a face")
    templates = [np.stack([vector for name in names if isinstance(vector := one[name], np.ndarray)]) for one in found]
    fit = fit_weights(templates, [owner[name] for name in names])
    card = _card(
        members, cards, fit, f"{folder.resolve().name}, {len(owner)} photos ({len(owner) - len(names)} failed)"
    )
    write_card(store, card)
    return card, fit


def _embedded(
    settings: Settings, member: Member, folder: Path, names: list[str], watch: Watch
) -> dict[str, F32 | PhotoError]:
    changes = {"embedder": member.name, "flip_fusion": member.flip, "crop_zooms": member.zooms}
    services = Services(settings.model_copy(update=changes))
    recipe = recipe_of(services, aligned=False)
    cache = EmbeddingCache(cache_file(settings.home), recipe, services.recognizer.dimension, services.file_keys)
    return embed(services, watch(names, member.label), lambda name: services.open(folder / name), cache=cache)


def _card(members: Sequence[Member], cards: Sequence[Card], fit: FusionFit, data: str) -> Card:
    weighted = [m.model_copy(update={"weight": weight}) for m, weight in zip(members, fit.weights, strict=True)]
    return Card(
        name="+".join(member.label for member in members),
        title="Ensemble of " + " and ".join(member.label for member in members),
        task="embedder",
        family="ensemble",
        dimension=sum(card.dimension or 0 for card in cards),
        members=tuple(weighted),
        licence=Licence(
            code="; ".join(dict.fromkeys(card.licence.code for card in cards)),
            weights="; ".join(dict.fromkeys(card.licence.weights for card in cards)),
            training_data="; ".join(f"{card.name}: {card.licence.training_data}" for card in cards),
            commercial_use=all(card.licence.commercial_use for card in cards),
            note="The terms of every member hold.",
        ),
        provenance=f"Weights fitted on {data}, {datetime.now(UTC).date().isoformat()}: {evidence(members, fit)}",
    )


def evidence(members: Sequence[Member], fit: FusionFit) -> str:
    """What the fit rests on and what it brought, in words."""
    spread = ", ".join(f"±{value:.2f}" for value in fit.spread)
    rates = [("ensemble", fit.fused), *((m.label, rates) for m, rates in zip(members, fit.alone, strict=True))]
    text = "; ".join(f"{name} {', '.join(f'{100 * rate:.2f}' for rate in row)}" for name, row in rates)
    return (
        f"{fit.photos} faces of {fit.people} people, fitted on one half of the people and measured on the other, "
        f"{2 * fit.rounds} times (spread of the weights {spread}); FNMR in % at FMR "
        f"{', '.join(f'{fmr:g}' for fmr in fit.fmrs)} on the other half: {text}"
    )
